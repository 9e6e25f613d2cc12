//! Every ladder of `sip-traces/` is a test of its own name: played against the core in virtual time.

use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use huntline::config::{Config, Nothing};
use huntline::trace::{Script, play};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sip-traces");
    let mut files = Vec::new();
    collect(&folder, &mut files);
    files.sort();
    assert!(!files.is_empty(), "no traces in {}", folder.display());
    let trials = files.into_iter().map(|file| {
        let name = file.strip_prefix(&folder).unwrap_or(&file).with_extension("");
        Trial::test(name.display().to_string(), move || run(&file))
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "trace") {
            files.push(path);
        }
    }
}

fn run(file: &Path) -> Result<(), Failed> {
    let text = std::fs::read_to_string(file)?;
    let script = Script::read(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    let office = file.with_file_name(&script.setting.office);
    let config = std::fs::read_to_string(&office).map_err(|error| format!("{}: {error}", office.display()))?;
    let loaded = Config::read(&office, &config, &Nothing).map_err(|problems| problems.to_string())?;
    let mut refused = Vec::new();
    // A second opinion on everything we send: an independent parser must read it.
    let mut overheard = |bytes: &[u8]| {
        if bytes.len() > 4
            && let Err(error) = rsip::SipMessage::try_from(named(bytes).as_slice())
        {
            refused.push(format!("rsip refuses what we send: {error}\n{}", String::from_utf8_lossy(bytes)));
        }
    };
    let played = play(&script, Arc::new(loaded.config), &mut overheard);
    played.map_err(|failure| format!("{}\n{}, {failure}", script.title, file.display()))?;
    match refused.is_empty() {
        true => Ok(()),
        false => Err(refused.join("\n").into()),
    }
}

/// The message with a name in place of each IPv6 reference (RFC 3261 §25.1), which rsip 0.4 takes for a host with a port.
fn named(message: &[u8]) -> Vec<u8> {
    let mut named = Vec::with_capacity(message.len());
    let mut rest = message;
    while let Some(open) = rest.iter().position(|byte| *byte == b'[') {
        let reference = rest[open..].iter().position(|byte| *byte == b']').map(|close| &rest[open..=open + close]);
        let is_address = |text: &[u8]| std::str::from_utf8(text).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok());
        let (taken, written) = match reference {
            Some(text) if is_address(&text[1..text.len() - 1]) => (open + text.len(), &b"six.example"[..]),
            _ => (open + 1, &b"["[..]),
        };
        named.extend_from_slice(&rest[..open]);
        named.extend_from_slice(written);
        rest = &rest[taken..];
    }
    named.extend_from_slice(rest);
    named
}
