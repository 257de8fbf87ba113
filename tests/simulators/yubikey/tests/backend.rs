//! Chancery's own PIV backend on the virtual YubiKey: the suite of all backends, and what only PIV has.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/card.rs"]
mod card;

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use chancery_formats::key::Algorithm;
use chancery_hsm_config::attestation::{self, Roots};
use chancery_hsm_config::backend::conformance::{self, Behaviour, Fault, Fixture, Unavailable};
use chancery_hsm_config::backend::{generate, list, open};
use chancery_hsm_config::probe::probe;
use chancery_hsm_config::{HsmError, KeyRef, PinSource};
use chancery_yubikey_simulator::{Config, Firmware, SOCKET_VARIABLE, Touch, YubiKey};

use card::{Card, PIN, config, pins};

fn main() -> ExitCode {
    if std::env::var_os(SOCKET_VARIABLE).is_some() {
        without_a_card();
        suite();
        signature_slot_wants_the_pin_each_time();
        keys_are_made_with_a_protected_management_key_alone();
        attestation_comes_with_the_card_s_certificate();
        older_firmware_is_told();
        println!("yubikey-piv: 6 passed");
        return ExitCode::SUCCESS;
    }
    let (_pcscd, mut again) = card::again();
    if again.status().unwrap().success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn card() -> YubiKey {
    let card = YubiKey::start(&config()).unwrap();
    card.protect_management_key().unwrap();
    card
}

fn key(slot: &str) -> KeyRef {
    format!("piv:serial=12345678;slot={slot}").parse().unwrap()
}

fn code<T>(result: Result<T, HsmError>) -> &'static str {
    result.map(drop).unwrap_err().code()
}

/// The card through Chancery's own client.
struct Piv(Card);

impl Fixture for Piv {
    fn name(&self) -> &'static str {
        "YubiKey (PIV)"
    }

    fn algorithms(&self) -> Vec<Algorithm> {
        vec![Algorithm::Ed25519, Algorithm::Esp256]
    }

    fn key(&self, index: u8) -> KeyRef {
        key(match index {
            1 => "82",
            2 => "9c",
            100 => "94",
            _ => "95",
        })
    }

    fn pins(&self) -> PinSource {
        card::right_pins()
    }

    fn wrong_pins(&self) -> PinSource {
        card::wrong_pins()
    }

    fn pin_tries(&self) -> Option<u8> {
        Some(3)
    }

    fn signatures(&self) -> Option<u64> {
        Some(self.0.yubikey.operations())
    }

    fn key_on_missing_token(&self) -> Result<KeyRef, Unavailable> {
        Ok("piv:serial=1;slot=82".parse().unwrap())
    }

    fn duplicate(&mut self, _key: &KeyRef) -> Result<(), Unavailable> {
        Err(Unavailable("a slot holds one key"))
    }

    fn remove_token(&mut self) -> Result<(), Unavailable> {
        self.0.pull();
        Ok(())
    }

    fn return_token(&mut self) -> Result<(), Unavailable> {
        self.0.insert();
        Ok(())
    }

    fn provoke(&mut self, fault: Fault, key: &KeyRef) -> Result<(), Unavailable> {
        let cannot = self.0.provoke(fault);
        match fault {
            Fault::OtherKey => {
                assert_eq!(*key, self.key(1));
                self.0.yubikey.replace_key(0x82).unwrap();
                Ok(())
            }
            Fault::ModuleUnloaded => Err(Unavailable("there is no module")),
            Fault::SessionTableFull => Err(Unavailable("a card has no sessions")),
            _ => cannot,
        }
    }

    fn mend(&mut self) {
        self.0.mend();
    }
}

fn suite() {
    let mut fixture = Piv(Card::new(card()));
    let report = conformance::run(&mut fixture);
    print!("{report}");
    assert_eq!(report.failures(), []);
    let unavailable = [
        Behaviour::SignsMlDsa87,
        Behaviour::AmbiguousKey,
        Behaviour::SessionTableFull,
        Behaviour::AuditLogFull,
        Behaviour::ModuleUnloaded,
    ];
    assert_eq!(report.unavailable(), unavailable);
}

fn without_a_card() {
    assert_eq!(code(open(&key("9c"), &mut pins(PIN))), "token-absent");
    assert_eq!(probe(&"".parse().unwrap(), None).tokens, []);
}

