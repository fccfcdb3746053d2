DROP TABLE deleted_change;
DROP INDEX journal_start_sequence;
ALTER TABLE journal_start DROP COLUMN parts;
ALTER TABLE changes DROP COLUMN names;
ALTER TABLE changes DROP COLUMN write_id;
