//! The card at the level of its commands.

#![allow(clippy::unwrap_used)]

mod secrets;

use ed25519_dalek::Verifier as _;
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;

use super::*;
use crate::state::Store;
use crate::tlv::{field, fields, first, value};

const OK: u16 = 0x9000;
const PIN: &[u8; 8] = b"123456\xff\xff";
const WRONG_PIN: &[u8; 8] = b"000000\xff\xff";
const PUK: &[u8; 8] = b"12345678";

/// A card and the bytes that go to it.
struct Card(Applet);

impl Card {
    fn new() -> Self {
        Self::with_firmware(Firmware::V5_7_1)
    }

    fn with_firmware(firmware: Firmware) -> Self {
        let store = Store::open(None, 12_345_678, firmware.default_management()).unwrap();
        let mut card = Self(Applet::new(store, firmware));
        card.select();
        card
    }

    fn raw(&mut self, bytes: &[u8]) -> (Vec<u8>, u16) {
        let Reply::Bytes(mut answer) = self.0.execute(bytes) else { panic!("the card was pulled") };
        let status = answer.split_off(answer.len() - 2);
        (answer, u16::from_be_bytes(status.try_into().unwrap()))
    }

    /// Sends with an extended length, so that no test needs a chain to say what it means.
    fn send(&mut self, header: [u8; 4], data: &[u8]) -> (Vec<u8>, u16) {
        let mut bytes = header.to_vec();
        if !data.is_empty() {
            bytes.push(0);
            bytes.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
            bytes.extend(data);
            bytes.extend([0, 0]);
        } else {
            bytes.extend([0, 0, 0]);
        }
        self.raw(&bytes)
    }

    fn status(&mut self, header: [u8; 4], data: &[u8]) -> u16 {
        self.send(header, data).1
    }

    fn select(&mut self) {
        assert_eq!(self.status([0, 0xa4, 4, 0], &PIV[..5]), OK);
    }

    fn verify(&mut self, pin: &[u8]) -> u16 {
        self.status([0, 0x20, 0, 0x80], pin)
    }

    fn manage(&mut self) {
        let key = self.0.store.state.management.clone();
        let number = key.algorithm as u8;
        let (answer, status) = self.send([0, 0x87, number, 0x9b], &[0x7c, 2, 0x80, 0]);
        assert_eq!(status, OK);
        let witness = key.decrypt(&answer[4..]).unwrap();
        let challenge = vec![7; key.algorithm.block_length()];
        let both = [field(0x80, &witness), field(0x81, &challenge)].concat();
        let (answer, status) = self.send([0, 0x87, number, 0x9b], &field(0x7c, &both));
        assert_eq!((&answer[4..], status), (&key.encrypt(&challenge).unwrap()[..], OK));
    }

    /// Makes a key and returns its public key.
    fn generate(&mut self, slot: u8, algorithm: u8, policies: &[u8]) -> Vec<u8> {
        let body = [&[0x80, 1, algorithm], policies].concat();
        let (answer, status) = self.send([0, 0x47, 0, slot], &field(0xac, &body));
        assert_eq!(status, OK);
        assert_eq!(answer[..2], [0x7f, 0x49]);
        let (_, public, _) = first(&answer[3..]).unwrap();
        public.to_vec()
    }

    fn sign(&mut self, slot: u8, algorithm: u8, input: &[u8]) -> Result<Vec<u8>, u16> {
        let request = field(0x7c, &[field(0x82, &[]), field(0x81, input)].concat());
        match self.send([0, 0x87, algorithm, slot], &request) {
            (answer, OK) => {
                let (0x7c, body, []) = first(&answer).unwrap() else { panic!("{answer:02x?}") };
                Ok(value(&fields(body).unwrap(), 0x82).unwrap().to_vec())
            }
            (_, status) => Err(status),
        }
    }
}

fn verifies_p256(public: &[u8], digest: &[u8], signature: &[u8]) -> bool {
    let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(public).unwrap();
    key.verify_prehash(digest, &p256::ecdsa::Signature::from_der(signature).unwrap()).is_ok()
}

fn verifies_ed25519(public: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let key = ed25519_dalek::VerifyingKey::from_bytes(public.try_into().unwrap()).unwrap();
    key.verify(message, &ed25519_dalek::Signature::from_slice(signature).unwrap()).is_ok()
}

