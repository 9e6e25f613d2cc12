//! The law of routing, sentence by sentence: who calls whom in which office, why it goes where, and who rings when.
//!
//! Each test names the sentence that it proves. A call is decided and walked in virtual time with nobody answering, and
//! compared whole: the reasons as the record shows them, the timetable as a caller lives through it.

#[path = "decision/features.rs"]
mod features;
#[path = "decision/forwards.rs"]
mod forwards;

use std::path::Path;
use std::sync::Arc;

use huntline::clock::Timestamp;
use huntline::config::{Config, DidIx, ExtensionIx, Nothing, TrunkIx};
use huntline::customer::{Customer, Kind};
use huntline::route::{
    Availability, Caller, Destined, Direction, Happening, Load, Origin, Presence, RoutePlan, Situation, decide,
    explain, sentence,
};
use huntline::state::{Counter, Override, State};
use proptest::prelude::*;

const MONDAY_TEN: &str = "2026-11-23T10:00:00+01:00[Europe/Berlin]";
const SUNDAY: &str = "2026-11-22T10:00:00+01:00[Europe/Berlin]";

/// An office of six; each test adds what it is about.
const OFFICE: &str = r#"
[site]
timezone = "Europe/Berlin"
numbering = { country = "49", area = "30", national_prefix = "0", international_prefix = "00" }
emergency = ["112", "110"]
operator = "extension:10"
[[trunk]]
name = "one"
server = "sip:192.0.2.1:5060"
[[trunk]]
name = "two"
server = "sip:192.0.2.2:5060"
[[schedule]]
name = "office"
open = ["mon-fri 09:00-18:00"]
[[schedule]]
name = "late"
open = ["mon-fri 12:00-20:00"]
[[voicemail]]
name = "box"
[[extension]]
number = "10"
[[extension]]
number = "11"
[[extension]]
number = "12"
[[extension]]
number = "13"
[[extension]]
number = "14"
call_waiting = true
"#;

// ---------------------------------------------------------------------------------------------- order of decision

#[test]
fn a_blocked_caller_hears_603_whoever_it_is_and_whatever_the_hours() {
    let mut office = Office::with(KNOWN);
    office.state.set_blocked("+491701112233".parse().unwrap(), Some("shouts"));
    office.state.set_override(&"office".into(), Some(Override { open: false, until: None }));
    let call = office.call("+491701112233", "+49301000").customer("12");
    call.expect("blocked caller", &["0 s  ends with 603"]);
    assert!(call.decide().is_blocked());
    // On the block list stands a number; who withholds it, or has another, is not on it.
    office.call("anonymous", "+49301000").expect("office set closed by hand", &["0 s  voicemail:box takes the call"]);
}

#[test]
fn an_override_closed_takes_the_closed_plan_at_once_known_customers_included() {
    let mut office = Office::with(KNOWN);
    let until = "2026-11-23T11:00:00Z".parse().unwrap();
    office.state.set_override(&"office".into(), Some(Override { open: false, until: Some(until) }));
    let call = office.call("+491701112233", "+49301000").customer("12");
    call.expect("office set closed by hand until 2026-11-23T11:00:00Z", &["0 s  voicemail:box takes the call"]);
    assert!(call.decide().is_closed());
    // It expires at that very moment.
    call.at("2026-11-23T12:00:00+01:00[Europe/Berlin]").expect(
        "known customer, responsible 12",
        &[
            "0 s  12 rings",
            "20 s  12 does not answer; falls to all; 12 stops; 11 rings; 13 rings",
            "40 s  all does not answer; falls to voicemail:box; 11 stops; 13 stops; voicemail:box takes the call",
        ],
    );
}

#[test]
fn an_override_open_makes_the_schedule_count_as_open_wherever_it_is_asked() {
    let mut office = Office::with(
        r#"
        [[did]]
        number = "+49301000"
        schedule = "office"
        open = { to = "extension:15" }
        closed = { to = "refuse:busy" }
        [[extension]]
        number = "15"
        schedule = "office"
        unreachable = "refuse:not_found"
        "#,
    );
    let closed = ("office is closed", ["0 s  ends with 486"]);
    office.call("+491701112233", "+49301000").at(SUNDAY).expect(closed.0, &closed.1);
    office.state.set_override(&"office".into(), Some(Override { open: true, until: None }));
    let call = office.call("+491701112233", "+49301000").at(SUNDAY);
    call.expect(
        "office set open by hand",
        &["0 s  15 rings", "30 s  15 does not answer; falls to 10; 15 stops; 10 rings", OPERATOR_60],
    );
    assert!(!call.decide().is_closed());
}

const OPERATOR_60: &str = "60 s  10 does not answer; falls to refuse:unavailable; 10 stops; ends with 480";
const OPERATOR_30: &str = "30 s  10 does not answer; falls to refuse:unavailable; 10 stops; ends with 480";

const KNOWN: &str = r#"
[[did]]
number = "+49301000"
schedule = "office"
known = { ring = "20s" }
open = { to = "group:all" }
closed = { to = "voicemail:box" }
[[group]]
name = "all"
members = ["11", "13"]
patience = "20s"
then = "voicemail:box"
"#;

#[test]
fn explain_prints_every_rule_in_order_with_its_outcome() {
    let office = Office::with(KNOWN);
    let text = office.call("+491701112233", "+49301000").customer("12").busy(&["12"]).explain();
    assert_eq!(
        text,
        "\
block list      not blocked
override        no override
known customer  known customer
known customer  responsible 12
hours           office is open
plan            group:all
overflow        then voicemail:box
operator        last extension:10

because known customer, responsible 12

if nobody answers:
    0 s  12 is busy; falls to all; 11 rings; 13 rings
   20 s  all does not answer; falls to voicemail:box; 11 stops; 13 stops; voicemail:box takes the call
"
    );
}

// ------------------------------------------------------------------------------------------------- known customers

