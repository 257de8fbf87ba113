//! Reading references: attributes split first, then decoded, each exactly once.
//!
//! RFC 7512 §2.3 for `pkcs11:`; `piv:` and `yubihsm:` follow the same grammar. `file:` is a percent-encoded path.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::str::FromStr;

use chancery_formats::id::{Thumbprint, is_hidden};

use super::MAX_REFERENCE_BYTES;
use super::{
    Connector, Location, Partial, PinOrigin, PivSlot, PivToken, Pkcs11Object, Pkcs11Token, ReferenceError,
    Scheme, TokenRef, YubiHsmToken,
};

const MODULE_HINT: &str = "add ?module-path=…; usual places are /usr/lib/softhsm/libsofthsm2.so, \
    /usr/lib/x86_64-linux-gnu/libykcs11.so and /usr/lib/x86_64-linux-gnu/opensc-pkcs11.so";

/// A PKCS#11 label or serial fits in this many bytes in any module that is known.
const MAX_TEXT_BYTES: usize = 256;
const MAX_ID_BYTES: usize = 64;

pub(super) fn key(text: &str) -> Result<(Location, Option<Thumbprint>), ReferenceError> {
    let parsed = Parsed::read(text)?;
    let location = match (parsed.token, parsed.object) {
        (TokenRef::File(path), _) => Location::File(path),
        (TokenRef::Pkcs11(token), Object::Pkcs11(object)) => {
            if object.object.is_none() && object.id.is_none() {
                return Err(missing("object", "add ;object=LABEL or ;id=%01"));
            }
            Location::Pkcs11(token, object)
        }
        (TokenRef::Piv(token), Object::Piv(Some(slot))) => Location::Piv(token, slot),
        (TokenRef::Piv(_), _) => return Err(missing("slot", "add ;slot=9c, the slot of the key")),
        (TokenRef::YubiHsm(token), Object::YubiHsm(Some(id))) => Location::YubiHsm(token, id),
        _ => return Err(missing("id", "add ;id=0x0100, the key's object id")),
    };
    Ok((location, parsed.public_key))
}

pub(super) fn token(text: &str) -> Result<TokenRef, ReferenceError> {
    Ok(Parsed::read(text)?.token)
}

enum Object {
    File,
    Piv(Option<PivSlot>),
    Pkcs11(Pkcs11Object),
    YubiHsm(Option<u16>),
}

struct Parsed {
    token: TokenRef,
    object: Object,
    public_key: Option<Thumbprint>,
}

impl Parsed {
    fn read(text: &str) -> Result<Self, ReferenceError> {
        if text.len() > MAX_REFERENCE_BYTES {
            return Err(ReferenceError::TooLong);
        }
        match text.split_once(':') {
            Some(("file", _)) => read_file(text),
            Some(("pkcs11", _)) => read_pkcs11(text),
            Some(("yubihsm", _)) => read_yubihsm(text),
            Some(("piv", _)) => read_piv(text),
            _ => Err(ReferenceError::SchemeUnknown),
        }
    }
}

fn read_file(text: &str) -> Result<Parsed, ReferenceError> {
    let path_start = "file:".len();
    let path_end = text.find('?').unwrap_or(text.len());
    let mut attributes = Attributes::split(text, "file", path_end..path_end, &["public-key"])?;
    let invalid = |expected| ReferenceError::AttributeInvalid { name: "file", expected };
    let written = text.get(path_start..path_end).unwrap_or_default();
    if written.starts_with("//") {
        return Err(invalid("a path without a host: write file:/etc/key.pem"));
    }
    // Any visible character stands for itself here, so that most paths need no encoding.
    let bytes = decode(written, path_start, |byte| !byte.is_ascii_control())?;
    if bytes.is_empty() || bytes.contains(&0) || String::from_utf8_lossy(&bytes).chars().any(is_hidden) {
        return Err(invalid("a path of visible characters"));
    }
    let path = PathBuf::from(OsString::from_vec(bytes));
    let public_key = attributes.thumbprint()?;
    Ok(Parsed { token: TokenRef::File(path), object: Object::File, public_key })
}

const PKCS11: [&str; 10] = [
    "token",
    "manufacturer",
    "serial",
    "model",
    "object",
    "id",
    "type",
    "module-path",
    "pin-source",
    "public-key",
];

