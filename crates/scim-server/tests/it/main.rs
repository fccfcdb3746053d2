//! The server as its clients see it. The comment of a test names the requirements it shows.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)] // A panic is how a test fails.
#![allow(unreachable_pub)] // The modules of a test binary have no users outside it.

mod auth;
mod backup;
mod blocked_receivers;
mod cli;
mod commands;
mod connections;
mod consumer;
mod deploy;
mod discovery;
mod doctor;
mod embedding;
mod errors;
mod etag;
mod event_types;
mod events;
mod exchanges;
mod feed;
mod fire_delivery;
mod full_disk;
mod groups;
mod harness;
mod health;
mod history;
mod instances;
mod journal;
mod keys;
mod leniencies;
mod list;
mod log_privacy;
mod management;
mod metrics;
mod migrate;
mod monitoring;
mod move_to;
mod oauth;
#[cfg(unix)]
mod operations;
mod originators;
mod own_schemas;
mod paging;
mod passwords;
mod patch;
mod paths;
mod rate_limit;
mod restart;
mod rfc;
mod security_events;
mod settings;
mod slow_clients;
mod startup;
mod tls;
#[cfg(feature = "otlp")]
mod traces;
mod transfer;
mod two_servers;
mod upgrade;
mod users;
mod validator;
mod vectors;
mod webhooks;
