//! The device: frames in, frames out, sessions and the log between them.
//!
//! What a command does stands in the files below; here is what holds for all of them: which may be sent in
//! the clear, what is logged, what is refused when the log is full, and when the state is saved. Yubico
//! publishes no firmware, so where its documentation is silent the stricter reading is taken:
//!
//! - a command that is logged is refused with LOG FULL while audit is forced and the log is full, CLOSE
//!   SESSION among them; opening a session, GET LOG ENTRIES and SET LOG INDEX never are, except where
//!   SESSION MESSAGE itself is logged: then nothing passes, and only a factory reset helps;
//! - whether a command is logged is asked before and after it, so that no SET OPTION escapes the log;
//! - a wrong MAC ends the session.
//!
//! Not here: connections (`http`).

mod access;
mod attestation;
mod faults;
mod information;
mod keys;
mod settings;
mod signing;
mod wrapping;

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::audit::{Event, NO_KEY};
use crate::certificate::Defect;
use crate::command::{self, Firmware};
use crate::fault::Pending;
use crate::frame::{self, Fields, Refusal};
use crate::key;
use crate::object::Kind;
use crate::scp03::{Channel, StaticKeys, TAG};
use crate::session::{Rights, Sessions};
use crate::state::{State, Store};

/// What the device has really done since the simulator started; a reset does not lower it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Operations {
    /// Messages signed with Ed25519 keys.
    pub sign_eddsa: u64,
    /// Digests signed with P-256 keys.
    pub sign_ecdsa: u64,
    /// Attestation certificates signed.
    pub sign_attestation_certificate: u64,
    /// Sessions authenticated.
    pub sessions: u64,
    /// Commands executed, refused ones included.
    pub commands: u64,
    /// Places of the session table taken at this moment.
    pub sessions_open: usize,
    /// Log entries that wait to be consumed at this moment.
    pub log_used: usize,
}

/// How the device meets a frame.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Reaction {
    Answer(Vec<u8>),
    /// The connection ends without an answer.
    Drop,
}

/// What follows once an answer is sealed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sequel {
    None,
    Boot,
    Close,
}

/// A device.
#[derive(Debug)]
pub(crate) struct Device {
    firmware: Firmware,
    serial: u32,
    defect: Defect,
    state: State,
    changed: bool,
    store: Option<Store>,
    sessions: Sessions,
    booted: Instant,
    pending: Pending,
    operations: Operations,
    /// The keys that the command at hand affects, for its log entry.
    targets: (u16, u16),
    signed: bool,
    sequel: Sequel,
}

impl Device {
    /// Powers a device up: a new one, or the one that the state file holds.
    pub(crate) fn power_up(
        firmware: Firmware,
        serial: u32,
        time_out: Duration,
        store: Option<Store>,
    ) -> io::Result<Self> {
        let known = store.as_ref().map(Store::load).transpose()?.flatten();
        let is_new = known.is_none();
        let state = match known {
            Some(state) => state,
            None => State::factory(firmware).map_err(|refusal| io::Error::other(refusal.to_string()))?,
        };
        let mut device = Self {
            firmware,
            serial,
            defect: Defect::None,
            state,
            changed: true,
            store,
            sessions: Sessions::new(time_out),
            booted: Instant::now(),
            pending: Pending::default(),
            operations: Operations::default(),
            targets: (NO_KEY, NO_KEY),
            signed: false,
            sequel: Sequel::None,
        };
        if !is_new {
            device.boot();
        }
        device.save().map_err(|_| io::Error::other("the state file cannot be written"))?;
        Ok(device)
    }

    pub(crate) fn serial(&self) -> u32 {
        self.serial
    }

    pub(crate) fn firmware(&self) -> Firmware {
        self.firmware
    }

    pub(crate) fn operations(&mut self) -> Operations {
        let (sessions_open, log_used) = (self.sessions.taken(), self.state.log.used());
        Operations { sessions_open, log_used, ..self.operations }
    }

    /// Executes a frame.
    pub(crate) fn transact(&mut self, request: &[u8]) -> Reaction {
        let (code, payload) = match frame::parse(request) {
            Ok(parsed) if request.len() <= self.firmware.max_frame() => parsed,
            _ => return Reaction::Answer(frame::answer(0, &Err(Refusal::WrongLength))),
        };
        if code == command::SESSION_MESSAGE {
            return self.session_message(request, payload);
        }
        if self.pending.takes_request(code) {
            return Reaction::Drop;
        }
        thread::sleep(self.pending.delay_of(code));
        let result = self.execute(code, payload.len(), NO_KEY, |device| match code {
            command::ECHO => Ok(payload.to_vec()),
            command::DEVICE_INFO => device.device_info(payload),
            command::CREATE_SESSION => device.create_session(payload),
            command::AUTHENTICATE_SESSION => device.authenticate_session(request, payload),
            _ => Err(Refusal::InvalidCommand),
        });
        Reaction::Answer(frame::answer(code, &result))
    }

