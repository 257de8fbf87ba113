//! A transcript for people: what is read aloud at the end of a ceremony, printed, and signed by hand.

use std::fmt::Write as _;

use chancery_formats::id::Thumbprint;
use chancery_formats::merkle::Hash;
use chancery_formats::trust::Transcript;
use chancery_formats::trust::transcript::Value as Told;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{time, time_json};

/// Returns the text to print. `sealed` is the whole document, whose hash stands at the end.
#[must_use]
pub fn text(transcript: &Transcript<'_>, sealed: Option<&[u8]>) -> String {
    let mut text = String::new();
    let mut line = |what: &str, value: &str| {
        let _ = writeln!(text, "  {what}: {value}"); // writing to a string cannot fail
    };
    line("authority id", &hex(&transcript.authority.0));
    line("plan, SHA-256", &hex(&transcript.plan));
    line("operator", transcript.operator);
    for observer in &transcript.observers {
        line("observer", observer);
    }
    let mut text = format!("TRANSCRIPT OF A ROOT CEREMONY\n\n{text}");
    for (number, (step, link)) in transcript.steps.iter().zip(transcript.links()).enumerate() {
        let confirmed = if step.confirmed { "confirmed at the machine" } else { "UNATTENDED" };
        let _ = writeln!(text, "\n{}. {}, {}, {confirmed}", number + 1, step.name, time(step.time));
        for fact in &step.facts {
            let value = match &fact.value {
                Told::Text(value) => (*value).to_owned(),
                Told::Hash(hash) => hex(hash),
            };
            let _ = writeln!(text, "  {}: {value}", fact.what);
        }
        let _ = writeln!(text, "  observers wrote down: {}", hex(&link));
    }
    if let Some(sealed) = sealed {
        let _ = writeln!(text, "\nTranscript, SHA-256: {}", hex(&Sha256::digest(sealed).into()));
    }
    let _ = writeln!(text, "\nRead, compared and signed by hand:\n");
    for name in std::iter::once(&transcript.operator).chain(&transcript.observers) {
        let _ = writeln!(text, "  ______________________________  {name}\n");
    }
    text
}

/// Describes a transcript for programs.
#[must_use]
pub fn json(transcript: &Transcript<'_>) -> Value {
    let steps: Vec<_> = transcript
        .steps
        .iter()
        .zip(transcript.links())
        .map(|(step, link)| {
            let facts: Vec<_> = step
                .facts
                .iter()
                .map(|fact| match &fact.value {
                    Told::Text(value) => json!({"what": fact.what, "text": value}),
                    Told::Hash(hash) => json!({"what": fact.what, "sha256": Thumbprint(*hash).to_string()}),
                })
                .collect();
            json!({
                "name": step.name,
                "time": time_json(step.time),
                "confirmed": step.confirmed,
                "facts": facts,
                "link": Thumbprint(link).to_string(),
            })
        })
        .collect();
    json!({
        "authority_id": transcript.authority.to_string(),
        "plan_sha256": Thumbprint(transcript.plan).to_string(),
        "operator": transcript.operator,
        "observers": transcript.observers,
        "steps": steps,
    })
}

fn hex(hash: &Hash) -> String {
    Thumbprint(*hash).to_string()
}
