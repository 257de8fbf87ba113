//! Signing on a SoftHSM2 token through our key backend, beside the bare module.
//!
//! `tests/bench/run.sh` makes the token and says by `SOFTHSM2_CONF` where it is. Ours looks the key up with
//! all its attributes, compares its public key, hands the work to the token's thread and verifies the
//! signature; the bare module finds the key by its label and signs. Not here: what devices take, which is
//! a thousand times as much.

use std::io::Cursor;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use chancery_formats::key::Algorithm;
use chancery_hsm_config::{Key, KeyRef, PinSource, generate, open};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use sha2::{Digest, Sha256};

use crate::Effort;
use crate::measure::Series;

/// What `tests/bench/run.sh` gives the token.
const LABEL: &str = "bench";
const PIN: &str = "1234";

/// As long as a license with full terms.
const MESSAGE: [u8; 480] = [0xc1; 480];

/// Signatures in a turn without a login.
const SIGNATURES: u32 = 20;

/// Measures opening with a login and signing once, and signing alone, and prints the table.
///
/// # Panics
///
/// Where the token is not as `tests/bench/run.sh` makes it.
pub fn run(effort: Effort) {
    let module = std::env::var("CHANCERY_BENCH_MODULE").expect("tests/bench/run.sh makes the token");
    let bare = Bare::new(Path::new(&module));
    println!("\n## Signing on SoftHSM2\n");
    println!("| what | bare µs | ours µs | ratio of least | median ratio |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    for algorithm in [Algorithm::Ed25519, Algorithm::Esp256] {
        let (label, reference) = names(algorithm, &module);
        let key = generate(&reference, algorithm, &mut pins()).expect("a new token");
        drop(key);
        let rounds = effort.rounds.clamp(5, 100);
        row(
            &format!("{algorithm}: a whole run, with login and one signature"),
            rounds,
            &mut || run_once("bare", algorithm),
            &mut || run_once("ours", algorithm),
        );
        row(
            &format!("{algorithm}: login and one signature, the module loaded"),
            rounds,
            &mut || bare.login_and_sign(algorithm, &label),
            &mut || sign(&open(&reference, &mut pins()).expect("a key")),
        );
        let key = open(&reference, &mut pins()).expect("a key");
        let session = bare.session();
        let handle = find(&session, &label);
        row(
            &format!("{algorithm}: {SIGNATURES} signatures, logged in"),
            rounds,
            &mut || (0..SIGNATURES).for_each(|_| bare_sign(&session, algorithm, handle)),
            &mut || (0..SIGNATURES).for_each(|_| sign(&key)),
        );
    }
}

/// Returns the label of a key and our reference to it.
fn names(algorithm: Algorithm, module: &str) -> (String, KeyRef) {
    let text = format!("pkcs11:token={LABEL};object=bench%20{}?module-path={module}", algorithm.name());
    (format!("bench {}", algorithm.name()), text.parse().expect("a reference"))
}

/// Starts this program again, to load the module, log in and sign once, as `license issue` does.
fn run_once(who: &str, algorithm: Algorithm) {
    let mut again = Command::new(std::env::current_exe().expect("this program"));
    assert!(again.args(["--sign", who, algorithm.name()]).status().expect("a run").success());
}

/// What the program started again does: `bare` or `ours`, and the algorithm.
///
/// # Panics
///
/// Where it cannot.
pub fn once(arguments: &[String]) {
    let module = std::env::var("CHANCERY_BENCH_MODULE").expect("tests/bench/run.sh makes the token");
    let [who, name] = arguments else { panic!("--sign bare|ours ALGORITHM") };
    let algorithm =
        Algorithm::ALL.into_iter().find(|algorithm| algorithm.name() == name).expect("an algorithm");
    let (label, reference) = names(algorithm, &module);
    match who.as_str() {
        "bare" => Bare::new(Path::new(&module)).login_and_sign(algorithm, &label),
        _ => sign(&open(&reference, &mut pins()).expect("a key")),
    }
}

/// Runs both in turns by the clock on the wall: ours works in another thread.
fn row(name: &str, rounds: usize, bare: &mut dyn FnMut(), ours: &mut dyn FnMut()) {
    let timed = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        start.elapsed().as_nanos() as f64
    };
    let times: Vec<_> = (0..rounds).map(|_| (timed(bare), timed(ours))).collect();
    let (bare_times, our_times) = times.into_iter().unzip();
    let (bare, ours) = (Series::new(bare_times), Series::new(our_times));
    println!(
        "| {name} | {:.0} | {:.0} | {:.2} | {:.2} |",
        bare.least() / 1e3,
        ours.least() / 1e3,
        ours.least() / bare.least(),
        ours.median_ratio(&bare),
    );
}

fn pins() -> PinSource {
    PinSource::lines(Cursor::new(PIN))
}

fn sign(key: &Key) {
    assert_eq!(key.sign(&MESSAGE).expect("a signature").len(), 64);
}

/// The module without anything of ours.
struct Bare {
    context: Pkcs11,
    slot: Slot,
}

impl Bare {
    fn new(module: &Path) -> Self {
        let context = Pkcs11::new(module).expect("SoftHSM2: apt-get install softhsm2");
        context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).expect("a module");
        let slots = context.get_slots_with_initialized_token().expect("slots");
        let is_ours = |slot: &Slot| context.get_token_info(*slot).is_ok_and(|info| info.label() == LABEL);
        let slot = slots.into_iter().find(is_ours).expect("the token that tests/bench/run.sh makes");
        Self { context, slot }
    }

    fn session(&self) -> Session {
        self.context.open_rw_session(self.slot).expect("a session")
    }

    fn login_and_sign(&self, algorithm: Algorithm, label: &str) {
        let session = self.session();
        session.login(UserType::User, Some(&AuthPin::from(PIN))).expect("a login");
        bare_sign(&session, algorithm, find(&session, label));
    }
}

fn find(session: &Session, label: &str) -> ObjectHandle {
    let template = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Label(label.into())];
    session.find_objects(&template).expect("objects")[0]
}

fn bare_sign(session: &Session, algorithm: Algorithm, key: ObjectHandle) {
    let signature = match algorithm {
        Algorithm::Ed25519 => {
            let mechanism = Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519));
            session.sign(&mechanism, key, &MESSAGE)
        }
        _ => session.sign(&Mechanism::Ecdsa, key, &Sha256::digest(MESSAGE)),
    };
    assert_eq!(signature.expect("a signature").len(), 64);
}
