//! What strangers may do at a public address: so many requests in a second, so many failures, and then nothing for a while.
//!
//! Who is no trunk, has no phone registered and is not trusted ([`Standing::Stranger`]) has a bucket of tokens for each of
//! its addresses, and all strangers together have one. What is over it is dropped without an answer and without a trace in
//! memory. Who fails too often is banned, at first for ten minutes, then four times as long each time.
//!
//! ```text
//!              failure, failure, …                       its time is over, or an admin says so
//!   (nobody) ────────────────────▶ counted ─▶ banned ────────────────────────────────────────▶ remembered ─▶ (nobody)
//!      ▲            proves who it is   │         ▲            too many failures again, ×4           │
//!      └───────────────────────────────┘         └──────────────────────────────────────────────────┘
//! ```
//!
//! - A trunk is never banned, nor is an address at which a phone is registered: one phone with an old password must not
//!   silence the office around it. There the account at that address is slowed down: one try in five seconds. The same
//!   holds for a day after the last of its phones has gone.
//! - An account on which strangers have failed three times as often as one source may is closed to strangers, however many
//!   addresses they have; phones that are registered go on. That ban does not grow, or anybody could keep an employee out.
//! - Names that do not exist are counted and banned like those that do, so that nothing tells them apart.
//! - Proving who it is takes failures back, but no ban: a banned source is not listened to.
//!
//! Everything has a bound: 65,536 sources, as many accounts tried, 4,096 bans, four lines of log and one fact in a second.

mod bans;
mod bucket;
mod rows;
#[cfg(test)]
mod tests;
mod words;

use std::hash::BuildHasher;
use std::net::IpAddr;

use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};

use self::bans::Bans;
use self::bucket::Bucket;
use self::rows::{Row, Rows};
use self::words::short;
pub use self::words::{Ban, Offence, Outcast, Source, Suspicion};
use crate::clock::{Duration, Instant, Now, Timestamp};
use crate::config::Guard as Rules;

/// How many sources are remembered, and how many accounts that somebody failed on.
pub const MOST_SOURCES: usize = 65_536;
/// Behind the NAT of a phone of ours there may be a house full of others that have not registered yet.
const NEIGHBOURS: u32 = 10;
/// How long an address is at home after its last phone has gone.
const HOME: Duration = Duration::from_secs(24 * 3_600);
/// How often a slowed account may try.
const SLOW: Duration = Duration::from_secs(5);
/// How many times as many failures close an account as ban a source.
const PER_ACCOUNT: u16 = 3;
/// Calls without a password before the log names them: a phone's own first one is no news.
const CALLS_UNNAMED: u16 = 3;
/// Each further ban lasts so many times as long.
const GROWTH: u32 = 4;
/// After so many dropped requests of one source the log names it, and then after ten times as many.
const FLOOD: u32 = 1_000;
/// Lines of log in a second, for failures and for bans each, and how many at once.
const LINES: (u32, u32) = (2, 50);
/// How often the log says that lines were left out.
const CONFESSION: Duration = Duration::from_secs(60);
/// Bans in a second that become facts, and how many at once; the others do not outlive the process.
const FACTS: (u32, u32) = (1, 60);

/// What somebody is before they have proved anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// A trunk, a phone at the very address at which it is registered, a device of ours, or somebody trusted.
    Known,
    /// At an address at which a phone of ours is registered, but on another port: behind the same NAT.
    Neighbour,
    /// Anybody.
    Stranger,
}

/// What happened at the door since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Requests of strangers that were taken up, those of neighbours included.
    pub heard: u64,
    /// Dropped: more than one source may send.
    pub over_limit: u64,
    /// Dropped: more than all strangers together may send.
    pub over_all: u64,
    /// Dropped: banned.
    pub banned: u64,
    /// Of all that was dropped: before it was even read.
    pub unread: u64,
    /// Wrong passwords, unknown users, forged digests, calls without a password.
    pub failures: u64,
    /// Dropped: tries on accounts that are slowed down or closed to strangers.
    pub slowed: u64,
    /// Bans that were made.
    pub bans: u64,
    /// Bans in force now.
    pub bans_now: u64,
    /// Sources that are remembered now.
    pub sources: u64,
    /// Sources that had to give way to others in the table.
    pub replaced: u64,
    /// Lines of log that were not written, because there were too many.
    pub lines_left_out: u64,
}

/// What the guard has to say of what it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// For the log.
    Line(Suspicion),
    /// A ban that is to outlive the process.
    Banned(Ban),
    /// A ban that was remembered is not any more.
    Unbanned(Outcast),
}

