//! Runs a virtual YubiKey until its standard input ends.
//!
//! It prints how clients find it and how tests steer it, then `ready`. Not here: the card (`lib.rs`).

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;

use chancery_yubikey_simulator::{Config, ManagementAlgorithm, Pcscd, SOCKET_VARIABLE, YubiKey, control};

const USAGE: &str = "usage: yubikey-simulator [--reader PORT | --standard] [--firmware 5.7.1] [--serial N]
                         [--management-key 3des|aes192] [--state FILE] [--attestation DIR] [--control PORT]

  --reader PORT    use the vpcd on this port instead of starting a private pcscd
  --standard       start pcscd where every client looks for it
  --control PORT   listen for orders on this port of loopback, 0 for any

Without --management-key, the firmware decides: AES-192 from 5.7 on. ykcs11 2.2 and yubico-piv-tool 2.2
speak triple DES alone.";

#[derive(Default)]
struct Options {
    reader: Option<u16>,
    is_standard: bool,
    control: Option<u16>,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprintln!("cause: {cause}");
                source = cause.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let (mut config, options) = parse(std::env::args().skip(1))?;
    let pcscd = match options.reader {
        Some(_) => None,
        None if options.is_standard => Some(Pcscd::start_standard()?),
        None => Some(Pcscd::start_private()?),
    };
    if let Some(pcscd) = &pcscd {
        config.reader_port = pcscd.port();
        println!("{SOCKET_VARIABLE}={}", pcscd.socket().display());
    }
    let card = YubiKey::start(&config)?;
    if let Some(port) = options.control {
        println!("control 127.0.0.1:{}", control::listen(card.clone(), port)?);
    }
    println!("ready");
    io::stdout().flush()?;
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<(Config, Options), Box<dyn Error>> {
    let mut config = Config::new(0);
    let mut options = Options::default();
    while let Some(name) = arguments.next() {
        if name == "--standard" {
            options.is_standard = true;
            continue;
        }
        let value = arguments.next().ok_or(USAGE)?;
        match name.as_str() {
            "--reader" => {
                let port = value.parse()?;
                config.reader_port = port;
                options.reader = Some(port);
            }
            "--firmware" => config.firmware = value.parse()?,
            "--serial" => config.serial = value.parse()?,
            "--management-key" if value == "3des" => config.management = Some(ManagementAlgorithm::TripleDes),
            "--management-key" if value == "aes192" => config.management = Some(ManagementAlgorithm::Aes192),
            "--state" => config.state = Some(value.into()),
            "--attestation" => config.attestation = Some(value.into()),
            "--control" => options.control = Some(value.parse()?),
            _ => return Err(USAGE.into()),
        }
    }
    Ok((config, options))
}
