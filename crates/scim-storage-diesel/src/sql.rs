//! Statements as literals with bound values, for both databases.
//!
//! Values never become part of the text. Where the two databases need different text, a named fragment is
//! chosen by [`Dialect`] and put into the literal.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::RunQueryDsl;
use diesel::backend::Backend;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Nullable, Text};
use diesel::sqlite::Sqlite;
use scim_model::store::TenantId;
use uuid::Uuid;

use crate::columns::Columns;

/// The database whose SQL a statement is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// The clause that locks the selected rows. SQLite has one writer, which holds the lock already.
    pub(crate) fn lock(self, clause: &'static str) -> Sql {
        match self {
            Dialect::Sqlite => Sql::default(),
            Dialect::Postgres => Sql::text(clause),
        }
    }
}

/// A statement, or a fragment of one, with its bound values.
///
/// Built with [`sql!`] from one literal:
///
/// ```text
/// sql!("SELECT id, name FROM tenant WHERE id = {tenant} AND NOT deleted"; tenant)
/// ```
#[derive(Clone, Debug, Default)]
pub(crate) struct Sql {
    pieces: Vec<Piece>,
    /// The text depends on what a client sent and hardly recurs, so no prepared statement is kept for it.
    one_off: bool,
}

#[derive(Clone, Debug)]
enum Piece {
    Text(Cow<'static, str>),
    Int(i64),
    String(Option<String>),
    Bool(Option<bool>),
    Bytes(Vec<u8>),
    Array(Values),
}

/// A list that is bound as one value, on PostgreSQL.
#[derive(Clone, Debug)]
enum Values {
    Ints(Vec<i64>),
    Bytes(Vec<Vec<u8>>),
    Strings(Vec<String>),
    /// A column of several rows.
    Column(Vec<Option<String>>),
}

/// Builds an [`Sql`] from a literal in which `{name}` is replaced by the value given for that name: a value to
/// bind, or another [`Sql`]. `name` alone is short for `name = name`. A line break in the literal, with the
/// indentation that follows, becomes one space.
macro_rules! sql {
    ($text:literal $(,)? $(; $($name:ident $(= $value:expr)?),* $(,)?)?) => {{
        static TEMPLATE: std::sync::LazyLock<$crate::sql::Template> =
            std::sync::LazyLock::new(|| $crate::sql::Template::parse($text, &[$($(stringify!($name)),*)?]));
        TEMPLATE.filled(&mut [$($($crate::sql::sql!(@value $name $(= $value)?)),*)?])
    }};
    (@value $name:ident) => { $crate::sql::Sql::from($name) };
    (@value $name:ident = $value:expr) => { $crate::sql::Sql::from($value) };
}
pub(crate) use sql;

impl Sql {
    /// A fragment of fixed text, such as a column.
    pub(crate) fn text(text: &'static str) -> Sql {
        Piece::Text(Cow::Borrowed(text)).into()
    }

    /// A fragment put together from fixed parts and numbers; never from what a client sent.
    pub(crate) fn trusted(text: String) -> Sql {
        Piece::Text(Cow::Owned(text)).into()
    }

    /// Appends a fragment.
    pub(crate) fn push(&mut self, part: Sql) {
        self.one_off |= part.one_off;
        self.pieces.extend(part.pieces);
    }

    /// The fragments with a separator between them.
    pub(crate) fn join(parts: impl IntoIterator<Item = Sql>, separator: &'static str) -> Sql {
        let mut joined = Sql::default();
        for (index, part) in parts.into_iter().enumerate() {
            if index > 0 {
                joined.push(Sql::text(separator));
            }
            joined.push(part);
        }
        joined
    }

    /// Marks a statement whose text depends on a client's filter.
    pub(crate) fn one_off(mut self) -> Sql {
        self.one_off = true;
        self
    }

    /// Bound JSON text as the database's own JSON.
    pub(crate) fn json(dialect: Dialect, text: String) -> Sql {
        match dialect {
            Dialect::Sqlite => sql!("jsonb({text})"; text),
            Dialect::Postgres => sql!("{text}::jsonb"; text),
        }
    }

