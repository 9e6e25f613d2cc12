//! The call list, and one call in full: who called whom, who rang, who talked, and why.

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, params, params_from_iter};
use serde::Serialize;

use super::recordings::{RecordingFilter, RecordingRow};
use super::word::Word;
use super::{Reader, StoreError, from_column, from_micros, to_column, to_micros};
use crate::clock::Timestamp;
pub use crate::event::talkers::Talker;
use crate::event::talkers::Talkers;
use crate::fact::{CallFact, EndedBy, Fact, KnownCustomer, MissedCause, Party, Streamed, Whom};
use crate::key::CallId;
use crate::number::PhoneNumber;
use crate::route::{Considered, Direction, Reason};

/// Where a call stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    /// It has not ended.
    Open,
    /// It has ended, and a human had answered.
    Answered,
    /// It has ended: a customer who reached nobody.
    Missed,
    /// It has ended without an answer, and that is no miss: outbound, internal, blocked.
    Unanswered,
}

/// One line of the call list.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct CallRow {
    /// Its id, one from start to end.
    pub id: CallId,
    /// When it was offered.
    pub began: Timestamp,
    /// From where to where.
    pub direction: Direction,
    /// Where it stands.
    pub state: CallState,
    /// Who called.
    pub from: Party,
    /// What was dialled.
    pub to: Party,
    /// The DID it came in on.
    pub did: Option<String>,
    /// That DID's `source`.
    pub source: Option<String>,
    /// The trunk it came in on.
    pub trunk: Option<String>,
    /// The customer, as known when it began.
    pub customer: Option<KnownCustomer>,
    /// An emergency number was dialled.
    pub emergency: bool,
    /// When the first human answered.
    pub answered: Option<Timestamp>,
    /// The extension, or the number outside, that answered first.
    pub answered_by: Option<String>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Who ended it.
    pub ended_by: Option<EndedBy>,
    /// The final status that the caller heard; 0 where none was sent.
    pub status: Option<u16>,
    /// Why nobody talked, where that is a miss.
    pub missed: Option<MissedCause>,
    /// How long two people were connected, in milliseconds.
    pub talk_ms: u64,
    /// How many recordings of talks there are of it, their files being there.
    pub talks_recorded: u32,
    /// How many messages were left in it, their files being there.
    pub messages_left: u32,
    /// What came of it, in the words of who said so last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disposition: Option<String>,
    /// True until somebody has said that, where the group that answered it wants to know.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub needs_disposition: bool,
    /// The Call-ID on the caller's side.
    pub sip_call_id: String,
}

/// Which calls to list. Everything that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct CallFilter {
    /// Began at this moment or later.
    pub from: Option<Timestamp>,
    /// Began before this moment.
    pub to: Option<Timestamp>,
    /// This extension called, was dialled, rang or answered.
    pub user: Option<String>,
    /// Came in on this DID, as its `number` is written.
    pub did: Option<String>,
    /// Stands so.
    pub state: Option<CallState>,
    /// Missed, or (`false`) not missed.
    pub missed: Option<bool>,
    /// Waits for somebody to say what came of it, or (`false`) does not.
    pub needs_disposition: Option<bool>,
    /// From or to this number.
    pub number: Option<PhoneNumber>,
    /// From or to a text that is no readable number.
    pub text: Option<String>,
    /// Went to this hunt group: by its plan, or on the way.
    pub group: Option<String>,
    /// May be seen by this extension: it called, was dialled, rang, answered, or is responsible for the customer.
    pub of: Option<String>,
    /// This one.
    pub id: Option<CallId>,
    /// Began before this call: the cursor of the next page.
    pub before: Option<CallId>,
    /// How many at most, the newest first; 0 for all.
    pub limit: usize,
}

/// One leg that was rung.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct LegRow {
    /// Its number within the call.
    pub leg: u16,
    /// The extension, or the number outside.
    pub whom: String,
    /// The trunk, for a number outside.
    pub trunk: Option<String>,
    /// The device's address.
    pub device: String,
    /// When its INVITE left.
    pub invited: Timestamp,
    /// When it said that it rings.
    pub ringing: Option<Timestamp>,
    /// When it answered.
    pub answered: Option<Timestamp>,
    /// When it was over without an answer.
    pub dropped: Option<Timestamp>,
    /// The final status it gave, where it was not answered.
    pub status: Option<u16>,
}

