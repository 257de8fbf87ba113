use std::io::Cursor;

use image::{DynamicImage, GrayImage, Luma, RgbaImage, imageops};

use super::read::within;
use super::*;

fn license() -> Vec<u8> {
    (0..410u32).map(|index| ((index * index * 31) >> 3) as u8).collect()
}

fn license_text() -> String {
    encode_qr(Kind::License, &license())
}

fn drawn() -> GrayImage {
    let png = encode(Kind::License, &license()).unwrap()[0].draw(Format::Png);
    image::load_from_memory(&png).unwrap().into_luma8()
}

fn saved(picture: impl Into<DynamicImage>, format: image::ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn png(picture: impl Into<DynamicImage>) -> Vec<u8> {
    saved(picture, image::ImageFormat::Png)
}

fn code(picture: &[u8]) -> &'static str {
    read(picture).unwrap_err().code()
}

#[test]
fn png_reads_back() {
    let symbols = encode(Kind::License, &license()).unwrap();
    assert_eq!((symbols.len(), symbols[0].version()), (1, 16));
    let png = symbols[0].draw(Format::Png);
    assert_eq!(read(&png).unwrap(), [license_text()]);
    let picture = image::load_from_memory(&png).unwrap();
    assert_eq!(picture.width() as usize, (symbols[0].width() + 8) * 8);
}

#[test]
fn every_version_is_drawn_within_its_bound_and_read() {
    for bytes in [1, 100, 410, 1_000, 1_088] {
        let document = vec![0xa5; bytes];
        let symbols = encode(Kind::License, &document).unwrap();
        assert_eq!(symbols.len(), symbol_count(bytes));
        assert!(symbols[0].version() <= MAX_VERSION, "{bytes}");
        for format in [Format::Png, Format::Svg] {
            assert!(symbols[0].draw(format).len() as u64 <= format.max_bytes(bytes), "{bytes} {format:?}");
        }
        assert_eq!(read(&symbols[0].draw(Format::Png)).unwrap(), [encode_qr(Kind::License, &document)]);
    }
}

#[test]
fn versions_split_where_the_constants_say() {
    assert_eq!(qr_version(&"A".repeat(MAX_SINGLE_CHARS)).unwrap(), MAX_VERSION);
    assert_eq!(qr_version(&"A".repeat(MAX_SINGLE_CHARS + 1)).unwrap(), MAX_VERSION + 1);
    assert_eq!(qr_version(&"A".repeat(3_391)).unwrap(), 40);
    assert_eq!(qr_version(&"A".repeat(3_392)).unwrap_err().code(), "qr-too-long");
    assert_eq!(symbol_count(1_088), 1);
    assert_eq!(symbol_count(1_089), 3);
    for bytes in [0, 1, 2, 1_088, 1_089] {
        assert_eq!(qr_chars(bytes), encode_qr(Kind::License, &vec![0; bytes]).len(), "{bytes}");
    }
    assert_eq!(encode(Kind::TrustBundle, &[1; 99_450]).unwrap().len(), 255);
    assert_eq!(encode(Kind::TrustBundle, &[1; 99_451]).unwrap_err().code(), "qr-too-long");
}

#[test]
fn frames_fit_version_15_and_their_bound() {
    let document: Vec<u8> = (0..2_946u32).map(|index| ((index * 7) >> 2) as u8).collect();
    let symbols = encode(Kind::License, &document).unwrap();
    assert_eq!(symbols.len(), 8);
    let mut assembly = frames::Assembly::new();
    let mut whole = None;
    for symbol in &symbols {
        assert!(symbol.version() <= 15);
        for format in [Format::Png, Format::Svg] {
            assert!(symbol.draw(format).len() as u64 <= format.max_bytes(document.len()));
        }
        let texts = read(&symbol.draw(Format::Png)).unwrap();
        whole = assembly.push(&texts[0]).unwrap();
    }
    assert_eq!(whole, Some(document));
}

#[test]
fn svg_draws_the_same_modules_as_png() {
    let symbol = Symbol::new(&license_text()).unwrap();
    let svg = String::from_utf8(symbol.draw(Format::Svg)).unwrap();
    let path = svg.split("fill=\"#000\" d=\"").nth(1).unwrap().split('"').next().unwrap();
    let mut modules = GrayImage::from_pixel(89, 89, Luma([255]));
    for run in path.split('M').skip(1) {
        let numbers: Vec<u32> =
            run.split(|c: char| !c.is_ascii_digit()).filter_map(|text| text.parse().ok()).collect();
        let [x, y, run, 1, back] = numbers[..] else { panic!("{run}") };
        assert_eq!(run, back);
        (x..x + run).for_each(|x| modules.put_pixel(x, y, Luma([0])));
    }
    assert_eq!(imageops::resize(&modules, 89 * 8, 89 * 8, imageops::FilterType::Nearest), drawn());
}

