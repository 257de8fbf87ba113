//! Benchmarks as ratios: everything compared runs in turns, in one process and on one machine.
//!
//! `chancery-bench [--smoke] [--programs DIR]` prints Markdown. It asserts what does not depend on the
//! machine: that all contenders decide alike, and that verifying allocates nothing. Times are for reading
//! (`docs/performance.md`), never asserted. Not here: correctness, which the tests hold.

mod allocations;
mod contenders;
mod measure;
mod signing;
mod sizes;
mod startup;
mod verification;

use std::path::PathBuf;

/// How much is measured.
#[derive(Clone, Copy)]
struct Effort {
    /// Turns that every contender takes.
    rounds: usize,
    /// Length of one turn, in milliseconds.
    turn_millis: u64,
    /// Starts of each program.
    starts: usize,
}

const FULL: Effort = Effort { rounds: 1_000, turn_millis: 1, starts: 400 };
const SMOKE: Effort = Effort { rounds: 5, turn_millis: 1, starts: 3 };

fn main() {
    let mut effort = FULL;
    let mut programs = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--smoke" => effort = SMOKE,
            "--sign" => return signing::once(&arguments.collect::<Vec<_>>()),
            "--programs" => programs = arguments.next().map(PathBuf::from),
            other => panic!("unknown argument {other}: chancery-bench [--smoke] [--programs DIR]"),
        }
    }
    verification::run(effort);
    sizes::run();
    signing::run(effort);
    match programs {
        Some(programs) => startup::run(&programs, effort),
        None => println!("\nStarting was not measured: name the folder of the programs with `--programs`."),
    }
}