/// Knows who came how often and failed how often, and keeps some out.
#[derive(Debug)]
pub struct Guard {
    rules: Rules,
    sources: Rows<Source, Stranger>,
    /// Accounts that somebody failed on: by the account and, at addresses of ours, by the address as well.
    tries: Rows<u64, Tries>,
    names: RandomState,
    bans: Bans,
    all: Option<Bucket>,
    failure_lines: Option<Bucket>,
    ban_lines: Option<Bucket>,
    facts: Option<Bucket>,
    /// Lines left out since the log last said so.
    left_out: u64,
    left_out_said: Option<Instant>,
    counts: Counts,
    news: Vec<News>,
}

/// A source that asked for something.
#[derive(Clone, Copy, Debug)]
struct Stranger {
    bucket: Bucket,
    failures: Failures,
    dropped: u32,
    named_at: u32,
    /// When somebody has proved there who it is.
    proved: Option<Instant>,
}

/// Failures within a while.
#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u16,
    since: Instant,
}

/// Somebody fails on an account.
#[derive(Clone, Copy, Debug)]
struct Tries {
    failures: Failures,
    /// Until then one try in five seconds is enough.
    slowed_until: Instant,
    last: Instant,
}

impl Row for Stranger {
    fn weight(&self) -> (bool, Instant) {
        (self.failures.count > 0 || self.proved.is_some(), self.bucket.used())
    }
}

impl Row for Tries {
    fn weight(&self) -> (bool, Instant) {
        (self.slowed_until > self.last, self.last)
    }
}

impl Failures {
    fn none(now: Instant) -> Failures {
        Failures { count: 0, since: now }
    }

    /// One more; how many there are within this time.
    fn add(&mut self, within: Duration, now: Instant) -> u16 {
        if now.since(self.since) > within {
            *self = Failures::none(now);
        }
        self.count = self.count.saturating_add(1);
        self.count
    }
}

impl Guard {
    /// Nobody has come yet.
    pub fn new(rules: &Rules) -> Guard {
        Guard {
            rules: rules.clone(),
            sources: Rows::new(MOST_SOURCES),
            tries: Rows::new(MOST_SOURCES),
            names: RandomState::default(),
            bans: Bans::default(),
            all: None,
            failure_lines: None,
            ban_lines: None,
            facts: None,
            left_out: 0,
            left_out_said: None,
            counts: Counts::default(),
            news: Vec::new(),
        }
    }

    /// Follows a config. Bans in force stay as they are.
    pub fn configure(&mut self, rules: &Rules) {
        self.rules = rules.clone();
    }

    /// What happened so far, and what there is now.
    pub fn counts(&self, now: Instant) -> Counts {
        Counts {
            bans_now: self.bans.in_force(now).count() as u64,
            sources: self.sources.len() as u64,
            replaced: self.sources.replaced,
            ..self.counts
        }
    }

    /// What there is to say since the last time.
    pub fn news(&mut self) -> impl Iterator<Item = News> + use<> {
        std::mem::take(&mut self.news).into_iter()
    }
}

/// Who is heard.
impl Guard {
    /// True where this source is banned. Only a stranger is kept out by it.
    pub fn is_banned(&self, source: Source, now: Instant) -> bool {
        self.bans.is_source_banned(source, now)
    }

    /// True where a stranger from there would not be heard now: its bucket is empty, or it is banned. Costs next to nothing
    /// for everybody of whom the guard has never heard, which is who it knows.
    pub fn is_deaf_to(&mut self, source: Source, now: Instant) -> bool {
        if self.bans.is_source_banned(source, now) {
            return true;
        }
        let rate = self.rules.requests;
        self.sources.get_mut(&source).is_some_and(|stranger| stranger.bucket.is_empty(rate, now))
    }

    /// A request came of somebody who is not [`Standing::Known`]: true where it may be looked at. At most one answer follows.
    pub fn hears(&mut self, from: IpAddr, standing: Standing, now: Instant) -> bool {
        let source = Source::of(from);
        if standing == Standing::Stranger && self.bans.is_source_banned(source, now) {
            self.counts.banned += 1;
            return false;
        }
        let factor = if standing == Standing::Neighbour { NEIGHBOURS } else { 1 };
        let (rate, burst) = (self.rules.requests * factor, self.rules.burst * factor);
        if !self.stranger(source, burst, now).bucket.take(rate, burst, now) {
            self.counts.over_limit += 1;
            self.drops(from, now);
            return false;
        }
        let (rate, burst) = (self.rules.all, self.rules.all.saturating_mul(2));
        let all = self.all.get_or_insert_with(|| Bucket::full(burst, now));
        if standing == Standing::Stranger && !all.take(rate, burst, now) {
            self.counts.over_all += 1;
            return false;
        }
        self.counts.heard += 1;
        true
    }

