//! What a check found: how it stands, what was looked at, what to do.

use std::fmt::Write as _;

use serde::Serialize;

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// As it should be.
    Ok,
    /// It rings, and may not tomorrow, or not everywhere.
    Warn,
    /// Somebody does not hear it ring.
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// How it stands.
    pub(super) state: State,
    /// Which part of the house it belongs to: `trunks`, `disk`, ….
    pub(super) subject: &'static str,
    /// What was looked at.
    pub(super) what: String,
    /// What was found.
    pub(super) found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) advice: Option<String>,
}

impl Finding {
    pub(super) fn ok(subject: &'static str, what: impl Into<String>, found: impl Into<String>) -> Finding {
        Finding { state: State::Ok, subject, what: what.into(), found: found.into(), advice: None }
    }

    /// With what to do about it.
    pub(super) fn warn(self, advice: impl Into<String>) -> Finding {
        Finding { state: State::Warn, advice: Some(advice.into()), ..self }
    }

    /// The same, and it does not ring.
    pub(super) fn fail(self, advice: impl Into<String>) -> Finding {
        Finding { state: State::Fail, advice: Some(advice.into()), ..self }
    }
}

/// All of them, part by part, and how many are bad.
pub(super) fn text(findings: &[Finding]) -> String {
    let mut text = String::new();
    let mut subject = "";
    let width = findings.iter().map(|finding| finding.what.chars().count()).max().unwrap_or(0).min(40);
    for Finding { state, subject: about, what, found, advice } in findings {
        if *about != subject {
            subject = about;
            _ = writeln!(text, "{subject}");
        }
        let state = match state {
            State::Ok => "ok  ",
            State::Warn => "warn",
            State::Fail => "FAIL",
        };
        _ = writeln!(text, "  {state}  {what:width$}  {found}");
        if let Some(advice) = advice {
            _ = writeln!(text, "        → {advice}");
        }
    }
    let count = |wanted: State| findings.iter().filter(|finding| finding.state == wanted).count();
    let (ok, warn, fail) = (count(State::Ok), count(State::Warn), count(State::Fail));
    _ = writeln!(text, "\n{ok} ok, {warn} to look at, {fail} failed");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_shown_part_by_part_with_what_to_do() {
        let findings = [
            Finding::ok("trunks", "mango", "200 after 12 ms"),
            Finding::ok("trunks", "reserve", "no answer").fail("ask the provider"),
            Finding::ok("disk", "room", "3 % free").warn("make room"),
        ];
        let expected = "trunks\n  ok    mango    200 after 12 ms\n  FAIL  reserve  no answer\n        → ask the provider\n\
            disk\n  warn  room     3 % free\n        → make room\n\n1 ok, 1 to look at, 1 failed\n";
        assert_eq!(text(&findings), expected);
    }
}
