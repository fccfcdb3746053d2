//! The command `serve`: it composes store, service, routes and workers.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use scim_model::SchemaRegistry;
use scim_model::store::{Credentials as _, IdempotencyKeys as _, SetStreams as _, StoreError, Webhooks as _};
use scim_server::cli::arguments::{GroupNames, ServeArgs};
use scim_server::cli::exit::Exit;
use scim_server::cli::hints::Hints;
use scim_server::cli::welcome::Welcome;
use scim_server::clock;
use scim_server::config::Config;
use scim_server::config::database_url::DatabaseUrl;
use scim_server::config::oauth::OAuthConfig;
use scim_server::config::retention::Retention;
use scim_server::delivery::feed::Feed;
use scim_server::delivery::lag::LagWatch;
use scim_server::delivery::security_events::{KeyRing, PushWorker, SecurityEvents, StreamParts};
use scim_server::delivery::state_counts::StateCounts;
use scim_server::delivery::webhooks::{ENDPOINT_STATES, WebhookWorker, WorkerParts};
use scim_server::egress::{self, Egress, EgressSettings, OwnAddresses};
use scim_server::http::management::ManagementHttp;
use scim_server::http::metrics::{Exposition, Sampled};
use scim_server::http::oauth::state::OAuth;
use scim_server::http::tls::ServerTls;
use scim_server::http::{Http, HttpOptions};
use scim_server::management::webhooks::WebhookParts;
use scim_server::management::{IDEMPOTENCY_KEYS_KEPT, Management};
use scim_server::oauth::key_cache::{KeyCache, Now};
use scim_server::oauth::refresher::Refresher;
use scim_server::oauth::{TokenEndpoint, key_fetch};
use scim_server::service::Service;
use scim_server::telemetry::Traces;
use scim_server::upkeep::Upkeep;
use scim_server::upkeep::expiry::ExpiryWatch;
use scim_storage_diesel::{DieselStore, Pooler, StoreOptions};
use uuid::Uuid;

use crate::failure::Failure;
use crate::listeners::Listeners;

/// Serves until a signal arrives and the requests that had begun are done.
pub(crate) fn serve(
    url: &DatabaseUrl,
    pooler: Pooler,
    arguments: &ServeArgs,
    hints: &Hints,
) -> Result<(), Failure> {
    let config = arguments.config().map_err(|it| Failure::new(Exit::Usage, it))?;
    let _traces = start_traces(&config)?;
    let tls = ServerTls::load(&config).map_err(|it| Failure::new(Exit::Usage, it))?;
    let listeners = Listeners::bind(&config, tls.clone())?;
    let listen = listeners.scim.local_addr()?;
    let settings = config.settings_at(listen);
    let base_url = settings.base_url.clone();
    let options = store_options(&config.registry, pooler, arguments);
    let store = Arc::new(DieselStore::open(url.with_password(), &options)?);
    let registry = config.registry.clone();
    let service = Arc::new(Service::new(registry.clone(), store.clone(), settings));
    let egress_settings = egress_settings(&config, &base_url, &listeners)?;
    let egress = Arc::new(Egress::new(egress_settings, egress::system_lookup()));
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
        },
    };
    let security_events = SecurityEvents::new(Arc::new(KeyRing::new(store.clone(), keys.clone())));
    let http = Http::with_oauth(service, store.clone(), oauth, http_options(&config));
    let http = Arc::new(http.with_security_events(security_events.clone()));
    listeners.report(proxy_warning(&config, &base_url));
    let welcome = Welcome {
        base_url: &base_url,
        listen,
        management: listeners.management_origin()?,
        database: &url.without_password(),
        token_file: arguments.first_token_file.as_deref(),
        key_file: arguments.first_key_file.as_deref(),
        hints,
    };
    welcome.print(&*store, &mut io::stdout(), clock::now())?;
    let leftovers = delete_leftovers(store.clone(), config.retention, security_events.ring.clone());
    let expiry = ExpiryWatch::default().with_clients(store.clone());
    let expiring = Box::new(expiry.expiring());
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
    let webhooks = StateCounts::new(ENDPOINT_STATES);
    let _workers = start_delivery(worker_id(url), store.clone(), parts.clone(), webhooks.clone())?;
    let lag = LagWatch::start(store.clone())?;
    let sampled = Sampled {
        expiring,
        endpoints: Box::new(lag.endpoints()),
        tls: tls.all(),
        webhooks,
        streams: parts.security_events.counts.clone(),
        ..of_database(store)
    };
    let exposition = Exposition::new(http.metrics(), sampled);
    let operators = ManagementHttp::new(operations, http.clone(), exposition.clone());
    let operators = Arc::new(operators.with_set_streams(parts));
    let serving = listeners.serve(http, operators, exposition, config.shutdown_delay);
    Ok(actix_web::rt::System::new().block_on(serving)?)
}

/// Starts the export of traces, which ends when all requests have ended and it is dropped.
fn start_traces(config: &Config) -> Result<Option<Traces>, Failure> {
    let authorities = config.oauth.egress.authorities.clone();
    let started = Traces::start(config.otlp_endpoint.as_deref(), authorities);
    started.map_err(|it| Failure::new(Exit::Usage, it))
}

fn proxy_warning<'a>(config: &'a Config, base_url: &str) -> Option<&'a str> {
    // A server with its own certificate needs no proxy.
    let is_behind_proxy = config.tls.is_none();
    config.oauth.proxy_warning(base_url).filter(|_| is_behind_proxy)
}

/// Returns the figures of a database for the metrics.
fn of_database(store: Arc<DieselStore>) -> Sampled {
    let used = store.clone();
    Sampled {
        database_is_durable: store.is_durable(),
        connections: Box::new(move || used.connection_figures()),
        scans: Box::new(move || store.scan_counts()),
        ..Sampled::default()
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

/// Returns the rules for outgoing requests, which never lead to a listener of this server.
fn egress_settings(config: &Config, base_url: &str, listeners: &Listeners) -> io::Result<EgressSettings> {
    Ok(EgressSettings {
        own: OwnAddresses::new(base_url, &listeners.addresses()?),
        ..config.oauth.egress.clone()
    })
}

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

fn http_options(config: &Config) -> HttpOptions {
    HttpOptions {
        path_prefix: config.path_prefix.clone(),
        max_body_bytes: config.max_body_bytes,
        max_response_bytes: config.max_response_bytes,
        write_timeout: config.write_timeout,
        metrics_tenants: config.metrics_tenants,
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
            rows += store.prune_sets(before, EXPIRED_AT_ONCE)?;
        }
        rows += ring.delete_old(now)?;
        Ok(store.delete_empty_counts()? || rows > 0)
    }
}

/// The most rows of each kind that one transaction deletes: access tokens, remembered assertions, deliveries,
/// refused tokens.
const EXPIRED_AT_ONCE: u32 = 500;

/// Starts the workers that deliver events. Dropping them stops them.
fn start_delivery(
    id: Uuid,
    store: Arc<DieselStore>,
    streams: StreamParts,
    counts: StateCounts<3>,
) -> io::Result<(WebhookWorker, PushWorker)> {
    let webhooks = WebhookWorker::start(WorkerParts {
        id,
        store: store.clone(),
        journal: store,
        feed: streams.feed.clone(),
        egress: streams.egress.clone(),
        keys: streams.keys.clone(),
        counts,
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

#[cfg(test)]
#[path = "../../../tests/unit/binary.rs"]
mod tests;
