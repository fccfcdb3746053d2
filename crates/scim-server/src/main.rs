//! The composition root: configuration, store, service, routes.

use std::error::Error;
use std::io::{self, Write};
use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use chrono::Utc;
use clap::{CommandFactory, FromArgMatches};
use scim_model::{Policy, SchemaRegistry};
use scim_server::cli::arguments::{
    Cli, Command, GroupNames, GroupPatch, Leniency, Passwords, PostgresPooler, ServeArgs, TenantCommand,
    UrlFilters,
};
use scim_server::cli::{self as commands, Terminal, journal};
use scim_server::http::{Http, metrics, server};
use scim_server::service::{Service, Settings};
use scim_server::upkeep::Upkeep;
use scim_storage_diesel::{DieselDirectory, DieselStore, OpenError, Pooler, StoreOptions};

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info,actix_server=warn"))
        .init();
    // The usual message of a panic may quote what a client sent.
    std::panic::set_hook(Box::new(|info| match info.location() {
        Some(place) => log::error!("panic in {place}"),
        None => log::error!("panic"),
    }));
    let matches = Cli::command().get_matches();
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    if let Err(text) = Cli::check_order(&matches) {
        Cli::command()
            .error(clap::error::ErrorKind::ArgumentConflict, text)
            .exit();
    }
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "scim-server: {}", with_sources(&*error));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<(), Box<dyn Error>> {
    let url = cli.database_url;
    let pooler = match cli.postgres_pooler {
        PostgresPooler::None => Pooler::None,
        PostgresPooler::Transaction => Pooler::Transaction,
    };
    match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(arguments) => serve(&url, pooler, &arguments),
        Command::Migrate { json } => {
            DieselStore::open_directory(&url, pooler)?;
            let text = "The database has this version's schema.";
            writeln!(
                io::stdout(),
                "{}",
                if json { r#"{"migrated":true}"# } else { text }
            )?;
            Ok(())
        }
        Command::Tenant(command) => {
            let store = match command {
                TenantCommand::Create { .. } => DieselStore::open_directory(&url, pooler)?,
                TenantCommand::List { .. } | TenantCommand::Delete { .. } => open_existing(&url, pooler)?,
            };
            with_terminal(|terminal| Ok(commands::tenant(&*store, &command, terminal)?))
        }
        Command::Token(command) => {
            let store = open_existing(&url, pooler)?;
            with_terminal(|terminal| Ok(commands::token(&*store, &command, terminal)?))
        }
        Command::Journal(arguments) => {
            let store = open_existing(&url, pooler)?;
            let stop = until_signal()?;
            Ok(journal::print(
                &*store,
                &store,
                &arguments,
                &mut io::stdout(),
                &stop,
            )?)
        }
    }
}

/// Most commands need what is there: a mistyped path is no reason to create a database.
fn open_existing(url: &str, pooler: Pooler) -> Result<DieselDirectory, Box<dyn Error>> {
    match DieselStore::open_existing(url, pooler) {
        Err(error @ (OpenError::Missing(_) | OpenError::Outdated)) => Err(format!(
            "{error}: `scim-server migrate` prepares it, and so does a server that starts"
        )
        .into()),
        result => Ok(result?),
    }
}

/// How long a command may go on after a signal, if what it prints is not read.
const GRACE: Duration = Duration::from_secs(1);

/// Nobody sends any more once SIGINT or SIGTERM has come; a moment later the process ends.
fn until_signal() -> io::Result<Receiver<()>> {
    let (sender, stop) = channel();
    let (ready, is_ready) = channel();
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            actix_web::rt::System::new().block_on(async {
                let caught = server::termination();
                let failed = caught
                    .as_ref()
                    .err()
                    .map(|error| io::Error::other(error.to_string()));
                // Whoever asked waits for it.
                let _ = ready.send(failed);
                if let Ok(signal) = caught {
                    signal.await;
                    drop(sender);
                    std::thread::sleep(GRACE);
                    std::process::exit(0);
                }
            });
        })?;
    match is_ready.recv() {
        Ok(None) => Ok(stop),
        Ok(Some(error)) => Err(error),
        Err(_) => Err(io::Error::other("signals cannot be caught")),
    }
}

fn store_options(registry: &SchemaRegistry, pooler: Pooler, arguments: &ServeArgs) -> StoreOptions {
    let usual = StoreOptions::default();
    StoreOptions {
        resource_types: registry.resource_types.clone(),
        unique_group_names: arguments.group_names == GroupNames::Unique,
        pooler,
        max_scans: arguments.max_scans.unwrap_or(usual.max_scans),
        scan_timeout: Duration::from_secs(arguments.scan_timeout.into()),
        ..usual
    }
}

/// The settings of the service.
fn settings(base_url: &str, arguments: &ServeArgs) -> Result<Settings, String> {
    Ok(Settings {
        base_url: base_url.into(),
        policy: Policy {
            lenient: arguments.leniency == Leniency::Clients,
        },
        default_page_size: arguments.default_page_size.min(arguments.max_page_size),
        max_page_size: arguments.max_page_size,
        active_by_default: arguments.active_by_default,
        patch_shows_groups: arguments.group_patch == GroupPatch::Resource,
        filters_in_urls: arguments.url_filters == UrlFilters::Allow,
        hash_secrets: arguments.passwords == Passwords::Argon2id,
        cursor_keys: if arguments.cursor_key.is_empty() {
            vec![random_key()?]
        } else {
            arguments.cursor_key.clone()
        },
        cursor_lifetime: arguments.cursor_lifetime(),
    })
}

