//! A connection with or without TLS.

use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::rt::time::timeout;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Tls;
use crate::http::write_deadline::WriteDeadline;

/// The time for a handshake, after which a silent client is disconnected.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(5);

/// A connection with or without TLS. The deadline for writing is below TLS, where the client takes bytes or not.
pub(in crate::http) enum Connection {
    Plain(WriteDeadline),
    Tls(Box<TlsStream<WriteDeadline>>),
}

/// Returns the connection, after the handshake if the listener has TLS.
///
/// # Errors
/// The client does not speak TLS 1.2 or 1.3, lacks a certificate that is demanded, or is too slow.
pub(in crate::http) async fn accept(tls: Option<&Tls>, stream: WriteDeadline) -> io::Result<Connection> {
    let Some(tls) = tls else {
        return Ok(Connection::Plain(stream));
    };
    let handshake = TlsAcceptor::from(tls.loaded().config).accept(stream);
    let result = match timeout(HANDSHAKE_DEADLINE, handshake).await {
        Ok(result) => result,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    };
    result
        .map(|stream| Connection::Tls(Box::new(stream)))
        .inspect_err(|error| {
            tls.failed_handshakes.fetch_add(1, Ordering::Relaxed);
            let listener = tls.listener();
            match error.kind() {
                // A probe that only connects, or a client that goes away.
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::TimedOut => {
                    log::debug!("a TLS handshake of the listener `{listener}` ended early: {error}");
                }
                _ => log::info!("a TLS handshake of the listener `{listener}` failed: {error}"),
            }
        })
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Connection::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Connection::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Connection::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Connection::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Connection::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Connection::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Connection::Plain(stream) => stream.is_write_vectored(),
            Connection::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Connection::Plain(stream) => Pin::new(stream).poll_flush(context),
            Connection::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Connection::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Connection::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
