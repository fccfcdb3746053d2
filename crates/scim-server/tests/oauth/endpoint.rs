//! The token endpoint while its store fails.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use scim_model::store::{
    AccessToken, Client, ClientChange, Credentials, ExpiringSecret, NewAccessToken, NewClient, NewSecret,
    SecretAdded, StoreError, TenantId, TokenIssued,
};
use scim_server::oauth::attempts::Source;
use scim_server::oauth::key_cache::{KeyCache, Now};
use scim_server::oauth::request::TokenRequest;
use scim_server::oauth::{ErrorCode, OAuthSettings, TokenEndpoint};
use uuid::Uuid;

/// A store that answers no request.
struct Down {
    busy: bool,
}

impl Down {
    fn error<T>(&self) -> Result<T, StoreError> {
        Err(match self.busy {
            true => StoreError::Busy,
            false => StoreError::Unavailable("the disk is gone".into()),
        })
    }
}

impl Credentials for Down {
    fn create_client(&self, _: &NewClient) -> Result<bool, StoreError> {
        self.error()
    }

    fn clients(&self, _: Option<TenantId>) -> Result<Vec<Client>, StoreError> {
        self.error()
    }

    fn client(&self, _: &str) -> Result<Option<Client>, StoreError> {
        self.error()
    }

    fn change_client(&self, _: &str, _: &ClientChange) -> Result<bool, StoreError> {
        self.error()
    }

    fn delete_client(&self, _: &str, _: DateTime<Utc>) -> Result<bool, StoreError> {
        self.error()
    }

    fn add_secret(&self, _: &str, _: &NewSecret) -> Result<SecretAdded, StoreError> {
        self.error()
    }

    fn delete_secret(&self, _: &str, _: Uuid) -> Result<bool, StoreError> {
        self.error()
    }

    fn issue_access_token(&self, _: &NewAccessToken) -> Result<TokenIssued, StoreError> {
        self.error()
    }

    fn is_assertion_used(&self, _: &[u8; 32]) -> Result<bool, StoreError> {
        self.error()
    }

    fn access_token(&self, _: &[u8; 32]) -> Result<Option<AccessToken>, StoreError> {
        self.error()
    }

    fn expiring_secrets(
        &self,
        _: DateTime<Utc>,
        _: DateTime<Utc>,
    ) -> Result<Vec<ExpiringSecret>, StoreError> {
        self.error()
    }

    fn delete_expired(&self, _: DateTime<Utc>, _: u32) -> Result<usize, StoreError> {
        self.error()
    }
}

/// cred-26
///
/// An identity provider stops a connection whose credentials are refused, so a failing store must not look
/// like that.
#[test]
fn cred_26_a_failing_store_is_no_wrong_credential() {
    let now: Now = Arc::new(|| DateTime::from_timestamp(1_800_000_000, 0).unwrap());
    for busy in [true, false] {
        let keys = KeyCache::new(Arc::new(|_| panic!("nothing is fetched")), now.clone());
        let settings = OAuthSettings::of("https://scim.example.com/scim/v2");
        let endpoint = TokenEndpoint::new(Arc::new(Down { busy }), Arc::new(keys), settings, now.clone());
        let body = b"grant_type=client_credentials&client_id=a&client_secret=b";
        let request = TokenRequest::parse(body, &[]).unwrap();
        let source = Source {
            address: "192.0.2.1".parse().unwrap(),
            is_shared: false,
        };
        // These are no failed attempts either, which would be limited.
        for _ in 0..20 {
            let Err(error) = endpoint.issue(&request, source) else {
                panic!("a token was issued");
            };
            assert_eq!((error.code, error.status()), (ErrorCode::Unavailable, 503));
            assert!(error.retry_after.is_some());
            assert!(!error.to_json().to_string().contains("disk"));
        }
    }
}
