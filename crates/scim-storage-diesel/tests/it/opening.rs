//! Opening, locking and migrating databases, and the effect of a changed schema on stored data.

use std::sync::Arc;

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use scim_model::change::{Actor, ChangePosition};
use scim_model::store::conformance::{Fixture, at, document};
use scim_model::store::{ChangeJournal, Directory, NewResource, PageRequest, ResourceStore, StoreError};
use scim_model::{ResourceType, SchemaRegistry, SecretHashes};
use scim_storage_diesel::{DieselStore, OpenError, Pooler, StoreOptions};
use serde_json::json;
use uuid::Uuid;

use crate::database::{Database, on_each};

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let database = Database::sqlite();
    let store = database.store();
    Fixture::new(&store, "acme").add_user("bjensen");
    let folder = database.file().parent().expect("a folder").to_owned();
    let files: Vec<_> = std::fs::read_dir(folder)
        .expect("it is there")
        .map(|it| it.expect("a file"))
        .collect();
    assert!(files.len() >= 3, "database, log and lock");
    for file in files {
        let mode = file.metadata().expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", file.path());
    }
}

#[test]
fn a_second_server_on_the_same_file_is_refused() {
    let database = Database::sqlite();
    let store = database.store();
    let refused = DieselStore::open(&database.url, &StoreOptions::default());
    match refused.err() {
        Some(OpenError::InUse(path)) => assert_eq!(path, database.file()),
        other => panic!("expected that the file is in use, not {other:?}"),
    }
    drop(store);
    database.store();
}

#[cfg(unix)]
#[test]
fn a_file_with_a_hard_link_is_refused() {
    use std::os::unix::fs::symlink;
    let database = Database::sqlite();
    let store = database.store();
    let (file, linked) = (database.file(), database.file().with_file_name("linked.db"));
    symlink(&file, &linked).expect("it is created");
    let url = format!("sqlite:{}", linked.display());
    let refused = DieselStore::open(&url, &StoreOptions::default());
    assert!(matches!(refused, Err(OpenError::InUse(_))));
    std::fs::remove_file(&linked).expect("it is there");

    std::fs::hard_link(&file, &linked).expect("it is created");
    for name in [&linked, &file] {
        let url = format!("sqlite:{}", name.display());
        let refused = DieselStore::open(&url, &StoreOptions::default()).map(drop);
        let error = refused.expect_err("it is refused").to_string();
        assert!(error.contains("hard link"), "{error}");
        let refused = DieselStore::open_existing(&url, Pooler::None).map(drop);
        assert!(matches!(refused, Err(OpenError::HardLinked(_))));
    }
    drop(store);
    std::fs::remove_file(&linked).expect("it is there");
    database.store();
}

#[test]
fn a_file_that_is_not_a_database_is_refused() {
    for url in [
        "",
        "mysql://localhost/x",
        "sqlite:",
        "sqlite::memory:",
        "/var/lib/scim.db",
    ] {
        let refused = DieselStore::open(url, &StoreOptions::default()).err();
        assert!(matches!(refused, Some(OpenError::Url(_))), "{url}: {refused:?}");
    }
    for (url, shown) in [
        ("postgre://scim:s3cret@db/scim", "`postgre:…`"),
        ("postgres//scim:s3cret@db/scim", "`postgres//scim:…`"),
        ("host=db password=s3cret", "`host=…`"),
        ("scim@db/scim?password=s3cret", "`scim@…`"),
        ("var/lib/scim.db", "`var/lib/scim.db`"),
    ] {
        let refused = DieselStore::open(url, &StoreOptions::default()).err();
        let text = refused.expect("it is no database").to_string();
        assert!(text.contains(shown) && !text.contains("s3cret"), "{url}: {text}");
    }
    for login in ["scim:p@s3cret", "scim:s3cret%zz", "a@b:s3cret", "scim:/s3cret"] {
        let url = format!("postgres://{login}@127.0.0.1:1/scim?sslmode=disable");
        let refused = DieselStore::open(&url, &StoreOptions::default()).err();
        let text = refused.expect("nobody listens there").to_string();
        assert!(
            text.contains("`%40`") && !text.contains("s3cret"),
            "{url}: {text}"
        );
    }
    let missing = DieselStore::open("sqlite:/no/such/folder/scim.db", &StoreOptions::default()).err();
    assert!(matches!(missing, Some(OpenError::NoFolder(_))), "{missing:?}");
    let folder = tempfile::tempdir().expect("a folder can be created");
    let folder = format!("sqlite:{}", folder.path().display());
    let refused = DieselStore::open(&folder, &StoreOptions::default()).err();
    assert!(matches!(refused, Some(OpenError::Folder(_))), "{refused:?}");
    let database = Database::sqlite();
    std::fs::write(database.file(), "this is no database, however long it may be")
        .expect("it can be written");
    let other = DieselStore::open(&database.url, &StoreOptions::default()).err();
    assert!(other.is_some_and(|it| it.to_string().contains("not a database")));
}

