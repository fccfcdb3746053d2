//! Undo: the changes of a connection, a credential, a request or a window of time are undone by further changes.
//!
//! Each resource is read, planned and written on its own. The write succeeds only if the resource is still as it was read.
//! An undo that was interrupted is carried out again: what is restored already stays.

mod plan;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use scim_model::change::{Actor, AttributeChanges, Change, ChangePosition, PastState};
use scim_model::store::{
    ChangeSelection, ChangedResource, Deletion, Directory, Include, MembersChange, MembersStep, NewResource,
    ResourceHistory, ResourceStore, StoreError, Stored, Tenant, Update,
};
use scim_model::{Document, ResourceType, SchemaRegistry, SecretHashes};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use self::plan::{Entry, Left, Plan, Reason, Restored, Step};
use super::{ManagementError, connections};

/// The number of entries that are read at once.
const PAGE: u32 = 1_000;

/// The most attempts to restore a resource that others keep changing.
const ATTEMPTS: u32 = 5;

/// The ports that an undo uses.
pub trait UndoStore: ResourceStore + ResourceHistory + Directory {}

impl<T: ResourceStore + ResourceHistory + Directory + ?Sized> UndoStore for T {}

/// The effect of an undo, or of its trial, on one resource.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UndoneResource {
    /// The name of the resource's type.
    pub resource_type: String,
    /// The id of the resource.
    pub id: Uuid,
    /// The number of its changes that were chosen.
    pub changes: u64,
    /// The kind of effect.
    pub action: UndoAction,
    /// The attributes that get their earlier values; for a deleted resource that is created again, all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<String>,
    /// The members of a group that are added.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<Uuid>,
    /// The members of a group that are removed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<Uuid>,
    /// The parts that stay as they are, with the reasons.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<LeftView>,
}

/// What an undo does with a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum UndoAction {
    /// Nothing: it is restored already, or everything is left alone.
    None,
    /// Attributes or members get their earlier values.
    Update,
    /// The resource was deleted, and is created again with its id.
    Create,
    /// The resource was created, and is deleted.
    Delete,
}

/// A part of a resource that stays as it is.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeftView {
    /// The path of the attribute, or a member; missing for the whole resource.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// The reason in words.
    pub reason: String,
    /// The position of the later change in the journal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<String>,
}

/// An undo of chosen changes of a tenant.
pub struct Undo<'a, S: ?Sized> {
    store: &'a S,
    registry: &'a SchemaRegistry,
    tenant: Tenant,
    selection: ChangeSelection,
    actor: Actor,
}

