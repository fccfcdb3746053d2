//! Polling (RFC 8936): the receiver acknowledges tokens and asks for more, without HTTP.

mod request;

use std::collections::{BTreeSet, HashSet};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use scim_model::change::ChangePosition;
use scim_model::store::{RefusedSet, SetDelivery, SetProgress, SetStream, SetStreamStatus, StoreError};
use serde_json::{Map, Value, json};
use uuid::Uuid;

pub use self::request::{InvalidPoll, PollRequest};
use super::key_ring::KeyRingError;
use super::outstanding::{OutstandingError, read};
use super::stream::{StreamParts, algorithm, event_token, paused, token_settings};
use super::token::{Token, TokenSettings};
use super::token_id::TokenId;
use crate::clock;

/// The most tokens in an answer.
const MAX_SETS: usize = 100;

/// The tokens after the first one that is not acknowledged, among which later ones can be acknowledged.
const MAX_AHEAD: usize = 1_000;

/// Entries of the journal that one attempt looks at.
const MAX_ENTRIES: usize = 10_000;

/// The time after which a waiting poll looks for events about the stream.
pub const LOOK: Duration = Duration::from_secs(1);

/// The longest time that a poll waits for tokens.
pub const POLL_TIMEOUT: Duration = Duration::from_secs(30);

/// The answer to a poll.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PollAnswer {
    /// The identities and the signed tokens, oldest first.
    pub sets: Vec<(String, String)>,
    /// Whether there are more tokens now.
    pub more_available: bool,
}

impl PollAnswer {
    /// Returns the JSON of RFC 8936 section 2.3, whose members are in the order of the tokens.
    pub fn to_json(&self) -> Value {
        let sets = self
            .sets
            .iter()
            .map(|(jti, set)| (jti.clone(), Value::from(set.as_str())));
        json!({"sets": sets.collect::<Map<_, _>>(), "moreAvailable": self.more_available})
    }
}

/// An attempt to answer a poll.
#[derive(Clone, Debug)]
pub struct PollAttempt {
    /// The answer.
    pub answer: PollAnswer,
    /// Whether it is sent now. Otherwise the poll waits for tokens.
    pub is_final: bool,
    /// Whether the next attempt should be made at once, because the journal has more entries.
    pub is_behind: bool,
    /// The last number such that all entries up to it were visible, see [`Waiter`](crate::delivery::feed_signal::Waiter).
    pub visible_up_to: i64,
}

/// The reason why a poll has no answer.
#[derive(Debug, thiserror::Error)]
pub enum PollError {
    /// There is no such stream, or its receiver does not poll.
    #[error("there is no stream `{0}` whose receiver polls")]
    NoStream(Uuid),
    /// The stream cannot be served by this server.
    #[error("the stream `{0}` cannot be served: {1}")]
    Unusable(Uuid, String),
    /// A token could not be signed.
    #[error(transparent)]
    Key(#[from] KeyRingError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system starts no more threads.
    #[error("polls cannot wait: {0}")]
    Waiting(#[from] std::io::Error),
}

/// Answers a poll: stores what the receiver acknowledges, and waits for tokens if there are none and the receiver wants
/// to wait, for at most `timeout`.
///
/// # Errors
/// See [`PollError`].
pub fn poll(
    parts: &StreamParts,
    id: Uuid,
    mut request: PollRequest,
    timeout: Duration,
) -> Result<PollAnswer, PollError> {
    let end = Instant::now() + timeout;
    let waiter = parts.feed.waiter()?;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let attempt = attempt(parts, id, &request, left <= LOOK, clock::now())?;
        if attempt.is_final || left.is_zero() {
            return Ok(attempt.answer);
        }
        request.acknowledged();
        if !attempt.is_behind {
            waiter.wait(attempt.visible_up_to, left.min(LOOK));
        }
    }
}

/// Stores what the receiver acknowledges, and returns the tokens that there are now. The tokens are the oldest ones that
/// are not acknowledged, so that a token that was lost comes again. `is_last` says whether the poll ends soon: until then,
/// a position that moves past changes without tokens is not stored.
///
/// # Errors
/// See [`PollError`].
pub fn attempt(
    parts: &StreamParts,
    id: Uuid,
    request: &PollRequest,
    is_last: bool,
    now: DateTime<Utc>,
) -> Result<PollAttempt, PollError> {
    let stream = parts
        .store
        .set_stream(id)?
        .filter(|it| it.settings.delivery == SetDelivery::Poll);
    let stream = stream.ok_or(PollError::NoStream(id))?;
    let unusable = |problem| PollError::Unusable(id, problem);
    let settings = token_settings(&stream).map_err(unusable)?;
    let algorithm = algorithm(&stream).map_err(unusable)?;
    let most = request.max_events.map_or(MAX_SETS, |it| it.min(MAX_SETS));
    let mut work = Work::new(parts, &stream, &settings, request, most)?;
    work.take_events()?;
    if stream.state.status != SetStreamStatus::Disabled {
        work.scan(now)?;
    }
    let only_acknowledges = most == 0 && request.has_acknowledgements();
    let is_final = !work.tokens.is_empty() || request.return_immediately || only_acknowledges;
    // A position that is far ahead is stored too: the next attempt continues there.
    work.store(is_final || is_last || work.is_behind, now)?;
    let mut answer = PollAnswer {
        sets: Vec::new(),
        more_available: work.has_more,
    };
    for token in &work.tokens {
        let set = parts.security_events.ring.sign(algorithm, token, now)?;
        answer.sets.push((token.id.to_string(), set));
    }
    Ok(PollAttempt {
        is_final,
        answer,
        is_behind: work.is_behind,
        visible_up_to: work.visible_up_to,
    })
}

/// The work of an attempt.
struct Work<'a> {
    parts: &'a StreamParts,
    stream: &'a SetStream,
    settings: &'a TokenSettings,
    request: &'a PollRequest,
    most: usize,
    /// Tokens that were finished before.
    finished: HashSet<String>,
    /// The acknowledgements that belong to no token so far.
    acknowledged: BTreeSet<&'a str>,
    tokens: Vec<Token>,
    has_more: bool,
    is_behind: bool,
    visible_up_to: i64,
    progress: SetProgress,
}

