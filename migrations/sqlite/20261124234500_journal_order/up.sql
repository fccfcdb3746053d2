-- The journal is read by `sequence` alone, in the order of which lines become visible here anyway.
-- `transaction_id` stays 0.
DROP INDEX changes_tenant;
CREATE INDEX changes_tenant ON changes (tenant_id, sequence);