/// A turn the call took, and why.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Turn {
    /// When.
    pub at: Timestamp,
    /// Why, in the order of events.
    pub because: Vec<Reason>,
}

/// How well one leg was heard.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct StreamRow {
    /// Its number within the call; the caller's is 0.
    pub leg: u16,
    /// Whose voice: the extension, or the number outside.
    pub who: String,
    /// What came in.
    #[serde(flatten)]
    pub streamed: Streamed,
    /// Nothing came from this one, while the other side was heard: one-way audio, for so long a talk, in milliseconds.
    pub unheard_ms: Option<u64>,
}

/// One call in full.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct CallDetail {
    /// Its line of the list.
    #[serde(flatten)]
    pub row: CallRow,
    /// Every rule in the order of decision with its outcome.
    pub considered: Vec<Considered>,
    /// Why it was decided as it was: the outcomes that told.
    pub because: Vec<Reason>,
    /// The plan, as `explain` prints it.
    pub plan: String,
    /// The legs that were rung, in that order.
    pub legs: Vec<LegRow>,
    /// Who talked with the caller; after a transfer by the caller, everybody who talked.
    pub talkers: Vec<Talker>,
    /// What happened on the way.
    pub turns: Vec<Turn>,
    /// How well each of those who were connected was heard.
    pub streams: Vec<StreamRow>,
    /// The call that it went on as part of, after an attended transfer.
    pub merged_into: Option<CallId>,
    /// What was written down of it, the oldest first; also what is gone by now.
    pub recordings: Vec<RecordingRow>,
    /// The SIP ladder, a line for each message; empty until the last leg has said goodbye.
    pub ladder: String,
}

/// How long a talk must be, in milliseconds, to say that one side was not heard: a phone takes a moment to begin.
const UNHEARD_MS: u64 = 2_000;

const COLUMNS: &str = "id, began, direction, from_number, from_text, from_name, from_extension, anonymous, to_number, to_text, \
     to_name, to_extension, did, source, trunk, customer, customer_name, responsible, emergency, answered, answered_by, \
     ended, ended_by, status, missed, talk_ms, sip_call_id, disposition, needs_disposition, \
     (SELECT count(*) FROM recording WHERE call = call.id AND mailbox IS NULL AND erased IS NULL) AS talks_recorded, \
     (SELECT count(*) FROM recording WHERE call = call.id AND mailbox IS NOT NULL AND erased IS NULL) AS messages_left";

impl Reader {
    /// The calls that the filter lets through, the newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn calls(&self, filter: &CallFilter) -> Result<Vec<CallRow>, StoreError> {
        let (condition, values) = filter.sql();
        let limit = if filter.limit == 0 { -1 } else { i64::try_from(filter.limit).unwrap_or(i64::MAX) };
        let sql = format!("SELECT {COLUMNS} FROM call WHERE {condition} ORDER BY id DESC LIMIT {limit}");
        let read = || -> rusqlite::Result<Vec<CallRow>> {
            self.connection.prepare(&sql)?.query_map(params_from_iter(values), call_row)?.collect()
        };
        read().map_err(self.failed("read the calls"))
    }

    /// A call's line of the list.
    pub(super) fn call_row(&self, id: CallId) -> rusqlite::Result<Option<CallRow>> {
        let sql = format!("SELECT {COLUMNS} FROM call WHERE id = ?1");
        self.connection.prepare_cached(&sql)?.query_row([to_column(id.to_bits())], call_row).optional()
    }

    /// One call in full; `None` where there is none of this id.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn call(&self, id: CallId) -> Result<Option<CallDetail>, StoreError> {
        let recordings = RecordingFilter { call: Some(id), gone: true, ..RecordingFilter::default() };
        let mut recordings = self.recordings(&recordings)?;
        recordings.reverse();
        let id = to_column(id.to_bits());
        let sql = format!("SELECT {COLUMNS} FROM call WHERE id = ?1");
        let read = || -> rusqlite::Result<Option<CallDetail>> {
            let Some(row) = self.connection.query_row(&sql, params![id], call_row).optional()? else {
                return Ok(None);
            };
            let mut detail = CallDetail::begun(row, recordings);
            let mut facts = self.connection.prepare("SELECT at, body FROM fact WHERE call = ?1 ORDER BY seq")?;
            let facts = facts.query_map(params![id], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
            let mut talkers = Talkers::default();
            for fact in facts {
                let (at, body) = fact?;
                match serde_json::from_str(&body) {
                    Ok(Fact::Call(_, step)) => {
                        talkers.fold(from_micros(at), &step, |leg| detail.who(leg));
                        detail.fold(from_micros(at), step);
                    }
                    Ok(Fact::Streamed { leg, streamed, .. }) => detail.hear(leg, streamed),
                    _ => {}
                }
            }
            detail.talkers = talkers.into_list();
            detail.find_unheard();
            Ok(Some(detail))
        };
        read().map_err(self.failed("read a call"))
    }
}

