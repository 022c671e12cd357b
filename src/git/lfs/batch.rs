//! The batch API: which objects we want, and where the server says they are.
//!
//! The answer is read into types of our own with everything optional, because servers differ; what is
//! missing then is said for the file that needs it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::pointer::Pointer;

/// The media type of questions and answers.
pub(super) const MEDIA_TYPE: &str = "application/vnd.git-lfs+json";
/// Bytes of an answer that are read: signed addresses of a hundred objects take a tenth of that.
pub(super) const ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// How much of a server's own words is passed on, in characters.
const WORDS: usize = 300;

/// What is asked: where these objects can be downloaded from.
#[derive(Serialize)]
pub(super) struct BatchQuestion<'a> {
    operation: &'static str,
    transfers: [&'static str; 1],
    objects: Vec<Wanted<'a>>,
    hash_algo: &'static str,
}

#[derive(Serialize)]
struct Wanted<'a> {
    oid: &'a str,
    size: u64,
}

impl<'a> BatchQuestion<'a> {
    pub(super) fn about(objects: impl IntoIterator<Item = &'a Pointer>) -> Self {
        let wanted = |pointer: &'a Pointer| Wanted {
            oid: &pointer.oid,
            size: pointer.size,
        };
        Self {
            operation: "download",
            transfers: ["basic"],
            objects: objects.into_iter().map(wanted).collect(),
            hash_algo: "sha256",
        }
    }
}

/// Where an object is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct ObjectSource {
    pub(super) href: String,
    /// To be sent along with the request for it.
    #[serde(default)]
    pub(super) header: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Answer {
    transfer: Option<String>,
    #[serde(default)]
    objects: Vec<Answered>,
}

#[derive(Deserialize)]
struct Answered {
    #[serde(default)]
    oid: String,
    actions: Option<Actions>,
    error: Option<Complaint>,
}

#[derive(Deserialize)]
struct Actions {
    download: Option<ObjectSource>,
}

#[derive(Deserialize)]
struct Complaint {
    code: Option<i64>,
    #[serde(default)]
    message: String,
}

/// The sources of `wanted`, in their order.
///
/// # Errors
/// Which of `wanted` cannot be had, and why, as the end of a sentence; the first of all, where the
/// answer is none.
pub(super) fn read(body: &[u8], wanted: &[&Pointer]) -> Result<Vec<ObjectSource>, (usize, String)> {
    let answer: Answer = serde_json::from_slice(body).map_err(|error| {
        (
            0,
            format!(
                "the server's answer cannot be read ({})",
                words(&error.to_string())
            ),
        )
    })?;
    if let Some(transfer) = answer.transfer.filter(|transfer| transfer != "basic") {
        let why = format!(
            "the server wants to transfer by “{}”, which was not offered to it",
            words(&transfer)
        );
        return Err((0, why));
    }
    let mut answered: BTreeMap<String, Answered> = BTreeMap::new();
    for one in answer.objects {
        answered.entry(one.oid.clone()).or_insert(one);
    }
    let source = |(at, pointer): (usize, &&Pointer)| {
        let found = answered
            .remove(&pointer.oid)
            .ok_or_else(|| (at, "the server's answer does not mention it".to_owned()))?;
        if let Some(Complaint { code, message }) = found.error {
            let code = code.map_or_else(String::new, |code| format!(" (error {code})"));
            return Err((at, format!("the server said “{}”{code}", words(&message))));
        }
        let source = found.actions.and_then(|actions| actions.download);
        source.ok_or_else(|| (at, "the server does not say where it is".to_owned()))
    };
    wanted.iter().enumerate().map(source).collect()
}

/// The reason that the body of a refused request gives; empty where there is none.
pub(super) fn reason(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
    }
    let refusal: Option<Refusal> = serde_json::from_slice(body).ok();
    refusal.map_or_else(String::new, |refusal| format!(": “{}”", words(&refusal.message)))
}

/// A server's words, on one line and not too many.
pub(super) fn words(text: &str) -> String {
    let mut shown = String::new();
    for c in text.trim().chars().take(crate::sabotage::most("z14", WORDS)) {
        match c {
            c if c.is_control() && !crate::sabotage::on("z13") => shown.push(' '),
            c => shown.push(c),
        }
    }
    shown.trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::cases::cases;

    /// Answers of the batch API, whole and in pieces.
    fn json() -> impl Strategy<Value = String> {
        let words = vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"transfer\": \"basic\"",
            "\"objects\": ",
            "\"oid\": ",
            "\"size\": 1",
            "\"actions\": ",
            "\"download\": ",
            "\"href\": ",
            "\"https://x/y\"",
            "\"error\": ",
            "\"code\": 404",
            "\"message\": \"no\\n\\u0000\"",
            "\"4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\"",
            "1e999",
            "null",
            "{\"objects\": [{\"oid\": \"4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\", \"error\": {\"code\": 404, \"message\": \"no\\n\\u0000way\"}}]}",
            "\"header\": {\"A\": \"b\"}",
            "{\"objects\": [{\"oid\": \"4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\", \"actions\": {\"download\": {\"href\": \"https://x/y\"}}}]}",
        ];
        let piece = prop_oneof![
            12 => prop::sample::select(words).prop_map(str::to_owned),
            1 => "\\PC{0,5}",
        ];
        vec(piece, 0..25).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(cases(300))]

        #[test]
        fn a_servers_words_are_short_and_on_one_line(said in "(\\PC|[\n\r\t\u{1b}\u{0}]){0,700}") {
            let oid = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393".to_owned();
            let refusal = serde_json::json!({ "message": said });
            let object = serde_json::json!({ "oid": oid, "error": { "code": 1, "message": said } });
            let answer = serde_json::json!({ "objects": [object] }).to_string();
            let (_, why) = read(answer.as_bytes(), &[&Pointer { oid, size: 1 }]).unwrap_err();
            for told in [reason(refusal.to_string().as_bytes()), why] {
                prop_assert!(told.chars().count() < WORDS + 50, "{}", told);
                prop_assert!(!told.contains(char::is_control), "{}", told);
            }
        }

        #[test]
        fn a_servers_answer_is_for_what_was_asked(body in json()) {
            let oid = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393".to_owned();
            let pointer = Pointer { oid, size: 1 };
            match read(body.as_bytes(), &[&pointer]) {
                Ok(sources) => prop_assert_eq!(sources.len(), 1),
                Err((_, why)) => {
                    prop_assert!(why.chars().count() < 500 && !why.contains(['\n', '\0']), "{}", why);
                }
            }
        }
    }
}
