//! The board: every call in progress as it stands at this moment, and whoever watches.
//!
//! It hears facts from the loop as they happen, because a window on a screen must not come after the phone's ring, and
//! hears once more what is on the disk, with what the desk has made of it. It has a thread of its own: the loop hands
//! facts over and goes on.
//!
//! ```text
//!  loop ── facts ────────────► fold ─► what a fact says: to everybody who watches, at once
//!  journal ── events on disk ───────► what the desk says; and who came in between is told what they have missed
//! ```
//!
//! # Where somebody goes on who was away
//! What is told at once may be ahead of the disk, and what the desk says comes behind it; so the name of the last event is no
//! place to go on from. Each event is sent with a cursor: up to there everything is on the disk and was sent. Whoever goes
//! on from their last cursor gets what comes after it from the database, and loses nothing. Some they get twice, under
//! the same id.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::event::gallery::{Gallery, visible};
use crate::event::{Audience, Event, EventId, EventKind};
use crate::fact::Noted;
use crate::key::CallId;
use crate::outbox::Current;

/// How many may watch at once.
pub const WATCHERS: usize = 256;
/// How far a watcher may fall behind before it is cut off; it goes on from its cursor.
const BEHIND: usize = 1_024;
/// So many events that were told and are not on the disk yet are remembered. Beyond that, on a disk that has failed for
/// long, some are told twice.
const AHEAD: usize = 65_536;

/// What a watcher wants to see. Everything that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// It may see only what this employee may.
    pub user: Option<Arc<str>>,
    /// It wants only what concerns this employee.
    pub about: Option<Arc<str>>,
    /// It wants these kinds; empty: all.
    pub kinds: Vec<EventKind>,
}

impl Wish {
    /// True for what is to be shown.
    pub fn has(&self, kind: EventKind, audience: &Audience) -> bool {
        let sees = |user: &Option<Arc<str>>| user.as_ref().is_none_or(|user| audience.has(user));
        (self.kinds.is_empty() || self.kinds.contains(&kind)) && sees(&self.user) && sees(&self.about)
    }
}

/// An event on its way to a watcher.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Where to go on from after this one.
    pub cursor: EventId,
    /// What kind.
    pub kind: EventKind,
    /// The envelope, as JSON.
    pub envelope: Arc<str>,
}

/// Somebody's place before the board. Dropped, it is free.
#[derive(Debug)]
pub struct Watch {
    /// Up to here events are on the disk; what comes later is heard through `shown`.
    pub journaled: EventId,
    /// What happens from now on. It ends where the watcher fell too far behind.
    pub shown: tokio::sync::mpsc::Receiver<Shown>,
}

/// Nobody more may watch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Crowded;

/// The board. Clones are the same one.
#[derive(Clone)]
pub struct Board {
    news: Sender<News>,
    wall: Arc<Mutex<Wall>>,
}

impl std::fmt::Debug for Board {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Board").finish_non_exhaustive()
    }
}

/// What the board's thread hears.
enum News {
    /// It happened.
    Facts(Vec<Noted>),
    /// These events are on the disk, in order.
    OnRecord(Vec<Event>),
}

/// What hangs on it.
#[derive(Default)]
struct Wall {
    gallery: Gallery,
    /// Fact number n is `base + n` in the journal.
    base: i64,
    journaled: EventId,
    /// What was told at once and is not on the disk yet, each with its place among all that was told at once.
    ahead: VecDeque<(EventId, u64)>,
    /// How many were told at once.
    told: u64,
    watchers: Vec<Watcher>,
}

struct Watcher {
    wish: Wish,
    /// How many had been told at once when they came.
    came: u64,
    sender: tokio::sync::mpsc::Sender<Shown>,
}

