//! Every ladder of `sip-traces/` is a test of its own name: played against the core in virtual time. Its calls, as they would
//! be on record, are then exported and played again: the same messages, the same decisions.

use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use huntline::config::Config;
use huntline::trace::{Exported, Script, compare, export, play, record};
use libtest_mimic::{Arguments, Failed, Trial};

/// Played as they stand, but not as they would be exported, and why.
const NOT_EXPORTED: &[(&str, &str)] = &[
    ("overtaken-request", "the numbers of requests are not kept"),
    ("phone-moves-in-a-talk", "a phone that moves is another device in the trace of a real call"),
    ("clock-jumps-in-a-talk", "nobody tells a call that the machine's clock was set"),
    ("clock-jumps-while-it-rings", "nobody tells a call that the machine's clock was set"),
];

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sip-traces");
    let mut files = Vec::new();
    collect(&folder, &mut files);
    files.sort();
    assert!(!files.is_empty(), "no traces in {}", folder.display());
    let trials = files.into_iter().flat_map(|file| {
        let name = file.strip_prefix(&folder).unwrap_or(&file).with_extension("").display().to_string();
        let again = file.clone();
        let exported = !NOT_EXPORTED.iter().any(|(ladder, _)| *ladder == name);
        let exported = exported.then(|| Trial::test(format!("{name}, exported"), move || run_exported(&again)));
        [Trial::test(name.clone(), move || run(&file))].into_iter().chain(exported)
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

fn office(script: &Script, file: &Path) -> Result<Arc<Config>, Failed> {
    Ok(script.office(|name| std::fs::read_to_string(file.with_file_name(name)))?)
}

fn run(file: &Path) -> Result<(), Failed> {
    let text = std::fs::read_to_string(file)?;
    let script = Script::read(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    let config = office(&script, file)?;
    let mut refused = Vec::new();
    // A second opinion on everything we send: an independent parser must read it.
    let mut overheard = |bytes: &[u8]| {
        if bytes.len() > 4
            && let Err(error) = rsip::SipMessage::try_from(named(bytes).as_slice())
        {
            refused.push(format!("rsip refuses what we send: {error}\n{}", String::from_utf8_lossy(bytes)));
        }
    };
    let played = play(&script, config, &mut overheard);
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

/// Ladders with a call whose export says itself that something is not in it, by the beginnings of their names: on a line
/// that is full of calls, refused because of how another call stands, with a connection that is lost or was open before,
/// with messages that others have left.
const LEAN_ON_OTHERS: [&str; 10] = [
    "pickup-crosses-the-answer",
    "pickup-of-nothing",
    "pickup-that-cannot-be",
    "pickup-without-an-offer",
    "transfer-attended-crosses-a-goodbye",
    "trunk-is-full",
    "tcp-phone-",
    "tcp-trunk-",
    "large-request-",
    "voicemail-is-listened-to",
];

/// Every call of a ladder is exported as if it had been a real one, and played again.
fn run_exported(file: &Path) -> Result<(), Failed> {
    let script = Script::read(&std::fs::read_to_string(file)?).map_err(|error| error.to_string())?;
    let config = office(&script, file)?;
    let calls = record(&script, config.clone()).map_err(|failure| failure.to_string())?;
    for call in calls.iter().filter(|call| !call.tape.parties.is_empty()) {
        let Exported { script, caveats } = export(call, &config);
        let exported = script.to_string();
        let fail = |why: String| Failed::from(format!("{why}\n\nexported:\n{exported}\n\ntape:\n{:?}", call.tape));
        let again = Script::read(&exported).map_err(|error| fail(error.to_string()))?;
        if again.to_string() != exported {
            return Err(fail(format!("written and read again it is\n{again}")));
        }
        let key = |line: &str| Some(line.split_once("presses ").or(line.split_once("Signal="))?.1.trim().to_owned());
        let pressed = exported.lines().filter_map(key).collect::<String>().replace(|c: char| !c.is_ascii_digit(), "");
        let pins = config.voicemails().filter_map(|(_, mailbox)| mailbox.pin.as_ref());
        if pins.into_iter().any(|pin| pressed.contains(pin.expose())) {
            return Err(fail("a pin is in it".into()));
        }
        let office = again.office(|name| Err(std::io::Error::other(name.to_owned()))).map_err(fail)?;
        let rows = compare(&again, office.clone()).map_err(|failure| fail(failure.to_string()))?;
        if !caveats.is_empty() {
            // What it leaned on is not in it, and it says so: then it need not play as it was, but must be such a call.
            let stem = file.file_stem().unwrap_or_default().to_string_lossy();
            let expected = LEAN_ON_OTHERS.iter().any(|name| stem.starts_with(name));
            expected.then_some(()).ok_or_else(|| fail(format!("unexpected: {caveats:?}")))?;
        } else if rows.iter().any(|row| row.differs) {
            let rows = rows.iter().map(|row| {
                format!("{} {:9.3} {:60} {}", if row.differs { "≠" } else { " " }, row.at, row.said, row.done)
            });
            return Err(fail(rows.collect::<Vec<_>>().join("\n")));
        } else {
            play(&again, office, &mut |_| {}).map_err(|failure| fail(failure.to_string()))?;
        }
    }
    Ok(())
}
