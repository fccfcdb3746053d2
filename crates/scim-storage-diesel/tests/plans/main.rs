//! Every statement of every operation finds its rows by an index. The test observes the store's connections, so no
//! statement can be forgotten. It is a separate program, because it observes every connection of the process.

#[path = "../it/database.rs"]
#[allow(dead_code)] // The other tests use all of it.
mod database;

use std::collections::BTreeSet;
use std::sync::Mutex;

use diesel::connection::{Instrumentation, InstrumentationEvent, set_default_instrumentation};
use diesel::sql_types::{BigInt, Text};
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection};
use scim_model::change::ChangePosition;
use scim_model::store::conformance::{Fixture, at};
use scim_model::store::{ChangeJournal, Directory, Include, MembersStep, PageRequest};
use scim_storage_diesel::DieselStore;
use serde_json::json;
use uuid::Uuid;

use database::Database;

/// The texts of all executed statements.
static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

struct Watch;

impl Instrumentation for Watch {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            let text = query.to_string();
            let statement = text.split(" -- binds:").next().unwrap_or_default();
            SEEN.lock()
                .expect("nobody has panicked")
                .insert(statement.to_owned());
        }
    }
}

diesel::define_sql_function! {
    /// Whether the deadline has not passed.
    fn scim_in_time(until: BigInt) -> Bool;
}

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