#[test]
fn commands_work_while_a_server_runs() {
    on_each(|database| {
        let before = DieselStore::open_directory(&database.url, Pooler::None)
            .expect("it opens before the first server");
        before.create_tenant("before", at(0)).expect("it is new");
        let store = database.store();
        let it = Fixture::new(&store, "acme");
        it.add_user("bjensen");
        let during =
            DieselStore::open_directory(&database.url, Pooler::None).expect("it opens while a server runs");
        during.create_tenant("during", at(0)).expect("it is new");
        it.add_user("smith");
        let tenants = store.tenants().expect("the store is there");
        let names: Vec<&str> = tenants.iter().map(|it| it.name.as_str()).collect();
        assert!(
            names.contains(&"before") && names.contains(&"during"),
            "{names:?}"
        );
        assert_eq!(it.search(&it.user, "", "").total, 2);
    });
}

#[test]
fn data_survives_a_restart() {
    on_each(|database| {
        let store = database.store();
        let it = Fixture::new(&store, "acme");
        let (tenant, user) = (it.tenant, it.add_user("bjensen"));
        drop(store);
        let store = database.store();
        let it = Fixture {
            tenant,
            ..Fixture::new(&store, "other")
        };
        assert_eq!(it.version(&it.user, user), 1);
        assert_eq!(it.names(&it.user, "userName eq \"BJENSEN\"", ""), ["bjensen"]);
    });
}

#[test]
fn many_servers_can_start_at_once() {
    on_each(|database| {
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    DieselStore::open_directory(&database.url, Pooler::None)
                        .map(drop)
                        .expect("it opens");
                });
            }
        });
    });
}

const SQLITE: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

#[test]
fn migrations_can_be_reverted_and_repeated() {
    on_each(|database| {
        let left_sqlite = "SELECT CASE WHEN count(*) = 1 THEN 1 ELSE abs(-9223372036854775807 - 1) END FROM sqlite_master \
                           WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
        let left_postgres =
            "DO $$ BEGIN ASSERT (SELECT count(*) FROM pg_tables WHERE schemaname = 'public') = 1; END $$";
        for _ in 0..2 {
            let store = database.store();
            Fixture::new(&store, "acme").add_user("bjensen");
            drop(store);
            // Only the table of diesel's migrations remains.
            if database.is_sqlite() {
                let file = database.file();
                let mut conn =
                    SqliteConnection::establish(file.to_str().expect("it is UTF-8")).expect("it opens");
                conn.batch_execute("PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON")
                    .expect("it runs");
                conn.revert_all_migrations(SQLITE).expect("they go down");
                conn.batch_execute(left_sqlite).expect("one table is left");
            } else {
                let mut conn = PgConnection::establish(&database.url).expect("it opens");
                conn.revert_all_migrations(POSTGRES).expect("they go down");
                conn.batch_execute(left_postgres).expect("one table is left");
            }
        }
    });
}

