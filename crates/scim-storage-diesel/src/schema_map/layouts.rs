//! All resource types a store keeps, and the work when one of them changes its shape.

use std::collections::HashMap;
use std::sync::Arc;

use diesel::sql_types::{BigInt, Binary, Text};
use scim_model::store::{StoreError, TenantId};
use scim_model::{AttributePath, Document, ResourceType};
use uuid::Uuid;

use crate::OpenError;
use crate::connection::postgres::presence::{Shapes, be_alone};
use crate::error::{Failure, unavailable};
use crate::schema_map::layout::Layout;
use crate::sql::{Conn, Sql};
use crate::write::{self, Rewritten};

/// The layouts of the types that the server knows, and the names of all that were ever stored.
#[derive(Debug, Default)]
pub(crate) struct Layouts {
    layouts: Vec<Arc<Layout>>,
    names: HashMap<i64, Arc<str>>,
}

impl Layouts {
    /// Registers the types. What is stored of a type whose shape is not the one it was stored by is
    /// computed anew: an attribute has become indexed or unique, or a comparison rule has changed.
    ///
    /// # Errors
    /// `NotUnique` when an attribute has become unique and values collide; `OthersRun` when that would
    /// change index entries under other servers.
    pub(crate) fn register(
        conn: &mut Conn,
        resource_types: &[Arc<ResourceType>],
        unique_group_names: bool,
    ) -> Result<Layouts, OpenError> {
        let mut layouts = Vec::with_capacity(resource_types.len());
        for resource_type in resource_types {
            let (kind, stored_shape) = resource_type_number(conn, &resource_type.name)?;
            let layout = Layout::new(kind, resource_type, unique_group_names, |path| {
                path_number(conn, kind, path)
            })?;
            let shape = layout.shape();
            if shape != stored_shape {
                if !stored_shape.is_empty() {
                    be_alone(conn)?;
                }
                rebuild(conn, &layout)?;
                let update = Sql::new("UPDATE resource_type SET shape = ")
                    .string(shape)
                    .text(" WHERE id = ")
                    .int(kind);
                conn.execute(&update)?;
            }
            layouts.push(Arc::new(layout));
        }
        let names = Sql::new("SELECT id, name FROM resource_type");
        let names = conn.rows::<(BigInt, Text), (i64, String)>(&names)?;
        Ok(Layouts {
            layouts,
            names: names.into_iter().map(|(id, name)| (id, name.into())).collect(),
        })
    }

    /// What the index entries of each type are made by.
    pub(crate) fn shapes(&self) -> Shapes {
        self.layouts.iter().map(|it| (it.kind, it.shape())).collect()
    }

    /// The layout of a type.
    ///
    /// # Errors
    /// `Unavailable` when the store was opened without the type.
    pub(crate) fn of(&self, resource_type: &ResourceType) -> Result<&Arc<Layout>, StoreError> {
        let found = self
            .layouts
            .iter()
            .find(|it| it.resource_type.name == resource_type.name);
        found.ok_or_else(|| unavailable(format!("the store was opened without `{}`", resource_type.name)))
    }

    /// The layout of the type of a name, if the store was opened with it.
    pub(crate) fn named(&self, name: &str) -> Option<&Layout> {
        let found = self.layouts.iter().find(|it| &*it.resource_type.name == name);
        found.map(|it| &**it)
    }

    /// The name of a type by its number.
    pub(crate) fn name(&self, kind: i64) -> Arc<str> {
        self.names.get(&kind).cloned().unwrap_or_else(|| "".into())
    }
}

fn resource_type_number(conn: &mut Conn, name: &str) -> Result<(i64, String), Failure> {
    let select = Sql::new("SELECT id, shape FROM resource_type WHERE name = ").string(name);
    if let Some(found) = conn.row::<(BigInt, Text), (i64, String)>(&select)? {
        return Ok(found);
    }
    let insert = Sql::new("INSERT INTO resource_type (id, name, shape) SELECT coalesce(max(id), 0) + 1, ")
        .string(name)
        .text(", '' FROM resource_type RETURNING id");
    let number = conn.row::<BigInt, i64>(&insert)?;
    Ok((number.ok_or(diesel::NotFound)?, String::new()))
}

