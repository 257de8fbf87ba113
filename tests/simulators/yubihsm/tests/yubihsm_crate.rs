//! The `yubihsm` crate as a client: what an independent implementation sees of the simulator.
//!
//! Its own limits show here too: it stops, without a word, at the first command code that it does not know.
//! Yubico's own client is in `python.py`, run by `foreign.sh`.
#![allow(missing_docs, clippy::unwrap_used)]

use std::time::{Duration, Instant};

use chancery_yubihsm_simulator::{Config, Fault, Firmware, Simulator};
use ed25519_dalek::Verifier;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use x509_cert::Certificate;
use x509_cert::der::{Decode, DecodePem, Encode};
use yubihsm::device::ErrorKind;
use yubihsm::object::{Filter, Label, Type};
use yubihsm::{
    AuditOption, Capability, Client, Connector, Credentials, Domain, HttpConfig, asymmetric, authentication,
    command, opaque, wrap,
};

fn simulator(firmware: Firmware) -> Simulator {
    Simulator::start(Config { firmware, ..Config::default() }).unwrap()
}

fn new() -> Simulator {
    simulator(Firmware(2, 4, 0))
}

fn connector(simulator: &Simulator) -> Connector {
    Connector::http(&HttpConfig { port: simulator.port(), ..HttpConfig::default() })
}

fn open(simulator: &Simulator, key: u16, password: &str) -> Client {
    let credentials = Credentials::from_password(key, password.as_bytes());
    Client::open(connector(simulator), credentials, false).unwrap()
}

fn admin(simulator: &Simulator) -> Client {
    open(simulator, 1, "password")
}

fn label() -> Label {
    "label".parse().unwrap()
}

fn signing() -> Capability {
    Capability::SIGN_EDDSA | Capability::SIGN_ECDSA | Capability::EXPORTABLE_UNDER_WRAP
}

fn generate(
    client: &Client,
    id: u16,
    algorithm: asymmetric::Algorithm,
) -> Result<u16, yubihsm::client::Error> {
    client.generate_asymmetric_key(id, label(), Domain::DOM1, signing(), algorithm)
}

/// Returns the device's reason for a refusal.
fn reason<T>(result: Result<T, yubihsm::client::Error>) -> Option<ErrorKind> {
    result.err().and_then(|error| error.device_error())
}

#[test]
fn keys_are_generated_signed_with_listed_and_deleted() {
    let simulator = new();
    let client = admin(&simulator);
    generate(&client, 0x100, asymmetric::Algorithm::Ed25519).unwrap();
    generate(&client, 0x101, asymmetric::Algorithm::EcP256).unwrap();

    let public = client.get_public_key(0x100).unwrap();
    let verifier = ed25519_dalek::VerifyingKey::try_from(public.as_slice()).unwrap();
    for length in [0, 1, 64, 2_019] {
        let message = vec![7; length];
        let signature = client.sign_ed25519(0x100, message.clone()).unwrap().to_bytes();
        verifier.verify(&message, &ed25519_dalek::Signature::from_bytes(&signature)).unwrap();
    }

    let public = client.get_public_key(0x101).unwrap();
    let point = [&[4], public.as_slice()].concat();
    let verifier = p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).unwrap();
    let signature = client.sign_ecdsa_prehash_raw(0x101, vec![9; 32]).unwrap();
    verifier.verify_prehash(&[9; 32], &p256::ecdsa::DerSignature::from_bytes(&signature).unwrap()).unwrap();

    let listed = client.list_objects(&[Filter::Type(Type::AsymmetricKey)]).unwrap();
    assert_eq!(listed.iter().map(|entry| entry.object_id).collect::<Vec<_>>(), [0x100, 0x101]);
    let info = client.get_object_info(0x100, Type::AsymmetricKey).unwrap();
    assert_eq!((info.capabilities, info.domains), (signing(), Domain::DOM1));
    assert_eq!(
        reason(generate(&client, 0x100, asymmetric::Algorithm::Ed25519)),
        Some(ErrorKind::ObjectExists)
    );
    client.delete_object(0x100, Type::AsymmetricKey).unwrap();
    assert_eq!(reason(client.get_public_key(0x100)), Some(ErrorKind::ObjectNotFound));

    let operations = simulator.operations();
    assert_eq!((operations.sign_eddsa, operations.sign_ecdsa, operations.sessions), (4, 1, 1));
}

