//! The header `Idempotency-Key`, which makes the repetition of a request harmless.
//!
//! The store keeps digests of the key and the request, an id that is chosen before the request is carried out, and
//! whether it was. It keeps no answer, because that would be a place where secrets are stored.

use std::future::{Ready, ready};

use actix_web::http::header::HeaderMap;
use actix_web::{FromRequest, HttpRequest, HttpResponseBuilder, dev};
use chrono::TimeDelta;
use scim_model::store::{Claim, Claimed};
use sha2::{Digest as _, Sha256};

use super::operator::{Operator, Work};
use super::problem::Problem;
use crate::clock;

/// The longest key, in bytes.
const MAX_KEY: usize = 255;

/// The time after which a request that was not carried out is given up. It exceeds the time of every request.
const ABANDONED: TimeDelta = TimeDelta::seconds(60);

/// The path of a request, and its `Idempotency-Key`.
pub(super) struct IdempotencyKey {
    path: String,
    key: Option<String>,
}

impl FromRequest for IdempotencyKey {
    type Error = Problem;
    type Future = Ready<Result<IdempotencyKey, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        ready(key(request.headers()).map(|key| IdempotencyKey {
            path: request.path().to_owned(),
            key,
        }))
    }
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all("idempotency-key");
    let value = values.next().map(|it| it.to_str().unwrap_or_default());
    let is_valid = |it: &str| (1..=MAX_KEY).contains(&it.len());
    if value.is_some_and(|it| !is_valid(it)) || values.next().is_some() {
        let text = format!("expected one key of 1 to {MAX_KEY} visible ASCII characters");
        return Err(Problem::invalid("Idempotency-Key", text));
    }
    Ok(value.map(str::to_owned))
}

impl IdempotencyKey {
    /// Returns a claim for the request, with a new id, and whether the store has to know it.
    pub(super) fn claim(&self, operator: &Operator, body: &[u8]) -> (Claim, bool) {
        let digest = |parts: &[&[u8]]| -> [u8; 32] {
            let mut hash = Sha256::new();
            for part in parts {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
            hash.finalize().into()
        };
        let key = self.key.as_deref().unwrap_or_default();
        let claim = Claim {
            key: digest(&[operator.key.id.as_bytes(), key.as_bytes()]),
            request: digest(&[self.path.as_bytes(), body]),
            object: clock::new_id(),
            at: clock::now(),
        };
        (claim, self.key.is_some())
    }
}

/// Claims a key, unless a request with it was carried out: then returns its claim. `was_done` decides about a request
/// whose end the store does not know.
///
/// # Errors
/// Another request has used the key, or the same request is under way.
pub(super) fn claim_once(
    work: &Work,
    claim: &Claim,
    was_done: impl FnOnce(&Claim) -> Result<bool, Problem>,
) -> Result<Option<Claim>, Problem> {
    let store = &work.management.store;
    let (earlier, is_done) = match store.claim(claim)? {
        Claimed::Now => return Ok(None),
        Claimed::Before(earlier) => (earlier, false),
        Claimed::Done(earlier) => (earlier, true),
    };
    if earlier.request != claim.request {
        return Err(Problem::key_reused());
    }
    if is_done || was_done(&earlier)? {
        return Ok(Some(earlier));
    }
    if claim.at - earlier.at < ABANDONED {
        return Err(Problem::in_progress());
    }
    store.release_claim(&earlier)?;
    match store.claim(claim)? {
        Claimed::Now => Ok(None),
        _ => Err(Problem::in_progress()),
    }
}

/// Gives a claim up after a failure.
pub(super) fn release(work: &Work, claim: &Claim) {
    if let Err(error) = work.management.store.release_claim(claim) {
        // The key can be used again when the claim counts as given up.
        log::warn!("an idempotency key was not released: {error}");
    }
}

/// Marks the answer to a repeated request.
pub(super) fn mark_repeated(response: &mut HttpResponseBuilder) {
    response.insert_header(("idempotency-replayed", "true"));
}
