//! The first pass over the input of a batch: every row that cannot be issued, with the reason, and nothing changed.
//!
//! It looks at the whole input whatever it finds, so that one run names all that has to be mended. What it keeps
//! is a hash for each device that asks, to find one that asks twice, and a count for each entitlement. Not here:
//! writing licenses.

use std::collections::HashMap;

use chancery_formats::id::{EntitlementId, Thumbprint};
use chancery_verifier::VerifiedRequest;
use sha2::{Digest, Sha256};

use super::rows::{Fault, Input, Row, Rows, hash_of};
use super::{Known, Stage, single};
use crate::error::CommandError;
use crate::repository::{Entitlement, Repository, RepositoryError};
use crate::workflow::approval::recheck::Vouching;
use crate::workflow::issuer::Issuer;
use crate::workflow::revoked::Revoked;
use crate::workflow::terms;

/// Faults that are told; more are only counted.
const MOST_FAULTS: usize = 1_000;

/// What the first pass found.
#[derive(Debug, Default)]
pub struct Checked {
    rows: u64,
    /// None where a row or its request cannot be read.
    input_hash: Option<[u8; 32]>,
    faults: Vec<Fault>,
    /// Faults beyond those.
    more: u64,
    /// What the rows so far draw from each entitlement.
    drawn: HashMap<EntitlementId, u64>,
    /// Which line a device asks in, by a hash over entitlement and device.
    devices: HashMap<[u8; 16], u32>,
    known: Known,
    revoked: Revoked,
    vouching: Vouching,
    /// The entitlement that was vouched for last: rows of one follow each other.
    vouched: Option<EntitlementId>,
}

/// Checks every row of an input; without an issuing key, none is within its bounds.
///
/// # Errors
///
/// Those of the input as a whole and of the database; what is wrong with rows is in the result.
pub(super) fn check(
    repository: &Repository,
    issuer: Option<&Issuer>,
    input: &Input<'_>,
    now: u64,
    progress: &mut dyn FnMut(Stage, u64, u64),
) -> Result<Checked, CommandError> {
    let mut rows = Rows::open(input)?;
    let revoked = Revoked::load(repository)?;
    let (mut checked, mut is_readable) =
        (Checked { revoked, vouching: Vouching::load(repository)?, ..Checked::default() }, true);
    while let Some(row) = rows.next()? {
        checked.rows += 1;
        let read = row.and_then(|row| {
            let request = row.load().map_err(|error| fault(&row, &error))?;
            rows.take_up(&row, request.as_deref());
            Ok((row, request))
        });
        let found = match read {
            Ok((row, request)) => checked.row(repository, issuer, &row, request.as_deref(), now)?,
            Err(fault) => {
                is_readable = false;
                Some(fault)
            }
        };
        checked.add(found);
        let (done, total) = rows.progress();
        progress(Stage::Checking, done, total);
    }
    if checked.rows == 0 {
        return Err(CommandError::refused("batch-empty", "the input has no rows")
            .hint("write one row a license: {\"entitlement\": \"ent_…\", \"request\": \"FILE\"}"));
    }
    checked.input_hash = is_readable.then(|| rows.into_hash());
    (checked.devices, checked.drawn) = (HashMap::new(), HashMap::new());
    Ok(checked)
}

impl Checked {
    /// Returns the hash over rows and requests; none where one of them cannot be read.
    pub(super) const fn input_hash(&self) -> Option<&[u8; 32]> {
        self.input_hash.as_ref()
    }

    /// Returns the hash over rows and requests, and the number of rows, where every row is good.
    ///
    /// # Errors
    ///
    /// `batch-rows-refused` with every fault.
    pub(super) fn require_sound(self) -> Result<([u8; 32], u64), CommandError> {
        let Self { rows, faults, more, input_hash, .. } = self;
        let bad = faults.len() as u64 + more;
        if bad > 0 {
            let message = format!("{bad} of {rows} rows cannot be issued, so none is");
            let mut error = CommandError::refused("batch-rows-refused", message);
            for Fault { line, code, message } in faults {
                error = error.cause(format!("line {line}: {code}: {message}"));
            }
            if more > 0 {
                error = error.cause(format!("and {more} rows more"));
            }
            return Err(error.hint("mend these rows or take them out, then run the command again"));
        }
        let input_hash = input_hash
            .ok_or_else(|| CommandError::failed("internal", "rows that can be read have a hash"))?;
        Ok((input_hash, rows))
    }