#[test]
fn the_factory_key_and_the_storage_are_reported() {
    let simulator = new();
    let client = admin(&simulator);
    let info = client.get_object_info(1, Type::AuthenticationKey).unwrap();
    assert_eq!((info.capabilities, info.domains, info.length), (Capability::all(), Domain::all(), 40));
    assert_eq!((info.sequence, info.algorithm), (0, authentication::Algorithm::YubicoAes.into()));
    let storage = client.get_storage_info().unwrap();
    assert_eq!((storage.total_records, storage.free_records), (256, 255));
    assert_eq!((storage.total_pages, storage.free_pages, storage.page_size), (1_024, 1_023, 126));
    assert_eq!(client.get_pseudo_random(100).unwrap().len(), 100);
    assert_eq!(client.echo("hello").unwrap(), b"hello");
    client.blink_device(1).unwrap();
}

#[test]
fn a_wrong_password_is_noticed_and_costs_a_place() {
    let simulator = new();
    for _ in 0..16 {
        let wrong = Credentials::from_password(1, b"passwort");
        let error = Client::open(connector(&simulator), wrong, false).err().unwrap();
        assert!(error.to_string().contains("authentication failed"), "{error}");
    }
    assert_eq!(simulator.operations().sessions_open, 16);
    let right = Credentials::from_password(1, b"password");
    let error = Client::open(connector(&simulator), right, false).err().unwrap();
    assert_eq!(error.device_error(), Some(ErrorKind::SessionsFull), "{error}");
    simulator.inject(&Fault::PowerCycle).unwrap();
    admin(&simulator);
}

#[test]
fn capabilities_and_domains_are_enforced() {
    let simulator = new();
    let client = admin(&simulator);
    generate(&client, 0x100, asymmetric::Algorithm::Ed25519).unwrap();
    let put = |id, domain, capabilities| {
        let key = authentication::Key::derive_from_password(b"other");
        let algorithm = authentication::Algorithm::YubicoAes;
        client
            .put_authentication_key(id, label(), domain, capabilities, Capability::empty(), algorithm, key)
            .unwrap();
        open(&simulator, id, "other")
    };
    let signer = put(2, Domain::DOM1, Capability::SIGN_EDDSA);
    let auditor = put(3, Domain::DOM1, Capability::GET_LOG_ENTRIES);
    let elsewhere = put(4, Domain::DOM2, Capability::all());
    signer.sign_ed25519(0x100, "m").unwrap();
    assert_eq!(reason(auditor.sign_ed25519(0x100, "m")), Some(ErrorKind::InsufficientPermissions));
    assert_eq!(reason(elsewhere.sign_ed25519(0x100, "m")), Some(ErrorKind::ObjectNotFound));
    let deleted = signer.delete_object(0x100, Type::AsymmetricKey);
    assert_eq!(reason(deleted), Some(ErrorKind::InsufficientPermissions));
    let made = generate(&elsewhere, 9, asymmetric::Algorithm::Ed25519);
    assert_eq!(reason(made), Some(ErrorKind::InsufficientPermissions));
    assert_eq!(reason(signer.get_log_entries()), Some(ErrorKind::InsufficientPermissions));
}

