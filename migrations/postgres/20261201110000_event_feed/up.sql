-- `write_id` is equal for all entries of one write. `names` is a JSON object with the names of the resource after the
-- change: an event has them, although its change may not concern them. Both are NULL in the entries of earlier versions.
ALTER TABLE changes
  ADD COLUMN write_id BYTEA,
  ADD COLUMN names TEXT;

-- A feed reads the entries of all tenants in one order. The index is on an expression, so that it serves no query of a
-- single tenant: the planner would prefer it to the primary key, and read the entries of all other tenants in between.
CREATE INDEX changes_sequence ON changes ((sequence + 0));

-- The number of events that the last dropped entry had. A reader who has not seen all of them has missed some.
ALTER TABLE journal_start ADD COLUMN parts BIGINT;
CREATE INDEX journal_start_sequence ON journal_start (sequence);

-- The positions of the entries of deleted tenants. A reader of several tenants can continue after such a position,
-- whereas a position that never existed means that an older backup was restored.
CREATE TABLE deleted_change (
  sequence BIGINT NOT NULL PRIMARY KEY,
  at       BIGINT NOT NULL
);
