//! The watchdog's side: it listens to the beats, and calls on when there are none.

use std::collections::BTreeSet;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use channels::{Callback, Channels, Links};
use model::record::SendResult;
use model::{Attempt, AttemptId, Clock, IncidentId, IncidentState, Input, Priority};
use store::{Disk, RealDisk};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::leash::GOOD_NIGHT;
use super::{Deed, Ground, Holder, callbacks};
use crate::checkpoint;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::pipeline::Pipeline;
use crate::secrets::Secrets;

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A beat within this means that the engine is back.
const FRESH_MS: u64 = 1_500;

/// When the engine was last heard of.
#[derive(Debug)]
pub struct Beats {
    since: Instant,
    last_ms: AtomicU64,
    gone: AtomicBool,
    good_night: AtomicBool,
}

impl Beats {
    /// Listens to the other end of the leash on a thread of its own.
    #[must_use]
    pub fn listen(mut leash: impl Read + Send + 'static) -> Arc<Beats> {
        let beats = Arc::new(Beats {
            since: Instant::now(),
            last_ms: AtomicU64::new(0),
            gone: AtomicBool::new(false),
            good_night: AtomicBool::new(false),
        });
        let heard = Arc::clone(&beats);
        std::thread::spawn(move || {
            let mut byte = [0; 64];
            loop {
                match leash.read(&mut byte) {
                    Ok(0) => break,
                    Ok(count) => {
                        heard.last_ms.store(heard.now_ms(), Ordering::Release);
                        if byte[..count].contains(&GOOD_NIGHT) {
                            heard.good_night.store(true, Ordering::Release);
                        }
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
            }
            heard.gone.store(true, Ordering::Release);
        });
        beats
    }

    fn now_ms(&self) -> u64 {
        self.since.elapsed().as_millis() as u64
    }

    fn silent_ms(&self) -> u64 {
        self.now_ms().saturating_sub(self.last_ms.load(Ordering::Acquire))
    }
}

/// Keeps watch until the engine says good night, or is gone and nothing is left to do.
///
/// # Errors
/// A directory that is not initialised, an address that is taken, a provider that cannot be set up.
pub async fn run(config: Config, beats: Arc<Beats>) -> anyhow::Result<()> {
    let settings = config.watchdog.clone().unwrap_or_default();
    let data = DataDir::open(&config.data)?;
    let secrets = Arc::new(data.load_secrets()?);
    let ground = Ground::open(&config.data).context("the watchdog's directory")?;
    let listener = TcpListener::bind(settings.listen).await.context("listening for callbacks (watchdog.listen)")?;
    let base = settings.public_url.clone().unwrap_or(format!("http://{}", listener.local_addr()?));
    let (called_back, callbacks) = unbounded_channel();
    tokio::spawn(callbacks::listen(listener, Arc::clone(&secrets), called_back));
    let (sent, results) = unbounded_channel();
    let mut keeper = Keeper { config, secrets, ground, base, callbacks, sent, results, active: None };
    let after_ms = u64::from(settings.after_seconds) * 1_000;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let gone = beats.gone.load(Ordering::Acquire);
        if beats.good_night.load(Ordering::Acquire) {
            return Ok(());
        }
        match &keeper.active {
            None if beats.silent_ms() >= after_ms => {
                tracing::error!("the engine is silent: the watchdog calls on");
                keeper.take_over().await?;
            }
            None => {}
            Some(_) if !gone && beats.silent_ms() < FRESH_MS => {
                tracing::warn!("the engine is back: the watchdog watches again");
                keeper.active = None;
            }
            Some(active) if keeper.ground.epoch() != Some((active.epoch, Holder::Watchdog)) => {
                tracing::warn!("an engine took the epoch back: the watchdog calls nobody");
                keeper.active = None;
                // As good as a beat, which follows within a second.
                beats.last_ms.store(beats.now_ms(), Ordering::Release);
                if gone {
                    return Ok(());
                }
            }
            Some(_) => {
                keeper.step()?;
                if gone && keeper.is_done() {
                    return Ok(());
                }
            }
        }
    }
}

struct Keeper {
    config: Config,
    secrets: Arc<Secrets>,
    ground: Ground,
    base: String,
    callbacks: UnboundedReceiver<Callback>,
    sent: UnboundedSender<(AttemptId, SendResult)>,
    results: UnboundedReceiver<(AttemptId, SendResult)>,
    active: Option<Active>,
}

struct Active {
    epoch: u64,
    pipeline: Pipeline,
    clock: Arc<SystemClock>,
    channels: Arc<Channels>,
    sending: BTreeSet<AttemptId>,
    acknowledged: BTreeSet<IncidentId>,
}

impl Keeper {
    async fn take_over(&mut self) -> anyhow::Result<()> {
        let epoch = self.ground.raise(Holder::Watchdog).context("raising the epoch")?;
        let config = self.config.clone();
        let mut pipeline = tokio::task::spawn_blocking(move || load(&config)).await??;
        pipeline.count_in(Ground::PARTITION);
        let clock = Arc::new(SystemClock::new(Some(pipeline.last_at())));
        let as_clock = Arc::clone(&clock) as Arc<dyn Clock>;
        let channels = Arc::new(crate::serve::channels_of(&self.config.as_watchdog(), &as_clock)?);
        let acknowledged = pipeline.open_incidents().filter(|i| i.acknowledged_by.is_some()).map(|i| i.id).collect();
        self.active = Some(Active { epoch, pipeline, clock, channels, sending: BTreeSet::new(), acknowledged });
        Ok(())
    }

