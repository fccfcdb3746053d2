//! The SQL of representative queries, and whether the databases use the documented indexes.
//!
//! The expected texts are in `sql/sqlite.txt` and `sql/postgres.txt`. After an intended change, run the
//! test with `SCIM_UPDATE_SQL=1` and review the difference.

use scim_model::store::conformance::Fixture;
use scim_model::store::{PageRequest, Position};

use scim_storage_diesel::StoreOptions;

use crate::database::{filled, of, on_each};

/// Resource type, filter, `sortBy` (`-` is descending).
const QUERIES: &[(char, &str, &str)] = &[
    ('U', "", ""),
    ('U', "", "name.familyName"),
    ('U', "", "-name.familyName"),
    ('U', "", "emails"),
    ('U', "", "title"),
    ('U', "", "id"),
    ('U', "", "-meta.location"),
    ('U', "userName eq \"BJensen\"", ""),
    ('U', "userName eq \"BJensen\"", "title"),
    (
        'U',
        "userName eq \"bjensen\" or emails.value eq \"b@example.com\"",
        "title",
    ),
    (
        'U',
        "active eq true and not (externalId ne \"7\" and groups.value ne \"019283a0-0000-7000-8000-000000000001\")",
        "",
    ),
    ('U', "emails.value eq \"b@example.com\"", "userName"),
    ('U', "userName sw \"bj\" and active eq true", ""),
    ('U', "name.familyName co \"ens\"", ""),
    (
        'U',
        "not (externalId pr) or meta.lastModified gt \"2024-01-01T00:00:00Z\"",
        "",
    ),
    ('U', "title ew \"100%\" and nickName ne \"a'b\"", ""),
    ('U', "emails.value eq \"b@example.com\"", ""),
    ('U', "emails[type eq \"work\" and value ew \"@example.com\"]", ""),
    ('U', "emails[not (primary eq true)]", ""),
    ('U', "addresses pr", ""),
    (
        'U',
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq \"x\"",
        "",
    ),
    (
        'U',
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.displayName sw \"b\"",
        "",
    ),
    (
        'U',
        "",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.displayName",
    ),
    (
        'U',
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.$ref eq \"https://scim.example.com/scim/v2/Users/019283a0-0000-7000-8000-000000000001\"",
        "",
    ),
    ('U', "groups eq \"019283a0-0000-7000-8000-000000000001\"", ""),
    ('U', "groups.display sw \"tour\"", ""),
    (
        'G',
        "members[value eq \"019283a0-0000-7000-8000-000000000001\" and type eq \"User\"]",
        "",
    ),
    (
        'G',
        "members.$ref eq \"https://scim.example.com/scim/v2/Users/019283a0-0000-7000-8000-000000000001\"",
        "",
    ),
    ('G', "members[display eq \"babs\"]", ""),
    ('G', "not (members pr)", ""),
    ('U', "id sw \"0192\" or meta.version eq \"W/\\\"5\\\"\"", ""),
    (
        'U',
        "meta.location eq \"https://scim.example.com/scim/v2/Users/019283a0-0000-7000-8000-000000000001\"",
        "",
    ),
];

#[test]
fn the_text_of_representative_queries() {
    on_each(|database| {
        let store = database.store();
        let it = Fixture::new(&store, "acme");
        let mut text = String::new();
        for (resource_type, filter, sort_by) in QUERIES {
            let resource_type = if *resource_type == 'U' {
                &it.user
            } else {
                &it.group
            };
            let page = PageRequest::Index {
                start_index: 1,
                count: 100,
            };
            let query = it.query(resource_type, filter, sort_by, page);
            text.push_str(&format!("## {} {filter} {sort_by}\n", resource_type.name));
            for explained in store.explain(it.tenant, &query).expect("it explains") {
                text.push_str(&format!("{}\n", explained.sql));
            }
            text.push('\n');
        }
        let name = if database.is_sqlite() {
            "sqlite"
        } else {
            "postgres"
        };
        let path = format!("{}/tests/it/sql/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("SCIM_UPDATE_SQL").is_some() {
            std::fs::write(&path, &text).expect("the file can be written");
        }
        let expected = std::fs::read_to_string(&path).expect("the file is there");
        let advice = format!("in {path}, which this test writes if it runs with SCIM_UPDATE_SQL=1");
        for (found, expected) in text.lines().zip(expected.lines()) {
            assert_eq!(found, expected, "{advice}");
        }
        assert_eq!(text.lines().count(), expected.lines().count(), "{advice}");
    });
}

