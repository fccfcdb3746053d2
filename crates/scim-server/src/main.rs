//! The binary: it puts configuration, store, service and routes together, and alone names the storage adapter.

use std::error::Error;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use chrono::Utc;
use clap::{CommandFactory, FromArgMatches};
use scim_model::SchemaRegistry;
use scim_server::cli::arguments::{Cli, Command, GroupNames, PostgresPooler, ServeArgs, TenantCommand};
use scim_server::cli::{Terminal, journal, tenant, token, welcome};
use scim_server::http::{Http, HttpOptions, metrics, server};
use scim_server::service::Service;
use scim_server::upkeep::Upkeep;
use scim_storage_diesel::{DieselDirectory, DieselStore, OpenError, Pooler, StoreOptions};

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info,actix_server=warn"))
        .init();
    // The default message of a panic may quote client input.
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
            let text = "The database schema is up to date.";
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
            with_terminal(|terminal| Ok(tenant::run(&*store, &command, terminal)?))
        }
        Command::Token(command) => {
            let store = open_existing(&url, pooler)?;
            with_terminal(|terminal| Ok(token::run(&*store, &command, terminal)?))
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

/// Most commands need an existing database, and a mistyped path must not create one.
fn open_existing(url: &str, pooler: Pooler) -> Result<DieselDirectory, Box<dyn Error>> {
    match DieselStore::open_existing(url, pooler) {
        Err(error @ (OpenError::Missing(_) | OpenError::Outdated)) => {
            Err(format!("{error}: run `scim-server migrate`, or start the server").into())
        }
        result => Ok(result?),
    }
}

/// The time after a signal in which a command can still write output that nobody reads.
const GRACE: Duration = Duration::from_secs(1);

/// Returns a channel that closes with SIGINT or SIGTERM; soon afterwards the process ends.
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
                // The caller waits for it.
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
        Err(_) => Err(io::Error::other("cannot catch signals")),
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

/// Serves until a signal arrives and the requests that had begun are done.
fn serve(url: &str, pooler: Pooler, arguments: &ServeArgs) -> Result<(), Box<dyn Error>> {
    let config = arguments.config()?;
    let listener = bind(config.listen)?;
    let metrics_listener = config.metrics.map(bind).transpose()?;
    let settings = config.settings_at(listener.local_addr()?);
    let base_url = settings.base_url.clone();
    let options = store_options(&config.registry, pooler, arguments);
    let store = Arc::new(DieselStore::open(url, &options)?);
    let service = Arc::new(Service::new(config.registry, store.clone(), settings));
    let options = HttpOptions {
        path_prefix: config.path_prefix,
        max_body_bytes: config.max_body_bytes,
    };
    let http = Arc::new(Http::with_tokens(service, store.clone(), options));
    welcome::print(&*store, &base_url, &mut io::stdout(), Utc::now())?;
    let counted = store.clone();
    let delete_empty_counts = move || counted.delete_empty_counts();
    let _upkeep = Upkeep::start(store.clone(), config.retention, delete_empty_counts)?;
    actix_web::rt::System::new().block_on(async {
        // From here on signals are caught. An earlier signal ends the process, which has begun nothing yet.
        let stop = server::termination()?;
        // The metrics are served until the process ends, so that the last requests are counted.
        if let Some(listener) = metrics_listener {
            let scans = move || store.scan_counts();
            actix_web::rt::spawn(metrics::listen(http.metrics(), scans, listener)?);
        }
        server::listen(http, listener, stop)?.await
    })?;
    Ok(())
}

fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).map_err(|error| format!("cannot listen on {address}: {error}"))
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

/// An error with its causes, in one line.
fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    // The messages of libpq have several lines.
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
}
