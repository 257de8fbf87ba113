//! PINs and passphrases: where they come from, how long they live, and what never shows them.
//!
//! They come from a hidden prompt or a file descriptor, once for each distinct token, and are wiped
//! when dropped. Never from arguments or the environment, which other processes can read. Not here:
//! what a device does with them.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::HsmError;
use crate::reference::{PinOrigin, TokenRef};

/// The longest PIN or passphrase, in bytes.
pub const MAX_PIN_BYTES: usize = 1_024;

/// A PIN or passphrase: wiped when dropped, and hidden from `Debug`.
#[derive(Clone)]
pub struct Pin(Zeroizing<String>);

impl Pin {
    /// Takes the text over; the caller keeps no copy.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Returns the secret itself, for the call that hands it to a device.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(hidden)")
    }
}

enum Origin {
    Lines { name: String, reader: Box<dyn Read + Send> },
    Nobody,
    Terminal,
}

/// Where PINs come from, and those already given in this process: each token asks once.
pub struct PinSource {
    origin: Origin,
    given: Vec<(TokenRef, Pin)>,
}

impl PinSource {
    fn new(origin: Origin) -> Self {
        Self { origin, given: Vec::new() }
    }

    /// Asks on the terminal, without echo.
    #[must_use]
    pub fn terminal() -> Self {
        Self::new(Origin::Terminal)
    }

    /// Asks nobody: whatever needs a PIN fails with `pin-missing`.
    #[must_use]
    pub fn none() -> Self {
        Self::new(Origin::Nobody)
    }

    /// Reads one line for each distinct token, in the order in which they are first used.
    ///
    /// The descriptor is opened anew through `/dev/fd`, so a file is read from its beginning. It can be
    /// a pipe, a file or a terminal, but not a socket.
    ///
    /// # Errors
    ///
    /// [`HsmError::PinUnreadable`] when the descriptor is not open for reading.
    pub fn fd(number: u32) -> Result<Self, HsmError> {
        let name = format!("file descriptor {number}");
        match File::open(format!("/dev/fd/{number}")) {
            Ok(file) => Ok(Self::new(Origin::Lines { name, reader: Box::new(file) })),
            Err(source) => Err(HsmError::PinUnreadable { origin: name, source }),
        }
    }

    /// Reads one line for each distinct token from `reader`, byte by byte.
    ///
    /// `reader` must not keep what it has handed out: a `BufReader` would leave secrets in memory.
    #[must_use]
    pub fn lines(reader: impl Read + Send + 'static) -> Self {
        Self::new(Origin::Lines { name: "the given lines".into(), reader: Box::new(reader) })
    }

    /// Returns the PIN of a token, asking when it is not known yet.
    ///
    /// # Errors
    ///
    /// [`HsmError::PinMissing`] without a terminal or a further line, [`HsmError::PinInvalid`] when it
    /// is empty, too long or not UTF-8, [`HsmError::PinUnreadable`] when reading fails.
    pub fn pin(&mut self, token: &TokenRef) -> Result<Pin, HsmError> {
        self.ask(token, false)
    }

    /// Returns the passphrase for a key file about to be made; on a terminal it is typed twice.
    ///
    /// # Errors
    ///
    /// As [`PinSource::pin`]; [`HsmError::PinInvalid`] also when the two differ.
    pub fn new_passphrase(&mut self, token: &TokenRef) -> Result<Pin, HsmError> {
        self.ask(token, true)
    }

    /// Gives a token the PIN that another token was given, so that it asks for none.
    ///
    /// For tokens that are made together under one secret; a device is never tried with another's PIN.
    pub fn share(&mut self, from: &TokenRef, to: &TokenRef) {
        if let Some((_, pin)) = self.given.iter().find(|(known, _)| known == from) {
            self.given.push((to.clone(), pin.clone()));
        }
    }

    /// Forgets a PIN that the token refused, so that it is not tried again.
    pub fn forget(&mut self, token: &TokenRef) {
        self.given.retain(|(known, _)| known != token);
    }

