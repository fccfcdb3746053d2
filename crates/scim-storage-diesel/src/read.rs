//! Get, list and references.
//!
//! A list reads keys first, and joins the documents of one page to them: neither filtering nor
//! sorting nor skipping ever touches a document.

use std::collections::HashMap;
use std::sync::Arc;

use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use scim_model::store::{
    Include, Page, PageRequest, Position, Query, Reference, StoreError, Stored, TenantId,
};
use scim_model::{Condition, ResourceType, SecretHash};
use uuid::Uuid;

use crate::Explained;
use crate::condition_sql::{Compiler, SortKey, SortKind, is_look_up, is_selective};
use crate::error::{Failure, unavailable};
use crate::layout::Layout;
use crate::layouts::Layouts;
use crate::sql::{Conn, Dialect, Sql};
use crate::write::time;

/// `pk, id, version, created, modified, document` and the groups, see [`groups_of`].
type ResourceTypes = (BigInt, Binary, BigInt, BigInt, BigInt, Text, Nullable<Text>);
type ResourceRow = (i64, Vec<u8>, i64, i64, i64, String, Option<String>);

pub(crate) fn get(
    conn: &mut Conn,
    layouts: &Layouts,
    tenant: TenantId,
    layout: &Layout,
    id: Uuid,
    include: Include,
) -> Result<Option<Stored>, Failure> {
    let include = narrowed(layout, include);
    let select = Sql::new("SELECT d.pk, d.id, d.version, d.created, d.modified, d.document, ")
        .sql(groups_of("d.pk", conn.dialect(), tenant, include))
        .text(" FROM resource d WHERE d.tenant_id = ")
        .int(tenant.0)
        .text(" AND d.id = ")
        .id(id)
        .text(" AND d.kind = ")
        .int(layout.kind);
    let one = |conn: &mut Conn| {
        let row = conn.row::<ResourceTypes, ResourceRow>(&select)?;
        row.map(|row| stored(layouts, layout, row)).transpose()
    };
    if !include.members {
        return Ok(one(conn)?.map(|(_, found)| found));
    }
    // A group's version tells its members, so both must be of one moment.
    conn.snapshot(|conn| {
        let Some(found) = one(conn)? else {
            return Ok(None);
        };
        let mut found = [found];
        add_members(conn, layouts, tenant, include, &mut found)?;
        let [(_, found)] = found;
        Ok(Some(found))
    })
}

pub(crate) fn references(
    conn: &mut Conn,
    layouts: &Layouts,
    tenant: TenantId,
    ids: &[Uuid],
) -> Result<Vec<Reference>, Failure> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let select = Sql::new("SELECT id, kind, label FROM resource WHERE tenant_id = ")
        .int(tenant.0)
        .text(" AND id")
        .in_ids(conn.dialect(), ids);
    let rows = conn.rows::<(Binary, BigInt, Nullable<Text>), (Vec<u8>, i64, Option<String>)>(&select)?;
    rows.into_iter()
        .map(|(id, kind, display)| reference(layouts, &id, kind, display))
        .collect()
}

pub(crate) fn secret(
    conn: &mut Conn,
    tenant: TenantId,
    layout: &Layout,
    id: Uuid,
    path: &str,
) -> Result<Option<SecretHash>, Failure> {
    let select = Sql::new(
        "SELECT s.hash FROM resource r JOIN secret s ON s.tenant_id = r.tenant_id AND s.pk = r.pk \
         WHERE r.tenant_id = ",
    )
    .int(tenant.0)
    .text(" AND r.id = ")
    .id(id)
    .text(" AND r.kind = ")
    .int(layout.kind)
    .text(" AND s.path = ")
    .string(path);
    Ok(conn.row::<Text, String>(&select)?.map(SecretHash))
}

pub(crate) fn list(
    conn: &mut Conn,
    layouts: &Layouts,
    tenant: TenantId,
    query: &Query,
) -> Result<Page, Failure> {
    let targets = targets(conn.dialect(), layouts, tenant, query)?;
    if let Some(page) = at_a_glance(conn, layouts, &targets, &query.page)? {
        return Ok(page);
    }
    conn.snapshot(|conn| match &query.page {
        PageRequest::Index { start_index, count } => {
            index_page(conn, layouts, &targets, *start_index, *count)
        }
        PageRequest::Cursor { from, count } => cursor_page(conn, layouts, &targets, from.as_ref(), *count),
    })
}

