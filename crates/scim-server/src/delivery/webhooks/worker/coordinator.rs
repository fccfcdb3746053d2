//! The thread that decides: it reads events for its endpoints, starts requests, and stores what became of them.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use scim_model::store::{Leases, StoreError, Webhook, WebhookProgress};
use uuid::Uuid;

use super::super::queue::{Dispatch, MAX_WAITING, Outcome};
use super::super::send::{Attempt, Sent, send};
use super::content::{Body, body};
use super::endpoint::{Endpoint, delivery};
use super::parts::WorkerParts;
use super::places::{Place, Places};
use super::reading::Reading;
use crate::clock;
use crate::delivery::lease::{LEASE, LeaseClock, RENEWAL};

/// The pause between two looks at the journal while there are endpoints.
const POLL: Duration = Duration::from_millis(50);

/// The pause between two looks at the endpoints.
const REFRESH: Duration = Duration::from_secs(1);

/// The pause between two stored positions of an endpoint that wants none of the events.
const POSITIONS: Duration = Duration::from_secs(5);

/// The pause after a failure of the store.
const PAUSE: Duration = Duration::from_secs(1);

/// The time for requests under way when the server stops.
const GRACE: Duration = Duration::from_secs(5);

/// A message to the thread.
pub(super) enum Notice {
    /// A request has ended.
    Finished(Box<Finished>),
    /// The server stops.
    Stop,
}

/// The end of a request.
pub(super) struct Finished {
    endpoint: Uuid,
    generation: u64,
    dispatch: Dispatch,
    place: Place,
    /// The outcome if there was no request.
    result: Result<Sent, Outcome>,
}

/// The state of the thread.
pub(super) struct Coordinator {
    parts: WorkerParts,
    notices: Sender<Notice>,
    inbox: Receiver<Notice>,
    endpoints: BTreeMap<Uuid, Endpoint>,
    reading: Reading,
    lease: LeaseClock,
    leased: Option<Instant>,
    refreshed: Option<Instant>,
    positions_stored: Instant,
    /// Nothing is done before this time, because the store failed.
    paused_until: Option<Instant>,
    generations: u64,
    places: Places,
    /// The endpoint that is served first moves on in each round.
    turn: usize,
}

impl Coordinator {
    pub(super) fn new(parts: WorkerParts, notices: Sender<Notice>, inbox: Receiver<Notice>) -> Coordinator {
        Coordinator {
            reading: Reading::new(parts.journal.clone(), parts.feed.clone()),
            parts,
            notices,
            inbox,
            endpoints: BTreeMap::new(),
            lease: LeaseClock::ended(),
            leased: None,
            refreshed: None,
            positions_stored: Instant::now(),
            paused_until: None,
            generations: 0,
            places: Places::default(),
            turn: 0,
        }
    }

    /// Works until the server stops.
    pub(super) fn run(mut self) {
        while self.wait() {
            if self.paused_until.is_some_and(|it| it > Instant::now()) {
                continue;
            }
            match self.round() {
                Ok(()) if self.paused_until.take().is_some() => log::info!("webhooks are delivered again"),
                Ok(()) => {}
                Err(error) => {
                    if self.paused_until.is_none() {
                        log::warn!("webhooks wait, because the database failed: {error:?}");
                    }
                    self.paused_until = Some(Instant::now() + PAUSE);
                }
            }
        }
        self.shut_down();
    }

    /// Waits for something to do, and takes the results of requests. Returns whether the server goes on.
    fn wait(&mut self) -> bool {
        let pause = match self.endpoints.is_empty() {
            true => REFRESH,
            false => POLL,
        };
        let mut notice = self.inbox.recv_timeout(pause).ok();
        while let Some(it) = notice {
            match it {
                Notice::Stop => return false,
                Notice::Finished(finished) => self.finish(&finished),
            }
            notice = self.inbox.try_recv().ok();
        }
        true
    }

    fn round(&mut self) -> Result<(), StoreError> {
        if self.refreshed.is_none_or(|it| it.elapsed() >= REFRESH) {
            self.refresh()?;
            self.refreshed = Some(Instant::now());
        }
        self.reading.read_for(&mut self.endpoints, clock::now())?;
        // The state that a message depends on is stored before the message is sent.
        self.store()?;
        self.start_requests();
        Ok(())
    }