impl CallFilter {
    fn sql(&self) -> (String, Vec<Value>) {
        let mut conditions = vec!["TRUE"];
        let mut values = Vec::new();
        let mut also = |condition, with: &[Value]| {
            conditions.push(condition);
            values.extend_from_slice(with);
        };
        // Ids begin with the milliseconds, so the primary key finds the place; `began` then is exact.
        let id = |at, chance| to_column(CallId::new(at, chance).to_bits()).into();
        if let Some(from) = self.from {
            also("id >= ? AND began >= ?", &[id(from, 0), to_micros(from).into()]);
        }
        if let Some(to) = self.to {
            also("id <= ? AND began < ?", &[id(to, u64::MAX), to_micros(to).into()]);
        }
        if let Some(call) = self.id {
            also("id = ?", &[to_column(call.to_bits()).into()]);
        }
        if let Some(before) = self.before {
            also("id < ?", &[to_column(before.to_bits()).into()]);
        }
        // Who rang stands in the row when the call is over; until then the facts say it.
        let rung = |who: &str| -> [Value; 2] {
            let fact = serde_json::json!({ "extension": who }).to_string();
            [format!(",{who},").into(), fact[1..fact.len() - 1].to_owned().into()]
        };
        if let Some(user) = &self.user {
            let [row, fact] = rung(user);
            also(
                "(? IN (from_extension, to_extension, answered_by) OR instr(coalesce(rung, ''), ?) > 0
                  OR (ended IS NULL AND EXISTS (SELECT 1 FROM fact WHERE fact.call = call.id AND instr(body, ?) > 0)))",
                &[user.clone().into(), row, fact],
            );
        }
        if let Some(group) = &self.group {
            also("EXISTS (SELECT 1 FROM fact WHERE fact.call = call.id AND body GLOB ?)", &[names_group(group).into()]);
        }
        if let Some(of) = &self.of {
            let [row, fact] = rung(of);
            also(
                "(? IN (from_extension, to_extension, answered_by, responsible) OR instr(coalesce(rung, ''), ?) > 0
                  OR (ended IS NULL AND EXISTS (SELECT 1 FROM fact WHERE fact.call = call.id AND instr(body, ?) > 0)))",
                &[of.clone().into(), row, fact],
            );
        }
        if let Some(did) = &self.did {
            also("did = ?", &[did.clone().into()]);
        }
        match self.state {
            Some(CallState::Open) => also("ended IS NULL", &[]),
            Some(CallState::Answered) => also("ended IS NOT NULL AND answered IS NOT NULL", &[]),
            Some(CallState::Missed) => also("missed IS NOT NULL", &[]),
            Some(CallState::Unanswered) => also("ended IS NOT NULL AND answered IS NULL AND missed IS NULL", &[]),
            None => {}
        }
        match self.missed {
            Some(true) => also("missed IS NOT NULL", &[]),
            Some(false) => also("missed IS NULL", &[]),
            None => {}
        }
        match self.needs_disposition {
            Some(true) => also("needs_disposition", &[]),
            Some(false) => also("NOT needs_disposition", &[]),
            None => {}
        }
        if let Some(number) = self.number {
            also("? IN (from_number, to_number)", &[to_column(number.to_bits()).into()]);
        }
        if let Some(text) = &self.text {
            also("? IN (from_text, to_text)", &[text.clone().into()]);
        }
        (conditions.join(" AND "), values)
    }
}

