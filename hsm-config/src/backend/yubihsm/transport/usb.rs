//! Frames in USB bulk transfers.
//!
//! Vendor 0x1050, product 0x0030, interface 0: one endpoint out, one in; a frame that fills its last packet is
//! followed by an empty one. Tried on real devices only: nothing here can be simulated without a kernel.

use std::time::Duration;

use rusb::{Context, DeviceHandle, UsbContext as _};

use super::Transport;
use crate::backend::yubihsm::wire::{MAX_ANSWER_BYTES, WireError};

const VENDOR: u16 = 0x1050;
const PRODUCT: u16 = 0x0030;
const INTERFACE: u8 = 0;
const ENDPOINT_OUT: u8 = 0x01;
const ENDPOINT_IN: u8 = 0x81;
const PACKET_BYTES: usize = 64;
/// Longer than the slowest command of the device.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Enough to find out that nothing is left over from another program.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(1);

pub(super) struct Usb {
    serial: String,
    handle: Option<DeviceHandle<Context>>,
}

impl Usb {
    pub(super) fn new(serial: &str) -> Self {
        Self { serial: serial.to_owned(), handle: None }
    }

    fn open(&self) -> Result<DeviceHandle<Context>, rusb::Error> {
        for device in Context::new()?.devices()?.iter() {
            let description = device.device_descriptor()?;
            if (description.vendor_id(), description.product_id()) != (VENDOR, PRODUCT) {
                continue;
            }
            let handle = device.open()?;
            if handle.read_serial_number_string_ascii(&description)? == self.serial {
                handle.claim_interface(INTERFACE)?;
                let _ = handle.read_bulk(ENDPOINT_IN, &mut [0; MAX_ANSWER_BYTES], FLUSH_TIMEOUT);
                return Ok(handle);
            }
        }
        Err(rusb::Error::NoDevice)
    }
}

impl Transport for Usb {
    fn exchange(&mut self, frame: &[u8]) -> Result<Vec<u8>, WireError> {
        let handle = match self.handle.take() {
            Some(handle) => handle,
            None => self.open().map_err(|error| WireError::NotSent(error.into()))?,
        };
        let lost = |error: rusb::Error| WireError::NoAnswer(error.into());
        match handle.write_bulk(ENDPOINT_OUT, frame, TIMEOUT) {
            Ok(written) if written == frame.len() => {}
            Ok(_) => return Err(WireError::NoAnswer("a frame was sent in part".into())),
            Err(error @ rusb::Error::NoDevice) => return Err(WireError::NotSent(error.into())),
            Err(error) => return Err(lost(error)),
        }
        if frame.len().is_multiple_of(PACKET_BYTES) {
            handle.write_bulk(ENDPOINT_OUT, &[], TIMEOUT).map_err(lost)?;
        }
        let mut answer = vec![0; MAX_ANSWER_BYTES];
        let length = handle.read_bulk(ENDPOINT_IN, &mut answer, TIMEOUT).map_err(lost)?;
        answer.truncate(length);
        // Kept only after a whole exchange: a handle that failed may have an answer left over.
        self.handle = Some(handle);
        Ok(answer)
    }
}

/// Returns the serial numbers of the devices on USB; none where USB cannot be asked.
pub(in crate::backend::yubihsm) fn serials() -> Vec<String> {
    let Ok(devices) = Context::new().and_then(|context| context.devices()) else { return Vec::new() };
    let serial = |device: rusb::Device<Context>| {
        let description = device.device_descriptor().ok()?;
        if (description.vendor_id(), description.product_id()) != (VENDOR, PRODUCT) {
            return None;
        }
        device.open().ok()?.read_serial_number_string_ascii(&description).ok()
    };
    devices.iter().filter_map(serial).collect()
}
