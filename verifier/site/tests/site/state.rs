//! A state that lost something or was changed: an alarm, and never made anew.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::Vendor;
use crate::{INSTALL, REQUEST, installed, valve};

#[test]
fn what_the_state_lost_is_an_alarm_and_never_made_anew() {
    let (site, vendor) = installed("lost");
    let lose = |name: &str, expected: &str| {
        let (path, aside) = (site.folder.join("state").join(name), site.folder.join("aside"));
        fs::rename(&path, &aside).unwrap();
        for command in ["check logging", "status", &format!("{REQUEST} -o again.creq")] {
            let (code, _, stderr) = site.run(command);
            assert_eq!((code, stderr.lines().next()), (5, Some(expected)), "{command} without {name}");
        }
        assert!(!path.exists() && !site.folder.join("again.creq").exists());
        fs::rename(&aside, &path).unwrap();
        site.ok("check logging");
    };
    lose("device.key", "error: the device key state/device.key is gone");
    lose("manifest.json", "error: the manifest of the state in state is gone");
    lose("trust.ctrust", "error: the trust bundle state/trust.ctrust is gone");

    fs::remove_file(site.folder.join("state/trust.ctrust")).unwrap();
    site.write("other.ctrust", Vendor::new(2).bundle);
    assert_eq!(site.run("install pump.clic --trust other.ctrust").0, 5, "the pin stands without the bundle");
    site.ok(INSTALL);
    assert_eq!(site.read("state/trust.ctrust"), vendor.bundle);
    site.ok("check logging");
}

#[test]
fn what_was_changed_in_the_state_is_an_alarm() {
    let (site, _) = installed("changed");
    site.ok(&format!("--state second {REQUEST} -o second.creq"));
    let change = |name: &str, change: &dyn Fn(&mut Vec<u8>), expected: &str| {
        let (name, good) = (format!("state/{name}"), site.read(&format!("state/{name}")));
        let mut bytes = good.clone();
        change(&mut bytes);
        site.write(&name, bytes);
        let (code, _, stderr) = site.run("check logging");
        assert_eq!((code, stderr.lines().next()), (5, Some(expected)), "{name}");
        site.write(&name, good);
    };
    let flip_last = |bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1;
    change("licenses/pump.clic", &flip_last, "error: the installed license of pump was altered");
    change("trust.ctrust", &flip_last, "error: the trust bundle state/trust.ctrust is damaged");
    change("manifest.json", &|bytes| bytes.clear(), "error: the manifest of the state is damaged");
    change("device.key", &|bytes| bytes.clear(), "error: the device key state/device.key is damaged");
    let other_key = |bytes: &mut Vec<u8>| *bytes = site.read("second/device.key");
    change(
        "device.key",
        &other_key,
        "error: the device key state/device.key is not the one that was made here",
    );
    site.ok("check logging");
    fs::set_permissions(site.folder.join("state"), fs::Permissions::from_mode(0o755)).unwrap();
    site.fails(
        "check logging",
        1,
        "error: state is open to others: mode 755\n\
         hint: take the rights of group and others away with `chmod go=`, and ask who had them\n",
    );
}

#[test]
fn license_copied_into_the_state_of_another_device_is_denied() {
    let (site, vendor) = installed("copied");
    site.ok(&format!("--state second {REQUEST} -o second.creq"));
    site.write("valve.clic", valve(&vendor));
    site.ok("--state second install valve.clic --trust vendor.ctrust");
    fs::copy(site.folder.join("state/licenses/pump.clic"), site.folder.join("second/licenses/pump.clic"))
        .unwrap();
    fs::set_permissions(site.folder.join("second/licenses/pump.clic"), fs::Permissions::from_mode(0o600))
        .unwrap();
    let (code, _, stderr) = site.run("--state second check logging --product pump");
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.starts_with("error: logging is denied: license is for device dev_"), "{stderr}");
}
