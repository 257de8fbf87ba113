use super::*;

fn codes(text: &str) -> Vec<&'static str> {
    match Plan::read(text, Path::new("/nonexistent")) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(|fault| fault.code).collect(),
    }
}

/// The example with one text in place of another, which must be there.
fn with(from: &str, to: &str) -> String {
    assert!(EXAMPLE.contains(from), "{from}");
    EXAMPLE.replacen(from, to, 1)
}

const PEM: &str = "public-key = \"\"\"\n-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n\"\"\"";

#[test]
fn the_example_is_a_plan_of_three_of_five() {
    let plan = Plan::read(EXAMPLE, Path::new("/nonexistent")).unwrap();
    assert_eq!((plan.custodians.threshold, plan.custodians.parties.len()), (3, 5));
    assert_eq!(plan.custodians.parties.iter().filter(|party| party.signs).count(), 3);
    let recovery = plan.recovery.as_ref().unwrap();
    assert_eq!((recovery.threshold, recovery.parties.len()), (2, 3));
    assert_eq!(
        plan.roles.iter().map(|role| role.role).collect::<Vec<_>>(),
        [Role::Issuer, Role::Log, Role::Witness]
    );
    assert_eq!(plan.warnings.len(), 1, "{:?}", plan.warnings);
    let without = with("threshold = 3 ", "# ");
    assert_eq!(Plan::read(&without, Path::new("/")).unwrap().custodians.threshold, 3);
}

#[test]
fn the_hash_of_a_plan_is_that_of_its_file() {
    let hash: Hash = Sha256::digest(EXAMPLE).into();
    assert_eq!(Plan::read(EXAMPLE, Path::new("/")).unwrap().hash, hash);
    assert_ne!(Plan::read(&with("Robin", "Rubin"), Path::new("/")).unwrap().hash, hash);
}

#[test]
fn unknown_keys_are_refused_with_their_place() {
    let faults = Plan::read(&with("key = \"exchange\"", "kee = \"exchange\""), Path::new("/")).unwrap_err();
    let [fault] = faults.as_slice() else { panic!("{faults:?}") };
    assert_eq!((fault.line, fault.column, fault.code), (14, 1, "plan-malformed"));
    assert!(fault.message.starts_with("unknown field `kee`"), "{fault}");
}

#[test]
fn every_fault_has_its_code() {
    for (from, to, code) in [
        ("threshold = 3 ", "threshold = 0 ", "threshold-unmet"),
        ("threshold = 3 ", "threshold = 6 ", "threshold-unmet"),
        ("threshold = 3 ", "threshold = 4 ", "quorum-short"),
        ("threshold = 2", "threshold = 4", "threshold-unmet"),
        ("Bob Brandt", "Alice Arnold", "name-twice"),
        ("Frank Fuchs", "log", "name-twice"),
        ("Dana Keller", "Dana\\u202EKeller", "name-refused"),
        ("key = \"exchange\"", "signs = true", "key-place"),
        ("key = \"exchange\"", "key = \"nonsense:\"", "reference-scheme-unknown"),
        ("role = \"log\" ", "role = \"revoker\" ", "log-key-none"),
        ("key = \"file:keys/log.pem\"", "key = \"exchange\"", "log-key-elsewhere"),
        (
            "key = \"file:keys/log.pem\"",
            "key = \"file:keys/log.pem\"\nalgorithm = \"p256\"",
            "log-key-algorithm",
        ),
        (
            "key = \"file:keys/log.pem\"",
            "key = \"file:keys/log.pem\"\nprotection = \"hardware\"",
            "software-key",
        ),
        ("key = \"file:keys/log.pem\"", "key = \"file:keys/log.pem\"\nmode = \"direct\"", "mode-of-role"),
        (
            "key = \"file:keys/log.pem\"",
            "key = \"file:keys/log.pem\"\nproducts = [\"pump\"]",
            "bounds-without-licenses",
        ),
        (
            "key = \"file:keys/log.pem\"",
            "key = \"file:keys/log.pem\"\npartner = \"file:p.pem\"",
            "partner-surplus",
        ),
        ("mode = \"direct\"", "mode = \"direct\"\nco-signers = [\"witness\"]", "co-signer-of-direct"),
        ("mode = \"direct\"", "mode = \"seal\"\nco-signers = [\"binder\"]", "co-signer-none"),
        ("mode = \"direct\"", "mode = \"seal\"\nco-signers = [\"issuer\"]", "co-signer-role"),
        ("products = [\"pump\"]", "products = [\"Pump\"]", "bounds-invalid"),
        ("longest-term-days = 800", "longest-term-days = 0", "bounds-invalid"),
        ("until = \"2029-12-31\"", "until = \"2029-13-31\"", "bounds-invalid"),
        ("until = \"2029-12-31\"", "until = \"2029-12-31\"\nfrom = \"2030-01-01\"", "validity-empty"),
        ("protection = \"hardware\"\n", "protection = \"software\"\n", "protection-contradicts"),
        (
            "# [[device]]",
            "[[device]]\nname = \"A\"\ndevice = \"file:a\"\nprofile = { file = \"p\", sha256 = \"\" }\n#",
            "device-unsupported",
        ),
    ] {
        let found = codes(&with(from, to));
        assert!(found.contains(&code), "{to}: {found:?}");
    }
}

