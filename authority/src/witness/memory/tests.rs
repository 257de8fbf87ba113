//! A memory is whole, or it is an alarm.

use std::fs;

use chancery_formats::id::{AuthorityId, Thumbprint};
use chancery_formats::key::PublicKey;
use chancery_formats::merkle::Head;
use chancery_formats::witness::Cosigned;

use super::*;
use crate::witness::entry::tests::entry;

/// A home of a test, removed when dropped.
struct Scratch(Home);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.0.path());
    }
}

/// Makes a witness with entries 0 to `last`.
fn witness(name: &str, last: u64) -> Scratch {
    let path = std::env::temp_dir().join(format!("chancery-witness-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    create_private_folder(&path).unwrap();
    let home = Home::new(path);
    let identity = Identity {
        authority: AuthorityId([1; 32]),
        reference: "file:keys/witness.pem".to_owned(),
        public_key: PublicKey::Ed25519([2; 32]),
        made_at: 1_800_000_000,
    };
    let previous = Sha256::digest(identity.encode()).into();
    let first = Entry { number: 0, previous, head: Head::empty(), signed: None, ..entry() };
    Memory::create(&home, &identity, &first).unwrap();
    let mut memory = Memory::open(&home).unwrap();
    assert_eq!(memory.identity(), &identity);
    for number in 1..=last {
        memory.remember(next(&memory, number)).unwrap();
    }
    Scratch(home)
}

fn next(memory: &Memory, number: u64) -> Entry {
    Entry { number, previous: memory.newest().unwrap().hash(), ..entry() }
}

fn code(scratch: &Scratch) -> &'static str {
    Memory::open(&scratch.0).map_or_else(|error| error.code(), |_| "ok")
}

#[test]
fn what_was_remembered_is_there_again() {
    let scratch = witness("again", 2);
    let memory = Memory::open(&scratch.0).unwrap();
    assert_eq!((memory.entries().len(), memory.newest().unwrap().number), (3, 2));
    assert_eq!(memory.answer(2).unwrap(), None);
    let cosigned = Some(Cosigned { size: 1, signature: [3; 72] });
    let answer = Answer { request: [4; 32], witness: Thumbprint([5; 32]), batch: None, cosigned };
    let kept = memory.keep_answer(2, &answer).unwrap();
    assert_eq!(memory.answer(2).unwrap().unwrap(), kept);
    // A second answer under one entry is the first.
    let other = Answer { request: [9; 32], ..answer };
    assert_eq!(memory.keep_answer(2, &other).unwrap(), kept);
}

#[test]
fn one_entry_is_written_by_one_process() {
    let scratch = witness("race", 1);
    let (mut one, mut other) = (Memory::open(&scratch.0).unwrap(), Memory::open(&scratch.0).unwrap());
    let entry = next(&one, 2);
    one.remember(entry.clone()).unwrap();
    assert_eq!(other.remember(entry).unwrap_err().code(), "witness-busy");
}

#[test]
fn a_memory_that_is_lost_cut_or_changed_is_an_alarm() {
    let scratch = witness("lost", 3);
    let file = |number| entries(&scratch.0).join(name(number));
    assert_eq!(code(&scratch), "ok");
    let second = fs::read(file(2)).unwrap();
    fs::remove_file(file(2)).unwrap();
    assert_eq!(code(&scratch), "witness-memory-lost", "a gap");
    for place in (0..second.len()).step_by(7) {
        let mut changed = second.clone();
        changed[place] ^= 1;
        let _ = fs::remove_file(file(2));
        write_private(&file(2), &changed).unwrap();
        assert_eq!(code(&scratch), "witness-memory-changed", "byte {place}");
    }
    fs::remove_file(file(2)).unwrap();
    write_private(&file(2), &fs::read(file(1)).unwrap()).unwrap();
    assert_eq!(code(&scratch), "witness-memory-changed", "another entry in its place");
    for number in 0..4 {
        fs::remove_file(file(number)).unwrap();
    }
    assert_eq!(code(&scratch), "witness-memory-lost", "no entry");
    fs::remove_dir(entries(&scratch.0)).unwrap();
    assert_eq!(code(&scratch), "witness-memory-lost", "no folder");
    fs::remove_file(identity_file(&scratch.0)).unwrap();
    assert_eq!(code(&scratch), "witness-none");
}

#[test]
fn an_answer_without_its_entry_is_an_alarm() {
    let scratch = witness("tail", 2);
    let cosigned = Some(Cosigned { size: 1, signature: [3; 72] });
    let answer = Answer { request: [4; 32], witness: Thumbprint([5; 32]), batch: None, cosigned };
    Memory::open(&scratch.0).unwrap().keep_answer(2, &answer).unwrap();
    fs::remove_file(entries(&scratch.0).join(name(2))).unwrap();
    assert_eq!(code(&scratch), "witness-memory-lost");
}

#[test]
fn an_identity_that_is_changed_is_an_alarm() {
    let scratch = witness("identity", 1);
    let path = identity_file(&scratch.0);
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::remove_file(&path).unwrap();
    write_private(&path, &bytes).unwrap();
    assert_eq!(code(&scratch), "witness-memory-changed");
}