    fn create_session(&mut self, payload: &[u8]) -> Result<Vec<u8>, Refusal> {
        let mut fields = Fields(payload);
        let (id, host) = (fields.u16()?, fields.array::<TAG>()?);
        fields.end()?;
        self.targets.0 = id;
        let object = self.state.object(Kind::AuthenticationKey, id).ok_or(Refusal::ObjectNotFound)?;
        let keys: StaticKeys = object.data.as_slice().try_into().map_err(|_| Refusal::InvalidData)?;
        let rights = Rights {
            key: id,
            domains: object.domains,
            capabilities: object.capabilities,
            delegated: object.delegated,
        };
        let card = key::random::<TAG>()?;
        let channel = Channel::new(&keys, host, card);
        let cryptogram = channel.card_cryptogram();
        let session = self.sessions.create(channel, rights)?;
        Ok([&[session], &card[..], &cryptogram[..]].concat())
    }

    fn authenticate_session(&mut self, request: &[u8], payload: &[u8]) -> Result<Vec<u8>, Refusal> {
        let mut fields = Fields(payload);
        let (id, cryptogram) = (fields.u8()?, fields.array::<TAG>()?);
        fields.array::<TAG>()?;
        fields.end()?;
        let session = self.sessions.get(id)?;
        self.targets.0 = session.rights.key;
        if session.authenticated {
            return Err(Refusal::InvalidSession);
        }
        let proved = session.channel.authenticate(request, &cryptogram);
        session.authenticated = proved.is_ok();
        if proved.is_err() {
            self.sessions.close(id);
        } else {
            self.operations.sessions += 1;
        }
        proved.map(|()| Vec::new())
    }

    fn session_message(&mut self, request: &[u8], payload: &[u8]) -> Reaction {
        let refuse = |refusal| Reaction::Answer(frame::answer(0, &Err(refusal)));
        if self.blocks(command::SESSION_MESSAGE) {
            return refuse(Refusal::LogFull);
        }
        let Some(&id) = payload.first() else { return refuse(Refusal::WrongLength) };
        let session = match self.sessions.get(id) {
            Ok(session) if session.authenticated => session,
            _ => return refuse(Refusal::InvalidSession),
        };
        let rights = session.rights;
        if self.pending.drop_request.is_some() {
            // The request never arrives, so the session's counters must not move.
            let opened = session.channel.clone().open(request).unwrap_or_default();
            if self.pending.takes_request(opened.first().copied().unwrap_or_default()) {
                return Reaction::Drop;
            }
        }
        let Ok(session) = self.sessions.get(id) else { return refuse(Refusal::InvalidSession) };
        let inner = match session.channel.open(request) {
            Ok(inner) => inner,
            Err(refusal) => {
                self.sessions.close(id);
                return refuse(refusal);
            }
        };
        let answer = self.inner(rights, &inner);
        if self.state.audits(command::SESSION_MESSAGE) {
            let outcome = command::SESSION_MESSAGE | frame::RESPONSE;
            self.log(command::SESSION_MESSAGE, payload.len(), rights.key, outcome);
            let _ = self.save();
        }
        let Ok(session) = self.sessions.get(id) else { return refuse(Refusal::InvalidSession) };
        let sealed = session.channel.seal(command::SESSION_MESSAGE, id, &answer);
        match std::mem::replace(&mut self.sequel, Sequel::None) {
            Sequel::None => (),
            Sequel::Close => self.sessions.close(id),
            Sequel::Boot => self.restart(),
        }
        if std::mem::take(&mut self.signed) && std::mem::take(&mut self.pending.drop_reply) {
            return Reaction::Drop;
        }
        Reaction::Answer(sealed)
    }

    /// Executes what a session message carries.
    fn inner(&mut self, rights: Rights, inner: &[u8]) -> Vec<u8> {
        let (code, payload) = match frame::parse(inner) {
            Ok(parsed) => parsed,
            Err(refusal) => return frame::answer(0, &Err(refusal)),
        };
        thread::sleep(self.pending.delay_of(code));
        let length = payload.len();
        let result = self.execute(code, length, rights.key, |device| device.run(rights, code, payload));
        frame::answer(code, &result)
    }

