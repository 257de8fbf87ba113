//! What a card remembers without power, and the file that keeps it.
//!
//! The file is written as a whole beside the old one and renamed over it, before the command that
//! changed something is answered. Not here: what a session knows, which ends with the power.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::apdu::Status;
use crate::attestation;
use crate::key::SlotKey;
use crate::management::{ManagementAlgorithm, ManagementKey};

/// The slot of the attestation key, which a reset leaves alone.
pub const ATTESTATION_SLOT: u8 = 0xf9;
/// The object that holds the attestation key's certificate.
pub const ATTESTATION_OBJECT: u32 = 0x005f_ff01;

/// The longest state file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// A PIN or PUK and the tries that are left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Eight bytes, padded with FF.
    #[serde(with = "hex")]
    pub value: Vec<u8>,
    /// How often it may still be wrong.
    pub tries_left: u8,
    /// How often in a row it may be wrong.
    pub tries: u8,
}

impl Reference {
    /// A PIN or PUK that was not tried yet.
    #[must_use]
    pub fn new(value: &[u8], tries: u8) -> Self {
        let mut padded = value.to_vec();
        padded.resize(8, 0xff);
        Self { value: padded, tries_left: tries, tries }
    }

    /// The PIN that every new YubiKey has.
    #[must_use]
    pub fn default_pin(tries: u8) -> Self {
        Self::new(b"123456", tries)
    }

    /// The PUK that every new YubiKey has.
    #[must_use]
    pub fn default_puk(tries: u8) -> Self {
        Self::new(b"12345678", tries)
    }
}

/// What a card remembers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The serial number.
    pub serial: u32,
    /// The PIN.
    pub pin: Reference,
    /// The PIN unblocking key.
    pub puk: Reference,
    /// The management key.
    pub management: ManagementKey,
    /// The keys by slot.
    pub keys: BTreeMap<u8, SlotKey>,
    /// The data objects by tag: certificates, CHUID and others.
    #[serde(with = "hex_objects")]
    pub objects: BTreeMap<u32, Vec<u8>>,
    /// The certificate, in DER, under which the attestation key's certificate was issued.
    #[serde(with = "hex")]
    pub attestation_root: Vec<u8>,
    /// How many signatures were made, answered or not.
    pub operations: u64,
}

impl State {
    /// A card as it leaves the factory, with an attestation key under a test root of its own.
    ///
    /// # Errors
    ///
    /// [`Status::MEMORY`] without random bytes.
    pub fn new(serial: u32, management: ManagementAlgorithm) -> Result<Self, Status> {
        let made = attestation::manufacture()?;
        Ok(Self {
            serial,
            pin: Reference::default_pin(3),
            puk: Reference::default_puk(3),
            management: ManagementKey::default_of(management),
            keys: BTreeMap::from([(ATTESTATION_SLOT, made.key)]),
            objects: BTreeMap::from([(ATTESTATION_OBJECT, certificate_object(&made.certificate))]),
            attestation_root: made.root,
            operations: 0,
        })
    }

    /// Sets the card back as RESET does: all keys and objects go but those of the attestation.
    pub fn reset(&mut self, management: ManagementAlgorithm) {
        self.pin = Reference::default_pin(3);
        self.puk = Reference::default_puk(3);
        self.management = ManagementKey::default_of(management);
        self.keys.retain(|slot, _| *slot == ATTESTATION_SLOT);
        self.objects.retain(|tag, _| *tag == ATTESTATION_OBJECT);
    }

    /// Keeps the management key in the object that is read after the PIN, as `ykman` does.
    pub fn protect_management_key(&mut self) {
        use crate::tlv::field;

        let key = field(0x88, &field(0x89, self.management.secret()));
        self.objects.insert(PROTECTED_OBJECT, key);
        self.objects.insert(ADMIN_OBJECT, field(0x80, &field(0x81, &[0x02])));
    }
}

/// The object for printed information, which is read after the PIN alone.
const PROTECTED_OBJECT: u32 = 0x005f_c109;
/// The object in which `ykman` notes where the management key is.
const ADMIN_OBJECT: u32 = 0x005f_ff00;

/// A certificate as PIV keeps it: uncompressed, without a checksum.
fn certificate_object(der: &[u8]) -> Vec<u8> {
    use crate::tlv::field;

    [field(0x70, der), field(0x71, &[0]), field(0xfe, &[])].concat()
}

