//! The protocol between the reader driver `vpcd` and a virtual card: frames with a two-byte length.
//!
//! Frames of one byte are orders of the reader, longer ones are commands for the card. Not here: what
//! the card answers.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;

use rustix::net::sockopt::set_tcp_quickack;

/// What a YubiKey 5 says of itself when it gets power; it ends in "YubiKey" and a checksum.
pub const ANSWER_TO_RESET: [u8; 23] = [
    0x3b, 0xfd, 0x13, 0x00, 0x00, 0x81, 0x31, 0xfe, 0x15, 0x80, 0x73, 0xc0, 0x21, 0xc0, 0x57, 0x59, 0x75,
    0x62, 0x69, 0x4b, 0x65, 0x79, 0x40,
];

/// What the reader wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// An answer to a command.
    Command(Vec<u8>),
    /// The card loses its power: the session ends.
    PowerOff,
    /// The card gets power.
    PowerOn,
    /// The session ends, the power stays.
    Reset,
    /// The answer to reset. The driver asks for it now and then, to see whether the card is there.
    AnswerToReset,
}

/// Waits for the next order.
///
/// # Errors
///
/// When the reader is gone or says what the protocol does not have.
pub fn read(stream: &mut TcpStream) -> io::Result<Order> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    // The driver sends the length alone and waits for its acknowledgement, which would take 40 ms.
    set_tcp_quickack(&*stream, true)?;
    let mut frame = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut frame)?;
    match frame.as_slice() {
        [0] => Ok(Order::PowerOff),
        [1] => Ok(Order::PowerOn),
        [2] => Ok(Order::Reset),
        [4] => Ok(Order::AnswerToReset),
        [] | [_] => Err(io::Error::new(io::ErrorKind::InvalidData, "an unknown order of the reader")),
        _ => Ok(Order::Command(frame)),
    }
}

/// Sends an answer.
///
/// # Errors
///
/// When the reader is gone, or the answer is longer than a frame.
pub fn write(stream: &mut TcpStream, answer: &[u8]) -> io::Result<()> {
    let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), answer].concat())
}
