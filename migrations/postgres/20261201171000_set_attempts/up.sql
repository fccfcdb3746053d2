-- The attempts to send tokens. `id` increases with time.
CREATE TABLE set_attempt (
  stream       BYTEA NOT NULL REFERENCES set_stream (id) ON DELETE CASCADE,
  id           BYTEA NOT NULL,
  jti          TEXT NOT NULL,
  at           BIGINT NOT NULL,
  attempt      BIGINT NOT NULL,
  status       BIGINT,
  milliseconds BIGINT NOT NULL,
  error        TEXT,
  response     TEXT NOT NULL,
  PRIMARY KEY (stream, id)
);
CREATE INDEX set_attempt_at ON set_attempt (at);
