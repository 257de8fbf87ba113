//! A new authority: keys, root version 1, the issuing key's record, and a home that is whole or absent.
//!
//! Everything is made in a folder beside the home, which takes the home's name as the last step. What
//! an interrupted run leaves is that folder, and keys in a device, which the next run finds and uses.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use chancery_carriers::files::create_private_folder;
use chancery_formats::document::Kind;
use chancery_formats::id::AuthorityId;
use chancery_formats::seal::Role;
use chancery_formats::trust::root::Custodians;
use chancery_formats::trust::{KeyMode, KeyRecord, Root, Scope};
use chancery_hsm_config::{HsmError, Key, KeyRef, Opened, PinSource, open_or_generate};

use super::label;
use super::signing::{DEFAULT_ALGORITHM, Sealer, resolve, seal_one};
use crate::error::CommandError;
use crate::home::Home;
use crate::repository::{Authority, KeyRole, NewKey, Repository};

/// Bytes of randomness, in hexadecimal, in the name of a folder in which a home is made.
const STAGING_RANDOM: usize = 6;

/// What `init` is asked for.
#[derive(Debug)]
pub struct Plan<'a> {
    /// The authority's name, as licenses show it.
    pub name: &'a str,
    /// Where the root key is, or is to be; a software key in the home where none is named.
    pub root_key: Option<&'a KeyRef>,
    /// Where the issuing key is, or is to be; a software key in the home where none is named.
    pub issuing_key: Option<&'a KeyRef>,
}

/// What `init` made.
#[derive(Debug)]
pub struct Made {
    /// The authority's id, for products to pin.
    pub authority: AuthorityId,
    /// The keys, root first, each with its reference and whether it was generated.
    pub keys: Vec<(KeyRole, KeyRef, Opened)>,
}

/// Makes an authority in `home`.
///
/// # Errors
///
/// A refusal where the home holds anything; those of the key backend and the repository. The home is
/// then as it was.
pub fn init(home: &Home, plan: &Plan<'_>, pins: &mut PinSource, now: u64) -> Result<Made, CommandError> {
    label::check(plan.name).map_err(|error| {
        CommandError::refused("name-refused", "name of the authority cannot be used")
            .cause(error.to_string())
            .hint("give a name of 1 to 128 bytes of plain text with `--name`")
    })?;
    require_free(home)?;
    let staging = Staging::beside(home.path())?;
    let made = fill(&staging.home, plan, pins, now)?;
    staging.publish(home.path())?;
    Ok(made)
}

fn fill(home: &Home, plan: &Plan<'_>, pins: &mut PinSource, now: u64) -> Result<Made, CommandError> {
    let mut repository = Repository::create(home)?;
    create_private_folder(&home.keys())?;
    let (root_reference, root) = open_key(home, plan.root_key, "keys/root.pem", pins)?;
    let (issuing_reference, issuing) =
        open_key(home, plan.issuing_key, "keys/issuing.pem", pins).or_else(|error| {
            // One passphrase given for a new authority in software protects both of its key files.
            match (plan.root_key, plan.issuing_key, &error) {
                (None, None, HsmError::PinMissing { .. }) => {
                    let [root, issuing] =
                        ["keys/root.pem", "keys/issuing.pem"].map(|path| resolve(home, &KeyRef::file(path)));
                    pins.share(&root.token(), &issuing.token());
                    open_key(home, None, "keys/issuing.pem", pins)
                }
                _ => Err(error),
            }
        })?;
    let keys = vec![(KeyRole::Root, root_reference, root), (KeyRole::Issuer, issuing_reference, issuing)];
    for (role, reference, opened) in &keys {
        let key = NewKey {
            public_key: opened.key.public_key(),
            role: *role,
            reference: &reference.to_string(),
            protection: opened.key.protection(),
        };
        repository.add_key(&key, now)?;
    }
    let [(_, _, root), (_, _, issuing)] = keys.as_slice() else {
        return Err(CommandError::failed("internal", "an authority has two keys"));
    };
    let authority = write_documents(&mut repository, plan.name, &root.key, &issuing.key, now)?;
    Ok(Made { authority, keys })
}

/// Writes root version 1 and the issuing key's record, and says who the authority is.
fn write_documents(
    repository: &mut Repository,
    name: &str,
    root_key: &Key,
    issuing_key: &Key,
    now: u64,
) -> Result<AuthorityId, CommandError> {
    let custodians = Custodians::encode(&[root_key.public_key()]);
    let custodians = Custodians::decode(&custodians)?;
    let root = Root { name, version: 1, previous: None, threshold: 1, custodians, made_at: now }.encode();
    let authority = Root::authority_id(&root);
    let sealer = Sealer { key: root_key, role: Role::Custodian, authority, root_version: 1 };
    seal_one(repository, &sealer, Kind::Root, root, 0, now)?;

    let record = KeyRecord {
        authority,
        role: Role::Issuer,
        key: issuing_key.public_key(),
        mode: KeyMode::Direct,
        co_signers: Vec::new(),
        typs: vec![Kind::License.typ()],
        scope: Scope::default(),
        not_before: now,
        not_after: None,
        protection: issuing_key.protection(),
        attestation: None,
    };
    seal_one(repository, &sealer, Kind::KeyRecord, record.encode(), 1, now)?;
    repository.set_key_record(issuing_key.public_key().thumbprint(), 1)?;
    repository.set_authority(&Authority {
        id: authority,
        name: name.to_owned(),
        root_version: 1,
        created_at: now,
    })?;
    Ok(authority)
}

