//! Asking a person before something that cannot be taken back.
//!
//! Not here: what is asked, and showing it first.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::error::CommandError;

/// Asks on the terminal and goes on after `yes`; a command line that says so already is not asked.
///
/// # Errors
///
/// `not-confirmed` for any other answer; a usage error where nobody can be asked.
pub fn confirm(question: &str, yes: bool) -> Result<(), CommandError> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(CommandError::usage("this asks a person, and there is no terminal to ask on")
            .hint("look at what is asked, then add `--yes`"));
    }
    let mut stderr = io::stderr().lock();
    let mut answer = String::new();
    let asked = write!(stderr, "{question} Type yes to go on: ").and_then(|()| stderr.flush());
    let read = asked.and_then(|()| io::stdin().lock().read_line(&mut answer));
    match read {
        Ok(_) if answer.trim() == "yes" => Ok(()),
        Ok(_) => Err(CommandError::failed("not-confirmed", "nothing was signed")
            .hint("run the command again, and type yes")),
        Err(error) => {
            Err(CommandError::failed("not-confirmed", "nothing was signed").cause(error.to_string()))
        }
    }
}
