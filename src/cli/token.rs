//! `huntline token`: who may use the API, and for what.

use clap::{Args, Subcommand};
use jiff::tz::TimeZone;

use crate::cli::desk::{Desk, Output, Trouble, say, say_json};
use crate::cli::moment::{self, Towards};
use crate::cli::table::table;
use crate::control::Order;
use crate::fact;
use crate::store::Reader;
use crate::web;

/// Let programs and people use the API, or no longer.
#[derive(Debug, Args)]
#[command(after_help = "\
A token is shown once, when it is made; only its hash is kept. A token with --user shows and does only what is that
employee's: calls they took part in or whose customer is theirs, follow-ups that are theirs or nobody's yet, their voicemail
boxes, their recordings. `add` and `revoke` need the running router, and hold at once.

Scopes:
  calls:read       calls, in full                 calls:control    originate, hang up, transfer, note, disposition
  contacts:read    customers                      contacts:write   … and change them
  follow-ups:read  who is to be called back       follow-ups:write claim, assign, comment, close
  voicemail:read   messages                       voicemail:write  mark and delete them
  recordings:read  talks that were recorded       events:read      what happens, as it happens
  reports:read     figures                        config:read      the config without its secrets, trunks, devices
  config:write     the config, hours, absences    admin            everything

Examples:
  huntline token add --name crm --scope calls:read --scope contacts:write
  huntline token add --name 'Ivan at the desk' --user 201 --scope follow-ups:read --scope follow-ups:write
  huntline token add --name 'figures in a sheet' --scope reports:read --until 2027-01-01
  huntline token revoke crm")]
pub(super) struct Token {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Add(Add),
    List(List),
    Revoke(Revoke),
}

/// Make a token, and show it once.
#[derive(Debug, Args)]
struct Add {
    /// What it is for: 1 to 100 characters, another for each token.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// The employee it belongs to; otherwise it is the whole company's.
    #[arg(long, value_name = "EXTENSION")]
    user: Option<String>,
    /// What it is good for; may be said several times.
    #[arg(long = "scope", value_name = "SCOPE", required = true, value_delimiter = ',')]
    scopes: Vec<String>,
    /// When it ends by itself: 2027-01-01, 30d. Otherwise: when it is revoked.
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    #[command(flatten)]
    output: Output,
}

/// List the tokens. Needs no running router.
#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    output: Output,
}

/// Make a token worthless, at once.
#[derive(Debug, Args)]
struct Revoke {
    /// Its name, or its id.
    #[arg(value_name = "NAME")]
    which: String,
    #[command(flatten)]
    output: Output,
}

impl Token {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Trouble> {
        match self.what {
            What::Add(add) => add.run(desk),
            What::List(list) => list.run(desk),
            What::Revoke(revoke) => revoke.run(desk),
        }
    }
}

impl Add {
    fn run(self, desk: &Desk) -> Result<(), Trouble> {
        let name = self.name.trim();
        if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
            return Err(Trouble::Usage("--name: 1 to 100 characters on one line".into()));
        }
        web::check_scopes(self.scopes.iter().map(String::as_str))
            .map_err(|why| Trouble::Usage(format!("--scope: {why}")))?;
        let zone = desk.basics()?.site.timezone;
        let read = |text: &String| moment::read(text, &zone, desk.now, Towards::Future);
        let until =
            self.until.as_ref().map(read).transpose().map_err(|why| Trouble::Usage(format!("--until: {why}")))?;
        if until.is_some_and(|until| until <= desk.now) {
            return Err(Trouble::Usage("--until: that is over already".into()));
        }
        let chance = || web::chance().map_err(|error| Trouble::Wrong(format!("the system gives no chance: {error}")));
        let (token, hash) = web::mint(chance()?);
        let id = chance()?[..6].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let mut scopes: Vec<_> = self.scopes.iter().map(|scope| scope.as_str().into()).collect();
        scopes.sort_unstable();
        scopes.dedup();
        let user = self.user.as_deref().map(Into::into);
        let kept = fact::Token { id: id.as_str().into(), name: name.into(), user, scopes, hash: hash.into(), until };
        desk.ask(Order::Token(Box::new(kept)))?;
        if self.output.json {
            return say_json(&serde_json::json!({ "id": id, "name": name, "token": token }));
        }
        say(&format!("{token}\n"))?;
        // Nobody may be listening; the token stands on standard output alone, for a variable.
        _ = std::io::Write::write_all(
            &mut std::io::stderr(),
            format!("huntline: this is the token {name:?} ({id}); it is not shown again\n").as_bytes(),
        );
        Ok(())
    }
}

impl List {
    fn run(self, desk: &Desk) -> Result<(), Trouble> {
        let basics = desk.basics()?;
        let tokens = match Reader::open_existing(&basics.storage.directory)? {
            Some(reader) => reader.tokens()?,
            None => Vec::new(),
        };
        if self.output.json {
            let shown = |token: &fact::Token| {
                serde_json::json!({
                    "id": token.id, "name": token.name, "user": token.user, "scopes": token.scopes, "until": token.until,
                })
            };
            return say_json(&tokens.iter().map(shown).collect::<Vec<_>>());
        }
        if tokens.is_empty() {
            return say("no tokens; `huntline token add` makes one\n");
        }
        let mut lines = vec![["ID", "NAME", "USER", "UNTIL", "SCOPES"].map(String::from).to_vec()];
        lines.extend(tokens.iter().map(|token| line(token, &basics.site.timezone, desk)));
        say(&table(&lines))
    }
}

fn line(token: &fact::Token, zone: &TimeZone, desk: &Desk) -> Vec<String> {
    let until = match token.until {
        None => "revoked".into(),
        Some(until) if until <= desk.now => "over".into(),
        Some(until) => until.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string(),
    };
    vec![
        token.id.to_string(),
        token.name.to_string(),
        token.user.as_deref().unwrap_or("everybody").to_owned(),
        until,
        token.scopes.join(", "),
    ]
}

impl Revoke {
    fn run(self, desk: &Desk) -> Result<(), Trouble> {
        let answer = desk.ask(Order::RevokeToken { id: self.which.clone() })?;
        if self.output.json {
            return say_json(&answer);
        }
        say(&format!("the token {:?} is worthless now\n", self.which))
    }
}