    /// A datagram of a stranger was dropped before it was read.
    pub fn dropped_unread(&mut self, from: IpAddr, now: Instant) {
        self.counts.unread += 1;
        if self.bans.is_source_banned(Source::of(from), now) {
            self.counts.banned += 1;
        } else {
            self.counts.over_limit += 1;
            self.drops(from, now);
        }
    }

    /// True where it matters whose name somebody shows: see [`Guard::may_try`].
    pub fn minds_accounts(&self) -> bool {
        !self.tries.is_empty() || self.bans.has_accounts()
    }

    /// Somebody shows this user name: true where the digest may be looked at. Asked before anything else is, so that a name
    /// that does not exist is treated like one that does.
    pub fn may_try(&mut self, from: IpAddr, standing: Standing, account: &str, now: Instant) -> bool {
        let may = match standing {
            Standing::Stranger if self.bans.is_account_banned(&short(account), now) => false,
            _ => {
                let key = self.name(Some(Source::of(from)), account);
                self.tries.get_mut(&key).is_none_or(|tries| {
                    let may = now >= tries.slowed_until || now.since(tries.last) >= SLOW;
                    if may {
                        tries.last = now;
                    }
                    may
                })
            }
        };
        self.counts.slowed += u64::from(!may);
        may
    }

    fn stranger(&mut self, source: Source, burst: u32, now: Instant) -> &mut Stranger {
        self.sources.enter(source, || Stranger {
            bucket: Bucket::full(burst, now),
            failures: Failures::none(now),
            dropped: 0,
            named_at: FLOOD,
            proved: None,
        })
    }

    fn drops(&mut self, from: IpAddr, now: Instant) {
        let Some(stranger) = self.sources.get_mut(&Source::of(from)) else { return };
        stranger.dropped = stranger.dropped.saturating_add(1);
        if stranger.dropped == stranger.named_at {
            let dropped = stranger.dropped;
            stranger.named_at = stranger.named_at.saturating_mul(10);
            self.say(Suspicion::Flood { from, dropped }, now);
        }
    }

    fn name(&self, source: Option<Source>, account: &str) -> u64 {
        self.names.hash_one((source, account))
    }
}

/// Who fails, and who does not.
impl Guard {
    /// Somebody did something wrong. `account` is the user name that was shown, existing or not.
    pub fn failed(&mut self, from: IpAddr, standing: Standing, account: Option<&str>, why: Offence, now: Now) {
        let at_home = standing != Standing::Stranger || self.was_at_home(from, now.mono);
        match (at_home, account) {
            (false, account) => self.stranger_failed(from, account, why, now),
            (_, Some(account)) => self.failed_at_home(from, account, why, now.mono),
            // Beside a phone of ours others call before they are asked for their password, as phones do.
            (_, None) => return,
        }
        self.counts.failures += 1;
    }

    /// Somebody has proved to be this account: what went wrong there before is forgiven.
    pub fn proved(&mut self, from: IpAddr, account: &str, now: Instant) {
        let source = Source::of(from);
        if let Some(stranger) = self.sources.get_mut(&source) {
            stranger.failures.count = 0;
            stranger.proved = Some(now);
        }
        if !self.tries.is_empty() {
            let key = self.name(Some(source), account);
            self.tries.remove(&key);
        }
    }

    /// True where somebody of ours has been within a day: an office whose phones sleep at night is none of strangers in the
    /// morning, whatever one of them has tried meanwhile.
    fn was_at_home(&mut self, from: IpAddr, now: Instant) -> bool {
        let proved = self.sources.get_mut(&Source::of(from)).and_then(|stranger| stranger.proved);
        proved.is_some_and(|proved| now.since(proved) < HOME)
    }

    fn stranger_failed(&mut self, from: IpAddr, account: Option<&str>, why: Offence, now: Now) {
        let (within, limit, burst) = (self.rules.within, self.rules.failures, self.rules.burst);
        let source = Source::of(from);
        let failures = self.stranger(source, burst, now.mono).failures.add(within, now.mono);
        if why != Offence::Call || failures > CALLS_UNNAMED {
            self.say(Suspicion::Failed { from, why, account: account.map(short) }, now.mono);
        }
        if u32::from(failures) >= limit {
            self.stranger(source, burst, now.mono).failures = Failures::none(now.mono);
            if let Some((span, times)) = self.ban(Outcast::Source(source), why, now) {
                self.say(Suspicion::Banned { from, why, span, times }, now.mono);
            }
        }
        let Some(account) = account else { return };
        let key = self.name(None, account);
        let fresh = || Tries::none(now.mono);
        let tries = self.tries.enter(key, fresh);
        tries.last = now.mono;
        if u32::from(tries.failures.add(within, now.mono)) >= limit * u32::from(PER_ACCOUNT) {
            self.tries.remove(&key);
            let account = short(account);
            if let Some((span, _)) = self.ban(Outcast::Account(account.clone()), why, now) {
                self.say(Suspicion::AccountBanned { account, span }, now.mono);
            }
        }
    }