#[test]
fn a_known_customer_goes_to_the_responsible_for_ring_then_each_reason_has_its_destination() {
    let office = Office::with(
        r#"
        [[did]]
        number = "+49301000"
        known = { ring = "7s", busy = "extension:11", no_answer = "extension:13", unreachable = "refuse:declined" }
        open = { to = "extension:14" }
        "#,
    );
    let call = office.call("+491701112233", "+49301000").customer("12");
    let because = "known customer, responsible 12";
    call.clone().busy(&["12"]).expect(
        because,
        &[
            "0 s  12 is busy; falls to 11; 11 rings",
            "30 s  11 does not answer; falls to 10; 11 stops; 10 rings",
            OPERATOR_60,
        ],
    );
    call.clone().expect(
        because,
        &[
            "0 s  12 rings",
            "7 s  12 does not answer; falls to 13; 12 stops; 13 rings",
            "37 s  13 does not answer; falls to 10; 13 stops; 10 rings",
            "67 s  10 does not answer; falls to refuse:unavailable; 10 stops; ends with 480",
        ],
    );
    call.unreachable(&["12"]).expect(because, &["0 s  12 is unreachable; falls to refuse:declined; ends with 603"]);
}

#[test]
fn an_unset_reason_means_go_on_as_if_the_caller_were_unknown_with_the_hours_of_the_did() {
    let office = Office::with(KNOWN);
    let call = office.call("+491701112233", "+49301000").customer("12").unreachable(&["12", "13"]);
    call.clone().expect(
        "known customer, responsible 12",
        &[
            "0 s  12 is unreachable; falls to all; 13 is unreachable; 11 rings",
            "20 s  all does not answer; falls to voicemail:box; 11 stops; voicemail:box takes the call",
        ],
    );
    // Before-hours is the default: the responsible rings on Sunday too; what follows is the closed plan.
    call.at(SUNDAY).expect(
        "known customer, responsible 12",
        &["0 s  12 is unreachable; falls to voicemail:box; voicemail:box takes the call"],
    );
}

#[test]
fn within_hours_rings_the_responsible_only_while_the_did_is_open() {
    let office = Office::with(&KNOWN.replace("ring = \"20s\"", "when = \"within-hours\""));
    let call = office.call("+491701112233", "+49301000").customer("12");
    call.clone().at(SUNDAY).expect(
        "known customer, known customers only within hours, office is closed",
        &["0 s  voicemail:box takes the call"],
    );
    assert_eq!(call.first(), "0 s  12 rings");
}

#[test]
fn before_hours_does_not_ring_a_responsible_whose_own_schedule_is_closed() {
    let office = Office::with(&format!(
        "{}\n[[extension]]\nnumber = \"15\"\nschedule = \"late\"",
        KNOWN.replace("ring = \"20s\"", "outside_hours = \"extension:13\"")
    ));
    let call = office.call("+491701112233", "+49301000").customer("15");
    call.clone().expect_first("known customer, responsible 15, 15 is outside own hours", "0 s  13 rings");
    call.at("2026-11-23T19:00:00+01:00[Europe/Berlin]").expect_first("known customer, responsible 15", "0 s  15 rings");
}

#[test]
fn away_left_and_outside_hours_have_their_own_destinations_where_there_is_no_deputy() {
    let mut office = Office::with(
        r#"
        [[did]]
        number = "+49301000"
        known = { away = "refuse:busy", left = "refuse:not_found", outside_hours = "refuse:declined" }
        open = { to = "group:all" }
        [[group]]
        name = "all"
        members = ["11"]
        then = "voicemail:box"
        [[extension]]
        number = "15"
        active = false
        [[extension]]
        number = "16"
        schedule = "late"
        "#,
    );
    office.state.set_away(&"12".into(), Some(Timestamp::MAX));
    let ends = |responsible, because: &str, status: &str| {
        office
            .call("+491701112233", "+49301000")
            .customer(responsible)
            .expect(because, &[&format!("0 s  ends with {status}")]);
    };
    ends("12", "known customer, responsible 12, 12 is away", "486");
    ends("15", "known customer, responsible 15, 15 has left", "404");
    ends("16", "known customer, responsible 16, 16 is outside own hours", "603");
    // An absence that has run out does not count.
    office.state.set_away(&"12".into(), Some("2026-11-23T08:00:00Z".parse().unwrap()));
    office
        .call("+491701112233", "+49301000")
        .customer("12")
        .expect_first("known customer, responsible 12", "0 s  12 rings");
}

#[test]
fn responsible_only_replaces_every_reasons_destination() {
    let mut office = Office::with(
        r#"
        [[did]]
        number = "+49301000"
        known = { ring = "5s", responsible_only = "announcement:call-back", busy = "extension:13", away = "extension:13" }
        open = { to = "group:all" }
        [[group]]
        name = "all"
        members = ["11"]
        then = "voicemail:box"
        "#,
    );
    let ends = "announcement:call-back; announcement:call-back takes the call";
    let call = office.call("+491701112233", "+49301000").customer("12");
    call.clone()
        .busy(&["12"])
        .expect("known customer, responsible 12", &[&format!("0 s  12 is busy; falls to {ends}")]);
    call.clone()
        .unreachable(&["12"])
        .expect("known customer, responsible 12", &[&format!("0 s  12 is unreachable; falls to {ends}")]);
    call.expect(
        "known customer, responsible 12",
        &[
            "0 s  12 rings",
            "5 s  12 does not answer; falls to announcement:call-back; 12 stops; announcement:call-back takes the call",
        ],
    );
    // Nobody responsible, no reason: as anybody.
    office
        .call("+491701112233", "+49301000")
        .customer("")
        .expect_first("known customer, nobody responsible", "0 s  11 rings");
    office.state.set_away(&"12".into(), Some(Timestamp::MAX));
    office
        .call("+491701112233", "+49301000")
        .customer("12")
        .expect("known customer, responsible 12, 12 is away", &["0 s  announcement:call-back takes the call"]);
}