#[test]
fn documented_indexes_are_used() {
    on_each(|database| {
        let (store, tenant) = filled(database, 5_000, &StoreOptions::default());
        let it = of(&store, tenant);
        for (resource_type, filter, sort_by, index) in [
            ('U', "", "", "resource_list"),
            ('U', "", "userName", "resource_unique"),
            ('U', "", "name.familyName", "resource_family"),
            ('U', "", "-name.familyName", "resource_family"),
            ('U', "", "meta.lastModified", "resource_modified"),
            ('U', "userName eq \"user7\"", "", "resource_unique"),
            ('U', "userName eq \"user7\"", "title", "resource_unique"),
            ('U', "userName sw \"user77\"", "", "resource_unique"),
            (
                'U',
                "id eq \"00000000-0000-0000-0000-000000000007\"",
                "",
                "resource_id",
            ),
            ('U', "externalId eq \"7\"", "", "resource_external"),
            ('U', "displayName eq \"name7\"", "", "resource_display"),
            ('U', "name.familyName eq \"family7\"", "", "resource_family"),
            ('U', "name.familyName sw \"family77\"", "", "resource_family"),
            (
                'U',
                "meta.created lt \"1970-01-01T00:00:00.007Z\"",
                "",
                "resource_created",
            ),
            (
                'U',
                "meta.lastModified lt \"1970-01-01T00:00:00.007Z\"",
                "",
                "resource_modified",
            ),
            ('U', "active eq false", "", "resource_active"),
            ('U', "emails.value eq \"7@example.com\"", "", "attribute_value"),
            (
                'U',
                "emails.value eq \"7@example.com\"",
                "userName",
                "attribute_value",
            ),
            (
                'U',
                "emails[value eq \"7@example.com\" and type eq \"work\"]",
                "",
                "attribute_value",
            ),
            ('U', "phoneNumbers.value sw \"555-77\"", "", "attribute_value"),
            (
                'U',
                "groups.value eq \"00000000-0000-0000-0000-00000000138a\"",
                "",
                "membership",
            ),
            (
                'G',
                "members.value eq \"00000000-0000-0000-0000-000000000007\"",
                "",
                "membership",
            ),
            (
                'G',
                "members[value eq \"00000000-0000-0000-0000-000000000007\" and type eq \"User\"]",
                "",
                "membership",
            ),
        ] {
            let resource_type = if resource_type == 'U' { &it.user } else { &it.group };
            let page = PageRequest::Index {
                start_index: 1,
                count: 100,
            };
            let query = it.query(resource_type, filter, sort_by, page);
            let statements = store.explain(it.tenant, &query).expect("it explains");
            let plan = statements[0].plan.join("\n");
            let index = match index {
                // SQLite names a table by its alias.
                "attribute_value" if database.is_sqlite() => "SEARCH v USING PRIMARY KEY",
                "membership" if database.is_sqlite() => "SEARCH m USING",
                // Both indexes find an id of a type.
                "resource_id" if plan.contains("resource_kind_id") => "resource_kind_id",
                other => other,
            };
            assert!(
                plan.contains(index),
                "{filter} {sort_by} should use {index}:\n{plan}"
            );
            for scan in ["Seq Scan", "SCAN r", "SCAN m", "SCAN v", "SCAN x"] {
                assert!(
                    !plan.contains(scan),
                    "{filter} {sort_by} should not scan:\n{plan}"
                );
            }
            // An index in the order of the result makes sorting unnecessary.
            if filter.is_empty() && !sort_by.starts_with('-') {
                let sorts =
                    plan.contains("USE TEMP B-TREE") || plan.lines().skip(1).any(|it| it.contains("Sort  ("));
                assert!(
                    !sorts || !database.is_sqlite(),
                    "{sort_by} should not sort:\n{plan}"
                );
            }
        }
    });
}

