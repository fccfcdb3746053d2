//! Secrets such as `password` in requests: they are hashed or dropped.

use scim_model::{SecretHashes, SentSecrets};
use uuid::Uuid;

use super::core::Service;
use super::error::Error;
use super::requester::Request;

/// The hashes of the secrets of one request. A write that loses a race is computed again, but its hashes are kept.
#[derive(Default)]
pub(super) struct HashedSecrets(Option<SecretHashes>);

impl HashedSecrets {
    /// Returns the hashes of the secrets that a client sent, the same for every call. Returns none when secrets are
    /// dropped.
    ///
    /// A repeated secret gets a new hash in each request and is therefore always a change. Otherwise a client that may
    /// write passwords could use an unchanged `ETag` to test whether a guess is right.
    ///
    /// # Errors
    /// `invalidValue` for a text that is not a valid password, `Overloaded`.
    pub(super) fn hash_sent(&mut self, service: &Service, sent: &SentSecrets) -> Result<SecretHashes, Error> {
        let Some(hasher) = &service.hasher else {
            return Ok(SecretHashes::new());
        };
        if let Some(hashes) = &self.0 {
            return Ok(hashes.clone());
        }
        let hashes = sent.iter().map(|(path, text)| {
            let hash = match text {
                Some(text) => Some(hasher.hash(&text.prepare(path)?)?),
                None => None,
            };
            Ok((path.clone(), hash))
        });
        let hashes = hashes.collect::<Result<SecretHashes, Error>>()?;
        self.0 = Some(hashes.clone());
        Ok(hashes)
    }
}

impl Service {
    /// Drops removals of secrets that are not stored, because they change nothing.
    pub(super) fn drop_noop_removals(
        &self,
        request: &Request,
        id: Uuid,
        secrets: SecretHashes,
    ) -> Result<SecretHashes, Error> {
        let mut changing = SecretHashes::new();
        for (path, hash) in secrets {
            let stored = || {
                self.store
                    .secret(request.tenant(), request.resource_type, id, &path)
            };
            if hash.is_some() || stored()?.is_some() {
                changing.insert(path, hash);
            }
        }
        Ok(changing)
    }
}
