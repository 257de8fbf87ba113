//! Keys in files and in memory.
//!
//! An encrypted key file is PKCS#8 (RFC 5958) under PBES2 with scrypt (RFC 7914) and AES-256-CBC, as PEM:
//! `openssl pkey` reads it. Whoever owns the machine while the file is open owns the key, so its
//! certificates say `software`. Not here: backups of the file, which are copies of it.

mod file;
mod ml_dsa;

use std::fmt;
use std::path::{Path, PathBuf};

use chancery_formats::key::{Algorithm, Protection, PublicKey};
use ed25519_dalek::Signer as _;
use pkcs8::pkcs5::{pbes2, scrypt};
use pkcs8::{
    DecodePrivateKey, EncodePrivateKey, EncryptedPrivateKeyInfoRef, LineEnding, PrivateKeyInfoRef,
    SecretDocument,
};
use zeroize::Zeroizing;

use self::ml_dsa::MlDsaKey;
use super::{Connected, Device, Health, KeyBackend, KeyInfo, Purpose};
use crate::error::HsmError;
use crate::reference::{KeyRef, TokenRef};
use crate::secret::{Pin, PinSource};

/// The most memory that the scrypt parameters of a key file may ask for, in bytes.
const MAX_SCRYPT_BYTES: u64 = 1 << 30;

/// OpenSSL allows scrypt 32 MiB: N = 2^14, r = 8 takes 16 MiB, and p = 5 makes a guess about as costly
/// as N = 2^16 would.
const SCRYPT_LOG_N: u8 = 14;
const SCRYPT_R: u32 = 8;
const SCRYPT_P: u32 = 5;

/// A private key in memory. Its bytes are wiped when it is dropped.
pub struct SoftwareKey(Secret);

enum Secret {
    Ed25519(Box<ed25519_dalek::SigningKey>),
    MlDsa87(Box<MlDsaKey>),
    P256(Box<p256::ecdsa::SigningKey>),
}

impl SoftwareKey {
    /// Makes a key that lives in memory alone.
    ///
    /// # Errors
    ///
    /// [`HsmError::Random`] when the operating system gives no random bytes;
    /// [`HsmError::Unsupported`] for another algorithm.
    pub fn ephemeral(algorithm: Algorithm) -> Result<Self, HsmError> {
        let mut seed = Zeroizing::new([0; 32]);
        loop {
            getrandom::fill(seed.as_mut_slice())
                .map_err(|source| HsmError::Random { source: source.into() })?;
            match algorithm {
                Algorithm::Ed25519 => {
                    return Ok(Self(Secret::Ed25519(ed25519_dalek::SigningKey::from_bytes(&seed).into())));
                }
                Algorithm::MlDsa87 => return Ok(Self(Secret::MlDsa87(MlDsaKey::from_seed(&seed).into()))),
                Algorithm::Esp256 => {
                    // Once in 2^32 the bytes are no scalar of the curve, and others are drawn.
                    if let Ok(key) = p256::ecdsa::SigningKey::from_slice(seed.as_slice()) {
                        return Ok(Self(Secret::P256(key.into())));
                    }
                }
                _ => {
                    let token = TokenRef::File("memory".into()).into();
                    return Err(HsmError::Unsupported { token, algorithm });
                }
            }
        }
    }

    /// Makes a key and keeps it in a new file, not encrypted, that only its owner can read.
    ///
    /// For a key that a program must use without a person, such as a site's device key. It resists
    /// mistakes, not the machine's owner, who can copy the file.
    ///
    /// # Errors
    ///
    /// [`HsmError::KeyExists`] when something has that name; [`HsmError::File`] when it cannot be
    /// written; as [`SoftwareKey::ephemeral`].
    pub fn create_unprotected(path: &Path, algorithm: Algorithm) -> Result<Self, HsmError> {
        let key = Self::ephemeral(algorithm)?;
        let pem = key.to_pkcs8(path)?.to_pem("PRIVATE KEY", LineEnding::LF);
        let pem = pem.map_err(|_| invalid(path, "it cannot be encoded"))?;
        file::create_new(path, pem.as_bytes())?;
        Ok(key)
    }

    /// Opens a key file that [`SoftwareKey::create_unprotected`] has made.
    ///
    /// # Errors
    ///
    /// [`HsmError::KeyMissing`] when there is no such file; [`HsmError::PermissionsTooOpen`] when others can
    /// read or write it; [`HsmError::KeyFileInvalid`] when it is something else.
    pub fn open_unprotected(path: &Path) -> Result<Self, HsmError> {
        let text = file::read(path)?;
        let (label, document) =
            SecretDocument::from_pem(&text).map_err(|_| invalid(path, "not PEM, or not one document"))?;
        if label != "PRIVATE KEY" {
            return Err(invalid(path, "not an unencrypted PKCS#8 key"));
        }
        Self::from_pkcs8(path, &document)
    }