impl<'a> Work<'a> {
    fn new(
        parts: &'a StreamParts,
        stream: &'a SetStream,
        settings: &'a TokenSettings,
        request: &'a PollRequest,
        most: usize,
    ) -> Result<Work<'a>, PollError> {
        Ok(Work {
            parts,
            stream,
            settings,
            request,
            most,
            finished: parts.store.finished_sets(stream.id)?.into_iter().collect(),
            acknowledged: request.finished(),
            tokens: Vec::new(),
            has_more: false,
            is_behind: false,
            visible_up_to: 0,
            progress: SetProgress::unchanged(stream.id, stream.revision, stream.position),
        })
    }

    /// Takes the events about the stream, which come first.
    fn take_events(&mut self) -> Result<(), StoreError> {
        let events = self
            .parts
            .store
            .set_stream_events(self.stream.id, MAX_SETS as u32)?;
        for event in events {
            let Some(token) = event_token(self.settings, &event) else {
                continue;
            };
            if self.acknowledged.remove(&*token.id.to_string()) {
                self.progress.finished_events.push(event.id);
            } else {
                self.offer(token);
            }
        }
        Ok(())
    }

    fn offer(&mut self, token: Token) {
        match self.tokens.len() < self.most {
            true => self.tokens.push(token),
            false => self.has_more = true,
        }
    }

    /// Looks at the changes after the position until there are enough tokens, and every acknowledgement that can belong
    /// to a token was found.
    fn scan(&mut self, now: DateTime<Utc>) -> Result<(), StoreError> {
        let is_paused = self.stream.state.status == SetStreamStatus::Paused;
        let (mut after, mut entries, mut ahead) = (self.stream.position, 0, 0);
        let mut is_first = true;
        while !(is_paused && self.acknowledged.is_empty()) {
            let page = match read(self.parts, self.stream, self.settings, after) {
                Ok(page) => page,
                Err(OutstandingError::Store(error)) => return Err(error),
                Err(OutstandingError::Gap(reason)) => {
                    self.progress.new_state = Some(paused(reason.explanation(), now));
                    return Ok(());
                }
            };
            self.visible_up_to = page.visible_up_to;
            for (position, tokens) in page.changes {
                entries += 1;
                for token in tokens {
                    let is_finished = self.take(&token, position);
                    is_first &= is_finished;
                    ahead += usize::from(!is_first);
                    if !is_finished && !is_paused {
                        self.offer(token);
                    }
                }
                if is_first {
                    self.progress.position = position;
                }
                if ahead >= MAX_AHEAD {
                    return Ok(());
                }
            }
            if is_first {
                self.progress.position = page.last;
            }
            if !page.more || self.has_more && self.acknowledged.is_empty() {
                return Ok(());
            }
            if entries >= MAX_ENTRIES {
                self.is_behind = true;
                return Ok(());
            }
            after = page.last;
        }
        Ok(())
    }

    /// Returns whether a token is finished, now or since before.
    fn take(&mut self, token: &Token, position: ChangePosition) -> bool {
        let jti = token.id.to_string();
        if self.acknowledged.remove(&*jti) && !self.finished.contains(&jti) {
            self.progress.finished.push((jti.clone(), position.sequence));
            self.finished.insert(jti);
            return true;
        }
        self.finished.contains(&jti)
    }

    /// Stores the acknowledgements before the answer is sent, and the position with them or at the end.
    fn store(&mut self, is_end: bool, now: DateTime<Utc>) -> Result<(), StoreError> {
        let progress = &mut self.progress;
        let finished = progress.finished.iter().map(|(jti, _)| jti.as_str());
        let stream = self.stream.id;
        let events = progress
            .finished_events
            .iter()
            .map(|it| TokenId::Stream { stream, event: *it }.to_string());
        let events: Vec<String> = events.collect();
        let finished: HashSet<&str> = finished.chain(events.iter().map(String::as_str)).collect();
        let refused = self
            .request
            .set_errs
            .iter()
            .filter(|(jti, _)| finished.contains(jti.as_str()));
        let refused = refused.map(|(jti, error)| RefusedSet {
            jti: jti.clone(),
            error: error.err.clone(),
            description: error.description.clone(),
            at: now,
        });
        progress.refused = refused.collect();
        let is_unchanged = finished.is_empty()
            && (progress.position == self.stream.position || !is_end)
            && progress.new_state.is_none();
        if is_unchanged {
            return Ok(());
        }
        for it in &progress.refused {
            log::warn!(
                "the receiver of the stream {stream} refused the token {}: {}",
                it.jti,
                it.error
            );
        }
        if !self.parts.store.store_set_progress(progress)? {
            // An operator changed the stream at this moment. The receiver acknowledges again what it gets again.
            self.tokens.clear();
        }
        Ok(())
    }
}
