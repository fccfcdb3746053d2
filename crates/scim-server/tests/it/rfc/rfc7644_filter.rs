//! RFC 7644 section 3.4.2.2: filters, shown by the resources that they match.

use serde_json::{Value, json};

use super::client::*;
use super::tenants::{staff_tenant, strict_tenant, tenant};

/// A tenant with a few users who differ in every attribute that the filters name.
fn people() -> Client {
    let client = tenant();
    client.user_with("ann", &json!({
        "externalId": "E-1", "title": "Chief", "displayName": "Ann Smith", "userType": "Employee",
        "name": {"givenName": "Ann", "familyName": "Smith"},
        "emails": [{"type": "work", "value": "a@x"}, {"type": "home", "value": "b@y"}, {"value": "ann@z.example.com"}],
        ENTERPRISE: {"department": "Tour", "manager": {"value": "26118915-6090-4610-87e4-49d8ca9f808d"}},
    }));
    client.user_with(
        "bob",
        &json!({
            "externalId": "e-1", "displayName": "Bob 100%_", "active": false, "userType": "Intern",
            "emails": [{"type": "work", "value": "b@y"}, {"type": "home", "value": "a@x"}],
        }),
    );
    client.user_with(
        "Cleo",
        &json!({"title": "", "name": {"familyName": "Ng"}, "nickName": "ann"}),
    );
    client
}

fn check(client: &Client, cases: &[(&str, &[&str])]) {
    for (filter, expected) in cases {
        assert_eq!(&client.users(filter), expected, "{filter}");
    }
}

/// 7644-3.4.2-01
#[test]
fn one_type_or_all_types_can_be_queried() {
    let client = people();
    let ann = client.get("/Users?filter=userName+eq+%22ann%22").expect(200);
    let ann = ann.resources()[0]["id"].as_str().expect("an id").to_owned();
    let g = client.group("Ann Smith", &[&ann]);
    client.group("other", &[&ann]);
    let filter = r#"displayName eq "ann smith""#;
    let body = json!({"schemas": [SEARCH_REQUEST], "filter": filter});
    for (answer, ids) in [
        (
            client.get(&format!("/Users{}", query(&[("filter", filter)]))),
            vec![&ann],
        ),
        (
            client.get(&format!("/Groups{}", query(&[("filter", filter)]))),
            vec![&g],
        ),
        (client.post("/Users/.search", &body), vec![&ann]),
        (client.post("/Groups/.search", &body), vec![&g]),
        (client.post("/.search", &body), vec![&ann, &g]),
    ] {
        let answer = answer.expect(200);
        assert_eq!(answer.body["schemas"], json!([LIST_RESPONSE]));
        assert_eq!(answer.body["totalResults"], ids.len());
        let found: Vec<&Value> = answer.resources().iter().map(|it| &it["id"]).collect();
        assert_eq!(found, ids);
    }
    // A request for one resource returns the resource itself, not a list.
    let one = client.now(&format!("/Users/{ann}?attributes=displayName"));
    assert_eq!(
        one,
        json!({"schemas": [USER, ENTERPRISE], "id": ann, "displayName": "Ann Smith"})
    );
    // The base URI accepts no query by GET (A-20).
    for path in ["", "/", "?filter=active+pr", "/?filter=active+pr", "?count=1"] {
        client.get(path).expect_error(501, "");
    }
}

/// 7644-3.4.2.2-02
#[test]
fn only_matches_are_returned_and_counted() {
    let client = people();
    let answer = client
        .get(&format!("/Users{}", query(&[("filter", "active eq false")])))
        .expect(200);
    assert_eq!(answer.body["totalResults"], 1);
    assert_eq!(answer.names(), ["bob"]);
    assert_eq!(answer.body["schemas"], json!([LIST_RESPONSE]));
}