    /// Takes over changes that operators and other workers have made, and renews the leases.
    fn refresh(&mut self) -> Result<(), StoreError> {
        let mut webhooks = self.parts.store.webhooks()?;
        self.parts.counts.saw(webhooks.iter().map(state));
        let is_active = |it: &&Webhook| it.disabled.is_none();
        if self.endpoints.is_empty() && !webhooks.iter().any(|it| is_active(&it)) {
            return Ok(());
        }
        let is_free = |it: &Webhook| it.lease_owner.is_none();
        let mut extra = 0;
        if self.leased.is_none_or(|it| it.elapsed() >= RENEWAL)
            || webhooks.iter().filter(is_active).any(is_free)
        {
            let leases = self.renew_leases()?;
            extra = leases.ids.len().saturating_sub(leases.share);
            // The worker before may have stored progress after the endpoints were read.
            webhooks = self.parts.store.webhooks()?;
        }
        // Before endpoints are removed, their progress is stored.
        self.store()?;
        self.give_away(extra);
        let mut released = Vec::new();
        let mine: BTreeMap<Uuid, Webhook> = webhooks
            .into_iter()
            .filter(|it| it.lease_owner == Some(self.parts.id))
            .map(|it| (it.id, it))
            .collect();
        self.endpoints.retain(|id, _| mine.contains_key(id));
        for (id, webhook) in mine {
            let is_idle = self.places.of(id) == 0;
            let is_leaving = self.endpoints.get(&id).is_some_and(|it| it.is_leaving);
            if webhook.disabled.is_some() || is_leaving && is_idle {
                self.endpoints.remove(&id);
                released.push(id);
            } else {
                self.update(webhook)?;
            }
        }
        if !released.is_empty() {
            self.parts
                .store
                .release_webhooks(self.parts.id, Some(&released))?;
        }
        Ok(())
    }

    fn renew_leases(&mut self) -> Result<Leases, StoreError> {
        let asked = Instant::now();
        let leases = self.parts.store.lease_webhooks(self.parts.id, LEASE)?;
        self.lease = LeaseClock::asked_for(asked);
        self.leased = Some(asked);
        Ok(leases)
    }

    /// Lets other workers have some endpoints, once no request to them is under way.
    fn give_away(&mut self, number: usize) {
        for endpoint in self.endpoints.values_mut().rev().take(number) {
            endpoint.is_leaving = true;
        }
    }

    /// Begins to serve an endpoint, or takes over its changes.
    fn update(&mut self, webhook: Webhook) -> Result<(), StoreError> {
        let id = webhook.id;
        let messages = || {
            let most = u32::try_from(MAX_WAITING * 2).unwrap_or(u32::MAX);
            self.parts.store.webhook_messages(id, false, None, most)
        };
        match self.endpoints.get_mut(&id) {
            Some(endpoint) if endpoint.webhook.revision == webhook.revision => {
                if endpoint.webhook.queued != webhook.queued {
                    endpoint.queue.add_queued(&messages()?);
                }
                endpoint.refresh(webhook, &self.parts.keys);
            }
            _ => {
                self.generations += 1;
                let messages = messages()?;
                match Endpoint::load(webhook, &messages, &self.parts.keys, self.generations) {
                    Ok(endpoint) => {
                        self.endpoints.insert(id, endpoint);
                    }
                    Err(error) => log::error!("the webhook endpoint {id} gets nothing: {error}"),
                }
            }
        }
        Ok(())
    }

    /// Stores the progress of all endpoints in one transaction.
    fn store(&mut self) -> Result<(), StoreError> {
        let stores_positions = self.positions_stored.elapsed() >= POSITIONS;
        let changed = self.endpoints.values();
        let changed = changed.filter(|it| stores_positions || it.has_urgent_changes());
        let progress: Vec<WebhookProgress> = changed.filter_map(Endpoint::progress).collect();
        if stores_positions {
            self.positions_stored = Instant::now();
        }
        if progress.is_empty() {
            return Ok(());
        }
        let refused = self
            .parts
            .store
            .store_webhook_progress(self.parts.id, &progress)?;
        for it in &progress {
            if let Some(endpoint) = self.endpoints.get_mut(&it.id) {
                endpoint.saved();
            }
            if let Some((reason, _)) = &it.disabled
                && !refused.contains(&it.id)
            {
                log::warn!("the webhook endpoint {} is disabled: {reason}", it.id);
            }
        }
        for id in refused {
            // Another worker has it, or an operator has changed it: the next look at the endpoints tells.
            self.endpoints.remove(&id);
            self.refreshed = None;
        }
        Ok(())
    }

    /// Starts as many requests as the limits permit, one for each endpoint in turn.
    fn start_requests(&mut self) {
        let ids: Vec<Uuid> = self.endpoints.keys().copied().collect();
        if ids.is_empty() {
            return;
        }
        self.turn = (self.turn + 1) % ids.len();
        let mut has_started = true;
        while has_started {
            has_started = false;
            for index in 0..ids.len() {
                let id = ids[(self.turn + index) % ids.len()];
                has_started |= self.start_request(id);
            }
        }
    }