/// Reverting one migration at a time keeps all data that the earlier version had stored.
#[test]
fn each_down_migration_keeps_the_older_data() {
    on_each(|database| {
        let store = database.store();
        let it = Fixture::new(&store, "acme");
        let (tenant, user) = (it.tenant, it.add_user("bjensen"));
        it.add_group("Guides", &[user]);
        store
            .prune_changes(tenant, at(100), 1)
            .expect("nobody is in the way");
        drop(store);
        let steps = database.number("SELECT count(*) FROM __diesel_schema_migrations") - 1;
        assert!(steps >= 3);
        for down in 1..=steps {
            for _ in 0..down {
                if database.is_sqlite() {
                    let file = database.file();
                    let file = file.to_str().expect("it is UTF-8");
                    let mut conn = SqliteConnection::establish(file).expect("it opens");
                    conn.batch_execute("PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON")
                        .expect("it runs");
                    conn.revert_last_migration(SQLITE).expect("it goes down");
                } else {
                    let mut conn = PgConnection::establish(&database.url).expect("it opens");
                    conn.revert_last_migration(POSTGRES).expect("it goes down");
                }
            }
            let counts = ["tenant", "resource", "resource_normal", "membership"]
                .map(|it| database.number(&format!("SELECT count(*) FROM {it}")));
            assert_eq!(counts, [down, 2, 2, 1], "{down} steps down");
            let store = database.store();
            let it = Fixture {
                tenant,
                ..Fixture::new(&store, "other")
            };
            assert_eq!(it.names(&it.user, "userName eq \"bjensen\"", ""), ["bjensen"]);
            assert_eq!(it.names(&it.group, "members pr", ""), ["Guides"]);
        }
    });
}

/// The literal of a byte string in which each byte has the given hexadecimal digits.
fn bytes(database: &Database, digits: &str, number: usize) -> String {
    let digits = digits.repeat(number);
    match database.is_sqlite() {
        true => format!("x'{digits}'"),
        false => format!("'\\x{digits}'"),
    }
}

/// Reverts migrations from the newest one to the one with this time.
fn revert_to(database: &Database, time: &str) {
    let is_applied = format!("SELECT count(*) FROM __diesel_schema_migrations WHERE version = '{time}'");
    while database.number(&is_applied) > 0 {
        if database.is_sqlite() {
            let file = database.file();
            let mut conn =
                SqliteConnection::establish(file.to_str().expect("it is UTF-8")).expect("it opens");
            conn.batch_execute("PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON")
                .expect("it runs");
            conn.revert_last_migration(SQLITE).expect("it goes down");
        } else {
            let mut conn = PgConnection::establish(&database.url).expect("it opens");
            conn.revert_last_migration(POSTGRES).expect("it goes down");
        }
    }
}

#[test]
fn tokens_of_earlier_versions_belong_to_the_default_connection() {
    on_each(|database| {
        let tenant = Fixture::new(&database.store(), "acme").tenant;
        revert_to(database, "20261201000000");
        let (id, hash) = (bytes(database, "01", 16), bytes(database, "02", 32));
        database.run(&format!(
            "INSERT INTO token (id, tenant_id, sha256, created, read_only, note) \
             VALUES ({id}, {}, {hash}, 1, TRUE, 'for Okta')",
            tenant.0
        ));
        let store = database.store();
        let token = store.token_by_hash(&[2; 32]).expect("the store is there");
        let token = token.expect("it is kept");
        let default = store.connection(tenant, "default").expect("the store is there");
        assert_eq!(Some(&token.connection), default.as_ref());
        assert_eq!((&*token.name, token.read_only), ("for Okta", true));
        assert_eq!((token.last_four, token.last_used), (None, None));
        revert_to(database, "20261201000000");
        let kept = "SELECT count(*) FROM token WHERE note = 'for Okta'";
        assert_eq!(database.number(kept), 1);
    });
}

