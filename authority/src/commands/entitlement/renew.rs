//! `chancery entitlement renew`: the next term.

use chancery_formats::id::EntitlementId;
use serde_json::json;

use super::{Context, NoteArgs, Told, print};
use crate::error::CommandError;
use crate::output;
use crate::workflow::entitlement::renew::{Follows, Length, Renewal, renew};
use crate::workflow::term;

/// Renew an entitlement for its next term
///
/// Before its end the next term follows the present one; after its end it begins today, and the days between stay
/// unsold. Of a perpetual entitlement with maintenance, the maintenance is renewed. A trial is not renewed: convert it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery entitlement renew ent_0123456789ABC --years 1 --reason 'order 4714'\n  \
    chancery entitlement renew ent_0123456789ABC --until '2028-06-30[Europe/Berlin]' --reason 'contract 17'")]
pub struct RenewArgs {
    /// Entitlement to renew
    #[arg(value_name = "ENTITLEMENT-ID")]
    entitlement: EntitlementId,
    #[command(flatten)]
    length: LengthArgs,
    #[command(flatten)]
    note: NoteArgs,
}

/// How far to renew.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct LengthArgs {
    /// By so many days
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    days: Option<u32>,
    /// By so many months of the calendar
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    months: Option<u32>,
    /// By so many years of the calendar
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    years: Option<u32>,
    /// Up to this day or instant
    #[arg(long, value_name = "DATE", value_parser = term::end)]
    until: Option<u64>,
}

pub(super) fn run(args: &RenewArgs, context: &Context) -> Result<(), CommandError> {
    let now = context.now()?;
    let LengthArgs { days, months, years, until } = args.length;
    let lengths = [
        days.map(Length::Days),
        months.map(Length::Months),
        years.map(Length::Years),
        until.map(Length::Until),
    ];
    let length = lengths.into_iter().flatten().next();
    let length = length.ok_or_else(|| CommandError::usage("say how far to renew"))?;
    let mut repository = context.repository()?;
    let renewed = renew(&mut repository, args.entitlement, length, &args.note.note(now))?;
    let what = match renewed.what {
        Renewal::Maintenance => "maintenance",
        Renewal::Term => "term",
    };
    let line = match renewed.follows {
        Follows::End => format!("The new {what} follows the end of the present one"),
        Follows::Today => format!("The {what} before is over: the new one begins today"),
    };
    let follows = match renewed.follows {
        Follows::End => "end",
        Follows::Today => "today",
    };
    let more = json!({
        "renewed": what,
        "follows": follows,
        "renewed_from": output::time_json(renewed.from),
        "renewed_until": output::time_json(renewed.until),
    });
    let told = Told { verb: "Renewed", lines: &[line], licenses_differ: true };
    print(context, &repository, &renewed.changed, &told, more)
}
