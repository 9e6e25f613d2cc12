//! A backup of the running office, the office destroyed, and put back as it was; and every restore that must not be.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use huntline::fact::{Bound, Fact, Noted};
use huntline::key::Transport;
use huntline::store::Writer;
use rusqlite::types::Value;

use crate::office::{MESSAGE, OTHERS, Office, TALK, at};

/// Every row of every table.
fn dump(database: &Path) -> BTreeMap<String, Vec<String>> {
    let connection = rusqlite::Connection::open(database).unwrap();
    let names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let mut names = connection.prepare(names).unwrap();
    let names: Vec<String> = names.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let rows = |name: &str| {
        let mut statement = connection.prepare(&format!("SELECT * FROM {name}")).unwrap();
        let width = statement.column_count();
        let row = |row: &rusqlite::Row<'_>| (0..width).map(|at| row.get(at)).collect::<Result<Vec<Value>, _>>();
        let rows = statement.query_map([], row).unwrap().map(|row| format!("{:?}", row.unwrap()));
        let mut rows: Vec<String> = rows.collect();
        rows.sort();
        rows
    };
    names.iter().map(|name| (name.clone(), rows(name))).collect()
}

impl Office {
    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// What the API and the command line show of everything that must come back.
    fn shown(&self, token: &str) -> Vec<String> {
        let said = [
            &["calls", "--json"][..],
            &["followups", "--json"],
            &["voicemail", "list", "--json"],
            &["recordings", "--json"],
            &["token", "list"],
            &["contacts", "lookup", "+79161234567", "--json"],
        ];
        let mut shown: Vec<_> = said.iter().map(|arguments| self.run(arguments).0).collect();
        let status = self.get(token, "/api/v1/status").is(200).json();
        let phones: Vec<_> =
            status["bindings"].as_array().unwrap().iter().map(|one| one["contact"].to_string()).collect();
        shown.push(format!("{phones:?} {}", status["by_hand"]));
        shown.extend(
            [TALK, MESSAGE, OTHERS].map(|file| format!("{:?}", std::fs::read(self.data().join(file)).unwrap().len())),
        );
        shown
    }

    /// Ends the router and takes everything away.
    fn is_destroyed(&mut self) {
        self.kill();
        std::fs::remove_dir_all(self.data()).unwrap();
        std::fs::remove_file(self.file()).unwrap();
    }

    /// An office with something of everything, its backup, an administrator's token, and what it showed at that moment.
    fn with_backup(name: &str) -> (Office, PathBuf, String, Vec<String>, BTreeMap<String, Vec<String>>) {
        let mut office = Office::start(name);
        office.kill();
        let bound = Bound {
            extension: "201".into(),
            identity: "sip:201@192.168.0.9".into(),
            contact: "sip:201@192.168.0.9:5070".into(),
            path: Vec::new(),
            transport: Transport::Udp,
            local: "127.0.0.73:5060".parse().unwrap(),
            remote: "192.168.0.9:5070".parse().unwrap(),
            call_id: "bound".into(),
            cseq: 7,
            granted: 3_600,
            expires: "2100-01-01T00:00:00Z".parse().unwrap(),
            echo: String::new(),
            user_agent: "phone".into(),
        };
        let mut writer = Writer::open(&office.data()).unwrap();
        let number = 1;
        writer.append(&[Noted { number, at: at(9_000), fact: Fact::Bound(Box::new(bound)) }]).unwrap();
        drop(writer);
        std::fs::create_dir_all(office.data().join("prompts")).unwrap();
        std::fs::write(office.data().join("prompts/hello.wav"), "not much of a prompt").unwrap();
        office.serve();
        let token = office.token("admin", None, &["admin"]);
        for order in [
            &["override", "office", "closed"][..],
            &["away", "202", "on"],
            &["block", "+79165555555"],
            &["forward", "202", "always", "201"],
        ] {
            let (_, why, code) = office.run(order);
            assert_eq!(code, 0, "{order:?}: {why}");
        }
        let file = office.folder.join("office.tar");
        // Promises of last year become overdue about now, so a quiet moment is waited for.
        let database = office.data().join("huntline.db");
        for _ in 0..100 {
            let before = dump(&database);
            let (_, why, code) = office.run(&["backup", "office.tar"]);
            assert_eq!(code, 0, "{why}");
            if dump(&database) == before {
                let shown = office.shown(&token);
                return (office, file, token, shown, before);
            }
        }
        panic!("the office is never quiet");
    }