/// A look-up by a key, which mostly finds one resource or none: one statement, and no transaction around
/// it. `None` when that did not suffice.
fn at_a_glance(
    conn: &mut Conn,
    layouts: &Layouts,
    targets: &[Target],
    page: &PageRequest,
) -> Result<Option<Page>, Failure> {
    let (
        [target],
        PageRequest::Index {
            start_index: 0..=1,
            count,
        },
    ) = (targets, page)
    else {
        return Ok(None);
    };
    if *count == 0 || target.include.members || !is_selective(target.condition, target.layout) {
        return Ok(None);
    }
    let found = target.rows(conn, layouts, None, Direction::Forward, u64::from(*count), 0)?;
    if found.len() >= *count as usize {
        return Ok(None);
    }
    Ok(Some(Page {
        total: found.len() as u64,
        resources: found.into_iter().map(|it| it.stored).collect(),
        next: None,
        previous: None,
    }))
}

/// The statements of a list request and the database's plan of each.
pub(crate) fn explain(
    conn: &mut Conn,
    layouts: &Layouts,
    tenant: TenantId,
    query: &Query,
) -> Result<Vec<Explained>, Failure> {
    let (PageRequest::Index { count, .. } | PageRequest::Cursor { count, .. }) = query.page;
    let mut statements = Vec::new();
    for (index, target) in targets(conn.dialect(), layouts, tenant, query)?
        .iter()
        .enumerate()
    {
        match &query.page {
            PageRequest::Index { start_index, .. } => {
                let offset = start_index.saturating_sub(1);
                statements.push(target.select(None, Direction::Forward, count.into(), offset));
            }
            PageRequest::Cursor { from, .. } => {
                let backwards = from.as_ref().is_some_and(|it| it.backwards);
                let direction = if backwards {
                    Direction::Backward
                } else {
                    Direction::Forward
                };
                let from = from.as_ref().filter(|it| usize::from(it.target) == index);
                let segments = target.segments(from, direction).into_iter();
                statements.extend(segments.map(|it| target.select(Some(it), direction, count.into(), 0)));
            }
        }
        statements.push(target.count_statement());
    }
    statements
        .into_iter()
        .map(|sql| {
            let plan = match conn.dialect() {
                Dialect::Sqlite => {
                    let explain = Sql::new("EXPLAIN QUERY PLAN ").sql(sql.clone());
                    let rows =
                        conn.rows::<(BigInt, BigInt, BigInt, Text), (i64, i64, i64, String)>(&explain)?;
                    rows.into_iter().map(|(.., detail)| detail).collect()
                }
                Dialect::Postgres => conn.rows::<Text, String>(&Sql::new("EXPLAIN ").sql(sql.clone()))?,
            };
            let sql = sql.readable();
            Ok(Explained { sql, plan })
        })
        .collect()
}

/// What a query asks for, type by type.
fn targets<'a>(
    dialect: Dialect,
    layouts: &'a Layouts,
    tenant: TenantId,
    query: &'a Query,
) -> Result<Vec<Target<'a>>, Failure> {
    let target = |(index, (resource_type, condition)): (usize, &'a (Arc<ResourceType>, Condition))| {
        let layout = layouts.of(resource_type)?;
        let compiler = || Compiler::new(dialect, tenant, layouts, layout, &query.base_url);
        let (filtering, sorting) = (compiler(), compiler());
        let path = query.sort.as_ref().and_then(|it| it.paths.get(index)?.as_ref());
        let sql = filtering.compile(condition);
        Ok(Target {
            dialect,
            tenant,
            layout,
            condition,
            sql,
            order_by_sorting: dialect == Dialect::Sqlite
                && (is_selective(condition, layout) || (path.is_none() && filtering.scans_column())),
            filter_needs_normal: filtering.needs_normal(),
            sort: path.and_then(|it| sorting.sort_key(it)),
            sort_needs_normal: sorting.needs_normal(),
            descending: query.sort.as_ref().is_some_and(|it| it.descending),
            include: narrowed(layout, query.include),
        })
    };
    query.targets.iter().enumerate().map(target).collect()
}

/// The resources of one type that a query asks for.
struct Target<'a> {
    dialect: Dialect,
    tenant: TenantId,
    layout: &'a Layout,
    condition: &'a Condition,
    sql: Sql,
    sort: Option<SortKey>,
    descending: bool,
    include: Include,
    /// Keeps SQLite from walking an index in the order of the result, where another one finds the
    /// resources, or holds all that the condition looks at.
    order_by_sorting: bool,
    filter_needs_normal: bool,
    sort_needs_normal: bool,
}

