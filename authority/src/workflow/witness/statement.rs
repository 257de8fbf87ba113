//! Whether the statement over a batch is one that a witness may sign: who signs it, and that the others have.

use chancery_formats::document::Kind;
use chancery_formats::id::{KeyId, Thumbprint};
use chancery_formats::seal::{OwnedStatement, Role, Signer};
use chancery_formats::witness::Batch;
use chancery_verifier::{Certified, Refusal, Trust};

use crate::error::CommandError;
use crate::witness::{Identity, Memory};

/// The signers of a statement, each found good.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signers {
    /// The id of the issuing key, which stands in the headers of every document.
    pub(super) issuer: KeyId,
    /// The witness itself.
    pub(super) witness: Signer,
}

/// Checks who signs a statement: every key certified for its role, open and valid at the statement's time, every
/// role and partner there that a record asks for, and a good signature of each but the witnesses.
pub(super) fn check_signers(
    memory: &Memory,
    trust: &Trust,
    statement: &OwnedStatement,
    batch: &Batch<'_>,
) -> Result<Signers, CommandError> {
    let witness = own(memory.identity(), statement)?;
    let mut issuer = None;
    for signer in &statement.signers {
        let certified = certified(memory, trust, signer, statement)?;
        let has_role = |role: &Role| statement.signers.iter().any(|other| other.role == *role);
        if !certified.co_signers().iter().all(has_role) {
            return Err(refusal(&Refusal::CoSignerMissing));
        }
        let has_key = |thumbprint| statement.signers.iter().any(|other| other.thumbprint == thumbprint);
        if certified.paired().is_some_and(|paired| !has_key(paired)) {
            return Err(refusal(&Refusal::PartnerMissing { kid: signer.thumbprint.key_id() }));
        }
        if signer.role == Role::Issuer {
            let kid = certified.thumbprint().key_id();
            if issuer.is_some_and(|other| other != kid) {
                return Err(refusal(&Refusal::SignersWrong));
            }
            issuer = Some(kid);
        }
        check_signature(statement, signer, &certified, batch)?;
    }
    // A statement without an issuer makes nobody's license genuine.
    let issuer = issuer.ok_or_else(|| refusal(&Refusal::SignersWrong))?;
    let named = |key: Thumbprint| statement.signers.iter().any(|signer| signer.thumbprint == key);
    if !batch.signatures().all(|(key, _)| named(key)) {
        return Err(refusal(&Refusal::SignersWrong));
    }
    Ok(Signers { issuer, witness })
}

/// Returns the witness among the signers.
fn own(identity: &Identity, statement: &OwnedStatement) -> Result<Signer, CommandError> {
    let wanted = Signer {
        role: Role::Witness,
        thumbprint: identity.public_key.thumbprint(),
        algorithm: identity.public_key.algorithm(),
    };
    if statement.signers.contains(&wanted) {
        return Ok(wanted);
    }
    Err(CommandError::refused("witness-unnamed", "the statement does not ask this witness to sign")
        .hint("give it to the witness that it names; `chancery batch show` lists the signers"))
}

fn certified<'t>(
    memory: &Memory,
    trust: &'t Trust,
    signer: &Signer,
    statement: &OwnedStatement,
) -> Result<Certified<'t>, CommandError> {
    let kid = signer.thumbprint.key_id();
    let found = trust.certified(signer.thumbprint);
    let found = found.ok_or_else(|| refusal(&Refusal::KeyUnknown { kid }))?;
    if found.role() != signer.role {
        return Err(refusal(&Refusal::SignersWrong));
    }
    if found.verifying().algorithm() != signer.algorithm {
        return Err(refusal(&Refusal::AlgMismatch { kid }));
    }
    let known_closed = memory.newest()?.closed.binary_search(&found.thumbprint()).is_ok();
    if !found.is_open() || known_closed {
        let message =
            format!("{} key {kid} is closed, and nothing new may be signed with it", signer.role.name());
        return Err(CommandError::refused("key-closed", message)
            .hint("refuse, and ask the authority who made the batch; a stolen key asks like this"));
    }
    found.may_seal(Kind::License, statement.time).map_err(|error| refusal(&error))?;
    Ok(found)
}

/// Checks the signature of a signer, which all but witnesses must have made before a witness is asked.
fn check_signature(
    statement: &OwnedStatement,
    signer: &Signer,
    certified: &Certified<'_>,
    batch: &Batch<'_>,
) -> Result<(), CommandError> {
    let Some((_, signature)) = batch.signatures().find(|(key, _)| *key == signer.thumbprint) else {
        if signer.role == Role::Witness {
            return Ok(());
        }
        let message = format!("{} key {} has not signed", signer.role.name(), signer.thumbprint.key_id());
        return Err(CommandError::refused("signature-missing", message)
            .hint("the witness signs last: have the issuing key sign first"));
    };
    let message = statement.as_statement().to_sign(signer).sig_structure();
    certified.verifying().verify(&message, signature).map_err(|error| refusal(&error))
}

/// Says why a witness does not sign, in the verifier's words and with its code.
pub(super) fn refusal(refusal: &Refusal) -> CommandError {
    let message = "the witness does not sign this";
    let error = if refusal.is_alarm() {
        CommandError::alarm(refusal.code(), message)
    } else {
        CommandError::refused(refusal.code(), message)
    };
    error.cause(refusal.to_string()).hint("ask the authority who made the request, on another way")
}
