//! The columns of a journal entry.

use diesel::Queryable;
use scim_model::change::{Change, ChangeDetail, ChangePosition, Operation, ResourceNames};

use super::actor::ActorRow;
use crate::columns::{Id, Time};
use crate::error::{Failure, unavailable};

/// The expressions of [`EntryRow`] in a query of `changes`. A macro, because their type cannot be written down.
macro_rules! entry_columns {
    () => {{
        use crate::schema::{changes, connection, deleted_connection, resource_type};
        let type_name = resource_type::table
            .filter(resource_type::id.eq(changes::kind))
            .select(resource_type::name)
            .single_value();
        let connection_name = connection::table
            .filter(connection::tenant_id.eq(changes::tenant_id))
            .filter(connection::id.nullable().eq(changes::connection_id))
            .select(connection::name)
            .single_value();
        let deleted_name = deleted_connection::table
            .filter(deleted_connection::tenant_id.eq(changes::tenant_id))
            .filter(deleted_connection::id.nullable().eq(changes::connection_id))
            .select(deleted_connection::name)
            .single_value();
        (
            changes::sequence,
            changes::at,
            type_name,
            changes::id,
            changes::version,
            changes::action,
            changes::change,
            (
                changes::actor,
                changes::connection_id,
                changes::credential_id,
                changes::request_id,
                changes::command_user,
            ),
            connection_name,
            deleted_name,
            changes::write_id,
            changes::names,
        )
    }};
}

pub(super) use entry_columns;

/// The columns of [`entry_columns`].
#[derive(Queryable)]
pub(super) struct EntryRow {
    pub(super) sequence: i64,
    at: Time,
    resource_type: Option<String>,
    id: Id,
    version: i64,
    operation: String,
    pub(super) detail: String,
    actor: ActorRow,
    connection_name: Option<String>,
    deleted_connection_name: Option<String>,
    write_id: Option<Id>,
    names: Option<String>,
}

impl EntryRow {
    pub(super) fn position(&self) -> ChangePosition {
        ChangePosition {
            sequence: self.sequence,
            at: self.at.0.timestamp_millis(),
        }
    }

    /// # Errors
    /// `Unavailable` when a later version has written the entry.
    pub(super) fn into_change(self) -> Result<Change, Failure> {
        Ok(Change {
            position: self.position(),
            at: self.at.0,
            actor: self.actor.into_actor(),
            connection_name: self.connection_name.or(self.deleted_connection_name),
            transaction: self.write_id.map(|it| it.0),
            resource_type: self.resource_type.unwrap_or_default().into(),
            id: self.id.0,
            names: self.names.as_deref().and_then(ResourceNames::from_stored),
            version: self.version,
            operation: self.operation.parse::<Operation>().map_err(unavailable)?,
            detail: ChangeDetail::from_stored(&self.detail),
        })
    }
}
