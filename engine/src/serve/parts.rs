//! What stands around the loop, and how each of it is started. What several of them hold is made once, in [`Parts::new`].

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread::JoinHandle;

use alerting::Auditor;
use anyhow::{Context, anyhow};
use broker::Door;
use channels::outward::{Outward, Reachable};
use channels::{Channels, Links};
use model::{Clock, Incident, IncidentState};
use parking_lot::Mutex;
use store::{Disk, Follower, FollowerConfig, Journal, OpenedJournal, Photos, Recovery, Retention, State, StoreError};
use tokio::sync::watch;

use super::Ready;
use super::recovery::authority_of;
use crate::authority::Authority;
use crate::checkpoint::{Checkpointer, Written};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::dispatcher::Dispatcher;
use crate::erasure::{self, Traces};
use crate::health::{Seen, Vitals};
use crate::host::House;
use crate::housekeeping::{Housekeeper, Looked};
use crate::inbox::Inbox;
use crate::kept::Kept;
use crate::main_loop::MainLoop;
use crate::outbox::Outbox;
use crate::pipeline::Pipeline;
use crate::pulse::Pulse;
use crate::release::{FEED_EVENTS_WAITING_MAX, Release, Releaser, tell_feed};
use crate::secrets::Secrets;
use crate::teller::{Book, Teller};
use crate::watchdog::{
    self, Gate, Ground, LastWords, Leash, Line, Lives, Seal, SnapshotWriter, Unsaved, Watch, Watched,
};

/// The exit code when the journal cannot be written: `EX_IOERR` of sysexits.
const EXIT_JOURNAL_FAILED: i32 = 74;

/// What a house stands on before anything of it runs.
pub(super) struct Site {
    pub(super) config: Config,
    pub(super) secrets: Arc<Secrets>,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) layout: store::DataDir,
    pub(super) ready: Ready,
}

/// What several of those hold that stand around the loop.
pub(super) struct Parts {
    site: Site,
    clock: Arc<SystemClock>,
    as_clock: Arc<dyn Clock>,
    authority: Arc<Authority>,
    inbox: Arc<Inbox>,
    outbox: Arc<Outbox>,
    door: Arc<OnceLock<Door>>,
    pulse: Arc<Pulse>,
    channels: Arc<Channels>,
    outward: Outward,
    state: Arc<State>,
    seen: Arc<Seen>,
    written: Arc<Written>,
    auditor: Arc<Mutex<Auditor>>,
    book: Arc<Book>,
    photos: Arc<Photos>,
    journal_failed: Arc<AtomicBool>,
    watched: Arc<Watched>,
    unsaved: Arc<Unsaved>,
    line: Arc<Line>,
    last_words: Arc<LastWords>,
    watch: Arc<Watch>,
}

/// What stands beside the engine and takes over when it stalls.
pub(super) struct Watchdog {
    gate: Option<Arc<Gate>>,
    pub(super) snapshot: Option<SnapshotWriter>,
    pub(super) leash: Option<Leash>,
}

/// The housekeeper's thread; it ends when the sender is gone.
pub(super) struct Housekeeping {
    pub(super) thread: JoinHandle<()>,
    pub(super) stop: mpsc::Sender<()>,
}

