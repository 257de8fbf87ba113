-- The authority's records. Times are Unix seconds UTC in INTEGER columns that end in _at, or in
-- not_before and not_after; identifiers and hashes are BLOBs of one exact length.
--
-- Every object must match, word for word, what the program expects when it opens the file: see
-- repository/schema.rs. Never edit this file once released; add the next number.

-- Who this authority is: one row, written by `init` as its last step.
CREATE TABLE authority (
    singleton INTEGER PRIMARY KEY CHECK (singleton = 1),
    authority_id BLOB NOT NULL CHECK (length(authority_id) = 32), -- SHA-256 of the payload of root version 1
    name TEXT NOT NULL CHECK (length(name) > 0), -- the claim `iss` of every license
    root_version INTEGER NOT NULL CHECK (root_version >= 1), -- highest root version in force
    created_at INTEGER NOT NULL
) STRICT;

-- Keys the authority uses. Private halves are behind `reference`, never here.
CREATE TABLE key (
    thumbprint BLOB PRIMARY KEY CHECK (length(thumbprint) = 32),
    role TEXT NOT NULL CHECK (role IN ('root', 'issuer')), -- one key never fills two roles
    algorithm INTEGER NOT NULL, -- number in the COSE Algorithms registry
    public_key BLOB NOT NULL, -- COSE_Key as RFC 9679 hashes it, so that export needs no device
    reference TEXT NOT NULL UNIQUE, -- where the key backend finds the private key
    protection TEXT NOT NULL CHECK (protection IN ('software', 'hardware')),
    record_index INTEGER UNIQUE REFERENCES log_leaf (log_index), -- its key record; NULL for root keys, and until certified
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The catalog as the last change left it. Entitlements keep their own copy of what was sold.
CREATE TABLE product (
    product_id TEXT PRIMARY KEY,
    name TEXT NOT NULL CHECK (length(name) > 0)
) STRICT, WITHOUT ROWID;

-- A capability of a product: a switch is on or absent, a limit carries a number.
CREATE TABLE feature (
    product_id TEXT NOT NULL REFERENCES product,
    feature_id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('switch', 'limit')),
    PRIMARY KEY (product_id, feature_id)
) STRICT, WITHOUT ROWID;

-- A set of features sold under one name.
CREATE TABLE edition (
    product_id TEXT NOT NULL REFERENCES product,
    edition_id TEXT NOT NULL,
    PRIMARY KEY (product_id, edition_id)
) STRICT, WITHOUT ROWID;

-- What an edition holds. A feature that is not listed is not part of it.
CREATE TABLE edition_feature (
    product_id TEXT NOT NULL,
    edition_id TEXT NOT NULL,
    feature_id TEXT NOT NULL,
    limit_value INTEGER CHECK (limit_value >= 0), -- NULL for a switch
    PRIMARY KEY (product_id, edition_id, feature_id),
    FOREIGN KEY (product_id, edition_id) REFERENCES edition,
    FOREIGN KEY (product_id, feature_id) REFERENCES feature
) STRICT, WITHOUT ROWID;

