//! The pages under `docs/spec/` against the code: every example is decoded, re-encoded to the same
//! bytes, and compared with the document that this test makes; every signature in them verifies.
//!
//! A fenced block is named by its info string: `hex KIND` holds annotated bytes (what follows `#` is
//! annotation), `hex refused` one refused item a line with its code, and `qr`, `armor`, `frames` and
//! `rows` hold text. Not here: whether the CDDL is true, which no library on our list can check.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::fs;
use std::path::{Path, PathBuf};

use chancery_formats::approval::{Approval, ApprovalRequest};
use chancery_formats::cbor::scan;
use chancery_formats::cose::{Envelope, MAX_DIRECT, Unsigned, write_sig_structure};
use chancery_formats::document::Kind;
use chancery_formats::grant::Grant;
use chancery_formats::key::PublicKey;
use chancery_formats::license::License;
use chancery_formats::log::{Checkpoint, Proof, Record, proof};
use chancery_formats::merkle::root_from_path;
use chancery_formats::request::Request;
use chancery_formats::seal::{Role, Seal, Signer, Statement, statement_header};
use chancery_formats::site_record::SiteRecord;
use chancery_formats::text::{armor, decode_qr, encode_qr, frames, rows};
use chancery_formats::trust::{
    self, Bundle, Closing, KeyRecord, Possession, RevocationList, Root, Transcript,
};
use chancery_formats::witness;
use chancery_verifier::signature::VerifyingKey;
use chancery_verifier::{
    LogKeys, Pin, Trust, verify_checkpoint, verify_inclusion, verify_license, verify_request,
};
use examples::Examples;

#[path = "spec/examples.rs"]
mod examples;

/// Every page with the blocks that it must show, in order.
const PAGES: &[(&str, &[&str])] = &[
    ("approval.md", &["hex approval-request", "hex approval"]),
    ("bundle.md", &["hex bundle"]),
    ("catalog.md", &[]),
    ("cbor.md", &["hex cbor", "hex refused"]),
    ("closing.md", &["hex closing"]),
    ("decision.md", &[]),
    ("documents.md", &[]),
    ("envelope.md", &["hex envelope"]),
    ("exchange.md", &["hex exchange request", "hex exchange answer"]),
    ("grant.md", &["hex grant"]),
    ("key-record.md", &["hex key-record"]),
    ("keys.md", &["hex key ed25519", "hex key p256"]),
    ("license.md", &["hex license", "hex claims"]),
    ("log.md", &["checkpoint", "proof", "hex consistency", "hex log-record"]),
    ("orders.md", &[]),
    ("possession.md", &["hex possession"]),
    ("request.md", &["hex request"]),
    ("revocation.md", &["hex revocation"]),
    ("root.md", &["hex root"]),
    ("seal.md", &["hex seal", "hex statement"]),
    ("site-record.md", &["hex site-record"]),
    ("text-carriers.md", &["qr request", "frames license", "armor license", "rows 17"]),
    ("transcript.md", &["hex transcript"]),
    ("vectors.md", &[]),
    ("witness.md", &["hex witness-answer"]),
];

/// Info strings of blocks that show nothing to decode.
const PLAIN: &[&str] = &["cddl", "json", "rust", "text", "toml"];

struct Block {
    info: String,
    lines: Vec<String>,
}

impl Block {
    /// Returns the bytes of annotated hexadecimal lines.
    fn bytes(&self) -> Vec<u8> {
        hex(&self.lines.iter().map(|line| line.split('#').next().unwrap()).collect::<String>())
    }

    /// Returns the text of lines that were broken only to fit the page.
    fn text(&self) -> String {
        self.lines.concat()
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).expect("hex") as u8).collect();
    assert!(digits.len().is_multiple_of(2), "odd number of digits in {text}");
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/spec")
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for line in page.lines() {
        match line.strip_prefix("```") {
            Some(info) if !open => blocks.push(Block { info: info.into(), lines: Vec::new() }),
            Some("") => {}
            Some(info) => panic!("fence {info:?} inside a block"),
            None if open => blocks.last_mut().unwrap().lines.push(line.into()),
            None => continue,
        }
        open ^= line.starts_with("```");
    }
    assert!(!open, "a block is not closed");
    blocks
}

