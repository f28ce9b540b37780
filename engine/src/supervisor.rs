//! What a supervisor such as systemd is told where there is one (`sd_notify(3)`): that we serve, that we are worth keeping,
//! that we end.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::task::JoinHandle;

/// A supervisor that was told that we serve.
pub(crate) struct Supervisor {
    beats: Option<JoinHandle<()>>,
}

impl Supervisor {
    /// Tells it that we serve, and from then on that we are worth keeping, twice in each time after which it would start us
    /// anew, as long as that is so. Said by the runtime that sends: where that stands still, it falls silent, too.
    pub fn begin(is_worth_keeping: impl Fn() -> bool + Send + 'static) -> Supervisor {
        tell(NotifyState::Ready);
        let beats = sd_notify::watchdog_enabled().map(|patience| tokio::spawn(beat(patience / 2, is_worth_keeping)));
        Supervisor { beats }
    }

    /// Tells it that we end.
    pub fn end(self) {
        tell(NotifyState::Stopping);
        self.beats.inspect(JoinHandle::abort);
    }
}

async fn beat(every: Duration, is_worth_keeping: impl Fn() -> bool) {
    // None is asked for in less; an interval of nothing would panic.
    let mut ticks = tokio::time::interval(every.max(Duration::from_millis(1)));
    loop {
        ticks.tick().await;
        if is_worth_keeping() {
            tell(NotifyState::Watchdog);
        }
    }
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the supervisor cannot be told how we are");
    }
}
