//! Queries about the subscriptions of other systems.

use model::webhook::Delivery;
use model::{Webhook, WebhookId};

use super::queries::{Listing, Page};
use super::{State, keys};
use crate::error::StoreError;

impl State {
    /// One subscription.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn webhook(&self, id: &WebhookId) -> Result<Option<Webhook>, StoreError> {
        self.read("webhook", &keys::text(keys::WEBHOOK, id.as_str()))
    }

    /// All of them, ascending by id.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn webhooks(&self) -> Result<Vec<Webhook>, StoreError> {
        Ok(self.ascending("webhook", &[keys::WEBHOOK], keys::WEBHOOK, usize::MAX, usize::MAX, &|_| true)?.items)
    }

    /// The log of one, newest first.
    ///
    /// # Errors
    /// [`StoreError::State`].
    pub fn deliveries(&self, id: &WebhookId, page: Page<u64>) -> Result<Listing<Delivery>, StoreError> {
        let range = keys::of_text(keys::DELIVERY, id.as_str());
        self.newest_first(range, page.after, page.limit, &mut |number| {
            self.read("delivery", &keys::text_number(keys::DELIVERY, id.as_str(), number))
        })
    }
}
