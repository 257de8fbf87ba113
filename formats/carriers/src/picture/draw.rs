//! Draws a QR code: PNG of one bit a pixel, SVG of one path.

use std::fmt::Write;

use super::{Format, Symbol};

const QUIET_ZONE: usize = 4;

// A laser printer at 300 dpi draws 8 pixels as 0.7 mm, which a telephone reads at arm's length.
const MODULE_PIXELS: usize = 8;

const PNG_OVERHEAD: usize = 1_024;
const SVG_HEAD: usize = 512;
// `M184 184h184v1h-184z`: the longest run of dark modules in a row.
const SVG_RUN: usize = 22;

/// Returns how many bytes the picture of a code of `width` modules has at most.
pub(super) fn max_bytes(format: Format, width: usize) -> u64 {
    let side = width + 2 * QUIET_ZONE;
    let bytes = match format {
        // Deflate stores what it cannot compress, with a few bytes for each block.
        Format::Png => (side + 1) * side * MODULE_PIXELS * 9 / 8 + PNG_OVERHEAD,
        Format::Svg => width * width.div_ceil(2) * SVG_RUN + SVG_HEAD,
    };
    bytes as u64
}

/// Draws pixels; `MODULE_PIXELS` is 8, so that one byte is one module of one row.
pub(super) fn png(symbol: &Symbol) -> Vec<u8> {
    let side = symbol.width + 2 * QUIET_ZONE;
    let mut pixels = Vec::with_capacity(side * side * MODULE_PIXELS);
    for y in 0..side {
        let row: Vec<u8> = (0..side).map(|x| if is_dark(symbol, x, y) { 0x00 } else { 0xff }).collect();
        (0..MODULE_PIXELS).for_each(|_| pixels.extend_from_slice(&row));
    }
    let side_pixels = u32::try_from(side * MODULE_PIXELS).unwrap_or(u32::MAX);
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, side_pixels, side_pixels);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&pixels));
    debug_assert!(written.is_ok(), "writing to memory cannot fail: {written:?}");
    file
}

fn is_dark(symbol: &Symbol, x: usize, y: usize) -> bool {
    x >= QUIET_ZONE && y >= QUIET_ZONE && symbol.is_dark(x - QUIET_ZONE, y - QUIET_ZONE)
}

/// Draws one path of the runs of dark modules, one module being one unit.
pub(super) fn svg(symbol: &Symbol) -> String {
    let side = symbol.width + 2 * QUIET_ZONE;
    let pixels = side * MODULE_PIXELS;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{pixels}\" height=\"{pixels}\" \
         viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\n\
         <path fill=\"#fff\" d=\"M0 0h{side}v{side}h-{side}z\"/>\n<path fill=\"#000\" d=\""
    );
    for y in 0..symbol.width {
        let mut x = 0;
        while x < symbol.width {
            let run = (x..symbol.width).take_while(|&x| symbol.is_dark(x, y)).count();
            if run > 0 {
                // Writing to a string cannot fail.
                let _ = write!(text, "M{} {}h{run}v1h-{run}z", x + QUIET_ZONE, y + QUIET_ZONE);
            }
            x += run.max(1);
        }
    }
    text.push_str("\"/>\n</svg>\n");
    text
}
