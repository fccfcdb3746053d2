//! The store on SQLite, and on PostgreSQL when `SCIM_TEST_POSTGRES_URL` names one.

mod database;
mod resources;
