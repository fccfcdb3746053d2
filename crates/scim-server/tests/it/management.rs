//! The management API as operators see it. Every answer is compared with its schema in the OpenAPI document.

mod access;
mod connections;
mod credentials;
mod events;
mod history;
mod idempotency;
mod listener;
mod openapi;
mod operator;
mod set_streams;
mod streams;
mod tenants;
mod undo;
mod webhooks;