impl Board {
    /// An empty board with a thread of its own, which ends with the last clone. Fact number n of this process will be
    /// `base + n` in the journal.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(base: i64, current: Current) -> std::io::Result<Board> {
        let wall = Wall { base, journaled: EventId::after(base), ..Wall::default() };
        let (news, heard) = channel();
        let board = Board { news, wall: Arc::new(Mutex::new(wall)) };
        let wall = board.wall.clone();
        std::thread::Builder::new().name("board".into()).spawn(move || run(&heard, &wall, &current))?;
        Ok(board)
    }

    /// Hears facts as they happen, in order; never waits.
    pub fn happens(&self, facts: &[Noted]) {
        let seen = |noted: &Noted| Some(Noted { number: noted.number, at: noted.at, fact: visible(&noted.fact)? });
        let facts: Vec<_> = facts.iter().filter_map(seen).collect();
        if !facts.is_empty() {
            // The thread lives as long as this does.
            _ = self.news.send(News::Facts(facts));
        }
    }

    /// Hears which events are on the disk, in order.
    pub fn on_record(&self, events: Vec<Event>) {
        _ = self.news.send(News::OnRecord(events));
    }

    /// From now on somebody watches.
    ///
    /// # Errors
    /// [`WATCHERS`] do already.
    pub fn watch(&self, wish: Wish) -> Result<Watch, Crowded> {
        let mut wall = self.lock();
        wall.watchers.retain(|watcher| !watcher.sender.is_closed());
        if wall.watchers.len() >= WATCHERS {
            return Err(Crowded);
        }
        let (sender, shown) = tokio::sync::mpsc::channel(BEHIND);
        let came = wall.told;
        wall.watchers.push(Watcher { wish, came, sender });
        Ok(Watch { journaled: wall.journaled, shown })
    }

    /// Up to here events are on the disk.
    pub fn journaled(&self) -> EventId {
        self.lock().journaled
    }

    /// The calls in progress that this employee (`None`: anybody) may see, the oldest first, as events show them.
    pub fn live(&self, user: Option<&str>) -> Vec<Value> {
        let wall = self.lock();
        let seen =
            wall.gallery.live().into_iter().filter(|picture| user.is_none_or(|user| picture.audience().has(user)));
        seen.map(|picture| picture.to_value()).collect()
    }

    /// A call in progress as events show it; `None` where there is none of this id.
    pub fn call(&self, id: CallId) -> Option<Value> {
        let wall = self.lock();
        let call = wall.gallery.live().into_iter().find(|picture| picture.id() == id);
        call.map(|picture| picture.to_value())
    }

    fn lock(&self) -> MutexGuard<'_, Wall> {
        lock(&self.wall)
    }
}

fn lock(wall: &Mutex<Wall>) -> MutexGuard<'_, Wall> {
    wall.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(heard: &Receiver<News>, wall: &Mutex<Wall>, current: &Current) {
    while let Ok(news) = heard.recv() {
        let mut wall = lock(wall);
        match news {
            News::Facts(facts) => facts.into_iter().for_each(|noted| wall.tell(&noted, current)),
            News::OnRecord(events) => wall.confirm(events),
        }
    }
}

impl Wall {
    /// What a fact says, to whoever watches.
    fn tell(&mut self, noted: &Noted, current: &Current) {
        let seq = self.base.saturating_add(i64::try_from(noted.number).unwrap_or(i64::MAX));
        let told = self.gallery.follow(noted.at, &noted.fact, || current());
        if self.watchers.is_empty() {
            return;
        }
        for (part, told) in (0..EventId::DESK).zip(told) {
            let id = EventId { seq, part };
            let event = Event { id, at: noted.at, call: self.gallery.show(told.call), told };
            self.told += 1;
            self.ahead.push_back((id, self.told));
            if self.ahead.len() > AHEAD {
                self.ahead.pop_front();
            }
            self.show(&event, self.journaled, |_| true);
        }
    }

    /// These are on the disk: whoever has not heard them does now, and may go on from here.
    fn confirm(&mut self, events: Vec<Event>) {
        let Some(last) = events.last().map(|event| event.id.seq) else { return };
        let before = self.journaled;
        for (left, event) in (0..events.len()).rev().zip(&events) {
            while self.ahead.front().is_some_and(|(id, _)| *id < event.id) {
                self.ahead.pop_front();
            }
            let told = self.ahead.front().filter(|(id, _)| *id == event.id).map(|(_, place)| *place);
            // Only after the last of them everything up to there was sent.
            let cursor = if left == 0 { EventId::after(last) } else { before };
            self.show(event, cursor, |came| told.is_none_or(|place| came >= place));
        }
        self.ahead.retain(|(id, _)| id.seq > last);
        self.journaled = EventId::after(last);
    }

