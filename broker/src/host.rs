//! What the door asks of the house, and what it hands in.

use std::future::Future;
use std::pin::Pin;

use compact_str::CompactString;
use model::{DeviceId, DownCommandId, OrgPath, Reject, Report, Timestamp, TokenId};
use smallvec::SmallVec;

use crate::Receipts;

/// The reports of one payload. Never empty; the items of an array stand alone.
pub type Items = SmallVec<[Result<Report, Reject>; 1]>;

/// A future that may be sent between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The house behind the door; `engine` implements it.
///
/// Every method but [`space`](Host::space) is called on a connection's task and must neither block nor call back
/// into the [`Door`](crate::Door).
pub trait Host: Send + Sync + 'static {
    /// The present instant.
    fn now(&self) -> Timestamp;

    /// Who this is, or why it may not come in.
    ///
    /// The door has already checked that client id and user name are equal unless the user name is `token`, and it
    /// checks afterwards that a granted device is the one named.
    ///
    /// # Errors
    /// The [`Refusal`] that is told to the client.
    fn authorise(&self, credentials: &Credentials<'_>) -> Result<Grant, Refusal>;

    /// Decodes one payload of `yl/v1/{device}/up/{format}`, in parallel with all other connections.
    fn decode(&self, device: &DeviceId, format: &str, payload: &[u8]) -> Items;

    /// Puts something into a lane of the inbox.
    ///
    /// # Errors
    /// Gives it back when that lane is full now; the alarm lane practically never is.
    fn offer(&self, lane: Lane, inbound: Inbound) -> Result<(), Inbound>;

    /// Completes when the telemetry lane may have room again. The door polls it once before it offers a last time,
    /// so that an implementation which registers on the first poll loses no wake-up.
    fn space(&self) -> BoxFuture<'_, ()>;
}

/// What a CONNECT presents.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// The client id.
    pub client_id: &'a str,
    /// The user name: the device's id, or `token`.
    pub user_name: &'a str,
    /// The password: the device's secret, or the token. Empty when there was none.
    pub password: &'a [u8],
    /// Whether a certificate, which we trust, names the same user.
    pub certified: bool,
}

/// The password is a secret and is not printed.
impl std::fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// What somebody who was let in may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// A device: publishes to its own `up`, subscribes to its own `down`.
    Device(DeviceId),
    /// An API token: subscribes to the feed within its scope.
    Feed {
        /// The token's public name.
        token: TokenId,
        /// The organisation whose feed it may see; `/` or empty is all of them.
        scope: OrgPath,
    },
}

/// Why somebody was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Unknown user or wrong password: CONNACK 4, MQTT 5 0x86.
    BadCredentials,
    /// Known, but blocked: CONNACK 5, MQTT 5 0x87.
    NotAuthorised,
    /// Try again later: CONNACK 3, MQTT 5 0x89.
    ServerBusy,
}

/// The lanes of the inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Sos, fall, fall_cancel, and what concerns connections and down-commands. Nothing delays it.
    Alarm,
    /// Everything else; waits when there is too much of it.
    Telemetry,
}

/// What comes in through the door.
#[derive(Debug)]
pub enum Inbound {
    /// Reports and rejects of one device.
    Parcel(Parcel),
    /// A device has come or gone. The last one offered is the truth; the same may be said twice.
    Connection {
        /// Which device.
        device: DeviceId,
        /// Whether it is connected now.
        online: bool,
    },
    /// The device has subscribed to its `down`: what is queued for it can be [delivered](crate::Door::deliver).
    DownReady {
        /// Which device.
        device: DeviceId,
    },
    /// A command was written to the device's connection.
    DownSent {
        /// Which device.
        device: DeviceId,
        /// Which command.
        command: DownCommandId,
    },
    /// The device's PUBACK for a command came.
    DownAcknowledged {
        /// Which device.
        device: DeviceId,
        /// Which command.
        command: DownCommandId,
    },
}

/// What one read of a device's socket held for one lane.
#[derive(Debug)]
pub struct Parcel {
    /// Who said it.
    pub device: DeviceId,
    /// What was said, in order; never empty.
    pub items: Vec<Item>,
    /// To be released after the commit.
    pub receipts: Receipts,
}

/// One report or reject.
#[derive(Debug)]
pub struct Item {
    /// When the bytes had arrived.
    pub received: Timestamp,
    /// Where it was published, at most 256 bytes of it; empty for well-formed reports.
    pub topic: CompactString,
    /// What it was.
    pub outcome: Result<Report, Reject>,
}
