//! List queries and their results.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::filter::condition::Condition;
use crate::schema::{AttributePath, ResourceType};

/// A list request.
#[derive(Clone, Debug)]
pub struct Query {
    /// The types to search, each with the filter resolved for it; without an order of its own, listed
    /// type by type.
    pub targets: Vec<(Arc<ResourceType>, Condition)>,
    /// One order over all types; without it, order of creation within each type.
    pub sort: Option<Sort>,
    /// Which part.
    pub page: PageRequest,
    /// Which derived attributes.
    pub include: Include,
    /// What stands before the endpoint in `meta.location` and `$ref`, without a trailing slash:
    /// filters can ask for them.
    pub base_url: Arc<str>,
}

/// `sortBy` and `sortOrder`: by the attribute's key, of multi-valued ones the primary value's,
/// else the first's; without a value last; ties in order of creation, of whatever type. Descending is the exact
/// reverse. Where no target has such an attribute, one comes after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Sort {
    /// By what, one for each of the query's targets; `None` where the type has no such attribute.
    pub paths: Vec<Option<AttributePath>>,
    /// `sortOrder=descending`
    pub descending: bool,
}

/// Which part of a result is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageRequest {
    /// RFC 7644 section 3.4.2.4.
    Index {
        /// 1-based.
        start_index: u64,
        /// At most so many; 0 asks for the total alone.
        count: u32,
    },
    /// RFC 9865: from a position on.
    Cursor {
        /// `None` is the beginning.
        from: Option<Position>,
        /// At most so many.
        count: u32,
    },
}

/// A place between two resources of an ordered result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Index of the target.
    pub target: u16,
    /// Sort key of the resource; `None` without sort, or when it has no value.
    pub key: Option<String>,
    /// Creation order of the resource.
    pub row: i64,
    /// Read away from the end: the page before the position, in the usual order.
    pub backwards: bool,
}

/// A part of a result.
#[derive(Clone, Debug)]
pub struct Page {
    /// Number of all matches.
    pub total: u64,
    /// The part, in order.
    pub resources: Vec<Stored>,
    /// Where the next page starts, in cursor mode, if there is one.
    pub next: Option<Position>,
    /// Where the page before ends, in cursor mode, if there is one.
    pub previous: Option<Position>,
}

/// Which derived attributes are to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Include {
    /// `Group.members`
    pub members: bool,
    /// `User.groups`
    pub groups: bool,
}

/// A resource as it is stored.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Name of its resource type.
    pub resource_type: Arc<str>,
    /// `id`
    pub id: Uuid,
    /// Counts from 1; every change adds one.
    pub version: i64,
    /// `meta.created`
    pub created: DateTime<Utc>,
    /// `meta.lastModified`
    pub last_modified: DateTime<Utc>,
    /// JSON text of the object `{"schemas":[…],…}`: `schemas` first, then the document's
    /// attributes ([`Document::to_stored_json`](crate::Document::to_stored_json)). Not parsed unless somebody needs a part of it.
    pub document: String,
    /// In order of joining; `None` when not asked for, or when the type has no members.
    pub members: Option<Vec<Reference>>,
    /// The groups it is a direct member of, in order of joining; `None` when not asked for.
    pub groups: Option<Vec<Reference>>,
}

/// A resource that another one points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Its id.
    pub id: Uuid,
    /// Name of its resource type.
    pub resource_type: Arc<str>,
    /// Its `displayName`, else its `userName`.
    pub display: Option<String>,
}

/// How often an attribute made a query examine each resource, for metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanCount {
    /// Name of the resource type.
    pub resource_type: Arc<str>,
    /// Path of the attribute, as the schema spells it.
    pub attribute: String,
    /// Queries that began.
    pub begun: u64,
    /// Queries that were refused because too many were running.
    pub refused: u64,
    /// Queries that were ended because they took too long.
    pub too_long: u64,
}
