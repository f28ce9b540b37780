//! One attempt, and a clock that stands.

use model::attempt::{Callee, CalleeRole, Destination};
use model::{
    Attempt, AttemptId, AttemptState, Channel, Clock, IncidentId, IncidentKind, Lane, Language, OrgPath, PersonId,
    Priority, Purpose, Timestamp, WearerId,
};

/// A clock that stands.
pub struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_780_000_000_000)
    }
}

/// An alert about an SOS.
pub fn attempt(channel: Channel, to: &str) -> Attempt {
    Attempt {
        id: AttemptId::new(0, 42),
        version: 1,
        incident: Some(IncidentId::new(0, 7)),
        campaign: None,
        case: None,
        kind: IncidentKind::Sos.into(),
        priority: Priority::High,
        wearer: WearerId::new("w1"),
        org: OrgPath::new("/luyang/"),
        channel,
        callee: Callee { person: PersonId::new("g1"), role: CalleeRole::Guardian },
        to: Destination(to.into()),
        lang: Language::ZhCn,
        purpose: Purpose::Alert,
        lane: Lane::Alarm,
        cycle: 1,
        text: "请前往".to_owned(),
        params: Vec::new(),
        state: AttemptState::Pending,
        outcome: None,
        created_at: Timestamp::EPOCH,
        changed_at: Timestamp::EPOCH,
        not_before: Timestamp::EPOCH,
        sends: 0,
        passed_over: Vec::new(),
        reference: None,
    }
}
