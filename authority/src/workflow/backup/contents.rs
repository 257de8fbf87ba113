//! The first lines inside a backup: whose it is, what its log adds up to, and which files follow.
//!
//! ```text
//! chancery-backup 1
//! authority 64 hexadecimal digits
//! log SIZE ROOT
//! made UNIX-SECONDS
//! schema VERSION
//! file authority.db BYTES SHA-256
//! file keys/NAME BYTES SHA-256
//!
//! ```
//!
//! Lines end in a line feed; numbers are decimal without leading zeros, hashes lower-case hexadecimal. Key files ascend by name. The empty line ends the list; the files follow it in its order,
//! with nothing between and nothing after them. Only this form is read. Not here: the encryption around it (`cipher`).

use std::fmt::Write as _;
use std::io::{self, BufRead};

use chancery_formats::id::{AuthorityId, Thumbprint};
use chancery_formats::merkle::{Hash, Head, empty_root};

/// The name under which the database travels.
pub const DATABASE: &str = "authority.db";

/// Most bytes of the list: more than 256 key files need.
const MAX_BYTES: usize = 64 * 1024;
/// Most key files.
pub const MAX_KEYS: usize = 256;
/// Most bytes of a key file.
pub const MAX_KEY_BYTES: u64 = 64 * 1024;
const MAX_NAME: usize = 64;
const FIRST: &str = "chancery-backup 1";

/// A file inside a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// [`DATABASE`], or `keys/` and a name that [`is_key_name`] accepts.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
}

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Whose it is.
    pub authority: AuthorityId,
    /// The log as the copy holds it.
    pub log: Head,
    /// Unix seconds, by the clock of the machine that made it.
    pub made_at: u64,
    /// Version of the database's schema.
    pub schema: u32,
    /// The database first, then key files.
    pub files: Vec<Part>,
}

/// Why the list is refused.
#[derive(Debug, thiserror::Error)]
pub enum ContentsError {
    /// Not of the one form.
    #[error("{0}")]
    Malformed(&'static str),
    /// The stream below ends early or is not what was encrypted.
    #[error("cannot read the list of its files")]
    Unreadable(#[source] io::Error),
}

impl Contents {
    /// Returns the list as it travels, its empty line included.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = format!(
            "{FIRST}\nauthority {}\nlog {} {}\nmade {}\nschema {}\n",
            self.authority,
            self.log.size,
            hexadecimal(self.log.root),
            self.made_at,
            self.schema
        );
        for part in &self.files {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "file {} {} {}", part.name, part.bytes, hexadecimal(part.sha256));
        }
        text.push('\n');
        text
    }

    /// Reads the list, and no byte beyond it.
    ///
    /// # Errors
    ///
    /// [`ContentsError`] for any other form than [`Contents::encode`] gives, and for a list of more than 64 KiB.
    pub fn read(input: &mut impl BufRead) -> Result<Self, ContentsError> {
        let mut text = Vec::new();
        loop {
            let left = MAX_BYTES.saturating_sub(text.len());
            let mut limited = io::Read::take(&mut *input, left as u64);
            let count = limited.read_until(b'\n', &mut text).map_err(ContentsError::Unreadable)?;
            // At the end of the stream or of the limit nothing is read, whatever came before.
            if count == 0 || !text.ends_with(b"\n") {
                return Err(ContentsError::Malformed("its list of files does not end"));
            }
            if count == 1 {
                break;
            }
        }
        let text =
            str::from_utf8(&text).map_err(|_| ContentsError::Malformed("its list of files is not text"))?;
        let contents =
            Self::parse(text).ok_or(ContentsError::Malformed("its list of files is not of the form"))?;
        contents.check().map_err(ContentsError::Malformed)?;
        // One content, one form: other spellings of a number or a hash end here.
        if contents.encode() == text {
            Ok(contents)
        } else {
            Err(ContentsError::Malformed("its list of files is not of the one form"))
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != FIRST {
            return None;
        }
        let mut value = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let authority = value("authority")?.parse().ok()?;
        let (size, root) = value("log")?.split_once(' ')?;
        let log = Head { size: size.parse().ok()?, root: hash(root)? };
        let made_at = value("made")?.parse().ok()?;
        let schema = value("schema")?.parse().ok()?;
        let files = lines.take_while(|line| !line.is_empty()).map(part).collect::<Option<_>>()?;
        Some(Self { authority, log, made_at, schema, files })
    }

    fn check(&self) -> Result<(), &'static str> {
        let Some((database, keys)) = self.files.split_first() else {
            return Err("it holds no database");
        };
        if database.name != DATABASE || database.bytes == 0 {
            return Err("its first file is not a database");
        }
        if keys.len() > MAX_KEYS {
            return Err("it holds too many key files");
        }
        let named = |part: &Part| part.name.strip_prefix("keys/").is_some_and(is_key_name);
        if !keys.iter().all(named) || !keys.is_sorted_by(|one, next| one.name < next.name) {
            return Err("it holds a file that is not a key file, or one twice");
        }
        if keys.iter().any(|part| part.bytes > MAX_KEY_BYTES) {
            return Err("it holds a key file that is too large");
        }
        if self.log.size == 0 && self.log.root != empty_root() {
            return Err("its log has no documents, and another root than that of none");
        }
        Ok(())
    }
}

