//! An entry of a route table: a path, its methods, and their handlers.
//!
//! Every surface of the server describes its endpoints in one table, so that tests can walk through all of them.

use std::future::{Ready, ready};
use std::rc::Rc;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::guard;
use actix_web::http::Method;
use actix_web::http::header::ALLOW;
use actix_web::web;
use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Resource, Route};
use scim_model::ResourceType;

use super::error::Failure;
use super::media_type;

/// The result of a handler.
pub type Answer = Result<HttpResponse, Failure>;

/// An entry of a route table.
pub struct Endpoint {
    /// The path below the prefix of the surface, for example `/Users/{id}`. `{id}` is a segment, and `{rest}` is one or
    /// more.
    pub path: String,
    /// Whether the endpoint is served without credentials.
    pub public: bool,
    /// The path template that the access log and the metrics show.
    pub template: Arc<str>,
    methods: Methods,
    /// The resource type that the endpoint serves; `None` when it serves all types or none.
    resource_type: Option<Arc<ResourceType>>,
    routes: Vec<Route>,
}

/// The methods of an endpoint. `GET` implies `HEAD`, and every endpoint has `OPTIONS`.
enum Methods {
    /// Each method has a handler, which writes or only reads.
    These(Vec<(Method, bool)>),
    /// One handler serves every method except `OPTIONS`.
    Any,
}

impl Endpoint {
    /// Creates an endpoint that needs credentials, without methods.
    pub fn new(path: impl Into<String>) -> Endpoint {
        Endpoint {
            path: path.into(),
            public: false,
            template: "-".into(),
            methods: Methods::These(Vec::new()),
            resource_type: None,
            routes: Vec::new(),
        }
    }

    /// Serves the endpoint without credentials.
    #[must_use]
    pub fn public(mut self) -> Endpoint {
        self.public = true;
        self
    }

    /// Sets the resource type, which handlers get with [`Served`].
    #[must_use]
    pub fn of(mut self, resource_type: &Arc<ResourceType>) -> Endpoint {
        self.resource_type = Some(resource_type.clone());
        self
    }

    /// Adds the handler of `GET` and `HEAD`.
    #[must_use]
    pub fn get<Args: FromRequest + 'static>(self, handler: impl Handler<Args, Output = Answer>) -> Endpoint {
        self.route(Method::GET, false, handler)
    }

    /// Adds a handler of `POST` that only reads, such as a search.
    #[must_use]
    pub fn post_to_read<Args: FromRequest + 'static>(
        self,
        handler: impl Handler<Args, Output = Answer>,
    ) -> Endpoint {
        self.route(Method::POST, false, handler)
    }

    /// Adds a handler that writes. Clients that may only read are refused.
    #[must_use]
    pub fn write<Args: FromRequest + 'static>(
        self,
        method: Method,
        handler: impl Handler<Args, Output = Answer>,
    ) -> Endpoint {
        self.route(method, true, handler)
    }

    /// Sets the handler of all methods but `OPTIONS`.
    #[must_use]
    pub fn any<Args: FromRequest + 'static>(
        mut self,
        handler: impl Handler<Args, Output = Answer>,
    ) -> Endpoint {
        self.methods = Methods::Any;
        let route = web::route().guard(guard::Not(guard::Options()));
        self.routes = vec![route.to(handler)];
        self
    }

    fn route<Args: FromRequest + 'static>(
        mut self,
        method: Method,
        writes: bool,
        handler: impl Handler<Args, Output = Answer>,
    ) -> Endpoint {
        let wanted = method.clone();
        let guard = guard::fn_guard(move |it| handles(&wanted, &it.head().method));
        self.routes.push(web::route().guard(guard).to(handler));
        if let Methods::These(methods) = &mut self.methods {
            methods.push((method, writes));
        }
        self
    }

    /// Returns whether a handler exists for a method.
    pub fn has_handler(&self, method: &Method) -> bool {
        match &self.methods {
            Methods::These(methods) => methods.iter().any(|(it, _)| handles(it, method)),
            Methods::Any => method != Method::OPTIONS,
        }
    }

    /// Returns whether the handler of a method writes.
    pub fn writes(&self, method: &Method) -> bool {
        match &self.methods {
            Methods::These(methods) => methods.iter().any(|(it, writes)| it == method && *writes),
            Methods::Any => false,
        }
    }

    /// Returns the supported methods as the value of an `Allow` header.
    pub fn allow(&self) -> String {
        let mut names = Vec::new();
        if let Methods::These(methods) = &self.methods {
            for (method, _) in methods {
                names.push(method.as_str());
                if method == Method::GET {
                    names.push("HEAD");
                }
            }
        }
        names.push("OPTIONS");
        names.join(", ")
    }

    /// Returns the resource of actix-web that serves the endpoint below `prefix`.
    pub fn into_resource(mut self, prefix: &str) -> Resource {
        self.template = format!("{prefix}{}", self.path).into();
        let mut resource = web::resource(pattern(&self.path));
        for route in std::mem::take(&mut self.routes) {
            resource = resource.route(route);
        }
        resource
            .app_data(Rc::new(self))
            .default_service(web::to(other_method))
    }
}

/// Returns the pattern of actix-web for a path. Both segments may be empty, as in `/Users//`.
fn pattern(path: &str) -> String {
    path.replace("{id}", "{id:[^/]*}").replace("{rest}", "{rest:.*}")
}

/// Returns whether the handler of a method also answers another one.
fn handles(handler: &Method, method: &Method) -> bool {
    method == handler || method == Method::HEAD && handler == Method::GET
}

/// Answers a method without a handler. `OPTIONS` lists the others (RFC 9110 section 9.3.7, RFC 5789 section 3.1).
async fn other_method(request: HttpRequest) -> Answer {
    let endpoint = request
        .app_data::<Rc<Endpoint>>()
        .ok_or_else(Failure::not_mounted)?;
    let method = request.method();
    if method == Method::OPTIONS {
        let mut response = HttpResponse::NoContent();
        response.insert_header((ALLOW, endpoint.allow()));
        if endpoint.has_handler(&Method::PATCH) && !matches!(endpoint.methods, Methods::Any) {
            response.insert_header(("accept-patch", media_type::ACCEPTED));
        }
        return Ok(response.finish());
    }
    let known = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "TRACE",
    ];
    if known.contains(&method.as_str()) {
        Err(Failure::MethodNotAllowed(endpoint.allow()))
    } else {
        Err(Failure::UnknownMethod)
    }
}

/// Extracts the resource type that the endpoint serves.
pub struct Served(pub Arc<ResourceType>);

impl FromRequest for Served {
    type Error = Failure;
    type Future = Ready<Result<Served, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let endpoint = request.app_data::<Rc<Endpoint>>();
        let resource_type = endpoint.and_then(|it| it.resource_type.clone());
        let missing = || {
            Failure::Internal(format!(
                "the route table has no resource type at `{}`",
                request.path()
            ))
        };
        ready(resource_type.map(Served).ok_or_else(missing))
    }
}
