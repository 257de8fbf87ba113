//! From an activation request to a license: checks, terms, intent, signature, and the verifier's word.
//!
//! [`prepare`] decides everything that can be decided without a key, so that files can be reserved and
//! the operator asked before anything is drawn; [`Prepared::sign`] does the rest. Where the issuing key seals, the
//! license is a batch of one. Not here: what a license says (`terms`), batches of many (`batch`).

use chancery_formats::cose::{Envelope, Mode, Unsigned};
use chancery_formats::document::Kind;
use chancery_formats::id::{EntitlementId, LicenseId, Thumbprint};
use chancery_formats::license::License;
use chancery_formats::trust::{Bundle, KeyMode};
use chancery_hsm_config::PinSource;
use chancery_verifier::{
    Favorable, Reason, Refusal, Trust, VerifiedRequest, decide_for_holder, decide_for_request,
    verify_license, verify_request,
};
use sha2::{Digest, Sha256};

use super::approval::recheck::Vouching;
use super::issuer::{Issuer, require_open};
use super::revoked::Revoked;
use super::signing::{open_key, resume_direct, sign_direct};
use super::terms::{Bound, One};
use super::{batch, random, terms, trust};
use crate::error::CommandError;
use crate::log::sealed;
use crate::repository::{BatchRecord, KeyRecord, NewLicense, Repository};

/// A license that is ready to be signed, or was signed before.
#[derive(Debug)]
pub struct Prepared {
    /// The license.
    pub id: LicenseId,
    /// The device that it is for; none for a license bound to none.
    pub device: Option<Thumbprint>,
    /// Last second of the term, in Unix seconds; none is perpetual.
    pub not_after: Option<u64>,
    step: Step,
}

#[derive(Debug)]
enum Step {
    New { issuer: Box<Issuer>, unsigned: Unsigned, license: NewLicense, length: usize },
    Resume { key: Box<KeyRecord>, log_index: u64, length: usize },
    Waiting { batch: BatchRecord, log_index: u64, length: usize },
    Done { bytes: Vec<u8> },
}

/// Checks a request against its entitlement and prepares the license that answers it; without a request, one that
/// is bound to no device.
///
/// A request that was answered before gives the same license again; one whose answer was interrupted
/// goes on with the same license.
///
/// # Errors
///
/// A refusal where the request is not genuine, asks for something else than the entitlement grants, or
/// comes from a verifier too old; those of the repository.
pub fn prepare(
    repository: &Repository,
    entitlement: EntitlementId,
    request: Option<&[u8]>,
    now: u64,
) -> Result<Prepared, CommandError> {
    let verified = request.map(verified).transpose()?;
    let revoked = Revoked::load(repository)?;
    let request_hash = request.map(|bytes| <[u8; 32]>::from(Sha256::digest(bytes)));
    if let Some(hash) = &request_hash
        && let Some(known) = repository.license_by_request(hash)?
    {
        terms::require_entitlement(entitlement, known.entitlement)?;
        repository.entitlement(entitlement)?.require_active()?;
        revoked.refuse(Some(known.id), known.device, entitlement, &known.customer)?;
        Vouching::load(repository)?.require(repository, entitlement)?;
        return again(repository, known.log_index);
    }
    let issuer = Issuer::in_force(repository, now)?;
    let entitlement = repository.entitlement(entitlement)?;
    terms::require_granted(&entitlement, verified.as_ref(), now)?;
    Vouching::load(repository)?.require(repository, entitlement.id)?;
    issuer.require_scope(&entitlement)?;
    let id = LicenseId(random()?);
    let device = verified.as_ref().map(VerifiedRequest::device);
    revoked.refuse(None, device, entitlement.id, &entitlement.customer)?;
    if let Some(device) = device {
        repository.require_first_trial(entitlement.id, device)?;
    }
    let one = One {
        id,
        revision: repository.next_revision(entitlement.id, device)?,
        bound: verified.as_ref().map(Bound::to_asker).unwrap_or_default(),
        least_revocation_list: revoked.least_list(verified.as_ref()),
    };
    let name = repository.authority()?.name;
    let unsigned = Unsigned::new(&issuer.header(), terms::encode(&name, &entitlement, &one, now)?);
    let license = NewLicense {
        id,
        entitlement: entitlement.id,
        device,
        revision: one.revision,
        request_hash,
        grant: entitlement.revision,
        activation: None,
    };
    let length = match issuer.mode {
        KeyMode::Direct => unsigned.sign(&[0; 64]).len(),
        KeyMode::Seal => unsigned.sign(&issuer.longest_seal_of_one(now)).len(),
    };
    let step = Step::New { issuer: Box::new(issuer), unsigned, license, length };
    Ok(Prepared { id, device, not_after: entitlement.not_after, step })
}

