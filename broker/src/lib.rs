//! The MQTT door in front of the rumqttd router.
//!
//! Devices speak MQTT 3.1.1 or 5 with the [`Door`]; what they publish is decoded on their own connection's task,
//! packed into one [`Parcel`] per read and lane, and offered to the [`Host`], which commits it and then
//! [releases](Receipts::release) the acknowledgements. API tokens subscribe to the live feed, which rumqttd's router
//! carries; nothing that must not be lost goes that way.
//!
//! `session` is the protocol without a socket, `connection` moves its bytes and keeps its time, `registry` knows who
//! is in, `threshold` lets so many in and out at a time, `feed` is the router.

mod certificate;
mod config;
mod connection;
mod door;
mod feed;
mod host;
mod ledger;
mod mailbox;
mod packet;
mod places;
mod registry;
mod session;
mod stats;
mod stream;
mod threads;
mod threshold;
mod tls;
mod topic;
mod wire;

pub use certificate::validity;
pub use config::DoorConfig;
pub use door::{Door, DoorError, listen};
pub use host::{BoxFuture, Credentials, Grant, Host, Inbound, Item, Items, Lane, Parcel, Refusal};
pub use mailbox::Receipts;
pub use places::{Place, Places};
pub use stats::{DoorStats, REJECT_REASONS};
pub use tls::TlsSource;
