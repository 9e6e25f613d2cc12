//! Calls that somebody asks for instead of dialling them: the own phone rings first.

use super::office::Office;
use super::phone::Phone;
use super::wire::Sip;
use super::witness::{SOON, assert_hear_soon, assert_hears, assert_plays_again, assert_shows, sees};
use std::time::Duration;

/// The stories by their titles.
pub const STORIES: &[(&str, fn())] = &[
    ("A click: baresip rings and shows the customer, who is called once it is answered; both hear each other", clicked),
    (
        "A click that is handed on by a program: the customer hears the colleague, and the one who clicked is free",
        handed_on,
    ),
];

/// A customer nobody knows, as people write the number, and as the provider is called.
const CUSTOMER: &str = "8 903 555-66-77";
const DIALLED: &str = "89035556677";
const SHOWN: &str = "9035556677";

fn clicked() {
    let office = Office::open("clicked", |_| {});
    let mut ivan = Phone::of(&office, "201");
    let call = click(&office, &mut ivan);
    let customer = office.provider.voice();
    let answered = sees(&office, "the customer answers", |m| *m.from.ip() == customer.0 && m.answers(200, "INVITE")).at;
    // Of the customer not even the first syllable is lost; the one who clicked has spoken all the time.
    assert_hears(&office, ivan.address, customer, answered);
    assert_hear_soon(&office, ivan.voice(), customer, answered);
    ivan.hang_up();
    sees(&office, "the customer is hung up on", |m| *m.from.ip() == customer.0 && m.answers(200, "BYE"));
    let invites = office.wire.look(|seen| {
        let out = |m: &&Sip| *m.to.ip() == customer.0 && m.method() == Some("INVITE");
        seen.sip.iter().filter(out).map(|m| (m.at, m.first_line().to_string())).collect::<Vec<_>>()
    });
    let [(called, line)] = &invites[..] else { panic!("the customer is called once: {invites:?}") };
    assert!(line.starts_with(&format!("INVITE sip:{DIALLED}@")), "{line}");
    let picked_up = sees(&office, "201 picks up", |m| *m.from.ip() == ivan.address && m.answers(200, "INVITE")).at;
    assert!(*called >= picked_up, "the customer is called before anybody is there to talk");
    let shown = office.ask_json(&["calls", "show", &call]);
    assert_eq!(shown["direction"], "outbound", "{shown:#}");
    assert_eq!(shown["from"]["extension"], "201", "{shown:#}");
    assert_plays_again(&office);
}

fn handed_on() {
    let office = Office::open("clicked-and-handed-on", |_| {});
    let [mut ivan, mut vasyl] = ["201", "202"].map(|extension| Phone::of(&office, extension));
    let customer = office.provider.voice();
    let call = click(&office, &mut ivan);
    let answered = sees(&office, "the customer answers", |m| *m.from.ip() == customer.0 && m.answers(200, "INVITE")).at;
    assert_hear_soon(&office, ivan.voice(), customer, answered);
    let out = office.ask(&["transfer", &call, "--to", "202"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    vasyl.answer_after(Duration::ZERO);
    let taken = sees(&office, "202 answers", |m| *m.from.ip() == vasyl.address && m.answers(200, "INVITE")).at;
    assert_shows(&office, vasyl.address, SHOWN, answered);
    assert_hear_soon(&office, customer, vasyl.voice(), taken);
    ivan.is_left(SOON);
    vasyl.hang_up();
    sees(&office, "the customer is hung up on", |m| *m.from.ip() == customer.0 && m.answers(200, "BYE"));
    assert_plays_again(&office);
}

/// 201 clicks on the customer and picks up; the call's id.
fn click(office: &Office, ivan: &mut Phone) -> String {
    let asked = office.ask_json(&["originate", "--user", "201", "--to", CUSTOMER, "--ref", "deal-4711"]);
    let shown = ivan.rings(SOON);
    assert!(shown.contains(SHOWN), "201 is shown {shown}");
    ivan.answer();
    asked["call"].as_str().expect("an id").to_owned()
}
