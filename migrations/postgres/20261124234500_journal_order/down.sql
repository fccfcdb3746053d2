DROP TRIGGER announce_lines ON changes;
DROP FUNCTION announce_lines();
ALTER TABLE changes DROP CONSTRAINT changes_pkey, ADD PRIMARY KEY (tenant_id, transaction_id, sequence);
