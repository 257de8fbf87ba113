//! Sessions: one for each device and login in the process.
//!
//! The client library never closes a session, and a device has sixteen, each kept for thirty seconds. So
//! all keys behind one login share one session, and a new one is opened only when the old one is lost.

use std::sync::{Mutex, PoisonError};

use yubihsm::authentication::Credentials;
use yubihsm::connector::{HttpConfig, UsbConfig};
use yubihsm::{Client, Connector};

use super::fault::Faults;
use crate::error::HsmError;
use crate::reference::{self, YubiHsmToken};
use crate::secret::Pin;

static OPEN: Mutex<Vec<Entry>> = Mutex::new(Vec::new());

struct Entry {
    token: YubiHsmToken,
    pin: Pin,
    session: Session,
}

/// A session, shared by everybody in the process who uses the same login.
#[derive(Clone)]
pub(super) struct Session {
    client: Client,
    /// Tells sessions of one login apart: the higher is the newer.
    number: u64,
}

impl Session {
    /// Returns the session of this login, or opens one.
    ///
    /// Another password than the one that opened it is tried at the device: sharing must not accept
    /// what the device would refuse.
    pub(super) fn open(token: &YubiHsmToken, pin: Pin) -> Result<Self, HsmError> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = open.iter().find(|entry| entry.token == *token && entry.pin.expose() == pin.expose());
        if let Some(Entry { session, .. }) = shared
            && check_serial(&session.client, token).is_ok()
        {
            return Ok(session.clone());
        }
        Self::open_new(&mut open, token, pin)
    }

    /// Opens a session in place of this one, unless somebody else did so already.
    pub(super) fn renew(&self, token: &YubiHsmToken) -> Result<Self, HsmError> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = open.iter().find(|entry| entry.token == *token) else {
            return Err(Faults(token).absent(None));
        };
        if entry.session.number > self.number && check_serial(&entry.session.client, token).is_ok() {
            return Ok(entry.session.clone());
        }
        let pin = entry.pin.clone();
        Self::open_new(&mut open, token, pin)
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    fn open_new(open: &mut Vec<Entry>, token: &YubiHsmToken, pin: Pin) -> Result<Self, HsmError> {
        let faults = Faults(token);
        // A device takes one USB connection: every login of it goes through the same one.
        let same_device =
            |other: &YubiHsmToken| other.serial == token.serial && other.connector == token.connector;
        let connector = match open.iter().find(|entry| same_device(&entry.token)) {
            Some(entry) => entry.session.client.connector().clone(),
            None => connector(token)?,
        };
        let credentials = Credentials::from_password(token.auth_id, pin.expose().as_bytes());
        let client = Client::open(connector, credentials, true).map_err(|error| faults.opening(error))?;
        check_serial(&client, token)?;
        let number = open.iter().map(|entry| entry.session.number).max().unwrap_or_default() + 1;
        let session = Self { client, number };
        open.retain(|entry| entry.token != *token);
        open.push(Entry { token: token.clone(), pin, session: session.clone() });
        Ok(session)
    }
}

/// Asks the device for its serial number: a connector may stand in front of another one.
fn check_serial(client: &Client, token: &YubiHsmToken) -> Result<(), HsmError> {
    let faults = Faults(token);
    let found = client.device_info().map_err(|error| faults.opening(error))?.serial_number.to_string();
    if found == token.serial {
        return Ok(());
    }
    Err(faults.absent(Some(format!("the device that answers has the serial number {found}").into())))
}

fn connector(token: &YubiHsmToken) -> Result<Connector, HsmError> {
    match &token.connector {
        reference::Connector::Http { host, port } => {
            let config = HttpConfig { addr: host.clone(), port: *port, ..HttpConfig::default() };
            Ok(Connector::http(&config))
        }
        reference::Connector::Usb => {
            let serial = token.serial.parse().map_err(|error| Faults(token).absent(Some(Box::new(error))))?;
            Ok(Connector::usb(&UsbConfig { serial: Some(serial), ..UsbConfig::default() }))
        }
    }
}
