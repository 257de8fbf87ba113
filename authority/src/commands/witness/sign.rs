//! `chancery witness sign`: judging a request, showing it to a person, signing.

use std::path::PathBuf;

use chancery_carriers::files::{self, read_document};
use chancery_carriers::output::{Printer, Progress};
use chancery_formats::document::MAX_WITNESS;
use chancery_formats::witness::{Answer, Exchange};
use serde_json::{Value, json};

use crate::commands::Context;
use crate::commands::confirm::confirm;
use crate::error::CommandError;
use crate::output;
use crate::witness::Memory;
use crate::workflow::witness::judge::{Agreed, AgreedBatch, Verdict, judge};
use crate::workflow::witness::sign::{repeat, sign};
use crate::workflow::witness::summary::Summary;

/// Names that are shown one by one; of more, the number of the rest.
const SHOWN: usize = 12;

/// Space that is made sure of for an answer, in bytes.
const ANSWER_BYTES: u64 = 16 * 1024;

/// Sign a batch or cosign a checkpoint, after a look at it
///
/// Computes every leaf of the batch anew, checks that the log goes on from what this witness has seen, and shows
/// what it is about to sign. The same request gives the same answer; a range that it has passed is refused.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery witness sign batch-120.cwit --out answer-120.cwit --home /srv/witness\n  \
    chancery witness sign batch-120.cwit --out answer-120.cwit --yes --pin-fd 3 3< pin")]
pub struct SignArgs {
    /// Exchange file that the authority wrote
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Exchange file to create; never overwritten
    #[arg(long = "out", short, visible_alias = "output", value_name = "FILE")]
    pub out: PathBuf,
    /// Sign without asking
    #[arg(long)]
    pub yes: bool,
}

/// Signs what a request asks for.
///
/// # Errors
///
/// What the request, the person, the key and the disk refuse.
pub fn run(args: &SignArgs, context: &Context) -> Result<(), CommandError> {
    if context.is_json() && !args.yes {
        return Err(CommandError::usage("with `--json` nothing is shown that a person could agree to")
            .hint("leave `--json` out, or add `--yes`"));
    }
    let now = context.now()?;
    let mut memory = Memory::open(&context.home()?)?;
    let bytes = read_document(&args.file, MAX_WITNESS as u64)?;
    let out = files::create_new(&args.out)?;
    out.reserve(ANSWER_BYTES)?;
    let verdict = {
        let mut progress = Progress::new("reading licenses");
        judge(&memory, &bytes, now, &mut |done, total| progress.update(done, total))?
    };
    let mut printer = context.printer();
    let (answer, shown) = match &verdict {
        Verdict::Known { number, request } => {
            let answer = repeat(&memory, *number, *request, &mut context.pins()?)?;
            printer.line("This was agreed to before: the answer is the same")?;
            (answer, Value::Null)
        }
        Verdict::New(agreed) => {
            show(&mut printer, agreed)?;
            confirm("Sign this?", args.yes)?;
            (sign(&mut memory, agreed, &mut context.pins()?)?, describe(agreed))
        }
    };
    out.commit(&answer)?;
    told(&mut printer, args, &answer, &shown)
}

fn show(printer: &mut Printer, agreed: &Agreed) -> Result<(), CommandError> {
    let head = &agreed.entry.head;
    let mut fields = vec![("authority", agreed.authority.clone())];
    if let Some(AgreedBatch { statement, first_index, summary, .. }) = &agreed.batch {
        let range = |range: Option<(u64, u64)>| {
            range.map_or_else(
                || "none".to_owned(),
                |(first, last)| match first == last {
                    true => output::time(first),
                    false => format!("{} to {}", output::time(first), output::time(last)),
                },
            )
        };
        fields.extend([
            ("licenses", summary.licenses.to_string()),
            ("customers", names(&summary.customers)),
            ("products", names(&summary.products)),
            ("issued", range(summary.issued)),
            ("terms end", range(summary.ends)),
            ("perpetual", summary.perpetual.to_string()),
            ("log indices", format!("{first_index} to {}", first_index + statement.size - 1)),
            ("stated", output::time(statement.time)),
        ]);
    }
    fields.push(("checkpoint", format!("{} documents", head.size)));
    Ok(printer.fields(&fields)?)
}

/// Lists names with their counts, those with most first.
fn names(counts: &std::collections::BTreeMap<String, u64>) -> String {
    let mut sorted: Vec<_> = counts.iter().collect();
    sorted.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let mut shown: Vec<String> =
        sorted.iter().take(SHOWN).map(|(name, count)| format!("{name} {count}")).collect();
    if sorted.len() > SHOWN {
        shown.push(format!("and {} more", sorted.len() - SHOWN));
    }
    shown.join(", ")
}

fn describe(agreed: &Agreed) -> Value {
    let Some(AgreedBatch { statement, first_index, summary, .. }) = &agreed.batch else { return Value::Null };
    let Summary { licenses, customers, products, issued, ends, perpetual } = summary;
    let range = |range: &Option<(u64, u64)>| {
        range.map(|(first, last)| [output::time_json(first), output::time_json(last)])
    };
    json!({
        "first_index": first_index,
        "licenses": licenses,
        "customers": customers,
        "products": products,
        "issued": range(issued),
        "terms_end": range(ends),
        "perpetual": perpetual,
        "stated_at": output::time_json(statement.time),
    })
}

fn told(printer: &mut Printer, args: &SignArgs, answer: &[u8], shown: &Value) -> Result<(), CommandError> {
    let Exchange::Answer(Answer { witness, batch, cosigned, .. }) = Exchange::decode(answer)? else {
        return Err(CommandError::alarm("witness-memory-changed", "the answer that was kept is none"));
    };
    let path = args.out.display();
    printer.line(match (&batch, &cosigned) {
        (Some(batch), _) => format!("Signed the batch at {}: {path}", batch.first_index),
        (None, _) => format!("Cosigned the checkpoint: {path}"),
    })?;
    printer.line("Take the file back to the authority: `chancery batch complete FILE`")?;
    Ok(printer.json(&json!({
        "file": args.out,
        "witness": witness.key_id().to_string(),
        "batch": batch.map(|batch| batch.first_index),
        "checkpoint": cosigned.map(|cosigned| cosigned.size),
        "known_before": shown.is_null() && batch.is_some(),
        "shown": shown,
    }))?)
}