fn signature_slot_wants_the_pin_each_time() {
    let card = card();
    let made = generate(&key("9c"), Algorithm::Ed25519, &mut pins(PIN)).unwrap();
    for _ in 0..3 {
        made.sign(b"message").unwrap();
    }
    assert_eq!(card.operations(), 3);
    assert_eq!(made.info().generated_inside, Some(true));
    assert_eq!(made.info().exportable, Some(false));
    assert_eq!(made.health().unwrap().pin_tries_left, Some(3));
    assert_eq!(code(open(&key("9c"), &mut pins("12345"))), "wrong-pin", "the open token is shared");
    drop(made);
    assert_eq!(code(open(&key("9c"), &mut pins("12345"))), "pin-invalid");
    assert_eq!(code(open(&key("9c"), &mut pins("123456789"))), "pin-invalid");
    assert_eq!(card.tries_left(), (3, 3), "what is no PIN costs no try");

    // Without a PIN it shows what is public.
    let probed = probe(&"piv:".parse().unwrap(), None);
    let shown: Vec<String> =
        probed.tokens.iter().flat_map(|token| &token.keys).map(|key| key.reference.to_string()).collect();
    assert_eq!(shown.len(), 1);
    assert!(shown[0].starts_with("piv:serial=12345678;slot=9c"), "{shown:?}");
    let signed = open(&shown[0].parse().unwrap(), &mut pins(PIN)).unwrap().sign(b"message");
    signed.unwrap();

    let client = open(&key("9c"), &mut pins(PIN)).unwrap();
    let mut changed = card.snapshot();
    changed
        .keys
        .values_mut()
        .for_each(|key| key.touch = chancery_yubikey_simulator::key::TouchPolicy::Always);
    card.restore(&changed).unwrap();
    client.sign(b"touched").unwrap();
    card.set_touch(Touch::Missing(Duration::from_millis(20)));
    assert_eq!(code(client.sign(b"not touched")), "touch-missing");
    card.set_touch(Touch::Given);
    client.sign(b"touched again").unwrap();

    // Somebody changes the PIN: it is tried once, and never again.
    changed.pin = chancery_yubikey_simulator::state::Reference::new(b"654321", 3);
    card.restore(&changed).unwrap();
    assert_eq!(code(client.sign(b"message")), "wrong-pin");
    assert_eq!(code(client.sign(b"message")), "wrong-pin");
    assert_eq!(code(generate(&key("9a"), Algorithm::Ed25519, &mut pins(PIN))), "wrong-pin");
    assert_eq!(card.tries_left(), (2, 3));
    assert!(open(&key("9c"), &mut pins("654321")).is_ok(), "another PIN opens it anew");
    card.restore(&changed).unwrap();
    changed.pin.tries_left = 1;
    card.restore(&changed).unwrap();
    drop(client);
    assert_eq!(code(open(&key("9c"), &mut pins("000000"))), "pin-last-try");
    assert_eq!(card.tries_left(), (1, 3));
    changed.pin.tries_left = 0;
    card.restore(&changed).unwrap();
    assert_eq!(code(open(&key("9c"), &mut pins("654321"))), "pin-locked");
}

fn keys_are_made_with_a_protected_management_key_alone() {
    let card = YubiKey::start(&config()).unwrap();
    let refused = generate(&key("9a"), Algorithm::Ed25519, &mut pins(PIN)).map(drop).unwrap_err();
    assert_eq!(refused.code(), "not-permitted", "{refused}");
    assert_eq!(list(&key("9a").token(), &mut pins(PIN)).unwrap(), []);
    card.protect_management_key().unwrap();
    generate(&key("9a"), Algorithm::Esp256, &mut pins(PIN)).unwrap().sign(b"message").unwrap();
    assert_eq!(code(generate(&key("9a"), Algorithm::Ed25519, &mut pins(PIN))), "key-exists");
}

fn attestation_comes_with_the_card_s_certificate() {
    let card = card();
    let made = generate(&key("9a"), Algorithm::Ed25519, &mut pins(PIN)).unwrap();
    let chain = made.attestation().unwrap();
    let roots = Roots::from_der(&[&card.snapshot().attestation_root]).unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let statement = attestation::validate(&chain, &roots, now).unwrap();
    assert_eq!(statement.serial, 12_345_678);
    let other = Roots::from_der(&[chancery_yubikey_simulator::attestation::manufacture().unwrap().root]);
    assert!(attestation::validate(&chain, &other.unwrap(), now).is_err(), "another card's root");
    assert_eq!(statement.public_key, made.public_key());
    let mut changed = card.snapshot();
    changed.keys.values_mut().for_each(|key| key.origin = chancery_yubikey_simulator::key::Origin::Imported);
    card.restore(&changed).unwrap();
    assert_eq!(code(made.attestation()), "no-attestation");
}

fn older_firmware_is_told() {
    let config = Config { firmware: Firmware::new(5, 2, 7), ..config() };
    let _card = YubiKey::start(&config).unwrap();
    assert_eq!(code(open(&key("9a"), &mut pins(PIN))), "device-failure");
    let probed = probe(&"piv:".parse().unwrap(), None);
    let notes: Vec<&String> = probed.tokens.iter().flat_map(|token| &token.notes).collect();
    assert!(notes.iter().any(|note| note.contains("YSA-2024-03")), "{notes:?}");
}
