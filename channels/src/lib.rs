//! One file per provider that reaches a person.
//!
//! A provider is handed an [`Attempt`](model::Attempt) with its [`Links`] and says what came of it
//! ([`SendResult`](model::record::SendResult)). Around each stands a [`Shell`] with its own concurrency, time-out
//! and [`Circuit`], so that one that hangs delays no other, and with its [`Reachability`] for `/readyz`.
//! [`Channels`] knows which of them carries which channel; what is not configured is shown by [`Console`].

pub mod acs3;
pub mod aliyun_sms;
pub mod aliyun_voice;
pub mod bark;
pub mod callback;
mod carrier;
pub mod circuit;
pub mod console;
pub mod credential;
pub mod dingtalk;
pub mod directory;
pub mod feishu;
pub mod gateway;
pub mod jpush;
pub mod ntfy;
pub mod once;
pub mod outward;
pub mod pace;
pub mod phone;
pub mod provider;
pub mod read;
pub mod request;
pub mod robot;
#[cfg(test)]
mod samples;
pub mod shell;
pub mod smtp;
pub mod tc3;
pub mod template;
pub mod tencent_sms;
pub mod tencent_voice;
pub mod tiles;
pub mod twilio;
pub mod webhook;
pub mod wecom;
pub mod wire;

pub use carrier::Reach;
pub use circuit::{Circuit, Permit};
pub use console::Console;
pub use credential::{Credential, Secret};
pub use directory::{Channels, ChannelsConfig, Handed, ProviderConfig, ProviderSettings};
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
    /// The sender of mail is no address.
    #[error("from: {0:?} is no address for mail, like \"银铃 <yinling@example.org>\"")]
    Sender(String),
    /// The client would not start.
    #[error("the client would not start: {0}")]
    Client(String),
}
