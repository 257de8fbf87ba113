//! A card in a PC/SC reader: transactions, commands, chains and answers in parts.
//!
//! Not here: what the answers mean to an operator (`fault`).

use std::ffi::CString;

use pcsc::{Context, Disposition, Protocols, Scope, ShareMode, Transaction};
use zeroize::Zeroizing;

/// The PIV application (NIST SP 800-73-4 §2.2), without the version at the end of its name.
const PIV: [u8; 5] = [0xa0, 0x00, 0x00, 0x03, 0x08];

/// The most data in one part of a command.
const PART_BYTES: usize = 255;
/// The longest answer that is taken, over all its parts: more than the largest object.
const MAX_ANSWER_BYTES: usize = 4_096;

/// The instructions in use.
pub(super) mod instruction {
    pub(in super::super) const VERIFY: u8 = 0x20;
    pub(in super::super) const GENERATE: u8 = 0x47;
    pub(in super::super) const AUTHENTICATE: u8 = 0x87;
    pub(in super::super) const GET_DATA: u8 = 0xcb;
    pub(in super::super) const METADATA: u8 = 0xf7;
    pub(in super::super) const ATTEST: u8 = 0xf9;
    pub(super) const SELECT: u8 = 0xa4;
    pub(super) const GET_RESPONSE: u8 = 0xc0;
    pub(super) const SERIAL: u8 = 0xf8;
    pub(super) const VERSION: u8 = 0xfd;
}

/// How a card says that a command failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Status(pub(super) u16);

impl Status {
    pub(super) const SECURITY: Self = Self(0x6982);
    pub(super) const BLOCKED: Self = Self(0x6983);
    pub(super) const WRONG_DATA: Self = Self(0x6a80);
    pub(super) const NOT_FOUND: Self = Self(0x6a82);
    pub(super) const REFERENCE_NOT_FOUND: Self = Self(0x6a88);
    pub(super) const INSTRUCTION: Self = Self(0x6d00);

    /// Returns the tries that are left, where the card tells them.
    pub(super) fn tries_left(self) -> Option<u8> {
        let [high, low] = self.0.to_be_bytes();
        (high == 0x63 && low & 0xf0 == 0xc0).then_some(low & 0x0f)
    }
}

/// Why a command brought nothing.
#[derive(Debug)]
pub(super) enum CardError {
    /// The card that the reference names is in no reader.
    Absent(Option<pcsc::Error>),
    /// What came is not an answer.
    Malformed(&'static str),
    /// The way to the card is gone.
    Pcsc(pcsc::Error),
    /// The card refuses.
    Status(Status),
}

impl From<pcsc::Error> for CardError {
    fn from(error: pcsc::Error) -> Self {
        Self::Pcsc(error)
    }
}

/// A card in a reader.
pub(super) struct Card {
    /// Nothing once it is being dropped.
    card: Option<pcsc::Card>,
    serial: u32,
    firmware: [u8; 3],
}

impl Card {
    /// Finds the card with this serial number.
    pub(super) fn open(serial: u32) -> Result<Self, CardError> {
        let mut reason = None;
        for card in Self::all()? {
            match card {
                Ok(card) if card.serial == serial => return Ok(card),
                // A card that another program keeps to itself may be the one.
                Err(CardError::Pcsc(error @ pcsc::Error::SharingViolation)) => reason = Some(error),
                _ => {}
            }
        }
        Err(CardError::Absent(reason))
    }

    /// Connects to the card in each reader; readers without a YubiKey give errors.
    pub(super) fn all() -> Result<impl Iterator<Item = Result<Self, CardError>>, CardError> {
        let context = Context::establish(Scope::User).map_err(|error| CardError::Absent(Some(error)))?;
        let readers = context.list_readers_owned().map_err(|error| CardError::Absent(Some(error)))?;
        Ok(readers.into_iter().map(move |reader| Self::in_reader(&context, &reader)))
    }

    fn in_reader(context: &Context, reader: &CString) -> Result<Self, CardError> {
        let card = context.connect(reader, ShareMode::Shared, Protocols::ANY)?;
        let mut card = Self { card: Some(card), serial: 0, firmware: [0; 3] };
        let exchange = card.begin()?;
        let version = exchange.send(instruction::VERSION, 0, 0, &[])?;
        let serial = exchange.send(instruction::SERIAL, 0, 0, &[])?;
        drop(exchange);
        let malformed = |_| CardError::Malformed("a version or serial number of another length");
        card.firmware = version.as_slice().try_into().map_err(malformed)?;
        card.serial = u32::from_be_bytes(serial.as_slice().try_into().map_err(malformed)?);
        Ok(card)
    }

    /// Returns the number printed on the device.
    pub(super) fn serial(&self) -> u32 {
        self.serial
    }

    /// Returns the version of the firmware.
    pub(super) fn version(&self) -> [u8; 3] {
        self.firmware
    }

    /// Returns the version of the firmware, as people write it.
    pub(super) fn firmware(&self) -> String {
        let [major, minor, patch] = self.firmware;
        format!("{major}.{minor}.{patch}")
    }

    /// Begins a transaction with the card that was opened: nobody else gets at it until it ends. The
    /// application is selected, and the PIN not verified.
    pub(super) fn exchange(&mut self) -> Result<Exchange<'_>, CardError> {
        let expected = self.serial.to_be_bytes();
        let exchange = self.begin()?;
        if *exchange.send(instruction::SERIAL, 0, 0, &[])? == expected {
            return Ok(exchange);
        }
        Err(CardError::Absent(None))
    }

