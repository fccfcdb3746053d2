//! Several servers on one PostgreSQL: none changes the settings that determine index entries while others run.

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use scim_model::store::StoreError;
use scim_model::store::conformance::Fixture;
use scim_storage_diesel::{DieselStore, OpenError, Pooler, StoreOptions};
use serde_json::json;

use crate::database::Database;

/// A different setting of uniqueness.
fn other() -> StoreOptions {
    StoreOptions {
        unique_group_names: false,
        ..StoreOptions::default()
    }
}

#[test]
fn a_server_with_other_settings_waits_until_the_others_have_ended() {
    let Some(database) = Database::postgres() else {
        return;
    };
    let first = database.store();
    let second = database.store();
    let refused = DieselStore::open(&database.url, &other()).err();
    assert!(matches!(refused, Some(OpenError::OthersRun)), "{refused:?}");
    drop(first);
    let refused = DieselStore::open(&database.url, &other()).err();
    assert!(matches!(refused, Some(OpenError::OthersRun)), "{refused:?}");
    drop(second);
    let changed = database.store_with(&other());
    let it = Fixture::new(&changed, "acme");
    it.add_group("Guides", &[]);
    it.add_group("guides", &[]);
}

#[test]
fn commands_work_next_to_servers_with_any_settings() {
    let Some(database) = Database::postgres() else {
        return;
    };
    let _server = database.store_with(&other());
    DieselStore::open_directory(&database.url, Pooler::None).expect("it changes no index entries");
}

/// A server may lose its lock with its connection, or never have one behind a pooler, while another server changes the
/// settings.
#[test]
fn a_server_with_outdated_settings_refuses_every_call() {
    for pooler in [Pooler::None, Pooler::Transaction] {
        let Some(database) = Database::postgres() else {
            return;
        };
        let options = StoreOptions {
            pooler,
            ..StoreOptions::default()
        };
        let old = database.store_with(&options);
        let it = Fixture::new(&old, "acme");
        let mut other_conn = PgConnection::establish(&database.url).expect("the database is there");
        other_conn
            .batch_execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock' \
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            )
            .expect("it runs");
        let new = database.store_with(&other());
        let add =
            |it: &Fixture, number: u32| it.add(&it.group, json!({"displayName": number.to_string()}), &[]);
        let refused = (0..600).find_map(|number| {
            std::thread::sleep(std::time::Duration::from_millis(100));
            add(&it, number).err()
        });
        assert!(matches!(refused, Some(StoreError::Unavailable(_))), "{refused:?}");
        add(&Fixture::new(&new, "other"), 1).expect("the new server works by the new settings");
    }
}

#[test]
fn a_database_that_cannot_hold_every_name_is_refused() {
    let Some(database) = Database::postgres() else {
        return;
    };
    let (server, name) = database.url.rsplit_once('/').expect("the URL names a database");
    let name = format!("{name}_latin1");
    let mut conn = PgConnection::establish(&database.url).expect("the database is there");
    conn.batch_execute(&format!(
        "CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"
    ))
    .expect("the user may create databases");
    let refused = DieselStore::open(&format!("{server}/{name}"), &StoreOptions::default()).err();
    conn.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)"))
        .expect("it is there");
    assert!(
        matches!(&refused, Some(OpenError::Encoding(it)) if it == "LATIN1"),
        "{refused:?}"
    );
}

/// The defaults of the database have no influence.
#[test]
fn writes_are_read_committed_and_end_with_their_server() {
    let Some(database) = Database::postgres() else {
        return;
    };
    let (_, name) = database.url.rsplit_once('/').expect("the URL names a database");
    database.run(&format!(
        "ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'"
    ));
    let store = database.store();
    let it = Fixture::new(&store, "acme");
    database.run(
        "CREATE TABLE seen (isolation TEXT, idle TEXT); \
         CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen VALUES \
         (current_setting('transaction_isolation'), current_setting('idle_in_transaction_session_timeout')); \
         RETURN NEW; END $$; \
         CREATE TRIGGER see BEFORE INSERT ON changes FOR EACH ROW EXECUTE FUNCTION see();",
    );
    it.add_user("bjensen");
    let seen = "SELECT count(*) FROM seen WHERE isolation = 'read committed' AND idle = '20s'";
    assert_eq!(database.number(seen), 1);
}
