//! Streams of security event tokens, their progress, and the keys that sign the tokens.

mod attempts;
mod keys;
mod progress;
mod streams;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use scim_model::change::ChangePosition;
use scim_model::store::{
    DeliveryAttempt, EventAdded, Leases, NewSetStream, RefusedSet, SetProgress, SetStream, SetStreamEvent,
    SetStreamSettings, SetStreamState, SetStreams, StoreError, StoredSigningKey,
};
use uuid::Uuid;

use crate::leases;
use crate::schema::set_stream;
use crate::store::DieselStore;

impl SetStreams for DieselStore {
    fn create_set_stream(&self, new: &NewSetStream) -> Result<(), StoreError> {
        let new = new.clone();
        self.database.write(move |conn| streams::create(conn, &new))
    }

    fn set_streams(&self) -> Result<Vec<SetStream>, StoreError> {
        self.database.read(streams::all)
    }

    fn set_stream(&self, id: Uuid) -> Result<Option<SetStream>, StoreError> {
        self.database.read(|conn| streams::one(conn, id))
    }

    fn delete_set_stream(&self, id: Uuid) -> Result<bool, StoreError> {
        self.database.write(move |conn| {
            // The other rows are deleted by their foreign keys.
            let stream = set_stream::table.filter(set_stream::id.eq(id.as_bytes().as_slice()));
            Ok(conn.execute(diesel::delete(stream))? > 0)
        })
    }

    fn change_set_stream(
        &self,
        id: Uuid,
        state: &SetStreamState,
        position: Option<ChangePosition>,
    ) -> Result<bool, StoreError> {
        let state = state.clone();
        self.database
            .write(move |conn| streams::change(conn, id, &state, position))
    }

    fn change_set_stream_settings(
        &self,
        id: Uuid,
        revision: i64,
        settings: &SetStreamSettings,
    ) -> Result<bool, StoreError> {
        let settings = settings.clone();
        self.database
            .write(move |conn| streams::change_settings(conn, id, revision, &settings))
    }

    fn add_set_stream_event(
        &self,
        stream: Uuid,
        event: &SetStreamEvent,
        last_before: DateTime<Utc>,
    ) -> Result<EventAdded, StoreError> {
        let event = event.clone();
        self.database
            .write(move |conn| progress::add_event(conn, stream, &event, last_before))
    }

    fn set_stream_events(&self, id: Uuid, limit: u32) -> Result<Vec<SetStreamEvent>, StoreError> {
        self.database.read(|conn| progress::events(conn, id, limit))
    }

    fn finished_sets(&self, id: Uuid) -> Result<Vec<String>, StoreError> {
        self.database.read(|conn| progress::finished(conn, id))
    }

    fn refused_sets(&self, id: Uuid, limit: u32) -> Result<Vec<RefusedSet>, StoreError> {
        self.database.read(|conn| progress::refused(conn, id, limit))
    }

    fn set_attempts(
        &self,
        id: Uuid,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<DeliveryAttempt>, StoreError> {
        self.database.read(|conn| attempts::of(conn, id, before, limit))
    }

    fn store_set_progress(&self, progress: &SetProgress) -> Result<bool, StoreError> {
        let progress = progress.clone();
        self.database.write(move |conn| progress::store(conn, &progress))
    }

    fn prune_sets(&self, before: DateTime<Utc>, limit: u32) -> Result<usize, StoreError> {
        self.database.write(move |conn| {
            Ok(progress::prune(conn, before, limit)? + attempts::prune(conn, before, limit)?)
        })
    }

    fn lease_set_streams(&self, worker: Uuid, lease: TimeDelta) -> Result<Leases, StoreError> {
        self.database
            .write(move |conn| leases::lease(conn, leases::STREAMS, worker, lease))
    }

    fn release_set_streams(&self, worker: Uuid, ids: Option<&[Uuid]>) -> Result<(), StoreError> {
        let ids = ids.map(<[Uuid]>::to_vec);
        self.database
            .write(move |conn| leases::release(conn, leases::STREAMS, worker, ids.as_deref()))
    }

    fn signing_keys(&self) -> Result<Vec<StoredSigningKey>, StoreError> {
        self.database.read(keys::all)
    }

    fn add_first_signing_keys(&self, keys: &[StoredSigningKey]) -> Result<bool, StoreError> {
        let keys = keys.to_vec();
        self.database.write(move |conn| keys::add_first(conn, &keys))
    }

    fn add_signing_key(&self, key: &StoredSigningKey, after: Option<Uuid>) -> Result<bool, StoreError> {
        let key = key.clone();
        self.database.write(move |conn| keys::add(conn, &key, after))
    }

    fn delete_signing_key(&self, id: Uuid) -> Result<bool, StoreError> {
        self.database.write(move |conn| keys::delete(conn, id))
    }
}
