//! The feed: pages of events, in process and on both databases.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use scim_model::change::{ChangePosition, EventKind};
use scim_model::store::{
    ChangeFeed, ChangeJournal, Directory, FeedEntries, FeedEntry, FeedStart, FeedTenants, JournalError,
    PastResource, StoreError, TenantId,
};
use scim_server::delivery::event::{Event, EventId};
use scim_server::delivery::feed::{After, Feed, FeedError, FeedPage, FeedRequest, GoneReason, PageBounds};
use scim_server::delivery::filter::{EventFilter, TypePattern};
use scim_server::service::Settings;
use scim_storage_diesel::{DieselStore, Pooler};
use serde_json::{Value, json};

use crate::cli::Shell;
use crate::harness::{Choice, Server, on_each};

fn request(after: After) -> FeedRequest {
    FeedRequest::new(FeedTenants::All, after)
}

fn after(id: EventId) -> FeedRequest {
    request(After::Event(id))
}

fn oldest() -> FeedRequest {
    request(After::Oldest)
}

fn types(list: &str) -> EventFilter {
    EventFilter {
        types: TypePattern::list(list).unwrap(),
        ..EventFilter::default()
    }
}

fn of(feed: &Feed, tenant: TenantId) -> Result<FeedPage, FeedError> {
    feed.page(&FeedRequest {
        tenants: FeedTenants::Only(vec![tenant]),
        ..oldest()
    })
}

fn data(event: &Event) -> Value {
    serde_json::from_str::<Value>(&event.body()).unwrap()["data"].clone()
}

fn names(events: &[Event]) -> Vec<String> {
    events.iter().map(|it| it.event_type.to_string()).collect()
}

/// A server with two tenants, which have users, groups and 14 events together.
fn with_events(server: &Server) -> (Feed, TenantId, TenantId) {
    let (acme, other) = (server.tenant("acme"), server.tenant("other"));
    let user = acme.create_user("bjensen");
    let group = acme.create_group("Guides", &[&user]);
    other.create_user("smith").json["id"].as_str().unwrap();
    acme.patch(
        &user.path,
        json!([{"op": "replace", "value": {"title": "Guide", "active": false}}]),
    )
    .expect(200);
    acme.patch(
        &user.path,
        json!([{"op": "replace", "path": "active", "value": true}]),
    )
    .expect(200);
    acme.patch(
        &group.path,
        json!([{"op": "replace", "path": "displayName", "value": "Tour Guides"}]),
    )
    .expect(204);
    acme.delete(&user.path).expect(204);
    acme.delete(&group.path).expect(204);
    let feed = Feed::new(server.store.clone());
    (feed, acme.tenant.unwrap(), other.tenant.unwrap())
}

const EVENTS: [&str; 11] = [
    "user.created",
    "group.created",
    "group.member_added",
    "user.created",
    "user.deactivated",
    "user.updated",
    "user.reactivated",
    "group.renamed",
    "group.member_removed",
    "user.deleted",
    "group.deleted",
];

/// evt-49, evt-51, evt-52, evt-53: pages of any size contain each event once, in one order
#[test]
fn pages_of_any_size_make_up_the_feed() {
    on_each(Choice::default, |server| {
        let (feed, acme, other) = with_events(&server);
        let all = feed.page(&oldest()).unwrap();
        assert_eq!(names(&all.events), EVENTS);
        assert_eq!(
            (all.more, all.next, all.oldest),
            (false, all.events[10].id, EventId::default())
        );
        let ids: Vec<EventId> = all.events.iter().map(|it| it.id).collect();
        assert!(ids.is_sorted_by(|a, b| a < b));
        // The group, with its member, and the user with another title are two events each.
        assert_eq!(ids[1].position, ids[2].position);
        assert_eq!((ids[4].position, ids[5].number), (ids[5].position, 1));
        for limit in [1, 2, 3, 4, 10, 11, 1_000, 5_000] {
            let mut seen = Vec::new();
            let mut next = After::Oldest;
            loop {
                let page = feed
                    .page(&FeedRequest {
                        limit,
                        ..request(next)
                    })
                    .unwrap();
                assert!(page.events.len() <= limit as usize);
                assert_eq!(page.events.last().map_or(ids[10], |it| it.id), page.next);
                assert_eq!(page.more, page.next < ids[10], "{limit}");
                next = After::Event(page.next);
                seen.extend(page.events);
                if !page.more {
                    break;
                }
            }
            assert_eq!(seen, all.events, "{limit}");
        }
        // A reader continues after any event, also inside a change.
        for (index, id) in ids.iter().enumerate() {
            assert_eq!(feed.page(&after(*id)).unwrap().events, all.events[index + 1..]);
        }
        let end = feed.page(&after(ids[10])).unwrap();
        assert_eq!((end.events.len(), end.next, end.more), (0, ids[10], false));
        // A tenant sees its own events, with the same ids.
        let of_other = of(&feed, other).unwrap().events;
        assert_eq!(of_other, [all.events[3].clone()]);
        assert_eq!(of(&feed, acme).unwrap().events.len(), EVENTS.len() - 1);
    });
}

