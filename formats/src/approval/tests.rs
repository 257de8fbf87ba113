use super::*;
use crate::cose::MAX_DIRECT;
use crate::grant::{Binding, Change, Grant, Model, State};
use crate::id::EntitlementId;
use crate::license::{Enforcement, Feature, Features, Terms};
use crate::merkle::{Tree, leaf_hash};

const HASHES: [Hash; 2] = [[7; 32], [8; 32]];

fn grant(quantity: u64) -> Vec<u8> {
    let features = Features::encode(&[("logging", Feature::On)]);
    let grant = Grant {
        change: Change::Grant,
        at: 1_800_000_000,
        by: "Dana Keller",
        reason: "order 4711",
        previous: None,
        state: State::Active,
        customer: "acme",
        site: None,
        product: "pump",
        package: None,
        add_ons: None,
        catalog: 1,
        model: Model::Perpetual,
        quantity,
        in_islands: 0,
        returned: 0,
        binding: Binding::Device,
        not_before: 1_700_000_000,
        not_after: None,
        parent: None,
        transferable: true,
        named_users: None,
        terms: Terms {
            entitlement: EntitlementId([1; 8]),
            edition: "standard",
            revision: 1,
            features: Features::decode(&features).unwrap(),
            versions: None,
            seats: None,
            device: None,
            territory: None,
            support: None,
            enforcement: Enforcement::default(),
            distribution: None,
            least_revocation_list: None,
            bindings: None,
            users: None,
        },
    };
    grant.encode()
}

const HEAD: RequestHead<'static> = RequestHead {
    authority: AuthorityId([1; 32]),
    nonce: [2; 16],
    requester: "Dana Keller",
    requested_at: 1_800_000_000,
    not_after: 1_801_000_000,
    policy: PolicyRef { number: 3, hash: [4; 32] },
    overriding: None,
};

const APPROVAL: Approval<'static> = Approval {
    authority: AuthorityId([1; 32]),
    nonce: [2; 16],
    covers: Commitment { count: 2, root: [5; 32], digest: [6; 32] },
    decision: Decision::Approve,
    reason: None,
    policy: HEAD.policy,
    signed_at: 1_800_000_000,
    not_after: 1_801_000_000,
};

fn code(approval: &Approval<'_>) -> &'static str {
    Approval::decode(&approval.encode()).map_or_else(|error| error.code(), |_| "ok")
}

fn request_code(bytes: &[u8]) -> &'static str {
    ApprovalRequest::decode(bytes).map_or_else(|error| error.code(), |_| "ok")
}

#[test]
fn approvals_survive_encoding() {
    let rejected = Approval { decision: Decision::Reject, reason: Some("not ordered"), ..APPROVAL };
    for approval in [APPROVAL, rejected] {
        assert_eq!(Approval::decode(&approval.encode()), Ok(approval));
    }
}

#[test]
fn a_device_signs_the_longest_approval_directly() {
    let reason = "r".repeat(128);
    let longest = Approval {
        covers: Commitment { count: MAX_GRANTS, ..APPROVAL.covers },
        reason: Some(&reason),
        policy: PolicyRef { number: i64::MAX as u64, ..HEAD.policy },
        ..APPROVAL
    };
    assert_eq!(code(&longest), "ok");
    for key in [PublicKey::Ed25519([2; 32]), PublicKey::P256 { x: [1; 32], y: [2; 32] }] {
        assert!(longest.to_sign(&key).sig_structure().len() <= MAX_DIRECT);
    }
}

#[test]
fn other_approvals_are_refused() {
    assert_eq!(code(&Approval { decision: Decision::Reject, ..APPROVAL }), "missing-field");
    assert_eq!(code(&Approval { reason: Some(""), ..APPROVAL }), "text-forbidden");
    assert_eq!(code(&Approval { not_after: APPROVAL.signed_at - 1, ..APPROVAL }), "out-of-range");
    for count in [0, MAX_GRANTS + 1] {
        let covers = Commitment { count, ..APPROVAL.covers };
        assert_eq!(code(&Approval { covers, ..APPROVAL }), "out-of-range");
    }
    for number in [0, u64::MAX] {
        let policy = PolicyRef { number, ..HEAD.policy };
        assert_eq!(code(&Approval { policy, ..APPROVAL }), "out-of-range");
    }
    let changed = |place: usize, value: u8| {
        let mut bytes = APPROVAL.encode();
        bytes[place] = value;
        Approval::decode(&bytes).unwrap_err().code()
    };
    assert_eq!(changed(2, 2), "schema-unknown");
    assert_eq!(changed(1, 12), "unsorted-keys");
    let with = |tail: &[u8]| {
        let mut bytes = [&APPROVAL.encode()[..], tail].concat();
        bytes[0] += 1;
        Approval::decode(&bytes).unwrap_err().code()
    };
    assert_eq!(with(&[12, 0]), "unknown-field");
    assert_eq!(Approval::decode(&[0xa0]).unwrap_err().code(), "missing-field");
    assert_eq!(Approval::decode(&alloc::vec![0; 65_537]).unwrap_err().code(), "too-large");
}

