//! Requests that act on an object. With an `Idempotency-Key`, a repeated request does nothing, and is answered with the
//! object as it is now, without a secret.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, ETAG};
use actix_web::{FromRequest, HttpRequest, HttpResponse, dev};
use scim_model::store::Claim;
use serde::Serialize;
use serde_json::{Value, json};

use super::audit;
use super::idempotency::{self, IdempotencyKey};
use super::operator::{Operator, Work};
use super::problem::Problem;
use super::resource::Answer;

/// Extracts the key of a request that acts on an object.
pub(super) struct Action(IdempotencyKey);

impl FromRequest for Action {
    type Error = Problem;
    type Future = std::future::Ready<Result<Action, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let key = IdempotencyKey::from_request(request, payload).into_inner();
        std::future::ready(key.map(Action))
    }
}

/// The result of an action.
pub(super) struct Acted {
    status: StatusCode,
    body: Option<Value>,
    tag: Option<String>,
}

impl Acted {
    /// A result without a body: 204.
    pub(super) fn done() -> Acted {
        Acted {
            status: StatusCode::NO_CONTENT,
            body: None,
            tag: None,
        }
    }

    /// An object: 200.
    pub(super) fn object(body: &impl Serialize) -> Acted {
        Acted {
            status: StatusCode::OK,
            body: Some(json!(body)),
            tag: None,
        }
    }

    /// Something that happens later: 202.
    pub(super) fn accepted(body: &impl Serialize) -> Acted {
        Acted {
            status: StatusCode::ACCEPTED,
            ..Acted::object(body)
        }
    }

    /// Adds the entity tag of the object.
    pub(super) fn with_tag(self, tag: String) -> Acted {
        Acted {
            tag: Some(tag),
            ..self
        }
    }
}

impl Action {
    /// Acts once. `act` gets an id and the time; `again` gets those of the request that was carried out, and answers
    /// the repeated one. A server that was killed between the deed and its record acts again after a minute.
    pub(super) async fn answer(
        self,
        operator: &Operator,
        body: &[u8],
        (verb, path): (&str, String),
        act: impl Fn(&Work, &Claim) -> Result<Acted, Problem> + Send + 'static,
        again: impl Fn(&Work, &Claim) -> Result<Acted, Problem> + Send + 'static,
    ) -> Answer {
        let (claim, has_key) = self.0.claim(operator, body);
        let (acted, is_new) = operator
            .call(move |work| match has_key {
                false => Ok((act(work, &claim)?, true)),
                true => match idempotency::claim_once(work, &claim, |_| Ok(false))? {
                    Some(earlier) => Ok((again(work, &earlier)?, false)),
                    None => Ok((once(work, &claim, &act)?, true)),
                },
            })
            .await?;
        if is_new {
            audit::record(operator, verb, &path);
        }
        let mut response = HttpResponse::build(acted.status);
        if !is_new {
            idempotency::mark_repeated(&mut response);
        }
        if let Some(tag) = acted.tag {
            response.insert_header((ETAG, tag));
        }
        Ok(match acted.body {
            None => response.finish(),
            Some(body) => response
                .insert_header((CONTENT_TYPE, "application/json"))
                .body(body.to_string()),
        })
    }
}

fn once(
    work: &Work,
    claim: &Claim,
    act: &dyn Fn(&Work, &Claim) -> Result<Acted, Problem>,
) -> Result<Acted, Problem> {
    let acted = act(work, claim);
    match &acted {
        Ok(_) => {
            if let Err(error) = work.management.store.finish_claim(claim) {
                // The deed is done, so the answer says so. A repeated request acts again after a minute.
                log::warn!("the end of a request with an idempotency key was not recorded: {error}");
            }
        }
        Err(_) => idempotency::release(work, claim),
    }
    acted
}
