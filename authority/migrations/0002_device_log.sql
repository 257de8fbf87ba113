-- What devices record of their own use, read from their audit logs entry by entry.
CREATE TABLE device_log_entry (
    serial TEXT NOT NULL CHECK (length(serial) BETWEEN 1 AND 64), -- of the device
    position INTEGER NOT NULL CHECK (position >= 0), -- from 0, without gaps; the device's own number starts again
    entry BLOB NOT NULL CHECK (length(entry) = 32), -- as the device gave it, with its digest
    kept_at INTEGER NOT NULL,
    PRIMARY KEY (serial, position)
) STRICT;
CREATE TRIGGER device_log_entry_insert BEFORE INSERT ON device_log_entry
WHEN NEW.position IS NOT
    (SELECT coalesce(max(position), -1) + 1 FROM device_log_entry WHERE serial = NEW.serial)
BEGIN SELECT RAISE(ABORT, 'device_log_entry is numbered without gaps'); END;
CREATE TRIGGER device_log_entry_update BEFORE UPDATE ON device_log_entry
BEGIN SELECT RAISE(ABORT, 'device_log_entry is append-only'); END;
CREATE TRIGGER device_log_entry_delete BEFORE DELETE ON device_log_entry
BEGIN SELECT RAISE(ABORT, 'device_log_entry is append-only'); END;
