//! The auditor: a lost timer and a loop that stands still are alarms.

use alerting::auditor::{Finding, STEP_OVERDUE_MS_MAX};
use alerting::{Auditor, Output};
use model::IncidentId;

use crate::ward::{Home, Ward};

fn fed(story: &str) -> (Auditor, Ward) {
    let mut ward = Ward::new(Home::default());
    ward.play(story);
    let mut auditor = Auditor::default();
    for (_, output) in &ward.outputs {
        match output {
            Output::Incident { incident, .. } => auditor.incident(incident),
            Output::Escalation(escalation) => auditor.escalation(escalation),
            _ => {}
        }
    }
    (auditor, ward)
}

#[test]
fn all_is_well_while_all_is_well() {
    for story in [
        "sos",
        "sos; wait 3m",
        "sos; wait 30m",
        "sos; acknowledge by g1; wait 5m",
        "sos; acknowledge by g1; arrive by g1; wait 5h",
        "battery; wait 5h",
        "sos; resolve by s1 helped; wait 5h",
    ] {
        let (auditor, ward) = fed(story);
        assert_eq!(auditor.look(ward.now), [], "{story}");
        assert_eq!(auditor.open(), ward.alerting.open_incidents().count(), "{story}");
    }
}

#[test]
fn a_frozen_loop_is_noticed() {
    let (auditor, ward) = fed("sos; wait 20s");
    let due = ward.alerting.next_due().unwrap();
    assert_eq!(auditor.look(due.plus_millis(STEP_OVERDUE_MS_MAX)), []);
    let by_ms = STEP_OVERDUE_MS_MAX + 1;
    let incident = IncidentId::new(0, 1);
    assert_eq!(auditor.look(due.plus_millis(by_ms)), [Finding::Overdue { incident, by_ms }]);
}

#[test]
fn a_deleted_timer_is_noticed() {
    let (mut auditor, ward) = fed("sos; wait 20s");
    let incident = IncidentId::new(0, 1);
    let mut escalation = ward.alerting.escalation(incident).unwrap().clone();
    escalation.next_due = None;
    auditor.escalation(&escalation);
    assert_eq!(auditor.look(ward.now), [Finding::NoNextStep(incident)]);
}
