//! A witness in hybrid trust: a pair of keys in two homes, each with a memory of its own.

use chancery_authority::home::Home;
use chancery_authority::log::sealed::document;
use chancery_authority::witness::Memory;
use chancery_authority::workflow::bundle;
use chancery_authority::workflow::role::Place;
use chancery_authority::workflow::witness::ask::{Terms, for_batch, for_checkpoint};
use chancery_authority::workflow::witness::complete::complete;
use chancery_authority::workflow::witness::found::{Plan, found};
use chancery_authority::workflow::witness::judge::{Verdict, judge};
use chancery_authority::workflow::witness::sign::sign;
use chancery_formats::id::KeyId;
use chancery_formats::key::{Algorithm, Protection, PublicKey};
use chancery_formats::seal::Role;
use chancery_formats::trust::KeyMode;
use chancery_hsm_config::{KeyRef, generate};
use chancery_verifier::{Demands, Pin, Trust, verify_license};

use crate::vendor::{NOW, Vendor, code, pins};

fn home(vendor: &Vendor, name: &str) -> Home {
    Home::new(vendor.folder.path().join(name))
}

/// Founds a witness with a key of an algorithm, and returns its public key.
fn founded(vendor: &mut Vendor, name: &str, algorithm: Algorithm) -> PublicKey {
    let now = vendor.now();
    let bundle = bundle::in_force(&mut vendor.repository, &mut pins(), now).unwrap().bytes;
    let reference = KeyRef::file(vendor.folder.path().join(format!("{name}.pem")));
    generate(&reference, algorithm, &mut pins()).unwrap();
    let plan = Plan { authority: vendor.authority, bundle: &bundle, checkpoint: None, key: Some(&reference) };
    found(&home(vendor, name), &plan, &mut pins(), NOW).unwrap().identity.public_key
}

/// Has a witness sign the batch that waits for it.
fn witnessed(vendor: &mut Vendor, name: &str, first_index: u64, kid: KeyId) -> usize {
    let now = vendor.now();
    let terms = Terms { witness: Some(kid), ..Terms::default() };
    let asked = for_batch(&mut vendor.repository, first_index, &terms, &mut pins(), now).unwrap();
    let mut memory = Memory::open(&home(vendor, name)).unwrap();
    let Verdict::New(agreed) = judge(&memory, &asked.bytes, now, &mut |_, _| {}).unwrap() else {
        panic!("known")
    };
    let answer = sign(&mut memory, &agreed, &mut pins()).unwrap();
    complete(&mut vendor.repository, &answer, now).unwrap().batch.unwrap().missing.len()
}

#[test]
fn a_batch_stands_once_both_halves_of_its_witness_have_signed() {
    let mut vendor = Vendor::found();
    let key = founded(&mut vendor, "witness", Algorithm::Ed25519);
    let partner = founded(&mut vendor, "partner", Algorithm::MlDsa87);
    let (kid, partner_kid) = (key.key_id(), partner.key_id());
    let place =
        |partner| Place::Elsewhere { public_key: key.clone(), partner, protection: Protection::Software };
    assert_eq!(code(vendor.add(Role::Witness, place(None), None, &[])), "partner-missing");
    vendor.add(Role::Witness, place(Some(partner)), None, &[]).unwrap();
    let [own, beside] = ["witnessed", "witnessed-partner"]
        .map(|name| KeyRef::file(vendor.keys().join(format!("{name}.pem"))));
    let here = Place::Here { key: &own, partner: Some(&beside) };
    vendor.add(Role::Issuer, here, Some(KeyMode::Seal), &[Role::Witness]).unwrap();

    assert_eq!(code(vendor.issue()), "signature-missing");
    let first = vendor.repository.batches().unwrap().pop().unwrap().first_index;
    let several = for_batch(&mut vendor.repository, first, &Terms::default(), &mut pins(), NOW + 60);
    assert_eq!(code(several), "witness-several");
    assert_eq!(witnessed(&mut vendor, "witness", first, kid), 1);
    assert_eq!(document(&vendor.repository, first).unwrap(), None, "one half is missing");
    assert_eq!(witnessed(&mut vendor, "partner", first, partner_kid), 0);
    let license = document(&vendor.repository, first).unwrap().unwrap();
    let now = vendor.now();
    let bytes = bundle::in_force(&mut vendor.repository, &mut pins(), now).unwrap().bytes;
    let trust = Trust::load(&bytes, Pin::Authority(vendor.authority)).unwrap();
    let trust = trust.demanding(Demands { witness: true, ..Demands::default() });
    verify_license(&license, &trust).unwrap();
    assert_eq!(verify_license(&vendor.cut(&license), &trust).unwrap_err().code(), "signature-wrong");

    // Checkpoints are cosigned with Ed25519 alone, so that nobody has to say which half is asked.
    let now = vendor.now();
    let asked = for_checkpoint(&mut vendor.repository, &Terms::default(), &mut pins(), now).unwrap();
    assert_eq!(asked.witness.key_id(), kid);
    // A partner is certified as its key is: its memory is not begun anew under another.
    let reference = KeyRef::file(vendor.folder.path().join("partner.pem"));
    let plan = Plan { authority: vendor.authority, bundle: &bytes, checkpoint: None, key: Some(&reference) };
    assert_eq!(code(found(&home(&vendor, "again"), &plan, &mut pins(), NOW)), "witness-key-known");
    assert_eq!(vendor.findings(), Vec::<String>::new());
}