/// A resource of a page with its place.
struct Found {
    key: Option<String>,
    row: i64,
    stored: Stored,
}

fn index_page(
    conn: &mut Conn,
    layouts: &Layouts,
    targets: &[Target],
    start_index: u64,
    count: u32,
) -> Result<Page, Failure> {
    let mut skip = start_index.max(1) - 1;
    let mut wanted = u64::from(count);
    let mut total = 0;
    let mut resources = Vec::new();
    for target in targets {
        let mut found = Vec::new();
        if wanted > 0 && *target.condition != Condition::Always(false) {
            found = target.rows(conn, layouts, None, Direction::Forward, wanted, skip)?;
        }
        let number = found.len() as u64;
        // A part that is not full ends the result, and no second query is needed.
        let is_last = number < wanted && (number > 0 || skip == 0);
        let matches = if is_last {
            skip + number
        } else {
            target.count(conn)?
        };
        total += matches;
        wanted -= number;
        skip = skip.saturating_sub(matches);
        resources.extend(
            with_references(conn, layouts, target, found)?
                .into_iter()
                .map(|it| it.stored),
        );
    }
    Ok(Page {
        total,
        resources,
        next: None,
        previous: None,
    })
}

fn cursor_page(
    conn: &mut Conn,
    layouts: &Layouts,
    targets: &[Target],
    from: Option<&Position>,
    count: u32,
) -> Result<Page, Failure> {
    let mut total = 0;
    for target in targets {
        total += target.count(conn)?;
    }
    let backwards = from.is_some_and(|it| it.backwards);
    let direction = if backwards {
        Direction::Backward
    } else {
        Direction::Forward
    };
    let wanted = count as usize;
    let mut found = walk(
        conn,
        layouts,
        targets,
        from,
        direction,
        u64::from(count) + u64::from(count > 0),
    )?;
    let more = found.len() > wanted;
    found.truncate(wanted);
    if backwards {
        found.reverse();
    }
    let position = |(target, found): &(usize, Found), backwards| Position {
        target: u16::try_from(*target).unwrap_or(u16::MAX),
        key: found.key.clone(),
        row: found.row,
        backwards,
    };
    let mut next = found.last().map(|it| position(it, false));
    let mut previous = found.first().map(|it| position(it, true));
    if found.is_empty() && count > 0 {
        // Everything on this side has gone; the other side may still be there.
        let other = |backwards| {
            from.map(|it| Position {
                backwards,
                ..it.clone()
            })
        };
        (next, previous) = if backwards {
            (other(false), None)
        } else {
            (None, other(true))
        };
    }
    let (ahead, behind) = if backwards {
        (&mut previous, &mut next)
    } else {
        (&mut next, &mut previous)
    };
    if !more {
        *ahead = None;
    }
    if let Some(position) = behind.take() {
        let direction = if position.backwards {
            Direction::Backward
        } else {
            Direction::Forward
        };
        let is_there =
            from.is_some() && !walk(conn, layouts, targets, Some(&position), direction, 1)?.is_empty();
        *behind = is_there.then_some(position);
    }

    let mut resources = Vec::with_capacity(found.len());
    let mut found = found.into_iter().peekable();
    for (index, target) in targets.iter().enumerate() {
        let mut of_target = Vec::new();
        while let Some((_, it)) = found.next_if(|(target, _)| *target == index) {
            of_target.push(it);
        }
        resources.extend(
            with_references(conn, layouts, target, of_target)?
                .into_iter()
                .map(|it| it.stored),
        );
    }
    Ok(Page {
        total,
        resources,
        next,
        previous,
    })
}

/// The next resources from a position on, in the order of reading, each with the index of its target.
fn walk(
    conn: &mut Conn,
    layouts: &Layouts,
    targets: &[Target],
    from: Option<&Position>,
    direction: Direction,
    limit: u64,
) -> Result<Vec<(usize, Found)>, Failure> {
    let mut found = Vec::new();
    let order: Vec<usize> = match direction {
        Direction::Forward => (0..targets.len()).collect(),
        Direction::Backward => (0..targets.len()).rev().collect(),
    };
    for index in order {
        let start = match from.map(|it| (usize::from(it.target), it)) {
            Some((target, position)) if target == index => Some(position),
            Some((target, _)) if direction == Direction::Forward && index < target => continue,
            Some((target, _)) if direction == Direction::Backward && index > target => continue,
            _ => None,
        };
        let target = &targets[index];
        if *target.condition == Condition::Always(false) {
            continue;
        }
        for segment in target.segments(start, direction) {
            let wanted = limit - found.len() as u64;
            if wanted == 0 {
                return Ok(found);
            }
            let rows = target.rows(conn, layouts, Some(segment), direction, wanted, 0)?;
            found.extend(rows.into_iter().map(|it| (index, it)));
        }
    }
    Ok(found)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Forward,
    Backward,
}

