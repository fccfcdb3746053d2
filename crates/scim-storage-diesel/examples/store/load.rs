//! `cargo xtask load`: fills a store through the port that the server uses.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::Utc;
use scim_model::Condition;
use scim_model::SecretHashes;
use scim_model::change::AttributeChanges;
use scim_model::store::{
    Directory, Include, MembersChange, MembersStep, NewResource, PageRequest, Query, ResourceStore,
    StoreError, TenantId, Update,
};
use scim_storage_diesel::DieselStore;

use crate::data::Company;

/// The size of the data to fill a store with.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The name of the large tenant.
    pub(crate) tenant: String,
    pub(crate) users: u64,
    /// The number of groups, including the big one.
    pub(crate) groups: u64,
    /// The number of members of the big group.
    pub(crate) big_group: u64,
    /// The number of concurrent writers. Writes that wait at the same time share a commit.
    pub(crate) threads: usize,
}

/// The seed for the data of the large tenant.
pub(crate) const SEED: u64 = 1;
/// The average number of groups of a user.
const MEMBERSHIPS: u64 = 3;
/// The name and the number of users of a small tenant in the same database as the large one.
pub(crate) const NEIGHBOUR: (&str, u64) = ("neighbour", 200);
const SMALL_TENANTS: u64 = 100;
const SMALL_TENANT_USERS: u64 = 20;
/// The number of members that one write adds.
const MEMBERS_AT_ONCE: usize = 10_000;

/// Fills the large tenant, and the small tenants if they do not exist.
///
/// # Errors
/// The tenant is not empty, or the store returns an error.
pub(crate) fn fill(store: &DieselStore, plan: &Plan) -> Result<TenantId, String> {
    let tenant = tenant(store, &plan.tenant)?;
    let company = Company::new(SEED);
    let found = count(store, tenant, &company)?;
    if found != (0, 0) {
        return Err(format!(
            "tenant `{}` is not empty (it has {} users and {} groups): delete it, or use another one with `--tenant`",
            plan.tenant, found.0, found.1
        ));
    }
    fill_small(store, NEIGHBOUR.0, NEIGHBOUR.1, plan.threads)?;
    for number in 1..=SMALL_TENANTS {
        fill_small(store, &format!("small-{number}"), SMALL_TENANT_USERS, 1)?;
    }
    let create = |new: &NewResource| store.create(tenant, new);
    in_parallel("users", plan.users, plan.threads, |index| {
        create(&company.new_user(index))
    })?;
    // The big group is created last, so a tenant that has all groups is complete.
    let ordinary = plan.groups.saturating_sub(1);
    let size = (plan.users * MEMBERSHIPS)
        .saturating_sub(plan.big_group)
        .checked_div(ordinary)
        .map_or(0, |it| it.min(plan.users));
    in_parallel("groups", ordinary, plan.threads, |index| {
        let members = company.some_users(index, size, plan.users);
        create(&company.new_group(index, &format!("Group {index}"), members))
    })?;
    if plan.groups > 0 {
        create(&company.new_group(ordinary, "Everybody", Vec::new())).map_err(|it| it.to_string())?;
        let members = company.some_users(ordinary, plan.big_group, plan.users);
        for members in members.chunks(MEMBERS_AT_ONCE) {
            let update = Update {
                resource_type: company.group.clone(),
                id: company.group_id(ordinary),
                expected_version: None,
                now: Utc::now(),
                document: None,
                members: MembersChange::Steps(vec![MembersStep::Add(members.to_vec())]),
                secrets: SecretHashes::new(),
                changes: AttributeChanges::default(),
            };
            store.update(tenant, &update).map_err(|it| it.to_string())?;
        }
    }
    Ok(tenant)
}

/// Returns the number of users and groups of a tenant.
///
/// # Errors
/// The store cannot be read.
pub(crate) fn count(store: &DieselStore, tenant: TenantId, company: &Company) -> Result<(u64, u64), String> {
    let of = |resource_type: &std::sync::Arc<_>| {
        let query = Query {
            targets: vec![(std::sync::Arc::clone(resource_type), Condition::Always(true))],
            sort: None,
            page: PageRequest::Index {
                start_index: 1,
                count: 0,
            },
            include: Include::default(),
            base_url: "".into(),
        };
        let page = store.list(tenant, &query).map_err(|it| it.to_string())?;
        Ok::<_, String>(page.total)
    };
    Ok((of(&company.user)?, of(&company.group)?))
}

/// Returns the tenant of a name, which is created if it does not exist.
///
/// # Errors
/// The store cannot be read or written.
pub(crate) fn tenant(store: &DieselStore, name: &str) -> Result<TenantId, String> {
    let tenants = store.tenants().map_err(|it| it.to_string())?;
    match tenants.into_iter().find(|it| it.name == name) {
        Some(tenant) => Ok(tenant.id),
        None => store.create_tenant(name, Utc::now()).map_err(|it| it.to_string()),
    }
}

/// Returns the seed for the data of a small tenant.
pub(crate) fn seed_of(name: &str) -> u64 {
    name.bytes().fold(7, |seed, byte| seed * 31 + u64::from(byte))
}

/// Creates a small tenant with users and no groups, unless it has users already.
///
/// # Errors
/// The store returns an error.
pub(crate) fn fill_small(
    store: &DieselStore,
    name: &str,
    users: u64,
    threads: usize,
) -> Result<TenantId, String> {
    let company = Company::new(seed_of(name));
    let tenant = tenant(store, name)?;
    if count(store, tenant, &company)?.0 == 0 {
        in_parallel("", users, threads, |index| {
            store.create(tenant, &company.new_user(index))
        })?;
    }
    Ok(tenant)
}

/// Calls `work` for each index on several threads and prints the progress. The first error ends the work.
fn in_parallel(
    what: &str,
    all: u64,
    threads: usize,
    work: impl Fn(u64) -> Result<(), StoreError> + Sync,
) -> Result<(), String> {
    let (next, done, ended) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let error = Mutex::new(None);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= all {
                        return;
                    }
                    if let Err(reason) = work(index) {
                        ended.store(true, Ordering::Relaxed);
                        let reason = format!("{what} {index}: {reason}");
                        error
                            .lock()
                            .expect("no thread panics with the lock")
                            .get_or_insert(reason);
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let mut reported = start;
        while !what.is_empty() && done.load(Ordering::Relaxed) < all && !ended.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(50));
            if reported.elapsed() >= Duration::from_secs(5) {
                reported = Instant::now();
                progress(what, done.load(Ordering::Relaxed), all, start.elapsed());
            }
        }
    });
    if !what.is_empty() {
        progress(what, done.load(Ordering::Relaxed), all, start.elapsed());
    }
    error
        .into_inner()
        .expect("no thread panics with the lock")
        .map_or(Ok(()), Err)
}

fn progress(what: &str, done: u64, all: u64, elapsed: Duration) {
    let rate = done as f64 / elapsed.as_secs_f64().max(1e-9);
    let left = Duration::from_secs_f64((all - done) as f64 / rate.max(1e-9));
    eprintln!(
        "{done} of {all} {what}, {rate:.0} per second, {} s left",
        left.as_secs()
    );
}
