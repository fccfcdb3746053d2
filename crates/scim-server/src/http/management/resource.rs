//! An entry of the route table: a path with its methods, their scopes and handlers.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::ALLOW;
use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Route, guard, web};
use scim_model::store::OperatorScope;

use super::problem::Problem;

/// The path before those of the table.
pub const PREFIX: &str = "/api/v1";

/// The result of a handler.
pub(super) type Answer = Result<HttpResponse, Problem>;

/// An entry of the table: a path, and its operations.
pub struct Resource {
    /// The path below [`PREFIX`], for example `/tenants/{tenant}`.
    pub path: &'static str,
    /// The path that the access log and the metrics show.
    pub(super) template: Arc<str>,
    operations: Vec<(Method, OperatorScope)>,
    routes: Vec<Route>,
}

impl Resource {
    /// Creates a path without operations.
    pub(super) fn new(path: &'static str) -> Resource {
        Resource {
            path,
            template: format!("{PREFIX}{path}").into(),
            operations: Vec::new(),
            routes: Vec::new(),
        }
    }

    /// Adds the handler of `GET` and `HEAD`, for keys that may read.
    pub(super) fn read<Args: FromRequest + 'static>(
        self,
        handler: impl Handler<Args, Output = Answer>,
    ) -> Resource {
        self.on(Method::GET, OperatorScope::Read, handler)
    }

    /// Adds the handler of a method that changes something.
    pub(super) fn write<Args: FromRequest + 'static>(
        self,
        method: Method,
        handler: impl Handler<Args, Output = Answer>,
    ) -> Resource {
        self.on(method, OperatorScope::Admin, handler)
    }

    /// Adds the handler of a method, for keys with a scope.
    pub(super) fn on<Args: FromRequest + 'static>(
        mut self,
        method: Method,
        scope: OperatorScope,
        handler: impl Handler<Args, Output = Answer>,
    ) -> Resource {
        let wanted = method.clone();
        let guard = guard::fn_guard(move |it| handles(&wanted, &it.head().method));
        self.routes.push(web::route().guard(guard).to(handler));
        self.operations.push((method, scope));
        self
    }

    /// Returns the methods with the scope that each needs.
    pub fn operations(&self) -> &[(Method, OperatorScope)] {
        &self.operations
    }

    /// Returns the scope that a method needs; `None` for a method without a handler.
    pub(super) fn scope(&self, method: &Method) -> Option<OperatorScope> {
        let mut operations = self.operations.iter();
        operations
            .find(|(it, _)| handles(it, method))
            .map(|(_, scope)| *scope)
    }

    fn allow(&self) -> String {
        let mut names = Vec::new();
        for (method, _) in &self.operations {
            names.push(method.as_str());
            if method == Method::GET {
                names.push("HEAD");
            }
        }
        names.push("OPTIONS");
        names.join(", ")
    }

    /// Returns the resource of actix-web.
    pub(super) fn into_resource(mut self) -> actix_web::Resource {
        let mut resource = web::resource(self.path);
        for route in std::mem::take(&mut self.routes) {
            resource = resource.route(route);
        }
        resource
            .app_data(Rc::new(self))
            .default_service(web::to(other_method))
    }
}

/// Returns whether the handler of a method also answers another one.
fn handles(handler: &Method, method: &Method) -> bool {
    method == handler || method == Method::HEAD && handler == Method::GET
}

/// Answers a method without a handler.
async fn other_method(request: HttpRequest) -> Answer {
    let resource = request.app_data::<Rc<Resource>>();
    let resource = resource.ok_or_else(|| Problem::internal("the resource is not in the route table"))?;
    match request.method() == Method::OPTIONS {
        true => Ok(HttpResponse::NoContent()
            .insert_header((ALLOW, resource.allow()))
            .finish()),
        false => Err(Problem::method_not_allowed(&resource.allow())),
    }
}
