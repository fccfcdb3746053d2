-- OAuth clients of connections. `method` is a JSON object: keys, or the trust in an external issuer.
CREATE TABLE oauth_client (
  id            BLOB NOT NULL PRIMARY KEY,
  tenant_id     BIGINT NOT NULL,
  connection_id BLOB NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
  client_id     TEXT NOT NULL UNIQUE,
  name          TEXT NOT NULL,
  method        TEXT NOT NULL,
  read_only     BOOLEAN NOT NULL,
  disabled      BOOLEAN NOT NULL,
  created       BIGINT NOT NULL,
  last_used     BIGINT
) WITHOUT ROWID;
CREATE INDEX oauth_client_connection ON oauth_client (connection_id);

CREATE TABLE oauth_secret (
  id        BLOB NOT NULL PRIMARY KEY,
  tenant_id BIGINT NOT NULL,
  client    BLOB NOT NULL REFERENCES oauth_client (id) ON DELETE CASCADE,
  sha256    BLOB NOT NULL,
  last_four TEXT NOT NULL,
  name      TEXT NOT NULL,
  created   BIGINT NOT NULL,
  expires   BIGINT NOT NULL,
  last_used BIGINT
) WITHOUT ROWID;
CREATE INDEX oauth_secret_client ON oauth_secret (client);

-- A token ends with its client, and with the secret that it was issued for.
CREATE TABLE access_token (
  sha256    BLOB NOT NULL PRIMARY KEY,
  tenant_id BIGINT NOT NULL,
  client    BLOB NOT NULL REFERENCES oauth_client (id) ON DELETE CASCADE,
  secret    BLOB REFERENCES oauth_secret (id) ON DELETE CASCADE,
  read_only BOOLEAN NOT NULL,
  created   BIGINT NOT NULL,
  expires   BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX access_token_client ON access_token (client);
CREATE INDEX access_token_secret ON access_token (secret);
CREATE INDEX access_token_expires ON access_token (expires);

-- Assertions that are good once. The digest includes the client, and so the tenant.
CREATE TABLE used_assertion (
  digest  BLOB NOT NULL PRIMARY KEY,
  expires BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX used_assertion_expires ON used_assertion (expires);
