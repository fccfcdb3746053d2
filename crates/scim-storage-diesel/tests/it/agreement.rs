//! SQLite, PostgreSQL and [`Condition::matches`] find the same resources, for random resources and
//! filters; and both databases sort as [`sort_key`] says.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use scim_filter::{AttrPath, Filter};
use scim_model::condition::sort_key;
use scim_model::store::conformance::{BASE_URL, Fixture};
use scim_model::store::{MembersStep, PageRequest, Reference, ResourceStore, Stored};
use scim_model::{AttributePath, Condition, Policy, ResourceType, SchemaRegistry, Subject};
use scim_storage_diesel::{DieselStore, StoreOptions, Synchronous};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::database::Database;

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const LAB: &str = "urn:example:Lab";

#[test]
fn every_filter_finds_the_same_everywhere() {
    let registry = registry();
    let stores = Stores::open(&registry);
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|it| it.parse().ok());
    let config = ProptestConfig {
        cases: cases.unwrap_or(16),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let strategy = (
        prop::collection::vec(user(), 5..9),
        prop::collection::vec(subsequence((0..12).collect::<Vec<usize>>(), 0..6), 4),
        prop::collection::vec(filter(USER), 25),
        prop::collection::vec(filter(GROUP), 10),
    );
    proptest!(config, |((users, memberships, of_users, of_groups) in strategy)| {
        for store in stores.each() {
            let it = Fixture::new(store, "agreement");
            let it = Fixture {
                user: registry.resource_type("User").expect("it is there").clone(),
                group: registry.resource_type("Group").expect("it is there").clone(),
                ..it
            };
            fill(&it, &users, &memberships);
            let stored = [all(&it, &it.user), all(&it, &it.group)];
            let ids: Vec<Uuid> = stored.iter().flatten().map(|it| it.id).collect();
            let references = store.references(it.tenant, &ids).expect("the store is there");
            let shown = Shown { registry: &registry, references: &references };
            for (resource_type, stored, filters) in
                [(&it.user, &stored[0], &of_users), (&it.group, &stored[1], &of_groups)]
            {
                for filter in filters {
                    check(&it, resource_type, stored, &ids, &shown, filter)?;
                }
            }
            let of_groups = &["displayName", "externalId", "id"][..];
            for (resource_type, stored, paths) in
                [(&it.user, &stored[0], SORTED), (&it.group, &stored[1], of_groups)]
            {
                for path in paths {
                    check_order(&it, resource_type, stored, &shown, path)?;
                }
            }
        }
    });
}

/// The reference values that the stored resources show.
struct Shown<'a> {
    registry: &'a SchemaRegistry,
    references: &'a [Reference],
}

impl Shown<'_> {
    fn subject(&self, stored: &Stored, resource_type: &ResourceType) -> Subject {
        Subject::of_stored(stored, resource_type, self.registry, BASE_URL, self.references)
            .expect("documents are JSON")
    }
}

struct Stores {
    sqlite: DieselStore,
    postgres: Option<DieselStore>,
    _databases: (Database, Option<Database>),
}

impl Stores {
    fn open(registry: &SchemaRegistry) -> Stores {
        let options = StoreOptions {
            resource_types: registry.resource_types.clone(),
            synchronous: Synchronous::Normal,
            ..StoreOptions::default()
        };
        let databases = (Database::sqlite(), Database::postgres());
        Stores {
            sqlite: databases.0.store_with(&options),
            postgres: databases.1.as_ref().map(|it| it.store_with(&options)),
            _databases: databases,
        }
    }

    fn each(&self) -> impl Iterator<Item = &DieselStore> {
        [&self.sqlite].into_iter().chain(&self.postgres)
    }
}

