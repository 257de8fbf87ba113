//! What survives a power cycle, and the file that keeps it.
//!
//! The file is replaced whole, by writing a neighbour and renaming it over: a process that dies at any point
//! leaves the state of before or that of after. It is not synced to the disk, since a test's machine does
//! not lose power; it holds test keys in the clear. Not here: sessions, which end with the power (`session`).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::audit::AuditLog;
use crate::command::Firmware;
use crate::frame::Refusal;
use crate::object::{Kind, Object, PAGES, RECORDS};

/// Off, on, and on until the factory's reset, of every audit option.
pub(crate) const OFF: u8 = 0;
pub(crate) const ON: u8 = 1;
pub(crate) const FIXED: u8 = 2;

/// Everything the device's non-volatile memory holds.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    objects: Vec<Object>,
    /// The next sequence number of every type and id that has been used.
    sequences: Vec<(Kind, u16, u8)>,
    pub(crate) log: AuditLog,
    pub(crate) force_audit: u8,
    /// Whether a command is logged.
    pub(crate) command_audit: BTreeMap<u8, u8>,
}

impl State {
    /// Returns the state of a device that was just reset.
    pub(crate) fn factory(firmware: Firmware) -> Result<Self, Refusal> {
        let audited = |code: u8| (code, if firmware.audits(code) { ON } else { OFF });
        Ok(Self {
            objects: vec![Object::factory_key()],
            sequences: vec![(Kind::AuthenticationKey, 1, 1)],
            log: AuditLog::new()?,
            force_audit: OFF,
            command_audit: firmware.commands().map(audited).collect(),
        })
    }

    /// Returns whether the log must not lose an entry.
    pub(crate) fn audit_is_forced(&self) -> bool {
        self.force_audit != OFF
    }

    /// Returns whether a command is logged.
    pub(crate) fn audits(&self, command: u8) -> bool {
        self.command_audit.get(&command).is_some_and(|value| *value != OFF)
    }

    pub(crate) fn objects(&self) -> &[Object] {
        &self.objects
    }

    /// Returns an object, whatever its domains.
    pub(crate) fn object(&self, kind: Kind, id: u16) -> Option<&Object> {
        self.objects.iter().find(|object| object.kind == kind && object.id == id)
    }

    pub(crate) fn object_mut(&mut self, kind: Kind, id: u16) -> Option<&mut Object> {
        self.objects.iter_mut().find(|object| object.kind == kind && object.id == id)
    }

    /// Stores a new object under the next sequence number of its type and id.
    ///
    /// # Errors
    ///
    /// [`Refusal::ObjectExists`], and [`Refusal::StorageFailed`] when the device is full.
    pub(crate) fn insert(&mut self, mut object: Object) -> Result<(), Refusal> {
        if self.object(object.kind, object.id).is_some() {
            return Err(Refusal::ObjectExists);
        }
        if self.objects.len() >= RECORDS || self.pages_used() + object.pages() > PAGES {
            return Err(Refusal::StorageFailed);
        }
        let known = self.sequences.iter_mut().find(|(kind, id, _)| (*kind, *id) == (object.kind, object.id));
        object.sequence = match known {
            Some((_, _, next)) => std::mem::replace(next, next.wrapping_add(1)),
            None => {
                self.sequences.push((object.kind, object.id, 1));
                0
            }
        };
        self.objects.push(object);
        Ok(())
    }

    pub(crate) fn remove(&mut self, kind: Kind, id: u16) {
        self.objects.retain(|object| (object.kind, object.id) != (kind, id));
    }

    pub(crate) fn pages_used(&self) -> usize {
        self.objects.iter().map(Object::pages).sum()
    }
}

/// The state file.
#[derive(Debug)]
pub(crate) struct Store(PathBuf);

impl Store {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Reads the state; none when there is no file yet.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or is not a state: it is never overwritten then.
    pub(crate) fn load(&self) -> io::Result<Option<State>> {
        match fs::read(&self.0) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the file.
    ///
    /// # Errors
    ///
    /// When it cannot be written; the old file is left as it was.
    pub(crate) fn save(&self, state: &State) -> io::Result<()> {
        let bytes = serde_json::to_vec(state).map_err(io::Error::other)?;
        let neighbour = neighbour(&self.0);
        fs::write(&neighbour, bytes)?;
        fs::rename(&neighbour, &self.0)
    }
}

fn neighbour(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    path.with_file_name(name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::key;
    use crate::object::{EC_P256, GENERATED};

    fn key_object(id: u16) -> Object {
        Object {
            kind: Kind::AsymmetricKey,
            id,
            algorithm: EC_P256,
            label: [0; 40],
            domains: 1,
            capabilities: 0,
            delegated: 0,
            sequence: 0,
            origin: GENERATED,
            data: key::generate(EC_P256).unwrap(),
        }
    }

    #[test]
    fn a_sequence_number_counts_the_objects_that_had_the_id() {
        let mut state = State::factory(Firmware(2, 4, 0)).unwrap();
        for sequence in 0..3 {
            state.insert(key_object(7)).unwrap();
            assert_eq!(state.object(Kind::AsymmetricKey, 7).unwrap().sequence, sequence);
            assert_eq!(state.insert(key_object(7)), Err(Refusal::ObjectExists));
            state.remove(Kind::AsymmetricKey, 7);
        }
        let mut successor = Object::factory_key();
        state.remove(Kind::AuthenticationKey, 1);
        successor.domains = 1;
        state.insert(successor).unwrap();
        assert_eq!(state.object(Kind::AuthenticationKey, 1).unwrap().sequence, 1);
    }

    #[test]
    fn a_full_device_refuses_one_more_object() {
        let mut state = State::factory(Firmware(2, 4, 0)).unwrap();
        let object = key_object(0);
        for id in 2..=256 {
            state.insert(Object { id, ..object.clone() }).unwrap();
        }
        assert_eq!(state.insert(Object { id: 300, ..object }), Err(Refusal::StorageFailed));
        let mut state = State::factory(Firmware(2, 4, 0)).unwrap();
        let large = Object { data: vec![0; 126 * 1_022], ..key_object(9) };
        state.insert(large).unwrap();
        state.insert(key_object(10)).unwrap();
        assert_eq!(state.insert(key_object(11)), Err(Refusal::StorageFailed));
    }

    #[test]
    fn a_half_written_neighbour_leaves_the_state_of_before() {
        let folder = std::env::temp_dir().join(format!("chancery-state-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("state.json");
        let store = Store::new(path.clone());
        assert!(store.load().unwrap().is_none());
        let mut state = State::factory(Firmware(2, 4, 0)).unwrap();
        store.save(&state).unwrap();
        state.insert(key_object(5)).unwrap();
        let after = serde_json::to_vec(&state).unwrap();
        for cut in [0, 1, after.len() / 2, after.len() - 1, after.len()] {
            fs::write(neighbour(&path), &after[..cut]).unwrap();
            assert_eq!(store.load().unwrap().unwrap().objects().len(), 1, "cut at {cut}");
        }
        store.save(&state).unwrap();
        assert_eq!(store.load().unwrap().unwrap().objects().len(), 2);
        fs::write(&path, &after[..after.len() / 2]).unwrap();
        assert!(store.load().is_err(), "a broken state file must not pass as a new device");
        fs::remove_dir_all(folder).unwrap();
    }
}
