-- Trust that lasts: every role's keys, the tree over the log, batches, revocations, bundles, locks.
--
-- Tables that others refer to are made anew with the same name; the program leaves references unchecked
-- while it does so and checks them all at the end.

-- Keys: every role, and keys whose private half is on another machine.
CREATE TABLE new_key (
    thumbprint BLOB PRIMARY KEY CHECK (length(thumbprint) = 32),
    role TEXT NOT NULL CHECK (role IN ('custodian', 'issuer', 'binder', 'revoker', 'log', 'witness')), -- one key never fills two roles
    algorithm INTEGER NOT NULL, -- number in the COSE Algorithms registry
    public_key BLOB NOT NULL, -- COSE_Key as RFC 9679 hashes it, so that export needs no device
    partner_of BLOB REFERENCES key, -- the key that this one must sign beside (hybrid); NULL for all others
    reference TEXT UNIQUE, -- where the key backend finds the private key; NULL where another machine has it
    protection TEXT NOT NULL CHECK (protection IN ('software', 'hardware')),
    record_index INTEGER REFERENCES log_leaf (log_index), -- its newest key record; NULL for custodians and partners, and until certified
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO new_key (thumbprint, role, algorithm, public_key, reference, protection, record_index, created_at)
SELECT thumbprint, CASE role WHEN 'root' THEN 'custodian' ELSE role END, algorithm, public_key, reference,
       protection, record_index, created_at
FROM key;
DROP TABLE key;
ALTER TABLE new_key RENAME TO key;

-- How keys were closed: a retired key was destroyed, and its documents stand; of a compromised one only what
-- stands below a size of the log.
CREATE TABLE key_closing (
    thumbprint BLOB PRIMARY KEY REFERENCES key,
    tree_size INTEGER CHECK (tree_size >= 0), -- NULL for a retired key
    tree_root BLOB CHECK (length(tree_root) = 32), -- of the log at that size
    log_index INTEGER NOT NULL REFERENCES log_leaf, -- its newest closing document
    reason TEXT NOT NULL CHECK (length(reason) > 0),
    closed_at INTEGER NOT NULL,
    CHECK ((tree_size IS NULL) = (tree_root IS NULL))
) STRICT, WITHOUT ROWID;

-- The log without leaf hashes, which stand in tiles.
CREATE TABLE new_log_leaf (
    log_index INTEGER PRIMARY KEY CHECK (log_index >= 0), -- from 0, without gaps
    kind INTEGER NOT NULL, -- number of the kind of document: see repository/log.rs
    protected BLOB NOT NULL, -- protected header of the document, as encoded
    payload BLOB NOT NULL,
    recorded_at INTEGER NOT NULL
) STRICT;
INSERT INTO new_log_leaf (log_index, kind, protected, payload, recorded_at)
SELECT log_index,
       CASE typ
           WHEN 'application/vnd.chancery.license+cwt' THEN 1
           WHEN 'application/vnd.chancery.root+cbor' THEN 2
           WHEN 'application/vnd.chancery.key+cbor' THEN 3
       END,
       protected, payload, recorded_at
FROM log_leaf ORDER BY log_index;

-- Hashes of the tree (RFC 9162), 256 in a tile: at level 0 those of leaves, above those of whole tiles below.
CREATE TABLE log_tile (
    level INTEGER NOT NULL CHECK (level BETWEEN 0 AND 7),
    number INTEGER NOT NULL CHECK (number >= 0), -- holds the hashes from 256 * number on
    hashes BLOB NOT NULL CHECK (length(hashes) % 32 = 0 AND length(hashes) BETWEEN 32 AND 8192),
    PRIMARY KEY (level, number)
) STRICT;

-- Uses of keys, for documents or for a checkpoint of the log.
CREATE TABLE new_operation (
    operation_id INTEGER PRIMARY KEY CHECK (operation_id >= 0), -- from 0, without gaps
    key BLOB NOT NULL REFERENCES key (thumbprint),
    message_hash BLOB NOT NULL CHECK (length(message_hash) = 32), -- SHA-256 of the bytes that the device signs
    message_bytes INTEGER CHECK (message_bytes >= 0), -- how many; NULL for operations of the first release
    first_index INTEGER REFERENCES log_leaf (log_index), -- NULL where no document is signed
    leaf_count INTEGER NOT NULL CHECK ((first_index IS NULL) = (leaf_count = 0) AND leaf_count >= 0), -- leaves first_index and up that the signature covers
    started_at INTEGER NOT NULL
) STRICT;
INSERT INTO new_operation (operation_id, key, message_hash, first_index, leaf_count, started_at)
SELECT operation_id, key, message_hash, first_index, leaf_count, started_at FROM operation ORDER BY operation_id;

-- What each license leaf means, for licenses of devices and of none.
CREATE TABLE new_license (
    license_id BLOB PRIMARY KEY CHECK (length(license_id) = 16), -- random; the claim `cti`
    log_index INTEGER NOT NULL UNIQUE REFERENCES log_leaf,
    entitlement_id BLOB NOT NULL REFERENCES entitlement,
    device BLOB NOT NULL CHECK (length(device) IN (0, 32)), -- thumbprint of the device key; empty where bound to none
    revision INTEGER NOT NULL CHECK (revision >= 1), -- from 1 for each device of an entitlement
    request_hash BLOB UNIQUE CHECK (length(request_hash) = 32), -- SHA-256 of the whole request; NULL without one
    activation INTEGER NOT NULL CHECK (activation >= 1), -- which of the entitlement's: from 1, one a device, or one a license bound to none
    UNIQUE (entitlement_id, device, revision)
) STRICT, WITHOUT ROWID;
INSERT INTO new_license
SELECT license_id, log_index, entitlement_id, device, revision, request_hash,
       dense_rank() OVER (PARTITION BY entitlement_id ORDER BY first_index)
FROM license JOIN (
    SELECT entitlement_id, device, min(log_index) AS first_index FROM license GROUP BY entitlement_id, device
) USING (entitlement_id, device);

DROP TABLE license;
DROP TABLE operation;
DROP TABLE log_leaf;
ALTER TABLE new_log_leaf RENAME TO log_leaf;
ALTER TABLE new_operation RENAME TO operation;
ALTER TABLE new_license RENAME TO license;
CREATE INDEX license_activation ON license (entitlement_id, activation);
CREATE INDEX operation_first_index ON operation (first_index);
CREATE INDEX log_leaf_kind ON log_leaf (kind) WHERE kind <> 1; -- licenses are found by their own table

-- What a license of an entitlement is bound to, and the site that it names.
ALTER TABLE entitlement ADD COLUMN binding TEXT NOT NULL DEFAULT 'device'
    CHECK (binding IN ('device', 'site', 'none'));
ALTER TABLE entitlement ADD COLUMN site_id TEXT; -- part of the claim `sub`

-- Documents sealed together: one statement, signed once by each signer that it names.
CREATE TABLE batch (
    first_index INTEGER PRIMARY KEY REFERENCES log_leaf,
    leaf_count INTEGER NOT NULL CHECK (leaf_count >= 1),
    statement BLOB NOT NULL, -- as encoded; names its signers
    input_hash BLOB UNIQUE CHECK (length(input_hash) = 32), -- SHA-256 over the rows that it was made from; NULL for one license alone
    made_at INTEGER NOT NULL,
    sealed_at INTEGER, -- when the last signature came in; NULL until then
    abandoned_at INTEGER -- when it was given up, so that it never stands; NULL for all others
) STRICT;
CREATE TABLE batch_signature (
    first_index INTEGER NOT NULL REFERENCES batch,
    signer BLOB NOT NULL CHECK (length(signer) = 32), -- thumbprint
    signature BLOB NOT NULL,
    signed_at INTEGER NOT NULL,
    PRIMARY KEY (first_index, signer)
) STRICT, WITHOUT ROWID;

-- Signed notes about the log: C2SP tlog-checkpoint.
CREATE TABLE checkpoint (
    tree_size INTEGER PRIMARY KEY CHECK (tree_size >= 0),
    note TEXT NOT NULL, -- with its signature lines
    made_at INTEGER NOT NULL
) STRICT;

-- What is revoked, in the order in which it was decided; never taken back.
CREATE TABLE revocation (
    revocation_id INTEGER PRIMARY KEY CHECK (revocation_id >= 1), -- from 1, without gaps
    kind TEXT NOT NULL CHECK (kind IN ('license', 'device', 'entitlement', 'customer', 'key')),
    value BLOB NOT NULL, -- the id, as the list carries it
    tree_size INTEGER CHECK (tree_size >= 0), -- for a key: what stands below this size of the log stands
    tree_root BLOB CHECK (length(tree_root) = 32),
    reason TEXT NOT NULL CHECK (length(reason) > 0),
    added_at INTEGER NOT NULL,
    UNIQUE (kind, value),
    CHECK ((kind = 'key') = (tree_size IS NOT NULL) AND (tree_size IS NULL) = (tree_root IS NULL))
) STRICT;
CREATE TABLE revocation_list (
    number INTEGER PRIMARY KEY CHECK (number >= 1), -- from 1, without gaps
    log_index INTEGER NOT NULL UNIQUE REFERENCES log_leaf,
    last_revocation INTEGER REFERENCES revocation (revocation_id) -- the list holds all up to this one; NULL for none
) STRICT;

-- Bundles that were published.
CREATE TABLE bundle (
    number INTEGER PRIMARY KEY CHECK (number >= 1), -- from 1, without gaps
    log_index INTEGER NOT NULL UNIQUE REFERENCES log_leaf, -- of its manifest
    bytes BLOB NOT NULL -- the whole bundle, so that it can be written again
) STRICT;

-- Why nothing may be issued. Released by a row of its own, never by taking it back.
CREATE TABLE issuing_lock (
    lock_id INTEGER PRIMARY KEY CHECK (lock_id >= 1), -- from 1, without gaps
    reason TEXT NOT NULL CHECK (length(reason) > 0), -- stable kebab-case code
    detail TEXT NOT NULL,
    locked_at INTEGER NOT NULL
) STRICT;
CREATE TABLE issuing_lock_release (
    lock_id INTEGER PRIMARY KEY REFERENCES issuing_lock,
    reason TEXT NOT NULL CHECK (length(reason) > 0),
    released_at INTEGER NOT NULL
) STRICT;

-- Where a device's own log begins anew, because the device was reset on purpose.
CREATE TABLE device_log_chain (
    serial TEXT NOT NULL CHECK (length(serial) BETWEEN 1 AND 64), -- of the device
    position INTEGER NOT NULL CHECK (position >= 0), -- of the first entry after the reset
    reason TEXT NOT NULL CHECK (length(reason) > 0),
    begun_at INTEGER NOT NULL,
    PRIMARY KEY (serial, position)
) STRICT;
-- How operations of unknown outcome ended, as the device's own log shows.
CREATE TABLE operation_settlement (
    operation_id INTEGER PRIMARY KEY REFERENCES operation,
    serial TEXT NOT NULL, -- of the device
    position INTEGER CHECK (position >= 0), -- of the entry of the signature; NULL where the device did not sign
    settled_at INTEGER NOT NULL
) STRICT;
-- What an auditor accepts although a device's log and the operations disagree on it.
CREATE TABLE device_log_acceptance (
    acceptance_id INTEGER PRIMARY KEY CHECK (acceptance_id >= 1), -- from 1, without gaps
    serial TEXT NOT NULL, -- of the device
    position INTEGER CHECK (position >= 0), -- of an entry
    operation_id INTEGER REFERENCES operation, -- one that the device does not show
    reason TEXT NOT NULL CHECK (length(reason) > 0),
    accepted_by TEXT NOT NULL CHECK (length(accepted_by) > 0),
    accepted_at INTEGER NOT NULL,
    CHECK ((position IS NULL) <> (operation_id IS NULL))
) STRICT;

-- Where keys were before they came into another device; uses from `first_operation` on are those of the new place.
CREATE TABLE key_move (
    move_id INTEGER PRIMARY KEY CHECK (move_id >= 1), -- from 1, without gaps
    thumbprint BLOB NOT NULL REFERENCES key,
    reference TEXT, -- where it was
    first_operation INTEGER NOT NULL CHECK (first_operation >= 0),
    moved_at INTEGER NOT NULL
) STRICT;

-- Which copy of this database may issue: the one at this place on this machine.
CREATE TABLE lease (
    epoch INTEGER PRIMARY KEY CHECK (epoch >= 1), -- from 1, without gaps; the highest is in force
    place BLOB NOT NULL CHECK (length(place) = 32), -- SHA-256 over machine and database file
    taken_at INTEGER NOT NULL
) STRICT;

CREATE TRIGGER log_leaf_insert BEFORE INSERT ON log_leaf
WHEN NEW.log_index IS NOT (SELECT coalesce(max(log_index), -1) + 1 FROM log_leaf)
BEGIN SELECT RAISE(ABORT, 'log_leaf is numbered without gaps'); END;
CREATE TRIGGER log_leaf_update BEFORE UPDATE ON log_leaf
BEGIN SELECT RAISE(ABORT, 'log_leaf is append-only'); END;
CREATE TRIGGER log_leaf_delete BEFORE DELETE ON log_leaf
BEGIN SELECT RAISE(ABORT, 'log_leaf is append-only'); END;
-- The last tile of a level grows; what it holds stays.
CREATE TRIGGER log_tile_update BEFORE UPDATE ON log_tile
WHEN NEW.level <> OLD.level OR NEW.number <> OLD.number OR length(NEW.hashes) <= length(OLD.hashes)
    OR substr(NEW.hashes, 1, length(OLD.hashes)) <> OLD.hashes
BEGIN SELECT RAISE(ABORT, 'log_tile is append-only'); END;
CREATE TRIGGER log_tile_delete BEFORE DELETE ON log_tile
BEGIN SELECT RAISE(ABORT, 'log_tile is append-only'); END;
CREATE TRIGGER operation_insert BEFORE INSERT ON operation
WHEN NEW.operation_id IS NOT (SELECT coalesce(max(operation_id), -1) + 1 FROM operation)
BEGIN SELECT RAISE(ABORT, 'operation is numbered without gaps'); END;
CREATE TRIGGER operation_update BEFORE UPDATE ON operation
BEGIN SELECT RAISE(ABORT, 'operation is append-only'); END;
CREATE TRIGGER operation_delete BEFORE DELETE ON operation
BEGIN SELECT RAISE(ABORT, 'operation is append-only'); END;
CREATE TRIGGER license_update BEFORE UPDATE ON license
BEGIN SELECT RAISE(ABORT, 'license is append-only'); END;
CREATE TRIGGER license_delete BEFORE DELETE ON license
BEGIN SELECT RAISE(ABORT, 'license is append-only'); END;
CREATE TRIGGER key_delete BEFORE DELETE ON key
BEGIN SELECT RAISE(ABORT, 'key is never deleted'); END;
CREATE TRIGGER key_closing_update BEFORE UPDATE ON key_closing
WHEN NEW.thumbprint <> OLD.thumbprint OR NEW.tree_size IS NOT OLD.tree_size OR NEW.tree_root IS NOT OLD.tree_root
BEGIN SELECT RAISE(ABORT, 'key_closing is append-only'); END;
CREATE TRIGGER key_closing_delete BEFORE DELETE ON key_closing
BEGIN SELECT RAISE(ABORT, 'key_closing is append-only'); END;
-- A batch changes once: when its last signature is there, or when it is given up.
CREATE TRIGGER batch_update BEFORE UPDATE ON batch
WHEN NEW.first_index <> OLD.first_index OR NEW.leaf_count <> OLD.leaf_count OR NEW.statement <> OLD.statement
    OR NEW.input_hash IS NOT OLD.input_hash OR NEW.made_at <> OLD.made_at OR OLD.sealed_at IS NOT NULL
    OR OLD.abandoned_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'batch is append-only'); END;
