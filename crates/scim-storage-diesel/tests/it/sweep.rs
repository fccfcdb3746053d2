//! Every attribute with every operator, and every order: no statement may take time that grows with the square of the
//! number of resources, whether the database has statistics or not.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::sql_types::Text;
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl};
use scim_filter::Filter;
use scim_model::schema::{AttributeType, ENTERPRISE_USER_URN};
use scim_model::store::conformance::{BASE_URL, Fixture};
use scim_model::store::{PageRequest, Query, ResourceStore, StoreError};
use scim_model::{Condition, Policy, ResourceType, Tolerances};
use scim_storage_diesel::{StoreOptions, Synchronous};
use serde_json::{Value, json};

use crate::database::{Database, on_each};

/// The variable with the number of users of the timed sweep, and of five times as many memberships.
const SIZE: &str = "SCIM_TEST_SWEEP";

const PAGE: PageRequest = PageRequest::Index {
    start_index: 1,
    count: 10,
};

/// Counts the rows that each statement visits on PostgreSQL, and reads the plans of SQLite.
#[test]
fn no_filter_and_no_order_visits_pairs_of_resources() {
    on_each(|database| {
        let store = database.store();
        let it = Fixture::new(&store, "acme");
        if !database.is_sqlite() {
            database.run(WITHOUT_AUTOVACUUM);
        }
        fill(&it, 300);
        let mut visits = (!database.is_sqlite()).then(|| Visits::of(database));
        for has_statistics in [false, true] {
            match (has_statistics, database.is_sqlite()) {
                (false, _) => {}
                (true, true) => database.run("ANALYZE"),
                // The store collects them.
                (true, false) => wait_for_statistics(database),
            }
            let mut faults = Vec::new();
            for (name, query) in queries(&it, &["eq", "ne", "co", "gt", "pr"]) {
                for statement in store.explain(it.tenant, &query).expect("it explains") {
                    let fault = match &mut visits {
                        Some(visits) => visits.too_many(&statement.sql),
                        None => walk_inside(&statement.plan),
                    };
                    if let Some(fault) = fault {
                        faults.push(format!("{name}: {fault}\n{}", statement.sql));
                    }
                }
            }
            assert!(
                faults.is_empty(),
                "statistics: {has_statistics}; {} statements\n{}",
                faults.len(),
                faults.join("\n")
            );
        }
    });
}