/// Decodes one block with the decoder that its info string names.
fn check(block: &Block, examples: &Examples) {
    let (carrier, what) = block.info.split_once(' ').unwrap_or((&block.info, ""));
    match carrier {
        "hex" if what == "refused" => block.lines.iter().for_each(|line| check_refused(line)),
        "hex" => check_bytes(what, &block.bytes(), examples),
        "checkpoint" => {
            let text = block.lines.join("\n") + "\n";
            assert_eq!(text, examples.checkpoint);
            assert_eq!(Checkpoint::decode(text.as_bytes()).unwrap().encode(), text);
        }
        "proof" => {
            let text = block.lines.join("\n") + "\n";
            assert_eq!(text, examples.proof);
            let decoded = Proof::decode(text.as_bytes()).unwrap();
            assert_eq!(proof::encode(decoded.index, &decoded.path, decoded.note), text);
        }
        "qr" => {
            assert_eq!(block.text(), encode_qr(Kind::Request, &examples.request));
            assert_eq!(decode_qr(&block.text()), Ok((Kind::Request, examples.request.clone())));
        }
        "armor" => {
            let text = block.lines.join("\n") + "\n";
            assert_eq!(text, armor::encode(Kind::License, &examples.license).unwrap());
            assert_eq!(armor::decode(&text), Ok((Kind::License, examples.license.clone())));
        }
        "frames" => check_frames(block, &examples.sealed_license),
        "rows" => {
            let bytes: Vec<u8> = (0..what.parse().unwrap()).collect();
            assert_eq!(block.lines, rows::encode(&bytes).unwrap());
            assert_eq!(rows::decode(&block.lines, bytes.len()), Ok(bytes));
        }
        other => panic!("no decoder for a block named {other:?}"),
    }
}

fn check_bytes(what: &str, bytes: &[u8], examples: &Examples) {
    let (example, encoded_again): (&[u8], Vec<u8>) = match what {
        "approval" => (
            &examples.approval,
            again(bytes, Some(Kind::Approval), |payload| Approval::decode(payload).unwrap().encode()),
        ),
        "approval-request" => {
            let request = ApprovalRequest::decode(bytes).unwrap();
            let items: Vec<_> = request.items().collect();
            (&examples.approval_request, ApprovalRequest::encode(&request.head, &items))
        }
        "site-record" => (
            &examples.site_record,
            again(bytes, Some(Kind::SiteRecord), |payload| SiteRecord::decode(payload).unwrap().encode()),
        ),
        "bundle" => {
            let members: Vec<_> = Bundle::decode(bytes).unwrap().members().map(<[u8]>::to_vec).collect();
            (&examples.bundle, Bundle::encode(&members))
        }
        "cbor" => {
            scan(bytes, "example").unwrap();
            (bytes, bytes.to_vec())
        }
        "claims" => (&examples.all_claims, License::decode(bytes).unwrap().encode()),
        "consistency" => (&examples.consistency, bytes.to_vec()),
        "log-record" => (&examples.log_record, Record::decode(bytes).unwrap().encode()),
        "witness-answer" => (
            &examples.witness_answer,
            match witness::Exchange::decode(bytes).unwrap() {
                witness::Exchange::Answer(answer) => answer.encode(),
                witness::Exchange::Request(_) => panic!("a request"),
            },
        ),
        "closing" => (
            &examples.closing,
            again(bytes, Some(Kind::Closing), |payload| Closing::decode(payload).unwrap().encode()),
        ),
        "revocation" => (
            &examples.revocation,
            again(bytes, Some(Kind::RevocationList), |payload| {
                RevocationList::decode(payload).unwrap().encode()
            }),
        ),
        "grant" => (&examples.grant, Grant::decode(bytes).unwrap().encode()),
        "exchange request" => (&examples.exchange_request, trust::Exchange::decode(bytes).unwrap().encode()),
        "exchange answer" => (&examples.exchange_answer, trust::Exchange::decode(bytes).unwrap().encode()),
        "envelope" => (&examples.license, again(bytes, None, <[u8]>::to_vec)),
        "key ed25519" => (&examples.device_key.encode(), PublicKey::decode(bytes).unwrap().encode()),
        "key p256" => (&examples.p256_key.encode(), PublicKey::decode(bytes).unwrap().encode()),
        "key-record" => (
            &examples.key_record,
            again(bytes, Some(Kind::KeyRecord), |payload| KeyRecord::decode(payload).unwrap().encode()),
        ),
        "license" => (
            &examples.license,
            again(bytes, Some(Kind::License), |payload| License::decode(payload).unwrap().encode()),
        ),
        "possession" => (&examples.possession, Possession::decode(bytes).unwrap().encode()),
        "request" => (
            &examples.request,
            again(bytes, Some(Kind::Request), |payload| Request::decode(payload).unwrap().encode()),
        ),
        "root" => (
            &examples.root,
            again(bytes, Some(Kind::Root), |payload| Root::decode(payload).unwrap().encode()),
        ),
        "transcript" => (
            &examples.transcript,
            again(bytes, Some(Kind::Transcript), |payload| Transcript::decode(payload).unwrap().encode()),
        ),
        "seal" => (examples.seal(), encode_seal(bytes, examples)),
        "statement" => {
            scan(bytes, "statement").unwrap();
            (&examples.statement, bytes.to_vec())
        }
        other => panic!("no decoder for bytes named {other:?}"),
    };
    assert_eq!(print_hex(&encoded_again), print_hex(bytes), "{what} does not re-encode to itself");
    assert_eq!(print_hex(bytes), print_hex(example), "{what} is not the example that the test makes");
}

