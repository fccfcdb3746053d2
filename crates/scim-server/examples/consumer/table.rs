//! The table of active users, and the position in the feed that it has reached.

use std::error::Error;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;

const TABLES: &str = "
    PRAGMA busy_timeout = 5000;
    PRAGMA journal_mode = WAL;
    CREATE TABLE IF NOT EXISTS active_users (id TEXT PRIMARY KEY, tenant TEXT NOT NULL, user_name TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS feed_position (tenants TEXT PRIMARY KEY, after TEXT NOT NULL);";

diesel::table! {
    active_users (id) { id -> Text, tenant -> Text, user_name -> Text, }
}

diesel::table! {
    feed_position (tenants) { tenants -> Text, after -> Text, }
}

#[derive(Insertable)]
#[diesel(table_name = active_users)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) tenant: String,
    pub(crate) user_name: String,
}

pub(crate) fn open(file: &str) -> Result<SqliteConnection, Box<dyn Error>> {
    let mut db = SqliteConnection::establish(file)?;
    db.batch_execute(TABLES)?;
    Ok(db)
}

pub(crate) fn replace_users(db: &mut SqliteConnection, users: &[User]) -> QueryResult<()> {
    diesel::delete(active_users::table).execute(db)?;
    users.iter().try_for_each(|user| store_user(db, user))
}

pub(crate) fn store_user(db: &mut SqliteConnection, user: &User) -> QueryResult<()> {
    diesel::replace_into(active_users::table)
        .values(user)
        .execute(db)?;
    Ok(())
}

/// Changes the name of a user in the table; an inactive one has no row.
pub(crate) fn rename_user(db: &mut SqliteConnection, user: &User) -> QueryResult<()> {
    let row = diesel::update(active_users::table.find(&user.id));
    row.set(active_users::user_name.eq(&user.user_name)).execute(db)?;
    Ok(())
}

pub(crate) fn delete_user(db: &mut SqliteConnection, user: &User) -> QueryResult<()> {
    diesel::delete(active_users::table.find(&user.id)).execute(db)?;
    Ok(())
}

/// Returns the position for these tenants. For others than before there is none, and the first contact follows.
pub(crate) fn position(db: &mut SqliteConnection, tenants: &str) -> QueryResult<Option<String>> {
    let row = feed_position::table.find(tenants);
    row.select(feed_position::after).first(db).optional()
}

pub(crate) fn store_position(db: &mut SqliteConnection, tenants: &str, after: &str) -> QueryResult<()> {
    diesel::delete(feed_position::table).execute(db)?;
    let row = (feed_position::tenants.eq(tenants), feed_position::after.eq(after));
    diesel::insert_into(feed_position::table)
        .values(row)
        .execute(db)?;
    Ok(())
}