/// What the facts of a call look like whose plan or reasons name this group, whole: `group:sales`, not `group:sales-2`.
fn names_group(group: &str) -> String {
    let json = serde_json::Value::from(group).to_string();
    let plain = |letter: char| match letter {
        '*' | '?' | '[' => format!("[{letter}]"),
        letter => letter.to_string(),
    };
    let name: String = json[1..json.len() - 1].chars().map(plain).collect();
    format!("*group:{name}[\",; \\]*")
}

fn call_row(row: &Row<'_>) -> rusqlite::Result<CallRow> {
    let number = |column: &str| -> rusqlite::Result<Option<PhoneNumber>> {
        Ok(row.get::<_, Option<i64>>(column)?.and_then(|bits| PhoneNumber::from_bits(from_column(bits))))
    };
    let moment = |column: &str| -> rusqlite::Result<Option<Timestamp>> {
        Ok(row.get::<_, Option<i64>>(column)?.map(from_micros))
    };
    let name = |column: &str| -> rusqlite::Result<Option<std::sync::Arc<str>>> {
        Ok(row.get::<_, Option<String>>(column)?.map(Into::into))
    };
    let from = Party {
        number: number("from_number")?,
        text: row.get::<_, Option<String>>("from_text")?.unwrap_or_default(),
        name: name("from_name")?,
        extension: name("from_extension")?,
        anonymous: row.get("anonymous")?,
    };
    let to = Party {
        number: number("to_number")?,
        text: row.get::<_, Option<String>>("to_text")?.unwrap_or_default(),
        name: name("to_name")?,
        extension: name("to_extension")?,
        anonymous: false,
    };
    let (answered, ended) = (moment("answered")?, moment("ended")?);
    let missed = word(row, "missed")?;
    let state = match (ended, answered, missed) {
        (None, ..) => CallState::Open,
        (_, _, Some(_)) => CallState::Missed,
        (_, Some(_), _) => CallState::Answered,
        _ => CallState::Unanswered,
    };
    let customer = match name("customer")? {
        Some(id) => {
            let shown = name("customer_name")?.unwrap_or_default();
            Some(KnownCustomer { id, name: shown, responsible: name("responsible")? })
        }
        None => None,
    };
    Ok(CallRow {
        id: CallId::from_bits(from_column(row.get("id")?)),
        began: from_micros(row.get("began")?),
        direction: word(row, "direction")?.unwrap_or(Direction::Inbound),
        state,
        from,
        to,
        did: row.get("did")?,
        source: row.get("source")?,
        trunk: row.get("trunk")?,
        customer,
        emergency: row.get("emergency")?,
        answered,
        answered_by: row.get("answered_by")?,
        ended,
        ended_by: word(row, "ended_by")?,
        status: row.get("status")?,
        missed,
        talk_ms: row.get::<_, Option<i64>>("talk_ms")?.map_or(0, from_column),
        talks_recorded: row.get("talks_recorded")?,
        messages_left: row.get("messages_left")?,
        disposition: row.get("disposition")?,
        needs_disposition: row.get("needs_disposition")?,
        sip_call_id: row.get("sip_call_id")?,
    })
}

