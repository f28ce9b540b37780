//! For channels without a provider: the message is shown in the log, and the attempt says so.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use model::Attempt;
use model::record::SendResult;

use crate::provider::{BoxFuture, Links, Provider};

/// Shows messages instead of sending them, at debug, because their words name people; that there are any, once.
#[derive(Debug, Default)]
pub struct Console {
    has_said_so: AtomicBool,
}

impl Provider for Console {
    fn name(&self) -> &str {
        "console"
    }

    fn send<'a>(&'a self, attempt: &'a Attempt, _links: &'a Links) -> BoxFuture<'a, SendResult> {
        tracing::debug!(
            attempt = %attempt.id,
            incident = ?attempt.incident,
            channel = ?attempt.channel,
            person = %attempt.callee.person,
            purpose = ?attempt.purpose,
            text = %attempt.text,
            "no provider is configured for this channel: the message is only shown here"
        );
        if !self.has_said_so.swap(true, Relaxed) {
            tracing::warn!(
                channel = ?attempt.channel,
                "a message is only shown in the log, at debug level, and reaches nobody: no provider is configured; said \
                 once, GET /api/v1/channels and each attempt say it, too"
            );
        }
        Box::pin(std::future::ready(SendResult::Shown))
    }
}
