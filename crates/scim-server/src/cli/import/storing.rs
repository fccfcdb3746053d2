//! Storing resources in batches, and comparing them with those that are there.

use scim_model::ScimType;
use scim_model::store::{ImportOutcome, ImportedMembers, ImportedResource, StoreError};
use serde_json::Value;
use uuid::Uuid;

use super::ids::Ids;
use super::prepared::{Prepared, Reader};
use super::report::{Refusal, Report};
use super::seen::Seen;
use super::setting::{NO_TENANT, Setting, patiently};
use crate::cli::CommandError;
use crate::cli::arguments::GroupNames;

/// The resources that are stored together: at most this many, and no more after this many bytes. Larger batches are slower
/// on SQLite: it keeps the old pages of a batch in memory, and walks through them after each statement.
const AT_ONCE: usize = 100;
const BYTES_AT_ONCE: usize = 8 << 20;

/// Members that are looked up together.
const MEMBERS_AT_ONCE: usize = 1_000;

/// The resources that were read, and those that wait.
pub(super) struct Storing<'a> {
    setting: &'a Setting<'a>,
    ids: Ids,
    /// The resources of a trial, which stores none.
    seen: Seen,
    batch: Vec<Prepared>,
    bytes: usize,
    /// Groups whose members may follow in later lines.
    deferred: Vec<Prepared>,
    pub(super) report: Report,
}

