//! The watchdog's side: it listens to the beats, and calls on when there are none.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use channels::callback::{Evidence, Post};
use channels::directory::name_of;
use channels::{Callback, Handed, Links};
use model::record::SendResult;
use model::{Attempt, AttemptId, Channel, Clock, Decision, Incident, IncidentState, Input, Priority, Purpose, Record};
use parking_lot::Mutex;
use store::codec;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{Receiver, UnboundedReceiver, UnboundedSender, channel, unbounded_channel};
use tokio::sync::oneshot;

use super::callbacks::{Answer, Posted, Told};
use super::scribe::Scribe;
use super::snapshot::is_watched;
use super::stand_in::{StandIn, load};
use super::{Alarm, Beats, Deed, Epoch, Ground, Holder, Seal, callbacks, snapshot};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::pipeline::Pipeline;
use crate::secrets::Secrets;

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A beat within this means that the engine is back.
const FRESH_MS: u64 = 1_500;
/// How many callbacks wait to be taken in.
const CALLBACKS_MAX: usize = 256;
/// How long to wait before trying again what did not work.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// How long it listens to those who are still on the line when its turn is over.
const LINGER: Duration = Duration::from_secs(120);

/// How long checkpoint and journal may take to be read; then the snapshot has to do.
const LOAD_WAIT_MAX: Duration = Duration::from_secs(5);
/// How often it is looked whether there is a new snapshot.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(1);

/// Keeps watch until the engine says good night, or is gone and nothing is left to do.
///
/// # Errors
/// A directory that is not initialised, or a configuration that names no provider that can be set up. What can pass by
/// itself (a full disk, an address that is still taken) is tried again instead.
pub async fn run(config: Config, beats: Arc<Beats>) -> anyhow::Result<()> {
    let engine = std::os::unix::process::parent_id();
    let settings = config.watchdog.clone().unwrap_or_default();
    let data = DataDir::open(&config.data)?;
    let secrets = Arc::new(data.load_secrets()?);
    let scribe = Scribe::start(Ground::open(&config.data).context("the watchdog's directory")?)?;
    let listener = bind(settings.listen).await;
    let base = settings.public_url.clone().unwrap_or(format!("http://{}", listener.local_addr()?));
    let (posted, callbacks) = channel(CALLBACKS_MAX);
    tokio::spawn(callbacks::listen(listener, Arc::clone(&secrets), posted));
    let (sent, results) = unbounded_channel();
    let seal = Seal::new(&secrets.watchdog_key())?;
    let stand_in = None;
    let mut keeper = Keeper {
        engine,
        config,
        secrets,
        seal,
        scribe,
        base,
        callbacks,
        sent,
        results,
        stand_in,
        snapshot: None,
        looked: None,
    };
    let after_ms = u64::from(settings.after_seconds) * 1_000;
    let (mut is_retired, mut not_before) = (false, Instant::now());
    let mut seen_epoch = keeper.scribe.epoch();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let gone = beats.gone.load(Ordering::Acquire);
        if beats.good_night.load(Ordering::Acquire) {
            return Ok(());
        }
        keeper.hear();
        let journal_failed = beats.journal_failed.load(Ordering::Acquire);
        if !gone {
            seen_epoch = keeper.scribe.epoch();
            keeper.look_at_snapshot();
        } else if journal_failed {
            // Its last words come first, whoever serves by now.
        } else if !keeper.is_calling() && !is_retired {
            // Another engine serves already, with a watchdog of its own; or there is nothing left to watch over.
            let epoch = keeper.scribe.epoch();
            let is_served = epoch != seen_epoch && keeper.is_of_others(epoch);
            let data = keeper.config.data.clone();
            if is_served || !keeper.scribe.ask_unless_stuck(move |_| data.exists()).unwrap_or(true) {
                return Ok(());
            }
        }
        if keeper.is_calling() {
            if !gone && beats.silent_ms() < FRESH_MS {
                tracing::warn!("the engine is back: the watchdog watches again");
                keeper.rest();
            } else if !keeper.has_the_turn() {
                tracing::warn!("an engine took the epoch back: the watchdog calls nobody");
                keeper.rest();
                // As good as a beat, which follows within a second.
                beats.last_ms.store(beats.now_ms(), Ordering::Release);
                is_retired = gone && keeper.is_of_others(keeper.scribe.epoch());
            } else {
                keeper.take_on(beats.take_alarms());
                keeper.call();
                if gone && keeper.is_done() {
                    return Ok(());
                }
            }
        } else if is_retired {
            if keeper.is_quiet() {
                return Ok(());
            }
        } else if (journal_failed || beats.silent_ms() >= after_ms) && not_before <= Instant::now() {
            tracing::error!(journal_failed, "the engine is silent: the watchdog calls on");
            match keeper.take_over().await {
                Ok(()) => {
                    beats.journal_failed.store(false, Ordering::Release);
                    keeper.take_on(beats.take_alarms());
                }
                Err(error) => {
                    tracing::error!(error = format!("{error:#}"), "the watchdog cannot take over; it tries again");
                    not_before = Instant::now() + TRY_AGAIN;
                }
            }
        }
    }
}

