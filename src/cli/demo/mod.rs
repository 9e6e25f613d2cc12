//! `huntline demo`: an office that is called, on this machine alone, to be watched.
//!
//! A real router in a process of its own, and around it stand-ins that speak SIP and RTP over the loopback: a provider with
//! its customers, and four phones. Nothing but this program is needed, and nothing remains of it.

mod office;
mod router;
mod scenes;
mod standin;
mod story;
mod talk;
mod voice;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::unbounded_channel;

use self::office::{GUEST, Office, STAFF, password};
use self::router::{Router, ask};
use self::standin::Standin;
use self::story::Story;
use self::voice::words;
use crate::cli::desk::{Desk, Trouble, say};
use crate::entropy::Entropy;

/// Watch an office that is called: no phone, no root, nothing to install.
#[derive(Debug, Args)]
#[command(after_help = "\
A router is started in a folder of its own, with phones and customers that speak SIP over 127.0.0.1. After the story it
goes on until Ctrl-C, so that its records can be looked at and a softphone can join; then the folder is removed.

Examples:
  huntline demo
  huntline demo --once --folder /tmp/office")]
pub(super) struct Demo {
    /// End after the story, and leave the folder for a look.
    #[arg(long)]
    once: bool,
    /// Put everything into this folder, which must not exist yet, and leave it there.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

impl Demo {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        let seed = desk.now.as_microsecond().cast_unsigned() ^ u64::from(std::process::id()) << 40;
        let keeps = self.once || self.folder.is_some();
        let folder = self.folder.clone().unwrap_or_else(|| {
            std::env::temp_dir().join(format!("huntline-demo-{}-{:x}", std::process::id(), seed & 0xffff))
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(cannot)?;
        let told = runtime.block_on(async {
            let mut ends = Ends::listen().map_err(cannot)?;
            tokio::select! {
                told = self.tell(&folder, seed) => told,
                () = ends.next() => say("\nthe demo ends\n"),
            }
        });
        // Everybody has gone home by now; what they left is removed last.
        drop(runtime);
        if !keeps {
            // Not there where the demo did not get so far.
            let _gone = fs::remove_dir_all(&folder);
        }
        told
    }

    async fn tell(&self, folder: &Path, seed: u64) -> Result<(), Trouble> {
        let mut entropy = Entropy::seeded(std::array::from_fn(|at| seed.to_le_bytes()[at % 8]), 0);
        let line = standin::port().await.map_err(cannot)?;
        let office = Office::found(folder.to_owned(), line.local_addr().map_err(cannot)?).map_err(cannot)?;
        let router = Router::start(&office).map_err(Trouble::Wrong)?;
        let (happens, happening) = unbounded_channel();
        let provider =
            Standin::start("provider", line, office.router, words(&[], 100), happens.clone(), entropy.bytes32());
        let provider = provider.map_err(cannot)?;
        let mut phones = BTreeMap::new();
        for ((number, _), said) in STAFF.iter().zip(["recorded", "hello", "hold-on", "call-back"]) {
            let socket = standin::port().await.map_err(cannot)?;
            let said = words(&[said], 100);
            let phone = Standin::start(number, socket, office.router, said, happens.clone(), entropy.bytes32());
            phones.insert(*number, phone.map_err(cannot)?);
        }
        introduce(&office)?;
        let customers = office.folder.join("customers.csv");
        let imported = ask(&office, &["contacts", "import", &customers.to_string_lossy()]).map_err(cannot)?;
        if !imported.status.success() {
            let why = String::from_utf8_lossy(&imported.stderr);
            return Err(Trouble::Wrong(format!("the customers cannot be imported: {}", why.trim())));
        }
        let mut story = Story::new(office, router, provider, phones, happening);
        story.register().await?;
        scenes::play(&mut story).await?;
        story.scene("The day as it was written down.")?;
        story.command(&["calls"])?;
        afterwards(&story.office)?;
        if self.once {
            return say(&format!("\nEverything lies in {}\n", folder.display()));
        }
        say("\nThe office stays open until Ctrl-C.\n")?;
        story.go_on().await
    }
}

fn cannot(error: io::Error) -> Trouble {
    Trouble::Wrong(format!("the demo cannot go on: {error}"))
}

fn introduce(office: &Office) -> Result<(), Trouble> {
    let staff = STAFF.map(|(number, name)| format!("{number} {name}")).join(", ");
    say(&format!(
        "A router at {}, a provider, and four phones: {staff}.\n\
         The group Sales is 201, 202, 203; who is not answered there reaches 200.\n\
         Config: {}\n",
        office.router,
        office.file.display()
    ))
}

/// What there is to hear, and what to try next.
fn afterwards(office: &Office) -> Result<(), Trouble> {
    let mut sounds = Vec::new();
    for folder in ["recordings", "voicemail"] {
        gather(&office.data.join(folder), &mut sounds);
    }
    sounds.sort();
    let mut text = String::new();
    if !sounds.is_empty() {
        text.push_str("\nTo be heard (WAV):\n");
        sounds.iter().for_each(|file| text.push_str(&format!("  {}\n", file.display())));
    }
    let config = office.file.display();
    text.push_str(&format!(
        "\nTo be tried:\n  \
         huntline calls --missed --config {config}\n  \
         huntline calls show ID --config {config}\n  \
         huntline explain --from 07700900123 --to {} --config {config}\n  \
         huntline status --config {config}\n  \
         a softphone: user {GUEST}, password {}, server {}; then dial 201\n",
        office::NUMBER,
        password(GUEST),
        office.router
    ));
    say(&text)
}

/// All WAV files below a folder.
fn gather(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            gather(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "wav") {
            into.push(path);
        }
    }
}

/// The signals that end the demo.
struct Ends([tokio::signal::unix::Signal; 3]);

impl Ends {
    fn listen() -> io::Result<Ends> {
        let [a, b, c] = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        Ok(Ends([signal(a)?, signal(b)?, signal(c)?]))
    }

    async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
