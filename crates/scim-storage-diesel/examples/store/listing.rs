//! `cargo xtask bench list`: the cost of a page by depth, projection and order, and the cost of lookups during scans.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use scim_filter::AttrPath;
use scim_model::condition::resolve_sort_by;
use scim_model::store::{Include, PageRequest, Query, ResourceStore, Sort, TenantId};
use scim_model::{Condition, ResourceType};
use scim_storage_diesel::DieselStore;

use crate::data::{Company, Random};
use crate::load::SEED;
use crate::meter::{Figure, Meter};
use crate::operations::{Figures, GROUPS_TOO, first_page, query};
use crate::raw::Raw;
use crate::report::{grouped, time};

const PAGE: u32 = 100;
const BARE: &str = "bare prepared SELECT of a row";
const SCAN: &str = "total, title co \"x\": a scan";
const SCAN_WITHOUT_DEADLINE: &str = "… the same statement, bare and without a deadline";

/// The measurements of one database.
pub(crate) struct Listed {
    pub(crate) database: &'static str,
    figures: Figures,
    idle: LookUps,
    beside_scans: LookUps,
}

/// The measurements of threads that look up users, alternately by id and by name.
struct LookUps {
    a_second: f64,
    /// In microseconds.
    median: f64,
    one_in_a_hundred: f64,
    /// Scans per second that finished at the same time.
    scans_a_second: f64,
}

/// Measures a tenant that has `users` users.
///
/// # Errors
/// The database cannot be opened.
pub(crate) fn measure(
    database: &'static str,
    store: &DieselStore,
    url: &str,
    tenant: TenantId,
    users: u64,
) -> Result<Listed, String> {
    let bench = Bench {
        store,
        tenant,
        company: Company::new(SEED),
        users,
    };
    let mut meter = Meter::new(Raw::open(url)?, None);
    bench.a_row(&mut meter);
    bench.pages(&mut meter);
    bench.all_types(&mut meter);
    bench.projection(&mut meter);
    bench.totals(&mut meter);
    Ok(Listed {
        database,
        figures: meter.figures,
        idle: bench.look_ups(0),
        beside_scans: bench.look_ups(SCANNERS),
    })
}

struct Bench<'a> {
    store: &'a DieselStore,
    tenant: TenantId,
    company: Company,
    users: u64,
}

/// The numbers of threads that look up users and that scan. More threads scan than the store admits at once.
const READERS: u64 = 2;
const SCANNERS: u64 = 8;
const LOOKED_UP_FOR: Duration = Duration::from_secs(3);

