-- The clients that provision a tenant. `settings` is a JSON object of texts.
CREATE TABLE connection (
  id        BYTEA NOT NULL,
  tenant_id BIGINT NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
  name      TEXT COLLATE "C" NOT NULL,
  preset    TEXT NOT NULL,
  settings  TEXT NOT NULL,
  paused    BOOLEAN NOT NULL,
  created   BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, name)
);

-- A tenant has a connection named `default` from its creation on, also when the previous version creates it. The id is a
-- UUID of version 7, made of the time and of random digits.
CREATE FUNCTION add_default_connection(tenant BIGINT, at BIGINT) RETURNS VOID LANGUAGE sql AS $$
  INSERT INTO connection (id, tenant_id, name, preset, settings, paused, created)
  SELECT decode(lpad(to_hex(at), 12, '0') || '7' || substr(digits, 1, 3) || '8' || substr(digits, 18, 15), 'hex'),
         tenant, 'default', 'generic', '{}', FALSE, at
  FROM (SELECT replace(gen_random_uuid()::text, '-', '') AS digits) AS random
$$;
CREATE FUNCTION tenant_connection() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM add_default_connection(NEW.id, NEW.created);
  RETURN NULL;
END $$;
SELECT add_default_connection(id, created) FROM tenant;
CREATE TRIGGER tenant_connection AFTER INSERT ON tenant FOR EACH ROW EXECUTE FUNCTION tenant_connection();

-- `name` takes the place of `note`, which remains for the previous version.
ALTER TABLE token
  ADD COLUMN connection_id BYTEA,
  ADD COLUMN name TEXT,
  ADD COLUMN last_four TEXT,
  ADD COLUMN last_used BIGINT,
  ADD FOREIGN KEY (tenant_id, connection_id) REFERENCES connection (tenant_id, id) ON DELETE CASCADE;
UPDATE token SET name = note,
  connection_id = (SELECT c.id FROM connection c WHERE c.tenant_id = token.tenant_id AND c.name = 'default');
CREATE INDEX token_connection ON token (tenant_id, connection_id);

-- The previous version creates tokens without a connection and a name.
CREATE FUNCTION token_connection() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.name := NEW.note;
  NEW.connection_id := (SELECT c.id FROM connection c WHERE c.tenant_id = NEW.tenant_id AND c.name = 'default');
  RETURN NEW;
END $$;
CREATE TRIGGER token_connection BEFORE INSERT ON token FOR EACH ROW WHEN (NEW.connection_id IS NULL)
EXECUTE FUNCTION token_connection();
