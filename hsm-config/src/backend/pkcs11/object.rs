//! Private key objects, and the public keys that the token keeps for them.

use chancery_formats::id::is_label;
use chancery_formats::key::{Algorithm, PublicKey};
use cryptoki::error::Error;
use cryptoki::object::{
    Attribute, AttributeType, KeyType, MlDsaParameterSetType, ObjectClass, ObjectHandle, ParameterSetType,
};
use cryptoki::session::Session;
use pkcs8::SubjectPublicKeyInfoRef;

use crate::backend::fault::Faults;
use crate::error::HsmError;
use crate::point;
use crate::reference::{KeyRef, Pkcs11Object, Pkcs11Token};

/// CKA_EC_PARAMS of Ed25519: the object identifier 1.3.101.112 (RFC 8410).
pub(super) const EDWARDS25519: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];
/// The same, as the PrintableString that PKCS#11 v3.0 §2.3.10 allows beside it.
const EDWARDS25519_NAME: &[u8] = b"\x13\x0cedwards25519";
/// CKA_EC_PARAMS of P-256: the object identifier 1.2.840.10045.3.1.7.
pub(super) const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// A private key that Chancery can use, as the token describes it.
pub(super) struct PrivateObject {
    pub(super) handle: ObjectHandle,
    pub(super) label: String,
    pub(super) public_key: PublicKey,
    pub(super) always_authenticate: bool,
    id: Vec<u8>,
    extractable: Option<bool>,
    sensitive: Option<bool>,
    never_extractable: Option<bool>,
    local: Option<bool>,
}

impl PrivateObject {
    /// Whether the key can leave the token, by what the token says.
    pub(super) fn exportable(&self) -> Option<bool> {
        match (self.extractable, self.sensitive) {
            (Some(extractable), Some(sensitive)) => Some(extractable || !sensitive),
            _ => None,
        }
    }

    /// Whether the key was made on the token and never left it, by what the token says.
    pub(super) fn generated_inside(&self) -> Option<bool> {
        match (self.local, self.never_extractable) {
            (Some(local), Some(never_extractable)) => Some(local && never_extractable),
            _ => None,
        }
    }

    /// The label, where a reference can hold it.
    pub(super) fn plain_label(&self) -> Option<String> {
        is_label(&self.label).then(|| self.label.clone())
    }

    /// The id, where a reference can hold it.
    pub(super) fn usable_id(&self) -> Option<Vec<u8>> {
        (1..=64).contains(&self.id.len()).then(|| self.id.clone())
    }
}

/// Finds the private keys on the token that match every name given.
pub(super) fn private_handles(session: &Session, name: &Pkcs11Object) -> Result<Vec<ObjectHandle>, Error> {
    let mut template = vec![Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Token(true)];
    template.extend(name.object.as_deref().map(|label| Attribute::Label(label.into())));
    template.extend(name.id.clone().map(Attribute::Id));
    session.find_objects(&template)
}

/// Reads a private key's attributes and finds its public key; `key` is named in errors.
pub(super) fn read(
    session: &Session,
    handle: ObjectHandle,
    faults: Faults<'_, Pkcs11Token>,
    key: &KeyRef,
) -> Result<PrivateObject, HsmError> {
    let attributes = Attributes::read(session, handle).map_err(|error| faults.from(error))?;
    let unusable = |reason| HsmError::PublicKeyUnusable { key: key.clone().into(), reason };
    let algorithm = attributes.algorithm().ok_or(unusable("its type, curve or parameter set is another"))?;
    let values = attributes.public_values(session, algorithm).map_err(|error| faults.from(error))?;
    let mut public_keys = Vec::new();
    for value in values {
        let public_key = point::public_key(algorithm, &value).map_err(unusable)?;
        if !public_keys.contains(&public_key) {
            public_keys.push(public_key);
        }
    }
    match (public_keys.pop(), public_keys.is_empty()) {
        (Some(public_key), true) => Ok(attributes.into_object(handle, public_key)),
        (None, _) => Err(unusable("the token keeps none for it")),
        _ => Err(unusable("the token keeps several for it")),
    }
}

/// Reads the public key of a public object: CKA_EC_POINT or, for ML-DSA, CKA_VALUE; nothing where it is empty.
fn public_value(
    session: &Session,
    handle: ObjectHandle,
    algorithm: Algorithm,
) -> Result<Option<Vec<u8>>, Error> {
    let wanted = match algorithm {
        Algorithm::MlDsa87 => AttributeType::Value,
        _ => AttributeType::EcPoint,
    };
    let value = match session.get_attributes(handle, &[wanted])?.pop() {
        Some(Attribute::EcPoint(value) | Attribute::Value(value)) => Some(value),
        _ => None,
    };
    Ok(value.filter(|value| !value.is_empty()))
}

/// What a public key object shows: its label and id, where a reference can hold them, and the key.
pub(super) type PublicObject = (Option<String>, Option<Vec<u8>>, PublicKey);

/// Returns the public keys that the session sees, those that Chancery can use.
pub(super) fn public_keys(session: &Session) -> Result<Vec<PublicObject>, Error> {
    let mut found = Vec::new();
    for handle in
        session.find_objects(&[Attribute::Class(ObjectClass::PUBLIC_KEY), Attribute::Token(true)])?
    {
        let attributes = Attributes::read(session, handle)?;
        let Some(algorithm) = attributes.algorithm() else { continue };
        let Some(value) = public_value(session, handle, algorithm)? else { continue };
        if let Ok(public_key) = point::public_key(algorithm, &value) {
            let object = attributes.into_object(handle, public_key);
            found.push((object.plain_label(), object.usable_id(), object.public_key));
        }
    }
    Ok(found)
}