#[test]
fn jpeg_rotated_mirrored_tinted_and_transparent_pictures_are_read() {
    let picture = drawn();
    let on_table = {
        let mut table = GrayImage::from_pixel(1_600, 1_200, Luma([120]));
        imageops::overlay(&mut table, &picture, 300, 200);
        table
    };
    let mut transparent = RgbaImage::new(picture.width(), picture.height());
    for (pixel, source) in transparent.pixels_mut().zip(picture.pixels()) {
        pixel.0 = [0, 0, 0, 255 - source.0[0]];
    }
    for (name, bytes) in [
        ("jpeg", saved(picture.clone(), image::ImageFormat::Jpeg)),
        ("90", png(imageops::rotate90(&picture))),
        ("180", saved(imageops::rotate180(&picture), image::ImageFormat::Jpeg)),
        ("270", png(imageops::rotate270(&picture))),
        ("skewed", png(rotated(&on_table, 17.0))),
        ("slightly blurred", png(imageops::blur(&picture, 2.0))),
        ("transparent", png(transparent)),
        ("16 bit", png(DynamicImage::ImageLuma8(picture.clone()).into_rgba16())),
        ("table", saved(on_table, image::ImageFormat::Jpeg)),
        ("small", png(imageops::resize(&picture, 89 * 4, 89 * 4, imageops::FilterType::Triangle))),
    ] {
        assert_eq!(read(&bytes).map_err(|error| error.code()), Ok(vec![license_text()]), "{name}");
    }
}

fn rotated(picture: &GrayImage, degrees: f64) -> GrayImage {
    let (width, height) = picture.dimensions();
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (cx, cy) = (f64::from(width) / 2.0, f64::from(height) / 2.0);
    GrayImage::from_fn(width, height, |x, y| {
        let (dx, dy) = (f64::from(x) - cx, f64::from(y) - cy);
        let (x, y) = (cx + dx * cos - dy * sin, cy + dx * sin + dy * cos);
        let inside = x >= 0.0 && y >= 0.0 && x < f64::from(width) && y < f64::from(height);
        if inside { *picture.get_pixel(x as u32, y as u32) } else { Luma([120]) }
    })
}

#[test]
fn several_codes_in_one_picture_are_all_read() {
    let one = Symbol::new("CP1:ONE").unwrap();
    let two = Symbol::new("CP1:TWO").unwrap();
    let mut sheet = GrayImage::from_pixel(600, 300, Luma([255]));
    for (index, symbol) in [&one, &two].into_iter().enumerate() {
        let picture = image::load_from_memory(&symbol.draw(Format::Png)).unwrap().into_luma8();
        imageops::overlay(&mut sheet, &picture, 20 + 290 * index as i64, 20);
    }
    assert_eq!(read(&png(sheet)).unwrap(), ["CP1:ONE", "CP1:TWO"]);
}

#[test]
fn a_code_in_a_picture_of_12_megapixels_is_read() {
    let mut photo = GrayImage::from_fn(4_000, 3_000, |x, y| Luma([(90 + (x * 7 + y * 13) % 80) as u8]));
    let paper = imageops::resize(&drawn(), 1_800, 1_800, imageops::FilterType::Triangle);
    imageops::overlay(&mut photo, &paper, 900, 700);
    assert_eq!(read(&saved(photo, image::ImageFormat::Jpeg)).unwrap(), [license_text()]);
}

#[test]
fn pictures_without_a_code_say_so() {
    let stripes = GrayImage::from_fn(600, 600, |x, _| Luma([if x / 10 % 2 == 0 { 0 } else { 255 }]));
    let mut state = 1_u32;
    let noise = GrayImage::from_fn(600, 600, |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Luma([(state >> 24) as u8])
    });
    for (name, picture) in [
        ("white", GrayImage::from_pixel(600, 600, Luma([255]))),
        ("black", GrayImage::from_pixel(600, 600, Luma([0]))),
        ("one pixel", GrayImage::from_pixel(1, 1, Luma([0]))),
        ("one row", GrayImage::from_pixel(3_000, 1, Luma([9]))),
        ("one column", GrayImage::from_pixel(1, 3_000, Luma([9]))),
        ("stripes", stripes),
        ("noise", noise),
        ("grey gradient", GrayImage::from_fn(600, 600, |x, _| Luma([200 + (x / 20) as u8]))),
        ("a sharp square", GrayImage::from_fn(600, 600, |x, y| Luma([if x.max(y) < 99 { 0 } else { 200 }]))),
    ] {
        assert_eq!(code(&png(picture)), "no-qr", "{name}");
    }
}