/// The resources that have a sort key, or those that have none, from a place on.
struct Segment {
    sql: Sql,
}

impl Target<'_> {
    /// What lies ahead of a position, split where sort keys begin or end: so each part is a range of
    /// an index.
    fn segments(&self, from: Option<&Position>, direction: Direction) -> Vec<Segment> {
        let rows_ahead = |row: i64| {
            let operator = if direction == Direction::Forward {
                "r.pk > "
            } else {
                "r.pk < "
            };
            Sql::new(operator).int(row)
        };
        let Some(sort) = &self.sort else {
            let sql = from.map_or_else(|| Sql::new("TRUE"), |it| rows_ahead(it.row));
            return vec![Segment { sql }];
        };
        let without_key = |from: Option<&Position>| {
            let sql = Sql::new("(").sql(sort.sql.clone()).text(") IS NULL");
            Segment {
                sql: match from {
                    Some(position) => sql.text(" AND ").sql(rows_ahead(position.row)),
                    None => sql,
                },
            }
        };
        // Towards greater keys, or towards smaller ones.
        let ascending = self.descending == (direction == Direction::Backward);
        let with_key = |from: Option<(&str, i64)>| {
            let Some((key, row)) = from else {
                return Segment {
                    sql: Sql::new("(").sql(sort.sql.clone()).text(") IS NOT NULL"),
                };
            };
            let (at_least, beyond) = if ascending {
                (") >= ", ") > ")
            } else {
                (") <= ", ") < ")
            };
            let compare =
                |operator| bind_key(Sql::new("(").sql(sort.sql.clone()).text(operator), sort.kind, key);
            Segment {
                sql: compare(at_least)
                    .text(" AND (")
                    .sql(compare(beyond))
                    .text(" OR ")
                    .sql(rows_ahead(row))
                    .text(")"),
            }
        };
        // Without a key last ascending and first descending (A-72).
        let keys_first = ascending;
        match from.map(|it| (it.key.as_deref(), it)) {
            None if keys_first => vec![with_key(None), without_key(None)],
            None => vec![without_key(None), with_key(None)],
            Some((Some(key), it)) if keys_first => vec![with_key(Some((key, it.row))), without_key(None)],
            Some((Some(key), it)) => vec![with_key(Some((key, it.row)))],
            Some((None, it)) if keys_first => vec![without_key(Some(it))],
            Some((None, it)) => vec![without_key(Some(it)), with_key(None)],
        }
    }

    fn rows(
        &self,
        conn: &mut Conn,
        layouts: &Layouts,
        segment: Option<Segment>,
        direction: Direction,
        limit: u64,
        offset: u64,
    ) -> Result<Vec<Found>, Failure> {
        let sql = self.select(segment, direction, limit, offset);
        let rows = conn.rows::<(Nullable<Text>, ResourceTypes), (Option<String>, ResourceRow)>(&sql)?;
        rows.into_iter()
            .map(|(key, row)| {
                let (row, stored) = stored(layouts, self.layout, row)?;
                Ok(Found { key, row, stored })
            })
            .collect()
    }

    fn select(&self, segment: Option<Segment>, direction: Direction, limit: u64, offset: u64) -> Sql {
        let order = |key: &'static str, pk: &'static str, sql: Sql| {
            let backward = direction == Direction::Backward;
            let sql = match (&self.sort, self.descending != backward) {
                (None, _) => sql.text(" ORDER BY "),
                (Some(_), false) => sql.text(" ORDER BY ").text(key).text(" ASC NULLS LAST, "),
                (Some(_), true) => sql.text(" ORDER BY ").text(key).text(" DESC NULLS FIRST, "),
            };
            sql.text(pk).text(if backward { " DESC" } else { "" })
        };
        let mut keys = Sql::new("SELECT r.pk AS pk, ");
        keys = match &self.sort {
            Some(sort) if self.order_by_sorting => keys.text("+").sql(sort.sql.clone()).text(" AS sort_key"),
            Some(sort) => keys.sql(sort.sql.clone()).text(" AS sort_key"),
            None => keys.text("NULL AS sort_key"),
        };
        keys = self.from(keys, self.filter_needs_normal || self.sort_needs_normal);
        if let Some(segment) = segment {
            keys = keys.text(" AND ").sql(segment.sql);
        }
        let pk = if self.order_by_sorting { "+r.pk" } else { "r.pk" };
        // SQLite looks at a bound limit when it plans, and plans again whenever one is bound, unless it cannot
        // see that it is one.
        keys = order("sort_key", pk, keys)
            .text(" LIMIT 0 + ")
            .int(i64::try_from(limit).unwrap_or(i64::MAX))
            .text(" OFFSET 0 + ")
            .int(i64::try_from(offset).unwrap_or(i64::MAX));
        let select = Sql::new(
            "SELECT CAST(k.sort_key AS TEXT), k.pk, d.id, d.version, d.created, d.modified, d.document, ",
        )
        .sql(groups_of("k.pk", self.dialect, self.tenant, self.include))
        .text(" FROM (")
        .sql(keys)
        .text(") AS k JOIN resource d ON d.tenant_id = ")
        .int(self.tenant.0)
        .text(" AND d.pk = k.pk");
        let select = order("k.sort_key", "k.pk", select);
        // Whatever a client can vary would fill the cache of statements, and on PostgreSQL a kept plan
        // of a join may stem from a time when the table was empty.
        let is_kept = match self.dialect {
            Dialect::Sqlite => self.is_unfiltered() && !self.sort_needs_normal,
            Dialect::Postgres => false,
        };
        if is_kept || self.sort.is_none() && is_look_up(self.condition, self.layout) {
            return select;
        }
        select.one_off()
    }

    fn count(&self, conn: &mut Conn) -> Result<u64, Failure> {
        if *self.condition == Condition::Always(false) {
            return Ok(0);
        }
        let number = conn.row::<BigInt, i64>(&self.count_statement())?.unwrap_or(0);
        Ok(u64::try_from(number).unwrap_or(0))
    }

    fn count_statement(&self) -> Sql {
        if !self.is_unfiltered() {
            return self
                .from(Sql::new("SELECT count(*)"), self.filter_needs_normal)
                .one_off();
        }
        Sql::new("SELECT CAST(coalesce(sum(number), 0) AS BIGINT) FROM resource_count WHERE tenant_id = ")
            .int(self.tenant.0)
            .text(" AND kind = ")
            .int(self.layout.kind)
    }

    fn is_unfiltered(&self) -> bool {
        *self.condition == Condition::Always(true)
    }

    fn from(&self, select: Sql, needs_normal: bool) -> Sql {
        let mut sql = select.text(" FROM resource r");
        if needs_normal {
            sql = sql
                .text(" JOIN resource_normal n ON n.tenant_id = ")
                .int(self.tenant.0)
                .text(" AND n.pk = r.pk");
        }
        sql = sql
            .text(" WHERE r.tenant_id = ")
            .int(self.tenant.0)
            .text(" AND r.kind = ")
            .int(self.layout.kind);
        if self.is_unfiltered() {
            return sql;
        }
        sql.text(" AND (").sql(self.sql.clone()).text(")")
    }
}

