//! List queries and their results.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::filter::condition::Condition;
use crate::schema::{AttributePath, ResourceType};

/// A query for resources.
#[derive(Clone, Debug)]
pub struct Query {
    /// The types to search, each with the filter as resolved for it. Without `sort`, the result lists the
    /// types one after the other.
    pub targets: Vec<(Arc<ResourceType>, Condition)>,
    /// The order of the result, over all types. `None` is the order of creation within each type.
    pub sort: Option<Sort>,
    /// The part of the result to return.
    pub page: PageRequest,
    /// The derived attributes to read.
    pub include: Include,
    /// The base URL of the server, without a trailing slash. Filters can compare with `meta.location` and
    /// `$ref`, which begin with it.
    pub base_url: Arc<str>,
}

/// The order of a result: `sortBy` and `sortOrder`.
///
/// Resources are ordered by the comparison key of an attribute. Of a multi-valued attribute, the primary value
/// counts, or else the first. Resources without a value come last, and resources with equal keys are in order of
/// creation, whatever their type. Descending order is the exact reverse of ascending order. If no target has the
/// attribute, the result lists the targets one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Sort {
    /// The attribute for each target of the query; `None` where the type does not have it.
    pub paths: Vec<Option<AttributePath>>,
    /// `sortOrder=descending`
    pub descending: bool,
}

/// The part of a result to return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageRequest {
    /// A page by index (RFC 7644 section 3.4.2.4).
    Index {
        /// Index of the first resource, from 1.
        start_index: u64,
        /// The most resources on the page; 0 asks for the total alone.
        count: u32,
    },
    /// A page by cursor (RFC 9865).
    Cursor {
        /// The position where the page begins, or ends if it is read backward; `None` is the first page.
        from: Option<Position>,
        /// The most resources on the page.
        count: u32,
    },
}

/// A place between two resources of an ordered result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Index of the resource's type among the targets of the query.
    pub target: u16,
    /// Sort key of the resource; `None` if it has no value, or the query no order.
    pub key: Option<String>,
    /// Creation order of the resource.
    pub row: i64,
    /// Whether the page is the one before the position. Its resources are in the usual order.
    pub backwards: bool,
}

/// A page of a result.
#[derive(Clone, Debug)]
pub struct Page {
    /// Number of all resources that match.
    pub total: u64,
    /// The resources of the page, in order, up to a size that the store chooses.
    pub resources: Vec<Stored>,
    /// The resources of the page after those, in order. They are read with
    /// [`ResourceStore::next_resources`](super::ResourceStore::next_resources), so that no page is in memory as a
    /// whole, and none is shorter than was asked for because its resources are large.
    pub rest: Vec<ResourceKey>,
    /// In cursor mode, the position of the next page, if there is one.
    pub next: Option<Position>,
    /// In cursor mode, the position of the previous page, if there is one.
    pub previous: Option<Position>,
}

/// The type and the id of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceKey {
    /// Name of the type.
    pub resource_type: Arc<str>,
    /// `id`
    pub id: Uuid,
}

/// The next part of a page.
#[derive(Clone, Debug, Default)]
pub struct NextResources {
    /// The resources, in the order of their keys. Resources that do not exist any more are missing.
    pub resources: Vec<Stored>,
    /// The number of keys that have been processed; at least 1 if any were given.
    pub keys: usize,
}

/// The members of a group after those that were read. Members that have joined since the first of
/// them were read are not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestOfMembers {
    /// Creation order of the group.
    pub group: i64,
    /// Order of joining of the last member that was read.
    pub after: i64,
    /// Order of joining of the last member.
    pub until: i64,
}

/// The derived attributes to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Include {
    /// `Group.members`
    pub members: bool,
    /// `User.groups`
    pub groups: bool,
}

/// A stored resource.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Name of the resource's type.
    pub resource_type: Arc<str>,
    /// `id`
    pub id: Uuid,
    /// The version, from 1; every change adds 1.
    pub version: i64,
    /// `meta.created`
    pub created: DateTime<Utc>,
    /// `meta.lastModified`
    pub last_modified: DateTime<Utc>,
    /// The document as JSON text, with `schemas` first
    /// ([`Document::to_stored_json`](crate::Document::to_stored_json)). It is text so that only readers of a
    /// part of it have to parse it.
    pub document: String,
    /// The members in order of joining; `None` if they were not requested, or the type has no members.
    pub members: Option<Vec<Reference>>,
    /// The members after those, which are read with
    /// [`ResourceStore::next_members`](super::ResourceStore::next_members). [`ResourceStore::get`] returns all members.
    ///
    /// [`ResourceStore::get`]: super::ResourceStore::get
    pub rest_of_members: Option<RestOfMembers>,
    /// The groups that the resource is a direct member of, in order of joining; `None` if they were not
    /// requested.
    pub groups: Option<Vec<Reference>>,
}

/// A resource that another one refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Id of the resource.
    pub id: Uuid,
    /// Name of the resource's type.
    pub resource_type: Arc<str>,
    /// The `displayName` of the resource.
    pub display: Option<String>,
}

/// The use of a store's connections, for metrics.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConnectionFigures {
    /// The most connections that can be in use.
    pub most: u64,
    /// Connections in use.
    pub used: u64,
    /// Requests that wait for one.
    pub waiting: u64,
    /// The times that requests have waited for one since the store was opened.
    pub waits: WaitTimes,
    /// The times that writes have waited for the single writer since the store was opened, if there is one.
    pub writer_waits: Option<WaitTimes>,
    /// Transactions that ran again since the store was opened, because they conflicted with another one or lost their
    /// connection.
    pub retries: u64,
}

/// Times of waiting, as a histogram.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WaitTimes {
    /// For each bound of [`WaitTimes::BOUNDS`], the number of waits up to it and above the bound before; at the end,
    /// the number of longer waits.
    pub numbers: [u64; 8],
    /// The sum of all waits, in seconds.
    pub seconds: f64,
}

impl WaitTimes {
    /// The upper bounds in seconds.
    pub const BOUNDS: [f64; 7] = [0.0001, 0.001, 0.01, 0.1, 0.5, 1.0, 3.0];
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