#[test]
fn selecting_takes_the_beginning_of_the_name() {
    let mut card = Card::new();
    card.0.power_off();
    assert_eq!(card.status([0, 0xfd, 0, 0], &[]), 0x6d00, "nothing is selected");
    for length in [5, 9, 11] {
        let (answer, status) = card.send([0, 0xa4, 4, 0], &PIV[..length]);
        assert_eq!((answer.len(), status), (19, OK));
    }
    assert_eq!(card.status([0, 0xa4, 4, 0], &PIV[..4]), 0x6a82);
    assert_eq!(card.status([0, 0xa4, 4, 0], &[0xa0, 0, 0, 5, 0x27, 0x20, 1]), 0x6a82);
    assert_eq!(card.status([0, 0xa4, 0, 0], &PIV), 0x6a86);
    assert_eq!(card.send([0, 0xfd, 0, 0], &[]), (vec![5, 7, 1], OK));
    assert_eq!(card.send([0, 0xf8, 0, 0], &[]), (12_345_678u32.to_be_bytes().to_vec(), OK));
    assert_eq!(card.status([0, 0xa4, 4, 0], &MANAGEMENT), OK);
    assert_eq!(card.status([0, 0xfd, 0, 0], &[]), 0x6d00, "another application is selected");
}

#[test]
fn what_is_no_command_gets_its_status() {
    let mut card = Card::new();
    assert_eq!(card.raw(&[0, 0xfd]).1, 0x6700);
    assert_eq!(card.status([0x80, 0xfd, 0, 0], &[]), 0x6e00);
    assert_eq!(card.status([0, 0x01, 0, 0], &[]), 0x6d00);
    assert_eq!(card.status([0, 0xfd, 1, 0], &[]), 0x6a86);
    assert_eq!(card.status([0, 0xfd, 0, 0], &[1]), 0x6700);
    assert_eq!(card.status([0, 0xc0, 0, 0], &[]), 0x6985, "nothing is left to be read");
}

#[test]
fn keys_sign_as_their_pin_policy_says() {
    let mut card = Card::new();
    card.manage();
    let digest = [5; 32];
    let once = card.generate(0x9a, 0x11, &[]);
    let always = card.generate(0x9c, 0xe0, &[]);
    let never = card.generate(0x9e, 0x11, &[]);
    assert!(verifies_p256(&never, &digest, &card.sign(0x9e, 0x11, &digest).unwrap()));
    assert_eq!(card.sign(0x9a, 0x11, &digest), Err(0x6982));
    assert_eq!(card.sign(0x9c, 0xe0, b"message"), Err(0x6982));
    assert_eq!(card.verify(PIN), OK);
    assert!(verifies_ed25519(&always, b"message", &card.sign(0x9c, 0xe0, b"message").unwrap()));
    assert_eq!(card.sign(0x9c, 0xe0, b"message"), Err(0x6982), "one PIN, one signature");
    for _ in 0..2 {
        assert!(verifies_p256(&once, &digest, &card.sign(0x9a, 0x11, &digest).unwrap()));
    }
    let between: [([u8; 4], &[u8]); 3] =
        [([0, 0xfd, 0, 0], &[]), ([0, 0x20, 0, 0x80], &[]), ([0, 0xf7, 0, 0x9c], &[])];
    for (header, data) in between {
        assert_eq!(card.verify(PIN), OK);
        assert_eq!(card.status(header, data), OK);
        assert_eq!(card.sign(0x9c, 0xe0, b"message"), Err(0x6982), "after {header:02x?}");
    }
    assert_eq!(card.0.store().state.operations, 4);
    // Policies that are named win over those of the slot.
    card.generate(0x9c, 0x11, &[0xaa, 1, 1]);
    assert!(card.sign(0x9c, 0x11, &digest).is_ok());
}

