//! Many licenses under one signature of a SoftHSM2 key, beside signing each and committing each.
//!
//! `chancery batch issue` runs as a program of its own, from its start to its end, so that its memory is its own; what
//! it is compared with is a part of what issuing one by one takes: a key that is open already signs, and the
//! license is durable, nothing else. Not here: what verifying one of a batch costs (`verification`).

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use chancery_authority::home::Home;
use chancery_authority::repository::{Binding, Customer, Model, NewLeaf, Note, Repository};
use chancery_authority::workflow::custody::Asked;
use chancery_authority::workflow::entitlement::grant::{Order, grant, sold};
use chancery_authority::workflow::init::{Plan, init};
use chancery_authority::workflow::role::{Addition, Bounds, Place, Vouching, add};
use chancery_authority::workflow::terms::{Bound, One};
use chancery_authority::workflow::{catalog, terms};
use chancery_formats::cose::{Header, Mode, Unsigned};
use chancery_formats::document::Kind;
use chancery_formats::id::{EntitlementId, LicenseId};
use chancery_formats::seal::Role;
use chancery_formats::trust::KeyMode;
use chancery_hsm_config::{Key, KeyRef, PinSource, open};

use crate::Effort;

/// What `tests/bench/run.sh` gives the token.
const PIN: &str = "1234";
const PASSPHRASE: &str = "a passphrase of the benches";
/// 2026-11-23.
const NOW: u64 = 1_795_392_000;

/// Measures every size and prints the table.
///
/// # Panics
///
/// Where a program fails, the token is not as `tests/bench/run.sh` makes it, or the disk has no room.
pub fn run(programs: &Path, effort: Effort) {
    let module = std::env::var("CHANCERY_BENCH_MODULE").expect("tests/bench/run.sh makes the token");
    println!("\n## Batches\n");
    println!(
        "| licenses | seconds | µs a license | peak memory MiB | one by one, µs a license | faster by |"
    );
    println!("| ---: | ---: | ---: | ---: | ---: | ---: |");
    for (number, licenses) in effort.licenses.iter().enumerate() {
        let desk = Desk::new(number, &module, *licenses);
        let alone = desk.one_by_one(&module, number, effort.rounds.clamp(20, 400));
        let (elapsed, peak) = desk.issue(programs);
        let each = elapsed.as_secs_f64() / *licenses as f64;
        println!(
            "| {licenses} | {:.2} | {:.1} | {:.0} | {:.0} | {:.0} |",
            elapsed.as_secs_f64(),
            each * 1e6,
            peak as f64 / 1024.0,
            alone.as_secs_f64() * 1e6,
            alone.as_secs_f64() / each,
        );
    }
}

/// An authority whose issuing key is on the token and seals, and rows to be issued.
struct Desk {
    folder: PathBuf,
    entitlement: EntitlementId,
}

impl Desk {
    fn new(number: usize, module: &str, licenses: u64) -> Self {
        let folder =
            std::env::temp_dir().join(format!("chancery-bench-batch-{}-{number}", std::process::id()));
        std::fs::create_dir(&folder).expect("a new folder");
        let home = Home::new(folder.join("home"));
        let mut repository = sealing(&home, &reference(module, number));
        let text = catalog_text();
        repository.apply_catalog(&catalog::read(&text).expect("a catalog"), &text, NOW).expect("a catalog");
        let customer = Customer { id: "acme".to_owned(), name: "Acme".to_owned(), added_at: NOW };
        repository.add_customer(&customer).expect("a customer");
        let sold =
            sold(&repository, "pump", "standard", Model::Subscription, Binding::Site).expect("an edition");
        let order = Order {
            customer: "acme",
            quantity: licenses,
            site: Some("north"),
            not_before: Some(NOW),
            not_after: Some(NOW + 365 * 86_400),
        };
        let note = Note { by: "bench", reason: "order 1", at: NOW };
        let entitlement = grant(&mut repository, &order, &sold, &note).expect("an entitlement").id;
        let row = format!("{{\"entitlement\":\"{entitlement}\"}}\n");
        std::fs::write(folder.join("rows.jsonl"), row.repeat(licenses as usize)).expect("a file");
        Self { folder, entitlement }
    }

