DROP TABLE journal_start;
