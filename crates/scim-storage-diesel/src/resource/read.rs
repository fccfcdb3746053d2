//! Reading resources, with their members and groups.

use std::collections::HashMap;

use scim_model::store::{Include, Reference, StoreError, Stored};
use uuid::Uuid;

use crate::columns::{Id, Time};
use crate::connection::Conn;
use crate::error::{Failure, unavailable};
use crate::schema_map::layout::{Layout, Scope};
use crate::sql::{Dialect, Sql, sql};

/// `pk, id, version, created, modified, document` and the groups; see [`Scope::groups_column`].
pub(crate) type ResourceRow = (i64, Id, i64, Time, Time, String, Option<String>);

/// A stored resource with its place in the order of creation.
pub(crate) struct Row {
    pub(crate) pk: i64,
    pub(crate) stored: Stored,
}

impl Scope<'_> {
    pub(crate) fn get(
        &self,
        conn: &mut Conn,
        layout: &Layout,
        id: Uuid,
        include: Include,
    ) -> Result<Option<Stored>, Failure> {
        let include = restrict_to_type(layout, include);
        // A literal, because the groups are a column in the database's own JSON.
        let select = sql!(
            "SELECT d.pk, d.id, d.version, d.created, d.modified, d.document, {groups}
             FROM resource d WHERE d.tenant_id = {tenant} AND d.id = {id} AND d.kind = {kind}";
            groups = self.groups_column("d.pk", include.groups), tenant = self.tenant, id, kind = layout.kind
        );
        let row = |conn: &mut Conn| conn.row(&select)?.map(|row| self.stored(layout, row)).transpose();
        if !include.members {
            return Ok(row(conn)?.map(|it| it.stored));
        }
        // A group's version covers its members, so both have to come from one snapshot.
        conn.snapshot(None, |conn| {
            let Some(mut group) = row(conn)? else {
                return Ok(None);
            };
            self.add_members(conn, vec![&mut group], u32::MAX)?;
            Ok(Some(group.stored))
        })
    }

    pub(crate) fn references(&self, conn: &mut Conn, ids: &[Uuid]) -> Result<Vec<Reference>, Failure> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        // A literal, because the list is bound as one value.
        let select = sql!(
            "SELECT id, kind, label FROM resource WHERE tenant_id = {tenant} AND id {ids}";
            tenant = self.tenant, ids = Sql::in_ids(self.dialect, ids)
        );
        let rows = conn.rows::<(Id, i64, Option<String>)>(&select)?.into_iter();
        Ok(rows
            .map(|(Id(id), kind, display)| self.reference(id, kind, display))
            .collect())
    }

    /// Adds the members of groups, in order of joining, with one statement for all. Several groups together may have at
    /// most `max_members`; a single group is read whole.
    pub(crate) fn add_members(
        &self,
        conn: &mut Conn,
        groups: Vec<&mut Row>,
        max_members: u32,
    ) -> Result<(), Failure> {
        if groups.is_empty() {
            return Ok(());
        }
        let pks: Vec<i64> = groups.iter().map(|it| it.pk).collect();
        if pks.len() > 1 {
            let count = sql!(
                "SELECT count(*) FROM (SELECT 1 FROM membership m
                                       WHERE m.tenant_id = {tenant} AND m.group_pk {pks} LIMIT {limit}) AS c";
                tenant = self.tenant, pks = Sql::in_pks(self.dialect, &pks), limit = i64::from(max_members) + 1
            );
            if conn.row::<i64>(&count.one_off())? > Some(max_members.into()) {
                let most = max_members.into();
                return Err(StoreError::TooManyMembers { most }.into());
            }
        }
        let mut members: HashMap<i64, Vec<Reference>> = HashMap::new();
        let select = self.members_select(&pks);
        conn.each(
            &select,
            |(pk, Id(id), kind, display): (i64, Id, i64, Option<String>)| {
                members
                    .entry(pk)
                    .or_default()
                    .push(self.reference(id, kind, display));
            },
        )?;
        for Row { pk, stored } in groups {
            stored.members = Some(members.remove(pk).unwrap_or_default());
        }
        Ok(())
    }

    /// Selects the members of groups as `group_pk, id, kind, label`.
    pub(crate) fn members_select(&self, groups: &[i64]) -> Sql {
        let tenant = self.tenant;
        let groups = match groups {
            [group] => sql!("= {group}"; group = *group),
            groups => Sql::in_pks(self.dialect, groups),
        };
        match self.dialect {
            Dialect::Sqlite => sql!(
                "SELECT m.group_pk, x.id, x.kind, x.label FROM membership m
                 JOIN resource x ON {owned} AND x.pk = m.member_pk
                 WHERE m.tenant_id = {tenant} AND m.group_pk {groups} ORDER BY m.group_pk, m.joined";
                owned = Sql::owned_by(self.dialect, "x.tenant_id", tenant), tenant, groups
            ),
            // For a large group PostgreSQL would read the whole table, rows of all tenants included; `OFFSET 0`
            // prevents it. No plan is kept, because it may stem from a time when the groups were small.
            Dialect::Postgres => sql!(
                "SELECT m.group_pk, x.id, x.kind, x.label FROM membership m
                 JOIN LATERAL (SELECT r.id, r.kind, r.label FROM resource r
                               WHERE r.tenant_id = {tenant} AND r.pk = m.member_pk OFFSET 0) x ON TRUE
                 WHERE m.tenant_id = {tenant} AND m.group_pk {groups} ORDER BY m.group_pk, m.joined";
                tenant, groups
            )
            .one_off(),
        }
    }

    /// The groups of a resource in order of joining, as a column of the statement that reads the resource: the JSON text
    /// of an array of `[id in hexadecimal, number of its type, display name]`. `NULL` when the groups are not asked for.
    pub(crate) fn groups_column(&self, pk: &'static str, is_wanted: bool) -> Sql {
        let array = match (self.dialect, is_wanted) {
            (Dialect::Sqlite, false) => return Sql::text("NULL"),
            (Dialect::Postgres, false) => return Sql::text("CAST(NULL AS TEXT)"),
            (Dialect::Sqlite, true) => {
                sql!("json_group_array(json_array(hex(x.id), x.kind, x.label) ORDER BY m.joined, m.group_pk)")
            }
            (Dialect::Postgres, true) => sql!(
                "coalesce(json_agg(json_build_array(encode(x.id, 'hex'), x.kind, x.label)
                                   ORDER BY m.joined, m.group_pk)::text, '[]')"
            ),
        };
        sql!(
            "(SELECT {array} FROM membership m JOIN resource x ON {owned} AND x.pk = m.group_pk
              WHERE m.tenant_id = {tenant} AND m.member_pk = {pk})";
            array, owned = Sql::owned_by(self.dialect, "x.tenant_id", self.tenant), tenant = self.tenant,
            pk = Sql::text(pk)
        )
    }

    /// A resource as the port describes it.
    pub(crate) fn stored(&self, layout: &Layout, row: ResourceRow) -> Result<Row, Failure> {
        let (pk, Id(id), version, Time(created), Time(last_modified), document, groups) = row;
        let stored = Stored {
            resource_type: layout.resource_type.name.clone(),
            id,
            version,
            created,
            last_modified,
            document,
            members: None,
            groups: groups.map(|it| self.parse_groups(&it)).transpose()?,
        };
        Ok(Row { pk, stored })
    }

    fn parse_groups(&self, text: &str) -> Result<Vec<Reference>, StoreError> {
        let groups: Vec<(String, i64, Option<String>)> = serde_json::from_str(text).map_err(unavailable)?;
        let group = |(id, kind, display): (String, _, _)| {
            let id = Uuid::try_parse(&id).map_err(unavailable)?;
            Ok(self.reference(id, kind, display))
        };
        groups.into_iter().map(group).collect()
    }

    fn reference(&self, id: Uuid, kind: i64, display: Option<String>) -> Reference {
        Reference {
            id,
            resource_type: self.layouts.name(kind),
            display,
        }
    }
}

/// Leaves out what the type does not have.
pub(crate) fn restrict_to_type(layout: &Layout, include: Include) -> Include {
    Include {
        members: include.members && layout.resource_type.has_members(),
        groups: include.groups && layout.resource_type.has_groups(),
    }
}
