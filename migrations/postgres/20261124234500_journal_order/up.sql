-- The journal is read by `sequence` alone. A line gets its number while its transaction holds the row of
-- the resource, so the numbers of a resource's lines rise with its versions; transaction ids do not, for a
-- transaction may get its own before it waits for the row. `transaction_id` stays for instances of the
-- version before, which go on beside the new one during an upgrade.
ALTER TABLE changes DROP CONSTRAINT changes_pkey, ADD PRIMARY KEY (tenant_id, sequence);

-- Before it numbers its first line, a transaction tells by a lock, which it keeps to its end and which
-- nobody waits for, up to which number others had come: its own lines are all behind that. A reader stops at
-- the lowest of these numbers. See `horizon` in journal.rs. The highest 16 bits of the lock's 64 are the
-- letters SC, the others are the number.
CREATE FUNCTION announce_lines() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(
    (x'5343'::bigint << 48) | CASE WHEN is_called THEN last_value ELSE last_value - 1 END)
  FROM changes_sequence_seq;
  RETURN NULL;
END $$;

-- A trigger of the statement runs before the first row is made, whoever writes it.
CREATE TRIGGER announce_lines BEFORE INSERT ON changes
FOR EACH STATEMENT EXECUTE FUNCTION announce_lines();