/// The callback address; until it is free, as long as that takes.
async fn bind(address: std::net::SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(error) => tracing::error!(%error, %address, "watchdog.listen is not to be had; trying again"),
        }
        tokio::time::sleep(TRY_AGAIN).await;
    }
}

struct Keeper {
    /// The process of the engine that it watches.
    engine: u32,
    config: Config,
    secrets: Arc<Secrets>,
    seal: Seal,
    scribe: Scribe,
    base: String,
    callbacks: Receiver<Posted>,
    sent: UnboundedSender<(AttemptId, Handed)>,
    results: UnboundedReceiver<(AttemptId, Handed)>,
    stand_in: Option<StandIn>,
    /// The newest snapshot that could be read, and when it was written.
    snapshot: Option<(SystemTime, Record)>,
    looked: Option<Instant>,
}

impl Keeper {
    async fn take_over(&mut self) -> anyhow::Result<()> {
        let (epoch, epoch_before) = (Arc::default(), self.scribe.epoch());
        self.raise(&epoch);
        let mut pipeline = self.load().await?;
        pipeline.count_in(Ground::PARTITION);
        let clock = Arc::new(SystemClock::new(Some(pipeline.last_at())));
        let as_clock = Arc::clone(&clock) as Arc<dyn Clock>;
        let channels = Arc::new(crate::serve::channels_of(&self.config.as_watchdog(), &as_clock)?);
        // What the engine handed over may be spoken of here as well.
        pipeline.handed_over_attempts().iter().for_each(|attempt| channels.remember(attempt));
        let known = |i: &Incident| i.acknowledged_by.as_ref().map(|by| (i.id, by.at));
        let acknowledged = pipeline.open_incidents().filter_map(known).collect();
        let (sending, handed) = (BTreeSet::new(), BTreeSet::new());
        let (taken_on, resting_since) = (BTreeSet::new(), None);
        let stand_in = StandIn {
            epoch,
            epoch_before,
            pipeline,
            clock,
            channels,
            sending,
            handed,
            acknowledged,
            taken_on,
            resting_since,
        };
        self.stand_in = Some(stand_in);
        Ok(())
    }

    /// The state as it is on disk; of what cannot be read there, or not in time, as the snapshot has it.
    async fn load(&mut self) -> anyhow::Result<Pipeline> {
        self.looked = None;
        self.look_at_snapshot();
        let config = self.config.clone();
        let loading = tokio::task::spawn_blocking(move || load(&config));
        let loaded = match tokio::time::timeout(LOAD_WAIT_MAX, loading).await {
            Ok(loaded) => loaded?,
            Err(_) => Err(anyhow::anyhow!("checkpoint and journal take too long to be read")),
        };
        let snapshot = self.snapshot.as_ref().map(|(_, record)| record);
        let (mut pipeline, is_whole) = match (loaded, snapshot) {
            (Ok(loaded), _) => loaded,
            (Err(error), Some(_)) => {
                tracing::error!(error = format!("{error:#}"), "the watchdog goes on with its snapshot");
                (Pipeline::new(self.config.zone), false)
            }
            (Err(error), None) => return Err(error),
        };
        if let Some(record) = snapshot.filter(|record| !is_whole || record.at > pipeline.last_at()) {
            pipeline.apply(u64::MAX, record);
        }
        Ok(pipeline)
    }