/// evt-53: a page has at most 1,000 events
#[test]
fn a_page_is_limited() {
    Shell::on_each(|shell| {
        let (feed, store) = with_entries(shell, 2_500);
        let limited = |limit| feed.page(&FeedRequest { limit, ..oldest() }).unwrap();
        for (limit, expected) in [(0, 1), (1, 1), (1_000, 1_000), (5_000, 1_000), (u32::MAX, 1_000)] {
            let page = limited(limit);
            assert_eq!((page.events.len(), page.more), (expected, true), "{limit}");
        }
        drop(store);
    });
}

/// A feed on a database with a user and this number of updates.
fn with_entries(shell: &Shell, updates: u32) -> (Feed, Arc<DieselStore>) {
    {
        let server = shell.serve(&[]);
        server.client().create(
            "/Users",
            &json!({"schemas": [crate::harness::USER], "userName": "bjensen"}),
        );
    }
    shell.sql(&format!(
        "INSERT INTO changes (tenant_id, at, kind, id, version, action, change, write_id, names) \
         WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < {updates}) \
         SELECT c.tenant_id, c.at, c.kind, c.id, i + 1, 'update', '{{\"title\":{{\"new\":\"b\"}}}}', NULL, c.names \
         FROM s CROSS JOIN (SELECT * FROM changes WHERE sequence = 1) AS c"
    ));
    let store = Arc::new(DieselStore::open_existing(&shell.url(), Pooler::None).unwrap());
    (Feed::new(store.clone()), store)
}

/// evt-52: `next` moves although the filter matches nothing, and one page looks at a limited number of entries
#[test]
fn a_filter_that_matches_nothing_moves_on() {
    Shell::on_each(|shell| {
        let (feed, store) = with_entries(shell, 25_000);
        let end = store.current_position(&FeedTenants::All).unwrap();
        let mut next = After::Oldest;
        let mut sizes = Vec::new();
        loop {
            let filter = types("group.*");
            let page = feed
                .page(&FeedRequest {
                    filter,
                    ..request(next)
                })
                .unwrap();
            assert!(page.events.is_empty());
            let last = if let After::Event(id) = next {
                id.position.sequence
            } else {
                0
            };
            sizes.push(page.next.position.sequence - last);
            next = After::Event(page.next);
            if !page.more {
                assert_eq!(page.next.position, end);
                break;
            }
        }
        assert!(
            sizes.len() >= 3 && sizes.iter().all(|it| *it <= 11_000),
            "{sizes:?}"
        );
    });
}

/// evt-54: a filter chooses events and changes none of them
#[test]
fn a_filter_chooses_by_type_and_resource() {
    on_each(Choice::default, |server| {
        let (feed, acme, _) = with_events(&server);
        let all = feed.page(&oldest()).unwrap().events;
        let user = all[0].resource_id;
        let with = |filter: EventFilter| feed.page(&FeedRequest { filter, ..oldest() }).unwrap();
        for (filter, expected) in [
            (types("user.deactivated"), vec![4]),
            (types("user.deactivated,group.*"), vec![1, 2, 4, 7, 8, 10]),
            (
                EventFilter {
                    resource_types: vec!["group".to_owned()],
                    ..EventFilter::default()
                },
                vec![1, 2, 7, 8, 10],
            ),
            (
                EventFilter {
                    resource: Some(user),
                    ..types("user.*")
                },
                vec![0, 4, 5, 6, 9],
            ),
            (types("device.created"), vec![]),
        ] {
            let page = with(filter.clone());
            let expected: Vec<Event> = expected.into_iter().map(|it: usize| all[it].clone()).collect();
            assert_eq!(page.events, expected, "{filter:?}");
            assert_eq!((page.next, page.more), (all[10].id, false));
            // A page that is full stops in front of the next match.
            let one = feed.page(&FeedRequest {
                filter,
                limit: 1,
                tenants: FeedTenants::Only(vec![acme]),
                ..oldest()
            });
            assert_eq!(one.unwrap().events.len(), expected.len().min(1));
        }
    });
}

