//! Whether an approval counts: the one judgement, for what comes in and for what was kept.
//!
//! Nothing is believed of an approval but what its signature covers, and that is compared with what the grants of the
//! request come to now. Not here: reading either from the repository.

use std::collections::BTreeSet;

use chancery_formats::approval::Decision;
use chancery_formats::cose::{Envelope, Header, Mode};
use chancery_formats::document::Kind;
use chancery_verifier::approval::{self, ApprovalRefusal, verify_approval};

use super::asked::Asked;
use super::{Office, is_same_person};
use crate::error::CommandError;
use crate::output;
use crate::repository::Approver;

/// An approval of an approver who may decide on a request that it covers. Only [`judge`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedApproval<'o> {
    approver: &'o Approver,
    decision: Decision,
    reason: Option<String>,
}

impl<'o> CountedApproval<'o> {
    /// Returns who signed it.
    #[must_use]
    pub const fn approver(&self) -> &'o Approver {
        self.approver
    }

    /// Returns what was decided.
    #[must_use]
    pub const fn decision(&self) -> Decision {
        self.decision
    }

    /// Returns why.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }
}

/// When an approval is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// As it comes in, at this second.
    Now(u64),
    /// Later: it came in at this second.
    Kept(u64),
}

impl Moment {
    const fn second(self) -> u64 {
        match self {
            Self::Now(at) | Self::Kept(at) => at,
        }
    }
}

/// Judges an approval of a request.
///
/// # Errors
///
/// A refusal with its code: `typ-wrong` and other faults of the bytes, `approver-unknown`, `signature-wrong`,
/// `approval-authority`, `approval-replayed`, `approval-content`, `approval-policy`, `approval-expired`,
/// `approver-revoked`, `approver-ended`, `self-approval`, `approver-role`, `approver-bounds`.
pub fn judge<'o>(
    office: &'o Office,
    asked: &Asked,
    bytes: &[u8],
    moment: Moment,
) -> Result<CountedApproval<'o>, CommandError> {
    let approver = signer(&office.approvers, bytes)?;
    let refused = |refusal: ApprovalRefusal| told(&refusal, asked, approver);
    let verified = verify_approval(bytes, &approver.public_key).map_err(refused)?;
    let expected = approval::Asked {
        authority: office.authority,
        nonce: asked.record.nonce,
        policy: asked.policy,
        covers: asked.covers,
        not_after: asked.record.not_after,
    };
    verified.require_answer(&expected, moment.second()).map_err(refused)?;
    let approval = verified.approval();
    require_standing(approver, moment)?;
    require_person(asked, approver)?;
    Ok(CountedApproval {
        approver,
        decision: approval.decision,
        reason: approval.reason.map(ToOwned::to_owned),
    })
}

/// Returns the number of the approver who signed an approval, whatever it is over.
///
/// # Errors
///
/// Faults of the bytes, `approver-unknown`, `signature-wrong`.
pub fn signed_by(bytes: &[u8], approvers: &[Approver]) -> Result<u64, CommandError> {
    let approver = signer(approvers, bytes)?;
    verify_approval(bytes, &approver.public_key).map_err(|refusal| {
        let message = format!("the approval is not what {} signed", approver.name);
        CommandError::refused(refusal.code(), message)
            .cause(refusal.to_string())
            .hint("ask the approver for the file again")
    })?;
    Ok(approver.id)
}

/// Returns whose signature an approval should carry, by the hint in its header.
fn signer<'o>(approvers: &'o [Approver], bytes: &[u8]) -> Result<&'o Approver, CommandError> {
    let Header { kid, mode, .. } = Envelope::decode_kind(bytes, Kind::Approval)?.header;
    let has_key = |approver: &&Approver| {
        let key = &approver.public_key;
        key.key_id() == kid && mode == Mode::Direct(key.algorithm())
    };
    approvers.iter().find(has_key).ok_or_else(|| {
        CommandError::refused("approver-unknown", format!("no approver has the key {kid}"))
            .hint("list approvers with `chancery approver list`; add one with `chancery approver add`")
    })
}

