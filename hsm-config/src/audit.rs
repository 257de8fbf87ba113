//! A device's own log of what was done with it: its entries, their chain, and where they are kept.
//!
//! A YubiHSM 2 numbers its entries and chains them: digest = SHA-256(entry ‖ previous digest), its first 16
//! bytes. The chain shows that nothing is missing between two entries; it is not signed, so entries count
//! only as read in a session of one's own. Entries are kept by an [`AuditLedger`] before the device may
//! overwrite them, all but the newest, which the device shows again at the next reading: its digest vouches for
//! every entry before it. Not here: matching them with the authority's own records.

use sha2::{Digest, Sha256};

use crate::backend::KeyInfo;
use crate::error::Source;

/// Bytes of an entry without its digest.
const FIELDS_BYTES: usize = 16;
/// Bytes of an entry.
pub const ENTRY_BYTES: usize = 32;

/// One entry of a YubiHSM 2's audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Counts from 1 and goes on at 0 after 65,535.
    pub number: u16,
    /// The command, by its number.
    pub command: u8,
    /// Bytes of the command's data.
    pub length: u16,
    /// The authentication key of the session.
    pub session_key: u16,
    /// The object that the command used; 0xffff for none.
    pub target_key: u16,
    /// A second object; 0xffff for none.
    pub second_key: u16,
    /// The command with its highest bit set where it succeeded, else the error.
    pub result: u8,
    /// The device's clock: counts since it was powered, without a unit that is documented.
    pub tick: u32,
    /// Ties the entry to all before it.
    pub digest: [u8; 16],
}

impl AuditEntry {
    /// Reads an entry as the device gives it, big-endian.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let [n0, n1, command, l0, l1, s0, s1, t0, t1, u0, u1, result, c0, c1, c2, c3, digest @ ..] = *bytes;
        Self {
            number: u16::from_be_bytes([n0, n1]),
            command,
            length: u16::from_be_bytes([l0, l1]),
            session_key: u16::from_be_bytes([s0, s1]),
            target_key: u16::from_be_bytes([t0, t1]),
            second_key: u16::from_be_bytes([u0, u1]),
            result,
            tick: u32::from_be_bytes([c0, c1, c2, c3]),
            digest,
        }
    }

    /// Returns the entry as the device gives it.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; ENTRY_BYTES] {
        let fields = [
            &self.number.to_be_bytes()[..],
            &[self.command],
            &self.length.to_be_bytes(),
            &self.session_key.to_be_bytes(),
            &self.target_key.to_be_bytes(),
            &self.second_key.to_be_bytes(),
            &[self.result],
            &self.tick.to_be_bytes(),
            &self.digest,
        ];
        let mut bytes = [0; ENTRY_BYTES];
        bytes.iter_mut().zip(fields.concat()).for_each(|(to, from)| *to = from);
        bytes
    }

    /// Whether the entry is the very next after `previous`, by number and digest.
    #[must_use]
    pub fn follows(&self, previous: &Self) -> bool {
        let bytes = self.to_bytes();
        let chained = Sha256::new()
            .chain_update(bytes.first_chunk::<FIELDS_BYTES>().unwrap_or(&[0; FIELDS_BYTES]))
            .chain_update(previous.digest)
            .finalize();
        self.number == previous.number.wrapping_add(1) && chained.starts_with(&self.digest)
    }

    /// Returns the key that signed, where the entry records a signature that a key of the device's users made.
    #[must_use]
    pub fn signer(&self) -> Option<u16> {
        use command::{
            SIGN_ATTESTATION_CERTIFICATE, SIGN_ECDSA, SIGN_EDDSA, SIGN_PKCS1, SIGN_PSS, SIGN_SSH_CERTIFICATE,
        };

        let signer = match self.command {
            SIGN_ECDSA | SIGN_EDDSA | SIGN_PKCS1 | SIGN_PSS | SIGN_SSH_CERTIFICATE => self.target_key,
            SIGN_ATTESTATION_CERTIFICATE => self.second_key,
            _ => return None,
        };
        // Under number 0 the device attests with the key that its maker gave it.
        (self.is_done() && signer != 0).then_some(signer)
    }

    /// Returns the object that left the device under a wrap key, where the entry records that one did.
    #[must_use]
    pub fn exported(&self) -> Option<u16> {
        (self.command == command::EXPORT_WRAPPED && self.is_done()).then_some(self.second_key)
    }

    /// Whether the command was carried out.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.result == self.command | 0x80
    }

    /// Whether the entry is that of the device being powered on.
    #[must_use]
    pub fn is_boot(&self) -> bool {
        self.command == 0
    }

    /// Whether this is the first entry of a device, as it writes it when it is reset.
    #[must_use]
    pub fn is_reset(&self) -> bool {
        const NUMBER_BYTES: usize = 2;
        let bytes = self.to_bytes();
        let mut others = bytes.iter().take(FIELDS_BYTES).skip(NUMBER_BYTES);
        self.number == 1 && others.all(|byte| *byte == 0xff)
    }
}

