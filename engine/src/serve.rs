//! Puts the house together: recovers the state from disk, starts the loop and what stands around it, opens the
//! doors, and closes everything again in the right order.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread::JoinHandle;

use anyhow::{Context, anyhow};
use api::ApiConfig;
use broker::{Door, DoorConfig};
use channels::outward::{Outward, Reachable};
use channels::{Channels, Links};
use model::staff::Known;
use model::{Actor, Clock, Incident, IncidentState, Input, PersonId, Reply, StaffCommand};
use parking_lot::Mutex;
use store::{
    Disk, Follower, FollowerConfig, Journal, JournalConfig, RealDisk, Recovery, Retention, State, StateConfig,
};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};

use crate::authority::Authority;
use crate::checkpoint::{self, Checkpointer, Written};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::data_dir::{DataDir, DataLock};
use crate::dispatcher::Dispatcher;
use crate::erasure::{self, Traces};
use crate::health::{Seen, Vitals};
use crate::host::House;
use crate::housekeeping::{Housekeeper, Looked};
use crate::inbox::{Inbox, Work};
use crate::main_loop::{MainLoop, started};
use crate::open_files;
use crate::outbox::Outbox;
use crate::pipeline::Pipeline;
use crate::pulse::Pulse;
use crate::read_ahead::{device_of, read_ahead};
use crate::release::{FEED_EVENTS_WAITING_MAX, Release, Releaser, tell_feed};
use crate::secrets::Secrets;
use crate::setup::{SetupFaults, both, cannot_listen};
use crate::teller::{Book, Teller};
use crate::tls::{self, Tls};
use crate::watchdog::{
    self, Gate, Ground, LastWords, Leash, Line, Lives, Seal, SnapshotWriter, Unsaved, Watch, Watched,
};

/// The exit code when the journal cannot be written: `EX_IOERR` of sysexits.
const EXIT_JOURNAL_FAILED: i32 = 74;
/// In whose name somebody is erased again after a restore.
const RESTORER: &str = "restore";
/// Where TLS is expected (IANA: 8883 is secure-mqtt).
const HTTPS_PORT: u16 = 8443;
const MQTTS_PORT: u16 = 8883;

/// How long the API waits at a start for the view to catch up with the journal, in seconds.
const CATCH_UP_SECONDS_MAX: u64 = 10;

/// Where the house can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    /// The API and the console.
    pub http: SocketAddr,
    /// The door for devices.
    pub mqtt: SocketAddr,
    /// Both again, with TLS.
    pub tls: Option<ReadyTls>,
}

/// Where the house can be reached with TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadyTls {
    /// The API and the console.
    pub https: SocketAddr,
    /// The door for devices.
    pub mqtts: SocketAddr,
}

/// The listeners with TLS, and what they show.
struct TlsDoors {
    tls: Arc<Tls>,
    http: TcpListener,
    mqtt: TcpListener,
}

impl TlsDoors {
    /// What the configuration says, or what `init --self-signed` left; `None`: there is no TLS.
    async fn open(config: &Config) -> Result<Option<TlsDoors>, SetupFaults> {
        let Some(settings) = config.tls.clone().or_else(|| tls::of_data_dir(&config.data)) else {
            return tls::unasked(config).map_or(Ok(None), |fault| Err(fault.into()));
        };
        // A certificate of one's own is for everybody; one for a first try for this machine, unless said otherwise.
        let anywhere = if config.tls.is_some() { [0, 0, 0, 0] } else { [127, 0, 0, 1] };
        let http = config.http.tls_listen.unwrap_or_else(|| (anywhere, HTTPS_PORT).into());
        let mqtt = config.mqtt.tls_listen.unwrap_or_else(|| (anywhere, MQTTS_PORT).into());
        let tls = Tls::load(&settings).map_err(|_| SetupFaults(tls::faults(&settings)));
        let http = TcpListener::bind(http).await.map_err(|error| cannot_listen(http, "http.tls_listen", &error));
        let mqtt = broker::listen(mqtt).map_err(|error| cannot_listen(mqtt, "mqtt.tls_listen", &error));
        let (tls, (http, mqtt)) = both(tls, both(http, mqtt))?;
        Ok(Some(TlsDoors { tls, http, mqtt }))
    }
}