#[test]
fn only_what_fits_the_key_is_signed() {
    let mut card = Card::new();
    card.manage();
    card.generate(0x9e, 0x11, &[]);
    card.generate(0x82, 0xe0, &[0xaa, 1, 1]);
    for length in [0, 31, 33, 64] {
        assert_eq!(card.sign(0x9e, 0x11, &vec![1; length]), Err(0x6a80), "{length} bytes");
    }
    assert_eq!(card.sign(0x9e, 0xe0, &[1; 32]), Err(0x6a80), "another algorithm");
    assert_eq!(card.sign(0x95, 0x11, &[1; 32]), Err(0x6a80), "an empty slot");
    assert_eq!(card.sign(0xf9, 0x11, &[1; 32]), Err(0x6b00), "the attestation key");
    assert_eq!(card.status([0, 0x87, 0x11, 0x9e], &[0x7c, 2, 0x82, 0]), 0x6a80);
    assert_eq!(card.status([0, 0x87, 0x11, 0x9e], &[0x7c, 9, 0x82, 0]), 0x6a80);
    assert!(card.sign(0x82, 0xe0, &[]).is_ok());
    assert!(card.sign(0x82, 0xe0, &vec![1; MAX_DATA_BYTES - 10]).is_ok());
    assert_eq!(card.sign(0x82, 0xe0, &vec![1; MAX_DATA_BYTES]), Err(0x6700));
}

#[test]
fn a_missing_touch_is_told_as_a_missing_pin() {
    let mut card = Card::new();
    card.manage();
    card.generate(0x9e, 0x11, &[0xab, 1, 2]);
    card.generate(0x82, 0x11, &[0xaa, 1, 1]);
    card.0.touch = Touch::Missing(Duration::ZERO);
    assert_eq!(card.sign(0x9e, 0x11, &[1; 32]), Err(0x6982));
    assert!(card.sign(0x82, 0x11, &[1; 32]).is_ok());
    card.0.touch = Touch::Given;
    assert!(card.sign(0x9e, 0x11, &[1; 32]).is_ok());
}

#[test]
fn long_commands_come_in_a_chain_and_long_answers_in_parts() {
    let mut card = Card::new();
    card.manage();
    let public = card.generate(0x82, 0xe0, &[0xaa, 1, 1]);
    let message = vec![3; 600];
    let request = field(0x7c, &[field(0x82, &[]), field(0x81, &message)].concat());
    let parts: Vec<&[u8]> = request.chunks(255).collect();
    let (last, before) = parts.split_last().unwrap();
    let part = |class: u8, data: &[u8]| {
        let length = u8::try_from(data.len()).unwrap();
        [&[class, 0x87, 0xe0, 0x82, length], data].concat()
    };
    for data in before {
        assert_eq!(card.raw(&part(0x10, data)), (vec![], OK));
    }
    let (answer, status) = card.raw(&part(0x00, last));
    assert_eq!(status, OK);
    assert!(verifies_ed25519(&public, &message, &answer[4..]));
    // Another command in the middle ends the chain.
    card.raw(&part(0x10, before[0]));
    assert_eq!(card.status([0, 0xfd, 0, 0], &[]), OK);
    assert_eq!(card.raw(&part(0x00, last)).1, 0x6a80);
    // A chain without end is cut.
    let statuses: Vec<u16> = (0..14).map(|_| card.raw(&part(0x10, &[0; 255])).1).collect();
    assert_eq!(statuses[..12], [OK; 12]);
    assert_eq!(statuses[12], 0x6700);

    let object = [&[0x5c, 3, 0x5f, 0xc1, 0x05][..], &field(0x53, &[8; 700])].concat();
    assert_eq!(card.status([0, 0xdb, 0x3f, 0xff], &object), OK);
    let (mut whole, mut status) = card.raw(&[0, 0xcb, 0x3f, 0xff, 5, 0x5c, 3, 0x5f, 0xc1, 0x05, 0]);
    assert_eq!((whole.len(), status), (256, 0x6100), "256 and more are left");
    while status & 0xff00 == 0x6100 {
        let (more, next) = card.raw(&[0, 0xc0, 0, 0, 0]);
        whole.extend(more);
        status = next;
    }
    assert_eq!((whole, status), (field(0x53, &[8; 700]), OK));
    assert_eq!(card.raw(&[0, 0xcb, 0x3f, 0xff, 5, 0x5c, 3, 0x5f, 0xc1, 0x05, 10]).1, 0x6100);
    assert_eq!(card.status([0, 0xfd, 0, 0], &[]), OK);
    assert_eq!(card.status([0, 0xc0, 0, 0], &[]), 0x6985, "another command drops the rest");
}

