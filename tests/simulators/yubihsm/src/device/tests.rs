//! The commands, without the channel around them: what is allowed, what is refused, what is logged.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::audit::CAPACITY;
use crate::capability as cap;
use crate::fault::Fault;
use crate::object::{AES128_CCM_WRAP, AES256_CCM_WRAP, EC_P256, ED25519, OPAQUE_DATA};

const ALL: Rights = Rights { key: 1, domains: 0xffff, capabilities: u64::MAX, delegated: u64::MAX };

fn device(firmware: Firmware) -> Device {
    Device::power_up(firmware, 7, Duration::from_secs(30), None).unwrap()
}

fn new() -> Device {
    device(Firmware(2, 4, 0))
}

/// Sends a command as a session with `rights` would; returns the answer's payload or the error's code.
fn send(device: &mut Device, rights: Rights, code: u8, payload: &[u8]) -> Result<Vec<u8>, u8> {
    let answer = device.inner(rights, &frame::encode(code, payload));
    match frame::parse(&answer).unwrap() {
        (frame::ERROR, error) => Err(error[0]),
        (answered, payload) => {
            assert_eq!(answered, code | frame::RESPONSE);
            Ok(payload.to_vec())
        }
    }
}

struct New<'a> {
    id: u16,
    domains: u16,
    capabilities: u64,
    algorithm: u8,
    delegated: Option<u64>,
    material: &'a [u8],
}

impl New<'_> {
    fn payload(&self) -> Vec<u8> {
        let mut payload = self.id.to_be_bytes().to_vec();
        payload.extend_from_slice(&[b'x'; 40]);
        payload.extend_from_slice(&self.domains.to_be_bytes());
        payload.extend_from_slice(&self.capabilities.to_be_bytes());
        payload.push(self.algorithm);
        payload.extend(self.delegated.iter().flat_map(|delegated| delegated.to_be_bytes()));
        payload.extend_from_slice(self.material);
        payload
    }
}

const SIGNER: New<'static> = New {
    id: 0x100,
    domains: 1,
    capabilities: cap::SIGN_EDDSA | cap::EXPORTABLE_UNDER_WRAP,
    algorithm: ED25519,
    delegated: None,
    material: &[],
};

const WRAP: New<'static> = New {
    id: 0x200,
    domains: 1,
    capabilities: cap::EXPORT_WRAPPED | cap::IMPORT_WRAPPED,
    algorithm: AES256_CCM_WRAP,
    delegated: Some(cap::SIGN_EDDSA | cap::EXPORTABLE_UNDER_WRAP),
    material: &[],
};

fn generate(device: &mut Device, new: &New<'_>) -> Result<Vec<u8>, u8> {
    let code =
        if new.delegated.is_some() { command::GENERATE_WRAP_KEY } else { command::GENERATE_ASYMMETRIC_KEY };
    send(device, ALL, code, &new.payload())
}

fn sign(device: &mut Device, rights: Rights) -> Result<Vec<u8>, u8> {
    send(device, rights, command::SIGN_EDDSA, &[1, 0, b'm'])
}

#[test]
fn a_session_needs_the_capability_and_so_does_the_key() {
    let mut device = new();
    generate(&mut device, &SIGNER).unwrap();
    assert_eq!(sign(&mut device, ALL).unwrap().len(), 64);
    let without = Rights { capabilities: !cap::SIGN_EDDSA, ..ALL };
    assert_eq!(sign(&mut device, without), Err(0x09));
    generate(&mut device, &New { id: 0x101, capabilities: cap::SIGN_ECDSA, ..SIGNER }).unwrap();
    assert_eq!(send(&mut device, ALL, command::SIGN_EDDSA, &[1, 1, b'm']), Err(0x09));
    assert_eq!(
        send(&mut device, ALL, command::SIGN_ECDSA, &[[1, 1].as_slice(), &[7; 32]].concat()),
        Err(0x02)
    );
    assert_eq!(device.operations().sign_eddsa, 1);
}

