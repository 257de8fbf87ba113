//! The mock of the `yubihsm` crate, served as its connector would be, over loopback HTTP.
//!
//! For smoke tests of the YubiHSM backend. The mock enforces neither capabilities nor domains, keeps no
//! log, and forgets every key when it ends: what it accepts proves little about a device. Its password
//! is the factory's, `password`, for authentication key 1. Not here: a simulator.

#[cfg(not(debug_assertions))]
compile_error!("the mock is for tests alone: build it without --release");

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::thread;

use yubihsm::Connector;
use yubihsm::connector::HttpConfig;
use yubihsm::connector::http::Server;

/// The serial number that every mock has.
pub const SERIAL: &str = "0123456789";

/// The password of authentication key 1, the factory's.
pub const PASSWORD: &str = "password";

/// A mock that holds keys until it is dropped; it is reached through [`Mock::serve`].
pub struct Mock {
    connector: Connector,
}

impl std::fmt::Debug for Mock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mock").finish_non_exhaustive()
    }
}

impl Default for Mock {
    fn default() -> Self {
        Self { connector: Connector::mockhsm() }
    }
}

impl Mock {
    /// Makes a mock without keys.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Binds a port of the loopback interface, a free one for 0, and returns its number and the service.
    ///
    /// # Errors
    ///
    /// When the port is taken.
    pub fn bind(&self, port: u16) -> io::Result<(u16, Service)> {
        let port = match port {
            0 => TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port(),
            port => port,
        };
        let config = HttpConfig { port, ..HttpConfig::default() };
        let server = Server::new(&config, self.connector.clone()).map_err(io::Error::other)?;
        Ok((port, Service(server)))
    }

    /// Serves on a free port in a thread of its own, until the process ends, and returns the port.
    ///
    /// # Errors
    ///
    /// When no port can be bound.
    pub fn serve(&self) -> io::Result<u16> {
        let (port, service) = self.bind(0)?;
        thread::spawn(move || service.run());
        Ok(port)
    }
}

/// A bound port, not yet served.
pub struct Service(Server);

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Service").finish_non_exhaustive()
    }
}

impl Service {
    /// Answers requests until the process ends; a malformed one is dropped.
    pub fn run(&self) {
        loop {
            // The library's own loop would end at the first malformed request.
            let _ = self.0.handle_request();
        }
    }
}
