//! Taking decisions in: each is judged against the request as it stands, kept as it came, and counted.
//!
//! Once the policy is satisfied, all proposals of the request stand in the same transaction. One rejection ends them.
//! Not here: the judgement ([`super::judge`]).

use chancery_formats::approval::{Approval, Decision};
use chancery_formats::cose::Envelope;
use chancery_formats::document::Kind;

use super::Office;
use super::ask::require_policy;
use super::asked::Asked;
use super::judge::{CountedApproval, Moment, judge, lacks, require_first};
use crate::error::CommandError;
use crate::repository::{Decided, Outcome, Repository, RequestRecord};

/// What a decision did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The request that it answers.
    pub request: u64,
    /// Who decided.
    pub approver: String,
    /// What.
    pub decision: Decision,
    /// What the request still lacks; none where it is decided.
    pub lacks: Option<String>,
    /// What became of its proposals; none while something is lacking.
    pub decided: Option<Decided>,
}

/// Takes one decision in; `now` is Unix seconds.
///
/// # Errors
///
/// `policy-none`, `policy-changed`, `approval-unasked`, `request-withdrawn`, `request-rejected`, `request-decided`,
/// `approval-repeated`, `approver-repeated`; those of [`judge`]; `key-of-two-roles` for a key that has another role since.
/// Nothing is kept then.
pub fn import(repository: &mut Repository, bytes: &[u8], now: u64) -> Result<Taken, CommandError> {
    let _turn = repository.turn()?;
    let office = Office::in_force(repository)?.ok_or_else(|| {
        CommandError::refused("policy-none", "no policy is in force, so nothing has to be approved")
            .hint("apply one with `chancery approval policy apply FILE.toml`")
    })?;
    let record = answered(repository, &office, bytes)?;
    require_undecided(repository, record.id)?;
    require_policy(&office, &record)?;
    let id = record.id;
    let asked = Asked::load(repository, &office, record, now, true)?;
    let next = judge(&office, &asked, bytes, Moment::Now(now))?;
    let mut known = kept(repository, &office, &asked)?;
    require_first(&known, &next)?;
    require_own_key(repository, &next)?;
    let (approver, name) = (next.approver().id, next.approver().name.clone());
    let (decision, reason) = (next.decision(), next.reason().unwrap_or("rejected").to_owned());
    known.push(next);
    let lacks = match decision {
        Decision::Approve => lacks(&asked, &known),
        Decision::Reject => None,
    };
    let decided = repository.decide(|writer| {
        if !writer.is_open(id)? {
            return Err(ended(id, "request-decided", "was decided at the same moment"));
        }
        if writer.add(id, approver, bytes, now)?.is_none() {
            return Err(CommandError::refused(
                "approval-repeated",
                format!("{name} has decided on this request"),
            )
            .hint("ask another approver: `chancery approver list`"));
        }
        Ok(match (decision, &lacks) {
            (_, Some(_)) => None,
            (Decision::Approve, None) => Some(writer.activate(id, &name, now)?),
            (Decision::Reject, None) => Some(writer.reject(id, &name, &reason, now)?),
        })
    })?;
    Ok(Taken { request: id, approver: name, decision, lacks, decided })
}

/// Returns the request that a document says it answers, before anything of it is believed.
fn answered(repository: &Repository, office: &Office, bytes: &[u8]) -> Result<RequestRecord, CommandError> {
    let envelope = Envelope::decode_kind(bytes, Kind::Approval)?;
    let approval = Approval::decode(envelope.payload)?;
    if approval.authority != office.authority {
        let message = format!("the approval is for authority {}", approval.authority);
        return Err(CommandError::refused("approval-authority", message).hint("take it to that authority"));
    }
    repository.approval_request_by_nonce(&approval.nonce)?.ok_or_else(|| {
        CommandError::refused("approval-unasked", "the approval answers no request of this authority")
            .hint("name the file that answers `chancery approval request`")
    })
}

fn require_undecided(repository: &Repository, id: u64) -> Result<(), CommandError> {
    match repository.outcomes(id)?.first() {
        None => Ok(()),
        Some((_, Outcome::Withdrawn)) => {
            Err(ended(id, "request-withdrawn", "holds a proposal that was withdrawn"))
        }
        Some((request, Outcome::Rejected)) if *request == id => {
            Err(ended(id, "request-rejected", "was rejected"))
        }
        Some(_) => Err(ended(id, "request-decided", "is decided")),
    }
}

fn ended(id: u64, code: &'static str, what: &str) -> CommandError {
    CommandError::refused(code, format!("request {id} {what}"))
        .hint("see what waits with `chancery request list`; ask anew with `chancery approval request`")
}

/// Judges the approvals that a request has, as they were judged when they came in.
///
/// # Errors
///
/// An integrity alarm, `approval-void`, for one that does not count any more.
pub(super) fn kept<'o>(
    repository: &Repository,
    office: &'o Office,
    asked: &Asked,
) -> Result<Vec<CountedApproval<'o>>, CommandError> {
    let mut known: Vec<CountedApproval<'o>> = Vec::new();
    for row in repository.approvals(asked.record.id)? {
        let void = |cause: String| {
            let message = format!("approval {} of request {} does not count", row.id, asked.record.id);
            CommandError::alarm("approval-void", message)
                .cause(cause)
                .hint("issue nothing of that request, keep the home as it is, and call the auditor")
        };
        let told = |error: CommandError| void(format!("{}: {}", error.code(), error.report().error));
        let next = judge(office, asked, &row.bytes, Moment::Kept(row.imported_at)).map_err(told)?;
        if next.approver().id != row.approver {
            return Err(void("it is kept as another approver's".to_owned()));
        }
        require_first(&known, &next).map_err(told)?;
        known.push(next);
    }
    Ok(known)
}

/// Refuses a key that the authority uses for something else by now.
fn require_own_key(repository: &Repository, next: &CountedApproval<'_>) -> Result<(), CommandError> {
    crate::workflow::approver::require_no_role(repository, &next.approver().public_key)
}