fn read_pkcs11(text: &str) -> Result<Parsed, ReferenceError> {
    let mut attributes = Attributes::of_uri(text, "pkcs11", &PKCS11)?;
    let (label, serial) = (attributes.text("token")?, attributes.text("serial")?);
    if label.is_none() && serial.is_none() {
        return Err(missing("token", "add token=LABEL, the token's label"));
    }
    let object = Pkcs11Object { object: attributes.text("object")?, id: attributes.private_id()? };
    let token = Pkcs11Token {
        manufacturer: attributes.text("manufacturer")?,
        model: attributes.text("model")?,
        serial,
        token: label,
        module_path: module_path(
            attributes.bytes("module-path")?.ok_or(missing("module-path", MODULE_HINT))?,
        )?,
        pin_source: attributes.pin_source()?,
    };
    let public_key = attributes.thumbprint()?;
    Ok(Parsed { token: TokenRef::Pkcs11(token), object: Object::Pkcs11(object), public_key })
}

/// Reads what is to be looked for: as a reference, with any attribute left out.
pub(super) fn partial(text: &str) -> Result<Partial, ReferenceError> {
    if text.len() > MAX_REFERENCE_BYTES {
        return Err(ReferenceError::TooLong);
    }
    match text.split_once(':') {
        Some(("pkcs11", _)) => {
            let mut attributes = Attributes::of_uri(text, "pkcs11", &PKCS11)?;
            Ok(Partial {
                scheme: Some(Scheme::Pkcs11),
                module_path: attributes.bytes("module-path")?.map(module_path).transpose()?,
                token: attributes.text("token")?,
                manufacturer: attributes.text("manufacturer")?,
                serial: attributes.text("serial")?,
                model: attributes.text("model")?,
                object: attributes.text("object")?,
                id: attributes.private_id()?,
                ..Partial::default()
            })
        }
        Some(("piv", _)) => {
            let mut attributes = Attributes::of_uri(text, "piv", &PIV)?;
            let serial = attributes.text("serial")?;
            Ok(Partial { scheme: Some(Scheme::Piv), serial, slot: attributes.slot()?, ..Partial::default() })
        }
        Some(("yubihsm", _)) => {
            let mut attributes = Attributes::of_uri(text, "yubihsm", &YUBIHSM)?;
            Ok(Partial {
                scheme: Some(Scheme::YubiHsm),
                serial: attributes.text("serial")?,
                object_id: attributes.object_id("id")?,
                auth_id: attributes.object_id("auth-id")?,
                connector: attributes.text("connector")?.map(|text| read_connector(&text)).transpose()?,
                ..Partial::default()
            })
        }
        _ => Err(ReferenceError::SchemeUnknown),
    }
}

/// Takes an absolute path only: a bare name would be searched for along the loader's path, which the
/// environment decides.
fn module_path(bytes: Vec<u8>) -> Result<PathBuf, ReferenceError> {
    let path = PathBuf::from(OsString::from_vec(bytes));
    if !path.is_absolute() || path.to_string_lossy().chars().any(is_hidden) {
        return Err(ReferenceError::AttributeInvalid { name: "module-path", expected: "an absolute path" });
    }
    Ok(path)
}

const PIV: [&str; 4] = ["serial", "slot", "pin-source", "public-key"];

fn read_piv(text: &str) -> Result<Parsed, ReferenceError> {
    let mut attributes = Attributes::of_uri(text, "piv", &PIV)?;
    let serial =
        attributes.text("serial")?.ok_or(missing("serial", "add serial=…, the number on the device"))?;
    let invalid = |name, expected| ReferenceError::AttributeInvalid { name, expected };
    let serial = decimal(&serial).ok_or(invalid("serial", "a decimal number"))?;
    let slot = attributes.slot()?;
    let token = PivToken { serial, pin_source: attributes.pin_source()? };
    let public_key = attributes.thumbprint()?;
    Ok(Parsed { token: TokenRef::Piv(token), object: Object::Piv(slot), public_key })
}

const YUBIHSM: [&str; 7] = ["serial", "id", "auth-id", "audit-id", "connector", "pin-source", "public-key"];

fn read_yubihsm(text: &str) -> Result<Parsed, ReferenceError> {
    let mut attributes = Attributes::of_uri(text, "yubihsm", &YUBIHSM)?;
    let serial = attributes
        .text("serial")?
        .ok_or(missing("serial", "add serial=…, the ten digits printed on the device"))?;
    if serial.len() != 10 || !serial.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ReferenceError::AttributeInvalid { name: "serial", expected: "ten digits" });
    }
    let connector = attributes
        .text("connector")?
        .ok_or(missing("connector", "add ?connector=usb or ?connector=http://127.0.0.1:12345"))?;
    let token = YubiHsmToken {
        serial,
        auth_id: attributes.object_id("auth-id")?.unwrap_or(1),
        audit_id: attributes.object_id("audit-id")?,
        connector: read_connector(&connector)?,
        pin_source: attributes.pin_source()?,
    };
    let object = Object::YubiHsm(attributes.object_id("id")?);
    let public_key = attributes.thumbprint()?;
    Ok(Parsed { token: TokenRef::YubiHsm(token), object, public_key })
}