    /// Returns what one license takes that the open key signs and that is durable before the next.
    fn one_by_one(&self, module: &str, number: usize, rounds: usize) -> Duration {
        let key = open(&reference(module, number), &mut pins(&[PIN])).expect("the key");
        let mut repository = Repository::create(&Home::new(self.folder.join("alone"))).expect("a home");
        let own = Repository::open(&Home::new(self.folder.join("home"))).expect("a home");
        let entitlement = own.entitlement(self.entitlement).expect("an entitlement");
        let start = Instant::now();
        for round in 0..rounds {
            let id = LicenseId((round as u128).to_be_bytes());
            let revision = round as u64 + 1;
            let one = One { id, revision, bound: Bound::default(), least_revocation_list: None };
            let payload = terms::encode("Northwind Controls GmbH", &entitlement, &one, NOW);
            sign_and_commit(&mut repository, &key, payload.expect("a license"));
        }
        start.elapsed() / u32::try_from(rounds).expect("few rounds")
    }

    /// Runs `chancery batch issue`; returns how long it ran, and the most memory that it held, in KiB.
    fn issue(&self, programs: &Path) -> (Duration, u64) {
        let arguments = ["batch", "issue", "--input", "rows.jsonl"];
        let (elapsed, peak) = chancery(programs, &self.folder, &arguments);
        assert!(peak <= 200 * 1000 * 1000 / 1024, "{peak} KiB are more than 200 MB");
        (elapsed, peak)
    }
}

/// Runs `chancery` on the home in a folder; returns how long it ran, and the most memory that it held, in KiB.
pub fn chancery(programs: &Path, folder: &Path, arguments: &[&str]) -> (Duration, u64) {
    let start = Instant::now();
    let mut child = Command::new(programs.join("chancery"))
        .current_dir(folder)
        .args(["--home", "home", "--pin-fd", "0"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("a program");
    let mut input = child.stdin.take().expect("its input");
    // Commands that need no key do not read it.
    let _ = writeln!(input, "{PIN}");
    drop(input);
    let mut peak = 0;
    let status = loop {
        peak = peak.max(peak_kib(child.id()).unwrap_or(0));
        match child.try_wait().expect("a child") {
            Some(status) => break status,
            None => sleep(Duration::from_millis(2)),
        }
    };
    let elapsed = start.elapsed();
    assert!(status.success(), "chancery {arguments:?} fails");
    assert!(peak > 0, "its memory was never seen");
    (elapsed, peak)
}

/// Makes an authority whose issuing key is the one named, and seals.
pub fn sealing(home: &Home, key: &KeyRef) -> Repository {
    let plan = Plan { name: "Northwind Controls GmbH", root_key: None, issuing_key: None };
    init(home, &plan, &mut pins(&[PASSPHRASE]), NOW).expect("an authority");
    let mut repository = Repository::open(home).expect("a home");
    let addition = Addition {
        role: Role::Issuer,
        place: Place::Here { key, partner: None },
        mode: Some(KeyMode::Seal),
        co_signers: Vec::new(),
        bounds: Bounds::default(),
        vouching: Vouching::Without,
    };
    add(&mut repository, &addition, &Asked::default(), &mut pins(&[PASSPHRASE, PIN]), NOW + 1)
        .expect("a key that seals");
    repository
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn sign_and_commit(repository: &mut Repository, key: &Key, payload: Vec<u8>) {
    let public = key.public_key();
    let header =
        Header { mode: Mode::Direct(public.algorithm()), kid: public.key_id(), typ: Kind::License.typ() };
    let unsigned = Unsigned::new(&header, payload);
    let signature = key.sign(&unsigned.sig_structure()).expect("a signature");
    // The signature stands in for the payload's last bytes: what is written is as long as a license.
    let leaf =
        NewLeaf { kind: Kind::License, protected: unsigned.protected(), payload: &unsigned.sign(&signature) };
    repository.record(&[leaf], NOW).expect("room on the disk");
}

/// Returns the most memory that a process has held so far, in KiB; it never falls.
fn peak_kib(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

pub fn reference(module: &str, number: usize) -> KeyRef {
    format!("pkcs11:token=bench;object=batch%20{number}?module-path={module}").parse().expect("a reference")
}

fn pins(lines: &[&str]) -> PinSource {
    PinSource::lines(Cursor::new(format!("{}\n", lines.join("\n"))))
}

/// A product with ten features, as realistic licenses have.
fn catalog_text() -> String {
    let mut text = "[[product]]\nid = \"pump\"\nname = \"Pump Control\"\n".to_owned();
    let mut features = String::new();
    for (name, _) in chancery_tests::license::FEATURES {
        let _ = write!(text, "\n[[product.feature]]\nid = \"{name}\"\n");
        let _ = write!(features, "{}{name} = true", if features.is_empty() { "" } else { ", " });
    }
    let _ = write!(text, "\n[[product.edition]]\nid = \"standard\"\nfeatures = {{ {features} }}\n");
    text
}
