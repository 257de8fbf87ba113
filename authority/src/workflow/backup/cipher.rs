//! The encryption around a backup: the age format, by the crate of its authors.
//!
//! To recipients (`age1…`, X25519) or under a passphrase (scrypt), so that a backup can also be opened without this
//! program, by `age --decrypt`. The one file that knows the crate. Not here: what is inside (`contents`).

use std::io::{self, Cursor, Read, Write};
use std::path::Path;

use age::secrecy::SecretString;
use age::stream::StreamWriter;
use age::{DecryptError, Decryptor, Encryptor, scrypt, x25519};
use chancery_carriers::files::read_private;
use chancery_hsm_config::secret::Pin;
use zeroize::Zeroizing;

use crate::error::CommandError;

/// scrypt with 2¹⁸ rounds: 256 MiB and about a second, the measure of the age tool.
const WORK_FACTOR: u8 = 18;
/// The most that a backup may ask for: 1 GiB.
const MAX_WORK_FACTOR: u8 = 20;
/// Most bytes before the encrypted content: more than twenty recipients need.
const MAX_HEADER: u64 = 16 * 1024;
const MAX_IDENTITY_FILE: u64 = 64 * 1024;
/// Most recipients of a backup.
const MAX_RECIPIENTS: usize = 20;
const FIRST_LINE: &[u8] = b"age-encryption.org/v1\n";
const LAST_LINE: &[u8] = b"\n--- ";

/// To whom a backup is encrypted.
#[derive(Clone, Debug)]
pub enum Lock {
    /// Whoever knows it.
    Passphrase(Pin),
    /// Whoever has the identity of one of them.
    Recipients(Vec<x25519::Recipient>),
}

/// What opens a backup.
#[derive(Clone)]
pub enum Key {
    /// Tried against the passphrase.
    Passphrase(Pin),
    /// Each is tried.
    Identities(Vec<x25519::Identity>),
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(hidden)")
    }
}

impl Lock {
    /// Reads recipients as a command line names them; a text that is none is not repeated, as it may be a secret.
    ///
    /// # Errors
    ///
    /// A usage error.
    pub fn recipients(texts: &[String]) -> Result<Self, CommandError> {
        let wrong = || {
            CommandError::usage("a recipient is not of the form age1…")
                .hint("make a pair with `age-keygen`, and name the public key, which begins with age1")
        };
        if texts.len() > MAX_RECIPIENTS {
            return Err(CommandError::usage(format!("more than {MAX_RECIPIENTS} recipients")));
        }
        let parsed = texts.iter().map(|text| text.parse().map_err(|_| wrong()));
        Ok(Self::Recipients(parsed.collect::<Result<_, _>>()?))
    }

    /// Returns how many recipients there are; none for a passphrase.
    #[must_use]
    pub fn recipient_count(&self) -> usize {
        match self {
            Self::Passphrase(_) => 0,
            Self::Recipients(recipients) => recipients.len(),
        }
    }

    /// Adds a recipient for the trial that a backup is put to before it counts; its identity goes with the process.
    /// A passphrase is tried as it is. Returns what opens the backup, the lock, and whether its owner's key does.
    #[must_use]
    pub fn with_trial(self) -> (Key, Self, bool) {
        match self {
            Self::Passphrase(pin) => (Key::Passphrase(pin.clone()), Self::Passphrase(pin), true),
            Self::Recipients(mut recipients) => {
                let trial = x25519::Identity::generate();
                recipients.push(trial.to_public());
                (Key::Identities(vec![trial]), Self::Recipients(recipients), false)
            }
        }
    }

    /// Begins to encrypt into `output`; [`StreamWriter::finish`] ends it.
    ///
    /// # Errors
    ///
    /// Those of writing.
    pub fn encrypt<W: Write>(&self, output: W) -> io::Result<StreamWriter<W>> {
        let encryptor = match self {
            Self::Passphrase(pin) => {
                let mut recipient = scrypt::Recipient::new(secret(pin));
                recipient.set_work_factor(WORK_FACTOR);
                Encryptor::with_recipients(std::iter::once(&recipient as _))
            }
            Self::Recipients(recipients) => Encryptor::with_recipients(recipients.iter().map(|one| one as _)),
        };
        encryptor.map_err(io::Error::other)?.wrap_output(output)
    }
}

