-- Endpoints of webhooks. `tenants` is a JSON array of ids, or null for all; `types` is a JSON array. `position` is the
-- place in the journal up to which nothing is left to read. Headers and secrets are sealed.
CREATE TABLE webhook_endpoint (
  id              BYTEA NOT NULL PRIMARY KEY,
  url             TEXT NOT NULL,
  tenants         TEXT,
  types           TEXT NOT NULL,
  full_view       BOOLEAN NOT NULL,
  headers         BYTEA,
  created         BIGINT NOT NULL,
  position        TEXT NOT NULL,
  revision        BIGINT NOT NULL,
  queued          BIGINT NOT NULL,
  disabled_reason TEXT,
  disabled_at     BIGINT,
  failing_since   BIGINT,
  slow_until      BIGINT,
  lease_owner     BYTEA,
  lease_until     BIGINT
);

CREATE TABLE webhook_secret (
  id       BYTEA NOT NULL PRIMARY KEY,
  endpoint BYTEA NOT NULL REFERENCES webhook_endpoint (id) ON DELETE CASCADE,
  sealed   BYTEA NOT NULL,
  created  BIGINT NOT NULL,
  expires  BIGINT
);
CREATE INDEX webhook_secret_endpoint ON webhook_secret (endpoint);

-- Messages that failed, that wait for an earlier message of the same resource, or that were given up. Their content is
-- in the journal.
CREATE TABLE webhook_message (
  endpoint     BYTEA NOT NULL REFERENCES webhook_endpoint (id) ON DELETE CASCADE,
  message      TEXT COLLATE "C" NOT NULL,
  resource     TEXT,
  attempts     BIGINT NOT NULL,
  next_attempt BIGINT,
  dead         BOOLEAN NOT NULL,
  error        TEXT,
  since        BIGINT NOT NULL,
  PRIMARY KEY (endpoint, message)
);
CREATE INDEX webhook_message_dead ON webhook_message (since) WHERE dead;

-- The attempts. `id` increases with time.
CREATE TABLE webhook_delivery (
  endpoint     BYTEA NOT NULL REFERENCES webhook_endpoint (id) ON DELETE CASCADE,
  id           BYTEA NOT NULL,
  message      TEXT NOT NULL,
  at           BIGINT NOT NULL,
  attempt      BIGINT NOT NULL,
  status       BIGINT,
  milliseconds BIGINT NOT NULL,
  error        TEXT,
  response     TEXT NOT NULL,
  PRIMARY KEY (endpoint, id)
);
CREATE INDEX webhook_delivery_at ON webhook_delivery (at);

-- The servers that deliver, with the time of their last sign of life.
CREATE TABLE webhook_worker (
  id   BYTEA NOT NULL PRIMARY KEY,
  seen BIGINT NOT NULL
);
