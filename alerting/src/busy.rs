//! A phone of the desk that is busy. Somebody sits there, as likely as not with the next alarm on the line: six alarms at
//! once ring one phone, and five of them find it busy.

use model::attempt::CalleeRole;
use model::escalation::DeskStage;
use model::{Attempt, AttemptId, IncidentState};

use crate::calling::DESK_PAGE_SECONDS;
use crate::turn::{Turn, usable_phone};

/// So long a phone of the desk that was busy is left alone.
const BUSY_AGAIN_SECONDS: u32 = 60;

impl Turn<'_> {
    /// Rings a phone of the desk again that was busy, or that its provider could not ring just then: after a minute, and
    /// then after as long as this page of the desk has gone on, so that there are four before the next page and not one
    /// every minute: providers let a number be called only so often.
    pub(crate) fn ring_again(&mut self, attempt: &Attempt) {
        let is_desks = attempt.callee.role == CalleeRole::Desk && self.incident.state == IncidentState::Exhausted;
        let Some(page_at) = self.calling.next_step_at.filter(|_| is_desks) else { return };
        let seconds_left = u32::try_from(page_at.millis_since(self.now()) / 1000).unwrap_or(0);
        let wait = DESK_PAGE_SECONDS.saturating_sub(seconds_left).max(BUSY_AGAIN_SECONDS);
        let wait = match self.calling.desk_stage {
            DeskStage::Everybody if wait < seconds_left => wait,
            // The next step is not the next page: it is to call the others, too.
            DeskStage::OnDuty { .. } => BUSY_AGAIN_SECONDS,
            DeskStage::Everybody | DeskStage::Console => return,
        };
        let Some(contact) = self.contact(&attempt.callee).cloned() else { return };
        if usable_phone(&contact).is_none_or(|phone| *phone != attempt.to || self.is_used_up(phone)) {
            return;
        }
        if let Some(id) = self.ring(attempt.callee.role, &contact, None, attempt.purpose) {
            self.put_off(id, self.now().plus_seconds(wait));
        }
    }

    /// Whether it is not to be handed over yet.
    pub(crate) fn is_put_off(&self, id: AttemptId) -> bool {
        self.book.attempt(id).is_some_and(|attempt| attempt.not_before > self.now())
    }
}
