//! How frames travel to a YubiHSM 2: to its connector over HTTP, or over USB.
//!
//! One way to a device for the whole process: over USB it takes a single program, and all logins share it.
//! Each exchange tells whether the request may have reached the device when it fails. Not here: what the
//! frames say; they are encrypted by the time they come here.

mod http;
mod usb;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use self::http::Http;
use self::usb::Usb;
use super::wire::WireError;
use crate::reference::{Connector, YubiHsmToken};

/// A way to a device.
trait Transport: Send {
    /// Sends a frame and returns the one that answers it.
    ///
    /// [`WireError::NotSent`] says that the device did not get it, [`WireError::NoAnswer`] that it may have.
    fn exchange(&mut self, frame: &[u8]) -> Result<Vec<u8>, WireError>;
}

type Shared = Mutex<Box<dyn Transport>>;

static OPEN: Mutex<Vec<(String, Connector, Weak<Shared>)>> = Mutex::new(Vec::new());

/// A way to a device, shared by every session of this process.
#[derive(Clone)]
pub(super) struct Link(Arc<Shared>);

impl Link {
    /// Returns the way to the device that the reference names; nothing is sent yet.
    pub(super) fn to(token: &YubiHsmToken) -> Self {
        let mut open = lock(&OPEN);
        open.retain(|(.., link)| link.strong_count() > 0);
        let known = open
            .iter()
            .find(|(serial, connector, _)| *serial == token.serial && *connector == token.connector);
        if let Some(link) = known.and_then(|(.., link)| link.upgrade()) {
            return Self(link);
        }
        let transport: Box<dyn Transport> = match &token.connector {
            Connector::Http { host, port } => Box::new(Http::new(host, *port)),
            Connector::Usb => Box::new(Usb::new(&token.serial)),
        };
        let link = Arc::new(Mutex::new(transport));
        open.push((token.serial.clone(), token.connector.clone(), Arc::downgrade(&link)));
        Self(link)
    }

    pub(super) fn exchange(&self, frame: &[u8]) -> Result<Vec<u8>, WireError> {
        lock(&self.0).exchange(frame)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) use self::usb::serials as usb_serials;