impl Parts {
    /// Makes them as recovery found things. `gone`: who is to be erased once more.
    pub(super) fn new(
        site: Site,
        pipeline: &Pipeline,
        state: &Arc<State>,
        recovery: &Recovery,
        checkpoint_seq: u64,
        gone: &[erasure::Tombstone],
    ) -> anyhow::Result<Parts> {
        let clock = Arc::new(SystemClock::new(Some(pipeline.last_at())));
        let as_clock: Arc<dyn Clock> = Arc::clone(&clock) as Arc<dyn Clock>;
        let seen = Arc::new(Seen::default());
        seen.damage.store(recovery.damage.len() as u64, Relaxed);
        seen.recovered_seq.store(recovery.last_seq, Relaxed);
        let written = Arc::new(Written::default());
        written.seq.store(checkpoint_seq, Relaxed);
        // Nobody is to be shown, rung or waited for who was erased after the backup that this is of.
        let mut auditor = pipeline.auditor();
        for incident in pipeline.open_incidents().filter(|it| gone.iter().any(|one| one.is_wearer(&it.wearer))) {
            auditor.incident(&Incident { state: IncidentState::Resolved, ..incident.clone() });
        }
        let (unsaved, line) = (Arc::new(Unsaved::default()), Arc::new(Line::default()));
        Ok(Parts {
            authority: Arc::new(authority_of(pipeline)),
            inbox: Arc::new(Inbox::default()),
            outbox: Arc::new(Outbox::default()),
            door: Arc::new(OnceLock::new()),
            pulse: Arc::new(Pulse::default()),
            channels: Arc::new(channels_of(&site.config, &as_clock)?),
            outward: Outward::new(Reachable { allowed: site.config.webhooks.allow.clone() })?,
            state: Arc::clone(state),
            seen,
            written,
            auditor: Arc::new(Mutex::new(auditor)),
            book: Arc::new(Book::new(pipeline.webhooks())),
            photos: Arc::new(Photos::new(Arc::clone(&site.disk), &site.layout.photos())),
            journal_failed: Arc::default(),
            watched: Arc::new(Watched::of(pipeline)),
            last_words: Arc::new(LastWords::new(Arc::clone(&line), Arc::clone(&unsaved))),
            unsaved,
            line,
            watch: Arc::new(Watch::default()),
            site,
            clock,
            as_clock,
        })
    }

    pub(super) fn clock(&self) -> &SystemClock {
        &self.clock
    }

