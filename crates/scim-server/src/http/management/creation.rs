//! Requests that create an object, and the header `Idempotency-Key`, which makes their repetition harmless.
//!
//! The store keeps digests of the key and the request, and the id of the object, which is chosen before the object is
//! created. It keeps no answer, because that would be a place where secrets are stored. A repeated request is answered with
//! the object as it is now, without its secret.

use std::future::{Ready, ready};

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, LOCATION};
use actix_web::{FromRequest, HttpRequest, HttpResponse, dev};
use chrono::TimeDelta;
use scim_model::store::{Claim, Claimed};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::audit;
use super::operator::{Operator, Work};
use super::problem::Problem;
use super::resource::{Answer, PREFIX};
use crate::clock;

/// The longest key, in bytes.
const MAX_KEY: usize = 255;

/// The time after which a request that has not created its object is given up. It exceeds the time of every request.
const ABANDONED: TimeDelta = TimeDelta::seconds(60);

/// The path of a request, and its `Idempotency-Key`.
pub(super) struct Creation {
    path: String,
    key: Option<String>,
}

impl FromRequest for Creation {
    type Error = Problem;
    type Future = Ready<Result<Creation, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        let mut values = request.headers().get_all("idempotency-key");
        let value = values.next().map(|it| it.to_str().unwrap_or_default());
        let is_valid = |it: &str| (1..=MAX_KEY).contains(&it.len());
        if value.is_some_and(|it| !is_valid(it)) || values.next().is_some() {
            let text = format!("expected one key of 1 to {MAX_KEY} visible ASCII characters");
            return ready(Err(Problem::invalid("Idempotency-Key", text)));
        }
        ready(Ok(Creation {
            path: request.path().to_owned(),
            key: value.map(str::to_owned),
        }))
    }
}

/// An object that exists now.
pub(super) struct Created {
    /// The path of the object below the API.
    pub(super) path: String,
    /// The object, with its secret if it was just created.
    pub(super) body: Value,
}

impl Creation {
    /// Creates an object once. `create` gets the id for the new object, and `find` the id of an object that may exist.
    pub(super) async fn answer(
        self,
        operator: &Operator,
        body: &[u8],
        create: impl Fn(&Work, Uuid) -> Result<Created, Problem> + Send + 'static,
        find: impl Fn(&Work, Uuid) -> Result<Option<Created>, Problem> + Send + 'static,
    ) -> Answer {
        let claim = self.claim(operator, body);
        let (created, is_new) = operator
            .call(move |work| match claim {
                None => Ok((create(work, clock::new_id())?, true)),
                Some(claim) => once(work, claim, &create, &find),
            })
            .await?;
        if is_new {
            audit::record(operator, "create", &created.path);
        }
        let mut response = HttpResponse::build(StatusCode::CREATED);
        if !is_new {
            response.insert_header(("idempotency-replayed", "true"));
        }
        let location = format!("{PREFIX}{}", created.path);
        Ok(response
            .insert_header((LOCATION, location))
            .insert_header((CONTENT_TYPE, "application/json"))
            .body(created.body.to_string()))
    }

    fn claim(&self, operator: &Operator, body: &[u8]) -> Option<Claim> {
        let key = self.key.as_ref()?;
        let digest = |parts: &[&[u8]]| -> [u8; 32] {
            let mut hash = Sha256::new();
            for part in parts {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
            hash.finalize().into()
        };
        Some(Claim {
            key: digest(&[operator.key.id.as_bytes(), key.as_bytes()]),
            request: digest(&[self.path.as_bytes(), body]),
            object: clock::new_id(),
            at: clock::now(),
        })
    }
}

/// Creates an object with an id.
type Create = dyn Fn(&Work, Uuid) -> Result<Created, Problem>;
/// Finds an object by its id.
type Find = dyn Fn(&Work, Uuid) -> Result<Option<Created>, Problem>;

/// Creates an object unless an earlier request with the same key did. Returns whether it was created now.
fn once(work: &Work, claim: Claim, create: &Create, find: &Find) -> Result<(Created, bool), Problem> {
    let store = &work.management.store;
    if let Claimed::Before(earlier) = store.claim(&claim)? {
        if earlier.request != claim.request {
            return Err(Problem::key_reused());
        }
        if let Some(created) = find(work, earlier.object)? {
            return Ok((created, false));
        }
        if claim.at - earlier.at < ABANDONED {
            return Err(Problem::in_progress());
        }
        store.release_claim(&earlier)?;
        if store.claim(&claim)? != Claimed::Now {
            return Err(Problem::in_progress());
        }
    }
    let created = create(work, claim.object);
    if created.is_err()
        && let Err(error) = store.release_claim(&claim)
    {
        // The key can be used again when the claim counts as given up.
        log::warn!("an idempotency key was not released: {error}");
    }
    Ok((created?, true))
}