/// Returns whether a key file of this name travels: 1 to 64 of `a-z`, `A-Z`, `0-9`, dot, dash and underscore, and no
/// dot first.
#[must_use]
pub fn is_key_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    !name.is_empty() && name.len() <= MAX_NAME && !name.starts_with('.') && name.bytes().all(allowed)
}

fn part(line: &str) -> Option<Part> {
    let mut words = line.strip_prefix("file ")?.splitn(3, ' ');
    let (name, bytes, sha256) = (words.next()?, words.next()?, words.next()?);
    Some(Part { name: name.to_owned(), bytes: bytes.parse().ok()?, sha256: hash(sha256)? })
}

fn hash(text: &str) -> Option<Hash> {
    text.parse::<Thumbprint>().ok().map(|hash| hash.0)
}

fn hexadecimal(hash: Hash) -> String {
    Thumbprint(hash).to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn contents() -> Contents {
        let part = |name: &str, bytes| Part { name: name.to_owned(), bytes, sha256: [7; 32] };
        Contents {
            authority: AuthorityId([1; 32]),
            log: Head { size: 12, root: [0xab; 32] },
            made_at: 1_800_000_000,
            schema: 3,
            files: vec![
                part(DATABASE, 4096),
                part("keys/issuing.pem", 300),
                part("keys/root.pem", MAX_KEY_BYTES),
            ],
        }
    }

    fn read(text: &[u8]) -> Result<Contents, ContentsError> {
        Contents::read(&mut &text[..])
    }

    #[test]
    fn what_is_written_is_read_and_no_byte_more() {
        for contents in [
            contents(),
            Contents { log: Head { size: 0, root: empty_root() }, ..contents() },
            Contents { files: contents().files[..1].to_vec(), ..contents() },
        ] {
            let text = contents.encode() + "the database";
            let mut input = text.as_bytes();
            assert_eq!(Contents::read(&mut input).unwrap(), contents);
            assert_eq!(input, b"the database");
        }
    }

    #[test]
    fn every_other_form_is_refused() {
        let sound = contents().encode();
        let mut refused = 0;
        for (from, to) in [
            ("chancery-backup 1", "chancery-backup 2"),
            ("authority 01", "authority 1"),
            ("log 12 ", "log 012 "),
            ("log 12 ", "log +12 "),
            ("log 12 ", "log 0 "),
            ("log 12 ab", "log 12 AB"),
            ("made 1800000000", "made 99999999999999999999"),
            ("made 1800000000", "made  1800000000"),
            ("schema 3", "schema 3 "),
            ("schema 3", "schema -3"),
            ("file authority.db 4096", "file authority.db 0"),
            ("file authority.db", "file other.db"),
            ("file keys/root.pem", "file keys/../root.pem"),
            ("file keys/root.pem", "file keys/.pem"),
            ("file keys/root.pem", "file keys/"),
            ("file keys/root.pem", "file /keys/root.pem"),
            ("file keys/root.pem", "file keys/issuing.pem"),
            ("file keys/root.pem", "file keys/abc.pem"),
            ("keys/root.pem 65536", "keys/root.pem 65537"),
            ("schema 3\n", "schema 3\r\n"),
            ("schema 3\n", ""),
            ("\n\n", "\n"),
            ("file", "\u{fffd}ile"),
        ] {
            assert!(sound.contains(from), "{from}");
            assert!(read(sound.replacen(from, to, 1).as_bytes()).is_err(), "{from} as {to}");
            refused += 1;
        }
        assert_eq!(refused, 23);
        for end in 0..sound.len() {
            assert!(read(&sound.as_bytes()[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn a_list_without_end_is_read_no_further_than_its_limit() {
        let mut endless = io::BufReader::new(io::Read::chain(FIRST.as_bytes(), io::repeat(b'a')));
        let error = Contents::read(&mut endless).unwrap_err();
        assert_eq!(error.to_string(), "its list of files does not end");
        let many = format!("{FIRST}\n{}", "a\n".repeat(MAX_BYTES));
        assert!(read(many.as_bytes()).is_err());
    }
}
