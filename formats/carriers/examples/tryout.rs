#![allow(clippy::all, clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]
use chancery_carriers::picture::*;
use chancery_carriers::terminal::*;
use chancery_formats::document::Kind;
use image::*;
use std::time::Instant;
fn png(p: impl Into<DynamicImage>, f: ImageFormat) -> Vec<u8> { let mut b = std::io::Cursor::new(vec![]); p.into().write_to(&mut b, f).unwrap(); b.into_inner() }
fn main() {
    let mode = std::env::args().nth(1).unwrap();
    let doc: Vec<u8> = (0..410u32).map(|i| ((i * i * 31) >> 3) as u8).collect();
    let syms = encode(Kind::License, &doc).unwrap();
    match mode.as_str() {
        "files" => {
            std::fs::write("/tmp/tryout.png", syms[0].draw(Format::Png)).unwrap();
            std::fs::write("/tmp/tryout.svg", syms[0].draw(Format::Svg)).unwrap();
            for (i, n) in [1090usize, 1050].iter().enumerate() { for (k, s) in encode(Kind::License, &vec![0xa7; *n]).unwrap().iter().enumerate() { std::fs::write(format!("/tmp/tryout-{i}-{k}.png"), s.draw(Format::Png)).unwrap(); } }
            println!("{}", render(&Symbol::new("CR1:HELLO WORLD").unwrap(), Theme::Dark));
            println!("{}", chancery_formats::text::encode_qr(Kind::License, &doc));
            println!("png {} bytes, svg {}", syms[0].draw(Format::Png).len(), syms[0].draw(Format::Svg).len());
        }
        "time" => {
            let mut st = 1u32; let mut rnd = move || { st = st.wrapping_mul(1664525).wrapping_add(1013904223); st >> 24 };
            let finder = |n: u32| GrayImage::from_fn(n, n, |x, y| { let (a, b) = (x % 16 / 2, y % 16 / 2); let d = a.abs_diff(3).max(b.abs_diff(3)); Luma([if a < 7 && b < 7 && d != 2 { 0 } else { 255 }]) });
            for (name, pic) in [
                ("12MP white", GrayImage::from_pixel(4000, 3000, Luma([255]))),
                ("12MP noise", GrayImage::from_fn(4000, 3000, |_, _| Luma([rnd() as u8]))),
                ("40MP white", GrayImage::from_pixel(8000, 5000, Luma([255]))),
                ("finders 1MP", finder(1000)),
                ("finders 4MP", finder(2000)),
            ] {
                let bytes = png(pic, ImageFormat::Png);
                let t = Instant::now();
                println!("{name}: {:?} {:?}", read(&bytes).map(|t| t.len()).map_err(|e| e.code()), t.elapsed());
            }
        }
        "fuzz" => {
            let mut st = std::process::id(); let mut rnd = move || { st = st.wrapping_mul(1664525).wrapping_add(1013904223); st >> 8 };
            let base = image::load_from_memory(&syms[0].draw(Format::Png)).unwrap().into_luma8();
            let small = imageops::resize(&base, 267, 267, imageops::FilterType::Triangle);
            let t = Instant::now(); let (mut n, mut ok) = (0, 0);
            let mut counts = std::collections::BTreeMap::new();
            while t.elapsed().as_secs() < 90 {
                let mut p = if n % 2 == 0 { small.clone() } else { image::load_from_memory(&Symbol::new("CR1:SMALL ONE").unwrap().draw(Format::Png)).unwrap().into_luma8() };
                for _ in 0..rnd() % 60 { let (x, y, w, h, c) = (rnd() % p.width(), rnd() % p.height(), rnd() % 40, rnd() % 40, (rnd() % 256) as u8);
                    for yy in y..(y + h).min(p.height()) { for xx in x..(x + w).min(p.width()) { p.put_pixel(xx, yy, Luma([c])); } } }
                let mut bytes = png(p, if n % 3 == 0 { ImageFormat::Jpeg } else { ImageFormat::Png });
                if n % 3 == 0 { for _ in 0..rnd() % 4 { let i = rnd() as usize % bytes.len(); bytes[i] = rnd() as u8; } }
                n += 1;
                match read(&bytes) { Ok(_) => ok += 1, Err(e) => *counts.entry(e.code()).or_insert(0) += 1 }
            }
            println!("{n} pictures, {ok} read, {counts:?}");
        }
        _ => {}
    }
}
