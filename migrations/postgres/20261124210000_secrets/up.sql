-- The hashes of secrets such as `password`, as PHC strings. The clear text is not stored.
CREATE TABLE secret (
  tenant_id BIGINT NOT NULL,
  pk        BIGINT NOT NULL,
  path      TEXT COLLATE "C" NOT NULL,
  hash      TEXT NOT NULL,
  PRIMARY KEY (tenant_id, pk, path),
  FOREIGN KEY (tenant_id, pk) REFERENCES resource (tenant_id, pk) ON DELETE CASCADE
);
