//! Sockets: starting the HTTP service, and its graceful shutdown.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_http::{HttpService, Protocol};
use actix_server::ServerBuilder;
use actix_service::{ServiceFactoryExt as _, fn_service, map_config};
use actix_web::App;
use actix_web::dev::{AppConfig, Server};
use actix_web::rt::net::TcpStream;
use actix_web::web::ServiceConfig;

use super::blocking::BLOCKING_THREADS;
use super::management::{self, ManagementHttp};
use super::tls::{Tls, accept};
use super::write_deadline::WriteDeadline;
use super::{Http, routes};

/// The deadline for receiving the headers of a request. Bodies have their own deadline.
const HEADER_DEADLINE: Duration = Duration::from_secs(5);

/// The time after which an idle connection is closed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The time that a client gets to close its side of a connection.
const CLOSING_DEADLINE: Duration = Duration::from_secs(1);

/// The time that running requests get to finish after a signal.
pub const GRACE_SECONDS: u64 = 20;

/// The same for the management listener, which stops after the other one.
pub const MANAGEMENT_GRACE_SECONDS: u64 = 5;

/// Starts a server on a listening socket, with TLS if there is a certificate. When `stop` completes, the server refuses new connections, finishes the
/// running requests and ends.
pub fn listen(
    http: Arc<Http>,
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<Server> {
    let until_stop = {
        let http = http.clone();
        async move {
            stop.await;
            http.begin_shutdown();
        }
    };
    let builder = ServerBuilder::new();
    let served = http.clone();
    let application = move |config: &mut ServiceConfig| routes(served.clone())(config);
    Ok(serve(builder, "scim", http, (listener, tls), application)?
        .shutdown_signal(until_stop)
        .shutdown_timeout(GRACE_SECONDS)
        .run())
}

/// Starts the management listener, which ends as [`listen`] does.
pub fn listen_for_operators(
    state: Arc<ManagementHttp>,
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<Server> {
    let http = state.http.clone();
    let application = move |config: &mut ServiceConfig| management::routes(state.clone())(config);
    let builder = ServerBuilder::new().workers(1);
    Ok(serve(builder, "management", http, (listener, tls), application)?
        .shutdown_signal(stop)
        .shutdown_timeout(MANAGEMENT_GRACE_SECONDS)
        .run())
}

fn serve(
    builder: ServerBuilder,
    name: &str,
    http: Arc<Http>,
    (listener, tls): (TcpListener, Option<Arc<Tls>>),
    application: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> io::Result<ServerBuilder> {
    let address = listener.local_addr()?;
    // `HttpServer` of actix-web would do, if its connections could be wrapped: `WriteDeadline` needs its parts.
    let is_stopping = builder.graceful_shutdown_signal();
    let connections = move || {
        let app = App::new().configure(application.clone());
        let (http, tls, is_stopping) = (http.clone(), tls.clone(), is_stopping.clone());
        let http_1 = HttpService::build()
            .graceful_shutdown_signal(move || {
                let is_stopping = is_stopping.clone();
                async move { is_stopping.notified().await }
            })
            .client_request_timeout(HEADER_DEADLINE)
            .client_disconnect_timeout(CLOSING_DEADLINE)
            .keep_alive(KEEP_ALIVE)
            .local_addr(address)
            .finish(map_config(app, |_| AppConfig::default()));
        fn_service(move |stream: TcpStream| {
            let peer = stream.peer_addr().ok();
            let stream = WriteDeadline::new(stream, http.options.write_timeout, http.metrics.clone());
            let tls = tls.clone();
            async move {
                let connection = accept(tls.as_deref(), stream).await?;
                Ok((connection, Protocol::Http1, peer))
            }
        })
        .and_then(http_1)
    };
    Ok(builder
        .listen(name, listener, connections)?
        // By default, actix aborts running requests at SIGINT.
        .worker_max_blocking_threads(BLOCKING_THREADS))
}