/// Commands whose entries mean something here, by the numbers of the YubiHSM 2 User Guide.
pub mod command {
    /// Gives a login another password.
    pub const CHANGE_AUTHENTICATION_KEY: u8 = 0x6c;
    /// Removes an object.
    pub const DELETE_OBJECT: u8 = 0x58;
    /// Lets an object leave the device, wrapped.
    pub const EXPORT_WRAPPED: u8 = 0x4a;
    /// Makes a signing key in the device.
    pub const GENERATE_ASYMMETRIC_KEY: u8 = 0x46;
    /// Makes a wrap key in the device.
    pub const GENERATE_WRAP_KEY: u8 = 0x5b;
    /// Brings an object in that left a device wrapped.
    pub const IMPORT_WRAPPED: u8 = 0x4b;
    /// Brings a signing key in.
    pub const PUT_ASYMMETRIC_KEY: u8 = 0x45;
    /// Makes a login.
    pub const PUT_AUTHENTICATION_KEY: u8 = 0x44;
    /// Brings a wrap key in.
    pub const PUT_WRAP_KEY: u8 = 0x4c;
    /// Changes what the device records, for one.
    pub const SET_OPTION: u8 = 0x4f;
    /// Signs what is said of another key.
    pub const SIGN_ATTESTATION_CERTIFICATE: u8 = 0x64;
    /// Signs a digest with ECDSA.
    pub const SIGN_ECDSA: u8 = 0x56;
    /// Signs a message with Ed25519.
    pub const SIGN_EDDSA: u8 = 0x6a;
    /// Signs with RSA, PKCS#1 v1.5.
    pub const SIGN_PKCS1: u8 = 0x47;
    /// Signs with RSA-PSS.
    pub const SIGN_PSS: u8 = 0x55;
    /// Signs an SSH certificate.
    pub const SIGN_SSH_CERTIFICATE: u8 = 0x5d;

    /// Names a command as `yubihsm-shell` does; others by their number.
    #[must_use]
    pub fn name(command: u8) -> std::borrow::Cow<'static, str> {
        let known = match command {
            0 => "boot",
            0x01 => "echo",
            0x03 => "create-session",
            0x04 => "authenticate-session",
            0x40 => "close-session",
            0x43 => "get-opaque",
            0x48 => "list-objects",
            0x4d => "get-log-entries",
            0x4e => "get-object-info",
            0x50 => "get-option",
            0x54 => "get-public-key",
            0x67 => "set-log-index",
            0xff => "reset",
            CHANGE_AUTHENTICATION_KEY => "change-authentication-key",
            DELETE_OBJECT => "delete-object",
            EXPORT_WRAPPED => "export-wrapped",
            GENERATE_ASYMMETRIC_KEY => "generate-asymmetric-key",
            GENERATE_WRAP_KEY => "generate-wrap-key",
            IMPORT_WRAPPED => "import-wrapped",
            PUT_ASYMMETRIC_KEY => "put-asymmetric-key",
            PUT_AUTHENTICATION_KEY => "put-authentication-key",
            PUT_WRAP_KEY => "put-wrap-key",
            SET_OPTION => "set-option",
            SIGN_ATTESTATION_CERTIFICATE => "sign-attestation-certificate",
            SIGN_ECDSA => "sign-ecdsa",
            SIGN_EDDSA => "sign-eddsa",
            SIGN_PKCS1 => "sign-pkcs1",
            SIGN_PSS => "sign-pss",
            SIGN_SSH_CERTIFICATE => "sign-ssh-certificate",
            _ => return format!("command-{command:02x}").into(),
        };
        known.into()
    }
}

