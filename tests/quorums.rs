//! Thresholds and chains of roots, by properties: random custodians, thresholds and signers; random chains with a
//! link missing, repeated, out of order or of another branch.
//!
//! Each property says beforehand what must come of it, in words of its own: how many distinct keys of each quorum
//! signed. Not here: what a root says (`vectors/trust.json`).
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use chancery_formats::document::Kind;
use chancery_formats::seal::Role;
use chancery_formats::trust::{Bundle, KeyMode};
use chancery_tests::authority::{Authority, Extras, Quorum, Sealing, root};
use chancery_tests::key::SecretKey;
use chancery_verifier::{Pin, Refusal, Trust};
use proptest::prelude::*;
use proptest::sample::subsequence;

/// Numbers of keys; that of a stranger is in no quorum.
const NUMBERS: [u8; 7] = [1, 2, 3, 4, 5, 6, 7];
const STRANGER: u8 = 99;

/// A quorum by the numbers of its custodians, and how many of them must sign.
#[derive(Clone, Debug)]
struct Plan {
    custodians: Vec<u8>,
    threshold: usize,
}

impl Plan {
    fn quorum(&self) -> Quorum {
        Quorum::of(self.threshold, &self.custodians)
    }

    /// How many of its custodians are among the signers: each once, however often it stands there.
    fn met_by(&self, signers: &[u8]) -> usize {
        let distinct: BTreeSet<_> =
            signers.iter().filter(|number| self.custodians.contains(number)).collect();
        distinct.len()
    }
}

fn plan() -> impl Strategy<Value = Plan> {
    subsequence(NUMBERS.to_vec(), 1..=5).prop_flat_map(|custodians| {
        (1..=custodians.len()).prop_map(move |threshold| Plan { custodians: custodians.clone(), threshold })
    })
}

/// At least one signer, at most once each.
fn signers() -> impl Strategy<Value = Vec<u8>> {
    let signers = subsequence(NUMBERS.to_vec(), 1..=NUMBERS.len());
    (signers, prop::bool::weighted(0.1)).prop_map(|(mut signers, with_stranger)| {
        signers.extend(with_stranger.then_some(STRANGER));
        signers
    })
}

fn keys(numbers: &[u8]) -> Vec<SecretKey> {
    numbers.iter().map(|number| SecretKey::ed25519(*number)).collect()
}

fn as_custodians(keys: &[SecretKey]) -> Vec<(Role, &SecretKey)> {
    keys.iter().map(|key| (Role::Custodian, key)).collect()
}

fn load(authority: &Authority) -> Result<Trust, Refusal> {
    Trust::load(&authority.bundle(), Pin::Authority(authority.id))
}

