//! `huntline contacts timeline`: what was with a customer.

use clap::Args;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::cli::desk::{Desk, Output, Trouble, say, say_json};
use crate::cli::table::table;
use crate::cli::words::{result, span, who};
use crate::config::Basics;
use crate::customer::Kind;
use crate::number::PhoneNumber;
use crate::route::Direction;
use crate::store::{Happened, Mark, Reader, TimelineEntry};

/// Show what was with a customer, the newest first: calls, messages, SMS, promises to call back, notes. Needs no running
/// router.
#[derive(Debug, Args)]
#[command(after_help = "\
A customer is named by a number, as anybody writes it, or by the CRM's id (with --kind where that is no contact's); all of
the customer's numbers count.

Examples:
  huntline contacts timeline '8 916 123-45-67'
  huntline contacts timeline crm-4711 --kind company --limit 0")]
pub(super) struct Timeline {
    /// A number, or a CRM's id.
    #[arg(value_name = "CUSTOMER")]
    customer: String,
    /// What kind of entry the id names: contact, company or lead.
    #[arg(long, value_name = "KIND")]
    kind: Option<Kind>,
    /// Only what was before: the mark of the last entry of the page before.
    #[arg(long, value_name = "MARK")]
    before: Option<Mark>,
    /// At most so many; 0 for all.
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    output: Output,
}

impl Timeline {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        let basics = desk.basics()?;
        let reader = Reader::open(&basics.storage.directory)?;
        let numbers = self.numbers(&basics, &reader)?;
        let limit = if self.limit == 0 { usize::MAX >> 1 } else { self.limit };
        let entries = reader.timeline(&numbers, self.before, limit)?;
        if self.output.json {
            return say_json(&json!({ "numbers": numbers, "entries": entries }));
        }
        if entries.is_empty() {
            return say("nothing\n");
        }
        let mut text = list(&entries, &basics.site.timezone);
        if let Some(last) = entries.last().filter(|_| entries.len() == self.limit) {
            text.push_str(&format!("older ones: --before {}\n", last.mark));
        }
        say(&text)
    }

    /// All numbers of who is meant.
    fn numbers(&self, basics: &Basics, reader: &Reader) -> Result<Vec<PhoneNumber>, Trouble> {
        let kinds = self.kind.map_or(Kind::ALL.to_vec(), |kind| vec![kind]);
        for kind in kinds {
            if let Some(state) = reader.customer(kind, &self.customer)? {
                return Ok(state.row.numbers);
            }
        }
        let number = basics.site.numbering.read(&self.customer).filter(|_| self.kind.is_none());
        let Some(number) = number else {
            let kind = self.kind.map_or("customer", Kind::word);
            return Err(Trouble::Wrong(format!(
                "there is no {kind} {:?}, and it cannot be read as a number; `huntline contacts lookup` says to whom a \
                 number belongs",
                self.customer
            )));
        };
        let holder = reader.customers_with(number)?.into_iter().next();
        Ok(holder.map_or_else(|| vec![number], |row| row.numbers))
    }
}

fn list(entries: &[TimelineEntry], zone: &TimeZone) -> String {
    let mut lines = vec![["WHEN", "WHAT", "CALL", ""].map(String::from).to_vec()];
    lines.extend(entries.iter().map(|entry| {
        let when = entry.at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string();
        let [what, call, more] = line(&entry.what);
        vec![when, what, call, more]
    }));
    table(&lines)
}

fn line(what: &Happened) -> [String; 3] {
    match what {
        Happened::Call { call } => {
            let what = match (call.missed.is_some(), call.direction) {
                (true, _) => "missed",
                (_, Direction::Outbound) => "we called",
                _ => "call",
            };
            let whom = if call.direction == Direction::Outbound { &call.from } else { &call.to };
            let talk = if call.talk_ms > 0 { format!(", {}", span(call.talk_ms)) } else { String::new() };
            [what.into(), call.id.to_string(), format!("{} {}{talk}", who(whom), result(call))]
        }
        Happened::Voicemail { call, file, length_ms, .. } => {
            let length = length_ms.map_or(String::new(), |length| format!(", {}", span(length)));
            ["message".into(), call.to_string(), format!("{file}{length}")]
        }
        Happened::Sms { call, text, sent, failed } => {
            let state = match (sent, failed) {
                (Some(_), _) => String::new(),
                (None, Some(why)) => format!(" (not sent: {why})"),
                (None, None) => " (on its way)".into(),
            };
            ["SMS".into(), call.to_string(), format!("{text}{state}")]
        }
        Happened::FollowUp { follow_up, happened, call, by, to, text } => {
            let words = [
                by.as_ref().map(|by| format!("by {by}")),
                to.as_ref().map(|to| format!("to {to}")),
                text.as_ref().map(|text| text.replace('\n', " ")),
            ];
            let words: Vec<String> = words.into_iter().flatten().collect();
            let call = call.map(|call| call.to_string()).unwrap_or_default();
            [format!("follow-up {follow_up}"), call, format!("{happened} {}", words.join(", ")).trim().into()]
        }
        Happened::Note { call, note } => {
            let words = [
                note.disposition.as_ref().map(|said| format!("[{said}]")),
                note.text.as_ref().map(ToString::to_string),
            ];
            let words: Vec<String> = words.into_iter().flatten().collect();
            let by = note.by.as_ref().map_or(String::new(), |by| format!(" ({by})"));
            ["note".into(), call.to_string(), format!("{}{by}", words.join(" ").replace('\n', " "))]
        }
    }
}