    pub(super) fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }

    pub(super) fn door(&self) -> &Arc<OnceLock<Door>> {
        &self.door
    }

    pub(super) fn config(&self) -> &Config {
        &self.site.config
    }

    /// The commit threads, and what they let out once it is durable.
    pub(super) fn start_journal(&self, opened: OpenedJournal) -> anyhow::Result<Arc<Journal<Release>>> {
        let (feed, events) = mpsc::sync_channel(FEED_EVENTS_WAITING_MAX);
        let (told, epoch) = (Arc::clone(&self.door), self.state.feed_epoch());
        std::thread::Builder::new().name("feed".to_owned()).spawn(move || tell_feed(&events, &told, epoch))?;
        let releaser = Releaser {
            book: Arc::clone(&self.book),
            authority: Arc::clone(&self.authority),
            outbox: Arc::clone(&self.outbox),
            door: Arc::clone(&self.door),
            feed,
            auditor: Arc::clone(&self.auditor),
            watched: Arc::clone(&self.watched),
        };
        let (failed, saved) = (Arc::clone(&self.journal_failed), Arc::clone(&self.unsaved));
        let words = Arc::clone(&self.last_words);
        let journal = opened.start(
            move |committed: store::Committed<Release>| {
                releaser.release(committed.release);
                saved.saved_through(committed.last_seq);
            },
            move |error| {
                failed.store(true, Relaxed);
                tracing::error!(%error, "the journal failed: nothing more is acknowledged, the process ends");
                words.say();
                std::process::exit(EXIT_JOURNAL_FAILED);
            },
        )?;
        Ok(Arc::new(journal))
    }

    /// Who brings the journal into the view.
    pub(super) fn start_follower(&self, journal: &Journal<Release>) -> anyhow::Result<Arc<Follower>> {
        let follower = Follower::start(
            Arc::clone(&self.site.disk),
            &self.site.layout.journal(),
            Arc::clone(&self.state),
            journal.progress(),
            FollowerConfig::default(),
            |error| tracing::error!(%error, "what is shown stands still; alarms go on; it is tried again by itself"),
        )?;
        Ok(Arc::new(follower))
    }

    /// Takes up again what was not sent when the house closed or fell.
    pub(super) fn take_up(&self, pipeline: &Pipeline, gone: &[erasure::Tombstone]) {
        let unsent = pipeline.unsent_attempts().filter(|attempt| !gone.iter().any(|one| one.takes(attempt)));
        self.outbox.note(unsent.cloned());
        pipeline.handed_over_attempts().iter().for_each(|attempt| self.channels.remember(attempt));
    }

    /// The one thread that decides.
    pub(super) fn start_main_loop(
        &self,
        pipeline: Pipeline,
        journal: &Arc<Journal<Release>>,
        checkpoint_seq: u64,
    ) -> anyhow::Result<JoinHandle<Result<(), StoreError>>> {
        let main_loop = MainLoop {
            last_seq: journal.next_seq() - 1,
            pipeline,
            inbox: Arc::clone(&self.inbox),
            journal: Arc::clone(journal),
            clock: Arc::clone(&self.as_clock),
            pulse: Arc::clone(&self.pulse),
            refuse_telemetry: Arc::clone(&self.seen.disk_low),
            hold_telemetry: Arc::clone(&self.seen.telemetry_held),
            checkpointer: Checkpointer::new(
                Arc::clone(&self.site.disk),
                self.site.layout.checkpoints(),
                self.site.config.journal.checkpoint_records,
                checkpoint_seq,
                Arc::clone(&self.written),
            ),
            unsaved: Arc::clone(&self.unsaved),
        };
        // A loop that cannot go on must not leave a process behind that looks alive.
        let last_words = Arc::clone(&self.last_words);
        let run = move || {
            scheduling::be_prompt();
            main_loop.run().inspect_err(|error| {
                tracing::error!(%error, "a decision could not be handed to the journal: the process ends");
                last_words.say();
                std::process::exit(EXIT_JOURNAL_FAILED);
            })
        };
        Ok(std::thread::Builder::new().name("main-loop".to_owned()).spawn(run)?)
    }

    /// Who lets go of what is old, exports, and looks after the disk.
    pub(super) fn start_housekeeper(
        &self,
        journal: &Arc<Journal<Release>>,
        follower: &Arc<Follower>,
    ) -> anyhow::Result<Housekeeping> {
        let config = &self.site.config;
        let housekeeper = Housekeeper {
            photos: Arc::clone(&self.photos),
            disk: Arc::clone(&self.site.disk),
            data: self.site.layout.clone(),
            journal: Arc::clone(journal),
            follower: Arc::clone(follower),
            state: Arc::clone(&self.state),
            clock: Arc::clone(&self.clock),
            seen: Arc::clone(&self.seen),
            retention: Retention { days: config.journal.retain_days, bytes: config.journal.retain_bytes },
            state_retention: config.history.retention(),
            disk_reserve_bytes: config.journal.disk_reserve_bytes,
            authority: Arc::clone(&self.authority),
            written: Arc::clone(&self.written),
            looked: Looked::default(),
            auditor: Arc::clone(&self.auditor),
        };
        let (stop, stopped) = mpsc::channel();
        let thread =
            std::thread::Builder::new().name("housekeeper".to_owned()).spawn(move || housekeeper.run(&stopped))?;
        Ok(Housekeeping { thread, stop })
    }

    /// The watchdog, the gate before every send, and the snapshot that it would go on with; nothing of it where none is
    /// configured.
    pub(super) fn start_watchdog(&self, follower: &Follower) -> anyhow::Result<Watchdog> {
        let lives = watchdog::lives(Arc::clone(&self.as_clock), Arc::clone(&self.pulse), Arc::clone(&self.seen));
        let Some(settings) = &self.site.config.watchdog else {
            return Ok(Watchdog { gate: None, snapshot: None, leash: None });
        };
        let gate = self.gate(&lives, follower)?;
        let (ground, seal) = self.ground()?;
        let snapshot = SnapshotWriter::start(Arc::clone(&self.watched), ground, seal);
        let leash = match settings.command.as_slice() {
            [] => None,
            command => {
                let (watch, line) = (Arc::clone(&self.watch), Arc::clone(&self.line));
                let started = Leash::start(command, lives, watch, line, Arc::clone(&self.unsaved));
                Some(started.context("starting the watchdog")?)
            }
        };
        Ok(Watchdog { gate: Some(gate), snapshot: Some(snapshot.context("the watchdog's snapshot")?), leash })
    }

    /// Whether a supervisor shall keep us.
    pub(super) fn is_worth_keeping(&self) -> Lives {
        watchdog::is_worth_keeping(Arc::clone(&self.as_clock), Arc::clone(&self.pulse), Arc::clone(&self.seen))
    }

    fn gate(&self, lives: &Lives, follower: &Follower) -> anyhow::Result<Arc<Gate>> {
        let (ground, seal) = self.ground()?;
        let (watch, inbox, clock) = (Arc::clone(&self.watch), Arc::clone(&self.inbox), Arc::clone(&self.as_clock));
        let (lives, state) = (Arc::clone(lives), Arc::clone(&self.state));
        Ok(Arc::new(Gate::new(ground, seal, watch, inbox, clock, lives, follower.facts(), state)))
    }

    fn ground(&self) -> anyhow::Result<(Ground, Seal)> {
        let ground = Ground::open(&self.site.config.data).context("the watchdog's directory")?;
        Ok((ground, Seal::new(&self.site.secrets.watchdog_key())?))
    }

    /// Who sends: to phones, to other systems; and who looks whether providers can be reached.
    pub(super) fn start_senders(
        &self,
        watchdog: &Watchdog,
        newest_event: &watch::Receiver<u64>,
    ) -> Vec<tokio::task::JoinHandle<()>> {
        let dispatcher = Dispatcher {
            outbox: Arc::clone(&self.outbox),
            channels: Arc::clone(&self.channels),
            inbox: Arc::clone(&self.inbox),
            clock: Arc::clone(&self.as_clock),
            gate: watchdog.gate.clone(),
            links: self.links(),
            page: self.page(),
        };
        let teller = Teller {
            book: Arc::clone(&self.book),
            state: Arc::clone(&self.state),
            inbox: Arc::clone(&self.inbox),
            clock: Arc::clone(&self.as_clock),
            newest: newest_event.clone(),
            epoch: self.state.feed_epoch(),
            secrets: Arc::clone(&self.site.secrets),
            outward: self.outward.clone(),
        };
        let mut tasks = vec![tokio::spawn(Arc::new(teller).run())];
        tasks.extend(watchdog.gate.clone().map(|gate| tokio::spawn(gate.keep_settled())));
        tasks.extend(dispatcher.start());
        tasks.push(tokio::spawn(probe_providers(Arc::clone(&self.channels))));
        tasks
    }

    /// The engine as the door and the API see it.
    pub(super) fn house(
        &self,
        journal: &Arc<Journal<Release>>,
        follower: &Follower,
        newest_event: watch::Receiver<u64>,
    ) -> anyhow::Result<Arc<House>> {
        let config = &self.site.config;
        Ok(Arc::new(House {
            clock: Arc::clone(&self.clock),
            authority: Arc::clone(&self.authority),
            secrets: Arc::clone(&self.site.secrets),
            inbox: Arc::clone(&self.inbox),
            state: Arc::clone(&self.state),
            unsaved: Arc::clone(&self.unsaved),
            durable: journal.progress(),
            facts: follower.facts(),
            erased: follower.erased(),
            newest_event,
            epoch: self.state.feed_epoch(),
            limits: ingest::Limits { array_items_max: config.mqtt.array_items_max, ..ingest::Limits::default() },
            zone: config.zone,
            photos: Arc::clone(&self.photos),
            reach: config.reach(),
            vitals: self.vitals(journal, follower),
            shown: config.shown(),
            channels: Arc::clone(&self.channels),
            base: self.base(),
            phones_page: config.http.phones_page.clone(),
            demo: config.http.demo.clone(),
            traces: Traces {
                disk: Arc::clone(&self.site.disk),
                layout: self.site.layout.clone(),
                journal: Arc::downgrade(journal),
                state: Arc::clone(&self.state),
                photos: Arc::clone(&self.photos),
                retain_days: config.journal.retain_days,
                clock: Arc::clone(&self.as_clock),
            },
            tiles: tiles(config)?,
            reachable: self.outward.reachable().clone(),
        }))
    }

    fn vitals(&self, journal: &Arc<Journal<Release>>, follower: &Follower) -> Arc<Vitals> {
        Arc::new(Vitals {
            clock: Arc::clone(&self.clock),
            pulse: Arc::clone(&self.pulse),
            inbox: Arc::clone(&self.inbox),
            outbox: Arc::clone(&self.outbox),
            journal: Arc::downgrade(journal),
            facts: follower.facts(),
            follower_failed: follower.failed(),
            journal_failed: Arc::clone(&self.journal_failed),
            channels: Arc::clone(&self.channels),
            door: Arc::clone(&self.door),
            written: Arc::clone(&self.written),
            seen: Arc::clone(&self.seen),
            watch: Arc::clone(&self.watch),
        })
    }

    /// How others reach us, without a slash at its end.
    fn base(&self) -> String {
        self.site.config.http.public_url.clone().unwrap_or_else(|| format!("http://{}", self.site.ready.http))
    }

    /// Renders the address of the page for an attempt's guardian.
    fn page(&self) -> Arc<dyn Fn(&model::Attempt) -> String + Send + Sync> {
        let (base, secrets) = (self.base(), Arc::clone(&self.site.secrets));
        Arc::new(move |attempt| match attempt.purpose {
            model::Purpose::Code => secrets.code(attempt.id),
            _ => format!("{base}/g/{}", secrets.link_token(attempt.id)),
        })
    }

    /// Renders an attempt's capability URLs at the moment of sending: no journal, backup or log holds them.
    fn links(&self) -> Arc<dyn Fn(&model::Attempt) -> Links + Send + Sync> {
        let base = self.base();
        let secrets = Arc::clone(&self.site.secrets);
        Arc::new(move |attempt: &model::Attempt| {
            let (id, channel) = (attempt.id, channels::directory::name_of(attempt.channel));
            Links {
                callback: format!("{base}/api/v1/callbacks/{id}/{}", secrets.callback_token(id)),
                provider: format!("{base}/api/v1/providers/{channel}/{}?attempt={id}", secrets.provider_token(channel)),
            }
        })
    }
}

