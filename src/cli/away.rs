//! `huntline away`: an employee goes away, or is back.

use clap::{Args, ValueEnum};

use crate::cli::desk::{Desk, Output, Trouble, say, say_json};
use crate::cli::moment::{self, Towards};
use crate::switch::Question;

/// Say that an employee is away, or is back.
#[derive(Debug, Args)]
#[command(after_help = "\
Who is away is not rung; the deputy is rung instead, where there is one.

Examples:
  huntline away 202 on --until 'mon 09:00'
  huntline away 202 off")]
pub(super) struct Away {
    /// The extension's number.
    extension: String,
    /// Away (`on`), or back (`off`).
    #[arg(value_enum)]
    state: Switched,
    /// When the absence ends by itself: 18:00, 'mon 09:00', '2026-11-23 10:00', 2h. Otherwise: when it is taken back.
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    #[command(flatten)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switched {
    /// Away.
    On,
    /// Back.
    Off,
}

impl Away {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        let away = self.state == Switched::On;
        if !away && self.until.is_some() {
            return Err(Trouble::Usage("--until says nothing with `off`: the absence ends at once".into()));
        }
        let config = desk.config()?;
        let zone = &config.site.timezone;
        let read = |text: &String| moment::read(text, zone, desk.now, Towards::Future);
        let until =
            self.until.as_ref().map(read).transpose().map_err(|why| Trouble::Usage(format!("--until: {why}")))?;
        let answer = desk.ask(Question::Away { extension: self.extension.as_str().into(), away, until })?;
        if self.output.json {
            return say_json(&answer);
        }
        let extension = &self.extension;
        match (away, until) {
            (false, _) => say(&format!("{extension} is back\n")),
            (true, None) => say(&format!("{extension} is away until taken back\n")),
            (true, Some(until)) => {
                let until = until.to_zoned(zone.clone());
                say(&format!("{extension} is away until {}\n", until.strftime("%a %Y-%m-%d %H:%M %Z")))
            }
        }
    }
}
