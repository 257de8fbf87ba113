//! Many changes in one decision: linear, and nothing of them stands before.

use super::*;
use crate::repository::RepositoryError;

/// How many: more than fit in anything that is kept by chance.
const MANY: u64 = 3_000;

fn propose_many(desk: &mut Desk, count: u64) -> Vec<EntitlementId> {
    let first = desk.grant_to("acme", None, &[]).unwrap();
    desk.repository.withdraw_proposal(1, "clerk", "a pattern only", desk.now).unwrap();
    let note = desk.note();
    gate::change(&mut desk.repository, &note, |writer| {
        let mut ids = Vec::new();
        for number in 0..count {
            writer.separate();
            let id = EntitlementId((number + 1).to_be_bytes());
            let state = Entitlement { id, revision: 0, ..first.clone() };
            ids.push(writer.record(&state, Change::Grant, &note)?.id);
        }
        Ok(ids)
    })
    .unwrap()
}

#[test]
fn an_import_is_asked_for_in_one_file_and_approved_in_one_decision() {
    let mut desk = Desk::new();
    let robin = desk.approver("Robin Vogt");
    let ids = propose_many(&mut desk, MANY);
    assert_eq!(desk.repository.proposed().len() as u64, MANY);
    let made = desk.ask();
    assert_eq!(made.asked.covers.count, MANY);
    let approval = approve(&made, &robin);
    assert!(approval.len() < 1_024, "{}", approval.len());
    let taken = desk.take(&approval).unwrap();
    assert_eq!(taken.decided.unwrap().ended, MANY);

    let mut vouching = Vouching::load(&desk.repository).unwrap();
    for id in &ids {
        vouching.require(&desk.repository, *id).unwrap();
    }
    assert_eq!(desk.repository.proposals(false).unwrap().len(), 0);
    assert_eq!(desk.repository.changed_tables().unwrap(), [""; 0]);
}

#[test]
fn too_much_for_one_request_is_refused_and_a_part_of_it_is_not() {
    let mut desk = Desk::new();
    propose_many(&mut desk, 20);
    let nothing = Wish { customer: Some("globex"), ..desk.wish() };
    assert_eq!(code(ask(&mut desk.repository, &nothing)), "proposal-none");
    let unknown = [99];
    let wish = Wish { proposals: &unknown, ..desk.wish() };
    assert_eq!(code(ask(&mut desk.repository, &wish)), "proposal-asked");
    let some = [5, 3, 3];
    let wish = Wish { proposals: &some, ..desk.wish() };
    let made = ask(&mut desk.repository, &wish).unwrap();
    assert_eq!(made.asked.covers.count, 2);
    // What was asked is written again byte for byte, and not asked twice.
    let again = ask::write_again(&desk.repository, made.id, desk.now).unwrap();
    assert_eq!(again.bytes, made.bytes);
    assert_eq!(code(ask(&mut desk.repository, &wish)), "proposal-asked");
    assert_eq!(desk.ask().asked.covers.count, 18);
    let wish = desk.wish();
    assert_eq!(code(ask(&mut desk.repository, &wish)), "proposal-none");
}

#[test]
fn a_change_that_fails_leaves_no_proposal() {
    let mut desk = Desk::new();
    let first = desk.grant_to("acme", None, &[]).unwrap();
    let note = desk.note();
    let before = desk.repository.proposals(true).unwrap();
    let failed = gate::change(&mut desk.repository, &note, |writer| {
        writer.record(&Entitlement { revision: 0, ..first.clone() }, Change::Grant, &note)?;
        Err::<(), _>(CommandError::from(RepositoryError::RevisionTaken))
    });
    assert_eq!(code(failed), "revision-taken");
    assert_eq!(desk.repository.proposals(true).unwrap(), before);
    assert_eq!(desk.repository.changed_tables().unwrap(), [""; 0]);
}
