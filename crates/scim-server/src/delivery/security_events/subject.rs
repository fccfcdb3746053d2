//! The subjects of tokens (claim `sub_id`, RFC 9493).

use std::fmt;
use std::str::FromStr;

use scim_model::SchemaRegistry;
use scim_model::change::{Change, ResourceNames, name_attribute};
use serde_json::{Map, Value, json};

/// The subject of the tokens that end sessions: CAEP receivers know no resources of SCIM, but accounts of an issuer or
/// addresses. `Display` writes the word that `FromStr` reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RevokedSubject {
    /// An account of an issuer by the `externalId` of the user; by the `userName` for users without one.
    #[default]
    ExternalId,
    /// An account of an issuer by the `userName` of the user.
    UserName,
    /// The e-mail address that is the `userName` of the user; another `userName` leads to the subject of
    /// [`RevokedSubject::ExternalId`].
    Email,
}

impl RevokedSubject {
    const ALL: [RevokedSubject; 3] = [
        RevokedSubject::ExternalId,
        RevokedSubject::UserName,
        RevokedSubject::Email,
    ];

    fn as_str(self) -> &'static str {
        match self {
            RevokedSubject::ExternalId => "externalId",
            RevokedSubject::UserName => "userName",
            RevokedSubject::Email => "email",
        }
    }

    /// Returns the claim. Users whose names the journal does not know have their id.
    pub(super) fn of(self, issuer: &str, change: &Change, names: &ResourceNames) -> Value {
        let user_name = names.name.as_deref();
        let address = user_name.filter(|it| is_address(it));
        if let (RevokedSubject::Email, Some(address)) = (self, address) {
            return json!({"format": "email", "email": address});
        }
        let external_id = names.external_id.as_deref();
        let account = match self {
            RevokedSubject::UserName => user_name.or(external_id),
            RevokedSubject::ExternalId | RevokedSubject::Email => external_id.or(user_name),
        };
        let account = account.map_or_else(|| change.id.to_string(), str::to_owned);
        json!({"format": "iss_sub", "iss": issuer, "sub": account})
    }
}

impl fmt::Display for RevokedSubject {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl FromStr for RevokedSubject {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<RevokedSubject, &'static str> {
        let known = RevokedSubject::ALL.into_iter().find(|it| it.as_str() == text);
        known.ok_or("expected `externalId`, `userName` or `email`")
    }
}

fn is_address(text: &str) -> bool {
    let parts = text.rsplit_once('@');
    parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
        && !text.contains(|it: char| it.is_whitespace() || it.is_control())
}

/// Returns the subject of the events of RFC 9967 section 2.1: the path of the resource and its ids. The name of a user is
/// part of it on request, because it can be personal.
pub(super) fn scim_subject(
    registry: &SchemaRegistry,
    change: &Change,
    names: &ResourceNames,
    with_user_name: bool,
) -> Value {
    let resource_type = registry.resource_type(&change.resource_type);
    // The endpoint of a type that the server no longer has is unknown.
    let endpoint = resource_type.map_or_else(
        || format!("/{}", change.resource_type),
        |it| it.endpoint.to_string(),
    );
    let mut subject = Map::new();
    subject.insert("format".to_owned(), "scim".into());
    subject.insert("uri".to_owned(), format!("{endpoint}/{}", change.id).into());
    if let Some(external_id) = &names.external_id {
        subject.insert("externalId".to_owned(), external_id.as_str().into());
    }
    subject.insert("id".to_owned(), change.id.to_string().into());
    if let Some(name) = &names.name
        && with_user_name
        && name_attribute(&change.resource_type) == "userName"
    {
        subject.insert("userName".to_owned(), name.as_str().into());
    }
    Value::Object(subject)
}
