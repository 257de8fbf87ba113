//! The trust bundle that a site keeps, and the minima: what it has seen and lets nobody take back.
//!
//! ```text
//! 1. trust.next.ctrust    the new bundle, whole and synced
//! 2. minima.cbor          from here on nothing older is taken, also where the power goes now
//! 3. trust.ctrust         the new bundle in place of the old one; trust.next.ctrust goes
//! 4. manifest.json        the pin, at the first installation
//! ```
//!
//! So the minima are never behind what was accepted, and what they were raised for is never lost: a bundle that
//! waits at step 1 counts only where it is the very one that the minima name. Minima that are missing are an
//! alarm, never a fresh start. Not here: whether a bundle is genuine (`chancery-verifier`).

use chancery_carriers::files::{self, FileError};
use chancery_carriers::text::shown_path;
use chancery_formats::document::MAX_BUNDLE;
use chancery_verifier::{Minima, Pin, Trust};

use super::{MANIFEST, Manifest, State, read};
use crate::error::CommandError;

pub(super) const BUNDLE: &str = "trust.ctrust";
const NEXT: &str = "trust.next.ctrust";
pub(super) const MINIMA: &str = "minima.cbor";
const MAX_MINIMA_BYTES: u64 = 1_024;

impl State {
    /// Returns which authority a bundle must be of.
    ///
    /// # Errors
    ///
    /// As [`State::minima`].
    pub fn pin(&self) -> Result<Pin, CommandError> {
        // Minima without a pin are of a first installation that was interrupted.
        let minima = self.minima()?;
        let pinned = self.manifest.authority.or(minima.map(|minima| minima.authority));
        Ok(pinned.map_or(Pin::FirstUse, Pin::Authority))
    }

    /// Returns whether no installation has ended yet.
    pub fn is_unpinned(&self) -> bool {
        self.manifest.authority.is_none()
    }

    /// Returns what the site has seen of the authority; none before the first installation.
    ///
    /// # Errors
    ///
    /// An alarm where it is gone, damaged or of another authority than the one pinned.
    pub fn minima(&self) -> Result<Option<Minima>, CommandError> {
        let path = self.path.join(MINIMA);
        let alarm = |code, what| {
            CommandError::alarm(code, format!("the minima of the state, {}, {what}", shown_path(&path))).hint(
                "restore the state folder from a backup of this machine; without them an older trust bundle could \
                 pass for a new one",
            )
        };
        match (read(&path, MAX_MINIMA_BYTES)?, self.manifest.authority) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(alarm("minima-lost", "are gone")),
            (Some(bytes), pinned) => {
                let minima = Minima::decode(&bytes)
                    .map_err(|error| alarm("minima-damaged", "are damaged").cause(error.to_string()))?;
                if pinned.is_some_and(|pinned| pinned != minima.authority) {
                    return Err(alarm("minima-damaged", "are of another authority"));
                }
                Ok(Some(minima))
            }
        }
    }

    /// Loads the kept trust bundle; none before the first installation.
    ///
    /// # Errors
    ///
    /// An alarm where bundle or minima are gone or damaged, or the bundle is older than the minima.
    pub fn trust(&self) -> Result<Option<Trust>, CommandError> {
        let (Some(authority), Some(minima)) = (self.manifest.authority, self.minima()?) else {
            return Ok(None);
        };
        let pin = Pin::Authority(authority);
        if let Ok(trust) = self.kept(BUNDLE, pin, &minima) {
            return Ok(Some(trust));
        }
        match self.kept(NEXT, pin, &minima) {
            // An installation was interrupted between minima and bundle.
            Ok(next) if next.minima(Some(&minima)) == minima => Ok(Some(next)),
            // Another process may have ended one meanwhile.
            _ => self.kept(BUNDLE, pin, &minima).map(Some),
        }
    }

    fn kept(&self, name: &str, pin: Pin, minima: &Minima) -> Result<Trust, CommandError> {
        let path = self.path.join(name);
        let alarm = |code, what| {
            CommandError::alarm(code, format!("the trust bundle {} {what}", shown_path(&path))).hint(
                "install the vendor's newest trust bundle again; if nobody changed the file, ask who did",
            )
        };
        let bytes = read(&path, MAX_BUNDLE as u64)?.ok_or_else(|| alarm("trust-lost", "is gone"))?;
        let trust = Trust::load(&bytes, pin)
            .map_err(|refusal| alarm("trust-damaged", "is damaged").cause(refusal.to_string()))?;
        trust.check_minima(minima).map_err(|refusal| {
            alarm("trust-put-back", "is older than what was installed").cause(refusal.to_string())
        })?;
        Ok(trust)
    }

    /// Keeps a bundle that was loaded under [`State::pin`] and follows from the minima, and pins its authority.
    ///
    /// # Errors
    ///
    /// A failure where a file cannot be written; what was kept before still counts then, or the new bundle does.
    pub fn keep_trust(&mut self, bundle: &[u8], trust: &Trust) -> Result<(), CommandError> {
        let next = self.path.join(NEXT);
        files::replace_private(&next, bundle)?;
        let minima = trust.minima(self.minima()?.as_ref());
        files::replace_private(&self.path.join(MINIMA), &minima.encode())?;
        files::replace_private(&self.path.join(BUNDLE), bundle)?;
        match std::fs::remove_file(&next) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(FileError::Io { action: "remove", path: next, source }.into());
            }
            _ => {}
        }
        if self.manifest.authority != Some(trust.authority()) {
            let manifest = Manifest { authority: Some(trust.authority()), ..self.manifest };
            files::replace_private(&self.path.join(MANIFEST), &manifest.encode())?;
            self.manifest = manifest;
        }
        Ok(())
    }
}
