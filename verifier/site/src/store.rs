//! The state folder: what a site keeps between two runs, and the rule that it is never made anew silently.
//!
//! ```text
//! manifest.json        version, device, pinned authority: says that the state was made
//! device.key           the device's own key, PKCS#8, not encrypted, its owner's alone
//! trust.ctrust         the bundle of the pinned authority
//! minima.cbor          newest root, list and bundle by number and hash, which nobody can take back
//! licenses/PRODUCT.clic
//! proofs/LICENSE.tlog-proof            where the license needs one
//! requests/PRODUCT.ENTITLEMENT.creq    the newest request that no license has answered yet
//! ```
//!
//! The key is written before the manifest, and bundle and minima before their pin: whatever the manifest names
//! was there, so that its absence is an alarm. Modes resist mistakes, not the machine's owner. Not here: the
//! order in which bundle and minima change (`trusted`), whether a document is genuine, what a license allows.

use std::fs::File;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use chancery_carriers::files::{self, FileError};
use chancery_carriers::text::shown_path;
use chancery_formats::document::MAX_DOCUMENT;
use chancery_formats::id::{EntitlementId, LicenseId, Thumbprint, is_name};
use chancery_formats::key::{Algorithm, PublicKey};
use chancery_formats::log::proof::{self, MAX_PROOF};
use chancery_hsm_config::{HsmError, Key, SoftwareKey};
use chancery_verifier::signature::VerifyingKey;

use crate::error::CommandError;

mod manifest;
mod trusted;

use manifest::{Fault, Manifest, VERSION};

const MANIFEST: &str = "manifest.json";
const MAX_MANIFEST_BYTES: u64 = 4_096;
const DEVICE_KEY: &str = "device.key";
const LICENSES: &str = "licenses";
const PROOFS: &str = "proofs";
const REQUESTS: &str = "requests";

/// Where the state is; it may not exist yet.
#[derive(Clone, Debug)]
pub struct Store {
    path: PathBuf,
}

/// A state whose device key is there and was proved to sign.
#[derive(Debug)]
pub struct State {
    path: PathBuf,
    manifest: Manifest,
    key: Key,
}

/// Keeps other processes from changing the state for as long as it lives.
#[derive(Debug)]
pub struct Lock {
    _folder: File,
}

