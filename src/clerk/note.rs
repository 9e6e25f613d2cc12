//! What employees write down about calls: ordered, and answered with all that is written about the call.

use std::sync::Arc;

use super::{Clerk, NotDone};
use crate::fact::Fact;
use crate::key::CallId;
use crate::store::CallNoteRow;

/// Most letters of a note.
const LONGEST_NOTE: usize = 4_000;
/// Most letters of what came of a call: it is counted and filtered by.
const LONGEST_DISPOSITION: usize = 100;

impl Clerk {
    /// Has a note about a call written down, or what came of it (its disposition), or both; also while the call goes on.
    /// All that is written about it then, in order. `by`: the employee; `None`: an admin, or a program of the company.
    ///
    /// # Errors
    /// [`NotDone::Missing`]: there is no such call. [`NotDone::Refused`]: nothing is said, or too much.
    pub async fn note_call(
        &self,
        call: CallId,
        by: Option<Arc<str>>,
        text: Option<&str>,
        disposition: Option<&str>,
    ) -> Result<Vec<CallNoteRow>, NotDone> {
        let text = said("a note", text, LONGEST_NOTE, true)?;
        let disposition = said("a disposition", disposition, LONGEST_DISPOSITION, false)?;
        if text.is_none() && disposition.is_none() {
            return Err(NotDone::Refused("nothing is said: a note, a disposition, or both".into()));
        }
        let unread = |error| {
            tracing::error!(%error, %call, "a call cannot be looked up");
            NotDone::NoAnswer
        };
        if !self.read(move |reader| reader.has_call(call)).await.map_err(unread)? {
            return Err(NotDone::Missing(format!("there is no call {call}; `huntline calls` lists them")));
        }
        self.write_down(Fact::CallNoted { call, by, text, disposition }).await?;
        self.read(move |reader| reader.call_notes(call)).await.map_err(unread)
    }
}

/// The words without blanks around them; `None` where there are none.
fn said(what: &str, text: Option<&str>, most: usize, lines: bool) -> Result<Option<Arc<str>>, NotDone> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    let count = text.chars().count();
    if count > most {
        return Err(NotDone::Refused(format!("{what} has up to {most} letters, this one has {count}")));
    }
    if text.chars().any(|letter| letter.is_control() && !(lines && matches!(letter, '\n' | '\t'))) {
        let but = if lines { " but line breaks and tabs" } else { "" };
        return Err(NotDone::Refused(format!("{what} has no control characters{but}")));
    }
    Ok(Some(text.into()))
}