#[test]
fn a_page_far_from_the_beginning_starts_in_the_index() {
    on_each(|database| {
        let (store, tenant) = filled(database, 5_000, &StoreOptions::default());
        let it = of(&store, tenant);
        let both = [it.user.clone(), it.group.clone()];
        for (types, sort_by, key, index) in [
            (&both[..1], "", None, "resource_list"),
            (&both[..1], "name.familyName", Some("family4"), "resource_family"),
            (&both[..1], "-name.familyName", Some("family4"), "resource_family"),
            (&both[..1], "meta.created", Some("4000"), "resource_created"),
            (&both, "displayName", Some("name4"), "resource_display"),
            (&both, "-displayName", Some("name4"), "resource_display"),
            (&both, "meta.lastModified", Some("4000"), "resource_modified"),
            (&both, "externalId", None, "resource_external"),
            (&both, "-displayName", None, "resource_display"),
        ] {
            for backwards in [false, true] {
                let from = Position {
                    target: 0,
                    key: key.map(str::to_owned),
                    row: 4_000,
                    backwards,
                };
                let page = PageRequest::Cursor {
                    from: Some(from),
                    count: 100,
                };
                let query = it.query_over(types, "", sort_by, page);
                let statements = store.explain(it.tenant, &query).expect("it explains");
                // First the rows with the same key after the position, then the rows with later keys.
                for statement in &statements[..if key.is_some() { 2 } else { 1 }] {
                    let plan = statement.plan.join("\n");
                    assert!(plan.contains(index), "{sort_by} should use {index}:\n{plan}");
                    let starts_there = if database.is_sqlite() {
                        plan.contains('>') || plan.contains('<')
                    } else {
                        plan.lines()
                            .any(|it| it.contains("Index Cond") && (it.contains(">") || it.contains("<")))
                    };
                    assert!(starts_there, "{sort_by} should start at the position:\n{plan}");
                    let sorts_keys = if database.is_sqlite() {
                        plan.contains("TEMP B-TREE")
                    } else {
                        // Of each type, no more rows are read than fit on the page.
                        let of_each = if types.len() > 1 { "Append" } else { "Limit" };
                        plan.lines()
                            .skip_while(|it| !it.contains(of_each))
                            .any(|it| it.contains("Sort  ("))
                    };
                    assert!(
                        !sorts_keys,
                        "{sort_by} should come in the order of the index:\n{plan}"
                    );
                }
            }
        }
    });
}

