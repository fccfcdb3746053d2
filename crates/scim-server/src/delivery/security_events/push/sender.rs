//! Sending the tokens of one stream.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use scim_model::change::ChangePosition;
use scim_model::store::{
    DeliveryAttempt, RefusedSet, SetDelivery, SetHealth, SetProgress, SetStream, SetStreamStatus, StoreError,
};
use uuid::Uuid;

use super::outcome::{Outcome, delay, judge};
use crate::clock;
use crate::delivery::lease::LeaseClock;
use crate::delivery::logged::logged;
use crate::delivery::security_events::outstanding::{OutstandingError, read};
use crate::delivery::security_events::stream::{StreamParts, algorithm, event_token, paused, token_settings};
use crate::delivery::security_events::token::{Token, TokenSettings};
use crate::egress::{Limits, Method, Oversize, Request};
use crate::jose::SigningAlgorithm;
use crate::sealing::Purpose;

/// The time for a connection, and for everything.
const CONNECT: Duration = Duration::from_secs(5);
const TOTAL: Duration = Duration::from_secs(15);

/// The most bytes of an answer that are read.
const RESPONSE_BYTES: usize = 16 * 1024;

/// Events about a stream that are read at once.
const EVENTS: u32 = 20;

/// Tokens that are sent before the progress is stored. After the end of a process, they are sent again.
const STORED_EVERY: usize = 20;

/// The time without a success after which a stream pauses.
const GIVE_UP_AFTER: TimeDelta = TimeDelta::days(5);

/// The result of a round.
pub(super) enum Round {
    /// There may be more to send.
    Again,
    /// There is nothing to send. The value is the last number such that all entries up to it were visible.
    Idle(i64),
    /// The next token is not sent before this time.
    Until(DateTime<Utc>),
    /// The stream cannot be served by this worker any more, or not now.
    Ended,
}

/// Sends what a stream has, until something fails or nothing is left.
///
/// # Errors
/// The store failed.
pub(super) fn round(
    parts: &StreamParts,
    worker: Uuid,
    id: Uuid,
    lease: &dyn Fn() -> LeaseClock,
) -> Result<Round, StoreError> {
    let Some(stream) = parts.store.set_stream(id)? else {
        return Ok(Round::Ended);
    };
    if stream.state.status == SetStreamStatus::Disabled {
        return Ok(Round::Ended);
    }
    let now = clock::now();
    if let Some(time) = stream.health.next_attempt.filter(|it| *it > now) {
        return Ok(Round::Until(time));
    }
    let mut sender = match Sender::new(parts, worker, &stream, lease) {
        Ok(sender) => sender,
        Err(problem) => {
            log::error!("the stream {id} gets nothing: {problem}");
            return Ok(Round::Until(now + TimeDelta::seconds(30)));
        }
    };
    sender.run()
}

struct Sender<'a> {
    parts: &'a StreamParts,
    stream: &'a SetStream,
    worker: Uuid,
    settings: TokenSettings,
    algorithm: SigningAlgorithm,
    url: &'a str,
    authorization: Option<String>,
    lease: &'a dyn Fn() -> LeaseClock,
    /// The failures, after what happened in this round.
    health: SetHealth,
    progress: SetProgress,
    /// Tokens that were sent since the progress was stored.
    unsaved: usize,
}

/// The reason why nothing more is sent in a round.
enum Stop {
    Until(DateTime<Utc>),
    Ended,
}

