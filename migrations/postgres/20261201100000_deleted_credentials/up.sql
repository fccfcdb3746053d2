-- Connections that were deleted, and their credentials. The journal names both by their ids.
CREATE TABLE deleted_connection (
  tenant_id BIGINT NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
  id        BYTEA NOT NULL,
  name      TEXT NOT NULL,
  created   BIGINT NOT NULL,
  deleted   BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, id)
);

-- `kind` is that of `CredentialKind`, and `client_id` the public id of an OAuth client or a federation.
CREATE TABLE deleted_credential (
  tenant_id       BIGINT NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
  id              BYTEA NOT NULL,
  kind            TEXT NOT NULL,
  client_id       TEXT,
  name            TEXT NOT NULL,
  connection_name TEXT NOT NULL,
  created         BIGINT NOT NULL,
  deleted         BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
