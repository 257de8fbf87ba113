//! The log of a thousand documents beside a large one: appending, proving, and what the tree takes on the disk.
//!
//! Appending is the repository's own: the intent to sign one document, durable on return. Both logs take turns, so
//! that a busy disk slows both. Proofs are made by a tree that is opened anew for each, with nothing at hand: first
//! when the machine has dropped the database from its cache and reads the disk, then again. Not here: signing.

use std::fs::File;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use chancery_authority::home::Home;
use chancery_authority::log::LogTree;
use chancery_authority::repository::{Authority, NewKey, NewLeaf, NewOperation, Repository};
use chancery_formats::document::Kind;
use chancery_formats::id::AuthorityId;
use chancery_formats::key::{Protection, PublicKey};
use chancery_formats::merkle::root_from_path;
use chancery_formats::seal::Role;
use rustix::fs::Advice;

use crate::Effort;
use crate::measure::{Series, thread_nanos};

/// Documents of the small log.
const SMALL: u64 = 1_000;
/// Documents that are recorded in one transaction while a log is filled.
const CHUNK: u64 = 50_000;
const KEY: PublicKey = PublicKey::Ed25519([7; 32]);
/// As long as a license with bare terms.
const PAYLOAD_BYTES: usize = 216;
/// Most time of the processor that a proof may take, in milliseconds.
const MOST_PROOF_MILLIS: f64 = 5.0;
/// Most bytes of the tree for each document.
const MOST_TREE_BYTES: f64 = 40.0;
const NOW: u64 = 1_800_000_000;

/// Fills both logs, measures and prints the tables.
///
/// # Panics
///
/// Where the disk has no room, or a proof is none.
pub fn run(effort: Effort) {
    let scratch = Scratch::new();
    let mut small = filled(&scratch.0.join("small"), SMALL);
    let mut large = filled(&scratch.0.join("large"), effort.documents);
    println!("\n## The log\n");
    println!("| what | {SMALL} documents | {} documents | ratio of least | median ratio |", effort.documents);
    println!("| --- | ---: | ---: | ---: | ---: |");
    let rounds = effort.rounds.clamp(5, 300);
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        let logs = [&mut small, &mut large];
        // Who goes first takes turns as well.
        for place in [round % 2, 1 - round % 2] {
            let start = Instant::now();
            append(logs[place]);
            times[place].push(start.elapsed().as_nanos() as f64);
        }
    }
    row("durable append, µs", times);
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..rounds as u64 {
        for (log, times) in [&small, &large].into_iter().zip(&mut times) {
            let start = Instant::now();
            prove(log, round);
            times.push(start.elapsed().as_nanos() as f64);
        }
    }
    row("inclusion proof, µs", times);
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..rounds as u64 {
        for (log, times) in [&small, &large].into_iter().zip(&mut times) {
            let tree = LogTree::open(log).expect("a tree");
            let start = Instant::now();
            black_box(
                tree.consistency(1 + spread(round + 1, tree.size() - 1), tree.size()).expect("a proof"),
            );
            times.push(start.elapsed().as_nanos() as f64);
        }
    }
    row("consistency proof, µs", times);
    proofs(&large, &scratch.0.join("large"), effort.rounds.clamp(100, 300) as u64);
    drop((small, large));
    sizes(&scratch.0.join("large"));
}

/// Measures inclusion proofs in the large log, and asserts what each takes of the processor.
fn proofs(log: &Repository, home: &Path, rounds: u64) {
    let database = File::open(home.join("authority.db")).expect("a database");
    let (mut cold, mut warm, mut processor) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        // Of what is written back already; the log of what is not is small.
        rustix::fs::fadvise(&database, 0, None, Advice::DontNeed).expect("advice to the kernel");
        let start = Instant::now();
        prove(log, round);
        cold.push(start.elapsed().as_nanos() as f64);
        let (start, running) = (Instant::now(), thread_nanos());
        prove(log, round);
        processor.push((thread_nanos() - running) as f64);
        warm.push(start.elapsed().as_nanos() as f64);
    }
    println!("\n| inclusion proof, ms | median | 99 of 100 | at most |");
    println!("| --- | ---: | ---: | ---: |");
    let mut slowest = 0.0;
    for (name, times) in
        [("read from the disk", cold), ("read again", warm), ("… of which the processor", processor)]
    {
        let times = Series::new(times);
        let [median, most, all] = [0.5, 0.99, 1.0].map(|part| times.quantile(part) / 1e6);
        println!("| {name} | {median:.2} | {most:.2} | {all:.2} |");
        slowest = all;
    }
    assert!(slowest <= MOST_PROOF_MILLIS, "{slowest} ms of the processor for a proof");
}