/// Serves until `shutdown` completes; `on_ready` is told the addresses once both doors are open.
///
/// # Errors
/// A directory that is not initialised or in use, a damaged checkpoint, an address that is taken.
pub async fn run(
    config: Config,
    on_ready: impl FnOnce(Ready) + Send,
    shutdown: impl Future<Output = ()> + Send,
) -> anyhow::Result<()> {
    let running = start(config).await?;
    on_ready(running.ready());
    shutdown.await;
    running.shutdown().await
}

/// What recovery found on disk.
struct Recovered {
    pipeline: Pipeline,
    opened: store::OpenedJournal,
    recovery: Recovery,
    state: Arc<State>,
    checkpoint_seq: u64,
}

/// A house that serves.
pub struct Running {
    ready: Ready,
    inbox: Arc<Inbox>,
    door: Arc<OnceLock<Door>>,
    main_loop: JoinHandle<Result<(), store::StoreError>>,
    housekeeper: JoinHandle<()>,
    stop_housekeeper: mpsc::Sender<()>,
    journal: Arc<Journal<Release>>,
    follower: Arc<Follower>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    api: tokio::task::JoinHandle<std::io::Result<()>>,
    stop_api: watch::Sender<bool>,
    leash: Option<Leash>,
    snapshot: Option<SnapshotWriter>,
    _lock: DataLock,
}

/// Recovers and opens the doors.
///
/// # Errors
/// A directory that is not initialised or in use, a damaged checkpoint, an address that is taken.
pub async fn start(config: Config) -> anyhow::Result<Running> {
    let data = DataDir::open(&config.data)?;
    let lock = data.lock()?;
    let secrets = Arc::new(data.load_secrets()?);
    // The addresses are taken before the recovery, so that a mistake in them is told at once.
    let (http, mqtt) = (config.http.listen, config.mqtt.listen);
    let http = TcpListener::bind(http).await.map_err(|error| cannot_listen(http, "http.listen", &error));
    let mqtt = broker::listen(mqtt).map_err(|error| cannot_listen(mqtt, "mqtt.listen", &error));
    let (tls, (http, mqtt)) = both(TlsDoors::open(&config).await, both(http, mqtt))?;
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let layout = store::DataDir::new(&config.data);
    let found = {
        let (disk, layout, config) = (Arc::clone(&disk), layout.clone(), config.clone());
        tokio::task::spawn_blocking(move || recover(&disk, &layout, &config)).await??
    };
    let ready_tls = match &tls {
        Some(tls) => Some(ReadyTls { https: tls.http.local_addr()?, mqtts: tls.mqtt.local_addr()? }),
        None => None,
    };
    let ready = Ready { http: http.local_addr()?, mqtt: mqtt.local_addr()?, tls: ready_tls };
    Assembly { config, lock, secrets, disk, layout, ready }.assemble(found, http, mqtt, tls).await
}

/// Brings the state back: the newest checkpoint, then the journal's tail.
fn recover(disk: &Arc<dyn Disk>, layout: &store::DataDir, config: &Config) -> anyhow::Result<Recovered> {
    let journal_config = JournalConfig { segment_bytes: config.journal.segment_bytes, ..JournalConfig::default() };
    let (opened, recovery) = Journal::open(Arc::clone(disk), &layout.journal(), journal_config)?;
    if let Some(torn) = &recovery.torn {
        tracing::warn!(?torn, "the journal ended in an unfinished batch, as after a crash; it was cut");
    }
    for damage in &recovery.damage {
        tracing::error!(?damage, "the journal is damaged; restore a backup if what is missing matters");
    }
    let (mut pipeline, checkpoint_seq) = checkpoint::load(&**disk, &layout.checkpoints(), config.zone)?;
    pipeline.set_sla(config.casework.clone());
    anyhow::ensure!(
        recovery.first_seq <= checkpoint_seq + 1 || recovery.first_seq == 0,
        "the journal begins at record {}, but the newest checkpoint ends at {checkpoint_seq}: restore a backup",
        recovery.first_seq
    );
    let mut applied = 0u64;
    let (parts, reading) = read_ahead(opened.read_from(checkpoint_seq + 1)?)?;
    for part in parts {
        pipeline.foresee_devices(part.iter().filter_map(device_of));
        for item in part {
            match item {
                Ok((seq, record)) => {
                    pipeline.apply(seq, &record);
                    applied += 1;
                }
                Err(store::StoreError::Damage(damage)) => tracing::error!(?damage, "passed over"),
                Err(error) => return Err(error.into()),
            }
        }
    }
    reading.join().map_err(|_| anyhow!("reading the journal panicked"))?;
    tracing::info!(checkpoint_seq, applied, last_seq = recovery.last_seq, "state recovered");
    let (state, origin) =
        store::open_state(disk, layout, recovery.first_seq, recovery.last_seq, &StateConfig::default())?;
    if let store::Opened::MovedAside { to, reason } = &origin.opened {
        tracing::error!(to = %to.display(), reason, "the state would not open; it was moved aside and is rebuilt");
    }
    if let Some((from, to)) = origin.missing {
        tracing::error!(from, to, "neither an export nor the journal holds these records: the state misses them");
    }
    state.set_feed_epoch(store::epoch::load(&**disk, layout.root())?);
    Ok(Recovered { pipeline, opened, recovery, state, checkpoint_seq })
}

