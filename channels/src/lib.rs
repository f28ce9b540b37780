//! One file per provider that reaches a person.
//!
//! A provider is handed an [`Attempt`](model::Attempt) with its [`Links`] and says what came of it
//! ([`SendResult`](model::record::SendResult)). Around each stands a [`Shell`] with its own concurrency, time-out
//! and [`Circuit`], so that one that hangs delays no other, and with its [`Reachability`] for `/readyz`.
//! [`Channels`] knows which of them carries which channel; what is not configured is shown by [`Console`].

pub mod circuit;
pub mod console;
pub mod directory;
pub mod gateway;
pub mod provider;
pub mod shell;
pub mod webhook;

pub use circuit::{Circuit, Permit};
pub use console::Console;
pub use directory::{Channels, ChannelsConfig};
pub use gateway::{Callback, CallbackError, Gateway, GatewayConfig, parse_callback};
pub use provider::{BoxFuture, Links, Provider};
pub use shell::{Reachability, Shell, ShellLimits};
pub use webhook::SigningSecret;

/// What is wrong with a channel's configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The address is not one that can be posted to.
    #[error("url: {0}")]
    Url(String),
    /// The secret cannot be used.
    #[error("secret: {0}")]
    Secret(&'static str),
    /// The HTTP client would not start.
    #[error("the HTTP client would not start: {0}")]
    Client(String),
}
