//! Writes the seed corpus into the folder named by its argument, from the examples of `docs/spec/`.
//!
//! `run.sh` compares what it writes with the committed `seeds/`, so that seeds follow the formats.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

#[allow(dead_code)]
#[path = "../../../verifier/site/src/store/manifest.rs"]
mod state;

use chancery_formats::cose::Envelope;
use chancery_formats::id::Thumbprint;
use chancery_formats::license::License;
use chancery_formats::request::Request;
use chancery_formats::trust::{Bundle, Manifest, Root};
use chancery_verifier::{Pin, Trust};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(env::args_os().nth(1).ok_or("usage: seeds FOLDER")?);
    let spec = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/spec");
    let mut pages: Vec<_> = fs::read_dir(spec)?.collect::<io::Result<_>>()?;
    pages.sort_by_key(fs::DirEntry::file_name);
    let mut seeds = Seeds { folder, count: 0 };
    for page in pages {
        for (info, lines) in blocks(&fs::read_to_string(page.path())?) {
            seeds.of_block(&info, &lines)?;
        }
    }
    println!("{} seeds", seeds.count);
    Ok(())
}

/// Returns the fenced blocks of a page: info string and lines.
fn blocks(page: &str) -> Vec<(String, Vec<String>)> {
    let mut blocks: Vec<(String, Vec<String>)> = Vec::new();
    let mut open = false;
    for line in page.lines() {
        if let Some(info) = line.strip_prefix("```") {
            open = !open;
            if open {
                blocks.push((info.into(), Vec::new()));
            }
        } else if let Some((_, lines)) = blocks.last_mut().filter(|_| open) {
            lines.push(line.into());
        }
    }
    blocks
}

fn bytes(line: &str) -> Result<Vec<u8>, std::num::ParseIntError> {
    let digits: String = line.split('#').next().unwrap_or("").split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16)).collect()
}

struct Seeds {
    folder: PathBuf,
    count: usize,
}

impl Seeds {
    fn of_block(&mut self, info: &str, lines: &[String]) -> Result<(), Box<dyn std::error::Error>> {
        let all = || lines.iter().map(|line| bytes(line)).collect::<Result<Vec<_>, _>>();
        match info {
            "hex refused" => {
                for line in lines {
                    self.add("cbor_scan", &bytes(line)?)?;
                }
            }
            "hex bundle" => self.bundle(&all()?.concat())?,
            "hex claims" => self.add("license", &all()?.concat())?,
            "hex cbor" => self.add("cbor_scan", &all()?.concat())?,
            "hex key ed25519" | "hex key p256" => {
                self.add("cbor_scan", &all()?.concat())?;
                self.add("key", &all()?.concat())?;
            }
            "hex license" | "hex request" | "hex root" | "hex key-record" | "hex closing"
            | "hex revocation" => {
                self.document(&all()?.concat())?;
            }
            "hex exchange request" | "hex exchange answer" => self.add("exchange", &all()?.concat())?,
            "hex approval" => self.add("approval", Envelope::decode(&all()?.concat())?.payload)?,
            "hex approval-request" => self.add("approval_request", &all()?.concat())?,
            "hex site-record" => self.add("site_record", Envelope::decode(&all()?.concat())?.payload)?,
            "hex grant" => self.add("grant", &all()?.concat())?,
            "hex possession" => self.add("possession", &all()?.concat())?,
            "hex transcript" => self.add("transcript", &all()?.concat())?,
            "hex seal" => self.add("seal", &all()?.concat())?,
            "hex statement" => self.add("statement", &all()?.concat())?,
            "hex witness-answer" => self.add("witness", &all()?.concat())?,
            "hex log-record" => self.add("log_record", &all()?.concat())?,
            "checkpoint" => self.add("checkpoint", (lines.join("\n") + "\n").as_bytes())?,
            "proof" => self.add("log_proof", (lines.join("\n") + "\n").as_bytes())?,
            "hex consistency" => self.add("consistency", &[&[2, 4], &all()?.concat()[..]].concat())?,
            "qr request" => {
                self.add("base45", lines.concat().as_bytes())?;
                self.add("base45", &lines.concat().as_bytes()[4..])?;
            }
            "frames license" => {
                let frames: Vec<_> = lines.split(String::is_empty).map(<[String]>::concat).collect();
                self.add("frames", frames.join("\n").as_bytes())?;
            }
            "armor license" => self.add("armor", lines.join("\n").as_bytes())?,
            "rows 17" => self.add("rows", &[&[17], lines.join("\n").as_bytes()].concat())?,
            _ => {}
        }
        Ok(())
    }

    /// Adds a bundle, a manifest and what a site remembers of it.
    fn bundle(&mut self, bundle: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
        self.add("bundle", bundle)?;
        self.add("trust", bundle)?;
        let trust = Trust::load(bundle, Pin::FirstUse)?;
        self.add("minima", &trust.minima(None).encode())?;
        // The example stands without a manifest; here is the one that it would have as the first bundle.
        let authority = trust.authority();
        let device = Thumbprint([3; 32]);
        for pinned in [None, Some(authority)] {
            self.add("site_state", &state::Manifest { device, authority: pinned }.encode())?;
        }
        let members: Vec<_> = Bundle::decode(bundle)?.members().map(Manifest::hash).collect();
        let (number, previous, time) = (1, authority.0, 1_795_392_000);
        let manifest = Manifest { authority, number, previous, members: &members, time, checkpoint: None };
        Ok(self.add("manifest", &manifest.encode())?)
    }

    /// Adds a signed document, its payload and the identifiers in it.
    fn document(&mut self, document: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
        let envelope = Envelope::decode(document)?;
        self.add("envelope", document)?;
        self.add("cbor_scan", envelope.payload)?;
        let target = match envelope.header.typ.rsplit('.').next() {
            Some("closing+cbor") => "closing",
            Some("key+cbor") => "key_record",
            Some("license+cwt") => "license",
            Some("request+cbor") => "request",
            Some("revocations+cbor") => "revocation",
            Some("transcript+cbor") => "transcript",
            _ => "root",
        };
        self.add(target, envelope.payload)?;
        self.add("trust", document)?;
        self.add("ids", envelope.header.kid.to_string().as_bytes())?;
        if let Ok(license) = License::decode(envelope.payload) {
            self.add("ids", license.id.to_string().as_bytes())?;
            self.add("ids", license.terms.entitlement.to_string().as_bytes())?;
        }
        if let Ok(license) = License::decode(envelope.payload) {
            self.add("terms", license.terms.features.as_bytes())?;
            if let Some(device) = license.terms.device {
                self.add("terms", device.components.as_bytes())?;
            }
            if let Some(territory) = license.terms.territory {
                self.add("terms", territory.as_bytes())?;
            }
        }
        if let Ok(root) = Root::decode(envelope.payload) {
            self.add("quorum", &root.quorum.encode())?;
            self.add("quorum", root.quorum.custodians.as_bytes())?;
        }
        if let Ok(request) = Request::decode(envelope.payload) {
            self.add("ids", request.device_key.thumbprint().to_string().as_bytes())?;
            self.add("ids", request.device_key.thumbprint().device_id().to_string().as_bytes())?;
        }
        Ok(())
    }

    /// Writes one seed under the next number of its target.
    fn add(&mut self, target: &str, seed: &[u8]) -> io::Result<()> {
        let folder = self.folder.join(target);
        fs::create_dir_all(&folder)?;
        let number = fs::read_dir(&folder)?.count();
        self.count += 1;
        fs::write(folder.join(format!("{number:02}")), seed)
    }
}
