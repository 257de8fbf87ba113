//! Chancery: a direct license, with and without the components of a device.

use std::time::{SystemTime, UNIX_EPOCH};

use chancery_formats::cose::{Envelope, MAX_DIRECT};
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
    bound: bool,
}

impl Chancery {
    /// Makes a license bound to four of six components, or to nothing.
    pub fn new(facts: Facts, bound: bool) -> Self {
        let issuer = Self::issuer();
        let authority = Authority::found(Quorum::of(1, &[1]));
        let authority = authority.clone().certify(&authority.record(&issuer, Role::Issuer, KeyMode::Direct));
        let license = License {
            product: facts.product,
            not_before: Some(facts.term.0),
            not_after: Some(facts.term.1),
            issued_at: facts.term.0,
            ..bare()
        };
        let license = if bound { on_machine(license) } else { license };
        let document = issue_direct(&issuer, &license);
        Self { trust: authority.trust(), document, machine: machine(), bound }
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
        let what = if self.bound { "bound to 4 of 6 components" } else { "bound to nothing" };
        format!("Chancery, {what}")
    }

    fn token_len(&self) -> usize {
        self.document.len()
    }

    fn allows(&self, feature: &str) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs();
        let context = Context { now, product: PRODUCT, device_key: None, components: &self.machine };
        verify_license(&self.document, &self.trust)
            .is_ok_and(|license| decide(&license, &context, Some(feature)).verdict.may_run())
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
