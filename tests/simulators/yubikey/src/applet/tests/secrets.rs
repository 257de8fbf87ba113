//! PIN, PUK and management key.

use super::*;
use crate::management::ManagementKey;

#[test]
fn the_pin_counts_down_to_its_lock_and_the_puk_opens_it() {
    let mut card = Card::new();
    assert_eq!(card.verify(&[]), 0x63c3);
    assert_eq!(card.verify(b"12345678"), 0x63c2);
    assert_eq!(card.verify(&PIN[..6]), 0x6a80, "not padded: no try is lost");
    card.0.power_off();
    card.select();
    assert_eq!(card.verify(&[]), 0x63c2, "the counter survives a pulled card");
    assert_eq!(card.verify(PIN), OK);
    assert_eq!(card.verify(&[]), OK);
    assert_eq!(card.verify(WRONG_PIN), 0x63c2, "and the right PIN sets it back");
    assert_eq!(card.verify(&[]), 0x63c2, "a wrong PIN ends what a right one began");
    assert_eq!(card.verify(WRONG_PIN), 0x63c1);
    assert_eq!(card.verify(WRONG_PIN), 0x63c0);
    assert_eq!(card.verify(PIN), 0x6983);
    assert_eq!(card.verify(&[]), 0x6983);
    let unblock = |puk: &[u8]| [puk, b"654321\xff\xff"].concat();
    assert_eq!(card.status([0, 0x2c, 0, 0x80], &unblock(WRONG_PIN)), 0x63c2);
    assert_eq!(card.status([0, 0x2c, 0, 0x80], &unblock(PUK)), OK);
    assert_eq!(card.verify(b"654321\xff\xff"), OK);
    assert_eq!(card.verify(&[]), OK);
    assert_eq!(card.status([0, 0x20, 0xff, 0x80], &[]), OK);
    assert_eq!(card.verify(&[]), 0x63c3);
    assert_eq!(card.status([0, 0x20, 0, 0x00], PIN), 0x6a88);
}

#[test]
fn pin_and_puk_are_changed_by_who_knows_them() {
    let mut card = Card::new();
    let change = |old: &[u8], new: &[u8]| [old, new].concat();
    assert_eq!(card.status([0, 0x24, 0, 0x80], &change(PIN, b"1234\xff\xff\xff\xff")), 0x6a80, "too short");
    assert_eq!(card.status([0, 0x24, 0, 0x80], &change(PIN, b"123\xff5678")), 0x6a80, "padded in the middle");
    assert_eq!(card.status([0, 0x24, 0, 0x80], &change(PIN, b"1234567")), 0x6700);
    assert_eq!(card.status([0, 0x24, 0, 0x82], &change(PIN, PUK)), 0x6a88);
    assert_eq!(card.status([0, 0x24, 0, 0x80], &change(WRONG_PIN, PUK)), 0x63c2);
    assert_eq!(card.status([0, 0x24, 0, 0x80], &change(PIN, PUK)), OK);
    assert_eq!(card.verify(PUK), OK);
    assert_eq!(card.status([0, 0x24, 0, 0x81], &change(PUK, b"87654321")), OK);
    assert_eq!(card.status([0, 0x24, 0, 0x81], &change(PUK, b"87654321")), 0x63c2);
}