/// A page costs no more than the index entries that it skips.
#[test]
fn an_index_page_far_from_the_beginning_skips_entries_of_an_index() {
    on_each(|database| {
        let store = database.store();
        let tenant = Fixture::new(&store, "acme").tenant;
        database.fill(tenant.0, 5_000);
        drop(store);
        // Documents of a realistic size: with small ones PostgreSQL rightly reads the few pages that hold all of them.
        let long = if database.is_sqlite() {
            "UPDATE resource SET document = printf('{\"title\":\"%1200s\"}', ''); ANALYZE"
        } else {
            "UPDATE resource SET document = '{\"title\":\"' || repeat(' ', 1200) || '\"}'; VACUUM FULL; VACUUM ANALYZE"
        };
        long.split("; ").for_each(|it| database.run(it));
        let store = database.store();
        let it = Fixture {
            tenant,
            ..Fixture::new(&store, "neighbour")
        };
        for (types, filter, sort_by, indexes) in [
            ("U", "", "", &["resource_list"][..]),
            ("U", "userName sw \"user\"", "userName", &["resource_unique"]),
            ("U", "active eq true", "", &["resource_active"]),
            ("U", "", "userName", &["resource_unique"]),
            ("U", "", "-userName", &["resource_unique"]),
            ("U", "", "name.familyName", &["resource_family"]),
            ("U", "", "-meta.lastModified", &["resource_modified"]),
            ("U", "", "id", &["resource_kind_id"]),
            ("UG", "", "", &["resource_list"]),
            ("UG", "", "displayName", &["resource_display", "resource_display"]),
            (
                "UG",
                "",
                "-displayName",
                &["resource_display", "resource_display"],
            ),
            (
                "UG",
                "",
                "meta.created",
                &["resource_created", "resource_created"],
            ),
        ] {
            let types: &[_] = match types {
                "U" => std::slice::from_ref(&it.user),
                _ => &[it.user.clone(), it.group.clone()],
            };
            for start_index in [1, 2_500] {
                let page = PageRequest::Index {
                    start_index,
                    count: 100,
                };
                let query = it.query_over(types, filter, sort_by, page);
                let statements = store.explain(it.tenant, &query).expect("it explains");
                let plan = statements[0].plan.join("\n");
                let (scan, covers) = if database.is_sqlite() {
                    ("SEARCH r USING ", "SEARCH r USING COVERING INDEX ")
                } else {
                    (" on resource r", "Index Only Scan ")
                };
                let scans: Vec<&String> = statements[0].plan.iter().filter(|it| it.contains(scan)).collect();
                let asked = format!("{filter} {sort_by} from {start_index}:\n{plan}");
                assert_eq!(scans.len(), indexes.len(), "{asked}");
                for (scan, index) in scans.iter().zip(indexes) {
                    assert!(scan.contains(covers) && scan.contains(index), "{asked}");
                }
                // PostgreSQL sorts rows with the same key by place: a few at a time, not all of them.
                let sorts = statements[0].plan.iter().any(|it| {
                    let step = it.trim_start_matches([' ', '-', '>']);
                    step.starts_with("Sort  (") || step.contains("TEMP B-TREE")
                });
                assert!(!sorts, "{asked}");
            }
        }
    });
}

/// To show the members of a group, only their rows are read, even if the group is large.
#[test]
fn members_are_found_by_index() {
    on_each(|database| {
        let store = database.store();
        let tenant = Fixture::new(&store, "acme").tenant;
        database.fill(tenant.0, 5_000);
        database.run(
            "INSERT INTO membership (tenant_id, group_pk, joined, member_pk) SELECT tenant_id, 5001, 1000000 + pk, pk \
             FROM resource WHERE kind = 1 AND pk % 500 <> 0",
        );
        database.run(if database.is_sqlite() {
            "ANALYZE"
        } else {
            "VACUUM ANALYZE"
        });
        let it = Fixture {
            tenant,
            ..Fixture::new(&store, "neighbour")
        };
        let first = PageRequest::Index {
            start_index: 1,
            count: 100,
        };
        for filter in ["displayName eq \"group1\"", "displayName sw \"group1\""] {
            let mut query = it.query(&it.group, filter, "", first.clone());
            query.include.members = true;
            let statements = store.explain(it.tenant, &query).expect("it explains");
            let members = statements
                .iter()
                .find(|it| it.sql.contains("m.group_pk, m.joined, x.id"));
            let plan = &members.expect("there are members").plan;
            let one_by_one = if database.is_sqlite() {
                "SEARCH x USING INTEGER PRIMARY KEY (rowid=?)"
            } else {
                "(pk = m.member_pk)"
            };
            assert!(
                plan.iter().any(|it| it.contains(one_by_one)),
                "{filter}: {plan:#?}"
            );
            let is_walk = |it: &&String| it.contains("Seq Scan on resource") || it.starts_with("SCAN x");
            assert_eq!(plan.iter().find(is_walk), None, "{filter}: {plan:#?}");
        }
    });
}

/// The id of a user that `fill` made, and of a group.
const USER: &str = "00000000-0000-0000-0000-000000000007";
const GROUP: &str = "00000000-0000-0000-0000-00000000138a";

