//! Proposals and decisions: what waits leaves no trace in what stands, and all of it is only ever added to.

use super::*;
use crate::repository::proposal::End;

const TABLES: [&str; 11] = [
    "approval",
    "approval_policy",
    "approval_request",
    "approval_request_proposal",
    "approver",
    "approver_revocation",
    "proposal",
    "proposal_end",
    "proposal_grant",
    "proposal_revocation",
    "site_record",
];

const ROWS: [&str; 11] = [
    "INSERT INTO approval_policy VALUES (1, zeroblob(32), 'rule = []', 'board', 'decided', 7)",
    "INSERT INTO approver VALUES (1, zeroblob(32), x'a0', 'Dana', 'approver', '{}', 7, NULL, 'clerk', 7)",
    "INSERT INTO approver_revocation VALUES (1, 'clerk', 'left', 9)",
    "INSERT INTO proposal VALUES (1, 'clerk', 'order 1', 1, 7)",
    "INSERT INTO proposal_grant VALUES (1, 0, zeroblob(8), x'a0', zeroblob(32), NULL, NULL)",
    "INSERT INTO proposal_revocation VALUES (1, 0, 'license', zeroblob(16))",
    "INSERT INTO approval_request VALUES (1, zeroblob(16), 'clerk', 1, NULL, NULL, 7, 9)",
    "INSERT INTO approval_request_proposal VALUES (1, 1)",
    "INSERT INTO approval VALUES (1, 1, 1, x'a0', 8)",
    "INSERT INTO proposal_end VALUES (1, 'active', 1, 'Dana', 'approved', 8)",
    "INSERT INTO site_record VALUES (1, 'acme', 'north', 1, x'a0', 8)",
];

/// Wants `quantity` for an entitlement that is new, as a proposal.
fn propose(repository: &mut Repository, number: u8, quantity: u64) -> u64 {
    let id = EntitlementId([number; 8]);
    let sold = sold(repository, "pump", "standard", Model::Perpetual, Binding::Device).unwrap();
    let order = Order { customer: "acme", quantity, site: None, not_before: Some(NOW), not_after: None };
    // Made in another home, so that the very bytes are those that a sale comes to.
    let folder = Folder::new();
    let mut other = authority(&folder.home());
    let state = grant_as(&mut other, id, &order, &sold, &NOTE).unwrap();
    let state = Entitlement { revision: 0, ..state };
    repository
        .change_or_propose::<_, RepositoryError>(
            |writer| writer.record(&state, chancery_formats::grant::Change::Grant, &NOTE),
            |_, changes| Ok(changes.iter().map(|_| Some(waiting())).collect()),
            NOW,
        )
        .unwrap();
    repository.proposed()[0]
}

fn waiting() -> Waiting {
    Waiting {
        policy: 1,
        requester: "clerk".to_owned(),
        reason: "order 1".to_owned(),
        prices: vec![None],
        at: NOW,
    }
}

fn with_policy(home: &Home) -> Repository {
    let mut repository = authority(home);
    set_policy(&mut repository);
    repository
}

/// From now on, changes by hand wait.
fn set_policy(repository: &mut Repository) {
    repository.apply_approval_policy("rule = []", "board", "decided", NOW).unwrap();
}

#[test]
fn what_waits_changes_nothing_that_stands() {
    let folder = Folder::new();
    let mut repository = with_policy(&folder.home());
    let before = count(&repository, "SELECT count(*) FROM entitlement_grant");
    let id = propose(&mut repository, 9, 5);
    assert_eq!(id, 1);
    assert_eq!(repository.entitlement(EntitlementId([9; 8])).unwrap_err().code(), "entitlement-unknown");
    assert_eq!(count(&repository, "SELECT count(*) FROM entitlement_grant"), before);
    assert_eq!(count(&repository, "SELECT count(*) FROM entitlement"), before);
    // The digests of tables went back with the rows.
    assert_eq!(repository.changed_tables().unwrap(), [""; 0]);
    assert_eq!(repository.proposals(false).unwrap().len(), 1);
    assert_eq!(repository.proposed_grants(1).unwrap().len(), 1);
}

