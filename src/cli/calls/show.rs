//! `huntline calls show ID`: one call in full.

use std::fmt::Write as _;
use std::io::Write as _;

use clap::Args;
use jiff::tz::TimeZone;

use crate::cli::desk::{Desk, Output, Trouble, say, say_json};
use crate::cli::table::table;
use crate::cli::words::{length, result, span, standing, who};
use crate::clock::Timestamp;
use crate::config::Basics;
use crate::fact::Streamed;
use crate::key::CallId;
use crate::route::sentence;
use crate::store::{CallDetail, OnTape, Reader, RecordingRow, StreamRow};
use crate::trace::{Exported, export, read_office};

/// Show one call in full: legs, talkers, reasons, and what was said on the wire.
#[derive(Debug, Args)]
#[command(after_help = "\
With --trace the call is written as a trace: a file that plays it again (`huntline replay`), for a bug report. The config
under which it began stands in it without passwords and comments; credentials and keys of media are left out.
Numbers and names of people stay in it. A call that a transfer joined with others has them all in its trace.

Examples:
  huntline calls show 0d5t3gh7k2m9p
  huntline calls show 0d5t3gh7k2m9p --trace > call.trace")]
pub(super) struct Show {
    /// The call, as the list prints it.
    #[arg(value_name = "ID")]
    id: CallId,
    /// Write it as a trace, to be played again. Numbers and names stay in it, secrets do not.
    #[arg(long, conflicts_with = "json")]
    trace: bool,
    #[command(flatten)]
    output: Output,
}

impl Show {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        let basics = desk.basics()?;
        if self.trace {
            return trace(&basics, self.id);
        }
        let detail = past(&basics, self.id)?;
        if self.output.json {
            return say_json(&detail);
        }
        say(&detail.whole(&basics.site.timezone))
    }
}

/// The call as a trace.
fn trace(basics: &Basics, id: CallId) -> Result<(), Trouble> {
    let reader = Reader::open(&basics.storage.directory)?;
    let call = match reader.on_tape(id)? {
        Some(OnTape::Whole(call)) => call,
        Some(OnTape::PartOf(into)) => {
            return Err(Trouble::Wrong(format!(
                "the call {id} became part of the call {into}, and the trace of that one has both; try `huntline calls \
                 show {into} --trace`"
            )));
        }
        Some(OnTape::Unfinished) => {
            return Err(Trouble::Wrong(format!(
                "the call {id} is not over; a trace is written when all have said goodbye"
            )));
        }
        Some(OnTape::NoTape) => {
            let why = "its last goodbye may still be under way (try again in a minute), or it was recorded by an older version, \
                       or shed, or the router died in it";
            return Err(Trouble::Wrong(format!(
                "there is no tape of the call {id}: {why}; `calls show {id}` has what is known"
            )));
        }
        None => return Err(unknown(id)),
    };
    let version = &call.tape.office;
    let text = reader.office(version)?.ok_or_else(|| {
        Trouble::Wrong(format!(
            "the config {version}, under which the call {id} began, is not on record; nothing can play it"
        ))
    })?;
    let config = read_office(&text).map_err(|why| {
        Trouble::Wrong(format!(
            "the config {version}, under which the call {id} began, is not what this version reads\n{why}"
        ))
    })?;
    let Exported { script, caveats } = export(&call, &config);
    for caveat in caveats {
        // Nobody is left to hear that standard error is closed.
        _ = writeln!(std::io::stderr(), "huntline: it may not play as it was: {caveat}");
    }
    say(&script.to_string())
}

fn unknown(id: CallId) -> Trouble {
    Trouble::Wrong(format!("there is no call {id}; `huntline calls` lists them"))
}

/// A call of the database.
pub(crate) fn past(basics: &Basics, id: CallId) -> Result<CallDetail, Trouble> {
    let detail = Reader::open(&basics.storage.directory)?.call(id)?;
    detail.ok_or_else(|| unknown(id))
}

impl CallDetail {
    /// Everything that is known of it, as text.
    fn whole(&self, zone: &TimeZone) -> String {
        let mut text = self.head(zone);
        self.reasons(&mut text);
        self.legs(&mut text);
        if !self.talkers.is_empty() {
            text.push_str("\ntalked\n");
            for talker in &self.talkers {
                let until = talker.until.map_or_else(|| "now".into(), |until| self.after(until));
                _ = writeln!(text, "  {}  {} to {until}", talker.who, self.after(talker.from));
            }
        }
        self.media(&mut text);
        if !self.recordings.is_empty() {
            text.push_str("\nwritten down\n");
            let lines: Vec<Vec<String>> = self.recordings.iter().map(|row| self.recording(row)).collect();
            text.push_str(&table(&lines));
        }
        if let Some(into) = self.merged_into {
            _ = writeln!(text, "\ngoes on as part of call {into}");
        }
        if !self.ladder.is_empty() {
            text.push_str("\non the wire\n");
            self.ladder.lines().for_each(|line| _ = writeln!(text, "  {line}"));
        }
        text
    }

    /// Who called whom, and why it went where it went; as text.
    pub(crate) fn decision(&self, zone: &TimeZone) -> String {
        let mut text = self.head(zone);
        self.reasons(&mut text);
        text
    }