fn row(name: &str, times: [Vec<f64>; 2]) {
    let [small, large] = times.map(Series::new);
    println!(
        "| {name} | {:.0} | {:.0} | {:.2} | {:.2} |",
        small.least() / 1e3,
        large.least() / 1e3,
        large.least() / small.least(),
        large.median_ratio(&small),
    );
}

/// Makes a home whose log has that many documents.
fn filled(path: &Path, documents: u64) -> Repository {
    let mut repository = Repository::create(&Home::new(path)).expect("a new home");
    let key =
        NewKey { public_key: KEY, role: Role::Issuer, reference: None, protection: Protection::Software };
    repository.add_key(&key, NOW).expect("a new key");
    let authority =
        Authority { id: AuthorityId([1; 32]), name: "bench".to_owned(), root_version: 1, created_at: NOW };
    repository.set_authority(&authority).expect("a new authority");
    let mut first = 0;
    while first < documents {
        let count = CHUNK.min(documents - first);
        let payloads: Vec<_> = (first..first + count).map(payload).collect();
        let leaves: Vec<_> = payloads.iter().map(|payload| leaf(payload)).collect();
        repository.record(&leaves, NOW).expect("room on the disk");
        first += count;
    }
    repository
}

fn payload(number: u64) -> [u8; PAYLOAD_BYTES] {
    let mut payload = [0x5a; PAYLOAD_BYTES];
    payload[..8].copy_from_slice(&number.to_be_bytes());
    payload
}

fn leaf(payload: &[u8]) -> NewLeaf<'_> {
    NewLeaf { kind: Kind::License, protected: &[0xa3; 52], payload }
}

fn append(repository: &mut Repository) {
    let payload = payload(u64::MAX);
    let operation = NewOperation { key: KEY.thumbprint(), message_hash: [1; 32], message_bytes: 300 };
    repository.begin(&leaf(&payload), &operation, None, NOW).expect("room on the disk");
}

fn prove(repository: &Repository, round: u64) {
    let tree = LogTree::open(repository).expect("a tree");
    let (index, size) = (spread(round, tree.size()), tree.size());
    let path = tree.inclusion(index, size).expect("a proof");
    let root = root_from_path(tree.leaf(index).expect("a leaf"), index, size, path.as_flattened());
    assert_eq!(root, Some(tree.head(size).expect("a root").root));
}

/// Spreads places over a log.
fn spread(round: u64, size: u64) -> u64 {
    round.wrapping_mul(0x9e37_79b9_7f4a_7c15) % size
}

/// Prints what each document takes beside itself.
fn sizes(home: &Path) {
    let database = rusqlite::Connection::open(home.join("authority.db")).expect("a database");
    let number = |sql: &str| database.query_row(sql, [], |row| row.get::<_, f64>(0)).expect("a number");
    let documents = number("SELECT 1.0 * count(*) FROM log_leaf");
    let table = |name: &str| {
        // With its indexes.
        let sql = "SELECT 1.0 * sum(pgsize) FROM dbstat WHERE name IN
            (SELECT name FROM sqlite_schema WHERE tbl_name = '";
        number(&format!("{sql}{name}')"))
    };
    let content = number("SELECT 1.0 * sum(length(protected) + length(payload)) FROM log_leaf");
    println!("\n| bytes a document | |\n| --- | ---: |");
    println!("| header and payload | {:.1} |", content / documents);
    let tree = table("log_tile") / documents;
    println!("| the tree beside them (`log_tile`) | {tree:.1} |");
    assert!(tree <= MOST_TREE_BYTES, "{tree} bytes a document for the tree");
    println!(
        "| number, kind, time and pages of their rows | {:.1} |",
        (table("log_leaf") - content) / documents
    );
}

/// A folder that is removed with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("chancery-bench-log-{}", std::process::id()));
        std::fs::create_dir(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