/// An instance of the first version can run at the same time as newer ones: later migrations keep every table and
/// column that it uses, and require no further value.
#[test]
fn statements_of_the_first_version_still_work() {
    on_each(|database| {
        let store = database.store();
        let (id, hash) = (bytes(database, "01", 16), bytes(database, "02", 32));
        database.run(&format!(
            "INSERT INTO tenant (name, created) VALUES ('old', 1); \
             INSERT INTO token (id, tenant_id, sha256, created, read_only, note) \
             SELECT {id}, id, {hash}, 1, FALSE, 'for Okta' FROM tenant; \
             INSERT INTO resource (tenant_id, kind, id, version, created, modified, document) \
             SELECT id, 1, {id}, 1, 1, 1, '{{}}' FROM tenant; \
             INSERT INTO secret (tenant_id, pk, path, hash) SELECT tenant_id, pk, 'password', '' FROM resource; \
             INSERT INTO changes (tenant_id, at, kind, id, version, action, change) \
             SELECT tenant_id, 1, kind, id, 1, 'create', '{{}}' FROM resource"
        ));
        let tenants = store.tenants().expect("the store is there");
        let names: Vec<&str> = tenants.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["old"]);
        let token = store.token_by_hash(&[2; 32]).expect("the store is there");
        let token = token.expect("it has a connection");
        assert_eq!((&*token.name, token.connection.is_default()), ("for Okta", true));
        let changes = store.changes(tenants[0].id, ChangePosition::default(), 10);
        let changes = changes.expect("the journal is complete");
        assert_eq!((changes.len(), &changes[0].actor), (1, &Actor::Unknown));
        assert!(store.delete_tenant("old").expect("the store is there"));
        assert_eq!(database.number("SELECT count(*) FROM changes"), 0);
    });
}

#[test]
fn group_names_become_unique_once_no_two_are_equal() {
    on_each(|database| {
        let any = StoreOptions {
            unique_group_names: false,
            ..StoreOptions::default()
        };
        let store = database.store_with(&any);
        let it = Fixture::new(&store, "acme");
        let tenant = it.tenant;
        it.add_group("Guides", &[]);
        let second = it.add_group("guides", &[]);
        assert_eq!(
            it.names(&it.group, "displayName eq \"GUIDES\"", ""),
            ["Guides", "guides"]
        );
        drop(store);

        match DieselStore::open(&database.url, &StoreOptions::default()).err() {
            Some(OpenError::NotUnique(attribute)) => assert_eq!(attribute, "displayName"),
            other => panic!("expected that the names collide, not {other:?}"),
        }
        let store = database.store_with(&any);
        let it = Fixture {
            tenant,
            ..Fixture::new(&store, "other")
        };
        assert_eq!(
            it.search(&it.group, "displayName eq \"guides\"", "").total,
            2,
            "nothing has changed"
        );
        assert!(it.delete(&it.group, second));
        drop(store);

        let store = database.store();
        let it = Fixture {
            tenant,
            ..Fixture::new(&store, "another")
        };
        let taken = it.add(&it.group, json!({"displayName": "GUIDES"}), &[]);
        assert!(matches!(taken, Err(StoreError::Conflict { attribute }) if attribute == "displayName"));
        assert_eq!(
            it.version(&it.group, it.search(&it.group, "", "").resources[0].id),
            1
        );
    });
}

/// A resource type `Device` with a given definition of `serial`.
fn with_devices(serial: &str) -> (StoreOptions, Arc<ResourceType>) {
    let schema = format!(
        r#"{{"id": "urn:example:Device", "name": "Device", "attributes": [
            {{"name": "name", "required": true}},
            {{"name": "serial" {serial}}},
            {{"name": "tags", "multiValued": true}},
            {{"name": "weight", "type": "decimal"}}]}}"#
    );
    let resource_type = r#"{"name": "Device", "endpoint": "/Devices", "schema": "urn:example:Device"}"#;
    let files = [
        ("device.json".to_owned(), schema),
        ("type.json".to_owned(), resource_type.to_owned()),
    ];
    let registry = SchemaRegistry::load(&files).expect("the documents are right");
    let device = registry.resource_type("Device").expect("it is loaded").clone();
    let options = StoreOptions {
        resource_types: registry.resource_types,
        ..StoreOptions::default()
    };
    (options, device)
}

