//! What every store must do, as tests that an adapter runs on each of its databases.
//!
//! [`check`] panics with the name of the first case that does not hold.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use scim_filter::{AttrPath, Filter};
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::condition::resolve_sort_by;
use crate::schema::registry::SchemaRegistry;
use crate::value::policy::Policy;

/// A store with its directory of tenants.
pub trait Store: ResourceStore + Directory {}

impl<T: ResourceStore + Directory> Store for T {}

/// One tenant of a store, and short ways to use it.
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

/// Runs every case, each with a tenant of its own. The store must know the built-in resource types
/// and hold `Group.displayName` unique.
pub fn check(store: &dyn Store) {
    for (name, case) in CASES {
        let result =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| case(&Fixture::new(store, name))));
        if let Err(panic) = result {
            let message = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied());
            panic!("{name}: {}", message.unwrap_or("panicked"));
        }
    }
}

type Case = (&'static str, fn(&Fixture));

const CASES: &[Case] = &[
    ("what was created is read back", what_was_created_is_read_back),
    ("a name is taken in any case", a_name_is_taken_in_any_case),
    ("long names are told apart", long_names_are_told_apart),
    ("an update moves the version on", an_update_moves_the_version_on),
    (
        "a resource is found under its own type only",
        a_resource_is_found_under_its_own_type_only,
    ),
    (
        "what does not change is not written",
        what_does_not_change_is_not_written,
    ),
    (
        "members come in order of joining",
        members_come_in_order_of_joining,
    ),
    ("members are changed in steps", members_are_changed_in_steps),
    (
        "a change of members checks the expected version",
        a_change_of_members_checks_the_expected_version,
    ),
    ("members must exist", members_must_exist),
    (
        "a deleted member leaves its groups",
        a_deleted_member_leaves_its_groups,
    ),
    (
        "a deleted group leaves its members",
        a_deleted_group_leaves_its_members,
    ),
    (
        "a renamed member moves its groups on",
        a_renamed_member_moves_its_groups_on,
    ),
    ("references are those that exist", references_are_those_that_exist),
    ("totals are exact", totals_are_exact),
    (
        "totals of index lookups are exact",
        totals_of_index_lookups_are_exact,
    ),
    ("filters find what they mean", filters_find_what_they_mean),
    ("filters find memberships", filters_find_memberships),
    (
        "filters find what references show",
        filters_find_what_references_show,
    ),
    ("filters find id and meta", filters_find_id_and_meta),
    (
        "sorting puts missing values last",
        sorting_puts_missing_values_last,
    ),
    ("sorting takes the primary value", sorting_takes_the_primary_value),
    ("cursors walk forward and back", cursors_walk_forward_and_back),
    ("cursors survive deletions", cursors_survive_deletions),
    (
        "an empty page links to the remaining resources",
        an_empty_page_links_to_the_remaining_resources,
    ),
    (
        "a query over types lists type by type",
        a_query_over_types_lists_type_by_type,
    ),
    (
        "a sorted query over types has one order",
        a_sorted_query_over_types_has_one_order,
    ),
    ("tenants do not see each other", tenants_do_not_see_each_other),
    (
        "derived attributes come when asked for",
        derived_attributes_come_when_asked_for,
    ),
    ("secrets are kept apart", secrets_are_kept_apart),
    ("tokens belong to tenants", tokens_belong_to_tenants),
    ("a deleted tenant leaves nothing", a_deleted_tenant_leaves_nothing),
];

/// What stands before the endpoint in locations.
pub const BASE_URL: &str = "https://scim.example.com/scim/v2";

/// A time, in seconds after an arbitrary beginning.
pub fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + seconds, 123_000_000).expect("it is a time")
}

/// A document from JSON.
pub fn document(value: Value) -> Document {
    match value {
        Value::Object(members) => Document(members),
        other => panic!("{other} is no document"),
    }
}

impl<'a> Fixture<'a> {
    /// With a new tenant whose name starts with `name`.
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

    /// Creates a resource.
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

    /// Reads a resource with everything.
    pub fn read(&self, resource_type: &ResourceType, id: Uuid) -> Option<Stored> {
        let include = Include {
            members: true,
            groups: true,
        };
        self.store
            .get(self.tenant, resource_type, id, include)
            .expect("the store is there")
    }

    /// The version of a resource that exists.
    pub fn version(&self, resource_type: &ResourceType, id: Uuid) -> i64 {
        self.read(resource_type, id).expect("it exists").version
    }

    /// Replaces a document.
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
            document: Some(document(value)),
            members: MembersChange::None,
            secrets: SecretHashes::new(),
            changes: AttributeChanges::default(),
        };
        self.store.update(self.tenant, &update)
    }

    /// Changes members.
    pub fn change_members(&self, id: Uuid, steps: Vec<MembersStep>) -> Result<Option<Updated>, StoreError> {
        let update = Update {
            resource_type: self.group.clone(),
            id,
            expected_version: None,
            now: at(3),
            document: None,
            members: MembersChange::Steps(steps),
            secrets: SecretHashes::new(),
            changes: AttributeChanges::default(),
        };
        self.store.update(self.tenant, &update)
    }

    /// Deletes whatever version there is.
    pub fn delete(&self, resource_type: &ResourceType, id: Uuid) -> bool {
        self.store
            .delete(self.tenant, resource_type, id, None, at(4))
            .expect("the store is there")
    }

    /// The ids of a group's members, in order.
    pub fn members(&self, id: Uuid) -> Vec<Uuid> {
        let group = self.read(&self.group, id).expect("it exists");
        ids(&group.members.expect("members were asked for"))
    }

    /// A query for one type; an empty filter is none, `-` before the sort path means descending.
    pub fn query(
        &self,
        resource_type: &Arc<ResourceType>,
        filter: &str,
        sort_by: &str,
        page: PageRequest,
    ) -> Query {
        self.query_over(std::slice::from_ref(resource_type), filter, sort_by, page)
    }

    /// A query over several types.
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
            Condition::resolve_for_all(&parsed, resource_types, lenient).expect("it fits the schemas")
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

    /// Everything that matches.
    pub fn search(&self, resource_type: &Arc<ResourceType>, filter: &str, sort_by: &str) -> Page {
        let query = self.query(resource_type, filter, sort_by, EVERYTHING);
        self.store.list(self.tenant, &query).expect("the store is there")
    }

    /// The `userName`s, or `displayName`s of groups, of what matches.
    pub fn names(&self, resource_type: &Arc<ResourceType>, filter: &str, sort_by: &str) -> Vec<String> {
        names(&self.search(resource_type, filter, sort_by))
    }
}

const EVERYTHING: PageRequest = PageRequest::Index {
    start_index: 1,
    count: 1_000,
};

fn ids(references: &[Reference]) -> Vec<Uuid> {
    references.iter().map(|it| it.id).collect()
}

fn names(page: &Page) -> Vec<String> {
    page.resources.iter().map(name).collect()
}

fn name(stored: &Stored) -> String {
    let document: Value = serde_json::from_str(&stored.document).expect("documents are JSON");
    let name = document.get("userName").or(document.get("displayName"));
    name.and_then(Value::as_str).expect("it has a name").to_owned()
}

fn what_was_created_is_read_back(it: &Fixture) {
    let id = Uuid::now_v7();
    let new = NewResource {
        resource_type: it.user.clone(),
        id,
        now: DateTime::from_timestamp(1_700_000_000, 123_999_999).expect("it is a time"),
        document: document(json!({"userName": "Ünal", "active": true, "title": "\"%_\\ \u{1F600}"})),
        members: Vec::new(),
        secrets: SecretHashes::new(),
    };
    it.store.create(it.tenant, &new).expect("nothing is in the way");
    let stored = it.read(&it.user, id).expect("it was created");
    assert_eq!(
        (stored.id, stored.version, &*stored.resource_type),
        (id, 1, "User")
    );
    assert_eq!(
        stored.created,
        DateTime::from_timestamp(1_700_000_000, 123_000_000).expect("a time")
    );
    assert_eq!(stored.last_modified, stored.created);
    assert_eq!(stored.document, new.document.to_stored_json(&it.user));
    assert_eq!(stored.groups, Some(Vec::new()));
    assert_eq!(stored.members, None);
    assert!(it.read(&it.group, id).is_none(), "a user is no group");
    assert!(it.read(&it.user, Uuid::now_v7()).is_none());
}

fn expect_taken<T: std::fmt::Debug>(attribute: &str, result: Result<T, StoreError>) {
    match result {
        Err(StoreError::Conflict { attribute: found }) => assert_eq!(found, attribute),
        other => panic!("expected `{attribute}` to be taken, not {other:?}"),
    }
}