fn bind_key(sql: Sql, kind: SortKind, key: &str) -> Sql {
    match kind {
        SortKind::Text => sql.string(key),
        // A cursor that was not made here finds nothing.
        SortKind::Number => sql.int(key.parse().unwrap_or(i64::MAX)),
    }
}

/// Only what the type has.
fn narrowed(layout: &Layout, include: Include) -> Include {
    Include {
        members: include.members && layout.resource_type.has_members(),
        groups: include.groups && layout.resource_type.has_groups(),
    }
}

fn with_references(
    conn: &mut Conn,
    layouts: &Layouts,
    target: &Target,
    found: Vec<Found>,
) -> Result<Vec<Found>, Failure> {
    let (keys, mut resources): (Vec<_>, Vec<_>) =
        found.into_iter().map(|it| (it.key, (it.row, it.stored))).unzip();
    add_members(conn, layouts, target.tenant, target.include, &mut resources)?;
    let found = keys.into_iter().zip(resources);
    Ok(found
        .map(|(key, (row, stored))| Found { key, row, stored })
        .collect())
}

/// Adds the members of groups, in order of joining, in one statement for all.
fn add_members(
    conn: &mut Conn,
    layouts: &Layouts,
    tenant: TenantId,
    include: Include,
    groups: &mut [(i64, Stored)],
) -> Result<(), Failure> {
    if !include.members || groups.is_empty() {
        return Ok(());
    }
    let pks: Vec<i64> = groups.iter().map(|(pk, _)| *pk).collect();
    let mut select =
        Sql::new("SELECT m.group_pk, x.id, x.kind, x.label FROM membership m JOIN resource x ON ")
            .found_by_pk(conn.dialect(), "x.tenant_id", tenant)
            .text(" AND x.pk = m.member_pk WHERE m.tenant_id = ")
            .int(tenant.0)
            .text(" AND m.group_pk");
    select = match pks.as_slice() {
        [pk] => select.text(" = ").int(*pk),
        pks => select.in_pks(conn.dialect(), pks),
    };
    select = select.text(" ORDER BY m.group_pk, m.joined");
    if conn.dialect() == Dialect::Postgres {
        // A kept plan may stem from a time when the groups were small.
        select = select.one_off();
    }
    type Types = (BigInt, Binary, BigInt, Nullable<Text>);
    type Row = (i64, Vec<u8>, i64, Option<String>);
    let mut members: HashMap<i64, Vec<Reference>> = HashMap::new();
    conn.each::<Types, Row>(&select, |(pk, id, kind, display)| {
        let reference = reference(layouts, &id, kind, display)?;
        members.entry(pk).or_default().push(reference);
        Ok(())
    })?;
    for (pk, stored) in groups {
        stored.members = Some(members.remove(pk).unwrap_or_default());
    }
    Ok(())
}