#[test]
fn objects_are_kept_replaced_and_removed() {
    let mut card = Card::new();
    let get = |tag: u8| [0x5c, 3, 0x5f, 0xc1, tag];
    let put = |tag: u8, object: &[u8]| [&get(tag)[..], &field(0x53, object)].concat();
    assert_eq!(card.send([0, 0xcb, 0x3f, 0xff], &[0x5c, 1, 0x7e]).0, objects_discovery());
    assert_eq!(card.status([0, 0xcb, 0x3f, 0xff], &get(0x05)), 0x6a82);
    card.manage();
    assert_eq!(card.status([0, 0xdb, 0x3f, 0xff], &put(0x05, &[1, 2])), OK);
    assert_eq!(card.status([0, 0xdb, 0x3f, 0xff], &put(0x05, &[3])), OK);
    assert_eq!(card.send([0, 0xcb, 0x3f, 0xff], &get(0x05)), (vec![0x53, 1, 3], OK));
    assert_eq!(card.status([0, 0xdb, 0x3f, 0xff], &put(0x05, &[])), OK);
    assert_eq!(card.status([0, 0xcb, 0x3f, 0xff], &get(0x05)), 0x6a82);
    assert_eq!(card.status([0, 0xdb, 0x3f, 0xff], &put(0x09, &[1])), OK);
    assert_eq!(card.status([0, 0xcb, 0x3f, 0xff], &get(0x09)), 0x6982, "printed information wants the PIN");
    assert_eq!(card.verify(PIN), OK);
    assert_eq!(card.status([0, 0xcb, 0x3f, 0xff], &get(0x09)), OK);
    assert_eq!(card.status([0, 0xcb, 0, 0], &get(0x09)), 0x6a86);
    assert_eq!(card.status([0, 0xdb, 0x3f, 0xff], &get(0x05)), 0x6a80);
    let statuses: Vec<u16> =
        (0x10..0x40).map(|tag| card.status([0, 0xdb, 0x3f, 0xff], &put(tag, &[7; 3_000]))).collect();
    assert!(statuses.contains(&0x6a84), "the memory is finite");
}

fn objects_discovery() -> Vec<u8> {
    let name = field(0x4f, &PIV);
    field(0x7e, &[name, vec![0x5f, 0x2f, 2, 0x40, 0]].concat())
}

#[test]
fn metadata_tell_the_key_and_its_policies() {
    let mut card = Card::new();
    card.manage();
    let public = card.generate(0x9c, 0xe0, &[0xab, 1, 3]);
    let (answer, status) = card.send([0, 0xf7, 0, 0x9c], &[]);
    let expected = [&[1, 1, 0xe0, 2, 2, 3, 3, 3, 1, 1, 4, 34, 0x86, 32][..], &public].concat();
    assert_eq!((answer, status), (expected, OK));
    assert_eq!(card.send([0, 0xf7, 0, 0x80], &[]), (vec![1, 1, 0xff, 5, 1, 1, 6, 2, 3, 3], OK));
    assert_eq!(card.status([0, 0xf7, 0, 0x9a], &[]), 0x6a88);
    assert_eq!(Card::with_firmware(Firmware::new(5, 2, 7)).status([0, 0xf7, 0, 0x80], &[]), 0x6d00);
}

#[test]
fn what_the_firmware_lacks_is_not_made() {
    let mut card = Card::with_firmware(Firmware::new(5, 4, 3));
    card.manage();
    let request = |algorithm: u8| [0xac, 3, 0x80, 1, algorithm];
    assert_eq!(card.status([0, 0x47, 0, 0x9a], &request(0xe0)), 0x6a80);
    assert_eq!(card.status([0, 0x47, 0, 0x9a], &request(0x07)), 0x6a80, "RSA");
    assert_eq!(card.status([0, 0x47, 0, 0x80], &request(0x11)), 0x6b00);
    assert_eq!(card.status([0, 0x47, 0, 0x9a], &[0xac, 6, 0x80, 1, 0x11, 0xaa, 1, 4]), 0x6a80, "biometry");
    assert_eq!(card.status([0, 0x47, 0, 0x9a], &request(0x11)), OK);
}

