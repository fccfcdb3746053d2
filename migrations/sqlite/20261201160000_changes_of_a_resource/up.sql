-- The entries of one resource: its state in the past is computed from its document and the entries that follow.
CREATE INDEX changes_resource ON changes (tenant_id, id, sequence);