    /// The operator and the list that test whether a column is one of the ids, bound as one value.
    pub(crate) fn in_ids(dialect: Dialect, ids: &[Uuid]) -> Sql {
        match dialect {
            Dialect::Sqlite => {
                let hex: Vec<String> = ids.iter().map(|it| it.simple().to_string()).collect();
                let json = serde_json::to_string(&hex).expect("strings are JSON");
                sql!("IN (SELECT unhex(value) FROM json_each({json}))"; json)
            }
            Dialect::Postgres => {
                let ids = Values::Bytes(ids.iter().map(|it| it.as_bytes().to_vec()).collect());
                sql!("= ANY({ids})"; ids)
            }
        }
    }

    /// The operator and the list that test whether a column is one of the numbers, bound as one value.
    pub(crate) fn in_pks(dialect: Dialect, pks: &[i64]) -> Sql {
        match dialect {
            Dialect::Sqlite => sql!("IN (SELECT value FROM json_each({json}))"; json = numbers(pks)),
            Dialect::Postgres => sql!("= ANY({pks})"; pks = Values::Ints(pks.to_vec())),
        }
    }

    /// The test that rows which a statement finds by their `pk` belong to the tenant. SQLite assumes that a list is
    /// long, and would walk all rows of the tenant instead; the unary plus prevents the use of indexes on
    /// `tenant_id`.
    pub(crate) fn owned_by(dialect: Dialect, tenant_id: &'static str, tenant: TenantId) -> Sql {
        let column = Sql::text(tenant_id);
        match dialect {
            Dialect::Sqlite => sql!("+{column} = {tenant}"; column, tenant),
            Dialect::Postgres => sql!("{column} = {tenant}"; column, tenant),
        }
    }

    /// A table `(pk, position)` of the numbers, positions from 0.
    pub(crate) fn table_of_pks(dialect: Dialect, pks: &[i64]) -> Sql {
        match dialect {
            Dialect::Sqlite => sql!(
                "(SELECT value AS pk, key AS position FROM json_each({json}))";
                json = numbers(pks)
            ),
            Dialect::Postgres => sql!(
                "(SELECT pk, ordinality - 1 AS position
                  FROM unnest({pks}) WITH ORDINALITY AS a (pk, ordinality))";
                pks = Values::Ints(pks.to_vec())
            ),
        }
    }

