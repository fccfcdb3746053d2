//! The operations that `cargo xtask bench store` measures.

use std::cell::Cell;

use chrono::{SecondsFormat, Utc};
use scim_filter::{AttrPath, Filter};
use scim_model::change::AttributeChanges;
use scim_model::condition::resolve_sort_by;
use scim_model::internal::key;
use scim_model::store::{
    Include, MembersChange, MembersStep, PageRequest, Position, Query, ResourceStore, Sort, TenantId, Update,
};
use scim_model::{Condition, Policy, ResourceType, SecretHashes};
use scim_storage_diesel::DieselStore;
use std::sync::Arc;
use uuid::Uuid;

use crate::data::{Company, Random, created};
use crate::load::{NEIGHBOUR, SEED, seed_of};
use crate::meter::{Figure, Meter};
use crate::raw::Raw;

/// The measured costs, each with its label in the table.
pub(crate) type Figures = Vec<(&'static str, Figure)>;

/// The number of users that are read repeatedly, whatever the size of the store. The growth of a figure then shows more
/// work, not a larger share of the database outside the caches.
const SAMPLE: u64 = 2_000;
const PAGE: u32 = 100;

/// The labels of adding a member to groups of different sizes.
pub(crate) const JOINED: [&str; 3] = ["add a member to a group of 10", "… of 1,000", "… of 100,000"];
/// The labels of removing a member from the same groups.
pub(crate) const LEFT: [&str; 3] = [
    "remove a member from a group of 10",
    "… from one of 1,000",
    "… from one of 100,000",
];

struct Bench<'a> {
    store: &'a DieselStore,
    tenant: TenantId,
    company: Company,
    users: u64,
    sample: Vec<u64>,
    /// The index in the sample at which the next round starts.
    next: Cell<usize>,
    /// The index of the next user to create.
    new: Cell<u64>,
    /// The next key for the table of the bare statements.
    number: Cell<i64>,
}

/// Measures all operations on the large tenant.
///
/// # Errors
/// The store cannot be opened, read or written.
pub(crate) fn all(
    store: &DieselStore,
    url: &str,
    tenant: TenantId,
    users: u64,
    groups: u64,
    only: Option<&str>,
) -> Result<Figures, String> {
    let mut random = Random(users);
    let sample = (0..SAMPLE.min(users)).map(|_| random.below(users)).collect();
    let bench = Bench {
        store,
        tenant,
        company: Company::new(SEED),
        users,
        sample,
        next: Cell::new(0),
        new: Cell::new(1_000_000_000),
        number: Cell::new(Utc::now().timestamp_micros()),
    };
    let mut raw = Raw::open(url)?;
    raw.run("CREATE TABLE IF NOT EXISTS bare (number BIGINT NOT NULL PRIMARY KEY)")?;
    let mut meter = Meter::new(raw, only.map(str::to_owned));
    bench.points(&mut meter);
    bench.lookups(&mut meter);
    bench.pages(&mut meter);
    bench.totals(&mut meter);
    bench.writes(&mut meter, groups);
    small_look_up(store, &mut meter, crate::load::tenant(store, NEIGHBOUR.0)?);
    meter.bare().run("DROP TABLE bare")?;
    Ok(meter.figures)
}

/// Measures a lookup in the tenant of 200 users when the database contains no other tenant.
///
/// # Errors
/// The database cannot be opened.
pub(crate) fn alone(store: &DieselStore, url: &str, tenant: TenantId) -> Result<Figures, String> {
    let mut meter = Meter::new(Raw::open(url)?, None);
    small_look_up(store, &mut meter, tenant);
    Ok(meter.figures)
}

fn small_look_up(store: &DieselStore, meter: &mut Meter, tenant: TenantId) {
    let company = Company::new(seed_of(NEIGHBOUR.0));
    let queries: Vec<Query> = (0..NEIGHBOUR.1)
        .map(|it| {
            let filter = format!("userName eq \"{}\"", company.user_name(it));
            query(&company.user, &filter, "", first_page())
        })
        .collect();
    meter.measure(
        BESIDE,
        |number| queries.iter().cycle().take(number).collect(),
        |query| assert_eq!(store.list(tenant, query).expect("the store responds").total, 1),
        drop,
    );
}

