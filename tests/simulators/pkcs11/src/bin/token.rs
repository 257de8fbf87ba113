//! Makes a token and runs a command that uses it: `token softhsm|tpm|nss|kryoptic COMMAND [ARGUMENT…]`.
//!
//! The command finds the module's path in `CHANCERY_TOKEN_MODULE`, the token by the label `Chancery test`,
//! and writes faults to the file that `CHANCERY_FAULTS_CONTROL` names; the PIN is `canary-1234`. The token
//! ends with the command, whose exit code is this program's. For journeys. Not here: tests.

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use chancery_pkcs11_faults::fixture::lend;
use chancery_pkcs11_faults::tokens::{Kryoptic, Nss, SoftHsm, Tpm};

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let kind = arguments.next();
    let command: Vec<OsString> = arguments.collect();
    match kind.as_ref().and_then(|kind| kind.to_str()) {
        Some("kryoptic") if !command.is_empty() => lend(Kryoptic::default(), &command),
        Some("nss") if !command.is_empty() => lend(Nss, &command),
        Some("softhsm") if !command.is_empty() => lend(SoftHsm, &command),
        Some("tpm") if !command.is_empty() => lend(Tpm::default(), &command),
        _ => {
            eprintln!("usage: token softhsm|tpm|nss|kryoptic COMMAND [ARGUMENT…]");
            ExitCode::from(2)
        }
    }
}
