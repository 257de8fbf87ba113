//! Every approval that does not count, each refused with its code, and nothing changed by it.

use super::*;
use crate::repository::{NewKey, Outcome};
use chancery_formats::approval::{Approval, ApprovalRequest, Item, Override, RequestHead};
use chancery_formats::cose::{Envelope, Header, Mode, Unsigned};
use chancery_formats::document::Kind;
use chancery_formats::grant::Grant;
use chancery_formats::key::Protection;
use chancery_formats::seal::Role;

/// Asserts that an approval is refused, and that the request waits as before.
fn refuses(desk: &mut Desk, approval: &[u8], expected: &str) {
    let before = (desk.repository.proposals(true).unwrap(), desk.repository.approvals(1).unwrap());
    assert_eq!(code(desk.take(approval)), expected);
    let after = (desk.repository.proposals(true).unwrap(), desk.repository.approvals(1).unwrap());
    assert_eq!(before, after, "{expected}");
    assert_eq!(desk.repository.changed_tables().unwrap(), [""; 0]);
}

fn signed(approval: &Approval<'_>, key: &Key) -> Vec<u8> {
    let unsigned = approval.to_sign(&key.public_key());
    let signature = key.sign(&unsigned.sig_structure()).unwrap();
    unsigned.sign(&signature)
}

#[test]
fn swapped_content_is_refused() {
    let mut desk = Desk::new();
    let robin = desk.approver("Robin Vogt");
    desk.grant();
    desk.grant();
    let made = desk.ask();
    let request = ApprovalRequest::decode(&made.bytes).unwrap();
    let items: Vec<_> = request.items().collect();
    let five = Grant::decode(items[0].grant).unwrap();
    let more = Grant { quantity: 6, ..five }.encode();
    let others: [Vec<Item<'_>>; 4] = [
        vec![items[1], items[0]],
        vec![items[0]],
        vec![items[0], items[1], items[1]],
        vec![Item { grant: &more, ..items[0] }, items[1]],
    ];
    for other in others {
        let bytes = ApprovalRequest::encode(&request.head, &other);
        let seen = review(&bytes, None).unwrap();
        let approval = sign(&seen, &robin, Decision::Approve, None, NOW).unwrap();
        refuses(&mut desk, &approval, "approval-content");
    }
    // Everything else that the approver saw is covered as well.
    let overriding = Some(Override { name: "license 1", reason: "because" });
    for head in [
        RequestHead { requester: "Eve", ..request.head },
        RequestHead { not_after: request.head.not_after + 1, ..request.head },
        RequestHead { requested_at: request.head.requested_at - 1, ..request.head },
        RequestHead { overriding, ..request.head },
    ] {
        let bytes = ApprovalRequest::encode(&head, &items);
        let seen = review(&bytes, None).unwrap();
        let approval = sign(&seen, &robin, Decision::Approve, None, NOW).unwrap();
        refuses(&mut desk, &approval, "approval-content");
    }
}

#[test]
fn replayed_and_foreign_approvals_are_refused() {
    let mut desk = Desk::new();
    let robin = desk.approver("Robin Vogt");
    desk.grant();
    let made = desk.ask();
    let approval = approve(&made, &robin);
    desk.take(&approval).unwrap();
    // The same file again, for a request that is decided.
    assert_eq!(code(desk.take(&approval)), "request-decided");

    // The same nonce in a request that never was.
    let decoded = ApprovalRequest::decode(&made.bytes).unwrap();
    let items: Vec<_> = decoded.items().collect();
    let bytes = ApprovalRequest::encode(&RequestHead { nonce: [9; 16], ..decoded.head }, &items);
    let seen = review(&bytes, None).unwrap();
    let unasked = sign(&seen, &robin, Decision::Approve, None, NOW).unwrap();
    assert_eq!(code(desk.take(&unasked)), "approval-unasked");

    // An approval of another authority.
    let mut other = Desk::bare(2);
    other.policy(POLICY);
    other.grant();
    let elsewhere = other.ask();
    assert_eq!(code(desk.take(&approve(&elsewhere, &robin))), "approval-authority");
    assert_eq!(code(review(&elsewhere.bytes, Some(AuthorityId([1; 32])))), "authority-other");
}

#[test]
fn an_approval_of_one_request_answers_no_other() {
    let mut desk = Desk::new();
    let robin = desk.approver("Robin Vogt");
    desk.grant();
    let first = desk.ask();
    desk.grant();
    let second = desk.ask();
    // The content of the second under the nonce of the first.
    let one = review(&first.bytes, None).unwrap();
    let two = review(&second.bytes, None).unwrap();
    let head = &two.request.head;
    let mixed = Approval {
        authority: head.authority,
        nonce: one.request.head.nonce,
        covers: two.covers,
        decision: Decision::Approve,
        reason: None,
        policy: head.policy,
        signed_at: NOW,
        not_after: head.not_after,
    };
    refuses(&mut desk, &signed(&mixed, &robin), "approval-content");
    let other_policy = chancery_formats::approval::PolicyRef { number: 2, ..head.policy };
    let mixed = Approval { covers: one.covers, policy: other_policy, ..mixed };
    refuses(&mut desk, &signed(&mixed, &robin), "approval-policy");
}

