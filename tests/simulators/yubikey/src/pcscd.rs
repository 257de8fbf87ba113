//! A pcscd of one's own, with one virtual reader that clients take for a YubiKey.
//!
//! pcscd takes its socket from whoever starts it (systemd's protocol of `LISTEN_FDS`), and its clients
//! find it by `PCSCLITE_CSOCK_NAME`: so a private one runs beside any other, and several run at once.
//! Clients that cannot be given an environment need the standard place, which is then refused when
//! another pcscd is there. Both need the superuser, whose /run/pcscd the daemon writes its number to.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// The environment variable by which clients find a private pcscd.
pub const SOCKET_VARIABLE: &str = "PCSCLITE_CSOCK_NAME";

const DAEMON: &str = "/usr/sbin/pcscd";
const DRIVER: &str = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";
const STANDARD_SOCKET: &str = "/run/pcscd/pcscd.comm";
/// `ykcs11` talks to readers with this word in their name alone.
const READER: &str = "Yubico YubiKey OTP+FIDO+CCID";
/// A shell that hands its standard input on as the first inherited socket, under its own number.
const WITH_SOCKET: &str = "exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$@\"";
/// How long the daemon may take to fail at its start, or to listen at the standard place.
const STARTING: Duration = Duration::from_secs(5);

/// Why there is no pcscd.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PcscdError {
    /// Another pcscd has the standard place.
    #[error("another pcscd listens at {STANDARD_SOCKET}; end it, or use a private one")]
    AlreadyRunning,
    /// A package is missing.
    #[error("{path} is missing: apt-get install {package}")]
    Missing {
        /// The file that is not there.
        path: &'static str,
        /// The package that has it.
        package: &'static str,
    },
    /// The daemon ended at once.
    #[error("pcscd does not run: {0}")]
    NotRunning(String),
    /// Files, sockets or processes failed.
    #[error("cannot start pcscd")]
    Io(#[from] io::Error),
}

/// A running pcscd; it ends with this value, and with the process.
#[derive(Debug)]
pub struct Pcscd {
    folder: PathBuf,
    socket: PathBuf,
    port: u16,
    stop: Option<Sender<()>>,
    keeper: Option<JoinHandle<()>>,
}

impl Pcscd {
    /// Starts one that only clients with [`SOCKET_VARIABLE`] set to [`Pcscd::socket`] find.
    ///
    /// # Errors
    ///
    /// [`PcscdError::Missing`] with the command that installs it; otherwise what keeps it from running.
    pub fn start_private() -> Result<Self, PcscdError> {
        check_installed()?;
        let folder = new_folder()?;
        let socket = folder.join("pcscd.comm");
        let listener = UnixListener::bind(&socket)?;
        Self::start(folder, socket, Stdio::from(OwnedFd::from(listener)), true)
    }

    /// Starts one where every client looks for it.
    ///
    /// # Errors
    ///
    /// As [`Pcscd::start_private`]; [`PcscdError::AlreadyRunning`] when the place is taken.
    pub fn start_standard() -> Result<Self, PcscdError> {
        check_installed()?;
        if UnixStream::connect(STANDARD_SOCKET).is_ok() {
            return Err(PcscdError::AlreadyRunning);
        }
        let pcscd = Self::start(new_folder()?, STANDARD_SOCKET.into(), Stdio::null(), false)?;
        let end = Instant::now() + STARTING;
        while UnixStream::connect(STANDARD_SOCKET).is_err() {
            if Instant::now() > end {
                return Err(PcscdError::NotRunning(pcscd.log()));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(pcscd)
    }

    fn start(folder: PathBuf, socket: PathBuf, stdin: Stdio, is_private: bool) -> Result<Self, PcscdError> {
        let port = free_ports()?;
        let config = folder.join("reader.conf");
        let reader = format!(
            "FRIENDLYNAME \"{READER}\"\nDEVICENAME /dev/null:{port:#06x}\nLIBPATH {DRIVER}\nCHANNELID {port:#06x}\n"
        );
        fs::write(&config, reader)?;
        let log = File::create(folder.join("pcscd.log"))?;
        // The kernel ends the daemon with the thread that started it, however that ends.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--"]);
        if is_private {
            command.args(["sh", "-c", WITH_SOCKET, "sh"]);
        }
        command.arg(DAEMON).args(["--foreground", "--info", "--config"]).arg(&config);
        command.stdin(stdin).stdout(log.try_clone()?).stderr(log);
        let (stop, stopped) = mpsc::channel();
        let (started, start) = mpsc::channel();
        let keeper = thread::Builder::new().name("pcscd".into()).spawn(move || match command.spawn() {
            Ok(mut child) => {
                // A receiver that is gone has nobody to tell either.
                let _ = started.send(Ok(()));
                let _ = stopped.recv();
                end(&mut child);
            }
            Err(error) => {
                let _ = started.send(Err(error));
            }
        })?;
        let pcscd = Self { folder, socket, port, stop: Some(stop), keeper: Some(keeper) };
        start.recv().map_err(io::Error::other)??;
        pcscd.wait_until_ready()?;
        Ok(pcscd)
    }

    /// Returns the path of the socket that clients connect to.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Returns the port on loopback where a card goes into the reader; the next port is a second reader.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns what the daemon wrote.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("pcscd.log")).unwrap_or_default()
    }

    /// The daemon says when it has opened its readers.
    fn wait_until_ready(&self) -> Result<(), PcscdError> {
        let end = Instant::now() + STARTING;
        while !self.log().contains("daemon ready") {
            if Instant::now() > end {
                return Err(PcscdError::NotRunning(self.log()));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Pcscd {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(keeper) = self.keeper.take() {
            // A panic in it shows in the test's output.
            let _ = keeper.join();
        }
        // What stays is a folder in the place for temporary files.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Ends the daemon so that it removes its files, or by force when it does not listen.
fn end(child: &mut Child) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended by itself.
        let _ = kill_process(pid, Signal::TERM);
    }
    let end = Instant::now() + STARTING;
    while Instant::now() < end {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
}

fn check_installed() -> Result<(), PcscdError> {
    let files = [(DAEMON, "pcscd"), (DRIVER, "vsmartcard-vpcd")];
    match files.into_iter().find(|(path, _)| !Path::new(path).exists()) {
        Some((path, package)) => Err(PcscdError::Missing { path, package }),
        None => Ok(()),
    }
}

fn new_folder() -> io::Result<PathBuf> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);

    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("chancery-pcscd-{}-{number}", std::process::id()));
    fs::create_dir(&folder)?;
    Ok(folder)
}

/// Finds two neighbouring ports that nobody uses: the driver opens two readers.
fn free_ports() -> io::Result<u16> {
    let mut last = io::Error::other("no two free ports");
    for _ in 0..100 {
        let first = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        let port = first.local_addr()?.port();
        match TcpListener::bind((Ipv4Addr::UNSPECIFIED, port.saturating_add(1))) {
            Ok(_) => return Ok(port),
            Err(error) => last = error,
        }
    }
    Err(last)
}
