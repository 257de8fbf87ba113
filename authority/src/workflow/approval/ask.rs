//! Asking: waiting proposals become one file that approvers look at.
//!
//! The request is kept before its file is written; where the file is lost, the same request is written again, byte for
//! byte. Not here: what becomes a proposal ([`super::gate`]).

use chancery_formats::approval::{
    ApprovalRequest, Item, MAX_GRANTS, Override, PolicyRef, Price, RequestHead,
};
use chancery_formats::document::MAX_APPROVAL_REQUEST;
use chancery_formats::grant::Grant;

use super::asked::{Asked, Summary};
use super::{Office, grants_something};
use crate::error::CommandError;
use crate::repository::{NewRequest, OwnedPrice, Proposed, Repository, RequestRecord};
use crate::workflow::{label, random};

/// What is asked, and how.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// The proposals; empty is all that wait and are in no open request.
    pub proposals: &'a [u64],
    /// Only those of this customer.
    pub customer: Option<&'a str>,
    /// Who asks, for people.
    pub requester: &'a str,
    /// Name and reason of what lets a prohibited destination pass.
    pub overriding: Option<(&'a str, &'a str)>,
    /// Unix seconds.
    pub now: u64,
    /// Last second in which an approval is taken, in Unix seconds.
    pub not_after: u64,
}

/// A request that was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// Its number.
    pub id: u64,
    /// The file.
    pub bytes: Vec<u8>,
    /// What it covers, and who has to approve it.
    pub asked: Asked,
}

/// Asks for proposals, and returns the file.
///
/// # Errors
///
/// `policy-none` where nothing has to be approved; `proposal-none`; `proposal-asked` for one that ended or is in an
/// open request; `request-too-large` beyond 50,000 grants or 64 MiB; `destination-prohibited` without an override;
/// what [`Office::require_place`] refuses.
pub fn ask(repository: &mut Repository, wish: &Wish<'_>) -> Result<Made, CommandError> {
    let office = office(repository)?;
    require_texts(wish)?;
    if wish.not_after < wish.now {
        return Err(CommandError::usage("the request would end before it is made").hint("correct `--until`"));
    }
    let waiting = repository.proposals_to_ask(wish.now)?;
    let mut chosen: Vec<u64> = match wish.proposals {
        [] => waiting,
        named => named.iter().copied().map(|id| require_waiting(&waiting, id)).collect::<Result<_, _>>()?,
    };
    chosen.sort_unstable();
    chosen.dedup();
    let summary = survey(repository, &office, wish, &mut chosen)?;
    if let (Some(country), None) = (summary.prohibited.first(), wish.overriding) {
        return Err(CommandError::refused("destination-prohibited", format!("policy prohibits {country}"))
            .hint("name what lets it pass with `--override NAME --override-reason TEXT`, or withdraw the proposal"));
    }
    let new = NewRequest {
        nonce: random()?,
        requester: wish.requester,
        policy: office.policy.number,
        overriding: wish.overriding,
        requested_at: wish.now,
        not_after: wish.not_after,
        proposals: &chosen,
    };
    let id = repository.add_approval_request(&new)?.ok_or_else(|| {
        CommandError::failed("proposal-asked", "a proposal was asked for or ended at the same moment")
            .hint("run the command again")
    })?;
    let record = request(repository, id)?;
    again(repository, &office, record, wish.now)
}

/// Writes the file of a request that was made before, byte for byte.
///
/// # Errors
///
/// `request-unknown`; `policy-changed` where another policy is in force since.
pub fn write_again(repository: &Repository, id: u64, now: u64) -> Result<Made, CommandError> {
    let office = office(repository)?;
    let record = request(repository, id)?;
    require_policy(&office, &record)?;
    again(repository, &office, record, now)
}

/// Refuses a request that was made under another policy than the one in force.
pub(super) fn require_policy(office: &Office, record: &RequestRecord) -> Result<(), CommandError> {
    if record.policy == office.policy.number {
        return Ok(());
    }
    let message = format!(
        "request {} was made under policy {}, and policy {} is in force",
        record.id, record.policy, office.policy.number
    );
    Err(CommandError::refused("policy-changed", message)
        .hint("withdraw its proposals, make the changes again, and ask anew"))
}

fn office(repository: &Repository) -> Result<Office, CommandError> {
    Office::in_force(repository)?.ok_or_else(|| {
        CommandError::refused("policy-none", "no policy is in force, so nothing has to be approved")
            .hint("apply one with `chancery approval policy apply FILE.toml`")
    })
}

