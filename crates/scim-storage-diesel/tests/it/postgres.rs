//! Failures that occur only on PostgreSQL (deadlocks, timeouts, lost connections), and the tenant as the first column
//! of every key.

use std::sync::mpsc::channel;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Text};
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl};
use scim_model::change::{Actor, AttributeChange, AttributeChanges};
use scim_model::store::conformance::Fixture;
use scim_model::store::{MembersStep, StoreError};
use serde_json::json;

use crate::database::Database;

/// Runs a test with a store on a new database and another connection to it.
fn with_postgres(test: impl FnOnce(&Fixture, PgConnection)) {
    if let Some(database) = Database::postgres() {
        let other = connect(&database);
        test(&Fixture::new(&database.store(), "acme"), other);
    }
}

fn connect(database: &Database) -> PgConnection {
    PgConnection::establish(&database.url).expect("the database is there")
}

fn run(conn: &mut PgConnection, sql: &str) {
    conn.batch_execute(sql)
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

fn number(conn: &mut PgConnection, sql: &str) -> i64 {
    let found = diesel::sql_query(format!("SELECT ({sql})::bigint AS number")).get_result::<Number>(conn);
    found.unwrap_or_else(|error| panic!("{sql}: {error}")).number
}

/// Makes the first `times` insertions into the journal run `what`.
fn let_writes_fail(conn: &mut PgConnection, times: u32, what: &str) {
    run(
        conn,
        &format!(
            "CREATE SEQUENCE attempts; CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF nextval('attempts') <= {times} THEN {what}; END IF; RETURN NEW; END $$; \
             CREATE TRIGGER fail BEFORE INSERT ON changes FOR EACH ROW EXECUTE FUNCTION fail();"
        ),
    );
}

const FAIL_TO_SERIALIZE: &str = "RAISE EXCEPTION 'could not serialize access' USING ERRCODE = '40001'";
const END_THE_CONNECTION: &str = "PERFORM pg_terminate_backend(pg_backend_pid())";

#[test]
fn a_serialization_failure_is_retried() {
    with_postgres(|it, mut other| {
        let_writes_fail(&mut other, 3, FAIL_TO_SERIALIZE);
        let user = it.add_user("bjensen");
        assert_eq!(it.version(&it.user, user), 1);
        assert_eq!(number(&mut other, "SELECT last_value FROM attempts"), 4);
    });
}

#[test]
fn a_persistent_serialization_failure_is_busy() {
    with_postgres(|it, mut other| {
        let_writes_fail(&mut other, 1_000, FAIL_TO_SERIALIZE);
        let refused = it.add(&it.user, json!({ "userName": "bjensen" }), &[]);
        assert!(matches!(refused, Err(StoreError::Busy)), "{refused:?}");
        assert!(
            number(&mut other, "SELECT last_value FROM attempts") < 20,
            "the retries end"
        );
        assert_eq!(it.search(&it.user, "", "").total, 0);
    });
}

/// Waits until a connection to this database waits for a lock.
fn wait_until_blocked(other: &mut PgConnection) {
    let waiting = "SELECT count(*) FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let mut watching = 0;
    while number(other, waiting) == 0 {
        std::thread::sleep(Duration::from_millis(5));
        watching += 1;
        assert!(watching < 1_000, "no connection waits");
    }
}

#[test]
fn a_deadlock_is_retried() {
    with_postgres(|it, mut other| {
        let (first, second) = (it.add_user("first"), it.add_user("second"));
        let group = it.add_group("everybody", &[]);
        let lock = |name: &str| format!("SELECT FROM resource WHERE unique_key = '{name}' FOR UPDATE");
        // The store's connection detects the deadlock: the other one would take a minute.
        run(&mut other, "SET deadlock_timeout = '1min'; BEGIN");
        run(&mut other, &lock("second"));
        std::thread::scope(|threads| {
            // Locks the first user, and waits for the second.
            let joining =
                threads.spawn(|| it.change_members(group, vec![MembersStep::Add(vec![first, second])]));
            wait_until_blocked(&mut other);
            run(&mut other, &lock("first"));
            run(&mut other, "COMMIT");
            let joined = joining.join().expect("it has not panicked");
            assert!(joined.expect("it was tried again").is_some_and(|it| it.changed));
        });
        assert_eq!(it.members(group), [first, second]);
    });
}

/// A concurrent request may rename the group that is being added, which locks the groups that contain it.
#[test]
fn a_group_and_its_members_are_locked_in_the_order_of_creation() {
    with_postgres(|it, mut other| {
        let (group, joining) = (it.add_group("group", &[]), it.add_group("joining", &[]));
        let lock =
            |name: &str| format!("SELECT FROM resource WHERE display_key = '{name}' FOR UPDATE NOWAIT");
        run(&mut other, "BEGIN");
        run(&mut other, &lock("group"));
        std::thread::scope(|threads| {
            let change = threads.spawn(|| it.change_members(group, vec![MembersStep::Add(vec![joining])]));
            wait_until_blocked(&mut other);
            run(&mut other, &lock("joining"));
            run(&mut other, "COMMIT");
            let changed = change.join().expect("it has not panicked");
            assert!(
                changed
                    .expect("nothing is in the way")
                    .is_some_and(|it| it.changed)
            );
        });
        assert_eq!(it.members(group), [joining]);
    });
}

#[test]
fn a_lock_timeout_is_busy() {
    with_postgres(|it, mut other| {
        let user = it.add_user("bjensen");
        run(&mut other, "BEGIN; SELECT FROM resource FOR UPDATE");
        let replaced = it.replace(&it.user, user, None, json!({"userName": "babs"}));
        assert!(matches!(replaced, Err(StoreError::Busy)), "{replaced:?}");
        assert_eq!(it.version(&it.user, user), 1, "readers are not blocked");
        run(&mut other, "COMMIT");
        let replaced = it.replace(&it.user, user, None, json!({"userName": "babs"}));
        assert!(
            replaced.is_ok_and(|it| it.is_some()),
            "the connection still works"
        );
    });
}

/// The same as `statement_timeout` or an administrator does.
#[test]
fn a_cancelled_statement_is_busy() {
    with_postgres(|it, mut other| {
        let user = it.add_user("bjensen");
        run(&mut other, "BEGIN; SELECT FROM resource FOR UPDATE");
        std::thread::scope(|threads| {
            let replacing = threads.spawn(|| it.replace(&it.user, user, None, json!({"userName": "babs"})));
            wait_until_blocked(&mut other);
            run(
                &mut other,
                "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
            );
            let replaced = replacing.join().expect("it has not panicked");
            assert!(matches!(replaced, Err(StoreError::Busy)), "{replaced:?}");
        });
    });
}

#[test]
fn a_write_that_loses_its_connection_before_the_commit_is_retried() {
    with_postgres(|it, mut other| {
        let_writes_fail(&mut other, 2, END_THE_CONNECTION);
        let user = it.add_user("bjensen");
        assert_eq!(it.version(&it.user, user), 1);
        assert_eq!(it.search(&it.user, "", "").total, 1);
    });
}

/// The write may have been committed, so it must not be repeated.
#[test]
fn a_write_that_loses_its_connection_during_the_commit_is_not_retried() {
    with_postgres(|it, mut other| {
        let user = it.add_user("bjensen");
        run(
            &mut other,
            "CREATE FUNCTION leave() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$; \
             CREATE SEQUENCE committed; \
             CREATE FUNCTION count_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             PERFORM nextval('committed'); RETURN NULL; END $$; \
             CREATE TRIGGER count_it AFTER INSERT ON changes FOR EACH ROW EXECUTE FUNCTION count_it(); \
             CREATE CONSTRAINT TRIGGER leave AFTER INSERT ON changes DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW EXECUTE FUNCTION leave();",
        );
        let replaced = it.replace(&it.user, user, None, json!({"userName": "babs"}));
        assert!(
            matches!(replaced, Err(StoreError::Unavailable(_))),
            "{replaced:?}"
        );
        assert_eq!(number(&mut other, "SELECT last_value FROM committed"), 1);
        run(&mut other, "DROP TRIGGER leave ON changes");
        let replaced = it.replace(&it.user, user, None, json!({"userName": "babs"}));
        assert!(replaced.is_ok_and(|it| it.is_some()));
    });
}

#[test]
fn connections_closed_between_two_calls_are_replaced() {
    with_postgres(|it, mut other| {
        let user = it.add_user("bjensen");
        let end_all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                       WHERE datname = current_database() AND pid <> pg_backend_pid()";
        for round in 0..5 {
            // Opens several connections.
            std::thread::scope(|threads| {
                (0..8).for_each(|_| drop(threads.spawn(|| it.version(&it.user, user))));
            });
            run(&mut other, end_all);
            assert!(it.read(&it.user, user).is_some(), "round {round}");
            run(&mut other, end_all);
            it.add_user(&format!("user{round}"));
        }
        assert_eq!(it.search(&it.user, "", "").total, 6);
    });
}

/// When a primary becomes a standby, its connections can read but not write.
#[test]
fn a_read_only_connection_is_discarded() {
    with_postgres(|it, mut other| {
        run(
            &mut other,
            "CREATE TABLE standby (); \
             CREATE FUNCTION stand_by() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF EXISTS (SELECT FROM pg_class WHERE relname = 'standby') THEN \
             RAISE EXCEPTION 'cannot execute INSERT in a read-only transaction' USING ERRCODE = '25006'; \
             END IF; RETURN NEW; END $$; \
             CREATE TRIGGER stand_by BEFORE INSERT ON changes FOR EACH ROW EXECUTE FUNCTION stand_by();",
        );
        let refused = it.add(&it.user, json!({ "userName": "bjensen" }), &[]);
        assert!(matches!(refused, Err(StoreError::Busy)), "{refused:?}");
        run(&mut other, "DROP TABLE standby");
        it.add_user("bjensen");
    });
}

/// While one transaction has changed a group and has not ended, other transactions can change other resources.
#[test]
fn writes_to_different_resources_do_not_block_each_other() {
    let Some(database) = Database::postgres() else {
        return;
    };
    let store = database.store();
    let it = Fixture::new(&store, "acme");
    let users: Vec<_> = (0..4)
        .map(|number| it.add_user(&format!("user{number}")))
        .collect();
    let groups: Vec<_> = (0..2)
        .map(|number| it.add_group(&format!("group{number}"), &[]))
        .collect();
    // Blocks the first group's change just before its commit.
    let mut holder = connect(&database);
    run(
        &mut holder,
        "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF NEW.version = 2 AND NEW.kind = 2 AND NEW.change LIKE '{\"hold\":%' THEN \
         PERFORM pg_advisory_xact_lock(1); END IF; RETURN NULL; END $$; \
         CREATE TRIGGER hold AFTER INSERT ON changes FOR EACH ROW EXECUTE FUNCTION hold()",
    );
    run(&mut holder, "BEGIN; SELECT pg_advisory_xact_lock(1)");
    let (done, other_is_done) = channel();
    std::thread::scope(|threads| {
        let held = threads.spawn(|| {
            let mut hold = AttributeChanges::default();
            hold.insert("hold", AttributeChange::Hidden);
            let update = scim_model::store::Update {
                resource_type: it.group.clone(),
                id: groups[0],
                expected_version: None,
                now: scim_model::store::conformance::at(3),
                actor: Actor::System,
                document: None,
                members: scim_model::store::MembersChange::Steps(vec![MembersStep::Add(vec![users[0]])]),
                secrets: scim_model::SecretHashes::new(),
                changes: hold,
            };
            it.store.update(it.tenant, &update)
        });
        wait_until_blocked(&mut connect(&database));
        let (it, users, groups) = (&it, &users, &groups);
        threads.spawn(move || {
            // The same user is added to another group; other users are changed, deleted and created.
            let joined = it.change_members(groups[1], vec![MembersStep::Add(vec![users[0], users[1]])]);
            assert!(matches!(joined, Ok(Some(_))), "{joined:?}");
            let renamed = it.replace(&it.user, users[2], None, json!({"userName": "renamed"}));
            assert!(renamed.is_ok_and(|it| it.is_some_and(|it| it.changed)));
            assert!(it.delete(&it.user, users[3]));
            it.add_user("new");
            done.send(()).expect("the test waits");
        });
        // A blocked write would have failed with a lock timeout by then.
        let outcome = other_is_done.recv_timeout(Duration::from_secs(60));
        run(&mut holder, "COMMIT");
        assert!(outcome.is_ok(), "it waited");
        let held = held.join().expect("it has not panicked");
        // The blocked change may itself have failed with a lock timeout.
        assert!(matches!(held, Ok(Some(_)) | Err(StoreError::Busy)), "{held:?}");
    });
}

#[derive(QueryableByName)]
struct Key {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    first_column: String,
}

/// Then no row can refer to another tenant's row, and tables can be distributed by tenant.
#[test]
fn every_key_begins_with_the_tenant() {
    with_postgres(|_, mut conn| {
        let exceptions = [
            // Shared by all tenants: the tenants themselves, the types and their attributes, diesel's table.
            "tenant_pkey",
            "tenant_name_key",
            "resource_type_pkey",
            "resource_type_name_key",
            "attribute_path_pkey",
            "attribute_path_kind_path_key",
            "attribute_path_kind_fkey",
            "__diesel_schema_migrations_pkey",
            // A token is looked up before its tenant is known.
            "token_pkey",
            "token_sha256_key",
            // A client and an access token are looked up before their tenant is known.
            "oauth_client_client_id_key",
            "access_token_pkey",
            // Expired rows of all tenants are deleted together. The digest of an assertion includes the tenant's client.
            "access_token_expires",
            "used_assertion_pkey",
            "used_assertion_expires",
            // An endpoint of webhooks gets events of several tenants.
            "webhook_endpoint_pkey",
            "webhook_secret_pkey",
            "webhook_secret_endpoint",
            "webhook_secret_endpoint_fkey",
            "webhook_message_pkey",
            "webhook_message_given_up",
            "webhook_message_dead",
            "webhook_message_endpoint_fkey",
            "webhook_delivery_pkey",
            "webhook_delivery_at",
            "webhook_delivery_endpoint_fkey",
            "webhook_worker_pkey",
            // A feed of all tenants asks what was dropped from any of them, and which positions deleted ones had.
            "journal_start_sequence",
            "deleted_change_pkey",
            // An operator key may be for all tenants.
            "operator_key_pkey",
            "operator_key_sha256_key",
            "operator_key_tenant_operator_key_fkey",
            // The digest of an idempotency key includes the operator key.
            "idempotency_key_pkey",
            "idempotency_key_at",
            // A stream of security event tokens has events of several tenants. All tenants have the same signing keys.
            "set_stream_pkey",
            "set_stream_event_pkey",
            "set_stream_event_stream_fkey",
            "set_stream_last_event_pkey",
            "set_stream_last_event_stream_fkey",
            "set_attempt_pkey",
            "set_attempt_at",
            "set_attempt_stream_fkey",
            "finished_set_pkey",
            "finished_set_stream_fkey",
            "refused_set_pkey",
            "refused_set_at",
            "refused_set_stream_fkey",
            "signing_key_pkey",
            "signing_key_number",
            // The types are the same for all tenants.
            "resource_kind_fkey",
        ];
        let keys = "SELECT i.indexrelid::regclass::text AS name, a.attname::text AS first_column \
                    FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid \
                    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
                    WHERE t.relnamespace = 'public'::regnamespace \
                    UNION ALL SELECT c.conname::text, a.attname::text FROM pg_constraint c \
                    JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] \
                    WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace";
        let keys: Vec<Key> = diesel::sql_query(keys)
            .load(&mut conn)
            .expect("the catalogue is there");
        assert!(keys.len() > 20);
        let others: Vec<&str> = keys
            .iter()
            .filter(|it| it.first_column != "tenant_id")
            .map(|it| it.name.as_str())
            .collect();
        for name in &others {
            assert!(
                exceptions.contains(name),
                "`{name}` does not begin with the tenant"
            );
        }
        for name in exceptions {
            assert!(others.contains(&name), "`{name}` is no longer an exception");
        }
    });
}
