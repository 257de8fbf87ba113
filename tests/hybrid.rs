//! Hybrid trust from the ceremony to a license: every document is made by pairs of keys, and none counts without the
//! ML-DSA-87 half, even for somebody who has every Ed25519 key.
//!
//! The authority is the real one, with a home on disk and keys in software. Not here: malformed documents
//! (`vectors/hybrid.json`), the exchange on the command line (`tests/journeys/hybrid.sh`).
#![allow(clippy::unwrap_used, clippy::expect_used, missing_debug_implementations, missing_docs)]

use std::path::Path;

use chancery_authority::workflow::role::Place;
use chancery_authority::workflow::{bundle, closing, custody, issuer, revocation};
use chancery_formats::document::Kind;
use chancery_formats::key::Algorithm;
use chancery_formats::seal::Role;
use chancery_formats::trust::{Bundle, KeyMode};
use chancery_hsm_config::KeyRef;
use chancery_verifier::{Pin, Refusal, Trust, verify_license};

#[path = "hybrid/vendor.rs"]
mod vendor;
#[path = "hybrid/witnesses.rs"]
mod witnesses;

use vendor::{NOW, Vendor, code, kind_of, pins};

/// What a verifier says to a document whose ML-DSA-87 half is missing.
fn without_half(kind: Kind) -> &'static str {
    match kind {
        Kind::Root | Kind::KeyRecord | Kind::Closing => "root-threshold",
        _ => "partner-missing",
    }
}

#[test]
fn no_document_counts_without_its_ml_dsa_87_half() {
    let mut vendor = Vendor::found();
    let retired = vendor.certify(Role::Issuer, "spare").unwrap();
    let asked = custody::Asked::default();
    let (how, reason) = (closing::How::Retired, "not needed");
    closing::close(&mut vendor.repository, retired, how, reason, &asked, &mut pins(), NOW + 2).unwrap();
    let license = vendor.issue().unwrap();
    let other = vendor.issue().unwrap();
    let named = revocation::Named::License(vendor.repository.licenses().unwrap()[1].id);
    revocation::add(&mut vendor.repository, &named, "sold twice", NOW + 3).unwrap();
    revocation::publish(&mut vendor.repository, false, &mut pins(), NOW + 4).unwrap();
    let published = bundle::publish(&mut vendor.repository, false, &mut pins(), NOW + 5).unwrap();
    let pin = Pin::Authority(vendor.authority);
    let trust = Trust::load(&published.bytes, pin).unwrap();
    verify_license(&license, &trust).unwrap();
    assert!(matches!(verify_license(&other, &trust), Err(Refusal::Revoked { .. })));
    assert_eq!(vendor.findings(), Vec::<String>::new());

    let bundle = Bundle::decode(&published.bytes).unwrap();
    let members: Vec<Vec<u8>> = bundle.members().map(<[u8]>::to_vec).collect();
    let manifest = bundle.manifest().unwrap();
    let mut seen = Vec::new();
    for (place, member) in members.iter().enumerate() {
        let kind = kind_of(member);
        // Every Ed25519 key signs anew without its partner; then the other half is cut off.
        for (changed, expected) in
            [(vendor.halve(member), without_half(kind)), (vendor.cut(member), "signature-wrong")]
        {
            let mut members = members.clone();
            members[place] = changed;
            let bytes = Bundle::encode_with(&members, Some(manifest), bundle.trail());
            assert_eq!(Trust::load(&bytes, pin).unwrap_err().code(), expected, "{kind:?}");
        }
        seen.push(kind);
    }
    seen.dedup();
    assert_eq!(seen, [Kind::Root, Kind::KeyRecord, Kind::Closing, Kind::RevocationList]);
    for (changed, expected) in
        [(vendor.halve(manifest), "partner-missing"), (vendor.cut(manifest), "signature-wrong")]
    {
        let bytes = Bundle::encode_with(&members, Some(&changed), bundle.trail());
        assert_eq!(Trust::load(&bytes, pin).unwrap_err().code(), expected, "manifest");
    }
    let refused = |changed: &[u8]| verify_license(changed, &trust).map(drop).unwrap_err().code();
    assert_eq!(refused(&vendor.halve(&license)), "partner-missing");
    assert_eq!(refused(&vendor.cut(&license)), "signature-wrong");
    let transcript = std::fs::read(vendor.folder.path().join("exchange/transcript.cose")).unwrap();
    trust.verify_transcript(&transcript).unwrap();
    let refused = |changed: &[u8]| trust.verify_transcript(changed).map(drop).unwrap_err().code();
    assert_eq!(refused(&vendor.halve(&transcript)), "partner-missing");
    assert_eq!(refused(&vendor.cut(&transcript)), "signature-wrong");
}

#[test]
fn a_key_is_certified_with_its_partner_or_not_at_all() {
    let mut vendor = Vendor::found();
    let key = KeyRef::file(vendor.keys().join("lone.pem"));
    let size = vendor.repository.log_size().unwrap();
    let lone = Place::Here { key: &key, partner: None };
    assert_eq!(code(vendor.add(Role::Issuer, lone, None, &[])), "partner-missing");
    let partner = KeyRef::file(vendor.keys().join("lone-partner.pem"));
    let direct = Place::Here { key: &key, partner: Some(&partner) };
    assert_eq!(code(vendor.add(Role::Issuer, direct, Some(KeyMode::Direct), &[])), "hybrid-direct");
    for path in [vendor.keys().join("lone.pem"), vendor.keys().join("lone-partner.pem")] {
        assert!(!Path::exists(&path), "nothing is made for what is refused");
    }
    // A partner that is another key's, and the halves exchanged.
    let known = KeyRef::file(vendor.keys().join("issuer-partner.pem"));
    let new = KeyRef::file(vendor.keys().join("new.pem"));
    let borrowed = Place::Here { key: &new, partner: Some(&known) };
    assert_eq!(code(vendor.add(Role::Issuer, borrowed, None, &[])), "key-of-two-roles");
    let upside_down = Place::Here { key: &known, partner: Some(&new) };
    assert_eq!(code(vendor.add(Role::Issuer, upside_down, None, &[])), "key-invalid");
    assert_eq!(vendor.repository.log_size().unwrap(), size, "nothing was begun");
    vendor.certify(Role::Issuer, "lone").unwrap();
    assert_eq!(vendor.repository.log_size().unwrap(), size + 1);
    assert_eq!(vendor.findings(), Vec::<String>::new());
}

#[test]
fn a_partner_signs_as_long_as_its_key_and_no_longer() {
    let mut vendor = Vendor::found();
    let kid = vendor.certify(Role::Issuer, "spare").unwrap();
    let keys = vendor.repository.keys().unwrap();
    let partner = keys.iter().rfind(|key| key.public_key.algorithm() == Algorithm::MlDsa87).unwrap();
    let thumbprint = partner.public_key.thumbprint();
    let open = |vendor: &Vendor| {
        let is_it = |known| known == thumbprint;
        issuer::require_open(&vendor.repository, is_it, thumbprint.key_id()).map(drop)
    };
    assert_eq!(code(open(&vendor)), "ok");
    let asked = custody::Asked::default();
    let how = closing::How::Retired;
    closing::close(&mut vendor.repository, kid, how, "not needed", &asked, &mut pins(), NOW + 2).unwrap();
    assert_eq!(code(open(&vendor)), "key-closed");
}
