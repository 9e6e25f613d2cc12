//! Feature codes: what each is for, who may, and that an office may write them anew.

use super::Office;

const RULES: &str = r#"
[[did]]
number = "+49301000"
schedule = "office"
open = { to = "extension:12" }
[[outbound]]
match = "+49*"
trunks = ["one"]
[[outbound]]
match = "+49900*"
allow = false
"#;

fn expect(features: &str, dialled: &[(&str, &str, &str, &str)]) {
    let office = Office::with(&format!("{RULES}{features}"));
    for (who, code, because, then) in dialled {
        office.call(who, code).expect(because, &[&format!("0 s  {then}")]);
    }
}

#[test]
fn everybody_sets_what_is_their_own() {
    expect(
        "",
        &[
            ("12", "*7214", "feature code: forward always to 14", "feature:forward always to 14 takes the call"),
            (
                "12",
                "*90 030 1234567",
                "feature code: forward busy to 0301234567",
                "feature:forward busy to 0301234567 takes the call",
            ),
            ("12", "*52", "feature code: forward no-answer", "feature:forward no-answer takes the call"),
            ("12", "*53", "feature code: forward no-answer off", "feature:forward no-answer off takes the call"),
            ("12", "*79", "feature code: away off", "feature:away off takes the call"),
            ("12", "*43", "feature code: echo", "feature:echo takes the call"),
            ("12", "*65", "feature code: own number", "feature:own number takes the call"),
        ],
    );
}

#[test]
fn nobody_forwards_where_they_may_not_call() {
    let refused = "feature:not allowed takes the call";
    expect(
        "",
        &[
            (
                "12",
                "*72+49900123456",
                "feature code: forward always to +49900123456, outbound rule +49900* does not allow it",
                refused,
            ),
            (
                "12",
                "*72+4312345678",
                "feature code: forward always to +4312345678, no outbound rule for +4312345678",
                refused,
            ),
            ("12", "*72112", "feature code: forward always to 112, 112 is an emergency number", refused),
            ("12", "*7212", "feature code: forward always to 12, the forward of 12 goes round", refused),
            ("12", "*72*78", "feature code: forward always to *78, *78 is not known here", refused),
        ],
    );
}

#[test]
fn the_hours_are_set_by_the_operator_or_by_whom_the_config_names() {
    let refused = "feature:not allowed takes the call";
    expect(
        "",
        &[
            ("10", "*27", "feature code: hours closed", "feature:hours closed takes the call"),
            ("10", "*28", "feature code: hours as written", "feature:hours as written takes the call"),
            ("10", "*29", "feature code: hours open", "feature:hours open takes the call"),
            ("12", "*27", "feature code: hours closed, 12 may not set the hours", refused),
        ],
    );
    expect(
        "[features]\nhours_by = [\"12\"]\nhours = \"late\"",
        &[
            ("12", "*27", "feature code: hours closed", "feature:hours closed takes the call"),
            ("10", "*27", "feature code: hours closed, 10 may not set the hours", refused),
        ],
    );
}

#[test]
fn codes_are_as_the_config_writes_them_and_nothing_else() {
    let features =
        "[features]\naway_on = \"700\"\nforward_on = \"#21#\"\necho = false\npickup_of = \"\"\npickup = \"*88\"";
    expect(
        features,
        &[
            ("12", "700", "feature code: away on", "feature:away on takes the call"),
            ("12", "#21#14", "feature code: forward always to 14", "feature:forward always to 14 takes the call"),
            ("12", "*78", "*78 is not known here", "ends with 404"),
            ("12", "*43", "*43 is not known here", "ends with 404"),
            ("12", "**10", "**10 is not known here", "ends with 404"),
            ("12", "*8", "*8 is not known here", "ends with 404"),
            ("12", "*88", "12 is in no group", "ends with 404"),
        ],
    );
}

#[test]
fn from_outside_a_code_means_nothing() {
    expect("", &[("+491701112233", "*78", "*78 is not known here", "ends with 404")]);
}
