//! The end of the process: who insists is obeyed at once, and what was is on record.

use crate::router::{ADA, Router, TWELVE};

#[test]
fn a_second_signal_ends_at_once_and_the_record_is_whole() {
    let mut router = Router::start("ending");
    let phone = router.phone("12");
    let mut call = router.provider.call(ADA, TWELVE);
    let ringing = phone.rings();
    call.hears_ringing();
    ringing.answers();
    call.is_answered();
    router.signal("-TERM");
    router.says("no new calls");
    router.signal("-TERM");
    assert_eq!(router.ended(), Some(0));
    assert!(!router.data().join("huntline.sock").exists());
    // Nobody was left to be asked how it ended: the next run puts that right, and the talk counts.
    router.serve();
    let calls = router.calls();
    assert_eq!((calls.len(), &calls[0]["state"]), (1, &"answered".into()), "{calls:?}");
}