fn a_name_is_taken_in_any_case(it: &Fixture) {
    let jensen = it.add_user("Bjensen");
    expect_taken("userName", it.add(&it.user, json!({"userName": "BJENSEN"}), &[]));
    it.add_user("straße");
    expect_taken("userName", it.add(&it.user, json!({"userName": "STRASSE"}), &[]));
    let smith = it.add_user("smith");
    expect_taken(
        "userName",
        it.replace(&it.user, smith, None, json!({"userName": "bJensen"})),
    );
    assert_eq!(it.version(&it.user, smith), 1, "a failed update changes nothing");
    let own = it.replace(&it.user, jensen, Some(1), json!({"userName": "bjensen"}));
    assert!(own.expect("its own name is free").expect("it exists").changed);
    assert!(it.delete(&it.user, jensen));
    it.add_user("bjensen");

    it.add_group("Tour Guides", &[]);
    expect_taken(
        "displayName",
        it.add(&it.group, json!({"displayName": "tour guides"}), &[]),
    );
    it.add_user("Tour Guides");
    assert_eq!(it.search(&it.user, "", "").total, 4);
}

fn long_names_are_told_apart(it: &Fixture) {
    let long = "ß".repeat(1_500);
    let names = [&long[..], &format!("{long}a"), &format!("{long}b"), "b"];
    for name in names {
        it.add_user(name);
    }
    expect_taken(
        "userName",
        it.add(&it.user, json!({"userName": "SS".repeat(1_500)}), &[]),
    );
    for name in names {
        assert_eq!(it.names(&it.user, &format!("userName eq \"{name}\""), ""), [name]);
    }
    // Nothing makes this one shorter.
    let random: String = (0..500)
        .map(|_| Uuid::now_v7().simple().to_string().split_off(16))
        .collect();
    let everywhere = json!({
        "userName": random, "externalId": random, "displayName": random, "name": {"familyName": random},
        "emails": [{"value": random}],
    });
    let user = it.add(&it.user, everywhere, &[]).expect("it is allowed");
    let group = it.add_group(&random, &[user]);
    let shown = it.read(&it.group, group).expect("it is there").members;
    assert_eq!(shown.expect("it has members")[0].display.as_ref(), Some(&random));
    assert!(it.delete(&it.group, group) && it.delete(&it.user, user));
    let find = |filter: &str| it.search(&it.user, filter, "").total;
    assert_eq!(find(&format!("userName sw \"{}\"", &long[..200])), 3);
    assert_eq!(find(&format!("userName sw \"{long}\"")), 3);
    assert_eq!(find(&format!("userName ge \"{long}\"")), 3);
    assert_eq!(find("userName ew \"sb\""), 1);
    assert_eq!(find("userName co \"sb\""), 1);
    assert_eq!(
        find("userName co \"0\" or userName co \"1\" or userName co \"2\""),
        0
    );
    assert_eq!(find("not (userName co \"ss\")"), 1);
}

fn an_update_moves_the_version_on(it: &Fixture) {
    let id = it.add_user("bjensen");
    let updated = it
        .replace(
            &it.user,
            id,
            Some(1),
            json!({"userName": "bjensen", "title": "Guide"}),
        )
        .expect("nothing is in the way")
        .expect("it exists");
    assert_eq!(
        updated,
        Updated {
            version: 2,
            last_modified: at(2),
            changed: true
        }
    );
    let stored = it.read(&it.user, id).expect("it exists");
    assert_eq!(
        (stored.version, stored.last_modified, stored.created),
        (2, at(2), at(1))
    );
    assert!(stored.document.contains("Guide"));
    let stale = it.replace(&it.user, id, Some(1), json!({"userName": "other"}));
    assert!(matches!(stale, Err(StoreError::Stale)), "{stale:?}");
    assert_eq!(it.names(&it.user, "title eq \"guide\"", ""), ["bjensen"]);
    assert_eq!(it.names(&it.user, "userName eq \"other\"", ""), [""; 0]);
    let missing = it.replace(&it.user, Uuid::now_v7(), None, json!({"userName": "x"}));
    assert!(matches!(missing, Ok(None)), "{missing:?}");
    let stale = it.store.delete(it.tenant, &it.user, id, Some(1), at(4));
    assert!(matches!(stale, Err(StoreError::Stale)), "{stale:?}");
    assert!(matches!(
        it.store.delete(it.tenant, &it.user, id, Some(2), at(4)),
        Ok(true)
    ));
    assert!(!it.delete(&it.user, id));
}

fn a_resource_is_found_under_its_own_type_only(it: &Fixture) {
    let (user, other) = (it.add_user("bjensen"), it.add_user("smith"));
    let group = it.add_group("Guides", &[user]);
    for (wrong_type, id) in [(&it.group, user), (&it.user, group)] {
        assert!(it.read(wrong_type, id).is_none());
        assert!(!it.delete(wrong_type, id), "deleted as a {}", wrong_type.name);
        let stale = it.store.delete(it.tenant, wrong_type, id, Some(7), at(4));
        assert!(matches!(stale, Ok(false)), "{stale:?}");
        let document = json!({"userName": "changed", "displayName": "changed"});
        let replaced = it.replace(wrong_type, id, None, document);
        assert!(
            matches!(replaced, Ok(None)),
            "replaced as a {}: {replaced:?}",
            wrong_type.name
        );
    }
    for steps in [
        vec![MembersStep::Add(vec![other])],
        vec![MembersStep::RemoveAll],
        vec![MembersStep::ReplaceAll(Vec::new())],
    ] {
        let changed = it.change_members(user, steps.clone());
        assert!(matches!(changed, Ok(None)), "{steps:?}: {changed:?}");
    }
    assert_eq!((it.version(&it.user, user), it.version(&it.group, group)), (1, 1));
    assert_eq!(it.members(group), [user]);
    assert_eq!(
        (
            it.search(&it.user, "", "").total,
            it.search(&it.group, "", "").total
        ),
        (2, 1)
    );
}

fn what_does_not_change_is_not_written(it: &Fixture) {
    let id = it
        .add(&it.user, json!({"userName": "bjensen", "title": "Guide"}), &[])
        .expect("it is new");
    let same = it
        .replace(
            &it.user,
            id,
            Some(1),
            json!({"title": "Guide", "userName": "bjensen"}),
        )
        .expect("nothing is in the way")
        .expect("it exists");
    assert_eq!(
        same,
        Updated {
            version: 1,
            last_modified: at(1),
            changed: false
        }
    );
    let group = it.add_group("Guides", &[id]);
    for steps in [
        vec![],
        vec![MembersStep::Add(vec![id])],
        vec![MembersStep::Remove(vec![Uuid::now_v7()])],
        vec![MembersStep::ReplaceAll(vec![id])],
    ] {
        let same = it
            .change_members(group, steps.clone())
            .expect("nothing is in the way")
            .expect("it exists");
        assert_eq!((same.version, same.changed), (1, false), "{steps:?}");
    }
    assert_eq!(it.version(&it.group, group), 1);
}

fn members_come_in_order_of_joining(it: &Fixture) {
    let users: Vec<Uuid> = (0..6)
        .map(|number| it.add_user(&format!("user{number}")))
        .collect();
    let group = it.add_group("Guides", &[users[4], users[1], users[4]]);
    assert_eq!(it.members(group), [users[4], users[1]]);
    let updated = it.change_members(group, vec![MembersStep::Add(vec![users[3], users[1], users[0]])]);
    assert_eq!(updated.expect("they exist").expect("it exists").version, 2);
    assert_eq!(it.members(group), [users[4], users[1], users[3], users[0]]);
    let other = it.add_group("Others", &[group, users[0]]);
    let member = it
        .read(&it.group, other)
        .expect("it exists")
        .members
        .expect("asked for")
        .remove(0);
    let expected = Reference {
        id: group,
        resource_type: "Group".into(),
        display: Some("Guides".to_owned()),
    };
    assert_eq!(member, expected);
    let groups = it
        .read(&it.user, users[0])
        .expect("it exists")
        .groups
        .expect("asked for");
    assert_eq!(
        ids(&groups).into_iter().collect::<BTreeSet<_>>(),
        BTreeSet::from([group, other])
    );
    let before = it.version(&it.user, users[0]);
    it.change_members(other, vec![MembersStep::Remove(vec![users[0]])])
        .expect("it exists");
    assert_eq!(
        it.version(&it.user, users[0]),
        before,
        "a membership is no part of the user"
    );
    assert_eq!(it.members(other), [group]);
}

