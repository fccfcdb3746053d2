//! The ports: the calls that a server makes to a store of SCIM resources, a directory of tenants and a journal.

#[cfg(feature = "testing")]
pub mod conformance;
mod directory;
mod error;
mod journal;
mod query;
mod resource;

pub use directory::{Directory, NewToken, Tenant, TenantId, Token};
pub use error::StoreError;
pub use journal::{ChangeJournal, JournalError};
pub use query::{
    Include, NextResources, Page, PageRequest, Position, Query, Reference, ResourceKey, RestOfMembers,
    ScanCount, Sort, Stored,
};
pub use resource::{NewResource, ResourceStore, Update, Updated};

pub use crate::change::{MembersChange, MembersStep};
