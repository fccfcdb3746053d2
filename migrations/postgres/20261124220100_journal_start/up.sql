-- The last line of a tenant's journal that retention has dropped: who has read less than that has
-- missed something, and is told.
CREATE TABLE journal_start (
  tenant_id      BIGINT NOT NULL PRIMARY KEY,
  transaction_id BIGINT NOT NULL,
  sequence       BIGINT NOT NULL,
  at             BIGINT NOT NULL
);
