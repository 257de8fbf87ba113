//! An authority of several custodians, founded, rotated and recovered without a file of keys.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use chancery_formats::id::KeyId;
use chancery_formats::key::{Algorithm, Protection};
use chancery_formats::merkle::Hash;
use chancery_formats::seal::Role;
use chancery_formats::trust::{Exchange, Root};
use chancery_hsm_config::SoftwareKey;
use chancery_verifier::{Pin, Trust};

use super::*;
use crate::home::Home;
use crate::repository::Authority;
use crate::workflow::custodian::{review, sign};
use crate::workflow::custody::newest_root;
use crate::workflow::role::{Addition, Bounds, Place, Vouching, add};
use crate::workflow::rotation::{Plan, rotate};

pub(in crate::workflow) const NOW: u64 = 1_800_000_000;

/// A custodian with their keys, which no home has.
pub(in crate::workflow) struct Hand {
    pub key: Key,
    pub partner: Option<Key>,
}

impl Hand {
    pub fn new(hybrid: bool) -> Self {
        let key = |algorithm| Key::from_software(SoftwareKey::ephemeral(algorithm).unwrap()).unwrap();
        Self { key: key(Algorithm::Ed25519), partner: hybrid.then(|| key(Algorithm::MlDsa87)) }
    }

    pub fn kid(&self) -> KeyId {
        self.key.public_key().key_id()
    }

    fn custodian(&self) -> Custodian {
        Custodian { key: self.key.public_key(), partner: self.partner.as_ref().map(Key::public_key) }
    }

    /// Signs a request on a machine of their own.
    pub fn answer(&self, request: &[u8], authority: AuthorityId) -> Result<Vec<u8>, CommandError> {
        let Exchange::Request(request) = Exchange::decode(request)? else { panic!("a request") };
        sign(&review(request, Some(authority))?, &self.key, self.partner.as_ref())
    }
}

pub(in crate::workflow) fn hands(count: usize, hybrid: bool) -> Vec<Hand> {
    (0..count).map(|_| Hand::new(hybrid)).collect()
}

pub(in crate::workflow) fn quorum(threshold: usize, hands: &[Hand]) -> Quorum {
    Quorum::new(threshold, hands.iter().map(Hand::custodian).collect()).unwrap()
}