    fn ask(&mut self, token: &TokenRef, is_new: bool) -> Result<Pin, HsmError> {
        if let Some((_, pin)) = self.given.iter().find(|(known, _)| known == token) {
            return Ok(pin.clone());
        }
        let pin = match (token.pin_source(), &mut self.origin) {
            (Some(PinOrigin::Fd(number)), _) => match Self::fd(*number)?.origin {
                Origin::Lines { name, mut reader } => read_line(reader.as_mut(), &name, token)?,
                _ => return Err(HsmError::PinMissing { token: token.clone().into() }),
            },
            (Some(PinOrigin::File(path)), _) => {
                read_line(&mut open_pin_file(path)?, &path.display().to_string(), token)?
            }
            (Some(PinOrigin::Prompt), _) => prompt(token, is_new)?,
            (None, Origin::Nobody) => return Err(HsmError::PinMissing { token: token.clone().into() }),
            (None, Origin::Terminal) => prompt(token, is_new)?,
            (None, Origin::Lines { name, reader }) => read_line(reader, name, token)?,
        };
        if pin.expose().is_empty() {
            return Err(invalid(token, "empty PIN or passphrase"));
        }
        if pin.expose().len() > MAX_PIN_BYTES {
            return Err(invalid(token, "too long a PIN or passphrase"));
        }
        self.given.push((token.clone(), pin.clone()));
        Ok(pin)
    }
}

impl fmt::Debug for PinSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PinSource").field("given", &self.given.len()).finish_non_exhaustive()
    }
}

fn invalid(token: &TokenRef, reason: &'static str) -> HsmError {
    HsmError::PinInvalid { token: token.clone().into(), reason }
}

fn prompt(token: &TokenRef, is_new: bool) -> Result<Pin, HsmError> {
    let ask = |prompt: String| match rpassword::prompt_password(prompt) {
        Ok(text) => Ok(Pin::new(text)),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            Err(HsmError::PinUnreadable { origin: "the terminal".into(), source: error })
        }
        // No terminal, or its end: nobody is there to answer.
        Err(_) => Err(HsmError::PinMissing { token: token.clone().into() }),
    };
    if !is_new {
        return ask(format!("{} of {token}: ", token.secret_name()));
    }
    let first = ask(format!("New {} of {token}: ", token.secret_name()))?;
    let second = ask("Again: ".to_owned())?;
    if first.expose() == second.expose() { Ok(first) } else { Err(invalid(token, "two different entries")) }
}

/// Opens a file that nobody but its owner can read or write.
fn open_pin_file(path: &Path) -> Result<File, HsmError> {
    let unreadable = |source| HsmError::PinUnreadable { origin: path.display().to_string(), source };
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(HsmError::PermissionsTooOpen { path: path.to_owned(), mode });
    }
    Ok(file)
}

