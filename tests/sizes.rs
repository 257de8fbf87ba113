//! How large documents are and which QR code carries them, on realistic names: the figures of DESIGN §3.
//!
//! Run with `--nocapture` to read them.
#![allow(clippy::expect_used, clippy::print_stdout)]

use chancery_carriers::picture::qr_version;
use chancery_formats::cose::{Envelope, MAX_DIRECT};
use chancery_formats::document::Kind;
use chancery_formats::id::{EntitlementId, LicenseId};
use chancery_formats::license::License;
use chancery_formats::text::encode_qr;
use chancery_tests::authority::{Authority, Quorum, issue_direct, sign_unsigned};
use chancery_tests::key::SecretKey;
use chancery_tests::license::{PRODUCT, START, bare, full, machine, on_machine};
use chancery_tests::vectors::with_list;
use chancery_verifier::{Draft, verify_license, verify_request};

/// What a QR code of version 12 holds at level M, in alphanumeric characters (ISO/IEC 18004, table 7).
const CHARS_OF_12_M: usize = 419;

#[track_caller]
fn holds(name: &str, kind: Kind, document: &[u8], max_bytes: usize, max_version: u8) {
    let text = encode_qr(kind, document);
    let version = qr_version(&text).expect("a text that fits");
    println!("{name}: {} bytes, {} characters, QR {version}-M", document.len(), text.len());
    assert!(document.len() <= max_bytes, "{name}: {} bytes, not {max_bytes}", document.len());
    assert!(version <= max_version, "{name}: QR {version}-M, not {max_version}-M");
}

fn authority(key: &SecretKey, mode: chancery_formats::trust::KeyMode) -> Authority {
    let authority = Authority::found(Quorum::of(1, &[1]));
    let record = authority.record(key, chancery_formats::seal::Role::Issuer, mode);
    authority.certify(&record)
}

#[test]
fn licenses_fit_their_qr_codes() {
    for key in [SecretKey::ed25519(10), SecretKey::p256(11)] {
        let trust = with_list(&authority(&key, chancery_formats::trust::KeyMode::Direct), 412).trust();
        let algorithm = key.algorithm();
        // As the authority issues it, nbf included, but for cnf, which belongs to the full terms.
        let bare = issue_direct(&key, &on_machine(bare()));
        let full = issue_direct(&key, &full(on_machine(self::bare())));
        for document in [&bare, &full] {
            verify_license(document, &trust).expect("a good license");
            let mut buffer = [0; MAX_DIRECT];
            let envelope = Envelope::decode(document).expect("an envelope");
            assert!(envelope.sig_structure(&mut buffer).is_some(), "what the device signs");
        }
        holds(&format!("bare terms, six components, {algorithm}"), Kind::License, &bare, 410, 16);
        holds(&format!("full terms, six components, {algorithm}"), Kind::License, &full, 480, 17);
    }
}

#[test]
fn one_of_fifty_thousand_fits_one_qr_code() {
    const SIZE: usize = 50_000;
    let key = SecretKey::ed25519(12);
    let authority = authority(&key, chancery_formats::trust::KeyMode::Seal);
    let payload = |number: usize| {
        let mut id = bare().id.0;
        id[8..].copy_from_slice(&(number as u64).to_be_bytes());
        License { id: LicenseId(id), ..bare() }.encode()
    };
    let signers = [(chancery_formats::seal::Role::Issuer, &key)];
    let batch = authority.sealing(&signers).seal(Kind::License, &key, (0..SIZE).map(payload).collect());
    let trust = authority.trust();
    let longest = batch.iter().max_by_key(|document| document.len()).expect("a batch");
    for document in [longest, &batch[0], &batch[SIZE - 1]] {
        verify_license(document, &trust).expect("a good license");
    }
    holds("one of 50,000, bare terms, no device", Kind::License, longest, 1_100, 27);
}

fn request(key: &SecretKey) -> Vec<u8> {
    let machine = machine();
    let draft = Draft {
        product: PRODUCT,
        entitlement: EntitlementId([0xe1; 8]),
        device_key: key.public(),
        nonce: [0x5a; 16],
        site_clock: START,
        components: &machine,
        root_version: 1,
        revocation_list: 0,
    };
    let request = sign_unsigned(key, &draft.prepare().expect("a draft"));
    verify_request(&request).expect("a good request");
    request
}

#[test]
fn requests_fit_their_qr_code() {
    let ed25519 = request(&SecretKey::ed25519(50));
    holds("request, six components, Ed25519", Kind::Request, &ed25519, 280, 12);
    assert!(encode_qr(Kind::Request, &ed25519).len() <= CHARS_OF_12_M);
    // A TPM gives a P-256 key, whose second coordinate travels too.
    holds("request, six components, P-256", Kind::Request, &request(&SecretKey::p256(51)), 315, 13);
}
