DROP TABLE deleted_change;
DROP INDEX journal_start_sequence;
ALTER TABLE journal_start DROP COLUMN parts;
DROP INDEX changes_sequence;
ALTER TABLE changes DROP COLUMN names, DROP COLUMN write_id;