#[test]
fn codes_that_are_there_but_unreadable_are_told_from_none() {
    let mut scratched = drawn();
    for y in 100..612 {
        (200..600).for_each(|x| scratched.put_pixel(x, y, Luma([if x / 8 % 2 == 0 { 0 } else { 255 }])));
    }
    assert_eq!(code(&png(scratched)), "qr-unreadable");
    assert_eq!(code(&png(imageops::blur(&drawn(), 4.5))), "qr-unreadable");
}

#[test]
fn blurred_pictures_are_told_from_pictures_without_a_code() {
    let mut photo = GrayImage::from_fn(1_200, 900, |x, _| Luma([150 + (x / 30) as u8]));
    let paper = imageops::resize(&drawn(), 800, 800, imageops::FilterType::Triangle);
    imageops::overlay(&mut photo, &paper, 200, 50);
    for sigma in [8.0, 12.0, 20.0, 40.0] {
        let blurred = imageops::blur(&drawn(), sigma);
        assert_eq!(code(&png(blurred.clone())), "picture-blurred", "{sigma}");
        assert_eq!(code(&saved(blurred, image::ImageFormat::Jpeg)), "picture-blurred", "{sigma}");
        let blurred = imageops::fast_blur(&photo, 800.0 / 712.0 * sigma);
        assert_eq!(code(&saved(blurred, image::ImageFormat::Jpeg)), "picture-blurred", "photo {sigma}");
    }
}

#[test]
fn damaged_and_foreign_pictures_are_refused() {
    let whole = encode(Kind::License, &license()).unwrap()[0].draw(Format::Png);
    for end in [8, 20, 33, 60, whole.len() / 2] {
        assert_eq!(code(&whole[..end]), "picture-damaged", "{end}");
    }
    for index in [12, 16, 30, whole.len() / 2] {
        let mut flipped = whole.clone();
        flipped[index] ^= 0x10;
        assert_eq!(code(&flipped), "picture-damaged", "{index}");
    }
    assert_eq!(code(b"\xff\xd8\xff"), "picture-damaged");
    for other in [&b""[..], b"GIF89a", b"\x89PNG", b"<svg/>", b"\xff\xd8"] {
        assert_eq!(code(other), "not-a-picture");
    }
}

// A PNG of a few bytes that claims to be `width` by `height`.
fn bomb(width: u32, height: u32) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgba);
    let mut writer = encoder.write_header().unwrap();
    // Deflate of a run of zeros that never ends.
    writer.write_chunk(png::chunk::IDAT, &[0x78, 0x01, 0x63, 0x60, 0x18, 0x05]).unwrap();
    drop(writer);
    file
}

#[test]
fn bombs_are_refused_by_their_dimensions() {
    for (width, height) in [(8_000, 5_001), (65_535, 65_535), (1, 0x7fff_ffff), (0x7fff_ffff, 0x7fff_ffff)] {
        assert_eq!(code(&bomb(width, height)), "picture-too-large", "{width} x {height}");
    }
    let mut jpeg = saved(GrayImage::new(8, 8), image::ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff; 4]);
    assert_eq!(code(&jpeg), "picture-too-large");
    assert_eq!(code(&[PNG_START, &vec![0; 16 << 20]].concat()), "picture-too-large");
}

const PNG_START: &[u8] = b"\x89PNG\r\n\x1a\n";

#[test]
fn work_that_panics_or_takes_too_long_ends_as_an_error() {
    let short = std::time::Duration::from_millis(50);
    let slow = within(short, || {
        std::thread::sleep(std::time::Duration::from_secs(5));
        Ok(())
    });
    assert_eq!(slow.unwrap_err().code(), "picture-too-complex");
    let panicked: Result<(), _> = within(short * 100, || panic!("as a decoder might"));
    assert_eq!(panicked.unwrap_err().code(), "picture-too-complex");
}

#[test]
fn names_tell_the_format_and_the_number() {
    assert_eq!(Format::of_name(Path::new("a.PNG")).unwrap(), Format::Png);
    assert_eq!(Format::of_name(Path::new("a.b.svg")).unwrap(), Format::Svg);
    for other in ["a", "a.jpg", ".png", "png", "a.svg.txt", "-"] {
        assert_eq!(Format::of_name(Path::new(other)).unwrap_err().code(), "picture-name", "{other}");
    }
    assert_eq!(file_names(Path::new("x/a.png"), 1), [Path::new("x/a.png")]);
    assert_eq!(
        file_names(Path::new("x/a.b.png"), 2),
        ["x/a.b-1of2.png", "x/a.b-2of2.png"].map(PathBuf::from)
    );
}
