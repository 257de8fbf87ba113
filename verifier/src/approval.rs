//! Approvals: whether one is signed by a key, and whether it answers a request.
//!
//! For the authority that issues, and for whoever checks it later. Not here: whose key it is, and whether their role
//! and bounds suffice, which only the authority's policy says.
//!
//! Spec: `docs/spec/approval.md` §3.

use chancery_formats::approval::{Approval, ApprovalRequest, Commitment, PolicyRef};
use chancery_formats::cose::{Envelope, MAX_DIRECT, Mode};
use chancery_formats::document::Kind;
use chancery_formats::error::DecodeError;
use chancery_formats::id::{AuthorityId, Thumbprint};
use chancery_formats::key::PublicKey;

use crate::error::Refusal;
use crate::signature::VerifyingKey;

/// Why an approval does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApprovalRefusal {
    /// It is for another authority.
    #[error("approval for authority {found}")]
    Authority {
        /// The authority that it names.
        found: AuthorityId,
    },
    /// It covers other grants, or the same ones asked for otherwise.
    #[error("approval over something else than the request holds")]
    Content,
    /// It could be taken until an earlier time.
    #[error("approval that could be taken until {not_after} seconds after 1970")]
    Expired {
        /// The last second, in Unix seconds.
        not_after: u64,
    },
    /// It was given under another policy.
    #[error("approval under another policy")]
    Policy,
    /// It answers another request.
    #[error("approval of another request")]
    Replayed,
    /// It is no approval, or not signed by the key.
    #[error(transparent)]
    Unverified(#[from] Refusal),
}

impl From<DecodeError> for ApprovalRefusal {
    fn from(error: DecodeError) -> Self {
        Self::Unverified(error.into())
    }
}

impl ApprovalRefusal {
    /// Every code that is not one of a [`Refusal`], for tests that want each to have a vector.
    pub const CODES: [&'static str; 5] = [
        "approval-authority",
        "approval-content",
        "approval-expired",
        "approval-policy",
        "approval-replayed",
    ];

    /// Returns the stable kebab-case code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Authority { .. } => "approval-authority",
            Self::Content => "approval-content",
            Self::Expired { .. } => "approval-expired",
            Self::Policy => "approval-policy",
            Self::Replayed => "approval-replayed",
            Self::Unverified(refusal) => refusal.code(),
        }
    }
}

/// What an approval has to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The authority that asked.
    pub authority: AuthorityId,
    /// The nonce of its request.
    pub nonce: [u8; 16],
    /// The policy in force when it asked.
    pub policy: PolicyRef,
    /// What the request covers, computed from its grants.
    pub covers: Commitment,
    /// The last second in which an approval is taken, in Unix seconds.
    pub not_after: u64,
}

impl Asked {
    /// Reads what has to be answered out of a request, and computes what it covers from the grants in it.
    #[must_use]
    pub fn of(request: &ApprovalRequest<'_>) -> Self {
        let head = &request.head;
        Self {
            authority: head.authority,
            nonce: head.nonce,
            policy: head.policy,
            covers: request.commitment(),
            not_after: head.not_after,
        }
    }
}

/// An approval signed by a key. Only [`verify_approval`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifiedApproval<'a> {
    approval: Approval<'a>,
    signer: Thumbprint,
}

/// Verifies that an approval is signed by `key`, the one that its header names.
///
/// # Errors
///
/// Faults of the bytes, `typ-wrong`, `key-unknown` for the header of another key or algorithm, `key-weak`,
/// `signature-wrong`.
pub fn verify_approval<'a>(
    bytes: &'a [u8],
    key: &PublicKey,
) -> Result<VerifiedApproval<'a>, ApprovalRefusal> {
    let envelope = Envelope::decode_kind(bytes, Kind::Approval)?;
    let kid = envelope.header.kid;
    if kid != key.key_id() || envelope.header.mode != Mode::Direct(key.algorithm()) {
        return Err(Refusal::KeyUnknown { kid }.into());
    }
    let mut buffer = [0; MAX_DIRECT];
    let message = envelope.sig_structure(&mut buffer).ok_or(Refusal::SignatureWrong)?;
    VerifyingKey::load(key)?.verify(message, envelope.signature)?;
    Ok(VerifiedApproval { approval: Approval::decode(envelope.payload)?, signer: key.thumbprint() })
}

impl<'a> VerifiedApproval<'a> {
    /// Returns what it says.
    #[must_use]
    pub const fn approval(&self) -> &Approval<'a> {
        &self.approval
    }

    /// Returns the key that signed it.
    #[must_use]
    pub const fn signer(&self) -> Thumbprint {
        self.signer
    }

    /// Refuses an approval that does not answer what was asked, or came in after its time; `at` is when it came in, in
    /// Unix seconds.
    ///
    /// # Errors
    ///
    /// `approval-authority`, `approval-replayed`, `approval-policy`, `approval-content`, `approval-expired`.
    pub fn require_answer(&self, asked: &Asked, at: u64) -> Result<(), ApprovalRefusal> {
        let Approval { authority, nonce, policy, covers, not_after, .. } = &self.approval;
        if *authority != asked.authority {
            return Err(ApprovalRefusal::Authority { found: *authority });
        }
        if *nonce != asked.nonce {
            return Err(ApprovalRefusal::Replayed);
        }
        if *policy != asked.policy {
            return Err(ApprovalRefusal::Policy);
        }
        if *covers != asked.covers {
            return Err(ApprovalRefusal::Content);
        }
        let not_after = asked.not_after.min(*not_after);
        if at > not_after {
            return Err(ApprovalRefusal::Expired { not_after });
        }
        Ok(())
    }
}
