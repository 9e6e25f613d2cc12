//! Facts into the tables: a batch is one transaction, and on the disk when [`Writer::append`] returns.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hashbrown::HashMap;
use rusqlite::{Connection, Transaction, params};
use smallvec::{SmallVec, smallvec};

use super::outbox::{self, Outgoing};
use super::word::Word;
use super::{FILE, PATIENCE, StoreError, broken, schema, to_column, to_micros};
use super::{customers_live, events, follow_ups, left_behind, notes, recordings};
use crate::clock::Timestamp;
use crate::desk::follow_up::Outsider;
use crate::event::Event;
use crate::fact::{CallFact, Ended, Fact, MessageState, Noted, Offered, Party, RecordingOf, Whom};
use crate::key::{CallId, tighten};
use crate::kill_point::kill_point;
use crate::route::{Outline, Reason};
use crate::state::Counter;

/// More facts than a journal can hold in its memory.
const ROOM: i64 = 1 << 24;

/// The one connection of a process that writes.
#[derive(Debug)]
pub struct Writer {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    /// What the database held when it was opened: fact number 1 of this process becomes `base + 1`.
    base: i64,
    live: LiveCalls,
    outgoing: Option<Box<dyn Outgoing>>,
    telling: events::Telling,
}

/// The calls that have not ended.
type LiveCalls = HashMap<CallId, Live, foldhash::fast::FixedState>;

/// What must be known of a call that has not ended, to complete its row.
#[derive(Debug, Default)]
struct Live {
    /// Whom each leg rings: an extension, or a number outside.
    legs: Vec<(u16, Whom)>,
    /// When the first human answered, and on which leg.
    answered: Option<(Timestamp, u16)>,
    /// Who is outside, and is called back if nobody talks with them.
    outsider: Option<Box<Outsider>>,
    /// An employee asked for it instead of dialling it.
    was_asked_for: bool,
    /// The groups of its plan.
    outline: Outline,
    /// The first of them that it came to.
    hunt_group: Option<Box<str>>,
    /// The one that it is at.
    at_group: Option<Box<str>>,
    /// The one that it was at when the first human answered.
    answered_in: Option<Box<str>>,
}

