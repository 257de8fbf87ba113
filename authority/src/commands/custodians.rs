//! What commands share that custodians must sign: who is asked, and the file that travels to the others.

use std::path::PathBuf;

use chancery_carriers::files;
use chancery_carriers::output::Printer;
use chancery_formats::id::KeyId;
use serde_json::{Value, json};

use crate::error::CommandError;
use crate::repository::Repository;
use crate::workflow::change::{Progress, Proposed};
use crate::workflow::custody::Asked;

/// Who is asked to sign, and how those on other machines are.
#[derive(Debug, clap::Args)]
pub struct CustodianArgs {
    /// Custodian who signs, by key id; more than once for several [default: those on this machine]
    #[arg(long, value_name = "KID")]
    signer: Vec<KeyId>,
    /// File to create for custodians on other machines, as `root sign` reads it; never overwritten
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl CustodianArgs {
    /// Returns arguments that name a file and nobody.
    #[must_use]
    pub const fn with_out(out: Option<PathBuf>) -> Self {
        Self { signer: Vec::new(), out }
    }

    /// Returns whom the operator asks.
    #[must_use]
    pub fn asked(&self) -> Asked<'_> {
        Asked { named: &self.signer, elsewhere: self.out.is_some() }
    }

    /// Prepares the file for the others, before anything is begun.
    ///
    /// # Errors
    ///
    /// Where it exists already or cannot be made.
    pub fn reserve(&self) -> Result<Option<files::Output>, CommandError> {
        Ok(self.out.as_deref().map(files::create_new).transpose()?)
    }

    /// Tells how far a change has come, and writes the request where it waits for others.
    ///
    /// # Errors
    ///
    /// Those of the repository, the file and the printer.
    pub fn tell(
        &self,
        output: Option<files::Output>,
        repository: &Repository,
        proposed: &Proposed,
        printer: &mut Printer,
    ) -> Result<Value, CommandError> {
        let waits = match &proposed.progress {
            Progress::Stands(documents) => {
                let indices: Vec<_> = documents.iter().map(|(index, _)| *index).collect();
                return Ok(json!({"stands": true, "log_indices": indices, "missing": []}));
            }
            Progress::Waits(missing) => missing,
        };
        if let Some(output) = output {
            let request = proposed.change.request(repository)?;
            output.reserve(request.len() as u64)?;
            output.commit(&request)?;
        }
        let missing: Vec<_> = waits.iter().map(|signer| signer.thumbprint.key_id().to_string()).collect();
        printer.line(format_args!("Waits for the signatures of {}.", missing.join(", ")))?;
        if let Some(file) = &self.out {
            let file = file.display();
            printer.line(format_args!(
                "Each of them runs `chancery root sign {file} --key REF --out ANSWER.ccer`."
            ))?;
        }
        printer.line("Next: `chancery root collect ANSWER.ccer…`")?;
        Ok(json!({"stands": false, "missing": missing, "file": self.out}))
    }
}

/// Adds the fields of one object to another.
pub fn join(mut value: Value, more: Value) -> Value {
    if let (Value::Object(fields), Value::Object(more)) = (&mut value, more) {
        fields.extend(more);
    }
    value
}
