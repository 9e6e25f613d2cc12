//! The tables, as migrations: each is applied once, in order, and never changed after a release.

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

use super::broken;

const STEPS: &[M<'_>] = &[
    M::up(include_str!("schema_1.sql")),
    M::up(include_str!("schema_2.sql")),
    M::up(include_str!("schema_3.sql")),
    M::up(include_str!("schema_4.sql")),
];

/// The version of the newest tables.
pub(super) const NEWEST: i64 = STEPS.len() as i64;

const MIGRATIONS: Migrations<'_> = Migrations::from_slice(STEPS);

/// Brings a database to the newest tables.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), String> {
    MIGRATIONS.to_latest(connection).map_err(|error| match error {
        rusqlite_migration::Error::MigrationDefinition(_) => too_new(),
        rusqlite_migration::Error::RusqliteError { err, .. } => broken::words(&err),
        error => error.to_string(),
    })
}

/// Sees to it that a database has the tables this program reads.
pub(super) fn check(connection: &Connection) -> Result<(), String> {
    let version: i64 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(|error| broken::words(&error))?;
    match version.cmp(&(STEPS.len() as i64)) {
        std::cmp::Ordering::Less => Err("its tables are older than this program; `huntline serve` renews them".into()),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(too_new()),
    }
}

pub(super) fn too_new() -> String {
    "it was written by a newer huntline; run that one, or restore a backup".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_migration_is_sound() {
        assert_eq!(MIGRATIONS.validate(), Ok(()));
    }

    #[test]
    fn a_database_of_a_newer_program_is_refused_in_words() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "user_version", STEPS.len() as i64 + 1).unwrap();
        assert_eq!(migrate(&mut connection), Err(too_new()));
        assert_eq!(check(&connection), Err(too_new()));
    }

    #[test]
    fn what_was_said_of_follow_ups_before_is_there_after_the_renewal() {
        let mut connection = Connection::open_in_memory().unwrap();
        MIGRATIONS.to_version(&mut connection, 3).unwrap();
        let before = "
            INSERT INTO fact (seq, at, call, body) VALUES (1, 0, 10, '{}'), (2, 0, 11, '{}'), (3, 0, 10, '{}'), (4, 0, 11, '{}');
            INSERT INTO follow_up (opened, call, anonymous, cause, assignee, assigned, due, attempts, last_miss)
                VALUES (5, 9, 0, 'no_answer', '12', 'list', 6, 3, 7), (5, 8, 0, 'no_answer', '14', 'responsible', 6, 1, 5);
            INSERT INTO follow_up_comment (follow_up, call, at, what, cause)
                VALUES (1, 10, 6, 'missed', 'all_busy'), (1, 11, 7, 'tried', NULL), (1, 12, 8, 'brief', NULL);";
        connection.execute_batch(before).unwrap();
        migrate(&mut connection).unwrap();
        let comments: Vec<(i64, i64, String, i64, Option<String>)> = connection
            .prepare("SELECT seq, at, what, call, cause FROM follow_up_comment WHERE follow_up = 1 ORDER BY at")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
            .unwrap()
            .collect::<rusqlite::Result<_>>()
            .unwrap();
        // Each is named by the last fact of its call, or where that is unknown, by the call.
        assert_eq!(
            comments,
            [
                (3, 6, "missed".into(), 10, Some("all_busy".into())),
                (4, 7, "tried".into(), 11, None),
                (-12, 8, "brief".into(), 12, None),
            ]
        );
        let picked: Vec<(Option<String>, Option<String>)> = connection
            .prepare("SELECT picked_from, picked FROM follow_up ORDER BY id")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .collect::<rusqlite::Result<_>>()
            .unwrap();
        assert_eq!(picked, [(Some(String::new()), Some("12".into())), (None, None)]);
    }
}