#[test]
fn an_attribute_becomes_indexed_and_unique() {
    on_each(|database| {
        let (options, device) = with_devices("");
        let store = database.store_with(&options);
        let tenant = store.create_tenant("acme", at(0)).expect("it is new");
        let add = |store: &DieselStore, device: &Arc<ResourceType>, value| {
            let new = NewResource {
                resource_type: device.clone(),
                id: Uuid::now_v7(),
                now: at(1),
                actor: Actor::System,
                document: document(value),
                members: Vec::new(),
                secrets: SecretHashes::new(),
            };
            store.create(tenant, &new)
        };
        for number in ["1", "2", "3"] {
            let value = json!({"name": number, "serial": format!("S{number}"), "tags": ["a", number], "weight": number.parse::<f64>().expect("a number")});
            add(&store, &device, value).expect("it is new");
        }
        let check = |store: &DieselStore, device: &Arc<ResourceType>, index: Option<&str>| {
            let it = Fixture {
                tenant,
                ..Fixture::new(store, &Uuid::now_v7().to_string())
            };
            for (filter, expected) in [
                ("serial eq \"s2\"", 1),
                ("serial sw \"S\"", 3),
                ("tags eq \"A\"", 3),
                ("weight gt 1.50", 2),
            ] {
                assert_eq!(it.search(device, filter, "").total, expected, "{filter}");
            }
            let query = it.query(
                device,
                "serial eq \"s2\"",
                "",
                PageRequest::Index {
                    start_index: 1,
                    count: 9,
                },
            );
            let sql = store.explain(tenant, &query).expect("it explains").remove(0).sql;
            match index {
                Some(index) => assert!(sql.contains(index), "{sql}"),
                None => assert!(sql.contains("n.normal"), "{sql}"),
            }
        };
        check(&store, &device, None);
        drop(store);

        let (options, device) = with_devices(r#", "indexed": true"#);
        let store = database.store_with(&options);
        check(&store, &device, Some("attribute_value"));
        drop(store);

        let (options, device) = with_devices(r#", "uniqueness": "server""#);
        let store = database.store_with(&options);
        check(&store, &device, Some("unique_key"));
        let taken = add(&store, &device, json!({"name": "4", "serial": "s3"}));
        assert!(matches!(taken, Err(StoreError::Conflict { attribute }) if attribute == "serial"));
        add(&store, &device, json!({"name": "4"})).expect("nothing is in the way");
        add(&store, &device, json!({"name": "5"})).expect("no value is not the same value");
    });
}

#[test]
fn several_attributes_of_one_type_are_unique() {
    on_each(|database| {
        let schema = r#"{"id": "urn:example:Badge", "name": "Badge", "attributes": [
            {"name": "number", "type": "integer", "uniqueness": "server"},
            {"name": "code", "caseExact": true, "uniqueness": "server"}]}"#;
        let extension = r#"{"id": "urn:example:Owner", "name": "Owner", "attributes": [
            {"name": "mail", "uniqueness": "global"}]}"#;
        let resource_type = r#"{"name": "Badge", "endpoint": "/Badges", "schema": "urn:example:Badge",
            "schemaExtensions": [{"schema": "urn:example:Owner", "required": false}]}"#;
        let files = [("a", schema), ("b", extension), ("c", resource_type)];
        let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let registry = SchemaRegistry::load(&files).expect("the documents are right");
        let badge = registry.resource_type("Badge").expect("it is loaded").clone();
        let store = database.store_with(&StoreOptions {
            resource_types: registry.resource_types,
            ..StoreOptions::default()
        });
        let it = Fixture::new(&store, "acme");
        let first = it
            .add(
                &badge,
                json!({"number": 1, "code": "a", "urn:example:Owner": {"mail": "x@y.z"}}),
                &[],
            )
            .expect("it is new");
        let second = it
            .add(&badge, json!({"number": 2, "code": "c"}), &[])
            .expect("it is new");
        for (value, attribute) in [
            (json!({"number": 1.0}), "number"),
            (json!({"number": 3, "code": "a"}), "code"),
            (
                json!({"number": 3, "code": "A", "urn:example:Owner": {"mail": "X@Y.Z"}}),
                "urn:example:Owner:mail",
            ),
        ] {
            for result in [
                it.add(&badge, value.clone(), &[]).map(drop),
                it.replace(&badge, second, None, value).map(drop),
            ] {
                match result {
                    Err(StoreError::Conflict { attribute: found }) => assert_eq!(found, attribute),
                    other => panic!("expected `{attribute}` to be taken, not {other:?}"),
                }
            }
        }
        assert_eq!(it.version(&badge, second), 1);
        it.replace(&badge, first, None, json!({"number": 1}))
            .expect("nothing is in the way");
        it.replace(
            &badge,
            second,
            None,
            json!({"number": 2, "code": "a", "urn:example:Owner": {"mail": "x@y.z"}}),
        )
        .expect("they are free again");
        assert!(it.delete(&badge, second));
        it.add(&badge, json!({"number": 2, "code": "c"}), &[])
            .expect("they are free again");
    });
}

