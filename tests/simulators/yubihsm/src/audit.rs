//! The audit log: 62 entries of 32 bytes, each with a digest over itself and the digest before it.
//!
//! A full log is a ring, which overwrites its oldest entry, unless audit is forced: then nothing is
//! overwritten, and what could not be logged is counted or refused. An entry's digest is the first 16 bytes
//! of SHA-256 over its own 16 bytes and the previous digest; the first entry after a reset follows random
//! bytes, so its digest cannot be checked. Not here: which commands are logged (`device`).

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::frame::Refusal;
use crate::key;

/// How many entries the log holds.
pub(crate) const CAPACITY: usize = 62;

/// No key, in an entry.
pub(crate) const NO_KEY: u16 = 0xffff;

/// What an entry says, but for its number and digest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) command: u8,
    /// Bytes of the command's payload.
    pub(crate) length: u16,
    /// The authentication key of the session.
    pub(crate) session_key: u16,
    pub(crate) target: u16,
    pub(crate) second: u16,
    /// The command byte of the response; the error's code for a refusal.
    pub(crate) result: u8,
    /// Tenths of a second since the device booted.
    pub(crate) tick: u32,
}

impl Event {
    /// The first entry of a device that was reset.
    const RESET: Self = Self {
        command: 0xff,
        length: 0xffff,
        session_key: NO_KEY,
        target: NO_KEY,
        second: NO_KEY,
        result: 0xff,
        tick: u32::MAX,
    };

    /// The entry of a boot.
    const BOOT: Self =
        Self { command: 0, length: 0, session_key: NO_KEY, target: 0, second: 0, result: 0, tick: 0 };
}

/// One entry, as it is read from the device.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
struct Entry(#[serde(with = "crate::hex")] [u8; 32]);

impl Entry {
    fn new(number: u16, event: &Event, before: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes[0..2].copy_from_slice(&number.to_be_bytes());
        bytes[2] = event.command;
        bytes[3..5].copy_from_slice(&event.length.to_be_bytes());
        bytes[5..7].copy_from_slice(&event.session_key.to_be_bytes());
        bytes[7..9].copy_from_slice(&event.target.to_be_bytes());
        bytes[9..11].copy_from_slice(&event.second.to_be_bytes());
        bytes[11] = event.result;
        bytes[12..16].copy_from_slice(&event.tick.to_be_bytes());
        let digest = Sha256::new().chain_update(&bytes[..16]).chain_update(before).finalize();
        bytes[16..].copy_from_slice(&digest[..16]);
        Self(bytes)
    }

    fn number(&self) -> u16 {
        u16::from_be_bytes([self.0[0], self.0[1]])
    }
}

/// The log and its counters, which all survive a power cycle.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditLog {
    entries: VecDeque<Entry>,
    /// The newest entry, consumed or not: what the next one follows.
    newest: Entry,
    unlogged_boots: u16,
    unlogged_authentications: u16,
}

impl AuditLog {
    /// Returns the log of a device that was just reset and has booted.
    pub(crate) fn new() -> Result<Self, Refusal> {
        let first = Entry::new(1, &Event::RESET, &key::random::<32>()?);
        let mut log = Self {
            entries: VecDeque::from([first]),
            newest: first,
            unlogged_boots: 0,
            unlogged_authentications: 0,
        };
        log.append(&Event::BOOT);
        Ok(log)
    }

