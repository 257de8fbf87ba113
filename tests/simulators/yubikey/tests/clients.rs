//! The virtual YubiKey through clients that are not ours: `yubico-piv-tool`, `ykcs11`, OpenSC and the
//! `yubikey` crate, all over a private pcscd.
//!
//! libpcsclite reads the place of its pcscd from the environment, so this program starts one and runs
//! itself again with it. The tests share the reader and run one after the other; each has a new card.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "clients/crates.rs"]
mod crates;
#[path = "clients/programs.rs"]
mod programs;
#[path = "clients/tools.rs"]
mod tools;

use std::panic;
use std::process::{Command, ExitCode};
use std::time::Instant;

use chancery_yubikey_simulator::{Config, Pcscd, SOCKET_VARIABLE};

const PORT_VARIABLE: &str = "CHANCERY_TEST_READER_PORT";

type Test = (&'static str, fn());

const TESTS: &[Test] = &[
    ("crate_makes_keys_and_signs", crates::makes_keys_and_signs),
    ("crate_wants_the_pin_for_each_signature_in_9c", crates::wants_the_pin_for_each_signature_in_9c),
    ("crate_counts_wrong_pins", crates::counts_wrong_pins),
    ("crate_meets_a_locked_pin", crates::meets_a_locked_pin),
    ("crate_loses_a_pulled_card_and_finds_it_again", crates::loses_a_pulled_card_and_finds_it_again),
    ("crate_gets_no_answer_from_a_card_pulled_in_time", crates::gets_no_answer_from_a_card_pulled_in_time),
    ("crate_cannot_sign_255_bytes", crates::cannot_sign_255_bytes),
    ("state_outlives_the_card", crates::state_outlives_the_card),
    ("piv_tool_sets_a_card_up", tools::piv_tool_sets_a_card_up),
    ("piv_tool_attests", tools::piv_tool_attests),
    ("ykcs11_signs_in_9a_and_9c", tools::ykcs11_signs_in_9a_and_9c),
    ("opensc_signs_in_9a_and_9c", tools::opensc_signs_in_9a_and_9c),
    ("program_is_steered_over_tcp", programs::program_is_steered_over_tcp),
    ("program_refuses_what_it_does_not_know", programs::program_refuses_what_it_does_not_know),
    ("standard_place_is_taken_once", programs::standard_place_is_taken_once),
];

fn main() -> ExitCode {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    if std::env::var_os(SOCKET_VARIABLE).is_some() {
        return run(&filter);
    }
    let pcscd = match Pcscd::start_private() {
        Ok(pcscd) => pcscd,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.arg(&filter).env(SOCKET_VARIABLE, pcscd.socket()).env(PORT_VARIABLE, pcscd.port().to_string());
    if again.status().unwrap().success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(filter: &str) -> ExitCode {
    let wanted: Vec<&Test> = TESTS.iter().filter(|(name, _)| name.contains(filter)).collect();
    let mut failed = 0;
    for (name, test) in &wanted {
        let start = Instant::now();
        let result = panic::catch_unwind(test);
        let outcome = if result.is_ok() { "ok" } else { "FAILED" };
        println!("test {name} ... {outcome} ({:.1} s)", start.elapsed().as_secs_f32());
        failed += usize::from(result.is_err());
    }
    println!("yubikey-clients: {} passed, {failed} failed", wanted.len() - failed);
    if failed == 0 && !wanted.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A new card for the reader of this run.
fn config() -> Config {
    Config::new(std::env::var(PORT_VARIABLE).unwrap().parse().unwrap())
}
