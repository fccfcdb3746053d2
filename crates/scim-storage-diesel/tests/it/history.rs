//! The histories of resources, with more states than the rules of every store compare.

use scim_model::store::conformance::{Fixture, check_histories};

use crate::database::Database;

#[test]
fn ten_thousand_states_are_rebuilt() {
    let database = Database::sqlite();
    let store = database.store();
    check_histories(&Fixture::new(&store, "acme"), 10_000);
}