fn path_number(conn: &mut Conn, kind: i64, path: &AttributePath) -> Result<i64, Failure> {
    let path = path.to_string();
    let select = Sql::new("SELECT id FROM attribute_path WHERE kind = ")
        .int(kind)
        .text(" AND path = ")
        .string(&path);
    if let Some(found) = conn.row::<BigInt, i64>(&select)? {
        return Ok(found);
    }
    let insert = Sql::new("INSERT INTO attribute_path (id, kind, path) SELECT coalesce(max(id), 0) + 1, ")
        .int(kind)
        .text(", ")
        .string(path)
        .text(" FROM attribute_path RETURNING id");
    Ok(conn.row::<BigInt, i64>(&insert)?.ok_or(diesel::NotFound)?)
}

/// Resources rebuilt between two queries for more: memory does not grow with their number.
const REBUILT_AT_ONCE: i64 = 500;

/// Resources between two lines in the log.
const TOLD_AT_ONCE: usize = 10_000;

/// Computes what is derived from the documents of a type anew. Versions and times stay: nothing that a
/// client sees has changed. All happens in the transaction of the opening: whoever ends the process
/// meanwhile finds all as it was.
fn rebuild(conn: &mut Conn, layout: &Layout) -> Result<(), Failure> {
    let count = Sql::new("SELECT count(*) FROM resource WHERE kind = ").int(layout.kind);
    let all = conn.row::<BigInt, i64>(&count)?.unwrap_or(0);
    let name = &layout.resource_type.name;
    if all == 0 {
        return Ok(());
    }
    log::info!("computing index entries of {all} {name} resources anew: a schema or a setting has changed");
    // Swapped values must not collide on the way.
    let clear = Sql::new("UPDATE resource SET unique_key = NULL WHERE kind = ").int(layout.kind);
    conn.execute(&clear)?;
    let mut done = 0;
    let tenants = Sql::new("SELECT id FROM tenant ORDER BY id");
    for tenant in conn.rows::<BigInt, i64>(&tenants)? {
        rebuild_tenant(conn, layout, TenantId(tenant), || {
            done += 1;
            if done % TOLD_AT_ONCE == 0 {
                log::info!("computed index entries of {done} of {all} {name} resources");
            }
        })?;
    }
    Ok(())
}

fn rebuild_tenant(
    conn: &mut Conn,
    layout: &Layout,
    tenant: TenantId,
    mut tell: impl FnMut(),
) -> Result<(), Failure> {
    let mut last = 0;
    loop {
        let select = Sql::new("SELECT pk, id, document FROM resource WHERE tenant_id = ")
            .int(tenant.0)
            .text(" AND kind = ")
            .int(layout.kind)
            .text(" AND pk > ")
            .int(last)
            .text(" ORDER BY pk LIMIT ")
            .int(REBUILT_AT_ONCE);
        let rows = conn.rows::<(BigInt, Binary, Text), (i64, Vec<u8>, String)>(&select)?;
        let Some((pk, ..)) = rows.last() else {
            return Ok(());
        };
        last = *pk;
        for (pk, id, text) in rows {
            let document = Document::from_stored_json(&text).map_err(|it| unavailable(it.detail))?;
            let derived = layout.derive(&document);
            if let Err(failure) = write::rewrite(conn, layout, &Rewritten { tenant, pk, derived }) {
                let id = Uuid::from_slice(&id).unwrap_or_default();
                let (name, tenant) = (&layout.resource_type.name, tenant.0);
                log::error!("{name} {id} of tenant {tenant}: {failure:?}");
                return Err(failure);
            }
            tell();
        }
    }
}
