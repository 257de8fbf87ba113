-- Approvals: the policy, who approves, what waits for a decision, what was asked and decided, where sites stand.
--
-- No row says by itself that something is approved: signed bytes do, and they are checked again whenever a license is
-- issued. What happened later is a row of its own, so that all of it is append-only. Spec: docs/spec/approval.md.
CREATE TABLE approval_policy (
    number INTEGER PRIMARY KEY CHECK (number >= 1), -- from 1, without gaps; the highest is in force
    sha256 BLOB NOT NULL CHECK (length(sha256) = 32), -- of `text`, as approvals state it
    text TEXT NOT NULL CHECK (length(text) > 0), -- TOML, as it was applied
    applied_by TEXT NOT NULL CHECK (length(applied_by) > 0),
    reason TEXT NOT NULL CHECK (length(reason) > 0),
    applied_at INTEGER NOT NULL
) STRICT;

-- Whose signatures count, for what and how long.
CREATE TABLE approver (
    approver_id INTEGER PRIMARY KEY CHECK (approver_id >= 1), -- from 1, without gaps
    thumbprint BLOB NOT NULL UNIQUE CHECK (length(thumbprint) = 32),
    public_key BLOB NOT NULL, -- COSE_Key
    name TEXT NOT NULL CHECK (length(name) > 0), -- one person has one name, whatever keys
    role TEXT NOT NULL CHECK (length(role) > 0), -- as policies name it
    bounds TEXT NOT NULL, -- JSON
    not_before INTEGER NOT NULL,
    not_after INTEGER, -- NULL means without end
    added_by TEXT NOT NULL CHECK (length(added_by) > 0),
    added_at INTEGER NOT NULL,
    CHECK (not_after >= not_before)
) STRICT;
CREATE TABLE approver_revocation (
    approver_id INTEGER PRIMARY KEY REFERENCES approver,
    revoked_by TEXT NOT NULL CHECK (length(revoked_by) > 0),
    reason TEXT NOT NULL CHECK (length(reason) > 0),
    revoked_at INTEGER NOT NULL
) STRICT;