fn members_are_changed_in_steps(it: &Fixture) {
    let users: Vec<Uuid> = (0..4)
        .map(|number| it.add_user(&format!("user{number}")))
        .collect();
    let group = it.add_group("Guides", &[users[0], users[1]]);
    let change = |steps| {
        let updated = it
            .change_members(group, steps)
            .expect("they exist")
            .expect("it exists");
        assert!(updated.changed);
        it.members(group)
    };
    let remove_all_add = vec![MembersStep::RemoveAll, MembersStep::Add(vec![users[2]])];
    assert_eq!(change(remove_all_add), [users[2]]);
    let add_remove = vec![
        MembersStep::Add(vec![users[3], users[0]]),
        MembersStep::Remove(vec![users[2]]),
    ];
    assert_eq!(change(add_remove), [users[3], users[0]]);
    let replace = vec![MembersStep::ReplaceAll(vec![users[1], users[0]])];
    assert_eq!(change(replace), [users[0], users[1]], "who stays keeps the place");
    assert_eq!(
        change(vec![MembersStep::ReplaceAll(Vec::new())]),
        Vec::<Uuid>::new()
    );
    assert_eq!(it.version(&it.group, group), 5);
    assert_eq!(it.read(&it.group, group).expect("it exists").last_modified, at(3));
}

fn a_change_of_members_checks_the_expected_version(it: &Fixture) {
    let (one, two) = (it.add_user("one"), it.add_user("two"));
    let group = it.add_group("Guides", &[one]);
    let change = |expected_version, steps| {
        let update = Update {
            resource_type: it.group.clone(),
            id: group,
            expected_version: Some(expected_version),
            now: at(3),
            document: None,
            members: MembersChange::Steps(steps),
            secrets: SecretHashes::new(),
            changes: AttributeChanges::default(),
        };
        it.store.update(it.tenant, &update)
    };
    let updated = change(1, vec![MembersStep::Add(vec![two])]);
    assert_eq!(
        updated.expect("the version matches").expect("it exists").version,
        2
    );
    for steps in [
        vec![MembersStep::RemoveAll],
        vec![MembersStep::Remove(vec![one])],
        // A step without effect fails too: the client's view of the group is out of date.
        vec![MembersStep::Add(vec![two])],
    ] {
        let stale = change(1, steps.clone());
        assert!(matches!(stale, Err(StoreError::Stale)), "{steps:?}: {stale:?}");
    }
    assert_eq!(
        (it.members(group), it.version(&it.group, group)),
        (vec![one, two], 2)
    );
    let updated = change(2, vec![MembersStep::Remove(vec![one])]);
    assert_eq!(
        updated.expect("the version matches").expect("it exists").version,
        3
    );
    assert_eq!(it.members(group), [two]);
}

fn members_must_exist(it: &Fixture) {
    let (known, unknown) = (it.add_user("bjensen"), Uuid::now_v7());
    let refused = |result: Result<Option<Updated>, StoreError>| match result {
        Err(StoreError::UnknownMembers(ids)) => assert_eq!(ids, [unknown]),
        other => panic!("expected unknown members, not {other:?}"),
    };
    refused(
        it.add(&it.group, json!({"displayName": "a"}), &[known, unknown])
            .map(|_| None),
    );
    let group = it.add_group("a", &[]);
    refused(it.change_members(group, vec![MembersStep::Add(vec![unknown, known])]));
    refused(it.change_members(group, vec![MembersStep::ReplaceAll(vec![known, unknown])]));
    assert_eq!((it.members(group), it.version(&it.group, group)), (Vec::new(), 1));
    let missing = it.change_members(unknown, vec![MembersStep::Add(vec![known])]);
    assert!(matches!(missing, Ok(None)), "{missing:?}");
}

fn a_deleted_member_leaves_its_groups(it: &Fixture) {
    let (one, two) = (it.add_user("one"), it.add_user("two"));
    let groups = [it.add_group("a", &[one, two]), it.add_group("b", &[one])];
    let other = it.add_group("c", &[two]);
    assert!(it.delete(&it.user, one));
    assert_eq!(it.members(groups[0]), [two]);
    assert!(it.members(groups[1]).is_empty());
    for group in groups {
        let stored = it.read(&it.group, group).expect("it exists");
        assert_eq!((stored.version, stored.last_modified), (2, at(4)));
    }
    assert_eq!(it.version(&it.group, other), 1);
}

fn a_deleted_group_leaves_its_members(it: &Fixture) {
    let user = it.add_user("one");
    let inner = it.add_group("inner", &[user]);
    let outer = it.add_group("outer", &[inner]);
    assert!(it.delete(&it.group, inner));
    assert_eq!(
        it.read(&it.user, user).expect("it exists").groups,
        Some(Vec::new())
    );
    assert_eq!((it.members(outer), it.version(&it.group, outer)), (Vec::new(), 2));
    assert_eq!(it.search(&it.group, "", "").total, 1);
}

fn a_renamed_member_moves_its_groups_on(it: &Fixture) {
    let user = it.add_user("bjensen");
    let group = it.add_group("Guides", &[user]);
    let display = || {
        let stored = it.read(&it.group, group).expect("it exists");
        (
            stored.version,
            stored
                .members
                .expect("asked for")
                .remove(0)
                .display
                .expect("it has one"),
        )
    };
    let replace = |value| {
        it.replace(&it.user, user, None, value)
            .expect("nothing is in the way")
    };
    replace(json!({"userName": "bjensen", "title": "Guide"}));
    assert_eq!(
        display(),
        (1, "bjensen".to_owned()),
        "nothing that the group shows has changed"
    );
    replace(json!({"userName": "babs", "title": "Guide"}));
    assert_eq!(display(), (2, "babs".to_owned()));
    replace(json!({"userName": "babs", "displayName": "Babs Jensen"}));
    assert_eq!(display(), (3, "Babs Jensen".to_owned()));
    replace(json!({"userName": "bjensen", "displayName": "Babs Jensen"}));
    assert_eq!(display(), (3, "Babs Jensen".to_owned()));
}

fn references_are_those_that_exist(it: &Fixture) {
    let user = it
        .add(
            &it.user,
            json!({"userName": "bjensen", "displayName": "Babs"}),
            &[],
        )
        .expect("it is new");
    let group = it.add_group("Guides", &[]);
    let mut found = it
        .store
        .references(it.tenant, &[user, Uuid::now_v7(), group])
        .expect("the store is there");
    found.sort_by_key(|it| it.id);
    let shown: Vec<_> = found
        .iter()
        .map(|it| (it.id, &*it.resource_type, it.display.as_deref()))
        .collect();
    assert_eq!(
        shown,
        [(user, "User", Some("Babs")), (group, "Group", Some("Guides"))]
    );
    assert_eq!(
        it.store.references(it.tenant, &[]).expect("the store is there"),
        []
    );
}

fn totals_are_exact(it: &Fixture) {
    let users: Vec<Uuid> = (0..25)
        .map(|number| it.add_user(&format!("user{number:02}")))
        .collect();
    let page = |filter: &str, start_index, count| {
        let query = it.query(&it.user, filter, "", PageRequest::Index { start_index, count });
        let page = it.store.list(it.tenant, &query).expect("the store is there");
        assert!(
            page.next.is_none() && page.previous.is_none(),
            "there are no cursors here"
        );
        (
            page.total,
            page.resources.iter().map(|it| it.id).collect::<Vec<_>>(),
        )
    };
    assert_eq!(page("", 1, 10), (25, users[..10].to_vec()));
    assert_eq!(page("", 21, 10), (25, users[20..].to_vec()));
    assert_eq!(page("", 26, 10), (25, Vec::new()));
    assert_eq!(page("", u64::MAX, 10), (25, Vec::new()));
    assert_eq!(page("", 0, 3), (25, users[..3].to_vec()), "less than 1 is 1");
    assert_eq!(page("", 1, 0), (25, Vec::new()));
    assert_eq!(page("userName sw \"user0\"", 1, 4), (10, users[..4].to_vec()));
    assert_eq!(page("userName sw \"user0\"", 9, 4), (10, users[8..10].to_vec()));
    assert_eq!(page("userName sw \"user0\"", 11, 4), (10, Vec::new()));
    assert_eq!(page("userName sw \"user0\"", 1, 0), (10, Vec::new()));
    assert_eq!(page("userName eq \"nobody\"", 1, 10), (0, Vec::new()));
    assert!(it.delete(&it.user, users[0]));
    assert_eq!(page("", 1, 1), (24, vec![users[1]]));
    expect_taken("userName", it.add(&it.user, json!({"userName": "user01"}), &[]));
    assert_eq!(page("", 1, 0), (24, Vec::new()), "a failed create counts nothing");
}