#[test]
fn requests_survive_encoding() {
    let grants = [grant(5), grant(6)];
    let price = Some(Price { currency: "EUR", minor_units: 125_000 });
    let items = [Item { grant: &grants[0], price }, Item { grant: &grants[1], price: None }];
    let overriding = Some(Override { name: "export license 17", reason: "contract of 2026-11-02" });
    for head in [HEAD, RequestHead { overriding, ..HEAD }] {
        let bytes = ApprovalRequest::encode(&head, &items);
        assert!(ApprovalRequest::looks_like(&bytes));
        let decoded = ApprovalRequest::decode(&bytes).unwrap();
        assert_eq!((decoded.head, decoded.count()), (head, 2));
        assert!(decoded.items().eq(items));
    }
}

#[test]
fn what_is_approved_covers_every_part_of_the_request() {
    let grants = [grant(5), grant(6)];
    let price = Some(Price { currency: "EUR", minor_units: 125_000 });
    let [one, two] = [Item { grant: &grants[0], price }, Item { grant: &grants[1], price: None }];
    let covered = |head: &RequestHead<'_>, items: &[Item<'_>]| {
        ApprovalRequest::decode(&ApprovalRequest::encode(head, items)).unwrap().commitment()
    };
    let whole = covered(&HEAD, &[one, two]);
    assert_eq!(whole.count, 2);
    let leaves = grants.iter().map(|grant| leaf_hash(&[&Grant::hash(grant)])).collect();
    assert_eq!(whole.root, Tree::new(leaves).unwrap().root());

    let other_price = Item { price: Some(Price { currency: "EUR", minor_units: 1 }), ..one };
    let others = [
        covered(&HEAD, &[two, one]),
        covered(&HEAD, &[one]),
        covered(&HEAD, &[one, two, two]),
        covered(&HEAD, &[other_price, two]),
        covered(&HEAD, &[Item { price: None, ..one }, two]),
        covered(&RequestHead { authority: AuthorityId([9; 32]), ..HEAD }, &[one, two]),
        covered(&RequestHead { nonce: [9; 16], ..HEAD }, &[one, two]),
        covered(&RequestHead { requester: "Eve", ..HEAD }, &[one, two]),
        covered(&RequestHead { requested_at: HEAD.requested_at + 1, ..HEAD }, &[one, two]),
        covered(&RequestHead { not_after: HEAD.not_after + 1, ..HEAD }, &[one, two]),
        covered(&RequestHead { policy: PolicyRef { number: 4, ..HEAD.policy }, ..HEAD }, &[one, two]),
        covered(&RequestHead { overriding: Some(Override { name: "a", reason: "b" }), ..HEAD }, &[one, two]),
    ];
    for (place, other) in others.iter().enumerate() {
        assert_ne!(other.digest, whole.digest, "{place}");
    }
}

#[test]
fn hashes_alone_give_the_same_commitment() {
    let mut one = Committing::new(&HEAD);
    let mut other = one.clone();
    assert_eq!(one.clone().finish(), None);
    for hash in &HASHES {
        one.push(hash, None);
        other.push(hash, Some(&Price { currency: "EUR", minor_units: 0 }));
    }
    let (one, other) = (one.finish().unwrap(), other.finish().unwrap());
    assert_eq!((one.count, one.root), (other.count, other.root));
    assert_ne!(one.digest, other.digest);
}

#[test]
fn other_requests_are_refused() {
    let good = grant(5);
    let items = [Item { grant: &good, price: None }];
    let encode = |head: &RequestHead<'_>, items: &[Item<'_>]| ApprovalRequest::encode(head, items);
    assert_eq!(request_code(&encode(&HEAD, &items)), "ok");
    assert_eq!(request_code(&encode(&HEAD, &[])), "out-of-range");
    assert_eq!(request_code(&encode(&HEAD, &[Item { grant: &[], price: None }])), "out-of-range");
    assert_eq!(request_code(&encode(&HEAD, &[Item { grant: &[0xa0], price: None }])), "missing-field");
    assert_eq!(request_code(&encode(&HEAD, &[Item { grant: &good[1..], price: None }])), "trailing-bytes");
    assert_eq!(request_code(&encode(&RequestHead { requester: "", ..HEAD }, &items)), "text-forbidden");
    let backwards = RequestHead { not_after: HEAD.requested_at - 1, ..HEAD };
    assert_eq!(request_code(&encode(&backwards, &items)), "out-of-range");
    for (currency, minor_units, expected) in
        [("eur", 1, "text-forbidden"), ("EURO", 1, "text-forbidden"), ("EUR", u64::MAX, "out-of-range")]
    {
        let price = Some(Price { currency, minor_units });
        assert_eq!(request_code(&encode(&HEAD, &[Item { grant: &good, price }])), expected);
    }
    let mut other_typ = encode(&HEAD, &items);
    other_typ[10] ^= 1;
    assert_eq!(request_code(&other_typ), "typ-wrong");
    assert_eq!(request_code(&[0xa0]), "missing-field");
    assert_eq!(request_code(&HEAD.encode()), "missing-field");
    assert_eq!(request_code(&alloc::vec![0; 64 * 1024 * 1024 + 1]), "too-large");
}
