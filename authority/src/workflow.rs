//! The steps of each task, without terminal or SQL.
//!
//! Commands call these with arguments already read; these call the repository and the key backends.
//! Not here: printing (`commands`), SQL (`repository`), document formats.

use crate::error::CommandError;

pub mod catalog;
pub mod demo;
pub mod device_log;
pub mod doctor;
pub mod entitlement;
pub mod export;
pub mod init;
pub mod issue;
pub mod label;
pub mod signing;
pub mod term;
pub mod trust;

/// Returns random bytes from the operating system.
fn random<const N: usize>() -> Result<[u8; N], CommandError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        CommandError::failed("no-randomness", "operating system gives no random bytes")
            .cause(error.to_string())
    })?;
    Ok(bytes)
}
