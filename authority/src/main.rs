//! The process `chancery`: its arguments and its exit code. Everything else is the library's.

use std::process::ExitCode;

fn main() -> ExitCode {
    chancery_authority::commands::main(std::env::args_os())
}