#[test]
fn without_a_known_table_there_is_no_sticky_routing() {
    let office = Office::with("[[did]]\nnumber = \"+49301000\"\nopen = { to = \"extension:11\" }");
    office.call("+491701112233", "+49301000").customer("12").expect_first("", "0 s  11 rings");
}

#[test]
fn a_known_number_can_go_to_a_fixed_operator_or_to_everyone() {
    let fixed = Office::with(&KNOWN.replace("ring = \"20s\"", "to = \"extension:14\", ring = \"9s\""));
    fixed.call("+491701112233", "+49301000").customer("12").expect(
        "known customer",
        &[
            "0 s  14 rings",
            "9 s  14 does not answer; falls to all; 14 stops; 11 rings; 13 rings",
            "29 s  all does not answer; falls to voicemail:box; 11 stops; 13 stops; voicemail:box takes the call",
        ],
    );
    let everyone = Office::with(&KNOWN.replace("ring = \"20s\"", "to = \"plan\""));
    everyone
        .call("+491701112233", "+49301000")
        .customer("12")
        .expect_first("known customer, office is open", "0 s  11 rings; 13 rings");
}

#[test]
fn a_responsible_who_is_no_extension_any_more_is_nobody() {
    let office = Office::with(KNOWN);
    office
        .call("+491701112233", "+49301000")
        .customer("99")
        .expect_first("known customer, responsible 99 is no extension, office is open", "0 s  11 rings; 13 rings");
}

// ------------------------------------------------------------------------------------------------------- deputies

#[test]
fn an_available_deputy_replaces_an_absent_extension_as_destination_responsible_and_member() {
    let mut office = Office::with(
        r#"
        [[did]]
        number = "+49301000"
        known = { ring = "5s", away = "refuse:busy", no_answer = "refuse:declined" }
        open = { to = "group:all" }
        [[did]]
        number = "+49301100"
        personal = "15"
        [[group]]
        name = "all"
        members = ["15", "13", "11"]
        patience = "20s"
        then = "voicemail:box"
        [[extension]]
        number = "15"
        deputy = "13"
        no_answer = { after = "8s", to = "refuse:not_found" }
        "#,
    );
    office.state.set_away(&"15".into(), Some(Timestamp::MAX));
    office.call("+491701112233", "+49301000").customer("15").expect(
        "known customer, responsible 15, 13 stands in for 15",
        &["0 s  13 rings", "5 s  13 does not answer; falls to refuse:declined; 13 stops; ends with 603"],
    );
    // The destination is still 15: its own time and its own ways on.
    office.call("+491701112233", "+49301100").expect(
        "13 stands in for 15",
        &["0 s  13 rings", "8 s  13 does not answer; falls to refuse:not_found; 13 stops; ends with 404"],
    );
    // As a member once, though it is one itself.
    office.call("+491701112233", "+49301000").expect_first("", "0 s  13 rings; 11 rings");
}

#[test]
fn an_absent_deputy_hands_on_to_its_own_and_two_who_stand_in_for_each_other_are_both_absent() {
    let mut office = Office::with(
        r#"
        [[did]]
        number = "+49301000"
        personal = "15"
        [[extension]]
        number = "15"
        active = false
        deputy = "16"
        unreachable = "refuse:forbidden"
        [[extension]]
        number = "16"
        deputy = "17"
        [[extension]]
        number = "17"
        deputy = "16"
        "#,
    );
    office.state.set_away(&"16".into(), Some(Timestamp::MAX));
    office.call("+491701112233", "+49301000").expect_first("17 stands in for 15", "0 s  17 rings");
    office.state.set_away(&"17".into(), Some(Timestamp::MAX));
    office
        .call("+491701112233", "+49301000")
        .expect("15 has left", &["0 s  15 is unreachable; falls to refuse:forbidden; ends with 403"]);
}

#[test]
fn an_absent_member_without_deputy_is_not_rung() {
    let mut office = Office::with(KNOWN);
    office.state.set_away(&"11".into(), Some(Timestamp::MAX));
    office.call("+491701112233", "+49301000").expect_first("office is open", "0 s  13 rings");
    office.state.set_away(&"13".into(), Some(Timestamp::MAX));
    office
        .call("+491701112233", "+49301000")
        .expect("office is open", &["0 s  all is unreachable; falls to voicemail:box; voicemail:box takes the call"]);
}

#[test]
fn internal_callers_ignore_own_schedules_but_not_absence() {
    let mut office = Office::with(
        r#"
        [[did]]
        number = "+49301000"
        personal = "15"
        [[extension]]
        number = "15"
        schedule = "late"
        unreachable = "refuse:not_found"
        "#,
    );
    office
        .call("+491701112233", "+49301000")
        .expect("15 is outside own hours", &["0 s  15 is unreachable; falls to refuse:not_found; ends with 404"]);
    office.call("11", "15").expect_first("internal call", "0 s  15 rings");
    office.call("11", "+49301000").expect_first("+49301000 is our own, stays in the house", "0 s  15 rings");
    office.state.set_away(&"15".into(), Some(Timestamp::MAX));
    office
        .call("11", "15")
        .expect("internal call, 15 is away", &["0 s  15 is unreachable; falls to refuse:not_found; ends with 404"]);
}

// ------------------------------------------------------------------------------------------------ what comes after