/// evt-55: take the current id, list all resources, follow
#[test]
fn a_reader_that_starts_now_misses_no_later_event() {
    on_each(Choice::default, |server| {
        let feed = Feed::new(server.store.clone());
        let now = |tenants: FeedTenants| {
            feed.page(&FeedRequest {
                tenants,
                ..request(After::Now)
            })
            .unwrap()
        };
        let empty = now(FeedTenants::All);
        assert_eq!(
            (empty.events.len(), empty.next, empty.more),
            (0, EventId::default(), false)
        );
        let acme = server.tenant("acme");
        let user = acme.create_user("bjensen");
        acme.create_group("Guides", &[&user]);
        assert_eq!(feed.page(&after(empty.next)).unwrap().events.len(), 3);
        let only = FeedTenants::Only(vec![acme.tenant.unwrap()]);
        let started = now(only.clone());
        assert_eq!(
            started.next.number, 1,
            "the last change is two events, which are over"
        );
        assert_eq!(started, now(FeedTenants::All));
        acme.create_user("smith");
        let page = feed
            .page(&FeedRequest {
                tenants: only,
                ..after(started.next)
            })
            .unwrap();
        assert_eq!(names(&page.events), ["user.created"]);
        // A tenant without changes has a position too.
        let other = server.tenant("other");
        let started = now(FeedTenants::Only(vec![other.tenant.unwrap()]));
        other.create_user("bjensen");
        let tenants = FeedTenants::Only(vec![other.tenant.unwrap()]);
        let page = feed
            .page(&FeedRequest {
                tenants,
                ..after(started.next)
            })
            .unwrap();
        assert_eq!(names(&page.events), ["user.created"]);
    });
}

fn expect_gone(result: Result<FeedPage, FeedError>, reason: GoneReason, oldest: ChangePosition) {
    match result {
        Err(FeedError::Gone {
            reason: found,
            oldest: id,
            ..
        }) => {
            assert_eq!((found, id.position), (reason, oldest));
        }
        other => panic!("{other:?}"),
    }
}

/// evt-56, evt-57: an id that the feed cannot continue after
#[test]
fn a_reader_learns_that_it_has_missed_events() {
    on_each(Choice::default, |server| {
        let (feed, acme, other) = with_events(&server);
        let all = feed.page(&oldest()).unwrap().events;
        let of_tenant = |tenant, id| {
            let tenants = FeedTenants::Only(vec![tenant]);
            feed.page(&FeedRequest { tenants, ..after(id) })
        };
        let start = ChangePosition::default();
        // Of another tenant.
        expect_gone(of_tenant(acme, all[3].id), GoneReason::Unknown, start);
        expect_gone(of_tenant(other, all[4].id), GoneReason::Unknown, start);
        // Of a backup that is gone.
        let mut lost = all[10].id;
        lost.position.sequence += 1;
        expect_gone(feed.page(&after(lost)), GoneReason::Unknown, start);
        lost = all[10].id;
        lost.position.at += 1;
        expect_gone(feed.page(&after(lost)), GoneReason::Unknown, start);
        // Too old. The reader of the other tenant has missed nothing.
        let later = Utc::now() + TimeDelta::minutes(1);
        assert_eq!(server.store.prune_changes(acme, later, 2).unwrap(), 2);
        let dropped = all[2].id.position;
        expect_gone(feed.page(&after(all[0].id)), GoneReason::Dropped, dropped);
        expect_gone(
            feed.page(&after(EventId::default())),
            GoneReason::Dropped,
            dropped,
        );
        assert_eq!(of(&feed, other).unwrap().oldest, EventId::default());
        // The group and its member are one change: a reader that has seen the first event only has missed the other.
        assert_eq!(all[1].event_type.as_str(), "group.created");
        expect_gone(feed.page(&after(all[1].id)), GoneReason::Dropped, dropped);
        let rest = feed.page(&after(all[2].id)).unwrap();
        assert_eq!((&rest.events[..], rest.oldest.position), (&all[3..], dropped));
        assert_eq!(feed.page(&oldest()).unwrap().events, all[3..]);
    });
}

