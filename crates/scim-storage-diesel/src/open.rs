//! Opening a store: the connections, the migrations and the registration of resource types.

use std::path::Path;
use std::sync::Arc;

use crate::connection::postgres::Postgres;
use crate::connection::postgres::presence;
use crate::connection::sqlite::Sqlite;
use crate::connection::{Conn, Database, incomplete, migrations};
use crate::counts;
use crate::open_error::OpenError;
use crate::options::{Opening, Pooler, StoreOptions};
use crate::registration;
use crate::schema_map::layout::Layouts;
use crate::sql::Dialect;

/// Opens the database that a URL names, and prepares it for the purpose.
pub(crate) fn open(
    url: &str,
    options: &StoreOptions,
    opening: Opening,
) -> Result<(Database, Arc<Layouts>), OpenError> {
    let is_server = opening == Opening::Server;
    let prepare = |conn: &mut Conn| prepare(conn, options, opening);
    let (database, layouts) = match target(url)? {
        Target::Sqlite(path) => {
            let (sqlite, layouts) = Sqlite::open(Path::new(path), options, opening, prepare)?;
            (Database::sqlite(sqlite, options.readers), layouts)
        }
        Target::Postgres => {
            let shapes = |layouts: &Layouts| is_server.then(|| shapes(layouts));
            let (postgres, layouts) = Postgres::open(url, options, prepare, shapes)?;
            (
                Database::postgres(postgres, options.connections, options.silence_limit),
                layouts,
            )
        }
    };
    Ok((database, Arc::new(layouts)))
}

/// Runs work on one connection to an existing database, whatever migrations it has.
pub(crate) fn with_existing<T>(
    url: &str,
    pooler: Pooler,
    work: impl FnOnce(&mut Conn) -> Result<T, OpenError>,
) -> Result<T, OpenError> {
    let options = StoreOptions::directory(pooler);
    match target(url)? {
        Target::Sqlite(path) => {
            let opened = Sqlite::open(Path::new(path), &options, Opening::Existing, work);
            opened.map(|(_, result)| result)
        }
        Target::Postgres => {
            let opened = Postgres::open(url, &options, work, |_| None);
            opened.map(|(_, result)| result)
        }
    }
}

/// The kind of database that a URL names.
pub(crate) enum Target<'a> {
    /// A file with this path.
    Sqlite(&'a str),
    Postgres,
}

/// Reads the kind of database from a URL.
pub(crate) fn target(url: &str) -> Result<Target<'_>, OpenError> {
    if let Some(path) = url.strip_prefix("sqlite:") {
        return match path.strip_prefix("//").unwrap_or(path) {
            "" | ":memory:" => Err(OpenError::Url(url.to_owned())),
            path => Ok(Target::Sqlite(path)),
        };
    }
    match url.starts_with("postgres://") || url.starts_with("postgresql://") {
        true => Ok(Target::Postgres),
        false => Err(OpenError::url(url)),
    }
}

fn prepare(conn: &mut Conn, options: &StoreOptions, opening: Opening) -> Result<Layouts, OpenError> {
    incomplete::check(conn)?;
    if [Opening::Existing, Opening::Offline].contains(&opening) {
        migrations::check(conn)?;
        return Ok(Layouts::default());
    }
    let is_server = opening == Opening::Server;
    if opening == Opening::Transfer {
        migrations::check(conn)?;
    }
    migrations::run(conn, |conn| {
        // A move may have begun in the meantime.
        incomplete::check(conn)?;
        if is_server && conn.dialect() == Dialect::Postgres && options.pooler == Pooler::None {
            presence::announce(conn)?;
        }
        let rules = registration::Rules {
            unique_group_names: options.unique_group_names,
            may_change: opening != Opening::Transfer,
        };
        let layouts = registration::register(conn, &options.resource_types, rules)?;
        // Done last, because it makes writers wait.
        if is_server {
            counts::recount_without_blocks(conn)?;
        }
        Ok(layouts)
    })
}

/// The rules that the index entries of each type follow.
fn shapes(layouts: &Layouts) -> presence::Shapes {
    layouts.iter().map(|it| (it.kind, it.shape())).collect()
}
