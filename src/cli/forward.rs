//! `huntline forward`: an employee's calls go elsewhere.

use clap::{Args, ValueEnum};

use crate::cli::desk::{Desk, Output, Trouble, say, say_json};
use crate::config::ForwardWhen;
use crate::switch::Question;

/// Send an employee's calls elsewhere, or no longer.
#[derive(Debug, Args)]
#[command(after_help = "\
A forward counts where the employee is whom the call is for; as a member of a group the employee is rung. It leads as far
as the employee may call, and takes the place of `busy`, `no_answer` and `unreachable` of the config.

Examples:
  huntline forward 201 always 202
  huntline forward 201 no-answer '8 916 123-45-67'
  huntline forward 201 always off")]
pub(super) struct Forward {
    /// The extension's number.
    extension: String,
    /// Which calls.
    #[arg(value_enum)]
    when: When,
    /// Where to, as the employee would dial it; `off` takes the forward back.
    #[arg(value_name = "NUMBER|off")]
    to: String,
    #[command(flatten)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum When {
    /// All of them, at once.
    Always,
    /// While the employee is on the phone, or declines.
    Busy,
    /// When nobody answers, or no phone can be reached.
    NoAnswer,
}

impl Forward {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        let when = match self.when {
            When::Always => ForwardWhen::Always,
            When::Busy => ForwardWhen::Busy,
            When::NoAnswer => ForwardWhen::NoAnswer,
        };
        let to = Some(self.to).filter(|to| to != "off");
        let answer = desk.ask(Question::Forward { extension: self.extension.as_str().into(), when, to })?;
        if self.output.json {
            return say_json(&answer);
        }
        let (extension, when) = (&self.extension, when.word());
        match answer["to"].as_str() {
            Some(to) => say(&format!("{extension} forwards {when} to {to}\n")),
            None => say(&format!("{extension} forwards {when} no longer\n")),
        }
    }
}
