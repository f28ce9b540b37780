//! Calling in turn: who is rung next, what time does to a call, and the human desk at the end.

use std::collections::BTreeSet;

use model::attempt::CalleeRole;
use model::escalation::{DESK_PERSON, DeskStage, OpenCall};
use model::{
    AttemptId, AttemptOutcome, AttemptState, Category, Channel, Contact, Destination, EventKind, IncidentAction,
    IncidentState, Priority, Purpose, Timestamp,
};

use crate::order::can_be_called;
use crate::turn::{Turn, usable_phone};
use crate::wording::{self, Lost};

/// How often the human desk is called again while an incident is its own.
pub const DESK_PAGE_SECONDS: u32 = 600;
/// How long the console of whoever watches rings for what becomes the desk's before the desk's phones ring too. Where
/// nobody watches they ring at once.
pub const CONSOLE_SECONDS: u32 = 30;
/// How long a call that was answered, or that rang out without news, is listened to for a key when no provider
/// says that it ended.
pub const LISTEN_SECONDS_MAX: u32 = 180;
/// How long somebody who picked up is not rung anew: afterwards it was a machine, or they put the phone down beside
/// them.
pub const TALK_SECONDS_MAX: u32 = 60;
/// How often people are reminded of an incident of low priority, which nobody is called for.
pub const LOW_REMINDER_SECONDS: u32 = 86_400;
/// How long "I see to it" holds for an incident of low priority.
pub const LOW_LEASE_SECONDS: u32 = 86_400;