impl Bench<'_> {
    fn a_row(&self, meter: &mut Meter) {
        let mut bare = meter.bare();
        let mut random = Random(5);
        let any = |number: usize| {
            let mut id = || self.company.user_id(random.below(self.users.min(2_000)));
            (0..number).map(|_| id()).collect()
        };
        meter.measure(
            BARE,
            any,
            |id| assert_eq!(bare.select(self.tenant.0, *id), 1),
            drop,
        );
    }

    fn pages(&self, meter: &mut Meter) {
        let user = &self.company.user;
        self.first_and_deep(meter, USERS, &|page| query(user, "", "", page));
        self.first_and_deep(meter, BY_INDEXED, &|page| {
            query(user, "", "name.familyName", page)
        });
        self.first_and_deep(meter, BY_UNINDEXED, &|page| query(user, "", "title", page));
    }

    fn all_types(&self, meter: &mut Meter) {
        self.first_and_deep(meter, SEARCH, &|page| self.search("", page));
        self.first_and_deep(meter, SEARCH_SORTED, &|page| self.search("displayName", page));
    }

    fn projection(&self, meter: &mut Meter) {
        let Company { user, group, .. } = &self.company;
        let members = Include {
            members: true,
            groups: false,
        };
        for (name, resource_type, include) in [
            ("100 users with their groups", user, GROUPS_TOO),
            ("… excludedAttributes=groups", user, Include::default()),
            ("100 groups with their members", group, members),
            ("… excludedAttributes=members", group, Include::default()),
        ] {
            let query = Query {
                include,
                ..query(resource_type, "", "", first_page())
            };
            self.list(meter, name, &query);
        }
    }

    fn totals(&self, meter: &mut Meter) {
        let total = |filter| {
            let count = PageRequest::Index {
                start_index: 1,
                count: 0,
            };
            query(&self.company.user, filter, "", count)
        };
        self.list(meter, "count=0", &total(""));
        self.list(
            meter,
            "total, active eq true: of an index",
            &total("active eq true"),
        );
        let scan = total("title co \"x\"");
        self.list(meter, SCAN, &scan);
        let explained = self
            .store
            .explain(self.tenant, &scan)
            .expect("the query is valid");
        let statement = &explained.last().expect("a query has a statement that counts").sql;
        let without_deadline = statement.replace(&format!(" AND scim_in_time({})", i64::MAX), "");
        let mut bare = meter.bare();
        meter.measure(
            SCAN_WITHOUT_DEADLINE,
            |number| vec![(); number],
            |()| {
                bare.run(&without_deadline)
                    .expect("the store has run the statement");
            },
            drop,
        );
    }

    /// Measures the first page and the page at 90 %, by index and by cursor.
    fn first_and_deep(
        &self,
        meter: &mut Meter,
        [first, deep, first_by_cursor, deep_by_cursor]: [&'static str; 4],
        query: &dyn Fn(PageRequest) -> Query,
    ) {
        let skipped = self.users / 10 * 9;
        let index = |start_index| PageRequest::Index {
            start_index,
            count: PAGE,
        };
        let cursor = |from, count| PageRequest::Cursor { from, count };
        // One large page leads to the cursor at 90 %.
        let skipped_by_cursor = u32::try_from(skipped).expect("the number of users is smaller");
        let before = query(cursor(None, skipped_by_cursor));
        let before = self.store.list(self.tenant, &before).expect("the store responds");
        self.list(meter, first, &query(index(1)));
        self.list(meter, deep, &query(index(skipped + 1)));
        self.list(meter, first_by_cursor, &query(cursor(None, PAGE)));
        self.list(meter, deep_by_cursor, &query(cursor(before.next, PAGE)));
    }

    fn list(&self, meter: &mut Meter, name: &'static str, query: &Query) {
        let list = |()| self.store.list(self.tenant, query).expect("the store responds");
        meter.measure(
            name,
            |number| vec![(); number],
            |()| {
                list(());
            },
            drop,
        );
    }

    /// Returns the query of `/.search` over users and groups.
    fn search(&self, sort_by: &str, page: PageRequest) -> Query {
        let types: [Arc<ResourceType>; 2] = [self.company.user.clone(), self.company.group.clone()];
        let sort = (!sort_by.is_empty()).then(|| {
            let path = AttrPath::parse(sort_by).expect("the path is valid");
            Sort {
                paths: resolve_sort_by(&path, &types).expect("the attributes exist"),
                descending: false,
            }
        });
        Query {
            targets: types.map(|it| (it, Condition::Always(true))).to_vec(),
            sort,
            page,
            include: GROUPS_TOO,
            base_url: "https://scim.example.com/scim/v2".into(),
        }
    }

    /// Measures lookups while `scanners` threads scan.
    fn look_ups(&self, scanners: u64) -> LookUps {
        let (is_over, scans) = (AtomicBool::new(false), AtomicU64::new(0));
        let scan = query(&self.company.user, "title co \"x\"", "", first_page());
        let mut times = Vec::new();
        std::thread::scope(|scope| {
            for _ in 0..scanners {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        // The store rejects some of the scans, as it should.
                        let done = self.store.list(self.tenant, &scan).is_ok();
                        scans.fetch_add(u64::from(done), Ordering::Relaxed);
                    }
                });
            }
            let readers: Vec<_> = (0..READERS)
                .map(|it| scope.spawn(move || self.look_up_for(LOOKED_UP_FOR, it)))
                .collect();
            for reader in readers {
                times.extend(reader.join().expect("a lookup does not panic"));
            }
            is_over.store(true, Ordering::Relaxed);
        });
        times.sort_by(f64::total_cmp);
        let seconds = LOOKED_UP_FOR.as_secs_f64();
        LookUps {
            a_second: times.len() as f64 / seconds,
            median: times[times.len() / 2],
            one_in_a_hundred: times[times.len() * 99 / 100],
            scans_a_second: scans.load(Ordering::Relaxed) as f64 / seconds,
        }
    }

    /// Looks users up for a duration and returns the time of each lookup in microseconds.
    fn look_up_for(&self, duration: Duration, seed: u64) -> Vec<f64> {
        let Company { user, .. } = &self.company;
        let mut random = Random(seed);
        let mut times = Vec::new();
        let start = Instant::now();
        while start.elapsed() < duration {
            let index = random.below(self.users);
            let by_name = format!("userName eq \"{}\"", self.company.user_name(index));
            let by_name = query(user, &by_name, "", first_page());
            let id = self.company.user_id(index);
            let mut clocked = |work: &dyn Fn()| {
                let start = Instant::now();
                work();
                times.push(start.elapsed().as_secs_f64() * 1e6);
            };
            clocked(&|| {
                let found = self.store.get(self.tenant, user, id, GROUPS_TOO);
                assert!(found.expect("lookups are not rejected").is_some());
            });
            clocked(&|| {
                let found = self.store.list(self.tenant, &by_name);
                assert_eq!(found.expect("lookups are not rejected").total, 1);
            });
        }
        times
    }
}

