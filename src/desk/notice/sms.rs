//! What a missed customer reads, and who can read it.

use serde_json::json;

use super::super::follow_up::Outsider;
use crate::config::{Config, Sms};
use crate::fact::Ended;
use crate::key::CallId;
use crate::letter::{Carrier, Letter};
use crate::number::PhoneNumber;

/// Longest name that an SMS carries: what a stranger calls themselves does not fill it.
const LONGEST_NAME: usize = 60;

/// The number of a customer who was missed and can read an SMS: no landline, nobody who did not show a number. Those inside
/// and those who are blocked are never missed.
pub fn to_be_told(outsider: &Outsider, ended: &Ended, sms: &Sms) -> Option<PhoneNumber> {
    let missed = outsider.calls_us && ended.missed.is_some() && !outsider.anonymous;
    outsider.number.filter(|number| missed && sms.reaches(*number))
}

/// The SMS about a missed call.
pub fn sms(number: PhoneNumber, outsider: &Outsider, call: CallId, sms: &Sms, config: &Config) -> Letter {
    let customer = outsider.customer.as_ref();
    let company = &*config.site.name;
    let did = outsider.did.as_deref().unwrap_or_default();
    let name = customer.map(|customer| &*customer.name).or(outsider.name.as_deref());
    let name = name.map(plain).filter(|name| !name.is_empty());
    let manager = customer.and_then(|customer| config.extension_by_number(customer.responsible.as_deref()?));
    let part = |hole: &str| match hole {
        "plain_number" => number.to_string().trim_start_matches('+').to_owned(),
        "did" => did.to_owned(),
        "customer" => customer.map(|customer| customer.id.to_string()).unwrap_or_default(),
        "call" => call.to_string(),
        "number" => number.to_string(),
        _ => String::new(),
    };
    let text = sms.text.fill(|hole| match hole {
        "customer" => name.clone().unwrap_or_else(|| number.to_string()),
        "manager" => manager.map_or(company, |manager| &*config.extension(manager).name).to_owned(),
        "company" => company.to_owned(),
        "chat" => sms.chat.as_ref().map(|chat| chat.link(part)).unwrap_or_default(),
        "card" => config.web.card.as_ref().map(|card| card.link(part)).unwrap_or_default(),
        other => part(other),
    });
    Letter {
        carrier: Carrier::Sms,
        to: number.to_string().into(),
        about: format!("missed {call}").into(),
        call: Some(call),
        body: json!({ "text": text }),
    }
}

/// One line, not too long.
fn plain(name: &str) -> String {
    name.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .take(LONGEST_NAME)
        .collect::<String>()
        .trim()
        .into()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::clock::Timestamp;
    use crate::config::Nothing;
    use crate::fact::{EndedBy, KnownCustomer, MissedCause};

    fn config(country: &str, rest: &str) -> Config {
        let text = format!(
            "[site]\nname = \"Tour\"\nnumbering = {{ country = \"{country}\" }}\n\
             [sms]\nurl = \"https://sms.example/\"\nbody = \"to={{number}}&text={{text}}\"\n{rest}\n\
             [[extension]]\nnumber = \"12\"\nname = \"Иван\"\npassword = \"env:P\"\n"
        );
        Config::read(Path::new("x.toml"), &text, &Nothing).unwrap().config
    }

    fn caller(number: &str) -> Outsider {
        let ada = KnownCustomer { id: "7".into(), name: "Ада".into(), responsible: Some("12".into()) };
        Outsider {
            calls_us: true,
            number: number.parse().ok(),
            text: String::new(),
            anonymous: false,
            name: None,
            customer: Some(ada),
            did: Some("+74951234567".into()),
            employee: None,
        }
    }

    fn ended(missed: bool) -> Ended {
        Ended { by: EndedBy::Caller, status: 487, missed: missed.then_some(MissedCause::NoAnswer), talk_ms: 0 }
    }

    #[test]
    fn who_can_read_an_sms() {
        let (russian, ukrainian) = (config("7", ""), config("380", ""));
        let german = config("49", "mobile = [\"+4915\", \"+4916\", \"+4917\"]");
        let stories = [
            (&russian, "+79161234567", true),
            (&russian, "+74951234567", false),
            (&russian, "+77011234567", true),
            (&russian, "+77172123456", false),
            (&russian, "+380501234567", false),
            (&ukrainian, "+380501234567", true),
            (&ukrainian, "+380671234567", true),
            (&ukrainian, "+380441234567", false),
            (&german, "+491701112233", true),
            (&german, "+493012340", false),
        ];
        for (config, number, told) in stories {
            let sms = config.sms.as_ref().unwrap();
            assert_eq!(to_be_told(&caller(number), &ended(true), sms).is_some(), told, "{number}");
        }
        let sms = russian.sms.as_ref().unwrap();
        let mobile = caller("+79161234567");
        assert_eq!(to_be_told(&mobile, &ended(false), sms), None, "who was not missed (or is blocked)");
        assert_eq!(to_be_told(&Outsider { anonymous: true, ..mobile.clone() }, &ended(true), sms), None);
        assert_eq!(to_be_told(&Outsider { number: None, ..mobile.clone() }, &ended(true), sms), None);
        assert_eq!(to_be_told(&Outsider { calls_us: false, ..mobile }, &ended(true), sms), None);
    }

    #[test]
    fn what_it_says() {
        let number = "+79161234567".parse().unwrap();
        let call = CallId::new(Timestamp::UNIX_EPOCH, 7);
        let said = |config: &Config, outsider: &Outsider| {
            let letter = sms(number, outsider, call, config.sms.as_ref().unwrap(), config);
            assert_eq!((letter.carrier, &*letter.to, letter.call), (Carrier::Sms, "+79161234567", Some(call)));
            letter.body["text"].as_str().unwrap().to_owned()
        };
        let mine = config(
            "7",
            "text = \"{customer}! {manager} ({company}, {did}): {chat}\"\nchat = \"https://chat.example/?phone={plain_number}\"",
        );
        let ada = caller("+79161234567");
        assert_eq!(said(&mine, &ada), "Ада! Иван (Tour, +74951234567): https://chat.example/?phone=79161234567");
        let stranger = Outsider { customer: None, name: Some("a\r\nb".into()), ..ada.clone() };
        assert!(said(&mine, &stranger).starts_with("a  b! Tour ("));
        let nameless = Outsider { customer: None, ..ada.clone() };
        assert!(said(&mine, &nameless).starts_with("+79161234567! Tour ("));
        assert_eq!(
            said(&config("7", ""), &ada),
            "Tour: извините, мы пропустили ваш звонок. Перезвоним в ближайшее время."
        );
        let ukrainian = config("380", "chat = \"https://chat.example/{did}\"");
        assert!(said(&ukrainian, &ada).ends_with("найближчим часом. Чат: https://chat.example/%2B74951234567"));
        assert!(said(&config("44", "mobile = [\"+447\"]"), &ada).starts_with("Tour: sorry, we missed your call."));
    }
}
