//! Facts that `check` is told, and its explanations.

use chancery_formats::license::{Distribution, Feature, Features, Names, Users, Version, Versions};
use chancery_verifier::verify_request;
use serde_json::json;

use crate::support::{ISSUED_AT, Site, bare};
use crate::{INSTALL, parsed, requested};

/// Installs a license of every term that a product has to tell something for.
fn demanding(name: &str) -> Site {
    let (site, vendor) = requested(name);
    let features = Features::encode(&[
        ("logging", Feature::On),
        ("reports", Feature::Quota { quota: 500, overdraft: 50 }),
    ]);
    let (names, countries) = (Names::encode(&["ann"]), Names::encode(&["CH", "DE"]));
    let (groups, channels) = (Names::encode(&["shift"]), Names::encode(&["usb"]));
    let list = |bytes| Some(Names::decode(bytes, false).unwrap());
    let request = site.read("pump.creq");
    let verified = verify_request(&request).unwrap();
    let asked = verified.request();
    let mut license = bare(asked.product, asked.entitlement, Features::decode(&features).unwrap());
    license.device_key = Some(verified.device());
    license.terms.seats = Some(5);
    license.terms.versions =
        Some(Versions { lowest: None, highest: Version::new(&[3, 1]), released_until: Some(ISSUED_AT) });
    license.terms.territory = Some(Names::decode(&countries, true).unwrap());
    license.terms.distribution = Some(Distribution { devices: Some(2), channels: list(&channels) });
    license.terms.users = Some(Users { users: list(&names), groups: list(&groups) });
    site.write("pump.clic", vendor.sign(&license));
    let installed = site.ok(INSTALL);
    let needs = "needs:        the version of the product, when this version was released, the territory of the site, ";
    assert!(installed.contains(needs), "{installed}");
    site
}

const TOLD: &str = "--version 3.1.4 --released 2023-11-14T22:13:20Z --territory CH --channel usb --installed-on 2 \
                    --user ann --seats-in-use 4";

#[test]
fn facts_are_told_as_options_and_each_is_missed() {
    let site = demanding("facts");
    let told = |extra: &str| format!("check reports {TOLD} {extra}");
    assert_eq!(
        site.ok(&told("--used 499")),
        "allow: reports with a quota of 500 and an overdraft of 50, granted until 2099-06-30 23:59:59 UTC\n"
    );
    site.fails(
        &told(""),
        3,
        "error: reports is denied: license needs a fact that was not told: the units used\n\
         hint: tell the units used with `--used`\n",
    );
    let mut option = TOLD.split("--").skip(1).map(str::trim);
    for code in [
        "version-unknown",
        "release-unknown",
        "territory-unknown",
        "channel-unknown",
        "installs-unknown",
        "user-unknown",
        "seat-unknown",
    ] {
        let left_out = option.next().unwrap();
        let rest: String = TOLD.replace(&format!("--{left_out}"), "");
        let (exit, stdout, stderr) = site.run(&format!("check logging {rest} --json"));
        assert_eq!((exit, &parsed(&stdout)["code"]), (3, &json!(code)), "{left_out}: {stderr}");
        // The hint names an option that there is.
        let hint = parsed(&stderr)["error"]["hint"].as_str().unwrap().to_owned();
        let named = left_out.split(' ').next().unwrap();
        assert!(hint.contains(&format!("`--{named}`")), "{hint}");
    }
    site.ok("check logging --version 3.1.4 --released 2023-11-14T22:13:20Z --territory CH --channel usb \
             --installed-on 2 --group night --group shift --seat-held");
    for (wrong, code) in [
        ("--version 3.2", "version-newer"),
        ("--released 2023-11-14T22:13:21Z", "release-later"),
        ("--territory FR", "territory-other"),
        ("--channel mail", "channel-other"),
        ("--installed-on 3", "installs-exceeded"),
        ("--user Ann --group night", "user-other"),
        ("--seats-in-use 5", "seats-exhausted"),
    ] {
        let option = wrong.split(' ').next().unwrap();
        let kept: Vec<&str> =
            TOLD.split("--").filter(|told| !told.starts_with(&format!("{} ", &option[2..]))).collect();
        let (exit, stdout, _) = site.run(&format!("check logging {} {wrong} --json", kept.join("--")));
        assert_eq!((exit, &parsed(&stdout)["code"]), (3, &json!(code)), "{wrong}");
    }
}