    /// A table `(path, key)` of the pairs.
    pub(crate) fn table_of_values<'a>(
        dialect: Dialect,
        values: impl IntoIterator<Item = &'a (i64, String)>,
    ) -> Sql {
        match dialect {
            Dialect::Sqlite => {
                let pairs: Vec<&(i64, String)> = values.into_iter().collect();
                let json = serde_json::to_string(&pairs).expect("numbers and strings are JSON");
                sql!("(SELECT value ->> 0 AS path, value ->> 1 AS key FROM json_each({json}))"; json)
            }
            Dialect::Postgres => {
                let (paths, keys) = values.into_iter().cloned().unzip();
                sql!(
                    "(SELECT path, key COLLATE \"C\" AS key FROM unnest({paths}, {keys}) AS a (path, key))";
                    paths = Values::Ints(paths), keys = Values::Strings(keys)
                )
            }
        }
    }

    /// A table `(number, tenant_id, id, first_sequence)` of resources with the first entry of each that is wanted, numbers
    /// from 0.
    pub(crate) fn table_of_resources(
        dialect: Dialect,
        resources: impl Iterator<Item = (TenantId, Uuid, i64)>,
    ) -> Sql {
        match dialect {
            Dialect::Sqlite => {
                let rows: Vec<_> = resources
                    .map(|(tenant, id, first)| (tenant.0, id.simple().to_string(), first))
                    .collect();
                let json = serde_json::to_string(&rows).expect("numbers and strings are JSON");
                sql!(
                    "(SELECT key AS number, value ->> 0 AS tenant_id, unhex(value ->> 1) AS id,
                      value ->> 2 AS first_sequence FROM json_each({json}))";
                    json
                )
            }
            Dialect::Postgres => {
                let (mut tenants, mut ids, mut firsts) = (Vec::new(), Vec::new(), Vec::new());
                for (tenant, id, first) in resources {
                    tenants.push(tenant.0);
                    ids.push(id.as_bytes().to_vec());
                    firsts.push(first);
                }
                sql!(
                    "(SELECT ordinality - 1 AS number, tenant_id, id, first_sequence
                      FROM unnest({tenants}, {ids}, {firsts}) WITH ORDINALITY
                      AS a (tenant_id, id, first_sequence, ordinality))";
                    tenants = Values::Ints(tenants), ids = Values::Bytes(ids), firsts = Values::Ints(firsts)
                )
            }
        }
    }

    /// The statement that limits the duration of the statements after it, in a transaction on PostgreSQL.
    pub(crate) fn statement_timeout(limit: Duration) -> Sql {
        // Rounded up: 0 would be no limit.
        let milliseconds = limit.as_micros().div_ceil(1_000).clamp(1, 1_000_000_000);
        Sql::trusted(format!("SET LOCAL statement_timeout = {milliseconds}")).one_off()
    }

    /// The text with every bound value written into it, for tests and the log.
    pub(crate) fn readable(&self) -> String {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Int(it) => text.push_str(&it.to_string()),
                Piece::String(Some(it)) => text.push_str(&format!("'{it}'")),
                Piece::Bool(Some(it)) => text.push_str(&it.to_string()),
                Piece::String(None) | Piece::Bool(None) => text.push_str("NULL"),
                Piece::Bytes(it) => match Uuid::from_slice(it) {
                    Ok(id) => text.push_str(&format!("x'{id}'")),
                    Err(_) => text.push_str("x'…'"),
                },
                Piece::Array(Values::Ints(it)) => text.push_str(&format!("{it:?}")),
                Piece::Array(Values::Bytes(it)) => text.push_str(&format!("[{} ids]", it.len())),
                Piece::Array(Values::Strings(it)) => text.push_str(&format!("{it:?}")),
                Piece::Array(Values::Column(it)) => text.push_str(&format!("[{} values]", it.len())),
            }
        }
        text
    }
}

/// The literal of an [`sql!`], parsed when it is used for the first time.
pub(crate) struct Template(Vec<Part>);

enum Part {
    Text(String),
    /// The value with this index; the last use of it takes it.
    Value {
        index: usize,
        is_last: bool,
    },
}

impl Template {
    pub(crate) fn parse(literal: &str, names: &[&str]) -> Template {
        let lines: Vec<&str> = literal.split('\n').collect();
        let unindented = lines[1..].iter().map(|it| it.trim_start());
        let text = std::iter::once(lines[0])
            .chain(unindented)
            .collect::<Vec<_>>()
            .join(" ");
        let mut parts = Vec::new();
        let mut rest = &*text;
        while let Some((before, name, after)) = placeholder(rest) {
            let index = names.iter().position(|it| *it == name);
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Value {
                index: index.expect("every placeholder of a literal has a value"),
                is_last: !after.contains(&format!("{{{name}}}")),
            });
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Template(parts)
    }

    pub(crate) fn filled(&'static self, values: &mut [Sql]) -> Sql {
        let lengths = values.iter().map(|it| it.pieces.len());
        let mut sql = Sql {
            pieces: Vec::with_capacity(self.0.len() + lengths.sum::<usize>()),
            one_off: false,
        };
        for part in &self.0 {
            match part {
                Part::Text(text) => sql.pieces.push(Piece::Text(Cow::Borrowed(text))),
                Part::Value { index, is_last: true } => sql.push(std::mem::take(&mut values[*index])),
                Part::Value { index, .. } => sql.push(values[*index].clone()),
            }
        }
        sql
    }
}

/// The text before the first `{name}`, the name, and the text after it. Other braces, as in a regular expression,
/// contain no name.
fn placeholder(text: &str) -> Option<(&str, &str, &str)> {
    text.match_indices('{').find_map(|(at, _)| {
        let (name, after) = text[at + 1..].split_once('}')?;
        name.starts_with(|it: char| it.is_ascii_lowercase())
            .then_some((&text[..at], name, after))
    })
}

