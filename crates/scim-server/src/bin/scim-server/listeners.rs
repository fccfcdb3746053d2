//! The sockets of a server: bound before anything else starts, and served until a signal arrives.

use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use scim_server::cli::exit::Exit;
use scim_server::config::Config;
use scim_server::config::listen::ManagementAddress;
use scim_server::http::management::ManagementHttp;
use scim_server::http::metrics::{self, Exposition};
use scim_server::http::tls::{self, ServerTls};
use scim_server::http::{Http, server};
use scim_server::signals::{Hangups, Termination};
use scim_server::systemd;

use crate::failure::Failure;

/// The sockets of a server.
pub(crate) struct Listeners {
    pub(crate) scim: TcpListener,
    management: Option<TcpListener>,
    /// The deprecated address of the metrics.
    metrics: Option<TcpListener>,
    tls: ServerTls,
    /// The reason why the management listener is missing although it is not off.
    unserved: Option<Failure>,
}

impl Listeners {
    pub(crate) fn bind(config: &Config, tls: ServerTls) -> Result<Listeners, Failure> {
        let scim = bind("--listen", config.listen)?;
        let metrics = config.metrics.map(|it| bind("--metrics-listen", it));
        let (management, unserved) = config.management.map_or(Ok((None, None)), bind_management)?;
        Ok(Listeners {
            scim,
            management,
            metrics: metrics.transpose()?,
            tls,
            unserved,
        })
    }

    /// The URL of the management listener without a path, if there is one.
    pub(crate) fn management_origin(&self) -> io::Result<Option<String>> {
        let Some(listener) = &self.management else {
            return Ok(None);
        };
        let address = listener.local_addr()?;
        Ok(Some(match self.tls.management {
            Some(_) => format!("https://{address}"),
            None => format!("http://{address}"),
        }))
    }

    pub(crate) fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let all = [Some(&self.scim), self.management.as_ref(), self.metrics.as_ref()];
        all.into_iter().flatten().map(TcpListener::local_addr).collect()
    }

    /// Logs what an operator should know. An error that stops the start is reported alone, and so before.
    pub(crate) fn report(&self, warning: Option<&str>) {
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
    pub(crate) async fn serve(
        self,
        http: Arc<Http>,
        operators: Arc<ManagementHttp>,
        exposition: Exposition,
        shutdown_delay: Duration,
    ) -> io::Result<()> {
        // From here on signals are caught. An earlier signal ends the process, which has begun nothing yet.
        let stop = stop_after(Termination::catch()?, http.clone(), shutdown_delay);
        let with_tls = self.tls.all();
        // Without a certificate, and without systemd, SIGHUP still ends a server whose terminal is closed.
        if !with_tls.is_empty() || systemd::is_present() {
            actix_web::rt::spawn(tls::watch(with_tls, Hangups::catch()?));
        }
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
            .map(|it| server::listen_for_operators(operators, it, self.tls.management, until_end));
        let management = management.transpose()?.map(actix_web::rt::spawn);
        let mut scim = pin!(server::listen(http, self.scim, self.tls.scim, stop)?);
        // A server starts when it is polled first.
        if let Poll::Ready(failed) = poll_fn(|context| Poll::Ready(scim.as_mut().poll(context))).await {
            return failed;
        }
        systemd::ready();
        if let Some(watchdog) = systemd::watchdog() {
            actix_web::rt::spawn(watchdog);
        }
        scim.await?;
        drop(end);
        if let Some(management) = management {
            // The task ends with its server, whose error would come too late.
            let _ = management.await;
        }
        Ok(())
    }
}

/// Completes some time after a signal. In this time `/readyz` says that the server ends, so that no new clients are sent to
/// it, and requests are served as before. A second signal ends the time.
async fn stop_after(mut signals: Termination, http: Arc<Http>, delay: Duration) {
    signals.next().await;
    http.begin_shutdown();
    systemd::stopping();
    if !delay.is_zero() {
        log::info!("stopping in {} s: /readyz fails from now on", delay.as_secs());
        let _ = tokio::time::timeout(delay, signals.next()).await;
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
