//! A device's own log of what was done with it: its entries, their chain, and where they are kept.
//!
//! A YubiHSM 2 numbers its entries and chains them: digest = SHA-256(entry ‖ previous digest), its first 16
//! bytes. The chain shows that nothing is missing between two entries; it is not signed, so entries count
//! only as read in a session of one's own. Entries are kept by an [`AuditLedger`] before the device may
//! overwrite them. Not here: matching them with the authority's own records.

use sha2::{Digest, Sha256};

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

    /// Whether the entry records a signature that the device made: Ed25519 or ECDSA, and it succeeded.
    #[must_use]
    pub fn is_signature(&self) -> bool {
        const SIGN_ECDSA: u8 = 0x56;
        const SIGN_EDDSA: u8 = 0x6a;
        matches!(self.command, SIGN_ECDSA | SIGN_EDDSA) && self.result == self.command | 0x80
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

/// Returns the entries that come after the newest one kept, in a chain without gaps.
///
/// A device gives entries again that it was not yet told to drop. Where nothing was kept before, the first
/// entry is where the chain is first seen.
///
/// # Errors
///
/// What is wrong, in words: an entry that differs from the one kept, or does not follow from the one before.
pub fn continued<'a>(
    newest: Option<&AuditEntry>,
    entries: &'a [AuditEntry],
) -> Result<&'a [AuditEntry], &'static str> {
    let fresh = match newest {
        None => entries,
        Some(newest) => match entries.iter().position(|entry| entry.number == newest.number) {
            Some(at) if entries.get(at) != Some(newest) => return Err("an entry differs from the one kept"),
            Some(at) => entries.get(at + 1..).unwrap_or_default(),
            None => entries,
        },
    };
    let mut previous = newest;
    for entry in fresh {
        if previous.is_some_and(|previous| !entry.follows(previous)) {
            return Err("an entry does not follow from the one before it");
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
            let mut entry = AuditEntry {
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
            let previous = entries.last().map_or([0; 16], |entry| entry.digest);
            let digest =
                Sha256::new().chain_update(&entry.to_bytes()[..16]).chain_update(previous).finalize();
            entry.digest = digest[..16].try_into().unwrap();
            entries.push(entry);
        }
        entries
    }

    #[test]
    fn entries_survive_their_bytes() {
        for entry in chain(1, 3) {
            assert_eq!(AuditEntry::from_bytes(&entry.to_bytes()), entry);
            assert!(entry.is_signature());
        }
    }

    #[test]
    fn a_chain_continues_where_it_was_read_last() {
        let entries = chain(0xfffe, 6);
        assert_eq!(continued(None, &entries), Ok(&entries[..]));
        assert_eq!(continued(Some(&entries[1]), &entries), Ok(&entries[2..]));
        assert_eq!(continued(Some(&entries[1]), &entries[2..]), Ok(&entries[2..]));
        assert_eq!(continued(Some(&entries[5]), &entries), Ok(&[][..]));
        assert_eq!(continued(Some(&entries[5]), &[]), Ok(&[][..]));
    }

    #[test]
    fn gaps_and_changes_are_found() {
        let entries = chain(1, 6);
        assert!(continued(Some(&entries[1]), &entries[3..]).is_err(), "a missing entry");
        let without = [&entries[..2], &entries[3..]].concat();
        assert!(continued(None, &without).is_err(), "a removed entry");
        for index in 0..6 {
            for byte in 0..ENTRY_BYTES {
                let mut bytes = entries[index].to_bytes();
                bytes[byte] ^= 1;
                let mut changed = entries.clone();
                changed[index] = AuditEntry::from_bytes(&bytes);
                // The first entry's own fields are believed once: nothing was read before it.
                let is_anchor = index == 0 && byte < FIELDS_BYTES && byte > 1;
                assert_eq!(continued(None, &changed).is_ok(), is_anchor, "entry {index}, byte {byte}");
                assert!(continued(Some(&entries[0]), &changed).is_err(), "entry {index}, byte {byte}");
            }
        }
    }
}
