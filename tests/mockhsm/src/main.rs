//! `mockhsm PORT`: serves a fresh mock on 127.0.0.1:PORT until it is killed; port 0 takes a free one.
//!
//! Prints the port, on a line of its own, once it answers.

use std::io::{self, Write};
use std::process::ExitCode;

use chancery_mockhsm::Mock;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(Ok(port)), None) = (arguments.next().map(|port| port.parse()), arguments.next()) else {
        eprintln!("usage: mockhsm PORT");
        return ExitCode::from(2);
    };
    match serve(port) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mockhsm: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(port: u16) -> io::Result<()> {
    let (port, service) = Mock::new().bind(port)?;
    writeln!(io::stdout(), "{port}")?;
    io::stdout().flush()?;
    service.run();
    Ok(())
}