fn read_connector(text: &str) -> Result<Connector, ReferenceError> {
    let expected = "`usb` or http://HOST:PORT";
    let invalid = ReferenceError::AttributeInvalid { name: "connector", expected };
    if text == "usb" {
        return Ok(Connector::Usb);
    }
    let Some((host, port)) = text.strip_prefix("http://").and_then(|rest| rest.rsplit_once(':')) else {
        return Err(invalid);
    };
    let host_is_plain = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
    let port: Option<u16> = decimal(port).filter(|port| *port != 0);
    match port {
        Some(port) if host_is_plain && !host.is_empty() => {
            Ok(Connector::Http { host: host.to_owned(), port })
        }
        _ => Err(invalid),
    }
}

/// The attributes of one reference, still encoded, each with its place in the text.
struct Attributes<'a> {
    found: Vec<(&'static str, &'a str, usize)>,
}

impl<'a> Attributes<'a> {
    /// Splits `scheme:a=b;c=d?e=f&g=h`.
    fn of_uri(text: &'a str, scheme: &'static str, known: &[&'static str]) -> Result<Self, ReferenceError> {
        let end = text.find('?').unwrap_or(text.len());
        Self::split(text, scheme, scheme.len() + 1..end, known)
    }

    /// Splits the path attributes in `path`, and the query that follows it.
    fn split(
        text: &'a str,
        scheme: &'static str,
        path: std::ops::Range<usize>,
        known: &[&'static str],
    ) -> Result<Self, ReferenceError> {
        let mut attributes = Self { found: Vec::new() };
        let query_start = path.end.saturating_add(1);
        attributes.take(text.get(path.clone()).unwrap_or_default(), path.start, ';', (scheme, known))?;
        if let Some(query) = text.get(query_start..) {
            attributes.take(query, query_start, '&', (scheme, known))?;
        }
        Ok(attributes)
    }

    fn take(
        &mut self,
        part: &'a str,
        start: usize,
        separator: char,
        (scheme, known): (&'static str, &[&'static str]),
    ) -> Result<(), ReferenceError> {
        if part.is_empty() {
            return Ok(());
        }
        let in_query = separator == '&';
        let mut offset = start;
        for attribute in part.split(separator) {
            let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            refuse_by_name(name)?;
            let name = known.iter().find(|known| **known == name && is_query(name) == in_query);
            let name = *name.ok_or(ReferenceError::AttributeUnknown { scheme, offset })?;
            if self.found.iter().any(|(found, ..)| *found == name) {
                return Err(ReferenceError::AttributeRepeated { name });
            }
            self.found.push((name, value, offset + name.len() + 1));
            offset += attribute.len() + 1;
        }
        Ok(())
    }

    fn bytes(&mut self, name: &str) -> Result<Option<Vec<u8>>, ReferenceError> {
        match self.found.iter().find(|(found, ..)| *found == name) {
            Some((name, value, offset)) => {
                decode(value, *offset, |byte| is_plain(byte, is_query(name))).map(Some)
            }
            None => Ok(None),
        }
    }

    fn text(&mut self, name: &'static str) -> Result<Option<String>, ReferenceError> {
        let Some(bytes) = self.bytes(name)? else { return Ok(None) };
        match String::from_utf8(bytes) {
            Ok(text) if (1..=MAX_TEXT_BYTES).contains(&text.len()) && !text.chars().any(is_hidden) => {
                Ok(Some(text))
            }
            _ => Err(ReferenceError::AttributeInvalid { name, expected: "1 to 256 bytes of visible UTF-8" }),
        }
    }

    /// Reads a decimal number, or `0x` and four hexadecimal digits, from 1 to 0xffff.
    fn object_id(&mut self, name: &'static str) -> Result<Option<u16>, ReferenceError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let number = match text.strip_prefix("0x") {
            Some(digits) if digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                u16::from_str_radix(digits, 16).ok()
            }
            Some(_) => None,
            None => decimal(&text),
        };
        let expected = "a number from 1 to 65534, such as 256 or 0x0100";
        match number {
            Some(number) if number != 0 && number != u16::MAX => Ok(Some(number)),
            _ => Err(ReferenceError::AttributeInvalid { name, expected }),
        }
    }

    /// Reads a slot as two hexadecimal digits.
    fn slot(&mut self) -> Result<Option<PivSlot>, ReferenceError> {
        let Some(text) = self.text("slot")? else { return Ok(None) };
        let expected = "9a, 9c, 9d, 9e, or 82 to 95";
        let digits = Some(&text).filter(|text| text.len() == 2 && !text.starts_with('+'));
        let number = digits.and_then(|text| u8::from_str_radix(text, 16).ok());
        let slot = number.and_then(PivSlot::new);
        slot.map(Some).ok_or(ReferenceError::AttributeInvalid { name: "slot", expected })
    }

    /// Reads the id of a private key; a reference to another kind of object is refused.
    fn private_id(&mut self) -> Result<Option<Vec<u8>>, ReferenceError> {
        if self.text("type")?.is_some_and(|kind| kind != "private") {
            return Err(ReferenceError::AttributeInvalid { name: "type", expected: "`private`" });
        }
        let id = self.bytes("id")?;
        if id.as_ref().is_some_and(|id| id.is_empty() || id.len() > MAX_ID_BYTES) {
            return Err(ReferenceError::AttributeInvalid { name: "id", expected: "1 to 64 bytes" });
        }
        Ok(id)
    }

    /// Reads `prompt`, `fd:N` or `file:/PATH`.
    fn pin_source(&mut self) -> Result<Option<PinOrigin>, ReferenceError> {
        let expected = "`prompt`, fd:N or file:/PATH";
        let invalid = ReferenceError::AttributeInvalid { name: "pin-source", expected };
        let Some(text) = self.text("pin-source")? else { return Ok(None) };
        let origin = match text.split_once(':') {
            None if text == "prompt" => PinOrigin::Prompt,
            Some(("fd", number)) => PinOrigin::Fd(decimal(number).ok_or(invalid)?),
            Some(("file", path)) if path.starts_with('/') && !path.starts_with("//") => {
                PinOrigin::File(path.into())
            }
            _ => return Err(invalid),
        };
        Ok(Some(origin))
    }

    fn thumbprint(&mut self) -> Result<Option<Thumbprint>, ReferenceError> {
        let Some(text) = self.text("public-key")? else { return Ok(None) };
        let invalid =
            ReferenceError::AttributeInvalid { name: "public-key", expected: "64 hexadecimal digits" };
        text.parse().map(Some).map_err(|_| invalid)
    }
}

