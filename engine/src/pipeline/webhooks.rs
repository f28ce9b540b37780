//! Subscriptions of other systems: what they were told, what waits, and when it is tried again. Who sends it stands in
//! [`teller`](crate::teller).

use std::collections::BTreeMap;

use model::staff::Actor;
use model::webhook::{
    Delivery, DeliveryOutcome, RETRY_SECONDS, ROTATION_SECONDS, TRIES_MAX, WAITING_MAX, WEBHOOKS_MAX, Waiting,
    WebhookAct, WebhookState, WebhookTry,
};
use model::{Problem, ProblemCode, Role, Timestamp, Webhook, WebhookId};
use serde::{Deserialize, Serialize};

/// Who may subscribe other systems.
const KEEPERS: &[Role] = &[Role::Admin, Role::Operator, Role::Integration];
/// How much more may wait when people ask for it to be sent again.
const ASKED_FOR_MAX: usize = 64;
/// What a receiver says that wants no more.
const GONE: u16 = 410;

/// Every subscription.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Webhooks {
    by_id: BTreeMap<WebhookId, Webhook>,
}

impl Webhooks {
    /// Takes one as it was decided.
    pub fn apply(&mut self, webhook: &Webhook) {
        if webhook.state == WebhookState::Deleted {
            self.by_id.remove(&webhook.id);
        } else {
            self.by_id.insert(webhook.id.clone(), webhook.clone());
        }
    }

    /// Every one that is not deleted.
    pub fn iter(&self) -> impl Iterator<Item = &Webhook> {
        self.by_id.values()
    }

    /// Carries out what people ask for; `newest` is the newest event of the feed.
    ///
    /// # Errors
    /// Why it is not done.
    pub fn act(
        &mut self,
        actor: &Actor,
        (id, if_match): (&WebhookId, Option<u32>),
        act: &WebhookAct,
        newest: u64,
        at: Timestamp,
    ) -> Result<Webhook, Problem> {
        if !KEEPERS.contains(&actor.role) {
            let detail = "only an administrator, an operator or an integration subscribes other systems";
            return Err(Problem::new(ProblemCode::NotAllowed, detail, "仅管理员、运维或集成角色可管理订阅"));
        }
        let webhook = match act {
            WebhookAct::Create { order, scope } => {
                if !actor.scope.contains(scope) {
                    return Err(super::respond::not_allowed("the scope must lie within yours"));
                }
                if self.by_id.len() >= WEBHOOKS_MAX {
                    return Err(limit_reached(WEBHOOKS_MAX));
                }
                Webhook {
                    id: id.clone(),
                    version: 1,
                    order: order.clone(),
                    scope: scope.clone(),
                    by: actor.person.clone(),
                    created_at: at,
                    state: WebhookState::Active,
                    secret_generation: 1,
                    rotated_until: None,
                    cursor: newest,
                    waiting: Vec::new(),
                    deliveries: 0,
                }
            }
            _ => {
                let known = self.by_id.get(id).filter(|webhook| actor.scope.contains(&webhook.scope));
                let mut webhook = known.cloned().ok_or_else(|| Problem::not_found("the webhook"))?;
                changed(&mut webhook, if_match, act, newest, at)?;
                webhook
            }
        };
        self.apply(&webhook);
        Ok(webhook)
    }

    /// Takes in what came of a try. `None`: nobody waits for that any more.
    pub fn told(&mut self, id: &WebhookId, outcome: &WebhookTry, at: Timestamp) -> Option<(Webhook, Delivery)> {
        let webhook = self.by_id.get_mut(id)?;
        let before = match outcome.since {
            None => Waiting { event: outcome.event, tries: 0, next_at: at, since: at },
            Some(since) => {
                let place = webhook.waiting.iter().position(|w| w.event == outcome.event && w.since == since)?;
                webhook.waiting.remove(place)
            }
        };
        let tries = before.tries.saturating_add(1);
        let result = result_of(outcome, tries);
        let mut next_at = None;
        match result {
            // Whoever takes one takes the others: what waits is tried now and not in hours.
            DeliveryOutcome::Delivered => webhook.waiting.iter_mut().for_each(|w| w.next_at = w.next_at.min(at)),
            DeliveryOutcome::Retrying => {
                let pause = RETRY_SECONDS.get(usize::from(tries) - 1).or(RETRY_SECONDS.last()).copied();
                let asked = outcome.retry_after_seconds.unwrap_or(0).min(RETRY_SECONDS.last().copied().unwrap_or(0));
                let due = at.plus_seconds(pause.unwrap_or(0).max(asked));
                next_at = Some(due);
                webhook.waiting.push(Waiting { tries, next_at: due, ..before });
            }
            DeliveryOutcome::GivenUp => {}
            DeliveryOutcome::Disabled => {
                webhook.state = WebhookState::Gone;
                webhook.waiting.push(Waiting { tries, ..before });
            }
        }
        if outcome.since.is_none() {
            webhook.cursor = webhook.cursor.max(outcome.event);
        }
        webhook.deliveries += 1;
        let delivery = Delivery {
            webhook: id.clone(),
            number: webhook.deliveries,
            event: outcome.event,
            at,
            attempt: tries,
            status: outcome.status,
            detail: outcome.detail.clone(),
            millis: outcome.millis,
            outcome: result,
            next_at,
        };
        Some((webhook.clone(), delivery))
    }
}