    /// Keeps the key in a new encrypted file.
    fn create_encrypted(&self, path: &Path, passphrase: &Pin) -> Result<(), HsmError> {
        let failed = || invalid(path, "it cannot be encrypted");
        let (mut salt, mut iv) = ([0; 16], [0; 16]);
        for random in [&mut salt, &mut iv] {
            getrandom::fill(random).map_err(|source| HsmError::Random { source: source.into() })?;
        }
        let cost = scrypt::Params::new(SCRYPT_LOG_N, SCRYPT_R, SCRYPT_P).map_err(|_| failed())?;
        let parameters =
            pbes2::Parameters::generate_scrypt_aes256cbc(cost, &salt, iv).map_err(|_| failed())?;
        let document = self.to_pkcs8(path)?;
        let key = PrivateKeyInfoRef::try_from(document.as_bytes()).map_err(|_| failed())?;
        let encrypted = key.encrypt_with_params(parameters, passphrase.expose()).map_err(|_| failed())?;
        let pem = encrypted.to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF).map_err(|_| failed())?;
        file::create_new(path, pem.as_bytes())
    }

    fn open_encrypted(path: &Path, passphrase: &Pin) -> Result<Self, HsmError> {
        let text = file::read(path)?;
        let (label, document) =
            SecretDocument::from_pem(&text).map_err(|_| invalid(path, "not PEM, or not one document"))?;
        if label != "ENCRYPTED PRIVATE KEY" {
            return Err(invalid(path, "not an encrypted PKCS#8 key"));
        }
        let encrypted = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes())
            .map_err(|_| invalid(path, "not an encrypted PKCS#8 key"))?;
        let scrypt = encrypted.encryption_algorithm.pbes2().and_then(|scheme| scheme.kdf.scrypt());
        let scrypt = scrypt.ok_or(invalid(path, "not encrypted with PBES2 and scrypt"))?;
        let work = u64::from(scrypt.block_size) * 128 * u64::from(scrypt.parallelization).max(1);
        if scrypt.cost_parameter.checked_mul(work).is_none_or(|bytes| bytes > MAX_SCRYPT_BYTES) {
            return Err(invalid(path, "its scrypt parameters ask for too much work"));
        }
        let wrong = || HsmError::WrongPin { token: TokenRef::File(path.to_owned()).into(), left: None };
        let document = encrypted.decrypt(passphrase.expose()).map_err(|_| wrong())?;
        Self::from_pkcs8(path, &document)
    }

    fn to_pkcs8(&self, path: &Path) -> Result<SecretDocument, HsmError> {
        let document = match &self.0 {
            // Without the public key: OpenSSL 3.0 does not read the newer version that carries it.
            Secret::Ed25519(key) => {
                ed25519_dalek::pkcs8::KeypairBytes { secret_key: key.to_bytes(), public_key: None }
                    .to_pkcs8_der()
            }
            Secret::MlDsa87(key) => key.to_pkcs8_der(),
            Secret::P256(key) => key.to_pkcs8_der(),
        };
        document.map_err(|_| invalid(path, "it cannot be encoded"))
    }

    fn from_pkcs8(path: &Path, document: &SecretDocument) -> Result<Self, HsmError> {
        let der = document.as_bytes();
        if let Ok(key) = ed25519_dalek::SigningKey::from_pkcs8_der(der) {
            return Ok(Self(Secret::Ed25519(key.into())));
        }
        if let Ok(key) = p256::ecdsa::SigningKey::from_pkcs8_der(der) {
            return Ok(Self(Secret::P256(key.into())));
        }
        match MlDsaKey::from_pkcs8_der(der) {
            Ok(key) => Ok(Self(Secret::MlDsa87(key.into()))),
            Err(_) => Err(invalid(
                path,
                "neither an Ed25519 key, nor a P-256 key, nor the seed of an ML-DSA-87 key",
            )),
        }
    }

    /// Returns the public key.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        match &self.0 {
            Secret::Ed25519(key) => PublicKey::Ed25519(key.verifying_key().to_bytes()),
            Secret::MlDsa87(key) => PublicKey::MlDsa87(key.public_key()),
            Secret::P256(key) => {
                let point = key.verifying_key().to_sec1_point(false);
                let mut coordinates = point.as_bytes().iter().skip(1).copied();
                let mut half = || std::array::from_fn(|_| coordinates.next().unwrap_or_default());
                PublicKey::P256 { x: half(), y: half() }
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, HsmError> {
        match &self.0 {
            Secret::Ed25519(key) => Ok(key.sign(message).to_bytes().to_vec()),
            Secret::MlDsa87(key) => key.sign(message),
            Secret::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                Ok(signature.to_bytes().to_vec())
            }
        }
    }
}

