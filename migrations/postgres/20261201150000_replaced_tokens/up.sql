-- A token that another one replaces ends as planned, and needs no warning.
ALTER TABLE token ADD COLUMN replaced BOOLEAN NOT NULL DEFAULT FALSE;
