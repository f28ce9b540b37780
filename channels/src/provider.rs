//! What every provider is asked for.

use std::future::Future;
use std::pin::Pin;

use model::Attempt;
use model::record::SendResult;

/// A future that can be kept behind `dyn`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Capability URLs, rendered by the engine when an attempt is sent, so that no journal or log holds them.
#[derive(Clone, PartialEq, Eq)]
pub struct Links {
    /// Where the provider reports what became of the attempt; absolute.
    pub callback: String,
    /// Where a provider of the attempt's channel posts to, with the attempt's id in the query; absolute.
    pub provider: String,
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Links(secret)")
    }
}

/// Somebody who carries messages to people.
pub trait Provider: Send + Sync {
    /// Its name in logs, metrics and `/readyz`, e.g. `sms`.
    fn name(&self) -> &str;

    /// Hands one attempt over. Always comes to an end: time-outs are the provider's own business.
    fn send<'a>(&'a self, attempt: &'a Attempt, links: &'a Links) -> BoxFuture<'a, SendResult>;

    /// Hangs a call up that rings and is not wanted any more, where the provider allows it. Nobody waits for it, and it is
    /// not tried again: a phone that rings on disturbs, no more.
    fn hang_up<'a>(&'a self, _attempt: &'a Attempt) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Looks whether it is there, without sending anything to anybody.
    ///
    /// # Errors
    /// What was seen, in English; names no person.
    fn probe(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
