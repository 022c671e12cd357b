//! A server of the batch API of Git LFS, behind the TLS of `https.rs`.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use hyper::{HeaderMap, Response, StatusCode};
use serde_json::{Value, json};

use super::https::{Answer, LOGIN, sent_to, short};

/// What a download has to bring along.
const TOKEN: &str = "of this object";

/// What it answers at `/AREA/origin.git/info/lfs/…` and at
/// `/objects/AREA/OID`. The area says what is odd about it.
pub fn answer(path: &str, headers: &HeaderMap, body: &[u8], port: u16, root: &Path) -> Answer {
    let header = |name| headers.get(name).map_or("", |value| value.to_str().unwrap());
    let mut parts = path[1..].split('/');
    let area = parts.next().unwrap();
    if area != "objects" {
        if area == "private" && header(AUTHORIZATION.as_str()) != LOGIN {
            let mut answer = short(StatusCode::UNAUTHORIZED);
            answer
                .headers_mut()
                .insert(WWW_AUTHENTICATE, "Basic realm=\"git\"".parse().unwrap());
            return answer;
        }
        if area == "authenticated" && header(AUTHORIZATION.as_str()) != "RemoteAuth of-ada" {
            return short(StatusCode::FORBIDDEN);
        }
        if area == "none" {
            return short(StatusCode::NOT_FOUND);
        }
        if area == "endless" {
            let endless = Bytes::from(vec![b'['; 5 << 20]);
            return Response::new(Full::new(endless).boxed());
        }
        return told(&batch(area, &serde_json::from_slice(body).unwrap(), port));
    }
    let (area, oid) = (parts.next().unwrap(), parts.next().unwrap());
    if header("x-token") != TOKEN {
        return short(StatusCode::FORBIDDEN);
    }
    let stored = root
        .join("origin/.git/lfs/objects")
        .join(&oid[..2])
        .join(&oid[2..4])
        .join(oid);
    let Ok(mut content) = fs::read(stored) else {
        return short(StatusCode::NOT_FOUND);
    };
    match area {
        "lies" => content[0] ^= 1,
        "longer" => content.extend_from_slice(&[0; 100]),
        "shorter" => content.truncate(1),
        "moves" => return sent_to(format!("/objects/open/{oid}")),
        "away" => return sent_to(format!("https://localhost:{port}/objects/open/{oid}")),
        "unsafe" => return sent_to(format!("http://127.0.0.1:{port}/objects/open/{oid}")),
        "round" => return sent_to(format!("/objects/round/{oid}")),
        "guarded" | "strange" if header(AUTHORIZATION.as_str()) != LOGIN => {
            return short(StatusCode::UNAUTHORIZED);
        }
        _ => {}
    }
    Response::new(Full::new(Bytes::from(content)).boxed())
}

fn told(answer: &Value) -> Answer {
    Response::new(Full::new(Bytes::from(answer.to_string())).boxed())
}

fn batch(area: &str, question: &Value, port: u16) -> Value {
    assert_eq!(question["operation"], "download");
    let object = |wanted: &Value| {
        let oid = wanted["oid"].as_str().unwrap();
        let host = match area {
            "elsewhere" | "strange" => format!("https://localhost:{port}"),
            "plain" => format!("http://127.0.0.1:{port}"),
            "named" => format!("https://ada:token@127.0.0.1:{port}"),
            _ => format!("https://127.0.0.1:{port}"),
        };
        let href = format!("{host}/objects/{area}/{oid}");
        let download = json!({ "href": href, "header": { "X-Token": TOKEN, "Host": "evil" } });
        match area {
            "missing" => {
                json!({ "oid": oid, "size": 1, "error": { "code": 404, "message": "no\nsuch object" } })
            }
            "silent" => json!({ "oid": oid }),
            _ => json!({ "oid": oid, "size": wanted["size"], "actions": { "download": download } }),
        }
    };
    let objects: Vec<Value> = question["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(object)
        .collect();
    match area {
        "odd" => json!([1]),
        "other" => json!({ "transfer": "tus", "objects": [] }),
        _ => json!({ "transfer": "basic", "objects": objects }),
    }
}
