//! The route table: which paths are served, for which methods, and what each method does.

use std::sync::Arc;

use actix_web::http::Method;
use percent_encoding::percent_decode_str;
use scim_model::{ResourceType, SchemaRegistry};

use super::error::Failure;

/// Returns the route table. Every endpoint that is not `public` requires a token.
pub(super) fn endpoints(registry: &SchemaRegistry) -> Vec<Endpoint> {
    use Method as M;
    use Operation as Op;
    let mut table = vec![
        Endpoint::public("/ServiceProviderConfig", &[(M::GET, Op::ServiceProviderConfig)]),
        Endpoint::public("/ResourceTypes", &[(M::GET, Op::ResourceTypes)]),
        Endpoint::public("/ResourceTypes/{id}", &[(M::GET, Op::ResourceType)]),
        Endpoint::public("/Schemas", &[(M::GET, Op::Schemas)]),
        Endpoint::public("/Schemas/{id}", &[(M::GET, Op::Schema)]),
        Endpoint::private("", &[(M::GET, Op::NotSupported("a GET query of the base URL"))]),
        Endpoint::private("/.search", &[(M::POST, Op::SearchAll)]),
        Endpoint::not_supported("/Bulk", "bulk"),
        Endpoint::not_supported("/Me", "`/Me`"),
        Endpoint::not_supported("/Me/{rest}", "`/Me`"),
    ];
    for it in &registry.resource_types {
        let endpoint = &it.endpoint;
        table.extend([
            Endpoint::for_resource_type(
                it,
                format!("{endpoint}"),
                &[(M::GET, Op::Query), (M::POST, Op::Create)],
            ),
            Endpoint::for_resource_type(it, format!("{endpoint}/.search"), &[(M::POST, Op::Search)]),
            Endpoint::for_resource_type(
                it,
                format!("{endpoint}/{{id}}"),
                &[
                    (M::GET, Op::Get),
                    (M::PUT, Op::Replace),
                    (M::PATCH, Op::Patch),
                    (M::DELETE, Op::Delete),
                ],
            ),
        ]);
    }
    table
}

/// The path prefix of every endpoint. A path without the version addresses the latest one (RFC 7644
/// section 3.13).
pub const PREFIX: &str = "/scim/v2";

/// An entry of the route table.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Path below the base URL, for example `/Users/{id}`.
    pub path: String,
    /// Whether the endpoint is served without a token.
    pub public: bool,
    /// The supported methods. `GET` implies `HEAD`, and every endpoint supports `OPTIONS`.
    pub(super) methods: Vec<(Method, Operation)>,
    /// The name of the optional SCIM feature that the endpoint belongs to and this server lacks. Every method is
    /// then 501 (RFC 7644 sections 3.7 and 3.11, A-70).
    missing: Option<&'static str>,
    /// The resource type that the endpoint serves; `None` when it serves all types or none.
    pub(super) resource_type: Option<Arc<ResourceType>>,
    /// The path template that the access log and the metrics show.
    pub(super) template: String,
}

/// The operation that an endpoint performs for a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    ServiceProviderConfig,
    ResourceTypes,
    ResourceType,
    Schemas,
    Schema,
    Query,
    Search,
    SearchAll,
    Create,
    Get,
    Replace,
    Patch,
    Delete,
    NotSupported(&'static str),
}

impl Operation {
    pub(super) fn writes(self) -> bool {
        matches!(
            self,
            Operation::Create | Operation::Replace | Operation::Patch | Operation::Delete
        )
    }
}

impl Endpoint {
    fn new(path: String, public: bool, methods: &[(Method, Operation)]) -> Endpoint {
        let template = format!("{PREFIX}{path}");
        Endpoint {
            path,
            public,
            methods: methods.to_vec(),
            missing: None,
            resource_type: None,
            template,
        }
    }

    fn public(path: &str, methods: &[(Method, Operation)]) -> Endpoint {
        Endpoint::new(path.to_owned(), true, methods)
    }

    fn private(path: &str, methods: &[(Method, Operation)]) -> Endpoint {
        Endpoint::new(path.to_owned(), false, methods)
    }

    fn not_supported(path: &str, what: &'static str) -> Endpoint {
        Endpoint {
            missing: Some(what),
            ..Endpoint::private(path, &[])
        }
    }

