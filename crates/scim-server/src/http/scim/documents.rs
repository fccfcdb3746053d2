//! The discovery documents as text (RFC 7644 section 4). They do not depend on the tenant, so they are written once,
//! when the server starts.

use std::collections::HashMap;

use actix_web::web::Bytes;
use scim_model::internal::discovery::{self, Features, Limits};
use serde_json::Value;

use crate::delivery::security_events::EventUri;
use crate::service::Service;

/// The serialized documents.
pub(crate) struct Documents {
    pub(crate) service_provider_config: Bytes,
    /// The document that is served while there are streams of security events.
    pub(crate) service_provider_config_with_events: Bytes,
    pub(crate) resource_types: Bytes,
    pub(crate) resource_type_by_name: HashMap<String, Bytes>,
    pub(crate) schemas: Bytes,
    pub(crate) schema_by_urn: HashMap<String, Bytes>,
}

impl Documents {
    /// Creates the documents for clients for which the server conforms to the interoperability profile, or for all
    /// others.
    pub(crate) fn new(service: &Service, has_token_endpoint: bool, interop_profile: bool) -> Documents {
        let (registry, settings) = (service.registry(), service.settings());
        let base_url = &settings.base_url;
        let limits = Limits {
            default_page_size: settings.default_page_size,
            max_page_size: settings.max_page_size,
            cursor_timeout: settings.cursor_lifetime.map(|it| it.as_secs()),
        };
        let features = Features {
            // Passwords may be stored, but this server offers no login that would use them.
            change_password: false,
            documentation_uri: settings.documentation_uri.as_deref().map(str::to_owned),
            token_endpoint: has_token_endpoint,
            interop_profile,
            security_events: Vec::new(),
        };
        let events = EventUri::REQUESTABLE.into_iter();
        let with_events = Features {
            security_events: events.map(|it| it.as_str().to_owned()).collect(),
            ..features.clone()
        };
        let text = |document: &Value| Bytes::from(document.to_string());
        let resource_types = registry.resource_types.iter();
        let schemas = registry.schemas.iter();
        Documents {
            service_provider_config: text(&discovery::service_provider_config(&limits, &features, base_url)),
            service_provider_config_with_events: text(&discovery::service_provider_config(
                &limits,
                &with_events,
                base_url,
            )),
            resource_types: discovery::resource_types(registry, base_url).into(),
            resource_type_by_name: resource_types
                .map(|it| (it.name.to_string(), text(&discovery::resource_type(it, base_url))))
                .collect(),
            schemas: match interop_profile {
                true => with_types(discovery::schemas(registry, base_url)),
                false => discovery::schemas(registry, base_url).into(),
            },
            schema_by_urn: schemas
                .map(|it| {
                    let document = discovery::schema(it, base_url).to_string();
                    let document = match interop_profile {
                        true => with_types(document),
                        false => document.into(),
                    };
                    (it.id.to_ascii_lowercase(), document)
                })
                .collect(),
        }
    }
}

/// The words that the interoperability profile allows for `type` where RFC 7643 lists none.
const TYPES: [&str; 3] = ["work", "home", "other"];

/// Lists values for every `type` of a multi-valued attribute, as the interoperability profile requires.
fn with_types(document: String) -> Bytes {
    let Ok(mut value) = serde_json::from_str(&document) else {
        return document.into();
    };
    add_types(&mut value);
    value.to_string().into()
}

fn add_types(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(add_types),
        Value::Object(members) => {
            let is_multi_valued = members.get("multiValued") == Some(&Value::Bool(true));
            let subs = members.get_mut("subAttributes").and_then(Value::as_array_mut);
            for sub in subs.into_iter().flatten() {
                // RFC 7643 section 8.7.1 has an empty list for the `type` of roles and of certificates.
                let has_values = sub["canonicalValues"].as_array().is_some_and(|it| !it.is_empty());
                if is_multi_valued && sub["name"] == "type" && !has_values {
                    sub["canonicalValues"] = TYPES.into_iter().collect();
                }
            }
            members.values_mut().for_each(add_types);
        }
        _ => {}
    }
}