/// Takes minutes, and runs only when [`SIZE`] is set, for example to 5000.
#[test]
fn every_filter_and_order_is_answered_within_a_second() {
    let Some(users) = std::env::var(SIZE).ok().and_then(|it| it.parse().ok()) else {
        return;
    };
    on_each(|database| {
        let options = StoreOptions {
            synchronous: Synchronous::Normal,
            ..StoreOptions::default()
        };
        let mut store = database.store_with(&options);
        if !database.is_sqlite() {
            database.run(WITHOUT_AUTOVACUUM);
        }
        let tenant = {
            let it = Fixture::new(&store, "acme");
            fill(&it, users);
            it.tenant
        };
        if !database.is_sqlite() {
            wait_for_statistics(database);
        }
        let mut slow = Vec::new();
        for has_statistics in [false, true] {
            if has_statistics {
                database.run("ANALYZE");
                drop(store);
                store = database.store_with(&options);
            }
            let it = crate::database::of(&store, tenant);
            let all = ["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "pr"];
            let mut times = Vec::new();
            for (name, query) in queries(&it, &all) {
                let began = Instant::now();
                let result = store.list(tenant, &query).err();
                times.push((began.elapsed(), name, result));
            }
            times.sort_by_key(|(time, ..)| std::cmp::Reverse(*time));
            let slowest = times.iter().take(10);
            let slowest = slowest.map(|(time, name, error)| format!("{time:?} {name} {error:?}\n"));
            // Written to stderr directly, because the test harness would capture it.
            let _ = writeln!(
                std::io::stderr(),
                "SQLite: {}, statistics: {has_statistics}, {} queries; the slowest:\n{}",
                database.is_sqlite(),
                times.len(),
                slowest.collect::<String>()
            );
            let is_slow =
                |it: &(Duration, String, Option<StoreError>)| it.0 > Duration::from_secs(1) || it.2.is_some();
            slow.extend(times.into_iter().filter(is_slow));
        }
        assert!(slow.is_empty(), "{slow:?}");
    });
}

/// Waits until the store has collected the first statistics of all tables.
fn wait_for_statistics(database: &Database) {
    let tables = "SELECT count(DISTINCT tablename) FROM pg_stats WHERE tablename IN \
                  ('resource', 'resource_normal', 'attribute_value', 'membership')";
    let began = Instant::now();
    while database.number(tables) < 4 {
        assert!(began.elapsed() < Duration::from_secs(60), "no statistics");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Statistics are those that the store or the test collects.
const WITHOUT_AUTOVACUUM: &str = "ALTER TABLE resource SET (autovacuum_enabled = off); \
     ALTER TABLE resource_normal SET (autovacuum_enabled = off); \
     ALTER TABLE membership SET (autovacuum_enabled = off); \
     ALTER TABLE attribute_value SET (autovacuum_enabled = off)";

/// Creates users with all kinds of attributes, and a fifth as many groups of 25; one group has every user.
fn fill(it: &Fixture, users: usize) {
    let add_users = |from: usize, to: usize| -> Vec<_> {
        let mut ids = Vec::new();
        for number in from..to {
            let manager = ids.last().map(ToString::to_string);
            let user = json!({
                "userName": format!("user{number}"),
                "externalId": format!("external{number}"),
                "displayName": format!("User {number}"),
                "name": {"givenName": "Barbara", "familyName": format!("Jensen{number}")},
                "title": "Tour Guide",
                "active": number % 10 > 0,
                "emails": [{"value": format!("user{number}@example.com"), "type": "work", "primary": true},
                           {"value": format!("{number}@home.example"), "type": "home"}],
                "phoneNumbers": [{"value": format!("555-{number}"), "type": "work"}],
                "addresses": [{"type": "work", "locality": "Hollywood", "country": "US"}],
                "roles": [{"value": format!("role{}", number % 7)}],
                ENTERPRISE_USER_URN: {
                    "employeeNumber": format!("{number}"),
                    "department": format!("Tours {}", number % 50),
                    "manager": {"value": manager},
                }
            });
            ids.push(it.add(&it.user, user, &[]).expect("the name is free"));
        }
        ids
    };
    let threads = 8;
    let ids: Vec<_> = std::thread::scope(|scope| {
        let bounds = (0..threads).map(|it| (it * users / threads, (it + 1) * users / threads));
        let running: Vec<_> = bounds
            .map(|(from, to)| scope.spawn(move || add_users(from, to)))
            .collect();
        let done = running
            .into_iter()
            .flat_map(|it| it.join().expect("it creates users"));
        done.collect()
    });
    it.add_group("Everybody", &ids);
    for number in 1..users / 5 {
        let members: Vec<_> = (0..25).map(|member| ids[(number * 7 + member) % users]).collect();
        it.add_group(&format!("Group {number}"), &members);
    }
}

/// The queries of the sweep, with their names. Most filters match nothing, so that no page is full before all resources
/// were examined.
fn queries(it: &Fixture, operators: &[&str]) -> Vec<(String, Query)> {
    let mut queries = Vec::new();
    let group = it.search(&it.group, "displayName eq \"Group 1\"", "").resources[0].id;
    let user = it.search(&it.user, "userName eq \"user1\"", "").resources[0].id;
    for resource_type in [&it.user, &it.group] {
        for (path, type_) in paths(resource_type) {
            let values = match type_ {
                AttributeType::Boolean => vec![json!(true)],
                AttributeType::Integer | AttributeType::Decimal => vec![json!(5)],
                AttributeType::DateTime => vec![json!("2030-01-01T00:00:00Z")],
                _ if path.ends_with("$ref") => vec![
                    json!("none"),
                    json!(format!("{BASE_URL}/Users/{user}")),
                    json!(format!("{BASE_URL}/Groups/{group}")),
                ],
                _ if path.ends_with(".value") || path == "members" || path == "groups" => {
                    vec![json!("none"), json!(user.to_string()), json!(group.to_string())]
                }
                _ => vec![json!("none")],
            };
            for operator in operators {
                let values: &[Value] = if *operator == "pr" {
                    &[Value::Null]
                } else {
                    &values
                };
                for value in values {
                    let filter = match operator {
                        &"pr" => format!("{path} pr"),
                        operator => format!("{path} {operator} {value}"),
                    };
                    queries.extend(query(resource_type, &filter).map(|it| (filter, it)));
                }
            }
            for sort_by in [path.clone(), format!("-{path}")] {
                let is_sortable = scim_filter::AttrPath::parse(&path).is_ok_and(|path| {
                    let types = std::slice::from_ref(resource_type);
                    scim_model::condition::resolve_sort_by(&path, types).is_ok()
                });
                if is_sortable {
                    let sorted = it.query(resource_type, "", &sort_by, PAGE);
                    queries.push((format!("{} by {sort_by}", resource_type.name), sorted));
                }
            }
        }
    }
    queries
}

/// `None` when the operator does not suit the attribute.
fn query(resource_type: &Arc<ResourceType>, filter: &str) -> Option<Query> {
    let parsed = Filter::parse(filter).expect("it is a filter");
    let types = std::slice::from_ref(resource_type);
    let tolerances = Tolerances::new(Policy { lenient: true });
    let conditions = Condition::resolve_for_all(&parsed, types, &tolerances).ok()?;
    Some(Query {
        targets: types.iter().cloned().zip(conditions).collect(),
        sort: None,
        page: PAGE,
        include: scim_model::store::Include::default(),
        base_url: BASE_URL.into(),
    })
}

/// Every attribute and sub-attribute of a type.
fn paths(resource_type: &ResourceType) -> Vec<(String, AttributeType)> {
    let mut paths = Vec::new();
    for (extension, schema) in resource_type.parts() {
        let prefix = extension.map_or(String::new(), |urn| format!("{urn}:"));
        for attribute in &schema.attributes {
            let path = format!("{prefix}{}", attribute.name);
            let subs = attribute.sub_attributes.iter();
            let subs = subs.map(|sub| (format!("{path}.{}", sub.name), sub.type_));
            paths.extend(subs.collect::<Vec<_>>());
            paths.push((path, attribute.type_));
        }
    }
    paths
}

/// Returns the first step of a SQLite plan that reads all rows of a tenant although it runs for each resource.
fn walk_inside(plan: &[String]) -> Option<String> {
    let mut is_inside = false;
    let mut steps = plan.iter();
    let walk = steps.find(|step| {
        if step.contains("SUBQUERY") {
            is_inside = step.starts_with("CORRELATED");
        }
        is_inside && is_walk(step)
    });
    walk.cloned()
}

/// Whether a step finds its rows by no more than what all rows of a tenant have.
fn is_walk(step: &str) -> bool {
    // Other tables belong to the statement around the subquery.
    let table = step.split(' ').nth(1).unwrap_or_default();
    if !["x", "m", "v", "w"].contains(&table) {
        return false;
    }
    let (_, keys) = step.rsplit_once('(').unwrap_or_default();
    let of_all = ["tenant_id=?", "kind=?", "path=?"];
    let keys = keys.trim_end_matches(')').split(" AND ");
    keys.filter(|it| it.contains('=') || it.contains('>') || it.contains('<'))
        .all(|it| of_all.contains(&it))
}

/// Counts the rows that statements visit on PostgreSQL.
struct Visits {
    conn: PgConnection,
    most: f64,
}

impl Visits {
    fn of(database: &Database) -> Visits {
        let mut conn = PgConnection::establish(&database.url).expect("the database is there");
        conn.batch_execute(
            "CREATE FUNCTION visit(statement TEXT) RETURNS TEXT LANGUAGE plpgsql AS $$ DECLARE plan JSON; BEGIN \
             EXECUTE 'EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) ' || statement INTO plan; RETURN plan; END $$",
        )
        .expect("it runs");
        let rows = "SELECT count(*) FROM resource) + (SELECT count(*) FROM membership";
        let rows = database.number(rows);
        Visits {
            conn,
            // Each row may be visited by several steps of a plan.
            most: 12.0 * f64::from(i32::try_from(rows).expect("it is small")),
        }
    }

    /// Returns the number of visits if it is too large. Only statements that combine two resources are checked. With
    /// so few resources, PostgreSQL rightly compares all pairs in other statements.
    fn too_many(&mut self, sql: &str) -> Option<String> {
        if !sql.contains("resource x") {
            return None;
        }
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = Text)]
            plan: String,
        }
        // The readable form of a statement spells bytes like SQLite.
        let sql = with_bytes_of_postgres(sql);
        let query = diesel::sql_query("SELECT visit($1) AS plan").bind::<Text, _>(&sql);
        let row: Row = query.get_result(&mut self.conn).expect(&sql);
        let plan: Value = serde_json::from_str(&row.plan).expect("PostgreSQL writes JSON");
        let visits = visits(&plan[0]["Plan"]);
        (visits > self.most).then(|| format!("{visits} visits, {} expected", self.most))
    }
}

/// Writes `x'00-ff'` as `'\x00ff'::bytea`.
fn with_bytes_of_postgres(sql: &str) -> String {
    let mut parts = sql.split(" x'");
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (hex, rest) = part.split_once('\'').expect("the bytes end");
        result += &format!(" '\\x{}'::bytea{rest}", hex.replace('-', ""));
    }
    result
}

/// The rows that the steps of a plan produce and drop.
fn visits(plan: &Value) -> f64 {
    let number = |name: &str| plan[name].as_f64().unwrap_or(0.0);
    let rows = [
        "Actual Rows",
        "Rows Removed by Filter",
        "Rows Removed by Join Filter",
    ];
    let own: f64 = rows.into_iter().map(number).sum();
    let inner = plan["Plans"].as_array().into_iter().flatten();
    own * number("Actual Loops") + inner.map(visits).sum::<f64>()
}