#[test]
fn a_selective_condition_does_not_scan_the_tenant() {
    on_each(|database| {
        let (store, tenant) = filled(database, 5_000, &StoreOptions::default());
        let it = of(&store, tenant);
        let user = |filter: &str| (&it.user, filter.replace("USER", USER).replace("GROUP", GROUP));
        let group = |filter: &str| (&it.group, filter.replace("USER", USER));
        let many =
            (1..=5).map(|it| format!("externalId eq \"{it}\" or emails.value eq \"{it}@example.com\""));
        let many = many.collect::<Vec<_>>().join(" or ");
        for (resource_type, filter) in [
            user("userName eq \"user7\""),
            user("id eq \"USER\""),
            user("emails.value eq \"7@example.com\""),
            user("emails[type eq \"work\" and (value eq \"7@example.com\" or value eq \"8@example.com\")]"),
            user("groups.value eq \"GROUP\""),
            user("userName eq \"user7\" or externalId eq \"8\""),
            user("userName eq \"user7\" or userName eq \"user8\" or id eq \"USER\""),
            user("userName eq \"user7\" or emails.value eq \"8@example.com\""),
            user("emails.value eq \"7@example.com\" or phoneNumbers.value eq \"555-8\""),
            user("userName eq \"user7\" or groups.value eq \"GROUP\" or displayName eq \"name8\""),
            user("active eq true and (userName eq \"user7\" or externalId eq \"8\")"),
            user("title co \"a\" and (userName eq \"user7\" or (externalId eq \"8\" and active eq true))"),
            user("(userName eq \"user7\" or externalId eq \"8\") and not (title pr or nickName pr)"),
            user("not (userName ne \"user7\" and emails.value ne \"7@example.com\")"),
            user("groups.value eq \"GROUP\" and emails.value eq \"7@example.com\" and userName sw \"user\""),
            user(&many),
            group("members.value eq \"USER\""),
            group("members.value eq \"USER\" or members.value eq \"00000000-0000-0000-0000-000000000008\""),
            group("members[value eq \"USER\" or value eq \"00000000-0000-0000-0000-000000000008\"]"),
            group("displayName eq \"group7\" or members[value eq \"USER\" and type eq \"User\"]"),
        ] {
            for sort_by in [
                "",
                "id",
                "userName",
                "displayName",
                "-externalId",
                "meta.lastModified",
                "title",
            ] {
                if ["userName", "title"].contains(&sort_by) && resource_type.has_members() {
                    continue;
                }
                // A position in the middle, because PostgreSQL knows when few rows are beyond a key.
                let (row, id, name, time) = match resource_type.has_members() {
                    true => (5_250, "00000000-0000-0000-0000-000000001482", "group3", "250"),
                    false => (2_500, "00000000-0000-0000-0000-0000000009c4", "name5", "2500"),
                };
                let key = match sort_by {
                    "" => None,
                    "id" => Some(id),
                    "meta.lastModified" => Some(time),
                    "userName" => Some("user5"),
                    "-externalId" => Some("5"),
                    _ => Some(name),
                };
                let position = |backwards| Position {
                    target: 0,
                    key: key.map(str::to_owned),
                    row,
                    backwards,
                };
                let cursor = |from| PageRequest::Cursor { from, count: 100 };
                let pages = [
                    PageRequest::Index {
                        start_index: 1,
                        count: 100,
                    },
                    cursor(None),
                    cursor(Some(position(false))),
                    cursor(Some(position(true))),
                ];
                for page in pages {
                    // Instead of ten index lookups, or where groups are few, PostgreSQL rightly reads a range of some
                    // hundred entries.
                    let from_position = matches!(page, PageRequest::Cursor { from: Some(_), .. });
                    let is_small = filter == many || resource_type.has_members();
                    if from_position && is_small && !database.is_sqlite() {
                        continue;
                    }
                    let query = it.query(resource_type, &filter, sort_by, page);
                    for statement in store.explain(it.tenant, &query).expect("it explains") {
                        let plan = &statement.plan;
                        assert!(
                            !statement.sql.contains("scim_in_time("),
                            "{filter} {sort_by} is no scan"
                        );
                        let walk = if database.is_sqlite() {
                            plan.iter().find(|it| sqlite_walks(it))
                        } else {
                            postgres_walk(plan)
                        };
                        assert!(
                            walk.is_none(),
                            "{filter} {sort_by} walks: {walk:?}\n{}\n{}",
                            statement.sql,
                            plan.join("\n")
                        );
                    }
                }
            }
        }
    });
}