/// A state and the file that keeps it, or none for a card that forgets all at the end.
#[derive(Debug)]
pub struct Store {
    path: Option<PathBuf>,
    /// What the card remembers; [`Store::save`] makes changes last.
    pub state: State,
}

impl Store {
    /// Reads the state, or makes a new card where there is no file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or written, is not a state, or is that of another serial number.
    pub fn open(path: Option<&Path>, serial: u32, management: ManagementAlgorithm) -> io::Result<Self> {
        let mut found = None;
        if let Some(path) = path.filter(|path| path.exists()) {
            let invalid = |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason);
            if fs::metadata(path)?.len() > MAX_FILE_BYTES {
                return Err(invalid("the state file is too long".into()));
            }
            let state: State = serde_json::from_slice(&fs::read(path)?)?;
            if state.serial != serial {
                return Err(invalid(format!("the state is that of serial number {}", state.serial)));
            }
            found = Some(state);
        }
        let state = match found {
            Some(state) => state,
            None => State::new(serial, management).map_err(|_| io::Error::other("no random bytes"))?,
        };
        let store = Self { path: path.map(Path::to_owned), state };
        store.write()?;
        Ok(store)
    }

    /// Makes the changes last.
    ///
    /// # Errors
    ///
    /// [`Status::MEMORY`] when the file cannot be written.
    pub fn save(&self) -> Result<(), Status> {
        self.write().map_err(|_| Status::MEMORY)
    }

    fn write(&self) -> io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let mut beside = path.clone().into_os_string();
        beside.push(".new");
        let mut file = File::create(&beside)?;
        file.write_all(&serde_json::to_vec_pretty(&self.state)?)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    }
}

/// Bytes as hex digits.
pub mod hex {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    /// Writes bytes.
    ///
    /// # Errors
    ///
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&text(bytes))
    }

    /// Reads bytes.
    ///
    /// # Errors
    ///
    /// When the text is not pairs of hex digits.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        bytes(&text).ok_or_else(|| D::Error::custom("not pairs of hex digits"))
    }

    /// Writes bytes as lower-case digits.
    #[must_use]
    pub fn text(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reads pairs of digits.
    #[must_use]
    pub fn bytes(text: &str) -> Option<Vec<u8>> {
        let digits = |pair: &[u8]| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        };
        text.as_bytes().chunks(2).map(digits).collect()
    }

    fn digit(byte: u8) -> Option<u8> {
        char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
    }
}

/// Objects as a map of hex digits.
mod hex_objects {
    use std::collections::BTreeMap;

    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use super::hex;

    pub(super) fn serialize<S: Serializer>(
        objects: &BTreeMap<u32, Vec<u8>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let texts: BTreeMap<u32, String> =
            objects.iter().map(|(tag, bytes)| (*tag, hex::text(bytes))).collect();
        texts.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<u32, Vec<u8>>, D::Error> {
        let texts = BTreeMap::<u32, String>::deserialize(deserializer)?;
        let read = texts.into_iter().map(|(tag, text)| hex::bytes(&text).map(|bytes| (tag, bytes)));
        read.collect::<Option<_>>().ok_or_else(|| D::Error::custom("not pairs of hex digits"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_read_back_as_it_was_written() {
        let path = std::env::temp_dir().join(format!("chancery-yubikey-state-{}", std::process::id()));
        let mut store = Store::open(Some(&path), 7, ManagementAlgorithm::Aes192).unwrap();
        store.state.pin.tries_left = 1;
        store.state.objects.insert(0x005f_c102, vec![1, 2, 3]);
        store.save().unwrap();
        let again = Store::open(Some(&path), 7, ManagementAlgorithm::Aes192).unwrap();
        assert_eq!(again.state.pin.tries_left, 1);
        assert_eq!(again.state.objects, store.state.objects);
        assert_eq!(again.state.attestation_root, store.state.attestation_root);
        assert!(Store::open(Some(&path), 8, ManagementAlgorithm::Aes192).is_err());
        fs::write(&path, "{}").unwrap();
        assert!(Store::open(Some(&path), 7, ManagementAlgorithm::Aes192).is_err());
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_card_whose_file_cannot_be_written_does_not_start() {
        let path = Path::new("/proc/no-such-folder/state");
        assert!(Store::open(Some(path), 7, ManagementAlgorithm::Aes192).is_err());
    }
}
