-- The journal is read in the order of `sequence`. On SQLite, entries become visible in this order, and
-- `transaction_id` is always 0.
DROP INDEX changes_tenant;
CREATE INDEX changes_tenant ON changes (tenant_id, sequence);