#[test]
fn busy_no_answer_and_unreachable_apply_only_where_the_extension_is_itself_the_destination() {
    let office = Office::with(
        r#"
        [[did]]
        number = "+49301000"
        open = { to = "extension:15" }
        [[did]]
        number = "+49301100"
        open = { to = "group:one" }
        [[group]]
        name = "one"
        members = ["15"]
        then = "voicemail:box"
        [[extension]]
        number = "15"
        busy = "refuse:busy"
        no_answer = { after = "3s", to = "refuse:declined" }
        unreachable = "refuse:not_found"
        "#,
    );
    let direct = office.call("+491701112233", "+49301000");
    direct.clone().busy(&["15"]).expect("", &["0 s  15 is busy; falls to refuse:busy; ends with 486"]);
    direct
        .clone()
        .unreachable(&["15"])
        .expect("", &["0 s  15 is unreachable; falls to refuse:not_found; ends with 404"]);
    direct.expect("", &["0 s  15 rings", "3 s  15 does not answer; falls to refuse:declined; 15 stops; ends with 603"]);
    let member = office.call("+491701112233", "+49301100");
    let to_box = "falls to voicemail:box";
    member.clone().busy(&["15"]).expect("", &[&format!("0 s  one is busy; {to_box}; voicemail:box takes the call")]);
    member.expect(
        "",
        &["0 s  15 rings", &format!("60 s  one does not answer; {to_box}; 15 stops; voicemail:box takes the call")],
    );
}

#[test]
fn the_next_entry_of_a_list_comes_before_the_destinations_own_which_applies_only_to_the_last() {
    let office = Office::with(
        r#"
        [[did]]
        number = "+49301000"
        open = { to = ["extension:15", "group:one", "extension:16"] }
        [[group]]
        name = "one"
        members = ["11"]
        patience = "4s"
        then = "refuse:forbidden"
        [[extension]]
        number = "15"
        no_answer = { after = "3s", to = "refuse:declined" }
        [[extension]]
        number = "16"
        no_answer = { after = "6s", to = "group:two" }
        [[group]]
        name = "two"
        members = ["13"]
        patience = "2s"
        "#,
    );
    office.call("+491701112233", "+49301000").expect(
        "",
        &[
            "0 s  15 rings",
            "3 s  15 does not answer; falls to one; 15 stops; 11 rings",
            "7 s  one does not answer; falls to 16; 11 stops; 16 rings",
            "13 s  16 does not answer; falls to two; 16 stops; 13 rings",
            "15 s  two does not answer; falls to 10; 13 stops; 10 rings",
            "45 s  10 does not answer; falls to refuse:unavailable; 10 stops; ends with 480",
        ],
    );
}

#[test]
fn a_destination_is_entered_at_most_once_and_then_goes_on_as_it_failed_before() {
    let office = Office::with(
        r#"
        [[did]]
        number = "+49301000"
        known = { ring = "5s" }
        open = { to = "extension:15" }
        [[extension]]
        number = "15"
        busy = "refuse:busy"
        no_answer = { after = "9s", to = "refuse:declined" }
        "#,
    );
    let call = office.call("+491701112233", "+49301000").customer("15");
    call.clone().expect(
        "known customer, responsible 15",
        &[
            "0 s  15 rings",
            "5 s  15 does not answer; extension:15 was tried before; falls to refuse:declined; 15 stops; ends with 603",
        ],
    );
    call.busy(&["15"]).expect(
        "known customer, responsible 15",
        &["0 s  15 is busy; extension:15 was tried before; falls to refuse:busy; ends with 486"],
    );
}

#[test]
fn the_operator_is_no_circle_and_unanswered_ends_in_unavailable() {
    let office = Office::with(
        "[[did]]\nnumber = \"+49301000\"\nopen = { to = \"extension:10\" }\n[[did]]\nnumber = \"+49301100\"",
    );
    office.call("+491701112233", "+49301000").expect(
        "",
        &["0 s  10 rings", "30 s  10 does not answer; extension:10 was tried before; falls to refuse:unavailable; 10 stops; ends with 480"],
    );
    // A DID that says nothing rings the operator, also a busy one.
    let call = office.call("+491701112233", "+49301100");
    call.clone().expect("", &["0 s  10 rings", OPERATOR_30]);
    call.busy(&["10"]).expect("", &["0 s  10 is busy; falls to refuse:unavailable; ends with 480"]);
}

#[test]
fn a_plan_that_runs_out_answers_for_its_last_rung_destination() {
    let office = Office::with("");
    let call = office.call("11", "12");
    call.clone().expect(
        "internal call",
        &["0 s  12 rings", "30 s  12 does not answer; nobody left to ring; 12 stops; ends with 480"],
    );
    call.clone().busy(&["12"]).expect("internal call", &["0 s  12 is busy; nobody left to ring; ends with 486"]);
    call.unreachable(&["12"]).expect("internal call", &["0 s  12 is unreachable; nobody left to ring; ends with 480"]);
}

#[test]
fn nobody_reachable_at_all_overflows_at_once() {
    let office = Office::with(KNOWN);
    office.call("+491701112233", "+49301000").unreachable(&["11", "13"]).expect(
        "office is open",
        &["0 s  11 is unreachable; 13 is unreachable; all is unreachable; falls to voicemail:box; voicemail:box takes the call"],
    );
}

#[test]
fn responsible_as_a_destination_is_passed_over_where_nobody_is() {
    let office = Office::with("[[did]]\nnumber = \"+49301000\"\nopen = { to = [\"responsible\", \"extension:11\"] }");
    office.call("+491701112233", "+49301000").customer("12").expect_first("", "0 s  12 rings");
    office.call("+491701112233", "+49301000").customer("").expect_first("", "0 s  11 rings");
    office.call("+491701112233", "+49301000").expect_first("", "0 s  11 rings");
}

#[test]
fn a_phone_that_the_next_step_names_keeps_ringing() {
    let office = Office::with(
        r#"
        [[did]]
        number = "+49301000"
        open = { to = ["extension:11", "group:all"] }
        [[group]]
        name = "all"
        members = ["12", "11"]
        patience = "10s"
        then = "voicemail:box"
        "#,
    );
    office.call("+491701112233", "+49301000").expect(
        "",
        &[
            "0 s  11 rings",
            "30 s  11 does not answer; falls to all; 12 rings",
            "40 s  all does not answer; falls to voicemail:box; 11 stops; 12 stops; voicemail:box takes the call",
        ],
    );
}

// ----------------------------------------------------------------------------------------------------- strategies

