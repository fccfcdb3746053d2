//! Sockets and signals: starting the HTTP service, and its graceful shutdown.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::{App, HttpServer};

use super::{Http, routes};

/// The deadline for receiving the headers of a request. Bodies have their own deadline.
const HEADER_DEADLINE: Duration = Duration::from_secs(5);

/// The time after which an idle connection is closed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The time that running requests get to finish after a signal.
const GRACE_SECONDS: u64 = 20;

/// The number of threads for blocking work in each worker. It exceeds the number of processors, because most threads
/// wait for a commit that they share.
const BLOCKING_THREADS: usize = 64;

/// Starts a server on a listening socket. When `stop` completes, the server refuses new connections, finishes the
/// running requests and ends.
pub fn listen(
    http: Arc<Http>,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<Server> {
    let until_stop = {
        let http = http.clone();
        async move {
            stop.await;
            http.begin_shutdown();
        }
    };
    let server = HttpServer::new(move || App::new().configure(routes(http.clone())))
        .listen(listener)?
        // By default, actix aborts running requests at SIGINT.
        .shutdown_signal(until_stop)
        .shutdown_timeout(GRACE_SECONDS)
        .client_request_timeout(HEADER_DEADLINE)
        .keep_alive(KEEP_ALIVE)
        .worker_max_blocking_threads(BLOCKING_THREADS)
        .run();
    Ok(server)
}

/// Returns a future that completes at SIGTERM or SIGINT.
///
/// # Errors
/// The operating system does not allow a handler for the signals.
#[cfg(unix)]
pub fn termination() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    use std::future::poll_fn;
    use std::task::Poll;

    use actix_web::rt::signal::unix::{SignalKind, signal};

    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    Ok(poll_fn(move |context| {
        let came = term.poll_recv(context).is_ready() || int.poll_recv(context).is_ready();
        if came { Poll::Ready(()) } else { Poll::Pending }
    }))
}

/// Returns a future that completes at Ctrl-C.
#[cfg(not(unix))]
pub fn termination() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    Ok(async {
        let _ = actix_web::rt::signal::ctrl_c().await;
    })
}
