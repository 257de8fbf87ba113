//! The PKCS#11 backend on Kryoptic: the common suite, raw Ed25519 points, keys that want the PIN for each
//! use, and ML-DSA by direct calls.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::process::ExitCode;

use chancery_formats::key::{Algorithm, PublicKey};
use chancery_hsm_config::backend::conformance::{self, Fixture};
use chancery_hsm_config::{generate, open};
use chancery_pkcs11_faults::control::Fault;
use chancery_pkcs11_faults::fixture::{self, Token};
use chancery_pkcs11_faults::tokens::{Kryoptic, session};
use cryptoki::context::Function;
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::dsa::{HedgeType, SignAdditionalContext};
use cryptoki::object::{Attribute, AttributeType, MlDsaParameterSetType, ObjectClass};
use ml_dsa::signature::Verifier;
use ml_dsa::{EncodedVerifyingKey, MlDsa65, Signature, VerifyingKey};

fn main() -> ExitCode {
    let latest = fixture::main(
        Kryoptic { only_2_40: false },
        &[
            ("conforms", conforms),
            ("the interface is the latest", the_interface_is_as_configured),
            ("points are raw or wrapped", points_are_raw_or_wrapped),
            ("a PIN for each use is given", a_pin_for_each_use_is_given),
            ("it signs ML-DSA", it_signs_ml_dsa),
        ],
    );
    let only_2_40 = fixture::main(
        Kryoptic { only_2_40: true },
        &[("conforms", conforms), ("the interface is of v2.40", the_interface_is_as_configured)],
    );
    if latest == ExitCode::SUCCESS { only_2_40 } else { latest }
}

fn conforms(token: &mut Token<Kryoptic>) {
    let report = conformance::run(token);
    println!("{report}");
    assert_eq!(report.failures(), []);
}

/// C_SessionCancel is new in v3.0.
fn the_interface_is_as_configured(token: &mut Token<Kryoptic>) {
    assert_eq!(token.load().is_fn_supported(Function::SessionCancel), !token.kind.only_2_40);
}

/// What the token keeps, asked by direct calls, and what the backend makes of it.
fn points_are_raw_or_wrapped(token: &mut Token<Kryoptic>) {
    for (index, algorithm, length) in [(20, Algorithm::Ed25519, 32), (21, Algorithm::Esp256, 67)] {
        let key = generate(&token.key(index), algorithm, &mut token.pins()).unwrap();
        let session = session(&token.load());
        let wanted = [
            Attribute::Class(ObjectClass::PUBLIC_KEY),
            Attribute::Label(format!("key {index}").into_bytes()),
        ];
        let object = session.find_objects(&wanted).unwrap()[0];
        let found = session.get_attributes(object, &[AttributeType::EcPoint]).unwrap();
        let [Attribute::EcPoint(point)] = &found[..] else { panic!("no point: {found:?}") };
        assert_eq!(point.len(), length);
        match key.public_key() {
            PublicKey::Ed25519(raw) => assert_eq!(point[..], raw),
            PublicKey::P256 { x, y } => assert_eq!(point[3..], [x, y].concat()),
            other => panic!("another algorithm: {other:?}"),
        }
    }
}

fn a_pin_for_each_use_is_given(token: &mut Token<Kryoptic>) {
    for (index, algorithm) in [(22, Algorithm::Ed25519), (23, Algorithm::Esp256)] {
        let label = format!("key {index}");
        let _ = token.generate_with(&label, &[index], algorithm, &[Attribute::AlwaysAuthenticate(true)]);
        let key = open(&token.key(index), &mut token.pins()).unwrap();
        let before = token.signatures().unwrap();
        for message in [&b"one"[..], b"two"] {
            key.sign(message).unwrap();
        }
        assert_eq!(token.signatures().unwrap(), before + 2);
        token.inject(Fault::PinIncorrect);
        assert_eq!(key.sign(b"the PIN was changed").unwrap_err().code(), "wrong-pin");
        assert_eq!(key.sign(b"and is not tried again").unwrap_err().code(), "wrong-pin");
        assert_eq!(token.signatures().unwrap(), before + 2);
        drop(key);
        token.control.clear().unwrap();
        open(&token.key(index), &mut token.pins()).unwrap().sign(b"changed back").unwrap();
    }
}

fn it_signs_ml_dsa(token: &mut Token<Kryoptic>) {
    let session = session(&token.load());
    let name = [Attribute::Token(true), Attribute::Label(b"ml-dsa".to_vec())];
    let public = [
        Attribute::ParameterSet(MlDsaParameterSetType::ML_DSA_65.into()),
        Attribute::Verify(true),
        Attribute::Private(false),
    ];
    let private = [Attribute::Private(true), Attribute::Sensitive(true), Attribute::Sign(true)];
    let (public, private) = ([&name[..], &public].concat(), [&name[..], &private].concat());
    let (public, private) =
        session.generate_key_pair(&Mechanism::MlDsaKeyPairGen, &public, &private).unwrap();
    let found = session.get_attributes(public, &[AttributeType::Value]).unwrap();
    let [Attribute::Value(bytes)] = &found[..] else { panic!("no public key: {found:?}") };
    let encoded = EncodedVerifyingKey::<MlDsa65>::try_from(&bytes[..]).unwrap();
    let key = VerifyingKey::<MlDsa65>::decode(&encoded);
    let before = token.signatures().unwrap();
    let mechanism = Mechanism::MlDsa(SignAdditionalContext::new(HedgeType::Preferred, None));
    let signature = session.sign(&mechanism, private, b"statement").unwrap();
    assert_eq!((bytes.len(), signature.len()), (1_952, 3_309));
    assert_eq!(token.signatures().unwrap(), before + 1);
    let signature = Signature::<MlDsa65>::try_from(&signature[..]).unwrap();
    key.verify(b"statement", &signature).unwrap();
    assert!(key.verify(b"another", &signature).is_err());
}
