//! Looking tokens up, and the cache.

use std::sync::atomic::{AtomicUsize, Ordering};

use std::time::Duration;

use actix_web::http::header::{AUTHORIZATION, HeaderValue};
use scim_model::store::{
    Connection, ConnectionChange, ConnectionId, ConnectionSettings, ConnectionState, DeletedConnection,
    DeletedCredential, NewToken, StoreError, Tenant, TenantId, Token,
};
use uuid::Uuid;

use super::*;

/// A directory that returns the same token for every lookup and counts the lookups.
#[derive(Default)]
struct Counting {
    token: Option<Token>,
    look_ups: AtomicUsize,
    uses: AtomicUsize,
}

impl Directory for Counting {
    fn token_by_hash(&self, _: &[u8; 32]) -> Result<Option<Token>, StoreError> {
        self.look_ups.fetch_add(1, Ordering::SeqCst);
        Ok(self.token.clone())
    }

    fn create_tenant(&self, _: &str, _: DateTime<Utc>) -> Result<TenantId, StoreError> {
        unreachable!("a request only looks tokens up")
    }

    fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        unreachable!("a request only looks tokens up")
    }

    fn rename_tenant(&self, _: &str, _: &str) -> Result<bool, StoreError> {
        unreachable!("a request only looks tokens up")
    }

    fn hide_tenant(&self, _: &str) -> Result<bool, StoreError> {
        unreachable!("a request only looks tokens up")
    }

    fn delete_tenant(&self, _: &str) -> Result<bool, StoreError> {
        unreachable!("a request only looks tokens up")
    }

    fn continue_deletion(&self, _: Option<&str>) -> Result<bool, StoreError> {
        unreachable!("a request only looks tokens up")
    }

    fn create_connection(&self, _: &Connection) -> Result<bool, StoreError> {
        unreachable!("a request only looks tokens up")
    }

    fn connections(&self, _: TenantId) -> Result<Vec<Connection>, StoreError> {
        unreachable!("a request only looks tokens up")
    }

    fn connection(&self, _: TenantId, _: &str) -> Result<Option<Connection>, StoreError> {
        unreachable!("a request only looks tokens up")
    }

    fn change_connection(
        &self,
        _: TenantId,
        _: ConnectionId,
        _: &ConnectionChange,
    ) -> Result<Option<Connection>, StoreError> {
        unreachable!("a request only looks tokens up")
    }

    fn delete_connection(&self, _: TenantId, _: ConnectionId, _: DateTime<Utc>) -> Result<bool, StoreError> {
        unreachable!("a request only looks tokens up")
    }

    fn deleted_connections(&self, _: TenantId) -> Result<Vec<DeletedConnection>, StoreError> {
        unreachable!("a request only looks tokens up")
    }

    fn deleted_credentials(&self, _: Option<TenantId>) -> Result<Vec<DeletedCredential>, StoreError> {
        unreachable!("a request only looks tokens up")
    }

    fn create_token(&self, _: &NewToken) -> Result<bool, StoreError> {
        unreachable!("a request only looks tokens up")
    }

    fn tokens(&self, _: Option<TenantId>) -> Result<Vec<Token>, StoreError> {
        unreachable!("a request only looks tokens up")
    }

    fn expire_token(&self, _: Uuid, _: DateTime<Utc>) -> Result<bool, StoreError> {
        unreachable!("a request only looks tokens up")
    }

    fn record_token_use(&self, _: Uuid, _: DateTime<Utc>) -> Result<(), StoreError> {
        self.uses.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn expiring_tokens(&self, _: DateTime<Utc>, _: DateTime<Utc>) -> Result<Vec<Token>, StoreError> {
        unreachable!("a request only looks tokens up")
    }

    fn revoke_token(&self, _: Uuid, _: DateTime<Utc>) -> Result<bool, StoreError> {
        unreachable!("a request only looks tokens up")
    }
}