/// What must come of signatures that are all good: a stranger's is not, then each quorum is to be met.
fn expected(signers: &[u8], quorums: &[(&Plan, u32)]) -> Option<Refusal> {
    let known = |number: &u8| quorums.iter().any(|(plan, _)| plan.custodians.contains(number));
    if let Some(number) = signers.iter().find(|number| !known(number)) {
        return Some(Refusal::KeyUnknown { kid: SecretKey::ed25519(*number).kid() });
    }
    quorums.iter().find_map(|(plan, version)| {
        let (signed, needed) = (plan.met_by(signers), plan.threshold);
        (signed < needed).then_some(Refusal::RootThreshold { version: *version, signed, needed })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_root_stands_where_distinct_custodians_of_both_quorums_have_signed(
        old in plan(), new in plan(), signers in signers(),
    ) {
        let founded = Authority::found(old.quorum());
        let keys = keys(&signers);
        let next = founded.follow(&new.quorum(), &as_custodians(&keys), Extras::default());
        let found = load(&next);
        match expected(&signers, &[(&new, 2), (&old, 1)]) {
            None => prop_assert_eq!(found.map(|trust| trust.root_version()), Ok(2)),
            // Seals sort signers, so of several strangers another may be met first.
            Some(Refusal::KeyUnknown { .. }) => prop_assert_eq!(found.map(drop).unwrap_err().code(), "key-unknown"),
            Some(refusal) => prop_assert_eq!(found.map(drop), Err(refusal)),
        }
    }

    #[test]
    fn a_first_root_and_its_records_stand_where_enough_distinct_custodians_have_signed(
        plan in plan(), signers in signers(),
    ) {
        let founded = Authority::found(plan.quorum());
        let issuer = SecretKey::ed25519(200);
        let keys = keys(&signers);
        let record = founded.record(&issuer, Role::Issuer, KeyMode::Direct).encode();
        let sealing = Sealing { first_index: None, ..founded.sealing(&[]) };
        let sealing = Sealing { signers: &as_custodians(&keys), ..sealing };
        let record = sealing.seal(Kind::KeyRecord, &keys[0], vec![record]).remove(0);
        let certified = Authority { members: [founded.members.clone(), vec![record]].concat(), ..founded };
        let (payload, first) = root(1, None, None, &plan.quorum(), &as_custodians(&keys));
        let id = chancery_formats::trust::Root::authority_id(&payload);
        let alone = Trust::load(&Bundle::encode(&[first]), Pin::Authority(id));
        for found in [load(&certified).map(drop), alone.map(drop)] {
            match expected(&signers, &[(&plan, 1)]) {
                None => prop_assert_eq!(found, Ok(())),
                Some(Refusal::KeyUnknown { .. }) => prop_assert_eq!(found.unwrap_err().code(), "key-unknown"),
                Some(refusal) => prop_assert_eq!(found, Err(refusal)),
            }
        }
    }

    /// The seal is made for all signers; then one signature stands where another should.
    #[test]
    fn one_custodian_twice_is_refused_whatever_the_threshold(plan in plan(), at: prop::sample::Index) {
        let keys = keys(&plan.custodians);
        let twice = at.get(&keys).clone();
        let signers: Vec<_> = keys.iter().chain([&twice]).map(|key| (Role::Custodian, key)).collect();
        let (_, document) = root(1, None, None, &plan.quorum(), &signers);
        let found = Trust::load(&Bundle::encode(&[document]), Pin::FirstUse).map(drop);
        prop_assert_eq!(found, Err(Refusal::SignersWrong));
    }
}

proptest! {
    // ML-DSA-87 signs slowly without optimization.
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_custodian_of_a_hybrid_quorum_counts_with_both_signatures_alone(
        threshold in 1..=3_usize,
        signed in prop::collection::vec((any::<bool>(), any::<bool>()), 3)
            .prop_filter("nobody", |signed| signed.iter().any(|(ed25519, ml_dsa)| *ed25519 || *ml_dsa)),
    ) {
        let quorum = Quorum::hybrid(threshold, &[1, 2, 3]);
        let pairs = quorum.custodians.iter().zip(&quorum.partners).zip(&signed);
        let signers: Vec<_> = pairs
            .flat_map(|((custodian, partner), (ed25519, ml_dsa))| {
                [ed25519.then_some(custodian), ml_dsa.then_some(partner)].into_iter().flatten()
            })
            .map(|key| (Role::Custodian, key))
            .collect();
        let (_, document) = root(1, None, None, &quorum, &signers);
        let found = Trust::load(&Bundle::encode(&[document]), Pin::FirstUse).map(drop);
        let whole = signed.iter().filter(|(ed25519, ml_dsa)| *ed25519 && *ml_dsa).count();
        let short = Refusal::RootThreshold { version: 1, signed: whole, needed: threshold };
        prop_assert_eq!(found, if whole >= threshold { Ok(()) } else { Err(short) });
    }
}

/// What is done to a chain.
#[derive(Clone, Copy, Debug)]
enum Damage {
    /// One version is left out.
    Missing,
    /// Two versions change places.
    Reordered,
    /// One version stands twice.
    Repeated,
    /// One version is another of the same number, which the same custodians have signed.
    Forked,
}

/// Every version of a chain, each as the authority was when it was the newest.
fn chain(plans: &[Plan]) -> Vec<Authority> {
    let founded = Authority::found(plans[0].quorum());
    let mut chain = vec![founded];
    for plan in &plans[1..] {
        let next = chain[chain.len() - 1].clone().rotate(plan.quorum());
        chain.push(next);
    }
    chain
}

/// The same version once more, signed by the same custodians, with one custodian more.
fn fork(before: &Authority, newest: &Authority) -> Vec<u8> {
    let mut signers: Vec<(Role, &SecretKey)> = Vec::new();
    for key in before.quorum.custodians.iter().chain(&newest.quorum.custodians) {
        if signers.iter().all(|(_, known)| known.kid() != key.kid()) {
            signers.push((Role::Custodian, key));
        }
    }
    let mut other = newest.quorum.clone();
    other.custodians.push(SecretKey::ed25519(50));
    before.follow(&other, &signers, Extras::default()).members.pop().expect("a root")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_chain_stands_whole_and_in_order_or_not_at_all(
        plans in prop::collection::vec(plan(), 3..=6),
        damage in prop::sample::select(vec![Damage::Missing, Damage::Reordered, Damage::Repeated, Damage::Forked]),
        at: prop::sample::Index,
    ) {
        let chain = chain(&plans);
        let whole = &chain[chain.len() - 1];
        let trust = load(whole).expect("a whole chain");
        prop_assert_eq!(trust.root_version() as usize, plans.len());
        let known = trust.minima(None);

        // Never the last link alone: a chain without it is a shorter one, and good (below).
        let index = at.index(chain.len() - 1);
        let mut members = whole.members.clone();
        match damage {
            Damage::Missing => drop(members.remove(index)),
            Damage::Reordered => members.swap(index, index + 1),
            Damage::Repeated => members.insert(index, members[index].clone()),
            Damage::Forked if index == 0 => members[0] = Authority::found(plans[1].quorum()).members.remove(0),
            Damage::Forked => members[index] = fork(&chain[index - 1], &chain[index]),
        }
        let found = Trust::load(&Bundle::encode(&members), Pin::Authority(whole.id)).map(drop);
        let code = found.map_err(|refusal| refusal.code());
        // Another first version is another authority, unless it is the same bytes; all else breaks the chain.
        let is_foreign = matches!(damage, Damage::Forked) && index == 0;
        if members == whole.members {
            prop_assert_eq!(code, Ok(()));
        } else {
            prop_assert_eq!(code, Err(if is_foreign { "authority-other" } else { "root-chain" }));
        }

        // A shorter chain is good by itself, and refused where the longer one is known.
        for shorter in &chain[..chain.len() - 1] {
            let trust = load(shorter).expect("a shorter chain");
            let older = Refusal::RootOlder { found: shorter.root_version, known: whole.root_version };
            prop_assert_eq!(trust.check_minima(&known), Err(older));
        }
        // Another newest version verifies, for its custodians signed it; where one is known it is an alarm.
        let last = chain.len() - 1;
        let mut members = whole.members.clone();
        members[last] = fork(&chain[last - 1], whole);
        let branch = Trust::load(&Bundle::encode(&members), Pin::Authority(whole.id)).expect("a chain");
        let alarm = branch.check_minima(&known).unwrap_err();
        prop_assert_eq!(alarm, Refusal::RootForked { version: whole.root_version });
        prop_assert!(alarm.is_alarm());
    }
}
