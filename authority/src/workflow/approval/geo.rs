//! Where sites stand: site records against the countries that a grant is for.
//!
//! Of one site the newest record counts, and only while its signature, its authority and its attester hold. Not here:
//! making and importing records (`workflow::site`).

use chancery_formats::cose::{Envelope, Mode};
use chancery_formats::document::Kind;
use chancery_formats::grant::Grant;
use chancery_formats::id::AuthorityId;
use chancery_formats::site_record::SiteRecord;
use chancery_verifier::Refusal;
use chancery_verifier::signature::VerifyingKey;

use super::Office;
use crate::error::CommandError;
use crate::output;
use crate::repository::{Approver, Catalog, GrantWriter, Repository, RepositoryError, SiteRecordRow};

/// Something that has what decisions go by: the repository, or a change that is being made in it.
pub trait Records {
    /// Returns the newest record of a site that was here at an instant, in Unix seconds.
    ///
    /// # Errors
    ///
    /// Those of the database.
    fn newest(&self, customer: &str, site: &str, at: u64) -> Result<Option<SiteRecordRow>, RepositoryError>;

    /// Returns the whole catalog that a change of it made; none where only its file was kept, or nothing.
    ///
    /// # Errors
    ///
    /// Those of the database.
    fn catalog(&self, number: u64) -> Result<Option<Catalog>, RepositoryError>;
}

impl Records for Repository {
    fn newest(&self, customer: &str, site: &str, at: u64) -> Result<Option<SiteRecordRow>, RepositoryError> {
        self.site_record(customer, site, at)
    }

    fn catalog(&self, number: u64) -> Result<Option<Catalog>, RepositoryError> {
        known(self.catalog_of(number))
    }
}

impl Records for GrantWriter<'_> {
    fn newest(&self, customer: &str, site: &str, at: u64) -> Result<Option<SiteRecordRow>, RepositoryError> {
        self.site_record(customer, site, at)
    }

    fn catalog(&self, number: u64) -> Result<Option<Catalog>, RepositoryError> {
        known(self.catalog_of(number))
    }
}

/// What was granted before there was a catalog names one that is not there.
fn known(found: Result<Option<Catalog>, RepositoryError>) -> Result<Option<Catalog>, RepositoryError> {
    match found {
        Err(RepositoryError::UnknownChange { .. }) => Ok(None),
        other => other,
    }
}

/// Where a site stands, by a record that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// ISO 3166-1 alpha-2 code.
    pub territory: String,
    /// Last second in which that is believed, in Unix seconds.
    pub not_after: u64,
}

/// A site record whose signature is that of somebody who may attest. Only [`verify`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct VerifiedSiteRecord<'a> {
    record: SiteRecord<'a>,
    approver: u64,
}

impl<'a> VerifiedSiteRecord<'a> {
    /// Returns what it says.
    #[must_use]
    pub const fn record(&self) -> &SiteRecord<'a> {
        &self.record
    }

    /// Returns the number of the approver who attests it.
    #[must_use]
    pub const fn approver(&self) -> u64 {
        self.approver
    }
}

/// Verifies a site record that came in at `at`, in Unix seconds; `attesters` are those who may sign it.
///
/// # Errors
///
/// `typ-wrong` and others for what is no site record; `attester-unknown` for a key of nobody who may attest;
/// `signature-wrong`; `record-authority` for another authority.
pub fn verify<'a>(
    bytes: &'a [u8],
    authority: AuthorityId,
    attesters: &[&Approver],
) -> Result<VerifiedSiteRecord<'a>, CommandError> {
    let envelope = Envelope::decode_kind(bytes, Kind::SiteRecord)?;
    let signed_by = |approver: &&&Approver| {
        let key = &approver.public_key;
        key.key_id() == envelope.header.kid && envelope.header.mode == Mode::Direct(key.algorithm())
    };
    let attester = attesters.iter().find(signed_by).ok_or_else(|| {
        let message = format!("nobody who may attest where sites stand has the key {}", envelope.header.kid);
        CommandError::refused("attester-unknown", message)
            .hint("register the key with `chancery approver add --role attester`, if it is the right one")
    })?;
    let mut buffer = [0; chancery_formats::cose::MAX_DIRECT];
    let message = envelope.sig_structure(&mut buffer).ok_or(Refusal::SignatureWrong);
    message
        .and_then(|message| VerifyingKey::load(&attester.public_key)?.verify(message, envelope.signature))
        .map_err(|refusal| {
            CommandError::refused(refusal.code(), "the site record is not what was signed")
                .cause(refusal.to_string())
                .hint("ask whoever attests it for the file again")
        })?;
    let record = SiteRecord::decode(envelope.payload)?;
    if record.authority != authority {
        let message = format!("the site record is for authority {}", record.authority);
        return Err(CommandError::refused("record-authority", message)
            .hint(format!("ask for one made with `--authority-id {authority}`")));
    }
    Ok(VerifiedSiteRecord { record, approver: attester.id })
}

