//! Lists, a page at a time: each page says how to ask for the next one.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::problem::Problem;

/// How long a page is where nothing is said, and at most.
const PAGE: usize = 50;
const LONGEST: usize = 500;

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    /// The part.
    pub(super) items: Vec<T>,
    /// The `cursor` of the next part; `null` where this is the last.
    pub(super) next: Option<String>,
}

/// Which part of a list; for the document. Queries have the two fields themselves.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(super) struct Part {
    /// At most so many.
    #[param(minimum = 1, maximum = 500, default = 50)]
    pub(super) limit: Option<usize>,
    /// Where the part begins: `next` of the part before.
    pub(super) cursor: Option<String>,
}

impl Part {
    pub(super) fn new(limit: Option<usize>, cursor: Option<String>) -> Part {
        Part { limit, cursor }
    }

    /// How many.
    pub(super) fn limit(&self) -> Result<usize, Problem> {
        match self.limit.unwrap_or(PAGE) {
            limit @ 1..=LONGEST => Ok(limit),
            other => Err(Problem::unreadable(format!("limit: {other} is not from 1 to {LONGEST}"))),
        }
    }

    /// After which: what [`Page::of`] was told of the last one of the part before.
    pub(super) fn after<K: serde::de::DeserializeOwned>(&self) -> Result<Option<K>, Problem> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let read = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let why = "cursor: this is no cursor of this list; take `next` of the part before, or leave it out";
        read.map(Some).ok_or_else(|| Problem::unreadable(why))
    }
}

impl<T> Page<T> {
    /// Of a list that was asked for one more than fits: `place` tells what the next part begins after.
    pub(super) fn of<R, K: Serialize>(
        mut rows: Vec<R>,
        limit: usize,
        place: impl Fn(&R) -> K,
        show: impl Fn(R) -> T,
    ) -> Page<T> {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| more);
        let next = last.map(|row| URL_SAFE_NO_PAD.encode(serde_json::to_vec(&place(row)).unwrap_or_default()));
        Page { items: rows.into_iter().map(show).collect(), next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_walked_part_by_part_to_its_end() {
        let all: Vec<u32> = (0..7).collect();
        let mut part = Part::new(Some(3), None);
        let mut seen = Vec::new();
        loop {
            let after: Option<u32> = part.after().unwrap();
            let limit = part.limit().unwrap();
            let rows =
                all.iter().copied().filter(|row| after.is_none_or(|after| *row > after)).take(limit + 1).collect();
            let page = Page::of(rows, limit, |row| *row, |row| row);
            seen.push(page.items);
            match page.next {
                Some(next) => part.cursor = Some(next),
                None => break,
            }
        }
        assert_eq!(seen, [vec![0, 1, 2], vec![3, 4, 5], vec![6]]);
    }

    #[test]
    fn a_cursor_of_something_else_and_a_limit_out_of_bounds_are_refused() {
        for cursor in ["", "x", "AAAA", "é", "bnVsbA==", "WzEsMl0"] {
            assert!(Part::new(None, Some(cursor.into())).after::<(u64, String, u8)>().is_err(), "{cursor}");
        }
        assert!(Part::new(Some(0), None).limit().is_err() && Part::new(Some(501), None).limit().is_err());
    }
}
