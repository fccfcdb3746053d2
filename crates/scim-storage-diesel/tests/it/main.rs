//! The store on SQLite, and on PostgreSQL when `SCIM_TEST_POSTGRES_URL` names a server.

mod agreement;
mod costs;
mod database;
mod journal;
mod opening;
mod races;
mod sql;

use database::on_each;
use scim_model::store::conformance;

#[test]
fn the_rules_of_every_store() {
    on_each(|database| conformance::check(&database.store()));
}
