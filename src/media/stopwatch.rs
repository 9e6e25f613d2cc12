//! The time within the media threads.

use crate::clock::Instant;

/// A clock on the scale of the core's [`Instant`] but not in step with it: the media threads ask it, and tell nobody.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(std::time::Instant);

#[expect(
    clippy::disallowed_methods,
    reason = "the media threads are loops of their own beside `drive`; they tell nobody the time"
)]
impl Stopwatch {
    /// Begins at [`Instant::START`].
    pub fn start() -> Stopwatch {
        Stopwatch(std::time::Instant::now())
    }

    /// How late it is.
    pub fn now(&self) -> Instant {
        Instant::START + self.0.elapsed()
    }
}
