//! Bodies of responses, which are sent and read in pieces.
//!
//! A piece is made when the connection can take it. A client that does not read therefore occupies the memory of one
//! part of its response, but no thread and no connection to the database.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::HttpResponseBuilder;
use actix_web::body::{BodySize, MessageBody};
use actix_web::http::header::CONTENT_TYPE;
use actix_web::rt::time::sleep;
use actix_web::web::Bytes;
use scim_model::store::StoreError;

use crate::http::auth::Caller;
use crate::http::error::Failure;
use crate::http::in_flight::Reservation;
use crate::http::media_type;
use crate::service::{Content, Error, Next, Unread};

/// Bodies up to this size are sent at once; larger ones in pieces of this size.
const PIECE: usize = 64 * 1024;

/// The memory for the next part of a response, which is reserved before the part is read. Stores return about as much at
/// once.
const NEXT_PART: usize = 4 * 1024 * 1024;

/// The attempts to read the next part of a response while the server is overloaded, and the time between two.
const ATTEMPTS: u32 = 60;
const PAUSE: Duration = Duration::from_millis(500);

/// Returns a response with SCIM content for a client.
///
/// # Errors
/// `Overloaded` when the responses of all clients, or of all clients of the tenant, take too much memory.
pub(super) fn with_content(
    mut response: HttpResponseBuilder,
    caller: &Caller,
    mut content: Content,
) -> Result<HttpResponse, Failure> {
    response.insert_header((CONTENT_TYPE, media_type::SCIM_JSON));
    let length = content.length();
    if length.is_some_and(|it| it <= PIECE) {
        return Ok(match content.next_part() {
            Some(Next::Text(text)) => response.body(text),
            _ => response.finish(),
        });
    }
    let reservation = caller.http.in_flight.reserve(content.tenant(), content.memory());
    let size = match length {
        Some(length) => BodySize::Sized(length as u64),
        None => BodySize::Stream,
    };
    Ok(response.body(Streamed {
        caller: caller.clone(),
        size,
        text: Bytes::new(),
        state: State::Waiting(Source {
            content: Arc::new(Mutex::new(content)),
            reservation: reservation.ok_or(Error::Overloaded)?,
        }),
    }))
}

struct Streamed {
    caller: Caller,
    size: BodySize,
    /// The part that is being sent.
    text: Bytes,
    state: State,
}

enum State {
    /// Waiting for the client to take the text.
    Waiting(Source),
    /// Waiting for the store to return the next part.
    Reading(Pin<Box<dyn Future<Output = Result<Source, Failure>>>>),
    Ended,
}

struct Source {
    /// Shared with the thread that reads.
    content: Arc<Mutex<Content>>,
    reservation: Reservation,
}

/// The error that ends a response early. The connection is closed, so the client notices that the body is incomplete.
#[derive(Debug)]
struct Aborted;

impl fmt::Display for Aborted {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("the rest of the response cannot be read")
    }
}

impl std::error::Error for Aborted {}

impl MessageBody for Streamed {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = &mut *self;
        loop {
            if !this.text.is_empty() {
                let length = this.text.len().min(PIECE);
                return Poll::Ready(Some(Ok(this.text.split_to(length))));
            }
            let source = match &mut this.state {
                State::Waiting(source) => source,
                State::Reading(reading) => {
                    this.state = match ready!(reading.as_mut().poll(context)) {
                        Ok(source) => State::Waiting(source),
                        Err(failure) => {
                            log_abort(&failure);
                            this.state = State::Ended;
                            return Poll::Ready(Some(Err(Box::new(Aborted))));
                        }
                    };
                    continue;
                }
                State::Ended => return Poll::Ready(None),
            };
            let mut content = source.content.lock().unwrap_or_else(PoisonError::into_inner);
            let next = content.next_part();
            let memory = content.memory();
            drop(content);
            match next {
                Some(Next::Text(text)) => {
                    source.reservation.set(memory + text.len());
                    this.text = text.into();
                }
                Some(Next::Unread(unread)) => {
                    let State::Waiting(source) = std::mem::replace(&mut this.state, State::Ended) else {
                        return Poll::Ready(None);
                    };
                    this.state = State::Reading(Box::pin(read(this.caller.clone(), source, unread)));
                }
                None => this.state = State::Ended,
            }
        }
    }
}

/// Reads the next part. The client has the beginning of the response already, so it has to wait while the server is
/// overloaded or the database is busy.
async fn read(caller: Caller, mut source: Source, unread: Unread) -> Result<Source, Failure> {
    let unread = Arc::new(unread);
    let mut attempts = 0;
    loop {
        attempts += 1;
        let failure = if source.reservation.grow(NEXT_PART) {
            let (content, unread) = (source.content.clone(), unread.clone());
            let reading = caller.call(move |service, _| {
                let mut content = content.lock().unwrap_or_else(PoisonError::into_inner);
                service.read_next(&mut content, &unread)
            });
            match reading.await {
                Ok(()) => return Ok(source),
                Err(failure) => failure,
            }
        } else {
            Error::Overloaded.into()
        };
        let is_temporary = matches!(
            failure,
            Failure::Service(Error::Overloaded | Error::Store(StoreError::Busy))
        );
        if !is_temporary || attempts >= ATTEMPTS {
            return Err(failure);
        }
        let memory = source
            .content
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .memory();
        source.reservation.set(memory);
        sleep(PAUSE).await;
    }
}

fn log_abort(failure: &Failure) {
    match failure.log_message() {
        Some((level, text)) => log::log!(level, "a response was ended early: {text}"),
        None => log::warn!("a response was ended early: {failure}"),
    }
}