impl fmt::Debug for SoftwareKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SoftwareKey(hidden, public key {})", self.public_key().thumbprint())
    }
}

/// A key file as a token: it holds one key, or none yet.
#[derive(Debug)]
pub struct SoftwareBackend {
    path: PathBuf,
    /// Nothing for a key that lives in memory alone.
    passphrase: Option<Pin>,
    key: Option<SoftwareKey>,
}

/// Opens the file, or gets ready to make it.
pub(super) fn connect(path: &Path, purpose: Purpose, pins: &mut PinSource) -> Result<Connected, HsmError> {
    let backend = SoftwareBackend::open(path, purpose, pins)?;
    Ok(Connected { pin: backend.passphrase.clone(), backend: Box::new(backend) })
}

impl SoftwareBackend {
    fn open(path: &Path, purpose: Purpose, pins: &mut PinSource) -> Result<Self, HsmError> {
        let token = TokenRef::File(path.to_owned());
        // Whether the file is there is settled before anybody types a passphrase for it.
        let (passphrase, key) = match purpose {
            Purpose::Generate => {
                file::refuse_existing(path)?;
                (pins.new_passphrase(&token)?, None)
            }
            Purpose::Use => {
                file::read(path)?;
                let passphrase = pins.pin(&token)?;
                let key = SoftwareKey::open_encrypted(path, &passphrase)?;
                (passphrase, Some(key))
            }
        };
        Ok(Self { path: path.to_owned(), passphrase: Some(passphrase), key })
    }

    /// Takes a key that lives in memory alone.
    pub(crate) fn holding(key: SoftwareKey) -> Self {
        Self { path: "memory".into(), passphrase: None, key: Some(key) }
    }

    pub(crate) fn reference(&self) -> KeyRef {
        KeyRef::file(&self.path)
    }

    fn key(&self, reference: &KeyRef) -> Result<&SoftwareKey, HsmError> {
        match &self.key {
            Some(key) if reference.file_path() == Some(&self.path) => Ok(key),
            _ => Err(HsmError::KeyMissing { key: reference.clone().into() }),
        }
    }
}

impl KeyBackend for SoftwareBackend {
    fn protection(&self) -> Protection {
        Protection::Software // certified as such, so that verifiers can refuse it
    }

    fn health(&mut self) -> Result<Health, HsmError> {
        if self.passphrase.is_some() {
            file::read(&self.path)?;
        }
        Ok(Health { device: device(), ..Health::default() })
    }

    fn list(&mut self) -> Result<Vec<KeyInfo>, HsmError> {
        self.find(&self.reference()).map(|info| vec![info])
    }

    fn find(&mut self, key: &KeyRef) -> Result<KeyInfo, HsmError> {
        let public_key = self.key(key)?.public_key();
        Ok(KeyInfo {
            reference: self.reference().with_public_key(public_key.thumbprint()),
            label: String::new(),
            public_key,
            device: device(),
            exportable: Some(true),
            generated_inside: Some(false),
        })
    }

    fn generate(&mut self, key: &KeyRef, algorithm: Algorithm) -> Result<(), HsmError> {
        match &self.passphrase {
            Some(passphrase) if self.key.is_none() => {
                let new = SoftwareKey::ephemeral(algorithm)?;
                new.create_encrypted(&self.path, passphrase)?;
                self.key = Some(new);
                Ok(())
            }
            _ => Err(HsmError::KeyExists { key: key.clone().into() }),
        }
    }

    fn sign(&mut self, key: &KeyRef, message: &[u8]) -> Result<Vec<u8>, HsmError> {
        self.key(key)?.sign(message)
    }

    fn reopen(&mut self) -> Result<(), HsmError> {
        if let Some(passphrase) = &self.passphrase {
            self.key = Some(SoftwareKey::open_encrypted(&self.path, passphrase)?);
        }
        Ok(())
    }
}

fn device() -> Device {
    Device { model: "key file".into(), ..Device::default() }
}

fn invalid(path: &Path, reason: &'static str) -> HsmError {
    HsmError::KeyFileInvalid { path: path.to_owned(), reason }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;
