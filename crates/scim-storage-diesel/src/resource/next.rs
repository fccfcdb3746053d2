//! Reading the rest of a page, some resources at a time.

use std::collections::HashMap;

use scim_model::store::{Include, NextResources, ResourceKey};
use uuid::Uuid;

use crate::connection::Conn;
use crate::error::Failure;
use crate::resource::read::{ResourceRow, Row, WantedGroups, document_column};
use crate::resource::size_limits::{LISTED_GROUPS, RESOURCES, SizeLimits};
use crate::schema_map::layout::Scope;
use crate::sql::{Sql, sql};

impl Scope<'_> {
    /// See [`ResourceStore::next_resources`](scim_model::store::ResourceStore::next_resources).
    pub(crate) fn next_resources(
        &self,
        conn: &mut Conn,
        keys: &[ResourceKey],
        include: Include,
    ) -> Result<NextResources, Failure> {
        let keys = &keys[..keys.len().min(RESOURCES)];
        let read = |conn: &mut Conn| {
            if keys.len() > 1 {
                let limits = SizeLimits::for_each_of(RESOURCES as u64);
                let next = self.first_within(conn, keys, include, Some(limits))?;
                if next.keys > 0 {
                    return Ok(next);
                }
            }
            // The first one is too large to be read together with others.
            self.first_within(conn, &keys[..keys.len().min(1)], include, None)
        };
        // A group's version covers its members, so both have to come from one snapshot.
        match include.members {
            true => conn.snapshot(None, read),
            false => read(conn),
        }
    }

    /// Reads the resources before the first one that is not within the limits.
    fn first_within(
        &self,
        conn: &mut Conn,
        keys: &[ResourceKey],
        include: Include,
        limits: Option<SizeLimits>,
    ) -> Result<NextResources, Failure> {
        let mut rows = self.rows_of(conn, keys, include, limits)?;
        let mut done = keys.len();
        let mut read: Vec<(usize, Row)> = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            match rows.remove(&key.id) {
                Some(row) if row.stored.resource_type != key.resource_type => {}
                Some(row) if row.is_whole => read.push((index, row)),
                Some(_) => {
                    done = index;
                    break;
                }
                // It has been deleted.
                None => {}
            }
        }
        if include.members {
            let is_group = |(_, row): &(usize, Row)| {
                let layout = self.layouts.named(&row.stored.resource_type);
                layout.is_some_and(|it| it.resource_type.has_members())
            };
            let groups = read.iter_mut().filter(|it| is_group(it));
            let groups = groups.map(|(_, row)| row).collect();
            let with_members = self.add_members(conn, groups, u32::MAX)?;
            let without = (0..read.len())
                .filter(|it| is_group(&read[*it]))
                .nth(with_members);
            if let Some(without) = without {
                done = read[without].0;
                read.truncate(without);
            }
        }
        Ok(NextResources {
            resources: read.into_iter().map(|(_, it)| it.stored).collect(),
            keys: done,
        })
    }

    fn rows_of(
        &self,
        conn: &mut Conn,
        keys: &[ResourceKey],
        include: Include,
        limits: Option<SizeLimits>,
    ) -> Result<HashMap<Uuid, Row>, Failure> {
        let ids: Vec<Uuid> = keys.iter().map(|it| it.id).collect();
        let groups = match limits {
            Some(limits) => WantedGroups::Any(limits.groups_to_read()),
            None => WantedGroups::First(LISTED_GROUPS.into()),
        };
        // A literal, because the groups are a column in the database's own JSON.
        let select = sql!(
            "SELECT d.kind, d.pk, d.id, d.version, d.created, d.modified, {document}, {groups}
             FROM resource d WHERE d.tenant_id = {tenant} AND d.id {ids}";
            document = document_column(limits), groups = self.groups_column("d.pk", include.groups, groups),
            tenant = self.tenant, ids = Sql::in_ids(self.dialect, &ids)
        );
        let mut found = HashMap::new();
        for (kind, row) in conn.rows::<(i64, ResourceRow)>(&select)? {
            // A type that the store was opened without is not among the keys.
            let Some(layout) = self.layouts.named(&self.layouts.name(kind)) else {
                continue;
            };
            let mut row = self.stored(layout, row, limits)?;
            // A statement over several types reads the groups of all.
            row.stored.groups = row.stored.groups.filter(|_| layout.resource_type.has_groups());
            found.insert(row.stored.id, row);
        }
        Ok(found)
    }
}
