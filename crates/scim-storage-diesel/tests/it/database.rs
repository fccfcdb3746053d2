//! A database for one test.

use std::ops::Deref;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use scim_model::store::{
    Include, MembersChange, MembersStep, NewResource, Page, PageRequest, Query, ResourceStore, Sort,
    StoreError, Stored, TenantDirectory, TenantId, Update, Updated,
};
use scim_model::{Condition, Document, Policy, ResourceType, SchemaRegistry};
use scim_storage_diesel::{DieselStore, StoreOptions};
use serde_json::Value;
use uuid::Uuid;

/// A store of its own with one tenant.
pub(crate) struct Database {
    pub(crate) store: DieselStore,
    pub(crate) tenant: TenantId,
    pub(crate) url: String,
    _files: tempfile::TempDir,
}

impl Deref for Database {
    type Target = DieselStore;

    fn deref(&self) -> &DieselStore {
        &self.store
    }
}

pub(crate) const BASE: &str = "https://scim.example.com/scim/v2";

pub(crate) fn user_type() -> Arc<ResourceType> {
    SchemaRegistry::builtin()
        .resource_type("User")
        .expect("built in")
        .clone()
}

pub(crate) fn group_type() -> Arc<ResourceType> {
    SchemaRegistry::builtin()
        .resource_type("Group")
        .expect("built in")
        .clone()
}

/// A time, in seconds after the tests' beginning.
pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + seconds, 0).expect("it is a time")
}

pub(crate) fn document(value: Value) -> Document {
    let Value::Object(members) = value else {
        panic!("{value} is no document");
    };
    Document(members)
}

impl Database {
    pub(crate) fn sqlite() -> Database {
        Database::sqlite_with(&StoreOptions::default())
    }

    pub(crate) fn sqlite_with(options: &StoreOptions) -> Database {
        let files = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite:{}", files.path().join("scim.db").display());
        Database::open(url, files, options)
    }

    fn open(url: String, files: tempfile::TempDir, options: &StoreOptions) -> Database {
        let store = DieselStore::open(&url, options).expect("it opens");
        let tenant = store.create_tenant("acme", at(0)).expect("a tenant");
        Database {
            store,
            tenant,
            url,
            _files: files,
        }
    }

    pub(crate) fn add(&self, resource_type: &Arc<ResourceType>, value: Value) -> Result<Uuid, StoreError> {
        self.add_with(resource_type, value, Vec::new())
    }

    pub(crate) fn add_with(
        &self,
        resource_type: &Arc<ResourceType>,
        value: Value,
        members: Vec<Uuid>,
    ) -> Result<Uuid, StoreError> {
        let id = Uuid::now_v7();
        self.create(
            self.tenant,
            &NewResource {
                resource_type: resource_type.clone(),
                id,
                now: at(1),
                document: document(value),
                members,
            },
        )?;
        Ok(id)
    }

    pub(crate) fn read(&self, resource_type: &ResourceType, id: Uuid) -> Option<Stored> {
        let include = Include {
            members: true,
            groups: true,
        };
        self.get(self.tenant, resource_type, id, include)
            .expect("it reads")
    }

    pub(crate) fn replace(
        &self,
        resource_type: &Arc<ResourceType>,
        id: Uuid,
        expected_version: Option<i64>,
        value: Value,
    ) -> Result<Option<Updated>, StoreError> {
        self.update(
            self.tenant,
            &Update {
                resource_type: resource_type.clone(),
                id,
                expected_version,
                now: at(2),
                document: Some(document(value)),
                members: MembersChange::None,
                change: "{}".to_owned(),
            },
        )
    }

    pub(crate) fn change_members(
        &self,
        id: Uuid,
        steps: Vec<MembersStep>,
    ) -> Result<Option<Updated>, StoreError> {
        self.update(
            self.tenant,
            &Update {
                resource_type: group_type(),
                id,
                expected_version: None,
                now: at(3),
                document: None,
                members: MembersChange::Steps(steps),
                change: "{}".to_owned(),
            },
        )
    }

    pub(crate) fn search(
        &self,
        resource_type: &Arc<ResourceType>,
        filter: &str,
        sort_by: Option<(&str, bool)>,
    ) -> Page {
        self.page(
            resource_type,
            filter,
            sort_by,
            PageRequest::Index {
                start_index: 1,
                count: 1_000,
            },
        )
    }

    pub(crate) fn page(
        &self,
        resource_type: &Arc<ResourceType>,
        filter: &str,
        sort_by: Option<(&str, bool)>,
        page: PageRequest,
    ) -> Page {
        let query = query(resource_type, filter, sort_by, page);
        self.list(self.tenant, &query).expect("it lists")
    }
}

pub(crate) fn query(
    resource_type: &Arc<ResourceType>,
    filter: &str,
    sort_by: Option<(&str, bool)>,
    page: PageRequest,
) -> Query {
    let sort = sort_by.map(|(path, descending)| {
        let path = scim_filter::AttrPath::parse(path).expect("a path");
        let path = resource_type.resolve(&path).expect("an attribute");
        Sort {
            paths: vec![Some(path)],
            descending,
        }
    });
    Query {
        targets: vec![(resource_type.clone(), condition(resource_type, filter))],
        sort,
        page,
        include: Include::default(),
        base_url: BASE.into(),
    }
}

pub(crate) fn condition(resource_type: &ResourceType, filter: &str) -> Condition {
    if filter.is_empty() {
        return Condition::Always(true);
    }
    let filter = scim_filter::Filter::parse(filter).expect("a filter");
    Condition::resolve(&filter, resource_type, Policy { lenient: true }).expect("a condition")
}