#[test]
fn of_one_change_a_part_may_wait_and_the_rest_stand() {
    let folder = Folder::new();
    let mut repository = authority(&folder.home());
    let (one, two) = (grant(&mut repository, 1, 5), grant(&mut repository, 2, 5));
    set_policy(&mut repository);
    let note = Note { at: NOW + 1, ..NOTE };
    let changed = repository.change_or_propose::<_, RepositoryError>(
        |writer| {
            for id in [one, two] {
                writer.separate();
                let state = writer.entitlement(id)?;
                let more = Entitlement { quantity: 7, ..state };
                writer.record(&more, chancery_formats::grant::Change::Amend, &note)?;
            }
            Ok(())
        },
        |_, changes| {
            assert_eq!(changes.len(), 2);
            Ok(vec![Some(waiting()), None])
        },
        NOW + 1,
    );
    changed.unwrap();
    assert_eq!(repository.proposed(), [1]);
    assert_eq!(repository.entitlement(one).unwrap().quantity, 5);
    assert_eq!(repository.entitlement(two).unwrap().quantity, 7);
    assert_eq!(repository.changed_tables().unwrap(), [""; 0]);
}

fn ask(repository: &mut Repository, nonce: u8, proposals: &[u64]) -> Option<u64> {
    let new = NewRequest {
        nonce: [nonce; 16],
        requester: "clerk",
        policy: 1,
        overriding: None,
        requested_at: NOW,
        not_after: NOW + 100,
        proposals,
    };
    repository.add_approval_request(&new).unwrap()
}

#[test]
fn a_proposal_is_in_one_open_request_and_ends_once() {
    let folder = Folder::new();
    let mut repository = with_policy(&folder.home());
    let id = propose(&mut repository, 9, 5);
    assert_eq!(repository.proposals_to_ask(NOW).unwrap(), [id]);
    let request = ask(&mut repository, 1, &[id]).unwrap();
    assert_eq!(repository.proposals_to_ask(NOW + 100).unwrap(), [0; 0]);
    assert_eq!(ask(&mut repository, 2, &[id]), None, "it is in an open request");
    assert_eq!(repository.proposals_to_ask(NOW + 101).unwrap(), [id], "that one is over");
    assert_eq!(ask(&mut repository, 2, &[99]), None, "there is none");

    let decided = repository.decide::<_, RepositoryError>(|writer| writer.activate(request, "Dana", NOW + 5));
    assert_eq!(decided.unwrap(), Decided { ended: 1, stale: Vec::new() });
    let granted = repository.entitlement(EntitlementId([9; 8])).unwrap();
    assert_eq!((granted.quantity, granted.granted_at), (5, NOW + 5));
    assert_eq!(repository.proposals_to_ask(NOW + 101).unwrap(), [0; 0]);
    let ended = repository.withdraw_proposal(id, "clerk", "late", NOW + 6).unwrap();
    assert_eq!(ended, Some(Outcome::Active));
    let end = repository.proposal(id).unwrap().unwrap().end.unwrap();
    let expected = End {
        outcome: Outcome::Active,
        request: Some(request),
        by: "Dana".to_owned(),
        reason: "approved".to_owned(),
        at: NOW + 5,
    };
    assert_eq!(end, expected);
    assert_eq!(repository.changed_tables().unwrap(), [""; 0]);
}

#[test]
fn what_was_overtaken_is_stale_and_the_rest_of_a_request_stands() {
    let folder = Folder::new();
    let mut repository = authority(&folder.home());
    let id = grant(&mut repository, 1, 5);
    set_policy(&mut repository);
    let note = Note { at: NOW + 1, ..NOTE };
    let propose_quantity = |repository: &mut Repository, quantity: u64| {
        repository
            .change_or_propose::<_, RepositoryError>(
                |writer| {
                    let state = Entitlement { quantity, ..writer.entitlement(id)? };
                    writer.record(&state, chancery_formats::grant::Change::Amend, &note).map(drop)
                },
                |_, changes| Ok(changes.iter().map(|_| Some(waiting())).collect()),
                NOW + 1,
            )
            .unwrap();
        repository.proposed()[0]
    };
    let (first, second) = (propose_quantity(&mut repository, 7), propose_quantity(&mut repository, 8));
    let fresh = propose(&mut repository, 9, 5);
    let request = ask(&mut repository, 1, &[first, second, fresh]).unwrap();
    let decided = repository.decide::<_, RepositoryError>(|writer| writer.activate(request, "Dana", NOW + 5));
    assert_eq!(decided.unwrap(), Decided { ended: 2, stale: vec![second] });
    assert_eq!(repository.entitlement(id).unwrap().quantity, 7);
    assert_eq!(repository.changed_tables().unwrap(), [""; 0]);
}

