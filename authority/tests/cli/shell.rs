//! What `chancery` writes for shells and for `man`: whole, for every command, and never over a file.

use std::fs;
use std::process::{Command, Output, Stdio};

use crate::homes::{Folder, content};

const SHELLS: [&str; 5] = ["bash", "elvish", "fish", "powershell", "zsh"];

const NOUNS: [&str; 10] = [
    "bundle",
    "catalog",
    "customer",
    "demo",
    "doctor",
    "entitlement",
    "init",
    "key",
    "license",
    "revocation",
];

fn chancery(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_chancery")).args(args).output().unwrap()
}

#[test]
fn every_shell_is_given_every_command() {
    for shell in SHELLS {
        let output = chancery(&["completions", shell]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{shell}");
        for noun in NOUNS {
            assert!(text.contains(noun), "{shell} is not given {noun}");
        }
        assert!(text.contains("--entitlement") || text.contains("-l entitlement"), "{shell}");
    }
}

#[test]
fn the_shell_itself_accepts_its_completions() {
    let folder = Folder::new();
    let script = folder.path().join("chancery.bash");
    fs::write(&script, chancery(&["completions", "bash"]).stdout).unwrap();
    // What the shell would offer after `chancery license `.
    let offered = "source \"$1\"; COMP_WORDS=(chancery license ''); COMP_CWORD=2; \
                   _chancery chancery '' license; echo \"${COMPREPLY[*]}\"";
    let output = Command::new("bash")
        .args(["--norc", "-c", offered, "bash", script.to_str().unwrap()])
        .stdin(Stdio::null())
        .output()
        .expect("bash is missing");
    let reply = String::from_utf8(output.stdout).unwrap();
    for verb in ["export", "issue", "list", "show"] {
        assert!(reply.split_whitespace().any(|word| word == verb), "{reply}");
    }
}

#[test]
fn manual_pages_are_whole_and_never_overwritten() {
    let folder = Folder::new();
    let at = folder.path().to_str().unwrap().to_owned();
    let output = chancery(&["man", &at]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let page = fs::read_to_string(folder.path().join("chancery-license-issue.1")).unwrap();
    for part in [".TH chancery-license-issue 1", "\\-\\-entitlement", "\\-\\-request", "never overwritten"] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    let before = content(folder.path());
    let again = chancery(&["man", &at]);
    let told = String::from_utf8(again.stderr).unwrap();
    assert_eq!(again.status.code(), Some(1), "{told}");
    assert!(told.contains("already exists") && told.contains("hint: "), "{told}");
    assert_eq!(content(folder.path()), before);
}