-- Changes of entitlements that wait for a decision: the grants that they would make, whole, and what they would name
-- for the revocation list.
CREATE TABLE proposal (
    proposal_id INTEGER PRIMARY KEY CHECK (proposal_id >= 1), -- from 1, without gaps
    requester TEXT NOT NULL CHECK (length(requester) > 0),
    reason TEXT NOT NULL CHECK (length(reason) > 0),
    policy INTEGER NOT NULL REFERENCES approval_policy, -- which demands the decision
    proposed_at INTEGER NOT NULL
) STRICT;
CREATE TABLE proposal_grant (
    proposal_id INTEGER NOT NULL REFERENCES proposal,
    position INTEGER NOT NULL CHECK (position >= 0), -- in the order in which they are written
    entitlement_id BLOB NOT NULL CHECK (length(entitlement_id) = 8), -- one that begins is in no other table yet
    bytes BLOB NOT NULL, -- as encoded: docs/spec/grant.md
    hash BLOB NOT NULL CHECK (length(hash) = 32), -- SHA-256 of `bytes`
    currency TEXT CHECK (length(currency) = 3), -- ISO 4217; NULL where the catalog has no price
    minor_units INTEGER CHECK (minor_units >= 0),
    PRIMARY KEY (proposal_id, position),
    CHECK ((currency IS NULL) = (minor_units IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX proposal_grant_hash ON proposal_grant (hash);
CREATE TABLE proposal_revocation (
    proposal_id INTEGER NOT NULL REFERENCES proposal,
    position INTEGER NOT NULL CHECK (position >= 0),
    kind TEXT NOT NULL CHECK (kind IN ('license', 'entitlement')),
    value BLOB NOT NULL, -- the id
    PRIMARY KEY (proposal_id, position)
) STRICT, WITHOUT ROWID;

-- What was asked of approvers, in one file: the grants of these proposals, in their order.
CREATE TABLE approval_request (
    request_id INTEGER PRIMARY KEY CHECK (request_id >= 1), -- from 1, without gaps
    nonce BLOB NOT NULL UNIQUE CHECK (length(nonce) = 16), -- random
    requester TEXT NOT NULL CHECK (length(requester) > 0),
    policy INTEGER NOT NULL REFERENCES approval_policy,
    override_name TEXT CHECK (length(override_name) > 0), -- what lets a prohibited destination pass
    override_reason TEXT CHECK (length(override_reason) > 0),
    requested_at INTEGER NOT NULL,
    not_after INTEGER NOT NULL CHECK (not_after >= requested_at), -- the last second in which an approval is taken
    CHECK ((override_name IS NULL) = (override_reason IS NULL))
) STRICT;
CREATE TABLE approval_request_proposal (
    request_id INTEGER NOT NULL REFERENCES approval_request,
    proposal_id INTEGER NOT NULL REFERENCES proposal,
    PRIMARY KEY (request_id, proposal_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX approval_request_proposal_id ON approval_request_proposal (proposal_id);

-- What approvers decided, as they signed it.
CREATE TABLE approval (
    approval_id INTEGER PRIMARY KEY CHECK (approval_id >= 1), -- from 1, without gaps
    request_id INTEGER NOT NULL REFERENCES approval_request,
    approver_id INTEGER NOT NULL REFERENCES approver,
    bytes BLOB NOT NULL, -- the whole document
    imported_at INTEGER NOT NULL,
    UNIQUE (request_id, approver_id)
) STRICT;

-- How each proposal ended, once.
CREATE TABLE proposal_end (
    proposal_id INTEGER PRIMARY KEY REFERENCES proposal,
    outcome TEXT NOT NULL CHECK (outcome IN ('active', 'rejected', 'stale', 'withdrawn')),
    request_id INTEGER REFERENCES approval_request, -- the request that decided it; NULL for what was withdrawn
    ended_by TEXT NOT NULL CHECK (length(ended_by) > 0),
    reason TEXT NOT NULL CHECK (length(reason) > 0),
    ended_at INTEGER NOT NULL,
    CHECK ((request_id IS NULL) = (outcome = 'withdrawn'))
) STRICT;

-- In which country sites stand, as somebody attested; of one site the newest counts.
CREATE TABLE site_record (
    site_record_id INTEGER PRIMARY KEY CHECK (site_record_id >= 1), -- from 1, without gaps
    customer_id TEXT NOT NULL REFERENCES customer,
    site_id TEXT NOT NULL CHECK (length(site_id) > 0),
    approver_id INTEGER NOT NULL REFERENCES approver, -- who attests
    bytes BLOB NOT NULL, -- the whole document
    imported_at INTEGER NOT NULL
) STRICT;
CREATE INDEX site_record_site ON site_record (customer_id, site_id);

CREATE TRIGGER approval_policy_insert BEFORE INSERT ON approval_policy
WHEN NEW.number IS NOT (SELECT coalesce(max(number), 0) + 1 FROM approval_policy)
BEGIN SELECT RAISE(ABORT, 'approval_policy is numbered without gaps'); END;
CREATE TRIGGER approval_policy_update BEFORE UPDATE ON approval_policy
BEGIN SELECT RAISE(ABORT, 'approval_policy is append-only'); END;
CREATE TRIGGER approval_policy_delete BEFORE DELETE ON approval_policy
BEGIN SELECT RAISE(ABORT, 'approval_policy is append-only'); END;
CREATE TRIGGER approver_insert BEFORE INSERT ON approver
WHEN NEW.approver_id IS NOT (SELECT coalesce(max(approver_id), 0) + 1 FROM approver)
BEGIN SELECT RAISE(ABORT, 'approver is numbered without gaps'); END;
CREATE TRIGGER approver_update BEFORE UPDATE ON approver
BEGIN SELECT RAISE(ABORT, 'approver is append-only'); END;
CREATE TRIGGER approver_delete BEFORE DELETE ON approver
BEGIN SELECT RAISE(ABORT, 'approver is append-only'); END;
CREATE TRIGGER approver_revocation_update BEFORE UPDATE ON approver_revocation
BEGIN SELECT RAISE(ABORT, 'approver_revocation is append-only'); END;
CREATE TRIGGER approver_revocation_delete BEFORE DELETE ON approver_revocation
BEGIN SELECT RAISE(ABORT, 'approver_revocation is append-only'); END;
CREATE TRIGGER proposal_insert BEFORE INSERT ON proposal
WHEN NEW.proposal_id IS NOT (SELECT coalesce(max(proposal_id), 0) + 1 FROM proposal)
BEGIN SELECT RAISE(ABORT, 'proposal is numbered without gaps'); END;
CREATE TRIGGER proposal_update BEFORE UPDATE ON proposal
BEGIN SELECT RAISE(ABORT, 'proposal is append-only'); END;
CREATE TRIGGER proposal_delete BEFORE DELETE ON proposal
BEGIN SELECT RAISE(ABORT, 'proposal is append-only'); END;
CREATE TRIGGER proposal_grant_update BEFORE UPDATE ON proposal_grant
BEGIN SELECT RAISE(ABORT, 'proposal_grant is append-only'); END;
CREATE TRIGGER proposal_grant_delete BEFORE DELETE ON proposal_grant
BEGIN SELECT RAISE(ABORT, 'proposal_grant is append-only'); END;
CREATE TRIGGER proposal_revocation_update BEFORE UPDATE ON proposal_revocation
BEGIN SELECT RAISE(ABORT, 'proposal_revocation is append-only'); END;
CREATE TRIGGER proposal_revocation_delete BEFORE DELETE ON proposal_revocation
BEGIN SELECT RAISE(ABORT, 'proposal_revocation is append-only'); END;
CREATE TRIGGER approval_request_insert BEFORE INSERT ON approval_request
WHEN NEW.request_id IS NOT (SELECT coalesce(max(request_id), 0) + 1 FROM approval_request)
BEGIN SELECT RAISE(ABORT, 'approval_request is numbered without gaps'); END;
CREATE TRIGGER approval_request_update BEFORE UPDATE ON approval_request
BEGIN SELECT RAISE(ABORT, 'approval_request is append-only'); END;
CREATE TRIGGER approval_request_delete BEFORE DELETE ON approval_request
BEGIN SELECT RAISE(ABORT, 'approval_request is append-only'); END;
CREATE TRIGGER approval_request_proposal_update BEFORE UPDATE ON approval_request_proposal
BEGIN SELECT RAISE(ABORT, 'approval_request_proposal is append-only'); END;
CREATE TRIGGER approval_request_proposal_delete BEFORE DELETE ON approval_request_proposal
BEGIN SELECT RAISE(ABORT, 'approval_request_proposal is append-only'); END;
CREATE TRIGGER approval_insert BEFORE INSERT ON approval
WHEN NEW.approval_id IS NOT (SELECT coalesce(max(approval_id), 0) + 1 FROM approval)
BEGIN SELECT RAISE(ABORT, 'approval is numbered without gaps'); END;
CREATE TRIGGER approval_update BEFORE UPDATE ON approval
BEGIN SELECT RAISE(ABORT, 'approval is append-only'); END;
CREATE TRIGGER approval_delete BEFORE DELETE ON approval
BEGIN SELECT RAISE(ABORT, 'approval is append-only'); END;
CREATE TRIGGER proposal_end_update BEFORE UPDATE ON proposal_end
BEGIN SELECT RAISE(ABORT, 'proposal_end is append-only'); END;
CREATE TRIGGER proposal_end_delete BEFORE DELETE ON proposal_end
BEGIN SELECT RAISE(ABORT, 'proposal_end is append-only'); END;
CREATE TRIGGER site_record_insert BEFORE INSERT ON site_record
WHEN NEW.site_record_id IS NOT (SELECT coalesce(max(site_record_id), 0) + 1 FROM site_record)
BEGIN SELECT RAISE(ABORT, 'site_record is numbered without gaps'); END;
CREATE TRIGGER site_record_update BEFORE UPDATE ON site_record
BEGIN SELECT RAISE(ABORT, 'site_record is append-only'); END;
CREATE TRIGGER site_record_delete BEFORE DELETE ON site_record
BEGIN SELECT RAISE(ABORT, 'site_record is append-only'); END;