impl<'a> Storing<'a> {
    pub(super) fn new(setting: &'a Setting<'a>) -> Storing<'a> {
        Storing {
            setting,
            ids: Ids::new(&setting.arguments.tenant, setting.arguments.keep_ids),
            seen: Seen::default(),
            batch: Vec::new(),
            bytes: 0,
            deferred: Vec::new(),
            report: Report::new(setting.arguments.json),
        }
    }

    /// Reads a resource, and stores it soon.
    pub(super) fn resource(&mut self, number: u64, value: Value, bytes: usize) -> Result<(), CommandError> {
        let reader = Reader {
            setting: self.setting,
            ids: &self.ids,
        };
        let mut prepared = match reader.prepare(number, value) {
            Ok(prepared) => prepared,
            Err(error) => {
                self.report.refuse(Refusal::of_error(number, &error));
                return Ok(());
            }
        };
        // The members of a group are known by the ids under which they are stored.
        let is_new_type = self.batch.first().is_some_and(|first| {
            first.resource.new.resource_type.name != prepared.resource.new.resource_type.name
        });
        if is_new_type {
            self.store_batch()?;
            for member in &mut prepared.resource.new.members {
                *member = self.ids.stored(*member);
            }
        }
        self.bytes += bytes;
        self.batch.push(prepared);
        if self.batch.len() == AT_ONCE || self.bytes > BYTES_AT_ONCE {
            self.store_batch()?;
        }
        Ok(())
    }

    /// Stores the resources that wait.
    pub(super) fn store_batch(&mut self) -> Result<(), CommandError> {
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        self.store_all(batch)
    }

    /// Stores resources, all together if nothing is wrong with any of them.
    fn store_all(&mut self, batch: Vec<Prepared>) -> Result<(), CommandError> {
        if batch.is_empty() {
            return Ok(());
        }
        self.setting.tenant_to_fill()?;
        match self.attempt(&batch) {
            Ok(outcomes) => {
                for (prepared, outcome) in batch.into_iter().zip(outcomes) {
                    self.done_or_seen(prepared, outcome);
                }
                Ok(())
            }
            Err(StoreError::Conflict { .. } | StoreError::UnknownMembers(_)) if batch.len() > 1 => {
                let mut first = batch;
                let second = first.split_off(first.len() / 2);
                self.store_all(first)?;
                self.store_all(second)
            }
            Err(error) => {
                let only = batch.into_iter().next();
                only.map_or(Ok(()), |it| self.refused_alone(it, error))
            }
        }
    }

    fn attempt(&self, batch: &[Prepared]) -> Result<Vec<ImportOutcome>, StoreError> {
        let tenant = self.setting.tenant.id();
        if tenant == NO_TENANT {
            return Ok(vec![ImportOutcome::Created; batch.len()]);
        }
        let resources: Vec<ImportedResource> = batch.iter().map(|it| it.resource.clone()).collect();
        patiently(|| {
            self.setting
                .store
                .import(tenant, &resources, self.setting.arguments.dry_run)
        })
    }

    /// Treats a resource that the store does not accept.
    fn refused_alone(&mut self, prepared: Prepared, error: StoreError) -> Result<(), CommandError> {
        match error {
            StoreError::Conflict { attribute } => {
                let detail = format!("`{attribute}` is already taken");
                let scim_type = Some(ScimType::Uniqueness);
                self.report
                    .refuse(Refusal::of_attribute(prepared.line, attribute, scim_type, detail));
                Ok(())
            }
            // The members may follow. With them, the group gets the version that it had.
            StoreError::UnknownMembers(_) => {
                let mut alone = prepared.clone();
                alone.resource.new.members.clear();
                if alone.resource.is_recorded && self.setting.arguments.keep_versions {
                    alone.resource.version -= 1;
                }
                self.deferred.push(prepared);
                self.store_all(vec![alone])
            }
            error => Err(error.into()),
        }
    }

    /// Records an outcome. A trial has stored nothing, so that it also compares the lines with each other.
    fn done_or_seen(&mut self, prepared: Prepared, outcome: ImportOutcome) {
        if self.setting.arguments.dry_run && outcome == ImportOutcome::Created {
            let unique_names = self.setting.arguments.form.group_names == GroupNames::Unique;
            if let Some(attribute) = self.seen.add(&prepared.resource, unique_names) {
                let detail = format!("`{attribute}` is already taken by an earlier line");
                let scim_type = Some(ScimType::Uniqueness);
                self.report
                    .refuse(Refusal::of_attribute(prepared.line, attribute, scim_type, detail));
                return;
            }
            if !prepared.resource.new.members.is_empty() {
                self.deferred.push(prepared.clone());
            }
        }
        self.done(prepared, outcome);
    }

    /// Adds the members that have been stored after their groups.
    pub(super) fn add_deferred_members(&mut self) -> Result<(), CommandError> {
        for prepared in std::mem::take(&mut self.deferred) {
            let new = &prepared.resource.new;
            let wanted: Vec<Uuid> = new.members.iter().map(|it| self.ids.stored(*it)).collect();
            let mut members = Vec::with_capacity(wanted.len());
            for some in wanted.chunks(MEMBERS_AT_ONCE) {
                let known = match self.setting.tenant.id() {
                    NO_TENANT => Vec::new(),
                    tenant => patiently(|| self.setting.store.references(tenant, some))?,
                };
                for id in some {
                    if self.seen.has(*id) || known.iter().any(|it| it.id == *id) {
                        members.push(*id);
                    } else {
                        self.report.refuse(Refusal::of_attribute(
                            prepared.line,
                            "members",
                            Some(ScimType::InvalidValue),
                            format!("`members` names no resource: there is none with the id `{id}`"),
                        ));
                    }
                }
            }
            if !self.setting.arguments.dry_run && !members.is_empty() {
                let added = ImportedMembers {
                    resource_type: new.resource_type.clone(),
                    group: new.id,
                    members,
                    now: self.setting.now,
                    recorded: prepared.resource.is_recorded.then(|| self.setting.actor.clone()),
                    last_modified: self
                        .setting
                        .arguments
                        .keep_versions
                        .then_some(prepared.resource.last_modified),
                };
                patiently(|| {
                    self.setting
                        .store
                        .import_members(self.setting.tenant.id(), &added)
                })?;
            }
        }
        Ok(())
    }

    /// Records the outcome of a resource.
    fn done(&mut self, prepared: Prepared, outcome: ImportOutcome) {
        let number = prepared.line;
        match outcome {
            ImportOutcome::Created => self.report.created += 1,
            ImportOutcome::Same { id, missing } => {
                self.report.unchanged += 1;
                self.ids.rename(prepared.resource.new.id, id);
                if !missing.is_empty() {
                    self.deferred.push(prepared.with_members(id, missing));
                }
            }
            ImportOutcome::Differs { attribute } => {
                let detail = match attribute.as_str() {
                    "members" => "the group exists already, and has other members".to_owned(),
                    _ => format!("a resource with this `{attribute}` exists already, and is another one"),
                };
                let scim_type = Some(ScimType::Uniqueness);
                self.report
                    .refuse(Refusal::of_attribute(number, attribute, scim_type, detail));
            }
        }
    }
}
