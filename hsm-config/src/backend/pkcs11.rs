//! Keys on PKCS#11 tokens: smart cards, HSMs and SoftHSM2, through the module of their vendor.
//!
//! PKCS#11 v2.40, v3.0 and v3.2, of which CKM_ECDSA over our own SHA-256, single-part CKM_EDDSA and CKM_ML_DSA
//! with the empty context are used; whether the token hedges ML-DSA is left to it. A module's mechanism list is not consulted: SoftHSM2 leaves out CKM_EDDSA, with which it signs. Not
//! here: initializing tokens and changing PINs, which their own tools do.

mod fault;
mod module;
mod object;
pub(crate) mod probe;

use std::sync::Arc;

use chancery_formats::id::is_label;
use chancery_formats::key::{Algorithm, Protection};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::dsa::{HedgeType, SignAdditionalContext};
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, KeyType, MlDsaParameterSetType};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::TokenInfo;
use cryptoki::types::AuthPin;
use sha2::{Digest, Sha256};

use self::module::{Module, Opened};
use self::object::{EDWARDS25519, P256, PrivateObject};
use super::fault::Faults;
use super::{Connected, Device, Health, KeyBackend, KeyInfo};
use crate::error::HsmError;
use crate::reference::{KeyRef, Location, Pkcs11Object, Pkcs11Token, TokenRef};
use crate::secret::{Pin, PinSource};

/// An open token behind a PKCS#11 module.
struct Pkcs11Backend {
    token: Pkcs11Token,
    module: Arc<Module>,
    /// Nothing for a token that needs no login.
    pin: Option<Pin>,
    opened: Opened,
    /// The key found last, so that each signature need not look for it again.
    found: Option<(Location, PrivateObject)>,
}

/// Loads the module, finds the token and logs in.
pub(super) fn connect(token: &Pkcs11Token, pins: &mut PinSource) -> Result<Connected, HsmError> {
    let module = Module::load(&token.module_path)?;
    let mut pin = None;
    let opened = module.open(token, |session| {
        let known = pins.pin(&TokenRef::Pkcs11(token.clone()))?;
        login(session, token, &known)?;
        pin = Some(known);
        Ok(())
    })?;
    let backend = Pkcs11Backend { token: token.clone(), module, pin: pin.clone(), opened, found: None };
    Ok(Connected { backend: Box::new(backend), pin })
}

fn login(session: &Session, token: &Pkcs11Token, pin: &Pin) -> Result<(), HsmError> {
    let secret = AuthPin::from(pin.expose());
    Faults(token).login(session.login(UserType::User, Some(&secret)))
}

impl Pkcs11Backend {
    /// Runs `work` on the session, unless the module was initialized anew since it was opened.
    fn with_session<T>(&self, work: impl FnOnce(&Session) -> Result<T, HsmError>) -> Result<T, HsmError> {
        let faults = Faults(&self.token);
        self.module
            .with(&self.opened, work)
            .unwrap_or_else(|| Err(faults.lost("the module was initialized anew".into())))
    }

    /// Signs with the PIN given between the start and the end, as PIV slot 9c wants it; nothing where the module
    /// does not take the data so.
    fn sign_in_parts(
        &self,
        session: &Session,
        key: &KeyRef,
        mechanism: &Mechanism,
        data: &[u8],
    ) -> Result<Option<Vec<u8>>, HsmError> {
        use RvError::{FunctionNotSupported, OperationNotInitialized};

        let faults = Faults(&self.token);
        let Some((_, private)) = &self.found else {
            return Err(HsmError::KeyMissing { key: key.clone().into() });
        };
        session.sign_init(mechanism, private.handle).map_err(|e| faults.from(e))?;
        if let Some(pin) = &self.pin {
            let secret = AuthPin::from(pin.expose());
            faults.login(session.login(UserType::ContextSpecific, Some(&secret)))?;
        }
        match session.sign_update(data) {
            Err(Error::Pkcs11(FunctionNotSupported | OperationNotInitialized, _)) => return Ok(None),
            other => other.map_err(|e| faults.signing(e, key))?,
        }
        session.sign_final().map(Some).map_err(|e| faults.signing(e, key))
    }

