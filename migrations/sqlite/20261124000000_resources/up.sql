-- Times are milliseconds since 1970 in UTC. Columns named `key` or `*_key` hold comparison keys, which are shortened
-- when they are long and compare byte by byte.

CREATE TABLE tenant (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  name    TEXT NOT NULL UNIQUE,
  created BIGINT NOT NULL
);

CREATE TABLE token (
  id        BLOB NOT NULL PRIMARY KEY,
  tenant_id BIGINT NOT NULL REFERENCES tenant (id),
  sha256    BLOB NOT NULL UNIQUE,
  created   BIGINT NOT NULL,
  expires   BIGINT,
  revoked   BIGINT,
  read_only BOOLEAN NOT NULL,
  note      TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX token_tenant ON token (tenant_id);

-- `shape` identifies the version of the rules for the derived columns and rows of the type.
CREATE TABLE resource_type (
  id    INTEGER PRIMARY KEY,
  name  TEXT NOT NULL UNIQUE,
  shape TEXT NOT NULL
);
INSERT INTO resource_type (id, name, shape) VALUES (1, 'User', ''), (2, 'Group', '');

CREATE TABLE attribute_path (
  id   INTEGER PRIMARY KEY,
  kind BIGINT NOT NULL REFERENCES resource_type (id),
  path TEXT NOT NULL,
  UNIQUE (kind, path)
);

-- The wide column comes last: SQLite reads a row from its start.
CREATE TABLE resource (
  pk           INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant_id    BIGINT NOT NULL REFERENCES tenant (id),
  kind         BIGINT NOT NULL REFERENCES resource_type (id),
  id           BLOB NOT NULL,
  version      BIGINT NOT NULL,
  created      BIGINT NOT NULL,
  modified     BIGINT NOT NULL,
  active       BOOLEAN,
  unique_key   TEXT,
  external_key TEXT,
  display_key  TEXT,
  family_key   TEXT,
  label        TEXT,
  document     TEXT NOT NULL
);
CREATE UNIQUE INDEX resource_id       ON resource (tenant_id, id);
CREATE UNIQUE INDEX resource_list     ON resource (tenant_id, kind, pk);
CREATE UNIQUE INDEX resource_unique   ON resource (tenant_id, kind, unique_key);
CREATE        INDEX resource_external ON resource (tenant_id, kind, external_key);
CREATE        INDEX resource_display  ON resource (tenant_id, kind, display_key);
CREATE        INDEX resource_family   ON resource (tenant_id, kind, family_key);
CREATE        INDEX resource_created  ON resource (tenant_id, kind, created);
CREATE        INDEX resource_modified ON resource (tenant_id, kind, modified);
CREATE        INDEX resource_active   ON resource (tenant_id, kind, active);

-- The attributes that filters and sorting read and that have no column. They are in a separate table so that scans do
-- not read `document`.
CREATE TABLE resource_normal (
  pk        INTEGER PRIMARY KEY REFERENCES resource (pk) ON DELETE CASCADE,
  tenant_id BIGINT NOT NULL,
  normal    BLOB NOT NULL
);

-- The values of multi-valued attributes, and of attributes that a schema marks as indexed.
CREATE TABLE attribute_value (
  tenant_id BIGINT NOT NULL,
  path      BIGINT NOT NULL,
  key       TEXT NOT NULL,
  pk        BIGINT NOT NULL REFERENCES resource (pk) ON DELETE CASCADE,
  PRIMARY KEY (tenant_id, path, key, pk)
) WITHOUT ROWID;
CREATE INDEX attribute_value_pk ON attribute_value (pk);

-- The values of attributes with `uniqueness`, except the attribute in `unique_key`.
CREATE TABLE unique_value (
  tenant_id BIGINT NOT NULL,
  path      BIGINT NOT NULL,
  key       TEXT NOT NULL,
  pk        BIGINT NOT NULL REFERENCES resource (pk) ON DELETE CASCADE,
  PRIMARY KEY (tenant_id, path, key)
) WITHOUT ROWID;
CREATE INDEX unique_value_pk ON unique_value (pk);

-- `joined` increases within a group and approximates the time of joining in microseconds. The keys start with the
-- columns that the foreign keys need, without the tenant, because a `pk` belongs to one tenant only.
CREATE TABLE membership (
  tenant_id BIGINT NOT NULL,
  group_pk  BIGINT NOT NULL REFERENCES resource (pk),
  joined    BIGINT NOT NULL,
  member_pk BIGINT NOT NULL REFERENCES resource (pk),
  PRIMARY KEY (group_pk, joined),
  UNIQUE (member_pk, group_pk, tenant_id)
) WITHOUT ROWID;

-- The number of resources of a tenant and type, as the sum of several rows, one for each block of `pk`. See `counts` in
-- the storage crate.
CREATE TABLE resource_count (
  tenant_id BIGINT NOT NULL,
  kind      BIGINT NOT NULL,
  shard     BIGINT NOT NULL,
  number    BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, kind, shard)
) WITHOUT ROWID;

-- `transaction_id` exists for PostgreSQL, where entries do not become visible in the order of their numbers.
CREATE TABLE changes (
  sequence       INTEGER PRIMARY KEY AUTOINCREMENT,
  transaction_id BIGINT NOT NULL DEFAULT 0,
  tenant_id      BIGINT NOT NULL,
  at             BIGINT NOT NULL,
  kind           BIGINT NOT NULL,
  id             BLOB NOT NULL,
  version        BIGINT NOT NULL,
  action         TEXT NOT NULL,
  change         TEXT NOT NULL
);
CREATE INDEX changes_tenant ON changes (tenant_id, transaction_id, sequence);
