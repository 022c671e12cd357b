//! Places in long lists, as clients send them back.
//!
//! A cursor is opaque and bound to its list and filters: sent with others it is refused, instead of meaning some
//! other place.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use poem::http::header;
use poem_openapi::types::{ParseFromJSON, ToJSON};
use sha2::{Digest as _, Sha256};

use super::reply::{JsonReply, List};
use crate::web::problem::{ApiFault, ProblemKind};
use crate::web::visitor::Visitor;

/// Bytes by which a cursor knows its list.
const MARK: usize = 6;

/// A list with its filters, which cursors are bound to.
pub struct CursorScope(Vec<u8>);

impl CursorScope {
    /// The list `name`; `filters` in any form that differs when they do.
    pub fn new(name: &str, filters: &impl std::fmt::Debug) -> Self {
        let digest = Sha256::digest(format!("{name}\n{filters:?}"));
        Self(digest.iter().copied().take(MARK).collect())
    }

    /// The cursor for the place `key`.
    pub fn cursor(&self, key: impl ToString) -> String {
        BASE64.encode([self.0.as_slice(), key.to_string().as_bytes()].concat())
    }

    /// The place of a cursor of this list; `None` without one.
    ///
    /// # Errors
    /// A fault for a cursor of another list.
    pub fn place(&self, cursor: Option<&str>) -> Result<Option<String>, ApiFault> {
        let Some(cursor) = cursor else {
            return Ok(None);
        };
        let key = || {
            let bytes = BASE64.decode(cursor).ok()?;
            String::from_utf8(bytes.strip_prefix(self.0.as_slice())?.to_vec()).ok()
        };
        key().map(Some).ok_or_else(bad_cursor)
    }

    /// As [`Self::place`], for lists that are cut by numbers.
    ///
    /// # Errors
    /// As [`Self::place`].
    pub fn row(&self, cursor: Option<&str>) -> Result<Option<i64>, ApiFault> {
        let place = self.place(cursor)?;
        place
            .map(|place| place.parse().map_err(|_| bad_cursor()))
            .transpose()
    }

    /// The page `items`; `next` is the place of the one after it.
    pub fn page<T>(&self, visitor: &Visitor, items: Vec<T>, next: Option<impl ToString>) -> JsonReply<List<T>>
    where
        T: ParseFromJSON + ToJSON + Send + Sync,
    {
        let next = next.map(|key| self.cursor(key));
        let link = next.as_deref().map(|cursor| link(visitor.path(), cursor));
        let reply = JsonReply::new(List { items, next });
        match link {
            Some(link) => reply.with(header::LINK, link),
            None => reply,
        }
    }
}

/// The error for a cursor that is none of its list.
pub fn bad_cursor() -> ApiFault {
    ApiFault::new(
        ProblemKind::BadCursor,
        "This cursor is none of this list with these filters. Leave it out to begin at the first page.",
    )
}

/// The header that leads from the page at `path` to the one at `cursor`.
fn link(path: &str, cursor: &str) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if name != "cursor" {
            pairs.append_pair(&name, &value);
        }
    }
    pairs.append_pair("cursor", cursor);
    format!("<{path}?{}>; rel=\"next\"", pairs.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_of_its_list_and_filters_alone() {
        let list = CursorScope::new("deployments", &("shop", 1));
        let cursor = list.cursor(17);
        assert_eq!(list.row(Some(&cursor)).unwrap(), Some(17));
        assert_eq!(list.row(None).unwrap(), None);
        for other in [
            CursorScope::new("deployments", &("shop", 2)),
            CursorScope::new("audit", &("shop", 1)),
        ] {
            assert!(other.row(Some(&cursor)).is_err());
        }
        for odd in ["", "17", "%%%", &list.cursor("x")] {
            assert!(list.row(Some(odd)).is_err(), "{odd}");
        }
    }

    #[test]
    fn the_next_page_keeps_the_filters() {
        assert_eq!(
            link("/api/v1/deployments?project=a%20b&cursor=old", "new"),
            "</api/v1/deployments?project=a+b&cursor=new>; rel=\"next\""
        );
    }
}
