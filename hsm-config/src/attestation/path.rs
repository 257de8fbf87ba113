//! Path validation: RFC 5280 §6.1 for one ordered chain.
//!
//! There is one path, so nothing is searched: names first, so that a chain in the wrong order is told as
//! such; then, from the root down, signature, validity and the right to issue. Stricter than the RFC: a
//! root's own validity and constraints count, names compare byte by byte, a path length counts every
//! certificate. Not here: policies and name constraints (a critical one is refused when it is parsed),
//! and revocation.

use crate::attestation::certificate::Certificate;
use crate::attestation::error::AttestationError;

/// Checks a chain, and returns the key's certificate with that of its issuer.
pub(super) fn check<'c, 'd>(
    chain: &'c [Certificate<'d>],
    roots: &'c [Certificate<'d>],
    now: u64,
) -> Result<(&'c Certificate<'d>, &'c Certificate<'d>), AttestationError> {
    let Some((key, above)) = chain.split_first() else {
        return Err(AttestationError::ChainEmpty);
    };
    for (certificate, issuer) in chain.iter().zip(above) {
        // §6.1.3 (a) (4)
        if certificate.issuer() != issuer.subject() {
            return Err(AttestationError::ChainBroken { certificate: certificate.role() });
        }
    }
    let root = anchor(chain.last().unwrap_or(key), above.len(), roots, now)?;
    for (below, (certificate, issuer)) in chain.iter().zip(above).enumerate().rev() {
        certificate.check_signature(issuer)?;
        issuer.check_time(now)?;
        issuer.check_may_issue(below)?;
    }
    key.check_time(now)?;
    Ok((key, above.first().unwrap_or(root)))
}

/// Finds the root that signed the last certificate, with `below` certificates between it and the leaf.
///
/// Several roots may have its name, even its key: vendors renew them.
fn anchor<'c, 'd>(
    last: &Certificate<'_>,
    below: usize,
    roots: &'c [Certificate<'d>],
    now: u64,
) -> Result<&'c Certificate<'d>, AttestationError> {
    let mut refusal = AttestationError::Untrusted { certificate: last.role() };
    for root in roots.iter().filter(|root| root.subject() == last.issuer()) {
        if last.check_signature(root).is_err() {
            continue;
        }
        match root.check_time(now).and_then(|()| root.check_may_issue(below)) {
            Ok(()) => return Ok(root),
            Err(error) => refusal = error,
        }
    }
    Err(refusal)
}
