//! The commands: each opens the store as it needs it, and runs.

use std::io;
use std::sync::Arc;

use scim_server::cli::arguments::{Cli, Command, PostgresPooler, TenantCommand};
use scim_server::cli::hints::Hints;
use scim_server::cli::start::Start;
use scim_server::cli::{
    client, completions, config, connection, events, federation, health, journal, key, manual, set_stream,
    stop, tenant, token, webhook, with_terminal,
};
use scim_server::delivery::feed::Feed;
use scim_server::http::tls::ServerTls;
use scim_storage_diesel::{DieselStore, Pooler};

use crate::failure::Failure;
use crate::serve::serve;
use crate::{backup, doctor, migrate, move_to, transfer};

// Table: a branch for each command.
pub(crate) fn run(cli: Cli, start: &Start) -> Result<(), Failure> {
    let hints = &start.hints;
    let url = cli.database_url.with_password();
    let pooler = match cli.postgres_pooler {
        PostgresPooler::None => Pooler::None,
        PostgresPooler::Transaction => Pooler::Transaction,
    };
    match cli.command.unwrap_or(Command::Serve(Box::new(cli.serve))) {
        Command::Serve(arguments) => serve(&cli.database_url, pooler, &arguments, hints),
        Command::Migrate(arguments) => migrate::run(url, pooler, &arguments, hints),
        Command::Backup(arguments) => backup::run(&cli.database_url, &arguments, hints),
        Command::Doctor(arguments) => doctor::run(&cli.database_url, pooler, &arguments, hints),
        Command::Move(arguments) => move_to::run(&cli.database_url, pooler, &arguments, hints),
        Command::Export(arguments) => transfer::export(url, pooler, &arguments, hints),
        Command::Import(arguments) => transfer::import(url, pooler, &arguments, hints),
        Command::Tenant(command) => {
            let store = match command {
                TenantCommand::Create { .. } => DieselStore::open_directory(url, pooler)?,
                TenantCommand::List { .. } | TenantCommand::Rename { .. } | TenantCommand::Delete { .. } => {
                    open_existing(url, pooler, hints)?
                }
            };
            with_terminal(hints, |terminal| Ok(tenant::run(&store, &command, terminal)?))
        }
        Command::Connection(command) => {
            let store = open_existing(url, pooler, hints)?;
            with_terminal(hints, |terminal| Ok(connection::run(&store, &command, terminal)?))
        }
        Command::Token(command) => {
            let store = open_existing(url, pooler, hints)?;
            with_terminal(hints, |terminal| Ok(token::run(&store, &command, terminal)?))
        }
        Command::Client(command) => {
            let store = open_existing(url, pooler, hints)?;
            with_terminal(hints, |terminal| Ok(client::run(&store, &command, terminal)?))
        }
        Command::Federation(command) => {
            let store = Arc::new(open_existing(url, pooler, hints)?);
            with_terminal(hints, |terminal| Ok(federation::run(&store, &command, terminal)?))
        }
        Command::History(arguments) => transfer::history(url, pooler, &arguments, hints),
        Command::Undo(arguments) => transfer::undo(url, pooler, &arguments, hints),
        Command::Events(arguments) => {
            let store = Arc::new(open_existing(url, pooler, hints)?);
            let feed = Feed::new(store.clone());
            let stop = stop::on_signal_or_closed_output()?;
            Ok(events::print(
                &*store,
                &feed,
                &arguments,
                &mut io::stdout(),
                &stop,
            )?)
        }
        Command::Key(command) => {
            let store = open_existing(url, pooler, hints)?;
            with_terminal(hints, |terminal| Ok(key::run(&store, &command, terminal)?))
        }
        Command::Webhook(command) => {
            let store = Arc::new(open_existing(url, pooler, hints)?);
            let database = &cli.database_url;
            with_terminal(hints, |terminal| {
                Ok(webhook::run(&store, database, &command, terminal)?)
            })
        }
        Command::SetStream(command) => {
            let store = Arc::new(open_existing(url, pooler, hints)?);
            let database = &cli.database_url;
            with_terminal(hints, |terminal| {
                Ok(set_stream::run(&store, database, &command, terminal)?)
            })
        }
        Command::Health(arguments) => Ok(health::run(&arguments, &mut io::stdout())?),
        Command::Config(command) => Ok(config::run(
            &command,
            start,
            |config| {
                let tls = ServerTls::load(config);
                tls.map(drop).map_err(|error| error.to_string())
            },
            &mut io::stdout(),
        )?),
        Command::Completions { shell } => Ok(completions::print(shell, &mut io::stdout())?),
        Command::Manual => Ok(manual::print(&mut io::stdout())?),
        Command::Journal(arguments) => {
            let store = open_existing(url, pooler, hints)?;
            let stop = stop::on_signal_or_closed_output()?;
            Ok(journal::print(
                &store,
                &store,
                &arguments,
                &mut io::stdout(),
                &stop,
            )?)
        }
    }
}

/// Most commands need an existing database, and a mistyped path must not create one.
fn open_existing(url: &str, pooler: Pooler, hints: &Hints) -> Result<DieselStore, Failure> {
    DieselStore::open_existing(url, pooler).map_err(|it| Failure::with_advice(it, hints))
}