fn valid_token() -> Token {
    Token {
        id: Uuid::nil(),
        connection: Connection {
            id: ConnectionId(Uuid::nil()),
            tenant: TenantId(7),
            name: "default".to_owned(),
            preset: "generic".to_owned(),
            settings: ConnectionSettings::new(),
            state: ConnectionState::Active,
            created: Utc::now(),
        },
        tenant_name: "acme".to_owned(),
        last_four: None,
        created: Utc::now(),
        expires: None,
        revoked: None,
        last_used: None,
        read_only: true,
        name: String::new(),
    }
}

/// An authenticator with its directory.
struct Subject {
    system: actix_web::rt::SystemRunner,
    directory: Arc<Counting>,
    authenticator: BearerTokens,
}

impl Subject {
    fn new(token: Option<Token>) -> Subject {
        let directory = Arc::new(Counting {
            token,
            ..Counting::default()
        });
        Subject {
            system: actix_web::rt::System::new(),
            authenticator: BearerTokens::new(directory.clone(), Blocking::default(), Arc::default()),
            directory,
        }
    }

    /// Authenticates a request whose token is `scim_` followed by 43 times the letter.
    fn call(&self, letter: char) -> Result<Identity, Refusal> {
        let value = format!("Bearer scim_{}", letter.to_string().repeat(43));
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(&value).unwrap());
        self.system.block_on(self.authenticator.identity(&headers))
    }

    fn lookups(&self) -> usize {
        self.directory.look_ups.load(Ordering::SeqCst)
    }

    /// Makes every cached token older.
    fn age(&self, by: Duration) {
        for known in self.authenticator.cache.write().unwrap().values_mut() {
            known.looked_up = known
                .looked_up
                .checked_sub(by)
                .expect("the clock has run for longer");
        }
    }
}

#[test]
fn a_cached_token_saves_a_lookup() {
    let subject = Subject::new(Some(valid_token()));
    for _ in 0..5 {
        let identity = subject.call('a').unwrap();
        assert_eq!((identity.tenant, &*identity.tenant_name), (TenantId(7), "acme"));
        assert!(identity.read_only);
    }
    assert_eq!(subject.lookups(), 1);
    subject.call('b').unwrap();
    assert_eq!(subject.lookups(), 2, "another token has its own cache entry");
    subject.call('a').unwrap();
    assert_eq!(subject.lookups(), 2);
    subject.age(CACHE_LIFETIME);
    subject.call('a').unwrap();
    assert_eq!(subject.lookups(), 3, "the cache entry has expired");
    subject.call('a').unwrap();
    assert_eq!(subject.lookups(), 3);
}

/// cred-49: off the path of the request, and once a minute
#[test]
fn the_use_of_a_token_is_recorded() {
    for (last_used, uses) in [
        (None, 1),
        (Some(TimeDelta::seconds(61)), 1),
        (Some(TimeDelta::seconds(50)), 0),
    ] {
        let subject = Subject::new(Some(Token {
            last_used: last_used.map(|it| Utc::now() - it),
            ..valid_token()
        }));
        subject.call('a').unwrap();
        subject.call('a').unwrap();
        subject.system.block_on(async {
            while subject.authenticator.blocking.busy() > 0 {
                actix_web::rt::time::sleep(Duration::from_millis(1)).await;
            }
            actix_web::rt::time::sleep(Duration::from_millis(50)).await;
        });
        assert_eq!(
            subject.directory.uses.load(Ordering::SeqCst),
            uses,
            "{last_used:?}"
        );
    }
}

#[test]
fn a_token_that_expires_while_it_is_cached_is_refused() {
    let expires = Utc::now() + TimeDelta::hours(1);
    let subject = Subject::new(Some(Token {
        expires: Some(expires),
        ..valid_token()
    }));
    subject.call('a').unwrap();
    subject.call('a').unwrap();
    assert_eq!(subject.lookups(), 1);
    for known in subject.authenticator.cache.write().unwrap().values_mut() {
        known.expires = Some(Utc::now());
    }
    subject.call('a').unwrap();
    assert_eq!(subject.lookups(), 2, "an expired token is looked up again");
}