fn request(repository: &Repository, id: u64) -> Result<RequestRecord, CommandError> {
    repository.approval_request(id)?.ok_or_else(|| {
        CommandError::failed("request-unknown", format!("there is no request {id}"))
            .hint("list what waits with `chancery request list`")
    })
}

fn require_texts(wish: &Wish<'_>) -> Result<(), CommandError> {
    let (name, reason) = wish.overriding.unzip();
    for text in [Some(wish.requester), name, reason].into_iter().flatten() {
        label::check(text).map_err(|error| {
            CommandError::refused("name-refused", "a name or a reason cannot be used")
                .cause(error.to_string())
                .hint("give 1 to 128 bytes of plain text")
        })?;
    }
    Ok(())
}

fn require_waiting(waiting: &[u64], id: u64) -> Result<u64, CommandError> {
    match waiting.binary_search(&id) {
        Ok(_) => Ok(id),
        Err(_) => Err(CommandError::refused(
            "proposal-asked",
            format!("proposal {id} is unknown, has ended, or is in a request that is open"),
        )
        .hint("see what waits with `chancery request list`")),
    }
}

/// Keeps of the proposals those that are wished for, and returns what they come to.
fn survey(
    repository: &Repository,
    office: &Office,
    wish: &Wish<'_>,
    chosen: &mut Vec<u64>,
) -> Result<Summary, CommandError> {
    let (mut summary, mut kept, mut count, mut bytes) = (Summary::default(), Vec::new(), 0_u64, 0_usize);
    for id in chosen.iter() {
        let grants = repository.proposed_grants(*id)?;
        let mut found = Vec::with_capacity(grants.len());
        for proposed in &grants {
            found.push(Grant::decode(&proposed.bytes)?);
        }
        if wish.customer.is_some_and(|customer| found.iter().all(|grant| grant.customer != customer)) {
            continue;
        }
        for (grant, proposed) in found.iter().zip(&grants) {
            if grants_something(grant) {
                office.require_place(repository, grant, wish.now)?;
            }
            summary.add(grant, office.facts(repository, grant, wish.now)?);
            count += 1;
            bytes = bytes.saturating_add(proposed.bytes.len() + 32);
        }
        kept.push(*id);
    }
    if kept.is_empty() {
        return Err(CommandError::refused("proposal-none", "nothing waits to be approved")
            .hint("see what was asked with `chancery request list --all`"));
    }
    if count > MAX_GRANTS || bytes > MAX_APPROVAL_REQUEST - 4_096 {
        let message = format!("{count} grants, of {bytes} bytes, do not go into one request");
        return Err(CommandError::refused("request-too-large", message)
            .hint("ask for fewer: `--customer ID`, or name proposals"));
    }
    *chosen = kept;
    Ok(summary)
}

fn again(
    repository: &Repository,
    office: &Office,
    record: RequestRecord,
    now: u64,
) -> Result<Made, CommandError> {
    let id = record.id;
    let asked = Asked::load(repository, office, record, now, false)?;
    let mut grants: Vec<Proposed> = Vec::new();
    repository.each_asked(id, |proposed| {
        grants.push(proposed);
        Ok::<(), CommandError>(())
    })?;
    let items: Vec<_> = grants.iter().map(item).collect();
    let RequestRecord { nonce, requester, requested_at, not_after, overriding, .. } = &asked.record;
    let head = RequestHead {
        authority: office.authority,
        nonce: *nonce,
        requester,
        requested_at: *requested_at,
        not_after: *not_after,
        policy: PolicyRef { number: office.policy.number, hash: office.policy.hash },
        overriding: overriding.as_ref().map(|(name, reason)| Override { name, reason }),
    };
    let bytes = ApprovalRequest::encode(&head, &items);
    // What approvers will compute is what their approvals are held against.
    if ApprovalRequest::decode(&bytes)?.commitment() != asked.covers {
        return Err(CommandError::alarm("request-void", format!("request {id} is not what it covers"))
            .hint("keep the home as it is, and call the auditor"));
    }
    Ok(Made { id, bytes, asked })
}

/// Returns a grant of a proposal as requests hold it.
#[must_use]
pub fn item(proposed: &Proposed) -> Item<'_> {
    let price = proposed.price.as_ref();
    let price =
        price.map(|OwnedPrice { currency, minor_units }| Price { currency, minor_units: *minor_units });
    Item { grant: &proposed.bytes, price }
}
