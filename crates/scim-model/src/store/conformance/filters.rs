//! Filters on attributes, on memberships and on the names that references show.

use serde_json::json;

use super::fixture::{BASE_URL, Case, Fixture, names};
use crate::store::PageRequest;

pub(super) const CASES: &[Case] = cases![
    filters_compare_by_the_type_of_the_attribute,
    filters_match_memberships,
    filters_match_the_names_that_references_show,
    filters_match_id_and_meta,
];

// Table: filters with the users that they match.
fn filters_compare_by_the_type_of_the_attribute(it: &Fixture) {
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
        it.add(&it.user, user, &[]).expect("the name is free");
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
        // `active` is unassigned in "c", and counts as true.
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
        let counted = it.list(&query).total;
        assert_eq!(counted, expected.len() as u64, "{filter}");
    }
}

fn filters_match_memberships(it: &Fixture) {
    let one = it
        .add(
            &it.user,
            json!({"userName": "one", "displayName": "The One"}),
            &[],
        )
        .expect("the name is free");
    let two = it
        .add(&it.user, json!({"userName": "two", "displayName": "Two"}), &[])
        .expect("the name is free");
    let inner = it.add_group("inner", &[one]);
    it.add_group("outer", &[inner, two]);
    it.add_group("none", &[]);
    // A member without a name shows none: user names are no display names.
    it.add_group("nameless", &[it.add_user("unnamed")]);
    for (filter, expected) in [
        (format!("members.value eq \"{one}\""), "inner"),
        (format!("members eq \"{one}\""), "inner"),
        (format!("members ne \"{one}\""), "nameless none outer"),
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
        ("members.display eq \"unnamed\"".to_owned(), ""),
        ("members.display pr".to_owned(), "inner outer"),
        ("members[not (display pr)]".to_owned(), "nameless"),
        ("members.display sw \"inn\"".to_owned(), "outer"),
        ("members pr".to_owned(), "inner nameless outer"),
        ("not (members pr)".to_owned(), "none"),
        ("members eq null".to_owned(), "none"),
        ("members[not (type eq \"User\")]".to_owned(), "outer"),
        (
            format!("not (members[value eq \"{one}\"]) and members pr"),
            "nameless outer",
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
        ("groups pr".to_owned(), "one two unnamed"),
        (format!("groups ne \"{inner}\""), "two unnamed"),
    ] {
        assert_eq!(it.names(&it.user, &filter, "").join(" "), expected, "{filter}");
    }
}

/// RFC 7644 section 3.4.2.2: a filter compares with the values that a client would be shown.
// Table: filters with the users that they match.
fn filters_match_the_names_that_references_show(it: &Fixture) {
    const MANAGER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager";
    let (enterprise, _) = MANAGER.rsplit_once(':').expect("it is a path");
    let boss = it
        .add(
            &it.user,
            json!({"userName": "boss", "displayName": "The Boss"}),
            &[],
        )
        .expect("the name is free");
    let chief = it
        .add(&it.user, json!({"userName": "C", "displayName": "Chief"}), &[])
        .expect("the name is free");
    let nameless = it.add_user("Nameless");
    let long_name = format!("{}z", "y".repeat(1_500));
    let long = it
        .add(
            &it.user,
            json!({"userName": "long", "displayName": long_name}),
            &[],
        )
        .expect("the name is free");
    let group = it.add_group("Guides", &[]);
    let elsewhere = Fixture::new(it.store, "a tenant with another manager").add_user("Chief");
    let gone = it.add_user("gone");
    it.delete(&it.user, gone);
    for (user_name, manager) in [
        ("ann", boss.to_string()),
        ("ben", chief.to_string()),
        ("cid", chief.to_string().to_uppercase()),
        ("deb", long.to_string()),
        ("dot", nameless.to_string()),
        // None of the following is the id of a user of this tenant.
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
        it.add(&it.user, user, &[]).expect("the name is free");
    }
    for (filter, expected) in [
        ("M.displayName eq \"the boss\"".to_owned(), "ann"),
        ("M.displayName eq \"chief\"".to_owned(), "ben cid"),
        ("M.displayName eq \"boss\"".to_owned(), ""),
        ("M.displayName eq \"nameless\"".to_owned(), ""),
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
            "dot eve fay gus hal ina joe kim leo",
        ),
        (
            "M.displayName ne \"chief\" and M pr".to_owned(),
            "ann deb dot eve fay gus hal ina joe kim leo",
        ),
        (
            "M.displayName eq null and not (userName sw \"b\" or M.displayName pr)".to_owned(),
            "C Nameless dot eve fay gus hal ina joe kim leo long",
        ),
        (format!("M.$ref eq \"{BASE_URL}/Users/{chief}\""), "ben cid"),
        (format!("M.$ref eq \"{BASE_URL}/Groups/{group}\""), ""),
        (format!("M.$ref eq \"{BASE_URL}/Users/{gone}\""), ""),
        (format!("M.$ref sw \"{BASE_URL}/Users/\""), "ann ben cid deb dot"),
        (format!("M.$ref ew \"/{boss}\""), "ann"),
        ("M.$ref co \"Groups\"".to_owned(), ""),
        ("M.$ref pr".to_owned(), "ann ben cid deb dot"),
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

    // A filter finds the new name at once.
    it.replace(
        &it.user,
        boss,
        None,
        json!({"userName": "boss", "displayName": "Old Boss"}),
    )
    .expect("it exists");
    for (name, expected) in [("The Boss", ""), ("Old Boss", "ann"), ("boss", "")] {
        let filter = format!("{MANAGER}.displayName eq \"{name}\"");
        assert_eq!(it.names(&it.user, &filter, "").join(" "), expected, "{name}");
    }
}

fn filters_match_id_and_meta(it: &Fixture) {
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