/// What the gate needs of the house.
struct Mine<'a> {
    inbox: &'a Arc<Inbox>,
    clock: &'a Arc<dyn Clock>,
    lives: &'a Lives,
    facts: Arc<store::Progress>,
    state: &'a Arc<State>,
    watch: &'a Arc<Watch>,
}

struct Assembly {
    config: Config,
    lock: DataLock,
    secrets: Arc<Secrets>,
    disk: Arc<dyn Disk>,
    layout: store::DataDir,
    ready: Ready,
}

impl Assembly {
    async fn assemble(
        self,
        found: Recovered,
        http: TcpListener,
        mqtt: TcpListener,
        tls: Option<TlsDoors>,
    ) -> anyhow::Result<Running> {
        let Recovered { pipeline, opened, recovery, state, checkpoint_seq } = found;
        let clock = Arc::new(SystemClock::new(Some(pipeline.last_at())));
        let as_clock: Arc<dyn Clock> = Arc::clone(&clock) as Arc<dyn Clock>;
        let authority = Arc::new(authority_of(&pipeline));
        let (inbox, outbox) = (Arc::new(Inbox::default()), Arc::new(Outbox::default()));
        let (door, pulse) = (Arc::new(OnceLock::new()), Arc::new(Pulse::default()));
        let channels = Arc::new(channels_of(&self.config, &as_clock)?);
        let outward = Outward::new(Reachable { allowed: self.config.webhooks.allow.clone() })?;
        let seen = Arc::new(Seen::default());
        seen.damage.store(recovery.damage.len() as u64, Relaxed);
        seen.recovered_seq.store(recovery.last_seq, Relaxed);
        let written = Arc::new(Written::default());
        written.seq.store(checkpoint_seq, Relaxed);

        let epoch = state.feed_epoch();
        // Nobody is to be shown, rung or waited for who was erased after the backup that this is of.
        let gone = self.erased_since(&pipeline)?;
        let mut auditor = pipeline.auditor();
        for incident in pipeline.open_incidents().filter(|it| gone.iter().any(|one| one.is_wearer(&it.wearer))) {
            auditor.incident(&Incident { state: IncidentState::Resolved, ..incident.clone() });
        }
        let auditor = Arc::new(Mutex::new(auditor));
        let book = Arc::new(Book::new(pipeline.webhooks()));
        let (watched, unsaved) = (Arc::new(Watched::of(&pipeline)), Arc::new(Unsaved::default()));
        let line = Arc::new(Line::default());
        let last_words = Arc::new(LastWords::new(Arc::clone(&line), Arc::clone(&unsaved)));
        let (feed, events) = mpsc::sync_channel(FEED_EVENTS_WAITING_MAX);
        let told = Arc::clone(&door);
        std::thread::Builder::new().name("feed".to_owned()).spawn(move || tell_feed(&events, &told, epoch))?;
        let releaser = Releaser {
            book: Arc::clone(&book),
            authority: Arc::clone(&authority),
            outbox: Arc::clone(&outbox),
            door: Arc::clone(&door),
            feed,
            auditor: Arc::clone(&auditor),
            watched: Arc::clone(&watched),
        };
        let journal_failed = Arc::new(AtomicBool::new(false));
        let failed = Arc::clone(&journal_failed);
        let (saved, words) = (Arc::clone(&unsaved), Arc::clone(&last_words));
        let journal: Arc<Journal<Release>> = Arc::new(opened.start(
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
        )?);
        let follower = Arc::new(Follower::start(
            Arc::clone(&self.disk),
            &self.layout.journal(),
            Arc::clone(&state),
            journal.progress(),
            FollowerConfig::default(),
            |error| tracing::error!(%error, "what is shown stands still; alarms go on; it is tried again by itself"),
        )?);
        crate::counted::begin();
        let watch = Arc::new(Watch::default());
        let vitals = Arc::new(Vitals {
            clock: Arc::clone(&clock),
            pulse: Arc::clone(&pulse),
            inbox: Arc::clone(&inbox),
            outbox: Arc::clone(&outbox),
            journal: Arc::downgrade(&journal),
            facts: follower.facts(),
            follower_failed: follower.failed(),
            journal_failed,
            channels: Arc::clone(&channels),
            door: Arc::clone(&door),
            written: Arc::clone(&written),
            seen: Arc::clone(&seen),
            watch: Arc::clone(&watch),
        });

        let unsent = pipeline.unsent_attempts().filter(|attempt| !gone.iter().any(|one| one.takes(attempt)));
        outbox.note(unsent.cloned());
        pipeline.handed_over_attempts().iter().for_each(|attempt| channels.remember(attempt));
        let _ = inbox.urgent(started(&pipeline, clock.now()));
        let erased_again = erase_again(gone, &inbox, clock.now());
        let main_loop = MainLoop {
            last_seq: journal.next_seq() - 1,
            pipeline,
            inbox: Arc::clone(&inbox),
            journal: Arc::clone(&journal),
            clock: Arc::clone(&as_clock),
            pulse: Arc::clone(&pulse),
            refuse_telemetry: Arc::clone(&seen.disk_low),
            hold_telemetry: Arc::clone(&seen.telemetry_held),
            checkpointer: Checkpointer::new(
                Arc::clone(&self.disk),
                self.layout.checkpoints(),
                self.config.journal.checkpoint_records,
                checkpoint_seq,
                Arc::clone(&written),
            ),
            unsaved: Arc::clone(&unsaved),
        };
        // A loop that cannot go on must not leave a process behind that looks alive.
        let run = move || {
            main_loop.run().inspect_err(|error| {
                tracing::error!(%error, "a decision could not be handed to the journal: the process ends");
                last_words.say();
                std::process::exit(EXIT_JOURNAL_FAILED);
            })
        };
        let main_loop = std::thread::Builder::new().name("main-loop".to_owned()).spawn(run)?;
        for answer in erased_again {
            let _ = answer.await;
        }
        let photos = Arc::new(store::Photos::new(Arc::clone(&self.disk), &self.layout.photos()));
        let housekeeper = Housekeeper {
            photos: Arc::clone(&photos),
            disk: Arc::clone(&self.disk),
            data: self.layout.clone(),
            journal: Arc::clone(&journal),
            follower: Arc::clone(&follower),
            state: Arc::clone(&state),
            clock: Arc::clone(&clock),
            seen: Arc::clone(&seen),
            retention: Retention { days: self.config.journal.retain_days, bytes: self.config.journal.retain_bytes },
            state_retention: self.config.history.retention(),
            disk_reserve_bytes: self.config.journal.disk_reserve_bytes,
            authority: Arc::clone(&authority),
            written: Arc::clone(&written),
            looked: Looked::default(),
            auditor,
        };
        let (stop_housekeeper, stopped) = mpsc::channel();
        let housekeeper =
            std::thread::Builder::new().name("housekeeper".to_owned()).spawn(move || housekeeper.run(&stopped))?;

        let lives = watchdog::lives(Arc::clone(&as_clock), pulse, seen);
        let mine = Mine {
            inbox: &inbox,
            clock: &as_clock,
            lives: &lives,
            facts: follower.facts(),
            state: &state,
            watch: &watch,
        };
        let gate = self.config.watchdog.as_ref().map(|_| self.gate(mine)).transpose()?;
        let snapshot = self.config.watchdog.as_ref().map(|_| self.snapshot(watched)).transpose()?;
        let command = self.config.watchdog.as_ref().map(|watchdog| watchdog.command.as_slice()).unwrap_or_default();
        let leash = match command {
            [] => None,
            command => {
                let started = Leash::start(command, lives, watch, line, Arc::clone(&unsaved));
                Some(started.context("starting the watchdog")?)
            }
        };

        let (newest_sender, newest_event) = watch::channel(state.newest_event()?.unwrap_or(0));
        let mut tasks = vec![tokio::spawn(tell_newest(state.event_progress(), newest_sender))];
        let dispatcher = Dispatcher {
            outbox,
            channels: Arc::clone(&channels),
            inbox: Arc::clone(&inbox),
            clock: Arc::clone(&as_clock),
            gate: gate.clone(),
            links: self.links(),
            page: self.page(),
        };
        let teller = Teller {
            book,
            state: Arc::clone(&state),
            inbox: Arc::clone(&inbox),
            clock: Arc::clone(&as_clock),
            newest: newest_event.clone(),
            epoch,
            secrets: Arc::clone(&self.secrets),
            outward: outward.clone(),
        };
        tasks.push(tokio::spawn(Arc::new(teller).run()));
        tasks.extend(gate.map(|gate| tokio::spawn(gate.keep_settled())));
        tasks.extend(dispatcher.start());
        tasks.push(tokio::spawn(probe_providers(Arc::clone(&channels))));
        let house = Arc::new(House {
            clock,
            authority,
            secrets: Arc::clone(&self.secrets),
            inbox: Arc::clone(&inbox),
            state: Arc::clone(&state),
            unsaved,
            durable: journal.progress(),
            facts: follower.facts(),
            erased: follower.erased(),
            newest_event,
            epoch,
            limits: ingest::Limits { array_items_max: self.config.mqtt.array_items_max, ..ingest::Limits::default() },
            zone: self.config.zone,
            photos: Arc::clone(&photos),
            reach: self.config.reach(),
            vitals,
            shown: self.config.shown(),
            channels,
            base: self.base(),
            phones_page: self.config.http.phones_page.clone(),
            demo: self.config.http.demo.clone(),
            traces: Traces {
                disk: Arc::clone(&self.disk),
                layout: self.layout.clone(),
                journal: Arc::downgrade(&journal),
                state: Arc::clone(&state),
                photos: Arc::clone(&photos),
                retain_days: self.config.journal.retain_days,
                clock: Arc::clone(&as_clock),
            },
            tiles: tiles(&self.config)?,
            reachable: outward.reachable().clone(),
        });
        let opened = Door::start(mqtt, door_config(&self.config), Arc::clone(&house) as Arc<dyn broker::Host>).await?;
        let mut https = None;
        if let Some(TlsDoors { tls, http, mqtt }) = tls {
            opened.open_tls(mqtt, tls.mqtt());
            tasks.push(tls.watch()?);
            https = Some((http, tls.http()));
        }
        door.set(opened).map_err(|_| anyhow!("the door was opened twice"))?;
        // Whoever was answered before a crash reads it after. A rebuild of the view may take longer than a key that is
        // pressed can wait: then the API opens all the same, and `/readyz` says that the view is behind.
        let catch_up = std::time::Duration::from_secs(CATCH_UP_SECONDS_MAX);
        let _ = tokio::time::timeout(catch_up, follower.erased().reached(recovery.last_seq)).await;
        let (stop_api, stopped) = watch::channel(false);
        let router = api::router(house, state, api_config(&self.config));
        if let Some((http, tls)) = https {
            tokio::spawn(api::serve_tls(http, tls, router.clone(), stopped_by(stopped.clone())));
        }
        let api = tokio::spawn(api::serve(http, router, stopped_by(stopped)));
        Ok(Running {
            ready: self.ready,
            inbox,
            door,
            main_loop,
            housekeeper,
            stop_housekeeper,
            journal,
            follower,
            tasks,
            api,
            stop_api,
            leash,
            snapshot,
            _lock: self.lock,
        })
    }

