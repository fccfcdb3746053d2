//! Pages of a running server: which tables are read for them, and that a walk by cursor is complete.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::cli::Shell;
use crate::harness::{GROUP, HttpClient, USER, patch_op};

/// 7644-3.4.2.5-01, 7644-3.4.2.5-03: hidden attributes are not read. The table of memberships is
/// renamed here, so only requests for members or groups fail.
#[test]
fn unrequested_attributes_are_not_read() {
    Shell::on_each(|shell| {
        let server = shell.serve(&[]);
        let client = server.client();
        let user = client.create("/Users", &json!({"schemas": [USER], "userName": "bjensen"}));
        let group = client.create(
            "/Groups",
            &json!({"schemas": [GROUP], "displayName": "Guides", "members": [{"value": user}]}),
        );
        let (user, group) = (format!("/Users/{user}"), format!("/Groups/{group}"));
        let shown = |path: &str| [path.to_owned(), format!("{path}?attributes=members,groups")];
        let everything: Vec<String> = ["/Users", "/Groups", &user, &group]
            .iter()
            .flat_map(|it| shown(it))
            .collect();
        for path in &everything {
            assert_eq!(client.send("GET", path, None).0, 200, "{path}");
        }
        shell.sql("ALTER TABLE membership RENAME TO membership_elsewhere");
        let without = |endpoint: &str, excluded: &str| {
            [
                format!("{endpoint}?attributes=id"),
                format!("{endpoint}?attributes=userName,displayName"),
                format!("{endpoint}?excludedAttributes={excluded}"),
                format!("{endpoint}?excludedAttributes=title,{excluded}"),
            ]
        };
        let list = |endpoint: &str, excluded: &str| {
            without(endpoint, excluded)
                .into_iter()
                .flat_map(|it| {
                    let sorted = format!("{it}&sortBy=displayName");
                    [
                        format!("{it}&cursor"),
                        format!("{it}&startIndex=1&count=5"),
                        it,
                        sorted,
                    ]
                })
                .collect::<Vec<_>>()
        };
        for path in [list("/Users", "groups"), list("/Groups", "members")].concat() {
            let (status, body) = client.send("GET", &path, None);
            assert_eq!(
                (status, &body["totalResults"]),
                (200, &json!(1)),
                "{path}: {body}"
            );
        }
        for path in [without(&user, "groups"), without(&group, "members")].concat() {
            let (status, body) = client.send("GET", &path, None);
            assert_eq!(status, 200, "{path}: {body}");
        }
        for (endpoint, projection) in [
            ("/.search", json!({"attributes": ["userName", "displayName"]})),
            (
                "/.search",
                json!({"excludedAttributes": ["members", "groups"], "sortBy": "displayName"}),
            ),
            ("/Users/.search", json!({"excludedAttributes": ["groups"]})),
            (
                "/Groups/.search",
                json!({"excludedAttributes": ["members"], "cursor": ""}),
            ),
        ] {
            let mut body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]});
            body.as_object_mut()
                .unwrap()
                .extend(projection.as_object().unwrap().clone());
            let (status, answer) = client.send("POST", endpoint, Some(&body));
            assert_eq!(status, 200, "{endpoint} {body}: {answer}");
        }
        for path in &everything {
            let (status, body) = client.send("GET", path, None);
            // Requests for an attribute that the type does not have fail too if they read the table.
            assert!(status >= 500, "{path}: {body}");
        }
    });
}

const USERS: usize = 1_000;

/// 9865-2-04, 7644-3.4.2.3-07: like the walks in the tests of the store, but over HTTP
#[test]
fn a_walk_with_concurrent_writers_misses_no_user() {
    Shell::on_each(|shell| {
        // The walk and its writers are faster than any client.
        let server = shell.serve(&["--rate-limit", "0"]);
        let user = |name: String, number: usize| json!({"schemas": [USER], "userName": name, "externalId": format!("{:04}", number * 7 % USERS)});
        let ids: Vec<String> = thread::scope(|scope| {
            let create = |first: usize| {
                let (client, user) = (server.client(), &user);
                let numbers = (first..USERS).step_by(8);
                scope.spawn(move || {
                    numbers
                        .map(|it| (it, client.create("/Users", &user(format!("user{it}"), it))))
                        .collect()
                })
            };
            let created: Vec<thread::ScopedJoinHandle<Vec<(usize, String)>>> = (0..8).map(create).collect();
            let mut ids: Vec<_> = created.into_iter().flat_map(|it| it.join().unwrap()).collect();
            ids.sort();
            ids.into_iter().map(|(_, id)| id).collect()
        });
        let is_deleted = |number: usize| number % 10 == 3;
        let (is_over, written) = (AtomicBool::new(false), AtomicUsize::new(0));
        let write = |work: &dyn Fn(&HttpClient, usize)| {
            let client = server.client();
            for round in (0..).take_while(|_| !is_over.load(Ordering::Relaxed)) {
                work(&client, round);
                written.fetch_add(1, Ordering::Relaxed);
            }
        };
        thread::scope(|scope| {
            let writers = [
                scope.spawn(|| {
                    write(&|client, round| {
                        client.create("/Users", &user(format!("new{round}"), round));
                    });
                }),
                scope.spawn(|| {
                    write(&|client, round| {
                        let number = round % USERS;
                        let path = format!("/Users/{}", ids[number]);
                        if is_deleted(number) {
                            let (status, answer) = client.send("DELETE", &path, None);
                            let expected = if round == number { 204 } else { 404 };
                            assert_eq!(status, expected, "{answer}");
                            return;
                        }
                        let replace = |path: &str, value: String| json!({"op": "replace", "path": path, "value": value});
                        let operations = json!([
                            replace("title", round.to_string()),
                            replace("userName", format!("user{number}.{round}")),
                        ]);
                        let (status, answer) = client.send("PATCH", &path, Some(&patch_op(operations)));
                        assert!([200, 204].contains(&status), "{answer}");
                    });
                }),
            ];
            // Writes happen between any two pages.
            let until_written = || {
                let before = written.load(Ordering::Relaxed);
                while written.load(Ordering::Relaxed) < before + 2 {
                    if writers.iter().any(thread::ScopedJoinHandle::is_finished) {
                        is_over.store(true, Ordering::Relaxed);
                        panic!("a writer has failed");
                    }
                    thread::yield_now();
                }
            };
            for asked in [
                "count=50",
                "count=50&sortBy=externalId&sortOrder=descending&attributes=externalId",
                "count=50&filter=userName%20sw%20%22user%22",
            ] {
                let met = walk(&server.client(), asked, &until_written);
                let wrong: Vec<usize> = (0..USERS)
                    .filter(|it| !is_deleted(*it) && met.get(&ids[*it]) != Some(&1))
                    .collect();
                if !wrong.is_empty() {
                    is_over.store(true, Ordering::Relaxed);
                }
                assert!(wrong.is_empty(), "{asked}: not met once: {wrong:?}");
            }
            is_over.store(true, Ordering::Relaxed);
        });
    });
}

/// The number of times that each id occurs on all pages.
fn walk(client: &HttpClient, asked: &str, between: &dyn Fn()) -> BTreeMap<String, u32> {
    let mut met = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let (status, page) = client.send("GET", &format!("/Users?cursor={cursor}&{asked}"), None);
        assert_eq!(status, 200, "{page}");
        for found in page["Resources"].as_array().unwrap() {
            *met.entry(found["id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        between();
        match page.get("nextCursor").and_then(Value::as_str) {
            Some(next) => next.clone_into(&mut cursor),
            None => return met,
        }
    }
}
