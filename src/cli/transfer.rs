//! `huntline transfer`: a talk is handed on.

use clap::Args;

use crate::cli::desk::{Desk, Output, Trouble, say, say_json};
use crate::key::CallId;
use crate::switch::Question;

/// Hand a talk on, as the employee in it could from their phone.
#[derive(Debug, Args)]
#[command(after_help = "\
The other one hears music until somebody answers; where nobody does, the two talk again.

Examples:
  huntline transfer 0d5t3gh7k2m9p --to 203
  huntline transfer 0d5t3gh7k2m9p --by 201 --to '8 916 123-45-67'")]
pub(super) struct Transfer {
    /// The call, as `huntline calls` or `huntline status` prints it.
    call: CallId,
    /// To whom, as the employee would dial it.
    #[arg(long, value_name = "NUMBER")]
    to: String,
    /// Which employee hands the other one on. Otherwise: the only one in the talk.
    #[arg(long, value_name = "EXTENSION")]
    by: Option<String>,
    #[command(flatten)]
    output: Output,
}

impl Transfer {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        let answer =
            desk.ask(Question::Transfer { call: self.call, by: self.by.map(Into::into), to: self.to.clone() })?;
        if self.output.json {
            return say_json(&answer);
        }
        say(&format!("call {} goes to {}\n", self.call, self.to))
    }
}
