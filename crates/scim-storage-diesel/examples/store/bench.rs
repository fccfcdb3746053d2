//! A filled store, and the calls that are measured.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use chrono::Utc;
use scim_model::ResourceType;
use scim_model::change::Actor;
use scim_model::store::{
    Deletion, Include, MembersStep, NewResource, PageRequest, Query, ResourceStore, TenantId, Update,
};
use scim_storage_diesel::DieselStore;
use uuid::Uuid;

use crate::Outcome;
use crate::data::{Company, Random, created};
use crate::database::{Bare, Database};
use crate::fill::{self, Plan};
use crate::requests::{self, GROUPS, NOTHING, PAGE};

pub(crate) struct Bench<'a> {
    pub(crate) store: DieselStore,
    /// A direct connection to the same database.
    pub(crate) bare: RefCell<Bare>,
    pub(crate) tenant: TenantId,
    pub(crate) company: Company,
    pub(crate) plan: &'a Plan,
    /// The users that are read repeatedly, whatever the size of the store. The growth of a figure then shows more work,
    /// not a larger share of the database outside the caches.
    pub(crate) sample: Vec<u64>,
    unique: Cell<i64>,
}

/// The index of the first user that the bench itself creates.
pub(crate) const FIRST_NEW: u64 = 1_000_000_000;
/// The number of users that exist during the measurements and are in no group, to join one. In a small store, all
/// others are in the big group.
pub(crate) const JOINERS: u64 = 500;
const SAMPLE: u64 = 2_000;
/// The index and the number of members of a group that exists during the measurements.
const SMALL_GROUP: (u64, u64) = (FIRST_NEW, 10);

impl Bench<'_> {
    pub(crate) fn open<'a>(database: &Database, plan: &'a Plan) -> Outcome<Bench<'a>> {
        let store = database.open()?;
        let mut random = Random(plan.users);
        let bench = Bench {
            tenant: fill::tenant(&store, &plan.tenant)?,
            store,
            bare: RefCell::new(Bare::open(&database.url)?),
            company: Company::large(),
            plan,
            sample: (0..SAMPLE).map(|_| random.below(plan.users)).collect(),
            unique: Cell::new(Utc::now().timestamp_micros()),
        };
        bench.bare.borrow_mut().create_table()?;
        for joiner in FIRST_NEW..FIRST_NEW + JOINERS {
            // An old user, so that the number of recently modified users is that of the filled store.
            let now = created(0);
            bench.create(&NewResource {
                now,
                ..bench.company.new_user(joiner)
            });
        }
        let members = bench.company.some_users(0, SMALL_GROUP.1, plan.users);
        bench.create(&bench.company.new_group(SMALL_GROUP.0, "Bench", members));
        Ok(bench)
    }

    /// Deletes everything that the bench has created.
    pub(crate) fn close(self) -> Outcome<()> {
        let Company { user, group, .. } = &self.company;
        (0..JOINERS).for_each(|it| self.delete(user, self.company.user_id(FIRST_NEW + it)));
        self.delete(group, self.company.group_id(SMALL_GROUP.0));
        self.bare.borrow_mut().run("DROP TABLE bare")
    }

    /// Returns a number that no call has returned before, in no run of the bench.
    pub(crate) fn unique_number(&self) -> i64 {
        self.unique.replace(self.unique.get() + 1)
    }

    /// Returns the groups of 10 and of 100,000 members.
    pub(crate) fn groups(&self) -> [Uuid; 2] {
        [SMALL_GROUP.0, self.plan.groups - 1].map(|it| self.company.group_id(it))
    }

    pub(crate) fn get(&self, resource_type: &Arc<ResourceType>, id: Uuid, include: Include) -> i64 {
        let found = self.store.get(self.tenant, resource_type, id, include);
        found
            .expect("the store responds")
            .expect("the resource exists")
            .version
    }

    pub(crate) fn list(&self, tenant: TenantId, query: &Query) -> u64 {
        self.store.list(tenant, query).expect("the store responds").total
    }

    /// Returns the request for a page by cursor that follows `skipped` resources. They are read in large pieces.
    pub(crate) fn after(&self, query: Query, skipped: u64) -> Query {
        let (mut from, mut left) = (None, skipped);
        while left > 0 {
            let count = left.min(10_000) as u32;
            let page = PageRequest::Cursor { from, count };
            let before = Query {
                page,
                include: NOTHING,
                ..query.clone()
            };
            let before = self.store.list(self.tenant, &before);
            from = before.expect("the store responds").next;
            left -= u64::from(count);
        }
        let page = PageRequest::Cursor { from, count: PAGE };
        Query { page, ..query }
    }

    pub(crate) fn create(&self, new: &NewResource) {
        let created = self.store.create(self.tenant, new);
        created.expect("the resource is new");
    }

    pub(crate) fn delete(&self, resource_type: &Arc<ResourceType>, id: Uuid) {
        let deletion = Deletion {
            resource_type: resource_type.clone(),
            id,
            expected_version: None,
            now: Utc::now(),
            actor: Actor::System,
        };
        let deleted = self.store.delete(self.tenant, &deletion);
        assert!(deleted.expect("the store responds"));
    }

    /// Reads a user and writes another document, like a PATCH.
    pub(crate) fn patch(&self, update: &mut Update) {
        update.expected_version = Some(self.get(&update.resource_type, update.id, GROUPS));
        self.update(update);
    }

    pub(crate) fn join(&self, group: Uuid, user: Uuid) {
        self.update(&requests::members(
            &self.company.group,
            group,
            MembersStep::Add(vec![user]),
        ));
    }

    pub(crate) fn leave(&self, group: Uuid, user: Uuid) {
        self.update(&requests::members(
            &self.company.group,
            group,
            MembersStep::Remove(vec![user]),
        ));
    }

    fn update(&self, update: &Update) {
        let updated = self.store.update(self.tenant, update);
        assert!(updated.expect("the update is valid").is_some_and(|it| it.changed));
    }
}