/// 7644-3.4.2-04: also where an index leads to the matches and one page holds all or fewer of them.
fn totals_of_index_lookups_are_exact(it: &Fixture) {
    let mut users = Vec::new();
    for number in 0..4 {
        let user = json!({
            "userName": format!("user{number}"),
            "externalId": "shared",
            "displayName": "Shared",
            "name": {"familyName": "Shared"},
            "emails": [{"value": "shared@example.com"}],
        });
        users.push(it.add(&it.user, user, &[]).expect("it is new"));
    }
    it.add_user("another");
    let group = it.add_group("Guides", &users);
    it.add_group("Others", &[]);
    let second = it.add_group("More guides", &users[..1]);
    let three = format!(
        "id eq \"{}\" or id eq \"{}\" or id eq \"{}\"",
        users[0], users[1], users[2]
    );
    let cases = [
        (&it.user, "externalId eq \"shared\"".to_owned(), 4),
        (&it.user, "displayName eq \"shared\"".to_owned(), 4),
        (&it.user, "name.familyName eq \"shared\"".to_owned(), 4),
        (&it.user, "emails.value eq \"shared@example.com\"".to_owned(), 4),
        (
            &it.user,
            "userName eq \"user1\" or userName eq \"user2\"".to_owned(),
            2,
        ),
        (&it.user, "userName eq \"user1\"".to_owned(), 1),
        (&it.user, three, 3),
        (&it.user, format!("groups.value eq \"{group}\""), 4),
        (&it.user, format!("groups.value eq \"{second}\""), 1),
        (&it.group, format!("members.value eq \"{}\"", users[0]), 2),
        (&it.group, format!("members.value eq \"{}\"", users[1]), 1),
    ];
    for (resource_type, filter, expected) in cases {
        for sort_by in ["", "id", "-displayName"] {
            for count in 0..=5 {
                let index = |start_index| PageRequest::Index { start_index, count };
                for start_index in 1..=5_u64 {
                    let query = it.query(resource_type, &filter, sort_by, index(start_index));
                    let page = it.store.list(it.tenant, &query).expect("the store is there");
                    let on_page = u64::from(count).min((expected + 1_u64).saturating_sub(start_index));
                    assert_eq!(
                        (page.total, page.resources.len() as u64),
                        (expected, on_page),
                        "{filter} {sort_by} {start_index} {count}"
                    );
                }
                let query = it.query(
                    resource_type,
                    &filter,
                    sort_by,
                    PageRequest::Cursor { from: None, count },
                );
                let page = it.store.list(it.tenant, &query).expect("the store is there");
                assert_eq!(page.total, expected, "{filter} {sort_by} {count}");
                assert_eq!(page.next.is_some(), count > 0 && u64::from(count) < expected);
            }
        }
    }
}

fn filters_find_what_they_mean(it: &Fixture) {
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let users = [
        json!({"userName": "A", "active": true, "externalId": "Ext1", "displayName": "100%",
            "name": {"familyName": "Jensen", "givenName": "Barbara"},
            "emails": [{"value": "a@example.com", "type": "work", "primary": true}, {"value": "a@home.org", "type": "home"}],
            enterprise: {"employeeNumber": "0042", "manager": {"value": "26118915-6090-4610-87e4-49d8ca9f808d"}}}),
        json!({"userName": "b", "active": false, "title": "", "displayName": "10_%",
            "emails": [{"value": "b@example.com", "type": "home"}], "nickName": "Émile"}),
        json!({"userName": "C'); DROP TABLE resource; --", "title": "it's \"quoted\" \\ 100%",
            "addresses": [{"type": "work", "locality": "Berlin"}, {"type": "home", "locality": "Bonn"}]}),
    ];
    for user in users {
        it.add(&it.user, user, &[]).expect("it is new");
    }
    let all = "abc";
    for (filter, expected) in [
        ("userName eq \"a\"", "a"),
        ("userName ne \"a\"", "bc"),
        ("userName co \"'); drop\"", "c"),
        ("userName gt \"a\"", "bc"),
        ("userName le \"b\"", "ab"),
        ("externalId eq \"Ext1\"", "a"),
        ("externalId eq \"ext1\"", ""),
        ("externalId eq null", "bc"),
        // Of "c" nobody said so: that counts as active.
        ("active eq true", "ac"),
        ("active eq false", "b"),
        ("active ne true", "b"),
        ("not (active pr)", ""),
        ("displayName co \"%\"", "ab"),
        ("displayName sw \"10_\"", "b"),
        ("displayName ew \"_%\"", "b"),
        ("title co \"\\\\ 100%\"", "c"),
        ("title co \"it's \\\"quoted\\\"\"", "c"),
        ("title pr", "c"),
        ("title eq \"\"", "b"),
        ("title eq null", "a"),
        ("nickName eq \"éMILE\"", "b"),
        ("nickName eq \"e\u{301}mile\"", "b"),
        ("name.familyName eq \"jensen\"", "a"),
        ("name.givenName sw \"barb\"", "a"),
        ("name pr", "a"),
        ("not (name pr)", "bc"),
        ("emails co \"EXAMPLE\"", "ab"),
        ("emails.value eq \"a@home.org\"", "a"),
        ("emails.type eq \"home\"", "ab"),
        ("emails pr", "ab"),
        ("emails[type eq \"work\" and value co \"example\"]", "a"),
        ("emails[type eq \"home\" and value co \"example\"]", "b"),
        ("emails[type eq \"work\" or value sw \"b\"]", "ab"),
        ("emails[not (type eq \"work\")]", "ab"),
        ("not (emails[type eq \"work\"])", "bc"),
        ("emails[primary eq false]", "ab"),
        ("emails[primary eq true]", "a"),
        ("emails.value ne \"a@home.org\"", "bc"),
        ("addresses[type eq \"home\" and locality eq \"berlin\"]", ""),
        ("addresses[type eq \"work\" and locality eq \"berlin\"]", "c"),
        ("addresses.locality sw \"b\"", "c"),
        ("schemas eq \"urn:ietf:params:scim:schemas:core:2.0:User\"", all),
        (
            "schemas eq \"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User\"",
            "a",
        ),
        (
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber eq \"0042\"",
            "a",
        ),
        (
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager eq \"26118915-6090-4610-87e4-49d8ca9f808d\"",
            "a",
        ),
        (
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value sw \"26\" and active eq true",
            "a",
        ),
        (
            "(userName eq \"a\" or userName eq \"b\") and not (active eq true)",
            "b",
        ),
        ("userName eq \"a\" and userName eq \"b\"", ""),
    ] {
        let page = it.search(&it.user, filter, "");
        let found: String = names(&page).iter().map(|it| it[..1].to_lowercase()).collect();
        assert_eq!(found, expected, "{filter}");
        assert_eq!(page.total, expected.len() as u64, "{filter}");
        let query = it.query(
            &it.user,
            filter,
            "",
            PageRequest::Index {
                start_index: 1,
                count: 0,
            },
        );
        let counted = it
            .store
            .list(it.tenant, &query)
            .expect("the store is there")
            .total;
        assert_eq!(counted, expected.len() as u64, "{filter}");
    }
}