#[test]
fn every_command_that_takes_a_capability_is_refused_without_it() {
    let mut device = new();
    generate(&mut device, &SIGNER).unwrap();
    generate(&mut device, &WRAP).unwrap();
    let none = Rights { capabilities: 0, ..ALL };
    for (code, payload) in [
        (command::RESET_DEVICE, vec![]),
        (command::PUT_OPAQUE, New { algorithm: OPAQUE_DATA, material: b"x", id: 9, ..SIGNER }.payload()),
        (command::GET_OPAQUE, vec![0, 0]),
        (command::GENERATE_ASYMMETRIC_KEY, New { id: 9, ..SIGNER }.payload()),
        (command::PUT_ASYMMETRIC_KEY, New { id: 9, material: &[7; 32], ..SIGNER }.payload()),
        (command::GENERATE_WRAP_KEY, New { id: 9, ..WRAP }.payload()),
        (command::EXPORT_WRAPPED, vec![2, 0, 3, 1, 0]),
        (command::IMPORT_WRAPPED, vec![2, 0]),
        (command::WRAP_DATA, vec![2, 0, 1]),
        (command::UNWRAP_DATA, vec![2, 0, 1]),
        (command::SIGN_EDDSA, vec![1, 0, 1]),
        (command::SIGN_ECDSA, vec![1, 0, 1]),
        (command::SIGN_HMAC, vec![1, 0, 1]),
        (command::VERIFY_HMAC, vec![1, 0, 1]),
        (command::SIGN_ATTESTATION_CERTIFICATE, vec![1, 0, 0, 0]),
        (command::GET_LOG_ENTRIES, vec![]),
        (command::SET_LOG_INDEX, vec![0, 1]),
        (command::SET_OPTION, vec![1, 0, 1, 1]),
        (command::GET_OPTION, vec![1]),
        (command::GET_PSEUDO_RANDOM, vec![0, 1]),
        (command::DELETE_OBJECT, vec![1, 0, 3]),
        (command::CHANGE_AUTHENTICATION_KEY, [[0, 1, 38].as_slice(), &[0; 32]].concat()),
    ] {
        assert_eq!(send(&mut device, none, code, &payload), Err(0x09), "{code:#04x}");
    }
}

#[test]
fn an_object_in_other_domains_does_not_exist() {
    let mut device = new();
    generate(&mut device, &SIGNER).unwrap();
    let elsewhere = Rights { domains: 0xfffe, ..ALL };
    assert_eq!(sign(&mut device, elsewhere), Err(0x0b));
    for (code, payload) in [
        (command::GET_OBJECT_INFO, [1, 0, 3].as_slice()),
        (command::GET_PUBLIC_KEY, &[1, 0]),
        (command::DELETE_OBJECT, &[1, 0, 3]),
        (command::SIGN_ATTESTATION_CERTIFICATE, &[1, 0, 0, 0]),
    ] {
        assert_eq!(send(&mut device, elsewhere, code, payload), Err(0x0b), "{code:#04x}");
    }
    assert_eq!(send(&mut device, elsewhere, command::LIST_OBJECTS, &[]), Ok(vec![0, 1, 2, 0]));
    assert_eq!(send(&mut device, ALL, command::LIST_OBJECTS, &[2, 3]), Ok(vec![1, 0, 3, 0]));
}

#[test]
fn a_new_object_stays_within_what_its_maker_may_hand_on() {
    let mut device = new();
    let narrow = Rights { delegated: cap::SIGN_EDDSA, domains: 1, ..ALL };
    let payload = |new: New<'_>| new.payload();
    let send = |device: &mut Device, payload: Vec<u8>| {
        send(device, narrow, command::GENERATE_ASYMMETRIC_KEY, &payload)
    };
    assert_eq!(send(&mut device, payload(SIGNER)), Err(0x09));
    assert_eq!(
        send(&mut device, payload(New { capabilities: cap::SIGN_EDDSA, domains: 3, ..SIGNER })),
        Err(0x09)
    );
    assert_eq!(
        send(&mut device, payload(New { capabilities: cap::SIGN_EDDSA, domains: 0, ..SIGNER })),
        Err(0x02)
    );
    assert_eq!(send(&mut device, payload(New { capabilities: cap::SIGN_EDDSA, ..SIGNER })), Ok(vec![1, 0]));
    assert_eq!(send(&mut device, payload(New { capabilities: cap::SIGN_EDDSA, ..SIGNER })), Err(0x11));
    let wide = New { delegated: Some(cap::SIGN_ECDSA), capabilities: 0, ..WRAP };
    assert_eq!(tests::send(&mut device, narrow, command::GENERATE_WRAP_KEY, &wide.payload()), Err(0x09));
}

