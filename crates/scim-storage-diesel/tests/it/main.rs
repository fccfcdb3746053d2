//! The store on SQLite, and on PostgreSQL when `SCIM_TEST_POSTGRES_URL` is set.

mod agreement;
mod backup;
mod blocks;
mod database;
mod deletion;
mod feed;
mod history;
mod journal;
mod large_pages;
mod opening;
mod pooler;
mod postgres;
mod presence;
mod races;
mod round_trips;
mod scans;
mod schema;
mod silent;
mod sql;
mod sweep;
mod walks;

use database::on_each;
use scim_model::store::conformance::{self, Fixture};

#[test]
fn the_rules_of_every_store() {
    on_each(|database| conformance::check(&database.store()));
}

/// A client may send 8 KiB, 200 terms and 40 levels; the databases have their own limits.
#[test]
fn the_largest_filters_are_answered() {
    on_each(|database| {
        let store = database.store();
        let it = Fixture::new(&store, "acme");
        let user = serde_json::json!({"userName": "bjensen", "displayName": "Babs"});
        let user = it.add(&it.user, user, &[]).expect("the name is free");
        it.add_group("Guides", &[user]);
        let many = |term: &str, operator: &str, count| vec![term; count].join(operator);
        let nested = |term: &str| format!("{}{term}{}", "not (".repeat(38), ")".repeat(38));
        for (filter, expected) in [
            (many("name pr", " or ", 200), 0),
            (many("addresses pr", " or ", 200), 0),
            (many("not (emails pr)", " and ", 200), 1),
            (many("emails[type pr and not (value co \"x\")]", " or ", 100), 0),
            (many("title ne \"x\"", " and ", 200), 1),
            (many("userName co \"b\"", " and ", 200), 1),
            (many("groups.display co \"g\"", " and ", 200), 1),
            (many("groups.$ref co \"v2\"", " and ", 200), 1),
            (nested("userName co \"b\""), 1),
            (nested("groups.display sw \"guide\""), 1),
            (nested("emails[not (primary eq true)]"), 0),
            (format!("title eq \"{}\"", "ä".repeat(4_000)), 0),
        ] {
            assert_eq!(
                it.search(&it.user, &filter, "title").total,
                expected,
                "{}",
                &filter[..60]
            );
        }
        let members = many("members[display co \"b\" and type eq \"User\"]", " and ", 100);
        assert_eq!(it.search(&it.group, &members, "").total, 1);
    });
}
