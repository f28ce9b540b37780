//! The engine: configuration, the pure [`pipeline`] that composes the pure crates, the one [`main_loop`], the one
//! [`clock`], the dispatchers that pull what is to be sent, and [`serve`], which puts the house together.
//!
//! The pipeline decides, the main loop commits what was decided, and only then does anything leave the house:
//! receipts, replies, messages, events. See ARCHITECTURE.md, "The way of one report".

pub mod audit;
pub mod authority;
pub mod backup;
mod ballast;
pub mod channel_test;
pub mod checkpoint;
pub mod clock;
pub mod config;
mod counted;
pub mod data_dir;
pub mod dispatcher;
pub mod dump;
pub mod erasure;
pub mod health;
pub mod host;
pub mod housekeeping;
pub mod inbox;
mod init;
mod kept;
pub mod main_loop;
pub mod open_files;
pub mod outbox;
pub mod pipeline;
pub mod preview;
pub mod pulse;
mod read_ahead;
pub mod registry;
pub mod rehearsal;
pub mod release;
pub mod replay;
pub mod secrets;
pub mod serve;
pub mod setup;
mod supervisor;
pub mod teller;
pub mod tls;
pub mod watchdog;

pub use api::DemoSignIn;
pub use init::{Initialised, init};
