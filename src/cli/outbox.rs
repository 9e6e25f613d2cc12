//! `huntline outbox`: what waits to be told outside, what was given up, and its second chance.

use clap::{Args, Subcommand};
use jiff::tz::TimeZone;
use serde_json::json;

use crate::cli::desk::{Desk, Output, Trouble, say, say_json};
use crate::cli::table::table;
use crate::control::Order;
use crate::letter::{Carrier, lane};
use crate::store::{self, Closed, OutboxFilter, OutboxRow, Reader};

/// List what has not arrived (mails, SMS, Telegram, webhooks, CRM), or try it again. Needs no running router.
#[derive(Debug, Args)]
#[command(after_help = "\
A letter is tried after 5 s, 30 s, 2 m, 10 m, 1 h, 6 h and 24 h; then it is given up, stays in this list for 90 days, and is
tried again only by hand. Letters of one call to one place never overtake each other. A webhook that answers 410 is closed:
what waits for it goes on waiting, until its `url` in the config is another one or `enable` opens it.

Examples:
  huntline outbox
  huntline outbox list --carrier webhook --to crm
  huntline outbox retry 17
  huntline outbox retry all --carrier sms
  huntline outbox enable crm")]
pub(super) struct Outbox {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Subcommand)]
enum What {
    /// What waits and what was given up, the newest first.
    List {
        /// What was sent, too: of the last 30 days; to webhooks and CRMs, of the last 3.
        #[arg(long)]
        sent: bool,
        /// Only what was given up.
        #[arg(long, conflicts_with = "sent")]
        dead: bool,
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        output: Output,
    },
    /// Try one again now, or everything that was given up.
    Retry {
        /// Its number, as the list prints it, or `all`.
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        output: Output,
    },
    /// Write again to a webhook or CRM that wanted no more.
    Enable {
        /// Its name in the config.
        name: String,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Debug, Args)]
struct Which {
    /// Only what travels so: mail, sms, telegram, webhook or crm.
    #[arg(long, value_parser = carrier)]
    carrier: Option<Carrier>,
    /// Only what goes to this address, number, chat, webhook or CRM.
    #[arg(long)]
    to: Option<String>,
}

fn carrier(text: &str) -> Result<Carrier, String> {
    Carrier::of(text).ok_or_else(|| "write mail, sms, telegram, webhook or crm".into())
}

impl Outbox {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        match self.what {
            None => list(desk, &OutboxFilter::default(), self.output),
            Some(What::List { sent, dead, which, output }) => {
                let filter = OutboxFilter { sent, dead, id: None, carrier: which.carrier, to: which.to };
                list(desk, &filter, output)
            }
            Some(What::Retry { id, which, output }) => retry(desk, &id, which, output),
            Some(What::Enable { name, output }) => enable(desk, &name, output),
        }
    }
}

fn list(desk: &Desk, filter: &OutboxFilter, output: Output) -> Result<(), Trouble> {
    let basics = desk.basics()?;
    let reader = Reader::open(&basics.storage.directory)?;
    let (rows, closed) = (reader.outbox(filter)?, reader.closed_receivers()?);
    if output.json {
        return say_json(&rows);
    }
    let zone = &basics.site.timezone;
    if rows.is_empty() {
        say("nothing waits\n")?;
    } else {
        say(&lines(&rows, zone))?;
    }
    closed.iter().try_for_each(|closed| say(&line_of(closed, zone)))
}

fn clock(at: crate::clock::Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn lines(rows: &[OutboxRow], zone: &TimeZone) -> String {
    let mut lines = vec![["ID", "WRITTEN", "BY", "TO", "ABOUT", "TRIES", "STATE", ""].map(String::from).to_vec()];
    lines.extend(rows.iter().map(|row| {
        let state = match (row.sent, row.due) {
            (Some(at), _) => format!("sent {}", clock(at, zone)),
            (None, None) => "given up".into(),
            (None, Some(_)) if row.taken => "under way".into(),
            (None, Some(_)) if row.closed.is_some() => "closed".into(),
            (None, Some(_)) if row.behind => "waits its turn".into(),
            (None, Some(at)) => format!("due {}", clock(at, zone)),
        };
        let (id, made, tries) = (row.id.to_string(), clock(row.made, zone), row.tries.to_string());
        let error = row.error.clone().unwrap_or_default();
        vec![id, made, row.carrier.word().into(), row.to.clone(), row.about.clone(), tries, state, error]
    }));
    table(&lines)
}

fn line_of(closed: &Closed, zone: &TimeZone) -> String {
    let (lane, at, why) = (&closed.lane, clock(closed.at, zone), &closed.why);
    let name = lane.split_once(' ').map_or("", |(_, name)| name);
    format!("{lane} is closed since {at}: {why}; `huntline outbox enable {name}` opens it\n")
}

fn retry(desk: &Desk, id: &str, which: Which, output: Output) -> Result<(), Trouble> {
    let number = match id {
        "all" => None,
        id => Some(id.parse().map_err(|_| Trouble::Usage(format!("{id:?} is neither a number nor `all`")))?),
    };
    let basics = desk.basics()?;
    let filter = OutboxFilter { id: number, carrier: which.carrier, to: which.to, ..OutboxFilter::default() };
    let count = store::Outbox::open(&basics.storage.directory)?.retry(&filter, desk.now)?;
    if count == 0 && number.is_some() {
        return Err(Trouble::Wrong(format!("no letter {id} waits; `huntline outbox` lists them")));
    }
    let running = wake(desk)?;
    if output.json {
        return say_json(&json!({ "due": count, "running": running }));
    }
    let letters = if count == 1 { "1 letter is".into() } else { format!("{count} letters are") };
    let when = if running { "tried now" } else { "tried when the router is started" };
    say(&format!("{letters} {when}\n"))
}

fn enable(desk: &Desk, name: &str, output: Output) -> Result<(), Trouble> {
    let basics = desk.basics()?;
    let mut outbox = store::Outbox::open(&basics.storage.directory)?;
    let mut opened = false;
    for carrier in [Carrier::Webhook, Carrier::Crm] {
        opened |= outbox.open_again(&lane(carrier, name), desk.now)?;
    }
    if !opened {
        return Err(Trouble::Wrong(format!("no receiver {name:?} is closed; `huntline outbox` lists them")));
    }
    let running = wake(desk)?;
    if output.json {
        return say_json(&json!({ "enabled": name, "running": running }));
    }
    say(&format!("{name} is written to again\n"))
}

/// Without a router letters go out when it is started.
fn wake(desk: &Desk) -> Result<bool, Trouble> {
    match desk.ask(Order::Outbox) {
        Ok(_) => Ok(true),
        Err(Trouble::NoRouter(_)) => Ok(false),
        Err(trouble) => Err(trouble),
    }
}