    /// What came in is decided on, what is due is sent.
    fn step(&mut self) -> anyhow::Result<()> {
        let Some(active) = &mut self.active else { return Ok(()) };
        // Nothing of this is journaled: the engine may be asleep over its journal, and wakes up to the log.
        let mut records = Vec::new();
        let now = active.clock.now();
        while let Ok(callback) = self.callbacks.try_recv() {
            let Callback { attempt, outcome, key, text } = callback;
            active.pipeline.decide(Input::Callback { attempt, outcome, key, text }, now, &mut records);
        }
        while let Ok((attempt, result)) = self.results.try_recv() {
            active.sending.remove(&attempt);
            let input = Input::Sent { attempt, result, provider: "watchdog".into(), others_left: false };
            active.pipeline.decide(input, now, &mut records);
        }
        active.pipeline.advance(now, &mut records);
        for incident in active.pipeline.open_incidents() {
            if let Some(by) = &incident.acknowledged_by
                && active.acknowledged.insert(incident.id)
            {
                self.ground.note(&Deed::Acknowledged { incident: incident.id, person: by.person.clone() })?;
            }
        }
        let is_due = |attempt: &&Attempt| {
            attempt.not_before <= now
                && attempt.priority == Priority::High
                && attempt.kind.opens_case()
                && !active.sending.contains(&attempt.id)
        };
        let due: Vec<Attempt> = active.pipeline.unsent_attempts().filter(is_due).cloned().collect();
        for attempt in due {
            active.sending.insert(attempt.id);
            self.ground.note(&Deed::Sent { attempt: attempt.id, incident: attempt.incident })?;
            let token = self.secrets.callback_token(attempt.id);
            let callback = format!("{}/api/v1/callbacks/{}/{token}", self.base, attempt.id);
            // What a vendor posts in its own form is not heard here: only the gateway's callbacks are.
            let links = Links { provider: callback.clone(), callback };
            let (channels, sent) = (Arc::clone(&active.channels), self.sent.clone());
            tokio::spawn(async move {
                let result = channels.of(attempt.channel).send(&attempt, &links).await;
                let _ = sent.send((attempt.id, result));
            });
        }
        Ok(())
    }

    /// Whether nobody has to be called any more.
    fn is_done(&self) -> bool {
        let calls_on = |state| matches!(state, IncidentState::Notifying | IncidentState::Exhausted);
        let Some(active) = &self.active else { return true };
        let mut open = active.pipeline.open_incidents();
        active.sending.is_empty() && !open.any(|incident| incident.kind.opens_case() && calls_on(incident.state))
    }
}

/// The state as it is on disk.
fn load(config: &Config) -> anyhow::Result<Pipeline> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let layout = store::DataDir::new(&config.data);
    let (mut pipeline, seq) = checkpoint::load(&*disk, &layout.checkpoints(), config.zone)?;
    for item in store::read_from(disk, &layout.journal(), seq + 1)? {
        match item {
            Ok((seq, record)) => pipeline.apply(seq, &record),
            Err(error) => tracing::warn!(%error, "the watchdog passes over a damaged place of the journal"),
        }
    }
    Ok(pipeline)
}