#[test]
fn attestation_is_for_keys_made_in_the_card() {
    let mut card = Card::new();
    card.manage();
    assert_eq!(card.status([0, 0xf9, 0x9a, 0], &[]), 0x6a80, "an empty slot");
    card.generate(0x9a, 0xe0, &[]);
    let (statement, status) = card.send([0, 0xf9, 0x9a, 0], &[]);
    assert_eq!((statement[0], status), (0x30, OK));
    let arc = [0x2b, 6, 1, 4, 1, 0x82, 0xc4, 0x0a, 3];
    let extension = |last: u8, value: &[u8]| [&[0x06, 10][..], &arc, &[last], &field(4, value)].concat();
    for wanted in
        [extension(3, &[5, 7, 1]), extension(7, &[2, 4, 0, 0xbc, 0x61, 0x4e]), extension(8, &[2, 1])]
    {
        assert!(statement.windows(wanted.len()).any(|window| window == wanted), "{wanted:02x?}");
    }
    let import = [field(0x07, &[1; 32]), vec![0xaa, 1, 2]].concat();
    assert_eq!(card.status([0, 0xfe, 0xe0, 0x9a], &import), OK);
    assert_eq!(card.status([0, 0xf9, 0x9a, 0], &[]), 0x6a80, "an imported key");
    assert_eq!(card.status([0, 0xf9, 0xf9, 0], &[]), 0x6a86);
    assert_eq!(card.status([0, 0xfe, 0x11, 0x9a], &field(0x06, &[0; 32])), 0x6a80, "no scalar");
    assert_eq!(card.status([0, 0xfe, 0xe0, 0x9a], &field(0x07, &[1; 31])), 0x6a80);
}

#[test]
fn faults_happen_once_and_are_counted() {
    let mut card = Card::new();
    card.manage();
    let public = card.generate(0x9e, 0xe0, &[]);
    card.0.next_signature = NextSignature::Wrong;
    assert!(!verifies_ed25519(&public, b"m", &card.sign(0x9e, 0xe0, b"m").unwrap()));
    assert!(verifies_ed25519(&public, b"m", &card.sign(0x9e, 0xe0, b"m").unwrap()));
    card.0.next_signature = NextSignature::Lost;
    let request = field(0x7c, &[field(0x82, &[]), field(0x81, b"m")].concat());
    let length = u8::try_from(request.len()).unwrap();
    let command = [&[0, 0x87, 0xe0, 0x9e, length][..], &request].concat();
    assert_eq!(card.0.execute(&command), Reply::Pulled);
    assert_eq!(card.0.store().state.operations, 3, "the lost one was made");
    card.0.replace_key(0x9e).unwrap();
    assert!(!verifies_ed25519(&public, b"m", &card.sign(0x9e, 0xe0, b"m").unwrap()));
    assert_eq!(card.0.replace_key(0x9a), Err(Status::REFERENCE_NOT_FOUND));
}

/// Whatever comes, an answer of at least a status goes back.
#[test]
fn no_command_brings_the_card_down() {
    let mut card = Card::new();
    card.manage();
    card.generate(0x9a, 0x11, &[]);
    card.generate(0x9e, 0xe0, &[]);
    let seeds: [&[u8]; 8] = [
        &[0, 0xa4, 4, 0, 5, 0xa0, 0, 0, 3, 8],
        &[0, 0x20, 0, 0x80, 0],
        &[0, 0x87, 0xe0, 0x9e, 7, 0x7c, 5, 0x82, 0, 0x81, 1, 9],
        &[0, 0x87, 0x0a, 0x9b, 4, 0x7c, 2, 0x80, 0],
        &[0, 0x47, 0, 0x9a, 11, 0xac, 9, 0x80, 1, 0x11, 0xaa, 1, 2, 0xab, 1, 1],
        &[0x10, 0xdb, 0x3f, 0xff, 8, 0x5c, 3, 0x5f, 0xc1, 2, 0x53, 1, 9],
        &[0, 0xf9, 0x9a, 0],
        &[0, 0xf7, 0, 0x9a, 0],
    ];
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random >> 33).unwrap()
    };
    for round in 0..20_000 {
        let mut bytes = seeds[round % seeds.len()].to_vec();
        for _ in 0..next() % 4 {
            let place = next() % bytes.len();
            match next() % 3 {
                0 => bytes[place] = next().to_be_bytes()[7],
                1 => bytes.truncate(place.max(1)),
                _ => bytes.insert(place, next().to_be_bytes()[7]),
            }
        }
        let Reply::Bytes(answer) = card.0.execute(&bytes) else { panic!("{bytes:02x?}") };
        assert!(answer.len() >= 2, "{bytes:02x?}");
    }
}
