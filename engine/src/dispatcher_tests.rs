//! Lanes: what hangs delays nobody else.

use channels::{BoxFuture, Provider, ShellLimits};
use model::attempt::{Callee, CalleeRole, Destination};
use model::record::SendResult;
use model::{
    AttemptId, AttemptState, IncidentId, IncidentKind, Language, OrgPath, PersonId, Priority, Purpose, Timestamp,
    WearerId,
};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::*;

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_780_000_000_000)
    }
}

/// Hangs half a minute over everything that may wait, and takes an alarm at once.
#[derive(Default)]
struct Hanging {
    hangs_over: Mutex<usize>,
    alarms: Mutex<Vec<(AttemptId, Instant)>>,
}

impl Provider for Hanging {
    fn name(&self) -> &str {
        "sms"
    }

    fn send<'a>(&'a self, attempt: &'a Attempt, _links: &'a Links) -> BoxFuture<'a, SendResult> {
        Box::pin(async move {
            if attempt.lane == Lane::Alarm {
                self.alarms.lock().push((attempt.id, Instant::now()));
                return SendResult::Accepted;
            }
            *self.hangs_over.lock() += 1;
            tokio::time::sleep(Duration::from_secs(30)).await;
            SendResult::Unknown { detail: "no answer in time".into() }
        })
    }
}

fn attempt(n: u64, channel: Channel, lane: Lane) -> Attempt {
    let is_alarm = lane == Lane::Alarm;
    Attempt {
        id: AttemptId::new(0, n),
        version: 1,
        incident: Some(IncidentId::new(0, n)),
        campaign: None,
        case: None,
        kind: if is_alarm { IncidentKind::Sos } else { IncidentKind::BatteryLow }.into(),
        priority: if is_alarm { Priority::High } else { Priority::Low },
        wearer: WearerId::new("w1"),
        org: OrgPath::new("/luyang/"),
        channel,
        callee: Callee { person: PersonId::new("g1"), role: CalleeRole::Guardian },
        to: Destination("+8613800000001".into()),
        lang: Language::ZhCn,
        purpose: Purpose::Alert,
        lane,
        cycle: 1,
        text: String::new(),
        params: Vec::new(),
        state: AttemptState::Pending,
        outcome: None,
        created_at: Still.now(),
        changed_at: Still.now(),
        not_before: Still.now(),
        sends: 0,
        passed_over: Vec::new(),
        reference: None,
    }
}

/// In virtual time: 10 000 notices of every channel wait for providers that hang 30 s over each of them, and the messages
/// of an SOS are with the same providers before the clock moves, and before one more of the notices.
#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_over_ten_thousand_notices_delays_no_sos() {
    let clock: Arc<dyn Clock> = Arc::new(Still);
    let mut channels =
        Channels::new(channels::ChannelsConfig::new(), ShellLimits::default(), &clock, &|_| None).unwrap();
    let ways = [Channel::Voice, Channel::Sms, Channel::Push, Channel::Email, Channel::Robot];
    let providers = ways.map(|channel| (channel, Arc::new(Hanging::default())));
    for (channel, provider) in &providers {
        let provider = Arc::clone(provider) as Arc<dyn Provider>;
        channels.set(*channel, provider, ShellLimits { send_ms_max: 60_000, ..ShellLimits::default() }, &clock);
    }
    let outbox = Arc::new(Outbox::default());
    let dispatcher = Dispatcher {
        outbox: Arc::clone(&outbox),
        channels: Arc::new(channels),
        inbox: Arc::default(),
        clock,
        gate: None,
        links: Arc::new(|_| Links { callback: String::new(), provider: String::new() }),
        page: Arc::new(|_| String::new()),
    };
    (1..=10_000).for_each(|n| outbox.note([attempt(n, ways[n as usize % ways.len()], Lane::Routine)]));
    let tasks = dispatcher.start();
    // The providers have as many of them on their hands as they may have, and hang over each.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let waiting = outbox.waiting();
    assert!(waiting > 9_900 && providers.iter().all(|(_, provider)| *provider.hangs_over.lock() > 0), "{waiting}");
    let pressed = Instant::now();
    let alarms = std::iter::repeat_n(ways, 3).flatten();
    for (n, channel) in (20_001..).zip(alarms) {
        outbox.note([attempt(n, channel, Lane::Alarm)]);
    }
    // The paused clock moves only when nobody has anything left to do.
    tokio::time::sleep(Duration::from_millis(1)).await;
    for (channel, provider) in &providers {
        let alarms = provider.alarms.lock();
        assert_eq!(alarms.len(), 3, "{channel:?}");
        assert!(alarms.iter().all(|(_, at)| *at == pressed), "{channel:?}: no time passed");
    }
    assert_eq!(outbox.waiting(), waiting, "and none of the notices came before");
    tasks.iter().for_each(JoinHandle::abort);
}

#[test]
fn what_is_taken_back_in_the_hands_of_a_dispatcher_is_not_handed_over() {
    let outbox = Outbox::default();
    let (one, other) = (attempt(1, Channel::Voice, Lane::Alarm), attempt(2, Channel::Voice, Lane::Alarm));
    outbox.note([one.clone(), other.clone()]);
    for _ in 0..2 {
        assert!(matches!(outbox.pull(Channel::Voice, Lane::Alarm, Still.now()), Next::Attempt(_)));
    }
    outbox.note([Attempt { state: AttemptState::Cancelled, ..one.clone() }]);
    assert!(!outbox.is_still_wanted(one.id), "somebody has said that they go");
    assert!(outbox.is_still_wanted(other.id));
    assert!(!outbox.is_still_wanted(other.id), "handed over once");
    outbox.note([other.clone()]);
    assert!(!outbox.is_still_wanted(other.id), "not pulled again yet");
}
