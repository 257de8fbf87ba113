//! Attestation certificates: a test root, its intermediate, a device's own, and those the device signs.
//!
//! All keys but the attested one are derived from public constants and the serial number, so that every
//! simulator has the same root and a device keeps its certificate: nothing here proves anything outside a
//! test. Content is that of Yubico's "Attestation" and "YubiHSM OIDs" pages; ECDSA with SHA-256 throughout.
//! Not here: which key may attest which (`device`).

use std::fs;
use std::io;
use std::path::Path;
use std::str::FromStr;

use p256::ecdsa::{DerSignature, SigningKey};
use sha2::{Digest, Sha256};
use x509_cert::Certificate;
use x509_cert::builder::{self, Builder, CertificateBuilder, profile::BuilderProfile};
use x509_cert::certificate::TbsCertificate;
use x509_cert::der::asn1::{BitString, OctetString, Utf8StringRef};
use x509_cert::der::pem::LineEnding;
use x509_cert::der::{Decode, Encode, EncodePem};
use x509_cert::ext::{Extension, pkix::BasicConstraints, pkix::KeyUsage, pkix::KeyUsages};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{ObjectIdentifier, SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef};
use x509_cert::time::{Time, Validity};

use crate::command::Firmware;
use crate::frame::Refusal;
use crate::key;
use crate::object::Object;

const ROOT: &str = "CN=Chancery Test YubiHSM Root CA";
const OTHER_ROOT: &str = "CN=Chancery Other Test Root CA";
const INTERMEDIATE: &str = "CN=Chancery Test YubiHSM Attestation CA";

/// What is wrong with the device's own certificate, for clients that must notice.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Defect {
    /// Its term is over, and with it that of every attestation, which copies its dates.
    Expired,
    /// It certifies another key than the one that attests.
    Mismatched,
    /// Nothing.
    #[default]
    None,
    /// It is issued by another root, without an intermediate.
    WrongRoot,
}

/// Subject, issuer and extensions, taken as they are.
struct Profile {
    subject: Name,
    issuer: Name,
    extensions: Vec<Extension>,
}

impl BuilderProfile for Profile {
    fn get_issuer(&self, _: &Name) -> Name {
        self.issuer.clone()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        _: SubjectPublicKeyInfoRef<'_>,
        _: SubjectPublicKeyInfoRef<'_>,
        _: &TbsCertificate,
    ) -> builder::Result<Vec<Extension>> {
        Ok(self.extensions.clone())
    }
}

type Made<T> = Result<T, builder::Error>;

fn name(text: &str) -> Made<Name> {
    Ok(Name::from_str(text)?)
}

fn derived_key(label: &str) -> SigningKey {
    let mut scalar: [u8; 32] = Sha256::digest(label).into();
    loop {
        match SigningKey::from_slice(&scalar) {
            Ok(key) => return key,
            Err(_) => scalar = Sha256::digest(scalar).into(), // not below the order: one in 2^32
        }
    }
}

fn extension(id: &str, critical: bool, value: &impl Encode) -> Made<Extension> {
    let extn_id = ObjectIdentifier::new(id).map_err(x509_cert::der::Error::from)?;
    Ok(Extension { extn_id, critical, extn_value: OctetString::new(value.to_der()?)? })
}

fn term(from: &str, to: &str) -> Made<Validity> {
    Ok(Validity::new(Time::from_str(from)?, Time::from_str(to)?))
}

fn long_term() -> Made<Validity> {
    term("2020-01-01T00:00:00Z", "2071-10-05T00:00:00Z")
}

fn issue(
    profile: Profile,
    serial: [u8; 16],
    validity: Validity,
    key: SubjectPublicKeyInfoOwned,
    signer: &SigningKey,
) -> Made<Certificate> {
    let mut serial = serial;
    serial[0] = (serial[0] & 0x7f) | 0x40; // positive, and always sixteen bytes
    CertificateBuilder::new(profile, SerialNumber::new(&serial)?, validity, key)?
        .build::<_, DerSignature>(signer)
}

fn serial_for(label: &str) -> [u8; 16] {
    let digest = Sha256::digest(label);
    std::array::from_fn(|at| digest[at])
}

fn authority(subject: &str, issuer: &str) -> Made<Certificate> {
    let constraints = BasicConstraints { ca: true, path_len_constraint: None };
    let usage = KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign);
    let profile = Profile {
        subject: name(subject)?,
        issuer: name(issuer)?,
        extensions: vec![extension("2.5.29.19", true, &constraints)?, extension("2.5.29.15", true, &usage)?],
    };
    let key = SubjectPublicKeyInfoOwned::from_key(derived_key(subject).verifying_key())?;
    issue(profile, serial_for(subject), long_term()?, key, &derived_key(issuer))
}

