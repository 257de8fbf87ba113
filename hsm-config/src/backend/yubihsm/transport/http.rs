//! Frames in HTTP requests to a `yubihsm-connector`, which passes them on over USB.
//!
//! Plain HTTP, as the connector speaks it: what matters in a frame is encrypted between program and device.

use std::io::{self, Read};

use super::Transport;
use crate::backend::yubihsm::wire::{MAX_ANSWER_BYTES, WireError};

/// Longer than the slowest command of the device, in seconds.
const TIMEOUT_SECS: u64 = 20;
const MAX_HEAD_BYTES: usize = 8_192;

pub(super) struct Http {
    url: String,
}

impl Http {
    pub(super) fn new(host: &str, port: u16) -> Self {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        Self { url: format!("http://{host}:{port}/connector/api") }
    }
}

impl Transport for Http {
    fn exchange(&mut self, frame: &[u8]) -> Result<Vec<u8>, WireError> {
        let request = minreq::post(self.url.as_str())
            .with_header("Content-Type", "application/octet-stream")
            .with_body(frame)
            .with_timeout(TIMEOUT_SECS)
            .with_follow_redirects(false)
            .with_max_headers_size(MAX_HEAD_BYTES)
            .with_max_status_line_length(MAX_HEAD_BYTES);
        let response = request.send_lazy().map_err(unsent_or_lost)?;
        if response.status_code != 200 {
            let status = format!("the connector answers with HTTP status {}", response.status_code);
            return Err(WireError::NoAnswer(status.into()));
        }
        let mut body = Vec::new();
        let limit = u64::try_from(MAX_ANSWER_BYTES).unwrap_or_default() + 1;
        response.take(limit).read_to_end(&mut body).map_err(|error| WireError::NoAnswer(error.into()))?;
        if body.len() > MAX_ANSWER_BYTES {
            return Err(WireError::Malformed("an answer that is too long"));
        }
        Ok(body)
    }
}

/// Only a connection that was never made proves that the device got nothing.
fn unsent_or_lost(error: minreq::Error) -> WireError {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};

    match error {
        minreq::Error::AddressNotFound => WireError::NotSent(error.into()),
        minreq::Error::IoError(ref cause)
            if matches!(cause.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable) =>
        {
            WireError::NotSent(error.into())
        }
        error => WireError::NoAnswer(error.into()),
    }
}
