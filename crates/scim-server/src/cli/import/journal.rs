//! The journal of an export, stored at its positions.

use scim_model::change::Change;
use scim_model::store::{StoreError, TenantId};

use super::setting::{ImportStore, Setting, patiently};
use crate::cli::CommandError;
use crate::cli::transfer::Header;

/// Entries that are stored together.
const AT_ONCE: usize = 500;

/// Prepares the store for the entries of an export, unless this is a trial.
pub(super) fn start(setting: &Setting, header: &Header) -> Result<(), CommandError> {
    let position = |text: &str| {
        text.parse()
            .map_err(|error| CommandError::Usage(format!("the first line, `{text}`: {error}")))
    };
    let end = position(&header.position)?;
    let dropped = header.dropped.as_deref().map(position).transpose()?;
    if setting.arguments.dry_run {
        return Ok(());
    }
    let tenant = setting.tenant_to_fill()?;
    let started = patiently(|| setting.store.start_imported_journal(tenant, dropped, end));
    started.map_err(|error| match error {
        StoreError::Conflict { .. } => CommandError::Refused(
            "the tenant has entries in its journal after those of the export: import without --keep-journal, or into a \
             new tenant"
                .to_owned(),
        ),
        error => error.into(),
    })
}

/// The entries that wait to be stored.
#[derive(Default)]
pub(super) struct Entries(Vec<Change>);

impl Entries {
    pub(super) fn add(
        &mut self,
        store: &dyn ImportStore,
        tenant: TenantId,
        change: Change,
    ) -> Result<(), CommandError> {
        self.0.push(change);
        match self.0.len() {
            AT_ONCE => self.store(store, tenant),
            _ => Ok(()),
        }
    }

    pub(super) fn store(&mut self, store: &dyn ImportStore, tenant: TenantId) -> Result<(), CommandError> {
        let changes = std::mem::take(&mut self.0);
        if changes.is_empty() {
            return Ok(());
        }
        patiently(|| store.import_changes(tenant, &changes)).map_err(|error| match error {
            StoreError::Conflict { .. } => CommandError::Refused(format!(
                "another entry of this database has a number between `{}` and the next {AT_ONCE}: import without \
                 --keep-journal, or into a new database",
                changes[0].position
            )),
            error => error.into(),
        })
    }
}
