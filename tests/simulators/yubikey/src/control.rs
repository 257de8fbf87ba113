//! The line protocol by which other processes pull a card, spoil its signatures and read its counters.
//!
//! One order a line, one answer a line: `ok`, `ok VALUES` or `error REASON`. On loopback and without any
//! check of who asks: it steers a simulator. The orders stand in [`HELP`].

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use crate::applet::{NextSignature, Touch};
use crate::card::YubiKey;

/// The orders.
pub const HELP: &str = "pull | insert | operations | tries | next right|wrong|lost | \
                        touch given|missing [MILLISECONDS] | replace SLOT | reset";

/// The longest line, in bytes.
const MAX_LINE_BYTES: u64 = 256;
/// How long a missing touch takes where the order does not say.
const TOUCH_WAIT: Duration = Duration::from_millis(500);

/// Listens on a port of loopback, 0 for any, and returns the port.
///
/// # Errors
///
/// When the port is taken.
pub fn listen(card: YubiKey, port: u16) -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let port = listener.local_addr()?.port();
    thread::Builder::new().name("control".into()).spawn(move || {
        for stream in listener.incoming().flatten() {
            let card = card.clone();
            thread::spawn(move || serve(&card, &stream));
        }
    })?;
    Ok(port)
}

fn serve(card: &YubiKey, stream: &TcpStream) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.by_ref().take(MAX_LINE_BYTES).read_line(&mut line)? == 0 {
            return Ok(());
        }
        let answer = match obey(card, &line) {
            Ok(values) if values.is_empty() => "ok\n".to_owned(),
            Ok(values) => format!("ok {values}\n"),
            Err(reason) => format!("error {reason}\n"),
        };
        let mut writer = stream;
        writer.write_all(answer.as_bytes())?;
    }
}

/// Does what a line says and returns the values that it asks for.
///
/// # Errors
///
/// The reason, as text, when the line is no order or the card refuses it.
pub fn obey(card: &YubiKey, line: &str) -> Result<String, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["pull"] => card.pull(),
        ["insert"] => card.insert().map_err(|error| error.to_string())?,
        ["operations"] => return Ok(card.operations().to_string()),
        ["tries"] => {
            let (pin, puk) = card.tries_left();
            return Ok(format!("{pin} {puk}"));
        }
        ["next", "right"] => card.set_next_signature(NextSignature::Right),
        ["next", "wrong"] => card.set_next_signature(NextSignature::Wrong),
        ["next", "lost"] => card.set_next_signature(NextSignature::Lost),
        ["touch", "given"] => card.set_touch(Touch::Given),
        ["touch", "missing"] => card.set_touch(Touch::Missing(TOUCH_WAIT)),
        ["touch", "missing", wait] => {
            let wait: u16 = wait.parse().map_err(|_| "milliseconds are a number up to 65535")?;
            card.set_touch(Touch::Missing(Duration::from_millis(wait.into())));
        }
        ["replace", slot] => {
            let slot = u8::from_str_radix(slot, 16).map_err(|_| "a slot is two hex digits")?;
            card.replace_key(slot).map_err(|error| error.to_string())?;
        }
        ["reset"] => card.reset().map_err(|error| error.to_string())?,
        _ => return Err(format!("no such order; there are {HELP}")),
    }
    Ok(String::new())
}
