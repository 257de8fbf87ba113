//! A connector that changes what passes through it: one byte of any request or answer, in every place.
//!
//! Whatever it does, no other public key is believed, every signature that is handed on verifies, and the device
//! signs at most once for each call.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::io::{Cursor, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use chancery_formats::key::{Algorithm, PublicKey};
use chancery_hsm_config::{HsmError, KeyRef, PinSource, generate, open};
use chancery_yubihsm_simulator::{Config, PASSWORD, Simulator};

/// Which byte is flipped, and in what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    /// Exchanges that pass unchanged before.
    skip: usize,
    in_answer: bool,
    /// From the start; beyond the end it is the last one.
    byte: usize,
}

/// Passes exchanges on to the simulator, one connection each.
struct Relay {
    port: u16,
    change: Arc<Mutex<Option<Change>>>,
}

impl Relay {
    fn to(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let change: Arc<Mutex<Option<Change>>> = Arc::default();
        let shared = Arc::clone(&change);
        thread::spawn(move || {
            for client in listener.incoming() {
                // A client that goes away is no fault of the relay.
                let _ = client.and_then(|client| pass(client, target, &shared));
            }
        });
        Self { port, change }
    }

    fn key(&self) -> KeyRef {
        format!("yubihsm:serial=0012345678;id=256?connector=http://127.0.0.1:{}", self.port).parse().unwrap()
    }
}

fn pass(mut client: TcpStream, target: u16, change: &Mutex<Option<Change>>) -> std::io::Result<()> {
    let mut request = message(&mut client)?;
    let now = {
        let mut change = change.lock().unwrap();
        match *change {
            Some(due @ Change { skip: 0, .. }) => {
                *change = None;
                Some(due)
            }
            Some(ref mut later) => {
                later.skip -= 1;
                None
            }
            None => None,
        }
    };
    if let Some(due) = now.filter(|due| !due.in_answer) {
        flip(&mut request, due.byte);
    }
    let mut device = TcpStream::connect((Ipv4Addr::LOCALHOST, target))?;
    device.write_all(&request)?;
    let mut answer = message(&mut device)?;
    if let Some(due) = now.filter(|due| due.in_answer) {
        flip(&mut answer, due.byte);
    }
    client.write_all(&answer)
}

/// Reads one HTTP message: its head, and as many bytes as the head says.
fn message(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        bytes.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    stream.read_exact(&mut body)?;
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

/// Flips a bit in the body.
fn flip(message: &mut [u8], byte: usize) {
    let body = message.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
    let last = message.len() - 1;
    if body <= last {
        message[(body + byte).min(last)] ^= 0x01;
    }
}

fn pins() -> PinSource {
    PinSource::lines(Cursor::new(PASSWORD))
}

#[test]
fn a_connector_that_changes_bytes_gains_nothing() {
    // Sessions that a change leaves open must not fill the table.
    let session_time_out = Duration::from_millis(100);
    let simulator = Simulator::start(Config { session_time_out, ..Config::default() }).unwrap();
    let relay = Relay::to(simulator.port());
    let expected = generate(&relay.key(), Algorithm::Ed25519, &mut pins()).unwrap().public_key();
    let (mut accepted, mut refused) = (0, 0);
    // Opening a session takes two exchanges, asking the device one, finding the key two, signing one.
    for skip in 0..6 {
        for in_answer in [false, true] {
            for byte in [0, 1, 2, 3, 4, 5, 8, 12, 20, 30, 60, usize::MAX / 2] {
                let before = simulator.operations().sign_eddsa;
                *relay.change.lock().unwrap() = Some(Change { skip, in_answer, byte });
                let result = used(&relay.key(), expected.clone());
                *relay.change.lock().unwrap() = None;
                let made = simulator.operations().sign_eddsa - before;
                match result {
                    Ok(()) => {
                        assert_eq!(made, 1);
                        accepted += 1;
                    }
                    Err(HsmError::OutcomeUnknown { .. }) => {
                        assert!(made <= 1, "{made} signatures");
                        refused += 1;
                    }
                    Err(error) => {
                        assert_eq!(made, 0, "{error}");
                        refused += 1;
                    }
                }
            }
        }
    }
    println!("{accepted} healed, {refused} refused");
    assert!(accepted > 0 && refused > 0, "{accepted} healed, {refused} refused");
}

/// Opens the key and signs; what is handed on must be right.
fn used(reference: &KeyRef, expected: PublicKey) -> Result<(), HsmError> {
    let key = open(reference, &mut pins())?;
    assert_eq!(key.public_key(), expected, "another public key is believed");
    // Verified by the key itself, with the public key just compared.
    assert_eq!(key.sign(b"statement")?.len(), 64);
    Ok(())
}