    fn object<'a>(&self, key: &'a KeyRef) -> Result<&'a Pkcs11Object, HsmError> {
        match key.location() {
            Location::Pkcs11(token, object) if *token == self.token => Ok(object),
            _ => Err(HsmError::KeyMissing { key: key.clone().into() }),
        }
    }

    /// Finds exactly one private key.
    fn private(&self, session: &Session, key: &KeyRef) -> Result<PrivateObject, HsmError> {
        let handles =
            object::private_handles(session, self.object(key)?).map_err(|e| Faults(&self.token).from(e))?;
        match handles[..] {
            [handle] => object::read(session, handle, Faults(&self.token), key),
            [] => Err(HsmError::KeyMissing { key: key.clone().into() }),
            _ => Err(HsmError::KeyAmbiguous { key: key.clone().into(), count: handles.len() }),
        }
    }

    fn info(&self, private: &PrivateObject) -> KeyInfo {
        let object = Pkcs11Object { object: private.plain_label(), id: private.usable_id() };
        let reference = KeyRef::new(Location::Pkcs11(self.token.clone(), object));
        KeyInfo {
            reference: reference.with_public_key(private.public_key.thumbprint()),
            label: private.label.clone(),
            public_key: private.public_key.clone(),
            device: self.opened.device(),
            exportable: private.exportable(),
            generated_inside: private.generated_inside(),
        }
    }

    fn refuse_existing(&self, session: &Session, key: &KeyRef) -> Result<(), HsmError> {
        let name = self.object(key)?;
        let by_label = Pkcs11Object { object: name.object.clone(), id: None };
        let by_id = Pkcs11Object { object: None, id: name.id.clone() };
        for part in [by_label, by_id] {
            let is_given = part.object.is_some() || part.id.is_some();
            let taken =
                |session| object::private_handles(session, &part).map_err(|e| Faults(&self.token).from(e));
            if is_given && !taken(session)?.is_empty() {
                return Err(HsmError::KeyExists { key: key.clone().into() });
            }
        }
        Ok(())
    }
}

impl KeyBackend for Pkcs11Backend {
    fn protection(&self) -> Protection {
        Protection::Hardware
    }

    fn health(&mut self) -> Result<Health, HsmError> {
        self.with_session(|session| Faults(&self.token).check(session, self.pin.is_some()))?;
        let info = self.module.token_info(&self.token)?;
        // PKCS#11 tells only that few tries are left, and that one is.
        let pin_tries_left = if info.user_pin_final_try() { Some(1) } else { None };
        Ok(Health { device: device(&info), pin_tries_left, ..Health::default() })
    }