#[test]
fn a_wrapped_key_comes_back_as_the_same_key() {
    let simulator = new();
    let client = admin(&simulator);
    let both = Capability::EXPORT_WRAPPED | Capability::IMPORT_WRAPPED;
    for (id, algorithm) in [(0x200, wrap::Algorithm::Aes128Ccm), (0x201, wrap::Algorithm::Aes256Ccm)] {
        client.generate_wrap_key(id, label(), Domain::DOM1, both, signing(), algorithm).unwrap();
        for kind in [asymmetric::Algorithm::Ed25519, asymmetric::Algorithm::EcP256] {
            generate(&client, 0x100, kind).unwrap();
            let public = client.get_public_key(0x100).unwrap();
            let wrapped = client.export_wrapped(id, Type::AsymmetricKey, 0x100).unwrap();
            assert_eq!(reason(client.import_wrapped(id, wrapped.clone())), Some(ErrorKind::ObjectExists));
            client.delete_object(0x100, Type::AsymmetricKey).unwrap();
            client.import_wrapped(id, wrapped).unwrap();
            assert_eq!(client.get_public_key(0x100).unwrap().as_slice(), public.as_slice());
            if kind == asymmetric::Algorithm::Ed25519 {
                let signature = client.sign_ed25519(0x100, "m").unwrap().to_bytes();
                let verifier = ed25519_dalek::VerifyingKey::try_from(public.as_slice()).unwrap();
                verifier.verify(b"m", &ed25519_dalek::Signature::from_bytes(&signature)).unwrap();
            }
            client.delete_object(0x100, Type::AsymmetricKey).unwrap();
        }
    }
    client
        .generate_asymmetric_key(
            0x101,
            label(),
            Domain::DOM1,
            Capability::SIGN_EDDSA,
            asymmetric::Algorithm::Ed25519,
        )
        .unwrap();
    let refused = client.export_wrapped(0x200, Type::AsymmetricKey, 0x101);
    assert_eq!(reason(refused), Some(ErrorKind::InsufficientPermissions));
}

