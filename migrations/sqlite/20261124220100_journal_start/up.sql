-- The last entry that retention has dropped from a tenant's journal. A reader whose position is before it gets an
-- error, because it has missed entries.
CREATE TABLE journal_start (
  tenant_id      BIGINT NOT NULL PRIMARY KEY,
  transaction_id BIGINT NOT NULL,
  sequence       BIGINT NOT NULL,
  at             BIGINT NOT NULL
) WITHOUT ROWID;
