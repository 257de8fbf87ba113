//! Approvals: signed by the key that is asked for, over the request that is asked about, in its time.

use chancery_formats::approval::{Approval, ApprovalRequest, Decision, Item, PolicyRef, Price, RequestHead};
use chancery_formats::document::Kind;
use chancery_formats::grant::{Binding, Change, Grant, Model, State};
use chancery_formats::id::{AuthorityId, EntitlementId};
use chancery_formats::license::{Enforcement, Feature, Features, Terms};

use super::Suite;
use crate::authority::{sign_direct, sign_unsigned};
use crate::key::SecretKey;
use crate::license::START;
use crate::raw::{RawEnvelope, RawMap, bytes, integer, text};

const DAY: u64 = 86_400;

fn grant(quantity: u64) -> Vec<u8> {
    let features = Features::encode(&[("logging", Feature::On)]);
    let grant = Grant {
        change: Change::Grant,
        at: START,
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
        not_before: START,
        not_after: None,
        parent: None,
        transferable: true,
        named_users: None,
        terms: Terms {
            entitlement: EntitlementId([0xe1; 8]),
            edition: "standard",
            revision: 1,
            features: Features::decode(&features).expect("features"),
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

fn head() -> RequestHead<'static> {
    RequestHead {
        authority: AuthorityId([1; 32]),
        nonce: [2; 16],
        requester: "Dana Keller",
        requested_at: START,
        not_after: START + 14 * DAY,
        policy: PolicyRef { number: 3, hash: [4; 32] },
        overriding: None,
    }
}

/// A request for two grants.
fn request(head: &RequestHead<'_>, quantities: &[u64], minor_units: u64) -> Vec<u8> {
    let grants: Vec<_> = quantities.iter().map(|quantity| grant(*quantity)).collect();
    let price = Some(Price { currency: "EUR", minor_units });
    let items: Vec<_> = grants.iter().map(|grant| Item { grant, price }).collect();
    ApprovalRequest::encode(head, &items)
}

/// What an approver signs who has seen a request.
fn answer(seen: &[u8]) -> Approval<'static> {
    let request = ApprovalRequest::decode(seen).expect("a request");
    Approval {
        authority: request.head.authority,
        nonce: request.head.nonce,
        covers: request.commitment(),
        decision: Decision::Approve,
        reason: None,
        policy: request.head.policy,
        signed_at: START + DAY,
        not_after: request.head.not_after,
    }
}

pub(super) fn suite() -> Suite {
    let mut suite = Suite::new("approval");
    let (approver, other) = (SecretKey::ed25519(60), SecretKey::ed25519(61));
    let asked = request(&head(), &[5, 6], 1_250);
    let good = answer(&asked);
    let key = approver.public();
    let signed = |approval: &Approval<'_>| sign_unsigned(&approver, &approval.to_sign(&approver.public()));
    let at = START + 2 * DAY;

    let mut case = |name: &str, input: &[u8], at: u64, expect: &str| {
        suite.approval(name, input, &key, &asked, at, expect);
    };
    let document = signed(&good);
    case("approval of two grants", &document, at, "ok");
    let rejection = Approval { decision: Decision::Reject, reason: Some("not ordered"), ..good };
    case("rejection with a reason", &signed(&rejection), at, "ok");
    case("in the last second", &document, good.not_after, "ok");

    // Swapped content: signed over something that looks much like it.
    for (name, seen) in [
        ("grants in another order", request(&head(), &[6, 5], 1_250)),
        ("a grant left out", request(&head(), &[5], 1_250)),
        ("a grant more", request(&head(), &[5, 6, 6], 1_250)),
        ("another quantity", request(&head(), &[5, 7], 1_250)),
        ("another price", request(&head(), &[5, 6], 1_251)),
        ("another requester", request(&RequestHead { requester: "Eve", ..head() }, &[5, 6], 1_250)),
        (
            "a longer time",
            request(&RequestHead { not_after: head().not_after + 1, ..head() }, &[5, 6], 1_250),
        ),
    ] {
        case(name, &signed(&answer(&seen)), at, "approval-content");
    }
    let covers = chancery_formats::approval::Commitment { root: [0; 32], ..good.covers };
    case("another root, the same digest", &signed(&Approval { covers, ..good }), at, "approval-content");

    // Replay: an answer to something else.
    let nonce = RequestHead { nonce: [3; 16], ..head() };
    case(
        "answer to another request",
        &signed(&answer(&request(&nonce, &[5, 6], 1_250))),
        at,
        "approval-replayed",
    );
    let authority = RequestHead { authority: AuthorityId([9; 32]), ..head() };
    let foreign = answer(&request(&authority, &[5, 6], 1_250));
    case("for another authority", &signed(&foreign), at, "approval-authority");
    for (name, policy) in [
        ("under another policy", PolicyRef { number: 4, ..good.policy }),
        ("under a policy that was changed", PolicyRef { hash: [5; 32], ..good.policy }),
    ] {
        case(name, &signed(&Approval { policy, ..good }), at, "approval-policy");
    }

    // Expired, by either of the two.
    case("a second late", &document, good.not_after + 1, "approval-expired");
    let short = Approval { not_after: at - 1, ..good };
    case("an approval that ends before the request", &signed(&short), at, "approval-expired");

    // Wrong keys and signatures.
    let by_other = sign_unsigned(&other, &good.to_sign(&other.public()));
    case("signed by another key", &by_other, at, "key-unknown");
    let borrowed = sign_unsigned(&other, &good.to_sign(&approver.public()));
    case("signed by another key under the kid of this", &borrowed, at, "signature-wrong");
    let envelope = RawEnvelope::of(&document);
    let map = RawMap::of(&envelope.payload);
    let changed = RawEnvelope { payload: map.clone().set(3, &bytes(&[3; 16])).join(), ..envelope.clone() };
    case("nonce changed after signing", &changed.join(), at, "signature-wrong");
    let stripped = RawEnvelope { signature: Vec::new(), ..envelope.clone() };
    case("signature stripped", &stripped.join(), at, "signature-wrong");
    let cut = RawEnvelope { signature: envelope.signature[..63].to_vec(), ..envelope };
    case("signature of 63 bytes", &cut.join(), at, "signature-wrong");

    // Other kinds of document.
    for kind in [Kind::License, Kind::Request, Kind::SiteRecord, Kind::Possession] {
        let document = sign_direct(&approver, kind, good.encode());
        case(&format!("typ of a {}", kind.name()), &document, at, "typ-wrong");
    }
    case("the request itself", &asked, at, "tag-wrong");
    case("untagged", &document[1..], at, "tag-wrong");
    case("cut short", &document[..document.len() - 1], at, "truncated");
    case("byte behind the approval", &[&document[..], &[0]].concat(), at, "trailing-bytes");

    // Fields.
    for (name, payload, expect) in [
        ("schema 2", map.clone().set(1, &integer(2)), "schema-unknown"),
        ("no authority", map.clone().without(2), "missing-field"),
        ("nonce of 15 bytes", map.clone().set(3, &bytes(&[2; 15])), "wrong-length"),
        ("no grants", map.clone().set(4, &integer(0)), "out-of-range"),
        ("50,001 grants", map.clone().set(4, &integer(50_001)), "out-of-range"),
        ("root as text", map.clone().set(5, &text("root")), "wrong-type"),
        ("decision 3", map.clone().set(7, &integer(3)), "out-of-range"),
        ("rejection without a reason", map.clone().set(7, &integer(2)), "missing-field"),
        ("reason with a line break", map.clone().set(8, &text("a\nb")), "text-forbidden"),
        ("signed after its end", map.clone().set(10, &integer(253_402_300_799)), "out-of-range"),
        ("a field more", map.clone().set(12, &integer(1)), "unknown-field"),
    ] {
        case(name, &sign_direct(&approver, Kind::Approval, payload.join()), at, expect);
    }
    suite
}