-- Every catalog file that changed something, whole, so that any past catalog can be read again.
CREATE TABLE catalog_change (
    number INTEGER PRIMARY KEY CHECK (number >= 1), -- from 1, without gaps
    sha256 BLOB NOT NULL CHECK (length(sha256) = 32), -- of `text`
    text TEXT NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT;

-- Who buys.
CREATE TABLE customer (
    customer_id TEXT PRIMARY KEY,
    name TEXT NOT NULL CHECK (length(name) > 0),
    added_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What a customer bought. The edition is named, not referenced: a later catalog may drop it.
CREATE TABLE entitlement (
    entitlement_id BLOB PRIMARY KEY CHECK (length(entitlement_id) = 8), -- random
    customer_id TEXT NOT NULL REFERENCES customer,
    product_id TEXT NOT NULL REFERENCES product,
    edition_id TEXT NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity >= 1), -- distinct devices that may hold a license
    not_before INTEGER NOT NULL,
    not_after INTEGER CHECK (not_after >= not_before), -- NULL means perpetual
    revision INTEGER NOT NULL CHECK (revision >= 1), -- from 1; an amendment adds 1
    granted_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The features as they were sold, whatever the catalog says later.
CREATE TABLE entitlement_feature (
    entitlement_id BLOB NOT NULL REFERENCES entitlement,
    feature_id TEXT NOT NULL,
    limit_value INTEGER CHECK (limit_value >= 0), -- NULL for a switch
    PRIMARY KEY (entitlement_id, feature_id)
) STRICT, WITHOUT ROWID;

-- The log: one leaf a document, written before any key signs.
CREATE TABLE log_leaf (
    log_index INTEGER PRIMARY KEY CHECK (log_index >= 0), -- from 0, without gaps
    leaf_hash BLOB NOT NULL UNIQUE CHECK (length(leaf_hash) = 32), -- SHA-256(0x00 || Sig_structure)
    typ TEXT NOT NULL, -- media type of the document
    protected BLOB NOT NULL, -- protected header of the document, as encoded
    payload BLOB NOT NULL,
    recorded_at INTEGER NOT NULL
) STRICT;

-- Every attempt to use a key, written before it. One without an outcome may have signed or not.
CREATE TABLE operation (
    operation_id INTEGER PRIMARY KEY CHECK (operation_id >= 0), -- from 0, without gaps
    key BLOB NOT NULL REFERENCES key (thumbprint),
    message_hash BLOB NOT NULL CHECK (length(message_hash) = 32), -- SHA-256 of the bytes that the device signs
    first_index INTEGER NOT NULL REFERENCES log_leaf (log_index),
    leaf_count INTEGER NOT NULL CHECK (leaf_count >= 1), -- leaves first_index and up that the signature covers
    started_at INTEGER NOT NULL
) STRICT;

CREATE INDEX operation_first_index ON operation (first_index);

-- How an attempt ended, where that is known.
CREATE TABLE operation_outcome (
    operation_id INTEGER PRIMARY KEY REFERENCES operation,
    outcome TEXT NOT NULL CHECK (outcome IN ('signed', 'failed')),
    detail TEXT, -- why it failed
    ended_at INTEGER NOT NULL
) STRICT;

-- The documents as signed. A leaf without one is interrupted work.
CREATE TABLE signed_document (
    log_index INTEGER PRIMARY KEY REFERENCES log_leaf,
    bytes BLOB NOT NULL,
    signed_at INTEGER NOT NULL
) STRICT;

-- What each license leaf means. A row counts against the entitlement from the moment it is intended.
CREATE TABLE license (
    license_id BLOB PRIMARY KEY CHECK (length(license_id) = 16), -- random; the claim `cti`
    log_index INTEGER NOT NULL UNIQUE REFERENCES log_leaf,
    entitlement_id BLOB NOT NULL REFERENCES entitlement,
    device BLOB NOT NULL CHECK (length(device) = 32), -- thumbprint of the device key
    revision INTEGER NOT NULL CHECK (revision >= 1), -- from 1 for each device of an entitlement
    request_hash BLOB NOT NULL UNIQUE CHECK (length(request_hash) = 32), -- SHA-256 of the whole request
    UNIQUE (entitlement_id, device, revision)
) STRICT, WITHOUT ROWID;

-- History is only ever added to. Numbers without gaps make a missing row visible.
CREATE TRIGGER catalog_change_insert BEFORE INSERT ON catalog_change
WHEN NEW.number IS NOT (SELECT coalesce(max(number), 0) + 1 FROM catalog_change)
BEGIN SELECT RAISE(ABORT, 'catalog_change is numbered without gaps'); END;
CREATE TRIGGER catalog_change_update BEFORE UPDATE ON catalog_change
BEGIN SELECT RAISE(ABORT, 'catalog_change is append-only'); END;
CREATE TRIGGER catalog_change_delete BEFORE DELETE ON catalog_change
BEGIN SELECT RAISE(ABORT, 'catalog_change is append-only'); END;

CREATE TRIGGER log_leaf_insert BEFORE INSERT ON log_leaf
WHEN NEW.log_index IS NOT (SELECT coalesce(max(log_index), -1) + 1 FROM log_leaf)
BEGIN SELECT RAISE(ABORT, 'log_leaf is numbered without gaps'); END;
CREATE TRIGGER log_leaf_update BEFORE UPDATE ON log_leaf
BEGIN SELECT RAISE(ABORT, 'log_leaf is append-only'); END;
CREATE TRIGGER log_leaf_delete BEFORE DELETE ON log_leaf
BEGIN SELECT RAISE(ABORT, 'log_leaf is append-only'); END;

CREATE TRIGGER operation_insert BEFORE INSERT ON operation
WHEN NEW.operation_id IS NOT (SELECT coalesce(max(operation_id), -1) + 1 FROM operation)
BEGIN SELECT RAISE(ABORT, 'operation is numbered without gaps'); END;
CREATE TRIGGER operation_update BEFORE UPDATE ON operation
BEGIN SELECT RAISE(ABORT, 'operation is append-only'); END;
CREATE TRIGGER operation_delete BEFORE DELETE ON operation
BEGIN SELECT RAISE(ABORT, 'operation is append-only'); END;

CREATE TRIGGER operation_outcome_update BEFORE UPDATE ON operation_outcome
BEGIN SELECT RAISE(ABORT, 'operation_outcome is append-only'); END;
CREATE TRIGGER operation_outcome_delete BEFORE DELETE ON operation_outcome
BEGIN SELECT RAISE(ABORT, 'operation_outcome is append-only'); END;

CREATE TRIGGER signed_document_update BEFORE UPDATE ON signed_document
BEGIN SELECT RAISE(ABORT, 'signed_document is append-only'); END;
CREATE TRIGGER signed_document_delete BEFORE DELETE ON signed_document
BEGIN SELECT RAISE(ABORT, 'signed_document is append-only'); END;

CREATE TRIGGER license_update BEFORE UPDATE ON license
BEGIN SELECT RAISE(ABORT, 'license is append-only'); END;
CREATE TRIGGER license_delete BEFORE DELETE ON license
BEGIN SELECT RAISE(ABORT, 'license is append-only'); END;