impl Store {
    /// Names the state at `path`, or at the platform's place: `$XDG_STATE_HOME/chancery-site`, or
    /// `~/.local/state/chancery-site`.
    pub fn new(path: Option<PathBuf>) -> Result<Self, CommandError> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let platform = || {
            let states =
                absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
            Some(states.join("chancery-site"))
        };
        path.or_else(platform).map(|path| Self { path }).ok_or_else(|| {
            CommandError::usage("no folder for the state is named").hint("name it with `--state DIR`")
        })
    }

    /// Returns the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the state; none where none was ever made. Changes nothing.
    ///
    /// # Errors
    ///
    /// An alarm where the state was made and something that it names is gone, damaged or another;
    /// a failure where the folder is open to others or cannot be read.
    pub fn open(&self) -> Result<Option<State>, CommandError> {
        match files::private_folder(&self.path) {
            Err(FileError::NotFound { .. }) => return Ok(None),
            other => other?,
        }
        let Some(bytes) = read(&self.path.join(MANIFEST), MAX_MANIFEST_BYTES)? else {
            return self.refuse_remains().map(|()| None);
        };
        let manifest = Manifest::decode(&bytes).map_err(no_manifest)?;
        let key_path = self.path.join(DEVICE_KEY);
        let key = SoftwareKey::open_unprotected(&key_path).map_err(|error| match error {
            HsmError::KeyMissing { .. } => lost_key("is gone", &key_path),
            HsmError::KeyFileInvalid { reason, .. } => lost_key("is damaged", &key_path).cause(reason),
            error => error.into(),
        })?;
        let key = Key::from_software(key)?;
        if key.public_key().thumbprint() != manifest.device {
            return Err(lost_key("is not the one that was made here", &key_path));
        }
        prove_possession(&key)?;
        Ok(Some(State { path: self.path.clone(), manifest, key }))
    }

    /// Without a manifest, a key alone is a first run that was interrupted; anything more is a state
    /// that lost its manifest.
    fn refuse_remains(&self) -> Result<(), CommandError> {
        let remains =
            [trusted::BUNDLE, trusted::MINIMA, LICENSES, PROOFS, REQUESTS].map(|name| self.path.join(name));
        match remains.iter().find(|path| path.symlink_metadata().is_ok()) {
            None => Ok(()),
            Some(_) => {
                let error = format!("the manifest of the state in {} is gone", shown_path(&self.path));
                Err(CommandError::alarm("manifest-lost", error)
                    .hint("restore the state folder from a backup of this machine; do not delete it"))
            }
        }
    }

    /// Takes the lock on the folder, making the folder first where it is missing. Waits for other processes.
    ///
    /// # Errors
    ///
    /// A failure where the folder cannot be made, is open to others or cannot be locked.
    pub fn lock(&self) -> Result<Lock, CommandError> {
        let failed = |action, source| FileError::Io { action, path: self.path.clone(), source };
        if let Some(parent) = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            // Owner-only, as the XDG base directory specification asks for what is made on the way.
            let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(parent);
            made.map_err(|source| failed("create the folder of", source))?;
        }
        match files::create_private_folder(&self.path) {
            Ok(()) | Err(FileError::AlreadyExists { .. }) => files::private_folder(&self.path)?,
            Err(error) => return Err(error.into()),
        }
        let folder = File::open(&self.path).map_err(|source| failed("open", source))?;
        folder.lock().map_err(|source| failed("lock", source))?;
        Ok(Lock { _folder: folder })
    }

    /// Opens the state, or makes it with a new device key where none was ever made; tells which.
    ///
    /// # Errors
    ///
    /// As [`Store::open`]; a failure where the key or the manifest cannot be written.
    pub fn open_or_make(&self, _lock: &Lock) -> Result<(State, bool), CommandError> {
        if let Some(state) = self.open()? {
            return Ok((state, false));
        }
        let key_path = self.path.join(DEVICE_KEY);
        // Where locks do not hold, the one that makes the file wins, and the other uses its key.
        let key = match SoftwareKey::create_unprotected(&key_path, Algorithm::Ed25519) {
            Err(HsmError::KeyExists { .. }) => SoftwareKey::open_unprotected(&key_path)?,
            other => other?,
        };
        let manifest = Manifest { device: key.public_key().thumbprint(), authority: None };
        match files::write_private(&self.path.join(MANIFEST), &manifest.encode()) {
            Ok(()) | Err(FileError::AlreadyExists { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let state = self.open()?.ok_or_else(|| {
            CommandError::alarm("manifest-lost", "the state vanished while it was being made")
                .hint("find out what deletes files in the state folder")
        })?;
        Ok((state, true))
    }
}

impl State {
    /// Returns the identity of the device key.
    pub fn device(&self) -> Thumbprint {
        self.manifest.device
    }

    /// Returns the device key's public half.
    pub fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }

    /// Signs with the device key; the signature was verified.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CommandError> {
        Ok(self.key.sign(message)?)
    }

    /// Returns the products that have a license, by name.
    pub fn products(&self) -> Result<Vec<String>, CommandError> {
        let names = self.names(LICENSES)?;
        Ok(names
            .iter()
            .filter_map(|name| name.strip_suffix(".clic"))
            .filter(|name| is_name(name))
            .map(String::from)
            .collect())
    }

    /// Reads the license of a product; not verified.
    pub fn license(&self, product: &str) -> Result<Option<Vec<u8>>, CommandError> {
        read(&self.license_path(product), MAX_DOCUMENT as u64)
    }

    /// Keeps the license of a product in place of the one before.
    pub fn keep_license(&self, product: &str, license: &[u8]) -> Result<(), CommandError> {
        self.make_folder(LICENSES)?;
        Ok(files::replace_private(&self.license_path(product), license)?)
    }

    /// Reads what shows that a license is in the vendor's log; not verified.
    pub fn proof(&self, license: LicenseId) -> Result<Option<Vec<u8>>, CommandError> {
        read(&self.proof_path(license), MAX_PROOF as u64)
    }

    /// Keeps what shows that a license is in the vendor's log. Kept before the license, which may need it.
    pub fn keep_proof(&self, license: LicenseId, proof: &[u8]) -> Result<(), CommandError> {
        self.make_folder(PROOFS)?;
        Ok(files::replace_private(&self.proof_path(license), proof)?)
    }

    /// Returns the requests that wait for an answer; not verified.
    pub fn requests(&self) -> Result<Vec<Vec<u8>>, CommandError> {
        let names = self.names(REQUESTS)?;
        let paths = names
            .iter()
            .filter(|name| name.ends_with(".creq"))
            .map(|name| self.path.join(REQUESTS).join(name));
        paths.filter_map(|path| read(&path, MAX_DOCUMENT as u64).transpose()).collect()
    }

    /// Keeps a request until it is answered, in place of an older one for the same entitlement.
    pub fn keep_request(
        &self,
        product: &str,
        entitlement: EntitlementId,
        request: &[u8],
    ) -> Result<(), CommandError> {
        self.make_folder(REQUESTS)?;
        Ok(files::replace_private(&self.request_path(product, entitlement), request)?)
    }

    /// Forgets the request that a license has answered, if there is one.
    pub fn drop_request(&self, product: &str, entitlement: EntitlementId) -> Result<(), CommandError> {
        let path = self.request_path(product, entitlement);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(FileError::Io { action: "remove", path, source }.into())
            }
            _ => Ok(()),
        }
    }

    fn license_path(&self, product: &str) -> PathBuf {
        self.path.join(LICENSES).join(format!("{product}.clic"))
    }

    fn proof_path(&self, license: LicenseId) -> PathBuf {
        self.path.join(PROOFS).join(format!("{license}.{}", proof::FILE_ENDING))
    }

    fn request_path(&self, product: &str, entitlement: EntitlementId) -> PathBuf {
        self.path.join(REQUESTS).join(format!("{product}.{entitlement}.creq"))
    }

    fn make_folder(&self, name: &str) -> Result<(), CommandError> {
        match files::create_private_folder(&self.path.join(name)) {
            Err(FileError::AlreadyExists { .. }) => Ok(()),
            other => Ok(other?),
        }
    }

    /// Lists a folder of the state by name; a folder that was never made is empty.
    fn names(&self, folder: &str) -> Result<Vec<String>, CommandError> {
        let path = self.path.join(folder);
        let failed = |source| FileError::Io { action: "read", path: path.clone(), source };
        let entries = match std::fs::read_dir(&path) {
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(failed)?,
        };
        let names = entries.map(|entry| Ok(entry.map_err(failed)?.file_name().into_string().ok()));
        let mut names = names.filter_map(Result::transpose).collect::<Result<Vec<_>, FileError>>()?;
        names.sort();
        Ok(names)
    }
}

