//! The command line: the verbs, and what every command is given.
//!
//! Commands read arguments, ask the verifier and print. Not here: the state folder (`store`).

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chancery_carriers::files;
use chancery_carriers::load;
use chancery_carriers::output::Printer;
use chancery_carriers::report::{Exit, Report};
use chancery_carriers::text::shown_path;
use chancery_formats::document::MAX_BUNDLE;
use chancery_formats::id::is_name;
use chancery_formats::trust::Bundle;
use chancery_hsm_config::protect_process_memory;
use chancery_verifier::{Pin, Trust};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser, Subcommand};

use crate::error::CommandError;
use crate::store::Store;

mod audit;
mod check;
mod fingerprint;
mod install;
mod installed;
mod request;
mod show;
mod status;
mod verify;

/// Install and check licenses on a machine without a network
///
/// Requests travel to the vendor and licenses come back as files or pictures. Nothing here opens a
/// socket; the state of this machine stays in one folder.
#[derive(Debug, Parser)]
#[command(
    name = "chancery-site",
    version,
    max_term_width = 100,
    after_long_help = "Exit codes:\n  \
        0 done, or the feature may run   1 failed   2 usage   3 refused or denied   5 integrity alarm\n\n\
        Examples:\n  \
        chancery-site request --product pump --entitlement ent_0123456789ABC -o pump.creq\n  \
        chancery-site install pump.clic --trust vendor.ctrust\n  \
        chancery-site check logging"
)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(Debug, clap::Args)]
struct Globals {
    /// Folder of this site's state [default: ~/.local/state/chancery-site]
    #[arg(long, global = true, value_name = "DIR", env = "CHANCERY_SITE", hide_env_values = true)]
    state: Option<PathBuf>,
    /// Print the result, or the error, as one JSON object
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Fingerprint(fingerprint::FingerprintArgs),
    Request(request::RequestArgs),
    Install(install::InstallArgs),
    Verify(verify::VerifyArgs),
    Status(status::StatusArgs),
    Check(check::CheckArgs),
    Audit(audit::AuditArgs),
    Completions(CompletionsArgs),
}

/// Print the completion script of a shell
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  chancery-site completions bash > chancery-site.bash")]
struct CompletionsArgs {
    /// Shell that the script is for
    shell: clap_complete::Shell,
}

/// What every command is given; nothing is opened until a command asks.
#[derive(Debug)]
struct Context {
    state: Option<PathBuf>,
    json: bool,
}

impl Context {
    /// Returns where the state is; a usage error where nothing names a folder.
    fn store(&self) -> Result<Store, CommandError> {
        Store::new(self.state.clone())
    }

    fn printer(&self) -> Printer {
        Printer::new(self.json)
    }
}

/// Runs the command that the arguments name and returns how the process ends.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let Cli { globals, command } = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => return explain(&error, args.iter().any(|arg| arg == "--json")),
    };
    let json = globals.json;
    match protected().and_then(|()| run(&command, &Context { state: globals.state, json })) {
        Ok(()) => Exit::Done.into(),
        Err(error) => {
            error.report().print(json);
            error.report().exit.into()
        }
    }
}

/// Shuts other processes out of this one's memory, before the device key is in it.
fn protected() -> Result<(), CommandError> {
    protect_process_memory().map_err(|error| {
        CommandError::failed("memory-exposed", "other processes could read this one's memory")
            .cause(error.to_string())
    })
}

fn run(command: &Command, context: &Context) -> Result<(), CommandError> {
    match command {
        Command::Fingerprint(args) => fingerprint::run(args, context),
        Command::Request(args) => request::run(args, context),
        Command::Install(args) => install::run(args, context),
        Command::Verify(args) => verify::run(args, context),
        Command::Status(args) => status::run(args, context),
        Command::Check(args) => check::run(args, context),
        Command::Audit(args) => audit::run(args, context),
        Command::Completions(args) => complete(args, context),
    }
}

fn complete(args: &CompletionsArgs, context: &Context) -> Result<(), CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "chancery-site", &mut script);
    let script = String::from_utf8_lossy(&script);
    let mut printer = context.printer();
    printer.raw(&script)?;
    Ok(printer.json(&serde_json::json!({"shell": args.shell.to_string(), "script": script}))?)
}

/// Reads and loads a trust bundle, as a file or armored, with the bytes to keep.
fn load_trust(path: &Path, pin: Pin) -> Result<(Trust, Vec<u8>), CommandError> {
    let bytes = files::read_document(path, MAX_BUNDLE as u64)?;
    let bytes = if Bundle::looks_like(&bytes) { bytes } else { load::load(path)?.bytes };
    match Trust::load(&bytes, pin) {
        Ok(trust) => Ok((trust, bytes)),
        Err(refusal) => {
            let what = format!("{} is not a trust bundle to rely on", shown_path(path));
            Err(CommandError::not_genuine(what, &refusal))
        }
    }
}

/// Reads the name of a product or feature from the command line.
fn name(text: &str) -> Result<String, &'static str> {
    let error = "not a name: 1 to 64 of a-z 0-9 . _ -, starting with a letter or digit";
    is_name(text).then(|| text.into()).ok_or(error)
}

/// Shows help where it was asked for, and what is wrong with a command line as every other error.
fn explain(error: &clap::Error, json: bool) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            return if error.print().is_ok() { Exit::Done.into() } else { Exit::Failed.into() };
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print(); // the exit code tells the rest
            return Exit::Usage.into();
        }
        _ => {}
    }
    let rendered = error.render().to_string();
    let text = rendered.split("\n\n").next().unwrap_or_default();
    let text = text.strip_prefix("error: ").unwrap_or(text).trim_end();
    let hint = match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) => usage.to_string().trim().replace("Usage: ", "usage: "),
        _ => "see `chancery-site --help`".to_owned(),
    };
    Report::new("usage", text).hint(hint).exit(Exit::Usage).print(json);
    Exit::Usage.into()
}
