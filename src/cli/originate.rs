//! `huntline originate`: a call for an employee, whose own phone rings first.

use clap::Args;

use crate::cli::desk::{Desk, Output, Trouble, say, say_json};
use crate::switch::Question;

/// Call somebody for an employee: their phones ring first, then the number is called.
#[derive(Debug, Args)]
#[command(after_help = "\
The call is one of that employee's: what they may not dial is refused, and nobody's phone rings. The call's id is printed
before anybody has answered.

Examples:
  huntline originate --user 201 --to '8 916 123-45-67'
  huntline originate --user 201 --to +79161234567 --ref deal-4711 --caller-id +74951234567 --timeout 20")]
pub(super) struct Originate {
    /// The employee's extension.
    #[arg(long, value_name = "EXTENSION")]
    user: String,
    /// Whom to call, as the employee would dial it.
    #[arg(long, value_name = "NUMBER")]
    to: String,
    /// What you call this call: it comes back in every event.
    #[arg(long = "ref", value_name = "TEXT")]
    reference: Option<String>,
    /// Our number towards the called. Otherwise: as the outbound rule says.
    #[arg(long, value_name = "NUMBER")]
    caller_id: Option<String>,
    /// How long the employee's phones ring, in seconds. Otherwise: 30.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=300))]
    timeout: Option<u64>,
    /// The employee's desk phones are asked to answer by themselves.
    #[arg(long)]
    auto_answer: bool,
    #[command(flatten)]
    output: Output,
}

impl Originate {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        let answer = desk.ask(Question::Originate {
            user: self.user.as_str().into(),
            to: self.to.clone(),
            caller_id: self.caller_id,
            reference: self.reference.map(Into::into),
            timeout: self.timeout,
            auto_answer: self.auto_answer,
        })?;
        if self.output.json {
            return say_json(&answer);
        }
        let (call, user, to) = (answer["call"].as_str().unwrap_or_default(), &self.user, &self.to);
        say(&format!("call {call}: {user} is rung, then {to}\n"))
    }
}
