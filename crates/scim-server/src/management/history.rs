//! The history of a user or group: its changes, its state at a time, and the difference between two times.

use chrono::{DateTime, Utc};
use scim_model::change::{AttributeChanges, Change, ChangePosition};
use scim_model::store::{ResourceAt, ResourceHistory, ResourceThen, Tenant};
use scim_model::{Document, SchemaRegistry};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{ManagementError, Timestamp};

/// A resource as it was at a time.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StateView {
    /// The time.
    pub at: Timestamp,
    /// The name of the resource's type.
    pub resource_type: String,
    /// The version; `null` if the change that led to it is no longer in the journal.
    #[schema(required)]
    pub version: Option<i64>,
    /// The resource as SCIM JSON without `meta`; a group has its members with their `value`.
    #[schema(value_type = Object)]
    pub resource: Map<String, Value>,
}

/// The difference between the states of a resource at two times.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DifferenceView {
    /// The earlier time.
    pub from: Timestamp,
    /// The later time.
    pub to: Timestamp,
    /// Whether the resource existed at the earlier time.
    pub existed_before: bool,
    /// Whether the resource existed at the later time.
    pub existed_after: bool,
    /// The attributes that differ, in the form of the journal: `{"title":{"old":"A","new":"B"}}`, and
    /// `{"members":{"added":["id"],"removed":[]}}`.
    #[schema(value_type = Object)]
    pub changes: Value,
}

/// Returns changes of a resource, the newest first: those before a position, or with `None` the newest of all.
///
/// # Errors
/// `NotFound` when the journal has no change of such a resource.
pub fn changes(
    store: &(impl ResourceHistory + ?Sized),
    tenant: &Tenant,
    id: Uuid,
    before: Option<ChangePosition>,
    limit: u32,
) -> Result<Vec<Change>, ManagementError> {
    let changes = store.changes_of(tenant.id, id, before, limit)?;
    if changes.is_empty() && before.is_none() && !is_known(store, tenant, id)? {
        return Err(unknown(id));
    }
    Ok(changes)
}

/// Its changes may have been dropped.
fn is_known(
    store: &(impl ResourceHistory + ?Sized),
    tenant: &Tenant,
    id: Uuid,
) -> Result<bool, ManagementError> {
    let now = store.resource_at(tenant.id, id, DateTime::<Utc>::MAX_UTC)?;
    Ok(now != ResourceAt::Unknown)
}

/// Returns a resource as it was at a time.
///
/// # Errors
/// `NotFound` when the resource did not exist then; `Dropped` when the journal no longer has the changes since then;
/// `Refused` when a later change cannot be read.
pub fn state_at(
    store: &(impl ResourceHistory + ?Sized),
    tenant: &Tenant,
    id: Uuid,
    at: DateTime<Utc>,
) -> Result<StateView, ManagementError> {
    let Some(then) = existing(store, tenant, id, at)? else {
        let text = format!("the resource `{id}` did not exist at {}", Timestamp(at));
        return Err(ManagementError::not_found("id", text));
    };
    Ok(StateView {
        at: at.into(),
        resource_type: then.resource_type.to_string(),
        version: then.version,
        resource: with_members(&then),
    })
}

/// Returns the difference between the states of a resource at two times.
///
/// # Errors
/// `Invalid` when the times are in the wrong order; `NotFound` when the resource is unknown; and those of [`state_at`].
pub fn difference(
    store: &(impl ResourceHistory + ?Sized),
    registry: &SchemaRegistry,
    tenant: &Tenant,
    id: Uuid,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
) -> Result<DifferenceView, ManagementError> {
    if from > to {
        return Err(ManagementError::invalid("from", "expected a time before `to`"));
    }
    let (before, after) = (
        existing(store, tenant, id, from)?,
        existing(store, tenant, id, to)?,
    );
    let mut changes = AttributeChanges::default();
    let known = after.as_ref().or(before.as_ref());
    let resource_type = known.and_then(|it| registry.resource_type(&it.resource_type));
    if let Some(resource_type) = resource_type {
        let (old, new) = (document(before.as_ref()), document(after.as_ref()));
        changes = AttributeChanges::between(resource_type, &old, &new);
        let members =
            |it: &Option<ResourceThen>| it.as_ref().map(|it| it.members.clone()).unwrap_or_default();
        let (old, new) = (members(&before), members(&after));
        let missing_in = |these: &[Uuid], those: &[Uuid]| -> Vec<Uuid> {
            let missing = these.iter().filter(|it| those.binary_search(it).is_err());
            missing.copied().collect()
        };
        if old != new {
            changes.record_members(&missing_in(&new, &old), &missing_in(&old, &new));
        }
    }
    Ok(DifferenceView {
        from: from.into(),
        to: to.into(),
        existed_before: before.is_some(),
        existed_after: after.is_some(),
        changes: json!(changes),
    })
}

/// Returns the state at a time; `None` if the resource did not exist.
fn existing(
    store: &(impl ResourceHistory + ?Sized),
    tenant: &Tenant,
    id: Uuid,
    at: DateTime<Utc>,
) -> Result<Option<ResourceThen>, ManagementError> {
    match store.resource_at(tenant.id, id, at)? {
        ResourceAt::Existing(then) => Ok(Some(then)),
        ResourceAt::Absent => Ok(None),
        ResourceAt::Dropped(since) => Err(ManagementError::Dropped { since: since.into() }),
        ResourceAt::Unreadable => Err(ManagementError::Refused(format!(
            "the state at {} is not known: another version of the server wrote a later change",
            Timestamp(at)
        ))),
        ResourceAt::Unknown => Err(unknown(id)),
    }
}

fn unknown(id: Uuid) -> ManagementError {
    ManagementError::not_found("id", format!("the tenant has and had no resource `{id}`"))
}

/// The document of a state, and an empty one for a resource that did not exist.
fn document(then: Option<&ResourceThen>) -> Document {
    let mut values = then.map(|it| it.attributes.clone()).unwrap_or_default();
    for name in ["schemas", "id"] {
        values.remove(name);
    }
    Document::from_values(values)
}

fn with_members(then: &ResourceThen) -> Map<String, Value> {
    let mut resource = then.attributes.clone();
    if !then.members.is_empty() {
        let members = then.members.iter().map(|it| json!({ "value": it.to_string() }));
        resource.insert("members".to_owned(), members.collect());
    }
    resource
}
