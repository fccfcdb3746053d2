-- Whether the request has been carried out. A request that creates nothing leaves no other trace.
ALTER TABLE idempotency_key ADD COLUMN done BOOLEAN NOT NULL DEFAULT FALSE;