#[test]
fn malformed_new_objects_are_refused() {
    let mut device = new();
    for (new, code, error) in [
        (New { id: 0xffff, ..SIGNER }, command::GENERATE_ASYMMETRIC_KEY, 0x0c),
        (New { algorithm: 9, ..SIGNER }, command::GENERATE_ASYMMETRIC_KEY, 0x12),
        (New { algorithm: 200, ..SIGNER }, command::GENERATE_ASYMMETRIC_KEY, 0x02),
        (New { algorithm: OPAQUE_DATA, ..SIGNER }, command::GENERATE_ASYMMETRIC_KEY, 0x02),
        (New { material: &[1], ..SIGNER }, command::GENERATE_ASYMMETRIC_KEY, 0x08),
        (New { material: &[1; 31], ..SIGNER }, command::PUT_ASYMMETRIC_KEY, 0x08),
        (New { material: &[0; 32], algorithm: EC_P256, ..SIGNER }, command::PUT_ASYMMETRIC_KEY, 0x02),
        (New { algorithm: OPAQUE_DATA, ..SIGNER }, command::PUT_OPAQUE, 0x08),
    ] {
        assert_eq!(send(&mut device, ALL, code, &new.payload()), Err(error));
    }
    assert_eq!(send(&mut device, ALL, command::GENERATE_ASYMMETRIC_KEY, &[0; 12]), Err(0x08));
    let chosen = send(&mut device, ALL, command::GENERATE_ASYMMETRIC_KEY, &New { id: 0, ..SIGNER }.payload());
    assert!(!matches!(chosen.unwrap().as_slice(), [0, 0] | [0xff, 0xff]));
}

#[test]
fn an_exported_key_comes_back_as_the_same_key_and_says_where_from() {
    for (algorithm, format) in [(ED25519, &[][..]), (ED25519, &[1]), (EC_P256, &[])] {
        let mut device = new();
        let capabilities = cap::SIGN_EDDSA | cap::EXPORTABLE_UNDER_WRAP;
        generate(&mut device, &New { algorithm, capabilities, ..SIGNER }).unwrap();
        generate(&mut device, &WRAP).unwrap();
        let public = send(&mut device, ALL, command::GET_PUBLIC_KEY, &[1, 0]).unwrap();
        let export = [&[2, 0, 3, 1, 0], format].concat();
        let mut wrapped = send(&mut device, ALL, command::EXPORT_WRAPPED, &export).unwrap();
        let length = 13 + 59 + if format.is_empty() { 96 } else { 128 } + 16;
        assert_eq!(wrapped.len(), length);
        let import = |wrapped: &[u8]| [&[2, 0], wrapped].concat();
        assert_eq!(send(&mut device, ALL, command::IMPORT_WRAPPED, &import(&wrapped)), Err(0x11));
        send(&mut device, ALL, command::DELETE_OBJECT, &[1, 0, 3]).unwrap();
        let imported = send(&mut device, ALL, command::IMPORT_WRAPPED, &import(&wrapped));
        assert_eq!(imported, Ok(vec![3, 1, 0]));
        assert_eq!(send(&mut device, ALL, command::GET_PUBLIC_KEY, &[1, 0]), Ok(public));
        let info = send(&mut device, ALL, command::GET_OBJECT_INFO, &[1, 0, 3]).unwrap();
        assert_eq!(info[16..18], [1, 0x11], "sequence and origin");
        wrapped[20] ^= 1;
        assert_eq!(send(&mut device, ALL, command::IMPORT_WRAPPED, &import(&wrapped)), Err(0x02));
        if algorithm == ED25519 {
            let again = send(&mut device, ALL, command::EXPORT_WRAPPED, &[2, 0, 3, 1, 0, 1]);
            assert_eq!(again.is_ok(), !format.is_empty(), "a seed that was left out is gone");
        }
    }
}

