//! A new witness: its key, the authority that it is pinned to, and the first entry of its memory.
//!
//! Made in a folder beside its home, which takes the home's name as the last step. A key that is certified already
//! is refused: a witness that lost its memory must not begin again under the same key. Not here: certifying the
//! key, which the authority's custodians do.

use chancery_carriers::files::create_private_folder;
use chancery_formats::document::MAX_BUNDLE;
use chancery_formats::id::AuthorityId;
use chancery_formats::log::note::MAX_NOTE;
use chancery_formats::merkle::Head;
use chancery_formats::seal::Role;
use chancery_hsm_config::{KeyRef, Opened, PinSource, open_or_generate};
use chancery_verifier::{LogKeys, Pin, Trust, verify_checkpoint};
use sha2::{Digest, Sha256};

use crate::error::CommandError;
use crate::home::Home;
use crate::witness::{Entry, Identity, Memory};
use crate::workflow::role::portable;
use crate::workflow::signing::{DEFAULT_ALGORITHM, resolve};
use crate::workflow::staging::{Staging, Task, require_free};

/// Most bytes of the files that `witness init` reads.
pub const MAX_TRUST: u64 = MAX_BUNDLE as u64;
/// Most bytes of a checkpoint.
pub const MAX_CHECKPOINT: u64 = MAX_NOTE as u64;

/// What a new witness is made of.
#[derive(Debug)]
pub struct Plan<'a> {
    /// The authority, as it was learnt on another way than the bundle.
    pub authority: AuthorityId,
    /// Its trust bundle.
    pub bundle: &'a [u8],
    /// A checkpoint of its log that the witness begins from; without one it begins from nothing.
    pub checkpoint: Option<&'a [u8]>,
    /// Where the key is, or is to be; a software key in the home where none is named.
    pub key: Option<&'a KeyRef>,
}

/// A witness that was made.
#[derive(Debug)]
pub struct Founded {
    /// Who it is.
    pub identity: Identity,
    /// Its key, and whether it was made for this.
    pub opened: Opened,
    /// The name of the authority.
    pub name: String,
    /// Where its memory begins.
    pub head: Head,
}

/// Makes a witness in `home`; `now` is Unix seconds.
///
/// # Errors
///
/// A refusal where the bundle is of another authority, the checkpoint is none of its log or the key is certified
/// already; those of the key backend and the disk. The home is then as it was.
pub fn found(home: &Home, plan: &Plan<'_>, pins: &mut PinSource, now: u64) -> Result<Founded, CommandError> {
    let trust = Trust::load(plan.bundle, Pin::Authority(plan.authority)).map_err(|refusal| {
        CommandError::refused(refusal.code(), "the trust bundle is not one of the authority named")
            .cause(refusal.to_string())
            .hint("get the bundle again, and compare the authority id with the vendor on another way")
    })?;
    let head = start(plan, &trust)?;
    require_free(home)?;
    let staging = Staging::beside(home.path(), Task::Witness)?;
    create_private_folder(&staging.home().keys())?;
    let reference = plan.key.map_or_else(|| KeyRef::file("keys/witness.pem"), |named| portable(home, named));
    let opened = open_or_generate(&resolve(staging.home(), &reference), DEFAULT_ALGORITHM, pins)?;
    let public_key = opened.key.public_key();
    if let Some(certified) = trust.certified(public_key.thumbprint()) {
        return Err(key_known(certified.role()));
    }
    let identity =
        Identity { authority: plan.authority, reference: reference.to_string(), public_key, made_at: now };
    let mut closed: Vec<_> = trust.closed_keys().collect();
    closed.sort_unstable();
    let first = Entry {
        number: 0,
        previous: Sha256::digest(identity.encode()).into(),
        head,
        newest_time: trust.anchor().unwrap_or(0),
        noted_at: now,
        minima: trust.minima(None),
        closed,
        signed: None,
    };
    Memory::create(staging.home(), &identity, &first)?;
    staging.publish(home.path())?;
    Ok(Founded { identity, opened, name: trust.name().to_owned(), head })
}

/// Returns where the memory begins: at the checkpoint, or at nothing.
fn start(plan: &Plan<'_>, trust: &Trust) -> Result<Head, CommandError> {
    let Some(note) = plan.checkpoint else { return Ok(Head::empty()) };
    let log: Vec<_> = trust.keys_of(Role::Log).cloned().collect();
    let verified = verify_checkpoint(note, plan.authority, &LogKeys { log: &log, witnesses: &[] });
    verified.map(|verified| *verified.head()).map_err(|refusal| {
        CommandError::refused(refusal.code(), "the checkpoint is not one of this authority's log")
            .cause(refusal.to_string())
            .hint("make one with `chancery log checkpoint`, and the bundle after the log key was certified")
    })
}

fn key_known(role: Role) -> CommandError {
    let message = format!("the authority has certified this key already, as {}", role.name());
    CommandError::refused("witness-key-known", message)
        .cause("a witness that lost its memory could sign under it what it has refused before")
        .hint("make a new key: name one that does not exist with `--key`, or leave `--key` out")
}