fn word<W: Word>(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<W>> {
    Ok(row.get::<_, Option<String>>(column)?.as_deref().and_then(W::of))
}

impl CallDetail {
    fn begun(row: CallRow, recordings: Vec<RecordingRow>) -> CallDetail {
        CallDetail {
            row,
            considered: Vec::new(),
            because: Vec::new(),
            plan: String::new(),
            legs: Vec::new(),
            talkers: Vec::new(),
            turns: Vec::new(),
            streams: Vec::new(),
            merged_into: None,
            recordings,
            ladder: String::new(),
        }
    }

    /// The next step of the call's life.
    fn fold(&mut self, at: Timestamp, step: CallFact) {
        match step {
            CallFact::Offered(offered) => {
                self.considered = offered.considered;
                self.because = offered.because;
                self.plan = offered.plan;
            }
            CallFact::Rung(rung) => self.legs.extend(rung.into_iter().map(|rung| LegRow {
                leg: rung.leg,
                trunk: match &rung.whom {
                    Whom::Extension(_) => None,
                    Whom::Trunk { trunk, .. } => Some(trunk.to_string()),
                },
                whom: match rung.whom {
                    Whom::Extension(extension) => extension.to_string(),
                    Whom::Trunk { number, .. } => number.to_string(),
                },
                device: rung.device.to_string(),
                invited: at,
                ringing: None,
                answered: None,
                dropped: None,
                status: None,
            })),
            CallFact::Ringing { leg } => self.change(leg, |row| row.ringing = row.ringing.or(Some(at))),
            CallFact::Dropped { leg, status, .. } => self.change(leg, |row| {
                row.dropped = Some(at);
                row.status = Some(status);
            }),
            CallFact::Answered { leg, .. } => self.change(leg, |row| row.answered = Some(at)),
            CallFact::CallerAnswered { leg } => self.change(leg, |row| row.answered = Some(at)),
            CallFact::Transferred { by, to, attended, because } => {
                let mut reasons = vec![Reason::Transferred { by: self.who(by).into(), to, attended }];
                reasons.extend(because);
                self.turns.push(Turn { at, because: reasons });
            }
            CallFact::Returned { leg, status } => {
                let who = self.who(leg);
                self.turns.push(Turn { at, because: vec![Reason::Returned { to: who.as_str().into(), status }] });
            }
            CallFact::Merged { into } => self.merged_into = Some(into),
            CallFact::Turned { because } => self.turns.push(Turn { at, because }),
            CallFact::Traced { ladder, .. } => self.ladder = ladder,
            _ => {}
        }
    }

    fn hear(&mut self, leg: u16, streamed: Streamed) {
        let who = self.who(leg);
        self.streams.push(StreamRow { leg, who, streamed, unheard_ms: None });
        self.streams.sort_by_key(|row| row.leg);
    }

    /// Whoever talked and was not heard, while another one was.
    fn find_unheard(&mut self) {
        let talk_ms = self.row.talk_ms;
        let answered = |leg: u16| leg == 0 || self.legs.iter().any(|row| row.leg == leg && row.answered.is_some());
        let heard = self.streams.iter().any(|row| row.streamed.packets > 0);
        for row in self.streams.iter_mut().filter(|row| row.streamed.packets == 0 && answered(row.leg)) {
            row.unheard_ms = (heard && talk_ms >= UNHEARD_MS).then_some(talk_ms);
        }
    }

    /// Who is behind a leg: whom it rang, or the one who called.
    fn who(&self, leg: u16) -> String {
        let from = &self.row.from;
        let caller = || match (&from.extension, from.number) {
            (Some(extension), _) => extension.to_string(),
            (None, Some(number)) => number.to_string(),
            (None, None) => from.text.clone(),
        };
        self.legs.iter().find(|row| row.leg == leg).map_or_else(caller, |row| row.whom.clone())
    }

    fn change(&mut self, leg: u16, change: impl FnOnce(&mut LegRow)) {
        if let Some(row) = self.legs.iter_mut().find(|row| row.leg == leg) {
            change(row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;
    use crate::fact::{Ended, Offered, Rung};
    use crate::route::Failed;

    #[test]
    fn a_call_says_how_well_each_was_heard_and_who_was_not() {
        let folder = Folder::new();
        let streamed = Streamed { packets: 4_500, forwarded: 4_490, lost: 12, jitter_us: 3_100, foreign: 0 };
        let mut facts = ordinary(call(0), 0);
        facts.push((95, Fact::Streamed { call: call(0), leg: 2, streamed: Streamed::default() }));
        facts.push((95, Fact::Streamed { call: call(0), leg: 0, streamed }));
        folder.writer().append(&numbered(1, facts)).unwrap();
        let detail = Reader::open(&folder.0).unwrap().call(call(0)).unwrap().unwrap();
        let row = |leg, who: &str, streamed, unheard_ms| StreamRow { leg, who: who.into(), streamed, unheard_ms };
        let caller = detail.row.from.number.unwrap().to_string();
        assert_eq!(detail.streams, [row(0, &caller, streamed, None), row(2, "15", Streamed::default(), Some(90_000))]);
    }

    #[test]
    fn a_call_in_full_tells_who_rang_who_talked_and_why() {
        let folder = Folder::new();
        folder.writer().append(&numbered(1, ordinary(call(0), 0))).unwrap();
        let detail = Reader::open(&folder.0).unwrap().call(call(0)).unwrap().unwrap();
        let offered = offered();
        assert_eq!(
            detail,
            CallDetail {
                row: CallRow {
                    id: call(0),
                    began: at(0),
                    direction: Direction::Inbound,
                    state: CallState::Answered,
                    from: offered.from,
                    to: offered.to,
                    did: Some("+493012340".into()),
                    source: Some("site".into()),
                    trunk: Some("provider".into()),
                    customer: offered.customer,
                    emergency: false,
                    answered: Some(at(4)),
                    answered_by: Some("15".into()),
                    ended: Some(at(94)),
                    ended_by: Some(EndedBy::Caller),
                    status: Some(200),
                    missed: None,
                    talk_ms: 90_000,
                    talks_recorded: 0,
                    messages_left: 0,
                    disposition: None,
                    needs_disposition: false,
                    sip_call_id: offered.sip_call_id,
                },
                considered: offered.considered,
                because: offered.because,
                plan: "ring 14, 15".into(),
                legs: vec![
                    LegRow {
                        leg: 1,
                        whom: "14".into(),
                        trunk: None,
                        device: "sip:14@192.168.0.9".into(),
                        invited: at(0),
                        ringing: Some(at(1)),
                        answered: None,
                        dropped: Some(at(4)),
                        status: Some(487),
                    },
                    LegRow {
                        leg: 2,
                        whom: "15".into(),
                        trunk: None,
                        device: "sip:15@192.168.0.9".into(),
                        invited: at(0),
                        ringing: None,
                        answered: Some(at(4)),
                        dropped: None,
                        status: None,
                    },
                ],
                talkers: vec![Talker { who: "15".into(), from: at(4), until: Some(at(94)) }],
                streams: Vec::new(),
                turns: vec![Turn {
                    at: at(0),
                    because: vec![Reason::Is("12".into(), Failed::Busy), Reason::FallsTo("group:sales".into())],
                }],
                merged_into: None,
                recordings: Vec::new(),
                ladder: "provider -> us   INVITE".into(),
            }
        );
    }

    #[test]
    fn a_second_answer_ends_the_first_ones_talk() {
        let folder = Folder::new();
        let mut facts = ordinary(call(0), 0);
        facts.insert(6, (30, step(call(0), CallFact::Rung(vec![Rung { leg: 3, ..rung(3, "200") }]))));
        facts.insert(7, (40, step(call(0), CallFact::Answered { leg: 3, human: true })));
        folder.writer().append(&numbered(1, facts)).unwrap();
        let detail = Reader::open(&folder.0).unwrap().call(call(0)).unwrap().unwrap();
        let talked = |who: &str, from, until| Talker { who: who.into(), from: at(from), until: Some(at(until)) };
        assert_eq!(detail.talkers, [talked("15", 4, 40), talked("200", 40, 94)]);
        assert_eq!(detail.row.answered_by.as_deref(), Some("15"));
    }

    #[test]
    fn a_transfer_ends_the_talk_of_who_asked_for_it_and_of_nobody_else() {
        let handed_on = |by| CallFact::Transferred { by, to: "14".into(), attended: false, because: Vec::new() };
        let talkers = |by: u16, change: fn(&mut Offered)| {
            let folder = Folder::new();
            let mut facts = ordinary(call(0), 0);
            let mut offered = offered();
            change(&mut offered);
            facts[0].1 = step(call(0), CallFact::Offered(Box::new(offered)));
            let transfer = [
                (30, handed_on(by)),
                (30, CallFact::Rung(vec![rung(3, "14")])),
                (40, CallFact::Answered { leg: 3, human: true }),
            ];
            facts.splice(6..6, transfer.map(|(at, fact)| (at, step(call(0), fact))));
            folder.writer().append(&numbered(1, facts)).unwrap();
            Reader::open(&folder.0).unwrap().call(call(0)).unwrap().unwrap().talkers
        };
        let talked = |who: &str, from, until| Talker { who: who.into(), from: at(from), until: Some(at(until)) };
        assert_eq!(talkers(2, |_| {}), [talked("15", 4, 30), talked("14", 40, 94)], "the caller is handed on");
        let colleague = |offered: &mut Offered| offered.from.extension = Some("12".into());
        assert_eq!(talkers(0, colleague), [talked("15", 4, 94), talked("12", 4, 30), talked("14", 40, 94)]);
    }

    /// Four calls: answered, missed, outbound without an answer, and one that is still open.
    fn four(folder: &Folder) {
        let missed = Ended { by: EndedBy::Caller, status: 487, missed: Some(MissedCause::Abandoned), talk_ms: 0 };
        let quiet = Ended { missed: None, ..missed };
        let mut stranger = offered();
        stranger.from = Party { text: "Skype".into(), ..Party::default() };
        stranger.did = Some("+493012341".into());
        let mut outbound = offered();
        outbound.direction = Direction::Outbound;
        outbound.from = Party { extension: Some("203".into()), ..Party::default() };
        outbound.did = None;
        let mut facts = ordinary(call(0), 0);
        facts.extend([
            (100, step(call(100), CallFact::Offered(Box::new(stranger)))),
            (100, step(call(100), CallFact::Rung(vec![rung(1, "12"), rung(2, "120")]))),
            (109, step(call(100), CallFact::Ended(missed))),
            (200, step(call(200), CallFact::Offered(Box::new(outbound)))),
            (209, step(call(200), CallFact::Ended(quiet))),
            (300, step(call(300), CallFact::Offered(Box::new(offered())))),
            (301, step(call(300), CallFact::Rung(vec![rung(1, "17")]))),
        ]);
        folder.writer().append(&numbered(1, facts)).unwrap();
    }

    #[test]
    fn each_filter_lets_through_what_it_names_and_nothing_else() {
        let folder = Folder::new();
        four(&folder);
        let reader = Reader::open(&folder.0).unwrap();
        let all = CallFilter::default;
        let cases: Vec<(CallFilter, &[i64])> = vec![
            (all(), &[300, 200, 100, 0]),
            (CallFilter { limit: 2, ..all() }, &[300, 200]),
            (CallFilter { before: Some(call(200)), ..all() }, &[100, 0]),
            (CallFilter { from: Some(at(100)), to: Some(at(300)), ..all() }, &[200, 100]),
            (CallFilter { state: Some(CallState::Open), ..all() }, &[300]),
            (CallFilter { state: Some(CallState::Answered), ..all() }, &[0]),
            (CallFilter { state: Some(CallState::Missed), ..all() }, &[100]),
            (CallFilter { state: Some(CallState::Unanswered), ..all() }, &[200]),
            (CallFilter { missed: Some(true), ..all() }, &[100]),
            (CallFilter { missed: Some(false), ..all() }, &[300, 200, 0]),
            (CallFilter { did: Some("+493012341".into()), ..all() }, &[100]),
            (CallFilter { number: Some("+491701112233".parse().unwrap()), ..all() }, &[300, 0]),
            (CallFilter { text: Some("Skype".into()), ..all() }, &[100]),
            (CallFilter { id: Some(call(200)), ..all() }, &[200]),
            (CallFilter { group: Some("sales".into()), ..all() }, &[0]),
            (CallFilter { group: Some("sale".into()), ..all() }, &[]),
            (CallFilter { group: Some("*".into()), ..all() }, &[]),
            (CallFilter { of: Some("203".into()), ..all() }, &[200]),
            (CallFilter { of: Some("120".into()), ..all() }, &[100]),
            (CallFilter { of: Some("17".into()), ..all() }, &[300]),
            (CallFilter { user: Some("17".into()), ..all() }, &[300]),
            (CallFilter { user: Some("203".into()), ..all() }, &[200]),
            (CallFilter { user: Some("14".into()), ..all() }, &[0]),
            (CallFilter { user: Some("12".into()), ..all() }, &[100]),
            (CallFilter { user: Some("2".into()), ..all() }, &[]),
            (CallFilter { user: Some("12".into()), missed: Some(false), ..all() }, &[]),
        ];
        for (filter, expected) in cases {
            let ids: Vec<_> = reader.calls(&filter).unwrap().iter().map(|row| row.id).collect();
            assert_eq!(ids, expected.iter().map(|at| call(*at)).collect::<Vec<_>>(), "{filter:?}");
        }
        assert_eq!(reader.call(call(1)).unwrap(), None);
    }

    #[test]
    fn without_a_database_the_message_says_how_to_get_one() {
        let folder = Folder::new();
        let error = Reader::open(&folder.0).unwrap_err().to_string();
        let path = folder.0.join(super::super::FILE);
        assert_eq!(
            error,
            format!(
                "{}: could not open the database: there is none yet; `huntline serve` makes it, or storage.directory \
                 names another folder",
                path.display()
            )
        );
    }
}