impl Turn<'_> {
    /// What is due happens: calls ring out, the next contact is rung, the lease ends, the desk is called again.
    pub(crate) fn advance(&mut self) {
        self.remind_doctor();
        match self.incident.state {
            IncidentState::Raised | IncidentState::Resolved => {}
            IncidentState::OnSite => drop(self.sweep_calls()),
            IncidentState::Acknowledged => {
                if self.incident.acknowledged_by.as_ref().is_none_or(|by| by.until <= self.now()) {
                    self.end_lease(Lost::NotArrived);
                }
            }
            IncidentState::Notifying => {
                let turn_is_over = self.sweep_calls();
                if turn_is_over || self.calling.next_step_at.is_none_or(|at| at <= self.now()) {
                    self.take_next_step();
                }
            }
            IncidentState::Exhausted => {
                self.sweep_calls();
                if self.calling.next_step_at.is_none_or(|at| at <= self.now()) {
                    self.take_next_desk_step();
                }
            }
        }
    }

    /// Nobody at the console took it: the phones of whoever is on duty ring; nor did they: everybody's do. Then the desk is
    /// told again.
    fn take_next_desk_step(&mut self) {
        match self.calling.desk_stage {
            DeskStage::Console => self.ring_first(false),
            DeskStage::OnDuty { again } => self.page_rest(again),
            DeskStage::Everybody => self.page_desk(true),
        }
    }

    /// The next contact is rung; for an incident of low priority people are reminded.
    fn take_next_step(&mut self) {
        if self.incident.priority > Priority::Low {
            self.call_next();
            return;
        }
        let is_notice = self.incident.kind.category() == Category::Notice;
        if self.incident.condition == model::Condition::Present && !is_notice {
            self.text_everybody(Purpose::Reminder);
        }
        self.calling.next_step_at = Some(self.now().plus_seconds(LOW_REMINDER_SECONDS));
    }

    /// Calls whose time is over. Says whether the call whose turn it is was among them.
    fn sweep_calls(&mut self) -> bool {
        let now = self.now();
        let over: Vec<OpenCall> = self.calling.calls.iter().filter(|call| call.until <= now).cloned().collect();
        let mut turn_is_over = false;
        for call in over {
            let id = call.attempt;
            turn_is_over |= self.calling.turn == Some(id);
            if self.was_never_sent(id) {
                // No phone has rung yet: the call waits on, but nobody else waits for it.
                self.set_call(id, |call| call.until = now.plus_seconds(LISTEN_SECONDS_MAX));
            } else if call.answered || call.given_up {
                self.drop_call(id);
                self.move_on(id, AttemptState::Ended, None, EventKind::AttemptEnded);
            } else {
                self.set_call(id, |call| {
                    call.given_up = true;
                    call.until = now.plus_seconds(LISTEN_SECONDS_MAX);
                });
                self.move_on(id, AttemptState::Failed, Some(AttemptOutcome::NoAnswer), EventKind::AttemptFailed);
            }
        }
        if turn_is_over {
            self.calling.turn = None;
        }
        turn_is_over
    }

    /// Bad news of a call: it is over, and if it was that contact's turn the next one is rung at once.
    pub(crate) fn hand_over(&mut self, id: AttemptId) {
        let known = self.calling.calls.iter().any(|call| call.attempt == id);
        self.drop_call(id);
        let was_its_turn = self.calling.turn.is_none_or(|turn| turn == id);
        let calls_in_turn = self.incident.priority > Priority::Low;
        if known && was_its_turn && calls_in_turn && self.incident.state == IncidentState::Notifying {
            self.call_next();
        }
        let is_desks = known && self.incident.state == IncidentState::Exhausted;
        let rings = |call: &OpenCall| call.guardian.is_none() && !call.given_up && !self.is_put_off(call.attempt);
        if let DeskStage::OnDuty { again } = self.calling.desk_stage
            && is_desks
            && !self.calling.calls.iter().any(rings)
        {
            self.page_rest(again);
        }
    }

    /// Rings the first guardian, from the next in order, whom nothing forbids to ring now. If every one of them is
    /// to be left alone a little longer, waits for the first; if there is none left, or all of them said that they cannot
    /// go and somebody is on the desk, it is the desk's.
    pub(crate) fn call_next(&mut self) {
        self.calling.turn = None;
        self.calling.next_step_at = None;
        if self.has_desk() && self.all_declined() {
            self.exhaust(IncidentAction::Exhaust);
            return;
        }
        let cycle = self.calling.cycle.max(1);
        let (present, following) = (self.present_order(), self.round_order());
        let rest = present.iter().enumerate().skip(self.calling.next_guardian).map(|(place, i)| (cycle, place, *i));
        let is_last = cycle >= self.calling.plan.cycles.max(1);
        let next_round = following.iter().enumerate().filter(|_| !is_last).map(|(place, i)| (cycle + 1, place, *i));
        let candidates: Vec<_> = rest.chain(next_round).collect();
        let mut soonest: Option<Timestamp> = None;
        for (round, place, index) in candidates {
            let index = usize::from(index);
            let Some(free_at) = self.free_at(index) else { continue };
            let has_declined = self.calling.guardians.get(index).is_some_and(|contact| self.has_declined(contact));
            if has_declined && soonest.is_some() {
                // The phone of somebody who may go rests before: that is waited for.
                continue;
            }
            if free_at <= self.now() {
                self.calling.order = if round == cycle { present } else { following };
                self.calling.cycle = round;
                self.calling.next_guardian = place + 1;
                self.ring_guardian(index);
                return;
            }
            soonest = Some(soonest.map_or(free_at, |at| at.min(free_at)));
        }
        self.calling.next_step_at = soonest;
        if soonest.is_none() {
            self.exhaust(IncidentAction::Exhaust);
        }
    }

    pub(crate) fn ring_guardian(&mut self, index: usize) {
        let Some(contact) = self.calling.guardians.get(index).cloned() else { return };
        let Some(id) = self.ring(CalleeRole::Guardian, &contact, Some(index), Purpose::Alert) else { return };
        self.calling.turn = Some(id);
        self.calling.next_step_at = Some(self.now().plus_seconds(self.calling.plan.next_after_seconds.max(1)));
        if let Some(last_rung) = self.calling.last_rung.get_mut(index) {
            *last_rung = Some(self.time.now);
        }
    }

    /// Starts a call. One to the same contact that no provider has taken is of no use beside it.
    pub(crate) fn ring(
        &mut self,
        role: CalleeRole,
        contact: &Contact,
        guardian: Option<usize>,
        purpose: Purpose,
    ) -> Option<AttemptId> {
        let phone = usable_phone(contact)?.clone();
        let superseded: Vec<AttemptId> = {
            let unsent = self.book.unsent_of(self.incident.id);
            let same = |a: &&model::Attempt| a.channel == Channel::Voice && a.to == phone;
            unsent.filter(same).map(|attempt| attempt.id).collect()
        };
        for id in superseded {
            self.cancel(id);
        }
        let message = wording::alert_voice(contact.lang, &self.facts());
        let id = self.start(Channel::Voice, role, contact, &phone, purpose, message);
        let until = self.now().plus_seconds(self.calling.plan.ring_seconds.max(1));
        self.calling.calls.push(OpenCall { attempt: id, guardian, until, answered: false, given_up: false });
        Some(id)
    }

    /// Nobody is left to be called in turn, or somebody asked for the desk: it becomes the human desk's.
    pub(crate) fn exhaust(&mut self, action: IncidentAction) {
        let Some(row) = action.in_state(self.incident.state) else { return };
        self.incident.state = row.to;
        self.incident.acknowledged_by = None;
        self.incident.on_site_by = None;
        self.incident.unreachable = !self.has_desk();
        self.calling.turn = None;
        self.calling.next_guardian = self.calling.guardians.len();
        self.calling.cycle = self.calling.plan.cycles.max(1);
        // Whoever hands it to the desk at a console has seen it there already.
        let is_watched = action == IncidentAction::Exhaust && self.book.is_watched(&self.incident.org, self.now());
        let console_first = is_watched && self.has_desk();
        self.incident.console_until = console_first.then(|| self.now().plus_seconds(CONSOLE_SECONDS));
        self.tell(EventKind::IncidentExhausted);
        if console_first {
            let first = self.desk_by_turns().0;
            self.text_desk(&first, false);
            self.calling.desk_stage = DeskStage::Console;
            self.calling.next_step_at = self.incident.console_until;
        } else {
            self.page_desk(false);
        }
    }

    /// Texts and calls the desk: whoever is on duty, and the others when nobody of them takes it. Where there is no desk
    /// that can be called, the guardians are tried again instead: somebody has to be.
    pub(crate) fn page_desk(&mut self, again: bool) {
        let first = self.desk_by_turns().0;
        let mut reached = self.text_desk(&first, again);
        self.ring_first(again);
        if self.incident.unreachable && again {
            self.text_guardians(Purpose::Reminder, &mut reached);
            for index in 0..self.calling.guardians.len() {
                if self.free_at(index).is_some_and(|at| at <= self.now()) {
                    self.ring_guardian(index);
                }
            }
            self.calling.turn = None;
            self.calling.next_step_at = Some(self.now().plus_seconds(DESK_PAGE_SECONDS));
        }
    }

    /// Who of the desk is called first, and who after them. First are its own phone and whoever is on duty; where the
    /// roster has nobody at this hour, everybody is.
    pub(crate) fn desk_by_turns(&self) -> (Vec<Contact>, Vec<Contact>) {
        let is_on_duty = |contact: &Contact| !contact.available.is_empty() && can_be_called(contact, self.time);
        let desk = self.calling.desk.clone();
        if !desk.iter().any(is_on_duty) {
            return (desk, Vec::new());
        }
        desk.into_iter().partition(|contact| is_on_duty(contact) || contact.person.as_str() == DESK_PERSON)
    }

    /// Rings whoever is first. The others wait for as long as a phone rings; where nobody of the first can be rung, they
    /// wait for nothing.
    fn ring_first(&mut self, again: bool) {
        let (first, rest) = self.desk_by_turns();
        let rings = self.ring_desk(&first, again);
        self.calling.desk_stage = if rest.is_empty() { DeskStage::Everybody } else { DeskStage::OnDuty { again } };
        match self.calling.desk_stage {
            DeskStage::OnDuty { .. } if !rings => self.page_rest(again),
            DeskStage::OnDuty { .. } => {
                self.calling.next_step_at = Some(self.now().plus_seconds(self.calling.plan.ring_seconds.max(1)));
            }
            DeskStage::Console | DeskStage::Everybody => {
                self.calling.next_step_at = Some(self.now().plus_seconds(DESK_PAGE_SECONDS));
            }
        }
    }

    /// Nobody who is on duty took it: the others are called, too.
    fn page_rest(&mut self, again: bool) {
        let rest = self.desk_by_turns().1;
        self.calling.desk_stage = DeskStage::Everybody;
        self.calling.next_step_at = Some(self.now().plus_seconds(DESK_PAGE_SECONDS));
        let mut reached = self.alerted_now();
        self.text_contacts(&rest, again, &mut reached);
        self.ring_desk(&rest, again);
    }

    /// Says whether anybody's phone rings.
    pub(crate) fn ring_desk(&mut self, contacts: &[Contact], again: bool) -> bool {
        let mut rings = false;
        for contact in contacts {
            let Some(phone) = usable_phone(contact) else { continue };
            let is_ringing = self.rings_already(phone);
            let is_rung = !is_ringing
                && !self.is_used_up(phone)
                && self.ring(CalleeRole::Desk, contact, None, purpose_of(again)).is_some();
            rings |= is_ringing || is_rung;
        }
        rings
    }

    /// Whether somebody on the desk can be called.
    pub(crate) fn has_desk(&self) -> bool {
        self.calling.desk.iter().any(|contact| usable_phone(contact).is_some())
    }

    fn rings_already(&self, phone: &Destination) -> bool {
        let to = |call: &OpenCall| self.book.attempt(call.attempt).is_some_and(|attempt| attempt.to == *phone);
        self.calling.calls.iter().any(|call| !call.given_up && !self.was_never_sent(call.attempt) && to(call))
    }

    /// Whoever had said that they were going, or there, is not counted on any more: everybody else hears it, and calling
    /// goes on from the next contact.
    pub(crate) fn end_lease(&mut self, lost: Lost) {
        let going = self.incident.acknowledged_by.take().map(|by| by.person);
        let person = self.incident.on_site_by.take().or(going);
        let holder = person.as_ref().map(|person| self.name_of(person)).unwrap_or_default();
        self.incident.state = IncidentState::Notifying;
        self.tell(EventKind::IncidentLeaseExpired);
        self.cancel_unsent(|purpose| purpose == Purpose::Taken);
        let mut reached = BTreeSet::new();
        for callee in self.calling.told.clone() {
            let Some(contact) = self.contact(&callee).cloned() else { continue };
            let is_doctor = callee.role == CalleeRole::Doctor;
            let said_so = lost != Lost::NotArrived && person.as_ref() == Some(&callee.person);
            if said_so || (is_doctor && self.incident.doctor_order.is_some()) {
                continue;
            }
            let message = wording::lease_ended(contact.lang, &self.facts(), &holder, lost, !is_doctor);
            self.text(callee.role, &contact, Purpose::Reminder, &message, &mut reached);
        }
        self.resume();
    }

    /// Calling goes on from the next contact; after the last round it begins anew.
    pub(crate) fn resume(&mut self) {
        if self.incident.priority == Priority::Low {
            self.calling.next_step_at = Some(self.now().plus_seconds(LOW_REMINDER_SECONDS));
            return;
        }
        if self.calling.next_guardian >= self.calling.guardians.len()
            && self.calling.cycle >= self.calling.plan.cycles.max(1)
        {
            self.start_over();
        }
        self.call_next();
    }

    /// The next to be rung is the first guardian, for the first time.
    pub(crate) fn start_over(&mut self) {
        self.calling.next_guardian = 0;
        self.calling.order = self.round_order();
        self.calling.cycle = 1;
    }

    /// A call that no provider was heard of about: no phone has rung.
    pub(crate) fn was_never_sent(&self, id: AttemptId) -> bool {
        self.book.attempt(id).is_some_and(|attempt| attempt.wants_sending() && attempt.sends == 0)
    }

    pub(crate) fn set_call(&mut self, id: AttemptId, change: impl FnOnce(&mut OpenCall)) {
        if let Some(call) = self.calling.calls.iter_mut().find(|call| call.attempt == id) {
            change(call);
        }
    }

    fn drop_call(&mut self, id: AttemptId) {
        self.calling.calls.retain(|call| call.attempt != id);
    }

    /// Ends calling: open calls and whatever of these purposes waits to be sent is not wanted any more.
    pub(crate) fn stop(&mut self, unwanted: impl Fn(Purpose) -> bool) {
        self.calling.turn = None;
        self.calling.next_step_at = None;
        self.calling.desk_stage = DeskStage::default();
        for call in std::mem::take(&mut self.calling.calls) {
            self.cancel(call.attempt);
        }
        self.cancel_unsent(unwanted);
    }

    pub(crate) fn cancel_unsent(&mut self, unwanted: impl Fn(Purpose) -> bool) {
        let unsent = self.book.unsent_of(self.incident.id);
        let ids: Vec<AttemptId> = unsent.filter(|a| unwanted(a.purpose)).map(|attempt| attempt.id).collect();
        for id in ids {
            self.cancel(id);
        }
    }

    pub(crate) fn cancel(&mut self, id: AttemptId) {
        self.drop_call(id);
        self.move_on(id, AttemptState::Cancelled, None, EventKind::AttemptCancelled);
    }
}

pub(crate) fn purpose_of(again: bool) -> Purpose {
    if again { Purpose::Reminder } else { Purpose::Alert }
}
