//! Laws of conditions, over random filters and resources.

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use proptest::sample::select;
use scim_filter::{Filter, PatchPath};
use scim_model::{
    Condition, Document, ElementCondition, Policy, ResourceType, SchemaRegistry, Subject, Tolerances,
};
use serde_json::{Map, Value, json};

const POLICY: Policy = Policy { lenient: true };
const MANAGER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn negating_twice_changes_nothing(filter in filter(), resource in resource()) {
        prop_assert_eq!(condition(&format!("not (not ({filter}))")), condition(&filter));
        let [plain, negated] = [filter.clone(), format!("not ({filter})")].map(|it| answer(&it, &resource));
        prop_assert_eq!(plain.map(|it| !it), negated);
    }

    #[test]
    fn de_morgan(left in filter(), right in filter(), resource in resource()) {
        let same = [
            (format!("not (({left}) and ({right}))"), format!("not ({left}) or not ({right})")),
            (format!("not (({left}) or ({right}))"), format!("not ({left}) and not ({right})")),
        ];
        for (left, right) in same {
            prop_assert_eq!(answer(&left, &resource), answer(&right, &resource));
        }
    }

    #[test]
    fn and_or_combine_the_results_of_the_operands(left in filter(), right in filter(), resource in resource()) {
        let both = |it: (bool, bool)| it.0 && it.1;
        let one = |it: (bool, bool)| it.0 || it.1;
        let answers = answer(&left, &resource).zip(answer(&right, &resource));
        prop_assert_eq!(answer(&format!("({left}) and ({right})"), &resource), answers.map(both));
        prop_assert_eq!(answer(&format!("({left}) or ({right})"), &resource), answers.map(one));
    }

    #[test]
    fn ne_is_not_eq(path in select(PATHS), operand in operand(), resource in resource()) {
        let [eq, ne] = ["eq", "ne"].map(|operator| answer(&format!("{path} {operator} {operand}"), &resource));
        prop_assert_eq!(eq.map(|it| !it), ne);
    }

    #[test]
    fn an_order_is_total_on_single_values(path in select(ORDERED), operand in operand(), resource in resource()) {
        let [lt, le, eq, ge, gt] = ["lt", "le", "eq", "ge", "gt"].map(|it| answer(&format!("{path} {it} {operand}"), &resource));
        let (Some(lt), Some(le), Some(eq), Some(ge), Some(gt)) = (lt, le, eq, ge, gt) else {
            return Ok(());
        };
        prop_assert_eq!(le, lt || eq);
        prop_assert_eq!(ge, gt || eq);
        let is_there = answer(&format!("{path} ne null"), &resource).unwrap();
        prop_assert_eq!(u8::from(lt) + u8::from(eq) + u8::from(gt), u8::from(is_there));
    }

    #[test]
    fn an_element_satisfies_the_same_filters_as_json_and_in_normal_form(filter in value_filter(), email in email()) {
        let user = user();
        let PatchPath::Value { value_path, .. } = PatchPath::parse(&format!("emails[{filter}]")).unwrap() else {
            panic!("a value path");
        };
        let attribute = user.resolve(&value_path.path).unwrap();
        let condition = ElementCondition::resolve(&value_path.filter, &attribute, &Tolerances::new(Policy { lenient: true }));
        let whole = answer(&format!("emails[{filter}]"), json!({"emails": [email]}).as_object().unwrap());
        prop_assert_eq!(condition.ok().map(|it| it.matches_json(&email)), whole);
    }

    #[test]
    fn no_resource_and_no_filter_panic(filter in filter(), text in ".{0,30}", resource in anything()) {
        let resource = Map::from_iter(PATHS.iter().map(|path| path.split(['.', '[']).next().unwrap().to_owned()).zip(resource));
        answer(&filter, &resource);
        answer(&text, &resource);
        Document::from_values(resource).normal_form(&user());
    }

    #[test]
    fn a_document_matches_like_the_whole_resource(path in select(PATHS), operand in operand(), mut resource in resource()) {
        resource.remove("meta");
        resource.remove("id");
        resource.remove("schemas");
        let subject_of_document = Subject::of_document(&Document::from_values(resource.clone()), &user());
        resource.entry("active").or_insert(Value::Bool(true));
        let subject = Subject::of_resource(&resource, &user());
        if let Some(condition) = condition(&format!("{path} eq {operand}")) {
            prop_assert_eq!(condition.matches(&subject_of_document), condition.matches(&subject));
        }
    }
}

