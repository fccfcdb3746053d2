//! Registering resource types when a store is opened, and computing derived rows again when a type has changed.

use std::sync::Arc;

use diesel::prelude::*;
use scim_model::store::TenantId;
use scim_model::{AttributePath, Document, ResourceType};

use crate::columns::Id;
use crate::connection::Conn;
use crate::connection::postgres::presence::lock_exclusively;
use crate::error::{Failure, unavailable};
use crate::open_error::OpenError;
use crate::resource::subject::Subject;
use crate::schema::{attribute_path, resource, resource_type, tenant};
use crate::schema_map::layout::{Layout, Layouts};
use crate::sql::sql;

/// The rules for the rows that are derived from documents.
#[derive(Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) unique_group_names: bool,
    /// Whether rules that differ from the stored ones may be introduced.
    pub(crate) may_change: bool,
}

/// Registers the types. Where the shape of a type differs from the stored one, because an attribute has become indexed
/// or unique or a comparison rule has changed, everything derived from its documents is computed again.
///
/// # Errors
/// `NotUnique` when an attribute has become unique and two values are equal; `OthersRun` when the change would affect
/// the index entries of other servers; `OtherSettings` when it is needed and not permitted.
pub(crate) fn register(
    conn: &mut Conn,
    resource_types: &[Arc<ResourceType>],
    rules: Rules,
) -> Result<Layouts, OpenError> {
    let mut layouts = Vec::with_capacity(resource_types.len());
    for resource_type in resource_types {
        let (kind, stored_shape) = type_number(conn, &resource_type.name)?;
        let layout = Layout::new(kind, resource_type, rules.unique_group_names, |path| {
            path_number(conn, kind, path)
        })?;
        let shape = layout.shape();
        if shape != stored_shape {
            if !stored_shape.is_empty() {
                if !rules.may_change {
                    return Err(OpenError::OtherSettings);
                }
                lock_exclusively(conn)?;
            }
            rebuild(conn, &layout)?;
            let of_type = resource_type::table.filter(resource_type::id.eq(kind));
            conn.execute(diesel::update(of_type).set(resource_type::shape.eq(shape)))?;
        }
        layouts.push(Arc::new(layout));
    }
    let names = resource_type::table.select((resource_type::id, resource_type::name));
    let names: Vec<(i64, String)> = conn.load(names)?;
    Ok(Layouts::new(layouts, names))
}

/// The number and the stored shape of a type; a new type gets the next number and an empty shape.
fn type_number(conn: &mut Conn, name: &str) -> Result<(i64, String), Failure> {
    let registered = resource_type::table
        .filter(resource_type::name.eq(name))
        .select((resource_type::id, resource_type::shape));
    let registered: Option<(i64, String)> = conn.only(registered)?;
    if let Some(registered) = registered {
        return Ok(registered);
    }
    // A literal, because the DSL cannot insert the result of an aggregate with a value.
    let insert = sql!(
        "INSERT INTO resource_type (id, name, shape)
         SELECT coalesce(max(id), 0) + 1, {name}, '' FROM resource_type RETURNING id";
        name
    );
    let number = conn.row::<i64>(&insert)?;
    Ok((number.ok_or(diesel::NotFound)?, String::new()))
}

/// The number of an attribute; a new attribute gets the next one.
fn path_number(conn: &mut Conn, kind: i64, path: &AttributePath) -> Result<i64, Failure> {
    let path = path.to_string();
    let registered = attribute_path::table
        .filter(attribute_path::kind.eq(kind))
        .filter(attribute_path::path.eq(&path))
        .select(attribute_path::id);
    let registered: Option<i64> = conn.only(registered)?;
    if let Some(number) = registered {
        return Ok(number);
    }
    // A literal, because the number is computed by the statement that stores it.
    let insert = sql!(
        "INSERT INTO attribute_path (id, kind, path)
         SELECT coalesce(max(id), 0) + 1, {kind}, {path} FROM attribute_path RETURNING id";
        kind, path
    );
    Ok(conn.row::<i64>(&insert)?.ok_or(diesel::NotFound)?)
}

/// The number of documents that are read at once, so that memory does not grow with the number of resources.
const DOCUMENTS_AT_ONCE: i64 = 500;

/// The number of resources between two log entries about the progress.
const LOG_INTERVAL: usize = 10_000;

/// Computes again what is derived from the documents of a type. Versions and times stay, because nothing changes that
/// a client sees. This is part of the transaction that opens the store, so a process that is killed leaves no partial
/// result.
fn rebuild(conn: &mut Conn, layout: &Layout) -> Result<(), Failure> {
    let of_type = || resource::table.filter(resource::kind.eq(layout.kind));
    let all: i64 = conn.only(of_type().count())?.unwrap_or(0);
    let name = &layout.resource_type.name;
    if all == 0 {
        return Ok(());
    }
    log::info!(
        "a schema or a setting has changed: computing the index entries of {all} {name} resources again"
    );
    // Two resources that swap their unique values must not collide.
    conn.execute(diesel::update(of_type()).set(resource::unique_key.eq(None::<String>)))?;
    let tenants = tenant::table.order(tenant::id).select(tenant::id);
    let tenants: Vec<i64> = conn.load(tenants)?;
    let mut done = 0;
    for tenant in tenants {
        let mut last = 0;
        while let Some((pk, number)) = rebuild_some(conn, layout, TenantId(tenant), last)? {
            last = pk;
            if (done + number) / LOG_INTERVAL > done / LOG_INTERVAL {
                log::info!(
                    "computed the index entries of {} of {all} {name} resources",
                    done + number
                );
            }
            done += number;
        }
    }
    Ok(())
}

/// Computes some resources of a tenant again, in the order of `pk`. Returns the last `pk` and the number of resources;
/// `None` when there are no more.
fn rebuild_some(
    conn: &mut Conn,
    layout: &Layout,
    tenant: TenantId,
    after: i64,
) -> Result<Option<(i64, usize)>, Failure> {
    let next = resource::table
        .filter(resource::tenant_id.eq(tenant.0))
        .filter(resource::kind.eq(layout.kind))
        .filter(resource::pk.gt(after))
        .order(resource::pk)
        .limit(DOCUMENTS_AT_ONCE)
        .select((resource::pk, resource::id, resource::document));
    let rows: Vec<(i64, Id, String)> = conn.load(next)?;
    let last = rows.last().map(|(pk, ..)| (*pk, rows.len()));
    for (pk, Id(id), text) in rows {
        let document = Document::from_stored_json(&text).map_err(|it| unavailable(it.detail))?;
        let subject = Subject {
            tenant,
            layout,
            id,
            pk,
        };
        if let Err(failure) = subject.rewrite_derived(conn, &layout.derive(&document)) {
            let (name, tenant) = (&layout.resource_type.name, tenant.0);
            log::error!("{name} {id} of tenant {tenant}: {failure:?}");
            return Err(failure);
        }
    }
    Ok(last)
}
