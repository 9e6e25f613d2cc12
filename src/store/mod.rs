//! The office's memory on disk: one SQLite file with every call, every fact, the customers, and the state that must
//! outlive a restart.
//!
//! One [`Writer`] appends facts in transactions that are on the disk (`synchronous=FULL`) when they return; any number
//! of [`Reader`]s look on beside it, also from another process (WAL). Facts are never changed: what the tables `call`
//! and `state` hold is derived from them in the same transaction, so that lists need no replay.
//!
//! | file | what it is about |
//! |---|---|
//! | `schema` | the tables, as migrations |
//! | `write` | [`Writer`]: facts into the tables |
//! | `recover` | what a restart finds and puts right |
//! | `word` | what is one of a few, as its word |
//! | `broken` | a database that cannot be used, in words |
//! | `unfinished` | recordings that ran when the process died |
//! | `answered` | orders of programs that came with a key, and their answers |
//! | `calls` | the call list, and one call in full |
//! | `taped` | one call as it can be played again |
//! | `recordings` | what was written down of calls, and the messages among it |
//! | `events` | what happened, as the world outside hears it |
//! | `outbox` | letters until they are acknowledged |
//! | `notes` | what employees wrote down about calls, and which wait for it |
//! | `timeline` | what was with a customer, in order |
//! | `left_behind` | what else the end of a call leaves: a customer, an SMS, notices |
//! | `standing` | what holds until it is taken back: tokens, the block list |
//! | `follow_ups` | promises to call back |
//! | `crm_notes` | what CRMs have been told of calls |
//! | `customers` | the customers, as they are known |
//! | `customers_live` | … as they change while the router runs |
//! | `customers_import` | … and as many at once |
//! | `figures` | how much waits for somebody |
//! | `snapshot` | a copy of it, beside who writes |
//! | `reports` | what the calls of a time add up to |

mod answered;
mod broken;
mod calls;
mod crm_notes;
mod customers;
mod customers_import;
mod customers_live;
mod events;
mod figures;
#[cfg(test)]
pub(crate) mod fixture;
mod follow_ups;
#[cfg(test)]
mod follow_ups_random;
#[cfg(test)]
mod follow_ups_told;
mod left_behind;
#[cfg(test)]
mod left_behind_told;
mod notes;
mod outbox;
mod recordings;
mod recover;
mod reports;
mod schema;
mod snapshot;
mod standing;
mod taped;
mod timeline;
mod unfinished;
mod word;
mod write;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::clock::Timestamp;

pub use answered::{Answer, Answers, Before};
pub use calls::{CallDetail, CallFilter, CallRow, CallState, LegRow, StreamRow, Talker, Turn};
pub use crm_notes::CrmNotes;
pub use customers::CustomerRow;
pub use customers_import::Imported;
pub use customers_live::{CustomerChange, CustomerState, CustomersWanted};
pub use events::{EventRow, forget_events};
pub use figures::Waiting;
pub use follow_ups::{FollowUpComment, FollowUpFilter, FollowUpRow, FollowUpsWanted};
pub use notes::CallNoteRow;
pub use outbox::{Closed, Outbox, OutboxFilter, OutboxRow, Outgoing, Settled};
pub use recordings::{RecordingFilter, RecordingRow};
pub use recover::{Recovered, quick_check};
pub use snapshot::{SCHEMA, take_snapshot};
pub use taped::OnTape;
pub use timeline::{Happened, Mark, TimelineEntry};
pub use unfinished::{Mend, Unfinished};
pub use write::Writer;

/// The database's name within `storage.directory`.
pub const FILE: &str = "huntline.db";

/// How long one process waits for another one's transaction (an import beside a running router) before it reports that
/// the database is locked.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the database could not do, where, and why.
#[derive(Debug)]
pub struct StoreError {
    /// The database file.
    pub path: PathBuf,
    /// What was to be done: "open the database", "write 12 facts".
    pub doing: String,
    /// What SQLite or the system said.
    pub why: String,
}

impl StoreError {
    pub(crate) fn new(path: &Path, doing: impl Into<String>, why: impl fmt::Display) -> StoreError {
        StoreError { path: path.to_owned(), doing: doing.into(), why: why.to_string() }
    }
}

#[cfg(test)]
impl StoreError {
    pub(crate) fn for_test(why: &str) -> StoreError {
        StoreError::new(Path::new(FILE), "write", why)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: could not {}: {}", self.path.display(), self.doing, self.why)
    }
}

impl std::error::Error for StoreError {}

/// Looks into the database without changing it; needs no running router.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    path: PathBuf,
}

impl Reader {
    /// Opens the database in `storage.directory` for reading.
    ///
    /// # Errors
    /// There is none yet (`serve` makes it), it was made by a newer program, or it cannot be read.
    pub fn open(directory: &Path) -> Result<Reader, StoreError> {
        let path = directory.join(FILE);
        if !path.exists() {
            let why = "there is none yet; `huntline serve` makes it, or storage.directory names another folder";
            return Err(StoreError::new(&path, "open the database", why));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags)
            .and_then(|connection| connection.busy_timeout(PATIENCE).map(|()| connection))
            .map_err(|error| StoreError::new(&path, "open the database", broken::words(&error)))?;
        schema::check(&connection).map_err(|why| StoreError::new(&path, "open the database", why))?;
        Ok(Reader { connection, path })
    }

    /// The same, or `None` where there is no database yet.
    ///
    /// # Errors
    /// It was made by a newer program, or cannot be read.
    pub fn open_existing(directory: &Path) -> Result<Option<Reader>, StoreError> {
        if directory.join(FILE).exists() { Reader::open(directory).map(Some) } else { Ok(None) }
    }

    fn failed<'a>(&'a self, doing: &'a str) -> impl Fn(rusqlite::Error) -> StoreError + 'a {
        move |error| StoreError::new(&self.path, doing, broken::words(&error))
    }
}

/// A moment as the tables hold it: microseconds since 1970, UTC.
fn to_micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// Back from [`to_micros`]; what is out of range becomes the nearest moment that is not.
fn from_micros(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(if micros < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// A key of 64 bits as a signed column holds it.
fn to_column(bits: u64) -> i64 {
    bits.cast_signed()
}

/// Back from [`to_column`].
fn from_column(column: i64) -> u64 {
    column.cast_unsigned()
}