#[test]
fn nobody_approves_their_own_wish() {
    for name in ["Dana Keller", "dana keller", "Dana  Keller"] {
        let mut desk = Desk::new();
        let own = desk.approver(name);
        desk.grant();
        let made = desk.ask();
        refuses(&mut desk, &approve(&made, &own), "self-approval");
    }
    // Nor one that they asked for on behalf of somebody else.
    let mut desk = Desk::new();
    let robin = desk.approver("Robin Vogt");
    desk.grant();
    let wish = Wish { requester: "Rob\u{456}n Vogt", ..desk.wish() };
    let made = ask(&mut desk.repository, &wish).unwrap();
    refuses(&mut desk, &approve(&made, &robin), "self-approval");
}

#[test]
fn the_wrong_role_and_what_lies_beyond_the_bounds_are_refused() {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let cases: [(&str, ApproverBounds, &str); 6] = [
        ("clerk", ApproverBounds::default(), "approver-role"),
        ("finance", ApproverBounds::default(), "approver-role"),
        ("approver", ApproverBounds { customers: set(&["globex"]), ..Default::default() }, "approver-bounds"),
        ("approver", ApproverBounds { products: set(&["valve"]), ..Default::default() }, "approver-bounds"),
        ("approver", ApproverBounds { territories: set(&["DE"]), ..Default::default() }, "approver-bounds"),
        // Nobody knows what it costs, so it may cost too much.
        (
            "approver",
            ApproverBounds {
                dearest: [("EUR".to_owned(), u64::from(u32::MAX))].into(),
                ..Default::default()
            },
            "approver-bounds",
        ),
    ];
    for (role, bounds, expected) in cases {
        let mut desk = Desk::new();
        let robin = desk.approver_with("Robin Vogt", role, &bounds);
        desk.grant();
        let made = desk.ask();
        refuses(&mut desk, &approve(&made, &robin), expected);
    }
    let within = ApproverBounds { customers: set(&["acme"]), products: set(&["pump"]), ..Default::default() };
    let mut desk = Desk::new();
    let robin = desk.approver_with("Robin Vogt", "approver", &within);
    desk.grant();
    let made = desk.ask();
    desk.take(&approve(&made, &robin)).unwrap();
}

#[test]
fn a_revoked_approver_approves_no_more_also_what_was_signed_before() {
    let mut desk = Desk::new();
    let robin = desk.approver("Robin Vogt");
    desk.grant();
    let made = desk.ask();
    let approval = approve(&made, &robin);
    desk.now += 60;
    approver::revoke(&mut desk.repository, 1, "clerk", "left", desk.now).unwrap();
    refuses(&mut desk, &approval, "approver-revoked");
    assert_eq!(
        code(approver::revoke(&mut desk.repository, 1, "clerk", "left", desk.now)),
        "approver-revoked"
    );
    assert_eq!(
        code(approver::revoke(&mut desk.repository, 2, "clerk", "left", desk.now)),
        "approver-unknown"
    );
}

#[test]
fn what_came_in_before_a_revocation_stands() {
    let mut desk = Desk::new();
    let robin = desk.approver("Robin Vogt");
    let id = desk.grant();
    let made = desk.ask();
    desk.take(&approve(&made, &robin)).unwrap();
    desk.now += 60;
    approver::revoke(&mut desk.repository, 1, "clerk", "left", desk.now).unwrap();
    desk.vouched(id).unwrap();
}

#[test]
fn an_approver_before_and_after_their_time_is_refused() {
    let mut desk = Desk::new();
    let robin = desk.approver("Robin Vogt");
    desk.grant();
    desk.now = NOW + 101 * DAY;
    let made = desk.ask();
    let approval = decided(&made, &robin, Decision::Approve, desk.now);
    refuses(&mut desk, &approval, "approver-ended");
}

#[test]
fn one_person_counts_once_whatever_keys() {
    let mut desk = Desk::new();
    let (robin, again) = (desk.approver("Robin Vogt"), desk.approver("Robin Vogt"));
    desk.grant_to("globex", None, &[]).unwrap();
    let made = desk.ask();
    desk.take(&approve(&made, &robin)).unwrap();
    refuses(&mut desk, &approve(&made, &robin), "approval-repeated");
    refuses(&mut desk, &decided(&made, &robin, Decision::Reject, NOW), "approval-repeated");
    refuses(&mut desk, &approve(&made, &again), "approver-repeated");
}