/// User with an extension whose attributes have types and characteristics that the built-in schemas lack.
fn registry() -> SchemaRegistry {
    let lab = r#"{"id": "urn:example:Lab", "name": "Lab", "attributes": [
        {"name": "count", "type": "integer"},
        {"name": "weight", "type": "decimal", "indexed": true},
        {"name": "since", "type": "dateTime"},
        {"name": "tags", "multiValued": true},
        {"name": "codes", "multiValued": true, "caseExact": true, "indexed": true},
        {"name": "open", "type": "boolean", "indexed": true},
        {"name": "key", "type": "binary"},
        {"name": "room", "type": "complex", "subAttributes": [
            {"name": "name", "indexed": true}, {"name": "floor", "type": "integer"}, {"name": "doors", "multiValued": true}]},
        {"name": "scores", "type": "complex", "multiValued": true, "subAttributes": [
            {"name": "value", "type": "decimal"}, {"name": "at", "type": "dateTime"}, {"name": "by", "multiValued": true}]}]}"#;
    let user = r#"{"name": "User", "endpoint": "/Users", "schema": "urn:ietf:params:scim:schemas:core:2.0:User",
        "schemaExtensions": [{"schema": "urn:example:Lab", "required": false},
            {"schema": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", "required": false}]}"#;
    let files = [("lab.json", lab), ("user.json", user)];
    SchemaRegistry::load(&files.map(|(name, text)| (name.to_owned(), text.to_owned())))
        .expect("the documents are right")
}

fn fill(it: &Fixture, users: &[Value], memberships: &[Vec<usize>]) {
    let mut ids = Vec::new();
    for (index, user) in users.iter().enumerate() {
        let mut user = user.clone();
        // The number makes names unique, whatever the strategy chose.
        let name = format!("{}{index}", user["userName"].as_str().expect("it has one"));
        user["userName"] = json!(name);
        let id = it.add(&it.user, user.clone(), &[]).expect("the name is free");
        if index % 3 == 0 {
            // An update has to write the same rows as a creation.
            user["title"] = json!("changed");
            it.replace(&it.user, id, None, json!({ "userName": name }))
                .expect("it exists");
            it.replace(&it.user, id, None, user).expect("it exists");
        }
        ids.push(id);
    }
    let groups: Vec<Uuid> = (0..memberships.len())
        .map(|number| it.add_group(["Guides", "100%_", "ÄB\\c", "'x'\""][number % 4], &[]))
        .collect();
    ids.extend(&groups);
    for (group, members) in groups.iter().zip(memberships) {
        let members = members.iter().filter_map(|at| ids.get(*at)).copied();
        let members = members.filter(|it| it != group).collect();
        it.change_members(*group, vec![MembersStep::Add(members)])
            .expect("they exist");
    }
    for id in &ids[..users.len()] {
        let stored = it.read(&it.user, *id).expect("it exists");
        let document = with_ids(&stored.document, &ids);
        if document != stored.document {
            let document = serde_json::from_str(&document).expect("documents are JSON");
            it.replace(&it.user, *id, None, document).expect("it exists");
        }
    }
}

/// Replaces placeholders in operands and managers by ids of the stored resources, in various spellings.
fn with_ids(text: &str, ids: &[Uuid]) -> String {
    let mut text = text.to_owned();
    for (index, id) in ids.iter().enumerate() {
        text = text
            .replace(&format!("<id{index}>"), &id.to_string())
            .replace(&format!("<ID{index}>"), &id.to_string().to_uppercase())
            .replace(&format!("<digits{index}>"), &id.simple().to_string());
    }
    text
}

/// All resources of a type, in order of creation.
fn all(it: &Fixture, resource_type: &Arc<ResourceType>) -> Vec<Stored> {
    let page = it.search(resource_type, "", "");
    let with_everything = page
        .resources
        .iter()
        .map(|stored| it.read(resource_type, stored.id).expect("it exists"));
    with_everything.collect()
}

fn check(
    it: &Fixture,
    resource_type: &Arc<ResourceType>,
    stored: &[Stored],
    ids: &[Uuid],
    shown: &Shown,
    filter: &str,
) -> Result<(), TestCaseError> {
    let filter = with_ids(filter, ids);
    let parsed = Filter::parse(&filter).map_err(|error| TestCaseError::fail(format!("{filter}: {error}")))?;
    let Ok(condition) = Condition::resolve(&parsed, resource_type, Policy { lenient: true }) else {
        return Ok(());
    };
    let expected: Vec<Uuid> = stored
        .iter()
        .filter(|stored| {
            let subject = shown.subject(stored, resource_type);
            condition.matches(&subject)
        })
        .map(|it| it.id)
        .collect();
    let page = it.search(resource_type, &filter, "");
    let found: Vec<Uuid> = page.resources.iter().map(|it| it.id).collect();
    prop_assert_eq!(&found, &expected, "{} in {:#?}", filter, stored);
    let only_total = PageRequest::Index {
        start_index: 1,
        count: 0,
    };
    let counted = it
        .store
        .list(it.tenant, &it.query(resource_type, &filter, "", only_total))
        .expect("the store is there");
    prop_assert_eq!(counted.total, expected.len() as u64, "{}", filter);
    let sorted = it.search(resource_type, &filter, "-id");
    let sorted: Vec<Uuid> = sorted.resources.iter().map(|it| it.id).collect();
    let mut expected = expected;
    expected.sort_by_key(|it| std::cmp::Reverse(it.to_string()));
    prop_assert_eq!(sorted, expected, "{} by descending id", filter);
    Ok(())
}

const SORTED: &[&str] = &[
    "userName",
    "displayName",
    "externalId",
    "name.familyName",
    "name.givenName",
    "title",
    "active",
    "emails",
    "emails.type",
    "emails.primary",
    "phoneNumbers.value",
    "addresses.locality",
    "schemas",
    "meta.version",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.displayName",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.$ref",
    "urn:example:Lab:count",
    "urn:example:Lab:weight",
    "urn:example:Lab:since",
    "urn:example:Lab:tags",
    "urn:example:Lab:codes",
    "urn:example:Lab:open",
    "urn:example:Lab:room.name",
    "urn:example:Lab:room.doors",
    "urn:example:Lab:scores",
    "urn:example:Lab:scores.by",
];

fn check_order(
    it: &Fixture,
    resource_type: &Arc<ResourceType>,
    stored: &[Stored],
    shown: &Shown,
    sort_by: &str,
) -> Result<(), TestCaseError> {
    let parsed = AttrPath::parse(sort_by).expect("it is a path");
    let path = scim_model::condition::resolve_sort_by(&parsed, std::slice::from_ref(resource_type))
        .expect("it can be sorted by")
        .remove(0)
        .expect("the type has it");
    let keys = stored
        .iter()
        .map(|stored| (key(stored, resource_type, shown, &path), stored.id));
    let mut expected: Vec<(Option<String>, Uuid)> = keys.collect();
    // Columns hold shortened keys: the order of longer keys is not defined.
    let is_long = |key: &Option<String>| key.as_ref().is_some_and(|it| it.len() > 890);
    if expected.iter().filter(|(key, _)| is_long(key)).count() > 1 {
        return Ok(());
    }
    // The sort is stable: equal keys stay in order of creation.
    expected.sort_by(|(left, _), (right, _)| match (left, right) {
        (None, None) => std::cmp::Ordering::Equal,
        (None, Some(_)) => std::cmp::Ordering::Greater,
        (Some(_), None) => std::cmp::Ordering::Less,
        (Some(left), Some(right)) => left.cmp(right),
    });
    let found = |sort_by: &str| -> Vec<Uuid> {
        it.search(resource_type, "", sort_by)
            .resources
            .iter()
            .map(|it| it.id)
            .collect()
    };
    let ids = |keys: &[(Option<String>, Uuid)]| keys.iter().map(|(_, id)| *id).collect::<Vec<_>>();
    prop_assert_eq!(found(sort_by), ids(&expected), "{} {:?}", sort_by, expected);
    // Descending order is the exact reverse.
    expected.reverse();
    prop_assert_eq!(
        found(&format!("-{sort_by}")),
        ids(&expected),
        "-{} {:?}",
        sort_by,
        expected
    );
    Ok(())
}

fn key(stored: &Stored, resource_type: &ResourceType, shown: &Shown, path: &AttributePath) -> Option<String> {
    sort_key(path, shown.subject(stored, resource_type).normal_form())
}

const TEXTS: &[&str] = &[
    "",
    "a",
    "A",
    "aB",
    "b",
    "ba",
    "abc",
    "%",
    "_",
    "a%",
    "a_b",
    "\\",
    "\\a",
    "'",
    "a'b",
    "\"",
    "a\"b",
    "ß",
    "SS",
    "ss",
    "É",
    "e\u{301}",
    "İ",
    "ı",
    "ﬁ",
    "Ａ",
    "\u{1F600}",
    "\u{FFFD}",
    "\u{10FFFF}",
    "\u{E000}",
    "a b",
    " a",
    "\n",
    "?",
    "$1",
    "null",
    "true",
    "0",
    "10",
    "9",
    "{}",
    "[1]",
    "\u{7f}",
    "zebra",
    "Äpfel",
    "ä",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        12 => select(TEXTS).prop_map(str::to_owned),
        2 => (select(TEXTS), select(TEXTS)).prop_map(|(left, right)| format!("{left}{right}")),
        // Around the length where index keys are shortened.
        1 => (890..905usize, select(TEXTS)).prop_map(|(length, end)| format!("{}{end}", "a".repeat(length))),
        1 => (296..303usize, select(TEXTS)).prop_map(|(length, end)| format!("{}{end}", "€".repeat(length))),
    ]
}