CREATE TRIGGER batch_delete BEFORE DELETE ON batch
BEGIN SELECT RAISE(ABORT, 'batch is append-only'); END;
CREATE TRIGGER batch_signature_update BEFORE UPDATE ON batch_signature
BEGIN SELECT RAISE(ABORT, 'batch_signature is append-only'); END;
CREATE TRIGGER batch_signature_delete BEFORE DELETE ON batch_signature
BEGIN SELECT RAISE(ABORT, 'batch_signature is append-only'); END;
-- A checkpoint gains signature lines of witnesses; its text stays.
CREATE TRIGGER checkpoint_update BEFORE UPDATE ON checkpoint
WHEN NEW.tree_size <> OLD.tree_size OR NEW.made_at <> OLD.made_at
    OR substr(NEW.note, 1, length(OLD.note)) <> OLD.note
BEGIN SELECT RAISE(ABORT, 'checkpoint is append-only'); END;
CREATE TRIGGER checkpoint_delete BEFORE DELETE ON checkpoint
BEGIN SELECT RAISE(ABORT, 'checkpoint is append-only'); END;
CREATE TRIGGER revocation_insert BEFORE INSERT ON revocation
WHEN NEW.revocation_id IS NOT (SELECT coalesce(max(revocation_id), 0) + 1 FROM revocation)
BEGIN SELECT RAISE(ABORT, 'revocation is numbered without gaps'); END;
CREATE TRIGGER revocation_update BEFORE UPDATE ON revocation
BEGIN SELECT RAISE(ABORT, 'revocation is append-only'); END;
CREATE TRIGGER revocation_delete BEFORE DELETE ON revocation
BEGIN SELECT RAISE(ABORT, 'revocation is append-only'); END;
CREATE TRIGGER revocation_list_insert BEFORE INSERT ON revocation_list
WHEN NEW.number IS NOT (SELECT coalesce(max(number), 0) + 1 FROM revocation_list)
BEGIN SELECT RAISE(ABORT, 'revocation_list is numbered without gaps'); END;
CREATE TRIGGER revocation_list_update BEFORE UPDATE ON revocation_list
BEGIN SELECT RAISE(ABORT, 'revocation_list is append-only'); END;
CREATE TRIGGER revocation_list_delete BEFORE DELETE ON revocation_list
BEGIN SELECT RAISE(ABORT, 'revocation_list is append-only'); END;
CREATE TRIGGER bundle_insert BEFORE INSERT ON bundle
WHEN NEW.number IS NOT (SELECT coalesce(max(number), 0) + 1 FROM bundle)
BEGIN SELECT RAISE(ABORT, 'bundle is numbered without gaps'); END;
CREATE TRIGGER bundle_update BEFORE UPDATE ON bundle
BEGIN SELECT RAISE(ABORT, 'bundle is append-only'); END;
CREATE TRIGGER bundle_delete BEFORE DELETE ON bundle
BEGIN SELECT RAISE(ABORT, 'bundle is append-only'); END;
CREATE TRIGGER issuing_lock_insert BEFORE INSERT ON issuing_lock
WHEN NEW.lock_id IS NOT (SELECT coalesce(max(lock_id), 0) + 1 FROM issuing_lock)
BEGIN SELECT RAISE(ABORT, 'issuing_lock is numbered without gaps'); END;
CREATE TRIGGER issuing_lock_update BEFORE UPDATE ON issuing_lock
BEGIN SELECT RAISE(ABORT, 'issuing_lock is append-only'); END;
CREATE TRIGGER issuing_lock_delete BEFORE DELETE ON issuing_lock
BEGIN SELECT RAISE(ABORT, 'issuing_lock is append-only'); END;
CREATE TRIGGER issuing_lock_release_update BEFORE UPDATE ON issuing_lock_release
BEGIN SELECT RAISE(ABORT, 'issuing_lock_release is append-only'); END;
CREATE TRIGGER issuing_lock_release_delete BEFORE DELETE ON issuing_lock_release
BEGIN SELECT RAISE(ABORT, 'issuing_lock_release is append-only'); END;
CREATE TRIGGER device_log_chain_update BEFORE UPDATE ON device_log_chain
BEGIN SELECT RAISE(ABORT, 'device_log_chain is append-only'); END;
CREATE TRIGGER device_log_chain_delete BEFORE DELETE ON device_log_chain
BEGIN SELECT RAISE(ABORT, 'device_log_chain is append-only'); END;
CREATE TRIGGER operation_settlement_update BEFORE UPDATE ON operation_settlement
BEGIN SELECT RAISE(ABORT, 'operation_settlement is append-only'); END;
CREATE TRIGGER operation_settlement_delete BEFORE DELETE ON operation_settlement
BEGIN SELECT RAISE(ABORT, 'operation_settlement is append-only'); END;
CREATE TRIGGER device_log_acceptance_insert BEFORE INSERT ON device_log_acceptance
WHEN NEW.acceptance_id IS NOT (SELECT coalesce(max(acceptance_id), 0) + 1 FROM device_log_acceptance)
BEGIN SELECT RAISE(ABORT, 'device_log_acceptance is numbered without gaps'); END;
CREATE TRIGGER device_log_acceptance_update BEFORE UPDATE ON device_log_acceptance
BEGIN SELECT RAISE(ABORT, 'device_log_acceptance is append-only'); END;
CREATE TRIGGER device_log_acceptance_delete BEFORE DELETE ON device_log_acceptance
BEGIN SELECT RAISE(ABORT, 'device_log_acceptance is append-only'); END;
CREATE TRIGGER key_move_insert BEFORE INSERT ON key_move
WHEN NEW.move_id IS NOT (SELECT coalesce(max(move_id), 0) + 1 FROM key_move)
BEGIN SELECT RAISE(ABORT, 'key_move is numbered without gaps'); END;
CREATE TRIGGER key_move_update BEFORE UPDATE ON key_move
BEGIN SELECT RAISE(ABORT, 'key_move is append-only'); END;
CREATE TRIGGER key_move_delete BEFORE DELETE ON key_move
BEGIN SELECT RAISE(ABORT, 'key_move is append-only'); END;
CREATE TRIGGER lease_insert BEFORE INSERT ON lease
WHEN NEW.epoch IS NOT (SELECT coalesce(max(epoch), 0) + 1 FROM lease)
BEGIN SELECT RAISE(ABORT, 'lease is numbered without gaps'); END;
CREATE TRIGGER lease_update BEFORE UPDATE ON lease
BEGIN SELECT RAISE(ABORT, 'lease is append-only'); END;
CREATE TRIGGER lease_delete BEFORE DELETE ON lease
BEGIN SELECT RAISE(ABORT, 'lease is append-only'); END;
