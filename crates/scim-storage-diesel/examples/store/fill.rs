//! Fills a store through the port that the server uses.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use chrono::Utc;
use scim_model::ResourceType;
use scim_model::store::{Directory, MembersStep, ResourceStore, StoreError, TenantId};
use scim_storage_diesel::DieselStore;

use crate::Outcome;
use crate::data::Company;
use crate::database::{Bare, Database};
use crate::requests::{count, members};

/// The size of the data of the large tenant.
#[derive(clap::Args)]
pub(crate) struct Plan {
    #[arg(long, default_value = TENANT)]
    pub(crate) tenant: String,
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) users: u64,
    /// The number of groups, including the big one.
    #[arg(long, default_value_t = GROUPS)]
    pub(crate) groups: u64,
    /// The number of members of the big group, or less if there are fewer users.
    #[arg(long, default_value_t = BIG_GROUP)]
    pub(crate) big_group: u64,
}

const TENANT: &str = "large";
const GROUPS: u64 = 1_000;
const BIG_GROUP: u64 = 100_000;

impl Plan {
    /// Returns the default plan for a number of users.
    pub(crate) fn large(users: u64) -> Plan {
        let (tenant, groups, big_group) = (TENANT.to_owned(), GROUPS, BIG_GROUP);
        Plan {
            tenant,
            users,
            groups,
            big_group,
        }
    }
}

/// The average number of groups of a user.
const MEMBERSHIPS: u64 = 3;
/// The name and the number of users of a small tenant in the same database.
pub(crate) const NEIGHBOUR: (&str, u64) = ("neighbour", 200);
const SMALL_TENANTS: u64 = 100;
const SMALL_TENANT_USERS: u64 = 20;
/// The number of members that one write adds.
const MEMBERS_AT_ONCE: usize = 10_000;

/// Fills the large tenant, and the small tenants if they do not exist. Returns the number of users of the large tenant
/// created in a second.
pub(crate) fn fill(database: &Database, plan: &Plan) -> Outcome<f64> {
    let store = &database.open()?;
    // Eight connections to PostgreSQL are enough, and SQLite combines the waiting writes into one commit.
    let writers = if database.engine() == "SQLite" { 32 } else { 8 };
    let tenant = tenant(store, &plan.tenant)?;
    let company = Company::large();
    let found = total(store, tenant, &company.user)? + total(store, tenant, &company.group)?;
    if found > 0 {
        let advice = "delete it, or use another one with `--tenant`";
        return Err(format!(
            "tenant `{}` is not empty ({found} resources): {advice}",
            plan.tenant
        )
        .into());
    }
    fill_small(store, NEIGHBOUR.0, NEIGHBOUR.1)?;
    for number in 1..=SMALL_TENANTS {
        fill_small(store, &format!("small-{number}"), SMALL_TENANT_USERS)?;
    }
    let rate = in_parallel("users", plan.users, writers, |index| {
        store.create(tenant, &company.new_user(index))
    })?;
    // The big group is created last, so a tenant that has all groups is complete.
    let ordinary = plan.groups.saturating_sub(1);
    let big_group = plan.big_group.min(plan.users);
    let memberships = (plan.users * MEMBERSHIPS).saturating_sub(big_group);
    let size = memberships.checked_div(ordinary).unwrap_or(0).min(plan.users);
    in_parallel("groups", ordinary, writers, |index| {
        let members = company.some_users(index, size, plan.users);
        let group = company.new_group(index, &format!("Group {index}"), members);
        store.create(tenant, &group)
    })?;
    if plan.groups > 0 {
        let everybody = company.new_group(ordinary, "Everybody", Vec::new());
        store.create(tenant, &everybody)?;
        let all = company.some_users(ordinary, big_group, plan.users);
        for some in all.chunks(MEMBERS_AT_ONCE) {
            let step = MembersStep::Add(some.to_vec());
            store.update(tenant, &members(&company.group, everybody.id, step))?;
        }
    }
    Ok(rate)
}

/// Whether the database exists and its large tenant has all users and groups.
pub(crate) fn is_complete(database: &Database, plan: &Plan) -> Outcome<bool> {
    // Unlike the store, this does not wait for a database that does not exist.
    Bare::open(&database.url)?;
    let store = database.open()?;
    let Company { user, group, .. } = Company::large();
    let tenant = tenant(&store, &plan.tenant)?;
    Ok(total(&store, tenant, &user)? == plan.users && total(&store, tenant, &group)? == plan.groups)
}

fn total(store: &DieselStore, tenant: TenantId, resource_type: &Arc<ResourceType>) -> Outcome<u64> {
    Ok(store.list(tenant, &count(resource_type, ""))?.total)
}

/// Returns the tenant of a name, which is created if it does not exist.
pub(crate) fn tenant(store: &DieselStore, name: &str) -> Outcome<TenantId> {
    let tenants = store.tenants()?;
    match tenants.into_iter().find(|it| it.name == name) {
        Some(tenant) => Ok(tenant.id),
        None => Ok(store.create_tenant(name, Utc::now())?),
    }
}

/// Creates a small tenant with users and no groups, unless it has users already.
fn fill_small(store: &DieselStore, name: &str, users: u64) -> Outcome<()> {
    let company = Company::small(name);
    let tenant = tenant(store, name)?;
    if total(store, tenant, &company.user)? > 0 {
        return Ok(());
    }
    for index in 0..users {
        store.create(tenant, &company.new_user(index))?;
    }
    Ok(())
}

/// Calls `work` for each index on several threads, prints the progress, and returns the number of calls in a second. The
/// first error ends all threads.
fn in_parallel(
    name: &str,
    number: u64,
    threads: u64,
    work: impl Fn(u64) -> Result<(), StoreError> + Sync,
) -> Outcome<f64> {
    let next = AtomicU64::new(0);
    let start = Instant::now();
    let rate = |done: u64| done as f64 / start.elapsed().as_secs_f64();
    let worker = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= number {
                return Ok(());
            }
            work(index).inspect_err(|_| next.store(number, Ordering::Relaxed))?;
            let done = index + 1;
            if done.is_multiple_of(50_000) || done == number {
                eprintln!("  {done} of {number} {name}, {:.0} per second", rate(done));
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        let ends = threads
            .into_iter()
            .map(|it| it.join().expect("a worker does not panic"));
        ends.collect::<Result<(), StoreError>>()
    })?;
    Ok(rate(number))
}
