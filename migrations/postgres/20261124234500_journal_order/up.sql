-- The journal is read in the order of `sequence`. An entry gets its number while its transaction holds the lock on the
-- row of the resource, so the numbers of a resource's entries increase with its versions. Transaction ids do not,
-- because a transaction may get its id before it waits for the row. `transaction_id` remains for servers of the
-- previous version, which keep running during an upgrade.
ALTER TABLE changes DROP CONSTRAINT changes_pkey, ADD PRIMARY KEY (tenant_id, sequence);

-- Before its first entry gets a number, a transaction publishes the last number assigned so far, which precedes all of
-- its entries. It publishes the number as the key of an advisory lock, which it holds until it ends and for which
-- no other transaction waits. A reader stops at the lowest published number, see `horizon` in the storage crate. The
-- highest 16 bits of the 64-bit key are the letters SC, the others are the number.
CREATE FUNCTION announce_lines() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(
    (x'5343'::bigint << 48) | CASE WHEN is_called THEN last_value ELSE last_value - 1 END)
  FROM changes_sequence_seq;
  RETURN NULL;
END $$;

-- A statement trigger runs before the first row gets its number, whichever client inserts it.
CREATE TRIGGER announce_lines BEFORE INSERT ON changes
FOR EACH STATEMENT EXECUTE FUNCTION announce_lines();
