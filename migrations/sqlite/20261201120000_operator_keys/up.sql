-- The keys of operators for the management API. A key with `limited` sees the tenants of `operator_key_tenant` only.
CREATE TABLE operator_key (
  id        BLOB NOT NULL PRIMARY KEY,
  name      TEXT NOT NULL,
  scope     TEXT NOT NULL,
  limited   BOOLEAN NOT NULL,
  sha256    BLOB NOT NULL UNIQUE,
  last_four TEXT NOT NULL,
  created   BIGINT NOT NULL,
  expires   BIGINT,
  revoked   BIGINT,
  last_used BIGINT
) WITHOUT ROWID;

CREATE TABLE operator_key_tenant (
  tenant_id    BIGINT NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
  operator_key BLOB NOT NULL REFERENCES operator_key (id) ON DELETE CASCADE,
  PRIMARY KEY (tenant_id, operator_key)
) WITHOUT ROWID;
