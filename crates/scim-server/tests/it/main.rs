//! The server as its clients see it. The comment of a test names the requirements it shows.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)] // A panic is how a test fails.
#![allow(unreachable_pub)] // The modules of a test binary have no users outside it.

mod auth;
mod cli;
mod commands;
mod connections;
mod consumer;
mod deploy;
mod discovery;
mod embedding;
mod errors;
mod etag;
mod event_types;
mod events;
mod exchanges;
mod feed;
mod groups;
mod harness;
mod health;
mod journal;
mod keys;
mod leniencies;
mod list;
mod management;
mod metrics;
mod oauth;
mod originators;
mod own_schemas;
mod paging;
mod passwords;
mod patch;
mod paths;
mod restart;
mod rfc;
mod security_events;
mod slow_clients;
mod startup;
mod tls;
mod two_servers;
mod users;
mod validator;
mod vectors;
mod webhooks;
