//! Endpoints of webhooks, the messages that wait for them, and the log of deliveries.

mod endpoints;
mod messages;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use scim_model::store::{
    DeliveryAttempt, Leases, NewWebhook, NewWebhookSecret, StoreError, Webhook, WebhookChange,
    WebhookMessage, WebhookProgress, Webhooks,
};
use uuid::Uuid;

use crate::leases;
use crate::schema::webhook_endpoint;
use crate::store::DieselStore;

impl Webhooks for DieselStore {
    fn create_webhook(&self, new: &NewWebhook) -> Result<(), StoreError> {
        let new = new.clone();
        self.database.write(move |conn| endpoints::create(conn, &new))
    }

    fn webhooks(&self) -> Result<Vec<Webhook>, StoreError> {
        self.database.read(endpoints::all)
    }

    fn delete_webhook(&self, id: Uuid) -> Result<bool, StoreError> {
        self.database.write(move |conn| {
            // The other rows are deleted by their foreign keys.
            let endpoint = webhook_endpoint::table.filter(webhook_endpoint::id.eq(id.as_bytes().as_slice()));
            Ok(conn.execute(diesel::delete(endpoint))? > 0)
        })
    }

    fn change_webhook(&self, id: Uuid, revision: i64, change: &WebhookChange) -> Result<bool, StoreError> {
        let change = change.clone();
        self.database
            .write(move |conn| endpoints::change(conn, id, revision, &change))
    }

    fn disable_webhook(&self, id: Uuid, reason: &str, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let reason = reason.to_owned();
        self.database
            .write(move |conn| endpoints::disable(conn, id, &reason, now))
    }

    fn enable_webhook(&self, id: Uuid, position: Option<&str>) -> Result<bool, StoreError> {
        let position = position.map(str::to_owned);
        self.database
            .write(move |conn| endpoints::enable(conn, id, position.as_deref()))
    }

    fn rotate_webhook_secret(
        &self,
        id: Uuid,
        new: &NewWebhookSecret,
        others_expire: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let new = new.clone();
        self.database
            .write(move |conn| endpoints::rotate_secret(conn, id, &new, others_expire))
    }

    fn rewind_webhook(&self, id: Uuid, position: &str, forgotten: &[String]) -> Result<bool, StoreError> {
        let (position, forgotten) = (position.to_owned(), forgotten.to_vec());
        self.database
            .write(move |conn| endpoints::rewind(conn, id, &position, &forgotten))
    }

    fn queue_webhook_message(&self, id: Uuid, message: &str, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let message = message.to_owned();
        self.database
            .write(move |conn| messages::queue(conn, id, &message, now))
    }

    fn lease_webhooks(&self, worker: Uuid, lease: TimeDelta) -> Result<Leases, StoreError> {
        self.database
            .write(move |conn| leases::lease(conn, leases::ENDPOINTS, worker, lease))
    }

    fn release_webhooks(&self, worker: Uuid, ids: Option<&[Uuid]>) -> Result<(), StoreError> {
        let ids = ids.map(<[Uuid]>::to_vec);
        self.database
            .write(move |conn| leases::release(conn, leases::ENDPOINTS, worker, ids.as_deref()))
    }

    fn store_webhook_progress(
        &self,
        worker: Uuid,
        progress: &[WebhookProgress],
    ) -> Result<Vec<Uuid>, StoreError> {
        let progress = progress.to_vec();
        self.database.write(move |conn| {
            let mut refused = Vec::new();
            for it in &progress {
                if !messages::store_progress(conn, worker, it)? {
                    refused.push(it.id);
                }
            }
            Ok(refused)
        })
    }

    fn webhook_messages(
        &self,
        id: Uuid,
        dead: bool,
        before: Option<(DateTime<Utc>, &str)>,
        limit: u32,
    ) -> Result<Vec<WebhookMessage>, StoreError> {
        self.database
            .read(|conn| messages::of(conn, id, dead, before, limit))
    }

    fn webhook_message(&self, id: Uuid, message: &str) -> Result<Option<WebhookMessage>, StoreError> {
        self.database.read(|conn| messages::find(conn, id, message))
    }

    fn webhook_deliveries(
        &self,
        id: Uuid,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<DeliveryAttempt>, StoreError> {
        self.database
            .read(|conn| messages::deliveries(conn, id, before, limit))
    }

    fn prune_webhook_deliveries(&self, before: DateTime<Utc>, limit: u32) -> Result<usize, StoreError> {
        self.database
            .write(move |conn| messages::prune(conn, before, limit))
    }
}