    /// Whom a restore brought back.
    fn erased_since(&self, pipeline: &Pipeline) -> anyhow::Result<Vec<erasure::Tombstone>> {
        let known: Vec<erasure::Tombstone> = pipeline.erased().map(Into::into).collect();
        let mut listed = erasure::ledger(&self.config.data).context(erasure::LEDGER_FILE)?;
        listed.retain(|tombstone| !known.contains(tombstone));
        Ok(listed)
    }

    /// How others reach us, without a slash at its end.
    fn base(&self) -> String {
        self.config.http.public_url.clone().unwrap_or_else(|| format!("http://{}", self.ready.http))
    }

    fn gate(&self, mine: Mine<'_>) -> anyhow::Result<Arc<Gate>> {
        let Mine { inbox, clock, lives, facts, state, watch } = mine;
        let ground = Ground::open(&self.config.data).context("the watchdog's directory")?;
        let seal = Seal::new(&self.secrets.watchdog_key())?;
        let (inbox, clock, lives, state) = (Arc::clone(inbox), Arc::clone(clock), Arc::clone(lives), Arc::clone(state));
        let watch = Arc::clone(watch);
        Ok(Arc::new(Gate::new(ground, seal, watch, inbox, clock, lives, facts, state)))
    }

    fn snapshot(&self, watched: Arc<Watched>) -> anyhow::Result<SnapshotWriter> {
        let ground = Ground::open(&self.config.data).context("the watchdog's directory")?;
        let seal = Seal::new(&self.secrets.watchdog_key())?;
        SnapshotWriter::start(watched, ground, seal).context("the watchdog's snapshot")
    }