/// Verifies a request, and tells one that is not genuine from a document that is none.
///
/// # Errors
///
/// A refusal with its reason.
pub fn verified(request: &[u8]) -> Result<VerifiedRequest<'_>, CommandError> {
    verify_request(request).map_err(|refusal| not_a_request(request, &refusal))
}

impl Prepared {
    /// Returns the size of the license, in bytes, before it is signed: the largest that it can have.
    #[must_use]
    pub fn document_len(&self) -> usize {
        match &self.step {
            Step::New { length, .. } | Step::Resume { length, .. } | Step::Waiting { length, .. } => *length,
            Step::Done { bytes } => bytes.len(),
        }
    }

    /// Returns whether the request was answered before, so that nothing is signed.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self.step, Step::Done { .. })
    }

    /// Signs the license where it is not signed, and returns it once the verifier accepts it.
    ///
    /// # Errors
    ///
    /// Those of the key and the repository; `signature-missing` where another machine has to sign as well; an
    /// integrity alarm where our own verifier refuses.
    pub fn sign(
        &self,
        repository: &mut Repository,
        request: Option<&[u8]>,
        pins: &mut PinSource,
        now: u64,
    ) -> Result<Vec<u8>, CommandError> {
        let (_, trust) = trust::bundle(repository)?;
        let home = repository.home().clone();
        // The key is opened before the activation is drawn: a wrong PIN costs nothing.
        let bytes = match &self.step {
            Step::Done { bytes } => bytes.clone(),
            Step::New { issuer, unsigned, license, .. } => match issuer.mode {
                KeyMode::Direct => {
                    let key = open_key(&home, &issuer.key, pins)?;
                    sign_direct(repository, &key, Kind::License, unsigned, Some(license), now)?
                }
                KeyMode::Seal => {
                    let keys = issuer.open_keys(repository, pins)?;
                    let first = batch::begin(repository, issuer, &keys, None, now, |writer| {
                        Ok(writer.push(unsigned.protected(), unsigned.payload(), license)?)
                    })?;
                    let batch = repository.batch(first)?;
                    self.settled(repository, &batch, first, &keys, now)?
                }
            },
            Step::Resume { key, log_index, .. } => {
                resume_direct(repository, &open_key(&home, key, pins)?, *log_index, now)?
            }
            Step::Waiting { batch, log_index, .. } => {
                let keys = batch::open_missing(repository, batch, pins)?;
                self.settled(repository, batch, *log_index, &keys, now)?
            }
        };
        self.judge(&bytes, request, &trust, now)?;
        Ok(bytes)
    }

    /// Has the keys at hand sign what they have not, and returns the license once nobody is missing.
    fn settled(
        &self,
        repository: &mut Repository,
        batch: &BatchRecord,
        log_index: u64,
        keys: &[chancery_hsm_config::Key],
        now: u64,
    ) -> Result<Vec<u8>, CommandError> {
        let missing = batch::settle(repository, batch, keys, now)?;
        if let Some(signer) = missing.first() {
            let name = format!("{} key {}", signer.role.name(), signer.thumbprint.key_id());
            let message = format!("license {} is recorded, and waits for the signature of {name}", self.id);
            return Err(CommandError::failed("signature-missing", message).hint(batch::how_to_go_on(batch)));
        }
        sealed::document(repository, log_index)?.ok_or_else(|| {
            CommandError::alarm("document-unknown", format!("license {} is sealed and not there", self.id))
        })
    }

    /// Asks the verifier what the device will say to a license that is about to be handed out.
    fn judge(
        &self,
        license: &[u8],
        request: Option<&[u8]>,
        trust: &Trust,
        now: u64,
    ) -> Result<(), CommandError> {
        let alarm = |code, reason: String| {
            CommandError::alarm(code, format!("license {} does not do what it was issued for", self.id))
                .cause(reason)
                .hint("do not hand it out; keep the home as it is, and call the auditor")
        };
        let refused = |refusal: Refusal| match refusal {
            Refusal::KeyCompromised { .. } => {
                let message = format!("license {} is of a key that may be in other hands", self.id);
                CommandError::refused(refusal.code(), message)
                    .hint("sites take it with its proof, `chancery log prove`; or ask for a new request")
            }
            _ => alarm(refusal.code(), refusal.to_string()),
        };
        let verified = verify_license(license, trust).map_err(refused)?;
        let claims = verified.license();
        let now = now.max(claims.not_before.unwrap_or(0));
        // What the site alone knows (its version, users, units) is no alarm here; terms that no site can meet are.
        let favorable = Favorable::to(claims);
        let facts = favorable.facts();
        let decision = match request {
            Some(request) => {
                let request = verify_request(request).map_err(refused)?;
                decide_for_request(&verified, &request, &facts, now, None)
            }
            None => decide_for_holder(&verified, &facts, now),
        };
        if decision.verdict.may_run() || decision.reason == Reason::Expired {
            return Ok(()); // an old license that is exported again may have ended since
        }
        Err(alarm(decision.reason.code(), decision.reason.to_string()))
    }
}