#[test]
fn export_wants_an_exportable_object_and_a_wrap_key_that_delegates_enough() {
    let mut device = new();
    generate(&mut device, &New { capabilities: cap::SIGN_EDDSA, ..SIGNER }).unwrap();
    generate(&mut device, &New { id: 0x101, ..SIGNER }).unwrap();
    generate(&mut device, &WRAP).unwrap();
    generate(&mut device, &New { id: 0x201, delegated: Some(cap::EXPORTABLE_UNDER_WRAP), ..WRAP }).unwrap();
    generate(&mut device, &New { id: 0x202, capabilities: cap::IMPORT_WRAPPED, ..WRAP }).unwrap();
    generate(&mut device, &New { id: 0x203, algorithm: AES128_CCM_WRAP, ..WRAP }).unwrap();
    let mut export =
        |wrap: [u8; 2], id| send(&mut device, ALL, command::EXPORT_WRAPPED, &[wrap[0], wrap[1], 3, 1, id]);
    assert_eq!(export([2, 0], 0), Err(0x09), "not exportable");
    assert_eq!(export([2, 1], 1), Err(0x09), "delegates too little");
    assert_eq!(export([2, 2], 1), Err(0x09), "may not export");
    assert_eq!(export([3, 0], 1), Err(0x0b), "no wrap key");
    assert_eq!(export([2, 0], 9), Err(0x0b), "no object");
    let wrapped = export([2, 3], 1).unwrap();
    let other = send(&mut device, ALL, command::IMPORT_WRAPPED, &[&[2, 0], &wrapped[..]].concat());
    assert_eq!(other, Err(0x02), "another wrap key");
}

/// Entries as (command, session key, target, second, result).
fn log(device: &Device) -> Vec<(u8, u16, u16, u16, u8)> {
    let log = device.state.log.read();
    let short = |bytes: &[u8]| u16::from_be_bytes([bytes[0], bytes[1]]);
    let entry = |e: &[u8]| (e[2], short(&e[5..]), short(&e[7..]), short(&e[9..]), e[11]);
    log[5..].chunks_exact(32).map(entry).collect()
}

#[test]
fn old_firmware_logs_from_the_start_and_names_the_keys() {
    let mut device = device(Firmware(2, 2, 0));
    generate(&mut device, &SIGNER).unwrap();
    generate(&mut device, &WRAP).unwrap();
    sign(&mut device, ALL).unwrap();
    assert_eq!(sign(&mut device, Rights { key: 5, capabilities: 0, ..ALL }), Err(0x09));
    send(&mut device, ALL, command::EXPORT_WRAPPED, &[2, 0, 3, 1, 0]).unwrap();
    send(&mut device, ALL, command::SIGN_ATTESTATION_CERTIFICATE, &[1, 0, 0, 0]).unwrap();
    send(&mut device, ALL, command::GET_LOG_ENTRIES, &[]).unwrap();
    assert_eq!(
        log(&device)[2..],
        [
            (0x46, 1, 0x100, NO_KEY, 0xc6),
            (0x5b, 1, 0x200, NO_KEY, 0xdb),
            (0x6a, 1, 0x100, NO_KEY, 0xea),
            (0x6a, 5, 0x100, NO_KEY, 0x09),
            (0x4a, 1, 0x200, 0x100, 0xca),
            (0x64, 1, 0x100, 0, 0xe4),
        ]
    );
}

#[test]
fn new_firmware_logs_what_it_is_told_to_and_a_fixed_option_stays() {
    let mut device = new();
    generate(&mut device, &SIGNER).unwrap();
    assert_eq!(device.state.log.used(), 2);
    let set = |device: &mut Device, payload: &[u8]| send(device, ALL, command::SET_OPTION, payload);
    assert_eq!(set(&mut device, &[3, 0, 4, 0x4f, 2, 0x6a, 1]), Ok(vec![]));
    assert_eq!(set(&mut device, &[3, 0, 2, 0x4f, 1]), Err(0x02));
    assert_eq!(set(&mut device, &[3, 0, 2, 0x4f, 2]), Ok(vec![]));
    assert_eq!(set(&mut device, &[3, 0, 4, 0x6a, 0, 0xee, 1]), Err(0x02), "all or nothing");
    assert_eq!(set(&mut device, &[3, 0, 4, 0x6a, 0]), Err(0x08));
    assert_eq!(set(&mut device, &[1, 0, 1, 2]), Ok(vec![]));
    assert_eq!(set(&mut device, &[1, 0, 1, 0]), Err(0x02));
    assert_eq!(set(&mut device, &[1, 0, 1, 3]), Err(0x02));
    sign(&mut device, ALL).unwrap();
    let codes: Vec<u8> = log(&device)[2..].iter().map(|entry| entry.0).collect();
    assert_eq!(codes, [0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x6a]);
    let dump = send(&mut device, ALL, command::GET_OPTION, &[3]).unwrap();
    assert!(dump.windows(2).any(|pair| pair == [0x6a, 1]) && dump.ends_with(&[0x77, 0]));
    assert_eq!(send(&mut device, ALL, command::GET_OPTION, &[1]), Ok(vec![2]));
    device.inject(&Fault::Reset).unwrap();
    assert_eq!(send(&mut device, ALL, command::GET_OPTION, &[1]), Ok(vec![0]));
}

