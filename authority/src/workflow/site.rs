//! Sites: attesting where one stands, on a machine of the attester's own, and taking the record in.
//!
//! Not here: what records are for (`approval::geo`).

use chancery_formats::country::{is_assigned, meant};
use chancery_formats::id::AuthorityId;
use chancery_formats::site_record::SiteRecord;
use chancery_hsm_config::Key;

use super::approval::Office;
use super::approval::geo::verify;
use super::approval::review::require_algorithm;
use super::label;
use crate::error::CommandError;
use crate::output;
use crate::repository::{Repository, SiteRecordRow};

/// What is attested.
#[derive(Clone, Copy, Debug)]
pub struct Attestation<'a> {
    /// The authority that is to believe it.
    pub authority: AuthorityId,
    /// The customer, by id.
    pub customer: &'a str,
    /// The site of that customer.
    pub site: &'a str,
    /// Where it stands: ISO 3166-1 alpha-2.
    pub territory: &'a str,
    /// By what that was seen, for people.
    pub evidence: &'a str,
    /// Last second in which it is believed, in Unix seconds.
    pub not_after: u64,
}

/// Refuses what is not the code of a country, and says which is meant.
///
/// # Errors
///
/// `country-unknown`.
pub fn require_country(code: &str) -> Result<(), CommandError> {
    if is_assigned(code) {
        return Ok(());
    }
    let hint = match meant(code) {
        Some(meant) => format!("write {meant}, if that is meant"),
        None => "write the two capital letters of ISO 3166-1, such as DE".to_owned(),
    };
    Err(CommandError::refused("country-unknown", format!("{code:?} is no country of ISO 3166-1")).hint(hint))
}

/// Signs a site record; `now` is Unix seconds.
///
/// # Errors
///
/// `country-unknown`, `evidence-refused`, `key-algorithm`; a usage error for a record that ends before it begins; those
/// of the key.
pub fn attest(attestation: &Attestation<'_>, key: &Key, now: u64) -> Result<Vec<u8>, CommandError> {
    let Attestation { authority, customer, site, territory, evidence, not_after } = *attestation;
    require_country(territory)?;
    label::check(evidence).map_err(|error| {
        CommandError::refused("evidence-refused", "the evidence cannot be used")
            .cause(error.to_string())
            .hint("give 1 to 128 bytes of plain text with `--evidence`")
    })?;
    if not_after < now {
        return Err(CommandError::usage("the record would have ended already").hint("correct `--until`"));
    }
    require_algorithm(key.algorithm())?;
    let record = SiteRecord { authority, customer, site, territory, attested_at: now, not_after, evidence };
    let unsigned = record.to_sign(&key.public_key());
    SiteRecord::decode(unsigned.payload())?;
    let signature = key.sign(&unsigned.sig_structure())?;
    Ok(unsigned.sign(&signature))
}

/// Takes a site record in, and returns what is kept of it; of one site the newest counts. `now` is Unix seconds.
///
/// # Errors
///
/// `policy-none`; `attester-unknown`, `signature-wrong`, `record-authority` and the faults of the bytes;
/// `site-record-ended`; `site-record-older` where a newer one of the site is here; `record-known`; `customer-unknown`.
pub fn import(repository: &mut Repository, bytes: &[u8], now: u64) -> Result<SiteRecordRow, CommandError> {
    let office = Office::in_force(repository)?.ok_or_else(|| {
        CommandError::refused("policy-none", "no policy is in force, so nobody may attest where sites stand")
            .hint("apply one with `chancery approval policy apply FILE.toml`")
    })?;
    let verified = verify(bytes, office.authority, &office.attesters(now))?;
    let record = verified.record();
    if record.not_after < now {
        let message = format!("the record ended on {}", output::time(record.not_after));
        return Err(
            CommandError::refused("site-record-ended", message).hint("ask whoever attests it for a new one")
        );
    }
    if let Some(newest) = repository.site_record(record.customer, record.site, now)? {
        let attester: Vec<_> = office.approvers.iter().filter(|known| known.id == newest.approver).collect();
        let is_older = verify(&newest.bytes, office.authority, &attester)
            .is_ok_and(|kept| kept.record().attested_at > record.attested_at);
        if is_older {
            let message = format!("a newer record of site {} of {} is here", record.site, record.customer);
            return Err(CommandError::refused("site-record-older", message)
                .hint("see it with `chancery site list`; have the site attested again if it moved"));
        }
    }
    let row = SiteRecordRow {
        id: 0,
        customer: record.customer.to_owned(),
        site: record.site.to_owned(),
        approver: verified.approver(),
        bytes: bytes.to_vec(),
        imported_at: now,
    };
    match repository.add_site_record(&row)? {
        Some(id) => Ok(SiteRecordRow { id, ..row }),
        None => Err(CommandError::refused("record-known", "this record was imported before")
            .hint("see it with `chancery site list`")),
    }
}
