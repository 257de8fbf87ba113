//! `chancery ceremony run`: the ceremony itself, with people around the terminal.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;

use chancery_carriers::output::{PrintError, Printer};
use chancery_carriers::text::shown_path;
use chancery_formats::id::Thumbprint;
use chancery_hsm_config::PinSource;
use serde_json::json;

use super::read;
use crate::commands::Context;
use crate::error::CommandError;
use crate::workflow::ceremony::plan::Plan;
use crate::workflow::ceremony::{self, Answer, Brought, Done, Outcome, Request, Room, Waiting, grouped};

/// What somebody types who does not go on.
const STOP: &str = "stop";

/// Run a ceremony, or go on with the one that was begun
///
/// Shows each step and has it confirmed. What is done is kept beside the home: run the command again after any
/// interruption. Custodians on other machines take part with files in the folder of `--exchange`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery ceremony run ceremony.toml --home /srv/authority --plan-hash 1f0c… --exchange /media/stick\n  \
    chancery ceremony run ceremony.toml --home /srv/authority")]
pub struct RunArgs {
    /// Plan, as it was reviewed
    #[arg(value_name = "FILE")]
    plan: PathBuf,
    /// SHA-256 of the plan, as those who reviewed it wrote it down
    #[arg(long, value_name = "HEX")]
    plan_hash: Option<String>,
    /// Folder for the files that travel to and from other machines
    #[arg(long, value_name = "DIR", default_value = "exchange")]
    exchange: PathBuf,
    /// Confirm every step unseen, for rehearsals; the transcript says so
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(args: &RunArgs, context: &Context) -> Result<(), CommandError> {
    let attended = !args.yes;
    if attended && (context.is_json() || !io::stdin().is_terminal()) {
        return Err(CommandError::refused(
            "ceremony-unattended",
            "nobody is at a terminal to confirm the steps",
        )
        .hint("run it on a terminal; `--yes` confirms every step unseen, and is for rehearsals"));
    }
    let (plan, text) = read(&args.plan)?;
    let home = context.home()?;
    let mut room = Terminal { context, printer: context.printer(), attended };
    require_hash(&plan, args.plan_hash.as_deref(), &mut room)?;
    let request = Request { home: &home, plan: &plan, text: &text, exchange: &args.exchange };
    let mut pins: PinSource = context.pins()?;
    loop {
        match ceremony::run(&request, &mut room, &mut pins)? {
            Outcome::Done(done) => return tell(&done, &plan, &mut room.printer),
            Outcome::Waiting(waiting) => {
                wait(&waiting, args, &mut room.printer)?;
                if !attended {
                    return Ok(room
                        .printer
                        .json(&json!({"finished": false, "waiting": described(&waiting)}))?);
                }
                if room.ask("Press Enter when the files are there, or type `stop` to go on another day: ")?
                    == STOP
                {
                    return room.printer.line("Nothing is lost: run the command again.").map_err(Into::into);
                }
            }
        }
    }
}

/// Compares the plan with what was reviewed: by the whole hash, or by its end, typed from paper.
fn require_hash(plan: &Plan, given: Option<&str>, room: &mut Terminal<'_>) -> Result<(), CommandError> {
    const TYPED: usize = 8;
    let found = Thumbprint(plan.hash).to_string();
    match given {
        Some(given) if given.eq_ignore_ascii_case(&found) => Ok(()),
        Some(_) => Err(CommandError::refused("plan-hash-wrong", "this is not the plan that was reviewed")
            .cause(format!("its SHA-256 is {found}"))
            .hint("compare the file with what the others have; review it again where it had to change")),
        None => {
            let shown = grouped(&plan.hash);
            room.show(
                "The plan",
                &[("SHA-256 begins".to_owned(), shown.get(..69).unwrap_or_default().to_owned())],
            )?;
            let typed = found.get(found.len() - TYPED..).unwrap_or_default();
            let question = format!("From paper: the last {TYPED} characters of the plan's SHA-256");
            room.confirm(&question, Answer::FromPaper(typed)).map(drop)
        }
    }
}

/// The terminal, and the people at it.
struct Terminal<'a> {
    context: &'a Context,
    printer: Printer,
    attended: bool,
}

