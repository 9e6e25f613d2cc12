//! `huntline explain`: who would ring, and why.

use clap::Args;

use crate::cli::calls::past;
use crate::cli::desk::{Desk, Output, Trouble, say, say_json};
use crate::cli::moment::{self, Towards};
use crate::config::Config;
use crate::hypothesis::{AssumedCustomer, Hypothesis, Office};
use crate::key::CallId;
use crate::route::Idle;
use crate::state::State;
use crate::store::Reader;
use crate::switch::Question;

/// Say who would ring for a call, and why; or why a past call went where it went.
#[derive(Debug, Args)]
#[command(after_help = "\
Without --live everybody is idle and reachable, and overrides, absences, blocks and customers are those of the
database. With --live everything is as it is in the running router. What is assumed comes on top of both.

Examples:
  huntline explain --from '8 916 123-45-67' --to +74951234567
  huntline explain --from anonymous --to +74951234567 --at 'sat 21:00'
  huntline explain --from +79161234567 --to +74951234567 --customer 202 --busy 202,201
  huntline explain --from 203 --to 8-499-123-45-67
  huntline explain --from +79161234567 --to +74951234567 --live
  huntline explain --call 0d5t3gh7k2m9p")]
pub(super) struct Explain {
    /// Who calls: a number as anybody writes it, an extension, or `anonymous`.
    #[arg(long, value_name = "NUMBER", required_unless_present = "call")]
    from: Option<String>,
    /// What is dialled: a DID; from an extension anything.
    #[arg(long, value_name = "NUMBER", required_unless_present = "call")]
    to: Option<String>,
    /// When: 18:00, 'mon 09:00', '2026-11-23 10:00'. Otherwise: now.
    #[arg(long, value_name = "WHEN")]
    at: Option<String>,
    /// The trunk by which it comes. Otherwise: the first one of the config.
    #[arg(long, value_name = "NAME")]
    trunk: Option<String>,
    /// Extensions on the phone, separated by commas.
    #[arg(long, value_name = "EXTENSIONS", value_delimiter = ',')]
    busy: Vec<String>,
    /// Extensions being rung by another call (which is not busy).
    #[arg(long, value_name = "EXTENSIONS", value_delimiter = ',')]
    ringing: Vec<String>,
    /// Extensions that are away.
    #[arg(long, value_name = "EXTENSIONS", value_delimiter = ',')]
    away: Vec<String>,
    /// Extensions of which no device can be reached.
    #[arg(long, value_name = "EXTENSIONS", value_delimiter = ',')]
    unreachable: Vec<String>,
    /// The caller is a customer of this extension; `unassigned`: of nobody; `unknown`: no customer.
    #[arg(long, value_name = "EXTENSION")]
    customer: Option<String>,
    /// A schedule set by hand: office=open or office=closed.
    #[arg(long = "override", value_name = "SCHEDULE=STATE", value_delimiter = ',')]
    overrides: Vec<String>,
    /// Ask the running router, with everybody as they are now.
    #[arg(long)]
    live: bool,
    /// A past call: its decision as it was stored.
    #[arg(long, value_name = "ID", conflicts_with_all = [
        "from", "to", "at", "trunk", "busy", "ringing", "away", "unreachable", "customer", "overrides", "live",
    ])]
    call: Option<CallId>,
    #[command(flatten)]
    output: Output,
}

impl Explain {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        if let Some(id) = self.call {
            let basics = desk.basics()?;
            let detail = past(&basics, id)?;
            return if self.output.json { say_json(&detail) } else { say(&detail.decision(&basics.site.timezone)) };
        }
        let config = desk.config()?;
        let typed = self.hypothesis(&config, desk)?;
        if self.live {
            let answer = desk.ask(Question::Explain(Box::new(typed)))?;
            return match answer["text"].as_str() {
                Some(text) if !self.output.json => say(text),
                _ => say_json(&answer),
            };
        }
        let reader = Reader::open_existing(&config.storage.directory)?;
        let mut state = State::default();
        if let Some(reader) = &reader {
            reader.restore()?.iter().for_each(|(_, fact)| fact.fold(&mut state));
        }
        let customer = |number| {
            // A database that breaks between two reads only makes the caller a stranger.
            let found = reader.as_ref()?.customers_with(number).ok()?;
            found.into_iter().next().map(Into::into)
        };
        let office =
            Office { config: &config, state: &state, customer: &customer, load: &Idle, presence: &Idle, now: desk.now };
        let answer = typed.answer(&office).map_err(|wrong| Trouble::Usage(wrong.join("\n          ")))?;
        if self.output.json { say_json(&answer) } else { say(&answer.text) }
    }

    fn hypothesis(&self, config: &Config, desk: &Desk) -> Result<Hypothesis, Trouble> {
        let at = self.at.as_ref().map(|text| moment::read(text, &config.site.timezone, desk.now, Towards::Future));
        let customer = self.customer.as_deref().map(|customer| match customer {
            "unknown" => AssumedCustomer::Unknown,
            "unassigned" => AssumedCustomer::Unassigned,
            extension => AssumedCustomer::Of(extension.into()),
        });
        let by_hand = |text: &String| match text.rsplit_once('=') {
            Some((schedule, "open")) => Ok((schedule.to_owned(), true)),
            Some((schedule, "closed")) => Ok((schedule.to_owned(), false)),
            _ => Err(Trouble::Usage(format!("--override: {text:?} is neither SCHEDULE=open nor SCHEDULE=closed"))),
        };
        Ok(Hypothesis {
            from: self.from.clone().unwrap_or_default(),
            to: self.to.clone().unwrap_or_default(),
            at: at.transpose().map_err(|why| Trouble::Usage(format!("--at: {why}")))?,
            trunk: self.trunk.clone(),
            customer,
            busy: self.busy.clone(),
            ringing: self.ringing.clone(),
            away: self.away.clone(),
            unreachable: self.unreachable.clone(),
            overrides: self.overrides.iter().map(by_hand).collect::<Result<_, _>>()?,
        })
    }
}