impl Writer {
    /// Opens the database in `storage.directory`, makes it and the directory where there is none, and brings its tables
    /// up to date.
    ///
    /// # Errors
    /// The directory cannot be written, the file is no database, is damaged, empty or without its log, or it was made by a
    /// newer program. Nothing was changed then.
    pub fn open(directory: &Path) -> Result<Writer, StoreError> {
        let path = directory.join(FILE);
        let failed = |doing: &'static str| {
            let path = path.clone();
            move |error: rusqlite::Error| StoreError::new(&path, doing, broken::words(&error))
        };
        std::fs::create_dir_all(directory)
            .map_err(|error| StoreError::new(directory, "make the data directory", error))?;
        broken::look(&path).map_err(|why| StoreError::new(&path, "open the database", why))?;
        if !path.exists() {
            make(&path)?;
        }
        let mut connection = Connection::open(&path).map_err(failed("open the database"))?;
        // SQLite is content with reading where it may not write; then nothing would ever be on record.
        if connection.is_readonly(rusqlite::MAIN_DB).map_err(failed("open the database"))? {
            let why = format!("it may only be read; {}", broken::THEIRS);
            return Err(StoreError::new(&path, "open the database", why));
        }
        configure(&connection).map_err(failed("set the database up"))?;
        schema::migrate(&mut connection).map_err(|why| StoreError::new(&path, "bring the tables up to date", why))?;
        let base = last_seq(&connection).map_err(failed("read the last fact"))?;
        Ok(Writer {
            connection,
            path,
            base,
            live: LiveCalls::default(),
            outgoing: None,
            telling: events::Telling::default(),
        })
    }

    /// What follows from facts for the world outside is written into the outbox with them, and follow-ups by the rules of
    /// its config; until then by the rules that hold where a config says nothing, and for nobody in particular.
    pub fn tell(&mut self, outgoing: impl Outgoing + 'static) {
        self.outgoing = Some(Box::new(outgoing));
    }

    /// True where events are written down.
    pub(super) fn tells_events(&self) -> bool {
        self.outgoing.as_ref().is_some_and(|outgoing| outgoing.wants_events())
    }

    /// From here on fact number 1 follows after a gap. The last run may have told events of facts that never reached the
    /// disk, under the numbers that come next: whoever has seen those would take what follows for the same.
    pub(super) fn leave_room(&mut self) {
        self.base += ROOM;
    }

    /// From here on fact number 1 follows what is in the database now.
    pub(super) fn rebase(&mut self) -> rusqlite::Result<()> {
        self.base = last_seq(&self.connection)?;
        Ok(())
    }

    /// Learns again what the facts of an open call said about its legs.
    pub(super) fn learn(&mut self, id: CallId, steps: &[(Timestamp, CallFact)]) {
        let live = self.live.entry(id).or_default();
        steps.iter().for_each(|(at, step)| live.fold(*at, step));
    }

    /// The `seq` of the last fact that was there when the database was opened; fact number n of this process becomes
    /// `base + n`.
    pub fn base(&self) -> i64 {
        self.base
    }

    /// Writes a batch in one transaction, in order. When it returns, the facts are on the disk.
    ///
    /// After an error nothing of the batch is in the database, or all of it (a commit that failed in its very last
    /// step): writing the same batch again is right in both cases.
    ///
    /// # Errors
    /// The disk is full, read-only, broken, or another process holds the database for more than 5 s.
    pub fn append(&mut self, facts: &[Noted]) -> Result<(), StoreError> {
        let mut happened = Vec::new();
        if let Err(error) = self.transact(facts, &mut happened) {
            self.telling.keep(happened);
            let doing = format!("write {} facts", facts.len());
            return Err(StoreError::new(&self.path, doing, error));
        }
        if let Some(outgoing) = self.outgoing.as_ref().filter(|_| !happened.is_empty()) {
            outgoing.happened(happened);
        }
        for noted in facts {
            if let Fact::Call(id, CallFact::Ended(_)) = &noted.fact {
                self.live.remove(id);
            }
        }
        tighten(&mut self.live);
        Ok(())
    }

    fn transact(&mut self, facts: &[Noted], happened: &mut Vec<Event>) -> rusqlite::Result<()> {
        let transaction = self.connection.unchecked_transaction()?;
        let listens = self.tells_events();
        if !listens {
            self.telling = events::Telling::default();
        }
        let mut body = Vec::with_capacity(1024);
        let mut state = BTreeMap::new();
        let mut posted = false;
        // What follows from one fact, for the world outside.
        let mut told = Vec::new();
        // What the core learns of customers.
        let mut customers = Vec::new();
        for noted in facts {
            let seq = self.base + to_column(noted.number);
            body.clear();
            serde_json::to_writer(&mut body, &noted.fact)
                .map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
            let text = std::str::from_utf8(&body).unwrap_or_default();
            let fresh = insert_fact(&transaction, seq, noted, text)?;
            recordings::follow(&transaction, noted)?;
            left_behind::delivered(&transaction, noted.at, &noted.fact)?;
            match &noted.fact {
                Fact::Call(id, step) => {
                    follow(&transaction, &mut self.live, *id, noted.at, step)?;
                    if let (CallFact::Ended(_), Some(live)) = (step, self.live.get(id))
                        && let Some(group) = live.answered_in.as_deref()
                    {
                        let config = self.outgoing.as_ref().and_then(|outgoing| outgoing.config());
                        notes::wait(&transaction, *id, group, config.as_deref())?;
                    }
                    // Only once: told again, an old talk would close what was opened after it.
                    if let (CallFact::Ended(ended), true) = (step, fresh)
                        && let Some(live) = self.live.get(id)
                        && let Some(outsider) = live.outsider.as_ref().filter(|_| !live.is_never_called())
                    {
                        let config = self.outgoing.as_ref().and_then(|outgoing| outgoing.config());
                        let human = live.answered.is_some();
                        let met = (ended, human, !live.legs.is_empty());
                        let news = (&mut told, &mut customers);
                        let here = (*id, noted.at);
                        let outsider = left_behind::meet(&transaction, here, outsider, met, config.as_deref(), news)?;
                        let circumstances = (human, ended, config.as_deref());
                        follow_ups::follow(&transaction, *id, (seq, noted.at), &outsider, circumstances, &mut told)?;
                        if let Some(config) = &config {
                            let sms = left_behind::sms(&transaction, here, &outsider, ended, config)?;
                            posted |= outbox::post(&transaction, noted.at, sms.as_slice())?;
                        }
                    }
                }
                Fact::FollowUp { id, by, what } if fresh => {
                    let hand = (by.as_ref(), what);
                    follow_ups::by_hand(&transaction, (seq, noted.at), *id, hand, &mut told)?;
                }
                Fact::CallNoted { call, by, text, disposition } if fresh => {
                    let note = (by.as_deref(), text.as_deref(), disposition.as_deref());
                    told.extend(notes::follow(&transaction, *call, (seq, noted.at), note)?);
                }
                Fact::Customer { kind, id, now } => {
                    let consequences = (&mut told, &mut customers);
                    customers_live::follow(&transaction, (*kind, id), now.as_deref(), noted.at, consequences)?;
                }
                other => {
                    if fresh {
                        told.extend(outbox::told(other));
                    }
                    // Of several facts about one thing the last one of the batch is enough.
                    for (kind, name, holds) in things(other) {
                        state.insert((kind, name), (seq, holds));
                    }
                }
            }
            if let Some(outgoing) = self.outgoing.as_deref() {
                posted |= outbox::post(&transaction, noted.at, &outgoing.letters(&noted.fact))?;
                let config = || outgoing.config();
                let notices = left_behind::notices(&told, seq, config);
                posted |= outbox::post(&transaction, noted.at, &notices)?;
                let own = match listens {
                    true => self.telling.of(&transaction, seq, noted, config)?,
                    false => Vec::new(),
                };
                let (place, made) = ((seq, noted.at), told.drain(..));
                let desk = self.telling.of_the_desk(&transaction, place, made, listens)?;
                for event in own.into_iter().chain(desk) {
                    if listens {
                        events::insert(&transaction, &event)?;
                    }
                    posted |= outbox::post(&transaction, noted.at, &outgoing.letters_of(&event))?;
                    happened.push(event);
                }
            }
        }
        for ((kind, name), (seq, holds)) in state {
            remember(&transaction, kind, &name, holds.then_some(seq))?;
        }
        kill_point("before_commit");
        transaction.commit()?;
        kill_point("after_commit");
        if let Some(outgoing) = self.outgoing.as_ref() {
            if posted {
                outgoing.posted();
            }
            if !customers.is_empty() {
                outgoing.customers(customers);
            }
        }
        Ok(())
    }
}

