//! The route table of the management API.

use actix_web::http::Method;
use scim_model::store::OperatorScope;

use super::resource::Resource;
use super::{
    clients as c, connections as n, events, federations as f, history as h, keys as k, openapi,
    resources as r, set_streams as s, tenants as t, tokens as o, undo as u, webhooks as w,
};

// Table: the paths with their operations.
/// Returns the table.
pub fn resources() -> Vec<Resource> {
    use Method as M;
    let new = Resource::new;
    vec![
        new("/openapi.json").on(M::GET, OperatorScope::Events, openapi::show),
        new("/tenants").read(t::list).write(M::POST, t::create),
        new("/tenants/{tenant}")
            .read(t::show)
            .write(M::PATCH, t::rename)
            .write(M::DELETE, t::delete),
        new("/tenants/{tenant}/connections")
            .read(n::list)
            .write(M::POST, n::create),
        new("/tenants/{tenant}/connections/{connection}")
            .read(n::show)
            .write(M::PATCH, n::change)
            .write(M::DELETE, n::delete),
        new("/tenants/{tenant}/connections/{connection}/pause").write(M::POST, n::pause),
        new("/tenants/{tenant}/connections/{connection}/resume").write(M::POST, n::resume),
        new("/tenants/{tenant}/connections/{connection}/tokens")
            .read(o::list)
            .write(M::POST, o::create),
        new("/tenants/{tenant}/connections/{connection}/tokens/{id}")
            .read(o::show)
            .write(M::DELETE, o::revoke),
        new("/tenants/{tenant}/connections/{connection}/tokens/{id}/rotate").write(M::POST, o::rotate),
        new("/tenants/{tenant}/connections/{connection}/clients")
            .read(c::list)
            .write(M::POST, c::create),
        new("/tenants/{tenant}/connections/{connection}/clients/{id}")
            .read(c::show)
            .write(M::PATCH, c::change)
            .write(M::DELETE, c::delete),
        new("/tenants/{tenant}/connections/{connection}/clients/{id}/secrets")
            .read(c::list_secrets)
            .write(M::POST, c::add_secret),
        new("/tenants/{tenant}/connections/{connection}/clients/{id}/secrets/{secret}")
            .write(M::DELETE, c::delete_secret),
        new("/tenants/{tenant}/connections/{connection}/federations")
            .read(f::list)
            .write(M::POST, f::create),
        new("/tenants/{tenant}/connections/{connection}/federations/{id}")
            .read(f::show)
            .write(M::PATCH, f::change)
            .write(M::DELETE, f::delete),
        new("/tenants/{tenant}/connections/{connection}/federations/{id}/check").write(M::POST, f::check),
        new("/tenants/{tenant}/users").read(r::list_users),
        new("/tenants/{tenant}/users/{id}").read(r::show_user),
        new("/tenants/{tenant}/users/{id}/history").read(h::of_user),
        new("/tenants/{tenant}/groups").read(r::list_groups),
        new("/tenants/{tenant}/groups/{id}").read(r::show_group),
        new("/tenants/{tenant}/groups/{id}/history").read(h::of_group),
        new("/tenants/{tenant}/undo").write(M::POST, u::undo),
        new("/events").on(M::GET, OperatorScope::Events, events::read),
        new("/webhooks").read(w::list).write(M::POST, w::create),
        new("/webhooks/{id}")
            .read(w::show)
            .write(M::PATCH, w::change)
            .write(M::DELETE, w::delete),
        new("/webhooks/{id}/deliveries").read(w::history::deliveries),
        new("/webhooks/{id}/dead-letters").read(w::history::dead_letters),
        new("/webhooks/{id}/test").write(M::POST, w::test),
        new("/webhooks/{id}/replay").write(M::POST, w::replay),
        new("/webhooks/{id}/rotate-secret").write(M::POST, w::rotate_secret),
        new("/webhooks/{id}/disable").write(M::POST, w::disable),
        new("/webhooks/{id}/enable").write(M::POST, w::enable),
        new("/set-streams").read(s::list).write(M::POST, s::create),
        new("/set-streams/{id}")
            .read(s::show)
            .write(M::PATCH, s::set)
            .write(M::DELETE, s::delete),
        new("/set-streams/{id}/deliveries").read(s::deliveries),
        new("/set-streams/{id}/enable").write(M::POST, s::enable),
        new("/set-streams/{id}/pause").write(M::POST, s::pause),
        new("/set-streams/{id}/disable").write(M::POST, s::disable),
        new("/set-streams/{id}/verify").write(M::POST, s::verify),
        new("/set-streams/{id}/poll").on(M::POST, OperatorScope::Events, s::poll),
        new("/keys").read(k::list).write(M::POST, k::create),
        new("/keys/{id}").read(k::show).write(M::DELETE, k::revoke),
    ]
}
