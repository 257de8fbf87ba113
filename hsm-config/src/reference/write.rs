//! Writing references: the form that reads back as the same reference.

use std::fmt::{self, Formatter, Write};
use std::os::unix::ffi::OsStrExt;

use super::{
    KeyRef, Location, PinOrigin, PivSlot, PivToken, Pkcs11Object, Pkcs11Token, TokenRef, YubiHsmToken,
};

pub(super) fn key(key: &KeyRef, f: &mut Formatter<'_>) -> fmt::Result {
    let first = match &key.location {
        Location::File(path) => {
            f.write_str("file:")?;
            file_path(f, path.as_os_str().as_bytes())?;
            '?'
        }
        Location::Piv(token, slot) => piv(f, token, Some(*slot))?,
        Location::Pkcs11(token, object) => {
            pkcs11(f, token, object)?;
            '&'
        }
        Location::YubiHsm(token, id) => {
            yubihsm(f, token, Some(*id))?;
            '&'
        }
    };
    match key.public_key {
        Some(thumbprint) => write!(f, "{first}public-key={thumbprint}"),
        None => Ok(()),
    }
}

/// Writes a reference to a token, as [`TokenRef`] reads it.
pub(super) fn token(token: &TokenRef) -> String {
    struct Text<'a>(&'a TokenRef);

    impl fmt::Display for Text<'_> {
        fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
            match self.0 {
                TokenRef::File(path) => {
                    f.write_str("file:")?;
                    file_path(f, path.as_os_str().as_bytes())
                }
                TokenRef::Piv(token) => piv(f, token, None).map(drop),
                TokenRef::Pkcs11(token) => pkcs11(f, token, &Pkcs11Object { object: None, id: None }),
                TokenRef::YubiHsm(token) => yubihsm(f, token, None),
            }
        }
    }

    Text(token).to_string()
}

fn pkcs11(f: &mut Formatter<'_>, token: &Pkcs11Token, object: &Pkcs11Object) -> fmt::Result {
    let texts = [
        ("token", &token.token),
        ("manufacturer", &token.manufacturer),
        ("serial", &token.serial),
        ("model", &token.model),
        ("object", &object.object),
    ];
    f.write_str("pkcs11:")?;
    let mut separator = "";
    for (name, value) in texts {
        if let Some(value) = value {
            write!(f, "{separator}{name}=")?;
            encode(f, value.as_bytes(), b"")?;
            separator = ";";
        }
    }
    if let Some(id) = &object.id {
        write!(f, "{separator}id=")?;
        id.iter().try_for_each(|byte| write!(f, "%{byte:02x}"))?;
    }
    f.write_str("?module-path=")?;
    encode(f, token.module_path.as_os_str().as_bytes(), b"/")?;
    pin_source(f, '&', token.pin_source.as_ref())
}

/// Returns what separates the next attribute of the query.
fn piv(f: &mut Formatter<'_>, token: &PivToken, slot: Option<PivSlot>) -> Result<char, fmt::Error> {
    write!(f, "piv:serial={}", token.serial)?;
    if let Some(slot) = slot {
        write!(f, ";slot={:02x}", slot.number())?;
    }
    pin_source(f, '?', token.pin_source.as_ref())?;
    Ok(if token.pin_source.is_some() { '&' } else { '?' })
}

fn pin_source(f: &mut Formatter<'_>, separator: char, source: Option<&PinOrigin>) -> fmt::Result {
    match source {
        None => Ok(()),
        Some(PinOrigin::Fd(number)) => write!(f, "{separator}pin-source=fd:{number}"),
        Some(PinOrigin::File(path)) => {
            write!(f, "{separator}pin-source=file:")?;
            encode(f, path.as_os_str().as_bytes(), b"/")
        }
        Some(PinOrigin::Prompt) => write!(f, "{separator}pin-source=prompt"),
    }
}

fn yubihsm(f: &mut Formatter<'_>, token: &YubiHsmToken, id: Option<u16>) -> fmt::Result {
    write!(f, "yubihsm:serial={}", token.serial)?;
    if let Some(id) = id {
        write!(f, ";id=0x{id:04x}")?;
    }
    if token.auth_id != 1 {
        write!(f, ";auth-id={}", token.auth_id)?;
    }
    if let Some(audit_id) = token.audit_id {
        write!(f, ";audit-id={audit_id}")?;
    }
    write!(f, "?connector={}", token.connector)?;
    pin_source(f, '&', token.pin_source.as_ref())
}

/// Leaves visible text as it is; the parser takes it back so.
fn file_path(f: &mut Formatter<'_>, path: &[u8]) -> fmt::Result {
    for chunk in path.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '%' | '?' | ' ' => write!(f, "%{:02x}", u32::from(c))?,
                _ => f.write_char(c)?,
            }
        }
        chunk.invalid().iter().try_for_each(|byte| write!(f, "%{byte:02x}"))?;
    }
    Ok(())
}

fn encode(f: &mut Formatter<'_>, bytes: &[u8], also_plain: &[u8]) -> fmt::Result {
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || also_plain.contains(&byte) {
            f.write_char(char::from(byte))?;
        } else {
            write!(f, "%{byte:02x}")?;
        }
    }
    Ok(())
}