/// Writes `root.pem`, `intermediate.pem` and, for a wrong anchor, `other-root.pem` into `folder`.
///
/// # Errors
///
/// When a file cannot be written.
pub(crate) fn write_issuers(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let files = [
        ("root.pem", ROOT, ROOT),
        ("intermediate.pem", INTERMEDIATE, ROOT),
        ("other-root.pem", OTHER_ROOT, OTHER_ROOT),
    ];
    for (file, subject, issuer) in files {
        let certificate = authority(subject, issuer).map_err(io::Error::other)?;
        fs::write(folder.join(file), certificate.to_pem(LineEnding::LF).map_err(io::Error::other)?)?;
    }
    Ok(())
}

/// Returns the key of asymmetric object 0, with which a device attests.
pub(crate) fn device_key(serial: u32) -> SigningKey {
    derived_key(&format!("device {serial}"))
}

/// Returns the content of opaque object 0: the device's own certificate, in DER.
///
/// # Errors
///
/// [`Refusal::CommandUnexecuted`], when it cannot be made.
pub(crate) fn device_certificate(
    serial: u32,
    firmware: Firmware,
    defect: Defect,
) -> Result<Vec<u8>, Refusal> {
    let made = || -> Made<Vec<u8>> {
        let subject = format!("CN=YubiHSM Attestation ({serial:010})");
        let issuer = if defect == Defect::WrongRoot { OTHER_ROOT } else { INTERMEDIATE };
        let key = if defect == Defect::Mismatched { derived_key("nobody") } else { device_key(serial) };
        let validity = match defect {
            Defect::Expired => term("2010-01-01T00:00:00Z", "2015-01-01T00:00:00Z")?,
            _ => long_term()?,
        };
        // A published certificate of a device has these constraints: it issues the attestations of keys.
        let constraints = BasicConstraints { ca: true, path_len_constraint: Some(0) };
        let mut extensions = vec![extension("2.5.29.19", true, &constraints)?];
        extensions.extend(device_extensions(serial, firmware)?);
        let profile = Profile { subject: name(&subject)?, issuer: name(issuer)?, extensions };
        let public = SubjectPublicKeyInfoOwned::from_key(key.verifying_key())?;
        Ok(issue(profile, serial_for(&subject), validity, public, &derived_key(issuer))?.to_der()?)
    };
    made().map_err(|_| Refusal::CommandUnexecuted)
}

fn device_extensions(serial: u32, firmware: Firmware) -> Made<Vec<Extension>> {
    let version = OctetString::new([firmware.0, firmware.1, firmware.2])?;
    Ok(vec![
        extension("1.3.6.1.4.1.41482.4.1", false, &version)?,
        extension("1.3.6.1.4.1.41482.4.2", false, &serial)?,
    ])
}

/// Returns the certificate in which `signer`, whose own is `template`, attests `object`.
///
/// # Errors
///
/// [`Refusal::InvalidData`] when `template` is no certificate.
pub(crate) fn attest(
    signer: &SigningKey,
    template: &[u8],
    object: &Object,
    serial: u32,
    firmware: Firmware,
) -> Result<Vec<u8>, Refusal> {
    let number = key::random()?;
    let made = || -> Made<Vec<u8>> {
        let template = Certificate::from_der(template)?;
        let template = template.tbs_certificate();
        let mut extensions = device_extensions(serial, firmware)?;
        extensions.extend(object_extensions(object)?);
        let profile = Profile {
            subject: name(&format!("CN=YubiHSM Attestation id 0x{:04x}", object.id))?,
            issuer: template.subject().clone(),
            extensions,
        };
        Ok(issue(profile, number, *template.validity(), public_key(object)?, signer)?.to_der()?)
    };
    made().map_err(|_| Refusal::InvalidData)
}

fn public_key(object: &Object) -> Made<SubjectPublicKeyInfoOwned> {
    let invalid = || builder::Error::from(x509_cert::spki::Error::KeyMalformed);
    if object.algorithm == crate::object::ED25519 {
        let bytes = key::public(&object.data, object.algorithm).map_err(|_| invalid())?;
        let key = ed25519_dalek::VerifyingKey::try_from(&bytes[..]).map_err(|_| invalid())?;
        return Ok(SubjectPublicKeyInfoOwned::from_key(&key)?);
    }
    let key = key::p256(&object.data).map_err(|_| invalid())?;
    Ok(SubjectPublicKeyInfoOwned::from_key(key.verifying_key())?)
}

fn object_extensions(object: &Object) -> Made<Vec<Extension>> {
    let bits = |bytes: &[u8]| BitString::new(0, bytes);
    let text = object.label.split(|byte| *byte == 0).next().unwrap_or_default();
    let text = String::from_utf8_lossy(text);
    Ok(vec![
        extension("1.3.6.1.4.1.41482.4.3", false, &bits(&[object.origin])?)?,
        extension("1.3.6.1.4.1.41482.4.4", false, &bits(&object.domains.to_be_bytes())?)?,
        extension("1.3.6.1.4.1.41482.4.5", false, &bits(&object.capabilities.to_be_bytes())?)?,
        extension("1.3.6.1.4.1.41482.4.6", false, &object.id)?,
        extension("1.3.6.1.4.1.41482.4.9", false, &Utf8StringRef::new(text.as_ref() as &str)?)?,
    ])
}