#[test]
fn refused_tokens_are_not_cached() {
    let past = Some(Utc::now() - TimeDelta::seconds(1));
    let revoked = Token {
        revoked: past,
        ..valid_token()
    };
    let expired = Token {
        expires: past,
        ..valid_token()
    };
    for token in [None, Some(revoked), Some(expired)] {
        let subject = Subject::new(token);
        for look_ups in 1..=3 {
            let refused = subject.call('a').unwrap_err();
            assert!(matches!(refused, Refusal::InvalidCredentials), "{refused:?}");
            assert_eq!(subject.lookups(), look_ups);
        }
    }
}

fn of_connection(preset: &str, state: ConnectionState) -> Token {
    let token = valid_token();
    Token {
        connection: Connection {
            preset: preset.to_owned(),
            state,
            ..token.connection
        },
        ..token
    }
}

/// the rule holds while the token is in the cache too.
#[test]
fn a_paused_connection_is_refused() {
    let subject = Subject::new(Some(of_connection("generic", ConnectionState::Paused)));
    for _ in 0..2 {
        let refused = subject.call('a').unwrap_err();
        assert!(matches!(refused, Refusal::Paused), "{refused:?}");
    }
    assert_eq!(subject.lookups(), 1);
}

/// cred-100
#[test]
fn a_token_without_a_scheme_is_accepted_where_the_client_sends_it() {
    for (preset, is_accepted) in [("okta", true), ("generic", false)] {
        let subject = Subject::new(Some(of_connection(preset, ConnectionState::Active)));
        let call = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            subject.system.block_on(subject.authenticator.identity(&headers))
        };
        let token = format!("scim_{}", "a".repeat(43));
        match call(&token) {
            Ok(identity) => assert!(is_accepted && identity.tenant == TenantId(7)),
            Err(refused) => assert!(!is_accepted && matches!(refused, Refusal::NoCredentials)),
        }
        assert!(call(&format!("Bearer {token}")).is_ok());
        for other in ["non-token", &format!("Basic {token}"), ""] {
            let refused = call(other).unwrap_err();
            assert!(matches!(refused, Refusal::NoCredentials), "{refused:?}");
        }
    }
}

#[test]
fn malformed_tokens_are_not_looked_up() {
    let subject = Subject::new(Some(valid_token()));
    assert!(subject.call('!').is_err());
    assert_eq!(subject.lookups(), 0);
}

#[test]
fn a_full_cache_evicts_expired_entries_only() {
    let subject = Subject::new(Some(valid_token()));
    subject.call('a').unwrap();
    let fill = |looked_up: Instant| {
        let mut cache = subject.authenticator.cache.write().unwrap();
        let identity = cache.values().next().unwrap().identity.clone();
        for number in cache.len()..CACHE_CAPACITY {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&number.to_be_bytes());
            let identity = identity.clone();
            cache.insert(
                hash,
                CachedToken {
                    identity,
                    state: ConnectionState::Active,
                    expires: None,
                    looked_up,
                },
            );
        }
        assert_eq!(cache.len(), CACHE_CAPACITY);
    };
    let size = || subject.authenticator.cache.read().unwrap().len();
    // None of these entries expires during the test.
    fill(Instant::now() + Duration::from_secs(3_600));
    subject.call('b').unwrap();
    subject.call('b').unwrap();
    assert_eq!(
        (subject.lookups(), size()),
        (3, CACHE_CAPACITY),
        "the cache is full"
    );
    subject.authenticator.cache.write().unwrap().clear();
    subject.call('a').unwrap();
    fill(
        Instant::now()
            .checked_sub(CACHE_LIFETIME)
            .expect("the clock has run for longer"),
    );
    subject.call('b').unwrap();
    subject.call('b').unwrap();
    assert_eq!(
        (subject.lookups(), size()),
        (5, 2),
        "the expired entries were evicted"
    );
}
