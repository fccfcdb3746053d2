//! Secrets of resources.

use serde_json::json;
use uuid::Uuid;

use super::fixture::{Case, Fixture, at, document};
use crate::change::{Actor, AttributeChanges, MembersChange};
use crate::secret::{SecretHash, SecretHashes};
use crate::store::{NewResource, StoreError, Update};

pub(super) const CASES: &[Case] = cases![secrets_are_stored_outside_the_document,];

/// 7643-4.1.1-16
fn secrets_are_stored_outside_the_document(it: &Fixture) {
    const URN: &str = "urn:example:schemas:2.0:Door";
    let pin = format!("{URN}:pin");
    let hash = |text: &str| Some(SecretHash(text.to_owned()));
    let new = NewResource {
        resource_type: it.user.clone(),
        id: Uuid::now_v7(),
        now: at(1),
        actor: Actor::System,
        document: document(json!({"userName": "bjensen"})),
        members: Vec::new(),
        secrets: [("password".to_owned(), hash("a")), (pin.clone(), None)].into(),
    };
    it.store.create(it.tenant, &new).expect("nothing prevents it");
    let other = it.add_user("smith");
    let stored = |id: Uuid, path: &str| {
        let secret = it.store.secret(it.tenant, &it.user, id, path);
        secret.expect("the store is available").map(|it| it.0)
    };
    let change = |expected_version: Option<i64>, secrets: SecretHashes| {
        let update = Update {
            resource_type: it.user.clone(),
            id: new.id,
            expected_version,
            now: at(2),
            actor: Actor::System,
            document: Some(new.document.clone()),
            members: MembersChange::None,
            secrets,
            changes: AttributeChanges::default(),
        };
        let updated = it.store.update(it.tenant, &update);
        updated.map(|it| it.map(|it| (it.version, it.changed)))
    };
    assert_eq!(stored(new.id, "password").as_deref(), Some("a"));
    assert_eq!(stored(new.id, &pin), None);
    assert_eq!(stored(other, "password"), None);
    assert_eq!(stored(Uuid::now_v7(), "password"), None);

    // A change increments the version, and leaves secrets that it does not name.
    let both = || [("password".to_owned(), hash("b")), (pin.clone(), hash("1"))].into();
    assert_eq!(change(Some(1), both()).expect("it fits"), Some((2, true)));
    assert_eq!(it.read(&it.user, new.id).expect("it exists").last_modified, at(2));
    assert_eq!(change(Some(2), both()).expect("it fits"), Some((2, false)));
    assert!(matches!(
        change(Some(1), [("password".to_owned(), hash("c"))].into()),
        Err(StoreError::Stale)
    ));
    let only_pin = [(pin.clone(), hash("2"))].into();
    assert_eq!(change(None, only_pin).expect("it fits"), Some((3, true)));
    assert_eq!(
        it.replace(&it.user, new.id, Some(3), json!({"userName": "babs"}))
            .expect("it fits")
            .map(|it| it.version),
        Some(4)
    );
    assert_eq!(stored(new.id, "password").as_deref(), Some("b"));
    assert_eq!(stored(new.id, &pin).as_deref(), Some("2"));

    // Removing a secret is a change if there was one.
    let none = || [("password".to_owned(), None)].into();
    change(Some(4), none()).expect("it fits");
    assert_eq!(it.version(&it.user, new.id), 5);
    assert_eq!(stored(new.id, "password"), None);
    assert_eq!(stored(new.id, &pin).as_deref(), Some("2"));

    // No other tenant or type has it, and it is deleted with its resource.
    let tenant = Fixture::new(it.store, "other").tenant;
    let foreign = it.store.secret(tenant, &it.user, new.id, &pin);
    assert_eq!(foreign.expect("the store is available"), None);
    let as_group = it.store.secret(it.tenant, &it.group, new.id, &pin);
    assert_eq!(as_group.expect("the store is available"), None);
    assert!(it.delete(&it.user, new.id));
    assert_eq!(stored(new.id, &pin), None);
}
