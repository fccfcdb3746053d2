//! Lists: pages of a filtered and sorted result, by index or by cursor.
//!
//! A statement reads keys first, and joins the documents of one page to them: neither filtering nor
//! sorting nor skipping ever touches a document. A cursor is a place in the order, not a number of
//! resources to skip: what is created or deleted meanwhile moves nobody past it.

mod offset;
mod target;

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use diesel::sql_types::{BigInt, Integer, Nullable, Text};
use scim_model::schema::AttributePath;
use scim_model::store::{Include, Page, PageRequest, Position, Query, StoreError, TenantId};
use scim_model::{Condition, ResourceType};

use crate::Explained;
use crate::admission::{Deadline, Scanned};
use crate::connection::postgres;
use crate::error::{Failure, is_lock_timeout};
use crate::read::{ResourceRow, ResourceTypes, Row, add_members, groups_of, members_of, stored};
use crate::schema_map::layouts::Layouts;
use crate::sql::{Conn, Dialect, Sql};

use super::access::{self, scanned_attributes};
use super::sort::{SortKey, SortKind, begin_of_keys};
use offset::{Part, Way};
use target::Target;

/// What a list request asks for, as SQL.
pub(crate) struct Listing<'a> {
    layouts: &'a Layouts,
    dialect: Dialect,
    tenant: TenantId,
    page: &'a PageRequest,
    targets: Vec<Target<'a>>,
    /// Those with something to be found, in the order of the result where one type comes after the other.
    order: Vec<usize>,
    /// All of them are in one order, by a key that one of them at least can have.
    is_merged: bool,
    descending: bool,
    /// When all has to be found; on SQLite the statements know themselves.
    deadline: Option<Deadline>,
    /// What PostgreSQL was last told of what is left.
    limit: Cell<Duration>,
    max_page_members: u32,
}

/// The attributes for which each resource would have to be looked at: no index leads to what the query
/// asks for, or none is in the order that it wants.
pub(crate) fn scanned(layouts: &Layouts, query: &Query) -> Result<Vec<Scanned>, Failure> {
    let mut scanned = Vec::new();
    for (resource_type, condition, sort) in parts_of(query) {
        let attributes = scanned_attributes(condition, sort, layouts.of(resource_type)?);
        scanned.extend(of_type(resource_type, attributes));
    }
    Ok(scanned)
}