/// Serves until a signal comes and what had begun is done.
fn serve(url: &str, pooler: Pooler, arguments: &ServeArgs) -> Result<(), Box<dyn Error>> {
    let registry = scim_server::registry(&arguments.schema_files()?)?;
    let address = arguments.listen_address()?;
    let listener =
        TcpListener::bind(address).map_err(|error| format!("cannot listen on {address}: {error}"))?;
    let metrics_listener = match arguments.metrics_address()? {
        Some(address) => {
            Some(TcpListener::bind(address).map_err(|error| format!("cannot listen on {address}: {error}"))?)
        }
        None => None,
    };
    let base_url = arguments.base_url(listener.local_addr()?)?;
    let options = store_options(&registry, pooler, arguments);
    let store = Arc::new(DieselStore::open(url, &options)?);
    let settings = settings(&base_url, arguments)?;
    let service = Arc::new(Service::new(registry, store.clone(), settings));
    let http = Arc::new(Http::new(
        service,
        store.clone(),
        usize::try_from(arguments.max_body_bytes)?,
    ));
    commands::welcome(&*store, &base_url, &mut io::stdout(), Utc::now())?;
    let _upkeep = Upkeep::start(store.clone(), arguments.journal_days.0)?;
    actix_web::rt::System::new().block_on(async {
        // Caught from here on: a signal before this ends the process, which has begun nothing yet.
        let stop = server::termination()?;
        // It goes on until the process ends, so that the last requests are seen.
        if let Some(listener) = metrics_listener {
            let scans = move || store.scan_counts();
            actix_web::rt::spawn(metrics::listen(http.metrics(), scans, listener)?);
        }
        server::listen(http, listener, stop)?.await
    })?;
    Ok(())
}

fn with_terminal<T>(work: impl FnOnce(&mut Terminal) -> T) -> T {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut questions = io::stderr();
    work(&mut Terminal {
        input: &mut input,
        questions: &mut questions,
        output: &mut output,
        now: Utc::now(),
    })
}

fn random_key() -> Result<[u8; 32], String> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| format!("no random bytes: {error}"))?;
    Ok(key)
}

/// An error and what led to it, in one line.
fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    // libpq's reasons have several.
    text.trim_end().replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn serve_args(arguments: &[&str]) -> ServeArgs {
        Cli::parse_from([&["scim-server"], arguments].concat()).serve
    }

    #[test]
    fn the_store_gets_its_options() {
        let registry = scim_server::registry(&[]).expect("the built-in schemas are valid");
        let usual = store_options(&registry, Pooler::None, &serve_args(&[]));
        assert_eq!((usual.unique_group_names, usual.pooler), (true, Pooler::None));
        assert_eq!(usual.max_scans, StoreOptions::default().max_scans);
        assert_eq!(usual.scan_timeout, Duration::from_secs(10));
        let arguments = ["--group-names", "any", "--max-scans", "3", "--scan-timeout", "7"];
        let options = store_options(&registry, Pooler::Transaction, &serve_args(&arguments));
        assert_eq!(
            (options.unique_group_names, options.pooler),
            (false, Pooler::Transaction)
        );
        assert_eq!(
            (options.max_scans, options.scan_timeout),
            (3, Duration::from_secs(7))
        );
    }

    #[test]
    fn the_store_knows_the_resource_types_of_the_operator() {
        let schema = r#"{"id": "urn:example:Device", "attributes": [{"name": "serial"}]}"#;
        let resource_type = r#"{"name": "Device", "endpoint": "/Devices", "schema": "urn:example:Device"}"#;
        let documents = [("schema.json", schema), ("type.json", resource_type)];
        let documents = documents.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let registry = scim_server::registry(&documents).expect("the documents are valid");
        let options = store_options(&registry, Pooler::None, &serve_args(&[]));
        let names: Vec<&str> = options.resource_types.iter().map(|it| &*it.name).collect();
        assert_eq!(names, ["User", "Group", "Device"]);
    }

    #[test]
    fn the_service_gets_its_settings() {
        let base_url = "https://example.com/scim/v2";
        let usual = settings(base_url, &serve_args(&[])).expect("there is randomness");
        assert_eq!(&*usual.base_url, base_url);
        assert!(usual.policy.lenient && usual.filters_in_urls);
        assert!(!usual.active_by_default && !usual.patch_shows_groups && !usual.hash_secrets);
        assert_eq!((usual.default_page_size, usual.max_page_size), (100, 200));
        assert_eq!(usual.cursor_lifetime, Some(Duration::from_secs(24 * 60 * 60)));
        let key = "0f".repeat(32);
        let arguments = [
            &[
                "--leniency",
                "strict",
                "--url-filters",
                "refuse",
                "--active-by-default",
            ][..],
            &[
                "--group-patch",
                "resource",
                "--passwords",
                "argon2id",
                "--cursor-key",
                &key,
            ],
            &[
                "--default-page-size",
                "300",
                "--max-page-size",
                "250",
                "--cursor-lifetime",
                "0",
            ],
        ];
        let changed = settings(base_url, &serve_args(&arguments.concat())).expect("there is randomness");
        assert!(!changed.policy.lenient && !changed.filters_in_urls);
        assert!(changed.active_by_default && changed.patch_shows_groups && changed.hash_secrets);
        assert_eq!((changed.default_page_size, changed.max_page_size), (250, 250));
        assert_eq!(
            (changed.cursor_keys, changed.cursor_lifetime),
            (vec![[0x0f; 32]], None)
        );
    }

    #[test]
    fn every_start_without_a_cursor_key_makes_its_own() {
        let keys = || settings("https://example.com", &serve_args(&[])).map(|it| it.cursor_keys);
        let (one, other) = (
            keys().expect("there is randomness"),
            keys().expect("there is randomness"),
        );
        assert_eq!((one.len(), other.len()), (1, 1));
        assert_ne!(one, other);
    }
}