fn open_key(
    home: &Home,
    named: Option<&KeyRef>,
    default: &str,
    pins: &mut PinSource,
) -> Result<(KeyRef, Opened), HsmError> {
    let reference = match named {
        // The home may be used from another folder than the one that `init` runs in.
        Some(reference) => match reference.file_path().map(std::path::absolute) {
            Some(Ok(path)) => KeyRef::file(path),
            _ => reference.clone(),
        },
        None => KeyRef::file(default),
    };
    let opened = open_or_generate(&resolve(home, &reference), DEFAULT_ALGORITHM, pins)?;
    Ok((reference, opened))
}

fn require_free(home: &Home) -> Result<(), CommandError> {
    let mut entries = match fs::read_dir(home.path()) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unusable(home.path(), &error)),
    };
    if home.database().symlink_metadata().is_ok() {
        return Err(CommandError::failed(
            "already-initialized",
            format!("{} holds an authority", shown(home.path())),
        )
        .hint("use it, or name another directory with `--home`"));
    }
    if entries.next().is_some() {
        return Err(CommandError::failed("home-not-empty", format!("{} is not empty", shown(home.path())))
            .hint("name a directory that is empty or does not exist with `--home`"));
    }
    Ok(())
}

fn shown(path: &Path) -> String {
    chancery_carriers::text::shown_path(path)
}

fn unusable(path: &Path, error: &std::io::Error) -> CommandError {
    CommandError::failed("home-unusable", format!("cannot make an authority in {}", shown(path)))
        .cause(error.to_string())
        .hint("name a directory that you may write to with `--home`; it must not be a mount point itself")
}

/// Returns the folders beside `home` in which an `init` that did not end was making it, sorted.
#[must_use]
pub fn unpublished(home: &Path) -> Vec<PathBuf> {
    let Ok(home) = std::path::absolute(home) else { return Vec::new() };
    let (Some(parent), prefix) = (home.parent(), staging_prefix(&home)) else { return Vec::new() };
    let is_staging = |name: &OsStr| {
        let tail = name.as_encoded_bytes().strip_prefix(prefix.as_encoded_bytes());
        tail.is_some_and(|tail| tail.len() == 2 * STAGING_RANDOM && tail.iter().all(u8::is_ascii_hexdigit))
    };
    // A parent that cannot be read hides the home as well, which is told where the home is opened.
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut found: Vec<_> =
        entries.filter(|entry| is_staging(&entry.file_name())).map(|entry| entry.path()).collect();
    found.sort();
    found
}

fn staging_prefix(home: &Path) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(home.file_name().unwrap_or_default());
    prefix.push(".init-");
    prefix
}

/// The folder in which a home is made; removed unless it is published.
struct Staging {
    home: Home,
    published: bool,
}

impl Staging {
    fn beside(target: &Path) -> Result<Self, CommandError> {
        let target = std::path::absolute(target).map_err(|error| unusable(target, &error))?;
        let parent = target.parent().ok_or_else(|| {
            CommandError::usage("the root directory cannot be a home")
                .hint("name a directory with `--home DIR`")
        })?;
        fs::create_dir_all(parent).map_err(|error| unusable(&target, &error))?;
        let mut random = [0; STAGING_RANDOM];
        getrandom::fill(&mut random)
            .map_err(|error| CommandError::failed("no-randomness", error.to_string()))?;
        let tail: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut name = staging_prefix(&target);
        name.push(tail);
        let path = parent.join(name);
        create_private_folder(&path)?;
        Ok(Self { home: Home::new(path), published: false })
    }

    /// Gives the folder the home's name. An empty directory of that name is replaced, nothing else is.
    fn publish(mut self, target: &Path) -> Result<(), CommandError> {
        fs::rename(self.home.path(), target).map_err(|error| unusable(target, &error))?;
        self.published = true;
        let parent: PathBuf = std::path::absolute(target)
            .ok()
            .and_then(|path| Some(path.parent()?.to_path_buf()))
            .unwrap_or_default();
        fs::File::open(&parent).and_then(|folder| folder.sync_all()).map_err(|error| unusable(target, &error))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.published {
            // Nothing in it is of use without the rest; keys in a device are found by the next run.
            let _ = fs::remove_dir_all(self.home.path());
        }
    }
}
