//! Connections whose client has to read: a response that it does not take is given up.
//!
//! actix-web has deadlines for requests only. A client that sends a request and never reads the response would hold its
//! connection, and the part of the response that is in memory, for as long as it likes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use actix_web::rt::time::{Sleep, sleep};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::metrics::Metrics;

/// The bytes that a client has to take within twice the time limit, so that a few bytes now and then do not keep a
/// connection open.
const LEAST_BYTES: usize = 64 * 1024;

/// The bytes that the operating system may hold unsent for a connection, where it can limit them. With megabytes in
/// its buffers, a client that reads slowly would look like one that does not read.
#[cfg(any(target_os = "linux", target_os = "android"))]
const MAX_UNSENT: u32 = 128 * 1024;

/// A connection that fails when its client takes nothing for `time_limit`, or almost nothing for twice as long, while
/// there is something to send.
pub(super) struct WriteDeadline {
    stream: TcpStream,
    time_limit: Duration,
    /// Since the client last had taken everything.
    stalled: Option<Stalled>,
    metrics: Arc<Metrics>,
}

/// A write that the operating system cannot take yet.
struct Stalled {
    end_of_period: Pin<Box<Sleep>>,
    /// The bytes that were taken in this period.
    taken: usize,
    /// The bytes that were taken in the period before.
    taken_before: Option<usize>,
}

impl Stalled {
    fn is_too_slow(&self) -> bool {
        let of_two_periods = self.taken_before.map(|it| it + self.taken);
        self.taken == 0 || of_two_periods.is_some_and(|it| it < LEAST_BYTES)
    }
}

impl WriteDeadline {
    pub(super) fn new(stream: TcpStream, time_limit: Duration, metrics: Arc<Metrics>) -> WriteDeadline {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Err(error) = socket2::SockRef::from(&stream).set_tcp_notsent_lowat(MAX_UNSENT) {
            log::debug!("the buffer of a connection stays as large as it is: {error}");
        }
        WriteDeadline {
            stream,
            time_limit,
            stalled: None,
            metrics,
        }
    }

    /// Waits for a client that does not take anything now, or gives it up.
    fn poll_stalled(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let time_limit = self.time_limit;
        let stalled = self.stalled.get_or_insert_with(|| Stalled {
            end_of_period: Box::pin(sleep(time_limit)),
            taken: 0,
            taken_before: None,
        });
        loop {
            ready!(stalled.end_of_period.as_mut().poll(context));
            if stalled.is_too_slow() {
                self.give_up();
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            *stalled = Stalled {
                end_of_period: Box::pin(sleep(time_limit)),
                taken: 0,
                taken_before: Some(stalled.taken),
            };
        }
    }

    /// Makes the operating system drop what it still holds for the client. The client gets a reset, and cannot take
    /// the response for a whole one.
    fn give_up(&self) {
        self.metrics.count_slow_client();
        log::info!("a client did not read its response and was disconnected");
        if let Err(error) = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)) {
            log::debug!("a connection closes slowly: {error}");
        }
    }

    fn poll_taken(
        &mut self,
        context: &mut Context<'_>,
        taken: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match taken {
            Poll::Pending => self.poll_stalled(context),
            Poll::Ready(Ok(number)) => {
                if let Some(stalled) = &mut self.stalled {
                    stalled.taken += number;
                }
                Poll::Ready(Ok(number))
            }
            error => error,
        }
    }
}

impl AsyncWrite for WriteDeadline {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let taken = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.poll_taken(context, taken)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let taken = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.poll_taken(context, taken)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// actix-http flushes when it has written everything that it has.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stalled = None;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl AsyncRead for WriteDeadline {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Read;
    use std::net::TcpListener;
    use std::time::Instant;

    use super::*;
    use crate::http::in_flight::InFlight;

    const TIME_LIMIT: Duration = Duration::from_millis(400);

    /// Sends this many bytes to a client, whose actions are `client`. Returns the result, and the time that it took.
    fn send(
        bytes: usize,
        client: impl FnOnce(std::net::TcpStream) + Send + 'static,
    ) -> (io::Result<()>, Duration) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let client = std::thread::spawn(move || {
            client(std::net::TcpStream::connect(address).expect("it accepts"));
        });
        let (accepted, _) = listener.accept().expect("a client connects");
        let began = Instant::now();
        let sent = actix_web::rt::System::new().block_on(async {
            accepted.set_nonblocking(true)?;
            let metrics = Arc::new(Metrics::new(
                Default::default(),
                InFlight::new(0),
                Default::default(),
                Default::default(),
                0,
            ));
            let mut stream = WriteDeadline::new(TcpStream::from_std(accepted)?, TIME_LIMIT, metrics.clone());
            let chunk = vec![b'x'; 64 * 1024];
            let mut left = bytes;
            while left > 0 {
                let piece = &chunk[..left.min(chunk.len())];
                let written = poll_fn(|it| Pin::new(&mut stream).poll_write(it, piece)).await;
                assert_eq!(metrics.slow_clients(), u64::from(written.is_err()));
                left -= written?;
            }
            poll_fn(|it| Pin::new(&mut stream).poll_flush(it)).await
        });
        let took = began.elapsed();
        client.join().expect("the client does not fail");
        (sent, took)
    }

    /// Larger than the buffers of both ends.
    const LARGE: usize = 64 * 1024 * 1024;

    #[test]
    fn a_client_that_does_not_read_is_disconnected_after_the_time_limit() {
        let (sent, took) = send(LARGE, |mut it| {
            std::thread::sleep(TIME_LIMIT * 4);
            // The connection was reset, which a client cannot take for the end of a response.
            let end = it.read_to_end(&mut Vec::new());
            assert_eq!(
                end.expect_err("it is reset").kind(),
                io::ErrorKind::ConnectionReset
            );
        });
        assert_eq!(sent.expect_err("it is given up").kind(), io::ErrorKind::TimedOut);
        assert!(took >= TIME_LIMIT && took < TIME_LIMIT * 4, "{took:?}");
    }

    #[test]
    fn a_client_that_reads_a_few_bytes_now_and_then_is_disconnected() {
        let (sent, _) = send(LARGE, |mut it| {
            for _ in 0..20 {
                assert!(it.read(&mut [0; 16]).is_ok_and(|it| it > 0));
                std::thread::sleep(TIME_LIMIT / 4);
            }
        });
        assert_eq!(sent.expect_err("it is given up").kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn a_client_that_reads_slowly_stays_connected() {
        let bytes = 4 * 1024 * 1024;
        let (sent, took) = send(bytes, move |mut it| {
            let mut buffer = vec![0; 128 * 1024];
            let mut left = bytes;
            while left > 0 {
                left -= it.read(&mut buffer).expect("it is connected");
                std::thread::sleep(TIME_LIMIT / 8);
            }
        });
        sent.expect("the client has read everything");
        assert!(took > TIME_LIMIT, "{took:?}");
    }

    #[test]
    fn a_client_that_has_taken_everything_may_wait() {
        let (sent, _) = send(1_000, |_| std::thread::sleep(TIME_LIMIT * 2));
        sent.expect("it fits into the buffers");
    }
}