    fn add(&mut self, found: Option<Fault>) {
        match found {
            Some(fault) if self.faults.len() < MOST_FAULTS => self.faults.push(fault),
            Some(_) => self.more += 1,
            None => {}
        }
    }

    /// Checks one row, and draws from its entitlement what it would.
    fn row(
        &mut self,
        repository: &Repository,
        issuer: Option<&Issuer>,
        row: &Row,
        request: Option<&[u8]>,
        now: u64,
    ) -> Result<Option<Fault>, CommandError> {
        let entitlement = match self.known.entitlement(row.entitlement, |id| repository.entitlement(id)) {
            Ok(entitlement) => entitlement,
            Err(error @ RepositoryError::UnknownEntitlement { .. }) => {
                return Ok(Some(fault(row, &error.into())));
            }
            Err(error) => return Err(error.into()),
        };
        let judged =
            judge(entitlement, &self.revoked, issuer, request, now).map_err(|error| fault(row, &error));
        let device = match judged {
            Ok(device) => device,
            Err(fault) => return Ok(Some(fault)),
        };
        if self.vouched != Some(row.entitlement) {
            match self.vouching.require(repository, row.entitlement) {
                Ok(()) => self.vouched = Some(row.entitlement),
                // What lacks approvals is told row by row; what was changed by other hands stops everything.
                Err(error) if error.code() == "approval-missing" => return Ok(Some(fault(row, &error))),
                Err(error) => return Err(error),
            }
        }
        let mut is_new = true;
        if let (Some(device), Some(request)) = (device, request) {
            if let Some(known) = repository.license_by_request(&hash_of(request))? {
                let message = format!("the request is answered by license {}", known.id);
                return Ok(Some(Fault { line: row.line, code: "request-known", message }));
            }
            let line = u32::try_from(row.line).unwrap_or(u32::MAX);
            if let Some(earlier) = self.devices.insert(short_hash(row.entitlement, device), line) {
                let message = format!("device {} asks in line {earlier} already", device.device_id());
                return Ok(Some(Fault { line: row.line, code: "device-repeated", message }));
            }
            match repository.require_first_trial(row.entitlement, device) {
                Ok(()) => {}
                Err(error @ RepositoryError::TrialUsed { .. }) => return Ok(Some(fault(row, &error.into()))),
                Err(error) => return Err(error.into()),
            }
            is_new = !repository.is_activated(row.entitlement, device)?;
        }
        let left = entitlement.left();
        let drawn = self.drawn.entry(row.entitlement).or_default();
        if is_new && *drawn >= left {
            let message =
                format!("entitlement {} has {left} activations left, all for earlier rows", row.entitlement);
            return Ok(Some(Fault { line: row.line, code: "entitlement-exhausted", message }));
        }
        *drawn += u64::from(is_new);
        Ok(None)
    }
}

/// Judges a row by itself, and returns the device that asks.
fn judge(
    entitlement: &Entitlement,
    revoked: &Revoked,
    issuer: Option<&Issuer>,
    request: Option<&[u8]>,
    now: u64,
) -> Result<Option<Thumbprint>, CommandError> {
    let verified = request.map(single::verified).transpose()?;
    terms::require_granted(entitlement, verified.as_ref(), now)?;
    if let Some(issuer) = issuer {
        issuer.require_scope(entitlement)?;
    }
    let device = verified.as_ref().map(VerifiedRequest::device);
    revoked.refuse(None, device, entitlement.id, &entitlement.customer)?;
    Ok(device)
}

fn short_hash(entitlement: EntitlementId, device: Thumbprint) -> [u8; 16] {
    let hash = Sha256::new().chain_update(entitlement.0).chain_update(device.0).finalize();
    let mut short = [0; 16];
    short.iter_mut().zip(hash).for_each(|(short, byte)| *short = byte);
    short
}

fn fault(row: &Row, error: &CommandError) -> Fault {
    let report = error.report();
    let mut message = report.error.clone();
    for cause in &report.causes {
        message = format!("{message}: {cause}");
    }
    Fault { line: row.line, code: report.code, message }
}
