//! Reading who is to be a custodian: a TOML file with a threshold and one entry a custodian.
//!
//! ```toml
//! threshold = 2
//!
//! [[custodian]]
//! public-key = "alice.pem"             # on another machine; counts from the folder of this file
//!
//! [[custodian]]
//! key = "pkcs11:token=bob;object=root" # on this machine; made where it does not exist
//!
//! [[custodian]]
//! kid = "0123456789abcdef"             # who is one already
//! ```
//!
//! In hybrid trust an entry names the ML-DSA-87 partner as well: the file of its public key as `partner`, or where the
//! key is on this machine as `partner-key`. Unknown keys are refused. Not here: what becomes of it (`rotation`).

use std::path::{Path, PathBuf};

use chancery_carriers::files::read_document;
use chancery_formats::id::KeyId;
use chancery_formats::key::{Algorithm, Protection, PublicKey};
use chancery_hsm_config::{Key, KeyRef, PinSource, open_or_generate};
use serde::Deserialize;

use super::custody::{Custodian, Quorum};
use super::role::portable;
use super::signatory::require_pair;
use super::signing::{DEFAULT_ALGORITHM, resolve};
use crate::error::CommandError;
use crate::home::Home;
use crate::output::public_key;

/// Largest file of custodians, in bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// Largest file of a public key, in bytes.
const MAX_PUBLIC_KEY_BYTES: u64 = 16 * 1024;

/// Where a custodian's key is on this machine.
#[derive(Clone, Debug)]
pub struct Seat {
    /// The key.
    pub public_key: PublicKey,
    /// Where the key backend finds it.
    pub reference: String,
    /// Where it lives.
    pub protection: Protection,
}