fn filters_find_memberships(it: &Fixture) {
    let one = it
        .add(
            &it.user,
            json!({"userName": "one", "displayName": "The One"}),
            &[],
        )
        .expect("it is new");
    let two = it.add_user("two");
    let inner = it.add_group("inner", &[one]);
    it.add_group("outer", &[inner, two]);
    it.add_group("none", &[]);
    for (filter, expected) in [
        (format!("members.value eq \"{one}\""), "inner"),
        (format!("members eq \"{one}\""), "inner"),
        (format!("members ne \"{one}\""), "none outer"),
        (
            format!("members[value eq \"{two}\" and type eq \"User\"]"),
            "outer",
        ),
        (format!("members[value eq \"{two}\" and type eq \"group\"]"), ""),
        (
            format!("members[value eq \"{one}\" or value eq \"{two}\"]"),
            "inner outer",
        ),
        (format!("members.$ref eq \"{BASE_URL}/Users/{one}\""), "inner"),
        (format!("members.$ref eq \"{BASE_URL}/Groups/{one}\""), ""),
        (format!("members.$ref sw \"{BASE_URL}/Groups/\""), "outer"),
        ("members.type eq \"Group\"".to_owned(), "outer"),
        ("members.display co \"ONE\"".to_owned(), "inner"),
        ("members.display eq \"one\"".to_owned(), ""),
        ("members.display eq \"two\"".to_owned(), "outer"),
        ("members.display sw \"inn\"".to_owned(), "outer"),
        ("members pr".to_owned(), "inner outer"),
        ("not (members pr)".to_owned(), "none"),
        ("members eq null".to_owned(), "none"),
        ("members[not (type eq \"User\")]".to_owned(), "outer"),
        (
            format!("not (members[value eq \"{one}\"]) and members pr"),
            "outer",
        ),
    ] {
        let mut found = it.names(&it.group, &filter, "");
        found.sort();
        assert_eq!(found.join(" "), expected, "{filter}");
    }
    let outer = it
        .search(&it.group, "displayName eq \"outer\"", "")
        .resources
        .remove(0)
        .id;
    for (filter, expected) in [
        (format!("groups.value eq \"{inner}\""), "one"),
        (format!("groups eq \"{outer}\""), "two"),
        (format!("groups.$ref eq \"{BASE_URL}/Groups/{outer}\""), "two"),
        ("groups.display eq \"INNER\"".to_owned(), "one"),
        (
            "groups[display sw \"out\" and type eq \"direct\"]".to_owned(),
            "two",
        ),
        ("groups pr".to_owned(), "one two"),
        (format!("groups ne \"{inner}\""), "two"),
    ] {
        assert_eq!(it.names(&it.user, &filter, "").join(" "), expected, "{filter}");
    }
}

/// RFC 7644 section 3.4.2.2: comparisons use the value that a client was last shown.
fn filters_find_what_references_show(it: &Fixture) {
    const MANAGER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager";
    let (enterprise, _) = MANAGER.rsplit_once(':').expect("it is a path");
    let boss = it
        .add(
            &it.user,
            json!({"userName": "boss", "displayName": "The Boss"}),
            &[],
        )
        .expect("it is new");
    let chief = it.add_user("Chief");
    let long_name = format!("{}z", "y".repeat(1_500));
    let long = it
        .add(
            &it.user,
            json!({"userName": "long", "displayName": long_name}),
            &[],
        )
        .expect("it is new");
    let group = it.add_group("Guides", &[]);
    let elsewhere = Fixture::new(it.store, "a tenant with another manager").add_user("Chief");
    let gone = it.add_user("gone");
    it.delete(&it.user, gone);
    for (user_name, manager) in [
        ("ann", boss.to_string()),
        ("ben", chief.to_string()),
        ("cid", chief.to_string().to_uppercase()),
        ("deb", long.to_string()),
        // Of these, none is the id of a user.
        ("eve", "26118915".to_owned()),
        ("fay", "not-an-id-but-of-the-same-form-12345".to_owned()),
        ("gus", "zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzzz".to_owned()),
        ("hal", chief.simple().to_string()),
        ("ina", format!("{chief}0")),
        ("joe", group.to_string()),
        ("kim", elsewhere.to_string()),
        ("leo", gone.to_string()),
    ] {
        let user = json!({"userName": user_name, enterprise: {"manager": {"value": manager}}});
        it.add(&it.user, user, &[]).expect("it is new");
    }
    for (filter, expected) in [
        ("M.displayName eq \"the boss\"".to_owned(), "ann"),
        ("M.displayName eq \"chief\"".to_owned(), "ben cid"),
        ("M.displayName eq \"boss\"".to_owned(), ""),
        ("M.displayName co \"e\" and M pr".to_owned(), "ann ben cid"),
        ("M.displayName sw \"CH\"".to_owned(), "ben cid"),
        ("M.displayName ew \"yz\"".to_owned(), "deb"),
        ("M.displayName ew \"ss\"".to_owned(), "ann"),
        (format!("M.displayName eq \"{long_name}\""), "deb"),
        (format!("M.displayName eq \"{}\"", &long_name[1..]), ""),
        ("M.displayName gt \"chief\"".to_owned(), "ann deb"),
        ("M.displayName ge \"chief\"".to_owned(), "ann ben cid deb"),
        ("M.displayName lt \"the boss\"".to_owned(), "ben cid"),
        ("M.displayName le \"the boss\"".to_owned(), "ann ben cid"),
        ("M.displayName pr".to_owned(), "ann ben cid deb"),
        ("M[displayName pr]".to_owned(), "ann ben cid deb"),
        (
            format!("M[value eq \"{chief}\" and displayName eq \"Chief\"]"),
            "ben",
        ),
        (
            "M[not (displayName pr)]".to_owned(),
            "eve fay gus hal ina joe kim leo",
        ),
        (
            "M.displayName ne \"chief\" and M pr".to_owned(),
            "ann deb eve fay gus hal ina joe kim leo",
        ),
        (
            "M.displayName eq null and not (userName sw \"b\" or M.displayName pr)".to_owned(),
            "Chief eve fay gus hal ina joe kim leo long",
        ),
        (format!("M.$ref eq \"{BASE_URL}/Users/{chief}\""), "ben cid"),
        (format!("M.$ref eq \"{BASE_URL}/Groups/{group}\""), ""),
        (format!("M.$ref eq \"{BASE_URL}/Users/{gone}\""), ""),
        (format!("M.$ref sw \"{BASE_URL}/Users/\""), "ann ben cid deb"),
        (format!("M.$ref ew \"/{boss}\""), "ann"),
        ("M.$ref co \"Groups\"".to_owned(), ""),
        ("M.$ref pr".to_owned(), "ann ben cid deb"),
        (
            format!("M.$ref ne \"{BASE_URL}/Users/{boss}\" and M.displayName pr"),
            "ben cid deb",
        ),
    ] {
        let mut found = it.names(&it.user, &filter.replace('M', MANAGER), "");
        found.sort();
        assert_eq!(found.join(" "), expected, "{filter}");
    }

    let mut by_id = [(boss, "ann"), (chief, "ben cid"), (long, "deb")];
    by_id.sort();
    for (order, sub, expected) in [
        ("", "displayName", "ben cid ann deb".to_owned()),
        ("-", "displayName", "deb ann cid ben".to_owned()),
        ("", "$ref", by_id.map(|(_, names)| names).join(" ")),
    ] {
        let filter = format!("{MANAGER}.displayName pr");
        let found = it.names(&it.user, &filter, &format!("{order}{MANAGER}.{sub}"));
        assert_eq!(found.join(" "), expected, "sorted by {order}{sub}");
    }

    // A name that changes is found at once.
    it.replace(&it.user, boss, None, json!({"userName": "boss"}))
        .expect("it exists");
    for (name, expected) in [("The Boss", ""), ("Boss", "ann")] {
        let filter = format!("{MANAGER}.displayName eq \"{name}\"");
        assert_eq!(it.names(&it.user, &filter, "").join(" "), expected, "{name}");
    }
}

fn filters_find_id_and_meta(it: &Fixture) {
    let (one, two) = (it.add_user("one"), it.add_user("two"));
    it.replace(&it.user, two, None, json!({"userName": "two", "title": "x"}))
        .expect("it exists");
    let id = one.to_string();
    for (filter, expected) in [
        (format!("id eq \"{id}\""), "one"),
        (format!("id eq \"{}\"", id.to_uppercase()), ""),
        (format!("id ne \"{id}\""), "two"),
        (
            format!("id sw \"{}\"", &id[..30]),
            if two.to_string()[..30] == id[..30] {
                "one two"
            } else {
                "one"
            },
        ),
        (format!("id ew \"{}\"", &id[25..]), "one"),
        (format!("id co \"{}\"", &id[20..]), "one"),
        (format!("id ge \"{two}\""), "two"),
        ("id eq \"no uuid\"".to_owned(), ""),
        ("id pr".to_owned(), "one two"),
        (
            "meta.created eq \"2023-11-14T22:13:21.123Z\"".to_owned(),
            "one two",
        ),
        (
            "meta.created eq \"2023-11-14T23:13:21.1239+01:00\"".to_owned(),
            "one two",
        ),
        ("meta.created gt \"2023-11-14T22:13:21.123Z\"".to_owned(), ""),
        (
            "meta.lastModified gt \"2023-11-14T22:13:21.123Z\"".to_owned(),
            "two",
        ),
        ("meta.lastModified lt \"2023-11-14T22:13:22Z\"".to_owned(), "one"),
        ("meta.version eq \"W/\\\"2\\\"\"".to_owned(), "two"),
        ("meta.version eq \"2\"".to_owned(), ""),
        ("meta.version co \"1\"".to_owned(), "one"),
        ("meta.resourceType eq \"User\"".to_owned(), "one two"),
        (format!("meta.location eq \"{BASE_URL}/Users/{two}\""), "two"),
        (format!("meta.location ew \"{id}\""), "one"),
        ("meta.location co \"/Groups/\"".to_owned(), ""),
    ] {
        assert_eq!(it.names(&it.user, &filter, "").join(" "), expected, "{filter}");
    }
}

