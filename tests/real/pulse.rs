//! Whether the machine kept up: a story that counts milliseconds says nothing about the router where the phones themselves
//! stood still for longer.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const BEAT: Duration = Duration::from_millis(2);
/// A beat that comes so late is worth remembering: the tightest limit of a story is 20 ms.
const LATE: Duration = Duration::from_millis(15);

/// When beats were late, and by how much.
static LATE_BEATS: Mutex<Vec<(Instant, Duration)>> = Mutex::new(Vec::new());

/// Begins to count, until the program ends.
pub fn start() {
    std::thread::spawn(|| {
        let mut last = Instant::now();
        loop {
            std::thread::sleep(BEAT);
            let now = Instant::now();
            let late = (now - last).saturating_sub(BEAT);
            if late >= LATE {
                LATE_BEATS.lock().unwrap_or_else(PoisonError::into_inner).push((now, late));
            }
            last = now;
        }
    });
}

/// A while in which the machine is watched.
pub struct While(Instant);

impl While {
    /// It begins now.
    pub fn begin() -> While {
        While(Instant::now())
    }

    /// For how long the machine stood still at most since then; `None` where it kept up.
    pub fn stood_still(&self) -> Option<Duration> {
        let beats = LATE_BEATS.lock().unwrap_or_else(PoisonError::into_inner);
        beats.iter().filter(|(at, _)| *at >= self.0).map(|(_, late)| *late).max()
    }
}
