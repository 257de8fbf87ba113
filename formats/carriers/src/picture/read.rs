//! Reads the QR codes of a picture that a stranger may have made.
//!
//! Bounds: 16 MiB of file, 40 megapixels, 320 MiB for decoding one picture, 30 seconds. The work is
//! done in a thread of its own: a fault in a decoder ends the thread and not the program, and a
//! picture made to take hours is given up (its thread ends with the program). `rqrr` reads clean
//! pictures; with the feature `photos`, `rxing` reads photographs as well.

use std::collections::BTreeSet;
use std::io::Cursor;
use std::sync::mpsc;
use std::time::Duration;

use image::{DynamicImage, GrayImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, imageops};

use super::PictureError;

/// Largest file of a picture, in bytes.
pub const MAX_PICTURE_BYTES: u64 = 16 * 1024 * 1024;

/// Largest picture, in pixels.
pub const MAX_PIXELS: u64 = 40_000_000;

const MAX_DECODING_BYTES: u64 = 8 * MAX_PIXELS;
const TIME_LIMIT: Duration = Duration::from_secs(30);
const STACK_BYTES: usize = 8 * 1024 * 1024;

// Up to here a look takes a fraction of a second, even at noise.
const CHEAP_PIXELS: u64 = 2_000_000;

// Blur and noise of a large photograph average out when it is reduced; below this there is no code left.
const SMALLEST_SIDE: u32 = 200;

const PNG_MAGIC: &[u8] = b"\x89PNG\r\n\x1a\n";
const JPEG_MAGIC: &[u8] = b"\xff\xd8\xff";

/// Returns whether bytes start as a PNG or JPEG picture does.
#[must_use]
pub fn is_picture(bytes: &[u8]) -> bool {
    format_of(bytes).is_some()
}

fn format_of(bytes: &[u8]) -> Option<ImageFormat> {
    match bytes {
        _ if bytes.starts_with(PNG_MAGIC) => Some(ImageFormat::Png),
        _ if bytes.starts_with(JPEG_MAGIC) => Some(ImageFormat::Jpeg),
        _ => None,
    }
}

/// Returns the texts of all QR codes that can be read in a picture: at least one, sorted, each once.
///
/// The caller bounds the file by [`MAX_PICTURE_BYTES`] before reading it.
///
/// # Errors
///
/// [`PictureError::NoQr`] where nothing looks like a QR code, [`PictureError::Blurred`] where nothing in
/// the picture is sharp, [`PictureError::QrUnreadable`] where a code is there and cannot be read; [`PictureError::NotPicture`],
/// [`PictureError::Damaged`], [`PictureError::TooManyPixels`], [`PictureError::TooComplex`].
pub fn read(picture: &[u8]) -> Result<Vec<String>, PictureError> {
    let format = format_of(picture).ok_or(PictureError::NotPicture)?;
    if picture.len() as u64 > MAX_PICTURE_BYTES {
        return Err(PictureError::TooManyPixels);
    }
    let bytes = picture.to_vec();
    within(TIME_LIMIT, move || search(&decode(bytes, format)?))
}

// A thread that panics drops its sender, and one that takes too long keeps it: both are told here.
pub(super) fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> Result<T, PictureError> + Send + 'static,
) -> Result<T, PictureError> {
    let (sender, receiver) = mpsc::channel();
    let thread = std::thread::Builder::new().name("picture".into()).stack_size(STACK_BYTES);
    let started = thread.spawn(move || {
        let _ = sender.send(work()); // nobody listens any more once the time is up
    });
    let result = started.ok().and_then(|_| receiver.recv_timeout(limit).ok());
    result.unwrap_or(Err(PictureError::TooComplex))
}

fn decode(bytes: Vec<u8>, format: ImageFormat) -> Result<GrayImage, PictureError> {
    let damaged = |source| match source {
        ImageError::Limits(_) => PictureError::TooManyPixels,
        source => PictureError::Damaged { source },
    };
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_DECODING_BYTES);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MAX_PIXELS || decoder.total_bytes() > MAX_DECODING_BYTES {
        return Err(PictureError::TooManyPixels);
    }
    DynamicImage::from_decoder(decoder).map_err(damaged).map(on_white)
}

// Drawing programs save codes on a transparent ground; people see them on white.
fn on_white(picture: DynamicImage) -> GrayImage {
    if !picture.color().has_alpha() {
        return picture.into_luma8();
    }
    let mut gray = GrayImage::new(picture.width(), picture.height());
    for (pixel, source) in gray.pixels_mut().zip(picture.into_luma_alpha8().pixels()) {
        let [luma, alpha] = source.0.map(u32::from);
        pixel.0 = [u8::try_from((luma * alpha + 255 * (255 - alpha)) / 255).unwrap_or(u8::MAX)];
    }
    gray
}

fn pixels(picture: &GrayImage) -> u64 {
    u64::from(picture.width()) * u64::from(picture.height())
}

#[derive(Default)]
struct Findings {
    texts: BTreeSet<String>,
    unreadable: bool,
}

