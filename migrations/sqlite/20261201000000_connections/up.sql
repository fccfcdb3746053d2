-- The clients that provision a tenant. `settings` is a JSON object of texts. The primary key is the id alone, because an
-- id belongs to one tenant only, and a column with a foreign key of two columns cannot be added to `token`.
CREATE TABLE connection (
  id        BLOB NOT NULL PRIMARY KEY,
  tenant_id BIGINT NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
  name      TEXT NOT NULL,
  preset    TEXT NOT NULL,
  settings  TEXT NOT NULL,
  paused    BOOLEAN NOT NULL,
  created   BIGINT NOT NULL,
  UNIQUE (tenant_id, name)
) WITHOUT ROWID;

-- A tenant has a connection named `default` from its creation on. The id is a UUID of version 7, made of the time and of
-- random digits.
INSERT INTO connection (id, tenant_id, name, preset, settings, paused, created)
SELECT unhex(printf('%012x7', created) || substr(hex(randomblob(2)), 2) || '8' || substr(hex(randomblob(8)), 2)),
       id, 'default', 'generic', '{}', FALSE, created
FROM tenant;
CREATE TRIGGER tenant_connection AFTER INSERT ON tenant BEGIN
  INSERT INTO connection (id, tenant_id, name, preset, settings, paused, created)
  VALUES (unhex(printf('%012x7', NEW.created) || substr(hex(randomblob(2)), 2) || '8' || substr(hex(randomblob(8)), 2)),
          NEW.id, 'default', 'generic', '{}', FALSE, NEW.created);
END;

-- `name` takes the place of `note`, which remains for the previous version.
ALTER TABLE token ADD COLUMN connection_id BLOB REFERENCES connection (id) ON DELETE CASCADE;
ALTER TABLE token ADD COLUMN name TEXT;
ALTER TABLE token ADD COLUMN last_four TEXT;
ALTER TABLE token ADD COLUMN last_used BIGINT;
UPDATE token SET name = note,
  connection_id = (SELECT c.id FROM connection c WHERE c.tenant_id = token.tenant_id AND c.name = 'default');
CREATE INDEX token_connection ON token (connection_id);

-- The previous version creates tokens without a connection and a name.
CREATE TRIGGER token_connection AFTER INSERT ON token WHEN NEW.connection_id IS NULL BEGIN
  UPDATE token SET name = NEW.note,
    connection_id = (SELECT c.id FROM connection c WHERE c.tenant_id = NEW.tenant_id AND c.name = 'default')
  WHERE id = NEW.id;
END;
