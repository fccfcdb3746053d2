//! Create, get, update, delete.

use serde_json::json;

use crate::database::{Database, group_type, user_type};

#[test]
fn smoke() {
    let db = Database::sqlite();
    let user = user_type();
    let id = db
        .add(
            &user,
            json!({"userName": "Bjensen", "name": {"familyName": "Jensen"}, "active": true,
        "emails": [{"value": "b@example.com", "type": "work"}, {"value": "h@example.com", "primary": true}]}),
        )
        .unwrap();
    let group = db
        .add_with(&group_type(), json!({"displayName": "Tour Guides"}), vec![id])
        .unwrap();
    let stored = db.read(&user, id).unwrap();
    assert_eq!(stored.version, 1);
    assert_eq!(stored.groups.unwrap()[0].id, group);
    for filter in [
        "userName eq \"bjensen\"",
        "emails.value sw \"b@\"",
        "emails[type eq \"work\" and value co \"example\"]",
        "groups.display eq \"tour guides\"",
        &format!("groups eq \"{group}\""),
        "name.familyName co \"ens\"",
        "not (title pr)",
        "active eq true",
        "meta.created gt \"2020-01-01T00:00:00Z\"",
        "meta.version eq \"W/\\\"1\\\"\"",
        &format!("id eq \"{id}\""),
        &format!("id sw \"{}\"", &id.to_string()[..5]),
        "name pr",
        "emails pr",
        "emails[primary eq true]",
        "emails[primary eq false]",
        "schemas eq \"urn:ietf:params:scim:schemas:core:2.0:User\"",
    ] {
        let page = db.search(&user, filter, Some(("emails", false)));
        assert_eq!((page.total, page.resources.len()), (1, 1), "{filter}");
    }
    let page = db.search(
        &group_type(),
        &format!("members[value eq \"{id}\" and type eq \"User\"]"),
        None,
    );
    assert_eq!(page.total, 1);
    let updated = db
        .replace(&user, id, Some(1), json!({"userName": "bj", "active": false}))
        .unwrap()
        .unwrap();
    assert_eq!(updated.version, 2);
    assert_eq!(db.read(&group_type(), group).unwrap().version, 2);
}