impl Terminal<'_> {
    /// Asks on stderr, and reads a line.
    fn ask(&mut self, question: &str) -> Result<String, CommandError> {
        io::stderr().write_all(question.as_bytes()).map_err(PrintError::from)?;
        let mut line = String::new();
        if io::stdin().lock().read_line(&mut line).map_err(PrintError::from)? == 0 {
            return Ok(STOP.to_owned());
        }
        Ok(line.split_whitespace().collect::<String>().to_lowercase())
    }
}

impl Room for Terminal<'_> {
    fn now(&self) -> Result<u64, CommandError> {
        self.context.now()
    }

    fn show(&mut self, heading: &str, fields: &[(String, String)]) -> Result<(), CommandError> {
        if !heading.is_empty() {
            self.printer.line(format_args!("\n{heading}"))?;
        }
        let fields: Vec<_> = fields.iter().map(|(what, value)| (what.as_str(), value.clone())).collect();
        Ok(self.printer.fields(&fields)?)
    }

    fn confirm(&mut self, question: &str, answer: Answer<'_>) -> Result<bool, CommandError> {
        if !self.attended {
            return Ok(false);
        }
        let (prompt, word) = match answer {
            Answer::FromPaper(text) => (format!("{question}: "), text),
            Answer::Word(word) => {
                (format!("{question} Type `{word}` to go on, `{STOP}` to end for today: "), word)
            }
        };
        loop {
            match self.ask(&prompt)? {
                typed if typed == word => return Ok(true),
                typed if typed == STOP => {
                    return Err(CommandError::failed("ceremony-stopped", "the ceremony was stopped here")
                        .hint("run the command again to go on: what is done stays done"));
                }
                _ => self.printer.line("That is not it. Look again: a difference is a reason to stop.")?,
            }
        }
    }
}

/// Tells who has to bring what, and how they make it.
fn wait(waiting: &[Waiting], args: &RunArgs, printer: &mut Printer) -> Result<(), CommandError> {
    printer
        .line(format_args!("\nThe ceremony waits for files of others, in {}:", shown_path(&args.exchange)))?;
    for Waiting { who, what } in waiting {
        let (what, command) = match what {
            Brought::Proof => (
                "a proof of their key",
                format!("ceremony prove {} --name '{who}' --key REF --out FILE.cpos", shown_path(&args.plan)),
            ),
            Brought::Answer(request) => {
                ("their signatures", format!("root sign {} --key REF --out FILE.ccer", shown_path(request)))
            }
            Brought::Recovery(authority) => (
                "a proof for the recovery set",
                format!("ceremony prove --authority-id {authority} --name '{who}' --key REF --out FILE.cpos"),
            ),
        };
        printer.line(format_args!("  {who}: {what}\n    chancery {command}"))?;
    }
    Ok(())
}

fn described(waiting: &[Waiting]) -> Vec<serde_json::Value> {
    let describe = |Waiting { who, what }: &Waiting| match what {
        Brought::Proof => json!({"who": who, "what": "proof"}),
        Brought::Answer(request) => json!({"who": who, "what": "answer", "request": request}),
        Brought::Recovery(authority) => {
            json!({"who": who, "what": "recovery-proof", "authority_id": authority.to_string()})
        }
    };
    waiting.iter().map(describe).collect()
}

fn tell(done: &Done, plan: &Plan, printer: &mut Printer) -> Result<(), CommandError> {
    printer.line(format_args!("\nAuthority {} is made.", plan.name))?;
    printer.fields(&[
        ("authority id", done.authority.to_string()),
        ("transcript, SHA-256", Thumbprint(done.transcript).to_string()),
        ("observers wrote down", grouped(&done.link)),
    ])?;
    for file in &done.files {
        printer.fields(&[("file", shown_path(file))])?;
    }
    printer.line("Print transcript.txt and have everybody sign it. Pin the authority id in your product.")?;
    let keys: Vec<_> =
        done.keys.iter().map(|(name, key)| json!({"name": name, "thumbprint": key.to_string()})).collect();
    Ok(printer.json(&json!({
        "finished": true,
        "authority_id": done.authority.to_string(),
        "plan_sha256": Thumbprint(plan.hash).to_string(),
        "transcript_sha256": Thumbprint(done.transcript).to_string(),
        "link": Thumbprint(done.link).to_string(),
        "keys": keys,
        "files": done.files,
    }))?)
}