impl<'a> Sender<'a> {
    fn new(
        parts: &'a StreamParts,
        worker: Uuid,
        stream: &'a SetStream,
        lease: &'a dyn Fn() -> LeaseClock,
    ) -> Result<Sender<'a>, String> {
        let SetDelivery::Push { url, authorization } = &stream.settings.delivery else {
            return Err("its receiver polls".to_owned());
        };
        let open = |sealed: &Vec<u8>| {
            let opened = parts.keys.open(Purpose::ReceiverAuthorization, stream.id, sealed);
            let opened = opened.map_err(|error| error.to_string())?;
            String::from_utf8(opened).map_err(|error| error.to_string())
        };
        Ok(Sender {
            parts,
            stream,
            settings: token_settings(stream)?,
            algorithm: algorithm(stream)?,
            url,
            authorization: authorization.as_ref().map(open).transpose()?,
            lease,
            health: stream.health,
            worker,
            progress: SetProgress {
                worker: Some(worker),
                ..SetProgress::unchanged(stream.id, stream.revision, stream.position)
            },
            unsaved: 0,
        })
    }

    fn run(&mut self) -> Result<Round, StoreError> {
        let sent = self.send_all();
        // Sent tokens are stored also after a failure of the store.
        let is_stored = self.store()?;
        match sent? {
            _ if !is_stored => Ok(Round::Ended),
            Ok(round) => Ok(round),
            Err(Stop::Until(time)) => Ok(Round::Until(time)),
            Err(Stop::Ended) => Ok(Round::Ended),
        }
    }

    /// The outer error is one of the store.
    fn send_all(&mut self) -> Result<Result<Round, Stop>, StoreError> {
        let events = self.parts.store.set_stream_events(self.stream.id, EVENTS)?;
        let has_more_events = events.len() == EVENTS as usize;
        for event in events {
            if let Some(token) = event_token(&self.settings, &event)
                && let Err(stop) = self.send_event(&token)
            {
                return Ok(Err(stop));
            }
            self.progress.finished_events.push(event.id);
        }
        if has_more_events {
            return Ok(Ok(Round::Again));
        }
        if self.stream.state.status == SetStreamStatus::Paused {
            return Ok(Ok(Round::Idle(i64::MAX)));
        }
        let finished = self.parts.store.finished_sets(self.stream.id)?;
        let page = match read(self.parts, self.stream, &self.settings, self.stream.position) {
            Ok(page) => page,
            Err(OutstandingError::Store(error)) => return Err(error),
            Err(OutstandingError::Gap(reason)) => {
                self.pause(reason.explanation());
                return Ok(Ok(Round::Again));
            }
        };
        for (position, tokens) in &page.changes {
            for token in tokens {
                let jti = token.id.to_string();
                if finished.contains(&jti) {
                    continue;
                }
                if let Err(stop) = self.send_token(token, &jti, *position) {
                    return Ok(Err(stop));
                }
                if self.unsaved >= STORED_EVERY && !self.store()? {
                    return Ok(Err(Stop::Ended));
                }
            }
            self.progress.position = *position;
        }
        self.progress.position = self.progress.position.max(page.last);
        Ok(Ok(match page.more {
            true => Round::Again,
            false => Round::Idle(page.visible_up_to),
        }))
    }

    /// Sends a token about the stream. One that the receiver does not take is given up: it only informs.
    fn send_event(&mut self, token: &Token) -> Result<(), Stop> {
        match self.send(token)? {
            Outcome::Delivered => self.succeeded(),
            Outcome::Retry { error, after } if self.stream.state.status == SetStreamStatus::Enabled => {
                return Err(self.failed(&error, after));
            }
            Outcome::Refused { error, .. } | Outcome::Pause(error) | Outcome::Retry { error, .. } => {
                log::warn!(
                    "the receiver of the stream {} did not take a token about it: {error}",
                    self.stream.id
                );
            }
        }
        Ok(())
    }

    fn send_token(&mut self, token: &Token, jti: &str, position: ChangePosition) -> Result<(), Stop> {
        match self.send(token)? {
            Outcome::Delivered => self.succeeded(),
            Outcome::Refused { error, description } => {
                log::warn!(
                    "the receiver of the stream {} refused the token {jti}: {error}",
                    self.stream.id
                );
                self.succeeded();
                self.progress.refused.push(RefusedSet {
                    jti: jti.to_owned(),
                    error,
                    description,
                    at: clock::now(),
                });
            }
            Outcome::Pause(reason) => {
                self.pause(&reason);
                return Err(Stop::Ended);
            }
            Outcome::Retry { error, after } => return Err(self.failed(&error, after)),
        }
        self.progress.finished.push((jti.to_owned(), position.sequence));
        self.unsaved += 1;
        Ok(())
    }

    fn send(&mut self, token: &Token) -> Result<Outcome, Stop> {
        let began = Instant::now();
        let Some(most) = (self.lease)().time_for_request(began) else {
            return Err(Stop::Ended);
        };
        let now = clock::now();
        let set = match self.parts.security_events.ring.sign(self.algorithm, token, now) {
            Ok(set) => set,
            Err(error) => {
                log::error!("the stream {} gets nothing: {error}", self.stream.id);
                return Err(Stop::Until(now + TimeDelta::seconds(30)));
            }
        };
        let mut headers = vec![
            ("content-type", "application/secevent+jwt"),
            ("accept", "application/json"),
        ];
        headers.extend(self.authorization.as_deref().map(|it| ("authorization", it)));
        let result = self.parts.egress.target(self.url).and_then(|target| {
            let request = Request {
                method: Method::Post,
                target: &target,
                headers: &headers,
                body: set.as_bytes(),
            };
            let limits = Limits {
                connect: CONNECT.min(most),
                total: TOTAL.min(most),
                body: RESPONSE_BYTES,
                oversize: Oversize::Truncate,
            };
            self.parts.egress.send(&request, &limits)
        });
        if let Ok(response) = &result
            && (200..=299).contains(&response.status)
            && response.status != 202
        {
            log::debug!(
                "the receiver of the stream {} answers {} instead of 202",
                self.stream.id,
                response.status
            );
        }
        let outcome = judge(&result, now);
        self.progress.attempts.push(DeliveryAttempt {
            id: clock::new_id(),
            message: token.id.to_string(),
            at: now,
            attempt: self.health.attempts.saturating_add(1),
            status: result.as_ref().ok().map(|it| it.status),
            milliseconds: i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX),
            error: outcome.error(),
            response: result.map(|it| logged(&it.body)).unwrap_or_default(),
        });
        Ok(outcome)
    }

    fn succeeded(&mut self) {
        if self.health != SetHealth::default() {
            self.health = SetHealth::default();
            self.progress.health = Some(self.health);
        }
    }

    /// Notes a failure, and pauses the stream if there was no success for too long.
    fn failed(&mut self, error: &str, asked: Option<TimeDelta>) -> Stop {
        let now = clock::now();
        let attempts = self.health.attempts.saturating_add(1);
        let since = self.health.failing_since.unwrap_or(now);
        let next = now + delay(attempts, asked);
        self.health = SetHealth {
            attempts,
            failing_since: Some(since),
            next_attempt: Some(next),
        };
        self.progress.health = Some(self.health);
        log::warn!(
            "the receiver of the stream {} took no token: {error}",
            self.stream.id
        );
        if now - since >= GIVE_UP_AFTER {
            self.pause(&format!(
                "no success for {} days: {error}",
                GIVE_UP_AFTER.num_days()
            ));
        }
        Stop::Until(next)
    }

    fn pause(&mut self, reason: &str) {
        log::warn!("the stream {} is paused: {reason}", self.stream.id);
        self.progress.new_state = Some(paused(reason, clock::now()));
    }

    /// Stores the progress. Returns whether it was stored.
    fn store(&mut self) -> Result<bool, StoreError> {
        let progress = &self.progress;
        let is_unchanged = progress.position == self.stream.position
            && progress.health.is_none()
            && progress.finished.is_empty()
            && progress.finished_events.is_empty()
            && progress.attempts.is_empty()
            && progress.new_state.is_none();
        if is_unchanged {
            return Ok(true);
        }
        let is_stored = self.parts.store.store_set_progress(progress)?;
        let (revision, position) = (progress.revision, progress.position);
        self.progress = SetProgress::unchanged(self.stream.id, revision, position);
        self.progress.worker = Some(self.worker);
        self.unsaved = 0;
        Ok(is_stored)
    }
}
