//! How long others may take, and how long they took.

use crate::clock::Duration;

/// How long one question may take.
pub(super) const SHORT: Duration = Duration::from_secs(3);

/// What something gives, and how long it takes.
#[expect(clippy::disallowed_methods, reason = "how long others take is measured on a real clock")]
pub(super) fn timed<T>(what: impl FnOnce() -> T) -> (Duration, T) {
    let begun = std::time::Instant::now();
    let given = what();
    (begun.elapsed(), given)
}