    fn restores(&self, more: &[&str]) -> (String, String, i32) {
        self.run(&[&["restore", "office.tar"], more].concat())
    }
}

#[test]
fn a_destroyed_office_is_put_back_as_it_was_at_the_backup() {
    let (mut office, file, token, shown, before) = Office::with_backup("backup");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let (checked, why, code) = office.run(&["backup", "--check", "office.tar"]);
    assert!(code == 0 && checked.contains("is whole"), "{checked}{why}");
    // What happens afterwards is not in it.
    assert_eq!(office.run(&["block", "+79166666666"]).2, 0);

    let (_, why, code) = office.restores(&["--force"]);
    assert!(code == 1 && why.contains("a router runs on this data directory; stop it first"), "{why}");
    office.is_destroyed();
    let (said, why, code) = office.restores(&[]);
    assert!(code == 0 && said.contains("huntline check --config office.toml"), "{said}{why}");
    assert_eq!(dump(&office.data().join("huntline.db")), before);
    assert_eq!(std::fs::read(office.data().join("prompts/hello.wav")).unwrap(), b"not much of a prompt");
    assert_eq!(std::fs::metadata(office.file()).unwrap().permissions().mode() & 0o777, 0o600);
    let versions = std::fs::read_dir(office.data().join("config-versions")).unwrap().count();
    assert!(versions > 0, "the configs as they were");
    office.serve();
    assert_eq!(office.shown(&token), shown);

    // Something stands there: it is put aside, and only where somebody insists.
    office.kill();
    let (_, why, code) = office.restores(&[]);
    assert!(code == 1 && why.contains("is not empty") && why.contains("--force puts what is there aside"), "{why}");
    assert_eq!(office.run(&["backup", "data/inside.tar"]).2, 1, "no backup of backups");
    let (said, why, code) = office.restores(&["--force"]);
    assert_eq!(code, 0, "{why}");
    let aside = said.lines().find_map(|line| line.trim().strip_prefix("before  ")).unwrap();
    assert!(Path::new(aside).join("huntline.db").exists(), "{said}");
    assert_eq!(dump(&office.data().join("huntline.db")), before);
}

#[test]
fn without_recordings_messages_are_in_it_all_the_same() {
    let office = Office::start("backup-without");
    let (said, why, code) = office.run(&["backup", "--without-recordings", "--json", "office.tar"]);
    assert_eq!(code, 0, "{why}");
    assert!(said.contains(MESSAGE) && said.contains(OTHERS) && !said.contains(TALK), "{said}");
}

