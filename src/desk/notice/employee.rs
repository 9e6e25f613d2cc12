//! What employees are told of follow-ups, and which of them.
//!
//! | what happened | who is told |
//! |---|---|
//! | opened, or given to somebody | who is to call back, unless they took it themselves |
//! | opened or given back, and nobody's | everybody in the DID's list, else in the general one, else the supervisor; and the company's chats |
//! | overdue | who is to call back; where it is nobody's, the same as above |
//! | escalated | the supervisor |
//! | given to the supervisor | the supervisor |
//!
//! A further miss, an attempt, a comment and the end are not worth a message: the deadline does not move.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use super::words::{self, Words};
use crate::clock::Timestamp;
use crate::config::{Config, Extension};
use crate::event::{EventKind, Told};
use crate::fact::Party;
use crate::key::CallId;
use crate::letter::{Carrier, Letter};

/// What an event says of a follow-up, as far as a notice needs it.
#[derive(Deserialize)]
struct FollowUp {
    id: i64,
    who: Party,
    customer: Option<Arc<str>>,
    did: Option<Arc<str>>,
    call: CallId,
    due: Timestamp,
    assignee: Option<Arc<str>>,
    attempts: u32,
    last_miss: Timestamp,
    change: Change,
}

#[derive(Deserialize)]
struct Change {
    what: Arc<str>,
    by: Option<Arc<str>>,
    to: Option<Arc<str>>,
}

/// True where an event may be worth a notice.
pub fn concerns(told: &Told) -> bool {
    use EventKind::{FollowUpAssigned, FollowUpCommented, FollowUpCreated, FollowUpOverdue};
    matches!(told.kind, FollowUpCreated | FollowUpAssigned | FollowUpOverdue | FollowUpCommented)
}

/// The letters that follow from an event of the fact at this place in the journal.
pub fn notices(told: &Told, seq: i64, config: &Config) -> Vec<Letter> {
    if !concerns(told) {
        return Vec::new();
    }
    let Ok(follow_up) = FollowUp::deserialize(&told.data) else { return Vec::new() };
    let what = match told.kind {
        EventKind::FollowUpCreated => words::Told::Opened,
        EventKind::FollowUpOverdue => words::Told::Overdue,
        EventKind::FollowUpAssigned => words::Told::Given,
        _ if &*follow_up.change.what == "escalated" => words::Told::Escalated,
        _ => return Vec::new(),
    };
    let (employees, everybody) = follow_up.readers(what, config);
    let places = places(&employees, everybody, config);
    if places.is_empty() {
        return Vec::new();
    }
    let notice = follow_up.notice(what, config);
    let letter = |(carrier, to): (Carrier, Arc<str>)| Letter {
        carrier,
        to,
        about: format!("follow-up {} {seq} {}", follow_up.id, follow_up.change.what).into(),
        call: Some(follow_up.call),
        body: match carrier {
            Carrier::Mail => json!({ "subject": notice.subject, "text": notice.text }),
            _ => json!({ "text": format!("{}\n{}", notice.subject, notice.text) }),
        },
    };
    places.into_iter().map(letter).collect()
}

/// Where these employees read, each place once; and where everybody does.
fn places(employees: &[&Extension], everybody: bool, config: &Config) -> Vec<(Carrier, Arc<str>)> {
    let mut places = Vec::new();
    for employee in employees.iter().filter(|employee| employee.active) {
        let mail = employee.mail.iter().filter(|_| config.mail.is_some()).map(|to| (Carrier::Mail, to.clone()));
        let chat = employee.telegram.iter().filter(|_| config.telegram.is_some());
        places.extend(mail.chain(chat.map(|to| (Carrier::Telegram, to.clone()))));
    }
    let chats = config.telegram.iter().filter(|_| everybody).flat_map(|telegram| &telegram.chats);
    places.extend(chats.map(|chat| (Carrier::Telegram, chat.clone())));
    let mut seen = Vec::new();
    places.retain(|place| {
        !seen.contains(place) && {
            seen.push(place.clone());
            true
        }
    });
    places
}

