//! `huntline recordings`: the talks that were written down.

use clap::Args;
use jiff::tz::TimeZone;

use crate::cli::desk::{Desk, Output, Trouble, say, say_json};
use crate::cli::moment::{self, Towards};
use crate::cli::table::table;
use crate::cli::words::{length, standing, who};
use crate::key::CallId;
use crate::store::{Reader, RecordingFilter, RecordingRow};

/// List the recordings of talks, the newest first. Needs no running router.
#[derive(Debug, Args)]
#[command(after_help = "\
Files are counted from `storage.directory`. Messages are listed by `huntline voicemail`.

Examples:
  huntline recordings --from today
  huntline recordings --call 0d5t3gh7k2m9p
  huntline recordings --gone --limit 0 --json")]
pub(super) struct Recordings {
    /// Of this call.
    #[arg(long, value_name = "ID")]
    call: Option<CallId>,
    /// Began then or later: today, yesterday, 2026-11-23, '2026-11-23 10:00', 2h (ago).
    #[arg(long, value_name = "WHEN")]
    from: Option<String>,
    /// Began before then.
    #[arg(long, value_name = "WHEN")]
    to: Option<String>,
    /// Those whose files are gone, too.
    #[arg(long)]
    gone: bool,
    /// At most so many; 0 for all.
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    output: Output,
}

impl Recordings {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        let basics = desk.basics()?;
        let zone = &basics.site.timezone;
        let moment = |flag: &str, text: &Option<String>| {
            let read = |text: &String| moment::read(text, zone, desk.now, Towards::Past);
            text.as_ref().map(read).transpose().map_err(|why| Trouble::Usage(format!("{flag}: {why}")))
        };
        let filter = RecordingFilter {
            call: self.call,
            messages: Some(false),
            gone: self.gone,
            from: moment("--from", &self.from)?,
            to: moment("--to", &self.to)?,
            limit: self.limit,
            ..RecordingFilter::default()
        };
        let rows = Reader::open(&basics.storage.directory)?.recordings(&filter)?;
        if self.output.json {
            return say_json(&rows);
        }
        if rows.is_empty() {
            return say("no recordings\n");
        }
        say(&list(&rows, zone))
    }
}

fn list(rows: &[RecordingRow], zone: &TimeZone) -> String {
    let mut lines = vec![["BEGAN", "LENGTH", "CALL", "FROM", "FILE", ""].map(String::from).to_vec()];
    lines.extend(rows.iter().map(|row| {
        vec![
            row.began.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
            length(row),
            row.call.to_string(),
            who(&row.from),
            row.file.to_string(),
            standing(row),
        ]
    }));
    table(&lines)
}
