//! What a form sent, where one name may come several times; and lists to choose from in order.
//!
//! Without scripts nothing can be dragged: a ticked box says that something is chosen, a small
//! number beside it says where it stands.

use std::fmt::Display;
use std::str::FromStr;

/// The pairs of a form, in the order of the page.
#[derive(Debug, Clone, Default)]
pub struct Fields(Vec<(String, String)>);

impl From<Vec<(String, String)>> for Fields {
    fn from(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }
}

impl Fields {
    /// The value of the first field called `name`; empty when there is none.
    pub fn text(&self, name: &str) -> String {
        self.all(name).next().unwrap_or_default().to_owned()
    }

    /// The value of the first field called `name`; `kept` when there is none.
    pub fn text_or(&self, name: &str, kept: String) -> String {
        self.all(name).next().map_or(kept, str::to_owned)
    }

    /// Whether the box `name` was ticked.
    pub fn is_ticked(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// The values of all fields called `name`.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let own = self.0.iter().filter(move |(field, _)| field == name);
        own.map(|(_, value)| value.as_str())
    }

    /// The fields whose name begins with `prefix`: the rest of the name, and the value.
    pub fn numbered<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let rest =
            move |(name, value): &'a (String, String)| Some((name.strip_prefix(prefix)?, value.as_str()));
        self.0.iter().filter_map(rest)
    }

    /// What was ticked under `name`, by the numbers beside the boxes; without one, at the end.
    pub fn chosen<T: FromStr>(&self, name: &str) -> Vec<T> {
        let mut chosen: Vec<(u32, T)> = self
            .all(name)
            .filter_map(|value| {
                let place = self.text(&format!("{name}-place-{value}")).trim().parse();
                Some((place.unwrap_or(u32::MAX), value.parse().ok()?))
            })
            .collect();
        chosen.sort_by_key(|(place, _)| *place);
        chosen.into_iter().map(|(_, id)| id).collect()
    }
}

/// Something to choose from.
#[derive(Debug, Clone)]
pub struct Pick {
    /// Its row.
    pub id: String,
    /// Its name.
    pub label: String,
    /// What else is worth knowing of it.
    pub note: String,
    /// Whether it is chosen.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ticked_comes_in_the_order_of_its_numbers() {
        let pairs = [
            ("c", "7"),
            ("c-place-7", "2"),
            ("c-place-8", "1"),
            ("c", "9"),
            ("c-place-9", ""),
            ("c", "5"),
            ("c-place-5", "1"),
            ("c", "odd"),
        ];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let fields = Fields::from(pairs.to_vec());
        assert_eq!(fields.chosen::<i64>("c"), [5, 7, 9]);
        let all = [(7, "a"), (8, "b"), (5, "c")].map(|(id, name)| (id, name.to_owned(), String::new()));
        let shown: Vec<String> = picks(all, &[5, 7])
            .iter()
            .map(|pick| format!("{}{}", pick.label, pick.place))
            .collect();
        assert_eq!(shown, ["c1", "a2", "b"]);
    }
}