/// evt-58: the events of one write
#[test]
fn the_deletion_of_a_member_is_one_transaction() {
    on_each(Choice::default, |server| {
        let acme = server.tenant("acme");
        let user = acme.create_user("bjensen");
        for name in ["a", "b", "c"] {
            acme.create_group(name, &[&user]);
        }
        let feed = Feed::new(server.store.clone());
        let start = feed.page(&request(After::Now)).unwrap().next;
        acme.delete(&user.path).expect(204);
        let events = feed.page(&after(start)).unwrap().events;
        assert_eq!(
            names(&events),
            [
                "group.member_removed",
                "group.member_removed",
                "group.member_removed",
                "user.deleted"
            ]
        );
        let transactions: Vec<&str> = events.iter().map(|it| it.transaction.as_str()).collect();
        assert!(transactions.iter().all(|it| *it == transactions[0]));
        let earlier = feed.page(&oldest()).unwrap().events;
        assert_eq!(
            earlier
                .iter()
                .filter(|it| it.transaction == transactions[0])
                .count(),
            4
        );
        for event in &events[..3] {
            assert_eq!(
                data(event)["changes"]["members"],
                json!({"added": [], "removed": [user.id]})
            );
        }
        assert_eq!(data(&events[0])["displayName"], "a");
    });
}

