//! Commands on the device itself: its log, its options, its reset.

use super::{Device, Sequel};
use crate::capability;
use crate::command::Firmware;
use crate::frame::{Fields, Refusal};
use crate::object::{kind_of, reported_algorithms};
use crate::session::Rights;
use crate::state::{FIXED, OFF};

const FORCE_AUDIT: u8 = 0x01;
const COMMAND_AUDIT: u8 = 0x03;
const ALGORITHM_TOGGLE: u8 = 0x04;

/// Checks a change of an audit option: what is fixed stays so until the factory's reset.
fn check(now: u8, wanted: u8) -> Result<(), Refusal> {
    if wanted > FIXED || (now == FIXED && wanted != FIXED) { Err(Refusal::InvalidData) } else { Ok(()) }
}

impl Device {
    pub(super) fn log_entries(&self, rights: Rights, payload: &[u8]) -> Result<Vec<u8>, Refusal> {
        Fields(payload).end()?;
        rights.need(capability::GET_LOG_ENTRIES)?;
        Ok(self.state.log.read())
    }

    pub(super) fn set_log_index(&mut self, rights: Rights, payload: &[u8]) -> Result<Vec<u8>, Refusal> {
        let mut fields = Fields(payload);
        let number = fields.u16()?;
        fields.end()?;
        rights.need(capability::GET_LOG_ENTRIES)?;
        self.change().log.consume(number)?;
        Ok(Vec::new())
    }

    pub(super) fn get_option(&self, rights: Rights, payload: &[u8]) -> Result<Vec<u8>, Refusal> {
        let mut fields = Fields(payload);
        let option = fields.u8()?;
        fields.end()?;
        rights.need(capability::GET_OPTION)?;
        match option {
            FORCE_AUDIT => Ok(vec![self.state.force_audit]),
            COMMAND_AUDIT => {
                let value = |code| self.state.command_audit.get(&code).copied().unwrap_or(OFF);
                Ok(self.firmware.commands().flat_map(|code| [code, value(code)]).collect())
            }
            ALGORITHM_TOGGLE if self.firmware >= Firmware(2, 2, 0) => {
                let enabled = |algorithm| u8::from(kind_of(algorithm).is_some());
                let algorithms = reported_algorithms(self.firmware);
                Ok(algorithms.flat_map(|algorithm| [algorithm, enabled(algorithm)]).collect())
            }
            _ => Err(Refusal::InvalidData),
        }
    }

    pub(super) fn set_option(&mut self, rights: Rights, payload: &[u8]) -> Result<Vec<u8>, Refusal> {
        let mut fields = Fields(payload);
        let (option, length) = (fields.u8()?, fields.u16()?);
        let value = fields.rest();
        rights.need(capability::SET_OPTION)?;
        if value.len() != usize::from(length) {
            return Err(Refusal::WrongLength);
        }
        match (option, value) {
            (FORCE_AUDIT, &[wanted]) => {
                check(self.state.force_audit, wanted)?;
                self.change().force_audit = wanted;
            }
            (COMMAND_AUDIT, pairs) if !pairs.is_empty() && pairs.len().is_multiple_of(2) => {
                for pair in pairs.chunks_exact(2) {
                    if !self.firmware.commands().any(|code| code == pair[0]) {
                        return Err(Refusal::InvalidData);
                    }
                    check(self.state.command_audit.get(&pair[0]).copied().unwrap_or(OFF), pair[1])?;
                }
                for pair in pairs.chunks_exact(2) {
                    self.change().command_audit.insert(pair[0], pair[1]);
                }
            }
            _ => return Err(Refusal::InvalidData), // other options are not simulated
        }
        Ok(Vec::new())
    }

    pub(super) fn reset_device(&mut self, rights: Rights, payload: &[u8]) -> Result<Vec<u8>, Refusal> {
        Fields(payload).end()?;
        rights.need(capability::RESET_DEVICE)?;
        self.factory_reset()?;
        self.sequel = Sequel::Boot;
        Ok(Vec::new())
    }
}
