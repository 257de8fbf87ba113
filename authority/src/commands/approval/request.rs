//! `chancery approval request`: what waits, as a file for approvers.

use std::path::PathBuf;

use chancery_carriers::files;
use serde_json::json;

use crate::commands::entitlement::WhoArgs;
use crate::commands::{Context, name_argument};
use crate::error::CommandError;
use crate::output;
use crate::output::approval::{hex, tail};
use crate::workflow::approval::ask::{Made, Wish, ask, write_again};
use crate::workflow::term;

/// How long approvers have, where nothing else is said: two weeks, in seconds.
const TWO_WEEKS: u64 = 14 * 86_400;

/// Ask approvers about changes that wait, all of them in one file
///
/// The file holds every grant whole, so that approvers see what they sign. Take it to their machines, and bring what
/// `chancery approval sign` makes there back to `chancery approval import`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery approval request --out import-2027-06.capq\n  \
    chancery approval request 17 18 --out two.capq --until 2027-06-30\n  \
    chancery approval request --customer acme --out acme.capq \\\n    \
    --override 'export license 4711' --override-reason 'humanitarian pumps'\n  \
    chancery approval request --again 3 --out import-2027-06.capq")]
pub struct RequestArgs {
    /// Proposals to ask about [default: all that wait and are in no open request]
    #[arg(value_name = "PROPOSAL")]
    proposals: Vec<u64>,
    /// Only those of this customer
    #[arg(long, value_name = "ID", value_parser = name_argument)]
    customer: Option<String>,
    /// Request file to create; never overwritten
    #[arg(long = "out", short, visible_alias = "output", value_name = "FILE")]
    out: PathBuf,
    /// Last day or instant in which an approval is taken [default: in two weeks]
    #[arg(long, value_name = "DATE", value_parser = term::end)]
    until: Option<u64>,
    /// What lets a prohibited destination pass, such as the number of an export license
    #[arg(long = "override", value_name = "NAME", requires = "override_reason")]
    override_name: Option<String>,
    /// Why it may pass
    #[arg(long, value_name = "TEXT", requires = "override_name")]
    override_reason: Option<String>,
    /// Write the file of this request again, as it was
    #[arg(long, value_name = "REQUEST", conflicts_with_all = ["proposals", "customer", "until", "override_name"])]
    again: Option<u64>,
    #[command(flatten)]
    who: WhoArgs,
}

pub(super) fn run(args: &RequestArgs, context: &Context) -> Result<(), CommandError> {
    let now = context.now()?;
    let mut repository = context.repository()?;
    let output = files::create_new(&args.out)?;
    let Made { id, bytes, asked } = match args.again {
        Some(id) => write_again(&repository, id, now)?,
        None => {
            let overriding = args.override_name.as_deref().zip(args.override_reason.as_deref());
            let wish = Wish {
                proposals: &args.proposals,
                customer: args.customer.as_deref(),
                requester: &args.who.by,
                overriding,
                now,
                not_after: args.until.unwrap_or(now + TWO_WEEKS),
            };
            ask(&mut repository, &wish)?
        }
    };
    output.reserve(bytes.len() as u64)?;
    output.commit(&bytes)?;
    let mut printer = context.printer();
    printer.line(format_args!(
        "Asked for {} grants in request {id}: {}",
        asked.covers.count,
        args.out.display()
    ))?;
    let needs: Vec<_> = asked.summary.needs.iter().collect();
    let told = needs.iter().map(|need| {
        let roles = Vec::from_iter(need.roles.iter().map(String::as_str)).join(" or ");
        format!("{} as {roles}, by rule {}", need.approvers, need.rule)
    });
    printer.fields(&[
        ("approvals", told.collect::<Vec<_>>().join("; ")),
        ("answer until", output::time(asked.record.not_after)),
        ("digest ends in", tail(&asked.covers.digest)),
    ])?;
    printer.line("Take the file to the approvers, who run `chancery approval sign`")?;
    let needs =
        needs.iter().map(|need| json!({"rule": need.rule, "approvers": need.approvers, "roles": need.roles}));
    Ok(printer.json(&json!({
        "request": id,
        "file": args.out,
        "grants": asked.covers.count,
        "digest": hex(&asked.covers.digest),
        "not_after": output::time_json(asked.record.not_after),
        "needs": needs.collect::<Vec<_>>(),
    }))?)
}
