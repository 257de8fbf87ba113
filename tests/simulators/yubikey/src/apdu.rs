//! ISO 7816-4 command and response units: short and extended lengths, status words.
//!
//! Not here: chaining and GET RESPONSE, which need the state of the card (`applet`).

/// The end of every answer: two bytes that say how the command went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u16);

impl Status {
    /// Done.
    pub const SUCCESS: Self = Self(0x9000);
    /// The length of the command, or of a field in it, is wrong.
    pub const WRONG_LENGTH: Self = Self(0x6700);
    /// The PIN or the management key was not given, or not just now, or nobody touched the card.
    pub const SECURITY_STATUS: Self = Self(0x6982);
    /// No tries are left.
    pub const BLOCKED: Self = Self(0x6983);
    /// The state of the card forbids it.
    pub const CONDITIONS: Self = Self(0x6985);
    /// The data are not what the instruction takes.
    pub const WRONG_DATA: Self = Self(0x6a80);
    /// No such object or application.
    pub const NOT_FOUND: Self = Self(0x6a82);
    /// No room for the object.
    pub const NO_SPACE: Self = Self(0x6a84);
    /// P1 or P2 is not one that the instruction takes.
    pub const WRONG_P1_P2: Self = Self(0x6a86);
    /// No such PIN or key.
    pub const REFERENCE_NOT_FOUND: Self = Self(0x6a88);
    /// No such slot.
    pub const WRONG_SLOT: Self = Self(0x6b00);
    /// The instruction does not exist, or not in this firmware.
    pub const INSTRUCTION: Self = Self(0x6d00);
    /// The class byte is neither 00 nor 10.
    pub const CLASS: Self = Self(0x6e00);
    /// The memory cannot be written.
    pub const MEMORY: Self = Self(0x6581);

    /// A wrong PIN, with the tries that are left.
    #[must_use]
    pub fn tries_left(tries: u8) -> Self {
        Self(0x63c0 | u16::from(tries.min(15)))
    }

    /// More of the answer waits for GET RESPONSE: `left` bytes, 0 standing for 256 and more.
    #[must_use]
    pub fn more(left: usize) -> Self {
        Self(0x6100 | u16::try_from(left).ok().filter(|left| *left < 256).unwrap_or_default())
    }
}

/// A command as it came over the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command<'a> {
    /// CLA.
    pub class: u8,
    /// INS.
    pub instruction: u8,
    /// P1.
    pub p1: u8,
    /// P2.
    pub p2: u8,
    /// The data; empty where there are none.
    pub data: &'a [u8],
    /// The longest answer that the sender takes at once, in bytes without the status.
    pub longest_answer: usize,
}

impl<'a> Command<'a> {
    /// Takes a command apart.
    ///
    /// # Errors
    ///
    /// [`Status::WRONG_LENGTH`] when the lengths in it do not add up.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Status> {
        let [class, instruction, p1, p2, body @ ..] = bytes else { return Err(Status::WRONG_LENGTH) };
        let (data, longest_answer) = match body {
            [] => (&[][..], 256),
            [expected] => (&[][..], short(*expected)),
            [0, high, low] => (&[][..], extended(*high, *low)),
            [0, high, low, rest @ ..] => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                match rest.split_at_checked(length).ok_or(Status::WRONG_LENGTH)? {
                    (data, []) if length > 0 => (data, 65_536),
                    (data, [high, low]) if length > 0 => (data, extended(*high, *low)),
                    _ => return Err(Status::WRONG_LENGTH),
                }
            }
            [0, _] => return Err(Status::WRONG_LENGTH),
            [length, rest @ ..] => match rest.split_at_checked(usize::from(*length)) {
                Some((data, [])) => (data, 256),
                Some((data, [expected])) => (data, short(*expected)),
                _ => return Err(Status::WRONG_LENGTH),
            },
        };
        Ok(Self { class: *class, instruction: *instruction, p1: *p1, p2: *p2, data, longest_answer })
    }
}

fn short(expected: u8) -> usize {
    if expected == 0 { 256 } else { usize::from(expected) }
}

fn extended(high: u8, low: u8) -> usize {
    match u16::from_be_bytes([high, low]) {
        0 => 65_536,
        expected => usize::from(expected),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(bytes: &[u8]) -> Option<(usize, usize)> {
        Command::parse(bytes).ok().map(|command| (command.data.len(), command.longest_answer))
    }

    #[test]
    fn every_case_of_lengths_is_read() {
        assert_eq!(parsed(&[0, 0xfd, 0, 0]), Some((0, 256)));
        assert_eq!(parsed(&[0, 0xfd, 0, 0, 3]), Some((0, 3)));
        assert_eq!(parsed(&[0, 0xfd, 0, 0, 0]), Some((0, 256)));
        assert_eq!(parsed(&[0, 0xfd, 0, 0, 0, 1, 0]), Some((0, 256)));
        assert_eq!(parsed(&[0, 0xfd, 0, 0, 0, 0, 0]), Some((0, 65_536)));
        assert_eq!(parsed(&[0, 0x20, 0, 0x80, 2, 1, 2]), Some((2, 256)));
        assert_eq!(parsed(&[0, 0x20, 0, 0x80, 2, 1, 2, 9]), Some((2, 9)));
        assert_eq!(parsed(&[0, 0x20, 0, 0x80, 0, 0, 2, 1, 2]), Some((2, 65_536)));
        assert_eq!(parsed(&[0, 0x20, 0, 0x80, 0, 0, 2, 1, 2, 0, 9]), Some((2, 9)));
    }

    #[test]
    fn lengths_that_do_not_add_up_are_refused() {
        let refused: [&[u8]; 7] = [
            &[],
            &[0, 0xfd, 0],
            &[0, 0x20, 0, 0x80, 2, 1],
            &[0, 0x20, 0, 0x80, 2, 1, 2, 3, 4],
            &[0, 0x20, 0, 0x80, 0, 0],
            &[0, 0x20, 0, 0x80, 0, 0, 2, 1],
            &[0, 0x20, 0, 0x80, 0, 0, 0, 1],
        ];
        for bytes in refused {
            assert_eq!(Command::parse(bytes), Err(Status::WRONG_LENGTH), "{bytes:02x?}");
        }
    }
}
