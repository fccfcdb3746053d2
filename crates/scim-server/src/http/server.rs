//! Sockets and signals: how the HTTP service listens, and how it ends.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::{App, HttpServer};

use super::{Http, routes};

/// Headers must have arrived by then; bodies have a deadline of their own.
const HEADER_DEADLINE: Duration = Duration::from_secs(5);

/// An idle connection is closed after this time.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Requests that have begun may take so long after a signal.
const GRACE_SECONDS: u64 = 20;

/// Work that may block has so many threads in each worker. Most of them wait for a commit that
/// they share, so there are more of them than processors.
const BLOCKING_THREADS: usize = 64;

/// A server on a socket that listens already. It ends when `stop` does: new connections are
/// refused then, and requests that have begun are finished.
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
        // actix would cut requests off at SIGINT.
        .shutdown_signal(until_stop)
        .shutdown_timeout(GRACE_SECONDS)
        .client_request_timeout(HEADER_DEADLINE)
        .keep_alive(KEEP_ALIVE)
        .worker_max_blocking_threads(BLOCKING_THREADS)
        .run();
    Ok(server)
}

/// Ends with SIGTERM or SIGINT.
///
/// # Errors
/// When the system does not let the signals be caught.
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

/// Ends with Ctrl-C.
#[cfg(not(unix))]
pub fn termination() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    Ok(async {
        let _ = actix_web::rt::signal::ctrl_c().await;
    })
}
