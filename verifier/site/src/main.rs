//! The process `chancery-site`: its arguments and its exit code.
//!
//! One file a command under `commands`, on the public API of the verifier. Not here, nor anywhere in
//! this program: a socket, or a key of the authority.
#![forbid(unsafe_code)]

use std::process::ExitCode;

mod commands;
mod error;
mod store;
mod time;

fn main() -> ExitCode {
    commands::main(std::env::args_os())
}
