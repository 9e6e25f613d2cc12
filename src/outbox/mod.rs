//! Letters to the world outside: a message in a box becomes a mail, and is tried until it has arrived.
//!
//! One thread carries them, one after the other. It has its own connection to the database and never meets the loop: a
//! dead, slow or lying mail server makes mails late, and nothing else.
//!
//! ```text
//!  fact ─ letters() ─► outbox (same transaction) ─ bell ─► thread ─► mail server
//!                        ▲                                   │
//!                        └──── later, or never again ◄───────┘
//! ```

mod mail;
mod words;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::address_book::AddressBook;
use crate::clock::{Duration, Timestamp};
use crate::config::Config;
use crate::drive::Clock;
use crate::fact::{Alarm, Fact};
use crate::letter::{Letter, letters};
use crate::store::{CustomerChange, Outbox, OutboxRow, Outgoing, StoreError};

/// Gives the config in force.
pub type Current = Arc<dyn Fn() -> Option<Arc<Config>> + Send + Sync>;

/// How long after a failed try the next one comes. After the last of them a letter is given up.
const PAUSES: [Duration; 7] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(2 * 60),
    Duration::from_secs(10 * 60),
    Duration::from_secs(3_600),
    Duration::from_secs(6 * 3_600),
    Duration::from_secs(24 * 3_600),
];

/// The longest that the thread sleeps: letters may also be due by somebody else's hand (a restored backup, a clock that
/// was set).
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Wakes the thread: there is something new to carry.
#[derive(Clone, Debug, Default)]
pub struct Bell(Arc<(Mutex<bool>, Condvar)>);

impl Bell {
    /// Wakes it; rung again before it has looked, it looks once.
    pub fn ring(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_one();
    }

    fn wait(&self, longest: Duration) {
        let rung = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.0.1.wait_timeout_while(rung, longest, |rung| !*rung);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}

/// Writes letters by the rules of the config in force.
#[derive(Clone)]
pub struct Secretary {
    /// The config in force.
    pub current: Current,
    /// Wakes whoever carries them.
    pub bell: Bell,
    /// Hears of customers who are different.
    pub address_book: AddressBook,
}

impl fmt::Debug for Secretary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secretary").finish_non_exhaustive()
    }
}

impl Outgoing for Secretary {
    fn config(&self) -> Option<Arc<Config>> {
        (self.current)()
    }

    fn letters(&self, fact: &Fact) -> Vec<Letter> {
        // Nearly every fact is of no interest, and the config is behind a lock.
        if !matches!(fact, Fact::Recorded(_)) {
            return Vec::new();
        }
        (self.current)().map_or(Vec::new(), |config| letters(fact, &config))
    }

    fn wants_events(&self) -> bool {
        (self.current)().is_some_and(|config| config.web.is_on)
    }

    fn customers(&self, changes: Vec<CustomerChange>) {
        self.address_book.changed(changes);
    }

    fn posted(&self) {
        self.bell.ring();
    }
}

/// Carries letters, for the life of the process.
pub struct Postman {
    /// `storage.directory`.
    pub directory: PathBuf,
    /// The config in force.
    pub current: Current,
    /// Rung when there is something new.
    pub bell: Bell,
    /// The clock.
    pub clock: Clock,
    /// Hears of a letter that was given up.
    pub tell: Box<dyn Fn(Fact) + Send>,
}

impl Postman {
    /// Starts the thread. It ends with the process, at any moment: what is under way then is carried again.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(self) -> std::io::Result<()> {
        std::thread::Builder::new().name("outbox".into()).spawn(move || self.run()).map(drop)
    }

    fn run(self) {
        let mut outbox = None;
        loop {
            let wait = match self.round(&mut outbox) {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::error!(%error, "the outbox");
                    outbox = None;
                    LONGEST_SLEEP
                }
            };
            self.bell.wait(wait);
        }
    }

    /// Carries what is due; how long there is nothing to do then.
    fn round(&self, outbox: &mut Option<Outbox>) -> Result<Duration, StoreError> {
        let outbox = match outbox {
            Some(outbox) => outbox,
            None => {
                let mut fresh = Outbox::open(&self.directory)?;
                fresh.begin(self.now())?;
                outbox.insert(fresh)
            }
        };
        while let Some(letter) = outbox.take(self.now())? {
            let carried = catch_unwind(AssertUnwindSafe(|| self.carry(&letter)));
            let carried = carried.unwrap_or_else(|_| Err("the program failed over it; its log says where".into()));
            let now = self.now();
            match carried {
                Ok(()) => {
                    tracing::info!(to = letter.to, file = letter.file, "a mail was sent");
                    outbox.sent(letter.id, now)?;
                }
                Err(why) => {
                    let again = pause(letter.tries, letter.id).and_then(|pause| now.checked_add(pause).ok());
                    tracing::warn!(
                        to = letter.to,
                        file = letter.file,
                        tries = letter.tries,
                        why,
                        "a mail was not sent"
                    );
                    outbox.not_sent(letter.id, again, &why)?;
                    if again.is_none() {
                        let (to, file) = (letter.to.as_str().into(), letter.file.as_str().into());
                        (self.tell)(Fact::Alarm(Alarm::Undelivered { to, file, why }));
                    }
                }
            }
        }
        let next = outbox.next()?;
        let until = |next: Timestamp| Duration::try_from(next.duration_since(self.now())).unwrap_or_default();
        Ok(next.map_or(LONGEST_SLEEP, until).min(LONGEST_SLEEP))
    }

    fn carry(&self, letter: &OutboxRow) -> Result<(), String> {
        let config = (self.current)().ok_or("there is no config")?;
        let Some(server) = &config.mail else { return Err("there is no [mail] in the config any more".into()) };
        let message = mail::Message::read(&self.directory, letter, &config)?;
        message.send(server)
    }

    fn now(&self) -> Timestamp {
        self.clock.now().wall
    }
}

/// How long to wait after so many tries; `None`: it is given up. Letters that failed together do not come back together:
/// the pause is up to a fifth longer, by the letter's number.
fn pause(tries: u32, id: i64) -> Option<Duration> {
    let pause = *PAUSES.get(usize::try_from(tries.checked_sub(1)?).ok()?)?;
    let scattered = (id.unsigned_abs().wrapping_mul(2_654_435_761) ^ u64::from(tries)) % 200;
    Some(pause + pause / 1_000 * u32::try_from(scattered).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_and_are_scattered() {
        for (tries, pause_of) in (1..).zip(PAUSES) {
            let pauses = (1..50).map(|id| pause(tries, id).unwrap());
            assert!(pauses.clone().all(|pause| (pause_of..=pause_of * 12 / 10).contains(&pause)));
            let different: std::collections::BTreeSet<_> = pauses.collect();
            assert!(different.len() > 30, "{tries}: {different:?}");
        }
        assert_eq!((pause(8, 1), pause(0, 1)), (None, None));
    }
}
