//! What an employee has set on the phone: forwards.

use huntline::config::ForwardWhen::{self, Always, Busy, NoAnswer};
use huntline::state::Counter;

use super::{OPERATOR_60, Office};

const PEOPLE: &str = r#"
[[did]]
number = "+49301000"
personal = "12"
[[did]]
number = "+49302000"
open = { to = "group:all" }
[[group]]
name = "all"
members = ["11", "12"]
patience = "20s"
then = "refuse:busy"
[[outbound]]
match = "+49*"
trunks = ["one", "two"]
caller_id = "+49301000"
[[outbound]]
match = "+*"
allow = false
"#;

fn office(forwards: &[(&str, ForwardWhen, &str)]) -> Office {
    with(PEOPLE, forwards)
}

fn with(text: &str, forwards: &[(&str, ForwardWhen, &str)]) -> Office {
    let mut office = Office::with(text);
    for (who, when, to) in forwards {
        office.state.set_forward(&(*who).into(), *when, Some(&(*to).into()));
    }
    office
}

const CUSTOMER: &str = "+491701112233";

#[test]
fn who_forwards_all_calls_is_not_rung() {
    let office = office(&[("12", Always, "13")]);
    let rings = ["0 s  13 rings", "30 s  13 does not answer; falls to 10; 13 stops; 10 rings", OPERATOR_60];
    office.call(CUSTOMER, "+49301000").expect("12 forwards to 13", &rings);
    office.call("11", "12").expect(
        "internal call, 12 forwards to 13",
        &["0 s  13 rings", "30 s  13 does not answer; nobody left to ring; 13 stops; ends with 480"],
    );
}

#[test]
fn a_forward_on_busy_or_no_answer_takes_the_place_of_what_the_config_says() {
    let own = r#"
        [[did]]
        number = "+49303000"
        personal = "15"
        [[extension]]
        number = "15"
        busy = "refuse:busy"
        no_answer = { after = "7s", to = "refuse:declined" }
        unreachable = "refuse:not_found"
    "#;
    let office = with(&format!("{PEOPLE}{own}"), &[("15", Busy, "13"), ("15", NoAnswer, "14")]);
    let call = office.call(CUSTOMER, "+49303000");
    call.expect(
        "",
        &[
            "0 s  15 rings",
            "7 s  15 does not answer; 15 forwards to 14 without an answer; falls to 14; 15 stops; 14 rings",
            "37 s  14 does not answer; falls to 10; 14 stops; 10 rings",
            "67 s  10 does not answer; falls to refuse:unavailable; 10 stops; ends with 480",
        ],
    );
    call.busy(&["15"]).expect(
        "",
        &[
            "0 s  15 is busy; 15 forwards to 13 when busy; falls to 13; 13 rings",
            "30 s  13 does not answer; falls to 10; 13 stops; 10 rings",
            OPERATOR_60,
        ],
    );
    // A phone that is off answers no more than one that nobody takes.
    office.call(CUSTOMER, "+49303000").unreachable(&["15"]).expect(
        "",
        &[
            "0 s  15 is unreachable; 15 forwards to 14 without an answer; falls to 14; 14 rings",
            "30 s  14 does not answer; falls to 10; 14 stops; 10 rings",
            OPERATOR_60,
        ],
    );
}

#[test]
fn as_a_member_of_a_group_or_a_deputy_nobody_forwards_the_groups_calls() {
    let mut office = office(&[("12", Always, "13"), ("11", NoAnswer, "13")]);
    let group = [
        "0 s  11 rings; 12 rings",
        "20 s  all does not answer; falls to refuse:busy; 11 stops; 12 stops; ends with 486",
    ];
    office.call(CUSTOMER, "+49302000").expect("", &group);
    let deputy = r#"
        [[did]]
        number = "+49303000"
        personal = "15"
        [[extension]]
        number = "15"
        deputy = "12"
    "#;
    office = with(&format!("{PEOPLE}{deputy}"), &[("12", Always, "13"), ("15", Always, "13")]);
    office.state.set_away(&"15".into(), Some(huntline::clock::Timestamp::MAX));
    // An absence comes first: 15's own forward is not followed either.
    office.call(CUSTOMER, "+49303000").expect(
        "12 stands in for 15",
        &["0 s  12 rings", "30 s  12 does not answer; falls to 10; 12 stops; 10 rings", OPERATOR_60],
    );
}