const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "1",
    "1.0",
    "10e-1",
    "-1",
    "-1.5",
    "9",
    "10",
    "100",
    "1e3",
    "0.001",
    "-0.001",
    "123456789012345678901234567890",
];

const TIMES: &[&str] = &[
    "2024-01-01T00:00:00Z",
    "2024-01-01T01:00:00+01:00",
    "2024-01-01T00:00:00.001Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999Z",
];

const TYPES: &[&str] = &["work", "home", "Other"];

/// An object with some of the members.
fn object(members: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let members: Vec<_> = members
        .into_iter()
        .map(|(name, value)| (Just(name), prop::option::weighted(0.6, value)))
        .collect();
    members
        .prop_map(|members| {
            let present = members
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?)));
            Value::Object(present.collect())
        })
        .boxed()
}

fn list(value: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    prop::collection::vec(value, 0..4)
        .prop_map(|values| Value::Array(values.into_iter().filter(|it| *it != json!({})).collect()))
        .boxed()
}

fn text_value() -> BoxedStrategy<Value> {
    text().prop_map(Value::from).boxed()
}

fn number_value() -> BoxedStrategy<Value> {
    select(NUMBERS)
        .prop_map(|it| serde_json::from_str(it).expect("it is a number"))
        .boxed()
}

fn time_value() -> BoxedStrategy<Value> {
    select(TIMES).prop_map(Value::from).boxed()
}