fn not_a_request(bytes: &[u8], refusal: &Refusal) -> CommandError {
    let kind = match Envelope::decode(bytes) {
        _ if Bundle::looks_like(bytes) => Some(Kind::TrustBundle),
        Ok(envelope) => Kind::from_typ(envelope.header.typ),
        Err(_) => None,
    };
    match kind.filter(|kind| *kind != Kind::Request) {
        Some(kind) => CommandError::refused(
            "not-a-request",
            format!("this is a {}, not an activation request", kind.name()),
        )
        .hint("name the .creq file that the site made, or a picture of its QR code"),
        None => CommandError::refused(refusal.code(), "activation request is not genuine")
            .cause(refusal.to_string())
            .hint("ask the site for the request again; it may have been damaged on the way"),
    }
}

/// Prepares a license that stands in the log already, signed or not, by the key that its header names.
pub(super) fn again(repository: &Repository, log_index: u64) -> Result<Prepared, CommandError> {
    let leaf = repository.leaf(log_index)?;
    let license = License::decode(&leaf.payload)?;
    let (id, not_after, device) = (license.id, license.not_after, license.device_key);
    let step = match sealed::document(repository, log_index)? {
        Some(bytes) => Step::Done { bytes },
        None => unfinished(repository, log_index, &Unsigned::from_parts(leaf.protected, leaf.payload))?,
    };
    Ok(Prepared { id, device, not_after, step })
}

fn unfinished(repository: &Repository, log_index: u64, unsigned: &Unsigned) -> Result<Step, CommandError> {
    let unsealed = unsigned.sign(&[0; 64]);
    let header = Envelope::decode(&unsealed)?.header;
    let kid = header.kid;
    match (header.mode, repository.batch_of(log_index)?) {
        (Mode::Seal, Some(batch)) => {
            let length = unsealed.len() + sealed::longest_seal(&batch)?;
            Ok(Step::Waiting { batch, log_index, length })
        }
        _ => {
            let key = Box::new(require_open(repository, |thumbprint| thumbprint.key_id() == kid, kid)?);
            Ok(Step::Resume { key, log_index, length: unsealed.len() })
        }
    }
}
