//! What a site has seen and lets nobody take back: every bundle that is not the next, every file that was put back,
//! every place at which the power may go; and the stolen key, whose licenses need their proof.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use chancery_formats::trust::Bundle;

use crate::audit::Log;
use crate::publisher::Publisher;
use crate::support::{ISSUED_AT, Site, Vendor};
use crate::{installed, parsed};

/// Installs a bundle, which must be refused so, and changes nothing.
#[track_caller]
fn refuses(site: &Site, bundle: &[u8], exit: i32, expected: &str) {
    let before = content(site);
    site.write("other.ctrust", bundle);
    let (code, _, stderr) = site.run("install other.ctrust --json");
    let error = parsed(&stderr);
    let error = error.get("error").unwrap_or(&error);
    assert_eq!((code, error["code"].as_str()), (exit, Some(expected)), "{stderr}");
    assert!(before == content(site), "{expected}: something was written");
}

fn accepts(site: &Site, bundle: &[u8]) {
    site.write("other.ctrust", bundle);
    site.ok("install other.ctrust");
}

/// Every file of the state.
fn content(site: &Site) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(site.folder.join("state")).into_iter().flatten().flatten();
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    let mut content: Vec<_> = files
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    content.sort();
    content
}

/// Puts a state back to what it was.
fn put_back(site: &Site, content: &[(String, Vec<u8>)]) {
    for (name, _) in self::content(site) {
        fs::remove_file(site.folder.join("state").join(name)).unwrap();
    }
    for (name, bytes) in content {
        put(site, name, bytes);
    }
}

