//! Both sides of a trace, what it says and what happened, where they are set beside each other to the end.

use crate::clock::Now;
use crate::trace::notation::Line;

/// A line of a trace beside what happened.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Row {
    /// When, in seconds since the beginning.
    pub at: f64,
    /// What the trace says; empty where it says nothing of it.
    pub said: String,
    /// What happened; empty where nothing of the kind did.
    pub done: String,
    /// True where these are not the same.
    pub differs: bool,
}

/// The rows so far. Where the sides are not compared, the first difference ends the play, and there are none.
#[derive(Default)]
pub(super) struct Sides {
    rows: Option<Vec<Row>>,
}

impl Sides {
    /// The sides are compared to the end.
    pub(super) fn compared() -> Sides {
        Sides { rows: Some(Vec::new()) }
    }

    pub(super) fn are_compared(&self) -> bool {
        self.rows.is_some()
    }

    /// A line holds, or (`done`) something else happened.
    pub(super) fn add(&mut self, now: Now, line: &Line, done: Option<String>) {
        if let Some(rows) = &mut self.rows {
            let said = line.step.to_string();
            let said = said.lines().next().unwrap_or_default().to_owned();
            let differs = done.is_some();
            rows.push(Row { at: seconds(now), done: done.unwrap_or_else(|| said.clone()), said, differs });
        }
    }

    /// Something happened of which no line speaks.
    pub(super) fn add_unsaid(&mut self, now: Now, done: String) {
        if let Some(rows) = &mut self.rows {
            rows.push(Row { at: seconds(now), said: String::new(), done, differs: true });
        }
    }

    pub(super) fn into_rows(self) -> Vec<Row> {
        self.rows.unwrap_or_default()
    }
}

/// Since the trace began; every trace begins at second 1 of its clock.
pub(super) fn seconds(now: Now) -> f64 {
    now.mono.as_micros() as f64 / 1e6 - 1.0
}