#[test]
fn every_statement_finds_its_rows_by_an_index() {
    let database = Database::sqlite();
    let store = database.store();
    let tenant = Fixture::new(&store, "acme").tenant;
    database.fill(tenant.0, 1_000);
    drop(store);

    set_default_instrumentation(|| Some(Box::new(Watch))).expect("nobody holds it");
    let store = database.store();
    let it = Fixture {
        tenant,
        ..Fixture::new(&store, "neighbour")
    };
    SEEN.lock().expect("nobody has panicked").clear();
    run_without_derived_attributes(&it);
    let statements = SEEN.lock().expect("nobody has panicked").clone();
    assert!(!statements.is_empty());
    let touching: Vec<_> = statements.iter().filter(|it| it.contains("membership")).collect();
    assert!(touching.is_empty(), "members were not requested: {touching:#?}");

    SEEN.lock().expect("nobody has panicked").clear();
    run_everything(&it);
    run_upkeep(&store, &it);

    let statements = SEEN.lock().expect("nobody has panicked").clone();
    assert!(statements.len() > 20, "few statements were seen: {statements:#?}");
    let file = database.file();
    let mut conn = SqliteConnection::establish(file.to_str().expect("it is UTF-8")).expect("it opens");
    // The same function as on the store's connections.
    scim_in_time_utils::register_impl(&mut conn, |_: i64| true).expect("it has no such function yet");
    let mut wrong = Vec::new();
    for statement in statements {
        // The foreign keys to a tenant look for one remaining row, and a tenant has few connections with few credentials.
        let deletes = |table: &str| statement.starts_with(&format!("DELETE FROM `{table}` "));
        if deletes("tenant") || deletes("connection") {
            continue;
        }
        if !["SELECT", "INSERT", "UPDATE", "DELETE"]
            .iter()
            .any(|it| statement.starts_with(it))
        {
            continue;
        }
        let plan: Vec<Step> = diesel::sql_query(format!("EXPLAIN QUERY PLAN {statement}"))
            .load(&mut conn)
            .unwrap_or_else(|error| panic!("{error}: {statement}"));
        let plan: Vec<String> = plan.into_iter().map(|it| it.detail).collect();
        // Rows that are read in the order of an index are limited to the page.
        let is_page = statement.contains(" LIMIT ") && !plan.iter().any(|it| it.contains("TEMP B-TREE"));
        // A group can be large, so only the named members are read.
        let names_members = ["member_pk IN", "member_pk = x.pk", "r.unique_key = ?"]
            .iter()
            .any(|it| statement.contains(it));
        let reads_group = names_members && plan.iter().any(|it| is_whole_group(it));
        if reads_group || !is_page && plan.iter().any(|it| reads_too_much(it, &plan)) {
            wrong.push(format!("{statement}\n    {}", plan.join("\n    ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Runs the requests of a client that sends `excludedAttributes=members`.
fn run_without_derived_attributes(it: &Fixture) {
    let group = Uuid::from_u128(1_001);
    let found = it.store.get(it.tenant, &it.group, group, Include::default());
    assert!(found.expect("the store is there").is_some());
    for (resource_type, filter) in [
        (&it.group, ""),
        (&it.user, ""),
        (&it.group, "displayName eq \"group1\""),
        (&it.group, "displayName sw \"group\""),
    ] {
        let pages = [
            PageRequest::Index {
                start_index: 1,
                count: 100,
            },
            PageRequest::Cursor {
                from: None,
                count: 100,
            },
        ];
        for page in pages {
            let query = it.query(resource_type, filter, "", page);
            let page = it.store.list(it.tenant, &query).expect("the store is there");
            assert!(!page.resources.is_empty(), "{filter}");
        }
    }
}

/// Whether a step reads all memberships of a group.
fn is_whole_group(step: &str) -> bool {
    step.starts_with("SEARCH m") && step.ends_with("(group_pk=?)")
}

/// Whether a step reads more than a few rows of a tenant: a scan of a table, or of all of a tenant's rows.
fn reads_too_much(step: &str, plan: &[String]) -> bool {
    let words: Vec<&str> = step.split(' ').collect();
    // Temporary results and parameters of a statement are not tables.
    let is_made =
        |it: &String| *it == format!("CO-ROUTINE {}", words[1]) || *it == format!("MATERIALIZE {}", words[1]);
    let is_given = ["json_each", "CONSTANT"].iter().any(|it| step.contains(it));
    let scans = words[0] == "SCAN" && !is_given && !plan.iter().any(is_made);
    let keys = step
        .rsplit_once('(')
        .map_or("", |(_, keys)| keys.trim_end_matches(')'));
    let of_a_tenant = words[0] == "SEARCH"
        && keys
            .split(" AND ")
            .all(|key| ["tenant_id=?", "kind=?"].contains(&key));
    // A page is read in the order of an index: that is `r`, which is limited to the page. A tenant has few counters
    // and tokens, and there are few tenants.
    let is_small = ["r", "resource_count", "token", "journal_start", "tenant"].contains(&words[1]);
    (scans || of_a_tenant) && !is_small
}

/// Runs the upkeep of a server and the deletion of a tenant.
fn run_upkeep(store: &DieselStore, it: &Fixture) {
    let mut after = ChangePosition::default();
    loop {
        let page = store.changes(it.tenant, after, 3).expect("the store is there");
        let Some(last) = page.last() else { break };
        after = last.position;
    }
    assert_eq!(
        store
            .prune_changes(it.tenant, at(100), 3)
            .expect("the store is there"),
        3
    );
    let tenants = store.tenants().expect("the store is there");
    let acme = tenants.iter().find(|tenant| tenant.id == it.tenant);
    let name = &acme.expect("it exists").name;
    assert!(store.delete_tenant(name).expect("the store is there"));
}

fn run_everything(it: &Fixture) {
    let everything = Include {
        members: true,
        groups: true,
    };
    let user = it.add_user("bjensen");
    let other = it.add_user("kmiller");
    let group = it.add_group("Guides", &[user]);
    it.change_members(group, vec![MembersStep::Add(vec![other])])
        .expect("it exists");
    it.change_members(group, vec![MembersStep::Remove(vec![other])])
        .expect("it exists");
    it.change_members(group, vec![MembersStep::ReplaceAll(vec![user, other])])
        .expect("they exist");
    it.replace(
        &it.user,
        user,
        Some(1),
        json!({"userName": "bjensen", "displayName": "Babs", "emails": [{"value": "b@example.com"}]}),
    )
    .expect("it exists");
    it.replace(&it.group, group, None, json!({"displayName": "Tour Guides"}))
        .expect("it exists");
    for include in [Include::default(), everything] {
        for (resource_type, id) in [(&it.user, user), (&it.group, group)] {
            let found = it
                .store
                .get(it.tenant, resource_type, id, include)
                .expect("the store is there");
            assert!(found.is_some());
        }
    }
    let both = [user, other, Uuid::from_u128(77)];
    assert_eq!(
        it.store
            .references(it.tenant, &both)
            .expect("the store is there")
            .len(),
        3
    );
    for (filter, sort_by) in [
        ("", ""),
        ("", "name.familyName"),
        ("userName eq \"user7\"", ""),
        (
            "userName eq \"user7\" and groups.value eq \"00000000-0000-0000-0000-0000000003e9\"",
            "",
        ),
        ("emails.value eq \"7@example.com\"", ""),
        ("id eq \"00000000-0000-0000-0000-000000000007\"", ""),
    ] {
        let pages = [
            PageRequest::Index {
                start_index: 1,
                count: 10,
            },
            PageRequest::Cursor {
                from: None,
                count: 10,
            },
        ];
        for page in pages {
            let mut query = it.query(&it.user, filter, sort_by, page);
            query.include = everything;
            it.store.list(it.tenant, &query).expect("the store is there");
        }
    }
    assert!(it.delete(&it.user, user));
    assert!(it.delete(&it.group, group));
}
