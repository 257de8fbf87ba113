use std::fs;

use chancery_formats::text::encode_qr;
use image::{GrayImage, Luma, imageops};

use super::*;
use crate::picture::{Format, Symbol};

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("chancery-load-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Bytes that start as every document does.
fn document(bytes: usize) -> Vec<u8> {
    let mut document = vec![0xd2, 0x84];
    document.extend((2..bytes).map(|index| ((index * index) >> 3) as u8));
    document
}

fn picture_of(texts: &[&str]) -> Vec<u8> {
    let pictures: Vec<GrayImage> = texts
        .iter()
        .map(|text| Symbol::new(text).unwrap().draw(Format::Png))
        .map(|png| image::load_from_memory(&png).unwrap().into_luma8())
        .collect();
    let side = pictures.iter().map(GrayImage::width).max().unwrap();
    let mut sheet = GrayImage::from_pixel(side * texts.len() as u32, side, Luma([255]));
    for (index, picture) in pictures.iter().enumerate() {
        imageops::overlay(&mut sheet, picture, i64::from(side) * index as i64, 0);
    }
    let mut bytes = std::io::Cursor::new(Vec::new());
    sheet.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

#[test]
fn every_carrier_gives_the_document_back_whatever_its_name() {
    let scratch = Scratch::new("carriers");
    let bytes = document(410);
    let qr = encode_qr(Kind::License, &bytes);
    let armored = armor::encode(Kind::License, &bytes).unwrap();
    let text_frames = frames::split(&bytes).unwrap().join("\r\n") + "\r\n\r\n";
    let (kind, none) = (Some(Kind::License), None);
    for (contents, carrier, kind) in [
        (bytes.clone(), Carrier::File, none),
        (armored.clone().into_bytes(), Carrier::Armor, kind),
        (format!("Dear Ann,\r\n\r\n{armored}").into_bytes(), Carrier::Armor, kind),
        (qr.clone().into_bytes(), Carrier::QrText, kind),
        (format!("\u{feff}\n  {qr} \r\n").into_bytes(), Carrier::QrText, kind),
        (text_frames.into_bytes(), Carrier::QrText, none),
        (picture_of(&[&qr]), Carrier::Picture, kind),
        (picture_of(&["HTTPS://EXAMPLE.COM", &qr]), Carrier::Picture, kind),
        (
            picture_of(&frames::split(&bytes).unwrap().iter().map(String::as_str).collect::<Vec<_>>()),
            Carrier::Picture,
            none,
        ),
    ] {
        let path = scratch.write("misnamed.jpeg", contents);
        assert_eq!(load(&path).unwrap(), Loaded { kind, bytes: bytes.clone(), carrier });
    }
}

#[test]
fn no_qr_text_ends_in_a_space_so_that_lines_may_be_trimmed() {
    for pair in 0..=u16::MAX {
        assert!(!encode_qr(Kind::License, &pair.to_be_bytes()).ends_with(' '));
    }
    for single in 0..=u8::MAX {
        assert!(!encode_qr(Kind::License, &[single]).ends_with(' '));
    }
}

#[test]
fn frames_may_be_spread_over_files_but_all_are_needed() {
    let scratch = Scratch::new("parts");
    let bytes = document(1_200);
    let texts = frames::split(&bytes).unwrap();
    let paths: Vec<PathBuf> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| scratch.write(&format!("{index}.png"), picture_of(&[text])))
        .collect();
    assert_eq!(paths.len(), 4);
    let reversed: Vec<&PathBuf> = paths.iter().rev().chain(&paths[..1]).collect();
    assert_eq!(load_parts(&reversed).unwrap().bytes, bytes);
    match load_parts(&paths[1..]).unwrap_err() {
        error @ LoadError::Incomplete { missing: 1, count: 4, .. } => {
            assert!(error.to_string().ends_with("has 3 of the 4 QR codes that make the document"), "{error}");
        }
        error => panic!("{error}"),
    }
    let other = scratch.write("other.txt", &frames::split(&document(1_201)).unwrap()[1]);
    assert_eq!(load_parts(&[&paths[0], &other]).unwrap_err().code(), "frame-of-other");
    let raw = scratch.write("raw", document(50));
    assert_eq!(load_parts(&[&paths[0], &raw]).unwrap_err().code(), "several-documents");
    assert_eq!(load_parts(&[&raw, &raw]).unwrap().bytes, document(50));
    assert_eq!(
        load_parts(&[raw.clone(), scratch.write("b", document(51))]).unwrap_err().code(),
        "several-documents"
    );
    assert_eq!(load_parts(&[] as &[PathBuf]).unwrap_err().code(), "file-empty");
}

#[test]
fn what_is_no_document_is_refused_by_name() {
    let scratch = Scratch::new("refused");
    let qr = encode_qr(Kind::License, &document(60));
    let other = encode_qr(Kind::License, &document(61));
    let armored = armor::encode(Kind::License, &document(60)).unwrap();
    let blank = {
        let mut bytes = std::io::Cursor::new(Vec::new());
        GrayImage::from_pixel(300, 300, Luma([255])).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        bytes.into_inner()
    };
    let cases: [(Vec<u8>, &str); 20] = [
        (b"".to_vec(), "file-empty"),
        (b"\r\n \n".to_vec(), "file-empty"),
        (b"garbage".to_vec(), "not-a-document"),
        (b"\xff\xfe\x00garbage".to_vec(), "not-a-document"),
        (b"\xa1\x01\x02".to_vec(), "not-a-document"),
        (b"GIF89a".to_vec(), "not-a-document"),
        (b"%PDF-1.7\n\xe2\xe3".to_vec(), "not-a-document"),
        (b"CX1:00".to_vec(), "not-a-document"),
        (b"cl1:00".to_vec(), "not-a-document"),
        (b"x CL1:00".to_vec(), "not-a-document"),
        (format!("{qr}\nsomething else").into_bytes(), "qr-not-ours"),
        (format!("{qr}\n{other}").into_bytes(), "several-documents"),
        (format!("{qr}\n{}", frames::split(&document(900)).unwrap()[0]).into_bytes(), "several-documents"),
        (b"CL1:BBa".to_vec(), "alphabet"),
        (b"CL1:GGX".to_vec(), "base45-overflow"),
        (b"CP1:00".to_vec(), "frame"),
        (armored[..80].into(), "armor"),
        (armored.replace("LICENSE", "LICENCE").into_bytes(), "armor"),
        (picture_of(&["HTTPS://EXAMPLE.COM"]), "qr-not-ours"),
        (blank, "no-qr"),
    ];
    for (contents, code) in cases {
        let path = scratch.write("x.clic", &contents);
        let error = load(&path).unwrap_err();
        assert_eq!(error.code(), code, "{}", String::from_utf8_lossy(&contents));
        assert!(!error.hint().is_empty() && error.to_string().contains("x.clic"), "{error}");
    }
}

#[test]
fn sizes_are_bounded_by_file_and_by_kind() {
    let scratch = Scratch::new("sizes");
    let path = scratch.0.join("big");
    fs::File::create(&path).unwrap().set_len(MAX_PICTURE_BYTES + 1).unwrap();
    assert_eq!(load(&path).unwrap_err().code(), "file-too-large");
    let path = scratch.write("bundle", document(MAX_BUNDLE + 1));
    assert_eq!(load(&path).unwrap_err().code(), "file-too-large");
    let path = scratch.write("armor", armor::encode(Kind::License, &document(64 * 1024 + 1)).unwrap());
    assert_eq!(load(&path).unwrap_err().code(), "file-too-large");
    let path = scratch.write("armor", armor::encode(Kind::TrustBundle, &document(64 * 1024 + 1)).unwrap());
    assert_eq!(load(&path).unwrap().bytes.len(), 64 * 1024 + 1);
}

#[test]
fn texts_of_strangers_are_shown_escaped_and_short() {
    let scratch = Scratch::new("stranger");
    let path =
        scratch.write("a\u{202e}.png", picture_of(&[&format!("HTTP://A/\u{1b}[2J{}", "x".repeat(99))]));
    let error = load(&path).unwrap_err().to_string();
    assert!(error.contains("a\\u{202e}.png"), "{error}");
    assert!(error.ends_with(&format!("\"HTTP://A/\\u{{1b}}[2J{}…\"", "x".repeat(27))), "{error}");
}

#[test]
fn a_trust_bundle_is_taken_as_its_own_bytes() {
    let scratch = Scratch::new("bundle");
    let bundle = Bundle::encode(&[document(100)]);
    let loaded = load(&scratch.write("vendor.ctrust", &bundle)).unwrap();
    let (kind, text) = (Some(Kind::TrustBundle), frames::split(&bundle).unwrap().join("\n"));
    assert_eq!(loaded, Loaded { kind, bytes: bundle.clone(), carrier: Carrier::File });
    let loaded = load(&scratch.write("vendor.txt", text)).unwrap();
    assert_eq!(loaded, Loaded { kind, bytes: bundle, carrier: Carrier::QrText });
}