    /// Keeps the newest snapshot in memory: when it is needed, the disk may not be there.
    fn look_at_snapshot(&mut self) {
        if self.looked.is_some_and(|looked| looked.elapsed() < SNAPSHOT_EVERY) {
            return;
        }
        self.looked = Some(Instant::now());
        let seen = self.snapshot.as_ref().map(|(written, _)| *written);
        let Some((written, sealed)) = self.scribe.ask_unless_stuck(move |ground| ground.snapshot(seen)).flatten()
        else {
            return;
        };
        match snapshot::open(&sealed, &self.seal) {
            Some(record) => self.snapshot = Some((written, record)),
            None => tracing::error!("the snapshot does not open with the key files; the one before is kept"),
        }
    }

    /// Calls for alarms that the engine has not on disk. It hears of them when it is back, before it sends anything.
    fn take_on(&mut self, alarms: Vec<Alarm>) {
        for alarm in alarms {
            // As long as a disk hangs the engine tells the same ones every second.
            let key = (alarm.device.clone(), alarm.received, alarm.report.event_id.clone(), alarm.report.content_hash);
            if !self.stand_in.as_mut().is_some_and(|stand_in| stand_in.taken_on.insert(key)) {
                continue;
            }
            tracing::error!(device = %alarm.device, "an alarm that could not be journaled: the watchdog calls for it");
            if let Err(error) = self.note_alarm(&alarm) {
                tracing::error!(%error, "the alarm cannot be written down; people are called all the same");
            }
            let Some(stand_in) = &mut self.stand_in else { return };
            let Alarm { device, report, household, .. } = alarm;
            if stand_in.pipeline.directory().devices.get(&device).is_none() {
                let (at, registry) = (stand_in.pipeline.last_at(), Decision::Registry(Box::new(household)));
                stand_in.pipeline.apply(u64::MAX, &Record { at, input: Input::Tick, decisions: vec![registry] });
            }
            stand_in.decide(Input::Report { device, report });
        }
    }

    fn note_alarm(&self, alarm: &Alarm) -> io::Result<()> {
        let plain = codec::to_bytes(alarm).map_err(io::Error::other)?;
        let sealed = STANDARD.encode(self.seal.close(Alarm::KIND, plain)?);
        self.scribe.note(Deed::Alarm { sealed })
    }

    /// Raises the epoch: now, or when the disk is back.
    fn raise(&self, epoch: &Arc<Mutex<Option<u64>>>) {
        let epoch = Arc::clone(epoch);
        let is_done = self.scribe.ask(move |ground| match ground.raise(Holder::Watchdog) {
            Ok(raised) => *epoch.lock() = Some(raised),
            Err(error) => tracing::error!(%error, "the epoch cannot be raised; people are called all the same"),
        });
        if is_done.is_none() {
            tracing::error!("the disk hangs over the epoch; people are called all the same");
        }
    }

    fn is_calling(&self) -> bool {
        self.stand_in.as_ref().is_some_and(|stand_in| stand_in.resting_since.is_none())
    }

    /// Whether no engine has taken the epoch back; where it could not be raised, whether no other process has since.
    fn has_the_turn(&self) -> bool {
        let Some(stand_in) = &self.stand_in else { return true };
        let raised = *stand_in.epoch.lock();
        let now = self.scribe.epoch();
        match raised {
            None => now == stand_in.epoch_before || !self.is_of_others(now),
            Some(_) => now.is_some_and(|now| Some(now.number) == raised && now.holder == Holder::Watchdog),
        }
    }

