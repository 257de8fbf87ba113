//! Documents too large for one QR code: numbered frames, in any order, shown as often as needed.
//!
//! A frame is `CP1:` and base45 of: 4 bytes of the message's SHA-256, index from 0, count, chunk.
//! Frames are not secure by themselves; the signature of the document they carry is.

use alloc::string::String;
use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use super::{TextError, base45};

/// What every frame's text starts with.
pub const PREFIX: &str = "CP1:";

/// Chunk that keeps a frame within a QR code of version 15, level M.
pub const CHUNK: usize = 390;

const MAX_CHUNK: usize = 2_048;

/// Splits a message into the texts of its frames; at most 255 frames of [`CHUNK`] bytes.
///
/// # Errors
///
/// [`TextError::Frame`] for an empty message or one larger than 99,450 bytes.
pub fn split(message: &[u8]) -> Result<Vec<String>, TextError> {
    let count = u8::try_from(message.len().div_ceil(CHUNK)).map_err(|_| TextError::Frame)?;
    if count == 0 {
        return Err(TextError::Frame);
    }
    let id = message_id(message);
    let frame = |(index, chunk): (u8, &[u8])| {
        let mut bytes = Vec::from(id);
        bytes.extend([index, count]);
        bytes.extend_from_slice(chunk);
        let mut text = String::from(PREFIX);
        text.push_str(&base45::encode(&bytes));
        text
    };
    Ok((0..count).zip(message.chunks(CHUNK)).map(frame).collect())
}

fn message_id(message: &[u8]) -> [u8; 4] {
    let hash: [u8; 32] = Sha256::digest(message).into();
    [hash[0], hash[1], hash[2], hash[3]]
}

/// Collects the frames of one message until it is whole.
#[derive(Clone, Debug, Default)]
pub struct Assembly {
    id: [u8; 4],
    chunks: Vec<Option<Vec<u8>>>,
}

impl Assembly {
    /// Starts with no frame.
    #[must_use]
    pub const fn new() -> Self {
        Self { id: [0; 4], chunks: Vec::new() }
    }

    /// Returns how many frames the message has and how many are still missing; (0, 0) before the first.
    #[must_use]
    pub fn progress(&self) -> (usize, usize) {
        (self.chunks.len(), self.chunks.iter().filter(|chunk| chunk.is_none()).count())
    }

    /// Takes the text of a frame; returns the message once it is whole. A repeated frame is welcome.
    ///
    /// # Errors
    ///
    /// [`TextError::Prefix`], [`TextError::Frame`] or a fault of base45 for text that is no frame;
    /// [`TextError::FrameOfOther`] for a frame of another message or a repeated one that differs;
    /// [`TextError::FrameHash`] where the whole does not have the hash that its frames name.
    pub fn push(&mut self, text: &str) -> Result<Option<Vec<u8>>, TextError> {
        let bytes = base45::decode(text.strip_prefix(PREFIX).ok_or(TextError::Prefix)?)?;
        let [a, b, c, d, index, count, chunk @ ..] = bytes.as_slice() else { return Err(TextError::Frame) };
        if index >= count || chunk.is_empty() || chunk.len() > MAX_CHUNK {
            return Err(TextError::Frame);
        }
        if self.chunks.is_empty() {
            self.id = [*a, *b, *c, *d];
            self.chunks.resize(usize::from(*count), None);
        }
        let same = self.id == [*a, *b, *c, *d] && self.chunks.len() == usize::from(*count);
        let slot =
            self.chunks.get_mut(usize::from(*index)).filter(|_| same).ok_or(TextError::FrameOfOther)?;
        if slot.get_or_insert_with(|| chunk.to_vec()).as_slice() != chunk {
            return Err(TextError::FrameOfOther);
        }
        if self.chunks.iter().any(Option::is_none) {
            return Ok(None);
        }
        let message: Vec<u8> = self.chunks.iter().flatten().flatten().copied().collect();
        if message_id(&message) == self.id { Ok(Some(message)) } else { Err(TextError::FrameHash) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn message() -> Vec<u8> {
        (0..2_946u32).map(|index| (index * index) as u8).collect()
    }

    #[test]
    fn frames_arrive_in_any_order_and_repeated() {
        let frames = split(&message()).unwrap();
        assert_eq!(frames.len(), 8);
        assert!(frames.iter().all(|frame| frame.len() <= 600), "version 15-M holds 600 characters");
        let mut assembly = Assembly::new();
        for frame in frames.iter().rev().take(7).chain(&frames[3..]) {
            assert_eq!(assembly.push(frame).unwrap(), None);
        }
        assert_eq!(assembly.progress(), (8, 1));
        assert_eq!(assembly.push(&frames[0]).unwrap(), Some(message()));
    }

    #[test]
    fn mixed_changed_and_malformed_frames_are_refused() {
        let frames = split(&message()).unwrap();
        let other = split(&message()[1..]).unwrap();
        let mut assembly = Assembly::new();
        assembly.push(&frames[0]).unwrap();
        assert_eq!(assembly.push(&other[1]), Err(TextError::FrameOfOther));
        let forge = |index: u8, count: u8, chunk: &[u8]| {
            let id = message_id(&message());
            let bytes = [&id[..], &[index, count], chunk].concat();
            [PREFIX, &base45::encode(&bytes)].concat()
        };
        assert_eq!(assembly.push(&forge(8, 8, b"x")), Err(TextError::Frame));
        assert_eq!(assembly.push(&forge(0, 0, b"x")), Err(TextError::Frame));
        assert_eq!(assembly.push(&forge(1, 9, b"x")), Err(TextError::FrameOfOther));
        assert_eq!(assembly.push(&forge(0, 8, b"x")), Err(TextError::FrameOfOther));
        assert_eq!(assembly.push("CL1:00"), Err(TextError::Prefix));
        for frame in &frames[1..7] {
            assembly.push(frame).unwrap();
        }
        assert_eq!(assembly.push(&forge(7, 8, b"x")), Err(TextError::FrameHash));
    }
}