    /// Returns how many entries wait to be consumed.
    pub(crate) fn used(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether one more entry would overwrite another.
    pub(crate) fn is_full(&self) -> bool {
        self.entries.len() >= CAPACITY
    }

    /// Logs an event, over the oldest entry if the log is full.
    pub(crate) fn append(&mut self, event: &Event) {
        let entry = Entry::new(self.newest.number().wrapping_add(1), event, &self.newest.0[16..]);
        if self.is_full() {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
        self.newest = entry;
    }

    /// Logs a boot; counts it where audit is forced and the log is full.
    pub(crate) fn boot(&mut self, forced: bool) {
        if forced && self.is_full() {
            self.unlogged_boots = self.unlogged_boots.saturating_add(1);
        } else {
            self.append(&Event::BOOT);
        }
    }

    /// Counts a step of an authentication that could not be logged.
    pub(crate) fn count_authentication(&mut self) {
        self.unlogged_authentications = self.unlogged_authentications.saturating_add(1);
    }

    /// Returns what GET LOG ENTRIES answers.
    pub(crate) fn read(&self) -> Vec<u8> {
        let mut answer = Vec::with_capacity(5 + 32 * self.entries.len());
        answer.extend_from_slice(&self.unlogged_boots.to_be_bytes());
        answer.extend_from_slice(&self.unlogged_authentications.to_be_bytes());
        answer.push(u8::try_from(self.entries.len()).unwrap_or(u8::MAX));
        for entry in &self.entries {
            answer.extend_from_slice(&entry.0);
        }
        answer
    }

    /// Gives up all entries but the newest, as one does who read them.
    pub(crate) fn keep_newest(&mut self) {
        self.entries = VecDeque::from([self.newest]);
    }

    /// Gives up all entries up to `number`, and the counters.
    ///
    /// # Errors
    ///
    /// [`Refusal::InvalidData`] when the log holds no such entry.
    pub(crate) fn consume(&mut self, number: u16) -> Result<(), Refusal> {
        let at = self.entries.iter().position(|entry| entry.number() == number);
        self.entries.drain(..=at.ok_or(Refusal::InvalidData)?);
        (self.unlogged_boots, self.unlogged_authentications) = (0, 0);
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ECHO: Event = Event {
        command: 1,
        length: 3,
        session_key: 1,
        target: NO_KEY,
        second: NO_KEY,
        result: 0x81,
        tick: 5,
    };

    fn chain_holds(log: &AuditLog) -> bool {
        log.entries.iter().zip(log.entries.iter().skip(1)).all(|(before, entry)| {
            let mut hashed = entry.0[..16].to_vec();
            hashed.extend_from_slice(&before.0[16..]);
            entry.0[16..] == Sha256::digest(&hashed)[..16]
                && entry.number() == before.number().wrapping_add(1)
        })
    }

    #[test]
    fn a_real_devices_second_entry_follows_its_first() {
        let hex = |text: &str| base16ct::lower::decode_vec(text).unwrap();
        let before = hex("33012657537e4842f57fa6ed3b09b25b");
        let boot = Entry::new(2, &Event::BOOT, &before);
        assert_eq!(boot.0[16..], hex("fc153091560e18bca82621522c85bdba"));
    }

    #[test]
    fn a_new_log_has_the_reset_and_the_boot_and_then_wraps() {
        let mut log = AuditLog::new().unwrap();
        assert_eq!(log.entries[0].0[..16], [[0, 1].as_slice(), &[0xff; 14]].concat());
        assert_eq!(log.entries[1].0[..16], [0, 2, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        for _ in 0..100 {
            log.append(&ECHO);
        }
        assert_eq!((log.used(), log.entries[0].number(), log.newest.number()), (62, 41, 102));
        assert!(chain_holds(&log));
    }

    #[test]
    fn consumed_entries_are_gone_and_the_chain_goes_on() {
        let mut log = AuditLog::new().unwrap();
        log.append(&ECHO);
        assert_eq!(log.consume(9), Err(Refusal::InvalidData));
        log.consume(2).unwrap();
        assert_eq!(log.consume(2), Err(Refusal::InvalidData));
        assert_eq!((log.used(), log.entries[0].number()), (1, 3));
        log.consume(3).unwrap();
        log.append(&ECHO);
        assert_eq!((log.used(), log.entries[0].number()), (1, 4));
        assert!(chain_holds(&log));
    }

    #[test]
    fn what_cannot_be_logged_is_counted_until_the_log_is_consumed() {
        let mut log = AuditLog::new().unwrap();
        while !log.is_full() {
            log.append(&ECHO);
        }
        log.boot(true);
        log.count_authentication();
        log.count_authentication();
        assert_eq!(log.read()[..5], [0, 1, 0, 2, 62]);
        log.consume(60).unwrap();
        assert_eq!(log.read()[..5], [0, 0, 0, 0, 2]);
        log.boot(true);
        assert_eq!(log.read()[..5], [0, 0, 0, 0, 3]);
    }

    #[test]
    fn numbers_wrap_at_their_sixteen_bits() {
        let mut log = AuditLog::new().unwrap();
        log.newest = Entry::new(0xfffe, &ECHO, &[0; 16]);
        log.entries = VecDeque::from([log.newest]);
        for _ in 0..3 {
            log.append(&ECHO);
        }
        assert!(chain_holds(&log));
        log.consume(0).unwrap();
        assert_eq!((log.used(), log.newest.number()), (1, 1));
    }
}