#[test]
fn an_attestation_chains_to_the_root_it_writes() {
    let folder = std::env::temp_dir().join(format!("chancery-attestation-{}", std::process::id()));
    let simulator =
        Simulator::start(Config { attestation: Some(folder.clone()), serial: 77, ..Config::default() })
            .unwrap();
    let client = admin(&simulator);
    generate(&client, 0x100, asymmetric::Algorithm::Ed25519).unwrap();
    let pem = |name: &str| Certificate::from_pem(std::fs::read(folder.join(name)).unwrap()).unwrap();
    let chain = [
        Certificate::from_der(client.sign_attestation_certificate(0x100, None).unwrap().as_slice()).unwrap(),
        Certificate::from_der(&client.get_opaque(0).unwrap()).unwrap(),
        pem("intermediate.pem"),
        pem("root.pem"),
        pem("root.pem"),
    ];
    for pair in chain.windows(2) {
        let (subject, issuer) = (&pair[0], pair[1].tbs_certificate());
        assert_eq!(subject.tbs_certificate().issuer(), issuer.subject());
        let point = issuer.subject_public_key_info().subject_public_key.raw_bytes();
        let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(point).unwrap();
        let signature = p256::ecdsa::DerSignature::from_bytes(subject.signature().raw_bytes()).unwrap();
        key.verify(&subject.tbs_certificate().to_der().unwrap(), &signature).unwrap();
    }
    let attested = chain[0].tbs_certificate().subject_public_key_info().subject_public_key.raw_bytes();
    assert_eq!(attested, client.get_public_key(0x100).unwrap().as_slice());
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_full_log_refuses_and_is_drained() {
    let simulator = simulator(Firmware(2, 2, 0));
    let client = admin(&simulator);
    assert_eq!(client.get_log_entries().unwrap().entries.len(), 4);
    client.set_log_index(4).unwrap();
    generate(&client, 0x100, asymmetric::Algorithm::Ed25519).unwrap();
    client.set_force_audit_option(AuditOption::On).unwrap();
    let mut signed = 0;
    let refusal = loop {
        match client.sign_ed25519(0x100, "m") {
            Ok(_) => signed += 1,
            Err(error) => break error.device_error(),
        }
    };
    assert_eq!(refusal, Some(ErrorKind::LogFull));
    let log = client.get_log_entries().unwrap();
    assert_eq!((log.entries.len(), log.unlogged_auth_events, log.unlogged_boot_events), (62, 0, 0));
    let codes = log.entries.iter().filter(|entry| entry.cmd == command::Code::SignEddsa);
    assert_eq!((codes.count() as u64, signed), (simulator.operations().sign_eddsa, signed));
    let numbers: Vec<u16> = log.entries.iter().map(|entry| entry.item).collect();
    assert_eq!(numbers, (5..=66).collect::<Vec<u16>>());
    client.set_log_index(66).unwrap();
    client.sign_ed25519(0x100, "m").unwrap();
    assert_eq!(client.get_log_entries().unwrap().entries.len(), 2);
}

#[test]
fn the_crate_loses_newer_commands_without_a_word() {
    let old = simulator(Firmware(2, 2, 0));
    let client = admin(&old);
    assert_eq!(client.get_commands_audit_options().unwrap().len(), 53);
    client.set_command_audit_option(command::Code::SignEddsa, AuditOption::Fix).unwrap();
    let undone = client.set_command_audit_option(command::Code::SignEddsa, AuditOption::Off);
    assert_eq!(reason(undone), Some(ErrorKind::InvalidData));
    // Of 65 pairs, it stops at the first code that it does not know.
    let new = new();
    assert_eq!(admin(&new).get_commands_audit_options().unwrap().len(), 53);
}

#[test]
fn opaque_objects_and_a_reset() {
    let simulator = new();
    let client = admin(&simulator);
    let content = vec![5; 1_900];
    let none = Capability::empty();
    client.put_opaque(9, label(), Domain::DOM1, none, opaque::Algorithm::Data, content.clone()).unwrap();
    assert_eq!(client.get_opaque(9).unwrap(), content);
    client.reset_device().unwrap();
    let client = admin(&simulator);
    assert_eq!(client.list_objects(&[]).unwrap().len(), 1);
}

#[test]
fn a_thousand_signatures_under_forced_audit_are_all_accounted_for() {
    let simulator = simulator(Firmware(2, 2, 0));
    let client = admin(&simulator);
    generate(&client, 0x100, asymmetric::Algorithm::Ed25519).unwrap();
    client.set_log_index(5).unwrap();
    client.set_force_audit_option(AuditOption::On).unwrap();
    let began = Instant::now();
    let mut logged = 0;
    for round in 0..25 {
        for message in 0..40_u8 {
            client.sign_ed25519(0x100, vec![round, message]).unwrap();
        }
        let log = client.get_log_entries().unwrap();
        logged += log.entries.iter().filter(|entry| entry.cmd == command::Code::SignEddsa).count();
        client.set_log_index(log.entries.last().unwrap().item).unwrap();
    }
    assert_eq!((simulator.operations().sign_eddsa, logged), (1_000, 1_000));
    assert_eq!(simulator.operations().sessions_open, 1);
    println!("1,000 signatures in {} ms", began.elapsed().as_millis());
}

#[test]
fn a_stopped_simulator_lets_go_of_its_port_and_its_clients() {
    let state = std::env::temp_dir().join(format!("chancery-stopped-{}.json", std::process::id()));
    let config = Config { state: Some(state.clone()), ..Config::default() };
    let simulator = Simulator::start(config.clone()).unwrap();
    let port = simulator.port();
    let client = admin(&simulator);
    generate(&client, 0x100, asymmetric::Algorithm::Ed25519).unwrap();
    let public = client.get_public_key(0x100).unwrap();
    simulator.inject(&Fault::Die).unwrap();
    drop(simulator);
    assert!(client.sign_ed25519(0x100, "m").is_err());
    let simulator = Simulator::start(Config { port, ..config }).unwrap();
    assert_eq!(admin(&simulator).get_public_key(0x100).unwrap().as_slice(), public.as_slice());
    std::fs::remove_file(state).unwrap();
}

#[test]
fn a_session_outlives_its_time_only_while_it_is_used() {
    let session_time_out = Duration::from_secs(2);
    let simulator = Simulator::start(Config { session_time_out, ..Config::default() }).unwrap();
    let client = admin(&simulator);
    for _ in 0..3 {
        std::thread::sleep(Duration::from_secs(1));
        client.echo("alive").unwrap();
    }
    std::thread::sleep(Duration::from_millis(2_500));
    assert_eq!(simulator.operations().sessions_open, 0);
    assert!(client.echo("alive").is_err());
}