fn type_value() -> BoxedStrategy<Value> {
    select(TYPES).prop_map(Value::from).boxed()
}

fn bool_value() -> BoxedStrategy<Value> {
    any::<bool>().prop_map(Value::from).boxed()
}

fn user() -> BoxedStrategy<Value> {
    let typed = || {
        list(object(vec![
            ("value", text_value()),
            ("type", type_value()),
            ("primary", bool_value()),
        ]))
    };
    let integer = || {
        number_value()
            .prop_filter("an integer", |it| it.as_i64().is_some())
            .boxed()
    };
    let lab = object(vec![
        ("count", integer()),
        ("weight", number_value()),
        ("since", time_value()),
        ("tags", list(text_value())),
        ("codes", list(text_value())),
        ("open", bool_value()),
        (
            "key",
            select(&["YQ==", "YWI=", "YWJj"][..])
                .prop_map(Value::from)
                .boxed(),
        ),
        (
            "room",
            object(vec![
                ("name", text_value()),
                ("floor", integer()),
                ("doors", list(text_value())),
            ]),
        ),
        (
            "scores",
            list(object(vec![
                ("value", number_value()),
                ("at", time_value()),
                ("by", list(text_value())),
            ])),
        ),
    ]);
    let id = prop_oneof![
        2 => text_value(),
        6 => (0..12usize, select(&["id", "id", "ID", "digits"][..])).prop_map(|(it, spelling)| format!("<{spelling}{it}>").into()),
        1 => select(&["26118915-6090-4610-87e4-49d8ca9f808d", "--------------------", "gggggggg-gggg-gggg-gggg-gggggggggggg"][..])
            .prop_map(Value::from),
    ];
    let manager = object(vec![("value", id.boxed())]);
    let all = object(vec![
        ("displayName", text_value()),
        ("title", text_value()),
        ("nickName", text_value()),
        ("externalId", text_value()),
        ("profileUrl", text_value()),
        ("active", bool_value()),
        (
            "name",
            object(vec![("familyName", text_value()), ("givenName", text_value())]),
        ),
        ("emails", typed()),
        ("phoneNumbers", typed()),
        (
            "addresses",
            list(object(vec![
                ("locality", text_value()),
                ("type", type_value()),
                ("primary", bool_value()),
            ])),
        ),
        (
            ENTERPRISE,
            object(vec![("employeeNumber", text_value()), ("manager", manager)]),
        ),
        (LAB, lab),
    ]);
    (text(), all)
        .prop_map(|(user_name, mut user)| {
            user["userName"] = json!(user_name);
            without_empty(user)
        })
        .boxed()
}

/// The canonical form has no empty arrays and objects.
fn without_empty(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.into_iter().map(|(name, it)| (name, without_empty(it)));
            Value::Object(
                members
                    .filter(|(_, it)| *it != json!({}) && *it != json!([]))
                    .collect(),
            )
        }
        Value::Array(values) => {
            let values = values.into_iter().map(without_empty);
            Value::Array(values.filter(|it| *it != json!({}) && *it != json!([])).collect())
        }
        simple => simple,
    }
}

/// Attributes to filter by, and for complex ones the sub-attributes of a value filter.
type Attributes = (
    &'static [&'static str],
    &'static [(&'static str, &'static [&'static str])],
);

