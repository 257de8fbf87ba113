//! One byte of a grant, an approval or a policy changed after the decision voids it: nothing is issued any more.
//!
//! Each is changed as another program would, past the triggers, and every byte is tried where there are few.

use super::*;
use crate::repository::tests::tampering::{self, Written};

fn approved() -> (Desk, EntitlementId) {
    let mut desk = Desk::new();
    let robin = desk.approver("Robin Vogt");
    let id = desk.grant();
    let made = desk.ask();
    desk.now += 60;
    desk.take(&approve(&made, &robin)).unwrap();
    desk.vouched(id).unwrap();
    (desk, id)
}

fn tamper(desk: &Desk, sql: &str, values: &[Written]) {
    tampering::tamper(&Home::new(&desk.folder), sql, values);
}

fn bytes(desk: &Desk, sql: &str) -> Vec<u8> {
    tampering::bytes(&Home::new(&desk.folder), sql)
}

/// Changes every byte of a column, one after the other, and asks for each whether anything is issued.
fn every_byte(table: &str, column: &str) {
    let (desk, id) = approved();
    let original = bytes(&desk, &format!("SELECT CAST({column} AS BLOB) FROM {table}"));
    let set = format!("UPDATE {table} SET {column} = ?1");
    let is_text = column == "text";
    let value = |bytes: Vec<u8>| match is_text {
        true => String::from_utf8(bytes).ok().map(Written::Text),
        false => Some(Written::Blob(bytes)),
    };
    let mut tried = 0;
    for place in 0..original.len() {
        let mut changed = original.clone();
        changed[place] ^= 1;
        let Some(changed) = value(changed) else { continue };
        tamper(&desk, &set, &[changed]);
        let refused = desk.vouched(id).expect_err(&format!("{table}.{column}, byte {place}"));
        assert!(refused.code() != "internal", "{table}.{column}, byte {place}");
        tried += 1;
    }
    assert!(tried * 2 > original.len(), "only {tried} of {} bytes were tried", original.len());
    tamper(&desk, &set, &[value(original).unwrap()]);
    desk.vouched(id).unwrap();
}

#[test]
fn one_byte_of_the_grant_that_stands_voids_its_approval() {
    every_byte("entitlement_grant", "bytes");
}

#[test]
fn one_byte_of_the_grant_that_was_proposed_voids_its_approval() {
    every_byte("proposal_grant", "bytes");
}

#[test]
fn one_byte_of_an_approval_voids_it() {
    every_byte("approval", "bytes");
}

#[test]
fn one_byte_of_the_policy_voids_what_was_approved_under_it() {
    every_byte("approval_policy", "text");
    every_byte("approval_policy", "sha256");
}

#[test]
fn the_key_of_another_approver_does_not_count() {
    let (mut desk, id) = approved();
    let other = desk.approver("Kim Sato").public_key();
    tamper(
        &desk,
        "UPDATE approver SET public_key = ?1, thumbprint = ?2 WHERE approver_id = 1",
        &[Written::Blob(other.encode()), Written::Blob([&other.thumbprint().0[..31], &[0]].concat())],
    );
    assert!(desk.vouched(id).is_err());
    let (desk, id) = approved();
    tamper(&desk, "UPDATE approver SET name = 'Dana Keller'", &[]);
    assert_eq!(code(desk.vouched(id)), "approval-void");
    let (desk, id) = approved();
    tamper(&desk, "UPDATE approver SET role = 'clerk'", &[]);
    assert_eq!(code(desk.vouched(id)), "approval-void");
}

#[test]
fn what_is_left_out_or_put_in_voids_it() {
    for sql in [
        "DELETE FROM approval",
        "UPDATE approval_request SET requester = 'Eve'",
        "UPDATE approval_request SET not_after = not_after + 1",
        "UPDATE approval_request SET nonce = zeroblob(16)",
        "UPDATE approval_request SET override_name = 'a', override_reason = 'b'",
        "UPDATE proposal_grant SET currency = 'EUR', minor_units = 1",
        "UPDATE proposal SET requester = 'Robin Vogt'",
        "DELETE FROM proposal_end",
        "DELETE FROM proposal_grant",
        "DELETE FROM approval_request_proposal",
        "INSERT INTO approval_request_proposal VALUES (1, 2)",
        "UPDATE entitlement_grant SET bytes = zeroblob(9)",
        "INSERT INTO entitlement_grant SELECT entitlement_id, 2, zeroblob(9), zeroblob(32), changed_at
         FROM entitlement_grant",
    ] {
        let (mut desk, id) = approved();
        // Another proposal, which nobody decided on.
        desk.grant();
        tamper(&desk, sql, &[]);
        assert!(desk.vouched(id).is_err(), "{sql}");
    }
}

#[test]
fn a_grant_that_never_passed_the_queue_lacks_its_approval() {
    let mut desk = Desk::new();
    desk.approver("Robin Vogt");
    let mut other = Desk::bare(1);
    other.now = NOW + DAY;
    let state = other.grant_to("acme", None, &[]).unwrap();
    let kept = other.repository.standing_grants(state.id).unwrap();
    // The row as the program writes it, by a hand that does not ask.
    desk.repository
        .change_entitlements::<_, crate::repository::RepositoryError>(|writer| {
            let note = Note { by: "Dana Keller", reason: "order 4711", at: NOW + DAY };
            writer.record(&Entitlement { revision: 0, ..state.clone() }, Change::Grant, &note)
        })
        .unwrap();
    assert_eq!(desk.repository.standing_grants(state.id).unwrap()[0].bytes, kept[0].bytes);
    let refused = desk.vouched(state.id).unwrap_err();
    assert_eq!(refused.code(), "approval-missing");
    assert!(refused.report().error.contains("rule default of policy 1"), "{}", refused.report().error);
}
