//! `chancery root show`: the chain of roots, here or in a trust bundle, and what waits for custodians.

use std::path::{Path, PathBuf};

use chancery_carriers::load::load;
use chancery_formats::cose::Envelope;
use chancery_formats::document::Kind;
use chancery_formats::id::{AuthorityId, Thumbprint};
use chancery_formats::trust::{Bundle, Root};
use chancery_verifier::{Pin, Trust};
use serde_json::{Value, json};

use crate::commands::Context;
use crate::error::CommandError;
use crate::output::document::{Fields, root_json};
use crate::output::{time, time_json};
use crate::repository::Repository;
use crate::workflow::change::Change;
use crate::workflow::custody::{Quorum, newest_root};

/// Show the roots: versions, hashes, custodians, and what waits for their signatures
///
/// Of the home, or of a trust bundle, whose chain is verified.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery root show\n  \
    chancery root show vendor.ctrust --authority-id 1f0c…")]
pub struct ShowArgs {
    /// Trust bundle to look into [default: the home]
    #[arg(value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// The authority that the bundle must be of
    #[arg(long, value_name = "ID", requires = "bundle")]
    authority_id: Option<AuthorityId>,
}

/// What is shown.
struct Shown {
    authority: AuthorityId,
    /// Payloads, from version 1.
    roots: Vec<Vec<u8>>,
    waits: Option<Waiting>,
}

/// A change that waits.
struct Waiting {
    begun_at: u64,
    documents: Vec<&'static str>,
    missing: Vec<String>,
}

pub(super) fn run(args: &ShowArgs, context: &Context) -> Result<(), CommandError> {
    let shown = match &args.bundle {
        Some(path) => of_bundle(path, args.authority_id)?,
        None => context.read(of_home)?,
    };
    let roots = shown.roots.iter().map(|payload| Root::decode(payload)).collect::<Result<Vec<_>, _>>()?;
    let mut printer = context.printer();
    let name = roots.last().map(|root| root.name).unwrap_or_default();
    printer.fields(&[("authority", name.to_owned()), ("authority id", shown.authority.to_string())])?;
    for (root, payload) in roots.iter().zip(&shown.roots) {
        printer.line("")?;
        printer.fields(&root_fields(root, payload))?;
    }
    printer.line("")?;
    match &shown.waits {
        None => printer.line("Nothing waits for the signatures of custodians.")?,
        Some(waits) => {
            printer.fields(&[
                ("waits", waits.documents.join(", ")),
                ("begun", time(waits.begun_at)),
                ("not signed by", waits.missing.join(", ")),
            ])?;
        }
    }
    let waits = shown.waits.as_ref().map(|waits| {
        json!({
            "documents": waits.documents,
            "begun_at": time_json(waits.begun_at),
            "missing": waits.missing,
        })
    });
    Ok(printer.json(&json!({
        "authority": name,
        "authority_id": shown.authority.to_string(),
        "roots": roots.iter().zip(&shown.roots).map(|(root, payload)| described(root, payload)).collect::<Vec<_>>(),
        "waits": waits,
    }))?)
}

fn of_home(repository: &Repository) -> Result<Shown, CommandError> {
    newest_root(repository)?; // a home without its roots is damaged, not empty
    let documents = repository.documents_of_kind(Kind::Root)?;
    let roots = documents.iter().map(|(_, bytes)| Ok(Envelope::decode(bytes)?.payload.to_vec()));
    let waits = Change::pending(repository)?.map(|change| {
        let missing = change.missing(repository)?;
        Ok::<_, CommandError>(Waiting {
            begun_at: change.time(),
            documents: change.documents().map(|(kind, _)| kind.name()).collect(),
            missing: missing.iter().map(|signer| signer.thumbprint.key_id().to_string()).collect(),
        })
    });
    Ok(Shown {
        authority: repository.authority()?.id,
        roots: roots.collect::<Result<_, CommandError>>()?,
        waits: waits.transpose()?,
    })
}

fn of_bundle(path: &Path, expected: Option<AuthorityId>) -> Result<Shown, CommandError> {
    let loaded = load(path)?;
    let trust =
        Trust::load(&loaded.bytes, expected.map_or(Pin::FirstUse, Pin::Authority)).map_err(|refusal| {
            CommandError::refused(refusal.code(), "the trust bundle does not verify")
                .cause(refusal.to_string())
                .hint("ask the authority for its newest trust bundle")
        })?;
    let mut roots = Vec::new();
    for member in Bundle::decode(&loaded.bytes)?.members() {
        let envelope = Envelope::decode(member)?;
        if envelope.header.typ == Kind::Root.typ() {
            roots.push(envelope.payload.to_vec());
        }
    }
    Ok(Shown { authority: trust.authority(), roots, waits: None })
}

fn root_fields(root: &Root<'_>, payload: &[u8]) -> Fields {
    let hash = Thumbprint(Root::authority_id(payload).0);
    let mut fields = vec![
        ("root version", root.version.to_string()),
        ("hash", hash.to_string()),
        ("made", time(root.made_at)),
        ("must sign", format!("{} of {}", root.quorum.threshold, root.quorum.custodians.len())),
    ];
    for custodian in Quorum::of(&root.quorum).custodians {
        let partner =
            custodian.partner.map(|partner| format!(", with ML-DSA-87 partner {}", partner.key_id()));
        fields.push(("custodian", format!("{}{}", custodian.key.key_id(), partner.unwrap_or_default())));
    }
    if root.revealed.is_some() {
        fields.push(("signed by", "the recovery set, in place of the custodians before".to_owned()));
    }
    fields.extend(root.recovery.map(|hash| ("recovery set", format!("SHA-256 {}", Thumbprint(hash)))));
    fields
}

fn described(root: &Root<'_>, payload: &[u8]) -> Value {
    let hash = Thumbprint(Root::authority_id(payload).0).to_string();
    let mut value = root_json(root);
    if let Value::Object(fields) = &mut value {
        fields.insert("hash".to_owned(), json!(hash));
    }
    value
}
