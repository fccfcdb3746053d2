//! A tenant of the store under test, and shorthands for calls on it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use scim_filter::{AttrPath, Filter};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::change::{Actor, AttributeChanges, Change, ChangePosition, MembersChange, MembersStep};
use crate::document::Document;
use crate::filter::{Condition, resolve_sort_by};
use crate::schema::ResourceType;
use crate::schema::registry::SchemaRegistry;
use crate::secret::SecretHashes;
use crate::store::{
    ChangeFeed, ChangeJournal, Connection, Credentials, Deletion, Directory, IdempotencyKeys, Include,
    NewResource, NewToken, OperatorKeys, Page, PageRequest, Query, Reference, ResourceHistory, ResourceStore,
    SetStreams, Sort, StoreError, Stored, TenantId, Token, Update, Updated, Webhooks,
};
use crate::tolerance::Tolerances;
use crate::value::policy::Policy;

/// A store with all ports.
pub trait Store:
    ResourceStore
    + Directory
    + ChangeJournal
    + ChangeFeed
    + ResourceHistory
    + Credentials
    + OperatorKeys
    + IdempotencyKeys
    + Webhooks
    + SetStreams
{
}

impl<T> Store for T where
    T: ResourceStore
        + Directory
        + ChangeJournal
        + ChangeFeed
        + ResourceHistory
        + Credentials
        + OperatorKeys
        + IdempotencyKeys
        + Webhooks
        + SetStreams
{
}

/// A rule that every store keeps: its name, and a function that panics if the store breaks it.
pub(super) type Case = (&'static str, fn(&Fixture));

/// One tenant of a store, with shorthands for calls on it.
pub struct Fixture<'a> {
    /// The store.
    pub store: &'a dyn Store,
    /// A tenant that nothing else uses.
    pub tenant: TenantId,
    /// `User` of the built-in schemas.
    pub user: Arc<ResourceType>,
    /// `Group` of the built-in schemas.
    pub group: Arc<ResourceType>,
}

/// The base URL of the locations in filters.
pub const BASE_URL: &str = "https://scim.example.com/scim/v2";

/// A time, in seconds after an arbitrary start.
pub fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + seconds, 123_000_000).expect("it is a time")
}

/// A document from a JSON object.
pub fn document(value: Value) -> Document {
    match value {
        Value::Object(members) => Document::from_values(members),
        other => panic!("{other} is not a JSON object"),
    }
}