/// Whether a step of a plan reads the rows of a table without an index condition on them.
fn sqlite_walks(step: &str) -> bool {
    let table = step.split(' ').nth(1).unwrap_or_default();
    if !["r", "c", "v", "m", "x", "n", "d"].contains(&table) {
        return false;
    }
    let keys = step
        .rsplit_once('(')
        .map_or("", |(_, keys)| keys.trim_end_matches(')'));
    let of_all = ["tenant_id=?", "kind=?", "path=?"];
    !keys
        .split(" AND ")
        .any(|it| it.ends_with("=?") && !of_all.contains(&it))
}

/// The first step of a plan that reads rows without an index condition.
fn postgres_walk(plan: &[String]) -> Option<&String> {
    let mut lines = plan.iter().peekable();
    while let Some(line) = lines.next() {
        let is_scan = ["Seq Scan on", "Index Scan", "Index Only Scan"]
            .iter()
            .any(|it| line.contains(it));
        if !is_scan {
            continue;
        }
        let condition = lines.peek().and_then(|it| it.trim().strip_prefix("Index Cond: "));
        let finds = condition.is_some_and(|it| {
            it.split(" AND ").any(|it| {
                let it = it.trim_start_matches('(');
                let of_all = ["tenant_id ", "kind ", "path "];
                // Few resources are without a value here.
                (it.contains(" = ") || it.contains(" IS NULL"))
                    && !of_all.iter().any(|name| it.starts_with(name))
            })
        });
        if !finds {
            return Some(line);
        }
    }
    None
}

#[test]
fn ids_are_in_the_order_of_their_index() {
    on_each(|database| {
        let (store, tenant) = filled(database, 5_000, &StoreOptions::default());
        let it = of(&store, tenant);
        for (resource_type, sort_by) in [
            (&it.user, "id"),
            (&it.user, "-id"),
            (&it.user, "meta.location"),
            (&it.group, "id"),
            (&it.group, "-meta.location"),
        ] {
            for backwards in [None, Some(false), Some(true)] {
                let page = match backwards {
                    None => PageRequest::Index {
                        start_index: 1,
                        count: 100,
                    },
                    Some(backwards) => PageRequest::Cursor {
                        from: Some(Position {
                            target: 0,
                            key: Some("00000000-0000-0000-0000-000000000fa0".to_owned()),
                            row: 4_000,
                            backwards,
                        }),
                        count: 100,
                    },
                };
                let query = it.query(resource_type, "", sort_by, page);
                let statement = &store.explain(it.tenant, &query).expect("it explains")[0];
                assert!(!statement.sql.contains("scim_in_time("), "{sort_by} is no scan");
                let plan = &statement.plan;
                let text = plan.join("\n");
                let reads_the_index_alone = text.contains("COVERING INDEX resource_kind_id")
                    || text.contains("Index Only Scan") && text.contains("resource_kind_id");
                assert!(reads_the_index_alone, "{sort_by}:\n{text}");
                if backwards.is_some() {
                    let starts = |it: &String| {
                        (it.contains("SEARCH r") || it.contains("Index Cond"))
                            && ["id>?", "id<?", "(id > ", "(id < "]
                                .iter()
                                .any(|end| it.contains(end))
                    };
                    assert!(
                        plan.iter().any(starts),
                        "{sort_by} should start at the position:\n{text}"
                    );
                }
                // The keys are read in order; the page is sorted at the end.
                let inner_sort = if database.is_sqlite() {
                    plan.first().is_some_and(|it| it.starts_with("CO-ROUTINE"))
                        && plan.get(2).is_some_and(|it| it.contains("TEMP B-TREE"))
                } else {
                    plan.iter()
                        .skip_while(|it| !it.contains("Limit"))
                        .any(|it| it.contains("Sort  ("))
                };
                assert!(!inner_sort, "{sort_by} should not sort:\n{text}");
            }
        }
    });
}
