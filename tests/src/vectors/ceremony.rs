//! Ceremonies: transcripts, who seals them and what they hold; proofs of possession, decoded.

use chancery_formats::document::Kind;
use chancery_formats::id::AuthorityId;
use chancery_formats::seal::Role;
use chancery_formats::trust::transcript::{Fact, Step, Value};
use chancery_formats::trust::{Closed, Possession, Transcript};

use super::closing::closing;
use super::{NamedBundle, Suite, World};
use crate::authority::{Authority, FOUNDED, Quorum, Sealing};
use crate::key::SecretKey;
use crate::raw::{RawEnvelope, RawMap, bytes, text};

pub(super) fn suite() -> Suite {
    let authority = founded();
    let mut suite = Suite::new("ceremony");
    sealed(&mut suite, &authority);
    fields(&mut suite, &authority);
    possession(&mut suite);
    suite
}

/// The bundle that transcripts are judged under, and the one after the log key was stolen.
pub(super) fn bundles() -> Vec<NamedBundle> {
    let authority = founded();
    let head = chancery_formats::merkle::Head { size: 7, root: [1; 32] };
    let stolen = closing(&authority, &log(), Closed::Compromised(head));
    let stolen = authority.clone().publish(Kind::Closing, stolen);
    vec![NamedBundle::of("ceremony", &authority), NamedBundle::of("ceremony-stolen", &stolen)]
}

fn log() -> SecretKey {
    SecretKey::ed25519(91)
}

fn other() -> SecretKey {
    SecretKey::ed25519(92)
}

fn founded() -> Authority {
    let authority = Authority::found(Quorum::of(2, &World::CUSTODIANS));
    let log = authority.record_for(&log(), Role::Log, Kind::Transcript);
    let other = authority.record_for(&other(), Role::Revoker, Kind::Transcript);
    authority.certify(&log).certify(&other)
}

fn transcript(authority: AuthorityId) -> Transcript<'static> {
    let fact = |what, value| Fact { what, value };
    let step = |name, time, confirmed, facts| Step { name, time, confirmed, facts };
    Transcript {
        authority,
        plan: [7; 32],
        operator: "Dana Keller",
        observers: vec!["Robin Vogt"],
        steps: vec![
            step("machine", FOUNDED, true, vec![fact("network", Value::Text("none is up"))]),
            step("root", FOUNDED + 60, false, vec![fact("authority id", Value::Hash(authority.0))]),
        ],
    }
}

fn seal(authority: &Authority, key: &SecretKey, role: Role, payload: Vec<u8>) -> Vec<u8> {
    let signers = [(role, key)];
    let sealing = Sealing { first_index: Some(7), ..authority.sealing(&signers) };
    sealing.seal(Kind::Transcript, key, vec![payload]).remove(0)
}

fn sealed(suite: &mut Suite, authority: &Authority) {
    let told = transcript(authority.id);
    let good = seal(authority, &log(), Role::Log, told.encode());
    suite.transcript("a ceremony of two steps", &good, "ok");
    let unwatched = Transcript { observers: Vec::new(), ..told.clone() };
    let unwatched = seal(authority, &log(), Role::Log, unwatched.encode());
    suite.transcript("nobody watched", &unwatched, "ok");

    let mut changed = RawEnvelope::of(&good);
    let last = changed.payload.len() - 1;
    changed.payload[last] ^= 1;
    suite.transcript("a bit of the last step changed", &changed.join(), "signature-wrong");
    let by = |key: &SecretKey, role| seal(authority, key, role, told.encode());
    suite.transcript("sealed by a revoker", &by(&other(), Role::Revoker), "typ-not-certified");
    suite.transcript("sealed by a stranger", &by(&SecretKey::ed25519(99), Role::Log), "key-unknown");
    let elsewhere = Transcript { authority: AuthorityId([9; 32]), ..told.clone() };
    let elsewhere = seal(authority, &log(), Role::Log, elsewhere.encode());
    suite.transcript("of another authority", &elsewhere, "authority-other");
    let mut early = told.clone();
    early.steps.iter_mut().for_each(|step| step.time = FOUNDED - 1);
    let early = seal(authority, &log(), Role::Log, early.encode());
    suite.transcript("ended before its key was valid", &early, "key-out-of-term");
    suite.transcript_under("ceremony-stolen", "sealed by a key that was stolen", &good, "key-compromised");
}

fn fields(suite: &mut Suite, authority: &Authority) {
    let good = transcript(authority.id).encode();
    let map = RawMap::of(&good);
    let step = |step: Step<'_>| Transcript { steps: vec![step], ..transcript(authority.id) }.encode();
    let first = || transcript(authority.id).steps.remove(0);
    let cases: [(&str, Vec<u8>, &str); 10] = [
        ("without plan", map.clone().without(3).join(), "missing-field"),
        ("without operator", map.clone().without(4).join(), "missing-field"),
        ("without steps", map.clone().without(6).join(), "missing-field"),
        ("schema 2", map.clone().set(1, &[2]).join(), "schema-unknown"),
        ("unknown field 7", map.clone().set(7, &[0]).join(), "unknown-field"),
        ("no observers", map.clone().set(5, &[0x80]).join(), "out-of-range"),
        ("no steps", map.clone().set(6, &[0x80]).join(), "out-of-range"),
        ("an operator with an isolate", map.set(4, &text("a\u{2066}b")).join(), "text-forbidden"),
        ("a step without facts", step(Step { facts: Vec::new(), ..first() }), "out-of-range"),
        ("a step with a name in capitals", step(Step { name: "Machine", ..first() }), "text-forbidden"),
    ];
    for (name, payload, code) in cases {
        suite.transcript(name, &seal(authority, &log(), Role::Log, payload), code);
    }
}

fn possession(suite: &mut Suite) {
    let key = SecretKey::ed25519(93);
    let proof = Possession {
        challenge: [7; 32],
        name: "Alice Arnold",
        key: key.public(),
        signature: &[3; 64],
        partner: None,
    };
    let good = proof.encode();
    suite.possession("a proof of one key", &good, "ok");
    let partner = SecretKey::ml_dsa_87(94).public();
    let pair = Possession { partner: Some((partner.clone(), &[5; 4_627])), ..proof.clone() };
    suite.possession("a proof of a pair", &pair.encode(), "ok");
    let map = RawMap::of(&good);
    let cases: [(&str, Vec<u8>, &str); 10] = [
        ("without challenge", map.clone().without(2).join(), "missing-field"),
        ("without name", map.clone().without(3).join(), "missing-field"),
        ("without signature", map.clone().without(5).join(), "missing-field"),
        ("a partner without its signature", map.clone().set(6, &partner.encode()).join(), "missing-field"),
        ("a signature of 63 bytes", map.clone().set(5, &bytes(&[3; 63])).join(), "wrong-length"),
        ("a challenge of 31 bytes", map.clone().set(2, &bytes(&[7; 31])).join(), "wrong-length"),
        ("an ML-DSA-87 key alone", map.clone().set(4, &partner.encode()).join(), "key-invalid"),
        ("a name with an isolate", map.clone().set(3, &text("a\u{2066}b")).join(), "text-forbidden"),
        ("typ of a root", map.clone().set(0, &text(Kind::Root.typ())).join(), "typ-wrong"),
        ("unknown field 8", map.set(8, &[0]).join(), "unknown-field"),
    ];
    for (name, input, code) in cases {
        suite.possession(format!("proof {name}"), &input, code);
    }
}