    fn run(&mut self, rights: Rights, code: u8, payload: &[u8]) -> Result<Vec<u8>, Refusal> {
        match code {
            command::ECHO => Ok(payload.to_vec()),
            command::DEVICE_INFO => self.device_info(payload),
            command::RESET_DEVICE => self.reset_device(rights, payload),
            command::CLOSE_SESSION => self.close_session(payload),
            command::GET_STORAGE_INFO => self.storage_info(payload),
            command::LIST_OBJECTS => self.list_objects(rights, payload),
            command::GET_OBJECT_INFO => self.object_info(rights, payload),
            command::GET_PUBLIC_KEY => self.public_key(rights, payload),
            command::GET_OPAQUE => self.get_opaque(rights, payload),
            command::GET_PSEUDO_RANDOM => self.pseudo_random(rights, payload),
            command::BLINK_DEVICE => self.blink(payload),
            command::PUT_OPAQUE
            | command::PUT_AUTHENTICATION_KEY
            | command::PUT_ASYMMETRIC_KEY
            | command::PUT_WRAP_KEY
            | command::PUT_HMAC_KEY
            | command::GENERATE_ASYMMETRIC_KEY
            | command::GENERATE_WRAP_KEY
            | command::GENERATE_HMAC_KEY => self.new_object(rights, code, payload),
            command::CHANGE_AUTHENTICATION_KEY => self.change_authentication_key(rights, payload),
            command::DELETE_OBJECT => self.delete_object(rights, payload),
            command::EXPORT_WRAPPED => self.export_wrapped(rights, payload),
            command::IMPORT_WRAPPED => self.import_wrapped(rights, payload),
            command::WRAP_DATA => self.wrap_data(rights, payload),
            command::UNWRAP_DATA => self.unwrap_data(rights, payload),
            command::SIGN_EDDSA => self.sign_eddsa(rights, payload),
            command::SIGN_ECDSA => self.sign_ecdsa(rights, payload),
            command::SIGN_HMAC => self.sign_hmac(rights, payload),
            command::VERIFY_HMAC => self.verify_hmac(rights, payload),
            command::SIGN_ATTESTATION_CERTIFICATE => self.attest(rights, payload),
            command::GET_LOG_ENTRIES => self.log_entries(rights, payload),
            command::SET_LOG_INDEX => self.set_log_index(rights, payload),
            command::SET_OPTION => self.set_option(rights, payload),
            command::GET_OPTION => self.get_option(rights, payload),
            _ => Err(Refusal::InvalidCommand),
        }
    }

    /// Runs a command between the checks and the logging that hold for all.
    fn execute(
        &mut self,
        code: u8,
        length: usize,
        session_key: u16,
        run: impl FnOnce(&mut Self) -> Result<Vec<u8>, Refusal>,
    ) -> Result<Vec<u8>, Refusal> {
        let (audited, forced) = (self.state.audits(code), self.state.audit_is_forced());
        let is_opening = matches!(code, command::CREATE_SESSION | command::AUTHENTICATE_SESSION);
        let is_draining = matches!(code, command::GET_LOG_ENTRIES | command::SET_LOG_INDEX);
        if self.blocks(code) && !is_opening && !is_draining {
            return Err(Refusal::LogFull);
        }
        self.targets = (NO_KEY, NO_KEY);
        self.operations.commands += 1;
        let result = run(self);
        if self.sequel != Sequel::Boot && (audited || self.state.audits(code)) {
            if !(forced && self.state.log.is_full()) {
                let outcome =
                    result.as_ref().map_or_else(|refusal| *refusal as u8, |_| code | frame::RESPONSE);
                self.log(code, length, session_key, outcome);
            } else if is_opening {
                self.change().log.count_authentication();
            }
        }
        self.save().and(result)
    }

    /// Returns whether `code` would have to be logged and cannot be.
    fn blocks(&self, code: u8) -> bool {
        self.state.audit_is_forced() && self.state.audits(code) && self.state.log.is_full()
    }

    fn log(&mut self, code: u8, length: usize, session_key: u16, result: u8) {
        let event = Event {
            command: code,
            length: u16::try_from(length).unwrap_or(u16::MAX),
            session_key,
            target: self.targets.0,
            second: self.targets.1,
            result,
            tick: u32::try_from(self.booted.elapsed().as_millis() / 100).unwrap_or(u32::MAX),
        };
        self.change().log.append(&event);
    }

    /// Gives access to the state, which is then saved.
    fn change(&mut self) -> &mut State {
        self.changed = true;
        &mut self.state
    }

    /// Saves what has changed; what cannot be saved has not happened.
    fn save(&mut self) -> Result<(), Refusal> {
        if let (true, Some(store)) = (std::mem::take(&mut self.changed), &self.store)
            && store.save(&self.state).is_err()
        {
            if let Ok(Some(before)) = store.load() {
                self.state = before;
            }
            return Err(Refusal::StorageFailed);
        }
        Ok(())
    }

    /// Forgets what the power held and logs the boot.
    fn boot(&mut self) {
        self.restart();
        let forced = self.state.audit_is_forced();
        self.change().log.boot(forced);
    }

    fn restart(&mut self) {
        self.sessions.clear();
        self.booted = Instant::now();
    }

    fn factory_reset(&mut self) -> Result<(), Refusal> {
        self.state = State::factory(self.firmware)?;
        self.changed = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