fn sorting_puts_missing_values_last(it: &Fixture) {
    for (user_name, family_name, title) in [
        ("a", Some("b"), None),
        ("b", None, Some("ä")),
        ("c", Some("B"), Some("Z")),
        ("d", Some("A"), None),
        ("e", None, Some("z")),
    ] {
        let mut user = json!({"userName": user_name, "active": user_name < "c"});
        if let Some(name) = family_name {
            user["name"] = json!({"familyName": name});
        }
        if let Some(title) = title {
            user["title"] = json!(title);
        }
        it.add(&it.user, user, &[]).expect("it is new");
    }
    for (sort_by, expected) in [
        ("", "abcde"),
        ("userName", "abcde"),
        ("-userName", "edcba"),
        ("name.familyName", "dacbe"),
        ("-name.familyName", "ebcad"),
        ("title", "cebad"),
        ("-title", "dabec"),
        ("active", "cdeab"),
        ("-active", "baedc"),
        ("id", "abcde"),
        ("-id", "edcba"),
        ("-meta.location", "edcba"),
        ("meta.created", "abcde"),
        ("-meta.lastModified", "edcba"),
        ("externalId", "abcde"),
    ] {
        assert_eq!(it.names(&it.user, "", sort_by).concat(), expected, "{sort_by}");
        let filtered = it.names(&it.user, "userName ne \"c\"", sort_by).concat();
        assert_eq!(filtered, expected.replace('c', ""), "{sort_by}");
        for (start_index, count) in (1..=7).flat_map(|start| [(start, 1), (start, 2), (start, 9)]) {
            let index = PageRequest::Index { start_index, count };
            let query = it.query(&it.user, "", sort_by, index);
            let page = it.store.list(it.tenant, &query).expect("the store is there");
            let part = expected
                .chars()
                .skip(start_index as usize - 1)
                .take(count as usize);
            assert_eq!(
                names(&page).concat(),
                part.collect::<String>(),
                "{sort_by} {start_index} {count}"
            );
            assert_eq!(page.total, 5, "{sort_by} {start_index} {count}");
        }
    }
}

fn sorting_takes_the_primary_value(it: &Fixture) {
    for (user_name, emails) in [
        ("a", json!([{"value": "1"}, {"value": "9", "primary": true}])),
        ("b", json!([{"value": "5"}, {"value": "0"}])),
        ("c", json!([{"value": "2", "primary": false}])),
        ("d", json!([{"type": "work"}, {"value": "3"}])),
    ] {
        it.add(&it.user, json!({"userName": user_name, "emails": emails}), &[])
            .expect("it is new");
    }
    assert_eq!(it.names(&it.user, "", "emails").concat(), "cbad");
    assert_eq!(it.names(&it.user, "", "-emails.value").concat(), "dabc");
    assert_eq!(it.names(&it.user, "", "emails.primary").concat(), "cabd");
}

/// Every page from the beginning to the end, and the positions after each.
fn pages(it: &Fixture, query: impl Fn(PageRequest) -> Query, count: u32) -> Vec<Page> {
    let mut pages = Vec::new();
    let mut from = None;
    loop {
        let page = it
            .store
            .list(it.tenant, &query(PageRequest::Cursor { from, count }))
            .expect("the store is there");
        from = page.next.clone();
        pages.push(page);
        if from.is_none() {
            return pages;
        }
    }
}

fn cursors_walk_forward_and_back(it: &Fixture) {
    for number in 0..11 {
        let mut user = json!({"userName": format!("{number:02}")});
        if number % 3 > 0 {
            user["displayName"] = json!(format!("Name {}", number % 3));
            user["title"] = json!(format!("Title {}", number % 2));
        }
        it.add(&it.user, user, &[]).expect("it is new");
    }
    for sort_by in [
        "",
        "displayName",
        "-displayName",
        "title",
        "-title",
        "-userName",
        "meta.created",
        "-meta.created",
        "-id",
    ] {
        for filter in ["", "userName ne \"05\"", "title pr"] {
            let expected = it.names(&it.user, filter, sort_by);
            for count in [1, 2, 4, 11, 20] {
                let query = |page| it.query(&it.user, filter, sort_by, page);
                let forward = pages(it, query, count);
                let found: Vec<String> = forward.iter().flat_map(names).collect();
                assert_eq!(found, expected, "{sort_by} {filter} {count}");
                assert!(forward.iter().all(|it| it.total == expected.len() as u64));
                assert!(
                    forward.iter().all(|it| !it.resources.is_empty()),
                    "no page is empty"
                );
                assert!(forward[0].previous.is_none());
                let mut backward = vec![names(&forward[forward.len() - 1])];
                let mut from = forward[forward.len() - 1].previous.clone();
                while let Some(position) = from {
                    let page = PageRequest::Cursor {
                        from: Some(position),
                        count,
                    };
                    let page = it
                        .store
                        .list(it.tenant, &query(page))
                        .expect("the store is there");
                    assert!(page.next.is_some(), "one came from there");
                    backward.push(names(&page));
                    from = page.previous;
                }
                backward.reverse();
                assert_eq!(backward.concat(), expected, "{sort_by} {filter} {count}");
            }
        }
    }
    let nothing = it
        .store
        .list(
            it.tenant,
            &it.query(&it.user, "", "", PageRequest::Cursor { from: None, count: 0 }),
        )
        .expect("the store is there");
    assert_eq!((nothing.total, nothing.resources.len()), (11, 0));
}

fn cursors_survive_deletions(it: &Fixture) {
    let users: Vec<Uuid> = (0..6)
        .map(|number| it.add_user(&format!("user{number}")))
        .collect();
    let page = |from, count| {
        let query = it.query(&it.user, "", "userName", PageRequest::Cursor { from, count });
        it.store.list(it.tenant, &query).expect("the store is there")
    };
    let first = page(None, 2);
    // The resource at the position itself, and the next one.
    assert!(it.delete(&it.user, users[1]) && it.delete(&it.user, users[2]));
    it.add_user("user0a");
    let second = page(first.next.clone(), 2);
    assert_eq!(names(&second), ["user3", "user4"], "nothing twice, nothing lost");
    assert_eq!(names(&page(second.previous.clone(), 2)), ["user0", "user0a"]);
    for user in &users[3..] {
        it.delete(&it.user, *user);
    }
    let end = page(second.next, 2);
    assert!(end.resources.is_empty() && end.next.is_none());
    assert_eq!(names(&page(end.previous, 2)), ["user0", "user0a"]);
}

/// 9865-2-04: a page whose resources were deleted meanwhile is not the end of the list.
fn an_empty_page_links_to_the_remaining_resources(it: &Fixture) {
    for sort_by in ["", "userName", "-displayName"] {
        let users: Vec<Uuid> = (0..6)
            .map(|number| {
                let user =
                    json!({"userName": format!("user{number}"), "displayName": format!("{}", 9 - number)});
                it.add(&it.user, user, &[]).expect("it is new")
            })
            .collect();
        let page = |from: Option<Position>| {
            let query = it.query(&it.user, "", sort_by, PageRequest::Cursor { from, count: 2 });
            it.store.list(it.tenant, &query).expect("the store is there")
        };
        let first = page(None);
        let second = page(first.next);
        assert_eq!(names(&second), ["user2", "user3"], "{sort_by}");
        assert!(it.delete(&it.user, users[0]) && it.delete(&it.user, users[1]));

        let backward = page(second.previous);
        assert_eq!((backward.total, names(&backward).len()), (4, 0), "{sort_by}");
        assert!(backward.previous.is_none(), "{sort_by}: nothing is before it");
        assert!(backward.next.is_some(), "{sort_by}: four users are after it");
        let again = page(backward.next);
        assert!(
            names(&again).contains(&"user3".to_owned()),
            "{sort_by}: {:?}",
            names(&again)
        );

        for user in &users[2..] {
            assert!(it.delete(&it.user, *user));
        }
        let forward = page(second.next);
        assert!(
            forward.resources.is_empty() && forward.next.is_none() && forward.previous.is_none(),
            "{sort_by}: nothing is left on either side"
        );
    }
}