/// Where a device's entries are kept for the auditor.
pub trait AuditLedger: Send {
    /// Returns the newest entry kept of the device with this serial number.
    ///
    /// # Errors
    ///
    /// What the store answers; the device keeps its entries then.
    fn newest(&mut self, serial: &str) -> Result<Option<AuditEntry>, Source>;

    /// Keeps entries, oldest first. On return they are durable: the device may overwrite them.
    ///
    /// # Errors
    ///
    /// What the store answers; the device keeps its entries then.
    fn keep(&mut self, serial: &str, entries: &[AuditEntry]) -> Result<(), Source>;

    /// Is told that what the device shows does not follow from what is kept; nothing more is read then.
    ///
    /// # Errors
    ///
    /// What the store answers.
    fn broken(&mut self, serial: &str, broken: Broken) -> Result<(), Source> {
        let _ = (serial, broken);
        Ok(())
    }
}

/// What came of reading a device's log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuditRead {
    /// Entries that were not kept before.
    pub entries: usize,
    /// Times the device was powered on while its log was full, and so without an entry.
    pub unlogged_boots: u16,
    /// Logins while the log was full, and so without an entry.
    pub unlogged_logins: u16,
}

/// A device's log as it stands in the device, and whether it records every signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditView {
    /// The device's serial number.
    pub serial: String,
    /// Its entries, oldest first: those that it was not told to drop.
    pub entries: Vec<AuditEntry>,
    /// What came without an entry since the log was read last; it keeps no entries here.
    pub unlogged: AuditRead,
    /// Whether the device stops rather than sign without an entry, until it is reset; nothing where the login may
    /// not ask.
    pub is_forced: Option<bool>,
    /// The signing keys in the device, those that Chancery can use, as the login sees them.
    pub keys: Vec<KeyInfo>,
}