struct Notice {
    subject: String,
    text: String,
}

impl FollowUp {
    /// Who is told, and whether the company's chats are.
    fn readers<'a>(&self, what: words::Told, config: &'a Config) -> (Vec<&'a Extension>, bool) {
        let one = |number: &Option<Arc<str>>| {
            let extension = number.as_deref().and_then(|number| config.extension_by_number(number));
            extension.map(|extension| config.extension(extension)).into_iter().collect::<Vec<_>>()
        };
        if what == words::Told::Escalated {
            return (one(&self.change.to), false);
        }
        if self.assignee.is_some() {
            let took_it = what == words::Told::Given && self.change.by == self.assignee;
            return (if took_it { Vec::new() } else { one(&self.assignee) }, false);
        }
        let did = self.did.as_deref().and_then(|did| config.did_written(did));
        let own = did.and_then(|did| config.did(did).follow_up.list.as_ref());
        let listed = own.or(config.follow_up.list.as_ref()).into_iter().flat_map(|(_, list)| list);
        let mut readers: Vec<_> = listed.map(|extension| config.extension(*extension)).collect();
        if readers.is_empty() {
            readers.extend(config.follow_up.supervisor.map(|supervisor| config.extension(supervisor)));
        }
        (readers, true)
    }

    /// The customer's number, or what came in its place.
    fn number(&self) -> Option<String> {
        let text = (!self.who.text.is_empty() && !self.who.anonymous).then(|| plain(&self.who.text));
        self.who.number.map(|number| number.to_string()).or(text)
    }

    /// A name that is more than the number.
    fn name(&self) -> Option<String> {
        let name = self.who.name.as_deref().map(plain)?;
        (!name.is_empty() && Some(&name) != self.number().as_ref()).then_some(name)
    }

    /// The card says nothing but the number.
    fn is_to_be_filled_in(&self) -> bool {
        let Some(number) = self.who.number.map(|number| number.to_string()) else { return false };
        self.customer.as_deref().is_none_or(|id| id == number)
    }

    fn notice(&self, what: words::Told, config: &Config) -> Notice {
        let words = Words::of(config.site.language);
        let number = self.number();
        let who = match (self.name(), &number) {
            (Some(name), Some(number)) => format!("{name} ({number})"),
            (Some(name), None) => format!("{name} ({})", words.anonymous),
            (None, Some(number)) => number.clone(),
            (None, None) => words.anonymous.to_owned(),
        };
        let time = |at: Timestamp| at.to_zoned(config.site.timezone.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string();
        let assignee = match self.assignee.as_deref() {
            None => words.nobody.to_owned(),
            Some(number) => match config.extension_by_number(number) {
                Some(extension) if *config.extension(extension).name != *number => {
                    format!("{number} {}", config.extension(extension).name)
                }
                _ => number.to_owned(),
            },
        };
        let card = config
            .web
            .card
            .as_ref()
            .filter(|card| self.customer.is_some() || !card.holes().any(|hole| hole == "customer"));
        let card = card.map(|card| {
            card.link(|hole| match hole {
                "customer" => self.customer.as_deref().unwrap_or_default().to_owned(),
                "number" => self.who.number.map(|number| number.to_string()).unwrap_or_default(),
                "call" => self.call.to_string(),
                _ => self.id.to_string(),
            })
        });
        let page = config.web.public_url.as_ref().map(|url| format!("{url}/follow-ups/{}", self.id));
        let dial = self.who.number.map(|number| format!("tel:{number}"));
        let lines = [
            (words.customer, Some(who.clone())),
            (words.called, self.did.as_deref().map(plain)),
            (words.missed, Some(time(self.last_miss))),
            (words.attempts, Some(self.attempts.to_string())),
            (words.due, Some(time(self.due))),
            (words.assignee, Some(assignee)),
            (words.card, card),
            (words.call_back, dial),
            (words.page, page),
        ];
        let lines = lines.into_iter().filter_map(|(name, value)| Some(format!("{name}: {}\n", value?)));
        let mut text: String = lines.collect();
        if self.is_to_be_filled_in() {
            text.push_str(words.fill_in);
            text.push('\n');
        }
        Notice { subject: format!("{}: {who}", words.head(what)), text }
    }
}

