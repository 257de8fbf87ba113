//! Making a request: the first run, and what never leaves or is overwritten; wrong command lines.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use chancery_carriers::picture;
use chancery_formats::document::Kind;

use crate::support::Site;
use crate::{REQUEST, parsed, requested};

#[test]
fn first_run_makes_the_key_and_a_later_one_keeps_it() {
    let site = Site::new("first-run");
    assert!(
        site.ok("fingerprint").starts_with("device:  no device key yet; `chancery-site request` makes it\n")
    );
    assert!(!site.folder.join("state").exists(), "looking makes nothing");

    let (code, stdout, stderr) = site.run(&format!("{REQUEST} -o pump.creq --qr pump.png"));
    assert_eq!((code, stderr.as_str()), (0, "made the device key of this machine in state\n"));
    assert!(stdout.starts_with("Wrote activation request pump.creq\nproduct:     pump\n"), "{stdout}");
    let mode = |name: &str| fs::metadata(site.folder.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("state"), mode("state/device.key"), mode("state/manifest.json")), (0o700, 0o600, 0o600));
    assert_eq!((mode("state/requests"), mode("pump.creq") & 0o600), (0o700, 0o600));

    let texts = picture::read(&site.read("pump.png")).unwrap();
    let (kind, carried) = chancery_formats::text::decode_qr(&texts[0]).unwrap();
    assert_eq!((kind, carried), (Kind::Request, site.read("pump.creq")));
    assert!(picture::qr_version(&texts[0]).unwrap() <= 12);

    let key = site.read("state/device.key");
    let (code, _, stderr) = site.run(&format!("{REQUEST} -o second.creq"));
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_eq!(site.read("state/device.key"), key);
    assert_ne!(site.read("second.creq"), site.read("pump.creq"), "each request has a nonce of its own");
}

#[test]
fn two_processes_at_first_run_use_one_key() {
    let site = Site::new("race");
    let racers: Vec<_> = (0..4)
        .map(|number| site.command(&format!("{REQUEST} -o {number}.creq --json")))
        .map(|mut command| command.stdout(std::process::Stdio::piped()).spawn().unwrap())
        .collect();
    let devices = racers.into_iter().map(|racer| {
        let output = racer.wait_with_output().unwrap();
        assert!(output.status.success());
        parsed(std::str::from_utf8(&output.stdout).unwrap())["device"].clone()
    });
    let mut devices: Vec<_> = devices.collect();
    devices.dedup();
    assert_eq!(devices.len(), 1, "{devices:?}");
}

#[test]
fn interrupted_first_run_is_finished_by_the_next() {
    let (site, _) = requested("interrupted");
    let key = site.read("state/device.key");
    for name in ["state/manifest.json", "state/requests"] {
        let path = site.folder.join(name);
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }
    site.ok(&format!("{REQUEST} -o again.creq"));
    assert_eq!(site.read("state/device.key"), key);
}

#[test]
fn existing_output_is_never_overwritten() {
    let site = Site::new("overwrite");
    site.write("pump.creq", "mine");
    site.fails(
        &format!("{REQUEST} -o pump.creq"),
        1,
        "error: pump.creq already exists\n\
         hint: choose another name, or move the existing file away; nothing is overwritten\n",
    );
    assert!(!site.folder.join("state").exists(), "refused before a key is made");
    site.write("pump.png", "mine");
    assert_eq!(site.run(&format!("{REQUEST} -o second.creq --qr pump.png")).0, 1);
    assert!(!site.folder.join("second.creq").exists(), "all outputs or none");
    assert_eq!((site.read("pump.creq"), site.read("pump.png")), (b"mine".to_vec(), b"mine".to_vec()));
}

#[test]
fn component_values_never_leave() {
    let site = Site::new("values");
    site.ok(&format!("{REQUEST} -o pump.creq --json"));
    let outputs = [site.ok("fingerprint"), site.ok("fingerprint --json"), site.ok("status --json")].concat();
    let components = chancery_verifier::device::collect::components();
    assert!(!components.is_empty());
    for component in components {
        let value = String::from_utf8_lossy(&component.value).into_owned();
        assert!(!outputs.contains(&value), "the {} is printed", component.kind.name());
        let request = site.read("pump.creq");
        assert!(
            !request.windows(value.len()).any(|window| window == value.as_bytes()),
            "the {} travels",
            component.kind.name()
        );
    }
}

#[test]
fn wrong_command_lines_and_help() {
    let site = Site::new("usage");
    for line in [
        "request --product Pump! --entitlement ent_0123456789ABC -o x",
        "request --product pump --entitlement lic_0 -o x",
        "nonsense",
        "check",
    ] {
        let (code, _, stderr) = site.run(line);
        assert_eq!(code, 2, "{line}");
        assert!(stderr.starts_with("error: ") && stderr.contains("\nhint: "), "{line}: {stderr}");
    }
    assert_eq!(site.run(&format!("{REQUEST} -o x --qr x.gif")).0, 2);
    assert_eq!(site.run(&format!("{REQUEST} -o x --qr - --json")).0, 2);
    for command in ["fingerprint", "request", "install", "verify", "status", "check", "completions"] {
        let help = site.ok(&format!("{command} --help"));
        assert!(help.contains(&format!("  chancery-site {command}")) && help.contains("Example"), "{help}");
    }
    assert!(site.ok("completions bash").contains("chancery-site"));
}

#[test]
fn state_has_a_place_of_its_own_without_being_named() {
    let site = Site::new("place");
    for (variable, state) in
        [("HOME", "home/.local/state/chancery-site"), ("XDG_STATE_HOME", "xdg/chancery-site")]
    {
        let mut command = site.command(&format!("{REQUEST} -o {variable}.creq"));
        command.env_remove("CHANCERY_SITE").env_remove("XDG_STATE_HOME");
        let first = state.split('/').next().unwrap();
        assert!(command.env(variable, site.folder.join(first)).output().unwrap().status.success());
        assert!(site.folder.join(state).join("device.key").exists(), "{state}");
    }
    for (line, exit) in [("status", 2), ("completions bash", 0)] {
        let mut command = site.command(line);
        command.env_remove("CHANCERY_SITE").env_remove("XDG_STATE_HOME").env_remove("HOME");
        assert_eq!(
            command.output().unwrap().status.code(),
            Some(exit),
            "only what needs a state asks for its place"
        );
    }
}