#[test]
fn facts_that_are_none_are_usage_errors() {
    let site = demanding("no-facts");
    for wrong in [
        "--version 3.1-rc1",
        "--version 3.1.0.0.0",
        "--version 03",
        "--released yesterday",
        "--territory ch",
        "--territory CHE",
        "--installed-on 0",
        "--binding 0",
        "--used -1",
        "--used 18446744073709551616",
        "--seats-in-use 1 --seat-held",
    ] {
        assert_eq!(site.run(&format!("check logging {wrong}")).0, 2, "{wrong}");
    }
}

#[test]
fn an_explanation_tells_the_rule_and_what_would_change_the_answer() {
    let site = demanding("explained");
    let explained = site.ok(&format!("check reports {TOLD} --used 502 --explain"));
    assert_eq!(
        explained,
        "warn: reports with a quota of 500 and an overdraft of 50, quota is used up, and 48 units of the overdraft \
         are left, until 2099-06-30 23:59:59 UTC\n\
         decided by:   quota: quota is used up, and 48 units of the overdraft are left\n\
         passed:       product, feature, device key, version, release, territory, channel, installs, user, end of the \
         term, seats\n\
         no such term: device components, binding, beginning of the term\n\
         would change: using another 48 units\n\
         would change: a license with another 3 units\n\
         would change: time, from 2099-07-01 00:00:00 UTC on\n"
    );
    let (code, stdout, stderr) = site.run("check logging --version 4 --explain");
    assert_eq!(code, 3);
    assert_eq!(
        stdout,
        "decided by:   version: license covers versions up to 3.1\n\
         passed:       product, feature, device key\n\
         no such term: device components, binding\n\
         not asked:    release, territory, channel, installs, user, beginning of the term, end of the term, seats, quota\n\
         would change: version 3.1 or earlier\n\
         would change: a license for version 4\n"
    );
    assert!(
        stderr.starts_with("error: logging is denied: license covers versions up to 3.1\nhint: go on with"),
        "{stderr}"
    );

    let (_, stdout, _) = site.run("check logging --version 4 --explain --json");
    let answer = parsed(&stdout);
    let explain = &answer["explain"];
    assert_eq!((&answer["verdict"], &explain["decided_by"]), (&json!("deny"), &json!("version")));
    assert_eq!(explain["steps"].as_array().unwrap().len(), 15);
    assert_eq!(explain["steps"][5], json!({"rule": "version", "finding": "deny", "code": "version-newer"}));
    assert_eq!(
        explain["changes"],
        json!([
            {"change": "version-up-to", "highest": "3.1", "words": "version 3.1 or earlier"},
            {"change": "license-for-version", "version": "4", "words": "a license for version 4"}
        ])
    );
    let without = parsed(&site.run("check logging --version 4 --json").1);
    assert!(without.get("explain").is_none());
}

#[test]
fn what_a_license_needs_to_be_told_is_listed_and_keeps_nobody_from_installing() {
    let site = demanding("needs");
    let needs =
        json!(["version", "release", "territory", "channel", "installs", "user", "groups", "seat", "used"]);
    let verified = parsed(&site.ok("verify pump.clic --trust vendor.ctrust --json"));
    assert_eq!((&verified["genuine"], &verified["license"]["needs"]), (&json!(true), &needs));
    let status = parsed(&site.ok("status --json"));
    assert_eq!(
        (&status["licenses"][0]["verdict"], &status["licenses"][0]["needs"]),
        (&json!("allow"), &needs)
    );
    assert!(site.ok("status").contains("\nneeds:    the version of the product, "));
}
