//! The rules that every store keeps, as tests that an adapter runs on each of its databases.
//!
//! An adapter enables the feature `testing` of this crate for its tests, and calls [`check`] with a store on
//! any database: each rule works in new tenants.
//!
//! ```no_run
//! use scim_model::store::conformance::{self, Store};
//! # fn open_test_database() -> Box<dyn Store> { unimplemented!() }
//!
//! // In a test of the adapter:
//! let store = open_test_database();
//! conformance::check(&*store);
//! ```
//!
//! | topic | rules about |
//! | --- | --- |
//! | `resources` | creation, reads, updates, deletion, versions, unique names, references |
//! | `members` | members of groups, their order, and the versions that depend on them |
//! | `filters` | what each operator matches, on attributes, memberships and references |
//! | `sorting` | the order of a result, with missing values and over several types |
//! | `paging` | totals, pages by index, and cursors in both directions |
//! | `secrets` | secrets, which are stored outside the document |
//! | `journal_entries` | the entry that each write leaves |
//! | `journal_readers` | reading the journal from a position, retention |
//! | `feed` | the journals of several tenants in one order |
//! | `past` | resources in the state right after a change |
//! | `connections` | connections of tenants, their changes, and the end of their credentials |
//! | `client_changes` | changes of clients that keep their id, and federations for the same assertions |
//! | `credentials` | OAuth clients, their secrets and access tokens, single-use assertions |
//! | `webhooks` | endpoints of webhooks, their leases, and the messages that wait for them |
//! | `webhook_changes` | changes of endpoints |
//! | `operator_keys` | operator keys, their limits and their end |
//! | `idempotency` | the keys by which a repeated creation is recognised |
//! | `set_stream_leases` | the leases of streams that are pushed |
//! | `set_streams` | streams of security event tokens, and their progress |
//! | `signing_keys` | the keys that sign these tokens |
//! | `tenants` | isolation and deletion of tenants, tokens |
//!
//! The rules call a store from one thread. Races between writers, crashes, limits on scans and the plans of
//! queries depend on the database, and need tests in the adapter. [`Fixture`] has shorthands for them.

/// A list of rules, each with the name of its function.
macro_rules! cases {
    ($($case:ident),* $(,)?) => { &[$((stringify!($case), $case)),*] };
}

mod client_changes;
mod connections;
mod credentials;
mod feed;
mod filters;
mod fixture;
mod history;
mod idempotency;
mod journal_entries;
mod journal_readers;
mod members;
mod operator_keys;
mod paging;
mod past;
mod resources;
mod secrets;
mod set_stream_leases;
mod set_streams;
mod signing_keys;
mod sorting;
mod tenants;
mod webhook_changes;
mod webhooks;

use std::panic::{AssertUnwindSafe, catch_unwind};

use fixture::Case;
pub use fixture::{BASE_URL, Fixture, Store, at, document};
pub use history::check_histories;

/// The rules, by topic.
const TOPICS: &[&[Case]] = &[
    resources::CASES,
    members::CASES,
    filters::CASES,
    sorting::CASES,
    paging::CASES,
    secrets::CASES,
    journal_entries::CASES,
    journal_readers::CASES,
    feed::CASES,
    past::CASES,
    history::CASES,
    connections::CASES,
    credentials::CASES,
    client_changes::CASES,
    webhooks::CASES,
    webhook_changes::CASES,
    operator_keys::CASES,
    idempotency::CASES,
    set_streams::CASES,
    set_stream_leases::CASES,
    signing_keys::CASES,
    tenants::CASES,
];

/// Checks every rule in a new tenant. The store must know the built-in resource types, and must
/// have been opened with unique group names.
///
/// # Panics
/// When the store breaks a rule; the message begins with the rule.
pub fn check(store: &dyn Store) {
    for (name, case) in TOPICS.iter().copied().flatten() {
        let name = name.replace('_', " ");
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| case(&Fixture::new(store, &name)))) {
            let message = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied());
            panic!("{name}: {}", message.unwrap_or("panicked"));
        }
    }
}