    /// Renders the address of the page for an attempt's guardian.
    fn page(&self) -> Arc<dyn Fn(&model::Attempt) -> String + Send + Sync> {
        let (base, secrets) = (self.base(), Arc::clone(&self.secrets));
        Arc::new(move |attempt| match attempt.purpose {
            model::Purpose::Code => secrets.code(attempt.id),
            _ => format!("{base}/g/{}", secrets.link_token(attempt.id)),
        })
    }

    /// Renders an attempt's capability URLs at the moment of sending: no journal, backup or log holds them.
    fn links(&self) -> Arc<dyn Fn(&model::Attempt) -> Links + Send + Sync> {
        let base = self.base();
        let secrets = Arc::clone(&self.secrets);
        Arc::new(move |attempt: &model::Attempt| {
            let (id, channel) = (attempt.id, channels::directory::name_of(attempt.channel));
            Links {
                callback: format!("{base}/api/v1/callbacks/{id}/{}", secrets.callback_token(id)),
                provider: format!("{base}/api/v1/providers/{channel}/{}?attempt={id}", secrets.provider_token(channel)),
            }
        })
    }
}

impl Running {
    /// Where the house can be reached.
    #[must_use]
    pub fn ready(&self) -> Ready {
        self.ready
    }

    /// Closes the doors, lets what was taken in be decided and committed, writes a checkpoint, and ends.
    ///
    /// # Errors
    /// When the loop ended with an error.
    pub async fn shutdown(self) -> anyhow::Result<()> {
        let Running {
            inbox,
            door,
            main_loop,
            housekeeper,
            stop_housekeeper,
            journal,
            follower,
            tasks,
            api,
            stop_api,
            leash,
            snapshot,
            ..
        } = self;
        if let Some(door) = door.get() {
            door.shutdown().await;
        }
        // Who still waits for an answer gets it before the loop ends.
        let _ = stop_api.send(true);
        let _ = tokio::time::timeout(std::time::Duration::from_secs(5), api).await;
        tasks.iter().for_each(tokio::task::JoinHandle::abort);
        inbox.close();
        drop(stop_housekeeper);
        tokio::task::spawn_blocking(move || {
            if let Some(leash) = leash {
                leash.end();
            }
            let ended = main_loop.join().map_err(|_| anyhow!("the main loop panicked"))?;
            housekeeper.join().map_err(|_| anyhow!("housekeeping panicked"))?;
            // The last holders: what is in flight is released, the projection catches up.
            if let Some(journal) = Arc::into_inner(journal) {
                journal.close();
            }
            if let Some(follower) = Arc::into_inner(follower) {
                follower.close();
            }
            drop(snapshot);
            ended.map_err(anyhow::Error::from)
        })
        .await?
    }
}