#[test]
fn expired_withdrawn_and_rejected_requests_take_no_approval() {
    let mut desk = Desk::new();
    let (robin, kim) = (desk.approver("Robin Vogt"), desk.approver("Kim Sato"));
    desk.grant();
    let made = desk.ask();
    let approval = approve(&made, &robin);
    desk.now += 11 * DAY;
    refuses(&mut desk, &approval, "approval-expired");
    let seen = review(&made.bytes, None).unwrap();
    assert_eq!(code(sign(&seen, &robin, Decision::Approve, None, desk.now)), "request-expired");

    let made = desk.ask();
    let approval = decided(&made, &robin, Decision::Approve, desk.now);
    assert_eq!(desk.repository.withdraw_proposal(1, "clerk", "cancelled", desk.now).unwrap(), None);
    refuses(&mut desk, &approval, "request-withdrawn");
    assert_eq!(
        desk.repository.withdraw_proposal(1, "clerk", "cancelled", desk.now).unwrap(),
        Some(Outcome::Withdrawn)
    );

    let id = desk.grant();
    let made = desk.ask();
    let taken = desk.take(&decided(&made, &robin, Decision::Reject, desk.now)).unwrap();
    assert_eq!(taken.decided.unwrap().ended, 1);
    let late = decided(&made, &kim, Decision::Approve, desk.now);
    refuses(&mut desk, &late, "request-rejected");
    assert_eq!(desk.repository.entitlement(id).unwrap_err().code(), "entitlement-unknown");
}

#[test]
fn other_policies_keys_and_documents_are_refused() {
    let mut desk = Desk::new();
    let robin = desk.approver("Robin Vogt");
    desk.grant();
    let made = desk.ask();
    let approval = approve(&made, &robin);

    refuses(&mut desk, &approve(&made, &key()), "approver-unknown");
    let mut damaged = approval.clone();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    refuses(&mut desk, &damaged, "signature-wrong");
    // One bit of what is signed, with the signature left as it was.
    let envelope = Envelope::decode(&approval).unwrap();
    let decoded = Approval::decode(envelope.payload).unwrap();
    let other = Approval { signed_at: decoded.signed_at + 1, ..decoded };
    refuses(&mut desk, &other.to_sign(&robin.public_key()).sign(envelope.signature), "signature-wrong");
    refuses(&mut desk, &approval[..last], "truncated");
    refuses(&mut desk, &made.bytes, "tag-wrong");
    // Stripped of its signature, and under another typ.
    refuses(&mut desk, &decoded.to_sign(&robin.public_key()).sign(&[]), "signature-wrong");
    let header = Header {
        mode: Mode::Direct(Algorithm::Ed25519),
        kid: robin.public_key().key_id(),
        typ: Kind::SiteRecord.typ(),
    };
    let unsigned = Unsigned::new(&header, decoded.encode());
    let signature = robin.sign(&unsigned.sig_structure()).unwrap();
    refuses(&mut desk, &unsigned.sign(&signature), "typ-wrong");

    // The key became another role's in the meantime.
    let new = NewKey {
        public_key: robin.public_key(),
        role: Role::Issuer,
        reference: Some("file:robin.pem"),
        protection: Protection::Software,
    };
    desk.repository.add_key(&new, desk.now).unwrap();
    refuses(&mut desk, &approval, "key-of-two-roles");

    let mut desk = Desk::new();
    let robin = desk.approver("Robin Vogt");
    desk.grant();
    let made = desk.ask();
    desk.policy("prohibited = [\"KP\"]\n");
    refuses(&mut desk, &approve(&made, &robin), "policy-changed");
}

#[test]
fn who_cannot_be_an_approver_is_not_added() {
    let mut desk = Desk::new();
    let robin = desk.approver("Robin Vogt");
    let issuer = key();
    let new = NewKey {
        public_key: issuer.public_key(),
        role: Role::Issuer,
        reference: Some("file:issuer.pem"),
        protection: Protection::Software,
    };
    desk.repository.add_key(&new, NOW).unwrap();
    let unbounded = ApproverBounds::default();
    let mut add =
        |name: &str, key: &chancery_formats::key::PublicKey, role: &str, bounds: &ApproverBounds| {
            let new = NewApprover {
                public_key: key,
                name,
                role,
                bounds,
                not_before: NOW,
                not_after: None,
                added_by: "clerk",
            };
            code(approver::add(&mut desk.repository, &new, NOW))
        };
    let fresh = key().public_key();
    assert_eq!(add("Kim Sato", &issuer.public_key(), "approver", &unbounded), "key-of-two-roles");
    assert_eq!(add("Kim Sato", &robin.public_key(), "approver", &unbounded), "approver-exists");
    assert_eq!(add("Robin Vo\u{261}t", &fresh, "Approver", &unbounded), "bounds-refused");
    assert_eq!(add("robin vogt", &fresh, "approver", &unbounded), "name-alike");
    assert_eq!(add("R\u{43e}bin Vogt", &fresh, "approver", &unbounded), "name-alike");
    assert_eq!(add("Kim\u{202e}Sato", &fresh, "approver", &unbounded), "name-refused");
    let countries = ApproverBounds { territories: ["UK".to_owned()].into(), ..ApproverBounds::default() };
    assert_eq!(add("Kim Sato", &fresh, "approver", &countries), "bounds-refused");
    let weak = chancery_formats::key::PublicKey::Ed25519([0; 32]);
    assert_eq!(add("Kim Sato", &weak, "approver", &unbounded), "key-weak");
}
