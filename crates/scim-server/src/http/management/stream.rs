//! The feed as server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
//!
//! A task reads pages and passes blocks to the body through a channel with room for one, so that a client that does not
//! read holds one page and a few blocks, see [`BOUNDS`]. [`WriteDeadline`](crate::http::write_deadline) disconnects such a
//! client.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::feed::{self, SHUTDOWN_CHECK};
use super::operator::Operator;
use super::problem::Problem;
use super::resource::Answer;
use super::streams::Slot;
use crate::delivery::event::{Event, EventId};
use crate::delivery::feed::{After, FeedPage, FeedRequest, PageBounds};
use crate::delivery::feed_signal::Waiter;
use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody};
use actix_web::http::header::CONTENT_TYPE;
use actix_web::rt::time::{sleep, timeout};
use actix_web::web::Bytes;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Events on one page of a stream.
const PAGE: u32 = 100;

/// The bounds of a page of a stream. The client gets an id after as many entries without an event for it.
const BOUNDS: PageBounds = PageBounds::STREAM;

/// The longest time without a byte. Proxies close connections that are silent; it is a little less than 15 seconds, because
/// the task looks at the time twice a second.
const HEARTBEAT: Duration = Duration::from_secs(14);

/// The time between two looks at whether the key is still valid.
const KEY_CHECK: Duration = Duration::from_secs(5);

// A stream ends within ten seconds after its key, also when the store does not answer one of the looks.
const _: () = assert!(KEY_CHECK.as_secs() * 2 <= 10);

/// The time after which a stream ends. The client continues where it ended.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// The time for which a client may take nothing.
const STALLED: Duration = Duration::from_secs(30);

/// The time after which a page is read again when the store did not answer.
const RETRY: Duration = Duration::from_secs(1);

/// Answers with a stream. The first page is read before the answer, so that a position that is lost is an error.
pub(super) async fn open(operator: Operator, wanted: FeedRequest) -> Answer {
    if operator.http.http.is_shutting_down() {
        return Err(Problem::unavailable("the server is stopping"));
    }
    let slot = operator.http.streams.open(operator.key.id)?;
    let waiter = feed::waiter(&operator.http.management.webhooks.feed)?;
    let request = FeedRequest {
        limit: PAGE,
        bounds: BOUNDS,
        ..wanted
    };
    let first = feed::page(&operator, &request).await?;
    let (sender, receiver) = channel(1);
    let now = Instant::now();
    let stream = Stream {
        operator,
        request,
        sender,
        shown: None,
        skipped: 0,
        began: now,
        key_checked: now,
        sent: now,
        _slot: slot,
    };
    actix_web::rt::spawn(stream.run(first, waiter));
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header(("x-accel-buffering", "no"))
        .body(Body(receiver)))
}

/// A stream that is open.
struct Stream {
    operator: Operator,
    request: FeedRequest,
    sender: Sender<Bytes>,
    /// The last id that the client has.
    shown: Option<EventId>,
    /// The number of entries after it that have no event for the client.
    skipped: usize,
    began: Instant,
    key_checked: Instant,
    /// The time of the last block.
    sent: Instant,
    _slot: Slot,
}

/// The stream has ended.
struct Ended;

impl Stream {
    async fn run(mut self, first: FeedPage, waiter: Waiter) {
        // The client sees the end of the body, or has gone away itself.
        let _: Result<(), Ended> = self.send_all(first, waiter).await;
    }

    async fn send_all(&mut self, first: FeedPage, mut waiter: Waiter) -> Result<(), Ended> {
        self.send("retry: 5000\n\n".to_owned()).await?;
        let mut page = first;
        loop {
            let events = std::mem::take(&mut page.events);
            if !events.is_empty() {
                self.skipped = 0;
            }
            self.skipped += page.skipped;
            for (id, block) in blocks(events) {
                self.send(block).await?;
                self.shown = Some(id);
            }
            self.request.after = After::Event(page.next);
            // So that the client does not scan again what no event of its filter is in.
            if self.skipped >= BOUNDS.entries {
                self.send_id(page.next).await?;
            }
            while !page.more && !self.wait(&mut waiter, &page).await? {}
            self.check_end().await?;
            self.request.bounds.entries = BOUNDS.entries - self.skipped;
            page = self.next_page().await?;
        }
    }

    /// Waits until there may be later events, and returns whether there may be, but not longer than for one check.
    async fn wait(&mut self, waiter: &mut Waiter, page: &FeedPage) -> Result<bool, Ended> {
        let changed = timeout(SHUTDOWN_CHECK, waiter.changed(page.visible_up_to)).await;
        if self.sent.elapsed() >= HEARTBEAT {
            self.send(": keep-alive\n\n".to_owned()).await?;
            self.send_id(page.next).await?;
        }
        self.check_end().await?;
        Ok(changed.is_ok())
    }

    /// Ends the stream when the server stops, its time is over, or the key is not valid any more.
    async fn check_end(&mut self) -> Result<(), Ended> {
        if self.operator.http.http.is_shutting_down() || self.began.elapsed() >= LONGEST {
            return Err(Ended);
        }
        if self.key_checked.elapsed() >= KEY_CHECK {
            match self.operator.is_still_valid().await {
                Ok(true) => self.key_checked = Instant::now(),
                Ok(false) => return Err(Ended),
                // The store does not answer. A stream without a valid key must not go on for long.
                Err(_) if self.key_checked.elapsed() >= KEY_CHECK * 2 => return Err(Ended),
                Err(_) => {}
            }
        }
        Ok(())
    }

    async fn next_page(&mut self) -> Result<FeedPage, Ended> {
        loop {
            match feed::page(&self.operator, &self.request).await {
                Ok(page) => return Ok(page),
                // The client comes back, and gets the reason as an answer.
                Err(problem) if !problem.is_temporary() => return Err(Ended),
                Err(_) => {
                    sleep(RETRY).await;
                    self.check_end().await?;
                }
            }
        }
    }

    /// Tells the client an id, without an event, unless it has it.
    async fn send_id(&mut self, id: EventId) -> Result<(), Ended> {
        self.skipped = 0;
        if self.shown == Some(id) {
            return Ok(());
        }
        self.send(format!("id: {id}\n\n")).await?;
        self.shown = Some(id);
        Ok(())
    }

    async fn send(&mut self, block: String) -> Result<(), Ended> {
        match timeout(STALLED, self.sender.send(block.into())).await {
            Ok(Ok(())) => {
                self.sent = Instant::now();
                Ok(())
            }
            // The client has gone away, or does not read.
            _ => Err(Ended),
        }
    }
}

/// Returns the blocks of events with their ids, and drops the events, which take more memory.
fn blocks(events: Vec<Event>) -> impl Iterator<Item = (EventId, String)> {
    let blocks: Vec<_> = events.into_iter().map(|it| (it.id, block(&it))).collect();
    blocks.into_iter()
}

/// Returns the block of an event. Its JSON has no line break.
fn block(event: &Event) -> String {
    format!(
        "id: {}\nevent: {}\ndata: {}\n\n",
        event.id,
        event.event_type,
        event.body()
    )
}

/// The body of a stream, which ends with its task.
struct Body(Receiver<Bytes>);

impl MessageBody for Body {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        self.0.poll_recv(context).map(|it| it.map(Ok))
    }
}