/// Published uniqueness is enforced, even for attributes that cannot be read or filtered by.
#[test]
fn an_attribute_that_is_never_returned_can_be_unique() {
    on_each(|database| {
        let schema = r#"{"id": "urn:example:Badge", "name": "Badge", "attributes": [
            {"name": "code", "returned": "never", "uniqueness": "server"},
            {"name": "number", "type": "integer", "mutability": "writeOnly", "uniqueness": "server"}]}"#;
        let extension = r#"{"id": "urn:example:Owner", "name": "Owner", "attributes": [
            {"name": "taxId", "mutability": "writeOnly", "caseExact": true, "uniqueness": "server"}]}"#;
        let resource_type = r#"{"name": "Badge", "endpoint": "/Badges", "schema": "urn:example:Badge",
            "schemaExtensions": [{"schema": "urn:example:Owner", "required": false}]}"#;
        let files = [("a", schema), ("b", extension), ("c", resource_type)];
        let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let registry = SchemaRegistry::load(&files).expect("the documents are right");
        let badge = registry.resource_type("Badge").expect("it is loaded").clone();
        let store = database.store_with(&StoreOptions {
            resource_types: registry.resource_types,
            ..StoreOptions::default()
        });
        let it = Fixture::new(&store, "acme");
        let first = json!({"code": "Abc", "number": 1, "urn:example:Owner": {"taxId": "T-1"}});
        let first = it.add(&badge, first, &[]).expect("it is new");
        let second = it.add(&badge, json!({"code": "b"}), &[]).expect("it is new");
        for (value, attribute) in [
            (json!({"code": "aBC"}), "code"),
            (json!({"number": 1}), "number"),
            (
                json!({"urn:example:Owner": {"taxId": "T-1"}}),
                "urn:example:Owner:taxId",
            ),
        ] {
            for result in [
                it.add(&badge, value.clone(), &[]).map(drop),
                it.replace(&badge, second, None, value).map(drop),
            ] {
                match result {
                    Err(StoreError::Conflict { attribute: found }) => assert_eq!(found, attribute),
                    other => panic!("expected `{attribute}` to be taken, not {other:?}"),
                }
            }
        }
        it.add(&badge, json!({"urn:example:Owner": {"taxId": "t-1"}}), &[])
            .expect("the case counts");
        assert!(it.delete(&badge, first));
        it.add(&badge, json!({"code": "ABC", "number": 1}), &[])
            .expect("they are free again");
        // The values are in no index either.
        assert_eq!(it.search(&badge, "", "").total, 3);
    });
}

