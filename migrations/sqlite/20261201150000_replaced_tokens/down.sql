ALTER TABLE token DROP COLUMN replaced;