/// Refuses the attributes whose refusal deserves its own words, wherever they stand.
fn refuse_by_name(name: &str) -> Result<(), ReferenceError> {
    let unsupported = |name, hint| Err(ReferenceError::AttributeUnsupported { name, hint });
    match name {
        "pin-value" => Err(ReferenceError::PinInReference { name: "pin-value" }),
        "pin" => Err(ReferenceError::PinInReference { name: "pin" }),
        "password" => Err(ReferenceError::PinInReference { name: "password" }),
        "slot-id" => unsupported("slot-id", "name the token by its label or serial; slot numbers change"),
        "module-name" => unsupported("module-name", "give the whole path with module-path"),
        _ => Ok(()),
    }
}

fn is_query(name: &str) -> bool {
    matches!(name, "module-path" | "connector" | "pin-source" | "public-key")
}

/// The characters that RFC 7512 lets stand for themselves (`pk11-pchar`, `pk11-qchar`).
fn is_plain(byte: u8, in_query: bool) -> bool {
    byte.is_ascii_alphanumeric()
        || b"-._~:[]@!$'()*+,=".contains(&byte)
        || (in_query && b"/?|".contains(&byte))
        || (!in_query && byte == b'&')
}

fn decode(text: &str, start: usize, is_plain: impl Fn(u8) -> bool) -> Result<Vec<u8>, ReferenceError> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while let Some(&byte) = bytes.get(index) {
        let invalid = ReferenceError::EncodingInvalid { offset: start + index };
        if byte == b'%' {
            let (high, low) = (hex_digit(bytes.get(index + 1)), hex_digit(bytes.get(index + 2)));
            let (Some(high), Some(low)) = (high, low) else { return Err(invalid) };
            decoded.push(high << 4 | low);
            index += 3;
        } else if is_plain(byte) {
            decoded.push(byte);
            index += 1;
        } else {
            return Err(invalid);
        }
    }
    Ok(decoded)
}

fn hex_digit(byte: Option<&u8>) -> Option<u8> {
    match *byte? {
        digit @ b'0'..=b'9' => Some(digit - b'0'),
        digit @ b'a'..=b'f' => Some(digit - b'a' + 10),
        digit @ b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Reads a decimal number without sign or leading zeros.
fn decimal<T: FromStr>(digits: &str) -> Option<T> {
    let plain =
        digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    if plain { digits.parse().ok() } else { None }
}

fn missing(name: &'static str, hint: &'static str) -> ReferenceError {
    ReferenceError::Missing { name, hint }
}