impl<'a, S: UndoStore + ?Sized> Undo<'a, S> {
    /// Prepares an undo of the changes that a selection includes. `connection` is the name of the connection that made them,
    /// which may have been deleted, and `actor` the originator of the restoring changes.
    ///
    /// # Errors
    /// `Invalid` when nothing is chosen, or the times are in the wrong order; `NotFound` for an unknown connection.
    pub fn new(
        store: &'a S,
        registry: &'a SchemaRegistry,
        tenant: Tenant,
        connection: Option<&str>,
        selection: ChangeSelection,
        actor: Actor,
    ) -> Result<Undo<'a, S>, ManagementError> {
        let connection = connection.map(|name| connections::id_of(store, &tenant, name));
        let selection = ChangeSelection {
            connection: connection.transpose()?.or(selection.connection),
            ..selection
        };
        if selection.is_empty() {
            let text = "name the changes by `connection`, `credential`, `request`, `from` or `to`";
            return Err(ManagementError::invalid("connection", text));
        }
        if selection
            .from
            .zip(selection.to)
            .is_some_and(|(from, to)| from > to)
        {
            return Err(ManagementError::invalid("from", "expected a time before `to`"));
        }
        Ok(Undo {
            store,
            registry,
            tenant,
            selection,
            actor,
        })
    }

    /// Returns the resources that the chosen changes concern, in the order in which they have to be restored: the members
    /// of groups before the groups.
    ///
    /// # Errors
    /// `Store`.
    pub fn resources(&self) -> Result<Vec<ChangedResource>, ManagementError> {
        let mut resources = self.store.changed_resources(self.tenant.id, &self.selection)?;
        resources.sort_by_key(|it| (self.has_members(it), it.id));
        Ok(resources)
    }

    /// Returns the place of a resource in [`Undo::resources`], for the next page.
    pub fn key(&self, resource: &ChangedResource) -> String {
        format!("{}-{}", u8::from(self.has_members(resource)), resource.id)
    }

    fn has_members(&self, resource: &ChangedResource) -> bool {
        let resource_type = self.registry.resource_type(&resource.resource_type);
        resource_type.is_some_and(|it| it.has_members())
    }

    /// Returns what undoing does with a resource, and does it unless it is a trial.
    ///
    /// # Errors
    /// `Store`; `Refused` when others change the resource all the time.
    pub fn resource(
        &self,
        changed: &ChangedResource,
        is_trial: bool,
        now: DateTime<Utc>,
    ) -> Result<UndoneResource, ManagementError> {
        for _ in 0..ATTEMPTS {
            let Some(resource_type) = self.registry.resource_type(&changed.resource_type) else {
                return Ok(UndoneResource::untouched(
                    changed,
                    "the type of the resource is not served",
                ));
            };
            let entries = self.entries(changed)?;
            let stored = self.stored(resource_type, changed.id)?;
            let state = match &stored {
                Some(stored) => PastState::of_document(resource_type, &stored.document),
                None => PastState::Absent,
            };
            let mut plan = plan::plan(resource_type, &entries, &state);
            let missing = self.drop_missing_members(&mut plan)?;
            let mut view = UndoneResource::of(changed, &plan);
            view.left.extend(missing);
            if is_trial {
                return Ok(view);
            }
            match self.write(
                resource_type,
                changed.id,
                stored.as_ref(),
                &entries,
                plan.step,
                now,
            ) {
                Ok(()) => return Ok(view),
                // Somebody has changed it since it was read.
                Err(StoreError::Stale) => {}
                Err(error @ StoreError::Conflict { .. }) => {
                    return Ok(UndoneResource::untouched(changed, &error.to_string()));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(ManagementError::Refused(format!(
            "the resource `{}` is being changed by others: try again",
            changed.id
        )))
    }

    /// The entries of a resource from the first chosen one on, the oldest first.
    fn entries(&self, changed: &ChangedResource) -> Result<Vec<Entry>, StoreError> {
        let mut entries = Vec::new();
        let mut before: Option<ChangePosition> = None;
        loop {
            let page = self.store.changes_of(self.tenant.id, changed.id, before, PAGE)?;
            let is_last = page.len() < PAGE as usize;
            let wanted = |it: &Change| it.position.sequence >= changed.first.sequence;
            let is_complete = page.last().is_none_or(|it| !wanted(it));
            before = page.last().map(|it| it.position);
            entries.extend(page.into_iter().filter(wanted).map(|change| Entry {
                is_chosen: self.selection.includes(&change),
                change,
            }));
            if is_last || is_complete {
                entries.reverse();
                return Ok(entries);
            }
        }
    }

    fn stored(&self, resource_type: &ResourceType, id: Uuid) -> Result<Option<Stored>, StoreError> {
        let include = Include::default();
        self.store.get(self.tenant.id, resource_type, id, include)
    }

    /// Removes the members that no longer exist from a plan, and returns them.
    fn drop_missing_members(&self, plan: &mut Plan) -> Result<Vec<LeftView>, StoreError> {
        let (Step::Update(restored) | Step::Create(restored)) = &mut plan.step else {
            return Ok(Vec::new());
        };
        if restored.added.is_empty() {
            return Ok(Vec::new());
        }
        let wanted: Vec<Uuid> = restored.added.iter().copied().collect();
        let found = self.store.references(self.tenant.id, &wanted)?;
        let found: BTreeSet<Uuid> = found.iter().map(|it| it.id).collect();
        restored.added.retain(|it| found.contains(it));
        let missing = wanted.into_iter().filter(|it| !found.contains(it));
        let view = |id| LeftView {
            path: format!(r#"members[value eq "{id}"]"#),
            reason: "the member does not exist".to_owned(),
            position: None,
        };
        Ok(missing.map(view).collect())
    }

    fn write(
        &self,
        resource_type: &Arc<ResourceType>,
        id: Uuid,
        stored: Option<&Stored>,
        entries: &[Entry],
        step: Step,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let tenant = self.tenant.id;
        match (step, stored) {
            (Step::Update(restored), Some(stored)) => {
                let update = self.update(resource_type, stored, restored, now)?;
                let updated = self.store.update(tenant, &update)?;
                updated.map(|_| ()).ok_or(StoreError::Stale)
            }
            (Step::Create(restored), _) => {
                let new = NewResource {
                    resource_type: resource_type.clone(),
                    id,
                    now,
                    actor: self.actor.clone(),
                    document: document(resource_type, Map::new(), restored.attributes),
                    members: restored.added.into_iter().collect(),
                    secrets: SecretHashes::new(),
                };
                let last_version = entries.iter().map(|it| it.change.version).max();
                self.store.create_again(tenant, &new, last_version.unwrap_or(0))
            }
            (Step::Delete, Some(stored)) => {
                let deletion = Deletion {
                    resource_type: resource_type.clone(),
                    id,
                    expected_version: Some(stored.version),
                    now,
                    actor: self.actor.clone(),
                };
                match self.store.delete(tenant, &deletion)? {
                    true => Ok(()),
                    false => Err(StoreError::Stale),
                }
            }
            (Step::Nothing | Step::Update(_) | Step::Delete, _) => Ok(()),
        }
    }

    fn update(
        &self,
        resource_type: &Arc<ResourceType>,
        stored: &Stored,
        restored: Restored,
        now: DateTime<Utc>,
    ) -> Result<Update, StoreError> {
        let old = Document::from_stored_json(&stored.document)
            .map_err(|error| StoreError::Unavailable(error.to_string().into()))?;
        let new = document(resource_type, old.values().clone(), restored.attributes);
        let steps = [
            MembersStep::Remove(restored.removed.into_iter().collect()),
            MembersStep::Add(restored.added.into_iter().collect()),
        ];
        let is_empty = |step: &MembersStep| match step {
            MembersStep::Remove(ids) | MembersStep::Add(ids) => ids.is_empty(),
            MembersStep::RemoveAll | MembersStep::ReplaceAll(_) => false,
        };
        let steps: Vec<MembersStep> = steps.into_iter().filter(|it| !is_empty(it)).collect();
        Ok(Update {
            resource_type: resource_type.clone(),
            id: stored.id,
            expected_version: Some(stored.version),
            now,
            actor: self.actor.clone(),
            changes: AttributeChanges::between(resource_type, &old, &new),
            document: (new != old).then_some(new),
            members: match steps.is_empty() {
                true => MembersChange::None,
                false => MembersChange::Steps(steps),
            },
            secrets: SecretHashes::new(),
        })
    }
}

/// Puts attributes into a document by their full paths.
fn document(
    resource_type: &ResourceType,
    mut values: Map<String, Value>,
    attributes: BTreeMap<String, Option<Value>>,
) -> Document {
    for (path, value) in attributes {
        let extension = path.rsplit_once(':');
        let extension = extension.and_then(|(urn, name)| Some((resource_type.extension_of(urn)?, name)));
        let Some((schema, name)) = extension else {
            put(&mut values, &path, value);
            continue;
        };
        let place = values.entry(schema.id.to_string()).or_insert_with(|| json!({}));
        if let Value::Object(place) = place {
            put(place, name, value);
            if place.is_empty() {
                values.remove(&*schema.id);
            }
        }
    }
    Document::from_values(values)
}

fn put(values: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    match value {
        Some(value) => drop(values.insert(name.to_owned(), value)),
        None => drop(values.remove(name)),
    }
}

impl UndoneResource {
    fn of(changed: &ChangedResource, plan: &Plan) -> UndoneResource {
        let (action, restored) = match &plan.step {
            Step::Nothing => (UndoAction::None, None),
            Step::Update(restored) => (UndoAction::Update, Some(restored)),
            Step::Create(restored) => (UndoAction::Create, Some(restored)),
            Step::Delete => (UndoAction::Delete, None),
        };
        let none = Restored::default();
        let restored = restored.unwrap_or(&none);
        UndoneResource {
            resource_type: changed.resource_type.to_string(),
            id: changed.id,
            changes: changed.changes,
            action,
            attributes: restored.attributes.keys().cloned().collect(),
            added: restored.added.iter().copied().collect(),
            removed: restored.removed.iter().copied().collect(),
            left: plan.left.iter().map(LeftView::of).collect(),
        }
    }

    fn untouched(changed: &ChangedResource, reason: &str) -> UndoneResource {
        let nothing = Plan {
            step: Step::Nothing,
            left: Vec::new(),
        };
        UndoneResource {
            left: vec![LeftView {
                path: String::new(),
                reason: reason.to_owned(),
                position: None,
            }],
            ..UndoneResource::of(changed, &nothing)
        }
    }
}

impl LeftView {
    fn of(left: &Left) -> LeftView {
        let (reason, position) = match left.reason {
            Reason::ChangedLater(position) => ("another change came later", Some(position)),
            Reason::DeletedLater(position) => ("the resource was deleted later", Some(position)),
            Reason::CreatedAgain(position) => ("the resource was created again later", Some(position)),
            Reason::NotRecorded => ("the journal does not have the earlier value", None),
        };
        LeftView {
            path: left.path.clone(),
            reason: reason.to_owned(),
            position: position.map(|it| it.to_string()),
        }
    }
}
