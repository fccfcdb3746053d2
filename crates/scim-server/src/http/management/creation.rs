//! Requests that create an object. With an `Idempotency-Key`, a repeated request creates nothing, and is answered with
//! the object as it is now, without its secret.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, ETAG, LOCATION};
use actix_web::{FromRequest, HttpRequest, HttpResponse, dev};
use scim_model::store::Claim;
use serde_json::Value;
use uuid::Uuid;

use super::audit;
use super::idempotency::{self, IdempotencyKey};
use super::operator::{Operator, Work};
use super::problem::Problem;
use super::resource::{Answer, PREFIX};

/// Extracts the key of a request that creates an object.
pub(super) struct Creation(IdempotencyKey);

impl FromRequest for Creation {
    type Error = Problem;
    type Future = std::future::Ready<Result<Creation, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let key = IdempotencyKey::from_request(request, payload).into_inner();
        std::future::ready(key.map(Creation))
    }
}

/// An object that exists now.
pub(super) struct Created {
    /// The path of the object below the API.
    pub(super) path: String,
    /// The object, with its secret if it was just created.
    pub(super) body: Value,
    /// The entity tag of the object, if it has one.
    pub(super) tag: Option<String>,
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
        let (claim, has_key) = self.0.claim(operator, body);
        let (created, is_new) = operator
            .call(move |work| match has_key {
                false => Ok((create(work, claim.object)?, true)),
                true => once(work, &claim, &create, &find),
            })
            .await?;
        if is_new {
            audit::record(operator, "create", &created.path);
        }
        let mut response = HttpResponse::build(StatusCode::CREATED);
        if !is_new {
            idempotency::mark_repeated(&mut response);
        }
        if let Some(tag) = created.tag {
            response.insert_header((ETAG, tag));
        }
        let location = format!("{PREFIX}{}", created.path);
        Ok(response
            .insert_header((LOCATION, location))
            .insert_header((CONTENT_TYPE, "application/json"))
            .body(created.body.to_string()))
    }
}

/// Creates an object with an id.
type Create = dyn Fn(&Work, Uuid) -> Result<Created, Problem>;
/// Finds an object by its id.
type Find = dyn Fn(&Work, Uuid) -> Result<Option<Created>, Problem>;

/// Creates an object unless an earlier request with the same key did. Returns whether it was created now. The object
/// itself shows that a request was carried out, also if the server was killed right after that.
fn once(work: &Work, claim: &Claim, create: &Create, find: &Find) -> Result<(Created, bool), Problem> {
    let mut found = None;
    idempotency::claim_once(work, claim, |earlier| {
        found = find(work, earlier.object)?;
        Ok(found.is_some())
    })?;
    if let Some(found) = found {
        return Ok((found, false));
    }
    let created = create(work, claim.object);
    if created.is_err() {
        idempotency::release(work, claim);
    }
    Ok((created?, true))
}