fn a_query_over_types_lists_type_by_type(it: &Fixture) {
    for number in 0..3 {
        it.add(
            &it.user,
            json!({"userName": format!("u{number}"), "displayName": format!("name {}", 3 - number)}),
            &[],
        )
        .expect("it is new");
        it.add_group(&format!("g{number}"), &[]);
    }
    let both = [it.user.clone(), it.group.clone()];
    let list = |filter: &str, sort_by: &str, page| {
        let query = it.query_over(&both, filter, sort_by, page);
        let page = it.store.list(it.tenant, &query).expect("the store is there");
        (page.total, names(&page).concat())
    };
    let index = |start_index, count| PageRequest::Index { start_index, count };
    assert_eq!(list("", "", index(1, 10)), (6, "u0u1u2g0g1g2".to_owned()));
    assert_eq!(list("", "", index(3, 2)), (6, "u2g0".to_owned()));
    assert_eq!(list("", "", index(5, 9)), (6, "g1g2".to_owned()));
    assert_eq!(list("", "", index(7, 9)), (6, String::new()));
    assert_eq!(list("", "", index(1, 3)), (6, "u0u1u2".to_owned()));
    assert_eq!(
        list("", "displayName", index(1, 9)),
        (6, "g0g1g2u2u1u0".to_owned())
    );
    assert_eq!(
        list("displayName sw \"g\"", "", index(1, 2)),
        (3, "g0g1".to_owned())
    );
    assert_eq!(
        list("meta.resourceType eq \"Group\"", "", index(1, 2)),
        (3, "g0g1".to_owned())
    );
    assert_eq!(
        list("userName eq \"u1\" or displayName eq \"g1\"", "", index(1, 9)),
        (2, "u1g1".to_owned())
    );
    for count in 1..7 {
        let query = |page| it.query_over(&both, "", "-displayName", page);
        let forward = pages(it, query, count);
        assert_eq!(forward.iter().flat_map(names).collect::<String>(), "u0u1u2g2g1g0");
        let last = forward.last().expect("there is one");
        let mut back = names(last);
        let mut from = last.previous.clone();
        while let Some(position) = from {
            let page = query(PageRequest::Cursor {
                from: Some(position),
                count,
            });
            let page = it.store.list(it.tenant, &page).expect("the store is there");
            back.splice(0..0, names(&page));
            from = page.previous;
        }
        assert_eq!(back.concat(), "u0u1u2g2g1g0");
    }
}

/// 7644-3.4.2.1-01, 7644-3.4.2.3-02
fn a_sorted_query_over_types_has_one_order(it: &Fixture) {
    for (name, display) in [("u0", "c"), ("u1", "A"), ("u2", ""), ("u3", "e"), ("u4", "c")] {
        let mut user = json!({ "userName": name });
        if !display.is_empty() {
            user["displayName"] = json!(display);
        }
        it.add(&it.user, user, &[]).expect("it is new");
    }
    let members = [it.search(&it.user, "", "").resources[0].id];
    for name in ["d", "B", "c"] {
        it.add_group(name, &members);
    }
    it.add(&it.user, json!({ "userName": "u5", "displayName": "c" }), &[])
        .expect("it is new");
    it.add_group("e", &members);
    it.add_user("u6");
    let both = [it.user.clone(), it.group.clone()];
    for (filter, sort_by, expected) in [
        // What is equal is in order of creation, of whatever type; descending is the reverse.
        ("", "displayName", "u1 B u0 u4 c u5 d u3 e u2 u6"),
        ("", "-displayName", "u6 u2 e u3 d u5 c u4 u0 B u1"),
        ("displayName pr", "displayName", "u1 B u0 u4 c u5 d u3 e"),
        ("", "userName", "u0 u1 u2 u3 u4 u5 u6 d B c e"),
        ("", "-userName", "e c B d u6 u5 u4 u3 u2 u1 u0"),
        ("", "title", "u0 u1 u2 u3 u4 d B c u5 e u6"),
        ("", "-externalId", "u6 e u5 c B d u4 u3 u2 u1 u0"),
        ("", "meta.created", "u0 u1 u2 u3 u4 d B c u5 e u6"),
        ("", "-meta.created", "u6 e u5 c B d u4 u3 u2 u1 u0"),
        ("", "meta.version", "u0 u1 u2 u3 u4 d B c u5 e u6"),
        ("", "id", "u0 u1 u2 u3 u4 d B c u5 e u6"),
        // All of one type are before all of another one.
        ("", "meta.location", "d B c e u0 u1 u2 u3 u4 u5 u6"),
        ("", "-meta.location", "u6 u5 u4 u3 u2 u1 u0 e c B d"),
        ("userName pr", "meta.location", "u0 u1 u2 u3 u4 u5 u6"),
        ("", "meta.resourceType", "d B c e u0 u1 u2 u3 u4 u5 u6"),
        ("", "-meta.resourceType", "u6 u5 u4 u3 u2 u1 u0 e c B d"),
        ("userName pr", "-displayName", "u6 u2 u3 u5 u4 u0 u1"),
        ("meta.resourceType eq \"Group\"", "displayName", "B c d e"),
        (
            "userName eq \"u3\" or displayName eq \"b\"",
            "-displayName",
            "u3 B",
        ),
    ] {
        let expected: Vec<&str> = expected.split(' ').collect();
        let query = |page| Query {
            include: Include {
                members: true,
                groups: true,
            },
            ..it.query_over(&both, filter, sort_by, page)
        };
        for count in 1..12_u32 {
            let forward = pages(it, query, count);
            assert_eq!(
                forward.iter().flat_map(names).collect::<Vec<_>>(),
                expected,
                "{filter} {sort_by}"
            );
            for found in forward.iter().flat_map(|it| &it.resources) {
                let is_group = &*found.resource_type == "Group";
                assert_eq!(found.members.as_ref().map(Vec::len), is_group.then_some(1));
                assert_eq!(found.groups.is_some(), !is_group);
            }
            let last = forward.last().expect("there is one");
            let mut back = names(last);
            let mut from = last.previous.clone();
            while let Some(position) = from {
                let page = query(PageRequest::Cursor {
                    from: Some(position),
                    count,
                });
                let page = it.store.list(it.tenant, &page).expect("the store is there");
                back.splice(0..0, names(&page));
                from = page.previous;
            }
            assert_eq!(back, expected, "{filter} {sort_by}, backwards");
            for start_index in 1..=expected.len() {
                let page = query(PageRequest::Index {
                    start_index: start_index as u64,
                    count,
                });
                let page = it.store.list(it.tenant, &page).expect("the store is there");
                let end = expected.len().min(start_index - 1 + count as usize);
                assert_eq!(names(&page), expected[start_index - 1..end], "{filter} {sort_by}");
                assert_eq!(page.total, expected.len() as u64, "{filter} {sort_by}");
            }
        }
    }
}

fn tenants_do_not_see_each_other(it: &Fixture) {
    let other = Fixture::new(it.store, "other");
    let (mine, theirs) = (it.add_user("bjensen"), other.add_user("bjensen"));
    let group = it.add_group("Guides", &[mine]);
    other.add_group("Guides", &[theirs]);
    assert!(it.read(&it.user, theirs).is_none());
    assert!(!it.delete(&it.user, theirs));
    let update = it.replace(&it.user, theirs, None, json!({"userName": "x"}));
    assert!(matches!(update, Ok(None)), "{update:?}");
    let join = it.change_members(group, vec![MembersStep::Add(vec![theirs])]);
    assert!(matches!(join, Err(StoreError::UnknownMembers(_))), "{join:?}");
    it.change_members(group, vec![MembersStep::Remove(vec![theirs])])
        .expect("nothing happens");
    assert_eq!(
        it.store
            .references(it.tenant, &[theirs])
            .expect("the store is there"),
        []
    );
    for filter in [
        "",
        "userName eq \"bjensen\"",
        "userName sw \"b\"",
        "not (title pr)",
        "groups.display eq \"guides\"",
    ] {
        let found = it.search(&it.user, filter, "");
        assert_eq!((found.total, found.resources[0].id), (1, mine), "{filter}");
    }
    for filter in [format!("members eq \"{theirs}\""), format!("id eq \"{theirs}\"")] {
        assert_eq!(it.search(&it.group, &filter, "").total, 0, "{filter}");
    }
    assert_eq!(
        it.search(&it.group, "members.display eq \"bjensen\"", "").total,
        1
    );
    assert!(other.read(&other.user, theirs).is_some());
}

