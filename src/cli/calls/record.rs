//! `huntline calls record`: a talk is written down, or not for a while.

use clap::{Args, ValueEnum};

use crate::cli::desk::{Desk, Output, Trouble, say, say_json};
use crate::key::CallId;
use crate::switch::Question;

/// Write a talk down from now on, or silence in its place. Needs the running router.
#[derive(Debug, Args)]
#[command(after_help = "\
An employee does the same with *1 in the talk. Where a recording runs already, `off` pauses it and `on` goes on; the file stays
one. The talk's media must pass the router (`media.mode` = \"relay\").

Examples:
  huntline calls record 0d5t3gh7k2m9p on
  huntline calls record 0d5t3gh7k2m9p off")]
pub(super) struct Record {
    /// The call's id, as `huntline calls` prints it.
    #[arg(value_name = "ID")]
    call: CallId,
    /// From now on?
    #[arg(value_enum)]
    how: How,
    #[command(flatten)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum How {
    /// What is said is written down.
    On,
    /// It is not, for a while.
    Off,
}

impl Record {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        let on = self.how == How::On;
        let answer = desk.ask(Question::Record { call: self.call, on })?;
        if self.output.json {
            return say_json(&answer);
        }
        let how = if on { "is written down" } else { "is not written down for now" };
        say(&format!("{} {how}\n", self.call))
    }
}
