//! Who is in: every open connection, and the one live session of each device.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use model::{DeviceId, TokenId};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::mailbox::{Mailbox, Stop};
use crate::{Host, Inbound, Lane};

/// So that connections that come and go on different threads seldom meet.
const SHARDS: usize = 64;

/// See the module.
#[derive(Debug)]
pub(crate) struct Registry {
    hasher: RandomState,
    devices: [Mutex<HashMap<DeviceId, Arc<Mailbox>>>; SHARDS],
    connections: Mutex<HashMap<u64, Open>>,
    count: AtomicUsize,
    last_connection: AtomicU64,
    /// Counts the calls of [`revoke`](Self::revoke) and [`revoke_token`](Self::revoke_token): a session that was authorised before one and registered after it
    /// must not stay.
    revocations: AtomicU64,
    emptied: Notify,
}

/// An open connection.
#[derive(Debug)]
struct Open {
    mailbox: Arc<Mailbox>,
    /// The token with which it subscribed to the feed.
    token: Option<TokenId>,
}

impl Registry {
    pub fn new() -> Registry {
        Registry {
            hasher: RandomState::new(),
            devices: std::array::from_fn(|_| Mutex::default()),
            connections: Mutex::default(),
            count: AtomicUsize::new(0),
            last_connection: AtomicU64::new(0),
            revocations: AtomicU64::new(0),
            emptied: Notify::new(),
        }
    }

    /// A connection is open; the number is for [`close`](Self::close).
    pub fn open(&self, mailbox: &Arc<Mailbox>) -> u64 {
        let number = self.last_connection.fetch_add(1, Ordering::Relaxed) + 1;
        self.connections.lock().insert(number, Open { mailbox: Arc::clone(mailbox), token: None });
        self.count.fetch_add(1, Ordering::AcqRel);
        number
    }

    /// The connection is gone.
    pub fn close(&self, number: u64) {
        self.connections.lock().remove(&number);
        if self.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.emptied.notify_waiters();
        }
    }

    /// How many connections are open.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Completes when no connection is open.
    pub async fn wait_empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.len() == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// Tells every connection to stop.
    pub fn stop_all(&self, stop: Stop) {
        for open in self.connections.lock().values() {
            open.mailbox.stop(stop);
        }
    }

    /// A feed subscriber is in, with this token.
    pub fn enter_feed(&self, number: u64, token: TokenId) {
        if let Some(open) = self.connections.lock().get_mut(&number) {
            open.token = Some(token);
        }
    }

    /// Ends the sessions of everybody who came with the token. Looks at every connection: tokens are seldom revoked.
    pub fn revoke_token(&self, token: &TokenId) {
        self.revocations.fetch_add(1, Ordering::AcqRel);
        for open in self.connections.lock().values().filter(|open| open.token.as_ref() == Some(token)) {
            open.mailbox.stop(Stop::Administrative);
        }
    }

    /// A device is in; the session that it had is told that it was taken over. Returns whether there was one.
    pub fn enter(&self, device: &DeviceId, mailbox: &Arc<Mailbox>) -> bool {
        let earlier = self.shard(device).lock().insert(device.clone(), Arc::clone(mailbox));
        match earlier {
            Some(earlier) => {
                earlier.stop(Stop::TakenOver);
                true
            }
            None => false,
        }
    }

    /// A session of the device is over. Returns whether it was the live one.
    pub fn leave(&self, device: &DeviceId, mailbox: &Arc<Mailbox>) -> bool {
        let mut devices = self.shard(device).lock();
        let live = devices.get(device).is_some_and(|there| Arc::ptr_eq(there, mailbox));
        if live {
            devices.remove(device);
        }
        live
    }

    /// Tells the house whether the device is here now. The shard stays locked meanwhile, so that what is said last is
    /// true, whoever says it. Returns `false` when the house could not take it now.
    pub fn announce(&self, device: &DeviceId, host: &dyn Host) -> bool {
        let devices = self.shard(device).lock();
        let online = devices.contains_key(device);
        host.offer(Lane::Alarm, Inbound::Connection { device: device.clone(), online }).is_ok()
    }

    pub fn find(&self, device: &DeviceId) -> Option<Arc<Mailbox>> {
        self.shard(device).lock().get(device).cloned()
    }

    /// Ends the device's session.
    pub fn revoke(&self, device: &DeviceId) {
        self.revocations.fetch_add(1, Ordering::AcqRel);
        if let Some(mailbox) = self.find(device) {
            mailbox.stop(Stop::Administrative);
        }
    }

    /// See [`revoke`](Self::revoke): to be read before a CONNECT is authorised, and compared after it was registered.
    pub fn revocations(&self) -> u64 {
        self.revocations.load(Ordering::Acquire)
    }

    fn shard(&self, device: &DeviceId) -> &Mutex<HashMap<DeviceId, Arc<Mailbox>>> {
        &self.devices[self.hasher.hash_one(device) as usize % SHARDS]
    }
}
