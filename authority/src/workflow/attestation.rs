//! What the vendor of a device vouches for of a key: fetched, followed to the vendor's roots, compared.
//!
//! Not here: the rules of the path and the extensions (`chancery-hsm-config`), reading the roots' file.

use chancery_hsm_config::Key;
use chancery_hsm_config::attestation::{self, Expected, Roots, Statement};

use crate::error::CommandError;

/// Whom to believe about a device.
#[derive(Debug)]
pub struct Vendor {
    /// The vendor's root certificates.
    pub roots: Roots,
    /// Intermediate certificates, where the device does not give them.
    pub intermediates: Vec<Vec<u8>>,
    /// Whether a key may leave its device under a wrap key, as backups need.
    pub wrapped_backup: bool,
}

/// A key whose device has been believed.
#[derive(Debug)]
pub struct Attested {
    /// What the device states.
    pub statement: Statement,
    /// The key's own certificate, DER, first of as many as led to the root.
    pub chain: Vec<Vec<u8>>,
}

/// Fetches a key's attestation and checks that it is of this key, on the device that has it.
///
/// # Errors
///
/// Those of the device and of the attestation; a failure where the device does not tell its serial number.
pub fn check(key: &Key, vendor: &Vendor, now: u64) -> Result<Attested, CommandError> {
    let chain = attestation::complete(&key.attestation()?, &vendor.intermediates)?;
    let statement = attestation::validate(&chain, &vendor.roots, now)?;
    let serial = key.info().device.serial.as_deref().and_then(|serial| serial.parse().ok());
    let serial = serial.ok_or_else(|| {
        CommandError::failed("serial-unknown", "the device does not tell its serial number")
            .hint("reach the device directly: yubihsm: or piv:")
    })?;
    let public_key = key.public_key();
    statement.check(&Expected { public_key, serial, wrapped_backup: vendor.wrapped_backup })?;
    Ok(Attested { statement, chain })
}
