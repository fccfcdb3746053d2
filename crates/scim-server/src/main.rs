//! The binary: it puts configuration, store, service and routes together, and alone names the storage adapter.

use std::error::Error;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches};
use scim_model::SchemaRegistry;
use scim_model::store::{Credentials as _, IdempotencyKeys as _, SetStreams as _, StoreError, Webhooks as _};
use scim_server::cli::arguments::{Cli, Command, GroupNames, PostgresPooler, ServeArgs, TenantCommand};
use scim_server::cli::exit::Exit;
use scim_server::cli::hints::Hints;
use scim_server::cli::welcome::Welcome;
use scim_server::cli::{
    CommandError, client, connection, environment, events, federation, journal, key, secrets, set_stream,
    stop, tenant, token, webhook, with_sources, with_terminal,
};
use scim_server::clock;
use scim_server::config::Config;
use scim_server::config::database_url::DatabaseUrl;
use scim_server::config::listen::ManagementAddress;
use scim_server::config::oauth::OAuthConfig;
use scim_server::config::retention::Retention;
use scim_server::delivery::feed::Feed;
use scim_server::delivery::security_events::{KeyRing, PushWorker, SecurityEvents, StreamParts};
use scim_server::delivery::webhooks::{WebhookWorker, WorkerParts};
use scim_server::egress::{self, Egress, EgressSettings, OwnAddresses};
use scim_server::http::management::ManagementHttp;
use scim_server::http::metrics::{self, Exposition, Sampled};
use scim_server::http::oauth::state::OAuth;
use scim_server::http::{Http, HttpOptions, server};
use scim_server::logging;
use scim_server::management::webhooks::WebhookParts;
use scim_server::management::{IDEMPOTENCY_KEYS_KEPT, Management};
use scim_server::oauth::key_cache::{KeyCache, Now};
use scim_server::oauth::refresher::Refresher;
use scim_server::oauth::{TokenEndpoint, key_fetch};
use scim_server::service::Service;
use scim_server::signals;
use scim_server::upkeep::Upkeep;
use scim_server::upkeep::expiry::ExpiryWatch;
use scim_storage_diesel::{DieselStore, OpenError, Pooler, StoreOptions};
use uuid::Uuid;

fn main() -> ExitCode {
    logging::start();
    let matches = Cli::command()
        .try_get_matches()
        .unwrap_or_else(|error| exit_with_usage(&error));
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| exit_with_usage(&error));
    if let Err(text) = Cli::check_order(&matches) {
        Cli::command()
            .error(clap::error::ErrorKind::ArgumentConflict, text)
            .exit();
    }
    environment::warn_of_unknown_variables(&Cli::command());
    let hints = Hints::new(&matches, &cli);
    let result = match clock::is_set() {
        true => run(cli, &hints),
        false => Err(Failure::new(
            Exit::Failed,
            "the clock of this machine says a time before 1970: set it first",
        )),
    };
    logging::flush();
    match result {
        Ok(()) => Exit::Done.into(),
        Err(failure) => {
            let text = secrets::hide(&with_sources(&*failure.error));
            let _ = writeln!(io::stderr(), "scim-server: {text}");
            failure.exit.into()
        }
    }
}

/// Ends the process with an error of the command line, or with the help that was asked for.
fn exit_with_usage(error: &clap::Error) -> ! {
    let text = error.to_string();
    let shown = secrets::hide(&text);
    if shown == text {
        error.exit();
    }
    let _ = write!(io::stderr(), "{shown}");
    std::process::exit(error.exit_code());
}

/// The error that ends the binary, and its exit code.
struct Failure {
    exit: Exit,
    error: Box<dyn Error>,
}