impl From<Piece> for Sql {
    fn from(piece: Piece) -> Sql {
        Sql {
            pieces: vec![piece],
            one_off: false,
        }
    }
}

/// A value to bind, by its Rust type.
macro_rules! binds {
    ($($type:ty => |$value:ident| $piece:expr;)*) => {$(
        impl From<$type> for Sql {
            fn from($value: $type) -> Sql {
                $piece.into()
            }
        }
    )*};
}

binds! {
    i64 => |value| Piece::Int(value);
    u64 => |value| Piece::Int(i64::try_from(value).unwrap_or(i64::MAX));
    DateTime<Utc> => |value| Piece::Int(value.timestamp_millis());
    TenantId => |value| Piece::Int(value.0);
    String => |value| Piece::String(Some(value));
    &String => |value| Piece::String(Some(value.clone()));
    &str => |value| Piece::String(Some(value.to_owned()));
    Cow<'_, str> => |value| Piece::String(Some(value.into_owned()));
    Option<String> => |value| Piece::String(value);
    bool => |value| Piece::Bool(Some(value));
    Option<bool> => |value| Piece::Bool(value);
    Uuid => |value| Piece::Bytes(value.as_bytes().to_vec());
    Values => |value| Piece::Array(value);
    Vec<Option<String>> => |value| Piece::Array(Values::Column(value));
}

fn numbers(pks: &[i64]) -> String {
    serde_json::to_string(pks).expect("numbers are JSON")
}

/// A statement whose rows are read as `R`.
pub(crate) struct Rows<'a, R>(&'a Sql, PhantomData<R>);

impl<'a, R> Rows<'a, R> {
    pub(crate) fn of(sql: &'a Sql) -> Rows<'a, R> {
        Rows(sql, PhantomData)
    }
}

impl<R: Columns> Query for Rows<'_, R> {
    type SqlType = R::SqlType;
}

impl<R> QueryId for Rows<'_, R> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<R, Conn> RunQueryDsl<Conn> for Rows<'_, R> {}

impl<R, DB: Backend> QueryFragment<DB> for Rows<'_, R>
where
    Sql: QueryFragment<DB>,
{
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }
}

impl QueryId for Sql {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

/// Writes the pieces for one database; `$arrays` handles those that exist on PostgreSQL only.
macro_rules! query_fragment {
    ($backend:ty, |$out:ident, $array:ident| $arrays:expr) => {
        impl QueryFragment<$backend> for Sql {
            fn walk_ast<'b>(&'b self, mut $out: AstPass<'_, 'b, $backend>) -> QueryResult<()> {
                if self.one_off {
                    $out.unsafe_to_cache_prepared();
                }
                for piece in &self.pieces {
                    match piece {
                        Piece::Text(text) => $out.push_sql(text),
                        Piece::Int(it) => $out.push_bind_param::<BigInt, _>(it)?,
                        Piece::String(it) => $out.push_bind_param::<Nullable<Text>, _>(it)?,
                        Piece::Bool(it) => $out.push_bind_param::<Nullable<Bool>, _>(it)?,
                        Piece::Bytes(it) => $out.push_bind_param::<Binary, _>(it)?,
                        Piece::Array($array) => $arrays,
                    }
                }
                Ok(())
            }
        }
    };
}

query_fragment!(Sqlite, |out, _array| {
    let error = "arrays exist on PostgreSQL only";
    return Err(diesel::result::Error::QueryBuilderError(error.into()));
});

query_fragment!(Pg, |out, array| match array {
    Values::Ints(it) => out.push_bind_param::<Array<BigInt>, _>(it)?,
    Values::Bytes(it) => out.push_bind_param::<Array<Binary>, _>(it)?,
    Values::Strings(it) => out.push_bind_param::<Array<Text>, _>(it)?,
    Values::Column(it) => out.push_bind_param::<Array<Nullable<Text>>, _>(it)?,
});