    fn begin(&mut self) -> Result<Exchange<'_>, CardError> {
        let card = self.card.as_mut().ok_or(CardError::Absent(None))?;
        let exchange = Exchange(card.transaction()?);
        exchange.select()?;
        Ok(exchange)
    }
}

/// A transaction with a card.
pub(super) struct Exchange<'a>(Transaction<'a>);

impl Exchange<'_> {
    /// Selects the application anew, which takes the verification of the PIN back.
    pub(super) fn select(&self) -> Result<(), CardError> {
        self.send(instruction::SELECT, 0x04, 0x00, &PIV).map(drop)
    }

    /// Sends a command, in a chain where it is long, and returns the whole answer.
    pub(super) fn send(
        &self,
        instruction: u8,
        p1: u8,
        p2: u8,
        data: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CardError> {
        let mut parts = data.chunks(PART_BYTES).peekable();
        let mut answer = Zeroizing::new(Vec::with_capacity(MAX_ANSWER_BYTES));
        let mut left = loop {
            let part = parts.next().unwrap_or_default();
            let is_last = parts.peek().is_none();
            let class = if is_last { 0x00 } else { 0x10 };
            let more = self.transmit([class, instruction, p1, p2], part, &mut answer)?;
            if is_last {
                break more;
            }
        };
        while left {
            left = self.transmit([0, instruction::GET_RESPONSE, 0, 0], &[], &mut answer)?;
        }
        Ok(answer)
    }

    /// Sends one part and adds what comes to `answer`; returns whether more waits.
    fn transmit(&self, header: [u8; 4], data: &[u8], answer: &mut Vec<u8>) -> Result<bool, CardError> {
        // Full capacity from the start: growing would leave a PIN behind that nobody wipes.
        let mut command = Zeroizing::new(Vec::with_capacity(header.len() + 1 + PART_BYTES));
        command.extend_from_slice(&header);
        // Without data, the same byte says that the answer may be as long as it gets.
        command.push(u8::try_from(data.len()).map_err(|_| CardError::Malformed("a part that is too long"))?);
        command.extend_from_slice(data);
        let mut buffer = Zeroizing::new([0; 258]);
        let received = self.0.transmit(&command, buffer.as_mut_slice())?;
        // Some drivers hand a pulled card on as an answer without bytes.
        let Some((bytes, [high, low])) = received.split_last_chunk::<2>() else {
            return Err(CardError::Malformed("an answer without a status"));
        };
        if answer.len() + bytes.len() > MAX_ANSWER_BYTES {
            return Err(CardError::Malformed("an answer that is too long"));
        }
        answer.extend_from_slice(bytes);
        match (high, low) {
            (0x90, 0x00) => Ok(false),
            (0x61, _) if !bytes.is_empty() => Ok(true),
            _ => Err(CardError::Status(Status(u16::from_be_bytes([*high, *low])))),
        }
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        // Nothing is verified between transactions: a reset, which is the default, would only disturb others.
        if let Some(card) = self.card.take() {
            let _ = card.disconnect(Disposition::LeaveCard);
        }
    }
}

/// Writes one field: tag, length, value.
pub(super) fn field(tag: u8, value: &[u8]) -> Vec<u8> {
    let [.., high, low] = value.len().to_be_bytes();
    let length: &[u8] = match value.len() {
        0..=0x7f => &[low],
        0x80..=0xff => &[0x81, low],
        _ => &[0x82, high, low],
    };
    [&[tag], length, value].concat()
}

/// Reads the value of the first field with this tag; nothing where fields do not add up before it.
pub(super) fn value(mut bytes: &[u8], tag: u8) -> Option<&[u8]> {
    loop {
        let (found, rest) = bytes.split_first()?;
        let (length, rest) = match rest {
            [length @ 0..=0x7f, rest @ ..] => (usize::from(*length), rest),
            [0x81, low, rest @ ..] => (usize::from(*low), rest),
            [0x82, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        if *found == tag {
            return Some(value);
        }
        bytes = rest;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_every_length_are_read_back() {
        for length in [0, 1, 127, 128, 255, 256, 1_024] {
            let bytes = [field(0x82, &[]), field(0x81, &vec![7; length])].concat();
            assert_eq!(value(&bytes, 0x81).unwrap(), vec![7; length]);
            assert_eq!(value(&bytes, 0x82), Some(&[][..]));
            assert_eq!(value(&bytes, 0x80), None);
        }
    }

    #[test]
    fn cut_fields_give_nothing() {
        for bytes in [&[][..], &[0x81], &[0x81, 2, 1], &[0x81, 0x81], &[0x81, 0x80], &[0x82, 9, 0x81, 0]] {
            assert_eq!(value(bytes, 0x81), None, "{bytes:02x?}");
        }
    }

    #[test]
    fn tries_are_read_from_their_status_alone() {
        assert_eq!(Status(0x63c2).tries_left(), Some(2));
        assert_eq!(Status(0x63c0).tries_left(), Some(0));
        for other in [Status::BLOCKED, Status(0x6302), Status(0x9000)] {
            assert_eq!(other.tries_left(), None);
        }
    }
}