fn put(site: &Site, name: &str, bytes: &[u8]) {
    let path = site.folder.join("state").join(name);
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn bundles_follow_one_another() {
    let (site, vendor) = installed("bundles");
    let mut publisher = Publisher::new(&vendor);
    let first = publisher.publish(&vendor, ISSUED_AT);
    let mut fork = publisher.clone();
    let second = publisher.publish(&vendor, ISSUED_AT + 1);
    let third = publisher.publish(&vendor, ISSUED_AT + 2);
    accepts(&site, &first);
    accepts(&site, &third);
    accepts(&site, &third);
    refuses(&site, &first, 3, "bundle-older");
    refuses(&site, &second, 3, "bundle-older");
    refuses(&site, &vendor.bundle, 3, "manifest-missing");
    let other_second = fork.publish(&vendor, ISSUED_AT + 9);
    let other_third = fork.publish(&vendor, ISSUED_AT + 2);
    refuses(&site, &other_second, 3, "bundle-older");
    refuses(&site, &other_third, 5, "bundle-forked");
    refuses(&site, &fork.publish(&vendor, ISSUED_AT + 3), 5, "bundle-forked");
    // A later one that does not say what came between.
    publisher.publish(&vendor, ISSUED_AT + 3);
    let fifth = publisher.publish(&vendor, ISSUED_AT + 4);
    let bundle = Bundle::decode(&fifth).unwrap();
    let members: Vec<_> = bundle.members().map(<[u8]>::to_vec).collect();
    refuses(&site, &Bundle::encode_with(&members, bundle.manifest(), &[]), 3, "bundle-gap");
    accepts(&site, &fifth);
    let status = parsed(&site.ok("check logging --json"));
    assert_eq!(status["code"], "granted");
}

#[test]
fn lists_and_roots_only_go_on() {
    let (site, _) = installed("lists");
    let vendor = Vendor::with_roots(1, 3);
    let mut publisher = Publisher::new(&vendor);
    let first = publisher.list(&vendor, 1, None, 1);
    let with_first = publisher.clone();
    let second = publisher.list(&vendor, 2, Some(first), 2);
    let bundle = publisher.publish(&vendor, ISSUED_AT);

    // A version of the root left out, and another one of the same number.
    let members: Vec<_> = Bundle::decode(&vendor.bundle).unwrap().members().map(<[u8]>::to_vec).collect();
    let skipped: Vec<_> =
        members.iter().enumerate().filter(|(at, _)| *at != 1).map(|(_, member)| member.clone()).collect();
    refuses(&site, &Bundle::encode(&skipped), 3, "root-chain");
    accepts(&site, &bundle);
    let forked = Vendor::with_roots_made_at(1, 3, ISSUED_AT + 1);
    let mut other = Publisher::new(&forked);
    other.list(&forked, 2, Some(first), 2);
    refuses(&site, &other.publish(&forked, ISSUED_AT), 5, "root-forked");
    let older = Vendor::with_roots(1, 2);
    refuses(&site, &Publisher::new(&older).publish(&older, ISSUED_AT), 3, "root-older");

    // An old list with a new root and a new manifest, and other lists of the same numbers.
    let newer = Vendor::with_roots(1, 4);
    let mut old_list = publisher.clone();
    old_list.members.clone_from(&with_first.members);
    refuses(&site, &old_list.publish(&newer, ISSUED_AT + 1), 3, "list-older");
    let mut without = publisher.clone();
    without.members.clear();
    refuses(&site, &without.publish(&newer, ISSUED_AT + 1), 3, "list-older");
    let mut forked = publisher.clone();
    forked.list(&vendor, 2, Some(first), 3);
    refuses(&site, &forked.publish(&newer, ISSUED_AT + 1), 5, "list-forked");
    forked.list(&vendor, 3, Some(first), 3);
    refuses(&site, &forked.publish(&newer, ISSUED_AT + 1), 5, "list-forked");
    publisher.list(&vendor, 3, Some(second), 9);
    accepts(&site, &publisher.publish(&newer, ISSUED_AT + 1));
    site.fails(
        "check logging",
        3,
        "error: the installed license of pump cannot be relied on\n\
         cause: license is revoked, by revocation list 3\n\
         hint: ask the vendor why, and for a license that counts\n",
    );
}

#[test]
fn members_of_others_and_records_out_of_time_are_refused() {
    let (site, vendor) = installed("members");
    let other = Vendor::new(2);
    let mut publisher = Publisher::new(&vendor);
    let foreign = Bundle::decode(&other.bundle).unwrap().members().nth(1).unwrap().to_vec();
    publisher.members = vec![foreign];
    let mut expired = Publisher::new(&vendor);
    expired.until = Some(ISSUED_AT + 5);
    let mut in_time = expired.clone();
    site.write("other.ctrust", publisher.publish(&vendor, ISSUED_AT));
    let (code, _, stderr) = site.run("install other.ctrust");
    assert_eq!(code, 3, "{stderr}");
    refuses(&site, &expired.publish(&vendor, ISSUED_AT + 6), 3, "key-out-of-term");
    accepts(&site, &in_time.publish(&vendor, ISSUED_AT + 5));
}

#[test]
fn wherever_the_power_goes_nothing_accepted_is_lost_and_nothing_older_comes_back() {
    let (site, vendor) = installed("power");
    let mut publisher = Publisher::new(&vendor);
    let first = publisher.publish(&vendor, ISSUED_AT);
    let second = publisher.publish(&vendor, ISSUED_AT + 1);
    accepts(&site, &first);
    let before = content(&site);
    accepts(&site, &second);
    let after = content(&site);
    let of = |content: &[(String, Vec<u8>)], name: &str| {
        content.iter().find(|(found, _)| found == name).map(|(_, bytes)| bytes.clone()).unwrap()
    };
    assert_ne!(of(&before, "minima.cbor"), of(&after, "minima.cbor"));
    let steps: [(&str, &[u8]); 3] = [
        ("trust.next.ctrust", &second),
        ("minima.cbor", &of(&after, "minima.cbor")),
        ("trust.ctrust", &second),
    ];
    put_back(&site, &before);
    for (done, (name, bytes)) in steps.iter().enumerate() {
        put(&site, name, bytes);
        site.ok("check logging");
        let cut = content(&site);
        if done == 0 {
            accepts(&site, &first);
        } else {
            refuses(&site, &first, 3, "bundle-older");
        }
        accepts(&site, &second);
        assert!(content(&site) == after, "the installation ends as if the power had stayed, after {name}");
        put_back(&site, &cut);
    }
    // What waits counts only where it is what the minima name.
    put_back(&site, &before);
    put(&site, "trust.next.ctrust", &second);
    fs::remove_file(site.folder.join("state/trust.ctrust")).unwrap();
    let (code, _, stderr) = site.run("check logging");
    assert_eq!(
        (code, stderr.lines().next()),
        (5, Some("error: the trust bundle state/trust.ctrust is gone"))
    );
}

#[test]
fn a_first_installation_that_was_cut_off_stays_with_its_authority() {
    let (site, vendor) = installed("first");
    let pinned = String::from_utf8(site.read("state/manifest.json")).unwrap();
    let unpinned = pinned.replace(&format!("\"{}\"", vendor.id), "null");
    assert_ne!(pinned, unpinned);
    put(&site, "manifest.json", unpinned.as_bytes());
    refuses(&site, &Vendor::new(2).bundle, 5, "authority-other");
    assert_eq!(parsed(&site.ok("install vendor.ctrust --json"))["first_use"], true);
    assert_eq!(String::from_utf8(site.read("state/manifest.json")).unwrap(), pinned);
}

#[test]
fn minima_that_are_missing_or_changed_are_an_alarm() {
    let (site, vendor) = installed("minima");
    let good = content(&site);
    let minima = site.read("state/minima.cbor");
    fs::remove_file(site.folder.join("state/minima.cbor")).unwrap();
    for command in
        ["check logging", "status", "install vendor.ctrust", "install pump.clic --trust vendor.ctrust"]
    {
        let (code, _, stderr) = site.run(command);
        let expected = "error: the minima of the state, state/minima.cbor, are gone";
        assert_eq!((code, stderr.lines().next()), (5, Some(expected)), "{command}");
    }
    assert!(!site.folder.join("state/minima.cbor").exists());
    put(&site, "minima.cbor", &minima[..minima.len() - 1]);
    refuses(&site, &vendor.bundle, 5, "minima-damaged");
    let other = Site::new("minima-other");
    other.write("vendor.ctrust", Vendor::new(2).bundle);
    other.ok("install vendor.ctrust");
    put(&site, "minima.cbor", &other.read("state/minima.cbor"));
    refuses(&site, &vendor.bundle, 5, "minima-damaged");
    put_back(&site, &good);
    site.ok("check logging");
}

#[test]
fn a_license_of_a_stolen_key_stands_with_its_proof_alone() {
    let log = Log::new();
    let site = Site::new("stolen");
    let mut publisher = Publisher::new(&log.vendor);
    site.write("one.ctrust", publisher.publish(&log.vendor, ISSUED_AT));
    site.write("valve.clic", &log.license);
    site.ok("install valve.clic --trust one.ctrust");
    publisher.close_issuer(&log.vendor, log.head(9));
    site.write("two.ctrust", publisher.publish(&log.vendor, ISSUED_AT + 1));
    let told = parsed(&site.ok("install two.ctrust --json"));
    assert_eq!(told["denied"][0]["product"], "valve");
    let refused = |command: &str, expected: &str| {
        let (code, _, stderr) = site.run(&format!("{command} --json"));
        let error = parsed(&stderr);
        let error = error.get("error").unwrap_or(&error).clone();
        assert_eq!((code, error["code"].as_str()), (3, Some(expected)), "{command}: {stderr}");
    };
    refused("check flow", "key-compromised");
    refused("install valve.clic", "key-compromised");
    refused("verify valve.clic --trust two.ctrust", "key-compromised");
    // Proofs under another size than the closing names prove nothing, and nor do those of other documents.
    for (size, name) in [(8, "smaller"), (11, "larger")] {
        site.write(name, log.proof(size));
        refused(&format!("verify valve.clic --trust two.ctrust --proof {name}"), "key-compromised");
        refused(&format!("install valve.clic --proof {name}"), "key-compromised");
    }
    site.write("good", log.proof(9));
    site.write("garbage", "no proof");
    refused("install valve.clic --proof garbage", "proof-header");
    site.ok("verify valve.clic --trust two.ctrust --proof good");
    site.ok("install valve.clic --proof good");
    site.ok("check flow");
    assert_eq!(parsed(&site.ok("status --json"))["licenses"][0]["verdict"], "allow");
    // A proof that was lost from the state is no longer there to be believed.
    let proofs = site.folder.join("state/proofs");
    let kept = fs::read_dir(&proofs).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(kept).unwrap();
    refused("check flow", "key-compromised");
    site.ok("install valve.clic --proof good");
    // What the thief makes: the same key, no proof.
    let thief = log.vendor.sign(&{
        let mut license = crate::support::bare(
            "valve",
            chancery_formats::id::EntitlementId([3; 8]),
            chancery_formats::license::Features::decode(FLOW).unwrap(),
        );
        license.id = chancery_formats::id::LicenseId([7; 16]);
        license
    });
    site.write("thief.clic", thief);
    refused("install thief.clic", "key-compromised");
    refused("install thief.clic --proof good", "proof-not-included");
}

/// `{"flow": true}`.
const FLOW: &[u8] = b"\xa1\x64flow\xf5";
