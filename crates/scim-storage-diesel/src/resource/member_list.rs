//! Reading the members of groups, which may be many.

use std::collections::HashMap;

use scim_model::store::{Reference, RestOfMembers, StoreError};

use crate::columns::Id;
use crate::connection::Conn;
use crate::error::Failure;
use crate::resource::read::Row;
use crate::resource::size_limits::MEMBERS;
use crate::schema_map::layout::Scope;
use crate::sql::{Dialect, Sql, sql};

/// `group_pk, joined, id, kind, label`
type MemberRow = (i64, i64, Id, i64, Option<String>);

impl Scope<'_> {
    /// Adds the members of groups, in order of joining, with one statement for all. Several groups together may have at
    /// most `max_members`.
    ///
    /// Returns the number of groups whose members were added: as many of the first groups as the limit allows. If the
    /// first group alone exceeds it, it gets the first of its members.
    pub(crate) fn add_members(
        &self,
        conn: &mut Conn,
        mut groups: Vec<&mut Row>,
        max_members: u32,
    ) -> Result<usize, Failure> {
        if groups.len() > 1 {
            let fitting = self.fitting(conn, &groups, max_members)?;
            groups.truncate(fitting.max(1));
            if fitting > 0 {
                self.add_all_members(conn, &mut groups)?;
                return Ok(fitting);
            }
        }
        let Some(Row { pk, stored, .. }) = groups.first_mut() else {
            return Ok(0);
        };
        let (members, rest) = self.some_members(conn, *pk, None)?;
        stored.members = Some(members);
        stored.rest_of_members = rest;
        Ok(1)
    }

    /// Returns all members of a group.
    pub(crate) fn all_members(&self, conn: &mut Conn, group: i64) -> Result<Vec<Reference>, Failure> {
        let mut members = Vec::new();
        conn.each(
            &self.members_select(&[group]),
            |(_, _, Id(id), kind, display): MemberRow| members.push(self.reference(id, kind, display)),
        )?;
        Ok(members)
    }

    /// See [`ResourceStore::next_members`](scim_model::store::ResourceStore::next_members).
    pub(crate) fn next_members(
        &self,
        conn: &mut Conn,
        rest: RestOfMembers,
    ) -> Result<(Vec<Reference>, Option<RestOfMembers>), Failure> {
        self.some_members(conn, rest.group, Some(rest))
    }

    /// Returns how many of the first groups together stay within the limit.
    fn fitting(&self, conn: &mut Conn, groups: &[&mut Row], max_members: u32) -> Result<usize, Failure> {
        let pks: Vec<i64> = groups.iter().map(|it| it.pk).collect();
        let counts = sql!(
            "SELECT c.group_pk, count(*) FROM (SELECT m.group_pk FROM membership m
                                               WHERE m.tenant_id = {tenant} AND m.group_pk {pks} LIMIT {limit}) AS c
             GROUP BY c.group_pk";
            tenant = self.tenant, pks = Sql::in_pks(self.dialect, &pks), limit = i64::from(max_members) + 1
        );
        let counts = conn.rows::<(i64, i64)>(&counts.one_off())?;
        let counts: HashMap<i64, i64> = counts.into_iter().collect();
        if counts.values().sum::<i64>() > max_members.into() {
            let most = max_members.into();
            return Err(StoreError::TooManyMembers { most }.into());
        }
        let mut left = i64::from(MEMBERS);
        let fits = |pk: &&i64| {
            left -= counts.get(*pk).unwrap_or(&0);
            left >= 0
        };
        Ok(pks.iter().take_while(fits).count())
    }

    fn add_all_members(&self, conn: &mut Conn, groups: &mut [&mut Row]) -> Result<(), Failure> {
        let pks: Vec<i64> = groups.iter().map(|it| it.pk).collect();
        let mut members: HashMap<i64, Vec<Reference>> = HashMap::new();
        conn.each(
            &self.members_select(&pks),
            |(pk, _, Id(id), kind, display): MemberRow| {
                members
                    .entry(pk)
                    .or_default()
                    .push(self.reference(id, kind, display));
            },
        )?;
        for Row { pk, stored, .. } in groups {
            stored.members = Some(members.remove(pk).unwrap_or_default());
        }
        Ok(())
    }

    /// Reads members of one group: the first ones, or those after a position.
    fn some_members(
        &self,
        conn: &mut Conn,
        group: i64,
        from: Option<RestOfMembers>,
    ) -> Result<(Vec<Reference>, Option<RestOfMembers>), Failure> {
        let range = from.map(|RestOfMembers { after, until, .. }| {
            sql!(" AND m.joined > {after} AND m.joined <= {until}"; after, until)
        });
        let members = self.select_members(&[group], range.unwrap_or_default());
        let one_more = i64::from(MEMBERS) + 1;
        let mut rows = conn.rows::<MemberRow>(&sql!("{members} LIMIT 0 + {one_more}"; members, one_more))?;
        let has_more = rows.len() > MEMBERS as usize;
        rows.truncate(MEMBERS as usize);
        let rest = match rows.last() {
            Some((_, after, ..)) if has_more => Some(RestOfMembers {
                group,
                after: *after,
                until: match from {
                    Some(from) => from.until,
                    None => self.last_joined(conn, group)?,
                },
            }),
            _ => None,
        };
        let member = |(_, _, Id(id), kind, display): MemberRow| self.reference(id, kind, display);
        Ok((rows.into_iter().map(member).collect(), rest))
    }

    fn last_joined(&self, conn: &mut Conn, group: i64) -> Result<i64, Failure> {
        let last = sql!(
            "SELECT m.joined FROM membership m WHERE m.tenant_id = {tenant} AND m.group_pk = {group}
             ORDER BY m.joined DESC LIMIT 1";
            tenant = self.tenant, group
        );
        Ok(conn.row::<i64>(&last)?.unwrap_or_default())
    }

    /// Selects the members of groups as `group_pk, joined, id, kind, label`.
    pub(crate) fn members_select(&self, groups: &[i64]) -> Sql {
        self.select_members(groups, Sql::default())
    }

    fn select_members(&self, groups: &[i64], range: Sql) -> Sql {
        let tenant = self.tenant;
        let groups = match groups {
            [group] => sql!("= {group}"; group = *group),
            groups => Sql::in_pks(self.dialect, groups),
        };
        match self.dialect {
            Dialect::Sqlite => sql!(
                "SELECT m.group_pk, m.joined, x.id, x.kind, x.label FROM membership m
                 JOIN resource x ON {owned} AND x.pk = m.member_pk
                 WHERE m.tenant_id = {tenant} AND m.group_pk {groups}{range} ORDER BY m.group_pk, m.joined";
                owned = Sql::owned_by(self.dialect, "x.tenant_id", tenant), tenant, groups, range
            ),
            // For a large group PostgreSQL would read the whole table, with the rows of all tenants; `OFFSET 0`
            // prevents that. No plan is kept, because it may have been made when the groups were small.
            Dialect::Postgres => sql!(
                "SELECT m.group_pk, m.joined, x.id, x.kind, x.label FROM membership m
                 JOIN LATERAL (SELECT r.id, r.kind, r.label FROM resource r
                               WHERE r.tenant_id = {tenant} AND r.pk = m.member_pk OFFSET 0) x ON TRUE
                 WHERE m.tenant_id = {tenant} AND m.group_pk {groups}{range} ORDER BY m.group_pk, m.joined";
                tenant, groups, range
            )
            .one_off(),
        }
    }
}