/// One line: who calls chooses their name, and it must not begin a header or a line of its own.
fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect::<String>().trim().into()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::Value;

    use super::*;
    use crate::config::Nothing;
    use crate::event::Audience;

    fn config(country: &str, rest: &str) -> Config {
        let text = format!(
            "[site]\nname = \"Tour\"\ntimezone = \"Europe/Kyiv\"\nnumbering = {{ country = \"{country}\" }}\n\
             [mail]\nserver = \"mail.example\"\nfrom = \"pbx@tour.example\"\n\
             [telegram]\ntoken = \"env:T\"\nchats = [\"-100500\"]\n\
             [web]\npublic_url = \"https://pbx.tour.example/\"\ncard = \"https://crm.example/contact/{{customer}}?tel={{number}}\"\n\
             {rest}\n\
             [[extension]]\nnumber = \"11\"\npassword = \"env:P\"\nmail = \"eva@tour.example\"\n\
             [[extension]]\nnumber = \"12\"\nname = \"Ivan\"\npassword = \"env:P\"\nmail = \"ivan@tour.example\"\ntelegram = \"4711\"\n\
             [[extension]]\nnumber = \"13\"\npassword = \"env:P\"\nmail = \"gone@tour.example\"\nactive = false\n\
             [[extension]]\nnumber = \"10\"\npassword = \"env:P\"\ntelegram = \"1\"\n"
        );
        Config::read(Path::new("x.toml"), &text, &Nothing).unwrap().config
    }

    fn told(kind: EventKind, change: &str, fields: Value) -> Told {
        let call = CallId::new(Timestamp::UNIX_EPOCH, 7);
        let change: Vec<_> = change.split(' ').map(|word| Some(word).filter(|word| *word != "-")).collect();
        let mut data = json!({
            "id": 3, "who": { "number": "+380671234567" }, "customer": null, "did": "+380441112233", "call": call,
            "due": "2026-11-24T11:30:00Z", "assignee": null, "attempts": 2, "last_miss": "2026-11-24T11:05:00Z",
            "change": { "what": change[0], "by": change[1], "to": change[2] },
        });
        for (name, value) in fields.as_object().unwrap() {
            data[name] = value.clone();
        }
        Told { kind, call: Some(call), audience: Audience::Everybody, data }
    }

    fn places(config: &Config, told: &Told) -> String {
        let to: Vec<String> = notices(told, 42, config).iter().map(|letter| letter.to.to_string()).collect();
        to.join(" ")
    }

    #[test]
    fn who_is_told_of_what() {
        use EventKind::*;
        let list = "[follow_up]\nlist = { random = [\"11\", \"12\", \"13\"] }\nsupervisor = \"10\"";
        let (list, bare) = (config("44", list), config("44", "[follow_up]\nsupervisor = \"10\""));
        let own = config(
            "44",
            "[[did]]\nnumber = \"+380441112233\"\nopen = { to = \"refuse:unavailable\" }\nfollow_up = { list = { random = [\"11\"] } }\n\
             [follow_up]\nlist = { random = [\"12\"] }",
        );
        let theirs = json!({ "assignee": "12" });
        let nobodys = json!({});
        let stories = [
            (
                "… of a DID with a list of its own",
                &own,
                told(FollowUpCreated, "opened - -", nobodys.clone()),
                "eva@tour.example -100500",
            ),
            ("a new one", &list, told(FollowUpCreated, "opened - -", theirs.clone()), "ivan@tour.example 4711"),
            (
                "… that is nobody's",
                &list,
                told(FollowUpCreated, "opened - -", nobodys.clone()),
                "eva@tour.example ivan@tour.example 4711 -100500",
            ),
            ("… without a list", &bare, told(FollowUpCreated, "opened - -", nobodys.clone()), "1 -100500"),
            ("given away", &list, told(FollowUpAssigned, "assigned 11 12", theirs.clone()), "ivan@tour.example 4711"),
            ("claimed", &list, told(FollowUpAssigned, "claimed 12 12", theirs.clone()), ""),
            ("given back", &bare, told(FollowUpAssigned, "assigned 11 -", nobodys.clone()), "1 -100500"),
            ("overdue", &list, told(FollowUpOverdue, "overdue - -", theirs.clone()), "ivan@tour.example 4711"),
            ("escalated", &list, told(FollowUpCommented, "escalated - 10", theirs.clone()), "1"),
            ("the supervisor's", &list, told(FollowUpAssigned, "reassigned - 10", json!({ "assignee": "10" })), "1"),
            ("who has left", &list, told(FollowUpCreated, "opened - -", json!({ "assignee": "13" })), ""),
            ("missed again", &list, told(FollowUpCommented, "missed - -", theirs.clone()), ""),
            ("done", &list, told(FollowUpClosed, "closed - -", theirs), ""),
        ];
        for (story, config, told, expected) in stories {
            assert_eq!(places(config, &told), expected, "{story}");
        }
    }

    #[test]
    fn a_notice_names_customer_did_times_card_and_the_way_to_call_back() {
        let ada = json!({
            "who": { "number": "+380671234567", "name": "Ada\r\nBcc: x" }, "customer": "7 a", "assignee": "12",
        });
        let letters = notices(&told(EventKind::FollowUpCreated, "opened - -", ada.clone()), 42, &config("44", ""));
        assert_eq!(letters.len(), 2);
        assert_eq!((letters[0].carrier, &*letters[0].about), (Carrier::Mail, "follow-up 3 42 opened"));
        assert_eq!(letters[0].body["subject"], "Call back: Ada  Bcc: x (+380671234567)");
        let text = "Customer: Ada  Bcc: x (+380671234567)\nCalled: +380441112233\nMissed: 2026-11-24 13:05 EET\n\
                    Missed calls: 2\nCall back by: 2026-11-24 13:30 EET\nWhose: 12 Ivan\n\
                    Card: https://crm.example/contact/7%20a?tel=%2B380671234567\nCall: tel:+380671234567\n\
                    Follow-up: https://pbx.tour.example/follow-ups/3\n";
        assert_eq!(letters[0].body["text"], text);
        assert_eq!(letters[1].body["text"], format!("Call back: Ada  Bcc: x (+380671234567)\n{text}"));
    }

    #[test]
    fn whose_name_is_still_the_number_has_a_card_to_be_filled_in() {
        let text = |country: &str, fields: Value| {
            let mut fields = fields;
            fields["assignee"] = "12".into();
            let letters = notices(&told(EventKind::FollowUpOverdue, "overdue - -", fields), 42, &config(country, ""));
            (
                letters[0].body["subject"].as_str().unwrap().to_owned(),
                letters[0].body["text"].as_str().unwrap().to_owned(),
            )
        };
        let provisional =
            json!({ "who": { "number": "+380671234567", "name": "+380671234567" }, "customer": "+380671234567" });
        let (subject, said) = text("7", provisional);
        assert_eq!(subject, "Просрочено, перезвоните: +380671234567");
        assert!(
            said.contains("Клиент: +380671234567\n")
                && said.contains("Карточка: https://crm.example/contact/%2B380671234567")
        );
        assert!(said.ends_with("Заполните карточку: о клиенте известен только номер.\n"), "{said}");
        let (_, said) = text("380", json!({ "who": { "number": "+380671234567" } }));
        assert!(
            !said.contains("Картка:") && said.ends_with("Заповніть картку: про клієнта відомий лише номер.\n"),
            "{said}"
        );
        let (subject, said) = text("380", json!({ "who": { "anonymous": true, "text": "anonymous" } }));
        assert_eq!(subject, "Прострочено, передзвоніть: невідомий абонент");
        assert!(!said.contains("tel:") && !said.contains("Заповніть"), "{said}");
    }
}