impl Bench<'_> {
    fn points(&self, meter: &mut Meter) {
        let user = &self.company.user;
        let get = |id: &Uuid, include| {
            let found = self.store.get(self.tenant, user, *id, include);
            assert!(found.expect("the store responds").is_some());
        };
        let sample = |number| {
            self.sampled(number)
                .map(|it| self.company.user_id(it))
                .collect::<Vec<_>>()
        };
        let mut bare = meter.bare();
        meter.measure(
            "bare prepared SELECT of a row",
            sample,
            |id| assert_eq!(bare.select(self.tenant.0, *id), 1),
            drop,
        );
        meter.measure("get by id", sample, |id| get(id, Include::default()), drop);
        meter.measure(
            "get by id, with its groups",
            sample,
            |id| get(id, GROUPS_TOO),
            drop,
        );
        let mut random = Random(3);
        let any = |number| {
            (0..number)
                .map(|_| self.company.user_id(random.below(self.users)))
                .collect::<Vec<_>>()
        };
        meter.measure(
            "get by id, any of all",
            any,
            |id| get(id, Include::default()),
            drop,
        );
    }

    fn lookups(&self, meter: &mut Meter) {
        let company = &self.company;
        let mut by_key = |name, filter: &dyn Fn(u64) -> String| {
            let queries: Vec<Query> = self
                .sample
                .iter()
                .map(|it| query(&company.user, &filter(*it), "", first_page()))
                .collect();
            meter.measure(
                name,
                |number| self.positions(number).map(|at| &queries[at]).collect(),
                |query| assert_eq!(self.total(query), 1),
                drop,
            );
        };
        by_key("userName eq", &|it| {
            format!("userName eq \"{}\"", company.user_name(it).to_uppercase())
        });
        by_key("externalId eq", &|it| {
            format!("externalId eq \"{}\"", company.external_id(it))
        });
        by_key("emails.value eq", &|it| {
            format!("emails.value eq \"{}\"", company.email(it))
        });
        by_key("emails[type eq \"work\" and value eq]", &|it| {
            format!("emails[type eq \"work\" and value eq \"{}\"]", company.email(it))
        });
    }

    fn pages(&self, meter: &mut Meter) {
        let mut bare = meter.bare();
        for (name, by_family_name) in [
            ("bare prepared SELECT of the keys of a page at 50 %", false),
            (
                "bare prepared SELECT of the keys of a page sorted by familyName at 50 %",
                true,
            ),
        ] {
            let offset = self.users / 2;
            meter.measure(
                name,
                |number| vec![(); number],
                |()| assert_eq!(bare.skip(self.tenant.0, by_family_name, offset), 100),
                drop,
            );
        }
        drop(bare);
        let user = &self.company.user;
        let index = |start_index| PageRequest::Index {
            start_index,
            count: PAGE,
        };
        let deep = self.users / 10 * 9;
        let from = |position: Position| PageRequest::Cursor {
            from: Some(position),
            count: PAGE,
        };
        let start = PageRequest::Cursor {
            from: None,
            count: PAGE,
        };
        let mut page = |name, filter: &str, sort_by: &str, page: PageRequest| {
            let query = query(user, filter, sort_by, page);
            meter.measure(
                name,
                |number| vec![(); number],
                |()| assert!(self.found(&query) > 0, "{name}"),
                drop,
            );
        };
        page("index page", "", "", index(1));
        page("index page at 50 %", "", "", index(self.users / 2));
        page("index page at 90 %", "", "", index(deep));
        page("cursor page", "", "", start.clone());
        page("cursor page at 90 %", "", "", from(self.position(None, deep)));
        page("index page sorted by familyName", "", "name.familyName", index(1));
        page(
            "index page sorted by familyName at 50 %",
            "",
            "name.familyName",
            index(self.users / 2),
        );
        page(
            "index page sorted by familyName at 90 %",
            "",
            "name.familyName",
            index(deep),
        );
        page("cursor page sorted by familyName", "", "name.familyName", start);
        let name = self.family_name_at(deep);
        page(
            "cursor page sorted by familyName at 90 %",
            "",
            "name.familyName",
            from(self.position(Some(name), 0)),
        );
        let time = created(self.users - 51).to_rfc3339_opts(SecondsFormat::Millis, true);
        page(
            "lastModified gt, 50 matches",
            &format!("meta.lastModified gt \"{time}\""),
            "",
            index(1),
        );
        page(
            "emails[type eq \"work\" and value sw \"a\"]",
            "emails[type eq \"work\" and value sw \"a\"]",
            "",
            index(1),
        );
        page("familyName co \"x\"", "name.familyName co \"x\"", "", index(1));
        let group = self.company.group_id(0);
        page(
            "groups.value eq",
            &format!("groups.value eq \"{group}\""),
            "",
            index(1),
        );
    }

    fn totals(&self, meter: &mut Meter) {
        let none = PageRequest::Index {
            start_index: 1,
            count: 0,
        };
        let mut total = |name, filter: &str| {
            let query = query(&self.company.user, filter, "", none.clone());
            meter.measure(
                name,
                |number| vec![(); number],
                |()| assert!(self.total(&query) <= self.users + 1_000),
                drop,
            );
        };
        total("total, no filter", "");
        total("total, active eq true", "active eq true");
        total("total, familyName sw \"b\"", "name.familyName sw \"b\"");
        total("total, title co \"x\" (no index)", "title co \"x\"");
        total("total, emails.type eq \"x\" (no index)", "emails.type eq \"x\"");
    }

    fn writes(&self, meter: &mut Meter, groups: u64) {
        let company = &self.company;
        let mut bare = meter.bare();
        let numbers = |number| {
            (0..number)
                .map(|_| self.number.replace(self.number.get() + 1))
                .collect::<Vec<_>>()
        };
        meter.measure("bare one-row commit", numbers, |it| bare.commit(*it), drop);
        drop(bare);

        let fresh = |number| {
            (0..number)
                .map(|_| self.new.replace(self.new.get() + 1))
                .collect::<Vec<u64>>()
        };
        let create = |it: u64| {
            self.store
                .create(self.tenant, &company.new_user(it))
                .expect("the user is new");
        };
        let delete = |it: u64| {
            let deleted =
                self.store
                    .delete(self.tenant, &company.user, company.user_id(it), None, Utc::now());
            assert!(deleted.expect("the store responds"));
        };
        meter.measure(
            "create a user",
            |number| {
                fresh(number)
                    .into_iter()
                    .map(|it| (it, company.new_user(it)))
                    .collect()
            },
            |(_, new)| self.store.create(self.tenant, new).expect("the user is new"),
            |created| created.into_iter().for_each(|(it, _)| delete(it)),
        );

        let patched = Cell::new(Utc::now().timestamp_micros());
        meter.measure(
            "patch a user (read, write)",
            |number| {
                let title = || patched.replace(patched.get() + 1).to_string();
                self.sampled(number)
                    .map(|it| (it, company.user_document(it, Some(&title()))))
                    .collect()
            },
            |(index, document)| {
                let id = company.user_id(*index);
                let found = self.store.get(self.tenant, &company.user, id, GROUPS_TOO);
                let version = found
                    .expect("the store responds")
                    .expect("the user exists")
                    .version;
                let update = Update {
                    expected_version: Some(version),
                    document: Some(document.clone()),
                    // Keeps the number of recently modified users constant.
                    now: created(*index),
                    ..update(&company.user, id)
                };
                self.change(&update);
            },
            drop,
        );

        // New users that are in no group; the existing users of a small store are all in the big group.
        let joiners = fresh(MOST_JOINERS);
        joiners.iter().for_each(|it| create(*it));
        let own_groups = [10, 1_000].map(|size: u64| {
            let index = 1_000_000_000 + size;
            let members = (0..size.min(self.users)).map(|it| company.user_id(it)).collect();
            let new = company.new_group(index, &format!("Bench {size}"), members);
            self.store.create(self.tenant, &new).expect("the user is new");
            new.id
        });
        let all_groups = [own_groups[0], own_groups[1], company.group_id(groups - 1)];
        let some = |number: usize| -> Vec<Uuid> {
            let joiners = joiners.iter().take(number);
            joiners.map(|it| company.user_id(*it)).collect()
        };
        for (name, group) in JOINED.into_iter().zip(all_groups) {
            meter.measure(
                name,
                some,
                |id| self.members(group, MembersStep::Add(vec![*id])),
                |ids| self.members(group, MembersStep::Remove(ids)),
            );
        }
        for (name, group) in LEFT.into_iter().zip(all_groups) {
            meter.measure(
                name,
                |number| {
                    let ids = some(number);
                    self.members(group, MembersStep::Add(ids.clone()));
                    ids
                },
                |id| self.members(group, MembersStep::Remove(vec![*id])),
                drop,
            );
        }

        let three = [company.group_id(0), company.group_id(1), company.group_id(2)];
        meter.measure(
            "delete a user in three groups",
            |number| {
                let leaving: Vec<u64> = fresh(number.min(200));
                leaving.iter().for_each(|it| create(*it));
                let ids: Vec<Uuid> = leaving.iter().map(|it| company.user_id(*it)).collect();
                three
                    .iter()
                    .for_each(|group| self.members(*group, MembersStep::Add(ids.clone())));
                ids
            },
            |id| {
                let deleted = self
                    .store
                    .delete(self.tenant, &company.user, *id, None, Utc::now());
                assert!(deleted.expect("the store responds"));
            },
            drop,
        );

        joiners.into_iter().for_each(delete);
        for group in own_groups {
            let deleted = self
                .store
                .delete(self.tenant, &company.group, group, None, Utc::now());
            assert!(deleted.expect("the store responds"));
        }

        let big = company.group_id(groups - 1);
        let without = Include::default();
        let with = Include {
            members: true,
            groups: false,
        };
        for (name, include) in [
            ("get the big group without members", without),
            ("get the big group with all members", with),
        ] {
            meter.measure(
                name,
                |number| vec![(); number],
                |()| {
                    assert!(
                        self.store
                            .get(self.tenant, &company.group, big, include)
                            .expect("the store responds")
                            .is_some()
                    );
                },
                drop,
            );
        }
    }

    fn change(&self, update: &Update) {
        let updated = self
            .store
            .update(self.tenant, update)
            .expect("the update is valid");
        assert!(updated.is_some_and(|it| it.changed));
    }

    fn members(&self, group: Uuid, step: MembersStep) {
        self.change(&Update {
            members: MembersChange::Steps(vec![step]),
            ..update(&self.company.group, group)
        });
    }

    fn total(&self, query: &Query) -> u64 {
        self.store
            .list(self.tenant, query)
            .expect("the store responds")
            .total
    }

    fn found(&self, query: &Query) -> usize {
        self.store
            .list(self.tenant, query)
            .expect("the store responds")
            .resources
            .len()
    }

    /// Returns the next `number` indexes in the sample.
    fn positions(&self, number: usize) -> impl Iterator<Item = usize> {
        let start = self.next.replace(self.next.get() + number);
        let length = self.sample.len();
        (start..start + number).map(move |it| it % length)
    }

    fn sampled(&self, number: usize) -> impl Iterator<Item = u64> {
        self.positions(number).map(|at| self.sample[at])
    }

    /// Returns a position in the order of creation, or of a sort key.
    fn position(&self, key: Option<String>, row: u64) -> Position {
        Position {
            target: 0,
            key,
            row: i64::try_from(row).unwrap_or(i64::MAX),
            backwards: false,
        }
    }

    fn family_name_at(&self, index: u64) -> String {
        let mut names: Vec<String> = (0..self.users.min(10_000))
            .map(|it| key::fold(&self.company.family_name(it)).into_owned())
            .collect();
        names.sort();
        let at = names.len() as u64 * index / self.users;
        names.swap_remove(at as usize)
    }
}

