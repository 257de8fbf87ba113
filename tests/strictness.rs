//! No license survives a change: every other byte at every place, every truncation, every insertion and
//! every deletion of one byte is refused.
#![allow(clippy::expect_used)]

use chancery_tests::authority::issue_direct;
use chancery_tests::license::{bare, full, on_machine};
use chancery_tests::vectors::{World, with_list};
use chancery_verifier::{Trust, verify_license};

struct Sample {
    document: Vec<u8>,
    trust: Trust,
}

impl Sample {
    fn new(document: impl FnOnce(&World) -> Vec<u8>) -> Self {
        let world = World::new();
        let sample = Self { document: document(&world), trust: with_list(&world.main, 412).trust() };
        assert!(sample.accepts(&sample.document), "the sample itself is good");
        sample
    }

    fn accepts(&self, document: &[u8]) -> bool {
        verify_license(document, &self.trust).is_ok()
    }

    /// Asserts that none of the documents is accepted and that there are as many as expected.
    fn refuses(&self, documents: impl Iterator<Item = Vec<u8>>, expected: usize) {
        let mut count = 0;
        for document in documents {
            assert!(!self.accepts(&document), "accepted {document:02x?}");
            count += 1;
        }
        assert_eq!(count, expected);
    }

    /// Every other value of every byte, or every flip of one bit.
    fn refuses_flips(&self, masks: impl Iterator<Item = u8> + Clone) {
        let expected = self.document.len() * masks.clone().count();
        let flipped = (0..self.document.len()).flat_map(|at| {
            masks.clone().map(move |mask| {
                let mut document = self.document.clone();
                document[at] ^= mask;
                document
            })
        });
        self.refuses(flipped, expected);
    }

    fn refuses_other_lengths(&self) {
        let length = self.document.len();
        self.refuses((0..length).map(|end| self.document[..end].to_vec()), length);
        self.refuses((1..length).map(|start| self.document[start..].to_vec()), length - 1);
        let inserted = (0..=length).flat_map(|at| {
            (0..=255).map(move |byte| {
                let (before, behind) = self.document.split_at(at);
                [before, &[byte], behind].concat()
            })
        });
        self.refuses(inserted, (length + 1) * 256);
        let deleted = (0..length).map(|at| [&self.document[..at], &self.document[at + 1..]].concat());
        self.refuses(deleted, length);
    }
}

fn direct() -> Sample {
    Sample::new(|world| issue_direct(&world.direct, &full(on_machine(bare()))))
}

fn sealed() -> Sample {
    Sample::new(World::good_sealed)
}

#[test]
fn no_flipped_byte_of_a_direct_license_is_accepted() {
    direct().refuses_flips(1..=255);
}

#[test]
fn no_flipped_byte_of_a_sealed_license_is_accepted() {
    sealed().refuses_flips(1..=255);
}

#[test]
fn no_flipped_bit_of_a_p256_license_is_accepted() {
    let sample = Sample::new(|world| issue_direct(&world.p256_direct, &bare()));
    sample.refuses_flips((0..8).map(|bit| 1 << bit));
}

#[test]
fn no_flipped_bit_of_a_witnessed_license_is_accepted() {
    use chancery_formats::{document::Kind, seal::Role};
    let sample = Sample::new(|world| {
        let signers = [(Role::Issuer, &world.co_signed), (Role::Witness, &world.witness)];
        world.main.sealing(&signers).seal(Kind::License, &world.co_signed, vec![bare().encode()]).remove(0)
    });
    sample.refuses_flips((0..8).map(|bit| 1 << bit));
}

#[test]
fn no_direct_license_of_another_length_is_accepted() {
    direct().refuses_other_lengths();
}

#[test]
fn no_sealed_license_of_another_length_is_accepted() {
    sealed().refuses_other_lengths();
}
