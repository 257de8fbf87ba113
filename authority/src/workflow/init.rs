//! A new authority: keys, root version 1, the issuing key's record, and a home that is whole or absent.
//!
//! Everything is made in a folder beside the home, which takes the home's name as the last step. What
//! an interrupted run leaves is that folder, and keys in a device, which the next run finds and uses.

use chancery_carriers::files::create_private_folder;
use chancery_formats::document::Kind;
use chancery_formats::id::AuthorityId;
use chancery_formats::seal::Role;
use chancery_formats::trust::{Custodians, KeyMode, KeyRecord, Quorum, Root, Scope};
use chancery_hsm_config::{HsmError, Key, KeyRef, Opened, PinSource, open_or_generate};

use super::label;
use super::signing::{DEFAULT_ALGORITHM, Sealer, resolve, seal_one};
use super::staging::{Staging, Task, require_free};
use crate::error::CommandError;
use crate::home::Home;
use crate::repository::{Authority, NewKey, Repository};

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
    pub keys: Vec<(Role, KeyRef, Opened)>,
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
    let staging = Staging::beside(home.path(), Task::Init)?;
    let made = fill(staging.home(), plan, pins, now)?;
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
    let keys = vec![(Role::Custodian, root_reference, root), (Role::Issuer, issuing_reference, issuing)];
    for (role, reference, opened) in &keys {
        let key = NewKey {
            public_key: opened.key.public_key(),
            role: *role,
            reference: Some(&reference.to_string()),
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
    let quorum = Quorum { threshold: 1, custodians: Custodians::decode(&custodians)?, partners: None };
    let root = Root {
        name,
        version: 1,
        previous: None,
        quorum,
        made_at: now,
        recovery: None,
        revealed: None,
        manifests: false,
    }
    .encode();
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
        partner: None,
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