/// Of a query that is no scan: whether a page costs no more than the way to it, whatever the values in it are.
pub(crate) fn is_at_hand(dialect: Dialect, layouts: &Layouts, query: &Query) -> Result<bool, Failure> {
    if let Some(sort) = &query.sort {
        // PostgreSQL may have to look at the rows as well, or to sort those without a key; and a limit costs it
        // nothing. SQLite sorts those of a type that has no such attribute.
        let lacks = sort.paths.len() > 1 && sort.paths.contains(&None);
        if lacks || dialect == Dialect::Postgres {
            return Ok(false);
        }
    }
    for (resource_type, condition) in &query.targets {
        if !access::is_at_hand(condition, layouts.of(resource_type)?) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// All attributes of a query: what it is counted under when an index was not enough.
pub(crate) fn looked_at(query: &Query) -> Vec<Scanned> {
    parts_of(query)
        .flat_map(|(resource_type, condition, sort)| {
            of_type(resource_type, access::attributes(condition, sort))
        })
        .collect()
}

/// What is asked of each type, and what it is sorted by.
fn parts_of(query: &Query) -> impl Iterator<Item = (&Arc<ResourceType>, &Condition, Option<&AttributePath>)> {
    let sort = |index: usize| query.sort.as_ref().and_then(|it| it.paths.get(index)?.as_ref());
    let targets = query.targets.iter().enumerate();
    targets.map(move |(index, (resource_type, condition))| (resource_type, condition, sort(index)))
}

fn of_type(resource_type: &ResourceType, attributes: Vec<String>) -> impl Iterator<Item = Scanned> {
    let attribute_of = |attribute| Scanned {
        resource_type: resource_type.name.clone(),
        attribute,
    };
    attributes.into_iter().map(attribute_of)
}

impl<'a> Listing<'a> {
    pub(crate) fn new(
        dialect: Dialect,
        layouts: &'a Layouts,
        tenant: TenantId,
        query: &'a Query,
        deadline: Option<Deadline>,
        max_page_members: u32,
    ) -> Result<Listing<'a>, Failure> {
        let target = |index| Target::new(dialect, layouts, tenant, query, index, deadline);
        let targets = (0..query.targets.len()).map(target);
        let targets: Vec<Target> = targets.collect::<Result<_, Failure>>()?;
        let begins: Vec<_> = parts_of(query)
            .map(|(it, _, sort)| begin_of_keys(it, sort?))
            .collect();
        let mut order: Vec<usize> = (0..targets.len())
            .filter(|it| !targets[*it].finds_nothing())
            .collect();
        order.sort_by_key(|it| &begins[*it]);
        let is_by_type = begins.iter().any(Option::is_some);
        Ok(Listing {
            layouts,
            dialect,
            tenant,
            page: &query.page,
            is_merged: !is_by_type && order.iter().any(|it| targets[*it].sort.is_some()),
            order,
            targets,
            descending: query.sort.as_ref().is_some_and(|it| it.descending),
            deadline: deadline.filter(|_| dialect == Dialect::Postgres),
            limit: Cell::default(),
            max_page_members,
        })
    }

    /// The page that is asked for.
    pub(crate) fn read(&self, conn: &mut Conn) -> Result<Page, Failure> {
        // PostgreSQL can be told of the deadline in a transaction only.
        let is_single = self.deadline.is_none() || self.targets.iter().all(Target::is_one_range);
        if is_single && let Some(page) = self.at_a_glance(conn)? {
            return Ok(page);
        }
        let limit = self.deadline.map(Deadline::left);
        self.limit.set(limit.unwrap_or_default());
        conn.snapshot_within(limit, |conn| match self.page {
            PageRequest::Index { start_index, count } => self.index_page(conn, *start_index, *count),
            PageRequest::Cursor { from, count } => self.cursor_page(conn, from.as_ref(), *count),
        })
    }

    /// Before each statement: all together have until the deadline. While most of the time is left, there
    /// is no need to tell the database again.
    fn tell_what_is_left(&self, conn: &mut Conn) -> Result<(), Failure> {
        let limit = self.limit.get();
        if let Some(deadline) = self.deadline
            && !limit.is_zero()
            && deadline.left() < limit * 7 / 8
        {
            self.limit.set(deadline.left());
            conn.execute(&Sql::statement_timeout(self.limit.get()))?;
        }
        Ok(())
    }

    /// A look-up by a key, which mostly finds one resource or none: one statement, and no transaction around
    /// it. `None` when that did not suffice.
    fn at_a_glance(&self, conn: &mut Conn) -> Result<Option<Page>, Failure> {
        let (
            [target],
            PageRequest::Index {
                start_index: 0..=1,
                count,
            },
        ) = (&*self.targets, self.page)
        else {
            return Ok(None);
        };
        if *count == 0 || target.include.members || !target.is_selective() {
            return Ok(None);
        }
        let found = self.rows(
            conn,
            &Part::whole([0], target.sort.is_some()),
            Direction::Forward,
            u64::from(*count),
            0,
        )?;
        if found.len() >= *count as usize {
            return Ok(None);
        }
        Ok(Some(Page {
            total: found.len() as u64,
            resources: found.into_iter().map(|it| it.row.stored).collect(),
            next: None,
            previous: None,
        }))
    }

    fn index_page(&self, conn: &mut Conn, start_index: u64, count: u32) -> Result<Page, Failure> {
        let mut skip = start_index.max(1) - 1;
        let mut wanted = u64::from(count);
        let mut total = 0;
        let mut found = Vec::new();
        for part in self.index_parts() {
            let (of_part, matches) = self.index_part(conn, &part, skip, wanted)?;
            total += matches;
            wanted -= of_part.len() as u64;
            skip = skip.saturating_sub(matches);
            found.extend(of_part);
        }
        self.page_of(conn, total, found, (None, None))
    }

    /// What of a part is on the page, and how many resources it has.
    fn index_part(
        &self,
        conn: &mut Conn,
        part: &Part,
        skip: u64,
        wanted: u64,
    ) -> Result<(Vec<Found>, u64), Failure> {
        if wanted == 0 {
            return Ok((Vec::new(), self.count(conn, part)?));
        }
        if skip > 0 {
            // From the nearer end, once it is known where that is.
            let (way, total) = self.way(conn, part, skip, wanted)?;
            let Some(way) = way else {
                return Ok((Vec::new(), total));
            };
            let mut found = self.rows(conn, &way.part, way.direction, way.limit, way.offset)?;
            if way.direction == Direction::Backward {
                found.reverse();
            }
            return Ok((found, total));
        }
        let found = self.rows(conn, part, Direction::Forward, wanted, 0)?;
        let number = found.len() as u64;
        // A page that is not full ends the result, and no second query is needed.
        let matches = match number < wanted {
            true => number,
            false => self.count(conn, part)?,
        };
        Ok((found, matches))
    }

    fn cursor_page(&self, conn: &mut Conn, from: Option<&Position>, count: u32) -> Result<Page, Failure> {
        let mut total = 0;
        for part in self.index_parts() {
            total += self.count(conn, &part)?;
        }
        let backwards = from.is_some_and(|it| it.backwards);
        let direction = Direction::of(from);
        let wanted = count as usize;
        let one_more = u64::from(count) + u64::from(count > 0);
        let mut found = self.walk(conn, from, direction, one_more)?;
        let more = found.len() > wanted;
        found.truncate(wanted);
        if backwards {
            found.reverse();
        }
        let position = |found: &Found, backwards| Position {
            target: u16::try_from(found.target).unwrap_or(u16::MAX),
            key: found.key.clone(),
            row: found.row.pk,
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
            let direction = Direction::of(Some(&position));
            let is_there = from.is_some() && !self.walk(conn, Some(&position), direction, 1)?.is_empty();
            *behind = is_there.then_some(position);
        }
        self.page_of(conn, total, found, (next, previous))
    }

    fn page_of(
        &self,
        conn: &mut Conn,
        total: u64,
        mut found: Vec<Found>,
        (next, previous): (Option<Position>, Option<Position>),
    ) -> Result<Page, Failure> {
        let with_members = found
            .iter_mut()
            .filter(|it| self.targets[it.target].include.members);
        let groups: Vec<&mut Row> = with_members.map(|it| &mut it.row).collect();
        // The deadline is for the search: who has found one group may read it, however large it is, and
        // that it took too long is not the search's fault.
        let is_one = groups.len() == 1;
        if is_one && self.deadline.is_some() {
            conn.execute(&Sql::statement_timeout(postgres::STATEMENT_TIMEOUT))?;
        } else {
            self.tell_what_is_left(conn)?;
        }
        let read = add_members(conn, self.layouts, self.tenant, groups, self.max_page_members);
        read.map_err(|it| match it {
            Failure::Database(error) if is_one && is_lock_timeout(&error) => StoreError::Busy.into(),
            it => it,
        })?;
        Ok(Page {
            total,
            resources: found.into_iter().map(|it| it.row.stored).collect(),
            next,
            previous,
        })
    }

    /// The next resources from a position on, in the order of reading.
    fn walk(
        &self,
        conn: &mut Conn,
        from: Option<&Position>,
        direction: Direction,
        limit: u64,
    ) -> Result<Vec<Found>, Failure> {
        let mut found = Vec::new();
        for part in self.parts(from, direction) {
            let wanted = limit - found.len() as u64;
            if wanted == 0 {
                break;
            }
            found.extend(self.rows(conn, &part, direction, wanted, 0)?);
        }
        Ok(found)
    }

    fn rows(
        &self,
        conn: &mut Conn,
        part: &Part,
        direction: Direction,
        limit: u64,
        offset: u64,
    ) -> Result<Vec<Found>, Failure> {
        let sql = self.select(part, direction, limit, offset);
        self.tell_what_is_left(conn)?;
        type Types = (Integer, Nullable<Text>, ResourceTypes);
        type Columns = (i32, Option<String>, ResourceRow);
        let rows = conn.rows::<Types, Columns>(&sql)?;
        rows.into_iter()
            .map(|(target, key, row)| {
                let target = usize::try_from(target).unwrap_or_default();
                let Target { layout, include, .. } = &self.targets[target];
                let mut row = stored(self.layouts, layout, row)?;
                // A statement over several types reads the groups of all.
                row.stored.groups = row.stored.groups.filter(|_| include.groups);
                Ok(Found { target, key, row })
            })
            .collect()
    }

    fn count(&self, conn: &mut Conn, part: &Part) -> Result<u64, Failure> {
        let mut total = 0;
        for (target, _) in &part.targets {
            self.tell_what_is_left(conn)?;
            let number = conn.row::<BigInt, i64>(&self.targets[*target].count_statement())?;
            total += u64::try_from(number.unwrap_or(0)).unwrap_or(0);
        }
        Ok(total)
    }
}

/// A resource of a page with its place.
struct Found {
    target: usize,
    key: Option<String>,
    row: Row,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Forward,
    Backward,
}

impl Direction {
    fn of(from: Option<&Position>) -> Direction {
        if from.is_some_and(|it| it.backwards) {
            Direction::Backward
        } else {
            Direction::Forward
        }
    }
}

impl Listing<'_> {
    /// The whole result.
    fn index_parts(&self) -> Vec<Part> {
        if self.is_merged {
            return vec![Part::whole(self.order.iter().copied(), true)];
        }
        let part = |target: &usize| Part::whole([*target], self.targets[*target].sort.is_some());
        let parts = self.order.iter().map(part);
        match self.descending {
            true => parts.rev().collect(),
            false => parts.collect(),
        }
    }

    /// Towards greater keys, later types and later resources, or towards smaller and earlier ones: descending
    /// order is the reverse of the ascending one, ties included, so that an index has both.
    fn is_ascending(&self, direction: Direction) -> bool {
        self.descending == (direction == Direction::Backward)
    }

    /// What lies ahead of a position, split where sort keys begin or end, and where those that are equal to
    /// the position's do: so each part is, of each type, a range of an index.
    fn parts(&self, from: Option<&Position>, direction: Direction) -> Vec<Part> {
        let ascending = self.is_ascending(direction);
        if !self.is_merged {
            return self.parts_by_type(from, ascending);
        }
        let targets = &self.order;
        let rows_ahead = |it: &Position| rows_ahead(ascending, it);
        let with_key = || {
            let of_target = |it: &usize| Some((*it, Some(self.targets[*it].sort.as_ref()?.is_present())));
            Part {
                targets: targets.iter().filter_map(of_target).collect(),
                has_keys: true,
            }
        };
        let without_key = |from: Option<&Position>| {
            let of_target = |target: &usize| {
                let Target { sort, .. } = &self.targets[*target];
                // Every resource has an id and its times.
                if sort.as_ref().is_some_and(|it| it.kind != SortKind::Text) {
                    return None;
                }
                let conditions = [sort.as_ref().map(SortKey::is_absent), from.map(rows_ahead)];
                let both = conditions
                    .into_iter()
                    .flatten()
                    .reduce(|one, other| one.text(" AND ").sql(other));
                Some((*target, both))
            };
            Part {
                targets: targets.iter().filter_map(of_target).collect(),
                has_keys: false,
            }
        };
        let behind = |key: &str, position: &Position| -> Vec<Part> {
            // Where each resource has to be looked at for its key, once is enough.
            let is_split = targets.iter().all(|it| self.targets[*it].sorts_by_column());
            let (mut equal, mut greater) = (Vec::new(), Vec::new());
            for target in targets {
                let Some(sort) = &self.targets[*target].sort else {
                    continue;
                };
                let beyond = sort.compared(beyond(ascending), key);
                let equal_ahead = || sort.compared(") = ", key).text(" AND ").sql(rows_ahead(position));
                let beyond = match sort.kind {
                    // No two have the same id.
                    SortKind::Id => beyond,
                    _ if is_split => {
                        equal.push((*target, Some(equal_ahead())));
                        beyond
                    }
                    _ => Sql::new("(")
                        .sql(beyond)
                        .text(" OR ")
                        .sql(equal_ahead())
                        .text(")"),
                };
                greater.push((*target, Some(beyond)));
            }
            let part = |targets| Part {
                targets,
                has_keys: true,
            };
            vec![part(equal), part(greater)]
        };
        // Without a key last ascending and first descending.
        let parts = match from.map(|it| (it.key.as_deref(), it)) {
            None if ascending => vec![with_key(), without_key(None)],
            None => vec![without_key(None), with_key()],
            Some((Some(key), it)) if ascending => joined(behind(key, it), without_key(None)),
            Some((Some(key), it)) => behind(key, it),
            Some((None, it)) if ascending => vec![without_key(Some(it))],
            Some((None, it)) => vec![without_key(Some(it)), with_key()],
        };
        parts.into_iter().filter(|it| !it.targets.is_empty()).collect()
    }

    /// The same where one type comes after the other.
    fn parts_by_type(&self, from: Option<&Position>, ascending: bool) -> Vec<Part> {
        let mut order = self.order.clone();
        if !ascending {
            order.reverse();
        }
        let is_of = |target: usize| move |it: &&Position| usize::from(it.target) == target;
        let part = |target: usize| {
            let sort = self.targets[target].sort.as_ref();
            let place = |it: &Position| match (sort, &it.key) {
                // No two have the same id, and nothing else is compared here.
                (Some(sort), Some(key)) => sort.compared(beyond(ascending), key),
                _ => rows_ahead(ascending, it),
            };
            Part {
                targets: vec![(target, from.filter(is_of(target)).map(place))],
                has_keys: sort.is_some(),
            }
        };
        let is_behind = |target: &usize| from.is_some() && from.filter(is_of(*target)).is_none();
        order.into_iter().skip_while(is_behind).map(part).collect()
    }

    fn select(&self, part: &Part, direction: Direction, limit: u64, offset: u64) -> Sql {
        let is_ascending = self.is_ascending(direction);
        let is_merged = part.targets.len() > 1;
        let sorts = |it: &(usize, _)| self.targets[it.0].sort.as_ref().map(|it| it.kind);
        let by_id = part.has_keys && part.targets.iter().all(|it| sorts(it) == Some(SortKind::Id));
        // Those without a key are in the order of creation. PostgreSQL finds them in that order in the index of
        // the keys, and has to be asked for the order of the index.
        let by_key = part.has_keys || (self.is_merged && self.dialect == Dialect::Postgres);
        let order = |sql: Sql, table: &'static str, pk: &'static str| {
            let sql = sql.text(" ORDER BY ");
            let sql = match (by_key, is_ascending) {
                (false, _) => sql,
                (true, true) => sql.text(table).text("sort_key ASC NULLS LAST"),
                (true, false) => sql.text(table).text("sort_key DESC NULLS FIRST"),
            };
            // No two have the same id. Without a second key, its index has the order.
            if by_id {
                return sql;
            }
            let sql = if by_key { sql.text(", ") } else { sql };
            sql.text(pk).text(if is_ascending { "" } else { " DESC" })
        };
        // PostgreSQL would sort all that is merged, unless each type says itself how much of it can come.
        let limits_each = is_merged && self.dialect == Dialect::Postgres;
        let mut keys = Sql::default();
        for (number, (target, condition)) in part.targets.iter().enumerate() {
            if number > 0 {
                keys = keys.text(" UNION ALL ");
            }
            let of_target = self.targets[*target].keys(*target, condition.as_ref(), is_merged);
            keys = match limits_each {
                true => order(keys.text("(").sql(of_target), "", "pk")
                    .text(" LIMIT ")
                    .int(i64::try_from(limit.saturating_add(offset)).unwrap_or(i64::MAX))
                    .text(")"),
                false => keys.sql(of_target),
            };
        }
        let pk = match &*part.targets {
            [(only, _)] if self.targets[*only].order_by_sorting => "+r.pk",
            [_] => "r.pk",
            _ => "pk",
        };
        // SQLite looks at a bound limit when it plans, and plans again whenever one is bound, unless it cannot
        // see that it is one.
        let keys = order(keys, "", pk)
            .text(" LIMIT 0 + ")
            .int(i64::try_from(limit).unwrap_or(i64::MAX))
            .text(" OFFSET 0 + ")
            .int(i64::try_from(offset).unwrap_or(i64::MAX));
        let includes = || {
            part.targets
                .iter()
                .map(|(target, _)| self.targets[*target].include)
        };
        let include = Include {
            groups: includes().any(|it| it.groups),
            members: includes().any(|it| it.members),
        };
        let sort_key = match (by_id, self.dialect) {
            (true, Dialect::Sqlite) => "hex(k.sort_key)",
            (true, Dialect::Postgres) => "encode(k.sort_key, 'hex')",
            (false, _) => "CAST(k.sort_key AS TEXT)",
        };
        let select = Sql::new("SELECT k.target, ")
            .text(sort_key)
            .text(", k.pk, d.id, d.version, d.created, d.modified, d.document, ")
            .sql(groups_of("k.pk", self.dialect, self.tenant, include))
            .text(" FROM (")
            .sql(keys)
            .text(") AS k JOIN resource d ON ")
            .found_by_pk(self.dialect, "d.tenant_id", self.tenant)
            .text(" AND d.pk = k.pk");
        let select = order(select, "k.", "k.pk");
        // Whatever a client can vary would fill the cache of statements, and on PostgreSQL a kept plan
        // of a join may stem from a time when the table was empty.
        match &*part.targets {
            [(only, _)] if self.targets[*only].is_kept(self.dialect) => select,
            _ => select.one_off(),
        }
    }

    /// The statements and the database's plan of each.
    pub(crate) fn explain(&self, conn: &mut Conn) -> Result<Vec<Explained>, Failure> {
        let (parts, direction, count, offset) = match self.page {
            PageRequest::Index { start_index, count } => {
                let offset = start_index.saturating_sub(1);
                (self.index_parts(), Direction::Forward, *count, offset)
            }
            PageRequest::Cursor { from, count } => {
                let direction = Direction::of(from.as_ref());
                (self.parts(from.as_ref(), direction), direction, *count, 0)
            }
        };
        let limit = u64::from(count);
        let (mut ways, mut skip) = (Vec::new(), offset);
        for part in parts {
            let offset = skip;
            let mut way = None;
            if offset > 0 {
                let matches;
                (way, matches) = self.way(conn, &part, offset, limit)?;
                skip = skip.saturating_sub(matches);
            }
            ways.push(way.unwrap_or(Way {
                part,
                direction,
                limit,
                offset,
            }));
        }
        let mut statements = Vec::new();
        let mut with_members = Vec::new();
        for way in &ways {
            let part = &way.part;
            statements.push(self.select(part, way.direction, way.limit, way.offset));
            if part
                .targets
                .iter()
                .any(|(it, _)| self.targets[*it].include.members)
            {
                let found = self.rows(conn, part, way.direction, way.limit, way.offset)?;
                let with = found.iter().filter(|it| self.targets[it.target].include.members);
                with_members.extend(with.map(|it| it.row.pk));
            }
        }
        if !with_members.is_empty() {
            statements.push(members_of(self.dialect, self.tenant, &with_members));
        }
        statements.extend(self.targets.iter().map(Target::count_statement));
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
}

/// Of the same type, what is created later, or earlier.
fn rows_ahead(ascending: bool, position: &Position) -> Sql {
    let operator = if ascending { "r.pk > " } else { "r.pk < " };
    Sql::new(operator).int(position.row)
}

/// The operator behind a sort key in brackets.
fn beyond(ascending: bool) -> &'static str {
    if ascending { ") > " } else { ") < " }
}

fn joined(mut first: Vec<Part>, then: Part) -> Vec<Part> {
    first.push(then);
    first
}