fn changed(
    webhook: &mut Webhook,
    if_match: Option<u32>,
    act: &WebhookAct,
    newest: u64,
    at: Timestamp,
) -> Result<(), Problem> {
    if matches!(act, WebhookAct::Change { .. } | WebhookAct::Delete) {
        super::replies::checked_version(if_match, webhook.version)?;
    }
    match act {
        WebhookAct::Create { .. } => {}
        WebhookAct::Change { order, paused } => {
            webhook.order = order.clone().unwrap_or_else(|| webhook.order.clone());
            webhook.state = match paused {
                Some(true) => WebhookState::Paused,
                Some(false) => WebhookState::Active,
                None => webhook.state,
            };
            webhook.version += 1;
        }
        WebhookAct::Rotate if webhook.rotated_until.is_some_and(|until| until > at) => {
            let until = webhook.rotated_until.unwrap_or(at);
            let detail = format!(
                "until {until} the secret before this one signs, too; rotating again would end it before its day is over"
            );
            return Err(Problem::new(
                ProblemCode::IllegalInState,
                detail,
                format!("旧密钥在 {until} 前仍有效，此前不能再次轮换"),
            ));
        }
        WebhookAct::Rotate => {
            webhook.secret_generation += 1;
            webhook.rotated_until = Some(at.plus_seconds(ROTATION_SECONDS));
            webhook.version += 1;
        }
        WebhookAct::Test => ask_for(webhook, 0, at)?,
        WebhookAct::Replay { event } => {
            if !(1..=newest).contains(event) {
                let detail = "there is no such event";
                return Err(Problem::new(ProblemCode::Invalid, detail, "没有这一事件"));
            }
            ask_for(webhook, *event, at)?;
        }
        WebhookAct::ReplayAfter { event } => {
            webhook.cursor = webhook.cursor.min(*event);
            webhook.waiting.retain(|waiting| waiting.event <= *event);
        }
        WebhookAct::Delete => webhook.state = WebhookState::Deleted,
    }
    Ok(())
}

fn ask_for(webhook: &mut Webhook, event: u64, at: Timestamp) -> Result<(), Problem> {
    if webhook.waiting.iter().any(|waiting| waiting.event == event && waiting.since == at) {
        return Ok(());
    }
    if webhook.waiting.len() >= WAITING_MAX + ASKED_FOR_MAX {
        return Err(limit_reached(WAITING_MAX + ASKED_FOR_MAX));
    }
    webhook.waiting.push(Waiting { event, tries: 0, next_at: at, since: at });
    Ok(())
}

fn result_of(outcome: &WebhookTry, tries: u16) -> DeliveryOutcome {
    match outcome.status {
        Some(200..=299) => DeliveryOutcome::Delivered,
        Some(GONE) => DeliveryOutcome::Disabled,
        _ if tries >= TRIES_MAX => DeliveryOutcome::GivenUp,
        _ => DeliveryOutcome::Retrying,
    }
}

fn limit_reached(limit: usize) -> Problem {
    Problem::new(ProblemCode::LimitReached, format!("{limit} is the most there may be"), format!("最多 {limit} 个"))
}

#[cfg(test)]
mod tests {
    use model::webhook::WebhookOrder;
    use model::{OrgPath, PersonId};

    use super::*;

    fn at(seconds: u32) -> Timestamp {
        Timestamp::EPOCH.plus_seconds(seconds)
    }

    fn operator() -> Actor {
        Actor { person: PersonId::new("o1"), role: Role::Operator, scope: OrgPath::new("/") }
    }

    fn act(hooks: &mut Webhooks, if_match: Option<u32>, act: WebhookAct, now: u32) -> Result<Webhook, ProblemCode> {
        hooks.act(&operator(), (&WebhookId::new("h"), if_match), &act, 10, at(now)).map_err(|problem| problem.code)
    }

    fn subscribed() -> Webhooks {
        let mut hooks = Webhooks::default();
        let order = WebhookOrder { name: "cases".into(), url: "https://example.org/".to_owned(), types: Vec::new() };
        act(&mut hooks, None, WebhookAct::Create { order, scope: OrgPath::new("/a/") }, 0).unwrap();
        hooks
    }

    fn told(hooks: &mut Webhooks, event: u64, since: Option<u32>, status: Option<u16>, now: u32) -> Option<Delivery> {
        let outcome =
            WebhookTry { event, since: since.map(at), status, retry_after_seconds: None, detail: "".into(), millis: 1 };
        hooks.told(&WebhookId::new("h"), &outcome, at(now)).map(|(_, delivery)| delivery)
    }