/// Custodians as they were named, and those of their keys that are on this machine.
#[derive(Debug, Default)]
pub struct Roster {
    /// The custodians, in the order in which they were named.
    pub custodians: Vec<Custodian>,
    /// Where keys of this machine are.
    pub seats: Vec<Seat>,
    /// These keys, open.
    pub opened: Vec<Key>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    threshold: usize,
    custodian: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Entry {
    public_key: Option<PathBuf>,
    key: Option<String>,
    kid: Option<String>,
    partner: Option<PathBuf>,
    partner_key: Option<String>,
}

impl Roster {
    /// Reads a file; `known` are those whom an entry may name by key id. Returns the threshold.
    ///
    /// # Errors
    ///
    /// A refusal of a file that is none; those of the keys that it names.
    pub fn read(
        &mut self,
        path: &Path,
        known: &[Custodian],
        home: &Home,
        pins: &mut PinSource,
    ) -> Result<usize, CommandError> {
        let bytes = read_document(path, MAX_BYTES)?;
        let refuse = |cause: String| {
            CommandError::refused("roster-invalid", format!("{} does not name custodians", path.display()))
                .cause(cause)
                .hint("see `docs/guide/rotating-a-key.md` for what such a file holds")
        };
        let text = String::from_utf8(bytes).map_err(|error| refuse(error.to_string()))?;
        let file: File =
            toml::from_str(&text).map_err(|error| refuse(error.to_string().trim().to_owned()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for entry in &file.custodian {
            match entry {
                Entry { public_key: Some(public), key: None, kid: None, partner, partner_key: None } => {
                    let key = read_public_key(&folder.join(public))?;
                    self.add(key, partner.as_deref().map(|path| folder.join(path)).as_deref())?;
                }
                Entry { public_key: None, key: Some(key), kid: None, partner: None, partner_key } => {
                    let partner = partner_key.as_deref().map(str::parse).transpose()?;
                    self.add_key(&key.parse()?, partner.as_ref(), home, pins)?;
                }
                Entry { public_key: None, key: None, kid: Some(kid), partner: None, partner_key: None } => {
                    let kid = kid.parse().map_err(|_| refuse(format!("{kid} is no key id")))?;
                    self.keep(kid, known)?;
                }
                _ => {
                    let cause = "each custodian has one of public-key, key and kid; `partner` stands beside \
                                 public-key, and `partner-key` beside key";
                    return Err(refuse(cause.to_owned()));
                }
            }
        }
        Ok(file.threshold)
    }

    /// Adds a custodian on another machine, with the file of the partner's public key in hybrid trust.
    ///
    /// # Errors
    ///
    /// A refusal of a file that holds no public key, or one of another algorithm.
    pub fn add(&mut self, key: PublicKey, partner: Option<&Path>) -> Result<(), CommandError> {
        self.push(key, partner.map(read_public_key).transpose()?)
    }

    fn push(&mut self, key: PublicKey, partner: Option<PublicKey>) -> Result<(), CommandError> {
        let hint = "name the Ed25519 key as `public-key` and the ML-DSA-87 key as its `partner`";
        require_pair(&key, partner.as_ref(), hint)?;
        self.custodians.push(Custodian { key, partner });
        Ok(())
    }

    /// Adds a custodian whose key is on this machine, with the ML-DSA-87 key beside it in hybrid trust; made where
    /// they do not exist.
    ///
    /// # Errors
    ///
    /// Those of the key backend; a refusal of a key that is no partner, or nothing but one.
    pub fn add_key(
        &mut self,
        named: &KeyRef,
        partner: Option<&KeyRef>,
        home: &Home,
        pins: &mut PinSource,
    ) -> Result<(), CommandError> {
        let key = self.open(named, DEFAULT_ALGORITHM, home, pins)?;
        let partner = match partner {
            Some(partner) => Some(self.open(partner, Algorithm::MlDsa87, home, pins)?),
            None => None,
        };
        self.push(key, partner)
    }

    /// Opens a key of this machine, or makes it, and notes where it is.
    fn open(
        &mut self,
        named: &KeyRef,
        algorithm: Algorithm,
        home: &Home,
        pins: &mut PinSource,
    ) -> Result<PublicKey, CommandError> {
        let reference = portable(home, named);
        let key = open_or_generate(&resolve(home, &reference), algorithm, pins)?.key;
        let (public_key, protection) = (key.public_key(), key.protection());
        self.seats.push(Seat {
            public_key: public_key.clone(),
            reference: reference.to_string(),
            protection,
        });
        self.opened.push(key);
        Ok(public_key)
    }

    /// Adds one of those who are known.
    ///
    /// # Errors
    ///
    /// `custodian-unknown`.
    pub fn keep(&mut self, kid: KeyId, known: &[Custodian]) -> Result<(), CommandError> {
        let found = known.iter().find(|custodian| custodian.key.key_id() == kid).ok_or_else(|| {
            CommandError::refused("custodian-unknown", format!("key {kid} is no custodian's"))
                .hint("list the custodians with `chancery root show`")
        })?;
        self.custodians.push(found.clone());
        Ok(())
    }

    /// Takes a custodian out.
    ///
    /// # Errors
    ///
    /// `custodian-unknown`.
    pub fn remove(&mut self, kid: KeyId) -> Result<(), CommandError> {
        let before = self.custodians.len();
        self.custodians.retain(|custodian| custodian.key.key_id() != kid);
        if self.custodians.len() < before {
            return Ok(());
        }
        Err(CommandError::refused("custodian-unknown", format!("key {kid} is no custodian's"))
            .hint("list the custodians with `chancery root show`"))
    }

    /// Returns the custodians as a quorum.
    ///
    /// # Errors
    ///
    /// Those of [`Quorum::new`].
    pub fn quorum(&self, threshold: usize) -> Result<Quorum, CommandError> {
        Quorum::new(threshold, self.custodians.clone())
    }
}

/// Reads a file with a public key.
///
/// # Errors
///
/// A file that cannot be read; a refusal of one that holds none.
pub fn read_public_key(path: &Path) -> Result<PublicKey, CommandError> {
    public_key::read(&read_document(path, MAX_PUBLIC_KEY_BYTES)?)
}
