//! The program `yubikey-simulator` and the place of its pcscd, from outside.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use chancery_yubikey_simulator::{Pcscd, PcscdError, SOCKET_VARIABLE};

const PROGRAM: &str = env!("CARGO_BIN_EXE_yubikey-simulator");

fn status(socket: &str) -> String {
    let mut tool = Command::new("yubico-piv-tool");
    let output = tool.args(["-a", "status"]).env(SOCKET_VARIABLE, socket).output();
    let output =
        output.unwrap_or_else(|error| panic!("yubico-piv-tool: {error}: apt-get install yubico-piv-tool"));
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn program_is_steered_over_tcp() {
    let mut program = Command::new(PROGRAM);
    program
        .args(["--firmware", "5.4.3", "--serial", "7654321", "--control", "0"])
        .env_remove(SOCKET_VARIABLE);
    let mut child = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let socket = lines.next().unwrap();
    let socket = socket.strip_prefix("PCSCLITE_CSOCK_NAME=").unwrap();
    let control = lines.next().unwrap();
    assert_eq!(lines.next().unwrap(), "ready");

    // Two private pcscd run at once: this one, and that of these tests.
    let shown = status(socket);
    assert!(shown.contains("5.4.3") && shown.contains("7654321"), "{shown}");
    let mut stream = TcpStream::connect(control.strip_prefix("control ").unwrap()).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
    let mut order = |text: &str| {
        writeln!(stream, "{text}").unwrap();
        answers.next().unwrap()
    };
    assert_eq!(order("operations"), "ok 0");
    assert_eq!(order("tries"), "ok 3 3");
    for accepted in
        ["next wrong", "next lost", "next right", "touch missing 10", "touch given", "reset", "pull"]
    {
        assert_eq!(order(accepted), "ok", "{accepted}");
    }
    assert!(!status(socket).contains("7654321"), "the card is out");
    assert_eq!(order("insert"), "ok");
    assert!(status(socket).contains("7654321"));
    for refused in ["", "next", "touch missing never", "replace 9a", "replace zz", "quit"] {
        assert!(order(refused).starts_with("error "), "{refused}");
    }
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert!(!Path::new(socket).exists(), "its pcscd went with it");
}

pub(crate) fn program_refuses_what_it_does_not_know() {
    for arguments in
        [&["--firmware", "4.3.5"][..], &["--what"], &["--what", "1"], &["--management-key", "des"]]
    {
        let output = Command::new(PROGRAM).args(arguments).stdin(Stdio::null()).output().unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: "));
    }
}

/// Where a pcscd of the machine itself runs, the place is taken from the start.
pub(crate) fn standard_place_is_taken_once() {
    let first = Pcscd::start_standard();
    match &first {
        Ok(pcscd) => assert_eq!(pcscd.socket(), Path::new("/run/pcscd/pcscd.comm")),
        Err(error) => assert!(matches!(error, PcscdError::AlreadyRunning), "{error}"),
    }
    assert!(matches!(Pcscd::start_standard().unwrap_err(), PcscdError::AlreadyRunning));
}