/// Reads one line, byte by byte: what comes after it belongs to the next token.
fn read_line(reader: &mut dyn Read, name: &str, token: &TokenRef) -> Result<Pin, HsmError> {
    // Full capacity from the start: growing would leave copies that nobody wipes.
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_PIN_BYTES));
    let mut byte = Zeroizing::new([0]);
    loop {
        match reader.read(byte.as_mut_slice()) {
            Ok(0) if line.is_empty() => {
                return Err(HsmError::PinMissing { token: token.clone().into() });
            }
            Ok(0) => break,
            Ok(_) if byte[0] == b'\n' => break,
            Ok(_) if line.len() == MAX_PIN_BYTES => {
                return Err(invalid(token, "too long a PIN or passphrase"));
            }
            Ok(_) => line.push(byte[0]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(HsmError::PinUnreadable { origin: name.to_owned(), source }),
        }
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    match std::str::from_utf8(&line) {
        Ok(text) => Ok(Pin::new(text.to_owned())),
        Err(_) => Err(invalid(token, "a PIN or passphrase that is not UTF-8")),
    }
}

/// Keeps other processes of the same user from reading this one's memory, and the kernel from writing
/// it to disk when the process crashes. Programs call it before they ask for anything.
///
/// The superuser can still read the memory, and memory can still be swapped out.
///
/// # Errors
///
/// What the operating system answers.
pub fn protect_process_memory() -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};

    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn token(name: &str) -> TokenRef {
        TokenRef::File(name.into())
    }

    #[test]
    fn each_token_draws_one_line() {
        let mut pins = PinSource::lines(Cursor::new("first\nsecond\r\nthird"));
        assert_eq!(pins.pin(&token("a")).unwrap().expose(), "first");
        assert_eq!(pins.pin(&token("b")).unwrap().expose(), "second");
        assert_eq!(pins.pin(&token("a")).unwrap().expose(), "first");
        assert_eq!(pins.new_passphrase(&token("c")).unwrap().expose(), "third");
        assert_eq!(pins.pin(&token("d")).unwrap_err().code(), "pin-missing");
    }

    #[test]
    fn refused_pins_are_forgotten() {
        let mut pins = PinSource::lines(Cursor::new("wrong\nright\n"));
        assert_eq!(pins.pin(&token("a")).unwrap().expose(), "wrong");
        pins.forget(&token("a"));
        assert_eq!(pins.pin(&token("a")).unwrap().expose(), "right");
    }

    #[test]
    fn bad_lines_are_refused() {
        let long = "x".repeat(MAX_PIN_BYTES + 1);
        for bytes in [b"\n".to_vec(), long.into_bytes(), vec![0xff, b'\n']] {
            let error = PinSource::lines(Cursor::new(bytes)).pin(&token("a")).unwrap_err();
            assert_eq!(error.code(), "pin-invalid");
        }
        let longest = "x".repeat(MAX_PIN_BYTES);
        assert_eq!(
            PinSource::lines(Cursor::new(longest.clone())).pin(&token("a")).unwrap().expose(),
            longest
        );
    }

    #[test]
    fn nobody_and_closed_descriptors_give_nothing() {
        assert_eq!(PinSource::none().pin(&token("a")).unwrap_err().code(), "pin-missing");
        assert_eq!(PinSource::fd(1_000_000).unwrap_err().code(), "pin-unreadable");
    }

    /// Also in a process that keeps its memory to itself, which changes who may open `/dev/fd`.
    #[test]
    fn descriptors_are_read() {
        protect_process_memory().unwrap();
        let limit = rustix::process::getrlimit(rustix::process::Resource::Core);
        assert_eq!((limit.current, limit.maximum), (Some(0), Some(0)));
        let (reader, mut writer) = io::pipe().unwrap();
        io::Write::write_all(&mut writer, b"1234\n5678\n").unwrap();
        drop(writer);
        let number = std::os::fd::AsRawFd::as_raw_fd(&reader);
        let mut pins = PinSource::fd(number.unsigned_abs()).unwrap();
        assert_eq!(pins.pin(&token("a")).unwrap().expose(), "1234");
        assert_eq!(pins.pin(&token("b")).unwrap().expose(), "5678");
        assert_eq!(pins.pin(&token("c")).unwrap_err().code(), "pin-missing");
    }

    #[test]
    fn a_reference_may_name_the_source() {
        use std::fs::{self, Permissions};
        use std::os::unix::fs::PermissionsExt;

        let path = std::env::temp_dir().join(format!("chancery-pin-{}", std::process::id()));
        fs::write(&path, "from the file\nsecond line\n").unwrap();
        let text = format!("piv:serial=1?pin-source=file:{}", path.display());
        let token: TokenRef = text.parse().unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(PinSource::none().pin(&token).unwrap_err().code(), "permissions-too-open");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(PinSource::none().pin(&token).unwrap().expose(), "from the file");
        fs::remove_file(&path).unwrap();
        assert_eq!(PinSource::none().pin(&token).unwrap_err().code(), "pin-unreadable");
        let closed: TokenRef = "piv:serial=1?pin-source=fd:60000".parse().unwrap();
        let mut lines = PinSource::lines(Cursor::new("not for this token"));
        assert_eq!(lines.pin(&closed).unwrap_err().code(), "pin-unreadable");
    }

    #[test]
    fn debug_shows_no_secret() {
        let mut pins = PinSource::lines(Cursor::new("canary-4711\ncanary-4712"));
        let pin = pins.pin(&token("a")).unwrap();
        let shown = format!("{pin:?} {pins:?} {pins:#?}");
        assert!(!shown.contains("canary"), "{shown}");
        assert!(shown.contains("hidden"), "{shown}");
    }
}
