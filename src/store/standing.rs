//! What holds until somebody takes it back, as it stands: who may use the API, who is refused.

use super::{Reader, StoreError, from_micros};
use crate::clock::Timestamp;
use crate::fact::{Fact, Token};
use crate::number::PhoneNumber;

impl Reader {
    /// Who may use the API, the oldest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        let facts = self.standing("token", "read the tokens")?;
        let token = |(_, fact)| match fact {
            Fact::Token(token) => Some(*token),
            _ => None,
        };
        Ok(facts.into_iter().filter_map(token).collect())
    }

    /// The block list with its notes, the oldest entry first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn blocked(&self) -> Result<Vec<(PhoneNumber, String, Timestamp)>, StoreError> {
        let facts = self.standing("blocked", "read the block list")?;
        let entry = |(at, fact)| match fact {
            Fact::Blocked { number, note, .. } => Some((number, note, at)),
            _ => None,
        };
        Ok(facts.into_iter().filter_map(entry).collect())
    }

    /// The last word on each thing of a kind.
    fn standing(&self, kind: &str, doing: &str) -> Result<Vec<(Timestamp, Fact)>, StoreError> {
        let read = || -> rusqlite::Result<Vec<(i64, String)>> {
            let mut statement =
                self.connection.prepare_cached("SELECT at, body FROM state WHERE kind = ?1 ORDER BY seq")?;
            statement.query_map([kind], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        let rows = read().map_err(self.failed(doing))?;
        let fact = |(at, body): (i64, String)| Some((from_micros(at), serde_json::from_str(&body).ok()?));
        Ok(rows.into_iter().filter_map(fact).collect())
    }
}