/// The groups of a resource in order of joining, as a column of the statement that reads the resource:
/// the JSON text of an array of `[id in hexadecimal, number of its type, display name]`. `NULL` when they
/// are not asked for.
fn groups_of(pk: &'static str, dialect: Dialect, tenant: TenantId, include: Include) -> Sql {
    if !include.groups {
        return Sql::new(match dialect {
            Dialect::Sqlite => "NULL",
            Dialect::Postgres => "CAST(NULL AS TEXT)",
        });
    }
    let (array, end) = match dialect {
        Dialect::Sqlite => ("json_group_array(json_array(hex(x.id), x.kind, x.label)", ")"),
        Dialect::Postgres => (
            "coalesce(json_agg(json_build_array(encode(x.id, 'hex'), x.kind, x.label)",
            ")::text, '[]')",
        ),
    };
    Sql::new("(SELECT ")
        .text(array)
        .text(" ORDER BY m.joined, m.group_pk")
        .text(end)
        .text(" FROM membership m JOIN resource x ON ")
        .found_by_pk(dialect, "x.tenant_id", tenant)
        .text(" AND x.pk = m.group_pk WHERE m.tenant_id = ")
        .int(tenant.0)
        .text(" AND m.member_pk = ")
        .text(pk)
        .text(")")
}

fn reference(layouts: &Layouts, id: &[u8], kind: i64, display: Option<String>) -> Result<Reference, Failure> {
    Ok(Reference {
        id: resource_id(id)?,
        resource_type: layouts.name(kind),
        display,
    })
}

fn stored(
    layouts: &Layouts,
    layout: &Layout,
    (pk, id, version, created, modified, document, groups): ResourceRow,
) -> Result<(i64, Stored), Failure> {
    let group = |(id, kind, display): (String, i64, Option<String>)| {
        Ok(Reference {
            id: Uuid::try_parse(&id).map_err(unavailable)?,
            resource_type: layouts.name(kind),
            display,
        })
    };
    let groups = match groups {
        Some(text) => {
            let groups: Vec<(String, i64, Option<String>)> =
                serde_json::from_str(&text).map_err(unavailable)?;
            let groups = groups.into_iter().map(group);
            Some(groups.collect::<Result<Vec<_>, StoreError>>()?)
        }
        None => None,
    };
    let stored = Stored {
        resource_type: layout.resource_type.name.clone(),
        id: resource_id(&id)?,
        version,
        created: time(created)?,
        last_modified: time(modified)?,
        document,
        members: None,
        groups,
    };
    Ok((pk, stored))
}

fn resource_id(bytes: &[u8]) -> Result<Uuid, StoreError> {
    Uuid::from_slice(bytes).map_err(unavailable)
}
