//! `huntline override`: opens or closes a schedule by hand.

use clap::{Args, ValueEnum};

use crate::cli::desk::{Desk, Output, Trouble, say, say_json};
use crate::cli::moment::{self, Towards};
use crate::switch::Question;

/// Open or close a schedule by hand, or give it back to its hours.
#[derive(Debug, Args)]
#[command(
    name = "override",
    after_help = "\
Examples:
  huntline override office closed --until 18:00
  huntline override office open --until '2026-12-31 15:00'
  huntline override office off"
)]
pub(super) struct OverrideHours {
    /// The schedule's name.
    schedule: String,
    /// What it is from now on.
    #[arg(value_enum)]
    state: Hand,
    /// When this ends by itself: 18:00, 'mon 09:00', '2026-11-23 10:00', 2h. Otherwise: when it is taken back.
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    #[command(flatten)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Hand {
    /// Open, whatever the hours say.
    Open,
    /// Closed, known customers included.
    Closed,
    /// As the hours say.
    Off,
}

impl OverrideHours {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        if self.state == Hand::Off && self.until.is_some() {
            return Err(Trouble::Usage("--until says nothing with `off`: the hours count again at once".into()));
        }
        let config = desk.config()?;
        let zone = &config.site.timezone;
        let read = |text: &String| moment::read(text, zone, desk.now, Towards::Future);
        let until =
            self.until.as_ref().map(read).transpose().map_err(|why| Trouble::Usage(format!("--until: {why}")))?;
        let open = match self.state {
            Hand::Open => Some(true),
            Hand::Closed => Some(false),
            Hand::Off => None,
        };
        let answer = desk.ask(Question::Override { schedule: self.schedule.as_str().into(), open, until })?;
        if self.output.json {
            return say_json(&answer);
        }
        let until = match until {
            Some(until) => format!(" until {}", until.to_zoned(zone.clone()).strftime("%a %Y-%m-%d %H:%M %Z")),
            None if open.is_some() => " until taken back".into(),
            None => String::new(),
        };
        let is = match self.state {
            Hand::Open => "open by hand",
            Hand::Closed => "closed by hand",
            Hand::Off => "as its hours say",
        };
        say(&format!("{} is {is}{until}\n", self.schedule))
    }
}
