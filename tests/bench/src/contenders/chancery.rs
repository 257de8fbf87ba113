//! Chancery: a direct license, with and without the components of a device, and one of a sealed batch.

use std::time::{SystemTime, UNIX_EPOCH};

use chancery_formats::cose::{Envelope, MAX_DIRECT};
use chancery_formats::document::Kind;
use chancery_formats::id::LicenseId;
use chancery_formats::license::License;
use chancery_formats::seal::Role;
use chancery_formats::trust::KeyMode;
use chancery_tests::authority::{Authority, Quorum, issue_direct};
use chancery_tests::key::SecretKey;
use chancery_tests::license::{PRODUCT, bare, machine, on_machine};
use chancery_verifier::device::Component;
use chancery_verifier::{Context, Trust, decide, verify_license};

use super::{Contender, Facts};

/// A license, what the site trusts, and what it knows of its device.
pub struct Chancery {
    trust: Trust,
    document: Vec<u8>,
    machine: Vec<Component>,
    what: String,
}

impl Chancery {
    /// Makes a license bound to four of six components, or to nothing.
    pub fn new(facts: Facts, bound: bool) -> Self {
        let issuer = Self::issuer();
        let authority = Authority::found(Quorum::of(1, &[1]));
        let authority = authority.clone().certify(&authority.record(&issuer, Role::Issuer, KeyMode::Direct));
        let license = if bound { on_machine(license(facts)) } else { license(facts) };
        let document = issue_direct(&issuer, &license);
        let what = if bound { "bound to 4 of 6 components" } else { "bound to nothing" };
        Self { trust: authority.trust(), document, machine: machine(), what: what.to_owned() }
    }

    /// Makes one license of a batch of `size`, bound to nothing, whose statement the issuer has signed, and a
    /// witness where `witnessed`.
    pub fn of_batch(facts: Facts, size: u64, witnessed: bool) -> Self {
        let (issuer, witness) = (SecretKey::ed25519(12), SecretKey::ed25519(13));
        let authority = Authority::found(Quorum::of(1, &[1]));
        let mut record = authority.record(&issuer, Role::Issuer, KeyMode::Seal);
        let mut signers = vec![(Role::Issuer, &issuer)];
        if witnessed {
            record.co_signers = vec![Role::Witness];
            signers.push((Role::Witness, &witness));
        }
        let witness_record = authority.record(&witness, Role::Witness, KeyMode::Seal);
        let payload = |number: u64| {
            let mut id = [0x5c; 16];
            id[8..].copy_from_slice(&number.to_be_bytes());
            License { id: LicenseId(id), ..license(facts) }.encode()
        };
        let batch =
            authority.sealing(&signers).seal(Kind::License, &issuer, (0..size).map(payload).collect());
        let document = batch[size as usize / 3].clone();
        let trust = authority.clone().certify(&record).certify(&witness_record).trust();
        let what = format!("one of {size}, {} signatures", signers.len());
        Self { trust, document, machine: machine(), what }
    }

    fn issuer() -> SecretKey {
        SecretKey::ed25519(11)
    }

    /// Returns what the signature of the license is checked with when nothing else is done.
    pub fn bare_check(&self) -> Bare {
        let SecretKey::Ed25519(key) = Self::issuer() else { unreachable!("the issuer's key is Ed25519") };
        let envelope = Envelope::decode(&self.document).expect("a license");
        let mut buffer = [0; MAX_DIRECT];
        let message = envelope.sig_structure(&mut buffer).expect("a direct license").to_vec();
        Bare { key: key.verifying_key(), message, signature: envelope.signature.to_vec() }
    }
}

impl Contender for Chancery {
    fn name(&self) -> String {
        format!("Chancery, {}", self.what)
    }

    fn token_len(&self) -> usize {
        self.document.len()
    }

    fn allows(&self, feature: &str) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs();
        let facts = chancery_verifier::Facts::default();
        let context = Context { now, product: PRODUCT, device_key: None, components: &self.machine, facts };
        verify_license(&self.document, &self.trust)
            .is_ok_and(|license| decide(&license, &context, Some(feature)).verdict.may_run())
    }
}

fn license(facts: Facts) -> License<'static> {
    License {
        product: facts.product,
        not_before: Some(facts.term.0),
        not_after: Some(facts.term.1),
        issued_at: facts.term.0,
        ..bare()
    }
}

/// The signature of a license, and nothing else: the least that any verification costs.
pub struct Bare {
    key: ed25519_dalek::VerifyingKey,
    message: Vec<u8>,
    signature: Vec<u8>,
}

impl Bare {
    /// Checks the signature over the Sig_structure.
    pub fn verify(&self) -> bool {
        ed25519_dalek::Signature::from_slice(&self.signature)
            .is_ok_and(|signature| self.key.verify_strict(&self.message, &signature).is_ok())
    }
}
