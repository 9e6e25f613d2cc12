//! `huntline block`: the block list.

use clap::{Args, ValueEnum};

use crate::cli::desk::{Desk, Output, Trouble, say, say_json};
use crate::switch::Question;

/// Put a caller on the block list, or take one off it.
#[derive(Debug, Args)]
#[command(after_help = "\
A blocked caller hears 603 and is never a missed call.

Examples:
  huntline block '8 916 123-45-67' --note 'rings and hangs up'
  huntline block +79161234567 off")]
pub(super) struct Block {
    /// The caller's number, as anybody writes it.
    #[arg(allow_hyphen_values = false)]
    number: String,
    /// On the list, or off it.
    #[arg(value_enum, default_value = "on")]
    state: Listed,
    /// Why, for whoever reads the list.
    #[arg(long, default_value = "", hide_default_value = true)]
    note: String,
    #[command(flatten)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Listed {
    /// Blocked.
    On,
    /// Not blocked.
    Off,
}

impl Block {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        let blocked = self.state == Listed::On;
        let answer = desk.ask(Question::Block { number: self.number.clone(), blocked, note: self.note })?;
        if self.output.json {
            return say_json(&answer);
        }
        let number = answer["number"].as_str().unwrap_or(&self.number);
        say(&format!("{number} is {}blocked\n", if blocked { "" } else { "not " }))
    }
}
