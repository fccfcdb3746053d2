-- The requests of operators that must not be carried out twice. The digest of the key includes the operator key. The
-- answers are not kept, because they may contain secrets.
CREATE TABLE idempotency_key (
  digest  BYTEA NOT NULL PRIMARY KEY,
  request BYTEA NOT NULL,
  object  BYTEA NOT NULL,
  at      BIGINT NOT NULL
);
CREATE INDEX idempotency_key_at ON idempotency_key (at);
