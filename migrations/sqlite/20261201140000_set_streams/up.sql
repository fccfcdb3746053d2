-- Streams of security event tokens. `tenants` is a JSON array of ids, or null for all; `events` is a JSON array of URIs.
-- `url` is null for receivers that poll. Up to the position, every token is finished. The header is sealed.
CREATE TABLE set_stream (
  id                   BLOB NOT NULL PRIMARY KEY,
  name                 TEXT NOT NULL,
  issuer               TEXT NOT NULL,
  audience             TEXT NOT NULL,
  tenants              TEXT,
  events               TEXT NOT NULL,
  url                  TEXT,
  authorization_header BLOB,
  algorithm            TEXT NOT NULL,
  with_user_name       BOOLEAN NOT NULL,
  revoked_subject      TEXT NOT NULL,
  account_issuer       TEXT NOT NULL,
  status               TEXT NOT NULL,
  status_reason        TEXT NOT NULL,
  status_since         BIGINT NOT NULL,
  position_sequence    BIGINT NOT NULL,
  position_at          BIGINT NOT NULL,
  revision             BIGINT NOT NULL,
  created              BIGINT NOT NULL,
  attempts             BIGINT NOT NULL,
  failing_since        BIGINT,
  next_attempt         BIGINT,
  lease_owner          BLOB,
  lease_until          BIGINT
) WITHOUT ROWID;

-- Events about a stream that wait for delivery.
CREATE TABLE set_stream_event (
  stream  BLOB NOT NULL REFERENCES set_stream (id) ON DELETE CASCADE,
  id      BLOB NOT NULL,
  kind    TEXT NOT NULL,
  content TEXT NOT NULL,
  created BIGINT NOT NULL,
  PRIMARY KEY (stream, id)
) WITHOUT ROWID;

-- The last event of each kind, also if it was delivered: receivers may not ask for one too often.
CREATE TABLE set_stream_last_event (
  stream  BLOB NOT NULL REFERENCES set_stream (id) ON DELETE CASCADE,
  kind    TEXT NOT NULL,
  created BIGINT NOT NULL,
  PRIMARY KEY (stream, kind)
) WITHOUT ROWID;

-- Tokens after the position of a stream that are finished. `sequence` is the number of their journal entry.
CREATE TABLE finished_set (
  stream   BLOB NOT NULL REFERENCES set_stream (id) ON DELETE CASCADE,
  jti      TEXT NOT NULL,
  sequence BIGINT NOT NULL,
  PRIMARY KEY (stream, jti)
) WITHOUT ROWID;

-- Tokens that the receiver refused.
CREATE TABLE refused_set (
  stream      BLOB NOT NULL REFERENCES set_stream (id) ON DELETE CASCADE,
  jti         TEXT NOT NULL,
  error       TEXT NOT NULL,
  description TEXT NOT NULL,
  at          BIGINT NOT NULL,
  PRIMARY KEY (stream, jti)
) WITHOUT ROWID;
CREATE INDEX refused_set_at ON refused_set (at);

-- The keys that sign tokens: `sealed` is the private key, `public` the JSON of the public one. A key has the number after
-- that of its predecessor, so that of several servers only one adds a key.
CREATE TABLE signing_key (
  id         BLOB NOT NULL PRIMARY KEY,
  algorithm  TEXT NOT NULL,
  number     BIGINT NOT NULL,
  sealed     BLOB NOT NULL,
  public     TEXT NOT NULL,
  created    BIGINT NOT NULL,
  signs_from BIGINT NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX signing_key_number ON signing_key (algorithm, number);