/// Makes a new database: under another name, so that whoever is killed meanwhile leaves nothing that could be taken for
/// one, and never in the place of one that somebody else has made meanwhile.
fn make(path: &Path) -> Result<(), StoreError> {
    let fresh = path.with_extension(format!("new-{}", std::process::id()));
    let made = || -> Result<(), String> {
        let mut connection = Connection::open(&fresh).map_err(|error| broken::words(&error))?;
        configure(&connection).map_err(|error| broken::words(&error))?;
        schema::migrate(&mut connection)?;
        connection.close().map_err(|(_, error)| broken::words(&error))?;
        match std::fs::hard_link(&fresh, path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            // Not every file system knows a second name of a file.
            Err(_) => std::fs::rename(&fresh, path),
            Ok(()) => Ok(()),
        }
        .map_err(|error| error.to_string())?;
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| error.to_string())
    };
    let made = made().map_err(|why| StoreError::new(path, "make the database", why));
    // Gone already where it was renamed.
    let _ = std::fs::remove_file(&fresh);
    made
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", "on")?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(())
}

/// False: it was there already.
fn insert_fact(transaction: &Transaction<'_>, seq: i64, noted: &Noted, body: &str) -> rusqlite::Result<bool> {
    let call = match &noted.fact {
        Fact::Call(id, _) | Fact::Streamed { call: id, .. } | Fact::CallNoted { call: id, .. } => {
            Some(to_column(id.to_bits()))
        }
        _ => None,
    };
    transaction
        .prepare_cached("INSERT OR IGNORE INTO fact (seq, at, call, body) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![seq, to_micros(noted.at), call, body])
        .map(|written| written > 0)
}

/// What a fact of a call does to its row.
fn follow(
    transaction: &Transaction<'_>,
    live: &mut LiveCalls,
    id: CallId,
    at: Timestamp,
    step: &CallFact,
) -> rusqlite::Result<()> {
    match step {
        CallFact::Offered(offered) => {
            let live = live.entry(id).or_default();
            live.fold(at, step);
            insert_call(transaction, id, at, offered, live.hunt_group.as_deref())
        }
        CallFact::Ended(ended) => complete_call(transaction, id, at, ended, live.entry(id).or_default()),
        CallFact::Rung(_) | CallFact::Turned { .. } | CallFact::Transferred { .. } | CallFact::Answered { .. } => {
            live.entry(id).or_default().fold(at, step);
            Ok(())
        }
        _ => Ok(()),
    }
}

impl Live {
    /// Told twice (a batch that is written again), a step changes nothing more.
    fn fold(&mut self, at: Timestamp, step: &CallFact) {
        match step {
            CallFact::Offered(offered) => {
                self.outsider = Outsider::of(offered).map(Box::new);
                self.was_asked_for = offered.is_asked_for();
                self.outline = Outline::read(&offered.plan);
                self.at_group = self.outline.first().map(Into::into);
                self.hunt_group.clone_from(&self.at_group);
                self.follow_plan(&offered.because);
            }
            CallFact::Turned { because } => self.follow_plan(because),
            // Where it goes from here is no plan of the number that was called.
            CallFact::Transferred { .. } => (self.outline, self.at_group) = (Outline::default(), None),
            CallFact::Rung(rung) => {
                for leg in rung {
                    self.legs.retain(|(number, _)| *number != leg.leg);
                    self.legs.push((leg.leg, leg.whom.clone()));
                }
            }
            CallFact::Answered { leg, human: true } if self.answered.is_none() => {
                self.answered = Some((at, *leg));
                self.answered_in.clone_from(&self.at_group);
            }
            _ => {}
        }
    }

    fn follow_plan(&mut self, because: &[Reason]) {
        for to in self.outline.led(because) {
            self.at_group = to.map(Into::into);
            if self.hunt_group.is_none() {
                self.hunt_group.clone_from(&self.at_group);
            }
        }
    }

    /// An employee asked for it and did not pick up: the one outside has never heard of it.
    fn is_never_called(&self) -> bool {
        self.was_asked_for && !self.legs.is_empty() && self.out_trunk().is_none()
    }

    /// The trunk it went out on, last of all.
    fn out_trunk(&self) -> Option<&str> {
        self.legs.iter().rev().find_map(|(_, whom)| match whom {
            Whom::Trunk { trunk, .. } => Some(&**trunk),
            Whom::Extension(_) => None,
        })
    }

    /// The extension, or the number outside, that a leg rings.
    fn whom(&self, leg: u16) -> Option<&str> {
        self.legs.iter().find(|(number, _)| *number == leg).map(|(_, whom)| match whom {
            Whom::Extension(extension) => &**extension,
            Whom::Trunk { number, .. } => number,
        })
    }

    /// The extensions rung, as `,12,14,`: each once, in the order of their first ring.
    fn rung(&self) -> Option<String> {
        let mut rung = String::new();
        for (_, whom) in &self.legs {
            if let Whom::Extension(extension) = whom
                && !rung.contains(&format!(",{extension},"))
            {
                rung.push_str(if rung.is_empty() { "," } else { "" });
                rung.push_str(extension);
                rung.push(',');
            }
        }
        (!rung.is_empty()).then_some(rung)
    }
}

fn last_seq(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT coalesce(max(seq), 0) FROM fact", [], |row| row.get(0))
}

fn insert_call(
    transaction: &Transaction<'_>,
    id: CallId,
    at: Timestamp,
    offered: &Offered,
    hunt_group: Option<&str>,
) -> rusqlite::Result<()> {
    let number = |party: &Party| party.number.map(|number| to_column(number.to_bits()));
    let text = |party: &Party| party.number.is_none().then(|| party.text.clone()).filter(|text| !text.is_empty());
    let customer = offered.customer.as_ref();
    transaction
        .prepare_cached(
            "INSERT OR IGNORE INTO call (id, began, direction, from_number, from_text, from_name, from_extension, anonymous,
                 to_number, to_text, to_name, to_extension, did, source, trunk, customer, customer_name, responsible,
                 emergency, sip_call_id, hunt_group)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)",
        )?
        .execute(params![
            to_column(id.to_bits()),
            to_micros(at),
            offered.direction.word(),
            number(&offered.from),
            text(&offered.from),
            offered.from.name.as_deref(),
            offered.from.extension.as_deref(),
            offered.from.anonymous,
            number(&offered.to),
            text(&offered.to),
            offered.to.name.as_deref(),
            offered.to.extension.as_deref(),
            offered.did.as_deref(),
            offered.source.as_deref(),
            offered.trunk.as_deref(),
            customer.map(|customer| &*customer.id),
            customer.map(|customer| &*customer.name),
            customer.and_then(|customer| customer.responsible.as_deref()),
            offered.emergency,
            offered.sip_call_id,
            hunt_group,
        ])?;
    Ok(())
}

