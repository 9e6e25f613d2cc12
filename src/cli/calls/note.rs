//! `huntline calls note`: something to know about a call, or what came of it.

use clap::Args;
use serde_json::Value;

use crate::cli::desk::{Desk, Output, Trouble, say, say_json};
use crate::control::Order;
use crate::key::CallId;

/// Write a note about a call, or say what came of it. Needs the running router.
#[derive(Debug, Args)]
#[command(after_help = "\
Where a group has `disposition = true`, its answered calls wait until somebody has said what came of them:
`huntline calls --needs-disposition` lists these. What was said last counts; notes stay, each with its author and time.

Examples:
  huntline calls note 0d5t3gh7k2m9p 'wants an offer for two by Friday' --by 12
  huntline calls note 0d5t3gh7k2m9p --disposition sold")]
pub(super) struct Note {
    /// The call's id, as `huntline calls` prints it.
    #[arg(value_name = "ID")]
    call: CallId,
    /// In free words.
    #[arg(required_unless_present = "disposition")]
    text: Option<String>,
    /// What came of the call, in the company's own words.
    #[arg(long, value_name = "WORDS")]
    disposition: Option<String>,
    /// The employee whose words these are.
    #[arg(long, value_name = "EXTENSION")]
    by: Option<String>,
    #[command(flatten)]
    output: Output,
}

impl Note {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        let Note { call, text, disposition, by, output } = self;
        let answer = desk.ask(Order::Note { call, by: by.map(Into::into), text, disposition })?;
        if output.json {
            return say_json(&answer);
        }
        let count = answer.as_array().map_or(0, Vec::len);
        let last = answer.as_array().and_then(|notes| notes.last()?.get("at").and_then(Value::as_str));
        say(&format!("{call}: written down{}; {count} in all\n", last.map_or(String::new(), |at| format!(" at {at}"))))
    }
}
