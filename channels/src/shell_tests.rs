//! The shell in virtual time, around providers that hang, fail and recover.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use super::*;
use crate::provider::BoxFuture;

/// A clock that is moved by hand.
struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Answers from a list; `None` hangs. After its end it accepts.
struct Scripted {
    script: Mutex<std::collections::VecDeque<Option<SendResult>>>,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
}

impl Provider for Scripted {
    fn name(&self) -> &str {
        "box"
    }

    fn send<'a>(&'a self, _: &'a Attempt, _: &'a Links) -> BoxFuture<'a, SendResult> {
        Box::pin(async {
            let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_at_once.fetch_max(now, Ordering::SeqCst);
            let answer = self.script.lock().unwrap().pop_front().unwrap_or(Some(SendResult::Accepted));
            match answer {
                Some(result) => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    self.at_once.fetch_sub(1, Ordering::SeqCst);
                    result
                }
                None => std::future::pending().await,
            }
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async { Err("cannot connect: connection refused".to_owned()) })
    }
}

struct World {
    shell: Arc<Shell>,
    provider: Arc<Scripted>,
    clock: Arc<Hand>,
}

fn world(script: Vec<Option<SendResult>>, limits: ShellLimits) -> World {
    let clock = Arc::new(Hand(AtomicI64::new(1_780_000_000_000)));
    let provider = Arc::new(Scripted {
        script: Mutex::new(script.into()),
        at_once: AtomicUsize::new(0),
        most_at_once: AtomicUsize::new(0),
    });
    let shell = Shell::new(Arc::clone(&provider) as Arc<dyn Provider>, limits, Arc::clone(&clock) as Arc<dyn Clock>);
    World { shell: Arc::new(shell), provider, clock }
}

impl World {
    async fn send(&self, lane: Lane) -> SendResult {
        self.shell.send(&attempt(lane), &links()).await
    }
}

fn attempt(lane: Lane) -> Attempt {
    Attempt { lane, ..crate::samples::attempt() }
}

fn links() -> Links {
    Links { callback: String::new(), provider: String::new() }
}

fn down() -> Option<SendResult> {
    Some(SendResult::Retry { detail: "HTTP 503".into(), after_seconds: 2 })
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_is_given_up_in_time_and_routine_never_takes_an_alarms_place() {
    let limits =
        ShellLimits { routine_sends_max: 2, send_ms_max: 3_000, turn_wait_ms: 1_000, ..ShellLimits::default() };
    let world = world(vec![None, None], limits);
    let hanging: Vec<_> = (0..2)
        .map(|_| {
            let shell = Arc::clone(&world.shell);
            tokio::spawn(async move { shell.send(&attempt(Lane::Routine), &links()).await })
        })
        .collect();
    tokio::task::yield_now().await;
    let before = tokio::time::Instant::now();
    // Both routine places hang: a third routine send is given back, an alarm goes at once.
    assert!(matches!(world.send(Lane::Routine).await, SendResult::Retry { after_seconds: 1, .. }));
    assert_eq!(before.elapsed().as_millis(), 1_000);
    assert_eq!(world.send(Lane::Alarm).await, SendResult::Accepted);
    assert_eq!(before.elapsed().as_millis(), 1_100);
    for task in hanging {
        assert!(matches!(task.await.unwrap(), SendResult::Unknown { .. }));
    }
    assert_eq!(before.elapsed().as_millis(), 3_000);
}

#[tokio::test(start_paused = true)]
async fn no_more_at_once_than_allowed() {
    let world = world(Vec::new(), ShellLimits { alarm_sends_max: 3, ..ShellLimits::default() });
    let sends: Vec<_> = (0..10)
        .map(|_| {
            let shell = Arc::clone(&world.shell);
            tokio::spawn(async move { shell.send(&attempt(Lane::Alarm), &links()).await })
        })
        .collect();
    for send in sends {
        assert_eq!(send.await.unwrap(), SendResult::Accepted);
    }
    assert_eq!(world.provider.most_at_once.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn the_circuit_holds_routine_back_lets_alarms_through_and_one_success_closes_it() {
    let limits = ShellLimits { failures_to_open: 2, open_seconds: 10, ..ShellLimits::default() };
    let world = world(vec![down(), down(), down()], limits);
    world.send(Lane::Routine).await;
    assert!(!world.shell.reachability().circuit_open);
    world.send(Lane::Routine).await;
    assert!(world.shell.reachability().circuit_open);
    assert!(matches!(world.send(Lane::Routine).await, SendResult::Retry { after_seconds: 10, .. }));
    // The alarm reaches the provider although the circuit is open, and finds it still down.
    assert!(matches!(world.send(Lane::Alarm).await, SendResult::Retry { after_seconds: 2, .. }));
    world.clock.0.fetch_add(4_000, Ordering::SeqCst);
    assert!(matches!(world.send(Lane::Routine).await, SendResult::Retry { after_seconds: 6, .. }));
    // The next alarm finds it up again, and routine goes at once.
    assert_eq!(world.send(Lane::Alarm).await, SendResult::Accepted);
    assert_eq!(world.send(Lane::Routine).await, SendResult::Accepted);
    assert!(!world.shell.reachability().circuit_open);
}

#[tokio::test(start_paused = true)]
async fn readiness_tells_the_truth() {
    let refused = || Some(SendResult::Final { detail: "HTTP 401".into() });
    let world =
        world(vec![Some(SendResult::Accepted), down(), refused(), refused(), refused()], ShellLimits::default());
    let reason = || {
        let reachability = world.shell.reachability();
        format!("{} {}", reachability.ok, reachability.reason())
    };
    assert_eq!(reason(), "true not tried yet");
    world.send(Lane::Alarm).await;
    assert_eq!(reason(), "true last reached 2026-05-28T20:26:40.000Z");
    world.send(Lane::Alarm).await;
    assert_eq!(reason(), "false HTTP 503 (2026-05-28T20:26:40.000Z)");
    world.shell.probe().await;
    assert_eq!(reason(), "false cannot connect: connection refused (2026-05-28T20:26:40.000Z)");
    // It answers again, but takes nothing: the configuration is wrong, and no probe hides that.
    for _ in 0..3 {
        world.send(Lane::Alarm).await;
    }
    assert_eq!(reason(), "false HTTP 401 (2026-05-28T20:26:40.000Z)");
    world.send(Lane::Alarm).await;
    assert_eq!(reason(), "true last reached 2026-05-28T20:26:40.000Z");
}