/// An authority whose custodians are elsewhere.
pub(in crate::workflow) struct World {
    folder: PathBuf,
    pub repository: Repository,
    pub authority: AuthorityId,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl World {
    /// Founds an authority: root version 1, signed by the first custodians on machines of their own.
    pub fn found(threshold: usize, custodians: &[Hand], recovery: Option<&Quorum>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("chancery-change-{}-{number}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let mut repository = Repository::create(&Home::new(folder.join("home"))).unwrap();
        let holders = quorum(threshold, custodians);
        let recovery = recovery.map(|set| set.commitment().unwrap());
        let payload = holders.lend(|quorum| first_root(quorum, recovery)).unwrap();
        let authority = Root::authority_id(&payload);
        let papers = |_| {
            Ok(vec![Paper {
                kind: Kind::Root,
                payloads: vec![payload.clone()],
                root_version: 1,
                quorums: vec![holders.clone()],
            }])
        };
        let keys: Vec<_> = holders.custodians.iter().flat_map(Custodian::keys).map(elsewhere).collect();
        let named: Vec<_> = custodians.iter().take(threshold).map(Hand::kid).collect();
        let asked = Asked { named: &named, elsewhere: true };
        let change = propose(&mut repository, authority, papers, &keys, &[], &asked, NOW).unwrap();
        let request = change.request(&repository).unwrap();
        let answers = custodians.iter().take(threshold).map(|hand| hand.answer(&request, authority).unwrap());
        change.take(&mut repository, &answers.collect::<Vec<_>>(), NOW).unwrap();
        assert!(matches!(change.advance(&mut repository, &[], NOW).unwrap(), Progress::Stands(_)));
        let name = "vendor".to_owned();
        repository
            .set_authority(&Authority { id: authority, name, root_version: 1, created_at: NOW })
            .unwrap();
        Self { folder, repository, authority }
    }

    /// Plans the next root and begins it, with nobody's key here.
    pub fn rotate(&mut self, plan: &Plan, named: &[KeyId]) -> Result<Change, CommandError> {
        let asked = Asked { named, elsewhere: true };
        let mut pins = PinSource::none();
        let proposed = rotate(&mut self.repository, plan, &[], Vec::new(), &asked, &mut pins, NOW)?;
        assert!(matches!(proposed.progress, Progress::Waits(_)));
        Ok(proposed.change)
    }

    /// Has a key of another machine certified.
    fn certify(&mut self, role: Role, hand: &Hand, custodian: &Hand) {
        let wanted = Addition {
            role,
            place: Place::Elsewhere {
                public_key: hand.key.public_key(),
                partner: None,
                protection: Protection::Software,
            },
            mode: None,
            co_signers: Vec::new(),
            bounds: Bounds::default(),
            vouching: Vouching::Without,
        };
        let asked = Asked { named: &[], elsewhere: true };
        let (_, proposed) = add(&mut self.repository, &wanted, &asked, &mut PinSource::none(), NOW).unwrap();
        assert!(self.conclude(&proposed.change, &[custodian]));
    }

    /// Has everybody sign who is given, and returns whether the change stands.
    pub fn conclude(&mut self, change: &Change, signers: &[&Hand]) -> bool {
        let request = change.request(&self.repository).unwrap();
        for hand in signers {
            let answer = hand.answer(&request, self.authority).unwrap();
            change.take(&mut self.repository, &[answer], NOW).unwrap();
        }
        matches!(change.advance(&mut self.repository, &[], NOW).unwrap(), Progress::Stands(_))
    }

    pub fn version(&self) -> u64 {
        self.repository.authority().unwrap().root_version
    }
}

fn first_root(quorum: chancery_formats::trust::Quorum<'_>, recovery: Option<Hash>) -> Vec<u8> {
    let (name, made_at) = ("vendor", NOW);
    let root = Root {
        name,
        version: 1,
        previous: None,
        quorum,
        made_at,
        recovery,
        revealed: None,
        manifests: false,
    };
    root.encode()
}

fn elsewhere(key: &PublicKey) -> NewKey<'static> {
    NewKey {
        public_key: key.clone(),
        role: Role::Custodian,
        reference: None,
        protection: Protection::Software,
    }
}

fn plan(quorum: Quorum) -> Plan {
    Plan { quorum, recovery: None, next_recovery: None, manifests: false }
}

fn kids(hands: &[&Hand]) -> Vec<KeyId> {
    hands.iter().map(|hand| hand.kid()).collect()
}

#[test]
fn roots_follow_each_other_with_the_signatures_of_both_quorums() {
    let (old, new) = (hands(3, false), hands(2, false));
    let mut world = World::found(2, &old, None);
    let next = plan(quorum(2, &new));
    for (named, code) in [
        (kids(&[&old[0], &old[1]]), "quorum-short"), // the old quorum alone
        (kids(&[&new[0], &new[1]]), "quorum-short"), // the new one alone
        (kids(&[&old[0], &old[0], &new[0], &new[1]]), "quorum-short"), // one custodian named twice
        (kids(&[&Hand::new(false)]), "custodian-unknown"),
    ] {
        assert_eq!(world.rotate(&next, &named).unwrap_err().code(), code);
    }
    let everybody = kids(&[&old[0], &old[2], &new[0], &new[1]]);
    let change = world.rotate(&next, &everybody).unwrap();
    assert!(!world.conclude(&change, &[&old[0], &old[2], &new[0]]), "one is missing");
    assert_eq!(world.version(), 1);
    assert!(world.conclude(&change, &[&new[1]]));
    assert_eq!(world.version(), 2);
    let same = world.rotate(&plan(quorum(2, &new)), &[]).unwrap_err();
    assert_eq!(same.code(), "root-unchanged");
}

#[test]
fn one_change_waits_at_a_time_and_can_be_given_up() {
    let (old, new) = (hands(1, false), hands(2, false));
    let mut world = World::found(1, &old, None);
    let next = plan(quorum(1, &new));
    let change = world.rotate(&next, &kids(&[&old[0], &new[0]])).unwrap();
    let again = world.rotate(&next, &kids(&[&old[0], &new[0]])).unwrap();
    assert_eq!(again.request(&world.repository).unwrap(), change.request(&world.repository).unwrap());
    for (plan, named) in
        [(&plan(quorum(2, &new)), kids(&[&old[0], &new[0], &new[1]])), (&next, kids(&[&old[0], &new[1]]))]
    {
        assert_eq!(world.rotate(plan, &named).unwrap_err().code(), "change-pending");
    }
    change.abandon(&mut world.repository, NOW).unwrap();
    assert!(Change::pending(&world.repository).unwrap().is_none());
    let answer = new[0].answer(&change.request(&world.repository).unwrap(), world.authority).unwrap();
    let other = world.rotate(&plan(quorum(2, &new)), &kids(&[&old[0], &new[0], &new[1]])).unwrap();
    let refused = other.take(&mut world.repository, &[answer], NOW).unwrap_err();
    assert_eq!(refused.code(), "statement-other", "an answer to what was given up");
    assert!(world.conclude(&other, &[&old[0], &new[0], &new[1]]));
}

#[test]
fn answers_are_accepted_whole_or_not_at_all() {
    let (old, new) = (hands(1, false), hands(1, false));
    let mut world = World::found(1, &old, None);
    let change = world.rotate(&plan(quorum(1, &new)), &[]).unwrap();
    let request = change.request(&world.repository).unwrap();
    let good = old[0].answer(&request, world.authority).unwrap();
    let mut forged = new[0].answer(&request, world.authority).unwrap();
    *forged.last_mut().unwrap() ^= 1;
    let refused = change.take(&mut world.repository, &[good.clone(), forged], NOW).unwrap_err();
    assert_eq!(refused.code(), "signature-wrong");
    assert_eq!(change.missing(&world.repository).unwrap().len(), 2, "nothing is kept");
    assert_eq!(change.take(&mut world.repository, &[request], NOW).unwrap_err().code(), "not-an-answer");

    // The same signature under another signer's name, and for another authority.
    let Exchange::Answer(mut answer) = Exchange::decode(&good).unwrap() else { panic!("an answer") };
    answer.signatures[0].signer.0[0] ^= 1;
    let refused = change.take(&mut world.repository, &[answer.encode()], NOW).unwrap_err();
    assert_eq!(refused.code(), "signer-not-asked");
    answer.authority.0[0] ^= 1;
    let refused = change.take(&mut world.repository, &[answer.encode()], NOW).unwrap_err();
    assert_eq!(refused.code(), "authority-other");
    assert_eq!(change.take(&mut world.repository, &[good.clone(), good], NOW).unwrap().len(), 1);
    assert!(world.conclude(&change, &[&new[0]]));
}

#[test]
fn a_lost_quorum_is_replaced_by_the_set_that_was_committed_to() {
    let (lost, set, new) = (hands(3, false), hands(3, false), hands(2, false));
    let recovery = quorum(2, &set);
    let mut world = World::found(2, &lost, Some(&recovery));
    let by = |recovery: Quorum, next_recovery| Plan {
        quorum: quorum(1, &new),
        recovery: Some(recovery),
        next_recovery,
        manifests: false,
    };
    let signers = kids(&[&set[0], &set[2], &new[0]]);
    for wrong in [quorum(1, &set), quorum(2, &set[..2]), quorum(2, &hands(3, false))] {
        assert_eq!(world.rotate(&by(wrong, None), &signers).unwrap_err().code(), "recovery-wrong");
    }
    let unasked = Plan { next_recovery: Some(quorum(1, &new)), ..plan(quorum(1, &new)) };
    assert_eq!(world.rotate(&unasked, &signers).unwrap_err().code(), "recovery-wrong");
    let one = kids(&[&set[0], &new[0]]);
    assert_eq!(world.rotate(&by(recovery.clone(), None), &one).unwrap_err().code(), "quorum-short");

    let after = hands(1, false);
    let plan = by(recovery.clone(), Some(quorum(1, &after)));
    let change = world.rotate(&plan, &signers).unwrap();
    assert!(world.conclude(&change, &[&set[0], &set[2], &new[0]]));
    assert_eq!(world.version(), 2);
    // The set that was used is spent: the next one is in force.
    let again = Plan { quorum: quorum(2, &new), ..by(recovery, None) };
    assert_eq!(world.rotate(&again, &[]).unwrap_err().code(), "recovery-wrong");
    let again = Plan { recovery: Some(quorum(1, &after)), ..again };
    let change = world.rotate(&again, &[]).unwrap();
    assert!(world.conclude(&change, &[&after[0], &new[0], &new[1]]));
    assert_eq!(world.version(), 3);
}

#[test]
fn a_root_can_demand_numbered_bundles_and_never_less() {
    let holders = hands(1, false);
    let mut world = World::found(1, &holders, None);
    let demanding = Plan { manifests: true, ..plan(quorum(1, &holders)) };
    // Without a log key no bundle could be published any more.
    assert_eq!(world.rotate(&demanding, &[]).unwrap_err().code(), "log-key-none");
    let log = Hand::new(false);
    world.certify(Role::Log, &log, &holders[0]);
    let change = world.rotate(&demanding, &[]).unwrap();
    assert!(world.conclude(&change, &[&holders[0]]));
    assert_eq!(world.rotate(&demanding, &[]).unwrap_err().code(), "root-unchanged");
    let plain = trust::bundle(&world.repository).unwrap().0;
    let refused = Trust::load(&plain, Pin::Authority(world.authority)).unwrap_err();
    assert_eq!(refused.code(), "manifest-missing");
    // The next root says it as well, whoever its custodians are.
    let next = hands(1, false);
    let change = world.rotate(&plan(quorum(1, &next)), &kids(&[&holders[0], &next[0]])).unwrap();
    assert!(world.conclude(&change, &[&holders[0], &next[0]]));
    assert_eq!(world.version(), 3);
    let newest = newest_root(&world.repository).unwrap();
    assert!(Root::decode(&newest).unwrap().manifests);
}

#[test]
fn in_hybrid_trust_both_keys_of_a_custodian_sign() {
    let (old, new) = (hands(2, true), hands(1, true));
    let mut world = World::found(1, &old, None);
    let plain = plan(quorum(1, &hands(1, false)));
    assert_eq!(world.rotate(&plain, &[]).unwrap_err().code(), "hybrid-floor");
    let change = world.rotate(&plan(quorum(1, &new)), &kids(&[&old[1], &new[0]])).unwrap();
    assert_eq!(change.missing(&world.repository).unwrap().len(), 4);
    let request = change.request(&world.repository).unwrap();
    let Exchange::Request(asked) = Exchange::decode(&request).unwrap() else { panic!("a request") };
    let review = review(asked, None).unwrap();
    let alone = sign(&review, &new[0].key, None).unwrap_err();
    assert_eq!(alone.code(), "partner-missing");
    let other = sign(&review, &new[0].key, old[1].partner.as_ref()).unwrap_err();
    assert_eq!(other.code(), "partner-missing", "somebody else's partner");
    assert!(world.conclude(&change, &[&old[1], &new[0]]));
}
