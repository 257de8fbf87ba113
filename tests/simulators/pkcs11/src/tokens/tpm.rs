//! A TPM 2.0 in software, behind tpm2-pkcs11.
//!
//! The device is a process, `swtpm`. A TPM holds three objects at a time, so a resource manager stands before
//! it, as the kernel's `/dev/tpmrm0` does before a real one: `tpm2-abrmd`, on a message bus of its own. A
//! wrong PIN counts in the TPM, and no right one takes it back: its owner does. Not here: attestation.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use chancery_formats::key::Algorithm;

use super::{Kind, installed, tool};

/// The way to the TPM, through the resource manager.
const TCTI: &str = "tabrmd:bus_type=session";

/// A software TPM with a token of tpm2-pkcs11.
#[derive(Debug, Default)]
pub struct Tpm {
    device: Option<Child>,
    manager: Option<Child>,
}

impl Tpm {
    /// Returns the TPM's count of wrong PINs, and the count that locks it.
    #[must_use]
    pub fn lockout(&self) -> (u32, u32) {
        let told = tool("tpm2_getcap", "tpm2-tools", &["-T", TCTI, "properties-variable"]);
        let value = |name: &str| {
            let line = told.lines().find_map(|line| line.strip_prefix(name)).expect("a property is missing");
            u32::from_str_radix(line.trim_start_matches(": 0x"), 16).unwrap()
        };
        (value("TPM2_PT_LOCKOUT_COUNTER"), value("TPM2_PT_MAX_AUTH_FAIL"))
    }

    /// Ends the TPM in order, as an operating system that shuts down does.
    pub fn shut_down(&mut self) {
        tool("tpm2_shutdown", "tpm2-tools", &["-T", TCTI, "--clear"]);
        self.stop();
    }
}

impl Kind for Tpm {
    fn name(&self) -> &'static str {
        "swtpm"
    }

    fn algorithms(&self) -> Vec<Algorithm> {
        vec![Algorithm::Esp256]
    }

    fn pin_tries(&self) -> Option<u8> {
        Some(3)
    }

    fn module(&self) -> PathBuf {
        installed(
            &["/usr/lib/x86_64-linux-gnu/pkcs11/libtpm2_pkcs11.so", "/usr/lib64/pkcs11/libtpm2_pkcs11.so"],
            "libtpm2-pkcs11-1 libtss2-tcti-tabrmd0",
        )
    }

    /// A message bus that ends with the program.
    fn launcher(&self) -> Vec<&'static str> {
        tool("dbus-run-session", "dbus-daemon", &["--version"]);
        vec!["dbus-run-session", "--"]
    }

    fn configure(&self, directory: &Path) -> Vec<(&'static str, String)> {
        fs::create_dir(directory.join("state")).unwrap();
        fs::create_dir(directory.join("store")).unwrap();
        vec![
            ("TPM2_PKCS11_STORE", directory.join("store").to_str().unwrap().to_owned()),
            ("TPM2_PKCS11_TCTI", TCTI.to_owned()),
            ("TSS2_LOG", "all+none".to_owned()),
        ]
    }

    fn start(&mut self, directory: &Path) {
        let port = two_free_ports();
        let address = |port: u16| format!("type=tcp,bindaddr=127.0.0.1,port={port}");
        let state = format!("dir={}", directory.join("state").display());
        self.device = Some(spawn(
            "swtpm",
            "swtpm",
            &[
                "socket",
                "--tpm2",
                "--flags=not-need-init,startup-clear",
                &format!("--tpmstate={state}"),
                &format!("--server={}", address(port)),
                &format!("--ctrl={}", address(port + 1)),
            ],
        ));
        wait_until("swtpm listens", || listens(port));
        let tcti = format!("--tcti=swtpm:host=127.0.0.1,port={port}");
        self.manager = Some(spawn("tpm2-abrmd", "tpm2-abrmd", &["--session", "--allow-root", &tcti]));
        wait_until("tpm2-abrmd answers", || {
            let asked = Command::new("tpm2_getcap").args(["-T", TCTI, "properties-fixed"]).output();
            asked.expect("tpm2_getcap is missing: apt-get install tpm2-tools").status.success()
        });
    }

    fn stop(&mut self) -> bool {
        for process in [&mut self.device, &mut self.manager] {
            if let Some(mut process) = process.take() {
                process.kill().unwrap();
                process.wait().unwrap();
            }
        }
        true
    }

    fn forget_wrong_pins(&self) {
        tool("tpm2_dictionarylockout", "tpm2-tools", &["-T", TCTI, "--clear-lockout"]);
    }
}

impl Drop for Tpm {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(program: &str, install: &str, arguments: &[&str]) -> Child {
    // Debian keeps daemons where a user's PATH may not lead.
    let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("PATH", path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().unwrap_or_else(|_| panic!("{program} is missing: apt-get install {install}"))
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "not after a minute: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Returns whether somebody listens on a local port: asked of the system, as a connection would be the one client
/// that the device has, and binding the port could come in its way.
fn listens(port: u16) -> bool {
    let sockets = fs::read_to_string("/proc/net/tcp").unwrap();
    let local = format!("0100007F:{port:04X}");
    sockets.lines().any(|socket| {
        let mut columns = socket.split_whitespace().skip(1);
        columns.next() == Some(&local) && columns.nth(1) == Some("0A")
    })
}

/// Finds two neighbouring ports: the library looks for the control channel beside the TPM's.
fn two_free_ports() -> u16 {
    let free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    for _ in 0..100 {
        let first = free(0).unwrap();
        let port = first.local_addr().unwrap().port();
        if port < u16::MAX && free(port + 1).is_ok() {
            return port;
        }
    }
    panic!("no two neighbouring ports are free");
}