#[test]
fn a_card_that_cannot_count_compares_nothing() {
    let folder = std::env::temp_dir().join(format!("chancery-yubikey-count-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let store = Store::open(Some(&folder.join("state")), 1, ManagementAlgorithm::Aes192).unwrap();
    let mut card = Card(Applet::new(store, Firmware::V5_7_1));
    card.select();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(card.verify(PIN), 0x6581);
    assert_eq!(card.verify(&[]), 0x63c2, "not verified");
}

#[test]
fn tries_are_set_with_the_management_key_and_the_pin() {
    let mut card = Card::new();
    assert_eq!(card.status([0, 0xfa, 5, 4], &[]), 0x6982);
    card.manage();
    assert_eq!(card.status([0, 0xfa, 5, 4], &[]), 0x6982);
    assert_eq!(card.verify(PIN), OK);
    assert_eq!(card.status([0, 0xfa, 0, 4], &[]), 0x6a86);
    assert_eq!(card.status([0, 0xfa, 5, 4], &[]), OK);
    card.select();
    assert_eq!(card.verify(&[]), 0x63c5);
    assert_eq!(card.0.store().state.puk.tries_left, 4);
}

#[test]
fn reset_wants_pin_and_puk_blocked_and_spares_the_attestation() {
    let mut card = Card::new();
    card.manage();
    card.generate(0x9a, 0x11, &[]);
    let attestation = card.0.store().state.objects.clone();
    for _ in 0..3 {
        card.verify(WRONG_PIN);
    }
    assert_eq!(card.status([0, 0xfb, 0, 0], &[]), 0x6985);
    for _ in 0..3 {
        card.status([0, 0x2c, 0, 0x80], &[*WRONG_PIN, *PIN].concat());
    }
    assert_eq!(card.status([0, 0x2c, 0, 0x80], &[*PUK, *PIN].concat()), 0x6983);
    assert_eq!(card.status([0, 0xfb, 0, 0], &[]), OK);
    assert_eq!(card.verify(&[]), 0x63c3);
    assert_eq!(card.status([0, 0xf7, 0, 0x9a], &[]), 0x6a88);
    assert_eq!(card.status([0, 0xf7, 0, 0xf9], &[]), OK);
    assert_eq!(card.0.store().state.objects, attestation);
    assert_eq!(card.status([0, 0x47, 0, 0x9a], &[0xac, 3, 0x80, 1, 0x11]), 0x6982, "the session is over");
}

#[test]
fn the_management_key_is_proven_in_both_ways() {
    for firmware in [Firmware::new(5, 4, 3), Firmware::V5_7_1] {
        let mut card = Card::with_firmware(firmware);
        let key = card.0.store.state.management.clone();
        let number = key.algorithm as u8;
        let object = [0x5c, 3, 0x5f, 0xc1, 0x02, 0x53, 1, 9];
        assert_eq!(card.status([0, 0xdb, 0x3f, 0xff], &object), 0x6982);
        let (answer, _) = card.send([0, 0x87, number, 0x9b], &[0x7c, 2, 0x81, 0]);
        let right = field(0x7c, &field(0x82, &key.encrypt(&answer[4..]).unwrap()));
        let wrong = field(0x7c, &field(0x82, &answer[4..]));
        assert_eq!(card.status([0, 0x87, number, 0x9b], &wrong), 0x6982);
        assert_eq!(card.status([0, 0x87, number, 0x9b], &right), 0x6985, "a challenge serves once");
        assert_eq!(card.status([0, 0x87, 0x0c, 0x9b], &[0x7c, 2, 0x81, 0]), 0x6a86, "another cipher");
        let (answer, _) = card.send([0, 0x87, number, 0x9b], &[0x7c, 2, 0x81, 0]);
        let right = field(0x7c, &field(0x82, &key.encrypt(&answer[4..]).unwrap()));
        assert_eq!(card.status([0, 0x87, number, 0x9b], &right), OK);
        assert_eq!(card.status([0, 0xdb, 0x3f, 0xff], &object), OK);
        card.select();
        assert_eq!(card.status([0, 0xdb, 0x3f, 0xff], &object), 0x6982);
        card.manage();
        assert_eq!(card.status([0, 0xdb, 0x3f, 0xff], &object), OK);
    }
}

#[test]
fn the_management_key_is_changed_by_who_proved_it() {
    let mut card = Card::new();
    let new = [&[0x03, 0x9b, 24][..], &[9; 24]].concat();
    assert_eq!(card.status([0, 0xff, 0xff, 0xff], &new), 0x6982);
    card.manage();
    assert_eq!(card.status([0, 0xff, 0xff, 0xff], &[&[0x0c, 0x9b, 24][..], &[9; 24]].concat()), 0x6a80);
    assert_eq!(card.status([0, 0xff, 0xff, 0xff], &[0x03, 0x9b, 24, 1]), 0x6700);
    assert_eq!(card.status([0, 0xff, 0xff, 0xff], &new), OK);
    let kept = &card.0.store.state.management;
    let expected = ManagementKey::new(ManagementAlgorithm::TripleDes, &[9; 24]).unwrap();
    assert_eq!((kept.algorithm, kept.encrypt(&[1; 8])), (expected.algorithm, expected.encrypt(&[1; 8])));
    assert_eq!(card.send([0, 0xf7, 0, 0x9b], &[]), (vec![1, 1, 3, 2, 2, 0, 1, 5, 1, 0], OK));
}