/// Tells why an approval does not count.
fn told(refusal: &ApprovalRefusal, asked: &Asked, approver: &Approver) -> CommandError {
    let request = asked.record.id;
    let message = match refusal {
        ApprovalRefusal::Authority { found } => format!("the approval is for authority {found}"),
        ApprovalRefusal::Content => format!("the approval is not over what request {request} holds"),
        ApprovalRefusal::Expired { not_after } => {
            format!("the approval could be taken until {}", output::time(*not_after))
        }
        ApprovalRefusal::Policy => {
            format!("the approval was given under another policy than {}", asked.policy.number)
        }
        ApprovalRefusal::Replayed => "the approval answers another request".to_owned(),
        _ => format!("the approval is not what {} signed", approver.name),
    };
    let error = CommandError::refused(refusal.code(), message);
    match refusal {
        ApprovalRefusal::Unverified(refusal) => error
            .cause(refusal.to_string())
            .hint("ask the approver for the file again; sign nothing on somebody's behalf"),
        _ => error.hint("show the approver the request as it is: `chancery approval request --out FILE`"),
    }
}

/// Refuses a signature that does not count any more, or not yet.
fn require_standing(approver: &Approver, moment: Moment) -> Result<(), CommandError> {
    let Approver { name, not_before, not_after, revocation, .. } = approver;
    let at = moment.second();
    // What came in before somebody was taken off stands; what comes in after does not, whenever it was signed.
    let is_off = revocation.as_ref().is_some_and(|revocation| match moment {
        Moment::Now(_) => true,
        Moment::Kept(at) => revocation.at < at,
    });
    if is_off {
        return Err(CommandError::refused("approver-revoked", format!("{name} approves no more"))
            .hint("ask another approver: `chancery approver list`"));
    }
    if at < *not_before || not_after.is_some_and(|end| end < at) {
        return Err(CommandError::refused("approver-ended", format!("{name} does not approve at this time"))
            .hint("ask another approver: `chancery approver list`"));
    }
    Ok(())
}

/// Refuses who may not decide on this request.
fn require_person(asked: &Asked, approver: &Approver) -> Result<(), CommandError> {
    let Approver { name, role, bounds, .. } = approver;
    if let Some(requester) = asked.requesters.iter().find(|requester| is_same_person(requester, name)) {
        let message = format!("{name} cannot approve what {requester} asked for");
        return Err(CommandError::refused("self-approval", message)
            .hint("ask an approver who is not the one that wants the change"));
    }
    let needs = &asked.summary.needs;
    if !needs.iter().any(|need| need.roles.contains(role)) {
        let roles: BTreeSet<_> = needs.iter().flat_map(|need| &need.roles).map(String::as_str).collect();
        let roles = Vec::from_iter(roles).join(", ");
        let message = format!("{name} approves as {role}, and the policy asks for {roles}");
        return Err(CommandError::refused("approver-role", message)
            .hint("ask an approver in that role: `chancery approver list`"));
    }
    if let Some(beyond) = asked.summary.beyond(bounds) {
        let message = format!("{beyond} is beyond the bounds of {name}");
        return Err(CommandError::refused("approver-bounds", message)
            .hint("ask for what lies within them by itself, or ask another approver"));
    }
    Ok(())
}

/// Returns what a request still lacks, by the approvals that count; none where it is approved.
#[must_use]
pub fn lacks(asked: &Asked, approvals: &[CountedApproval<'_>]) -> Option<String> {
    let approving = || approvals.iter().filter(|approval| approval.decision == Decision::Approve);
    for need in &asked.summary.needs {
        let in_role = approving().filter(|approval| need.roles.contains(&approval.approver.role)).count();
        let needed = need.approvers as usize;
        if in_role < needed {
            let roles = Vec::from_iter(need.roles.iter().map(String::as_str)).join(" or ");
            return Some(format!("rule {} asks for {needed} as {roles}, and there are {in_role}", need.rule));
        }
    }
    if !asked.summary.prohibited.is_empty() && asked.record.overriding.is_none() {
        return Some("an override for a prohibited destination".to_owned());
    }
    None
}

/// Refuses an approval of somebody who decided already: with the same key, or with another one of theirs.
///
/// # Errors
///
/// `approval-repeated`, `approver-repeated`.
pub fn require_first(before: &[CountedApproval<'_>], next: &CountedApproval<'_>) -> Result<(), CommandError> {
    let name = &next.approver.name;
    let hint = "ask another approver: `chancery approver list`";
    if before.iter().any(|known| known.approver.public_key == next.approver.public_key) {
        let message = format!("{name} has decided on this request");
        return Err(CommandError::refused("approval-repeated", message).hint(hint));
    }
    if before.iter().any(|known| is_same_person(&known.approver.name, name)) {
        let message = format!("{name} has decided on this request, with another key");
        return Err(CommandError::refused("approver-repeated", message).hint(hint));
    }
    Ok(())
}
