//! The tables, as migrations: each is applied once, in order, and never changed after a release.

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

const STEPS: &[M<'_>] = &[
    M::up(include_str!("schema_1.sql")),
    M::up(include_str!("schema_2.sql")),
    M::up(include_str!("schema_3.sql")),
    M::up(include_str!("schema_4.sql")),
];

const MIGRATIONS: Migrations<'_> = Migrations::from_slice(STEPS);

/// Brings a database to the newest tables.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), String> {
    MIGRATIONS.to_latest(connection).map_err(|error| match error {
        rusqlite_migration::Error::MigrationDefinition(_) => too_new(),
        error => error.to_string(),
    })
}

/// Sees to it that a database has the tables this program reads.
pub(super) fn check(connection: &Connection) -> Result<(), String> {
    let version: i64 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(|error| error.to_string())?;
    match version.cmp(&(STEPS.len() as i64)) {
        std::cmp::Ordering::Less => Err("its tables are older than this program; `huntline serve` renews them".into()),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(too_new()),
    }
}

fn too_new() -> String {
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
}