#[test]
fn every_strategy_is_a_timetable() {
    let office = |strategy: &str| {
        Office::with(&format!(
            r#"
            [[did]]
            number = "+49301000"
            open = {{ to = "group:all" }}
            [[group]]
            name = "all"
            strategy = "{strategy}"
            members = ["11", "12", "13"]
            step = "7s"
            patience = "25s"
            then = "refuse:busy"
            "#
        ))
    };
    let end = "all does not answer; falls to refuse:busy";
    office("ring-all").call("+491701112233", "+49301000").expect(
        "",
        &["0 s  11 rings; 12 rings; 13 rings", &format!("25 s  {end}; 11 stops; 12 stops; 13 stops; ends with 486")],
    );
    // One round, then `then`, though four seconds of patience are left.
    office("sequential").call("+491701112233", "+49301000").expect(
        "",
        &[
            "0 s  11 rings",
            "7 s  11 stops; 12 rings",
            "14 s  12 stops; 13 rings",
            &format!("21 s  {end}; 13 stops; ends with 486"),
        ],
    );
    office("escalating").call("+491701112233", "+49301000").expect(
        "",
        &[
            "0 s  11 rings",
            "7 s  12 rings",
            "14 s  13 rings",
            &format!("25 s  {end}; 11 stops; 12 stops; 13 stops; ends with 486"),
        ],
    );
    // Who fails is passed at once; the rest follow a step apart; patience does not move.
    office("sequential").call("+491701112233", "+49301000").busy(&["11"]).expect(
        "",
        &["0 s  11 is busy; 12 rings", "7 s  12 stops; 13 rings", &format!("14 s  {end}; 13 stops; ends with 486")],
    );
    office("escalating").call("+491701112233", "+49301000").unreachable(&["12"]).expect(
        "",
        &[
            "0 s  11 rings",
            "7 s  12 is unreachable; 13 rings",
            &format!("25 s  {end}; 11 stops; 13 stops; ends with 486"),
        ],
    );
}

#[test]
fn step_is_20_s_and_patience_60_s_where_nothing_is_said() {
    let office = Office::with(
        r#"
        [[did]]
        number = "+49301000"
        open = { to = "group:all" }
        [[group]]
        name = "all"
        strategy = "escalating"
        members = ["11", "12", "13", "14"]
        then = "refuse:busy"
        "#,
    );
    // 14 would join when patience is over: it does not.
    office.call("+491701112233", "+49301000").expect(
        "",
        &[
            "0 s  11 rings",
            "20 s  12 rings",
            "40 s  13 rings",
            "60 s  all does not answer; falls to refuse:busy; 11 stops; 12 stops; 13 stops; ends with 486",
        ],
    );
    // It moves forward when somebody fails.
    office.call("+491701112233", "+49301000").busy(&["11"]).expect(
        "",
        &[
            "0 s  11 is busy; 12 rings",
            "20 s  13 rings",
            "40 s  14 rings",
            "60 s  all does not answer; falls to refuse:busy; 12 stops; 13 stops; 14 stops; ends with 486",
        ],
    );
}

#[test]
fn order_permutes_the_members_first() {
    let ordered = |order: &str| {
        Office::with(&format!(
            r#"
            [[did]]
            number = "+49301000"
            open = {{ to = "group:all" }}
            [[group]]
            name = "all"
            strategy = "{order}"
            members = ["11", "12", "13"]
            step = "1s"
            then = "refuse:busy"
            "#
        ))
    };
    let who = |office: &Office| office.call("+491701112233", "+49301000").ringers();
    let mut office = ordered("round-robin");
    assert_eq!(who(&office), ["11", "12", "13"]);
    office.state.count(&Counter::Rotation { group: "all".into(), calls: 4 });
    assert_eq!(who(&office), ["12", "13", "11"]);
    let considered = office.call("+491701112233", "+49301000").decide().considered;
    let found: Vec<_> = considered.iter().map(|considered| considered.found.to_string()).collect();
    assert!(found.contains(&"all by round-robin: 12, 13, 11 this time".to_owned()), "{found:?}");

    let talked = |state: &mut State, extension: &str, times: usize, at: &str| {
        for _ in 0..times {
            let counter = state.talked(&extension.into(), "2026-11-23".parse().unwrap(), at.parse().unwrap());
            state.count(&counter);
        }
    };
    for (order, expected) in [("longest-idle", ["13", "11", "12"]), ("fewest-calls", ["13", "12", "11"])] {
        let mut office = ordered(order);
        talked(&mut office.state, "11", 3, "2026-11-23T08:00:00Z");
        talked(&mut office.state, "12", 1, "2026-11-23T08:30:00Z");
        assert_eq!(who(&office), expected, "{order}");
    }

    let office = ordered("random");
    let mut seen = std::collections::BTreeMap::new();
    for chance in 0..600 {
        let mut call = office.call("+491701112233", "+49301000");
        call.chance = chance;
        let order = call.ringers();
        assert_eq!(order, call.ringers(), "the same chance gives the same order");
        *seen.entry(order).or_insert(0) += 1;
    }
    // Six orders of three, each about a hundred times.
    assert_eq!(seen.len(), 6);
    assert!(seen.values().all(|times| (60..140).contains(times)), "{seen:?}");
}

#[test]
fn a_group_never_rings_the_member_who_calls_it() {
    let office = Office::with(KNOWN);
    office
        .call("11", "+49301000")
        .expect_first("+49301000 is our own, stays in the house, office is open", "0 s  13 rings");
}

// -------------------------------------------------------------------------------------------- numbers and trunks

#[test]
fn a_did_dialled_inside_never_leaves_the_house_and_its_caller_is_no_customer() {
    let office = Office::with(&format!("{KNOWN}\n[[outbound]]\nmatch = \"+*\"\ntrunks = [\"one\"]"));
    for dialled in ["+49301000", "004930 1000", "030 1000"] {
        let call = office.call("12", dialled);
        assert_eq!(call.decide().direction, Direction::Internal, "{dialled}");
        call.expect_first("+49301000 is our own, stays in the house, office is open", "0 s  11 rings; 13 rings");
    }
}

