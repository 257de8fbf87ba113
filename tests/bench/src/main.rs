//! Benchmarks as ratios: everything compared runs in turns, in one process and on one machine.
//!
//! `chancery-bench [--smoke | --long] [--programs DIR]` prints Markdown. It asserts what does not depend on the
//! machine: that all contenders decide alike, that verifying allocates nothing, what the tree of the log takes on the
//! disk, the processor time of a proof, and that orders are no more than twenty times as dear as
//! the bare insertion of their rows. Other times are for reading (`docs/performance.md`), never asserted. Not here:
//! correctness, which the tests hold.

mod allocations;
mod batch;
mod contenders;
mod log;
mod measure;
mod orders;
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
    /// Documents of the large log.
    documents: u64,
    /// Licenses of the batch of which one is verified.
    batch: u64,
    /// Licenses of each batch that is issued.
    licenses: &'static [u64],
    /// Orders of the file that is imported.
    orders: u64,
    /// Entitlements among which one is looked up.
    entitlements: u64,
}

const FULL: Effort = Effort {
    rounds: 1_000,
    turn_millis: 1,
    starts: 400,
    documents: 1_000_000,
    batch: 50_000,
    licenses: &[50_000],
    orders: 50_000,
    entitlements: 200_000,
};
const SMOKE: Effort = Effort {
    rounds: 5,
    turn_millis: 1,
    starts: 3,
    documents: 200_000,
    batch: 500,
    licenses: &[500],
    orders: 3_000,
    entitlements: 5_000,
};

fn main() {
    let mut effort = FULL;
    let mut programs: Option<PathBuf> = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--smoke" => effort = SMOKE,
            "--long" => {
                (effort.documents, effort.licenses) = (10_000_000, &[50_000, 250_000, 1_000_000]);
                effort.entitlements = 1_000_000;
            }
            "--log" => return log::run(effort),
            "--batch" => {
                let programs = programs.expect("`--batch` stands behind `--programs DIR`");
                return batch::run(&programs, effort);
            }
            "--orders" => {
                let programs = programs.expect("`--orders` stands behind `--programs DIR`");
                return orders::run(&programs, effort);
            }
            "--sign" => return signing::once(&arguments.collect::<Vec<_>>()),
            "--programs" => programs = arguments.next().map(PathBuf::from),
            other => panic!("unknown argument {other}: chancery-bench [--smoke | --long] [--programs DIR]"),
        }
    }
    verification::run(effort);
    sizes::run();
    signing::run(effort);
    log::run(effort);
    match programs {
        Some(programs) => {
            startup::run(&programs, effort);
            batch::run(&programs, effort);
            orders::run(&programs, effort);
        }
        None => {
            println!(
                "\nStarting, batches and orders were not measured: name the folder of the programs with `--programs`."
            );
        }
    }
}
