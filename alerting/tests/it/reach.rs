//! Who can be reached, and the tasks that follow.

use alerting::reach::{Standing, TaskChange};
use alerting::{Output, Reach};
use model::{Contact, Counters, EventKind, OrgPath, PersonId, TaskId, TaskKind, WearerId};

use crate::ward::{Home, Ward};

struct Watch {
    ward: Ward,
    reach: Reach,
    twin: Reach,
    counters: Counters,
    noted: usize,
}

impl Watch {
    fn new(home: Home) -> Watch {
        Watch {
            ward: Ward::new(home),
            reach: Reach::default(),
            twin: Reach::default(),
            counters: Counters::default(),
            noted: 0,
        }
    }

    fn play(&mut self, story: &str) {
        self.ward.play(story);
        for (_, output) in &self.ward.outputs[self.noted..] {
            if let Output::Attempt { kind, attempt, .. } = output {
                self.reach.note(*kind, attempt);
                self.twin.note(*kind, attempt);
            }
        }
        self.noted = self.ward.outputs.len();
    }

    fn look(&mut self) -> Vec<String> {
        let org = OrgPath::new("/luyang/");
        let (wearer, now) = (WearerId::new("w1"), self.ward.now);
        let guardians: Vec<Contact> = self.ward.home.guardians.clone();
        let changes = self.reach.look(&wearer, &org, &guardians, now, &mut self.counters);
        for TaskChange { task, .. } in &changes {
            self.twin.apply_task(task.clone());
        }
        assert_eq!(self.twin, self.reach, "recovered");
        assert_eq!(Reach::restore(self.reach.snapshot()), self.reach, "a checkpoint holds everything");
        changes.iter().map(told).collect()
    }

    fn standing(&self, guardian: usize) -> Standing {
        self.reach.standing(&self.ward.home.guardians[guardian])
    }
}

fn told(change: &TaskChange) -> String {
    let what = match change.kind {
        EventKind::TaskOpened => "opened",
        _ => "done",
    };
    let who = change.task.person.as_ref().map_or_else(String::new, |person| format!(" {person}"));
    format!("{what} {}{who}", change.task.kind.name())
}

#[test]
fn numbers_that_are_not_usable_open_tasks_and_putting_them_right_ends_them() {
    let mut watch = Watch::new(Home::default().guardians(&["", "+8613800000002"]));
    assert_eq!(watch.look(), ["opened fix_contact g1"]);
    assert_eq!(watch.look(), Vec::<String>::new(), "once");
    watch.ward.home.guardians.pop();
    assert_eq!(watch.look(), ["opened uncovered"]);
    watch.ward.home = Home::default().guardians(&["+8613800000001"]);
    assert_eq!(watch.look(), ["done fix_contact g1", "done uncovered"]);
    watch.ward.home.guardians.clear();
    assert_eq!(watch.look(), ["opened uncovered"], "nobody at all");
}

#[test]
fn who_never_picks_up_is_not_counted_on() {
    let mut watch = Watch::new(Home::default());
    watch.play("sos; wait 2m");
    assert_eq!([0, 1, 2].map(|g| watch.standing(g)), [Standing::Expected; 3], "two calls prove nothing");
    watch.play("wait 40s");
    assert_eq!(watch.standing(0), Standing::NeverReached);
    watch.play("wait 5m");
    assert_eq!(
        watch.look(),
        ["opened fix_contact g1", "opened fix_contact g2", "opened fix_contact g3", "opened uncovered"]
    );
    // One of them picks up at last.
    watch.play("sos; wait 1s; answered g1");
    assert_eq!(watch.look(), ["done fix_contact g1", "done uncovered"]);
    assert!(watch.reach.verified_at(&watch.ward.home.guardians[0]).is_some());
}

#[test]
fn who_ever_picked_up_does_not_become_unreachable_by_one_bad_night() {
    let mut watch = Watch::new(Home::default().guardians(&["+8613800000001"]));
    watch.play("sos; answered g1; ended g1; wait 20m");
    assert!(watch.ward.rung("g1").len() >= 5);
    assert_eq!(watch.standing(0), Standing::Expected);
    assert_eq!(watch.look(), Vec::<String>::new());
}

#[test]
fn a_wrong_number_shows_at_the_second_call() {
    let mut watch = Watch::new(Home::default());
    watch.play("sos; answered g1; ended g1; unreachable g2; wait 76s; unreachable g2");
    assert_eq!(watch.standing(1), Standing::Wrong);
    assert_eq!(watch.look(), ["opened fix_contact g2"]);
    // Another number: nothing is known against it.
    watch.ward.home.guardians[1].phone = Some(model::Destination("+8613800000022".into()));
    assert_eq!(watch.look(), ["done fix_contact g2"]);
}

#[test]
fn a_providers_failure_says_nothing_about_a_number() {
    let mut watch = Watch::new(Home::default());
    watch.play("providers hold; sos");
    for _ in 0..4 {
        watch.play("sent voice g1 final; sent voice g2 final; sent voice g3 final; wait 61s");
    }
    assert_eq!(watch.look(), Vec::<String>::new());
}

#[test]
fn a_task_that_somebody_saw_to_opens_again_only_on_new_evidence() {
    let mut watch = Watch::new(Home::default());
    watch.play("sos; wait 15s; answered g2; unreachable g1; wait 46s; unreachable g1");
    assert_eq!(watch.look(), ["opened fix_contact g1"]);
    let (id, by) = (TaskId::new(0, 1), PersonId::new("s1"));
    let done = watch.reach.finish(id, &by, "号码无误,已告知家属", watch.ward.now).unwrap();
    watch.twin.apply_task(done.task.clone());
    assert_eq!((done.task.done_by.as_ref(), done.task.kind), (Some(&by), TaskKind::FixContact));
    assert!(watch.reach.finish(id, &by, "", watch.ward.now).is_none(), "once");
    assert_eq!(watch.look(), Vec::<String>::new());
    watch.play("wait 60s; unreachable g1");
    assert_eq!(watch.look(), Vec::<String>::new());
    watch.play("wait 60s; unreachable g1");
    assert_eq!(watch.look(), ["opened fix_contact g1", "opened fix_contact g3"]);
}