#[test]
fn an_employees_own_gsm_number_calling_in_is_that_employee() {
    let mut office = Office::with(&format!(
        "{KNOWN}\n[[extension]]\nnumber = \"15\"\ndevices = [\"sip\", {{ gsm = \"+491705555555\" }}]"
    ));
    office.state.set_blocked("+491705555555".parse().unwrap(), Some("a mistake"));
    let call = office.call("+491705555555", "+49301000");
    assert_eq!(call.decide().direction, Direction::Inbound);
    call.expect_first("the caller is 15 on the mobile, office is open", "0 s  11 rings; 13 rings");
}

#[test]
fn a_readable_number_that_is_no_did_goes_to_default_did_else_404() {
    let office = Office::with(KNOWN);
    office.call("+491701112233", "+49309900").expect("+49309900 is not known here", &["0 s  ends with 404"]);
    office.call("+491701112233", "account").expect("account is not known here", &["0 s  ends with 404"]);
    let office = Office::with_text(&format!(
        "{}{KNOWN}",
        OFFICE
            .replace("server = \"sip:192.0.2.1:5060\"", "server = \"sip:192.0.2.1:5060\"\ndefault_did = \"+49301000\"")
    ));
    let alarming = office.call("+491701112233", "+49309900");
    alarming.expect_first("+49309900 is no DID of ours, taken as +49301000, office is open", "0 s  11 rings; 13 rings");
    office
        .call("+491701112233", "account")
        .expect_first("no number named, taken as +49301000, office is open", "0 s  11 rings; 13 rings");
}

#[test]
fn a_trunk_reaches_dids_only() {
    let office = Office::with(&format!("{KNOWN}\n[[outbound]]\nmatch = \"+*\"\ntrunks = [\"one\"]"));
    for dialled in ["12", "112", "+4917099999"] {
        let mut call = office.call("+491701112233", "+49301000");
        call.dialled = Destined::from_inside(&office.config, dialled);
        assert_eq!(call.rings(), ["0 s  ends with 404"], "{dialled}");
    }
}

#[test]
fn limits_of_trunk_and_did_refuse_with_486() {
    let mut office = Office::with_text(&format!(
        "{}{}",
        OFFICE.replace("server = \"sip:192.0.2.1:5060\"", "server = \"sip:192.0.2.1:5060\"\nmax_calls = 3"),
        KNOWN.replace("schedule = \"office\"", "max_calls = 2")
    ));
    office.on_trunk = 2;
    office.on_did = 1;
    office.call("+491701112233", "+49301000").expect_first("", "0 s  11 rings; 13 rings");
    office.on_did = 2;
    office.call("+491701112233", "+49301000").expect("+49301000 has its 2 calls", &["0 s  ends with 486"]);
    office.on_trunk = 3;
    office.call("+491701112233", "+49301000").expect("trunk one has its 3 calls", &["0 s  ends with 486"]);
}

const OUTBOUND: &str = r#"
[[outbound]]
match = "+49*"
trunks = ["one", "two"]
caller_id = "+49301000"
[[outbound]]
match = "+491*"
trunks = ["two"]
[[outbound]]
match = "+49900*"
allow = false
[[outbound]]
match = "+44*"
trunks = ["one"]
for = ["12"]
[[outbound]]
match = "+4420*"
allow = false
[[outbound]]
match = "+4420*"
trunks = ["two"]
for = ["12"]
[[outbound]]
match = "+*"
allow = false
"#;

#[test]
fn the_longest_match_wins_among_the_rules_that_exist_for_the_caller() {
    let office = Office::with(OUTBOUND);
    let cases = [
        ("11", "030 123456", "outbound rule +49*", "0 s  dials +4930123456 through one, two"),
        ("11", "0170 1112233", "outbound rule +491*", "0 s  dials +491701112233 through two"),
        ("11", "0900 123456", "outbound rule +49900* does not allow it", "0 s  ends with 403"),
        ("11", "0044 161 1234567", "outbound rule +* does not allow it", "0 s  ends with 403"),
        ("12", "0044 161 1234567", "outbound rule +44*", "0 s  dials +441611234567 through one"),
        ("12", "0044 20 12345678", "outbound rule +4420*", "0 s  dials +442012345678 through two"),
        ("11", "0044 20 12345678", "outbound rule +4420* does not allow it", "0 s  ends with 403"),
    ];
    for (from, to, because, rings) in cases {
        office.call(from, to).expect(because, &[rings]);
    }
    let bare = Office::with("");
    bare.call("11", "030 123456").expect("no outbound rule for +4930123456", &["0 s  ends with 403"]);
    bare.call("11", "999").expect("999 is not known here", &["0 s  ends with 404"]);
    assert_eq!(office.call("11", "030 123456").decide().direction, Direction::Outbound);
}

#[test]
fn daily_caps_refuse_with_403_and_count_by_the_local_day() {
    let mut office = Office::with(&format!("{OUTBOUND}\n[[extension]]\nnumber = \"15\"\ndaily_calls = 2"));
    let day = |day: &str| day.parse().unwrap();
    office.state.count(&Counter::CalledOutside { extension: "15".into(), day: day("2026-11-23"), calls: 1 });
    office.call("15", "030 123456").expect_first("outbound rule +49*", "0 s  dials +4930123456 through one, two");
    office.state.count(&Counter::CalledOutside { extension: "15".into(), day: day("2026-11-23"), calls: 2 });
    let capped = "outbound rule +49*, 15 has made its 2 calls of today";
    office.call("15", "030 123456").expect(capped, &["0 s  ends with 403"]);
    // 23:30 UTC on the 23rd is the 24th in Berlin.
    office
        .call("15", "030 123456")
        .at("2026-11-24T00:30:00+01:00[Europe/Berlin]")
        .expect_first("outbound rule +49*", "0 s  dials +4930123456 through one, two");
    // Colleagues and emergency numbers are not outside.
    office.call("15", "11").expect_first("internal call", "0 s  11 rings");
    office.call("15", "112").expect_first("112 is an emergency number", "0 s  dials 112 through one, two");
}

