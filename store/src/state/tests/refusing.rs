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

#[test]
fn a_view_behind_which_the_journal_was_let_go_is_not_called_well_and_a_restart_rebuilds_it() {
    let mut house = House::with(neighbourhood());
    // More than a segment holds.
    (0..40).for_each(|_| house.write(neighbourhood()));
    let (state, _) = house.open();
    state.database.refuses.store(true, Ordering::Relaxed);
    let (follower, failures) = house.follow_patiently(&state);
    failures.recv().unwrap();
    let files = std::fs::read_dir(house.data().journal()).unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<_> = files.filter(|path| path.extension().is_some_and(|is| is == "seg")).collect();
    segments.sort();
    assert!(segments.len() > 1, "{segments:?}");
    std::fs::remove_file(&segments[0]).unwrap();

    state.database.refuses.store(false, Ordering::Relaxed);
    let failure =
        failures.iter().map(|error| error.to_string()).find(|error| !error.contains("no space left")).unwrap();
    assert!(failure.contains("a restart rebuilds the view from an export"), "{failure}");
    assert!(follower.failed().load(Ordering::Acquire));
    assert!(house.data().state().with_extension("condemned").exists());
}