/// Reads an owner-only file; none where it does not exist.
fn read(path: &Path, max_bytes: u64) -> Result<Option<Vec<u8>>, CommandError> {
    match files::read_private(path, max_bytes) {
        Err(FileError::NotFound { .. }) => Ok(None),
        other => Ok(Some(other?)),
    }
}

/// Signs fresh random bytes and checks the signature as a stranger would.
///
/// The bytes begin with words, so that they are the Sig_structure of no document.
fn prove_possession(key: &Key) -> Result<(), CommandError> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|source| HsmError::Random { source: source.into() })?;
    let challenge = [&b"chancery-site device key: "[..], &random].concat();
    let signature = key.sign(&challenge)?;
    let proved =
        VerifyingKey::load(&key.public_key()).and_then(|public| public.verify(&challenge, &signature));
    proved.map_err(|refusal| CommandError::not_genuine("the device key does not sign", &refusal))
}

/// What people are told of bytes that are no manifest.
fn no_manifest(fault: Fault) -> CommandError {
    match fault {
        Fault::Damaged => CommandError::alarm("manifest-damaged", "the manifest of the state is damaged")
            .hint("restore the state folder from a backup of this machine; do not delete it"),
        Fault::Version(version) => {
            let error = format!("the state is of version {version}, and this program knows {VERSION}");
            CommandError::failed("state-version", error)
                .hint("use a release of chancery-site that knows this version")
        }
    }
}

fn lost_key(what: &str, path: &Path) -> CommandError {
    CommandError::alarm("device-key-lost", format!("the device key {} {what}", shown_path(path))).hint(
        "restore it from a backup of this machine; where there is none, move the state folder away, make a new \
         request, and tell the vendor that this device's licenses have to be issued again",
    )
}