    fn list(&mut self) -> Result<Vec<KeyInfo>, HsmError> {
        let faults = Faults(&self.token);
        let any = Pkcs11Object { object: None, id: None };
        let key = KeyRef::new(Location::Pkcs11(self.token.clone(), any.clone()));
        self.with_session(|session| {
            let mut keys = Vec::new();
            for handle in object::private_handles(session, &any).map_err(|e| faults.from(e))? {
                match object::read(session, handle, faults, &key) {
                    Ok(private) => keys.push(self.info(&private)),
                    Err(HsmError::PublicKeyUnusable { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(keys)
        })
    }

    fn find(&mut self, key: &KeyRef) -> Result<KeyInfo, HsmError> {
        let private = self.with_session(|session| self.private(session, key))?;
        let info = self.info(&private);
        self.found = Some((key.location().clone(), private));
        Ok(info)
    }

    fn generate(&mut self, key: &KeyRef, algorithm: Algorithm) -> Result<(), HsmError> {
        let faults = Faults(&self.token);
        let curve = |curve: &[u8]| Attribute::EcParams(curve.to_vec());
        let (mechanism, key_type, parameters) = match algorithm {
            Algorithm::Ed25519 => (Mechanism::EccEdwardsKeyPairGen, KeyType::EC_EDWARDS, curve(EDWARDS25519)),
            Algorithm::Esp256 => (Mechanism::EccKeyPairGen, KeyType::EC, curve(P256)),
            Algorithm::MlDsa87 => {
                let set = MlDsaParameterSetType::ML_DSA_87.into();
                (Mechanism::MlDsaKeyPairGen, KeyType::ML_DSA, Attribute::ParameterSet(set))
            }
            _ => return Err(faults.unsupported(algorithm)),
        };
        let name = self.object(key)?;
        let label = Attribute::Label(name.object.as_deref().unwrap_or("chancery").into());
        let id = Attribute::Id(name.id.clone().map_or_else(random_id, Ok)?);
        let shared = [Attribute::Token(true), Attribute::KeyType(key_type), label, id];
        // Without CKA_VERIFY, which tpm2-pkcs11 takes for the right to decrypt, and which is refused below.
        let public = [Attribute::Private(false), parameters];
        let private = [
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
            // SoftHSM2 would allow these where they are left out.
            Attribute::Decrypt(false),
            Attribute::Derive(false),
            Attribute::SignRecover(false),
            Attribute::Unwrap(false),
        ];
        self.with_session(|session| {
            self.refuse_existing(session, key)?;
            let (public, private) = ([&shared[..], &public].concat(), [&shared[..], &private].concat());
            let pair = session.generate_key_pair(&mechanism, &public, &private);
            let (public, private) = pair.map_err(|error| faults.generating(error, algorithm))?;
            let checked = object::refuse_exportable(session, private, faults, key);
            if checked.is_err() {
                // A key that is refused must not stay under the name that was asked for.
                let _ = session.destroy_object(private).and(session.destroy_object(public));
            }
            checked
        })
    }

    fn sign(&mut self, key: &KeyRef, message: &[u8]) -> Result<Vec<u8>, HsmError> {
        if self.found.as_ref().is_none_or(|(found, _)| found != key.location()) {
            self.find(key)?;
        }
        let faults = Faults(&self.token);
        let Some((_, private)) = &self.found else {
            return Err(HsmError::KeyMissing { key: key.clone().into() });
        };
        // The module signs what it is given: SoftHSM2 takes even 31 bytes for a digest.
        let digest = Sha256::digest(message);
        let (mechanism, input): (_, &[u8]) = match private.public_key.algorithm() {
            Algorithm::Ed25519 => {
                (Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519)), message)
            }
            Algorithm::Esp256 => (Mechanism::Ecdsa, &digest),
            Algorithm::MlDsa87 => {
                (Mechanism::MlDsa(SignAdditionalContext::new(HedgeType::Preferred, None)), message)
            }
            other => return Err(faults.unsupported(other)),
        };
        let signature = self.with_session(|session| {
            // What is wrong before the device is asked to sign is certain to be without a signature.
            faults.check(session, self.pin.is_some())?;
            if !private.always_authenticate {
                return session.sign(&mechanism, private.handle, input).map_err(|e| faults.signing(e, key));
            }
            let signed = match self.sign_in_parts(session, key, &mechanism, input)? {
                // CKM_ECDSA is for data in one part. Some modules take it in parts nevertheless, others do not.
                None if matches!(mechanism, Mechanism::Ecdsa) => {
                    self.sign_in_parts(session, key, &Mechanism::EcdsaSha256, message)?
                }
                signed => signed,
            };
            signed.ok_or_else(|| {
                faults.device("it does not sign in parts, which a PIN for each use needs".into())
            })
        })?;
        if signature.len() != private.public_key.algorithm().signature_len() {
            return Err(faults.device(format!("a signature of {} bytes", signature.len()).into()));
        }
        Ok(signature)
    }

    fn reopen(&mut self) -> Result<(), HsmError> {
        self.found = None;
        let (token, pin) = (&self.token, self.pin.as_ref());
        self.opened = self.module.reopen(token, &self.opened, |session| match pin {
            Some(pin) => login(session, token, pin),
            None => Ok(()),
        })?;
        Ok(())
    }
}

impl Drop for Pkcs11Backend {
    fn drop(&mut self) {
        self.module.close(&mut self.opened);
    }
}

fn device(info: &TokenInfo) -> Device {
    let text = |text: &str| Some(text.trim()).filter(|text| is_label(text)).map(str::to_owned);
    let version = info.firmware_version();
    let model = [text(info.manufacturer_id()), text(info.model())];
    Device {
        model: model.into_iter().flatten().collect::<Vec<_>>().join(" "),
        serial: text(info.serial_number()),
        firmware: Some(format!("{}.{}", version.major(), version.minor())),
    }
}

fn random_id() -> Result<Vec<u8>, HsmError> {
    let mut id = vec![0; 8];
    getrandom::fill(&mut id).map_err(|source| HsmError::Random { source: source.into() })?;
    Ok(id)
}
