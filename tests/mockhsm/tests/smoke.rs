//! The YubiHSM backend on the mock: the common suite, as far as the mock goes, and a license's signature.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::io::{self, Cursor, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::thread;

use chancery_formats::key::{Algorithm, Protection};
use chancery_hsm_config::backend::conformance::{Behaviour, Fault, Fixture, Unavailable, run};
use chancery_hsm_config::{KeyRef, PinSource, generate, open};
use chancery_mockhsm::{Mock, PASSWORD, SERIAL};

/// The mock behind a relay that can be cut: the way to a device that is away for a while.
struct Relayed {
    port: u16,
    target: Arc<AtomicU16>,
    is_cut: Arc<AtomicBool>,
}

impl Relayed {
    fn new() -> Self {
        let target = Arc::new(AtomicU16::new(Mock::new().serve().unwrap()));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let is_cut = Arc::new(AtomicBool::new(false));
        let (to, cut) = (Arc::clone(&target), Arc::clone(&is_cut));
        thread::spawn(move || {
            for client in listener.incoming() {
                let (to, cut) = (to.load(Ordering::SeqCst), Arc::clone(&cut));
                thread::spawn(move || relay(client.unwrap(), to, &cut));
            }
        });
        Self { port, target, is_cut }
    }

    /// Puts a mock without keys in place of the one that answers now.
    fn replace_device(&self) {
        self.target.store(Mock::new().serve().unwrap(), Ordering::SeqCst);
    }

    fn reference(&self, id: u16) -> KeyRef {
        reference(self.port, id)
    }
}

fn reference(port: u16, id: u16) -> KeyRef {
    format!("yubihsm:serial={SERIAL};id={id}?connector=http://127.0.0.1:{port}").parse().unwrap()
}

fn pins(password: &str) -> PinSource {
    PinSource::lines(Cursor::new(password.to_owned()))
}

/// Passes one connection's bytes both ways; a cut relay closes it at the next request.
fn relay(mut client: TcpStream, target: u16, is_cut: &Arc<AtomicBool>) {
    let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) else { return };
    let (mut answers, mut answered) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    thread::spawn(move || io::copy(&mut answers, &mut answered));
    let mut buffer = [0; 4_096];
    while let Ok(count @ 1..) = client.read(&mut buffer) {
        if is_cut.load(Ordering::SeqCst) || server.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Both);
    let _ = client.shutdown(Shutdown::Both);
}

impl Fixture for Relayed {
    fn name(&self) -> &'static str {
        "YubiHSM mock"
    }

    fn algorithms(&self) -> Vec<Algorithm> {
        vec![Algorithm::Ed25519, Algorithm::Esp256]
    }

    fn key(&self, index: u8) -> KeyRef {
        self.reference(0x0100 + u16::from(index))
    }

    fn pins(&self) -> PinSource {
        pins(PASSWORD)
    }

    fn wrong_pins(&self) -> PinSource {
        pins("wrong")
    }

    fn key_on_missing_token(&self) -> Result<KeyRef, Unavailable> {
        let other = format!("yubihsm:serial=0000000001;id=1?connector=http://127.0.0.1:{}", self.port);
        Ok(other.parse().unwrap())
    }

    fn duplicate(&mut self, _: &KeyRef) -> Result<(), Unavailable> {
        Err(Unavailable("object ids are unique"))
    }

    fn remove_token(&mut self) -> Result<(), Unavailable> {
        self.is_cut.store(true, Ordering::SeqCst);
        Ok(())
    }

    fn return_token(&mut self) -> Result<(), Unavailable> {
        self.is_cut.store(false, Ordering::SeqCst);
        Ok(())
    }

    fn pin_tries(&self) -> Option<u8> {
        None
    }

    fn signatures(&self) -> Option<u64> {
        None
    }

    fn provoke(&mut self, _: Fault, _: &KeyRef) -> Result<(), Unavailable> {
        Err(Unavailable("the mock does not fail; the simulator does"))
    }

    fn mend(&mut self) {}
}

#[test]
fn conforms() {
    let report = run(&mut Relayed::new());
    println!("{report}");
    assert!(report.failures().is_empty(), "\n{report}");
    let mut unavailable = report.unavailable();
    unavailable.retain(|behaviour| *behaviour < Behaviour::PinLimit);
    assert_eq!(unavailable, [Behaviour::SignsMlDsa87, Behaviour::AmbiguousKey], "\n{report}");
}

#[test]
fn license_sized_messages_are_signed() {
    let port = Mock::new().serve().unwrap();
    for (id, algorithm) in [(1, Algorithm::Ed25519), (2, Algorithm::Esp256)] {
        let key = generate(&reference(port, id), algorithm, &mut pins(PASSWORD)).unwrap();
        assert_eq!(key.protection(), Protection::Hardware);
        assert_eq!((key.info().exportable, key.info().generated_inside), (Some(false), Some(true)));
        // `Key::sign` hands on only what the public key verifies.
        assert_eq!(key.sign(&[0xc1; 480]).unwrap().len(), 64);
    }
}

#[test]
fn nobody_at_the_connector_is_an_absent_token() {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let error = open(&reference(port, 1), &mut pins(PASSWORD)).unwrap_err();
    assert_eq!(error.code(), "token-absent", "{error}");
}

#[test]
fn a_device_that_lost_its_keys_does_not_sign() {
    let mut relayed = Relayed::new();
    let key = generate(&relayed.reference(1), Algorithm::Ed25519, &mut relayed.pins()).unwrap();
    relayed.remove_token().unwrap();
    assert!(key.sign(b"away").is_err());
    relayed.replace_device();
    relayed.return_token().unwrap();
    let missing = key.sign(b"without the key").unwrap_err();
    assert_eq!(missing.code(), "key-missing", "{missing}");
    generate(&relayed.reference(1), Algorithm::Ed25519, &mut relayed.pins()).unwrap();
    let mismatch = open(key.reference(), &mut relayed.pins()).unwrap_err();
    assert_eq!(mismatch.code(), "public-key-mismatch", "{mismatch}");
    // The handle that was open all along: whatever that key signs, it is not handed on.
    let refused = key.sign(b"with another key").unwrap_err();
    assert!(["bad-signature", "public-key-mismatch"].contains(&refused.code()), "{refused}");
}