#[test]
fn an_emergency_number_comes_before_everything_and_tries_every_trunk_in_file_order() {
    let mut office = Office::with_text(
        &OFFICE.replace("server = \"sip:192.0.2.1:5060\"", "server = \"sip:192.0.2.1:5060\"\nmax_calls = 1"),
    );
    office.on_trunk = 9;
    for dialled in ["112", "1-1-2", "110"] {
        let text = if dialled == "110" { "110" } else { "112" };
        let call = office.call("11", dialled);
        call.expect(&format!("{text} is an emergency number"), &[&format!("0 s  dials {text} through one, two")]);
        assert_eq!(call.decide().direction, Direction::Outbound);
    }
}

#[test]
fn a_full_trunk_is_passed_over_and_without_any_free_one_the_caller_hears_486() {
    let mut office = Office::with_text(&format!(
        "{}{OUTBOUND}",
        OFFICE.replace("server = \"sip:192.0.2.1:5060\"", "server = \"sip:192.0.2.1:5060\"\nmax_calls = 1")
    ));
    office.on_trunk = 1;
    office.call("11", "030 123456").expect_first("outbound rule +49*", "0 s  dials +4930123456 through two");
    let full = "outbound rule +44*, every line outside is taken";
    office.call("12", "0044 161 1234567").expect(full, &["0 s  ends with 486"]);
}

#[test]
fn a_number_destination_follows_the_outbound_rules_of_nobody_in_particular() {
    let office = |number: &str| {
        Office::with(&format!(
            "{OUTBOUND}\n[[did]]\nnumber = \"+49301000\"\nopen = {{ to = [\"number:{number}\", \"extension:11\"] }}"
        ))
    };
    office("+4930123456").call("+491701112233", "+49301000").expect(
        "",
        &[
            "0 s  dials +4930123456 through one, two",
            "30 s  gives up dialling; +4930123456 does not answer; falls to 11; 11 rings",
            OPERATOR_AFTER_30,
            "90 s  10 does not answer; falls to refuse:unavailable; 10 stops; ends with 480",
        ],
    );
    office("+441611234567")
        .call("+491701112233", "+49301000")
        .expect_first("", "0 s  +441611234567 is unreachable; falls to 11; 11 rings");
}

const OPERATOR_AFTER_30: &str = "60 s  11 does not answer; falls to 10; 11 stops; 10 rings";

#[test]
fn without_an_operator_nothing_is_added_to_a_path() {
    let office = Office::with_text(
        &format!("{OFFICE}[[did]]\nnumber = \"+49301000\"\nopen = {{ to = [\"extension:11\", \"refuse:busy\"] }}")
            .replace("operator = \"extension:10\"", ""),
    );
    office
        .call("+491701112233", "+49301000")
        .expect("", &["0 s  11 rings", "30 s  11 does not answer; falls to refuse:busy; 11 stops; ends with 486"]);
}

#[test]
fn a_personal_did_rings_one_employee_with_that_employees_own_ways_on() {
    let office = Office::with(
        r#"
        [[did]]
        number = "+49301000"
        personal = "15"
        [[extension]]
        number = "15"
        busy = "extension:11"
        "#,
    );
    let call = office.call("+491701112233", "+49301000").customer("12");
    call.clone()
        .expect("", &["0 s  15 rings", "30 s  15 does not answer; falls to 10; 15 stops; 10 rings", OPERATOR_60]);
    call.busy(&["15"]).expect_first("", "0 s  15 is busy; falls to 11; 11 rings");
}

// -------------------------------------------------------------------------------------------------- whatever comes

proptest! {
    /// Pure and total: every situation gives a plan, the same one twice, whose steps exist and whose walk ends by itself
    /// (or dials for as long as the caller waits).
    #[test]
    fn every_situation_gives_one_plan_that_ends(
        from in prop::sample::select(vec!["200", "201", "202", "203", "209", "+79160000001", "+79161234567", "anonymous", "x"]),
        to in prop::sample::select(vec!["+74951234567", "+74957654321", "+74951110202", "200", "201", "202", "208", "209",
            "112", "+79998887766", "+77017778899", "+4930123456", "+15551234567", "999", "account", ""]),
        hour in 0i64..24 * 400,
        responsible in prop::option::of(prop::sample::select(vec!["201", "202", "203", "208", "77", ""])),
        standing in prop::collection::vec(0u8..3, 6),
        away in prop::collection::vec(any::<bool>(), 6),
        by_hand in prop::option::of(any::<bool>()),
        blocked: bool,
        chance: u64,
        load in 0u32..40,
    ) {
        let numbers = ["200", "201", "202", "203", "209", "208"];
        let mut office = Office::with_text(include_str!("office.toml"));
        (office.on_trunk, office.on_did) = (load, load / 3);
        for (number, _) in numbers.iter().zip(away).filter(|(_, away)| *away) {
            office.state.set_away(&(*number).into(), Some(Timestamp::MAX));
        }
        office.state.set_override(&"office".into(), by_hand.map(|open| Override { open, until: None }));
        if blocked {
            office.state.set_blocked("+79161234567".parse().unwrap(), Some("shouts"));
        }
        let mut call = office.call(from, to);
        if let (Some(responsible), Origin::Trunk(_)) = (responsible, call.origin) {
            call = call.customer(responsible);
        }
        call.at = "2026-06-01T00:00:00Z".parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_hours(hour);
        call.chance = chance;
        for (number, standing) in numbers.iter().zip(standing) {
            match standing {
                1 => call.busy.push((*number).into()),
                2 => call.unreachable.push((*number).into()),
                _ => {}
            }
        }
        let plan = call.decide();
        prop_assert_eq!(&plan, &call.decide());
        prop_assert!(plan.start.is_some_and(|start| plan.step(start).is_some()));
        let explained = explain(&call.situation());
        prop_assert_eq!(&explained.order, &plan.considered);
        let dials = plan.direction == Direction::Outbound && plan.refusal().is_none();
        match explained.timetable.last().and_then(|moment| moment.what.last()) {
            Some(Happening::Taken(_)) => prop_assert!(!dials),
            Some(Happening::Ends(status)) => prop_assert!((400..700).contains(status) && !dials),
            Some(Happening::Dials { trunks, .. }) => prop_assert!(dials && !trunks.is_empty()),
            other => prop_assert!(false, "{other:?}"),
        }
    }
}