#[test]
fn a_restore_that_is_killed_leaves_the_old_or_the_new() {
    let (mut office, _, _, _, backed_up) = Office::with_backup("backup-killed");
    office.kill();
    let database = office.data().join("huntline.db");
    let mut seen_new = false;
    for (place, is_new) in [
        ("restore_unpacked:1", false),
        ("restore_decided:1", true),
        ("restore_moved:1", true),
        ("restore_moved:2", true),
        ("restore_moved:3", true),
        ("restore_moved:4", true),
        ("restore_moved:5", true),
    ] {
        // What is there now is another office.
        let connection = rusqlite::Connection::open(&database).unwrap();
        connection.execute("UPDATE customer SET name = 'Mallory'", []).unwrap();
        drop(connection);
        let old = dump(&database);
        let mut command = Command::new(env!("CARGO_BIN_EXE_huntline"));
        command.current_dir(&office.folder).args(["restore", "office.tar", "--force", "--config", "office.toml"]);
        let ended = command.env("HUNTLINE_DIE_AT", place).output().unwrap();
        assert!(!ended.status.success(), "{place}: {ended:?}");
        // Whoever comes next goes on where it was cut off.
        assert_eq!(huntline::backup::finish(&office.file()).unwrap(), is_new, "{place}");
        assert_eq!(dump(&database), if is_new { backed_up.clone() } else { old }, "{place}");
        let beside =
            |one: &std::fs::DirEntry| one.file_name().to_string_lossy().starts_with("office.toml.before-restore-");
        let asides = std::fs::read_dir(&office.folder).unwrap().filter(|one| beside(one.as_ref().unwrap())).count();
        assert_eq!(asides > 0, seen_new | is_new, "{place}: the old config is beside the new one");
        seen_new |= is_new;
        assert!(office.file().exists() && office.data().join(MESSAGE).exists(), "{place}");
        // Names of what was put aside have a second each.
        for entry in std::fs::read_dir(office.data()).unwrap().map(Result::unwrap) {
            if entry.file_name().to_string_lossy().starts_with("before-restore-") {
                std::fs::remove_dir_all(entry.path()).unwrap();
            }
        }
    }
    office.serve();
}

/// A tar archive by hand: names, kinds and bytes as they are given.
fn archive(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut all = Vec::new();
    for (name, kind, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        all.extend_from_slice(header.as_bytes());
        all.extend_from_slice(bytes);
        all.resize(all.len().next_multiple_of(512), 0);
    }
    all.resize(all.len() + 1024, 0);
    all
}

#[test]
fn what_is_broken_hostile_or_newer_is_refused_and_nothing_is_touched() {
    let (mut office, file, ..) = Office::with_backup("backup-hostile");
    office.is_destroyed();
    let good = std::fs::read(&file).unwrap();
    let refused = |bytes: &[u8], why: &str| {
        std::fs::write(&file, bytes).unwrap();
        for arguments in [&["restore", "office.tar", "--force"][..], &["backup", "--check", "office.tar"]] {
            let (said, heard, code) = office.run(arguments);
            assert!(code == 1 && heard.contains(why), "{arguments:?}: {said}{heard}");
        }
        assert!(!office.data().exists() && !office.file().exists(), "{why}");
    };
    let mut flipped = good.clone();
    let middle = good.windows(8).position(|bytes| bytes == b"Stroymar").unwrap();
    flipped[middle] ^= 1;
    refused(&flipped, "is not what it was when the backup was made (SHA-256)");
    refused(&good[..good.len() / 2], "");
    refused(b"hello", "");
    let text = String::from_utf8_lossy(&good).into_owned();
    let schema = format!("\"schema\": {}", huntline::store::SCHEMA);
    let place =
        text.rfind(&schema).map(|_| good.windows(schema.len()).rposition(|bytes| bytes == schema.as_bytes()).unwrap());
    let mut newer = good.clone();
    newer[place.unwrap() + schema.len() - 1] = b'9';
    refused(&newer, "restore it with huntline");
    use tar::EntryType as Kind;
    for (name, kind) in [
        ("data/../../escaped", Kind::Regular),
        ("/tmp/huntline-escaped", Kind::Regular),
        ("data/huntline.sock", Kind::Regular),
        ("data/link", Kind::Symlink),
        ("data/link", Kind::Link),
        ("etc/passwd", Kind::Regular),
    ] {
        let bytes: &[u8] = if kind == Kind::Regular { b"boo" } else { b"" };
        refused(&archive(&[(name, kind, bytes)]), name);
    }
    assert!(!office.folder.parent().unwrap().join("escaped").exists());
    assert!(!Path::new("/tmp/huntline-escaped").exists());
}
