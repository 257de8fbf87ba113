//! Sessions with a YubiHSM 2, opened, used and closed.
//!
//! A device has sixteen, each free thirty seconds after its last use; what is closed is free at once. A
//! session whose channel is in doubt is never used again. Not here: what the commands mean.

use zeroize::Zeroizing;

use super::channel::{Challenge, Channel, LoginKeys};
use super::transport::Link;
use super::wire::{Fields, WireError, answer, command, frame};

/// A session under one authentication key; closed when dropped.
pub(super) struct Session {
    link: Link,
    channel: Option<Channel>,
}

impl Session {
    /// Opens a session; the device proves that it knows the password before the program does.
    pub(super) fn open(link: &Link, auth_id: u16, keys: &LoginKeys) -> Result<Self, WireError> {
        let mut challenge = Challenge::default();
        getrandom::fill(&mut challenge).map_err(|error| WireError::NotSent(error.into()))?;
        let request = [&auth_id.to_be_bytes()[..], &challenge].concat();
        let created = link.exchange(&frame(command::CREATE_SESSION, &request)?)?;
        let created = answer(command::CREATE_SESSION, &created)?;
        let (channel, authenticate) = Channel::begin(keys, challenge, created)?;
        let authenticated = link.exchange(&authenticate)?;
        let [] = answer(command::AUTHENTICATE_SESSION, &authenticated)? else {
            return Err(WireError::Malformed("an answer that is too long"));
        };
        Ok(Self { link: link.clone(), channel: Some(channel) })
    }

    /// Sends a command and returns the data of its answer.
    ///
    /// After [`WireError::NotSent`] and [`WireError::SessionEnded`] the device did not execute it, after an
    /// error of the device neither; after the others that is unknown.
    pub(super) fn send(&mut self, command: u8, data: &[u8]) -> Result<Zeroizing<Vec<u8>>, WireError> {
        let channel = self.channel.take().filter(|channel| !channel.is_used_up());
        let mut channel = channel.ok_or_else(|| WireError::NotSent("the session is over".into()))?;
        let sealed = channel.seal(command, data)?;
        let result = channel.open(command, &self.link.exchange(&sealed)?);
        if matches!(result, Ok(_) | Err(WireError::Device(_))) {
            self.channel = Some(channel);
        }
        result
    }

    /// Asks the device what it is.
    pub(super) fn device_info(&mut self) -> Result<DeviceInfo, WireError> {
        DeviceInfo::read(&self.send(command::DEVICE_INFO, &[])?)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Where it fails, the device ends the session by itself.
        let _ = self.send(command::CLOSE_SESSION, &[]);
    }
}

/// What a device tells of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DeviceInfo {
    /// Major, minor, patch.
    pub(super) firmware: [u8; 3],
    /// Ten decimal digits.
    pub(super) serial: String,
    /// Entries that the audit log holds.
    pub(super) log_size: u8,
    /// Entries in the audit log that are not read yet.
    pub(super) log_used: u8,
}

impl DeviceInfo {
    /// Asks a device without a session.
    pub(super) fn ask(link: &Link) -> Result<Self, WireError> {
        let answered = link.exchange(&frame(command::DEVICE_INFO, &[])?)?;
        Self::read(answer(command::DEVICE_INFO, &answered)?)
    }

    fn read(data: &[u8]) -> Result<Self, WireError> {
        let mut fields = Fields(data);
        let firmware = fields.take()?;
        let serial = format!("{:010}", fields.u32()?);
        // What follows are the algorithms.
        Ok(Self { firmware, serial, log_size: fields.u8()?, log_used: fields.u8()? })
    }

    /// Returns the version as people write it.
    pub(super) fn version(&self) -> String {
        let [major, minor, patch] = self.firmware;
        format!("{major}.{minor}.{patch}")
    }
}
