//! A call as it can be played again: its facts, its tape, and the office under which it began.

use rusqlite::{OptionalExtension, params};

use super::{Reader, StoreError, from_micros, to_column};
use crate::clock::Timestamp;
use crate::fact::{CallFact, Fact};
use crate::key::CallId;
use crate::trace::Recorded;

/// What is on record of a call, for whoever wants to play it again.
#[derive(Clone, Debug)]
pub enum OnTape {
    /// All of it.
    Whole(Box<Recorded>),
    /// It became part of this call, and is on its tape.
    PartOf(CallId),
    /// It is not over, or the last leg has not said goodbye.
    Unfinished,
    /// It was recorded by a version that kept no tapes, it was shed, or the process died in it.
    NoTape,
}

impl Reader {
    /// A call with its tape; `None` where there is no call of this id.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn on_tape(&self, id: CallId) -> Result<Option<OnTape>, StoreError> {
        let read = |id: CallId| -> rusqlite::Result<Vec<(Timestamp, CallFact)>> {
            let mut facts = self.connection.prepare("SELECT at, body FROM fact WHERE call = ?1 ORDER BY seq")?;
            let facts = facts.query_map(params![to_column(id.to_bits())], |row| {
                Ok((from_micros(row.get(0)?), row.get::<_, String>(1)?))
            })?;
            let facts = facts.collect::<rusqlite::Result<Vec<_>>>()?.into_iter();
            Ok(facts
                .filter_map(|(at, body)| match serde_json::from_str(&body) {
                    Ok(Fact::Call(_, step)) => Some((at, step)),
                    _ => None,
                })
                .collect())
        };
        let facts = read(id).map_err(self.failed("read a call"))?;
        let Some((began, _)) = facts.first() else { return Ok(None) };
        let began = *began;
        let mut traced = None;
        let mut steps = Vec::with_capacity(facts.len());
        for (_, step) in facts {
            match step {
                CallFact::Traced { tape, .. } => traced = Some(tape),
                step => steps.push(step),
            }
        }
        let ended = steps.iter().any(|step| matches!(step, CallFact::Ended(_)));
        let into = steps.iter().find_map(|step| match step {
            CallFact::Merged { into } => Some(*into),
            _ => None,
        });
        Ok(Some(match (traced, into) {
            (Some(Some(tape)), _) => {
                let mut also = Vec::new();
                for call in tape.also.iter().map(|also| also.call) {
                    let facts = read(call).map_err(self.failed("read a call"))?.into_iter();
                    let steps = facts.map(|(_, step)| step).filter(|step| !matches!(step, CallFact::Traced { .. }));
                    also.push((call, steps.collect()));
                }
                OnTape::Whole(Box::new(Recorded { id, began, facts: steps, tape: *tape, also }))
            }
            (_, Some(into)) => OnTape::PartOf(into),
            (None, None) if !ended => OnTape::Unfinished,
            (Some(None) | None, None) => OnTape::NoTape,
        }))
    }

    /// The text, without secrets, of the config of this version; `None` where it was never in force while texts were kept.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn office(&self, version: &str) -> Result<Option<String>, StoreError> {
        let body: Option<String> = self
            .connection
            .query_row("SELECT body FROM state WHERE kind = 'config' AND name = ?1", params![version], |row| row.get(0))
            .optional()
            .map_err(self.failed("read a config"))?;
        Ok(body.and_then(|body| match serde_json::from_str(&body) {
            Ok(Fact::ConfigApplied { text, .. }) if !text.is_empty() => Some(text.to_string()),
            _ => None,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;
    use crate::fact::Noted;
    use crate::tape::{Also, Taped};

    #[test]
    fn a_call_comes_back_with_its_tape_and_its_office_and_without_one_where_none_was_kept() {
        let folder = Folder::new();
        let mut facts = numbered(1, ordinary(call(0), 0));
        facts.extend(numbered(20, ordinary(call(1), 1)));
        let last = facts.last_mut().unwrap();
        let tape = Taped { office: "0123456789ab".into(), ..Taped::default() };
        last.fact = Fact::Call(call(1), CallFact::Traced { ladder: String::new(), tape: Some(Box::new(tape.clone())) });
        let applied = Fact::ConfigApplied { version: "0123456789ab".into(), text: "[site]\n".into() };
        facts.push(Noted { number: 40, at: at(0), fact: applied });
        folder.writer().append(&facts).unwrap();
        let reader = Reader::open(&folder.0).unwrap();
        assert!(matches!(reader.on_tape(call(0)).unwrap(), Some(OnTape::NoTape)));
        let Some(OnTape::Whole(recorded)) = reader.on_tape(call(1)).unwrap() else { panic!() };
        assert_eq!((recorded.tape, recorded.facts.len()), (tape, 7));
        assert!(reader.on_tape(call(2)).unwrap().is_none());
        assert_eq!(reader.office("0123456789ab").unwrap().as_deref(), Some("[site]\n"));
        assert_eq!(reader.office("another").unwrap(), None);
    }

    #[test]
    fn a_call_that_became_part_of_another_is_named_and_stands_beside_it() {
        let folder = Folder::new();
        let mut facts = numbered(1, ordinary(call(0), 0));
        facts.extend(numbered(20, ordinary(call(1), 1)));
        let merged = CallFact::Merged { into: call(1) };
        facts.push(Noted { number: 40, at: at(0), fact: Fact::Call(call(0), merged.clone()) });
        let also = vec![Also { call: call(0), office: "0123456789ab".into() }];
        let tape = Taped { also, ..Taped::default() };
        let traced = CallFact::Traced { ladder: String::new(), tape: Some(Box::new(tape)) };
        facts.push(Noted { number: 41, at: at(0), fact: Fact::Call(call(1), traced) });
        folder.writer().append(&facts).unwrap();
        let reader = Reader::open(&folder.0).unwrap();
        assert!(matches!(reader.on_tape(call(0)).unwrap(), Some(OnTape::PartOf(into)) if into == call(1)));
        let Some(OnTape::Whole(recorded)) = reader.on_tape(call(1)).unwrap() else { panic!() };
        let [(also, facts)] = &recorded.also[..] else { panic!("{:?}", recorded.also) };
        assert_eq!((*also, facts.len(), facts.last()), (call(0), 8, Some(&merged)));
    }
}