    fn failed_at_home(&mut self, from: IpAddr, account: &str, why: Offence, now: Instant) {
        let (within, limit, ban) = (self.rules.within, self.rules.failures, self.rules.ban);
        let key = self.name(Some(Source::of(from)), account);
        let tries = self.tries.enter(key, || Tries::none(now));
        tries.last = now;
        let too_many = u32::from(tries.failures.add(within, now)) >= limit;
        if too_many {
            tries.failures = Failures::none(now);
            tries.slowed_until = now + ban;
        }
        self.say(Suspicion::FailedAtHome { from, why, account: short(account), slowed: too_many }, now);
    }

    /// Bans; for how long and for the how manieth time, unless there is no room.
    fn ban(&mut self, whom: Outcast, why: Offence, now: Now) -> Option<(Duration, u32)> {
        self.forget(now.mono);
        if !self.bans.has_room() {
            return None;
        }
        let times = self.bans.times(&whom).saturating_add(1);
        let grown = match whom {
            Outcast::Source(_) => self.rules.ban.saturating_mul(GROWTH.saturating_pow(times - 1)),
            Outcast::Account(_) => self.rules.ban,
        };
        let span = grown.min(self.rules.longest);
        let ban = Ban { whom, until: now.after(span).wall, times, why: why.word().into(), by_hand: false };
        let (rate, burst) = FACTS;
        let durable = self.facts.get_or_insert_with(|| Bucket::full(burst, now.mono)).take(rate, burst, now.mono);
        if durable {
            self.news.push(News::Banned(ban.clone()));
        }
        let gone = self.bans.put(ban, span, durable, now);
        self.news.extend(gone.map(News::Unbanned));
        self.counts.bans += 1;
        Some((span, times))
    }

    /// Bans that ended so long ago that nobody needs to remember them.
    fn forget(&mut self, now: Instant) {
        while let Some((whom, durable)) = self.bans.forget(self.rules.longest, now) {
            if durable {
                self.news.push(News::Unbanned(whom));
            }
        }
    }

    /// A line for the log, if there have not been too many.
    fn say(&mut self, line: Suspicion, now: Instant) {
        let of_a_ban = matches!(line, Suspicion::Banned { .. } | Suspicion::AccountBanned { .. });
        let bucket = if of_a_ban { &mut self.ban_lines } else { &mut self.failure_lines };
        let (rate, burst) = LINES;
        if !bucket.get_or_insert_with(|| Bucket::full(burst, now)).take(rate, burst, now) {
            self.left_out += 1;
            self.counts.lines_left_out += 1;
            return;
        }
        if self.left_out > 0 && self.left_out_said.is_none_or(|said| now.since(said) >= CONFESSION) {
            self.left_out_said = Some(now);
            self.news.push(News::Line(Suspicion::LeftOut { lines: std::mem::take(&mut self.left_out) }));
        }
        self.news.push(News::Line(line));
    }
}

impl Tries {
    fn none(now: Instant) -> Tries {
        Tries { failures: Failures::none(now), slowed_until: now, last: now }
    }
}

/// By hand.
impl Guard {
    /// Keeps somebody out until then. The ban is to be noted as a fact.
    pub fn put(&mut self, whom: Outcast, until: Timestamp, why: &str, now: Now) -> Ban {
        let times = self.bans.times(&whom);
        let ban = Ban { whom, until, times, why: why.into(), by_hand: true };
        self.restore(&ban, now);
        ban
    }

    /// Takes a ban back that is in force, and forgets that there was one; false where there is none. It is to be noted as a fact.
    pub fn unban(&mut self, whom: &Outcast, now: Instant) -> bool {
        if !self.bans.in_force(now).any(|(ban, _)| ban.whom == *whom) {
            return false;
        }
        self.bans.remove(whom);
        if let Outcast::Account(account) = whom {
            let key = self.name(None, account);
            self.tries.remove(&key);
        }
        true
    }

    /// A ban from before the restart, in force for as long as it would have been. One that is over counts for the next one.
    pub fn restore(&mut self, ban: &Ban, now: Now) {
        let left = Duration::try_from(ban.until.duration_since(now.wall)).unwrap_or_default();
        let gone = self.bans.put(ban.clone(), left, true, now);
        self.news.extend(gone.map(News::Unbanned));
    }

    /// The bans in force, sources first, with what is left of their time.
    pub fn bans(&self, now: Instant) -> impl Iterator<Item = (&Ban, Duration)> {
        self.bans.in_force(now)
    }
}
