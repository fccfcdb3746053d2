//! OAuth clients of connections, their secrets, and access tokens.

mod clients;
mod tokens;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use scim_model::store::{
    AccessToken, Client, ClientChange, Credentials, ExpiringSecret, NewAccessToken, NewClient, NewSecret,
    SecretAdded, StoreError, TenantId, TokenIssued,
};
use uuid::Uuid;

use crate::directory::deleted;
use crate::schema::{oauth_client, oauth_secret};
use crate::sql::sql;
use crate::store::DieselStore;

impl Credentials for DieselStore {
    fn create_client(&self, new: &NewClient) -> Result<bool, StoreError> {
        let new = new.clone();
        self.database.write(move |conn| clients::create(conn, &new))
    }

    fn clients(&self, of: Option<TenantId>) -> Result<Vec<Client>, StoreError> {
        self.database.read(|conn| clients::of(conn, of))
    }

    fn client(&self, client_id: &str) -> Result<Option<Client>, StoreError> {
        self.database.read(|conn| clients::named(conn, client_id))
    }

    fn change_client(&self, client_id: &str, change: &ClientChange) -> Result<bool, StoreError> {
        let (client_id, change) = (client_id.to_owned(), change.clone());
        self.database
            .write(move |conn| clients::change(conn, &client_id, &change))
    }

    fn delete_client(&self, client_id: &str, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let client_id = client_id.to_owned();
        self.database.write(move |conn| {
            deleted::record_clients(
                conn,
                &sql!("o.client_id = {client_id}"; client_id = client_id.clone()),
                now,
            )?;
            // Secrets and tokens are deleted by their foreign keys.
            let client = oauth_client::table.filter(oauth_client::client_id.eq(&client_id));
            Ok(conn.execute(diesel::delete(client))? > 0)
        })
    }

    fn add_secret(&self, client_id: &str, secret: &NewSecret) -> Result<SecretAdded, StoreError> {
        let (client_id, secret) = (client_id.to_owned(), secret.clone());
        self.database
            .write(move |conn| clients::add_secret(conn, &client_id, &secret))
    }

    fn delete_secret(&self, client_id: &str, secret: Uuid) -> Result<bool, StoreError> {
        let client_id = client_id.to_owned();
        self.database.write(move |conn| {
            // Tokens are deleted by their foreign keys.
            let owner = oauth_client::table
                .filter(oauth_client::client_id.eq(&client_id))
                .select(oauth_client::id);
            let secret = oauth_secret::table
                .filter(oauth_secret::id.eq(secret.as_bytes().as_slice()))
                .filter(oauth_secret::client.eq_any(owner));
            Ok(conn.execute(diesel::delete(secret))? > 0)
        })
    }

    fn issue_access_token(&self, new: &NewAccessToken) -> Result<TokenIssued, StoreError> {
        let new = new.clone();
        self.database
            .write_for(new.tenant, move |conn| tokens::issue(conn, &new))
    }

    fn is_assertion_used(&self, digest: &[u8; 32]) -> Result<bool, StoreError> {
        self.database.read(|conn| tokens::is_used(conn, digest))
    }

    fn access_token(&self, sha256: &[u8; 32]) -> Result<Option<AccessToken>, StoreError> {
        self.database.read(|conn| tokens::by_hash(conn, sha256))
    }

    fn expiring_secrets(
        &self,
        after: DateTime<Utc>,
        before: DateTime<Utc>,
    ) -> Result<Vec<ExpiringSecret>, StoreError> {
        self.database.read(|conn| clients::expiring(conn, after, before))
    }

    fn delete_expired(&self, before: DateTime<Utc>, most: u32) -> Result<usize, StoreError> {
        self.database
            .write(move |conn| tokens::delete_expired(conn, before, most))
    }
}
