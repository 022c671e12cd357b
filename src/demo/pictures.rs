//! Small pictures for the sample repositories, drawn here: real PNG files, so that a diff meets
//! something that is not text.

use std::io::Write;

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

/// Width and height of every picture, in pixels: enough to be looked at, a few kilobytes.
const SIDE: u32 = 96;

type Colour = [u8; 3];

/// The shop's logo.
pub fn logo() -> Vec<u8> {
    picture([32, 84, 147], [240, 244, 248])
}

/// Leaves.
pub fn autumn() -> Vec<u8> {
    picture([176, 84, 30], [86, 52, 24])
}

/// Snow.
pub fn winter() -> Vec<u8> {
    picture([220, 232, 242], [98, 128, 160])
}

/// The site's cover.
pub fn cover() -> Vec<u8> {
    picture([64, 96, 72], [232, 222, 200])
}

/// Rings of two colours around the middle.
fn picture(inner: Colour, outer: Colour) -> Vec<u8> {
    let mut rows = Vec::new();
    for y in 0..SIDE {
        // Each row begins with the number of its filter: none.
        rows.push(0);
        for x in 0..SIDE {
            let (dx, dy) = (x.abs_diff(SIDE / 2), y.abs_diff(SIDE / 2));
            let ring = (dx * dx + dy * dy) / 120 % 2;
            rows.extend(if ring == 0 { inner } else { outer });
        }
    }
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = Vec::new();
    header.extend(SIDE.to_be_bytes());
    header.extend(SIDE.to_be_bytes());
    // Eight bits a channel, red green blue, no interlacing.
    header.extend([8, 2, 0, 0, 0]);
    chunk(&mut png, *b"IHDR", &header);
    chunk(&mut png, *b"IDAT", &compressed(&rows));
    chunk(&mut png, *b"IEND", &[]);
    png
}

fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .expect("writing to memory cannot fail")
}

fn chunk(png: &mut Vec<u8>, kind: [u8; 4], body: &[u8]) {
    let length = u32::try_from(body.len()).expect("a picture of a few kilobytes");
    let mut crc = Crc::new();
    crc.update(&kind);
    crc.update(body);
    png.extend(length.to_be_bytes());
    png.extend(kind);
    png.extend(body);
    png.extend(crc.sum().to_be_bytes());
}