    #[test]
    fn what_is_not_taken_climbs_the_ladder_and_is_given_up_after_a_week() {
        let mut hooks = subscribed();
        let mut now = 100;
        let first = told(&mut hooks, 11, None, None, now).unwrap();
        assert_eq!(first.outcome, DeliveryOutcome::Retrying);
        let mut pauses = vec![first.next_at.unwrap().millis_since(at(now)) / 1000];
        loop {
            now = (hooks.by_id.values().next().unwrap().waiting[0].next_at.millis() / 1000) as u32;
            let delivery = told(&mut hooks, 11, Some(100), Some(500), now).unwrap();
            let Some(next) = delivery.next_at else { break };
            pauses.push(next.millis_since(at(now)) / 1000);
        }
        assert_eq!(pauses[..10], [5, 15, 60, 300, 1_800, 7_200, 14_400, 28_800, 57_600, 86_400]);
        assert_eq!(pauses.len(), usize::from(TRIES_MAX) - 1);
        let hook = hooks.iter().next().unwrap();
        assert!(hook.waiting.is_empty() && hook.cursor == 11 && hook.state == WebhookState::Active);
    }

    #[test]
    fn one_that_is_taken_brings_the_others_forward_and_410_ends_it() {
        let mut hooks = subscribed();
        for event in 11..14 {
            told(&mut hooks, event, None, Some(503), 100).unwrap();
        }
        told(&mut hooks, 11, Some(100), Some(503), 105).unwrap();
        told(&mut hooks, 12, Some(100), Some(204), 106).unwrap();
        let waiting = &hooks.iter().next().unwrap().waiting;
        assert!(waiting.len() == 2 && waiting.iter().all(|w| w.next_at <= at(106)), "{waiting:?}");
        assert_eq!(told(&mut hooks, 13, Some(100), Some(410), 107).unwrap().outcome, DeliveryOutcome::Disabled);
        assert_eq!(hooks.iter().next().unwrap().state, WebhookState::Gone);
        assert_eq!(hooks.iter().next().unwrap().waiting.len(), 2, "nothing is lost if it is told again");
        assert!(told(&mut hooks, 12, Some(100), Some(200), 108).is_none(), "an answer that nobody waits for");
    }

    #[test]
    fn a_pause_that_the_receiver_asks_for_is_kept_within_a_day() {
        let mut hooks = subscribed();
        for (asked, expected) in [(1, 5), (120, 120), (u32::MAX, 86_400)] {
            let outcome = WebhookTry {
                event: 11,
                since: None,
                status: Some(429),
                retry_after_seconds: Some(asked),
                detail: "".into(),
                millis: 1,
            };
            let (_, delivery) = hooks.told(&WebhookId::new("h"), &outcome, at(7)).unwrap();
            assert_eq!(delivery.next_at.unwrap().millis_since(at(7)) / 1000, expected);
        }
    }

    #[test]
    fn people_change_it_by_version_and_never_outside_their_part() {
        let mut hooks = subscribed();
        let pause = || WebhookAct::Change { order: None, paused: Some(true) };
        assert_eq!(act(&mut hooks, None, pause(), 1), Err(ProblemCode::VersionRequired));
        assert_eq!(act(&mut hooks, Some(7), pause(), 1), Err(ProblemCode::Stale));
        assert_eq!(act(&mut hooks, Some(1), pause(), 1).unwrap().state, WebhookState::Paused);
        assert_eq!(act(&mut hooks, None, WebhookAct::Rotate, 2).unwrap().secret_generation, 2);
        assert_eq!(act(&mut hooks, None, WebhookAct::Replay { event: 11 }, 2), Err(ProblemCode::Invalid));
        assert_eq!(act(&mut hooks, None, WebhookAct::Replay { event: 3 }, 2).unwrap().waiting[0].event, 3);
        assert_eq!(act(&mut hooks, None, WebhookAct::ReplayAfter { event: 2 }, 2).unwrap().cursor, 2);
        let elsewhere = Actor { scope: OrgPath::new("/b/"), ..operator() };
        let id = WebhookId::new("h");
        let refused = hooks.act(&elsewhere, (&id, None), &WebhookAct::Test, 10, at(3)).unwrap_err();
        assert_eq!(refused.code, ProblemCode::NotFound);
        let desk = Actor { role: Role::Desk, ..operator() };
        assert_eq!(
            hooks.act(&desk, (&id, None), &WebhookAct::Test, 10, at(3)).unwrap_err().code,
            ProblemCode::NotAllowed
        );
        assert_eq!(act(&mut hooks, Some(3), WebhookAct::Delete, 4).unwrap().state, WebhookState::Deleted);
        assert_eq!(hooks.iter().count(), 0);
    }
}
