//! A YubiHSM 2 for tests, as unforgiving as the device, behind the connector's HTTP protocol on loopback.
//!
//! An oracle for clients: it is written from Yubico's public documentation and the behaviour of Yubico's own
//! client and its tests against devices, shares no code with Chancery's client, and is checked with two
//! foreign ones (`tests/`). Sessions, objects, capabilities, domains, wrapping, attestation, and the log with
//! its options behave as documented; where documentation is silent, the stricter reading is taken and named
//! in the file that takes it.
//!
//! [`Simulator::start`] runs one in threads of its own; the bin does so from the command line. Faults come
//! by [`Simulator::inject`] or as a line to `POST /simulator/fault` ([`fault::LINES`]).
//!
//! Not here: RSA, curves other than P-256 and Ed25519, OTP, SSH templates, AES keys, asymmetric
//! authentication and FIPS mode, all refused (an algorithm with ALGORITHM DISABLED, a command with INVALID
//! COMMAND); timing, unless asked for; any security: keys are kept in the clear, and the attestation root's
//! is public.

mod audit;
mod capability;
mod certificate;
mod command;
mod device;
pub mod fault;
mod frame;
mod hex;
mod http;
mod key;
mod object;
mod scp03;
mod session;
mod state;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

pub use certificate::Defect;
pub use command::Firmware;
pub use device::Operations;
pub use fault::Fault;

/// The password of authentication key 1 as it leaves the factory.
pub const PASSWORD: &str = "password";

/// What a simulator is.
#[derive(Clone, Debug)]
pub struct Config {
    /// The port on loopback; 0 takes a free one.
    pub port: u16,
    /// The file that keeps the state; without it, the state ends with the simulator.
    pub state: Option<PathBuf>,
    /// The serial number.
    pub serial: u32,
    /// The firmware, which decides commands, frame lengths and what is logged.
    pub firmware: Firmware,
    /// The folder for `root.pem`, `intermediate.pem` and `other-root.pem`, over which it writes.
    pub attestation: Option<PathBuf>,
    /// How long a session lasts without use; 30 s on the device.
    pub session_time_out: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            port: 0,
            state: None,
            serial: 12_345_678,
            firmware: Firmware(2, 4, 0),
            attestation: None,
            session_time_out: Duration::from_secs(30),
        }
    }
}

/// A running simulator; dropping it cuts all connections and stops it.
#[derive(Debug)]
pub struct Simulator {
    server: http::Server,
}

impl Simulator {
    /// Powers a device up, a new one or that of the state file, and serves it.
    ///
    /// # Errors
    ///
    /// When the port is taken, the state file is unreadable or not a state, or a file cannot be written.
    pub fn start(config: Config) -> io::Result<Self> {
        if let Some(folder) = &config.attestation {
            certificate::write_issuers(folder)?;
        }
        let store = config.state.map(state::Store::new);
        let device =
            device::Device::power_up(config.firmware, config.serial, config.session_time_out, store)?;
        Ok(Self { server: http::Server::start(device, config.port)? })
    }

    /// Returns the port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Returns the serial number that it reports.
    #[must_use]
    pub fn serial(&self) -> u32 {
        self.server.device().serial()
    }

    /// Injects a fault.
    ///
    /// # Errors
    ///
    /// A sentence, when the device has no such key or its state cannot be saved.
    pub fn inject(&self, fault: &Fault) -> Result<(), String> {
        self.server.shared().inject(fault)
    }

    /// Ends every lasting fault, and those that still wait for their command.
    ///
    /// # Errors
    ///
    /// A sentence, when the boot of a device that was unplugged cannot be saved.
    pub fn mend(&self) -> Result<(), String> {
        self.server.shared().mend()
    }

    /// Returns what the device has really done since it was started.
    #[must_use]
    pub fn operations(&self) -> Operations {
        self.server.shared().operations()
    }

    /// Serves until the process ends.
    pub fn wait(self) {
        self.server.wait();
    }
}