    /// Whether another engine, or its watchdog, took an epoch: not this one or the engine that it watches, which may have
    /// done so in its last moments. One that cannot be read was taken by nobody.
    fn is_of_others(&self, epoch: Option<Epoch>) -> bool {
        epoch.is_some_and(|epoch| ![self.engine, std::process::id()].contains(&epoch.process))
    }

    fn rest(&mut self) {
        if let Some(stand_in) = &mut self.stand_in {
            stand_in.resting_since = Some(Instant::now());
        }
    }

    /// Takes in what was told. Nothing of it is journaled, for the engine may be asleep over its journal and wakes up to
    /// the log; nobody is told "taken" before it is in there.
    fn hear(&mut self) {
        let mut is_news = false;
        while let Ok((attempt, handed)) = self.results.try_recv() {
            let Some(stand_in) = &mut self.stand_in else { continue };
            stand_in.sending.remove(&attempt);
            let Handed { result, provider, others_left, reference } = handed;
            let is_taken = result == SendResult::Accepted;
            // One that the engine had decided: it need not send it any more.
            let taken = Deed::Taken { attempt, provider: provider.clone(), reference: reference.clone() };
            stand_in.decide(Input::Sent { attempt, result, provider, others_left, reference });
            let is_own = attempt.partition() == Ground::PARTITION;
            let deed = if is_own { stand_in.stood_in(attempt, &self.seal) } else { Some(taken) };
            match deed.filter(|_| is_taken) {
                Some(deed) => {
                    self.scribe.note_later(deed, &Arc::default());
                    is_news = true;
                }
                None if is_taken => tracing::warn!(%attempt, "it was sent, and the engine cannot be told of it"),
                None => {}
            }
        }
        if is_news {
            self.have_it_read();
        }
        while let Ok((told, done)) = self.callbacks.try_recv() {
            self.take(told, done);
        }
        self.note_acknowledged(&Arc::default());
    }

    /// Takes in what was posted, and answers once it is written down. `None`: it is not believed, or nobody was called.
    fn take(&mut self, told: Told, done: oneshot::Sender<Option<Answer>>) {
        let Some(stand_in) = &mut self.stand_in else {
            tracing::warn!("a callback came to a watchdog that has called nobody");
            drop(done.send(None));
            return;
        };
        let (heard, answer) = match told {
            Told::Callback(callback) => {
                let Callback { attempt, outcome, key, text } = callback;
                (vec![(attempt, Evidence { key, text, ..Evidence::of(outcome) })], Answer::default())
            }
            Told::Provider { channel, path_and_query, signature, from, body } => {
                let url = format!("{}{path_and_query}", self.base);
                let post = Post { url: &url, signature: signature.as_deref(), body: &body };
                // What is refused is counted and told by the channels themselves.
                let Ok(heard) = stand_in.channels.listen(channel, &post, from, stand_in.clock.now()) else {
                    drop(done.send(None));
                    return;
                };
                (heard.believed, (heard.content_type, heard.answer))
            }
        };
        let channels = Arc::clone(&stand_in.channels);
        let failed = Arc::new(AtomicBool::new(false));
        for (attempt, evidence) in &heard {
            let Evidence { outcome, key, text, .. } = evidence.clone();
            stand_in.decide(Input::Callback { attempt: *attempt, outcome, key: key.clone(), text });
            self.scribe.note_later(Deed::Heard { attempt: *attempt, outcome, key }, &failed);
        }
        self.note_acknowledged(&failed);
        self.scribe.later(move |_| {
            if !failed.load(Ordering::Acquire) {
                heard.iter().for_each(|(attempt, evidence)| channels.written(*attempt, evidence));
                // Whoever posted may have hung up: it is on disk all the same.
                drop(done.send(Some(answer)));
            }
        });
    }