    fn start_request(&mut self, id: Uuid) -> bool {
        let Some(most) = self.lease.time_for_request(Instant::now()) else {
            return false;
        };
        let Some(endpoint) = self.endpoints.get_mut(&id) else {
            return false;
        };
        let is_suspect = endpoint.is_suspect();
        // Requests of an earlier queue end first, so that no message is sent twice at the same time.
        let is_ready = self.places.of(id) == endpoint.queue.in_flight();
        if !is_ready || !self.places.has_room(&endpoint.owners, is_suspect) {
            return false;
        }
        let now = clock::now();
        let Some(dispatch) = endpoint.next(now) else {
            return false;
        };
        let content = endpoint.content(&dispatch);
        let (secrets, headers) = endpoint.credentials(now);
        let full = endpoint.webhook.settings.full;
        let subscription = endpoint.subscription.clone();
        let attempt = Attempt {
            url: endpoint.webhook.settings.url.clone(),
            headers,
            secrets,
            id: dispatch.id.to_string(),
            body: String::new(),
            most,
        };
        let generation = endpoint.generation;
        let place = self.places.take(id, &endpoint.owners, is_suspect);
        let (parts, notices) = (self.parts.clone(), self.notices.clone());
        let finished = move |result| Finished {
            endpoint: id,
            generation,
            dispatch,
            place: place.clone(),
            result,
        };
        let unstarted = finished.clone();
        let request = move || {
            let send = || match body(&*parts.journal, &content, &subscription, full) {
                Ok(Body::Text(body)) => Ok(send(&parts.egress, &Attempt { body, ..attempt }, clock::now())),
                Ok(Body::Lost) => Err(Outcome::Lost),
                Ok(Body::Unwanted) => Err(Outcome::Unwanted),
                Err(_) => Err(Outcome::NotSent),
            };
            // After a panic, the message would always count as under way.
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(send));
            let result = result.unwrap_or(Err(Outcome::NotSent));
            // The receiver is gone when the process ends.
            let _ = notices.send(Notice::Finished(Box::new(finished(result))));
        };
        let started = thread::Builder::new().name("webhook".to_owned()).spawn(request);
        if started.is_err() {
            self.finish(&unstarted(Err(Outcome::NotSent)));
        }
        started.is_ok()
    }

    /// Takes the result of a request.
    fn finish(&mut self, finished: &Finished) {
        self.places.give_back(&finished.place);
        let Some(endpoint) = self.endpoints.get_mut(&finished.endpoint) else {
            return;
        };
        let (id, now) = (finished.dispatch.id, clock::now());
        if let Ok(sent) = &finished.result {
            endpoint.log(delivery(id, finished.dispatch.attempt, sent));
        }
        if endpoint.generation != finished.generation {
            return;
        }
        match &finished.result {
            Ok(sent) => {
                if let Some(error) = &sent.error {
                    log::debug!("webhook endpoint {}: {id}: {error}", finished.endpoint);
                }
                endpoint.finish(id, sent, now, jitter());
            }
            Err(outcome) => endpoint.queue.finish(id, outcome.clone(), now, jitter()),
        }
    }

    /// Waits for requests under way for some seconds, stores what became of them, and ends the leases.
    fn shut_down(&mut self) {
        let end = Instant::now() + GRACE;
        while !self.places.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            match self.inbox.recv_timeout(left) {
                Ok(Notice::Finished(finished)) => self.finish(&finished),
                Ok(Notice::Stop) => {}
                Err(_) => break,
            }
        }
        self.positions_stored = Instant::now()
            .checked_sub(POSITIONS)
            .unwrap_or(self.positions_stored);
        let stored = self.store();
        let released = match self.leased {
            Some(_) => self.parts.store.release_webhooks(self.parts.id, None),
            None => Ok(()),
        };
        if let Err(error) = stored.and(released) {
            log::warn!("the progress of webhooks could not be stored, so some are sent again: {error:?}");
        }
    }
}

/// Returns the state of an endpoint for the metrics.
fn state(webhook: &Webhook) -> &'static str {
    match (&webhook.disabled, webhook.health.failing_since) {
        (Some(_), _) => "disabled",
        (None, Some(_)) => "failing",
        (None, None) => "active",
    }
}

/// A random number from -1 to 1.
fn jitter() -> f64 {
    let mut bytes = [0; 4];
    // Without random bytes, the delays have no jitter.
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX) * 2.0 - 1.0,
        Err(_) => 0.0,
    }
}
