//! Successful responses, and the names in a path.

use std::future::{Ready, ready};

use actix_web::http::header::{CONTENT_TYPE, ETAG};
use actix_web::{FromRequest, HttpRequest, HttpResponse, dev};
use serde::Serialize;
use uuid::Uuid;

use super::problem::Problem;
use super::resource::Answer;

/// Answers with JSON.
pub(super) fn json(body: &impl Serialize) -> Answer {
    answer(body, None)
}

/// Answers with JSON and its entity tag.
pub(super) fn json_with_tag(body: &impl Serialize, tag: String) -> Answer {
    answer(body, Some(tag))
}

fn answer(body: &impl Serialize, tag: Option<String>) -> Answer {
    let body = serde_json::to_string(body).map_err(|it| Problem::internal(it.to_string()))?;
    Ok(json_text(body, tag))
}

/// Answers with the text of JSON, and its entity tag.
pub(super) fn json_text(text: String, tag: Option<String>) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    if let Some(tag) = tag {
        response.insert_header((ETAG, tag));
    }
    response
        .insert_header((CONTENT_TYPE, "application/json"))
        .body(text)
}

/// Answers that a change is done, without a body.
pub(super) fn done() -> Answer {
    Ok(HttpResponse::NoContent().finish())
}

/// The names in the path of a request.
#[derive(Clone)]
pub(super) struct Names {
    /// The tenant; empty if the path does not name one.
    pub(super) tenant: String,
    /// The connection; empty if the path does not name one.
    pub(super) connection: String,
    /// The last object; empty if the path does not name one.
    pub(super) id: String,
    /// The secret of a client; empty if the path does not name one.
    pub(super) secret: String,
}

impl Names {
    /// Returns the path of the tenant, or of a part of it.
    pub(super) fn of_tenant(&self, rest: &str) -> String {
        format!("/tenants/{}{rest}", self.tenant)
    }

    /// Returns the path of the connection, or of a part of it.
    pub(super) fn of_connection(&self, rest: &str) -> String {
        self.of_tenant(&format!("/connections/{}{rest}", self.connection))
    }

    /// Returns the id of the last object, if it can be one.
    pub(super) fn uuid(&self) -> Option<Uuid> {
        self.id.parse().ok()
    }
}

impl FromRequest for Names {
    type Error = Problem;
    type Future = Ready<Result<Names, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        let name = |name: &str| request.match_info().query(name).to_owned();
        ready(Ok(Names {
            tenant: name("tenant"),
            connection: name("connection"),
            id: name("id"),
            secret: name("secret"),
        }))
    }
}
