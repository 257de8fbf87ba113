//! What products make of licenses whose issuing key was stolen, beside what the real witness has signed.

use chancery_formats::cose::Envelope;
use chancery_formats::document::Kind;
use chancery_formats::license::License;
use chancery_formats::merkle::{Hash, prove};
use chancery_formats::seal::Role;
use chancery_formats::trust::{Closed, Closing, KeyMode};
use chancery_tests::authority::{FOUNDED, Sealing, issue_direct};
use chancery_tests::key::SecretKey;
use chancery_verifier::{Inclusion, Refusal, verify_license, verify_license_in_log};

use crate::vendor::{NOW, Vendor, license};
use crate::{answered, sealed, world};

const YEAR: u64 = 365 * 86_400;

#[test]
fn a_license_of_a_stolen_key_alone_is_refused_whatever_it_says() {
    let (_, vendor) = world();
    let (issuer, thief) = (&vendor.issuer, SecretKey::ed25519(99));
    let trust = vendor.authority.trust();
    for first_index in [Some(0), Some(6), Some(7), Some(1 << 40), None] {
        for time in [FOUNDED, NOW - 3_600, NOW, NOW + YEAR] {
            let forged = |signers: &[(Role, &SecretKey)]| {
                let sealing = Sealing { first_index, time, ..vendor.authority.sealing(signers) };
                let payload = License { issued_at: time, ..license(66) }.encode();
                let document = sealing.seal(Kind::License, issuer, vec![payload]).remove(0);
                verify_license(&document, &trust).unwrap_err()
            };
            assert_eq!(forged(&[(Role::Issuer, issuer)]), Refusal::CoSignerMissing);
            let own = forged(&[(Role::Issuer, issuer), (Role::Witness, &thief)]);
            assert_eq!(own, Refusal::KeyUnknown { kid: thief.kid() });
            let twice = forged(&[(Role::Issuer, issuer), (Role::Witness, issuer)]);
            assert_eq!(twice, Refusal::SignersWrong);
            let direct = issue_direct(issuer, &License { issued_at: time, ..license(66) });
            let refused = verify_license(&direct, &trust).unwrap_err();
            assert_eq!(refused, Refusal::AlgMismatch { kid: issuer.kid() });
        }
    }
}

/// The path of a leaf in the log at a size.
fn path(vendor: &Vendor, index: u64, size: u64) -> Vec<Hash> {
    let whole = |height: u32, number: u64| {
        let leaves = vendor.leaves.iter().skip((number << height) as usize).take(1 << height);
        chancery_formats::merkle::Tree::new(leaves.copied().collect()).map(|tree| tree.root()).ok_or(())
    };
    prove::inclusion(index, size, whole).unwrap()
}

/// Issues directly and enters the license into the log; returns it with its place there.
fn issue_logged(vendor: &mut Vendor, key: &SecretKey, number: u8) -> (Vec<u8>, u64) {
    let document = issue_direct(key, &license(number));
    vendor.leaves.push(Envelope::decode(&document).unwrap().leaf_hash());
    (document, vendor.size() - 1)
}

#[test]
fn what_was_witnessed_or_in_the_log_before_outlives_its_key() {
    let (desk, mut vendor) = world();
    let direct = SecretKey::ed25519(50);
    let record = vendor.authority.record(&direct, Role::Issuer, KeyMode::Direct);
    vendor.authority = vendor.authority.clone().certify(&record);
    let (early, early_index) = issue_logged(&mut vendor, &direct, 1);
    let before = vendor.offer(&desk.key, 0, 2..5);
    let answer = desk.sign(&before.encode());
    let before = sealed(&before, &vendor.issuer, answered(&answer).batch.unwrap().signature);
    // From here on the keys are in other hands; the witness does not know yet.
    let head = vendor.head(vendor.size());
    let after = vendor.offer(&desk.key, head.size, 5..7);
    let answer = desk.sign(&after.encode());
    let after = sealed(&after, &vendor.issuer, answered(&answer).batch.unwrap().signature);
    let (late, late_index) = issue_logged(&mut vendor, &direct, 8);
    for key in [&vendor.issuer, &direct] {
        let closing = Closing {
            authority: vendor.authority.id,
            thumbprint: key.thumbprint(),
            closed: Closed::Compromised(head),
            time: NOW,
            reason: "laptop stolen",
        };
        vendor.authority = vendor.authority.clone().publish(Kind::Closing, closing.encode());
    }
    let trust = vendor.authority.trust();
    let compromised = |key: &SecretKey| Err(Refusal::KeyCompromised { kid: key.kid() });
    let alone = |document: &[u8]| verify_license(document, &trust).map(drop);
    for document in &before {
        assert_eq!(alone(document), Ok(()), "witnessed below the size");
    }
    for document in &after {
        assert_eq!(alone(document), compromised(&vendor.issuer), "witnessed later");
    }
    let proven = |document: &[u8], index, size| {
        let path = path(&vendor, index, size);
        let inclusion = Inclusion { index, size, path: path.as_flattened() };
        verify_license_in_log(document, &trust, Some(&inclusion)).map(drop)
    };
    assert_eq!(alone(&early), compromised(&direct), "direct, without a proof");
    assert_eq!(proven(&early, early_index, head.size), Ok(()), "direct, with its proof");
    assert_eq!(proven(&late, late_index, vendor.size()), compromised(&direct), "direct and later");
    assert_eq!(proven(&late, early_index, head.size), compromised(&direct), "with another's proof");
    // The witness learns of it with the next bundle, and signs no more.
    let next = vendor.offer(&desk.key, vendor.size() - 1, 9..10);
    assert_eq!(desk.says(&next.encode()), ("key-closed", 3));
}
