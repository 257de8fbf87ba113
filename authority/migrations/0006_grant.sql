-- Grants: every state that an entitlement was ever in, each whole, chained by its hash to the one before.
--
-- Entitlements that are there get their first grant by the program, from what they hold (repository/grant/upgrade.rs),
-- which drops `old_entitlement` and `entitlement_feature` then, and makes the indices.
CREATE TABLE entitlement_grant (
    entitlement_id BLOB NOT NULL REFERENCES entitlement,
    revision INTEGER NOT NULL CHECK (revision >= 1), -- from 1 for each entitlement, without gaps
    bytes BLOB NOT NULL, -- as encoded: docs/spec/grant.md
    hash BLOB NOT NULL CHECK (length(hash) = 32), -- SHA-256 of `bytes`
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (entitlement_id, revision)
) STRICT;
CREATE TRIGGER entitlement_grant_insert BEFORE INSERT ON entitlement_grant
WHEN NEW.revision IS NOT
    (SELECT coalesce(max(revision), 0) + 1 FROM entitlement_grant WHERE entitlement_id = NEW.entitlement_id)
BEGIN SELECT RAISE(ABORT, 'entitlement_grant is numbered without gaps'); END;
CREATE TRIGGER entitlement_grant_update BEFORE UPDATE ON entitlement_grant
BEGIN SELECT RAISE(ABORT, 'entitlement_grant is append-only'); END;
CREATE TRIGGER entitlement_grant_delete BEFORE DELETE ON entitlement_grant
BEGIN SELECT RAISE(ABORT, 'entitlement_grant is append-only'); END;

-- What is asked of entitlements without reading their grants: what the newest grant says.
CREATE TABLE new_entitlement (
    entitlement_id BLOB PRIMARY KEY CHECK (length(entitlement_id) = 8), -- random
    customer_id TEXT NOT NULL REFERENCES customer,
    product_id TEXT NOT NULL REFERENCES product,
    state TEXT NOT NULL CHECK (state IN ('active', 'suspended', 'revoked')),
    model TEXT NOT NULL CHECK (model IN ('perpetual', 'subscription', 'trial')),
    began_as_trial INTEGER NOT NULL CHECK (began_as_trial IN (0, 1)), -- stays when it is converted
    quantity INTEGER NOT NULL CHECK (quantity >= 0), -- activations, those of its islands among them
    in_islands INTEGER NOT NULL CHECK (in_islands BETWEEN 0 AND quantity), -- of these, what its islands hold
    returned INTEGER NOT NULL CHECK (returned >= 0), -- activations up to this one no longer count
    not_after INTEGER, -- NULL means perpetual
    parent_id BLOB REFERENCES entitlement, -- NULL but for islands
    revision INTEGER NOT NULL CHECK (revision >= 1), -- of the newest grant
    granted_at INTEGER NOT NULL -- of the first grant
) STRICT, WITHOUT ROWID;
INSERT INTO new_entitlement
SELECT entitlement_id, customer_id, product_id, 'active', iif(not_after IS NULL, 'perpetual', 'subscription'), 0,
       quantity, 0, 0, not_after, NULL, 1, granted_at
FROM entitlement;
CREATE TABLE old_entitlement AS SELECT * FROM entitlement;
DROP TABLE entitlement;
ALTER TABLE new_entitlement RENAME TO entitlement;
DELETE FROM row_digest WHERE name = 'entitlement_feature';

-- Which grant a license was issued under.
ALTER TABLE license ADD COLUMN grant_revision INTEGER NOT NULL DEFAULT 1 CHECK (grant_revision >= 1);