    fn head(&self, zone: &TimeZone) -> String {
        let row = &self.row;
        let clock = |at: Timestamp| at.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string();
        let kind = serde_json::to_value(row.direction).unwrap_or_default();
        let kind = kind.as_str().unwrap_or_default();
        let mut lines = vec![
            ("call", format!("{}, {kind}, {}", row.id, result(row))),
            ("from", who(&row.from)),
            ("to", who(&row.to)),
        ];
        if let Some(customer) = &row.customer {
            let responsible = customer.responsible.as_ref().map(|who| format!(", responsible {who}"));
            lines.push(("customer", format!("{} ({}){}", customer.name, customer.id, responsible.unwrap_or_default())));
        }
        let by = [("DID", &row.did), ("source", &row.source), ("trunk", &row.trunk)];
        let by: Vec<_> = by.iter().filter_map(|(what, value)| Some(format!("{what} {}", value.as_ref()?))).collect();
        if !by.is_empty() {
            lines.push(("by", by.join(", ")));
        }
        let began = row.began.to_zoned(zone.clone()).strftime("%a %Y-%m-%d %H:%M:%S %Z");
        lines.push(("began", began.to_string()));
        if let Some(at) = row.answered {
            lines.push(("answered", format!("{} by {}", clock(at), row.answered_by.as_deref().unwrap_or("?"))));
        }
        if let Some(at) = row.ended {
            let by = serde_json::to_value(row.ended_by).unwrap_or_default();
            let by = by.as_str().unwrap_or("nobody").replace('_', " ");
            let status = row.status.filter(|status| *status != 0).map(|status| format!(", status {status}"));
            let talk = if row.answered.is_some() { format!(", talk {}", span(row.talk_ms)) } else { String::new() };
            lines.push(("ended", format!("{} by {by}{}{talk}", clock(at), status.unwrap_or_default())));
        }
        if !row.sip_call_id.is_empty() {
            lines.push(("Call-ID", row.sip_call_id.clone()));
        }
        let mut text = String::new();
        for (what, value) in lines {
            _ = writeln!(text, "{what:<9}{value}");
        }
        text
    }

    fn reasons(&self, text: &mut String) {
        if !self.considered.is_empty() {
            text.push('\n');
        }
        for considered in &self.considered {
            _ = writeln!(text, "{:<16}{}", considered.rule, considered.found);
        }
        if !self.because.is_empty() {
            _ = writeln!(text, "\nbecause {}", sentence(&self.because));
        }
        for turn in &self.turns {
            _ = writeln!(text, "  {}  {}", self.after(turn.at), sentence(&turn.because));
        }
        if !self.plan.is_empty() {
            text.push_str("\nplan\n");
            self.plan.lines().for_each(|line| _ = writeln!(text, "  {line}"));
        }
    }

    fn legs(&self, text: &mut String) {
        if self.legs.is_empty() {
            return;
        }
        text.push_str("\nlegs\n");
        let lines: Vec<Vec<String>> = self
            .legs
            .iter()
            .map(|leg| {
                let whom = match &leg.trunk {
                    Some(trunk) => format!("{} by {trunk}", leg.whom),
                    None => leg.whom.clone(),
                };
                let at = |what: &str, at: Option<Timestamp>| {
                    at.map_or_else(String::new, |at| format!("{what} {}", self.after(at)))
                };
                let over = leg.status.map_or_else(String::new, |status| at(&status.to_string(), leg.dropped));
                vec![
                    format!("  {whom}"),
                    leg.device.clone(),
                    at("invited", Some(leg.invited)),
                    at("rings", leg.ringing),
                    at("answers", leg.answered),
                    over,
                ]
            })
            .collect();
        text.push_str(&table(&lines));
    }

    /// How well each was heard.
    fn media(&self, text: &mut String) {
        if self.streams.is_empty() {
            return;
        }
        text.push_str("\nheard\n");
        let line = |row: &StreamRow| {
            let Streamed { packets, lost, jitter_us, foreign, .. } = row.streamed;
            let share = 100.0 * lost as f64 / (packets + lost).max(1) as f64;
            let strangers = (foreign > 0).then(|| format!("{foreign} packets of strangers dropped"));
            vec![
                format!("  {}", row.who),
                format!("{packets} packets"),
                format!("{lost} lost ({share:.1} %)"),
                format!("jitter up to {:.1} ms", jitter_us as f64 / 1000.0),
                strangers.unwrap_or_default(),
            ]
        };
        text.push_str(&table(&self.streams.iter().map(line).collect::<Vec<_>>()));
        for row in &self.streams {
            if let Some(millis) = row.unheard_ms {
                _ = writeln!(text, "  one-way audio: nothing came from {} in a talk of {}", row.who, span(millis));
            }
        }
    }

    fn recording(&self, row: &RecordingRow) -> Vec<String> {
        let of = row.mailbox.as_ref().map_or_else(|| "talk".into(), |mailbox| format!("message in {mailbox}"));
        vec![format!("  {}", self.after(row.began)), of, length(row), row.file.to_string(), standing(row)]
    }

    /// A moment of the call, counted from its beginning: `+4.000 s`; before it only where the clock was set meanwhile.
    fn after(&self, at: Timestamp) -> String {
        let millis = at.duration_since(self.row.began).as_millis();
        let sign = if millis < 0 { '-' } else { '+' };
        format!("{sign}{}.{:03} s", millis.abs() / 1000, millis.abs() % 1000)
    }
}
