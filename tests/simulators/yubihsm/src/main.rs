//! `yubihsm-simulator`: runs a simulator until it is killed; see `--help`.
//!
//! Prints its port, on a line of its own, once it answers.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use chancery_yubihsm_simulator::{Config, Simulator, fault};

const USAGE: &str = "\
usage: yubihsm-simulator [--port N] [--state FILE] [--serial N] [--firmware X.Y.Z]
                         [--attestation DIR] [--session-timeout-secs N]

Serves a YubiHSM 2 on 127.0.0.1 as yubihsm-connector would, and prints the port.

  --port N                  port; a free one by default
  --state FILE              keep the device's state in FILE; in memory alone by default
  --serial N                serial number; 12345678 by default
  --firmware X.Y.Z          firmware; 2.4.0 by default
  --attestation DIR         write root.pem, intermediate.pem and other-root.pem into DIR
  --session-timeout-secs N  end a session that was not used for N seconds; 30 by default

GET /simulator/operations gives what the device has really done, as JSON.
POST /simulator/fault takes one line:
";

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Config>, String> {
    let mut config = Config::default();
    while let Some(argument) = arguments.next() {
        if argument == "--help" || argument == "-h" {
            return Ok(None);
        }
        let value = arguments.next().ok_or_else(|| format!("{argument} is unknown or wants a value"))?;
        let number = || value.parse::<u32>().map_err(|_| format!("{argument} wants a number, not {value:?}"));
        match argument.as_str() {
            "--port" => config.port = u16::try_from(number()?).map_err(|error| error.to_string())?,
            "--state" => config.state = Some(value.into()),
            "--serial" => config.serial = number()?,
            "--firmware" => config.firmware = value.parse()?,
            "--attestation" => config.attestation = Some(value.into()),
            "--session-timeout-secs" => config.session_time_out = Duration::from_secs(number()?.into()),
            _ => return Err(format!("unknown argument {argument:?}")),
        }
    }
    Ok(Some(config))
}

fn run(config: Config) -> io::Result<()> {
    let simulator = Simulator::start(config)?;
    writeln!(io::stdout(), "{}", simulator.port())?;
    io::stdout().flush()?;
    simulator.wait();
    Ok(())
}

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)) {
        Ok(None) => {
            let _ = write!(io::stdout(), "{USAGE}{}", fault::LINES);
            ExitCode::SUCCESS
        }
        Ok(Some(config)) => match run(config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("yubihsm-simulator: {error}");
                ExitCode::FAILURE
            }
        },
        Err(error) => {
            eprintln!("yubihsm-simulator: {error}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}