#[test]
fn a_filter_at_the_limits_is_evaluated() {
    let terms = 5_000;
    let filter = vec![r#"emails[value eq "x"]"#; terms].join(" or ");
    let emails: Vec<Value> = (0..1_000)
        .map(|it| json!({"value": format!("{it}@example.com")}))
        .collect();
    let resource = json!({"emails": emails});
    assert_eq!(answer(&filter, resource.as_object().unwrap()), Some(false));
    // Five million comparisons: a quadratic algorithm would take hours.

    let deep = format!("{}userName pr{}", "not (".repeat(100), ")".repeat(100));
    assert_eq!(
        answer(&deep, json!({"userName": "x"}).as_object().unwrap()),
        Some(true)
    );
}

/// Paths of single-valued attributes that have an order.
const ORDERED: &[&str] = &[
    "userName",
    "title",
    "name.familyName",
    "externalId",
    "meta.created",
];

const PATHS: &[&str] = &[
    "userName",
    "title",
    "name",
    "name.familyName",
    "externalId",
    "id",
    "meta.created",
    "meta.version",
    "active",
    "emails",
    "emails.value",
    "emails.type",
    "emails.primary",
    "roles",
    "x509Certificates.value",
    "profileUrl",
    "schemas",
    MANAGER,
    "addresses",
    "addresses.country",
    "groups.value",
    "password",
    "nosuch",
];

fn user() -> Arc<ResourceType> {
    static REGISTRY: LazyLock<SchemaRegistry> = LazyLock::new(SchemaRegistry::builtin);
    REGISTRY.resource_type("User").unwrap().clone()
}

/// `None` when the filter is refused.
fn condition(filter: &str) -> Option<Condition> {
    Condition::resolve(&Filter::parse(filter).ok()?, &user(), POLICY).ok()
}

fn answer(filter: &str, resource: &Map<String, Value>) -> Option<bool> {
    Some(condition(filter)?.matches(&Subject::of_resource(resource, &user())))
}

fn filter() -> impl Strategy<Value = String> {
    let comparison = (select(PATHS), select(OPERATORS), operand())
        .prop_map(|(path, operator, operand)| format!("{path} {operator} {operand}"));
    let present = select(PATHS).prop_map(|path| format!("{path} pr"));
    let value_path = value_filter().prop_map(|filter| format!("emails[{filter}]"));
    prop_oneof![4 => comparison, 1 => present, 2 => value_path].prop_recursive(4, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("{left} and {right}")),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left} or {right})")),
            inner.prop_map(|it| format!("not ({it})")),
        ]
    })
}

fn value_filter() -> impl Strategy<Value = String> {
    let names = || select(&["value", "type", "primary", "display"][..]);
    let comparison = (names(), select(OPERATORS), operand())
        .prop_map(|(path, operator, operand)| format!("{path} {operator} {operand}"));
    let present = names().prop_map(|path| format!("{path} pr"));
    prop_oneof![4 => comparison, 1 => present].prop_recursive(3, 6, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("{left} and {right}")),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left} or {right})")),
            inner.prop_map(|it| format!("not ({it})")),
        ]
    })
}

const OPERATORS: &[&str] = &["eq", "eq", "ne", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"];

fn operand() -> impl Strategy<Value = String> {
    prop_oneof![6 => word(), 2 => moment(), 2 => select(vec![json!(true), json!(false), json!(null), json!(7)])]
        .prop_map(|it| it.to_string())
}

/// Few and short texts, so that values and operands are often equal.
fn word() -> impl Strategy<Value = Value> {
    "[abAB%é\"]{0,2}|work|ß".prop_map(Value::from)
}

fn moment() -> impl Strategy<Value = Value> {
    select(
        &[
            "2024-01-01T00:00:00Z",
            "2024-01-01T01:00:00+01:00",
            "2024-01-01T00:00:00.001",
            "2024-01-02T00:00:00Z",
        ][..],
    )
    .prop_map(Value::from)
}

fn email() -> impl Strategy<Value = Value> {
    let primary = any::<bool>().prop_map(Value::from);
    object(vec![
        ("value", word().boxed()),
        ("type", word().boxed()),
        ("display", word().boxed()),
        ("primary", primary.boxed()),
    ])
    .prop_filter("documents hold no empty values", |it| {
        it.as_object().is_some_and(|it| !it.is_empty())
    })
}

fn resource() -> impl Strategy<Value = Map<String, Value>> {
    let name = object(vec![
        ("familyName", word().boxed()),
        ("givenName", word().boxed()),
    ]);
    // Every resource has `userName`.
    let meta = moment().prop_map(|created| json!({"created": created}));
    let emails = prop::collection::vec(email(), 0..3).prop_map(Value::from);
    let active = any::<bool>().prop_map(Value::from);
    let own = object(vec![
        ("userName", word().boxed()),
        ("title", word().boxed()),
        ("externalId", word().boxed()),
        ("profileUrl", word().boxed()),
        ("name", name.boxed()),
        ("emails", emails.boxed()),
        ("active", active.boxed()),
    ]);
    (own, meta).prop_map(|(own, meta)| {
        let mut resource = own.as_object().expect("an object").clone();
        resource.insert("meta".to_owned(), meta);
        resource
    })
}

/// An object with any of the members.
fn object(members: Vec<(&'static str, BoxedStrategy<Value>)>) -> impl Strategy<Value = Value> {
    let members: Vec<_> = members
        .into_iter()
        .map(|(name, value)| prop::option::of(value.prop_map(move |it| (name, it))))
        .collect();
    members.prop_map(|members| Value::from_iter(members.into_iter().flatten()))
}

/// Values of any type for attributes of any type.
fn anything() -> impl Strategy<Value = Vec<Value>> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(4, 24, 4, |inner| {
        let names = || select(&["value", "type", "primary", "familyName", "created", "$ref", ""][..]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((names(), inner), 0..4).prop_map(Value::from_iter),
        ]
    });
    prop::collection::vec(value, PATHS.len())
}
