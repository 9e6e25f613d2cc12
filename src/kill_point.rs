//! Where a test lets the process die.

/// `HUNTLINE_DIE_AT=before_commit:12` kills the process (SIGKILL: nothing is tidied up) when it comes to the point of this
/// name for the twelfth time. Only in builds with debug assertions.
pub(crate) fn kill_point(place: &str) {
    if cfg!(debug_assertions) {
        use std::sync::OnceLock;
        use std::sync::atomic::{AtomicU64, Ordering};
        static CHOSEN: OnceLock<Option<(String, u64)>> = OnceLock::new();
        static PASSED: AtomicU64 = AtomicU64::new(0);
        let chosen = CHOSEN.get_or_init(|| {
            let text = std::env::var("HUNTLINE_DIE_AT").ok()?;
            let (place, count) = text.split_once(':').unwrap_or((&text, "1"));
            Some((place.to_owned(), count.parse().ok()?))
        });
        if let Some((chosen, count)) = chosen
            && chosen == place
            && PASSED.fetch_add(1, Ordering::Relaxed) + 1 == *count
        {
            let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL);
        }
    }
}
