//! `chancery key attest`: what a device's vendor vouches for of a key.

use std::path::{Path, PathBuf};

use chancery_carriers::files;
use chancery_carriers::report::Exit;
use chancery_hsm_config::attestation::{
    AttestationError, MAX_CERTIFICATE_BYTES, MAX_ROOTS, Place, Roots, Statement, read_pem,
};
use chancery_hsm_config::{HsmError, KeyRef, open};
use serde_json::json;

use crate::commands::Context;
use crate::commands::argument::Reference;
use crate::error::CommandError;
use crate::workflow::attestation::{self, Vendor};

/// Check where a key was made, by its device's attestation
///
/// Fetches the certificates with which the device attests the key, follows them to a root of its vendor, and
/// refuses a key that was not made inside. Get the roots from the vendor over a way that you trust: none is
/// built in.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  chancery key attest 'yubihsm:serial=0001234567;id=0x0100;auth-id=2?connector=usb' --roots yubico-roots.pem")]
pub struct AttestArgs {
    /// Key to check
    #[arg(value_name = "REF")]
    pub reference: Reference<KeyRef>,
    /// The vendor's root certificates, in PEM
    #[arg(long, value_name = "FILE")]
    pub roots: PathBuf,
    /// The vendor's intermediate certificates, in PEM, where the device does not give them
    #[arg(long, value_name = "FILE")]
    pub intermediates: Option<PathBuf>,
    /// Accept a key that can leave the device under a wrap key, as backups need
    #[arg(long)]
    pub wrapped_backup: bool,
}

/// Twice a file's certificates at their largest, for their text form.
const MAX_PEM_BYTES: u64 = 2 * (MAX_CERTIFICATE_BYTES * MAX_ROOTS) as u64;

pub(super) fn run(args: &AttestArgs, context: &Context) -> Result<(), CommandError> {
    let reference = args.reference.get()?;
    // What needs no key first: it costs no PIN.
    let roots = read_roots(&args.roots)?;
    let pool = args.intermediates.as_deref().map(read_intermediates).transpose()?.unwrap_or_default();
    if reference.file_path().is_some() {
        return Err(HsmError::NoAttestation { key: reference.clone().into() }.into());
    }
    let vendor = Vendor { roots, intermediates: pool, wrapped_backup: args.wrapped_backup };
    let now = context.now()?;
    let key = open(reference, &mut context.pins()?)?;
    let attested = attestation::check(&key, &vendor, now)?;
    show(&attested.statement, attested.chain.len(), context)
}

/// Reads a vendor's root certificates.
pub(in crate::commands) fn read_roots(path: &Path) -> Result<Roots, CommandError> {
    read(path, Roots::from_pem)
}

/// Reads a vendor's intermediate certificates.
pub(in crate::commands) fn read_intermediates(path: &Path) -> Result<Vec<Vec<u8>>, CommandError> {
    read(path, read_pem)
}

fn read<T>(
    path: &Path,
    certificates: impl FnOnce(&[u8]) -> Result<T, AttestationError>,
) -> Result<T, CommandError> {
    certificates(&files::read_document(path, MAX_PEM_BYTES)?).map_err(|error| {
        CommandError::refused(error.code(), format!("{} holds no certificates to use", path.display()))
            .cause(error.to_string())
            .hint(error.hint())
    })
}

fn show(statement: &Statement, certificates: usize, context: &Context) -> Result<(), CommandError> {
    let kid = statement.public_key.key_id();
    let (device, place) = match &statement.place {
        Place::Piv { slot, .. } => ("YubiKey", format!("slot {slot:02x}")),
        Place::YubiHsm2 { id, .. } => ("YubiHSM 2", format!("object 0x{id:04x}")),
        _ => ("device", "unknown".to_owned()),
    };
    let mut printer = context.printer();
    printer.line(format_args!("Key {kid} was made inside the device, says its vendor"))?;
    printer.fields(&[
        ("device", device.to_owned()),
        ("serial", statement.serial.to_string()),
        ("firmware", statement.firmware.to_string()),
        ("place", place.clone()),
        ("origin", statement.origin.to_string()),
        ("certificates", certificates.to_string()),
    ])?;
    Ok(printer.json(&json!({
        "kid": kid.to_string(),
        "device": device,
        "serial": statement.serial,
        "firmware": statement.firmware.to_string(),
        "place": place,
        "origin": statement.origin.to_string(),
    }))?)
}

impl From<AttestationError> for CommandError {
    fn from(error: AttestationError) -> Self {
        Self::from_error(Exit::Refused, error.code(), &error).hint(error.hint())
    }
}