/// Erases once more whom a restore brought back.
fn erase_again(
    gone: Vec<erasure::Tombstone>,
    inbox: &Inbox,
    now: model::Timestamp,
) -> Vec<oneshot::Receiver<(u64, Reply)>> {
    let mut answers = Vec::new();
    for erasure::Tombstone { kind, subject } in gone {
        let actor =
            Actor { person: PersonId::new(RESTORER), role: model::Role::Admin, scope: model::OrgPath::new("/") };
        let command = StaffCommand::Erase { kind, subject, known: Known::Nothing, again: true };
        let (reply, answer) = oneshot::channel();
        let input = Input::Command { actor, idempotency_key: None, command };
        let _ = inbox.urgent(Work::Input { input, received: now, reply: Some(reply) });
        answers.push(answer);
    }
    answers
}

fn authority_of(pipeline: &Pipeline) -> Authority {
    let authority = Authority::new();
    let devices = pipeline.directory().devices.iter().map(|(_, entry)| entry.device.clone()).collect();
    authority.apply(&model::RegistryChange { devices, ..model::RegistryChange::default() });
    pipeline.tokens().for_each(|token| {
        authority.apply_token(token);
    });
    pipeline.accounts().all().for_each(|account| authority.apply_account(account.clone()));
    pipeline.accounts().sessions().for_each(|session| authority.apply_session(session.clone()));
    pipeline.audit().glasses().for_each(|glass| authority.apply_glass(glass.clone()));
    pipeline.step_ups().for_each(|step_up| authority.apply_step_up(step_up.clone(), step_up.sent_at));
    pipeline.alerting().watches().for_each(|watch| authority.apply_watch(watch.clone(), watch.since));
    for (person, phone, at) in pipeline.reach().reached() {
        authority.apply_reached(person.clone(), phone.0.clone(), at);
    }
    authority
}