fn complete_call(
    transaction: &Transaction<'_>,
    id: CallId,
    at: Timestamp,
    ended: &Ended,
    live: &Live,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "UPDATE call SET rung = ?2, answered = ?3, answered_by = ?4, ended = ?5, ended_by = ?6, status = ?7,
                 missed = ?8, talk_ms = ?9, hunt_group = ?10, answered_in = ?11, out_trunk = ?12
             WHERE id = ?1",
        )?
        .execute(params![
            to_column(id.to_bits()),
            live.rung(),
            live.answered.map(|(at, _)| to_micros(at)),
            live.answered.and_then(|(_, leg)| live.whom(leg)),
            to_micros(at),
            ended.by.word(),
            ended.status,
            ended.missed.map(Word::word),
            to_column(ended.talk_ms),
            live.hunt_group.as_deref(),
            live.answered_in.as_deref(),
            live.out_trunk(),
        ])?;
    Ok(())
}

/// Of which things of the state a fact speaks, and whether it still holds something worth remembering.
fn things(fact: &Fact) -> SmallVec<[(&'static str, String, bool); 2]> {
    smallvec![match fact {
        Fact::Bound(bound) => ("binding", binding_name(&bound.extension, &bound.identity), true),
        Fact::Unbound { extension, identity } => ("binding", binding_name(extension, identity), false),
        Fact::Overridden { schedule, state } => ("override", schedule.to_string(), state.is_some()),
        Fact::Away { extension, until } => ("away", extension.to_string(), until.is_some()),
        Fact::Forwarded { extension, when, to } => ("forward", format!("{extension} {}", when.word()), to.is_some()),
        Fact::Blocked { number, blocked, .. } => ("blocked", number.to_string(), *blocked),
        Fact::Banned(ban) => ("ban", ban.whom.to_string(), true),
        Fact::Unbanned { whom } => ("ban", whom.to_string(), false),
        Fact::Counted(counter) => ("counter", counter_name(counter), true),
        Fact::ConfigApplied { version, .. } => ("config", version.to_string(), true),
        Fact::Started { .. } | Fact::Stopped => ("process", String::new(), true),
        Fact::Token(token) => ("token", token.id.to_string(), true),
        Fact::TokenRevoked { id } => ("token", id.to_string(), false),
        Fact::Report { name, now } => ("report", name.to_string(), now.is_some()),
        Fact::Recorded(recorded) if recorded.of != RecordingOf::Talk => ("message", recorded.file.to_string(), true),
        Fact::Message { file, now: MessageState::New | MessageState::Heard, .. } => ("heard", file.to_string(), true),
        Fact::Message { file, now: MessageState::Deleted, .. } | Fact::Erased { file, .. } => {
            return smallvec![("message", file.to_string(), false), ("heard", file.to_string(), false)];
        }
        _ => return SmallVec::new(),
    }]
}

fn binding_name(extension: &str, identity: &str) -> String {
    format!("{extension} {identity}")
}

fn counter_name(counter: &Counter) -> String {
    match counter {
        Counter::Rotation { group, .. } => format!("rotation {group}"),
        Counter::Talked { extension, .. } => format!("talked {extension}"),
        Counter::CalledOutside { extension, .. } => format!("called_outside {extension}"),
    }
}

/// Keeps the fact `seq` as the last word on a thing, or (`None`) forgets the thing.
fn remember(transaction: &Transaction<'_>, kind: &str, name: &str, seq: Option<i64>) -> rusqlite::Result<()> {
    match seq {
        Some(seq) => transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO state (kind, name, seq, at, body)
                 SELECT ?1, ?2, seq, at, body FROM fact WHERE seq = ?3",
            )?
            .execute(params![kind, name, seq]),
        None => {
            transaction.prepare_cached("DELETE FROM state WHERE kind = ?1 AND name = ?2")?.execute(params![kind, name])
        }
    }
    .map(drop)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::Reader;
    use super::super::fixture::*;
    use super::*;
    use crate::state::Override;

    fn count(writer: &Writer, table: &str) -> i64 {
        writer.connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn every_commit_waits_for_the_disk() {
        let folder = Folder::new();
        let writer = folder.writer();
        let pragma = |name| writer.connection.pragma_query_value(None, name, |row| row.get::<_, String>(0));
        assert_eq!(pragma("journal_mode").unwrap(), "wal");
        let synchronous: i64 = writer.connection.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
        assert_eq!(synchronous, 2); // FULL
    }

    #[test]
    fn a_batch_written_twice_is_written_once() {
        let folder = Folder::new();
        let mut writer = folder.writer();
        let facts = numbered(1, ordinary(call(0), 0));
        writer.append(&facts[..5]).unwrap();
        writer.append(&facts[..5]).unwrap();
        writer.append(&facts[5..]).unwrap();
        assert_eq!((count(&writer, "fact"), count(&writer, "call")), (8, 1));
        let row = Reader::open(&folder.0).unwrap().call(call(0)).unwrap().unwrap().row;
        assert_eq!((row.answered, row.answered_by.as_deref()), (Some(at(4)), Some("15")));
    }

    #[test]
    fn numbers_go_on_where_the_last_run_ended() {
        let folder = Folder::new();
        folder.writer().append(&numbered(1, ordinary(call(0), 0))).unwrap();
        let mut writer = folder.writer();
        assert_eq!(writer.base(), 8);
        writer.append(&numbered(1, ordinary(call(500), 500))).unwrap();
        let last: i64 = writer.connection.query_row("SELECT max(seq) FROM fact", [], |row| row.get(0)).unwrap();
        assert_eq!((last, count(&writer, "call")), (16, 2));
    }

    #[test]
    fn nothing_is_kept_of_a_call_that_is_over() {
        let folder = Folder::new();
        let mut writer = folder.writer();
        let facts = numbered(1, ordinary(call(0), 0));
        facts.iter().for_each(|fact| writer.append(std::slice::from_ref(fact)).unwrap());
        assert_eq!(writer.live.len(), 0);
    }

    #[test]
    fn messages_are_given_back_with_what_was_heard_of_them_and_without_what_is_gone() {
        let folder = Folder::new();
        let mark = |file: &str, now| Fact::Message { file: file.into(), mailbox: "sales".into(), now };
        let facts = [
            (0, message("a.wav", "sales", 3_000)),
            (1, message("b.wav", "sales", 0)),
            (2, message("c.wav", "sales", 3_000)),
            (3, mark("b.wav", MessageState::Heard)),
            (4, mark("a.wav", MessageState::Deleted)),
            (5, Fact::Erased { file: "c.wav".into(), why: "too old".into() }),
        ];
        folder.writer().append(&numbered(1, facts)).unwrap();
        let mut state = crate::state::State::default();
        let restored = Reader::open(&folder.0).unwrap().restore().unwrap();
        restored.iter().for_each(|(_, fact)| fact.fold(&mut state));
        let left: Vec<_> = state.messages("sales").iter().map(|left| (&*left.file, left.empty, left.heard)).collect();
        assert_eq!((restored.len(), &left[..]), (2, &[("b.wav", true, true)][..]));
    }

    #[test]
    fn of_each_thing_the_last_fact_is_remembered_and_what_was_taken_back_is_forgotten() {
        let folder = Folder::new();
        let mut writer = folder.writer();
        let (office, x12): (Arc<str>, Arc<str>) = ("office".into(), "12".into());
        let rotation = |calls| Fact::Counted(Counter::Rotation { group: "sales".into(), calls });
        let open = Some(Override { open: true, until: None });
        let facts = [
            (0, rotation(1)),
            (0, Fact::Overridden { schedule: office.clone(), state: open }),
            (1, rotation(2)),
            (1, Fact::Away { extension: x12.clone(), until: Some(at(60)) }),
            (2, Fact::Overridden { schedule: office, state: None }),
            (3, rotation(3)),
            (4, Fact::Started { version: "0.1.0".into() }),
        ];
        writer.append(&numbered(1, facts)).unwrap();
        let restored = Reader::open(&folder.0).unwrap().restore().unwrap();
        assert_eq!(
            restored,
            [(at(1), Fact::Away { extension: x12.clone(), until: Some(at(60)) }), (at(3), rotation(3))]
        );
        writer.append(&numbered(8, [(9, Fact::Away { extension: x12, until: None })])).unwrap();
        assert_eq!(Reader::open(&folder.0).unwrap().restore().unwrap(), [(at(3), rotation(3))]);
    }
}