impl Failure {
    fn new(exit: Exit, error: impl Into<Box<dyn Error>>) -> Failure {
        let error = error.into();
        Failure { exit, error }
    }
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Failure {
        Failure::new(error.exit(), error)
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Failure {
        let exit = match &error {
            OpenError::Url(_) | OpenError::Unescaped | OpenError::Plaintext(_) => Exit::Usage,
            OpenError::HardLinked(_) | OpenError::NotUnique(_) | OpenError::OthersRun => Exit::Refused,
            OpenError::InUse(_) | OpenError::Busy => Exit::DatabaseBusy,
            OpenError::Missing(_)
            | OpenError::Outdated
            | OpenError::Newer(_)
            | OpenError::Folder(_)
            | OpenError::NoFolder(_)
            | OpenError::File { .. }
            | OpenError::Connection(_)
            | OpenError::Encoding(_)
            | OpenError::Preparation(_) => Exit::DatabaseUnavailable,
        };
        Failure::new(exit, error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::new(Exit::Failed, error)
    }
}

// Table: a branch for each command.
fn run(cli: Cli, hints: &Hints) -> Result<(), Failure> {
    let url = cli.database_url.with_password();
    let pooler = match cli.postgres_pooler {
        PostgresPooler::None => Pooler::None,
        PostgresPooler::Transaction => Pooler::Transaction,
    };
    match cli.command.unwrap_or(Command::Serve(Box::new(cli.serve))) {
        Command::Serve(arguments) => serve(&cli.database_url, pooler, &arguments, hints),
        Command::Migrate { json } => {
            DieselStore::open_directory(url, pooler)?;
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
                TenantCommand::Create { .. } => DieselStore::open_directory(url, pooler)?,
                TenantCommand::List { .. } | TenantCommand::Delete { .. } => {
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
    match DieselStore::open_existing(url, pooler) {
        Err(error @ (OpenError::Missing(_) | OpenError::Outdated)) => {
            let migrate = hints.command("migrate");
            let text = format!("{error}: run `{migrate}`, or start the server");
            Err(Failure::new(Exit::DatabaseUnavailable, text))
        }
        result => Ok(result?),
    }
}

fn store_options(registry: &SchemaRegistry, pooler: Pooler, arguments: &ServeArgs) -> StoreOptions {
    let usual = StoreOptions::default();
    let scan_timeout = Duration::from_secs(arguments.scan_timeout.into());
    StoreOptions {
        resource_types: registry.resource_types.clone(),
        unique_group_names: arguments.group_names == GroupNames::Unique,
        pooler,
        max_scans: arguments.max_scans.unwrap_or(usual.max_scans),
        scan_timeout,
        silence_limit: usual.silence_limit.max(scan_timeout + Duration::from_secs(2)),
        ..usual
    }
}

/// Serves until a signal arrives and the requests that had begun are done.
fn serve(url: &DatabaseUrl, pooler: Pooler, arguments: &ServeArgs, hints: &Hints) -> Result<(), Failure> {
    let config = arguments.config().map_err(|it| Failure::new(Exit::Usage, it))?;
    let listeners = Listeners::bind(&config)?;
    let listen = listeners.scim.local_addr()?;
    let settings = config.settings_at(listen);
    let base_url = settings.base_url.clone();
    let options = store_options(&config.registry, pooler, arguments);
    let store = Arc::new(DieselStore::open(url.with_password(), &options)?);
    let registry = config.registry.clone();
    let service = Arc::new(Service::new(registry.clone(), store.clone(), settings));
    let own = OwnAddresses::new(&base_url, &listeners.addresses()?);
    let egress_settings = EgressSettings {
        own,
        ..config.oauth.egress.clone()
    };
    let egress = Arc::new(Egress::new(egress_settings.clone(), egress::system_lookup()));
    let oauth = authorization_server(&config.oauth, &base_url, egress.clone(), store.clone());
    let _refresher = Refresher::start(oauth.endpoint.keys())?;
    let feed = Arc::new(Feed::new(store.clone()));
    let keys = Arc::new(arguments.secrets_key.key_file(url));
    let operations = Management {
        store: store.clone(),
        registry: registry.clone(),
        server: arguments.clients.server_settings(),
        endpoint: oauth.endpoint.clone(),
        egress: egress.clone(),
        webhooks: WebhookParts {
            feed: feed.clone(),
            keys: keys.clone(),
            egress: egress_settings,
        },
    };
    let security_events = SecurityEvents::new(Arc::new(KeyRing::new(store.clone(), keys.clone())));
    let http = Http::with_oauth(service, store.clone(), oauth, http_options(&config));
    let http = Arc::new(http.with_security_events(security_events.clone()));
    listeners.report(config.oauth.proxy_warning(&base_url));
    let welcome = Welcome {
        base_url: &base_url,
        listen,
        management: listeners
            .management
            .as_ref()
            .map(TcpListener::local_addr)
            .transpose()?,
        database: &url.without_password(),
        token_file: arguments.first_token_file.as_deref(),
        key_file: arguments.first_key_file.as_deref(),
        hints,
    };
    welcome.print(&*store, &mut io::stdout(), clock::now())?;
    let leftovers = delete_leftovers(store.clone(), config.retention, security_events.ring.clone());
    let expiry = ExpiryWatch::default().with_clients(store.clone());
    let expiring = expiry.number();
    let _upkeep = Upkeep::start(store.clone(), config.retention, leftovers, expiry)?;
    let parts = StreamParts {
        store: store.clone(),
        journal: store.clone(),
        feed,
        security_events,
        keys,
        egress,
        registry,
        base_url: Some(base_url.to_string()),
    };
    let _workers = start_delivery(worker_id(url), store.clone(), parts.clone())?;
    let sampled = Sampled {
        database_is_durable: store.is_durable(),
        scans: Box::new(move || store.scan_counts()),
        expiring_tokens: Box::new(expiring),
    };
    let exposition = Exposition::new(http.metrics(), sampled);
    let operators = ManagementHttp::new(operations, http.clone(), exposition.clone());
    let operators = Arc::new(operators.with_set_streams(parts));
    actix_web::rt::System::new().block_on(listeners.serve(http, operators, exposition))?;
    Ok(())
}

fn http_options(config: &Config) -> HttpOptions {
    HttpOptions {
        path_prefix: config.path_prefix.clone(),
        max_body_bytes: config.max_body_bytes,
        max_response_bytes: config.max_response_bytes,
        write_timeout: config.write_timeout,
    }
}

/// Returns the step that deletes what is not needed any more, and says whether there may be more of it.
fn delete_leftovers(
    store: Arc<DieselStore>,
    retention: Retention,
    ring: Arc<KeyRing>,
) -> impl Fn() -> Result<bool, StoreError> + Send + 'static {
    move || {
        let now = clock::now();
        let mut rows = store.delete_expired(now, EXPIRED_AT_ONCE)?;
        rows += store.delete_claims(now - IDEMPOTENCY_KEYS_KEPT, EXPIRED_AT_ONCE)?;
        if let Some(before) = retention.drops_before(now) {
            rows += store.prune_webhook_deliveries(before, EXPIRED_AT_ONCE)?;
            rows += store.prune_refused_sets(before, EXPIRED_AT_ONCE)?;
        }
        rows += ring.delete_old(now)?;
        Ok(store.delete_empty_counts()? || rows > 0)
    }
}

/// The sockets of a server.
struct Listeners {
    scim: TcpListener,
    management: Option<TcpListener>,
    /// The deprecated address of the metrics.
    metrics: Option<TcpListener>,
    /// The reason why the management listener is missing although it is not off.
    unserved: Option<Failure>,
}

impl Listeners {
    fn bind(config: &Config) -> Result<Listeners, Failure> {
        let scim = bind("--listen", config.listen)?;
        let metrics = config.metrics.map(|it| bind("--metrics-listen", it));
        let (management, unserved) = config.management.map_or(Ok((None, None)), bind_management)?;
        Ok(Listeners {
            scim,
            management,
            metrics: metrics.transpose()?,
            unserved,
        })
    }

    fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let all = [Some(&self.scim), self.management.as_ref(), self.metrics.as_ref()];
        all.into_iter().flatten().map(TcpListener::local_addr).collect()
    }

    /// Logs what an operator should know. An error that stops the start is reported alone, and so before.
    fn report(&self, warning: Option<&str>) {
        if let Some(warning) = warning {
            log::warn!("{warning}");
        }
        if let Some(failure) = &self.unserved {
            log::error!("the management API is not served: {}", failure.error);
        }
        if self.metrics.is_some() {
            log::warn!("--metrics-listen is deprecated: --management-listen serves /metrics too");
        }
    }

    /// Serves until a signal arrives and the requests that had begun are done. Operators are served until then.
    async fn serve(
        self,
        http: Arc<Http>,
        operators: Arc<ManagementHttp>,
        exposition: Exposition,
    ) -> io::Result<()> {
        // From here on signals are caught. An earlier signal ends the process, which has begun nothing yet.
        let stop = signals::termination()?;
        // The metrics are served until the process ends, so that the last requests are counted.
        if let Some(listener) = self.metrics {
            actix_web::rt::spawn(metrics::listen(exposition, listener)?);
        }
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let until_end = async move {
            // The sender is dropped when the other listener has ended.
            let _ = ended.await;
        };
        let management = self
            .management
            .map(|it| server::listen_for_operators(operators, it, until_end));
        let management = management.transpose()?.map(actix_web::rt::spawn);
        server::listen(http, self.scim, stop)?.await?;
        drop(end);
        if let Some(management) = management {
            // The task ends with its server, whose error would come too late.
            let _ = management.await;
        }
        Ok(())
    }
}

/// Opens the management listener. The operator did not ask for the usual address, so a second server on the same machine starts
/// without it. The failure is then returned, to be logged.
fn bind_management(wanted: ManagementAddress) -> Result<(Option<TcpListener>, Option<Failure>), Failure> {
    match bind("--management-listen", wanted.address) {
        Ok(listener) => Ok((Some(listener), None)),
        Err(failure) if wanted.is_default => Ok((None, Some(failure))),
        Err(failure) => Err(failure),
    }
}

/// Starts the workers that deliver events. Dropping them stops them.
fn start_delivery(
    id: Uuid,
    store: Arc<DieselStore>,
    streams: StreamParts,
) -> io::Result<(WebhookWorker, PushWorker)> {
    let webhooks = WebhookWorker::start(WorkerParts {
        id,
        store: store.clone(),
        journal: store,
        feed: streams.feed.clone(),
        egress: streams.egress.clone(),
        keys: streams.keys.clone(),
    })?;
    Ok((webhooks, PushWorker::start(id, streams)?))
}

/// Returns the id of the workers that deliver events. A SQLite file has one server at a time, so the next one
/// continues at once with the leases of a server that was killed.
fn worker_id(database: &DatabaseUrl) -> Uuid {
    match database.sqlite_path() {
        Some(_) => Uuid::nil(),
        None => clock::new_id(),
    }
}

/// The most rows of each kind that one transaction deletes: access tokens, remembered assertions, deliveries,
/// refused tokens.
const EXPIRED_AT_ONCE: u32 = 500;

/// Returns the authorization server.
fn authorization_server(
    config: &OAuthConfig,
    base_url: &str,
    egress: Arc<Egress>,
    store: Arc<DieselStore>,
) -> OAuth {
    let now: Now = Arc::new(clock::now);
    let keys = Arc::new(KeyCache::new(key_fetch::over(egress), now.clone()));
    OAuth {
        endpoint: Arc::new(TokenEndpoint::new(store, keys, config.settings(base_url), now)),
        trusted_proxies: config.trusted_proxies.clone().into(),
    }
}

fn bind(flag: &str, address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).map_err(|error| {
        let text = match error.kind() {
            io::ErrorKind::AddrInUse => format!(
                "{flag} {address}: another program listens on this port: stop it, or choose another port with `{flag}`"
            ),
            _ => format!("{flag} {address}: {error}"),
        };
        Failure::new(Exit::CannotListen, text)
    })
}

#[cfg(test)]
#[path = "../tests/unit/binary.rs"]
mod tests;
