//! The rules that every store keeps, as tests that an adapter runs on each of its databases.

/// The functions with their names as sentences.
macro_rules! cases {
    ($($case:ident),* $(,)?) => { &[$((stringify!($case), $case)),*] };
}

mod filters;
mod fixture;
mod journal;
mod members;
mod paging;
mod resources;
mod secrets;
mod sorting;
mod tenants;

use std::panic::{AssertUnwindSafe, catch_unwind};

use fixture::Case;
pub use fixture::{BASE_URL, Fixture, Store, at, document};

/// The rules, by topic.
const TOPICS: &[&[Case]] = &[
    resources::CASES,
    members::CASES,
    filters::CASES,
    sorting::CASES,
    paging::CASES,
    secrets::CASES,
    journal::CASES,
    tenants::CASES,
];

/// Checks every rule, each with a tenant of its own. The store must know the built-in resource types, and must
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