    fn show(&mut self, event: &Event, cursor: EventId, whom: impl Fn(u64) -> bool) {
        let mut envelope: Option<Arc<str>> = None;
        let (kind, audience) = (event.told.kind, &event.told.audience);
        self.watchers.retain(|watcher| {
            if !whom(watcher.came) || !watcher.wish.has(kind, audience) {
                return true;
            }
            let envelope = envelope.get_or_insert_with(|| event.to_text().into()).clone();
            // One that is too slow, or gone, is let go.
            watcher.sender.try_send(Shown { cursor, kind, envelope }).is_ok()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Told;
    use crate::store::fixture::{call, numbered, ordinary};

    fn board() -> Board {
        Board::start(100, Arc::new(|| None)).unwrap()
    }

    /// What comes next; the board has a thread of its own.
    fn next(watch: &mut Watch) -> (String, String, String) {
        let shown = watch.shown.blocking_recv().unwrap();
        let envelope: Value = serde_json::from_str(&shown.envelope).unwrap();
        let text = |key: &str| envelope[key].as_str().unwrap().to_owned();
        (text("id"), text("type"), shown.cursor.to_string())
    }

    fn shown(id: &str, kind: &str, cursor: &str) -> (String, String, String) {
        (id.into(), kind.into(), cursor.into())
    }

    fn written(seq: i64, part: u16, kind: EventKind, users: &[&str]) -> Event {
        let audience = Audience::Users(users.iter().map(|user| (*user).into()).collect());
        let told = Told { kind, call: None, audience, data: Value::Null };
        Event { id: EventId { seq, part }, at: crate::store::fixture::at(0), told, call: Value::Null }
    }

    #[test]
    fn facts_are_told_at_once_and_the_cursor_follows_the_disk() {
        let board = board();
        let mut watch = board.watch(Wish::default()).unwrap();
        assert_eq!(watch.journaled, EventId::after(100));
        let facts = numbered(1, ordinary(call(0), 0));
        board.happens(&facts[..3]);
        assert_eq!(next(&mut watch), shown("101-0", "call.started", "100-65535"));
        assert_eq!(next(&mut watch), shown("103-0", "call.ringing", "100-65535"));
        let kinds = EventKind::CallStarted;
        board.on_record(vec![written(101, 0, kinds, &[]), written(101, 16, EventKind::ContactCreated, &[])]);
        // Told already: only what the desk says is new.
        assert_eq!(next(&mut watch), shown("101-16", "contact.created", "101-65535"));
        board.happens(&facts[3..5]);
        assert_eq!(next(&mut watch), shown("105-0", "call.answered", "101-65535"));
        assert_eq!(next(&mut watch), shown("105-1", "call.ringing", "101-65535"));
        assert_eq!(board.live(None).len(), 1);
        assert_eq!((board.live(Some("12")).len(), board.live(Some("13")).len()), (1, 0));
        assert_eq!(board.call(call(0)).unwrap()["state"], "talking");
    }

    #[test]
    fn who_comes_before_the_disk_has_it_hears_it_then_and_nobody_else_twice() {
        let board = board();
        let mut early = board.watch(Wish::default()).unwrap();
        board.happens(&numbered(1, ordinary(call(0), 0))[..3]);
        next(&mut early);
        next(&mut early);
        let mut late = board.watch(Wish::default()).unwrap();
        board.on_record(vec![
            written(101, 0, EventKind::CallStarted, &[]),
            written(103, 0, EventKind::CallRinging, &[]),
            written(103, 16, EventKind::SmsSent, &[]),
        ]);
        assert_eq!(next(&mut late), shown("101-0", "call.started", "100-65535"));
        assert_eq!(next(&mut late), shown("103-0", "call.ringing", "100-65535"));
        assert_eq!(next(&mut late), shown("103-16", "sms.sent", "103-65535"));
        assert_eq!(next(&mut early), shown("103-16", "sms.sent", "103-65535"));
        assert_eq!(board.watch(Wish::default()).unwrap().journaled, EventId::after(103));
    }

    #[test]
    fn each_sees_what_is_theirs_and_what_they_asked_for() {
        let board = board();
        let only = |user: &str| Wish { user: Some(user.into()), ..Wish::default() };
        let mut theirs = board.watch(only("12")).unwrap();
        let mut ended = board.watch(Wish { kinds: vec![EventKind::CallEnded], ..Wish::default() }).unwrap();
        let events = vec![
            written(101, 0, EventKind::CallStarted, &["14"]),
            written(102, 0, EventKind::CallAnswered, &["12", "14"]),
            written(103, 0, EventKind::CallEnded, &["14"]),
            written(104, 0, EventKind::CallEnded, &["12"]),
        ];
        board.on_record(events);
        assert_eq!(next(&mut theirs), shown("102-0", "call.answered", "100-65535"));
        assert_eq!(next(&mut theirs), shown("104-0", "call.ended", "104-65535"));
        assert_eq!(next(&mut ended).0, "103-0");
    }

    #[test]
    fn who_falls_too_far_behind_is_cut_off_and_the_others_are_not() {
        let board = board();
        let mut slow = board.watch(Wish::default()).unwrap();
        let mut other = board.watch(Wish { kinds: vec![EventKind::CallEnded], ..Wish::default() }).unwrap();
        for seq in 101..=1_300 {
            board.on_record(vec![written(seq, 0, EventKind::CallStarted, &[])]);
        }
        board.on_record(vec![written(1_301, 0, EventKind::CallEnded, &[])]);
        assert_eq!(next(&mut other).0, "1301-0");
        let mut seen = 0;
        while let Some(shown) = slow.shown.blocking_recv() {
            seen += 1;
            assert_eq!(shown.cursor, EventId::after(100 + seen), "nothing is left out before the end");
        }
        assert_eq!(seen, 1_024);
    }

    #[test]
    fn the_board_has_room_for_so_many_and_one_who_leaves_makes_room() {
        let board = board();
        let mut watches: Vec<_> = (0..WATCHERS).map(|_| board.watch(Wish::default()).unwrap()).collect();
        assert_eq!(board.watch(Wish::default()).unwrap_err(), Crowded);
        watches.pop();
        assert!(board.watch(Wish::default()).is_ok());
    }
}