#[test]
fn what_is_used_since_is_not_taken_away() {
    let folder = Folder::new();
    let mut repository = authority(&folder.home());
    let id = grant(&mut repository, 1, 5);
    set_policy(&mut repository);
    let note = Note { at: NOW + 1, ..NOTE };
    repository
        .change_or_propose::<_, RepositoryError>(
            |writer| {
                let state = Entitlement { quantity: 1, ..writer.entitlement(id)? };
                writer.record(&state, chancery_formats::grant::Change::Amend, &note).map(drop)
            },
            |_, changes| Ok(changes.iter().map(|_| Some(waiting())).collect()),
            NOW + 1,
        )
        .unwrap();
    let proposal = repository.proposed()[0];
    for device in [1, 2] {
        let intent = begin(&mut repository, &license(id, device, device, 1)).unwrap();
        repository.complete(intent, b"signed", NOW).unwrap();
    }
    let request = ask(&mut repository, 1, &[proposal]).unwrap();
    let decided = repository.decide::<_, RepositoryError>(|writer| writer.activate(request, "Dana", NOW + 5));
    assert_eq!(decided.unwrap(), Decided { ended: 0, stale: vec![proposal] });
    assert_eq!(repository.entitlement(id).unwrap().quantity, 5);
}

#[test]
fn rows_of_approvals_cannot_be_changed_deleted_or_replaced() {
    let folder = Folder::new();
    let mut repository = authority(&folder.home());
    let insert = |transaction: &Transaction<'_>| {
        ROWS.iter().try_for_each(|sql| transaction.execute(sql, []).map(drop))?;
        Ok(())
    };
    repository.write(insert).unwrap();
    for table in TABLES {
        let refused = |sql: &str| repository.connection.execute(sql, []).expect_err(sql).to_string();
        let columns = repository.connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
        for column in columns.column_names() {
            let update = format!("UPDATE {table} SET {column} = {column}");
            assert_eq!(refused(&update), format!("{table} is append-only"), "{update}");
        }
        assert_eq!(refused(&format!("DELETE FROM {table}")), format!("{table} is append-only"));
        let replaced = refused(&format!("INSERT OR REPLACE INTO {table} SELECT * FROM {table}"));
        let expected = [format!("{table} is append-only"), format!("{table} is numbered without gaps")];
        assert!(expected.contains(&replaced), "{table}: {replaced}");
    }
    for (table, column) in [
        ("approval", "approval_id"),
        ("approval_policy", "number"),
        ("approval_request", "request_id"),
        ("approver", "approver_id"),
        ("proposal", "proposal_id"),
        ("site_record", "site_record_id"),
    ] {
        let columns = repository.connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = columns.column_names().into_iter().map(|name| match name {
            name if name == column => format!("{name} + 2"),
            name => name.to_owned(),
        });
        let columns: Vec<_> = columns.collect();
        let insert = format!("INSERT INTO {table} SELECT {} FROM {table}", columns.join(", "));
        let refused = repository.connection.execute(&insert, []).expect_err(&insert).to_string();
        assert_eq!(refused, format!("{table} is numbered without gaps"));
    }
}

/// However many wait, a look-up descends indices and walks over no table but the queue itself.
#[test]
fn look_ups_of_approvals_walk_over_no_table() {
    let folder = Folder::new();
    let repository = authority(&folder.home());
    for sql in [
        "SELECT ended.request_id FROM proposal_grant
         JOIN proposal_end AS ended ON ended.proposal_id = proposal_grant.proposal_id
         WHERE hash = ?1 AND outcome = 'active' LIMIT 1",
        "SELECT entitlement_id, bytes FROM proposal_grant WHERE proposal_id = ?1 ORDER BY position",
        "SELECT 1 FROM approval WHERE request_id = ?1 AND approver_id = 1",
        "SELECT bytes FROM site_record WHERE customer_id = ?1 AND site_id = 'north' AND imported_at <= 7
         ORDER BY site_record_id DESC LIMIT 1",
        "SELECT request_id FROM approval_request WHERE nonce = ?1",
    ] {
        let mut statement = repository.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = statement.query_map([[0_u8; 32]], |row| row.get::<_, String>(3)).unwrap();
        let steps: Vec<_> = steps.map(Result::unwrap).collect();
        assert!(!steps.iter().any(|step| step.starts_with("SCAN")), "{sql}: {steps:?}");
    }
}
