//! The command line: the tree of nouns and verbs, and what every command is given.
//!
//! Commands read arguments, run a workflow and print. Not here: the steps (`workflow`), SQL
//! (`repository`), the form of times and values (`output`).

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use chancery_carriers::report::{Exit, Report};
use chancery_hsm_config::protect_process_memory;

use crate::error::CommandError;

pub mod approval;
pub mod approver;
pub mod argument;
pub mod backup;
pub mod batch;
pub mod bundle;
pub mod catalog;
pub mod ceremony;
pub mod completions;
pub mod confirm;
pub mod context;
pub mod custodians;
pub mod customer;
pub mod demo;
pub mod doctor;
pub mod entitlement;
pub mod init;
pub mod inspect;
pub mod key;
pub mod license;
pub mod log;
pub mod man;
pub mod order;
pub mod report;
pub mod request;
pub mod restore;
pub mod revocation;
pub mod role;
pub mod root;
pub mod sale;
pub mod site;
pub mod witness;

pub use context::Context;

/// Issue software licenses on a machine that never touches a network
///
/// Signing keys stay in an HSM, every license enters an append-only log before it is signed, and
/// products check licenses with a small library that cannot open a socket.
#[derive(Debug, Parser)]
#[command(
    name = "chancery",
    version,
    max_term_width = 100,
    after_long_help = "Exit codes:\n  \
        0 done   1 failed   2 usage   3 refused by policy or verification   4 HSM   5 integrity alarm\n\n\
        Examples:\n  \
        chancery demo\n  \
        chancery init --home /srv/authority\n  \
        chancery license issue --entitlement ent_0123456789ABC --request pump.creq -o pump.clic"
)]
pub struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(Debug, clap::Args)]
pub struct Globals {
    /// Directory of the authority [default: ~/.local/share/chancery]
    #[arg(long, global = true, value_name = "DIR", env = "CHANCERY_HOME", hide_env_values = true)]
    home: Option<PathBuf>,
    /// Print the result, or the error, as one JSON object
    #[arg(long, global = true)]
    json: bool,
    /// Read PINs and passphrases from this file descriptor, one a line
    #[arg(long, global = true, value_name = "N")]
    pin_fd: Option<u32>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::InitArgs),
    Demo(demo::DemoArgs),
    #[command(subcommand)]
    Ceremony(ceremony::CeremonyCommand),
    #[command(subcommand)]
    Key(key::KeyCommand),
    #[command(subcommand)]
    Root(root::RootCommand),
    #[command(subcommand)]
    Role(role::RoleCommand),
    #[command(subcommand)]
    Catalog(catalog::CatalogCommand),
    #[command(subcommand)]
    Customer(customer::CustomerCommand),
    #[command(subcommand)]
    Entitlement(entitlement::EntitlementCommand),
    #[command(subcommand)]
    Order(order::OrderCommand),
    #[command(subcommand)]
    Request(request::RequestCommand),
    #[command(subcommand)]
    Approval(approval::ApprovalCommand),
    #[command(subcommand)]
    Approver(approver::ApproverCommand),
    #[command(subcommand)]
    Site(site::SiteCommand),
    #[command(subcommand)]
    License(license::LicenseCommand),
    #[command(subcommand)]
    Batch(batch::BatchCommand),
    #[command(subcommand)]
    Revocation(revocation::RevocationCommand),
    #[command(subcommand)]
    Bundle(bundle::BundleCommand),
    #[command(subcommand)]
    Report(report::ReportCommand),
    Backup(backup::BackupArgs),
    Restore(restore::RestoreArgs),
    #[command(subcommand)]
    Log(log::LogCommand),
    #[command(subcommand)]
    Witness(witness::WitnessCommand),
    Inspect(inspect::InspectArgs),
    Doctor(doctor::DoctorArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

/// Runs the command that the arguments name and returns how the process ends.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => return explain(&error, &args),
    };
    let context = Context::new(cli.globals);
    match protected().and_then(|()| run(&cli.command, &context)) {
        Ok(()) => Exit::Done.into(),
        Err(error) => {
            error.report().print(context.is_json());
            error.report().exit.into()
        }
    }
}

/// Shuts other processes out of this one's memory, before a PIN or a key is in it.
fn protected() -> Result<(), CommandError> {
    protect_process_memory().map_err(|error| {
        CommandError::failed("memory-exposed", "other processes could read this one's memory")
            .cause(error.to_string())
    })
}

fn run(command: &Command, context: &Context) -> Result<(), CommandError> {
    match command {
        Command::Init(args) => init::run(args, context),
        Command::Demo(args) => demo::run(args, context),
        Command::Ceremony(command) => ceremony::run(command, context),
        Command::Key(command) => key::run(command, context),
        Command::Root(command) => root::run(command, context),
        Command::Role(command) => role::run(command, context),
        Command::Catalog(command) => catalog::run(command, context),
        Command::Customer(command) => customer::run(command, context),
        Command::Entitlement(command) => entitlement::run(command, context),
        Command::Order(command) => order::run(command, context),
        Command::Request(command) => request::run(command, context),
        Command::Approval(command) => approval::run(command, context),
        Command::Approver(command) => approver::run(command, context),
        Command::Site(command) => site::run(command, context),
        Command::License(command) => license::run(command, context),
        Command::Batch(command) => batch::run(command, context),
        Command::Revocation(command) => revocation::run(command, context),
        Command::Bundle(command) => bundle::run(command, context),
        Command::Report(command) => report::run(command, context),
        Command::Backup(args) => backup::run(args, context),
        Command::Restore(args) => restore::run(args, context),
        Command::Log(command) => log::run(command, context),
        Command::Witness(command) => witness::run(command, context),
        Command::Inspect(args) => inspect::run(args, context),
        Command::Doctor(args) => doctor::run(args, context),
        Command::Completions(args) => completions::run(args, context),
        Command::Man(args) => man::run(args, context),
    }
}

/// Shows help where it was asked for, and what is wrong with a command line as every other error.
fn explain(error: &clap::Error, args: &[OsString]) -> ExitCode {
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
    let hint = format!("see `{} --help`", command_path(args));
    Report::new("usage", text).hint(hint).exit(Exit::Usage).print(args.iter().any(|arg| arg == "--json"));
    Exit::Usage.into()
}

/// Returns the program and the commands that the arguments name, as far as they are known.
fn command_path(args: &[OsString]) -> String {
    let root = Cli::command();
    let mut command = &root;
    let mut path = root.get_name().to_owned();
    for arg in args {
        if let Some(found) = command.find_subcommand(arg) {
            path = format!("{path} {}", found.get_name());
            command = found;
        }
    }
    path
}

/// Reads an argument that names a customer, product or edition.
fn name_argument(text: &str) -> Result<String, &'static str> {
    chancery_formats::id::name(text)
        .ok_or("1 to 64 of a-z, 0-9, dot, dash and underscore, a letter or digit first")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_sound_and_every_command_has_an_example() {
        fn check(command: &clap::Command) {
            let is_leaf = command.get_subcommands().all(|subcommand| subcommand.get_name() == "help");
            let help = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
            assert!(!is_leaf || help.contains("Examples:"), "{}", command.get_name());
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(!about.is_empty() && !about.ends_with('.'), "{}", command.get_name());
            command.get_subcommands().for_each(check);
        }
        let command = Cli::command();
        check(&command);
        command.debug_assert();
    }
}