/// evt-60, evt-61, evt-63: the events of the journal, rendered twice and by a server with other schemas
#[test]
fn an_event_is_the_same_whenever_it_is_read() {
    let schema = |name: &str| {
        let schema = json!({"id": "urn:example:Door", "name": "Door", "attributes": [
            {"name": name, "required": true}, {"name": "pin", "returned": "never"}]});
        let resource_type = json!({"name": "Door", "endpoint": "/Doors", "schema": "urn:example:Door"});
        vec![
            ("a.json".to_owned(), schema.to_string()),
            ("b.json".to_owned(), resource_type.to_string()),
        ]
    };
    let choice = |name: &str| Choice {
        schemas: schema(name),
        settings: Settings {
            hash_secrets: true,
            ..Choice::default().settings
        },
        ..Choice::default()
    };
    on_each(
        || choice("serial"),
        |server| {
            let acme = server.tenant("acme");
            let user = acme.create("/Users", json!({"schemas": [crate::harness::USER], "userName": "bjensen", "externalId": "e1", "password": "Marker-Pa55word"}));
            acme.create(
                "/Doors",
                json!({"schemas": ["urn:example:Door"], "serial": "4711", "pin": "Marker-Pin"}),
            );
            acme.patch(
                &user.path,
                json!([{"op": "replace", "path": "title", "value": "Guide"}]),
            )
            .expect(200);
            let feed = Feed::new(server.store.clone());
            let read = |feed: &Feed| -> Vec<String> {
                feed.page(&oldest())
                    .unwrap()
                    .events
                    .iter()
                    .map(Event::body)
                    .collect()
            };
            let before = read(&feed);
            assert_eq!(before, read(&feed));
            let text = before.join("\n");
            assert!(!text.contains("Marker"), "{text}");
            assert!(text.contains(r#""pin":{"changed":true}"#), "{text}");
            // The update concerns neither of the names.
            let updated: Value = serde_json::from_str(&before[2]).unwrap();
            assert_eq!(
                (&updated["data"]["userName"], &updated["data"]["externalId"]),
                (&json!("bjensen"), &json!("e1"))
            );
            let actor = &updated["data"]["actor"];
            assert_eq!(
                (&actor["kind"], &updated["data"]["connection"]),
                (&json!("connection"), &json!("default"))
            );
            assert!(
                actor["credential"].is_string() && actor["requestId"].is_string(),
                "{actor}"
            );
            // Names that change later stay as they were.
            acme.patch(
                &user.path,
                json!([{"op": "replace", "path": "userName", "value": "babs"}]),
            )
            .expect(200);
            assert_eq!(read(&feed)[..3], before);
            drop((feed, acme));
            let server = server.restart_with(choice("number"));
            assert_eq!(read(&Feed::new(server.store.clone()))[..3], before);
        },
    );
}

/// The events of a deleted tenant are gone, and no reader of all tenants is stopped by that
#[test]
fn a_deleted_tenant_leaves_the_feed() {
    on_each(Choice::default, |server| {
        let (feed, _, other) = with_events(&server);
        let page = feed.page(&oldest()).unwrap();
        assert!(server.store.delete_tenant("acme").unwrap());
        for id in page
            .events
            .iter()
            .map(|it| it.id)
            .filter(|it| *it < page.events[3].id)
        {
            let rest = feed.page(&after(id)).unwrap();
            assert_eq!(rest.events, [page.events[3].clone()]);
        }
        server.tenant("new").create_user("bjensen");
        let rest = feed.page(&after(page.next)).unwrap();
        assert_eq!(names(&rest.events), ["user.created"]);
        assert_eq!(of(&feed, other).unwrap().events.len(), 1);
    });
}

/// A store that counts how often it is polled.
struct Counting {
    store: Arc<DieselStore>,
    polls: AtomicUsize,
}

impl ChangeFeed for Counting {
    fn entries(
        &self,
        tenants: &FeedTenants,
        start: FeedStart,
        limit: u32,
    ) -> Result<FeedEntries, JournalError> {
        self.store.entries(tenants, start, limit)
    }

    fn resources_after(
        &self,
        entries: &[&FeedEntry],
        max_bytes: usize,
    ) -> Result<Vec<PastResource>, StoreError> {
        self.store.resources_after(entries, max_bytes)
    }

    fn current_position(&self, tenants: &FeedTenants) -> Result<ChangePosition, StoreError> {
        self.store.current_position(tenants)
    }

    fn later_of_resource(
        &self,
        position: ChangePosition,
        limit: u32,
    ) -> Result<Vec<FeedEntry>, JournalError> {
        self.store.later_of_resource(position, limit)
    }

    fn position_at(&self, tenants: &FeedTenants, sequence: i64) -> Result<ChangePosition, StoreError> {
        self.store.position_at(tenants, sequence)
    }

    fn oldest_position(&self, tenants: &FeedTenants) -> Result<ChangePosition, StoreError> {
        self.store.oldest_position(tenants)
    }

    fn visible_up_to(&self) -> Result<i64, StoreError> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        self.store.visible_up_to()
    }
}

/// evt-59: an empty page is held until something comes, and all who wait share one poller
#[test]
fn readers_wait_together() {
    on_each(Choice::default, |server| {
        let store = Arc::new(Counting {
            store: server.store.clone(),
            polls: AtomicUsize::new(0),
        });
        let feed = Feed::new(store.clone());
        let acme = server.tenant("acme");
        acme.create_user("first");
        let start = feed.page(&request(After::Now)).unwrap().next;
        let wait_for_event = |id: EventId| {
            let waiter = feed.waiter().unwrap();
            let end = Instant::now() + Duration::from_secs(20);
            loop {
                let page = feed.page(&after(id)).unwrap();
                if !page.events.is_empty() {
                    return names(&page.events);
                }
                let left = end.saturating_duration_since(Instant::now());
                assert!(!left.is_zero(), "the event does not come");
                waiter.wait(page.visible_up_to, left);
            }
        };
        std::thread::scope(|scope| {
            let readers: Vec<_> = (0..32).map(|_| scope.spawn(|| wait_for_event(start))).collect();
            std::thread::sleep(Duration::from_millis(1_000));
            let polls = store.polls.load(Ordering::Relaxed);
            assert!((1..=15).contains(&polls), "one of the readers polls: {polls}");
            acme.create_user("second");
            for reader in readers {
                assert_eq!(reader.join().unwrap(), ["user.created"]);
            }
        });
        // No thread polls while no reader waits.
        std::thread::sleep(Duration::from_millis(300));
        let polls = store.polls.load(Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(400));
        assert_eq!(store.polls.load(Ordering::Relaxed), polls);
        // Without an event, the time runs out.
        let page = feed.page(&request(After::Oldest)).unwrap();
        let began = Instant::now();
        assert!(
            !feed
                .waiter()
                .unwrap()
                .wait(page.visible_up_to, Duration::from_millis(500))
        );
        assert!(began.elapsed() >= Duration::from_millis(500));
    });
}

/// evt-59: the same for a request that occupies no thread while it waits
#[test]
fn an_asynchronous_reader_wakes_up() {
    on_each(Choice::default, |server| {
        let feed = Feed::new(server.store.clone());
        server.tenant("acme").create_user("first");
        let page = feed.page(&request(After::Oldest)).unwrap();
        let mut waiter = feed.waiter().unwrap();
        let client = server.tenant("other");
        let runtime = actix_web::rt::Runtime::new().unwrap();
        let changed = runtime.block_on(async {
            actix_web::rt::time::timeout(Duration::from_millis(400), waiter.changed(page.visible_up_to)).await
        });
        assert!(changed.is_err(), "nothing happened");
        client.create_user("bjensen");
        let changed = runtime.block_on(async {
            actix_web::rt::time::timeout(Duration::from_secs(20), waiter.changed(page.visible_up_to)).await
        });
        assert!(changed.is_ok());
        assert_eq!(feed.page(&after(page.next)).unwrap().events.len(), 1);
        assert_eq!(page.events[0].kind, EventKind::Created);
    });
}

/// evt-62: the guide describes how to read without loss
#[test]
fn the_guide_tells_readers_to_keep_one_cursor() {
    let guide = include_str!("../../../../docs/EVENTS.md");
    let guide = guide.split_whitespace().collect::<Vec<_>>().join(" ");
    for sentence in [
        "Store the id of the last event after you have processed it",
        "Keep one cursor, and take it from the feed only.",
        "a reader that continues after the id of one skips earlier events that it has not seen",
    ] {
        assert!(guide.contains(sentence), "{sentence}");
    }
}

/// evt-44: the events that a stream holds are limited, whether they contain resources or not
#[test]
fn evt_44_a_page_of_a_stream_is_small() {
    on_each(Choice::default, |server| {
        let acme = server.tenant("acme");
        let (long, number) = ("x".repeat(8_000), 40);
        let addresses = |number: usize| -> Vec<Value> {
            let address = |it: usize| json!({"formatted": long, "locality": it.to_string()});
            (0..number).map(address).collect()
        };
        for it in 0..number {
            let user = json!({"userName": format!("u{it}"), "addresses": addresses(4)});
            acme.create("/Users", user);
        }
        // An event that is larger than a page is alone on it.
        acme.create("/Users", json!({"userName": "large", "addresses": addresses(40)}));
        acme.create("/Users", json!({"userName": "last"}));
        let feed = Feed::new(server.store.clone());
        for with_resources in [false, true] {
            let mut wanted = FeedRequest {
                bounds: PageBounds::STREAM,
                with_resources,
                ..oldest()
            };
            let mut seen = Vec::new();
            loop {
                let page = feed.page(&wanted).unwrap();
                let sizes: Vec<usize> = page.events.iter().map(|it| it.body().len()).collect();
                let held: usize = sizes.iter().sum();
                assert!(held <= 400_000 || sizes.len() == 1, "{sizes:?}");
                seen.extend(page.events.iter().map(|it| data(it)["userName"].clone()));
                wanted.after = After::Event(page.next);
                if !page.more {
                    break;
                }
                assert!(!page.events.is_empty());
            }
            let expected: Vec<Value> = (0..number).map(|it| json!(format!("u{it}"))).collect();
            assert_eq!(seen, [expected, vec![json!("large"), json!("last")]].concat());
        }
    });
}

/// evt-38: a page counts the entries without an event for its reader
#[test]
fn evt_38_a_page_counts_what_it_skips() {
    on_each(Choice::default, |server| {
        let acme = server.tenant("acme");
        for it in 0..7 {
            acme.create_user(&format!("u{it}"));
        }
        acme.create_group("Guides", &[]);
        for it in 7..10 {
            acme.create_user(&format!("u{it}"));
        }
        let feed = Feed::new(server.store.clone());
        let mut wanted = FeedRequest {
            filter: types("group.created"),
            bounds: PageBounds {
                entries: 4,
                bytes: usize::MAX,
            },
            ..oldest()
        };
        let mut counts = Vec::new();
        loop {
            let page = feed.page(&wanted).unwrap();
            counts.push((page.events.len(), page.skipped, page.more));
            wanted.after = After::Event(page.next);
            if !page.more {
                break;
            }
        }
        assert_eq!(counts, [(0, 4, true), (1, 0, true), (0, 3, false)]);
    });
}