/// 7644-3.4.2.2-03
#[test]
fn names_and_operators_are_case_insensitive() {
    let client = people();
    check(
        &client,
        &[
            (r#"userName Eq "ann""#, &["ann"]),
            (r#"USERNAME eq "ann""#, &["ann"]),
            (r#"TITLE PR AND Name.FamilyName SW "s""#, &["ann"]),
            (r#"Emails[TYPE Eq "work" And VALUE cO "@x"]"#, &["ann"]),
            (r#"NOT (active eq TRUE) OR username EQ "ann""#, &["ann", "bob"]),
        ],
    );
    for (operator, expected) in [
        ("eq", &["ann"][..]),
        ("ne", &["Cleo", "bob"]),
        ("co", &["ann"]),
        ("sw", &["ann"]),
        ("ew", &["ann"]),
        ("gt", &["Cleo", "bob"]),
        ("ge", &["Cleo", "ann", "bob"]),
        ("lt", &[]),
        ("le", &["ann"]),
    ] {
        let mixed = format!("{}{}", operator[..1].to_uppercase(), &operator[1..]);
        for operator in [operator, &operator.to_uppercase(), &mixed] {
            check(&client, &[(&format!(r#"UserName {operator} "ann""#), expected)]);
        }
    }
}

/// 7644-3.4.2.2-04
#[test]
fn incomplete_filters_are_refused() {
    let client = people();
    for filter in [
        "",
        " ",
        "userName",
        "userName eq",
        r#"eq "a""#,
        r#""a""#,
        "userName pr pr",
        r#"userName eq "a" and"#,
        r#"and userName eq "a""#,
        "()",
        "not",
    ] {
        client.refused_filter("/Users", filter);
        let body = json!({"schemas": [SEARCH_REQUEST], "filter": filter});
        client
            .post("/Users/.search", &body)
            .expect_error(400, "invalidFilter");
    }
}

/// 7644-3.4.2.2-05, 7644-3.4.2.2-14
#[test]
fn expressions_combine() {
    check(
        &people(),
        &[
            (
                r#"(userName eq "ann" or userName eq "bob") and not (title pr)"#,
                &["bob"],
            ),
            (r#"userName eq "ann" and active eq true"#, &["ann"]),
            (r#"userName eq "ann" and active eq false"#, &[]),
            (r#"userName eq "bob" and active eq true"#, &[]),
            (r#"userName eq "none" and active eq true"#, &[]),
            (r#"userName eq "ann" or active eq false"#, &["ann", "bob"]),
            (r#"userName eq "none" or active eq false"#, &["bob"]),
            (r#"userName eq "none" or userName eq "nobody""#, &[]),
            (r#"userName eq "bob" or active eq false"#, &["bob"]),
            (r#"not (userName eq "ann")"#, &["Cleo", "bob"]),
            (r#"not (not (userName eq "ann"))"#, &["ann"]),
            (r#"((((userName eq "ann"))))"#, &["ann"]),
        ],
    );
}

/// 7644-3.4.2.2-06
#[test]
fn eq_follows_type_and_case_exact() {
    check(
        &people(),
        &[
            (r#"userName eq "ANN""#, &["ann"]),
            (r#"externalId eq "E-1""#, &["ann"]),
            (r#"externalId eq "e-1""#, &["bob"]),
            ("active eq true", &["Cleo", "ann"]),
            (r#"active eq "False""#, &["bob"]),
            ("nickName eq null", &["ann", "bob"]),
        ],
    );
    let client = staff_tenant();
    client.user_with("a", &json!({STAFF: {"floor": 1, "height": 1}}));
    for filter in ["height eq 1", "height eq 1.0", "height eq 10e-1", "floor eq 1"] {
        assert_eq!(client.users(&format!("{STAFF}:{filter}")), ["a"], "{filter}");
    }
}

/// 7644-3.4.2.2-07
#[test]
fn ne_is_not_eq() {
    check(
        &people(),
        &[
            (r#"title ne "Chief""#, &["Cleo", "bob"]),
            (r#"userName ne "ANN""#, &["Cleo", "bob"]),
            // On several values, `ne` matches if none is equal (A-04).
            (r#"emails.value ne "b@y""#, &["Cleo"]),
            (r#"emails[value ne "b@y"]"#, &["ann", "bob"]),
            ("nickName ne null", &["Cleo"]),
        ],
    );
}

/// 7644-3.4.2.2-08
#[test]
fn co_matches_any_part() {
    check(
        &people(),
        &[
            (r#"displayName co "mit""#, &["ann"]),
            (r#"displayName co "SMITH""#, &["ann"]),
            (r#"displayName co "%""#, &["bob"]),
            (r#"displayName co "_""#, &["bob"]),
            (r#"displayName co "0%_""#, &["bob"]),
            (r#"externalId co "E""#, &["ann"]),
        ],
    );
}

/// 7644-3.4.2.2-09
#[test]
fn sw_matches_the_beginning() {
    check(
        &people(),
        &[
            (r#"userName sw "an""#, &["ann"]),
            (r#"userName sw "ann""#, &["ann"]),
            (r#"userName sw "nn""#, &[]),
            (r#"userName sw "annn""#, &[]),
            (r#"displayName sw "%""#, &[]),
        ],
    );
}

/// 7644-3.4.2.2-10
#[test]
fn ew_matches_the_end() {
    check(
        &people(),
        &[
            (r#"userName ew "EO""#, &["Cleo"]),
            (r#"userName ew "cleo""#, &["Cleo"]),
            (r#"userName ew "cle""#, &[]),
            (r#"emails.value ew "@x""#, &["ann", "bob"]),
        ],
    );
}

/// 7644-3.4.2.2-11
#[test]
fn pr_asks_for_a_value_that_is_not_empty() {
    let client = people();
    client.user_with(
        "dan",
        &json!({"title": null, "emails": [], "name": {}, ENTERPRISE: {"department": null}}),
    );
    check(
        &client,
        &[
            ("title pr", &["ann"]),
            ("emails pr", &["ann", "bob"]),
            ("name pr", &["Cleo", "ann"]),
            ("name.givenName pr", &["ann"]),
            ("emails.type pr", &["ann", "bob"]),
            (&format!("{ENTERPRISE}:department pr"), &["ann"]),
            (&format!("{ENTERPRISE}:manager pr"), &["ann"]),
            (
                "id pr and meta pr and schemas pr and meta.created pr",
                &["Cleo", "ann", "bob", "dan"],
            ),
        ],
    );
    // An empty string is stored, although `pr` does not match it (A-07).
    let answer = client
        .get(&format!(
            "/Users{}",
            query(&[("filter", r#"userName eq "cleo""#)])
        ))
        .expect(200);
    assert_eq!(answer.resources()[0]["title"], "");
}

/// 7644-3.4.2.2-12
#[test]
fn comparison_follows_the_type() {
    let client = people();
    check(
        &client,
        &[
            (r#"userName gt "ANN""#, &["Cleo", "bob"]),
            (r#"userName ge "bob""#, &["Cleo", "bob"]),
            (r#"userName lt "b""#, &["ann"]),
            (r#"userName le "BOB""#, &["ann", "bob"]),
            (r#"title gt "a""#, &["ann"]),
            (r#"externalId gt "a""#, &["bob"]),
            (
                r#"meta.lastModified gt "2011-05-13T04:42:34Z""#,
                &["Cleo", "ann", "bob"],
            ),
            (r#"meta.created lt "2011-05-13T04:42:34Z""#, &[]),
        ],
    );
    let made = client.create("/Users", &user("zoe"));
    let created = made.body["meta"]["created"].as_str().expect("a date");
    // The same instant in another time zone is neither earlier nor later.
    let hour: u32 = created[11..13].parse().expect("an hour");
    if hour < 23 {
        let east = format!("{}T{:02}{}+01:00", &created[..10], hour + 1, &created[13..23]);
        assert_eq!(
            client.users(&format!(
                r#"meta.created ge "{east}" and meta.created le "{east}""#
            )),
            ["zoe"]
        );
    }
    let client = staff_tenant();
    for (name, floor, height) in [("two", 2, 1.9), ("ten", 10, 1.85), ("minus", -3, 0.5)] {
        client.user_with(name, &json!({STAFF: {"floor": floor, "height": height}}));
    }
    for (filter, expected) in [
        ("floor gt 2", vec!["ten"]),
        ("floor ge 2", vec!["ten", "two"]),
        ("floor lt 0", vec!["minus"]),
        ("height gt 1.85", vec!["two"]),
        ("height le 1.850", vec!["minus", "ten"]),
    ] {
        assert_eq!(client.users(&format!("{STAFF}:{filter}")), expected, "{filter}");
    }
}

/// 7644-3.4.2.2-13
#[test]
fn booleans_and_binaries_have_no_order() {
    let client = people();
    for operator in ["gt", "ge", "lt", "le"] {
        client.refused_filter("/Users", &format!("active {operator} false"));
        client.refused_filter(
            "/Users",
            &format!(r#"x509Certificates.value {operator} "MAAwAA==""#),
        );
        client.refused_filter("/Users", &format!("emails[primary {operator} true]"));
        client.refused_filter("/Users", &format!("title {operator} null"));
    }
}

/// 7644-3.4.2.2-15, 7644-3.4.2.2-16
#[test]
fn conditions_in_brackets_apply_to_one_value() {
    check(
        &people(),
        &[
            (r#"emails[type eq "work" and value eq "b@y"]"#, &["bob"]),
            (r#"emails[type eq "work" and value co "@x"]"#, &["ann"]),
            (
                r#"emails.type eq "work" and emails.value eq "b@y""#,
                &["ann", "bob"],
            ),
            (r#"emails[type eq "home" and not (value eq "a@x")]"#, &["ann"]),
            (
                r#"not (emails[type eq "work" and value eq "b@y"])"#,
                &["Cleo", "ann"],
            ),
            // Entra looks users up in this form (A-56).
            (r#"emails[type eq "work"].value eq "b@y""#, &["bob"]),
        ],
    );
}

/// 7644-3.4.2.2-17
#[test]
fn brackets_name_sub_attributes_of_their_attribute() {
    let client = people();
    for filter in [
        r#"emails[userName eq "a"]"#,
        r#"emails[name.givenName eq "a"]"#,
        r#"emails[nosuch pr]"#,
        r#"userName[value eq "a"]"#,
        "emails[]",
    ] {
        client.refused_filter("/Users", filter);
    }
}

/// 7644-3.4.2.2-18
#[test]
fn filters_follow_the_grammar() {
    let client = people();
    for filter in [
        r#"userName eq "bjensen""#,
        r#"name.familyName co "O'Malley""#,
        r#"userName sw "J""#,
        r#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J""#,
        "title pr",
        r#"meta.lastModified gt "2011-05-13T04:42:34Z""#,
        r#"meta.lastModified ge "2011-05-13T04:42:34Z""#,
        r#"meta.lastModified lt "2011-05-13T04:42:34Z""#,
        r#"meta.lastModified le "2011-05-13T04:42:34Z""#,
        r#"title pr and userType eq "Employee""#,
        r#"title pr or userType eq "Intern""#,
        r#"schemas eq "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User""#,
        r#"userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")"#,
        r#"userType ne "Employee" and not (emails co "example.com" or emails.value co "example.org")"#,
        r#"userType eq "Employee" and (emails.type eq "work")"#,
        r#"userType eq "Employee" and emails[type eq "work" and value co "@example.com"]"#,
        r#"emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp" and value co "@foo.com"]"#,
        r#"not(title pr)"#,
        r#"userName  eq  "x""#,
    ] {
        client.users(filter);
    }
    check(
        &client,
        &[
            (
                r#"userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")"#,
                &["ann"],
            ),
            (r#"title pr or userType eq "Intern""#, &["ann", "bob"]),
        ],
    );
    for filter in [
        r#"(userName eq "a""#,
        r#"userName eq "a")"#,
        r#"emails[type eq "work""#,
        r#"userName eq "a" x"#,
        r#"userName = "a""#,
        r#"userName == "a""#,
        r#"userName eq "a"#,
        r#"userName eq "a" && title pr"#,
        r#"userName.x.y eq "a""#,
        "not title pr",
    ] {
        client.refused_filter("/Users", filter);
    }
}

/// 7644-3.4.2.2-19
#[test]
fn compared_values_are_json() {
    let client = tenant();
    client.user_with("a\"b", &json!({"title": "é\\/\t"}));
    check(
        &client,
        &[
            (r#"userName eq "a\"b""#, &["a\"b"]),
            (r#"userName eq "\u0061\u0022b""#, &["a\"b"]),
            (r#"title eq "\u00e9\\\/\t""#, &["a\"b"]),
            ("active eq true", &["a\"b"]),
            ("title eq null", &[]),
        ],
    );
    let strict = strict_tenant();
    for filter in [
        r#"userName eq "\x""#,
        r#"userName eq "\ud800""#,
        "userName eq {}",
        "userName eq []",
        "userName eq 01",
        "active eq 1",
        "title eq 5",
        "title eq true",
    ] {
        strict.refused_filter("/Users", filter);
    }
    client.refused_filter("/Users", r#"userName eq "\x""#);
    client.refused_filter("/Users", "userName eq [x]");
    // By default a bare word is a string, because some clients send one (A-12).
    assert!(client.users("userName eq alice").is_empty());
    strict.refused_filter("/Users", "userName eq alice");
    strict.refused_filter("/Users", "userName eq 'alice'");
}

/// 7644-3.4.2.2-20, 7644-3.10-01, 7644-3.10-02, 7644-3.10-03
#[test]
fn attributes_may_have_a_urn_prefix() {
    let client = people();
    let manager = "26118915-6090-4610-87e4-49d8ca9f808d";
    check(
        &client,
        &[
            (&format!(r#"{USER}:userName eq "ann""#), &["ann"]),
            (&format!(r#"{USER}:name.familyName eq "smith""#), &["ann"]),
            (&format!(r#"{}:USERNAME eq "ann""#, USER.to_uppercase()), &["ann"]),
            (&format!(r#"{ENTERPRISE}:manager.value eq "{manager}""#), &["ann"]),
            (
                &format!(r#"{}:Department sw "to""#, ENTERPRISE.to_uppercase()),
                &["ann"],
            ),
            (
                &format!(r#"{USER}:emails[type eq "work" and value eq "a@x"]"#),
                &["ann"],
            ),
        ],
    );
    let path = format!(
        "/Users/{}",
        client
            .get(&format!("/Users{}", query(&[("filter", r#"userName eq "ann""#)])))
            .resources()[0]["id"]
            .as_str()
            .expect("an id")
    );
    client
        .patch(
            &path,
            &json!([{"op": "replace", "path": format!("{USER}:name.givenName"), "value": "Anna"}]),
        )
        .expect(200);
    let read = client.now(&format!(
        "{path}?attributes={USER}:name.givenName,{}:DEPARTMENT",
        ENTERPRISE.to_uppercase()
    ));
    assert_eq!(read["name"], json!({"givenName": "Anna"}));
    assert_eq!(read[ENTERPRISE], json!({"department": "Tour"}));
    assert_eq!(keys(&read), ["id", "name", "schemas", ENTERPRISE]);
    let sorted = client
        .get(&format!("/Users?sortBy={USER}:name.familyName"))
        .expect(200);
    assert_eq!(sorted.names(), ["Cleo", "ann", "bob"]);
    client
        .get(&format!("/Users?sortBy={ENTERPRISE}:department"))
        .expect(200);
}

/// 7644-3.10-01, 7644-3.10-03
#[test]
fn qualified_names_are_case_insensitive() {
    let client = people();
    let upper = |urn: &str, name: &str| format!("{}:{}", urn.to_uppercase(), name.to_uppercase());
    let ann = client.get("/Users?filter=userName+eq+%22ann%22").expect(200);
    let path = format!("/Users/{}", ann.resources()[0]["id"].as_str().expect("an id"));
    let operations = json!([
        {"op": "replace", "path": upper(USER, "name.givenName"), "value": "Anna"},
        {"op": "replace", "path": upper(ENTERPRISE, "department"), "value": "New"},
        {"op": "add", "value": {(upper(ENTERPRISE, "division")): "D"}},
    ]);
    let changed = client.patch(&path, &operations).expect(200).body;
    assert_eq!(
        changed["name"],
        json!({"givenName": "Anna", "familyName": "Smith"})
    );
    assert_eq!(changed[ENTERPRISE]["department"], "New");
    assert_eq!(changed[ENTERPRISE]["division"], "D");
    let mut body = user("ann");
    body["schemas"] = json!([USER.to_uppercase(), ENTERPRISE.to_uppercase()]);
    body[ENTERPRISE.to_uppercase()] = json!({"DEPARTMENT": "X"});
    let replaced = client.put(&path, &body).expect(200).body;
    assert_eq!(replaced[ENTERPRISE], json!({"department": "X"}));
    assert_eq!(replaced["schemas"], json!([USER, ENTERPRISE]));
    let sorted = client
        .get(&format!(
            "/Users?sortBy={}&sortOrder=descending",
            upper(USER, "userName")
        ))
        .expect(200);
    assert_eq!(sorted.names(), ["Cleo", "bob", "ann"]);
    let excluded = upper(ENTERPRISE, "department");
    assert!(
        client
            .now(&format!("{path}?excludedAttributes={excluded}"))
            .get(ENTERPRISE)
            .is_none()
    );
    check(
        &client,
        &[(&format!("{} eq \"x\"", upper(ENTERPRISE, "department")), &["ann"])],
    );
}

/// 7644-3.4.2.2-21
#[test]
fn brackets_do_not_nest_but_parentheses_in_them_do() {
    let client = people();
    client.refused_filter("/Users", r#"emails[type eq "w" and x[y eq 1]]"#);
    client.refused_filter("/Users", r#"emails[type[value eq "w"]]"#);
    assert_eq!(
        client.users(r#"emails[type eq "other" or (type eq "home" and value ew "@y")]"#),
        ["ann"]
    );
}

/// 7644-3.4.2.2-22
#[test]
fn not_binds_tighter_than_and_than_or() {
    check(
        &people(),
        &[
            // Evaluated from left to right, this filter would match bob alone.
            (
                r#"userName eq "ann" or userName eq "bob" and active eq false"#,
                &["ann", "bob"],
            ),
            (
                r#"(userName eq "ann" or userName eq "bob") and active eq false"#,
                &["bob"],
            ),
            (r#"not (title pr) and active eq false"#, &["bob"]),
            (r#"active eq false and title pr or userName eq "cleo""#, &["Cleo"]),
        ],
    );
}

/// 7644-3.4.2.2-23
#[test]
fn one_matching_value_is_enough() {
    let client = people();
    let answer = client
        .get(&format!(
            "/Users{}",
            query(&[("filter", r#"emails.value pr and emails.value co "@""#)])
        ))
        .expect(200);
    let mut names = answer.names();
    names.sort();
    assert_eq!(names, ["ann", "bob"]);
    assert_eq!(answer.body["totalResults"], 2);
}

/// 7644-3.4.2.2-24
#[test]
fn complex_attributes_are_compared_by_sub_attribute() {
    let client = people();
    check(
        &client,
        &[
            (r#"name.givenName eq "ann""#, &["ann"]),
            ("name pr", &["Cleo", "ann"]),
            (r#"emails eq "b@y""#, &["ann", "bob"]),
        ],
    );
    for filter in [
        r#"name eq "x""#,
        r#"addresses eq "x""#,
        r#"meta eq "x""#,
        r#"name.nosuch eq "x""#,
    ] {
        client.refused_filter("/Users", filter);
    }
}

/// 7644-3.4.2.2-26
#[test]
fn unknown_operators_are_named() {
    let client = tenant();
    let answer = client
        .get(&format!(
            "/Users{}",
            query(&[("filter", r#"userName regex "x""#)])
        ))
        .expect_error(400, "invalidFilter");
    let detail = answer.body["detail"].as_str().expect("a detail");
    assert!(detail.contains("regex"), "{detail}");
}

/// 7644-3.4.2.2-28
#[test]
fn schemas_can_be_filtered_by() {
    check(
        &people(),
        &[
            (&format!(r#"schemas eq "{ENTERPRISE}""#), &["ann"]),
            (&format!(r#"schemas eq "{USER}""#), &["Cleo", "ann", "bob"]),
        ],
    );
}

/// 7644-3.4.2.2-29
#[test]
fn unknown_attributes_are_refused() {
    let client = tenant();
    let answer = client
        .get(&format!("/Users{}", query(&[("filter", r#"nosuch eq "x""#)])))
        .expect_error(400, "invalidFilter");
    assert!(
        answer.body["detail"]
            .as_str()
            .is_some_and(|it| it.contains("nosuch")),
        "{}",
        answer.body
    );
    for filter in [
        "emails.nosuch pr",
        r#"urn:nothing:userName eq "x""#,
        "employeeNumber pr",
        "members pr",
    ] {
        client.refused_filter("/Users", filter);
    }
    client.refused_filter("/Groups", "userName pr");
}

/// 7644-5-01, 7644-7.8-01, 7643-4.1.1-03
#[test]
fn user_names_are_prepared_before_they_are_compared() {
    let client = tenant();
    client.user("Ren\u{e9}");
    client.user("\u{ff41}\u{ff42}");
    client.user("STRASSE");
    assert_eq!(client.users("userName eq \"rene\u{301}\""), ["Ren\u{e9}"]);
    assert_eq!(client.users(r#"userName eq "AB""#), ["\u{ff41}\u{ff42}"]);
    for twin in ["rene\u{301}", "REN\u{c9}", "ab", "AB", "stra\u{df}e"] {
        client.post("/Users", &user(twin)).expect_error(409, "uniqueness");
    }
}

/// 7644-7.8-01
#[test]
fn all_strings_are_prepared_before_they_are_compared() {
    let client = tenant();
    let id = client.user_with(
        "a",
        &json!({
            "externalId": "e\u{301}X", "displayName": "Ren\u{e9}", "emails": [{"value": "rene\u{301}@x"}],
        }),
    );
    let group = client.group("Caf\u{e9}", &[&id]);
    for filter in [
        "externalId eq \"\u{e9}X\"",
        "displayName eq \"RENE\u{301}\"",
        "displayName ew \"e\u{301}\"",
        "emails.value eq \"ren\u{e9}@X\"",
        "emails[value sw \"REN\u{c9}\"]",
        "groups.display eq \"cafe\u{301}\"",
    ] {
        assert_eq!(client.users(filter), ["a"], "{filter}");
    }
    // `externalId` stays case-sensitive in its composed form.
    assert!(client.users("externalId eq \"\u{e9}x\"").is_empty());
    assert_eq!(
        client.found("/Groups", "displayName eq \"CAFE\u{301}\""),
        ["Caf\u{e9}"]
    );
    client
        .post("/Groups", &self::group("cafe\u{301}", &[]))
        .expect_error(409, "uniqueness");
    // The values themselves are stored and returned as they were sent.
    assert_eq!(client.now(&format!("/Users/{id}"))["externalId"], "e\u{301}X");
    assert_eq!(
        client.now(&format!("/Groups/{group}"))["displayName"],
        "Caf\u{e9}"
    );
}

/// 7644-3.4.2.1-01, 7644-3.4.2.1-03
#[test]
fn a_search_at_the_root_covers_all_types() {
    let client = people();
    client.group("Ann's friends", &[]);
    client.group("others", &[]);
    let search = |filter: Value| {
        let mut body = json!({"schemas": [SEARCH_REQUEST]});
        if !filter.is_null() {
            body["filter"] = filter;
        }
        let mut names = client.post("/.search", &body).expect(200).names();
        names.sort();
        names
    };
    assert_eq!(
        search(json!(null)),
        ["Ann's friends", "Cleo", "ann", "bob", "others"]
    );
    assert_eq!(
        search(json!(r#"meta.resourceType eq "Group""#)),
        ["Ann's friends", "others"]
    );
    assert_eq!(search(json!("userName pr")), ["Cleo", "ann", "bob"]);
    assert_eq!(search(json!(r#"displayName sw "ann""#)), ["Ann's friends", "ann"]);
    assert_eq!(search(json!("not (userName pr)")), ["Ann's friends", "others"]);
    assert_eq!(
        search(json!(r#"userName ne "ann""#)),
        ["Ann's friends", "Cleo", "bob", "others"]
    );
    let body = json!({"schemas": [SEARCH_REQUEST], "filter": "nosuch pr"});
    client.post("/.search", &body).expect_error(400, "invalidFilter");
}

/// 7643-2.4-02, 7644-3.4.2.2-27
#[test]
fn groups_and_members_can_be_filtered_by() {
    let client = people();
    let ann = client
        .get(&format!("/Users{}", query(&[("filter", r#"userName eq "ann""#)])))
        .resources()[0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let group = client.group("G", &[&ann]);
    client.group("H", &[]);
    for filter in [
        format!(r#"members eq "{ann}""#),
        format!(r#"members.value eq "{ann}""#),
        format!(r#"members[value eq "{ann}" and type eq "User"]"#),
        "members pr".into(),
        format!(r#"id eq "{group}" and members eq "{ann}""#),
    ] {
        assert_eq!(client.found("/Groups", &filter), ["G"], "{filter}");
    }
    for filter in [
        format!(r#"groups.value eq "{group}""#),
        r#"groups.display eq "g""#.into(),
        "groups pr".into(),
    ] {
        assert_eq!(client.users(&filter), ["ann"], "{filter}");
    }
}
