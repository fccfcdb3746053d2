//! The id of a request, which the client sees in a header, and the operator in the log.

use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _};

use super::request_context::RequestContext;

/// Gives the request an id and a [`RequestContext`], and the response a header with the id.
pub async fn assign(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse, Error> {
    let id = next_id();
    let header = HeaderValue::from_str(&id);
    let context = Rc::new(RequestContext::new(id));
    request.extensions_mut().insert(context);
    let mut response = next.call(request).await?;
    if let Ok(id) = header {
        let headers = response.headers_mut();
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
    Ok(response)
}

/// Returns an id that is unique in this process and unlikely to occur in another: a random prefix and a counter.
fn next_id() -> String {
    static PROCESS: OnceLock<[u8; 4]> = OnceLock::new();
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let process = PROCESS.get_or_init(|| {
        let mut random = [0; 4];
        // Without random bytes the ids still distinguish the requests of this process.
        let _ = getrandom::fill(&mut random);
        random
    });
    let mut id = String::with_capacity(16);
    let _ = write!(
        id,
        "{:08x}{:08x}",
        u32::from_be_bytes(*process),
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    id
}