#[test]
fn a_log_that_turns_its_own_audit_off_says_so() {
    let mut device = device(Firmware(2, 2, 0));
    send(&mut device, ALL, command::SET_OPTION, &[3, 0, 2, 0x4f, 0]).unwrap();
    send(&mut device, ALL, command::SET_OPTION, &[3, 0, 2, 0x6a, 0]).unwrap();
    assert_eq!(log(&device)[2..].len(), 1);
}

#[test]
fn a_full_log_refuses_what_must_be_logged_until_it_is_drained() {
    let mut device = device(Firmware(2, 2, 0));
    generate(&mut device, &SIGNER).unwrap();
    send(&mut device, ALL, command::SET_OPTION, &[1, 0, 1, 1]).unwrap();
    while device.state.log.used() < CAPACITY {
        sign(&mut device, ALL).unwrap();
    }
    let signed = device.operations().sign_eddsa;
    for _ in 0..3 {
        assert_eq!(sign(&mut device, ALL), Err(0x0a));
        assert_eq!(send(&mut device, ALL, command::CLOSE_SESSION, &[]), Err(0x0a));
        assert_eq!(send(&mut device, ALL, command::SET_OPTION, &[1, 0, 1, 0]), Err(0x0a));
    }
    assert_eq!((device.operations().sign_eddsa, device.state.log.used()), (signed, CAPACITY));
    assert_eq!(send(&mut device, ALL, command::ECHO, b"x"), Ok(b"x".to_vec()), "echo is not logged");
    let opened = device.transact(&frame::encode(command::CREATE_SESSION, &[0, 1, 1, 2, 3, 4, 5, 6, 7, 8]));
    assert!(matches!(opened, Reaction::Answer(answer) if answer[0] == 0x83));
    device.inject(&Fault::PowerCycle).unwrap();
    let read = send(&mut device, ALL, command::GET_LOG_ENTRIES, &[]).unwrap();
    assert_eq!(read[..5], [0, 1, 0, 1, 62], "one boot and one authentication unlogged");
    send(&mut device, ALL, command::SET_LOG_INDEX, &[0, 62]).unwrap();
    assert_eq!(log(&device), [(0x67, 1, NO_KEY, NO_KEY, 0xe7)]);
    assert!(sign(&mut device, ALL).is_ok());
    let read = send(&mut device, ALL, command::GET_LOG_ENTRIES, &[]).unwrap();
    assert_eq!(read[..5], [0, 0, 0, 0, 2]);
}

#[test]
fn auditing_the_session_message_itself_locks_a_full_device() {
    let mut device = new();
    send(&mut device, ALL, command::SET_OPTION, &[3, 0, 2, 0x05, 1]).unwrap();
    send(&mut device, ALL, command::SET_OPTION, &[1, 0, 1, 1]).unwrap();
    device.inject(&Fault::FillLog).unwrap();
    let message = frame::encode(command::SESSION_MESSAGE, &[0; 25]);
    assert_eq!(device.transact(&message), Reaction::Answer(vec![0x7f, 0, 1, 0x0a]));
    device.inject(&Fault::Reset).unwrap();
    assert_eq!(device.transact(&message), Reaction::Answer(vec![0x7f, 0, 1, 0x03]));
}