/// Decodes an envelope and encodes it again, its payload through `payload_again`.
fn again(bytes: &[u8], kind: Option<Kind>, payload_again: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let envelope = match kind {
        Some(kind) => Envelope::decode_kind(bytes, kind).unwrap(),
        None => Envelope::decode(bytes).unwrap(),
    };
    Unsigned::new(&envelope.header, payload_again(envelope.payload)).sign(envelope.signature)
}

/// Decodes a seal and encodes it again from what it says.
fn encode_seal(bytes: &[u8], examples: &Examples) -> Vec<u8> {
    let seal = Seal::decode(bytes).unwrap();
    let signers = seal_signers();
    let statement = statement_of(&seal, examples, &signers);
    let signatures: Vec<_> = seal.signatures().map(|signature| signature.signature.to_vec()).collect();
    Seal::encode(&statement, seal.leaf_index, seal.path, &signatures)
}

/// Recomputes the statement of the sealed license, as a verifier does.
fn statement_of<'a>(seal: &Seal<'_>, examples: &Examples, signers: &'a [Signer]) -> Statement<'a> {
    let leaf = Envelope::decode_kind(&examples.sealed_license, Kind::License).unwrap().leaf_hash();
    Statement {
        authority: examples.authority,
        root_version: seal.root_version,
        leaf_typ: Kind::License.typ(),
        size: seal.size,
        root: root_from_path(leaf, seal.leaf_index, seal.size, seal.path).unwrap(),
        first_index: seal.first_index,
        time: seal.time,
        signers,
    }
}

fn seal_signers() -> [Signer; 2] {
    [(Role::Issuer, 4), (Role::Witness, 6)].map(|(role, seed)| {
        let key = examples::public(&examples::test_key(seed));
        Signer { role, thumbprint: key.thumbprint(), algorithm: key.algorithm() }
    })
}

/// Checks a line such as `18 17   # non-minimal-head: 23 in two bytes`.
fn check_refused(line: &str) {
    let (bytes, note) = line.split_once('#').expect("a refused item states its code");
    let code = note.trim().split(':').next().unwrap();
    let found = scan(&hex(bytes), "example").map_or_else(|error| error.code(), |_| "accepted");
    assert_eq!(found, code, "{line}");
}

/// Checks frames that empty lines part.
fn check_frames(block: &Block, message: &[u8]) {
    let texts: Vec<String> = block.lines.split(String::is_empty).map(<[String]>::concat).collect();
    assert_eq!(texts, frames::split(message).unwrap());
    let mut assembly = frames::Assembly::new();
    let (last, before) = texts.split_last().unwrap();
    for text in before {
        assert_eq!(assembly.push(text), Ok(None));
    }
    assert_eq!(assembly.push(last), Ok(Some(message.to_vec())));
}

