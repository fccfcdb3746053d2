//! The table of measured operations, with their limits and goals.

use std::rc::Rc;

use chrono::SecondsFormat;
use scim_model::change::Actor;
use scim_model::store::{Query, TenantId, Update};

use crate::Outcome;
use crate::bench::{Bench, FIRST_NEW, JOINERS};
use crate::data::{Company, Random, created};
use crate::fill::{self, NEIGHBOUR};
use crate::requests::{self, GROUPS, MEMBERS, NOTHING, PAGE, count, list, sorted};

/// A measured operation.
pub(crate) struct Operation<'a> {
    pub(crate) row: Row,
    /// Prepares the call with this number in a round. Only the call is measured.
    pub(crate) prepare: Box<dyn FnMut(u64) -> Call<'a> + 'a>,
    /// The maximum number of calls in a round.
    pub(crate) most: u64,
    /// Whether each call reverts the call with the same number of the operation before.
    pub(crate) reverts: bool,
    /// The number of threads that scan at the same time. If it is set, the report has elapsed time instead of processor
    /// time.
    pub(crate) scanners: Option<usize>,
}

/// A prepared call of the store, or of a bare statement.
pub(crate) type Call<'a> = Box<dyn FnMut() + 'a>;

/// The description of an operation in the report.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// The name of the operation or bare statement that the cost is divided by.
    pub(crate) limit: &'static str,
    pub(crate) goals: Vec<Goal>,
}

/// A goal for the cost of an operation.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    /// At most this factor from the smallest store to the largest.
    Growth(f64),
    /// At most this factor of the limit.
    Ratio(f64),
    /// The same in a store of at least 100,000 users.
    DeepRatio(f64),
    /// In such a store, at most 60 ms more than the named page for a million skipped resources; the page follows this
    /// share of the users.
    Skip(&'static str, f64),
    /// At most this many microseconds for each user, on SQLite and on PostgreSQL.
    Scan([f64; 2]),
}

use Goal::{DeepRatio, Growth, Ratio, Scan, Skip};

/// The goal for indexed reads and for writes. Operations without it read more in a larger store, or data outside the
/// caches, or a page whose position in a block or in a sorted list depends on the number of users.
const FLAT: Goal = Growth(1.5);

const ROW: &str = "bare prepared SELECT of a row";
const KEYS: &str = "bare prepared SELECT of the keys of a page at 50 %";
const SORTED_KEYS: &str = "bare prepared SELECT of the keys of a page sorted by familyName at 50 %";
const COMMIT: &str = "bare one-row commit";
const SCAN: &str = "total, title co \"x\": the bare statement, without a deadline";
const INDEX: &str = "index page";
const SORTED: &str = "index page sorted by familyName";
const CURSOR: &str = "cursor page";
const SORTED_CURSOR: &str = "cursor page sorted by familyName";
const SEARCH: &str = "/.search over users and groups";
const JOIN: &str = "add a member to a group of 10";
const LEAVE: &str = "remove a member from a group of 10";
const ALONE: &str = "userName eq, elapsed time";

