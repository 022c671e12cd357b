//! Style sheets, scripts and icons, carried inside the program.
//!
//! Everything under `static/` is embedded. An asset's address holds the hash of its content
//! (`/static/HASH/app.css`), so browsers may keep it for ever and a new version is a new address.
//! Text is compressed once, at the first request for it. The icon sprite is put together here from
//! the unmodified icon files under `static/vendor/`: to add an icon, add its file there.

use std::collections::HashMap;
use std::io::Write;
use std::sync::{LazyLock, OnceLock};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use poem::http::{StatusCode, header};
use poem::{Request, Response, handler};
use sha2::{Digest, Sha256};

/// Where the icon files lie under `static/`.
const ICONS: &str = "vendor/tabler-icons-3.51.0/outline/";
/// The sprite's name; no such file exists, it is made from [`ICONS`].
pub const SPRITE: &str = "icons.svg";
/// How much of the hash goes into the address: 64 bits tell versions of one file apart.
const HASH_LENGTH: usize = 16;
/// A year, the longest that caches honour.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

#[derive(rust_embed::RustEmbed)]
#[folder = "static/"]
struct Files;

struct Asset {
    bytes: Bytes,
    packed: OnceLock<Bytes>,
    mime: &'static str,
    hash: String,
    url: String,
}

static ASSETS: LazyLock<HashMap<String, Asset>> = LazyLock::new(|| {
    let mut assets: HashMap<String, Asset> = Files::iter()
        .filter(|name| !name.starts_with(ICONS))
        .filter_map(|name| {
            let bytes = Bytes::from(Files::get(&name)?.data.into_owned());
            Some((name.to_string(), Asset::new(&name, bytes)))
        })
        .collect();
    assets.insert(SPRITE.to_owned(), Asset::new(SPRITE, sprite().into()));
    assets
});

impl Asset {
    fn new(name: &str, bytes: Bytes) -> Self {
        let mut hash = hex::encode(Sha256::digest(&bytes));
        hash.truncate(HASH_LENGTH);
        let url = format!("/static/{hash}/{name}");
        let mime = match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "svg" => "image/svg+xml",
            "png" => "image/png",
            _ => "text/plain; charset=utf-8",
        };
        Self {
            bytes,
            packed: OnceLock::new(),
            mime,
            hash,
            url,
        }
    }

    /// The content, gzipped; empty for what does not shrink.
    fn packed(&self) -> &Bytes {
        self.packed.get_or_init(|| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            match encoder.write_all(&self.bytes).and_then(|()| encoder.finish()) {
                Ok(packed) if packed.len() < self.bytes.len() => packed.into(),
                _ => Bytes::new(),
            }
        })
    }
}

/// The address of the file `name` under `static/`. A name that does not exist gives an address
/// that answers 404; a test looks through the templates for such names.
pub fn url(name: &str) -> &str {
    ASSETS.get(name).map_or("/static/missing", |asset| &asset.url)
}

/// The address of an icon within the sprite.
pub fn icon(name: &str) -> String {
    format!("{}#{name}", url(SPRITE))
}

/// Answers `/static/HASH/NAME`. An old hash gets the current file, which must not be cached under it.
#[handler]
pub fn serve(request: &Request) -> poem::Result<Response> {
    let path = request.uri().path();
    let (hash, asset) = path
        .strip_prefix("/static/")
        .and_then(|rest| rest.split_once('/'))
        .and_then(|(hash, name)| Some((hash, ASSETS.get(name)?)))
        .ok_or_else(|| poem::Error::from_status(StatusCode::NOT_FOUND))?;
    let etag = format!("\"{}\"", asset.hash);
    let caching = if hash == asset.hash { FOR_EVER } else { "no-cache" };
    let answer = Response::builder()
        .header(header::ETAG, &etag)
        .header(header::CACHE_CONTROL, caching)
        .header(header::VARY, "Accept-Encoding");
    if request
        .header("if-none-match")
        .is_some_and(|tags| tags.contains(&etag))
    {
        return Ok(answer.status(StatusCode::NOT_MODIFIED).finish());
    }
    let answer = answer.content_type(asset.mime);
    if takes_gzip(request) && !asset.packed().is_empty() {
        let packed = asset.packed().clone();
        return Ok(answer.header(header::CONTENT_ENCODING, "gzip").body(packed));
    }
    Ok(answer.body(asset.bytes.clone()))
}

/// Whether the browser accepts gzip.
pub fn takes_gzip(request: &Request) -> bool {
    request.header("accept-encoding").is_some_and(|codings| {
        codings.split(',').any(|coding| {
            let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
            name.trim().eq_ignore_ascii_case("gzip") && weight.trim() != "q=0"
        })
    })
}

/// All icon files as one SVG of symbols, each named as its file.
fn sprite() -> String {
    let mut names: Vec<_> = Files::iter().filter(|name| name.starts_with(ICONS)).collect();
    names.sort();
    let mut sprite = String::from("<svg xmlns=\"http://www.w3.org/2000/svg\">");
    for name in names {
        let Some(file) = Files::get(&name) else { continue };
        let text = String::from_utf8_lossy(&file.data);
        let inner = text
            .split_once('>')
            .and_then(|(_, rest)| rest.rsplit_once("</svg>"))
            .map_or("", |(inner, _)| inner.trim());
        let id = name.trim_start_matches(ICONS).trim_end_matches(".svg");
        sprite.push_str(&format!(
            "<symbol id=\"{id}\" viewBox=\"0 0 24 24\">{inner}</symbol>"
        ));
    }
    sprite.push_str("</svg>");
    sprite
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every template's text, with its name.
    fn templates() -> Vec<(String, String)> {
        fn walk(folder: &std::path::Path, found: &mut Vec<(String, String)>) {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let path = entry.path();
                if path.is_dir() {
                    walk(&path, found);
                } else {
                    let text = std::fs::read_to_string(&path).unwrap();
                    found.push((path.display().to_string(), text));
                }
            }
        }
        let mut found = Vec::new();
        walk(
            &std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("templates"),
            &mut found,
        );
        found
    }

    fn quoted_after<'a>(text: &'a str, opening: &str) -> Vec<&'a str> {
        text.split(opening)
            .skip(1)
            .filter_map(|rest| rest.split_once('"').map(|(name, _)| name))
            .collect()
    }

    #[test]
    fn every_icon_and_file_that_a_template_names_exists() {
        let sprite = sprite();
        for (file, text) in templates() {
            for name in quoted_after(&text, "icon(\"") {
                assert!(sprite.contains(&format!("id=\"{name}\"")), "{file}: icon {name}");
            }
            for name in quoted_after(&text, "assets::url(\"") {
                assert!(ASSETS.contains_key(name), "{file}: asset {name}");
            }
        }
    }

    #[test]
    fn no_template_has_an_inline_script_or_style() {
        for (file, text) in templates() {
            for banned in [
                "<style",
                " style=\"",
                " onclick=",
                " onload=",
                " hx-on",
                "javascript:",
            ] {
                assert!(!text.contains(banned), "{file} has {banned}");
            }
            let scripts = text.matches("<script").count();
            assert_eq!(
                scripts,
                text.matches("<script src=").count(),
                "{file}: inline script"
            );
        }
    }

    #[test]
    fn the_style_of_our_own_stays_small() {
        let bytes = ASSETS["app.css"].bytes.len();
        assert!(bytes < 40 * 1024, "app.css has {bytes} bytes");
    }
}