fn print_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_example_decodes_and_is_the_one_made_here() {
    let examples = Examples::new();
    for (name, expected) in PAGES {
        let page = fs::read_to_string(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut found = Vec::new();
        for block in blocks(&page) {
            if !PLAIN.contains(&block.info.as_str()) {
                println!("{name}: {}", block.info); // shown when the check below fails
                check(&block, &examples);
                found.push(block.info);
            }
        }
        assert_eq!(found, *expected, "examples of {name}");
    }
}

#[test]
fn every_page_is_on_the_list_and_shows_something_at_once() {
    let mut names: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        // Schemas of rows stand beside their pages.
        .filter(|name| !name.ends_with(".schema.json"))
        .collect();
    names.sort();
    assert_eq!(names, PAGES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    for name in names {
        let page = fs::read_to_string(folder().join(&name)).unwrap();
        let shown = page.lines().take(10).any(|line| line.starts_with("```") || line.starts_with('|'));
        assert!(shown, "{name} has no worked example in its first ten lines");
    }
}

#[test]
fn the_table_of_documents_says_what_the_code_does() {
    let page = fs::read_to_string(folder().join("documents.md")).unwrap();
    for kind in Kind::ALL {
        let typ = format!("`{}`", kind.typ());
        let row = page.lines().find(|line| line.starts_with('|') && line.contains(&typ));
        let row = row.unwrap_or_else(|| panic!("documents.md has no row for {typ}"));
        let size = match kind.max_bytes() {
            bytes if bytes.is_multiple_of(1 << 20) => format!("| {} MiB |", bytes >> 20),
            bytes => format!("| {} KiB |", bytes >> 10),
        };
        for word in [kind.name(), kind.qr_prefix(), kind.armor_label(), &size] {
            assert!(row.contains(word), "{word:?} is not in {row}");
        }
    }
}

#[test]
fn the_signatures_of_the_examples_verify() {
    let examples = Examples::new();
    let trust = Trust::load(&examples.bundle, Pin::Authority(examples.authority)).unwrap();
    let license = verify_license(&examples.license, &trust).unwrap();
    let request = verify_request(&examples.request).unwrap();
    assert_eq!(license.license().device_key, Some(request.device()));
    assert_eq!(license.license().terms.device.unwrap().salt, request.request().salt());
}

#[test]
fn the_statement_of_the_seal_is_signed_by_each_signer() {
    let examples = Examples::new();
    let (seal, signers) = (Seal::decode(examples.seal()).unwrap(), seal_signers());
    let statement = statement_of(&seal, &examples, &signers).encode();
    assert_eq!(statement, examples.statement);
    for ((signer, seed), signature) in signers.iter().zip([4, 6]).zip(seal.signatures()) {
        assert_eq!(signature.kid, signer.thumbprint.key_id());
        let mut buffer = [0; MAX_DIRECT];
        let message =
            write_sig_structure(&statement_header(signer).encode(), &statement, &mut buffer).unwrap();
        assert!(examples::verifies(seed, message, signature.signature));
    }
}

#[test]
fn the_thumbprints_that_pages_print_are_those_of_the_example_keys() {
    let examples = Examples::new();
    let page = fs::read_to_string(folder().join("keys.md")).unwrap();
    for key in [examples.device_key, examples.p256_key] {
        assert!(page.contains(&key.thumbprint().to_string()), "{}", key.thumbprint());
        assert!(page.contains(&key.key_id().to_string()), "{}", key.key_id());
    }
    let page = fs::read_to_string(folder().join("root.md")).unwrap();
    assert!(page.contains(&examples.authority.to_string()), "{}", examples.authority);
}

#[test]
fn the_log_of_the_examples_is_signed_and_holds_the_license() {
    let examples = Examples::new();
    let load = |seed| VerifyingKey::load(&examples::public(&examples::test_key(seed))).unwrap();
    let (log, witnesses) = ([load(7)], [load(6)]);
    let keys = LogKeys { log: &log, witnesses: &witnesses };
    let checkpoint = verify_checkpoint(examples.checkpoint.as_bytes(), examples.authority, &keys).unwrap();
    assert_eq!((checkpoint.head().size, checkpoint.cosignatures().len()), (4, 1));
    let leaf = Envelope::decode_kind(&examples.license, Kind::License).unwrap().leaf_hash();
    let (index, proven) =
        verify_inclusion(examples.proof.as_bytes(), leaf, examples.authority, &keys).unwrap();
    assert_eq!((index, proven.head()), (2, checkpoint.head()));
    let older = verify_checkpoint(examples.older_checkpoint.as_bytes(), examples.authority, &keys).unwrap();
    assert_eq!(checkpoint.extends(&older, &examples.consistency), Ok(()));
    let page = fs::read_to_string(folder().join("log.md")).unwrap();
    let log = &log[0];
    assert!(page.contains(&log.public().thumbprint().to_string()), "{}", log.public().thumbprint());
}
