//! The steps of each task, without terminal or SQL.
//!
//! Commands call these with arguments already read; these call the repository and the key backends.
//! Not here: printing (`commands`), SQL (`repository`), document formats.

use crate::error::CommandError;

pub mod approval;
pub mod approver;
pub mod attestation;
pub mod backup;
pub mod batch;
pub mod bundle;
pub mod catalog;
pub mod ceremony;
pub mod change;
pub mod checkpoint;
pub mod closing;
pub mod custodian;
pub mod custody;
pub mod demo;
pub mod device_log;
pub mod doctor;
pub mod entitlement;
pub mod export;
pub mod init;
pub mod issue;
pub mod issuer;
pub mod label;
pub mod lookalike;
pub mod nearest;
pub mod order;
pub mod pilot;
pub mod position;
pub mod publishing;
pub mod reconcile;
pub mod report;
pub mod restore;
pub mod restored;
pub mod revocation;
pub mod revoked;
pub mod role;
pub mod roster;
pub mod rotation;
pub mod sale;
pub mod sealing;
pub mod signatory;
pub mod signing;
pub mod site;
pub mod staging;
pub mod term;
pub mod terms;
pub mod trust;
pub mod update;
pub mod witness;

/// Returns random bytes from the operating system.
fn random<const N: usize>() -> Result<[u8; N], CommandError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        CommandError::failed("no-randomness", "operating system gives no random bytes")
            .cause(error.to_string())
    })?;
    Ok(bytes)
}