/// Refuses a key just made that can leave the token. That it was made there is not asked: NSS denies it.
pub(super) fn refuse_exportable(
    session: &Session,
    handle: ObjectHandle,
    faults: Faults<'_, Pkcs11Token>,
    key: &KeyRef,
) -> Result<(), HsmError> {
    let made = Attributes::read(session, handle).map_err(|error| faults.from(error))?;
    let wanted = [
        ("CKA_SENSITIVE", made.sensitive, true),
        ("CKA_EXTRACTABLE", made.extractable, false),
        ("CKA_NEVER_EXTRACTABLE", made.never_extractable, true),
    ];
    match wanted.into_iter().find(|(_, is, wanted)| *is != Some(*wanted)) {
        Some((attribute, ..)) => Err(HsmError::KeyExportable { key: key.clone().into(), attribute }),
        None => Ok(()),
    }
}

/// The attributes of a private key, as far as the token tells them.
#[derive(Default)]
struct Attributes {
    key_type: Option<KeyType>,
    curve: Option<Vec<u8>>,
    parameter_set: Option<ParameterSetType>,
    label: Vec<u8>,
    id: Vec<u8>,
    point: Option<Vec<u8>>,
    public_key_info: Option<Vec<u8>>,
    always_authenticate: bool,
    extractable: Option<bool>,
    sensitive: Option<bool>,
    never_extractable: Option<bool>,
    local: Option<bool>,
}

impl Attributes {
    fn read(session: &Session, handle: ObjectHandle) -> Result<Self, Error> {
        const WANTED: [AttributeType; 11] = [
            AttributeType::KeyType,
            AttributeType::EcParams,
            AttributeType::Label,
            AttributeType::Id,
            AttributeType::EcPoint,
            AttributeType::PublicKeyInfo,
            AttributeType::AlwaysAuthenticate,
            AttributeType::Extractable,
            AttributeType::Sensitive,
            AttributeType::NeverExtractable,
            AttributeType::Local,
        ];
        let mut attributes = Self::default();
        for attribute in session.get_attributes(handle, &WANTED)? {
            match attribute {
                Attribute::KeyType(key_type) => attributes.key_type = Some(key_type),
                Attribute::EcParams(curve) => attributes.curve = Some(curve),
                Attribute::Label(label) => attributes.label = label,
                Attribute::Id(id) => attributes.id = id,
                Attribute::EcPoint(point) => attributes.point = Some(point).filter(|point| !point.is_empty()),
                Attribute::PublicKeyInfo(info) => {
                    attributes.public_key_info = Some(info).filter(|info| !info.is_empty());
                }
                Attribute::AlwaysAuthenticate(always) => attributes.always_authenticate = always,
                Attribute::Extractable(extractable) => attributes.extractable = Some(extractable),
                Attribute::Sensitive(sensitive) => attributes.sensitive = Some(sensitive),
                Attribute::NeverExtractable(never) => attributes.never_extractable = Some(never),
                Attribute::Local(local) => attributes.local = Some(local),
                _ => {}
            }
        }
        // Asked of keys alone that have one: older modules do not know the attribute.
        if attributes.key_type == Some(KeyType::ML_DSA)
            && let Some(Attribute::ParameterSet(set)) =
                session.get_attributes(handle, &[AttributeType::ParameterSet])?.pop()
        {
            attributes.parameter_set = Some(set);
        }
        Ok(attributes)
    }

    fn algorithm(&self) -> Option<Algorithm> {
        match (self.key_type?, self.curve.as_deref(), self.parameter_set) {
            (KeyType::EC, Some(P256), _) => Some(Algorithm::Esp256),
            (KeyType::EC_EDWARDS, Some(EDWARDS25519 | EDWARDS25519_NAME), _) => Some(Algorithm::Ed25519),
            (KeyType::ML_DSA, _, Some(set)) if set == MlDsaParameterSetType::ML_DSA_87.into() => {
                Some(Algorithm::MlDsa87)
            }
            _ => None,
        }
    }

    /// Returns the public keys that the token keeps for this key: those of the public objects with its id (or
    /// its label, where it has no id), else what the private object itself tells.
    fn public_values(&self, session: &Session, algorithm: Algorithm) -> Result<Vec<Vec<u8>>, Error> {
        let name = if self.id.is_empty() {
            Attribute::Label(self.label.clone())
        } else {
            Attribute::Id(self.id.clone())
        };
        let mut template = vec![Attribute::Class(ObjectClass::PUBLIC_KEY), name];
        template.extend(self.key_type.map(Attribute::KeyType));
        let mut values = Vec::new();
        for handle in session.find_objects(&template)? {
            values.extend(public_value(session, handle, algorithm)?);
        }
        if values.is_empty() {
            let info = self.public_key_info.as_deref();
            let info = info.and_then(|info| SubjectPublicKeyInfoRef::try_from(info).ok());
            let from_info = info.map(|info| info.subject_public_key.raw_bytes().to_vec());
            values.extend(self.point.clone().or(from_info));
        }
        Ok(values)
    }

    fn into_object(self, handle: ObjectHandle, public_key: PublicKey) -> PrivateObject {
        PrivateObject {
            handle,
            label: String::from_utf8_lossy(&self.label).into_owned(),
            public_key,
            always_authenticate: self.always_authenticate,
            id: self.id,
            extractable: self.extractable,
            sensitive: self.sensitive,
            never_extractable: self.never_extractable,
            local: self.local,
        }
    }
}