impl Key {
    /// Reads identities from a file that only its owner may read, as `age-keygen` writes it.
    ///
    /// # Errors
    ///
    /// A file that others can read, or that holds anything else.
    pub fn identities(path: &Path) -> Result<Self, CommandError> {
        let wrong = |cause: &str| {
            CommandError::failed("identity-invalid", "identity file cannot be used")
                .cause(cause)
                .hint("name a file of `age-keygen`, with lines that begin with AGE-SECRET-KEY-1")
        };
        let bytes = Zeroizing::new(read_private(path, MAX_IDENTITY_FILE)?);
        let text = str::from_utf8(&bytes).map_err(|_| wrong("it is not text"))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let identities = lines.map(|line| line.parse().map_err(|_| wrong("a line of it is no identity")));
        let identities: Vec<x25519::Identity> = identities.collect::<Result<_, _>>()?;
        if identities.is_empty() {
            Err(wrong("it holds no identity"))
        } else {
            Ok(Self::Identities(identities))
        }
    }

    /// Returns whether this key opens what `lock` locks, as far as that can be seen.
    #[must_use]
    pub fn fits(&self, lock: &Lock) -> bool {
        match (self, lock) {
            (Self::Identities(identities), Lock::Recipients(recipients)) => identities
                .iter()
                .any(|one| recipients.iter().any(|other| one.to_public().to_string() == other.to_string())),
            (Self::Passphrase(_), Lock::Passphrase(_)) => true,
            _ => false,
        }
    }

    /// Begins to decrypt `input`. What it yields is authenticated piece by piece, its end included.
    ///
    /// # Errors
    ///
    /// `backup-not-encrypted` for what is no age file, `backup-wrong-key`, `backup-damaged`,
    /// `backup-too-costly` for a passphrase that asks for more than 1 GiB of memory.
    pub fn decrypt<'a, R: Read + 'a>(&self, mut input: R) -> Result<Box<dyn Read + 'a>, CommandError> {
        // The crate reads a header to its end, wherever that is. So it is given one that has an end.
        let mut head = Vec::new();
        input.by_ref().take(MAX_HEADER).read_to_end(&mut head).map_err(|error| unreadable(&error))?;
        if !head.starts_with(FIRST_LINE) {
            return Err(not_encrypted("it does not begin as an age file"));
        }
        if !head.windows(LAST_LINE.len()).any(|window| window == LAST_LINE) {
            return Err(not_encrypted("its header does not end"));
        }
        let decryptor = Decryptor::new(Cursor::new(head).chain(input)).map_err(|error| refused(&error))?;
        let reader = match self {
            Self::Passphrase(pin) => {
                let mut identity = scrypt::Identity::new(secret(pin));
                identity.set_max_work_factor(MAX_WORK_FACTOR);
                decryptor.decrypt(std::iter::once(&identity as _))
            }
            Self::Identities(identities) => decryptor.decrypt(identities.iter().map(|one| one as _)),
        };
        Ok(Box::new(reader.map_err(|error| refused(&error))?))
    }
}

fn secret(pin: &Pin) -> SecretString {
    SecretString::from(pin.expose().to_owned())
}

fn not_encrypted(cause: &str) -> CommandError {
    CommandError::refused("backup-not-encrypted", "file is not a backup")
        .cause(cause)
        .hint("check the file's name")
}

/// Tells an error of reading the decrypted content: of the disk, or of what was encrypted.
pub(in crate::workflow) fn unreadable(error: &io::Error) -> CommandError {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => damaged(&error.to_string()),
        _ => CommandError::failed("file-io", "cannot read the backup")
            .cause(error.to_string())
            .hint("check that the stick or disk is still connected and healthy"),
    }
}

/// A backup that is not what was written.
pub(in crate::workflow) fn damaged(cause: &str) -> CommandError {
    CommandError::refused("backup-damaged", "backup is damaged or cut off")
        .cause(cause)
        .hint("use another copy of it, or an earlier backup")
}

fn refused(error: &DecryptError) -> CommandError {
    match error {
        DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed | DecryptError::NoMatchingKeys => {
            CommandError::refused("backup-wrong-key", "key does not open the backup")
                .cause(error.to_string())
                .hint("name the identity of one of its recipients with `--identity`, or give its `--passphrase`")
        }
        DecryptError::ExcessiveWork { .. } => {
            CommandError::refused("backup-too-costly", "backup asks for too much memory to try a passphrase")
                .hint("check where the file comes from: `chancery backup` asks for a quarter of a GiB")
        }
        DecryptError::Io(error) => unreadable(error),
        other => damaged(&other.to_string()),
    }
}