/// Where the keys are kept that make a send harmless to repeat, in the data directory.
const ONCE_DIR: &str = "once";

/// The channels as they are configured.
///
/// # Errors
/// The channel's name, and what is wrong with it.
pub(crate) fn channels_of(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Channels> {
    let mut providers = config.providers();
    let keys_dir = config.data.join(ONCE_DIR);
    providers.values_mut().flatten().for_each(|provider| provider.keys_dir = Some(keys_dir.clone()));
    Channels::new(providers, channels::ShellLimits::default(), clock)
        .map_err(|(name, error)| anyhow!("channels.{name}: {error}"))
}

fn door_config(config: &Config) -> DoorConfig {
    let mqtt = &config.mqtt;
    let limit = open_files::raise();
    let connections_max = open_files::connections_max(mqtt.connections_max, limit);
    if connections_max < mqtt.connections_max {
        let wanted = mqtt.connections_max;
        tracing::warn!(
            limit,
            wanted,
            connections_max,
            "too few open files are allowed for mqtt.connections_max: raise `ulimit -n` or LimitNOFILE="
        );
    }
    DoorConfig {
        packet_bytes_max: mqtt.packet_bytes_max,
        connect_seconds_max: mqtt.connect_seconds_max,
        receive_maximum: mqtt.receive_maximum,
        keep_alive_seconds_max: u16::try_from(mqtt.keep_alive_seconds_max).unwrap_or(u16::MAX),
        held_bytes_max: mqtt.held_bytes_max,
        connections_max,
        ..DoorConfig::default()
    }
}

fn api_config(config: &Config) -> ApiConfig {
    ApiConfig {
        body_bytes_max: config.api.body_bytes_max,
        import_bytes_max: config.api.import_bytes_max,
        streams_max: config.api.streams_max,
        ..ApiConfig::default()
    }
}

/// Tells live streams which event the state can be asked for now. It ends, and they with it, when the house closes.
async fn tell_newest(events: Arc<store::Progress>, newest: watch::Sender<u64>) {
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

async fn stopped_by(mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stop| *stop).await;
}

/// Where map tiles come from, if they are to come from anywhere.
fn tiles(config: &Config) -> anyhow::Result<Option<(channels::tiles::Tiles, String)>> {
    let Some(settings) = &config.http.tiles else { return Ok(None) };
    Ok(Some((channels::tiles::Tiles::new(&settings.url)?, settings.attribution.clone())))
}
