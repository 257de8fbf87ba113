//! `chancery-site request`: this device asks the vendor for a license.

use std::path::{Path, PathBuf};

use chancery_carriers::files;
use chancery_carriers::picture::{self, Format, Symbol};
use chancery_carriers::report::note;
use chancery_carriers::terminal::{self, Theme};
use chancery_carriers::text::shown_path;
use chancery_formats::document::Kind;
use chancery_formats::id::EntitlementId;
use chancery_hsm_config::HsmError;
use chancery_verifier::device::{Component, collect};
use chancery_verifier::{Draft, Trust, verify_request};
use serde_json::json;

use super::Context;
use crate::error::CommandError;
use crate::store::State;
use crate::time;

/// Ask the vendor for a license of this device
///
/// The first request makes this device's own key. The request carries its public half and salted
/// digests of the machine's components; their values stay here.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery-site request --product pump --entitlement ent_0123456789ABC -o pump.creq\n  \
    chancery-site request --product pump --entitlement ent_0123456789ABC -o pump.creq --qr pump.png")]
pub struct RequestArgs {
    /// Product to run here
    #[arg(long, value_name = "PRODUCT", value_parser = super::name)]
    product: String,
    /// Entitlement to draw on, as the vendor named it
    #[arg(long, value_name = "ENTITLEMENT-ID")]
    entitlement: EntitlementId,
    /// Request file to create; never overwritten
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Picture of its QR code to create, .png or .svg; `-` draws it on the terminal
    #[arg(long, value_name = "FILE")]
    qr: Option<PathBuf>,
}

/// Where the QR code goes.
enum Qr {
    Files(Format, PathBuf),
    Terminal,
}

impl Qr {
    fn wanted(args: &RequestArgs, json: bool) -> Result<Option<Self>, CommandError> {
        match &args.qr {
            None => Ok(None),
            Some(path) if path == Path::new("-") && json => {
                Err(CommandError::usage("--qr - draws on the terminal, where --json prints one JSON object")
                    .hint("write a picture with --qr FILE.png"))
            }
            Some(path) if path == Path::new("-") => Ok(Some(Self::Terminal)),
            Some(path) => Ok(Some(Self::Files(Format::of_name(path)?, path.clone()))),
        }
    }
}

pub fn run(args: &RequestArgs, context: &Context) -> Result<(), CommandError> {
    let qr = Qr::wanted(args, context.json)?;
    let output = files::create_new(&args.output)?; // before a key is made: refuses an existing file
    let lock = context.store()?.lock()?;
    let (state, made) = context.store()?.open_or_make(&lock)?;
    if made {
        note(&format!("made the device key of this machine in {}", shown_path(context.store()?.path())));
    }
    let components = collect::components();
    let request = sign_request(args, &state, &components)?;
    let symbols = match qr {
        Some(_) => picture::encode(Kind::Request, &request)?,
        None => Vec::new(),
    };
    let (pictures, drawing) = render(qr.as_ref(), &symbols)?;
    state.keep_request(&args.product, args.entitlement, &request)?;
    output.commit(&request)?;
    let mut qr_paths = Vec::new();
    for (file, bytes) in pictures {
        qr_paths.push(file.path().to_path_buf());
        file.commit(&bytes)?;
    }
    print(args, context, &state, &components, &qr_paths, &drawing)
}

fn sign_request(
    args: &RequestArgs,
    state: &State,
    components: &[Component],
) -> Result<Vec<u8>, CommandError> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(|source| HsmError::Random { source: source.into() })?;
    let trust = state.trust()?;
    let draft = Draft {
        product: &args.product,
        entitlement: args.entitlement,
        device_key: state.public_key(),
        nonce,
        site_clock: time::now()?,
        components,
        root_version: trust.as_ref().map_or(0, |trust| trust.root_version().into()),
        revocation_list: trust.as_ref().map_or(0, Trust::revocation_list),
    };
    let broken = |refusal| CommandError::not_genuine("the request that was made does not verify", &refusal);
    let unsigned = draft.prepare().map_err(broken)?;
    let signed = unsigned.sign(&state.sign(&unsigned.sig_structure())?);
    verify_request(&signed).map_err(broken)?;
    Ok(signed)
}

type Pictures = Vec<(files::Output, Vec<u8>)>;

/// Prepares the pictures and the drawing; nothing has its final name yet.
fn render(qr: Option<&Qr>, symbols: &[Symbol]) -> Result<(Pictures, String), CommandError> {
    let mut pictures = Vec::new();
    let mut drawing = String::new();
    match qr {
        None => {}
        Some(Qr::Terminal) => {
            for symbol in symbols {
                drawing.push_str(&terminal::draw(symbol, Theme::Dark)?);
            }
        }
        Some(Qr::Files(format, path)) => {
            for (path, symbol) in picture::file_names(path, symbols.len()).iter().zip(symbols) {
                let bytes = symbol.draw(*format);
                let file = files::create_new(path)?;
                file.reserve(bytes.len() as u64)?;
                pictures.push((file, bytes));
            }
        }
    }
    Ok((pictures, drawing))
}

fn print(
    args: &RequestArgs,
    context: &Context,
    state: &State,
    components: &[Component],
    qr_paths: &[PathBuf],
    drawing: &str,
) -> Result<(), CommandError> {
    let kinds: Vec<&str> = components.iter().map(|component| component.kind.name()).collect();
    let device = state.device().device_id().to_string();
    let file = shown_path(&args.output);
    let qr: Vec<String> = qr_paths.iter().map(|path| shown_path(path)).collect();
    let mut printer = context.printer();
    printer.raw(drawing)?;
    printer.line(format_args!("Wrote activation request {file}"))?;
    printer.fields(&[
        ("product", args.product.clone()),
        ("entitlement", args.entitlement.to_string()),
        ("device", device.clone()),
        ("components", format!("{} ({})", kinds.len(), kinds.join(", "))),
    ])?;
    if !qr.is_empty() {
        printer.fields(&[("QR code", qr.join(", "))])?;
    }
    printer.line(format_args!(
        "Next: carry it to the vendor, then run `chancery-site install LICENSE.clic --trust BUNDLE.ctrust`"
    ))?;
    printer.json(&json!({
        "file": file,
        "qr": qr,
        "device": device,
        "product": args.product,
        "entitlement": args.entitlement.to_string(),
        "components": kinds,
    }))?;
    Ok(())
}
