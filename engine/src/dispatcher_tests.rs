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
        kind: if is_alarm { IncidentKind::Sos } else { IncidentKind::BatteryLow },
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

/// In virtual time: 10 000 notices wait for a provider that hangs 30 s over each of them, and the first message of an SOS
/// is with the same provider, and with another, within 100 ms.
#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_over_ten_thousand_notices_delays_no_sos() {
    let clock: Arc<dyn Clock> = Arc::new(Still);
    let mut channels = Channels::new(channels::ChannelsConfig::new(), ShellLimits::default(), &clock).unwrap();
    let (texts, calls) = (Arc::new(Hanging::default()), Arc::new(Hanging::default()));
    for (channel, provider) in [(Channel::Sms, &texts), (Channel::Voice, &calls)] {
        let provider = Arc::clone(provider) as Arc<dyn Provider>;
        channels.set(channel, provider, ShellLimits { send_ms_max: 60_000, ..ShellLimits::default() }, &clock);
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
    (1..=10_000).for_each(|n| outbox.note(&attempt(n, Channel::Sms, Lane::Routine)));
    let tasks = dispatcher.start();
    // The provider has as many of them on its hands as it may have, and hangs over each.
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(*texts.hangs_over.lock() > 0 && outbox.waiting() > 9_900, "{} wait", outbox.waiting());
    let pressed = Instant::now();
    for (n, channel) in [(20_001, Channel::Sms), (20_002, Channel::Voice), (20_003, Channel::Sms)] {
        outbox.note(&attempt(n, channel, Lane::Alarm));
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let taken = |provider: &Hanging| {
        let alarms = provider.alarms.lock();
        alarms.iter().map(|(id, at)| (id.to_string(), at.duration_since(pressed))).collect::<Vec<_>>()
    };
    let (texted, called) = (taken(&texts), taken(&calls));
    assert_eq!((texted.len(), called.len()), (2, 1), "{texted:?} {called:?}");
    assert!(texted.iter().chain(&called).all(|(_, after)| *after < Duration::from_millis(100)), "{texted:?}");
    assert!(outbox.waiting() > 9_900, "the notices still wait");
    tasks.iter().for_each(JoinHandle::abort);
}
