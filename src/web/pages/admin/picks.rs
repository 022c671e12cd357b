//! Lists to choose from in order.
//!
//! Without scripts nothing can be dragged: a ticked box chooses something, and a small number beside
//! it gives its position. [`FormData::chosen`](crate::web::forms::FormData::chosen)
//! reads them.

use std::fmt::Display;

use crate::domain::KeyName;

/// Something to choose from.
#[derive(Debug, Clone)]
pub struct Pick {
    pub id: String,
    pub label: String,
    pub note: String,
    pub is_chosen: bool,
    /// Its place, from 1; empty when it is not chosen.
    pub place: String,
}

/// All there is to choose from: what is chosen in its order, then the rest.
pub fn picks<T: PartialEq + Display>(
    all: impl IntoIterator<Item = (T, String, String)>,
    chosen: &[T],
) -> Vec<Pick> {
    let mut picks: Vec<(usize, Pick)> = all
        .into_iter()
        .map(|(id, label, note)| {
            let place = chosen.iter().position(|one| *one == id);
            let pick = Pick {
                id: id.to_string(),
                label,
                note,
                is_chosen: place.is_some(),
                place: place.map(|place| (place + 1).to_string()).unwrap_or_default(),
            };
            (place.unwrap_or(usize::MAX), pick)
        })
        .collect();
    picks.sort_by_key(|(place, _)| *place);
    picks.into_iter().map(|(_, pick)| pick).collect()
}

/// The private keys that can be chosen, and those that are configured; nothing where nobody may choose.
pub(super) fn key_choices(names: Option<Vec<KeyName>>, chosen: &str) -> Vec<(String, String)> {
    let Some(names) = names else {
        return Vec::new();
    };
    let is_gone = !chosen.is_empty() && !names.iter().any(|name| name.as_str() == chosen);
    let gone = is_gone.then(|| (chosen.to_owned(), format!("{chosen} (not there)")));
    let usual = (String::new(), "Those of the configuration, in order".to_owned());
    let all = names.iter().map(|name| (name.to_string(), name.to_string()));
    std::iter::once(usual).chain(all).chain(gone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_chosen_comes_first_and_is_numbered() {
        let all = [(7, "a"), (8, "b"), (5, "c")].map(|(id, name)| (id, name.to_owned(), String::new()));
        let shown: Vec<String> = picks(all, &[5, 7])
            .iter()
            .map(|pick| format!("{}{}", pick.label, pick.place))
            .collect();
        assert_eq!(shown, ["c1", "a2", "b"]);
    }
}
