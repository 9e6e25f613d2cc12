//! A loopback address that nobody else on this machine uses, for each router that a test starts.
//!
//! Routers on one address share its ports: those for media come from the same range in each, so that one of two routers
//! side by side could not bind what the other had, and served its call without hearing it.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU8, Ordering};

static TAKEN: AtomicU8 = AtomicU8::new(0);

/// 127.x.y.z, where x counts the routers of this process and the rest is the process's id.
///
/// # Panics
/// Where one process starts more than 128 routers.
pub fn own_address() -> Ipv4Addr {
    let router = TAKEN.fetch_add(1, Ordering::Relaxed);
    assert!(router < 128, "more routers than addresses");
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 127 + router, high, low)
}
