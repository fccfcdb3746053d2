//! Connections to SQLite and PostgreSQL, and the migrations.

pub(crate) mod migrations;
pub(crate) mod postgres;
pub(crate) mod sqlite;