#[test]
fn one_key_is_for_one_purpose() {
    let twice = EXAMPLE.replacen("key = \"exchange\"", PEM, 2);
    assert_eq!(codes(&twice), ["custodian-twice"]);
    let (before, recovery) = EXAMPLE.split_once("[recovery]").unwrap();
    let both = [
        &before.replacen("key = \"exchange\"", PEM, 1),
        "[recovery]",
        &recovery.replacen("key = \"exchange\"", PEM, 1),
    ]
    .concat();
    assert_eq!(codes(&both), ["recovery-key-of-custodian"]);
    let (before, witness) = EXAMPLE.split_once("role = \"witness\"").unwrap();
    let both = [
        &before.replacen("key = \"exchange\"", PEM, 1),
        "role = \"witness\"",
        &witness.replacen("key = \"exchange\"", PEM, 1),
    ]
    .concat();
    assert_eq!(codes(&both), ["key-of-two-roles"]);
    let file = with("key = \"exchange\"", "key = \"file:keys/log.pem\"");
    assert_eq!(codes(&file), ["key-of-two-roles"]);
}

#[test]
fn hybrid_trust_covers_every_key() {
    let hybrid = with("hybrid = false", "hybrid = true");
    assert_eq!(codes(&hybrid), ["partner-missing", "hybrid-direct", "partner-missing"]);
    let whole = hybrid
        .replace("mode = \"direct\" ", "mode = \"seal\"\npartner = \"file:keys/issuing-pq.pem\" ")
        .replace(
            "key = \"file:keys/log.pem\"",
            "key = \"file:keys/log.pem\"\npartner = \"file:keys/log-pq.pem\"",
        );
    assert_eq!(codes(&whole), Vec::<&str>::new());
}

#[test]
fn all_faults_are_told_at_once_in_their_order() {
    let text = with("threshold = 3 ", "threshold = 9 ")
        .replace("Frank Fuchs", "Grace Graf")
        .replace("until = \"2029-12-31\"", "until = \"never\"")
        .replace("role = \"witness\"", "role = \"revoker\"\nproducts = [\"pump\"]");
    let faults = Plan::read(&text, Path::new("/")).unwrap_err();
    assert!(faults.is_sorted_by_key(|fault| (fault.line, fault.column)));
    let codes: Vec<_> = faults.iter().map(|fault| fault.code).collect();
    assert_eq!(codes, ["threshold-unmet", "name-twice", "bounds-invalid", "bounds-without-licenses"]);
}