/// The maximum number of users that join or leave a group in one round.
const MOST_JOINERS: usize = 500;
/// The label of a lookup in the small tenant in the same database as the large one.
pub(crate) const BESIDE: &str = "userName eq in a neighbouring tenant of 200";

/// The derived attributes that the server reads when the request has no projection.
pub(crate) const GROUPS_TOO: Include = Include {
    members: false,
    groups: true,
};

pub(crate) fn first_page() -> PageRequest {
    PageRequest::Index {
        start_index: 1,
        count: PAGE,
    }
}

/// Returns an update that changes nothing, to be completed by the caller.
fn update(resource_type: &Arc<ResourceType>, id: Uuid) -> Update {
    Update {
        resource_type: resource_type.clone(),
        id,
        expected_version: None,
        now: Utc::now(),
        document: None,
        members: MembersChange::None,
        secrets: SecretHashes::new(),
        changes: AttributeChanges::default(),
    }
}

pub(crate) fn query(
    resource_type: &Arc<ResourceType>,
    filter: &str,
    sort_by: &str,
    page: PageRequest,
) -> Query {
    let policy = Policy { lenient: false };
    let condition = if filter.is_empty() {
        Condition::Always(true)
    } else {
        let filter = Filter::parse(filter).expect("the filter is valid");
        Condition::resolve(&filter, resource_type, policy).expect("the attributes exist")
    };
    let sort = (!sort_by.is_empty()).then(|| {
        let path = AttrPath::parse(sort_by).expect("the path is valid");
        Sort {
            paths: resolve_sort_by(&path, std::slice::from_ref(resource_type)).expect("the attributes exist"),
            descending: false,
        }
    });
    Query {
        targets: vec![(resource_type.clone(), condition)],
        sort,
        page,
        include: GROUPS_TOO,
        base_url: "https://scim.example.com/scim/v2".into(),
    }
}