/// Returns the operations: name, limit, goals, call.
// Table: one row for each operation.
#[rustfmt::skip]
pub(crate) fn all<'a>(b: &'a Bench) -> Outcome<Vec<Operation<'a>>> {
    let Company { user, group, .. } = &b.company;
    let own = b.tenant;
    let neighbour = (fill::tenant(&b.store, NEIGHBOUR.0)?, Company::small(NEIGHBOUR.0));
    let (half, deep) = (b.plan.users / 2, b.plan.users / 10 * 9);
    let users = || sorted(&[user], "");
    let by_name = || sorted(&[user], "name.familyName");
    let search = |sort_by| sorted(&[user, group], sort_by);
    let skip = |skipped, query| Query { page: requests::index(skipped, PAGE), ..query };
    let including = |include, query| Query { include, ..query };
    let page = |query| pages(b, own, vec![query]);
    let filtered = |filter: &str| page(list(user, filter));
    let total = |filter: &str| page(count(user, filter));
    let look_ups = |filter: &dyn Fn(u64) -> String| {
        pages(b, own, b.sample.iter().map(|it| list(user, &filter(*it))).collect())
    };
    let user_name = |it| format!("userName eq \"{}\"", b.company.user_name(it).to_uppercase());
    let recent = created(b.plan.users - 51).to_rfc3339_opts(SecondsFormat::Millis, true);
    let [small, big] = b.groups();
    let sampled = |n: u64| b.company.user_id(b.sample[n as usize % b.sample.len()]);
    let joiner = |n| b.company.user_id(FIRST_NEW + n);
    let get = |include| move |n| { let id = sampled(n); call(move || b.get(user, id, include)) };
    let get_big = |include| move |_| call(move || b.get(group, big, include));
    let keys = |is_sorted, skipped| move |_| call(move || b.bare.borrow_mut().keys(own.0, is_sorted, skipped));
    let join = |group| move |n| { let id = joiner(n); call(move || b.join(group, id)) };
    let leave = |group| move |n| { let id = joiner(n); call(move || b.leave(group, id)) };
    let mut random = Random(3);
    Ok(vec![
        row(ROW, ROW, &[], move |n| { let id = sampled(n); call(move || b.bare.borrow_mut().row(own.0, id)) }),
        row("get by id", ROW, &[FLAT, Ratio(2.0)], get(NOTHING)),
        row("get by id, with its groups", ROW, &[FLAT], get(GROUPS)),
        row("get by id, any of all", ROW, &[], move |_| { let id = b.company.user_id(random.below(b.plan.users)); call(move || b.get(user, id, NOTHING)) }),
        row("userName eq", ROW, &[FLAT], look_ups(&user_name)),
        row("externalId eq", ROW, &[FLAT], look_ups(&|it| format!("externalId eq \"hr-{it:09}\""))),
        row("emails.value eq", ROW, &[FLAT], look_ups(&|it| format!("emails.value eq \"{}\"", b.company.email(it)))),
        row("emails[type eq \"work\" and value eq]", ROW, &[FLAT], look_ups(&|it| format!("emails[type eq \"work\" and value eq \"{}\"]", b.company.email(it)))),
        row("userName eq in a neighbouring tenant of 200", ROW, &[FLAT], pages(b, neighbour.0, (0..NEIGHBOUR.1).map(|it| list(user, &format!("userName eq \"{}\"", neighbour.1.user_name(it)))).collect())),
        row(ALONE, ALONE, &[], look_ups(&user_name)).while_scanning(0),
        row("… while eight threads scan", ALONE, &[], look_ups(&user_name)).while_scanning(8),

        row(KEYS, ROW, &[], keys(false, half)),
        row(SORTED_KEYS, ROW, &[], keys(true, half)),
        row(INDEX, ROW, &[FLAT], page(users())),
        row("index page at 50 %", KEYS, &[FLAT, Skip(INDEX, 0.5)], page(skip(half, users()))),
        row("index page at 90 %", INDEX, &[Skip(INDEX, 0.9)], page(skip(deep, users()))),
        row(CURSOR, ROW, &[FLAT], page(b.after(users(), 0))),
        row("cursor page at 90 %", CURSOR, &[FLAT, Ratio(3.0)], page(b.after(users(), deep))),
        row(SORTED, ROW, &[FLAT], page(by_name())),
        row("index page sorted by familyName at 50 %", SORTED_KEYS, &[DeepRatio(2.0), Skip(SORTED, 0.5)], page(skip(half, by_name()))),
        row("index page sorted by familyName at 90 %", SORTED, &[Skip(SORTED, 0.9)], page(skip(deep, by_name()))),
        row(SORTED_CURSOR, ROW, &[FLAT], page(b.after(by_name(), 0))),
        row("cursor page sorted by familyName at 90 %", SORTED_CURSOR, &[FLAT, Ratio(3.0)], page(b.after(by_name(), deep))),
        row("index page sorted by title (no index)", SCAN, &[], page(sorted(&[user], "title"))),
        row(SEARCH, ROW, &[FLAT], page(search(""))),
        row("… at 90 % by cursor", SEARCH, &[FLAT, Ratio(3.0)], page(b.after(search(""), deep))),
        row("… sorted by displayName", SEARCH, &[FLAT], page(search("displayName"))),
        row("index page, excludedAttributes=groups", INDEX, &[FLAT], page(including(NOTHING, users()))),
        row("100 groups with their members", INDEX, &[], page(including(MEMBERS, list(group, "")))),
        row("100 groups, excludedAttributes=members", INDEX, &[FLAT], page(including(NOTHING, list(group, "")))),
        row("lastModified gt, 50 matches", INDEX, &[FLAT], filtered(&format!("meta.lastModified gt \"{recent}\""))),
        row("emails[type eq \"work\" and value sw \"a\"]", INDEX, &[], filtered("emails[type eq \"work\" and value sw \"a\"]")),
        row("familyName co \"x\"", INDEX, &[], filtered("name.familyName co \"x\"")),
        row("groups.value eq", INDEX, &[], filtered(&format!("groups.value eq \"{}\"", b.company.group_id(0)))),

        row("total, no filter", ROW, &[FLAT], total("")),
        row("total, active eq true", ROW, &[], total("active eq true")),
        row("total, familyName sw \"b\"", ROW, &[], total("name.familyName sw \"b\"")),
        row(SCAN, ROW, &[], bare_scan(b, &count(user, "title co \"x\""))),
        row("total, title co \"x\" (no index)", SCAN, &[Scan([2.0, 4.0])], total("title co \"x\"")),
        row("total, emails.type eq \"x\" (no index)", SCAN, &[Scan([2.0, 4.0])], total("emails.type eq \"x\"")),

        row(COMMIT, COMMIT, &[], move |_| { let number = b.unique_number(); call(move || b.bare.borrow_mut().commit(number)) }),
        row("create a user", COMMIT, &[FLAT], move |n| { let new = b.company.new_user(FIRST_NEW + JOINERS + n); call(move || b.create(&new)) }),
        row("delete a user", COMMIT, &[FLAT], move |n| { let id = joiner(JOINERS + n); call(move || b.delete(user, id)) }).reverting(),
        row("patch a user (read, write)", COMMIT, &[FLAT], move |n| { let mut update = patch(b, n); call(move || b.patch(&mut update)) }),
        row(JOIN, COMMIT, &[FLAT], join(small)),
        row(LEAVE, COMMIT, &[FLAT], leave(small)).reverting(),
        row("add a member to the group of 100,000", JOIN, &[FLAT, Ratio(1.3)], join(big)),
        row("remove a member from the group of 100,000", LEAVE, &[FLAT, Ratio(1.3)], leave(big)).reverting(),
        row("get the big group without members", ROW, &[FLAT], get_big(NOTHING)),
        row("get the big group with all members", ROW, &[], get_big(MEMBERS)),
    ])
}