/// `members` and `groups` are memberships only for Group and User.
#[test]
fn custom_attributes_may_be_named_members_and_groups() {
    on_each(|database| {
        let schema = r#"{"id": "urn:example:Team", "name": "Team", "attributes": [
            {"name": "members", "type": "complex", "multiValued": true, "subAttributes": [
                {"name": "value"}, {"name": "type"}]},
            {"name": "groups", "multiValued": true}]}"#;
        let resource_type = r#"{"name": "Team", "endpoint": "/Teams", "schema": "urn:example:Team"}"#;
        let files = [("a", schema), ("b", resource_type)];
        let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let registry = SchemaRegistry::load(&files).expect("the documents are right");
        let team = registry.resource_type("Team").expect("it is loaded").clone();
        let store = database.store_with(&StoreOptions {
            resource_types: registry.resource_types,
            ..StoreOptions::default()
        });
        let it = Fixture::new(&store, "acme");
        let value =
            json!({"members": [{"value": "ann", "type": "guest"}, {"value": "bob"}], "groups": ["red"]});
        it.add(&team, value, &[]).expect("it is new");
        it.add(&team, json!({"groups": ["red", "blue"]}), &[])
            .expect("it is new");
        for (filter, total, is_indexed) in [
            ("members eq \"ANN\"", 1, true),
            ("members[value eq \"bob\"]", 1, true),
            ("members[value eq \"ann\" and type eq \"guest\"]", 1, true),
            ("members[value eq \"bob\" and type eq \"guest\"]", 0, true),
            ("members.type eq \"guest\"", 1, false),
            ("members pr", 1, false),
            ("groups eq \"red\"", 2, true),
            ("groups eq \"blue\"", 1, true),
            ("not (groups eq \"blue\")", 1, true),
        ] {
            assert_eq!(it.search(&team, filter, "").total, total, "{filter}");
            let page = PageRequest::Index {
                start_index: 1,
                count: 9,
            };
            let query = it.query(&team, filter, "", page);
            let sql = store
                .explain(it.tenant, &query)
                .expect("it explains")
                .remove(0)
                .sql;
            assert_eq!(sql.contains("attribute_value"), is_indexed, "{filter}: {sql}");
            assert!(!sql.contains("membership"), "{filter}: {sql}");
        }
        let sorted = it.search(&team, "", "groups");
        assert_eq!(sorted.total, 2);
    });
}

/// A reference shows the name of its target, unless that name is never returned.
#[test]
fn a_name_that_is_never_returned_is_not_shown_in_references() {
    on_each(|database| {
        let schema = |id: &str, returned: &str| {
            format!(
                r#"{{"id": "urn:example:{id}", "attributes": [
                    {{"name": "displayName", "returned": "{returned}"}}, {{"name": "userName"}}]}}"#
            )
        };
        let resource_type = |name: &str| {
            format!(r#"{{"name": "{name}", "endpoint": "/{name}s", "schema": "urn:example:{name}"}}"#)
        };
        let files = [
            schema("Open", "default"),
            schema("Hidden", "never"),
            resource_type("Open"),
            resource_type("Hidden"),
        ];
        let files = files.map(|text| ("file".to_owned(), text));
        let registry = SchemaRegistry::load(&files).expect("the documents are right");
        let store = database.store_with(&StoreOptions {
            resource_types: registry.resource_types.clone(),
            ..StoreOptions::default()
        });
        let it = Fixture::new(&store, "acme");
        for (name, value, expected) in [
            ("Open", json!({"displayName": "D", "userName": "u"}), Some("D")),
            ("Hidden", json!({"displayName": "D", "userName": "u"}), None),
            // A `userName` is no name to show.
            ("Open", json!({"userName": "u"}), None),
            ("User", json!({"userName": "u"}), None),
            ("User", json!({"userName": "v", "displayName": "V"}), Some("V")),
        ] {
            let resource_type = registry.resource_type(name).expect("it is loaded");
            let id = it.add(resource_type, value, &[]).expect("it is new");
            let found = store.references(it.tenant, &[id]).expect("the store is there");
            assert_eq!(found[0].display.as_deref(), expected, "{name}");
        }
    });
}
