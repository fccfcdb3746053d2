DROP INDEX changes_tenant;
CREATE INDEX changes_tenant ON changes (tenant_id, transaction_id, sequence);