impl<'a> Fixture<'a> {
    /// Creates a tenant whose name starts with `name`.
    pub fn new(store: &'a dyn Store, name: &str) -> Fixture<'a> {
        let name = format!("{name} {}", Uuid::now_v7());
        let tenant = store.create_tenant(&name, at(0)).expect("the tenant is new");
        let registry = SchemaRegistry::builtin();
        let of = |name| registry.resource_type(name).expect("it is built in").clone();
        Fixture {
            store,
            tenant,
            user: of("User"),
            group: of("Group"),
        }
    }

    /// Creates a resource at the time [`at`] 1.
    pub fn add(
        &self,
        resource_type: &Arc<ResourceType>,
        value: Value,
        members: &[Uuid],
    ) -> Result<Uuid, StoreError> {
        let id = Uuid::now_v7();
        let new = NewResource {
            resource_type: resource_type.clone(),
            id,
            now: at(1),
            actor: Actor::System,
            document: document(value),
            members: members.to_vec(),
            secrets: SecretHashes::new(),
        };
        self.store.create(self.tenant, &new).map(|()| id)
    }

    /// Creates a user.
    pub fn add_user(&self, user_name: &str) -> Uuid {
        self.add(&self.user, json!({ "userName": user_name }), &[])
            .expect("the name is free")
    }

    /// Creates a group.
    pub fn add_group(&self, display_name: &str, members: &[Uuid]) -> Uuid {
        self.add(&self.group, json!({ "displayName": display_name }), members)
            .expect("the name is free")
    }

    /// The tenant's connection named `default`.
    pub fn connection(&self) -> Connection {
        let connection = self.store.connection(self.tenant, Connection::DEFAULT);
        connection
            .expect("the store is available")
            .expect("each tenant has it")
    }

    /// A token of the connection [`Fixture::connection`] that can be stored. [`Fixture::token`] finds it.
    pub fn new_token(&self, id: Uuid) -> NewToken {
        NewToken {
            id,
            tenant: self.tenant,
            connection: self.connection().id,
            sha256: token_hash(id),
            last_four: "abcd".to_owned(),
            created: at(0),
            expires: None,
            read_only: false,
            name: String::new(),
        }
    }

    /// A stored token that was made by [`Fixture::new_token`].
    pub fn token(&self, id: Uuid) -> Option<Token> {
        let token = self.store.token_by_hash(&token_hash(id));
        token.expect("the store is available")
    }

    /// Reads a resource with its members and groups.
    pub fn read(&self, resource_type: &ResourceType, id: Uuid) -> Option<Stored> {
        let include = Include {
            members: true,
            groups: true,
        };
        self.store
            .get(self.tenant, resource_type, id, include)
            .expect("the store is available")
    }

    /// The version of a resource that exists.
    pub fn version(&self, resource_type: &ResourceType, id: Uuid) -> i64 {
        self.read(resource_type, id).expect("it exists").version
    }

    /// Replaces a document at the time [`at`] 2.
    pub fn replace(
        &self,
        resource_type: &Arc<ResourceType>,
        id: Uuid,
        expected_version: Option<i64>,
        value: Value,
    ) -> Result<Option<Updated>, StoreError> {
        let update = Update {
            resource_type: resource_type.clone(),
            id,
            expected_version,
            now: at(2),
            actor: Actor::System,
            document: Some(document(value)),
            members: MembersChange::None,
            secrets: SecretHashes::new(),
            changes: AttributeChanges::default(),
        };
        self.store.update(self.tenant, &update)
    }

    /// Changes the members of a group at the time [`at`] 3.
    pub fn change_members(&self, id: Uuid, steps: Vec<MembersStep>) -> Result<Option<Updated>, StoreError> {
        let update = Update {
            resource_type: self.group.clone(),
            id,
            expected_version: None,
            now: at(3),
            actor: Actor::System,
            document: None,
            members: MembersChange::Steps(steps),
            secrets: SecretHashes::new(),
            changes: AttributeChanges::default(),
        };
        self.store.update(self.tenant, &update)
    }

    /// Deletes a resource, whatever its version, at the time [`at`] 4. Returns whether it existed.
    pub fn delete(&self, resource_type: &Arc<ResourceType>, id: Uuid) -> bool {
        self.delete_version(resource_type, id, None)
            .expect("the store is available")
    }

    /// Deletes a version of a resource, or any; see [`Fixture::delete`].
    pub fn delete_version(
        &self,
        resource_type: &Arc<ResourceType>,
        id: Uuid,
        expected_version: Option<i64>,
    ) -> Result<bool, StoreError> {
        let deletion = Deletion {
            resource_type: resource_type.clone(),
            id,
            expected_version,
            now: at(4),
            actor: Actor::System,
        };
        self.store.delete(self.tenant, &deletion)
    }

    /// The ids of a group's members, in order of joining.
    pub fn members(&self, id: Uuid) -> Vec<Uuid> {
        let group = self.read(&self.group, id).expect("it exists");
        ids(&group.members.expect("members were asked for"))
    }

    /// All changes in the tenant's journal, oldest first.
    pub fn changes(&self) -> Vec<Change> {
        let mut changes: Vec<Change> = Vec::new();
        loop {
            let after = changes.last().map_or(ChangePosition::default(), |it| it.position);
            let next = self.store.changes(self.tenant, after, 3);
            let next = next.expect("no entry is being dropped");
            if next.is_empty() {
                return changes;
            }
            changes.extend(next);
            let positions = changes.iter().map(|it| it.position);
            assert!(positions.is_sorted_by(|a, b| a < b), "positions ascend");
        }
    }

    /// A query for one type. An empty text means no filter or no order; `-` before the sort path means
    /// descending order.
    pub fn query(
        &self,
        resource_type: &Arc<ResourceType>,
        filter: &str,
        sort_by: &str,
        page: PageRequest,
    ) -> Query {
        self.query_over(std::slice::from_ref(resource_type), filter, sort_by, page)
    }

    /// A query for several types; see [`Fixture::query`].
    pub fn query_over(
        &self,
        resource_types: &[Arc<ResourceType>],
        filter: &str,
        sort_by: &str,
        page: PageRequest,
    ) -> Query {
        let conditions = if filter.is_empty() {
            vec![Condition::Always(true); resource_types.len()]
        } else {
            let parsed = Filter::parse(filter).expect("it is a filter");
            let lenient = Policy { lenient: true };
            Condition::resolve_for_all(&parsed, resource_types, &Tolerances::new(lenient))
                .expect("it fits the schemas")
        };
        let (path, descending) = match sort_by.strip_prefix('-') {
            Some(path) => (path, true),
            None => (sort_by, false),
        };
        let sort = (!path.is_empty()).then(|| {
            let path = AttrPath::parse(path).expect("it is a path");
            Sort {
                paths: resolve_sort_by(&path, resource_types).expect("it fits the schemas"),
                descending,
            }
        });
        Query {
            targets: resource_types.iter().cloned().zip(conditions).collect(),
            sort,
            page,
            include: Include::default(),
            base_url: BASE_URL.into(),
        }
    }

    /// Lists resources, and reads the rest of the page.
    pub fn list(&self, query: &Query) -> Page {
        let page = self.store.list(self.tenant, query);
        let mut page = page.expect("the store is available");
        while !page.rest.is_empty() {
            let next = self.store.next_resources(self.tenant, &page.rest, query.include);
            let next = next.expect("the store is available");
            assert!(next.keys > 0 && next.keys <= page.rest.len());
            page.rest.drain(..next.keys);
            page.resources.extend(next.resources);
        }
        page
    }

    /// The first 1,000 resources that match a filter, in an order.
    pub fn search(&self, resource_type: &Arc<ResourceType>, filter: &str, sort_by: &str) -> Page {
        let query = self.query(resource_type, filter, sort_by, EVERYTHING);
        self.list(&query)
    }

    /// The `userName` of each user that matches, or the `displayName` of each group.
    pub fn names(&self, resource_type: &Arc<ResourceType>, filter: &str, sort_by: &str) -> Vec<String> {
        names(&self.search(resource_type, filter, sort_by))
    }
}

fn token_hash(id: Uuid) -> [u8; 32] {
    let mut hash = [7; 32];
    hash[..16].copy_from_slice(id.as_bytes());
    hash
}

pub(super) const EVERYTHING: PageRequest = PageRequest::Index {
    start_index: 1,
    count: 1_000,
};

pub(super) fn ids(references: &[Reference]) -> Vec<Uuid> {
    references.iter().map(|it| it.id).collect()
}

pub(super) fn names(page: &Page) -> Vec<String> {
    page.resources.iter().map(name).collect()
}

pub(super) fn name(stored: &Stored) -> String {
    let document: Value = serde_json::from_str(&stored.document).expect("documents are JSON");
    let name = document.get("userName").or(document.get("displayName"));
    name.and_then(Value::as_str).expect("it has a name").to_owned()
}

pub(super) fn expect_taken<T: std::fmt::Debug>(attribute: &str, result: Result<T, StoreError>) {
    match result {
        Err(StoreError::Conflict { attribute: found }) => assert_eq!(found, attribute),
        other => panic!("expected `{attribute}` to be taken, not {other:?}"),
    }
}

/// All pages of a query by cursor, from the first to the last.
pub(super) fn pages(it: &Fixture, query: impl Fn(PageRequest) -> Query, count: u32) -> Vec<Page> {
    let mut pages = Vec::new();
    let mut from = None;
    loop {
        let page = it.list(&query(PageRequest::Cursor { from, count }));
        from = page.next.clone();
        pages.push(page);
        if from.is_none() {
            return pages;
        }
    }
}

/// The names that the pages of a query have from the last to the first, in the order of the result.
pub(super) fn names_backward(
    it: &Fixture,
    query: impl Fn(PageRequest) -> Query,
    forward: Vec<Page>,
    count: u32,
) -> Vec<String> {
    let last = forward.into_iter().last().expect("there is at least one page");
    let mut found = names(&last);
    let mut from = last.previous;
    while from.is_some() {
        let page = it.list(&query(PageRequest::Cursor { from, count }));
        assert!(page.next.is_some(), "the page that led to it is after it");
        found.splice(0..0, names(&page));
        from = page.previous;
    }
    found
}