fn derived_attributes_come_when_asked_for(it: &Fixture) {
    let users = [it.add_user("one"), it.add_user("two"), it.add_user("three")];
    let groups = [it.add_group("a", &users[..2]), it.add_group("b", &[users[0]])];
    let list = |resource_type, members, groups| {
        let mut query = it.query(resource_type, "", "", EVERYTHING);
        query.include = Include { members, groups };
        it.store
            .list(it.tenant, &query)
            .expect("the store is there")
            .resources
    };
    let found = list(&it.group, true, true);
    let members: Vec<_> = found
        .iter()
        .map(|it| ids(it.members.as_deref().expect("asked for")))
        .collect();
    assert_eq!(members, [vec![users[0], users[1]], vec![users[0]]]);
    assert!(
        found.iter().all(|it| it.groups.is_none()),
        "a group has no groups"
    );
    let found = list(&it.user, true, true);
    let of: Vec<_> = found
        .iter()
        .map(|it| ids(it.groups.as_deref().expect("asked for")))
        .collect();
    assert_eq!(of, [vec![groups[0], groups[1]], vec![groups[0]], vec![]]);
    assert!(found.iter().all(|it| it.members.is_none()));
    for found in list(&it.group, false, true)
        .iter()
        .chain(&list(&it.user, true, false))
    {
        assert!(found.members.is_none() && found.groups.is_none());
    }
}

/// 7643-4.1.1-16
fn secrets_are_kept_apart(it: &Fixture) {
    const URN: &str = "urn:example:schemas:2.0:Door";
    let pin = format!("{URN}:pin");
    let hash = |text: &str| Some(SecretHash(text.to_owned()));
    let new = NewResource {
        resource_type: it.user.clone(),
        id: Uuid::now_v7(),
        now: at(1),
        document: document(json!({"userName": "bjensen"})),
        members: Vec::new(),
        secrets: [("password".to_owned(), hash("a")), (pin.clone(), None)].into(),
    };
    it.store.create(it.tenant, &new).expect("nothing is in the way");
    let other = it.add_user("smith");
    let stored = |id: Uuid, path: &str| {
        let secret = it.store.secret(it.tenant, &it.user, id, path);
        secret.expect("the store is there").map(|it| it.0)
    };
    let change = |expected_version: Option<i64>, secrets: SecretHashes| {
        let update = Update {
            resource_type: it.user.clone(),
            id: new.id,
            expected_version,
            now: at(2),
            document: Some(new.document.clone()),
            members: MembersChange::None,
            secrets,
            changes: AttributeChanges::default(),
        };
        let updated = it.store.update(it.tenant, &update);
        updated.map(|it| it.map(|it| (it.version, it.changed)))
    };
    assert_eq!(stored(new.id, "password").as_deref(), Some("a"));
    assert_eq!(stored(new.id, &pin), None);
    assert_eq!(stored(other, "password"), None);
    assert_eq!(stored(Uuid::now_v7(), "password"), None);

    // Each change moves the version on, and what is not named stays.
    let both = || [("password".to_owned(), hash("b")), (pin.clone(), hash("1"))].into();
    assert_eq!(change(Some(1), both()).expect("it fits"), Some((2, true)));
    assert_eq!(it.read(&it.user, new.id).expect("it exists").last_modified, at(2));
    assert_eq!(change(Some(2), both()).expect("it fits"), Some((2, false)));
    assert!(matches!(
        change(Some(1), [("password".to_owned(), hash("c"))].into()),
        Err(StoreError::Stale)
    ));
    let only_pin = [(pin.clone(), hash("2"))].into();
    assert_eq!(change(None, only_pin).expect("it fits"), Some((3, true)));
    assert_eq!(
        it.replace(&it.user, new.id, Some(3), json!({"userName": "babs"}))
            .expect("it fits")
            .map(|it| it.version),
        Some(4)
    );
    assert_eq!(stored(new.id, "password").as_deref(), Some("b"));
    assert_eq!(stored(new.id, &pin).as_deref(), Some("2"));

    // Forgetting is a change if there was something.
    let none = || [("password".to_owned(), None)].into();
    change(Some(4), none()).expect("it fits");
    assert_eq!(it.version(&it.user, new.id), 5);
    assert_eq!(stored(new.id, "password"), None);
    assert_eq!(stored(new.id, &pin).as_deref(), Some("2"));

    // Nobody else sees it, and it goes with its resource.
    let tenant = Fixture::new(it.store, "other").tenant;
    let foreign = it.store.secret(tenant, &it.user, new.id, &pin);
    assert_eq!(foreign.expect("the store is there"), None);
    let as_group = it.store.secret(it.tenant, &it.group, new.id, &pin);
    assert_eq!(as_group.expect("the store is there"), None);
    assert!(it.delete(&it.user, new.id));
    assert_eq!(stored(new.id, &pin), None);
}

fn tokens_belong_to_tenants(it: &Fixture) {
    let other = Fixture::new(it.store, "other");
    let hash = |id: Uuid| {
        let mut hash = [7; 32];
        hash[..16].copy_from_slice(id.as_bytes());
        hash
    };
    let new = |tenant, read_only: bool| {
        let id = Uuid::now_v7();
        let token = NewToken {
            id,
            tenant,
            sha256: hash(id),
            created: at(5),
            expires: read_only.then(|| at(50)),
            read_only,
            note: "for Okta's \"job\"".to_owned(),
        };
        it.store.create_token(&token).expect("it is new");
        id
    };
    let (mine, theirs) = (new(it.tenant, true), new(other.tenant, false));
    let found = it
        .store
        .token_by_hash(&hash(mine))
        .expect("the store is there")
        .expect("it exists");
    assert_eq!((found.id, found.tenant, found.read_only), (mine, it.tenant, true));
    assert_eq!(
        (found.created, found.expires, found.revoked),
        (at(5), Some(at(50)), None)
    );
    assert!(found.tenant_name.starts_with("tokens belong to tenants") && found.note.contains("Okta"));
    assert!(
        it.store
            .token_by_hash(&[0; 32])
            .expect("the store is there")
            .is_none()
    );
    let of_tenant = it.store.tokens(Some(other.tenant)).expect("the store is there");
    assert_eq!(of_tenant.iter().map(|it| it.id).collect::<Vec<_>>(), [theirs]);
    let all: Vec<Uuid> = it
        .store
        .tokens(None)
        .expect("the store is there")
        .iter()
        .map(|it| it.id)
        .collect();
    assert!(all.contains(&mine) && all.contains(&theirs));
    assert!(it.store.revoke_token(mine, at(6)).expect("the store is there"));
    assert!(it.store.revoke_token(mine, at(7)).expect("the store is there"));
    assert!(
        !it.store
            .revoke_token(Uuid::now_v7(), at(6))
            .expect("the store is there")
    );
    let revoked = it
        .store
        .token_by_hash(&hash(mine))
        .expect("the store is there")
        .expect("it exists");
    assert_eq!(revoked.revoked, Some(at(6)), "it was revoked then");
}

fn a_deleted_tenant_leaves_nothing(it: &Fixture) {
    let user = it.add_user("bjensen");
    it.add_group("Guides", &[user]);
    let tenants = it.store.tenants().expect("the store is there");
    let tenant = tenants
        .iter()
        .find(|tenant| tenant.id == it.tenant)
        .expect("it exists");
    assert_eq!(tenant.created, at(0));
    expect_taken("name", it.store.create_tenant(&tenant.name, at(0)));
    let mut names: Vec<&str> = tenants.iter().map(|it| it.name.as_str()).collect();
    let sorted = names.clone();
    names.sort_unstable();
    assert_eq!(names, sorted, "tenants come by name");
    let id = Uuid::now_v7();
    let token = NewToken {
        id,
        tenant: it.tenant,
        sha256: [9; 32],
        created: at(5),
        expires: None,
        read_only: false,
        note: String::new(),
    };
    it.store.create_token(&token).expect("it is new");
    assert!(it.store.delete_tenant(&tenant.name).expect("the store is there"));
    assert!(!it.store.delete_tenant(&tenant.name).expect("the store is there"));
    assert!(it.read(&it.user, user).is_none());
    assert_eq!(it.search(&it.user, "", "").total, 0);
    assert!(
        it.store
            .token_by_hash(&[9; 32])
            .expect("the store is there")
            .is_none()
    );
    let again = it
        .store
        .create_tenant(&tenant.name, at(8))
        .expect("the name is free again");
    assert_ne!(again, it.tenant, "no id comes twice");
}