// Codes that people photograph fill the picture, so that a copy of 2 megapixels or less shows them and
// costs little; the larger ones come last. Stops at the first look that reads everything that it finds.
fn search(picture: &GrayImage) -> Result<Vec<String>, PictureError> {
    let mut reduced = Vec::new();
    let (mut width, mut height) = picture.dimensions();
    while width.min(height) / 2 >= SMALLEST_SIDE {
        (width, height) = (width / 2, height / 2);
        let larger = reduced.last().unwrap_or(picture);
        reduced.push(imageops::thumbnail(larger, width, height));
    }
    let sizes = || std::iter::once(picture).chain(&reduced);
    let (mut large, small): (Vec<_>, Vec<_>) = sizes().partition(|picture| pixels(picture) > CHEAP_PIXELS);
    large.reverse();
    let mut all = Findings::default();
    for (picture, look) in small.into_iter().chain(large).flat_map(|size| LOOKS.map(|look| (size, look))) {
        let found = look(picture);
        let complete = !found.texts.is_empty() && !found.unreadable;
        all.texts.extend(found.texts);
        all.unreadable |= found.unreadable;
        if complete {
            break;
        }
    }
    match all {
        Findings { texts, .. } if !texts.is_empty() => Ok(texts.into_iter().collect()),
        Findings { unreadable: true, .. } => Err(PictureError::QrUnreadable),
        Findings { .. } if is_blurred(picture) => Err(PictureError::Blurred),
        Findings { .. } => Err(PictureError::NoQr),
    }
}

// Whether a picture has contrast but no edges. Seen at 1,000 pixels, a code that fills the picture has
// modules of about 8; a blur that lets no step reach an eighth of the contrast spans 3 pixels or more.
fn is_blurred(picture: &GrayImage) -> bool {
    const SIDE: u32 = 1_000;
    const LEAST_CONTRAST: u8 = 40;
    let longest = picture.width().max(picture.height());
    let scaled = |side: u32| (u64::from(side) * u64::from(SIDE) / u64::from(longest)).max(1) as u32;
    let reduced = (longest > SIDE)
        .then(|| imageops::thumbnail(picture, scaled(picture.width()), scaled(picture.height())));
    let picture = reduced.as_ref().unwrap_or(picture);
    let mut lumas = picture.as_raw().clone();
    lumas.sort_unstable();
    let contrast = lumas[lumas.len() * 99 / 100].abs_diff(lumas[lumas.len() / 100]);
    if contrast < LEAST_CONTRAST {
        return false;
    }
    let step = |x: u32, y: u32| {
        let luma = |x: u32, y: u32| picture.get_pixel(x, y).0[0];
        luma(x, y).abs_diff(luma(x - 1, y)).max(luma(x, y).abs_diff(luma(x, y - 1)))
    };
    let sharp = (1..picture.height())
        .flat_map(|y| (1..picture.width()).map(move |x| (x, y)))
        .filter(|&(x, y)| step(x, y) > contrast / 8)
        .count();
    sharp * 2_000 < lumas.len()
}

#[cfg(feature = "photos")]
const LOOKS: [fn(&GrayImage) -> Findings; 2] = [look_with_rqrr, photos::look_with_rxing];
#[cfg(not(feature = "photos"))]
const LOOKS: [fn(&GrayImage) -> Findings; 1] = [look_with_rqrr];

fn look_with_rqrr(picture: &GrayImage) -> Findings {
    if pixels(picture) > CHEAP_PIXELS {
        return Findings::default(); // it copies the picture for every pair of corners that noise suggests
    }
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let pixels = picture.as_raw();
    let mut prepared =
        rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| pixels[y * width + x]);
    let mut found = Findings::default();
    for grid in prepared.detect_grids() {
        match grid.decode() {
            Ok((_, text)) => drop(found.texts.insert(text)),
            Err(_) => found.unreadable = true,
        }
    }
    found
}

#[cfg(feature = "photos")]
mod photos {
    use rxing::common::HybridBinarizer;
    use rxing::multi::MultipleBarcodeReader;
    use rxing::qrcode::QRCodeReader;
    use rxing::qrcode::cpp_port::QrReader;
    use rxing::{BarcodeFormat, BinaryBitmap, DecodeHints, Exceptions, Luma8LuminanceSource, Reader};

    use super::{Findings, GrayImage};

    pub(super) fn look_with_rxing(picture: &GrayImage) -> Findings {
        let mut found = Findings::default();
        let source = Luma8LuminanceSource::new(picture.as_raw().clone(), picture.width(), picture.height());
        let Ok(source) = source else { return found };
        let mut bitmap = BinaryBitmap::new(HybridBinarizer::new(source));
        let mut hints = DecodeHints { TryHarder: Some(true), ..DecodeHints::default() };
        hints.PossibleFormats = Some([BarcodeFormat::QR_CODE].into());
        let results = QrReader.decode_multiple_with_hints(&mut bitmap, &hints).unwrap_or_default();
        found.texts.extend(results.iter().map(|result| result.getText().to_owned()));
        if found.texts.is_empty() {
            // The older reader finds fewer codes, but tells one that it cannot read from none.
            match QRCodeReader.decode_with_hints(&mut bitmap, &hints) {
                Ok(result) => drop(found.texts.insert(result.getText().to_owned())),
                Err(Exceptions::ChecksumException(_) | Exceptions::FormatException(_)) => {
                    found.unreadable = true
                }
                Err(_) => {}
            }
        }
        found
    }
}
