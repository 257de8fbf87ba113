//! What `check`, `status` and `verify` say of a genuine license.

use chancery_formats::license::{Enforcement, EnforcementMode};
use serde_json::json;

use crate::support::END;
use crate::{INSTALL, installed, parsed, requested, valve};

#[test]
fn license_is_installed_and_checked() {
    let (site, vendor) = requested("journey");
    assert!(
        site.ok("status").contains("\nWaiting for a license of pump under ent_0123456789ABC, asked for ")
    );
    site.write("pump.clic", vendor.answer(&site.read("pump.creq"), |_| {}));
    let installed = site.ok(INSTALL);
    for line in [
        "features:     logging, channels up to 16\n",
        "until:        2099-06-30 23:59:59 UTC\n",
        "issuing key:  software (a key file: whoever copies it can issue licenses)\n",
        &format!("authority id: {}\n", vendor.id),
    ] {
        assert!(installed.contains(line), "{line}{installed}");
    }
    assert_eq!(site.ok("check logging"), "allow: logging, granted until 2099-06-30 23:59:59 UTC\n");
    assert_eq!(
        site.ok("check channels --product pump"),
        "allow: channels up to 16, granted until 2099-06-30 23:59:59 UTC\n"
    );
    let answer = parsed(&site.ok("check channels --json"));
    let remaining = answer["remaining_secs"].as_u64().unwrap();
    assert!(remaining > 0 && remaining < END);
    assert_eq!(
        answer,
        json!({
            "verdict": "allow", "code": "granted", "product": "pump", "feature": "channels", "grant": {"limit": 16},
            "ends_at": END, "changes_at": END + 1, "remaining_secs": remaining
        })
    );
    let status = site.ok("status");
    assert!(status.starts_with("product:    pump (edition standard)\nworks:      yes\n"), "{status}");
    assert!(!status.contains("Waiting"), "the request is answered");
    let status = parsed(&site.ok("status --json"));
    assert_eq!(status["licenses"][0]["verdict"], "allow");
    assert_eq!(status["authority"]["id"], vendor.id.to_string());
    site.ok(INSTALL); // again: nothing changes
    let berlin = site.command("status").env("TZ", "CET-1CEST,M3.5.0,M10.5.0/3").output().unwrap();
    let berlin = String::from_utf8(berlin.stdout).unwrap();
    assert!(berlin.contains("until:      2099-06-30 23:59:59 UTC (2099-07-01 01:59:59 CEST), "), "{berlin}");
}

#[test]
fn denied_features_say_why() {
    let (site, _) = installed("denied");
    site.fails(
        "check reports",
        3,
        "error: reports is denied: license does not grant this feature\n\
         hint: see what is granted with `chancery-site status`; the vendor can amend it\n",
    );
    site.fails(
        "check logging --product valve",
        3,
        "error: no license of valve is installed\n\
         hint: make a request with `chancery-site request`, or install the license that came back\n",
    );
    let (code, stdout, stderr) = site.run("check reports --json");
    assert_eq!(
        (code, &parsed(&stdout)["verdict"], &parsed(&stdout)["grant"]),
        (3, &json!("deny"), &json!(null))
    );
    assert_eq!(parsed(&stderr)["error"]["code"], "feature-not-granted");
    let (code, stdout, stderr) = site.run("--state nowhere check logging --json");
    assert_eq!((code, &parsed(&stdout)["code"]), (3, &json!("not-installed")));
    assert_eq!(parsed(&stderr)["error"]["code"], "not-installed");
    assert!(!site.folder.join("nowhere").exists());
}

#[test]
fn terms_decide_by_the_clock() {
    let (site, vendor) = requested("terms");
    let request = site.read("pump.creq");
    let ended = 1_719_791_999; // 2024-06-30 23:59:59 UTC
    site.write("pump.clic", vendor.answer(&request, |license| license.not_after = Some(ended)));
    site.fails(
        INSTALL,
        3,
        "error: pump.clic cannot be installed: license has expired\n\
         hint: ask the vendor for a renewal; if the clock of this machine is wrong, correct it\n",
    );
    site.write("pump.clic", vendor.answer(&request, |license| license.not_before = Some(END)));
    let (code, _, stderr) = site.run(INSTALL);
    assert_eq!(
        (code, stderr.lines().next()),
        (3, Some("error: pump.clic cannot be installed: license is not valid yet"))
    );

    for (mode, word) in [(EnforcementMode::Warn, "warn"), (EnforcementMode::Degrade, "degrade")] {
        let license = vendor.answer(&request, |license| {
            license.not_after = Some(ended);
            license.terms.enforcement = Enforcement { mode, ..Enforcement::default() };
        });
        site.write("pump.clic", license);
        site.ok(INSTALL);
        let expected = format!("{word}: logging, license has expired, ended 2024-06-30 23:59:59 UTC\n");
        assert_eq!(site.ok("check logging"), expected);
        assert_eq!(parsed(&site.ok("check logging --json"))["verdict"], word);
    }
    site.write("pump.clic", vendor.answer(&request, |license| license.terms.enforcement.notice_secs = END));
    site.ok(INSTALL);
    assert_eq!(site.ok("check logging"), "warn: logging, license ends soon, until 2099-06-30 23:59:59 UTC\n");
}

#[test]
fn verify_is_stateless_and_judges_the_term_at_an_instant() {
    let (site, vendor) = requested("verify");
    site.write("pump.clic", vendor.answer(&site.read("pump.creq"), |_| {}));
    let verify = "--state nowhere verify pump.clic --trust vendor.ctrust";
    let text = site.ok(&format!("{verify} --at 2099-06-30T23:59:59Z"));
    assert!(text.contains(", valid at 2099-06-30 23:59:59 UTC\n"), "{text}");
    assert!(text.contains(" (not checked)\n") && text.contains(&vendor.id.to_string()), "{text}");
    let answer = parsed(&site.ok(&format!("{verify} --json")));
    assert_eq!(answer["license"]["features"], json!({"logging": true, "channels": {"limit": 16}}));
    assert_eq!(
        (&answer["license"]["protection"], &answer["device_checked"]),
        (&json!("software"), &json!(false))
    );
    site.fails(
        &format!("{verify} --at 2099-07-01T00:00:00Z"),
        3,
        "error: pump.clic is genuine, but not valid at 2099-07-01 00:00:00 UTC: license has expired\n\
         hint: ask the vendor for a renewal; if the clock of this machine is wrong, correct it\n",
    );
    let (code, _, stderr) = site.run(&format!("{verify} --at 2099-07-01T00:00:00Z --json"));
    assert_eq!((code, &parsed(&stderr)["error"]["code"]), (3, &json!("expired")));
    assert_eq!(site.run(&format!("{verify} --at tomorrow")).0, 2);
    assert!(!site.folder.join("nowhere").exists());
}

#[test]
fn several_products_are_told_apart_by_name() {
    let (site, vendor) = installed("products");
    site.write("valve.clic", valve(&vendor));
    site.ok("install valve.clic --trust vendor.ctrust");
    site.fails(
        "check flow",
        2,
        "error: licenses of several products are installed: pump, valve\n\
         hint: name the one that asks with --product\n",
    );
    site.ok("check flow --product valve");
    assert_eq!(site.run("check flow --product pump").0, 3);
}