/// Where the keys are kept that make a send harmless to repeat, in the data directory.
const ONCE_DIR: &str = "once";

/// The channels as they are configured.
///
/// # Errors
/// The channel's name, and what is wrong with it.
pub(crate) fn channels_of(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Channels> {
    let keys_dir = config.data.join(ONCE_DIR);
    let kept = |name: &str| Some(Arc::new(Kept::new(&keys_dir, name)) as Arc<dyn channels::once::KeptKeys>);
    Channels::new(config.providers(), channels::ShellLimits::default(), clock, &kept)
        .map_err(|(name, error)| anyhow!("channels.{name}: {error}"))
}

/// Tells live streams which event the state can be asked for now. It ends, and they with it, when the house closes.
pub(super) async fn tell_newest(events: Arc<store::Progress>, newest: watch::Sender<u64>) {
    loop {
        let reached = events.get();
        newest.send_if_modified(|told| std::mem::replace(told, reached.max(*told)) < reached);
        events.reached(reached + 1).await;
    }
}

/// Looks at every provider from time to time, so that `/readyz` knows before the first alarm does.
async fn probe_providers(channels: Arc<Channels>) {
    let mut every = tokio::time::interval(std::time::Duration::from_secs(10));
    loop {
        every.tick().await;
        for shell in channels.configured() {
            shell.probe().await;
        }
    }
}

/// Where map tiles come from, if they are to come from anywhere.
fn tiles(config: &Config) -> anyhow::Result<Option<(channels::tiles::Tiles, String)>> {
    let Some(settings) = &config.http.tiles else { return Ok(None) };
    Ok(Some((channels::tiles::Tiles::new(&settings.url)?, settings.attribution.clone())))
}
