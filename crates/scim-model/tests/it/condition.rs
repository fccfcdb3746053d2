//! The meaning of filters: RFC 7644 section 3.4.2.2 rule by rule.

use std::sync::Arc;

use chrono::DateTime;
use scim_filter::{AttrPath, Filter, Options, PatchPath};
use scim_model::condition::sort_key;
use scim_model::condition::{Operand, Test, resolve_sort_by};
use scim_model::internal::standard_notation;
use scim_model::store::{Reference, Stored};
use scim_model::{
    Condition, Document, ElementCondition, Policy, ResourceType, SchemaRegistry, ScimType, Subject,
    Tolerance, Tolerances,
};
use serde_json::{Value, json};
use uuid::Uuid;

const LENIENT: Policy = Policy { lenient: true };
const STRICT: Policy = Policy { lenient: false };
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const GADGET: &str = "urn:example:gadget:2.0:User";

#[test]
fn r7644_3_4_2_2_03_names_are_found_in_any_case() {
    check(&[
        (r#"USERNAME eq "bjensen""#, true),
        (r#"Name.FAMILYNAME eq "jensen""#, true),
        (r#"EMAILS[TYPE eq "work"]"#, true),
        (
            r#"urn:IETF:params:scim:schemas:EXTENSION:enterprise:2.0:user:DEPARTMENT eq "tours""#,
            true,
        ),
    ]);
}

#[test]
fn r7644_3_4_2_2_06_eq_follows_type_and_case_exact() {
    check(&[
        (r#"userName eq "BJENSEN""#, true),
        (r#"userName eq "bjense""#, false),
        (r#"externalId eq "Ext-1""#, true),
        (r#"externalId eq "EXT-1""#, false),
        (r#"id eq "0190c9a0-0000-7000-8000-000000000001""#, true),
        (r#"id eq "0190C9A0-0000-7000-8000-000000000001""#, false),
        (r#"id eq "not-a-uuid""#, false),
        ("active eq true", true),
        ("active eq false", false),
        (r#"profileUrl eq "https://example.com/B""#, true),
        (r#"profileUrl eq "https://example.com/b""#, false),
        (r#"x509Certificates.value eq "QUJDRA""#, true),
        (r#"x509Certificates.value eq "QUJDRA==""#, true),
        (r#"x509Certificates.value eq "qujdra==""#, false),
        (&format!("{GADGET}:level eq 3"), true),
        (&format!("{GADGET}:level eq 3.0"), true),
        (&format!("{GADGET}:level eq 30e-1"), true),
        (&format!("{GADGET}:level eq 4"), false),
        (&format!("{GADGET}:rating eq 0.1"), true),
        (&format!("{GADGET}:rating eq 0.10000000000000000001"), false),
    ]);
}

#[test]
fn r7644_3_4_2_2_07_ne_is_not_eq_on_absent_and_multi_valued_attributes_too() {
    check(&[
        (r#"title ne "Guide""#, true),
        (r#"userName ne "bjensen""#, false),
        (r#"userName ne "other""#, true),
        (r#"emails.type ne "work""#, false),
        (r#"emails.type ne "other""#, true),
        (r#"emails ne "b@example.com""#, false),
        (r#"emails[type ne "work"]"#, true),
        (r#"emails[type ne "work" and type ne "home"]"#, false),
        (r#"roles[type ne "work"]"#, true),
        (r#"photos[type ne "work"]"#, false),
        ("active ne true", false),
        ("active ne false", true),
    ]);
}

#[test]
fn r7644_3_4_2_2_08_to_10_co_sw_ew_take_the_operand_literally() {
    check(&[
        (r#"displayName co "100%""#, true),
        (r#"displayName co "1%0""#, false),
        (r#"displayName co "BABS_""#, true),
        (r#"displayName sw "babs_jensen 100% \\o/""#, true),
        (r#"displayName sw "jensen""#, false),
        (r#"displayName ew "\\O/""#, true),
        (r#"displayName ew "babs_jensen 100% \\o/""#, true),
        (r#"externalId sw "ext""#, false),
        (r#"externalId sw "Ext""#, true),
        (r#"profileUrl ew "/B""#, true),
        (r#"profileUrl ew "/b""#, false),
        (r#"displayName co """#, true),
        (r#"nickName sw """#, true),
        (r#"title ew """#, false),
    ]);
}

#[test]
fn r7644_3_4_2_2_11_pr_needs_a_value_that_is_not_empty() {
    check(&[
        ("userName pr", true),
        ("title pr", false),
        ("nickName pr", false), // ""
        ("photos pr", false),
        ("emails pr", true),
        ("emails.display pr", false),
        ("name pr", true),
        ("name.middleName pr", false),
        (&format!("{ENTERPRISE}:manager pr"), true),
        (&format!("{GADGET}:level pr"), true),
        (&format!("{GADGET}:broken pr"), true), // false is a value
        (&format!("{GADGET}:tags pr"), true),
        ("id pr", true),
        ("meta pr", true),
        ("meta.created pr", true),
        ("schemas pr", true),
    ]);
}

#[test]
fn r7644_3_4_2_2_12_gt_ge_lt_le_follow_the_type() {
    check(&[
        (r#"userName gt "BJ""#, true),
        (r#"userName ge "BJENSEN""#, true),
        (r#"userName gt "bjensen""#, false),
        (r#"userName lt "c""#, true),
        (r#"userName le "bjensen""#, true),
        (r#"title lt "z""#, false),
        (r#"meta.created gt "2024-01-01T07:59:59Z""#, true),
        (r#"meta.created gt "2024-01-01T08:00:00Z""#, false),
        (r#"meta.created ge "2024-01-01T09:00:00+01:00""#, true),
        (r#"meta.created lt "2024-01-01T04:00:00-05:00""#, true),
        (r#"meta.created eq "2024-01-01T08:00:00""#, true),
        (&format!("{GADGET}:level gt 2.5"), true),
        (&format!("{GADGET}:level lt 10"), true),
        (&format!("{GADGET}:level ge -1"), true),
        (&format!("{GADGET}:level le -1"), false),
        (&format!("{GADGET}:scores gt 9"), true),
        (&format!("{GADGET}:scores lt -4"), true),
        (&format!("{GADGET}:scores gt 10"), false),
        (r#"profileUrl gt "https://""#, true),
    ]);
}

#[test]
fn r7644_3_4_2_2_13_booleans_and_binaries_have_no_order() {
    for operator in ["gt", "ge", "lt", "le", "co", "sw", "ew"] {
        refused(&format!("active {operator} true"), "active");
        refused(&format!("emails[primary {operator} true]"), "emails.primary");
        refused(
            &format!(r#"x509Certificates.value {operator} "QUJD""#),
            "x509Certificates.value",
        );
        // The rest of the filter does not matter.
        refused(
            &format!(r#"userName eq "x" and not (active {operator} false)"#),
            "active",
        );
        refused(&format!("id pr or active {operator} false"), "active");
    }
}

#[test]
fn r7644_3_4_2_2_14_and_or_not() {
    check(&[
        (r#"userName pr and title pr"#, false),
        (r#"userName pr or title pr"#, true),
        (r#"not (title pr)"#, true),
        (r#"not (not (title pr))"#, false),
        (r#"title pr and title pr or userName pr"#, true),
        (r#"userName pr or title pr and title pr"#, true),
        (r#"(userName pr or title pr) and title pr"#, false),
        (r#"not (title pr) and title pr"#, false),
    ]);
}

#[test]
fn r7644_3_4_2_2_16_one_value_satisfies_the_whole_filter() {
    check(&[
        (r#"emails[type eq "work" and value co "@example.com"]"#, true),
        (r#"emails[type eq "work" and value co "@home"]"#, false),
        (r#"emails.type eq "work" and emails.value co "@home""#, true),
        (
            r#"emails[type eq "work" and value co "@home" or type eq "home"]"#,
            true,
        ),
        (r#"emails[not (type eq "work" or type eq "home")]"#, false),
        (r#"emails[type eq "work"].value eq "B@EXAMPLE.COM""#, true),
        (r#"emails[type eq "home"].value eq "b@example.com""#, false),
    ]);
}

#[test]
fn r7644_3_4_2_2_16_the_object_of_a_single_complex_attribute_is_its_only_value() {
    check(&[
        (r#"name[familyName eq "jensen" and givenName eq "barbara"]"#, true),
        (r#"name[familyName eq "jensen" and givenName eq "bob"]"#, false),
        (r#"name[middleName ne "x"]"#, true),
        (
            r#"meta[resourceType eq "User" and created lt "2025-01-01T00:00:00Z"]"#,
            true,
        ),
        (r#"meta[resourceType eq "Group"]"#, false),
        (&format!(r#"{ENTERPRISE}:manager[value eq "m1"]"#), true),
        (&format!(r#"{GADGET}:case[colour ne "red"]"#), false), // No case at all.
    ]);
}

#[test]
fn r7644_3_4_2_2_16_the_value_of_a_simple_attribute_is_called_value() {
    check(&[
        (&format!(r#"{GADGET}:tags[value eq "BLUE"]"#), true),
        (&format!(r#"{GADGET}:tags[value sw "b" and value ew "d"]"#), false),
        (&format!(r#"{GADGET}:tags sw "b" and {GADGET}:tags ew "d""#), true),
        (&format!("{GADGET}:scores[value gt 0 and value lt 11]"), true),
    ]);
}

#[test]
fn r7644_3_4_2_2_17_brackets_hold_sub_attributes() {
    refused(r#"emails[userName eq "a"]"#, "userName");
    refused(r#"emails[emails.type eq "a"]"#, "emails.type");
    refused(r#"emails[type.x eq "a"]"#, "type.x");
    refused(r#"emails.value[type eq "a"]"#, "emails.value");
    refused(r#"userName[value eq "a"]"#, "userName");
    refused(&format!(r#"{GADGET}:tags[type eq "a"]"#), "type");
}

#[test]
fn r7644_3_4_2_2_20_paths_may_carry_a_urn() {
    check(&[
        (
            r#"urn:ietf:params:scim:schemas:core:2.0:User:userName eq "bjensen""#,
            true,
        ),
        (
            r#"urn:ietf:params:scim:schemas:core:2.0:User:emails[type eq "work"]"#,
            true,
        ),
        (&format!(r#"{ENTERPRISE}:manager.value eq "m1""#), true),
        (&format!(r#"{ENTERPRISE}:manager.value eq "M1""#), false),
    ]);
    refused(
        r#"urn:ietf:params:scim:schemas:core:2.0:Group:displayName eq "x""#,
        "urn:ietf:params:scim:schemas:core:2.0:Group:displayName",
    );
    refused(r#"urn:example:unknown:x eq "1""#, "urn:example:unknown:x");
    refused(&format!(r#"{ENTERPRISE}:userName eq "1""#), "userName");
}

#[test]
fn r7644_3_4_2_2_24_complex_attributes_are_compared_by_their_value() {
    check(&[
        (r#"emails co "home""#, true),
        (&format!(r#"{ENTERPRISE}:manager eq "m1""#), true),
        (&format!(r#"{ENTERPRISE}:manager ne "m1""#), false),
    ]);
    refused(r#"name eq "Jensen""#, "name");
    refused(r#"addresses co "Hollywood""#, "addresses");
    refused(r#"meta eq "x""#, "meta");
    assert!(refused(r#"name eq "x""#, "name").contains("`name.formatted`"));
    assert!(
        refused(&format!(r#"{GADGET}:case gt "x""#), "case").contains(&format!("`{GADGET}:case.colour`"))
    );
}

#[test]
fn r7644_3_4_2_2_28_schemas_can_be_filtered_by() {
    check(&[
        (&format!(r#"schemas eq "{ENTERPRISE}""#), true),
        (r#"schemas eq "urn:ietf:params:scim:schemas:core:2.0:User""#, true),
        (
            r#"schemas eq "urn:ietf:params:scim:schemas:core:2.0:Group""#,
            false,
        ),
        (r#"schemas co "enterprise""#, true),
    ]);
}

#[test]
fn r7644_3_4_2_2_29_an_unknown_attribute_is_named() {
    for filter in [
        "nosuch",
        "name.nosuch",
        "emails.nosuch",
        "userName.value",
        "employeeNumber",
        "members",
    ] {
        let detail = refused(&format!(r#"{filter} eq "x""#), filter);
        assert!(detail.contains("User"), "{detail}");
        refused(&format!("{filter} pr"), filter);
    }
    refused(r#"userName eq "x" or emails[nosuch pr]"#, "nosuch");
}

#[test]
fn r7643_2_4_04_a_missing_primary_is_false() {
    check(&[
        ("emails[primary eq true]", true),
        (r#"emails[primary eq true and type eq "home"]"#, false),
        (r#"emails[primary eq false and type eq "home"]"#, true),
        (r#"emails[primary eq false and type eq "work"]"#, false),
        (r#"emails[primary ne true and type eq "home"]"#, true),
        (r#"emails[primary ne false and type eq "home"]"#, false),
        ("emails.primary eq false", true),
        ("emails.primary ne false", false),
        ("roles.primary eq false", true),
        ("roles.primary ne false", false),
        ("photos.primary eq false", false),
        // Only `primary`, and only of a multi-valued attribute, is false where it is absent.
        (&format!("{GADGET}:doors.open eq false"), false),
        (&format!("{GADGET}:cover.primary eq false"), false),
    ]);
    assert_eq!(
        user_condition("emails.primary eq false"),
        user_condition("emails[primary eq false]"),
    );
    // An absent boolean of another name has no value.
    check(&[
        (&format!("{GADGET}:lost eq false"), false),
        (&format!("{GADGET}:lost ne true"), true),
    ]);
}

#[test]
fn a_60_the_empty_string_is_a_value_and_null_is_not() {
    check(&[
        ("title eq null", true),
        ("title ne null", false),
        ("userName eq null", false),
        ("userName ne null", true),
        ("nickName eq null", false), // ""
        ("nickName ne null", true),
        (r#"nickName eq """#, true),
        ("photos eq null", true),
        ("emails eq null", false),
        ("name eq null", false),
        ("emails.display eq null", true),
        ("emails[display eq null]", true),
        ("emails[type eq null]", false),
        (&format!("{GADGET}:level eq null"), false),
        (&format!("{GADGET}:lost eq null"), true),
        (&format!("{GADGET}:case ne null"), false),
        ("id eq null", false),
        ("id ne null", true),
        ("meta eq null", false),
    ]);
    for operator in ["co", "sw", "ew", "gt", "ge", "lt", "le"] {
        refused(&format!("title {operator} null"), "title");
        refused(&format!("{GADGET}:level {operator} null"), "level");
    }
}

#[test]
fn a_60_the_operand_has_the_type_of_the_attribute() {
    for filter in [
        "userName eq true",
        "userName eq 5",
        "userName gt 5",
        "profileUrl eq 5",
        "id eq 5",
        "emails eq 5",
        "emails[value eq 5]",
    ] {
        let strict = Policy { lenient: false };
        let error = Condition::resolve(&parse(filter), &user_type(), strict).unwrap_err();
        assert_eq!(error.scim_type(), Some(ScimType::InvalidFilter), "{filter}");
    }
    for filter in [
        "active eq 1",
        r#"active eq "yes""#,
        r#"active eq """#,
        "meta.created gt 5",
        "meta.created eq true",
        r#"meta.created gt "yesterday""#,
        r#"meta.created gt "2024-03-10""#,
        r#"meta.lastModified sw "2024""#,
        r#"meta.lastModified co "2024-01-01T08:00:00Z""#,
        "x509Certificates.value eq 5",
        "userName gt null",
    ] {
        refused(filter, filter.split([' ', '[']).next().unwrap());
    }
    for filter in [
        r#"level eq "three""#,
        r#"level eq "3.0""#,
        r#"level eq " 3""#,
        r#"level eq "3e0""#,
        r#"level eq "03""#,
        r#"level sw "3""#,
        r#"rating eq "1.""#,
        "level eq true",
        "level co 3",
        "rating sw 1",
        "level eq 1e5000",
        r#"rating lt "one""#,
    ] {
        let name = filter.split(' ').next().unwrap();
        refused(&format!("{GADGET}:{filter}"), &format!("{GADGET}:{name}"));
    }
    // Entra sends booleans as strings.
    check(&[
        (r#"active eq "True""#, true),
        (r#"active eq "false""#, false),
        (r#"emails[primary eq "TRUE"]"#, true),
    ]);
}

#[test]
fn an_error_distinguishes_a_wrong_operand_from_an_operator_that_the_type_lacks() {
    for (filter, problem) in [
        ("active eq 5", "can only be compared with true or false"),
        ("active gt true", "is a boolean, which `gt` cannot compare"),
        (
            "x509Certificates.value eq 5",
            "can only be compared with a string",
        ),
        (
            r#"x509Certificates.value gt "YQ==""#,
            "is binary, which `gt` cannot compare",
        ),
    ] {
        let attribute = filter.split_once(' ').unwrap().0;
        let detail = refused(filter, attribute);
        assert!(detail.contains(problem), "{filter}: {detail}");
    }
}

#[test]
fn departures_from_the_grammar_are_recorded_by_kind() {
    let recorded = |text: &str| {
        let options = Options {
            bare_words: true,
            ..Options::default()
        };
        let tolerances = Tolerances::new(LENIENT);
        tolerances.record_syntax(&PatchPath::parse_with(text, &options).unwrap().leniencies);
        tolerances.take()
    };
    assert_eq!(recorded(r#"members[value eq "a"]"#), []);
    assert_eq!(recorded("members[value eq 'a']"), [Tolerance::PathSyntax]);
    assert_eq!(recorded("members[value eq a]"), [Tolerance::BareWord]);
    assert_eq!(recorded("manager.$ref"), []);
}

/// Checks that a lenient policy gives both tests the same meaning, and that a strict one refuses the first.
#[track_caller]
fn same_when_lenient(filter: &str, meaning: &str, tolerance: &str) {
    let tolerances = Tolerances::new(LENIENT);
    let resolved = Condition::resolve_with(&parse(filter), &user_type(), &tolerances).unwrap();
    assert_eq!(resolved, user_condition(meaning), "{filter}");
    let needed: Vec<_> = tolerances.take().iter().map(|it| it.name()).collect();
    assert_eq!(needed, [tolerance], "{filter}");
    let strict = Policy { lenient: false };
    let error = Condition::resolve(&parse(filter), &user_type(), strict).unwrap_err();
    assert_eq!(error.scim_type(), Some(ScimType::InvalidFilter), "{filter}");
}

/// A-60. WSO2 leaves out the quotes of user names that are numbers.
#[test]
fn a_number_compared_with_text_is_that_text() {
    for (filter, meaning) in [
        ("userName eq 90210077431", r#"userName eq "90210077431""#),
        ("userName ne 5", r#"userName ne "5""#),
        ("externalId eq 1.50", r#"externalId eq "1.50""#),
        ("externalId sw -5", r#"externalId sw "-5""#),
        ("userName co 1e3", r#"userName co "1e3""#),
        ("userName gt 5", r#"userName gt "5""#),
        ("userName eq true", r#"userName eq "true""#),
        ("emails[value eq 5]", r#"emails[value eq "5"]"#),
        (
            "phoneNumbers.value eq 5550100",
            r#"phoneNumbers.value eq "5550100""#,
        ),
        ("id eq 5", r#"id eq "5""#),
    ] {
        same_when_lenient(filter, meaning, "number_for_text");
    }
}

/// A-60. Entra sends the numbers of custom extensions as strings.
#[test]
fn a_clean_number_may_be_a_string() {
    for (filter, meaning) in [
        (r#"level eq "3""#, "level eq 3"),
        (r#"level ge "-3""#, "level ge -3"),
        (r#"rating lt "1.50""#, "rating lt 1.5"),
        (r#"scores eq "3""#, "scores eq 3"),
        (r#"scores[value ne "0"]"#, "scores[value ne 0]"),
    ] {
        let own = |it: &str| format!("{GADGET}:{it}");
        same_when_lenient(&own(filter), &own(meaning), "number_text");
    }
}

/// A-34. Entra treats all multi-valued attributes of custom extensions alike.
#[test]
fn a_simple_attribute_may_be_named_by_its_value() {
    for (filter, meaning) in [
        (r#"tags.value eq "x""#, r#"tags eq "x""#),
        ("tags.VALUE pr", "tags pr"),
        ("scores.value gt 3", "scores gt 3"),
    ] {
        let own = |it: &str| format!("{GADGET}:{it}");
        same_when_lenient(&own(filter), &own(meaning), "value_of_simple");
    }
    for filter in [r#"userName.value eq "x""#, r#"title.value eq "x""#] {
        refused(filter, filter.split(' ').next().unwrap());
    }
}

/// Syncope and Slack write a dot after the URN of a schema.
#[test]
fn a_dot_after_a_known_urn_becomes_a_colon() {
    let user = user_type();
    let check = |text: &str, expected: &str| {
        let tolerances = Tolerances::new(LENIENT);
        assert_eq!(standard_notation(text, &[&user], &tolerances), expected);
        assert_eq!(tolerances.take().len(), usize::from(text != expected), "{text}");
        let strict = Tolerances::new(Policy { lenient: false });
        assert_eq!(standard_notation(text, &[&user], &strict), text);
    };
    let core = "urn:ietf:params:scim:schemas:core:2.0:User";
    for urn in [ENTERPRISE, GADGET, core, &ENTERPRISE.to_uppercase()] {
        check(&format!("{urn}.a eq 1"), &format!("{urn}:a eq 1"));
        check(&format!("{urn}.a.b"), &format!("{urn}:a.b"));
        check(&format!("{urn}.$ref"), &format!("{urn}:$ref"));
        check(
            &format!("not({urn}.a pr) AND ({urn}.b[c eq \"{urn}.d\"])"),
            &format!("not({urn}:a pr) AND ({urn}:b[c eq \"{urn}.d\"])"),
        );
        check(
            &format!("a eq o'b or {urn}.a pr"),
            &format!("a eq o'b or {urn}:a pr"),
        );
        for same in [
            "{}:a.b eq 1",
            "{}",
            "{}.",
            "{}.0:a",
            "{}s.a",
            "x{}.a",
            "a eq \"{}.a\"",
            "a eq '{}.a'",
            "a eq \"\\\" {}.a\"",
        ] {
            let text = same.replace("{}", urn);
            check(&text, &text);
        }
    }
    check("urn:example:unknown.a pr", "urn:example:unknown.a pr");
}

/// A-34. The built-in types have no such sub-attributes.
#[test]
fn value_after_simple_values_is_left_out() {
    const HOUSE: &str = "urn:example:params:scim:schemas:core:1.0:House";
    let documents = json!([
        {"id": HOUSE, "attributes": [{"name": "tags", "multiValued": true}, {"name": "owner"},
            {"name": "place", "type": "complex", "subAttributes": [{"name": "lines", "multiValued": true},
                {"name": "town"}]}]},
        {"schemas": [scim_model::schema::RESOURCE_TYPE_URN], "name": "House", "endpoint": "/Houses", "schema": HOUSE},
    ]);
    let registry = SchemaRegistry::load(&[("files.json".to_owned(), documents.to_string())]).unwrap();
    let house = registry.resource_type("House").unwrap();
    for (text, expected) in [
        ("tags.value", "tags"),
        ("place.lines.Value eq \"a\"", "place.lines eq \"a\""),
        ("not(PLACE.LINES.value pr)", "not(PLACE.LINES pr)"),
        (
            "urn:example:params:scim:schemas:core:1.0:House:place.lines.value",
            "urn:example:params:scim:schemas:core:1.0:House:place.lines",
        ),
        (
            "place[lines.value eq \"a\"].lines.value",
            "place[lines.value eq \"a\"].lines",
        ),
        ("owner.value", "owner.value"),
        ("place.town.value", "place.town.value"),
        ("place[town pr].value", "place[town pr].value"),
        ("place.lines.values", "place.lines.values"),
        ("owner eq \"tags.value\"", "owner eq \"tags.value\""),
    ] {
        let tolerances = Tolerances::new(LENIENT);
        assert_eq!(standard_notation(text, &[&**house], &tolerances), expected);
        let needed: &[Tolerance] = match text == expected {
            true => &[],
            false => &[Tolerance::ValueOfSimple],
        };
        assert_eq!(tolerances.take(), needed, "{text}");
        let strict = Tolerances::new(Policy { lenient: false });
        assert_eq!(standard_notation(text, &[&**house], &strict), text);
    }
    // Within brackets, the name is resolved against the attribute.
    let filter = Filter::parse("place[lines.value eq \"a\"]").unwrap();
    let tolerances = Tolerances::new(LENIENT);
    let condition = Condition::resolve_with(&filter, house, &tolerances).unwrap();
    assert_eq!(tolerances.take(), [Tolerance::ValueOfSimple]);
    let standard = Filter::parse("place[lines eq \"a\"]").unwrap();
    assert_eq!(condition, Condition::resolve(&standard, house, LENIENT).unwrap());
    assert!(Condition::resolve(&filter, house, Policy { lenient: false }).is_err());
    let other = Filter::parse("place[town.value eq \"a\"]").unwrap();
    assert!(Condition::resolve(&other, house, LENIENT).is_err());
}

#[test]
fn a_35_attributes_that_are_never_returned_cannot_be_filtered_by() {
    for filter in [
        r#"password eq "x""#,
        "password pr",
        r#"password sw "a""#,
        "password eq null",
        "password ne null",
    ] {
        refused(filter, "password");
    }
    for name in ["pin", "secret", "case.key"] {
        refused(&format!("{GADGET}:{name} pr"), name);
        refused(&format!(r#"{GADGET}:{name} eq "x""#), name);
    }
    refused(&format!("{GADGET}:case[key pr]"), "case.key");
    let document = user_document();
    let normal = document.normal_form(&user_type());
    assert_eq!(normal[GADGET].get("secret"), None);
    assert_eq!(document.values()[GADGET]["secret"], "open sesame");
}

#[test]
fn a_11_only_a_reference_check_may_omit_the_urn() {
    let user = user_type();
    let filter = parse(r#"id eq "a" and MANAGER eq "m1""#);
    let condition = Condition::resolve(&filter, &user, LENIENT).unwrap();
    let paths: Vec<String> = condition.attributes().iter().map(ToString::to_string).collect();
    assert_eq!(paths, ["id", &format!("{ENTERPRISE}:manager.value")]);

    assert!(
        Condition::resolve(&filter, &user, STRICT)
            .unwrap_err()
            .detail
            .contains("`MANAGER`")
    );
    for filter in [
        "manager pr",
        r#"manager.value eq "m1""#,
        r#"department eq "Tours""#,
        r#"manager co "m""#,
    ] {
        assert!(
            Condition::resolve(&parse(filter), &user, LENIENT).is_err(),
            "{filter}"
        );
    }
}

#[test]
fn r7644_3_4_2_1_03_a_type_without_the_attribute_has_no_value() {
    let types = all_types();
    let resolve =
        |filter: &str| Condition::resolve_for_all(&parse(filter), &types, &Tolerances::new(LENIENT));
    let names: Vec<&str> = types.iter().map(|it| &*it.name).collect();
    assert_eq!(names, ["User", "Group"]);

    let always = |filter: &str, target: usize, answer: bool| {
        let conditions = resolve(filter).unwrap();
        assert_eq!(conditions[target], Condition::Always(answer), "{filter}");
        assert!(
            !matches!(conditions[1 - target], Condition::Always(_)),
            "{filter}"
        );
    };
    always("userName pr", 1, false);
    always(r#"userName eq "x""#, 1, false);
    always(r#"userName ne "x""#, 1, true);
    always("userName eq null", 1, true);
    always("userName ne null", 1, false);
    always(r#"not (userName gt "x")"#, 1, true);
    always(r#"members[value eq "x"]"#, 0, false);
    always(r#"members eq "x" and displayName pr"#, 0, false);
    always(&format!(r#"{ENTERPRISE}:department eq "x""#), 1, false);
    always(r#"manager eq "x""#, 1, false);
    assert!(
        resolve(r#"displayName sw "x""#)
            .unwrap()
            .iter()
            .all(|it| matches!(it, Condition::Attribute(..)))
    );

    // Unknown to all types, or wrong for the type that has it.
    assert!(
        resolve(r#"nosuch eq "x""#)
            .unwrap_err()
            .detail
            .contains("`nosuch` is not an attribute of User or Group")
    );
    assert!(resolve(r#"userName eq "x" or members[nosuch eq "x"]"#).is_err());
    assert!(resolve("active gt true").is_err());
}

#[test]
fn r7644_3_4_2_1_01_meta_resource_type_narrows_a_query() {
    let narrowed = |filter: &str| {
        let conditions =
            Condition::resolve_for_all(&parse(filter), &all_types(), &Tolerances::new(LENIENT)).unwrap();
        conditions
            .into_iter()
            .map(|it| {
                if let Condition::Always(answer) = it {
                    Some(answer)
                } else {
                    None
                }
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(
        narrowed(r#"meta.resourceType eq "Group""#),
        [Some(false), Some(true)]
    );
    assert_eq!(
        narrowed(r#"meta.resourceType eq "group""#),
        [Some(false), Some(false)]
    );
    assert_eq!(
        narrowed(r#"meta.resourceType ne "Group""#),
        [Some(true), Some(false)]
    );
    assert_eq!(
        narrowed(r#"meta.resourceType sw "U" and displayName pr"#),
        [None, Some(false)]
    );
    assert_eq!(
        narrowed(r#"meta[resourceType eq "User"] or displayName pr"#),
        [Some(true), None]
    );
}

#[test]
fn r7643_3_1_22_the_version_of_a_user_is_found_with_and_without_the_hash() {
    check(&[
        (r#"meta.version eq "W/\"5\"""#, true),
        (r#"meta.version eq "W/\"5.00ffee0011223344\"""#, true),
        (r#"meta.version eq "w/\"5\"""#, false),
        (r#"meta.version eq "W/\"6\"""#, false),
        (r#"meta.version eq "W/\"51\"""#, false),
        (
            r#"meta.location ew "/Users/0190c9a0-0000-7000-8000-000000000001""#,
            true,
        ),
    ]);
}

#[test]
fn members_and_groups_are_compared_as_a_client_sees_them() {
    let registry = SchemaRegistry::builtin();
    let [user, group]: [Arc<ResourceType>; 2] = all_types().try_into().unwrap();
    let reference = |id: u128, resource_type: &str, display: Option<&str>| Reference {
        id: Uuid::from_u128(id),
        resource_type: resource_type.into(),
        display: display.map(Into::into),
    };
    let core = "urn:ietf:params:scim:schemas:core:2.0:Group";
    let staff = Stored {
        members: Some(vec![
            reference(2, "User", Some("Babs")),
            reference(3, "Group", None),
        ]),
        ..stored(
            &group,
            &format!(r#"{{"schemas":["{core}"],"displayName":"Staff"}}"#),
        )
    };
    let babs = Stored {
        groups: Some(vec![reference(1, "Group", Some("Staff"))]),
        ..stored(
            &user,
            r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"babs"}"#,
        )
    };
    let id = Uuid::from_u128(2);
    for (stored, resource_type, filter, expected) in [
        (&staff, &group, format!(r#"members eq "{id}""#), true),
        (
            &staff,
            &group,
            format!(r#"members[value eq "{id}" and type eq "user"]"#),
            true,
        ),
        (
            &staff,
            &group,
            format!(r#"members[value eq "{id}" and type eq "Group"]"#),
            false,
        ),
        (&staff, &group, r#"members.display eq "BABS""#.to_owned(), true),
        (
            &staff,
            &group,
            format!(r#"members.$ref eq "https://h/v2/Users/{id}""#),
            true,
        ),
        (
            &staff,
            &group,
            "members[type eq \"Group\" and display pr]".to_owned(),
            false,
        ),
        (&staff, &group, "members pr".to_owned(), true),
        (&staff, &group, format!(r#"schemas eq "{core}""#), true),
        (&staff, &group, r#"meta.version eq "W/\"3\"""#.to_owned(), true),
        (
            &staff,
            &group,
            r#"meta.created eq "1970-01-01T00:00:00Z""#.to_owned(),
            true,
        ),
        (
            &babs,
            &user,
            format!(r#"groups.value eq "{}""#, Uuid::from_u128(1)),
            true,
        ),
        (
            &babs,
            &user,
            r#"groups[display eq "staff" and type eq "direct"]"#.to_owned(),
            true,
        ),
        (
            &babs,
            &user,
            format!(r#"groups.$ref eq "https://h/v2/Groups/{}""#, Uuid::from_u128(1)),
            true,
        ),
        (&babs, &user, r#"groups.type eq "indirect""#.to_owned(), false),
    ] {
        let condition = Condition::resolve(&parse(&filter), resource_type, LENIENT).unwrap();
        let subject = Subject::of_stored(stored, resource_type, &registry, "https://h/v2", &[]).unwrap();
        assert_eq!(condition.matches(&subject), expected, "{filter}");
    }
}

/// RFC 7644 section 3.4.2.2: comparisons use the value that a client was last shown.
#[test]
fn a_reference_is_compared_with_the_values_that_it_shows() {
    const MANAGER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager";
    let registry = SchemaRegistry::builtin();
    let user = registry.resource_type("User").unwrap();
    let [boss, group] = [1, 2].map(Uuid::from_u128);
    let references = [(boss, "User"), (group, "Group")].map(|(id, resource_type)| Reference {
        id,
        resource_type: resource_type.into(),
        display: Some("The Boss".to_owned()),
    });
    for (manager, is_shown) in [
        (boss.to_string(), true),
        (Uuid::from_u128(3).to_string(), false),
        // Not a user.
        (group.to_string(), false),
        // Not the spelling of an id.
        (boss.simple().to_string(), false),
        ("26118915".to_owned(), false),
    ] {
        let document = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": "babs",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"manager": {"value": manager}},
        });
        let stored = stored(user, &document.to_string());
        let subject = Subject::of_stored(&stored, user, &registry, "https://h/v2", &references).unwrap();
        for filter in [
            "M.displayName eq \"the boss\"".to_owned(),
            "M[displayName sw \"THE\"]".to_owned(),
            "M.displayName pr".to_owned(),
            format!("M.$ref eq \"https://h/v2/Users/{boss}\""),
        ] {
            let condition = Condition::resolve(&parse(&filter.replace('M', MANAGER)), user, LENIENT).unwrap();
            assert_eq!(condition.matches(&subject), is_shown, "{filter} of {manager}");
        }
    }
}

#[test]
fn a_patch_path_selects_values_of_a_document() {
    let selects = |path: &str, element: Value| {
        let PatchPath::Value { value_path, .. } = PatchPath::parse(path).unwrap() else {
            panic!("{path}")
        };
        let attribute = user_type().resolve(&value_path.path).unwrap();
        ElementCondition::resolve(&value_path.filter, &attribute, &Tolerances::new(LENIENT))
            .unwrap()
            .matches_json(&element)
    };
    let work = json!({"type": "Work", "value": "B@example.com"});
    assert!(selects(r#"emails[type eq "work"]"#, work.clone()));
    assert!(selects(
        r#"emails[type eq "work" and value sw "b@"].display"#,
        work.clone()
    ));
    assert!(selects(r#"emails[not (primary eq true)]"#, work.clone()));
    assert!(selects(r#"emails[primary eq "False"]"#, work.clone()));
    assert!(!selects(r#"emails[type eq "home"]"#, work.clone()));
    assert!(!selects("emails[display pr]", work));
    assert!(selects(r#"emails[display eq null]"#, json!({"display": null})));
    assert!(selects(
        &format!(r#"{GADGET}:tags[value eq "RED"]"#),
        json!("red")
    ));
    assert!(selects(&format!("{GADGET}:scores[value ge 10]"), json!(10)));
    assert!(!selects(&format!("{GADGET}:scores[value gt 10]"), json!(10)));

    let PatchPath::Value { value_path, .. } = PatchPath::parse(r#"emails[nosuch eq "x"]"#).unwrap() else {
        panic!()
    };
    let attribute = user_type().resolve(&value_path.path).unwrap();
    let error =
        ElementCondition::resolve(&value_path.filter, &attribute, &Tolerances::new(LENIENT)).unwrap_err();
    assert_eq!(error.scim_type(), Some(ScimType::InvalidFilter));
    assert!(error.detail.contains("`nosuch`"), "{}", error.detail);
}

#[test]
fn a_resolved_filter_has_no_ne_no_null_and_folded_operands() {
    let shown = |filter: &str| match user_condition(filter) {
        Condition::Not(inner) => match *inner {
            Condition::Attribute(path, test) => format!("not {path} {test:?}"),
            other => panic!("{other:?}"),
        },
        Condition::Attribute(path, test) => format!("{path} {test:?}"),
        other => panic!("{other:?}"),
    };
    let eq = |key: &str| format!("{:?}", Test::Eq(Operand::Key(key.into())));
    assert_eq!(
        shown(r#"USERNAME ne "Straße""#),
        format!("not userName {}", eq("strasse"))
    );
    assert_eq!(shown(r#"emails eq "X""#), format!("emails.value {}", eq("x")));
    assert_eq!(shown("title eq null"), r#"not title Ge("")"#);
    assert_eq!(shown("title ne null"), r#"title Ge("")"#);
    assert_eq!(shown("active eq null"), "not active Present");
    assert_eq!(shown(r#"not (not (title co ""))"#), r#"title Ge("")"#);
    assert_eq!(shown("emails ne null"), "emails Present");
    assert_eq!(
        shown(r#"meta.created le "2024-01-01T01:00:00+01:00""#),
        r#"meta.created Le("2024-01-01T00:00:00.000Z")"#
    );
}

#[test]
fn the_normal_form_has_keys_and_schemas_and_no_empty_values() {
    let normal = user_document().normal_form(&user_type());
    assert_eq!(
        normal["schemas"],
        json!(["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE, GADGET])
    );
    assert_eq!(normal["userName"], "bjensen");
    assert_eq!(normal["externalId"], "Ext-1");
    assert_eq!(normal["nickName"], "");
    assert_eq!(
        normal["emails"][0],
        json!({"type": "work", "value": "b@example.com", "primary": true})
    );
    assert_eq!(
        normal[ENTERPRISE],
        json!({"department": "tours", "manager": {"value": "m1"}})
    );
    assert_eq!(normal[GADGET]["made"], "2024-03-10T12:00:00.000Z");
    assert_eq!(
        normal[GADGET]["level"],
        Value::from(scim_model::internal::key::number("3").unwrap())
    );
    for absent in ["photos", "title", "nosuch", "password"] {
        assert_eq!(normal.get(absent), None, "{absent}");
    }
    let plain = Document::from_values(json!({"displayName": "Staff"}).as_object().unwrap().clone());
    assert_eq!(
        Value::Object(plain.normal_form(&all_types()[1])),
        json!({"displayName": "staff", "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"]}),
    );
}

#[test]
fn r7644_3_4_2_3_02_sorting_takes_the_primary_value_or_the_first() {
    let user = Arc::new(user_type());
    let key = |sort_by: &str, document: Value| {
        let paths = resolve_sort_by(&AttrPath::parse(sort_by).unwrap(), std::slice::from_ref(&user)).unwrap();
        let normal = Document::from_values(document.as_object().unwrap().clone()).normal_form(&user);
        sort_key(paths[0].as_ref().unwrap(), &normal)
    };
    let emails = json!({"emails": [{"value": "A@x"}, {"value": "b@x", "primary": true}], "active": true, "userName": "BOB"});
    assert_eq!(key("emails.value", emails.clone()).as_deref(), Some("b@x"));
    assert_eq!(key("emails", emails.clone()).as_deref(), Some("b@x"));
    assert_eq!(key("emails.type", emails.clone()), None);
    assert_eq!(key("USERNAME", emails.clone()).as_deref(), Some("bob"));
    assert_eq!(key("active", emails.clone()).as_deref(), Some("true"));
    assert_eq!(key("name.familyName", emails), None);
    assert_eq!(
        key("emails", json!({"emails": [{"value": "Z@x"}, {"value": "a@x"}]})).as_deref(),
        Some("z@x")
    );
    assert_eq!(
        key(
            &format!("{GADGET}:tags"),
            json!({GADGET: {"tags": ["Red", "blue"]}})
        )
        .as_deref(),
        Some("red")
    );
    assert!(
        key(&format!("{GADGET}:level"), json!({GADGET: {"level": 9}}))
            < key(&format!("{GADGET}:level"), json!({GADGET: {"level": 10}}))
    );
}

#[test]
fn a_18_attributes_without_an_order_are_refused() {
    let types = all_types();
    let refusal = |sort_by: &str, types: &[Arc<ResourceType>]| {
        let error = resolve_sort_by(&AttrPath::parse(sort_by).unwrap(), types).unwrap_err();
        assert_eq!(error.scim_type(), Some(ScimType::InvalidValue), "{sort_by}");
        assert!(error.detail.contains(&format!("`{sort_by}`")), "{}", error.detail);
        assert_eq!(error.path.as_deref(), Some(sort_by));
    };
    for sort_by in [
        "nosuch",
        "name",
        "meta",
        "addresses",
        "password",
        "emails.nosuch",
        "groups",
        "groups.display",
    ] {
        refusal(sort_by, &types[..1]);
    }
    refusal("members.value", &types);
    refusal("userName", &types[1..]);
    let paths = resolve_sort_by(&AttrPath::parse("userName").unwrap(), &types).unwrap();
    assert_eq!(
        paths.iter().map(Option::is_some).collect::<Vec<_>>(),
        [true, false]
    );
}

/// Whether each filter matches the user below.
fn check(cases: &[(&str, bool)]) {
    let user = user_type();
    let subject = Subject::of_resource(user_resource().as_object().unwrap(), &user);
    for (filter, expected) in cases {
        let condition = Condition::resolve(&parse(filter), &user, LENIENT)
            .unwrap_or_else(|error| panic!("{filter}: {error}"));
        assert_eq!(condition.matches(&subject), *expected, "{filter}");
    }
}

/// Checks that a filter on users is refused for the attribute, and returns the detail.
fn refused(filter: &str, attribute: &str) -> String {
    let error = Condition::resolve(&parse(filter), &user_type(), LENIENT).unwrap_err();
    assert_eq!(error.scim_type(), Some(ScimType::InvalidFilter), "{filter}");
    assert!(
        error.path.unwrap().contains(attribute),
        "{filter}: {}",
        error.detail
    );
    error.detail
}

fn user_condition(filter: &str) -> Condition {
    Condition::resolve(&parse(filter), &user_type(), LENIENT).unwrap()
}

fn parse(filter: &str) -> Filter {
    Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}"))
}

fn stored(resource_type: &ResourceType, document: &str) -> Stored {
    Stored {
        resource_type: resource_type.name.clone(),
        id: Uuid::from_u128(1),
        version: 3,
        created: DateTime::UNIX_EPOCH,
        last_modified: DateTime::UNIX_EPOCH,
        document: document.to_owned(),
        members: None,
        rest_of_members: None,
        groups: None,
    }
}

fn all_types() -> Vec<Arc<ResourceType>> {
    SchemaRegistry::builtin().resource_types
}

/// User with an extension that has an attribute of every type.
fn user_type() -> ResourceType {
    let attribute = |name: &str, type_: &str| json!({"name": name, "type": type_});
    let several = |name: &str, type_: &str| json!({"name": name, "type": type_, "multiValued": true});
    let gadget = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
        "id": GADGET,
        "name": "Gadget",
        "attributes": [
            attribute("level", "integer"),
            attribute("rating", "decimal"),
            attribute("made", "dateTime"),
            attribute("broken", "boolean"),
            attribute("lost", "boolean"),
            several("tags", "string"),
            several("scores", "integer"),
            {"name": "pin", "mutability": "writeOnly", "returned": "never"},
            {"name": "secret", "returned": "never"},
            {"name": "case", "type": "complex", "subAttributes": [
                attribute("colour", "string"),
                {"name": "key", "returned": "never"},
            ]},
            {"name": "cover", "type": "complex", "subAttributes": [
                attribute("colour", "string"),
                attribute("primary", "boolean"),
            ]},
            {"name": "doors", "type": "complex", "multiValued": true, "subAttributes": [
                attribute("value", "string"),
                attribute("open", "boolean"),
            ]},
        ],
    });
    let user = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "name": "User",
        "endpoint": "/Users",
        "schema": "urn:ietf:params:scim:schemas:core:2.0:User",
        "schemaExtensions": [{"schema": ENTERPRISE, "required": false}, {"schema": GADGET, "required": false}],
    });
    let files = [gadget, user].map(|it| (it["name"].to_string(), it.to_string()));
    let registry = SchemaRegistry::load(&files).unwrap();
    ResourceType::clone(registry.resource_type("User").unwrap())
}

fn user_document() -> Document {
    let document = json!({
        "userName": "BJensen",
        "externalId": "Ext-1",
        "name": {"familyName": "Jensen", "givenName": "Barbara", "middleName": null},
        "displayName": "Babs_Jensen 100% \\o/",
        "nickName": "",
        "profileUrl": "https://example.com/B",
        "active": true,
        "emails": [
            {"type": "work", "value": "b@example.com", "primary": true},
            {"type": "home", "value": "B@home.example"},
        ],
        "roles": [{"value": "admin"}],
        "photos": [],
        "x509Certificates": [{"value": "QUJDRA=="}],
        ENTERPRISE: {"department": "Tours", "manager": {"value": "m1"}},
        GADGET: {
            "level": 3,
            "rating": 0.1,
            "made": "2024-03-10T13:00:00+01:00",
            "broken": false,
            "tags": ["red", "blue"],
            "scores": [-5, 10],
            "secret": "open sesame",
            "cover": {"colour": "red"},
            "doors": [{"value": "front"}],
        },
    });
    Document::from_values(document.as_object().unwrap().clone())
}

fn user_resource() -> Value {
    let mut resource = Value::Object(user_document().into_values());
    resource["schemas"] = json!(["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE, GADGET]);
    resource["id"] = "0190c9a0-0000-7000-8000-000000000001".into();
    resource["meta"] = json!({
        "resourceType": "User",
        "created": "2024-01-01T08:00:00Z",
        "lastModified": "2024-01-02T08:00:00Z",
        "location": "https://example.com/v2/Users/0190c9a0-0000-7000-8000-000000000001",
        "version": "W/\"5\"",
    });
    resource
}