#[test]
fn forwards_are_followed_one_after_the_other_until_one_goes_round() {
    let office = office(&[("12", Always, "13"), ("13", Always, "14"), ("14", Always, "12")]);
    office.call(CUSTOMER, "+49301000").expect(
        "12 forwards to 13, 13 forwards to 14, 14 forwards to 12, the forward of 14 goes round",
        &["0 s  14 rings", "30 s  14 does not answer; falls to 10; 14 stops; 10 rings", OPERATOR_60],
    );
    // Who calls is not called back by the own call: a secretary reaches whom she stands before.
    office.call("13", "12").expect(
        "internal call, 12 forwards to 13, the forward of 12 goes round",
        &["0 s  12 rings", "30 s  12 does not answer; nobody left to ring; 12 stops; ends with 480"],
    );
}

#[test]
fn who_has_been_rung_before_is_not_rung_again_by_a_forward() {
    let office = office(&[("12", NoAnswer, "13"), ("13", NoAnswer, "12")]);
    office.call(CUSTOMER, "+49301000").expect(
        "",
        &[
            "0 s  12 rings",
            "30 s  12 does not answer; 12 forwards to 13 without an answer; falls to 13; 12 stops; 13 rings",
            "60 s  13 does not answer; extension:12 was tried before; extension:13 was tried before; \
             extension:12 was tried before; nobody left to ring; 13 stops; ends with 480",
        ],
    );
}

#[test]
fn outside_a_forward_leads_as_far_as_the_employee_may_call() {
    let office = office(&[("12", Always, "01709998877")]);
    office.call(CUSTOMER, "+49301000").expect(
        "12 forwards to 01709998877",
        &[
            "0 s  dials +491709998877 through one, two",
            "30 s  gives up dialling; +491709998877 does not answer; falls to 10; 10 rings",
            OPERATOR_60,
        ],
    );
    let abroad = self::office(&[("12", Always, "+4312345678")]);
    abroad.call(CUSTOMER, "+49301000").expect(
        "12 forwards to +4312345678, outbound rule +* does not allow it",
        &["0 s  12 rings", "30 s  12 does not answer; falls to 10; 12 stops; 10 rings", OPERATOR_60],
    );
}

#[test]
fn calls_that_are_forwarded_outside_count_for_the_daily_cap() {
    let cap = PEOPLE.replace("[[outbound]]\nmatch = \"+49*\"", "[[did]]\nnumber = \"+49303000\"\npersonal = \"15\"\n[[extension]]\nnumber = \"15\"\ndaily_calls = 2\n[[outbound]]\nmatch = \"+49*\"");
    let mut office = with(&cap, &[("15", Always, "+491709998877")]);
    let day = jiff::civil::date(2026, 11, 23);
    office.state.count(&Counter::CalledOutside { extension: "15".into(), day, calls: 2 });
    office.call(CUSTOMER, "+49303000").expect(
        "15 forwards to +491709998877, 15 has made its 2 calls of today",
        &["0 s  15 rings", "30 s  15 does not answer; falls to 10; 15 stops; 10 rings", OPERATOR_60],
    );
}

#[test]
fn a_responsible_who_forwards_is_followed_for_the_time_of_known() {
    let known = PEOPLE.replace(
        "open = { to = \"group:all\" }",
        "open = { to = \"group:all\" }\nknown = { ring = \"8s\", no_answer = \"refuse:declined\" }",
    );
    let office = with(&known, &[("12", Always, "13")]);
    office.call(CUSTOMER, "+49302000").customer("12").expect(
        "known customer, responsible 12, 12 forwards to 13",
        &["0 s  13 rings", "8 s  13 does not answer; falls to refuse:declined; 13 stops; ends with 603"],
    );
}

#[test]
fn a_forward_to_a_did_of_our_own_stays_in_the_house() {
    let office = office(&[("12", Always, "+49302000")]);
    office.call(CUSTOMER, "+49301000").expect(
        "12 forwards to +49302000",
        &[
            "0 s  11 rings; 12 rings",
            "20 s  all does not answer; falls to refuse:busy; 11 stops; 12 stops; ends with 486",
        ],
    );
}