const USER: Attributes = (
    &[
        "userName",
        "displayName",
        "title",
        "nickName",
        "externalId",
        "profileUrl",
        "active",
        "name",
        "name.familyName",
        "name.givenName",
        "emails",
        "emails.value",
        "emails.type",
        "emails.primary",
        "phoneNumbers",
        "phoneNumbers.value",
        "addresses",
        "addresses.locality",
        "addresses.primary",
        "schemas",
        "id",
        "meta",
        "meta.created",
        "meta.lastModified",
        "meta.version",
        "meta.location",
        "meta.resourceType",
        "groups",
        "groups.value",
        "groups.display",
        "groups.type",
        "groups.$ref",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.displayName",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.displayName",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.$ref",
        "urn:example:Lab:count",
        "urn:example:Lab:weight",
        "urn:example:Lab:since",
        "urn:example:Lab:tags",
        "urn:example:Lab:codes",
        "urn:example:Lab:open",
        "urn:example:Lab:key",
        "urn:example:Lab:room",
        "urn:example:Lab:room.name",
        "urn:example:Lab:room.floor",
        "urn:example:Lab:room.doors",
        "urn:example:Lab:scores",
        "urn:example:Lab:scores.value",
        "urn:example:Lab:scores.at",
        "urn:example:Lab:scores.by",
    ],
    &[
        ("emails", &["value", "type", "primary", "display"]),
        ("phoneNumbers", &["value", "type", "primary"]),
        ("addresses", &["locality", "type", "primary"]),
        ("name", &["familyName", "givenName"]),
        ("groups", &["value", "display", "type", "$ref"]),
        ("urn:example:Lab:tags", &["value"]),
        ("urn:example:Lab:codes", &["value"]),
        ("urn:example:Lab:room", &["name", "floor", "doors"]),
        ("urn:example:Lab:scores", &["value", "at", "by"]),
        (
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
            &["value", "displayName", "$ref"],
        ),
    ],
);

const GROUP: Attributes = (
    &[
        "displayName",
        "externalId",
        "id",
        "meta.version",
        "meta.location",
        "meta.created",
        "members",
        "members.value",
        "members.display",
        "members.type",
        "members.$ref",
        "schemas",
    ],
    &[("members", &["value", "display", "type", "$ref"])],
);

fn operand() -> BoxedStrategy<String> {
    let quoted = |text: String| Value::from(text).to_string();
    prop_oneof![
        10 => text().prop_map(quoted),
        1 => Just("null".to_owned()),
        2 => any::<bool>().prop_map(|it| it.to_string()),
        3 => select(NUMBERS).prop_filter("no negative zero", |it| *it != "-0").prop_map(str::to_owned),
        3 => select(TIMES).prop_map(|it| format!("\"{it}\"")),
        2 => select(TYPES).prop_map(|it| format!("\"{it}\"")),
        3 => (0..12usize).prop_map(|it| format!("\"<id{it}>\"")),
        2 => (0..12usize, select(&["Users", "Groups"][..])).prop_map(|(it, endpoint)| format!("\"{BASE_URL}/{endpoint}/<id{it}>\"")),
        1 => select(&["YQ==", "YQ", "User", "Group", "direct", "W/\\\"1\\\"", "W/\\\"3\\\"", "1", "https://", "Guides", "guid"][..])
            .prop_map(|it| format!("\"{it}\"")),
        1 => select(&["urn:ietf:params:scim:schemas:core:2.0:User", LAB][..]).prop_map(|it| format!("\"{it}\"")),
    ]
    .boxed()
}

fn test_of(path: BoxedStrategy<&'static str>) -> BoxedStrategy<String> {
    let operators = &["eq", "eq", "eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"][..];
    prop_oneof![
        1 => path.clone().prop_map(|path| format!("{path} pr")),
        6 => (path, select(operators), operand()).prop_map(|(path, operator, operand)| format!("{path} {operator} {operand}")),
    ]
    .boxed()
}

fn combined(test: BoxedStrategy<String>) -> BoxedStrategy<String> {
    test.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(|it| format!("({})", it.join(" and "))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|it| format!("({})", it.join(" or "))),
            inner.prop_map(|it| format!("not ({it})")),
        ]
    })
    .boxed()
}

fn filter((attributes, complex): Attributes) -> BoxedStrategy<String> {
    let brackets = select(complex)
        .prop_flat_map(|(path, subs)| {
            combined(test_of(select(subs).boxed())).prop_map(move |inner| {
                // The grammar of a valFilter has no outer brackets.
                format!("{path}[{inner}]")
            })
        })
        .boxed();
    combined(prop_oneof![3 => test_of(select(attributes).boxed()), 1 => brackets].boxed())
}