    fn for_resource_type(
        resource_type: &Arc<ResourceType>,
        path: String,
        methods: &[(Method, Operation)],
    ) -> Endpoint {
        Endpoint {
            resource_type: Some(resource_type.clone()),
            ..Endpoint::new(path, false, methods)
        }
    }

    /// Returns the supported methods as the value of an `Allow` header.
    pub fn allow(&self) -> String {
        let mut names = Vec::new();
        for (method, _) in &self.methods {
            names.push(method.as_str());
            if method == Method::GET {
                names.push("HEAD");
            }
        }
        names.push("OPTIONS");
        names.join(", ")
    }

    pub(super) fn operation(&self, method: &Method) -> Result<Operation, Failure> {
        let wanted = if method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        if let Some(what) = self.missing {
            return Ok(Operation::NotSupported(what));
        }
        if let Some((_, operation)) = self.methods.iter().find(|(it, _)| it == wanted) {
            return Ok(*operation);
        }
        let known = [
            "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE",
        ];
        if known.contains(&method.as_str()) {
            Err(Failure::MethodNotAllowed(self.allow()))
        } else {
            Err(Failure::UnknownMethod)
        }
    }

    /// Returns the `{id}` of a path if the endpoint matches it, or an empty text if the template has no `{id}`.
    /// `{rest}` matches one or more segments.
    pub(super) fn matches(&self, segments: &[String]) -> Option<String> {
        let mut id = String::new();
        let mut wanted = self.path.split('/').skip(1);
        for segment in segments {
            match wanted.next()? {
                "{id}" => id.clone_from(segment),
                "{rest}" => return Some(id),
                literal if literal == segment => {}
                _ => return None,
            }
        }
        wanted.next().is_none().then_some(id)
    }
}

/// Returns the decoded path segments below the base URL. This is the only place that decodes routes and ids.
pub(super) fn segments(path: &str) -> Option<Vec<String>> {
    let path = path.strip_prefix("/scim")?;
    let path = match path.strip_prefix("/v2") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
        _ => path,
    };
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Some(Vec::new());
    }
    let decode = |it: &str| {
        percent_decode_str(it)
            .decode_utf8()
            .ok()
            .map(std::borrow::Cow::into_owned)
    };
    path.strip_prefix('/')?.split('/').map(decode).collect()
}

/// Returns the version of a path with an unsupported version, for example `3` for `/scim/v3/Users`.
pub(super) fn other_version(path: &str) -> Option<&str> {
    let version = path.strip_prefix("/scim/v")?.split('/').next()?;
    let number = version.strip_prefix('2').filter(|it| it.is_empty());
    (number.is_none() && !version.is_empty() && version.bytes().all(|it| it.is_ascii_digit() || it == b'.'))
        .then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_decoded_segment_by_segment() {
        let check = |path, expected: Option<&[&str]>| {
            let expected = expected.map(|it| it.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
            assert_eq!(segments(path), expected, "{path}");
        };
        check("/scim/v2/Users", Some(&["Users"]));
        check("/scim/v2/Users/", Some(&["Users"]));
        check("/scim/Users/a", Some(&["Users", "a"]));
        check("/scim/v2", Some(&[]));
        check("/scim/v2/", Some(&[]));
        check("/scim/v2/Users//", Some(&["Users", ""]));
        check("/scim/v2/%55sers/a%2Fb", Some(&["Users", "a/b"]));
        check("/scim/v2/%ff", None);
        check("/scim/v2Users", Some(&["v2Users"]));
        check("/scimv2/Users", None);
        check("/", None);
    }

    #[test]
    fn a46_other_versions_are_distinguished_from_other_paths() {
        assert_eq!(other_version("/scim/v3/Users"), Some("3"));
        assert_eq!(other_version("/scim/v1"), Some("1"));
        assert_eq!(other_version("/scim/v22/Users"), Some("22"));
        assert_eq!(other_version("/scim/v2.1/Users"), Some("2.1"));
        assert_eq!(other_version("/scim/v2/Nothing"), None);
        assert_eq!(other_version("/scim/vans"), None);
        assert_eq!(other_version("/scim/v"), None);
        assert_eq!(other_version("/scim/v/Users"), None);
        assert_eq!(other_version("/scim/Users"), None);
    }
}