    /// Writes down whatever was acknowledged, sooner or later. While it is not the watchdog's turn, the engine is made to
    /// look.
    fn note_acknowledged(&mut self, failed: &Arc<AtomicBool>) {
        let Some(stand_in) = &self.stand_in else { return };
        let is_new = |open: &&Incident| {
            open.acknowledged_by.as_ref().is_some_and(|by| !stand_in.acknowledged.contains(&(open.id, by.at)))
        };
        let new: Vec<Incident> = stand_in.pipeline.open_incidents().filter(is_new).cloned().collect();
        for open in new {
            let Some(by) = open.acknowledged_by else { continue };
            if let Some(stand_in) = &mut self.stand_in {
                stand_in.acknowledged.insert((open.id, by.at));
            }
            let about = Some((open.wearer, open.kind));
            self.scribe.note_later(Deed::Acknowledged { incident: open.id, person: by.person, about }, failed);
            self.have_it_read();
        }
    }

    /// While it is not the watchdog's turn, the engine is made to look into the log.
    fn have_it_read(&self) {
        if !(self.is_calling() && self.has_the_turn()) {
            self.scribe.have_it_read();
        }
    }

    /// What is due is sent.
    fn call(&mut self) {
        let Some(stand_in) = &mut self.stand_in else { return };
        let now = stand_in.clock.now();
        stand_in.pipeline.advance(now, &mut Vec::new());
        let is_due = |attempt: &&Attempt| {
            attempt.not_before <= now
                && attempt.priority == Priority::High
                && attempt.kind.is_emergency()
                // A code opens a page of the engine's.
                && attempt.purpose != Purpose::Code
                && !stand_in.sending.contains(&attempt.id)
        };
        let due: Vec<Attempt> = stand_in.pipeline.unsent_attempts().filter(is_due).cloned().collect();
        for attempt in due {
            let about = Some((attempt.wearer.clone(), now));
            if let Err(error) = self.scribe.note(Deed::Sent { attempt: attempt.id, incident: attempt.incident, about })
            {
                // A second call is better than none.
                tracing::error!(%error, attempt = %attempt.id, "a call cannot be written down; it is made all the same");
            }
            // Looked at after it was written down: an engine that takes the epoch reads the log once more after that.
            if !self.has_the_turn() {
                return;
            }
            let Some(stand_in) = &mut self.stand_in else { return };
            stand_in.sending.insert(attempt.id);
            stand_in.handed.insert(attempt.id);
            let token = self.secrets.callback_token(attempt.id);
            let callback = format!("{}/api/v1/callbacks/{}/{token}", self.base, attempt.id);
            let channel = name_of(attempt.channel);
            let token = self.secrets.provider_token(channel);
            let provider = format!("{}/api/v1/providers/{channel}/{token}?attempt={}", self.base, attempt.id);
            let links = Links { provider, callback };
            let (channels, sent) = (Arc::clone(&stand_in.channels), self.sent.clone());
            tokio::spawn(async move {
                let handed = channels.send(&attempt, &links).await;
                let _ = sent.send((attempt.id, handed));
            });
        }
    }

    /// Whether nobody will have to be called any more: whoever said that they go may not arrive.
    fn is_done(&self) -> bool {
        let calls_on = |state| !matches!(state, IncidentState::OnSite | IncidentState::Resolved);
        let Some(stand_in) = &self.stand_in else { return true };
        let mut open = stand_in.pipeline.open_incidents();
        self.scribe.is_free()
            && stand_in.sending.is_empty()
            && !open.any(|incident| is_watched(incident) && calls_on(incident.state))
    }

    /// Whether nobody whom it called can be on the line any more.
    fn is_quiet(&self) -> bool {
        let Some(stand_in) = &self.stand_in else { return true };
        if !self.scribe.is_free() {
            return false;
        }
        let is_on_the_line = |attempt: &Attempt| {
            stand_in.handed.contains(&attempt.id) && attempt.channel == Channel::Voice && !attempt.state.is_over()
        };
        stand_in.resting_since.is_some_and(|since| since.elapsed() >= LINGER)
            || !stand_in.pipeline.handed_over_attempts().iter().any(is_on_the_line)
    }
}