/// Where entries are no chain any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {number} {reason}")]
pub struct Broken {
    /// Place of the entry among those looked at, from 0.
    pub at: usize,
    /// The device's number of the entry.
    pub number: u16,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// Returns the entries that come after those kept, in a chain without gaps. Of those kept, `kept` is the newest
/// or more, oldest first.
///
/// A device gives entries again that it was not yet told to drop: each is compared with the one kept. Where nothing
/// was kept before, the first entry is where the chain is first seen.
///
/// # Errors
///
/// The first entry that differs from the one kept, or does not follow from the one before.
pub fn continued<'a>(kept: &[AuditEntry], entries: &'a [AuditEntry]) -> Result<&'a [AuditEntry], Broken> {
    let broken = |at: usize, number, reason| Err(Broken { at, number, reason });
    let newest = kept.last();
    let again = newest.and_then(|newest| entries.iter().position(|entry| entry.number == newest.number));
    let known = again.map_or(0, |at| at + 1);
    let (known, fresh) = entries.split_at_checked(known).unwrap_or((entries, &[]));
    let older = kept.len().saturating_sub(known.len());
    let skipped = known.len().saturating_sub(kept.len());
    let same = known.iter().enumerate().skip(skipped).zip(kept.iter().skip(older));
    for ((at, entry), kept) in same {
        if entry != kept {
            return broken(at, entry.number, "differs from the one kept");
        }
    }
    let mut previous = if known.is_empty() { newest } else { None };
    for (at, entry) in entries.iter().enumerate() {
        if previous.is_some_and(|previous| !entry.follows(previous)) {
            return broken(at, entry.number, "does not follow from the one before it");
        }
        previous = Some(entry);
    }
    Ok(fresh)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn chain(first: u16, length: u16) -> Vec<AuditEntry> {
        let mut entries: Vec<AuditEntry> = Vec::new();
        for offset in 0..length {
            let entry = AuditEntry {
                number: first.wrapping_add(offset),
                command: 0x6a,
                length: 10,
                session_key: 2,
                target_key: 0x100,
                second_key: 0xffff,
                result: 0xea,
                tick: u32::from(offset),
                digest: [0; 16],
            };
            entries.push(entry);
            tie(&mut entries);
        }
        entries
    }

    /// Ties the last entry to the one before it.
    fn tie(entries: &mut [AuditEntry]) {
        let [before @ .., last] = entries else { return };
        let previous = before.last().map_or([0; 16], |entry| entry.digest);
        let digest = Sha256::new().chain_update(&last.to_bytes()[..16]).chain_update(previous).finalize();
        last.digest = digest[..16].try_into().unwrap();
    }

    #[test]
    fn entries_survive_their_bytes() {
        for entry in chain(1, 3) {
            assert_eq!(AuditEntry::from_bytes(&entry.to_bytes()), entry);
            assert_eq!(entry.signer(), Some(0x100));
        }
    }

    #[test]
    fn a_chain_continues_where_it_was_read_last() {
        let entries = chain(0xfffe, 6);
        assert_eq!(continued(&[], &entries), Ok(&entries[..]));
        for kept in [&entries[1..2], &entries[..2]] {
            assert_eq!(continued(kept, &entries), Ok(&entries[2..]));
            assert_eq!(continued(kept, &entries[1..]), Ok(&entries[2..]));
            assert_eq!(continued(kept, &entries[2..]), Ok(&entries[2..]));
            assert_eq!(continued(kept, &[]), Ok(&[][..]));
        }
        assert_eq!(continued(&entries[5..], &entries), Ok(&[][..]));
        assert_eq!(continued(&entries, &entries), Ok(&[][..]));
    }

    #[test]
    fn gaps_and_changes_are_found() {
        let entries = chain(1, 6);
        let missing = continued(&entries[..2], &entries[3..]).unwrap_err();
        assert_eq!(missing.to_string(), "entry 4 does not follow from the one before it");
        let without = [&entries[..2], &entries[3..]].concat();
        assert_eq!(continued(&[], &without).unwrap_err().at, 2, "a removed entry");
        for index in 0..6 {
            for byte in 0..ENTRY_BYTES {
                let mut bytes = entries[index].to_bytes();
                bytes[byte] ^= 1;
                let mut changed = entries.clone();
                changed[index] = AuditEntry::from_bytes(&bytes);
                // The first entry's own fields are believed once: nothing was read before it.
                let is_anchor = index == 0 && byte < FIELDS_BYTES && byte > 1;
                assert_eq!(continued(&[], &changed).is_ok(), is_anchor, "entry {index}, byte {byte}");
                assert!(continued(&entries[..1], &changed).is_err(), "entry {index}, byte {byte}");
                assert!(continued(&entries, &changed).is_err(), "entry {index}, byte {byte}");
            }
        }
    }

    /// A chain is no signature: whoever can write where entries are kept makes another that holds.
    #[test]
    fn a_chain_made_up_afterwards_does_not_end_as_the_device_has_it() {
        let entries = chain(1, 6);
        let mut forged = Vec::new();
        for entry in entries.iter().filter(|entry| entry.number != 3) {
            let number = u16::try_from(forged.len()).unwrap() + 1;
            forged.push(AuditEntry { number, ..entry.clone() });
            tie(&mut forged);
        }
        assert!(continued(&[], &forged).is_ok());
        // The device shows its newest entry again, and what came since.
        let broken = continued(&forged, &entries[5..]).unwrap_err();
        assert_eq!(broken.reason, "does not follow from the one before it");
        forged.push(AuditEntry { number: 6, ..entries[2].clone() });
        tie(&mut forged);
        let broken = continued(&forged, &entries[5..]).unwrap_err();
        assert_eq!((broken.number, broken.reason), (6, "differs from the one kept"));
    }

    #[test]
    fn signatures_are_told_by_command_result_and_key() {
        let [entry] = &chain(1, 1)[..] else { panic!("one entry") };
        assert_eq!(entry.signer(), Some(0x100));
        let with = |command, result| AuditEntry { command, result, second_key: 7, ..entry.clone() };
        for command in [0x47, 0x55, 0x56, 0x5d, 0x6a] {
            assert_eq!(with(command, command | 0x80).signer(), Some(0x100), "{command:02x}");
            assert_eq!(with(command, 0x0b).signer(), None, "refused");
        }
        assert_eq!(with(0x64, 0xe4).signer(), Some(7));
        assert_eq!(AuditEntry { second_key: 0, ..with(0x64, 0xe4) }.signer(), None, "the device's own key");
        assert_eq!(with(0x67, 0xe7).signer(), None);
        assert_eq!((with(0x4a, 0xca).exported(), with(0x4a, 0x0b).exported()), (Some(7), None));
        let first =
            AuditEntry::from_bytes(&[&[0, 1][..], &[0xff; 14], &[9; 16]].concat().try_into().unwrap());
        assert!(first.is_reset() && !entry.is_reset());
        assert!(!AuditEntry { number: 2, ..first }.is_reset());
    }
}