// -------------------------------------------------------------------------------------------------------- helpers

struct Office {
    config: Config,
    state: State,
    /// Calls in progress on trunk `one`, and on every DID.
    on_trunk: u32,
    on_did: u32,
}

impl Office {
    fn with(more: &str) -> Office {
        Office::with_text(&format!("{OFFICE}{more}"))
    }

    fn with_text(text: &str) -> Office {
        // What every extension needs, and no test is about.
        let text: String = match text.contains("\npassword") {
            true => text.into(),
            false => text.replace("[[extension]]", "[[extension]]\npassword = \"a-long-password\""),
        };
        let loaded =
            Config::read(Path::new("office.toml"), &text, &Nothing).unwrap_or_else(|problems| panic!("{problems}"));
        Office { config: loaded.config, state: State::default(), on_trunk: 0, on_did: 0 }
    }

    fn call(&self, from: &str, to: &str) -> Call<'_> {
        let one = self.config.trunks().next().unwrap().0;
        let (origin, caller, dialled) = match self.config.extension_by_number(from) {
            Some(extension) => (
                Origin::Extension(extension),
                Caller::inside(&self.config, extension),
                Destined::from_inside(&self.config, to),
            ),
            None if from == "anonymous" => {
                (Origin::Trunk(one), Caller::anonymous(), Destined::from_outside(&self.config, to, one))
            }
            None => (
                Origin::Trunk(one),
                Caller::outside(&self.config, from, one),
                Destined::from_outside(&self.config, to, one),
            ),
        };
        let at = MONDAY_TEN.parse::<jiff::Zoned>().unwrap().timestamp();
        let (busy, unreachable) = (Vec::new(), Vec::new());
        Call { office: self, at, origin, caller, dialled, customer: None, busy, unreachable, chance: 0 }
    }
}

impl Load for Office {
    fn on_trunk(&self, trunk: TrunkIx) -> u32 {
        if trunk.index() == 0 { self.on_trunk } else { 0 }
    }
    fn on_did(&self, _: DidIx) -> u32 {
        self.on_did
    }
}

#[derive(Clone)]
struct Call<'a> {
    office: &'a Office,
    at: Timestamp,
    origin: Origin,
    caller: Caller,
    dialled: Destined,
    customer: Option<Customer>,
    busy: Vec<String>,
    unreachable: Vec<String>,
    chance: u64,
}

impl Presence for Call<'_> {
    fn of(&self, extension: ExtensionIx) -> Availability {
        let is_in =
            |list: &[String]| list.iter().any(|number| **number == *self.office.config.extension(extension).number);
        if is_in(&self.busy) {
            Availability::Busy
        } else if is_in(&self.unreachable) {
            Availability::Unreachable
        } else {
            Availability::Free
        }
    }
}

impl Call<'_> {
    fn at(mut self, at: &str) -> Self {
        self.at = at.parse::<jiff::Zoned>().unwrap().timestamp();
        self
    }

    /// The caller is Ada; an empty text means that nobody is responsible for her.
    fn customer(mut self, responsible: &str) -> Self {
        let responsible = Some(responsible).filter(|text| !text.is_empty()).map(Arc::from);
        self.customer = Some(Customer { id: "1".into(), kind: Kind::Contact, name: "Ada".into(), responsible });
        self
    }

    fn busy(mut self, who: &[&str]) -> Self {
        self.busy = who.iter().map(ToString::to_string).collect();
        self
    }

    fn unreachable(mut self, who: &[&str]) -> Self {
        self.unreachable = who.iter().map(ToString::to_string).collect();
        self
    }

    fn situation(&self) -> Situation<'_> {
        Situation {
            config: &self.office.config,
            at: self.at,
            origin: self.origin,
            caller: &self.caller,
            dialled: &self.dialled,
            customer: self.customer.as_ref(),
            state: &self.office.state,
            load: self.office,
            chance: self.chance,
            presence: self,
        }
    }

    fn decide(&self) -> RoutePlan {
        decide(&self.situation())
    }

    fn explain(&self) -> String {
        explain(&self.situation()).to_string()
    }

    fn rings(&self) -> Vec<String> {
        explain(&self.situation()).timetable.iter().map(|moment| moment.to_string().trim_start().to_owned()).collect()
    }

    fn first(&self) -> String {
        self.rings().swap_remove(0)
    }

    /// Who rings, in that order.
    fn ringers(&self) -> Vec<String> {
        let words: Vec<String> = self
            .rings()
            .iter()
            .flat_map(|line| line.split("  ").nth(1).unwrap().split("; ").map(str::to_owned).collect::<Vec<_>>())
            .collect();
        words.iter().filter_map(|word| word.strip_suffix(" rings")).map(str::to_owned).collect()
    }

    #[track_caller]
    fn expect(&self, because: &str, rings: &[&str]) {
        assert_eq!(sentence(&self.decide().because), because);
        assert_eq!(self.rings(), rings);
    }

    #[track_caller]
    fn expect_first(&self, because: &str, first: &str) {
        assert_eq!(sentence(&self.decide().because), because);
        assert_eq!(self.first(), first);
    }
}
