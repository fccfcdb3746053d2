-- OAuth clients of connections. `method` is a JSON object: keys, or the trust in an external issuer.
CREATE TABLE oauth_client (
  id            BYTEA NOT NULL,
  tenant_id     BIGINT NOT NULL,
  connection_id BYTEA NOT NULL,
  client_id     TEXT COLLATE "C" NOT NULL UNIQUE,
  name          TEXT NOT NULL,
  method        TEXT NOT NULL,
  read_only     BOOLEAN NOT NULL,
  disabled      BOOLEAN NOT NULL,
  created       BIGINT NOT NULL,
  last_used     BIGINT,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, connection_id) REFERENCES connection (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX oauth_client_connection ON oauth_client (tenant_id, connection_id);

CREATE TABLE oauth_secret (
  id        BYTEA NOT NULL,
  tenant_id BIGINT NOT NULL,
  client    BYTEA NOT NULL,
  sha256    BYTEA NOT NULL,
  last_four TEXT NOT NULL,
  name      TEXT NOT NULL,
  created   BIGINT NOT NULL,
  expires   BIGINT NOT NULL,
  last_used BIGINT,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY (tenant_id, client) REFERENCES oauth_client (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX oauth_secret_client ON oauth_secret (tenant_id, client);

-- A token ends with its client, and with the secret that it was issued for.
CREATE TABLE access_token (
  sha256    BYTEA NOT NULL PRIMARY KEY,
  tenant_id BIGINT NOT NULL,
  client    BYTEA NOT NULL,
  secret    BYTEA,
  read_only BOOLEAN NOT NULL,
  created   BIGINT NOT NULL,
  expires   BIGINT NOT NULL,
  FOREIGN KEY (tenant_id, client) REFERENCES oauth_client (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, secret) REFERENCES oauth_secret (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX access_token_client ON access_token (tenant_id, client);
CREATE INDEX access_token_secret ON access_token (tenant_id, secret);
CREATE INDEX access_token_expires ON access_token (expires);

-- Assertions that are good once. The digest includes the client, and so the tenant.
CREATE TABLE used_assertion (
  digest  BYTEA NOT NULL PRIMARY KEY,
  expires BIGINT NOT NULL
);
CREATE INDEX used_assertion_expires ON used_assertion (expires);
