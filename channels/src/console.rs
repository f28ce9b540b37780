//! For channels without a provider: the message is shown in the log, and the attempt says so.

use model::Attempt;
use model::record::SendResult;

use crate::provider::{BoxFuture, Links, Provider};

/// Shows messages instead of sending them. Ids at info; the words themselves, which name people, only at debug.
#[derive(Debug, Clone, Copy, Default)]
pub struct Console;

impl Provider for Console {
    fn name(&self) -> &str {
        "console"
    }

    fn send<'a>(&'a self, attempt: &'a Attempt, _links: &'a Links) -> BoxFuture<'a, SendResult> {
        tracing::info!(
            attempt = %attempt.id,
            incident = ?attempt.incident,
            channel = ?attempt.channel,
            person = %attempt.callee.person,
            purpose = ?attempt.purpose,
            "no provider is configured for this channel: the message is only shown here (its words at debug level)"
        );
        tracing::debug!(attempt = %attempt.id, text = %attempt.text, "message");
        Box::pin(std::future::ready(SendResult::Shown))
    }
}