fn row<'a>(
    name: &str,
    limit: &'static str,
    goals: &[Goal],
    prepare: impl FnMut(u64) -> Call<'a> + 'a,
) -> Operation<'a> {
    let (name, goals) = (name.to_owned(), goals.to_vec());
    Operation {
        row: Row { name, limit, goals },
        prepare: Box::new(prepare),
        most: 20_000,
        reverts: false,
        scanners: None,
    }
}

impl Operation<'_> {
    fn reverting(self) -> Self {
        Operation {
            reverts: true,
            most: JOINERS,
            ..self
        }
    }

    fn while_scanning(self, scanners: usize) -> Self {
        let scanners = Some(scanners);
        Operation { scanners, ..self }
    }
}

fn call<'a, T>(mut call: impl FnMut() -> T + 'a) -> Call<'a> {
    Box::new(move || drop(call()))
}

/// Returns calls that list the queries in turn.
fn pages<'a>(b: &'a Bench, tenant: TenantId, queries: Vec<Query>) -> impl FnMut(u64) -> Call<'a> + 'a {
    let queries = Rc::new(queries);
    move |n| {
        let queries = queries.clone();
        call(move || b.list(tenant, &queries[n as usize % queries.len()]))
    }
}

/// Returns calls of the statement of a query that counts, without its deadline.
fn bare_scan<'a>(b: &'a Bench, query: &Query) -> impl FnMut(u64) -> Call<'a> + 'a {
    let explained = b.store.explain(b.tenant, query).expect("the query is valid");
    let statement = &explained.last().expect("a query has a statement").sql;
    let statement: Rc<str> = statement
        .replace(&format!(" AND scim_in_time({})", i64::MAX), "")
        .into();
    move |_| {
        let statement = statement.clone();
        call(move || assert!(b.bare.borrow_mut().run(&statement).is_ok()))
    }
}

/// Returns an update that replaces the title of a user.
fn patch(b: &Bench, n: u64) -> Update {
    let index = b.sample[n as usize % b.sample.len()];
    let title = b.unique_number().to_string();
    Update {
        document: Some(b.company.user_document(index, Some(&title))),
        // Keeps the number of recently modified users constant.
        now: created(index),
        actor: Actor::System,
        ..requests::update(&b.company.user, b.company.user_id(index))
    }
}
