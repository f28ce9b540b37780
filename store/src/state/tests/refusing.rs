//! A view that refuses for a while, as on a full disk.

use super::*;

#[test]
fn a_view_that_refuses_for_a_while_catches_up_by_itself() {
    let expected = everything(&House::with(neighbourhood()).projected());
    let house = House::with(neighbourhood());
    let (state, _) = house.open();
    let refuse = |yes: bool| state.database.refuses.store(yes, Ordering::Relaxed);
    refuse(true);
    let (follower, failures) = house.follow_patiently(&state);
    let failure = failures.recv().unwrap().to_string();
    assert!(failure.contains("no space left"), "{failure}");
    let failed = follower.failed();
    assert!(failed.load(Ordering::Acquire));
    let mark = house.data().state().with_extension("condemned");
    assert!(mark.exists(), "a restart would rebuild it");
    follower.flush(); // does not wait for what cannot come
    failures.recv().unwrap(); // it tried again, in vain

    refuse(false);
    while failed.load(Ordering::Acquire) {
        std::thread::yield_now();
    }
    follower.flush();
    assert!(!mark.exists());
    assert_eq!((follower.facts_cursor(), follower.telemetry_cursor()), (house.last_seq, house.last_seq));
    assert_eq!(everything(&state), expected);
    follower.close();
    drop(state);
    let (state, origin) = house.open();
    assert_eq!(origin.opened, Opened::Existing);
    assert_eq!(everything(&state), expected);
}
