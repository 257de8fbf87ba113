//! Starting `chancery` for one short answer, beside starting a program that does nothing.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::Value;

use crate::Effort;
use crate::measure::Series;

/// Measures `chancery license show` in a home made for it, and prints the table.
///
/// # Panics
///
/// Where a program cannot be run, or `license show` does not show the license.
pub fn run(programs: &Path, effort: Effort) {
    let scratch = Scratch::new();
    // The programs run in a folder of their own.
    let programs = &programs.canonicalize().expect("the folder of the programs");
    let license = prepare(programs, &scratch);
    let empty = std::env::current_exe().expect("this program").with_file_name("empty");
    let chancery = |arguments: &[&str]| {
        let mut command = Command::new(programs.join("chancery"));
        command.arg("--home").arg(scratch.0.join("home")).args(arguments);
        command
    };
    let mut rows: Vec<(&str, Command)> = vec![
        ("empty program", Command::new(empty)),
        ("`chancery --version`", chancery(&["--version"])),
        ("`chancery license show ID`", chancery(&["license", "show", &license])),
    ];
    let series = in_turns(&mut rows, effort.starts);
    println!("\n## Starting\n");
    println!("| program | least ms | median ms | ratio of least | median ratio |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    for ((name, _), one) in rows.iter().zip(&series) {
        println!(
            "| {name} | {:.2} | {:.2} | {:.2} | {:.2} |",
            one.least() / 1e6,
            one.quantile(0.5) / 1e6,
            one.least() / series[0].least(),
            one.median_ratio(&series[0]),
        );
    }
    println!("\n| program | bytes |\n| --- | ---: |");
    for name in ["chancery", "chancery-site"] {
        println!("| `{name}` | {} |", std::fs::metadata(programs.join(name)).expect("a program").len());
    }
}

fn in_turns(rows: &mut [(&str, Command)], rounds: usize) -> Vec<Series> {
    let mut times = vec![Vec::with_capacity(rounds); rows.len()];
    for _ in 0..rounds {
        for ((name, command), times) in rows.iter_mut().zip(&mut times) {
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let start = Instant::now();
            let status = command.status().expect("a program that runs");
            times.push(start.elapsed().as_nanos() as f64);
            assert!(status.success(), "{name} fails");
        }
    }
    times.into_iter().map(Series::new).collect()
}

/// Makes an authority with one license, and returns the license's id.
fn prepare(programs: &Path, scratch: &Scratch) -> String {
    let folder = &scratch.0;
    let chancery = programs.join("chancery");
    let home = ["--home", "home", "--json", "--pin-fd", "0"];
    let say = |words: &[&str]| json(Command::new(&chancery).current_dir(folder).args(home).args(words));
    std::fs::write(folder.join("catalog.toml"), CATALOG).expect("a file");
    say(&["init", "--name", "Northwind Controls GmbH"]);
    say(&["catalog", "apply", "catalog.toml"]);
    say(&["customer", "add", "acme", "--name", "Acme"]);
    let grant = ["--customer", "acme", "--product", "pump", "--edition", "standard", "--quantity", "1"];
    let granted = say(&[&["entitlement", "grant"][..], &grant].concat());
    let entitlement = granted["id"].as_str().expect("an id").to_owned();
    let mut site = Command::new(programs.join("chancery-site"));
    site.current_dir(folder).args(["--state", "site", "--json", "request", "--product", "pump"]);
    json(site.args(["--entitlement", &entitlement, "-o", "pump.creq"]));
    let issued = say(&[
        "license",
        "issue",
        "--entitlement",
        &entitlement,
        "--request",
        "pump.creq",
        "-o",
        "pump.clic",
    ]);
    issued["id"].as_str().expect("an id").to_owned()
}

fn json(command: &mut Command) -> Value {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a program");
    // A program that asks for no PIN may have ended already.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(b"a passphrase of the benchmark\n"));
    let output = child.wait_with_output().expect("an end");
    assert!(output.status.success(), "{command:?} fails: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

const CATALOG: &str = r#"
[[product]]
id = "pump"
name = "Pump Control"

[[product.feature]]
id = "logging"

[[product.feature]]
id = "channels"
kind = "limit"

[[product.edition]]
id = "standard"
features = { logging = true, channels = 16 }
"#;

/// A folder that is removed in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("chancery-bench-{}", std::process::id()));
        std::fs::create_dir(&path).expect("a new folder");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
