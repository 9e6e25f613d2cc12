//! Recordings that ran when the process died: their files are made whole, and their records say why they are short.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use super::{from_column, from_micros};
use crate::clock::{Duration, Timestamp};
use crate::fact::{Fact, Party, Recorded, RecordingOf};
use crate::key::CallId;
use crate::media::record::Mended;
use crate::number::PhoneNumber;

/// Makes the file of a recording whole, and says what is in it.
///
/// # Errors
/// The file is not there, cannot be read or written, or is no recording.
pub type Mend<'a> = &'a dyn Fn(&Path) -> io::Result<Mended>;

/// A recording that nobody has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// Its WAV file, counted from `storage.directory`.
    pub file: Arc<str>,
    call: CallId,
    of: RecordingOf,
    from: Party,
    began: Timestamp,
    /// The last run ended without a word.
    died: bool,
}

impl Unfinished {
    /// True for a message.
    pub(super) fn is_message(&self) -> bool {
        self.of != RecordingOf::Talk
    }

    /// Bytes on the disk; 0 where the file is not there.
    pub(super) fn size(&self, directory: &Path) -> u64 {
        std::fs::metadata(directory.join(&*self.file)).map_or(0, |file| file.len())
    }

    /// Mends its file within `storage.directory`; the facts to be noted then. Takes as long as reading the file does.
    pub fn close(&self, directory: &Path, mend: Mend<'_>) -> Vec<Fact> {
        let mended = mend(&directory.join(&*self.file));
        let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let (length_ms, speech_ms) = mended.as_ref().map_or((0, 0), |mended| (ms(mended.length), ms(mended.speech)));
        let why = if self.died { "the process died" } else { "the router was ended" };
        let failed = match &mended {
            Ok(_) => why.to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => format!("{why} before it began"),
            Err(error) => format!("{why}; the file could not be mended: {error}"),
        };
        let recorded = Recorded {
            call: self.call,
            file: self.file.clone(),
            of: self.of.clone(),
            from: self.from.clone(),
            began: self.began,
            length_ms,
            speech_ms,
            lost_ms: 0,
            failed: Some(failed),
        };
        let mut facts = vec![Fact::Recorded(Box::new(recorded))];
        if mended.is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            facts.push(Fact::Erased { file: self.file.clone(), why: "nothing was written".into() });
        }
        facts
    }
}

/// The recordings that are not over, the oldest first. `died`: the last run did not end in an orderly way.
pub(super) fn unfinished(connection: &Connection, died: bool) -> rusqlite::Result<Vec<Unfinished>> {
    connection
        .prepare(
            "SELECT r.file, r.call, r.mailbox, r.began, c.from_number, c.from_text, c.from_name, c.from_extension,
                 coalesce(c.anonymous, 0)
             FROM recording r LEFT JOIN call c ON c.id = r.call WHERE r.ended IS NULL ORDER BY r.began, r.file",
        )?
        .query_map([], |row| {
            let text = |column| -> rusqlite::Result<Option<Arc<str>>> {
                Ok(row.get::<_, Option<String>>(column)?.map(Into::into))
            };
            let number = row.get::<_, Option<i64>>(4)?;
            Ok(Unfinished {
                file: row.get::<_, String>(0)?.into(),
                call: CallId::from_bits(from_column(row.get(1)?)),
                of: text(2)?.map_or(RecordingOf::Talk, |mailbox| RecordingOf::Message { mailbox }),
                began: from_micros(row.get(3)?),
                died,
                from: Party {
                    number: number.and_then(|bits| PhoneNumber::from_bits(from_column(bits))),
                    text: row.get::<_, Option<String>>(5)?.unwrap_or_default(),
                    name: text(6)?,
                    extension: text(7)?,
                    anonymous: row.get(8)?,
                },
            })
        })?
        .collect()
}
