//! Installing: every carrier, and everything that is refused before anything is written.

use std::fs;

use chancery_carriers::picture::{self, Format};
use chancery_formats::document::Kind;
use chancery_formats::license::terms::Components;
use chancery_formats::text::armor;

use crate::support::Vendor;
use crate::{INSTALL, NO_QR, REQUEST, installed, parsed, requested, valve};

#[test]
fn every_carrier_brings_the_license() {
    let (site, vendor) = requested("carriers");
    let license = vendor.answer(&site.read("pump.creq"), |_| {});
    let symbols = picture::encode(Kind::License, &license).unwrap();
    site.write("license.txt", format!("Dear site,\n\n{}", armor::encode(Kind::License, &license).unwrap()));
    site.write("license.png", symbols[0].draw(Format::Png));
    site.write("vendor.txt", armor::encode(Kind::TrustBundle, &vendor.bundle).unwrap());
    for (file, trust) in [("license.txt", "vendor.txt"), ("license.png", "vendor.ctrust")] {
        site.ok(&format!("install {file} --trust {trust}"));
        assert_eq!(site.read("state/licenses/pump.clic"), license);
        assert_eq!(site.read("state/trust.ctrust"), vendor.bundle);
        fs::remove_file(site.folder.join("state/licenses/pump.clic")).unwrap();
    }
}

#[test]
fn license_of_another_device_is_refused_before_anything_is_written() {
    let (site, vendor) = requested("other-device");
    site.write("pump.clic", vendor.answer(&site.read("pump.creq"), |_| {}));
    let device = parsed(&site.ok("fingerprint --json"))["device"].as_str().unwrap().to_owned();

    let (code, _, stderr) = site.run(&format!("--state fresh {INSTALL}"));
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("this device has no device key"), "{stderr}");
    assert!(!site.folder.join("fresh").exists());

    site.ok(&format!("--state second {REQUEST} -o second.creq"));
    site.fails(
        &format!("--state second {INSTALL}"),
        3,
        &format!(
            "error: pump.clic cannot be installed: license is for device {device}, not for this one\n\
             hint: install it on the device that it is for, or make a request here with `chancery-site request`\n"
        ),
    );
    assert!(!site.folder.join("second/licenses").exists());
    assert!(!site.folder.join("second/trust.ctrust").exists());
}

#[test]
fn components_of_other_hardware_are_denied() {
    let (site, vendor) = requested("components");
    let digests = Components::encode(&[(1, [0; 4]), (2, [1; 4])]);
    site.write(
        "pump.clic",
        vendor.answer(&site.read("pump.creq"), |license| {
            let device = license.terms.device.as_mut().expect("this machine tells of components");
            let components = Components::decode(digests.leak()).unwrap();
            (device.k, device.components) = (2, components);
        }),
    );
    site.fails(
        INSTALL,
        3,
        "error: pump.clic cannot be installed: 0 of the 2 device components that must match do\n\
         hint: if hardware was exchanged, or another user ran `chancery-site request`, make a new request\n",
    );
}

#[test]
fn what_is_not_a_genuine_license_is_refused() {
    let (site, vendor) = requested("not-genuine");
    let good = vendor.answer(&site.read("pump.creq"), |_| {});
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    site.write("pump.clic", &flipped);
    site.fails(
        INSTALL,
        3,
        "error: pump.clic is not a genuine license\n\
         cause: signature does not match: the document was changed or is not from this authority\n\
         hint: do not use this copy; get it again from the vendor\n",
    );
    site.write("pump.clic", Vendor::new(2).answer(&site.read("pump.creq"), |_| {}));
    let (code, _, stderr) = site.run(INSTALL);
    assert_eq!(
        (code, stderr.lines().nth(1).map(|line| line.starts_with("cause: no trusted key has the id "))),
        (3, Some(true))
    );
    let cases: [(&str, &[u8], &str, &str); 4] = [
        (
            "garbage",
            b"\xff\xfe\x00garbage",
            "garbage is no document, armor, QR text or picture",
            "check that it is the right file, and that it was copied whole",
        ),
        ("empty", b"", "empty is empty", "copy the file again from where it came"),
        (
            "white.png",
            NO_QR,
            "no QR code found in the picture white.png",
            "show the whole code with its white margin, sharp and evenly lit, or use the file",
        ),
        (
            "request.clic",
            &site.read("pump.creq"),
            "request.clic is not a genuine license",
            "check that it is the right file, and that it was copied whole",
        ),
    ];
    for (file, bytes, error, hint) in cases {
        site.write(file, bytes);
        let (code, _, stderr) = site.run(&format!("install {file} --trust vendor.ctrust"));
        assert_eq!(
            (code, stderr.lines().next(), stderr.lines().last()),
            (3, Some(&*format!("error: {error}")), Some(&*format!("hint: {hint}")))
        );
    }
    site.write("pump.clic", &good);
    site.fails(
        "install pump.clic --trust pump.clic",
        3,
        "error: pump.clic is not a trust bundle to rely on\ncause: tag inside a document in bundle at byte 0\n\
         hint: check that it is the right file, and that it was copied whole\n",
    );
    assert!(!site.folder.join("state/licenses").exists());
    assert!(!site.folder.join("state/trust.ctrust").exists());
}

#[test]
fn another_authority_after_the_first_is_an_alarm() {
    let (site, vendor) = installed("authority");
    let other = Vendor::new(2);
    site.write("other.ctrust", &other.bundle);
    site.write("other.clic", other.answer(&site.read("pump.creq"), |_| {}));
    site.fails(
        "install other.clic --trust other.ctrust",
        5,
        &format!(
            "error: other.ctrust is not a trust bundle to rely on\n\
             cause: trust bundle is of authority {}, not of {}\n\
             hint: stop: this is not the authority that this site trusts; ask the vendor over another channel\n",
            other.id, vendor.id
        ),
    );
    site.ok("check logging");
}

#[test]
fn older_revision_is_refused_and_a_newer_one_replaces() {
    let (site, vendor) = requested("revision");
    let request = site.read("pump.creq");
    for revision in [2, 1, 3] {
        site.write("pump.clic", vendor.answer(&request, |license| license.terms.revision = revision));
        if revision == 1 {
            site.fails(
                INSTALL,
                3,
                "error: the license is revision 1, and revision 2 is installed\n\
                 hint: install the newest license of this entitlement\n",
            );
        } else {
            site.ok(INSTALL);
        }
    }
    assert!(site.ok("status").contains(", revision 3\n"));
}

#[test]
fn bundle_that_is_older_or_takes_trust_away_is_refused() {
    let (site, _) = requested("bundle");
    let newer = Vendor::with_roots(1, 2);
    site.write("newer.ctrust", &newer.bundle);
    site.write("pump.clic", newer.answer(&site.read("pump.creq"), |_| {}));
    site.ok("install pump.clic --trust newer.ctrust");
    site.fails(
        INSTALL,
        3,
        "error: vendor.ctrust cannot be installed\n\
         cause: root version 1 is older than version 2, which is known\n\
         hint: get the newest trust bundle from the vendor\n",
    );
    let other_key = newer.with_issuing_key(7);
    site.write("other-key.ctrust", &other_key.bundle);
    site.write("valve.clic", valve(&other_key));
    let (code, _, stderr) = site.run("install valve.clic --trust other-key.ctrust");
    let expected = "error: with this trust bundle the installed license of pump is not genuine";
    assert_eq!((code, stderr.lines().next()), (3, Some(expected)));
    assert_eq!(site.read("state/trust.ctrust"), newer.bundle);
    assert_eq!(parsed(&site.ok("status --json"))["authority"]["root_version"], 2);
}
