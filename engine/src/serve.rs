//! Puts the house together: recovers the state from disk, starts the loop and what stands around it, opens the
//! doors, and closes everything again in the right order. [`start`] is the whole of it, in order.

mod doors;
mod parts;
mod recovery;

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::anyhow;
use broker::Door;
use model::Clock;
use store::{Disk, Follower, Journal, RealDisk};
use tokio::sync::watch;

use crate::ballast;
use crate::config::Config;
use crate::data_dir::{DataDir, DataLock};
use crate::inbox::Inbox;
use crate::main_loop::started;
use crate::release::Release;
use crate::supervisor::Supervisor;
use crate::watchdog::Lives;
use doors::{ApiDoor, Doors};
pub(crate) use parts::channels_of;
use parts::{Housekeeping, Parts, Site, Watchdog, tell_newest};
use recovery::Recovered;

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
    let is_worth_keeping = Arc::clone(&running.is_worth_keeping);
    let supervisor = Supervisor::begin(move || is_worth_keeping());
    shutdown.await;
    supervisor.end();
    running.shutdown().await
}

/// A house that serves.
pub struct Running {
    ready: Ready,
    inbox: Arc<Inbox>,
    door: Arc<OnceLock<Door>>,
    main_loop: JoinHandle<Result<(), store::StoreError>>,
    housekeeping: Housekeeping,
    journal: Arc<Journal<Release>>,
    follower: Arc<Follower>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    api: ApiDoor,
    watchdog: Watchdog,
    is_worth_keeping: Lives,
    _lock: DataLock,
}

/// Recovers and opens the doors.
///
/// # Errors
/// A directory that is not initialised or in use, a damaged checkpoint, an address that is taken.
pub async fn start(config: Config) -> anyhow::Result<Running> {
    // What can be wrong is told before anything is touched: the directory, its lock, its keys, the addresses.
    let data = DataDir::open(&config.data)?;
    let lock = data.lock()?;
    make_room(data.root());
    let secrets = Arc::new(data.load_secrets()?);
    let doors = Doors::take(&config)?;
    let ready = doors.addresses()?;
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let layout = store::DataDir::new(&config.data);

    let site = Site { config, secrets, disk, layout, ready };
    let (site, found) = tokio::task::spawn_blocking(move || {
        let found = recovery::recover(&site.disk, &site.layout, &site.config);
        found.map(|found| (site, found))
    })
    .await??;
    let Recovered { pipeline, opened, recovery, state, checkpoint_seq } = found;
    let gone = recovery::erased_since(&site.config, &pipeline)?;
    let parts = Parts::new(site, &pipeline, &state, &recovery, checkpoint_seq, &gone)?;

    // What is committed is let out and projected from here on; then somebody decides.
    let journal = parts.start_journal(opened)?;
    let follower = parts.start_follower(&journal)?;
    crate::counted::begin();
    parts.take_up(&pipeline, &gone);
    let _ = parts.inbox().urgent(started(&pipeline, parts.clock().now()));
    let erased_again = recovery::erase_again(gone, parts.inbox(), parts.clock().now());
    let main_loop = parts.start_main_loop(pipeline, &journal, checkpoint_seq)?;
    let mut answered_through = recovery.last_seq;
    for answer in erased_again {
        let done = answer.await;
        answered_through = answered_through.max(done.map_or(0, |(seq, _)| seq));
    }
    let housekeeping = parts.start_housekeeper(&journal, &follower)?;
    let watchdog = parts.start_watchdog(&follower)?;

    let (newest_sender, newest_event) = watch::channel(state.newest_event()?.unwrap_or(0));
    let mut tasks = vec![tokio::spawn(tell_newest(state.event_progress(), newest_sender))];
    tasks.extend(parts.start_senders(&watchdog, &newest_event));
    let house = parts.house(&journal, &follower, newest_event)?;
    let (door, api_doors) = doors.open_mqtt(parts.config(), &house, &mut tasks).await?;
    parts.door().set(door).map_err(|_| anyhow!("the door was opened twice"))?;
    // Whoever was answered before a crash reads it after, and nobody reads of whom a restore brought back.
    // A rebuild of the view may take longer than a key that is pressed can wait: then the API opens all the same, and
    // `/readyz` says that the view is behind.
    let catch_up = Duration::from_secs(CATCH_UP_SECONDS_MAX);
    let _ = tokio::time::timeout(catch_up, follower.erased().reached(answered_through)).await;
    let api = api_doors.open(parts.config(), house, state);
    let (inbox, door) = (Arc::clone(parts.inbox()), Arc::clone(parts.door()));
    let is_worth_keeping = parts.is_worth_keeping();
    Ok(Running {
        ready,
        inbox,
        door,
        main_loop,
        housekeeping,
        journal,
        follower,
        tasks,
        api,
        watchdog,
        is_worth_keeping,
        _lock: lock,
    })
}

/// Gives up what was kept for this, if the disk is full.
fn make_room(root: &Path) {
    match RealDisk.free_bytes(root).and_then(|free| ballast::give_up_if_short(root, free)) {
        Ok(false) => {}
        Ok(true) => tracing::error!(
            "the disk is full: this start takes the room that was kept for it; make room before the next"
        ),
        Err(error) => tracing::warn!(%error, "whether there is room for a start is not known"),
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
        let Running { inbox, door, main_loop, housekeeping, journal, follower, tasks, api, watchdog, .. } = self;
        let (Housekeeping { thread: housekeeper, stop: stop_housekeeper }, ApiDoor { served, stop: stop_api }) =
            (housekeeping, api);
        let Watchdog { snapshot, leash, .. } = watchdog;
        if let Some(door) = door.get() {
            door.shutdown().await;
        }
        // Who still waits for an answer gets it before the loop ends.
        let _ = stop_api.send(true);
        let _ = tokio::time::timeout(Duration::from_secs(5), served).await;
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
