//! Faults: what a test can make the device do, each by a line of text.
//!
//! A line is a word and its arguments, as in [`Fault`]'s documentation: the bin's `--help` prints the same.
//! Not here: how they come about (`device`, `http`).

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use crate::certificate::Defect;

/// The lines that `POST /simulator/fault` takes, for `--help`.
pub const LINES: &str = "  age COUNT               log COUNT entries and let them be read, as years of use do
  delay MS [COMMAND]      answer every command, or the one with this code (hexadecimal), MS later
  drop-reply              execute the next signature, then close the connection without an answer
  drop-request [COMMAND]  close the connection before executing the next command, or the next with this code
  corrupt-signature       sign wrongly, the next time
  die                     answer nothing until mended: commands hang, and are not executed
  unplug                  NO_DEVICE until mended: commands get status 500; plugging in is a power cycle
  power-cycle             lose all sessions, boot, log the boot
  reset                   back to the factory: authentication key 1 with `password`, a new log
  fill-sessions           take every free place in the session table; they expire as any other
  fill-log                log until the log is full
  replace-key ID          put another key under the asymmetric key's id (hexadecimal or decimal)
  serial NUMBER           report, and attest, another serial number
  attestation WHAT        valid, expired, mismatched or wrong-root: the device's own certificate
POST /simulator/mend ends delay, die, unplug, what still waits for a next command, and attestation.
";

/// A fault to inject.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// `age COUNT`: logs as many entries, which are read.
    Age(u32),
    /// `attestation WHAT`: changes the device's own certificate.
    Attestation(Defect),
    /// `corrupt-signature`: the next signature is wrong.
    CorruptSignature,
    /// `delay MS [COMMAND]`: answers later, every command or one.
    Delay {
        /// How much later.
        delay: Duration,
        /// The command's code; all for none.
        command: Option<u8>,
    },
    /// `die`: answers nothing, and executes nothing, until mended.
    Die,
    /// `drop-reply`: signs, then drops the connection.
    DropReply,
    /// `drop-request [COMMAND]`: drops the connection before it executes the next command, or the next `.0`.
    DropRequest(Option<u8>),
    /// `fill-log`: logs until the log is full.
    FillLog,
    /// `fill-sessions`: takes every free place in the session table.
    FillSessions,
    /// `power-cycle`: loses sessions, and boots.
    PowerCycle,
    /// `replace-key ID`: another key under the same id, everything else kept.
    ReplaceKey(u16),
    /// `reset`: back to the factory.
    Reset,
    /// `serial NUMBER`: another serial number.
    Serial(u32),
    /// `unplug`: no device until mended.
    Unplug,
}

fn number(text: &str) -> Option<u32> {
    text.strip_prefix("0x").map_or_else(|| text.parse().ok(), |hex| u32::from_str_radix(hex, 16).ok())
}

fn code(text: &str) -> Option<u8> {
    u8::from_str_radix(text.trim_start_matches("0x"), 16).ok()
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let fault = match words.as_slice() {
            ["age", count] => number(count).map(Self::Age),
            ["attestation", "expired"] => Some(Self::Attestation(Defect::Expired)),
            ["attestation", "mismatched"] => Some(Self::Attestation(Defect::Mismatched)),
            ["attestation", "valid"] => Some(Self::Attestation(Defect::None)),
            ["attestation", "wrong-root"] => Some(Self::Attestation(Defect::WrongRoot)),
            ["corrupt-signature"] => Some(Self::CorruptSignature),
            ["delay", ms] => delay(ms, None),
            ["delay", ms, command] => code(command).and_then(|command| delay(ms, Some(command))),
            ["die"] => Some(Self::Die),
            ["drop-reply"] => Some(Self::DropReply),
            ["drop-request"] => Some(Self::DropRequest(None)),
            ["drop-request", command] => code(command).map(|command| Self::DropRequest(Some(command))),
            ["fill-log"] => Some(Self::FillLog),
            ["fill-sessions"] => Some(Self::FillSessions),
            ["power-cycle"] => Some(Self::PowerCycle),
            ["replace-key", id] => number(id).and_then(|id| id.try_into().ok()).map(Self::ReplaceKey),
            ["reset"] => Some(Self::Reset),
            ["serial", serial] => number(serial).map(Self::Serial),
            ["unplug"] => Some(Self::Unplug),
            _ => None,
        };
        fault.ok_or_else(|| format!("not a fault: {line:?}"))
    }
}

fn delay(ms: &str, command: Option<u8>) -> Option<Fault> {
    let ms: u32 = ms.parse().ok()?;
    Some(Fault::Delay { delay: Duration::from_millis(ms.into()), command })
}

/// Faults that wait for a command.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    pub(crate) delay: Duration,
    pub(crate) delays: BTreeMap<u8, Duration>,
    pub(crate) drop_reply: bool,
    pub(crate) drop_request: Option<Option<u8>>,
    pub(crate) corrupt_signature: bool,
}

impl Pending {
    /// Returns how late `command` is answered.
    pub(crate) fn delay_of(&self, command: u8) -> Duration {
        self.delays.get(&command).copied().unwrap_or(self.delay)
    }

    /// Returns, once, whether the connection is to be dropped before `command` is executed.
    pub(crate) fn takes_request(&mut self, command: u8) -> bool {
        let hit = self.drop_request.is_some_and(|wanted| wanted.is_none_or(|wanted| wanted == command));
        if hit {
            self.drop_request = None;
        }
        hit
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_line_is_a_fault_and_others_are_not() {
        let lines = LINES.lines().filter_map(|line| line.strip_prefix("  "));
        let examples = lines.map(|line| {
            let usage = line.split("  ").next().unwrap_or_default();
            usage
                .replace("COUNT", "9")
                .replace("MS", "5")
                .replace("[COMMAND]", "6a")
                .replace("ID", "0x0100")
                .replace("NUMBER", "7")
                .replace("WHAT", "expired")
        });
        let faults: Vec<Fault> = examples.map(|line| line.parse().unwrap()).collect();
        assert_eq!(faults.len(), 14);
        assert!(faults.contains(&Fault::ReplaceKey(256)) && faults.contains(&Fault::DropRequest(Some(0x6a))));
        for line in
            ["", "delay", "delay x", "delay 5 zz", "replace-key 65536", "serial", "serial -1", "die now"]
        {
            assert!(line.parse::<Fault>().is_err(), "{line}");
        }
    }

    #[test]
    fn a_dropped_request_is_dropped_once() {
        let mut pending = Pending { drop_request: Some(Some(0x6a)), ..Pending::default() };
        assert!(!pending.takes_request(0x01) && pending.takes_request(0x6a) && !pending.takes_request(0x6a));
    }
}
