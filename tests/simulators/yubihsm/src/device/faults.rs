//! Faults that concern the device itself.
//!
//! Not here: a device that cannot be reached (`http`), the lines that name faults (`fault`).

use super::Device;
use crate::audit::NO_KEY;
use crate::certificate::Defect;
use crate::command;
use crate::fault::{Fault, Pending};
use crate::frame::{RESPONSE, Refusal};
use crate::key;
use crate::object::{Kind, Object};
use crate::scp03::{Channel, TAG};
use crate::session::Rights;

impl Device {
    /// Injects a fault that concerns the device; `die` and `unplug` are the connector's.
    ///
    /// # Errors
    ///
    /// When there is no such key, or the state cannot be saved.
    pub(crate) fn inject(&mut self, fault: &Fault) -> Result<(), Refusal> {
        match fault {
            Fault::Age(count) => {
                for _ in 0..*count {
                    self.targets = (NO_KEY, NO_KEY);
                    self.log(command::ECHO, 1, NO_KEY, command::ECHO | RESPONSE);
                }
                self.change().log.keep_newest();
            }
            Fault::Attestation(defect) => self.defect = *defect,
            Fault::CorruptSignature => self.pending.corrupt_signature = true,
            Fault::Delay { delay, command: None } => self.pending.delay = *delay,
            Fault::Delay { delay, command: Some(code) } => {
                self.pending.delays.insert(*code, *delay);
            }
            Fault::Die | Fault::Unplug => (),
            Fault::DropReply => self.pending.drop_reply = true,
            Fault::DropRequest(wanted) => self.pending.drop_request = Some(*wanted),
            Fault::FillLog => {
                while !self.state.log.is_full() {
                    self.targets = (NO_KEY, NO_KEY);
                    self.log(command::ECHO, 1, NO_KEY, command::ECHO | RESPONSE);
                }
            }
            Fault::FillSessions => {
                let rights = Rights { key: 1, domains: 0, capabilities: 0, delegated: 0 };
                while self.sessions.create(Channel::new(&[0; 32], [0; TAG], [0; TAG]), rights).is_ok() {}
            }
            Fault::PowerCycle => self.boot(),
            Fault::ReplaceKey(id) => {
                let object = self.change().object_mut(Kind::AsymmetricKey, *id);
                let object: &mut Object = object.ok_or(Refusal::ObjectNotFound)?;
                object.data = key::generate(object.algorithm)?;
            }
            Fault::Reset => {
                self.factory_reset()?;
                self.restart();
            }
            Fault::Serial(serial) => self.serial = *serial,
        }
        self.save()
    }

    /// Takes back what [`Device::inject`] left waiting.
    pub(crate) fn mend(&mut self) {
        self.pending = Pending::default();
        self.defect = Defect::None;
    }
}