const USERS: [&str; 4] = [
    "users, first page by index",
    "… page at 90 % by index",
    "… first page by cursor",
    "… page at 90 % by cursor",
];
const BY_INDEXED: [&str; 4] = [
    "users sorted by name.familyName (index), first page by index",
    "… sorted by name.familyName, page at 90 % by index",
    "… sorted by name.familyName, first page by cursor",
    "… sorted by name.familyName, page at 90 % by cursor",
];
const BY_UNINDEXED: [&str; 4] = [
    "users sorted by title (no index), first page by index",
    "… sorted by title, page at 90 % by index",
    "… sorted by title, first page by cursor",
    "… sorted by title, page at 90 % by cursor",
];
const SEARCH: [&str; 4] = [
    "/.search over users and groups, first page by index",
    "… /.search, page at 90 % by index",
    "… /.search, first page by cursor",
    "… /.search, page at 90 % by cursor",
];
const SEARCH_SORTED: [&str; 4] = [
    "/.search sorted by displayName (index), first page by index",
    "… /.search sorted by displayName, page at 90 % by index",
    "… /.search sorted by displayName, first page by cursor",
    "… /.search sorted by displayName, page at 90 % by cursor",
];

/// Returns the tables as Markdown.
pub(crate) fn markdown(users: u64, all: &[Listed]) -> String {
    let mut text = format!("| {} users |", grouped(users));
    for listed in all {
        let _ = write!(text, " {} | to bare |", listed.database);
    }
    let _ = writeln!(text, "\n|---|{}", "---:|---:|".repeat(all.len()));
    for (name, _) in all.first().map_or(&[][..], |it| &it.figures) {
        let _ = write!(text, "| {} |", name.replace('|', "\\|"));
        for listed in all {
            let (figure, bare) = (listed.figure(name), listed.figure(BARE));
            let _ = write!(
                text,
                " {} ({}) | {:.1} |",
                time(figure.cpu),
                time(figure.median),
                figure.cpu / bare.cpu
            );
        }
        text.push('\n');
    }
    for (name, figure) in [
        ("a scan, for each user", SCAN),
        ("… without a deadline", SCAN_WITHOUT_DEADLINE),
    ] {
        let _ = write!(text, "| {name} |");
        for listed in all {
            let cost = listed.figure(figure).cpu * 1e3 / users as f64;
            let _ = write!(text, " {cost:.0} ns | |");
        }
        text.push('\n');
    }
    text.push_str("\n| look-ups, two threads | a second | median | 99 % | scans a second |\n");
    text.push_str("|---|---:|---:|---:|---:|\n");
    for listed in all {
        for (what, it) in [("alone", &listed.idle), ("beside scans", &listed.beside_scans)] {
            let _ = writeln!(
                text,
                "| {}, {what} | {} | {} | {} | {:.0} |",
                listed.database,
                grouped(it.a_second as u64),
                time(it.median),
                time(it.one_in_a_hundred),
                it.scans_a_second
            );
        }
    }
    text
}

impl Listed {
    fn figure(&self, name: &str) -> Figure {
        let found = self.figures.iter().find(|(it, _)| *it == name);
        found.expect("all databases are measured alike").1
    }
}
