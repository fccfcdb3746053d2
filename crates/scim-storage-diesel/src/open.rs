//! Opening a store: the connections, the migrations and the registration of resource types.

use std::path::Path;
use std::sync::Arc;

use crate::connection::postgres::Postgres;
use crate::connection::postgres::presence;
use crate::connection::sqlite::Sqlite;
use crate::connection::{Conn, Database, migrations};
use crate::counts;
use crate::open_error::OpenError;
use crate::options::{Opening, Pooler, StoreOptions};
use crate::registration;
use crate::schema_map::layout::Layouts;
use crate::sql::Dialect;

/// Opens the database that a URL names, and prepares it as the purpose demands.
pub(crate) fn open(
    url: &str,
    options: &StoreOptions,
    opening: Opening,
) -> Result<(Database, Arc<Layouts>), OpenError> {
    let is_server = opening == Opening::Server;
    let prepare = |conn: &mut Conn| prepare(conn, options, opening);
    let (database, layouts) = if let Some(path) = url.strip_prefix("sqlite:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() || path == ":memory:" {
            return Err(OpenError::Url(url.to_owned()));
        }
        let (sqlite, layouts) = Sqlite::open(Path::new(path), options, opening, prepare)?;
        (Database::sqlite(sqlite, options.readers), layouts)
    } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        let shapes = |layouts: &Layouts| is_server.then(|| shapes(layouts));
        let (postgres, layouts) = Postgres::open(url, options, prepare, shapes)?;
        (
            Database::postgres(postgres, options.connections, options.silence_limit),
            layouts,
        )
    } else {
        return Err(OpenError::url(url));
    };
    Ok((database, Arc::new(layouts)))
}

fn prepare(conn: &mut Conn, options: &StoreOptions, opening: Opening) -> Result<Layouts, OpenError> {
    if opening == Opening::Existing {
        migrations::check(conn)?;
        return Ok(Layouts::default());
    }
    let is_server = opening == Opening::Server;
    migrations::run(conn, |conn| {
        if is_server && conn.dialect() == Dialect::Postgres && options.pooler == Pooler::None {
            presence::announce(conn)?;
        }
        let layouts = registration::register(conn, &options.resource_types, options.unique_group_names)?;
        // Last, because it makes writers wait.
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
