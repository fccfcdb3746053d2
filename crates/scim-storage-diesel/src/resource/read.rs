//! Reading resources, with their members and groups.

use scim_model::store::{Include, Reference, StoreError, Stored};
use uuid::Uuid;

use crate::columns::{Id, Time};
use crate::connection::Conn;
use crate::error::{Failure, unavailable};
use crate::resource::size_limits::SizeLimits;
use crate::schema_map::layout::{Layout, Scope};
use crate::sql::{Dialect, Sql, sql};

/// `pk, id, version, created, modified, document` and the groups; see [`document_column`] and [`Scope::groups_column`].
pub(crate) type ResourceRow = (i64, Id, i64, Time, Time, Option<String>, Option<String>);

/// Which of the groups of a resource a statement reads.
#[derive(Clone, Copy)]
pub(crate) enum WantedGroups {
    All,
    /// The first of them, in order of joining.
    First(i64),
    /// All, if they are no more than this. Otherwise the result is not used, and need not be in order.
    Any(i64),
}

/// A stored resource with its place in the order of creation.
pub(crate) struct Row {
    pub(crate) pk: i64,
    pub(crate) stored: Stored,
    /// Whether it is within the size limits of the statement. Otherwise its document or its groups are incomplete.
    pub(crate) is_whole: bool,
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
            groups = self.groups_column("d.pk", include.groups, WantedGroups::All), tenant = self.tenant, id, kind = layout.kind
        );
        let row = |conn: &mut Conn| {
            conn.row(&select)?
                .map(|row| self.stored(layout, row, None))
                .transpose()
        };
        if !include.members {
            return Ok(row(conn)?.map(|it| it.stored));
        }
        // A group's version covers its members, so both have to come from one snapshot.
        conn.snapshot(None, |conn| {
            let Some(mut group) = row(conn)? else {
                return Ok(None);
            };
            group.stored.members = Some(self.all_members(conn, group.pk)?);
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

    /// The groups of a resource, as a column of the statement that reads the resource: the JSON text of an array of
    /// `[time of joining, pk, id in hexadecimal, number of its type, display name]`. They are sorted when they are
    /// parsed: SQLite would build a tree for the order, even for users without groups. `NULL` when the groups are not
    /// requested.
    pub(crate) fn groups_column(&self, pk: &'static str, is_wanted: bool, wanted: WantedGroups) -> Sql {
        let array = match (self.dialect, is_wanted) {
            (Dialect::Sqlite, false) => return Sql::text("NULL"),
            (Dialect::Postgres, false) => return Sql::text("CAST(NULL AS TEXT)"),
            (Dialect::Sqlite, true) => {
                sql!("json_group_array(json_array(m.joined, m.group_pk, hex(x.id), x.kind, x.label))")
            }
            (Dialect::Postgres, true) => sql!(
                "coalesce(json_agg(json_build_array(m.joined, m.group_pk, encode(x.id, 'hex'), x.kind, x.label))::text,
                          '[]')"
            ),
        };
        let (tenant, pk) = (self.tenant, Sql::text(pk));
        let owned = Sql::owned_by(self.dialect, "x.tenant_id", tenant);
        let (order, limit) = match wanted {
            WantedGroups::All => {
                return sql!(
                    "(SELECT {array} FROM membership m JOIN resource x ON {owned} AND x.pk = m.group_pk
                      WHERE m.tenant_id = {tenant} AND m.member_pk = {pk})";
                    array, owned, tenant, pk
                );
            }
            WantedGroups::First(limit) => (" ORDER BY w.joined, w.group_pk", limit),
            WantedGroups::Any(limit) => ("", limit),
        };
        sql!(
            "(SELECT {array} FROM (SELECT w.joined, w.group_pk FROM membership w
                                   WHERE w.tenant_id = {tenant} AND w.member_pk = {pk}{order} LIMIT 0 + {limit}) AS m
              JOIN resource x ON {owned} AND x.pk = m.group_pk)";
            array, tenant, pk, order = Sql::text(order), limit, owned
        )
    }

    /// A resource as the port describes it, from a statement with these limits.
    pub(crate) fn stored(
        &self,
        layout: &Layout,
        row: ResourceRow,
        limits: Option<SizeLimits>,
    ) -> Result<Row, Failure> {
        let (pk, Id(id), version, Time(created), Time(last_modified), document, groups) = row;
        let groups = groups.map(|it| self.parse_groups(&it)).transpose()?;
        let number_of_groups = groups.as_ref().map_or(0, Vec::len);
        let is_whole = document.is_some() && limits.is_none_or(|it| it.allow_groups(number_of_groups));
        let stored = Stored {
            resource_type: layout.resource_type.name.clone(),
            id,
            version,
            created,
            last_modified,
            document: document.unwrap_or_default(),
            members: None,
            rest_of_members: None,
            groups,
        };
        Ok(Row { pk, stored, is_whole })
    }

    fn parse_groups(&self, text: &str) -> Result<Vec<Reference>, StoreError> {
        type Group = (i64, i64, String, i64, Option<String>);
        let mut groups: Vec<Group> = serde_json::from_str(text).map_err(unavailable)?;
        groups.sort_unstable_by_key(|(joined, pk, ..)| (*joined, *pk));
        let group = |(_, _, id, kind, display): Group| {
            let id = Uuid::try_parse(&id).map_err(unavailable)?;
            Ok(self.reference(id, kind, display))
        };
        groups.into_iter().map(group).collect()
    }

    pub(crate) fn reference(&self, id: Uuid, kind: i64, display: Option<String>) -> Reference {
        Reference {
            id,
            resource_type: self.layouts.name(kind),
            display,
        }
    }
}

/// The document of a resource `d`; `NULL` if it is larger than the limits allow. The database knows the length of a
/// document without reading it.
pub(crate) fn document_column(limits: Option<SizeLimits>) -> Sql {
    match limits {
        Some(SizeLimits { document, .. }) => {
            sql!("CASE WHEN octet_length(d.document) <= {document} THEN d.document END"; document)
        }
        None => Sql::text("d.document"),
    }
}

/// Leaves out derived attributes that the type does not have.
pub(crate) fn restrict_to_type(layout: &Layout, include: Include) -> Include {
    Include {
        members: include.members && layout.resource_type.has_members(),
        groups: include.groups && layout.resource_type.has_groups(),
    }
}
