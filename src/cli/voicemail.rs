//! `huntline voicemail`: the boxes and their messages, what was heard of them, and where their files are.

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::{Args, Subcommand};
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::cli::desk::{Desk, Output, Trouble, say, say_json};
use crate::cli::table::table;
use crate::cli::words::{length, standing, who};
use crate::fact::MessageState;
use crate::store::{Reader, RecordingFilter, RecordingRow};
use crate::switch::Question;

/// List voicemail boxes and messages, and say what became of a message.
#[derive(Debug, Args)]
#[command(after_help = "\
Listing and `path` need no running router. A message that is marked changes the lamps of the phones of its box at once; one
that is deleted cannot be brought back.

Examples:
  huntline voicemail
  huntline voicemail list sales
  aplay \"$(huntline voicemail path voicemail/sales/2026-11-23-100000-0d5t3gh7k2m9p.wav)\"
  huntline voicemail heard voicemail/sales/2026-11-23-100000-0d5t3gh7k2m9p.wav")]
pub(super) struct Voicemail {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The messages of a box, or of all boxes, the newest first.
    List {
        /// The box's name.
        #[arg(value_name = "BOX")]
        mailbox: Option<String>,
        /// Those that were deleted or erased, too.
        #[arg(long)]
        gone: bool,
        /// At most so many; 0 for all.
        #[arg(long, value_name = "COUNT", default_value_t = 50)]
        limit: usize,
        #[command(flatten)]
        output: Output,
    },
    /// Somebody has listened to it: no lamp is lit for it any more.
    Heard(Which),
    /// It counts as new again.
    New(Which),
    /// Throw it away, with its file.
    Delete(Which),
    /// Where its file is, for a program that plays it.
    Path(Which),
}

#[derive(Debug, Args)]
struct Which {
    /// The message's file, as `voicemail list` prints it.
    #[arg(value_name = "FILE")]
    file: String,
    #[command(flatten)]
    output: Output,
}

/// A box, counted.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Counts {
    new: u32,
    heard: u32,
    empty: u32,
}

impl Voicemail {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        match self.what {
            None => boxes(desk, self.output),
            Some(What::List { mailbox, gone, limit, output }) => {
                let mailbox = mailbox.map(Arc::from);
                let filter = RecordingFilter { messages: Some(true), mailbox, gone, limit, ..Default::default() };
                messages(desk, &filter, output)
            }
            Some(What::Heard(which)) => which.mark(desk, MessageState::Heard),
            Some(What::New(which)) => which.mark(desk, MessageState::New),
            Some(What::Delete(which)) => which.mark(desk, MessageState::Deleted),
            Some(What::Path(which)) => which.path(desk),
        }
    }
}

/// Every box that is configured or has messages.
fn boxes(desk: &Desk, output: Output) -> Result<(), Trouble> {
    let basics = desk.basics()?;
    let mut boxes: BTreeMap<Arc<str>, Counts> = BTreeMap::new();
    if let Ok(config) = desk.config() {
        boxes.extend(config.voicemails().map(|(_, mailbox)| (mailbox.name.clone(), Counts::default())));
    }
    if let Some(reader) = Reader::open_existing(&basics.storage.directory)? {
        for row in reader.recordings(&RecordingFilter { messages: Some(true), ..Default::default() })? {
            let Some(mailbox) = &row.mailbox else { continue };
            let counts = boxes.entry(mailbox.clone()).or_default();
            match row.state {
                _ if row.empty => counts.empty += 1,
                Some(MessageState::New) => counts.new += 1,
                Some(MessageState::Heard) => counts.heard += 1,
                Some(MessageState::Deleted) | None => {}
            }
        }
    }
    if output.json {
        return say_json(&boxes);
    }
    if boxes.is_empty() {
        return say("no voicemail boxes\n");
    }
    let mut lines = vec![["BOX", "NEW", "HEARD", "EMPTY"].map(String::from).to_vec()];
    let line = |(name, counts): (&Arc<str>, &Counts)| {
        vec![name.to_string(), counts.new.to_string(), counts.heard.to_string(), counts.empty.to_string()]
    };
    lines.extend(boxes.iter().map(line));
    say(&table(&lines))
}

fn messages(desk: &Desk, filter: &RecordingFilter, output: Output) -> Result<(), Trouble> {
    let basics = desk.basics()?;
    let rows = Reader::open(&basics.storage.directory)?.recordings(filter)?;
    if output.json {
        return say_json(&rows);
    }
    if rows.is_empty() {
        return say("no messages\n");
    }
    say(&list(&rows, &basics.site.timezone))
}

fn list(rows: &[RecordingRow], zone: &TimeZone) -> String {
    let mut lines = vec![["BEGAN", "BOX", "FROM", "LENGTH", "STATE", "FILE"].map(String::from).to_vec()];
    lines.extend(rows.iter().map(|row| {
        vec![
            row.began.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
            row.mailbox.as_deref().unwrap_or_default().to_owned(),
            who(&row.from),
            length(row),
            standing(row),
            row.file.to_string(),
        ]
    }));
    table(&lines)
}

impl Which {
    fn mark(self, desk: &Desk, now: MessageState) -> Result<(), Trouble> {
        let answer = desk.ask(Question::Message { file: self.file.as_str().into(), now })?;
        if self.output.json {
            return say_json(&answer);
        }
        let what = match now {
            MessageState::New => "is new again",
            MessageState::Heard => "was heard",
            MessageState::Deleted => "is deleted",
        };
        say(&format!("{} {what}\n", self.file))
    }

    fn path(self, desk: &Desk) -> Result<(), Trouble> {
        let basics = desk.basics()?;
        let directory = &basics.storage.directory;
        let filter = RecordingFilter { file: Some(self.file.as_str().into()), gone: true, ..Default::default() };
        let Some(row) = Reader::open(directory)?.recordings(&filter)?.pop() else {
            let file = &self.file;
            return Err(Trouble::Wrong(format!("there is no message {file:?}; `huntline voicemail list` has them")));
        };
        let path = directory.join(&*row.file);
        let path = std::path::absolute(&path).unwrap_or(path);
        if row.erased.is_some() || !path.exists() {
            let why = row.erased_because.unwrap_or_else(|| "its file is not there".into());
            return Err(Trouble::Wrong(format!("{} is gone: {why}", path.display())));
        }
        if self.output.json {
            return say_json(&serde_json::json!({ "file": row.file, "path": path }));
        }
        say(&format!("{}\n", path.display()))
    }
}
