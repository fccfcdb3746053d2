//! Tests of the public API.

#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)] // A panic is how a test fails.

use scim_model::internal::{Body, Presenter, Projection};
use scim_model::store::{Reference, Stored};
use scim_model::{SchemaRegistry, ScimError};

mod change;
mod condition;
mod condition_laws;
mod credentials;
mod discovery;
mod document;
mod document_laws;
mod filter_eval;
mod json;
mod key;
mod message;
mod project;
mod representation;
mod schema;

/// A resource as a client sees it.
#[derive(Debug)]
struct Representation {
    etag: String,
    body: String,
}

/// `references` are the resources that a store has found for [`Presenter::reference_ids`].
fn represent(
    registry: &SchemaRegistry,
    base_url: &str,
    projection: &Projection,
    stored: &Stored,
    references: &[Reference],
) -> Result<Representation, ScimError> {
    let mut body = Body::default();
    let mut presenter = Presenter::new(registry, base_url, projection);
    let etag = presenter.write(&mut body, stored.clone(), references)?;
    let body = body.into_text();
    Ok(Representation { etag, body })
}
