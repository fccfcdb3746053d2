-- Hashes of secrets such as `password`, as PHC strings; the clear text is nowhere. The key starts with
-- what the foreign key needs; a `pk` belongs to one tenant only.
CREATE TABLE secret (
  tenant_id BIGINT NOT NULL,
  pk        BIGINT NOT NULL REFERENCES resource (pk) ON DELETE CASCADE,
  path      TEXT NOT NULL,
  hash      TEXT NOT NULL,
  PRIMARY KEY (pk, tenant_id, path)
) WITHOUT ROWID;
