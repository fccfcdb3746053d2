-- Endpoints of webhooks. `tenants` is a JSON array of ids, or null for all; `types` is a JSON array. `position` is the
-- place in the journal up to which nothing is left to read. Headers and secrets are sealed.
CREATE TABLE webhook_endpoint (
  id              BLOB NOT NULL PRIMARY KEY,
  url             TEXT NOT NULL,
  tenants         TEXT,
  types           TEXT NOT NULL,
  full_view       BOOLEAN NOT NULL,
  headers         BLOB,
  created         BIGINT NOT NULL,
  position        TEXT NOT NULL,
  revision        BIGINT NOT NULL,
  queued          BIGINT NOT NULL,
  disabled_reason TEXT,
  disabled_at     BIGINT,
  failing_since   BIGINT,
  slow_until      BIGINT,
  lease_owner     BLOB,
  lease_until     BIGINT
) WITHOUT ROWID;

CREATE TABLE webhook_secret (
  id       BLOB NOT NULL PRIMARY KEY,
  endpoint BLOB NOT NULL REFERENCES webhook_endpoint (id) ON DELETE CASCADE,
  sealed   BLOB NOT NULL,
  created  BIGINT NOT NULL,
  expires  BIGINT
) WITHOUT ROWID;
CREATE INDEX webhook_secret_endpoint ON webhook_secret (endpoint);

-- Messages that failed, that wait for an earlier message of the same resource, or that were given up. Their content is
-- in the journal.
CREATE TABLE webhook_message (
  endpoint     BLOB NOT NULL REFERENCES webhook_endpoint (id) ON DELETE CASCADE,
  message      TEXT NOT NULL,
  resource     TEXT,
  attempts     BIGINT NOT NULL,
  next_attempt BIGINT,
  dead         BOOLEAN NOT NULL,
  error        TEXT,
  since        BIGINT NOT NULL,
  PRIMARY KEY (endpoint, message)
) WITHOUT ROWID;
CREATE INDEX webhook_message_dead ON webhook_message (since) WHERE dead;

-- The attempts. `id` increases with time.
CREATE TABLE webhook_delivery (
  endpoint     BLOB NOT NULL REFERENCES webhook_endpoint (id) ON DELETE CASCADE,
  id           BLOB NOT NULL,
  message      TEXT NOT NULL,
  at           BIGINT NOT NULL,
  attempt      BIGINT NOT NULL,
  status       BIGINT,
  milliseconds BIGINT NOT NULL,
  error        TEXT,
  response     TEXT NOT NULL,
  PRIMARY KEY (endpoint, id)
) WITHOUT ROWID;
CREATE INDEX webhook_delivery_at ON webhook_delivery (at);

-- The servers that deliver, with the time of their last sign of life.
CREATE TABLE webhook_worker (
  id   BLOB NOT NULL PRIMARY KEY,
  seen BIGINT NOT NULL
) WITHOUT ROWID;
