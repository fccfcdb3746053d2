-- The hashes of secrets such as `password`, as PHC strings. The clear text is not stored. The key starts with the
-- column that the foreign key needs, without the tenant, because a `pk` belongs to one tenant only.
CREATE TABLE secret (
  tenant_id BIGINT NOT NULL,
  pk        BIGINT NOT NULL REFERENCES resource (pk) ON DELETE CASCADE,
  path      TEXT NOT NULL,
  hash      TEXT NOT NULL,
  PRIMARY KEY (pk, tenant_id, path)
) WITHOUT ROWID;