impl Office {
    /// Returns those who may attest what comes in at `at`, in Unix seconds.
    #[must_use]
    pub fn attesters(&self, at: u64) -> Vec<&Approver> {
        let may = |approver: &&Approver| {
            self.policy.attesters.contains(&approver.role)
                && approver.not_before <= at
                && approver.not_after.is_none_or(|end| at <= end)
                && approver.revocation.as_ref().is_none_or(|revocation| at < revocation.at)
        };
        self.approvers.iter().filter(may).collect()
    }

    /// Returns where a site stands by its newest record that was here at `at`, in Unix seconds; none without one.
    ///
    /// # Errors
    ///
    /// An integrity alarm, `site-record-void`, for a record that is not what was imported.
    pub fn place(
        &self,
        records: &dyn Records,
        customer: &str,
        site: &str,
        at: u64,
    ) -> Result<Option<Place>, CommandError> {
        let Some(row) = records.newest(customer, site, at)? else { return Ok(None) };
        let void = |cause: String| {
            let message = format!("the record of site {site} of {customer} is not what was imported");
            CommandError::alarm("site-record-void", message)
                .cause(cause)
                .hint("keep the home as it is, and call the auditor; or import a new record of the site")
        };
        let attester: Vec<_> = self.approvers.iter().filter(|known| known.id == row.approver).collect();
        let verified = verify(&row.bytes, self.authority, &attester)
            .map_err(|error| void(format!("{}: {}", error.code(), error.report().error)))?;
        let record = verified.record();
        if (record.customer, record.site) != (customer, site) {
            return Err(void("it is about another site".to_owned()));
        }
        Ok(Some(Place { territory: record.territory.to_owned(), not_after: record.not_after }))
    }

    /// Refuses a grant for some countries to a site of which no record says that it stands in one of them; `at` is
    /// Unix seconds.
    ///
    /// # Errors
    ///
    /// `site-unrecorded`, `site-record-ended`, `site-elsewhere`.
    pub fn require_place(
        &self,
        records: &dyn Records,
        grant: &Grant<'_>,
        at: u64,
    ) -> Result<(), CommandError> {
        let (Some(territory), Some(site)) = (grant.terms.territory, grant.site) else { return Ok(()) };
        if !self.policy.site_records {
            return Ok(());
        }
        let customer = grant.customer;
        let refused = |code, message: String| {
            Err(CommandError::refused(code, message).hint(
                "have the site attested with `chancery site attest`, and import the record with `chancery site import`",
            ))
        };
        match self.place(records, customer, site, at)? {
            None => {
                let message = format!("nobody has attested where site {site} of {customer} stands");
                refused("site-unrecorded", message)
            }
            Some(Place { not_after, .. }) if not_after < at => {
                let end = output::time(not_after);
                refused(
                    "site-record-ended",
                    format!("the record of site {site} of {customer} ended on {end}"),
                )
            }
            Some(Place { territory: country, .. }) if territory.iter().all(|allowed| allowed != country) => {
                let allowed: Vec<_> = territory.iter().collect();
                let allowed = allowed.join(", ");
                let message =
                    format!("site {site} of {customer} stands in {country}, and the grant is for {allowed}");
                refused("site-elsewhere", message)
            }
            Some(_) => Ok(()),
        }
    }
}