#[test]
fn in_the_clear_only_what_needs_no_session_is_answered() {
    let mut device = new();
    let mut plain = |code, payload: &[u8]| device.transact(&frame::encode(code, payload));
    assert_eq!(plain(0x01, b"hi"), Reaction::Answer(vec![0x81, 0, 2, b'h', b'i']));
    let Reaction::Answer(info) = plain(0x06, b"") else { panic!("no answer") };
    assert_eq!(info[..12], [0x86, 0, 64, 2, 4, 0, 0, 0, 0, 7, 62, 2]);
    for code in (0x07..=0x6f).filter(|code| *code != 0x05) {
        assert_eq!(plain(code, &[0, 1]), Reaction::Answer(vec![0x7f, 0, 1, 0x01]), "{code:#04x}");
    }
    assert_eq!(plain(0x03, &[0, 9, 0, 0, 0, 0, 0, 0, 0, 0]), Reaction::Answer(vec![0x7f, 0, 1, 0x0b]));
    assert_eq!(plain(0x03, &[0, 1]), Reaction::Answer(vec![0x7f, 0, 1, 0x08]));
    let long = vec![0; 3_133];
    assert_eq!(plain(0x01, &long), Reaction::Answer(vec![0x7f, 0, 1, 0x08]));
}

#[test]
fn garbage_never_ends_the_device() {
    let mut device = new();
    for code in 0..=u8::MAX {
        for length in [0, 1, 2, 3, 9, 17, 53, 64, 300] {
            let payload = key::random_bytes(length).unwrap();
            device.transact(&frame::encode(code, &payload));
            if code != command::RESET_DEVICE {
                let _ = device.inner(ALL, &frame::encode(code, &payload));
            }
        }
    }
    assert_eq!(device.inner(ALL, &[]), [0x7f, 0, 1, 0x08]);
}

#[test]
fn a_device_keeps_its_state_over_a_power_cycle_and_a_broken_file_is_no_new_device() {
    let folder = std::env::temp_dir().join(format!("chancery-device-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("state.json");
    let start = || {
        let store = Some(Store::new(path.clone()));
        Device::power_up(Firmware(2, 2, 0), 7, Duration::from_secs(30), store)
    };
    let mut device = start().unwrap();
    generate(&mut device, &SIGNER).unwrap();
    let signature = sign(&mut device, ALL).unwrap();
    let logged = log(&device);
    drop(device);
    let mut device = start().unwrap();
    assert_eq!(sign(&mut device, ALL), Ok(signature));
    assert_eq!(log(&device)[..logged.len()], logged[..]);
    assert_eq!(log(&device)[logged.len()..][..2], [(0, NO_KEY, 0, 0, 0), (0x6a, 1, 0x100, NO_KEY, 0xea)]);

    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap(); // cannot be replaced by a file
    assert_eq!(sign(&mut device, ALL), Err(0x07));
    std::fs::remove_dir(&path).unwrap();
    std::fs::write(&path, b"{").unwrap();
    assert!(start().is_err());
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn pending_faults_hit_once() {
    let mut device = new();
    generate(&mut device, &SIGNER).unwrap();
    let right = sign(&mut device, ALL).unwrap();
    device.inject(&Fault::CorruptSignature).unwrap();
    assert_ne!(sign(&mut device, ALL), Ok(right.clone()));
    assert_eq!(sign(&mut device, ALL), Ok(right.clone()));
    device.inject(&Fault::ReplaceKey(0x100)).unwrap();
    assert_ne!(sign(&mut device, ALL), Ok(right));
    assert!(device.inject(&Fault::ReplaceKey(0x999)).is_err());
    device.inject(&Fault::FillSessions).unwrap();
    assert_eq!(device.operations().sessions_open, 16);
    let refused = device.transact(&frame::encode(command::CREATE_SESSION, &[0, 1, 0, 0, 0, 0, 0, 0, 0, 0]));
    assert_eq!(refused, Reaction::Answer(vec![0x7f, 0, 1, 0x05]));
    device.inject(&Fault::DropRequest(None)).unwrap();
    assert_eq!(device.transact(&[0x01, 0, 0]), Reaction::Drop);
    assert_eq!(device.transact(&[0x01, 0, 0]), Reaction::Answer(vec![0x81, 0, 0]));
}
