//! Variables as lines of a text area: `NAME=value`, and for a value of several lines, as in GitHub's
//! and the shell's own files, `NAME<<END`, its lines, and `END`.

/// The lines of `variables`; [`read`] makes the same of them again.
pub(super) fn written<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let one = |(name, value): (&str, &str)| {
        if !value.contains('\n') && value.trim_end() == value {
            return format!("{name}={value}");
        }
        let is_taken = |end: &String| value.split('\n').any(|line| line == end);
        let ends = std::iter::successors(Some("END".to_owned()), |end| Some(format!("{end}_")));
        let end = ends.into_iter().find(|end| !is_taken(end)).unwrap_or_default();
        format!("{name}<<{end}\n{value}\n{end}")
    };
    variables.into_iter().map(one).collect::<Vec<_>>().join("\n")
}

/// The variables that `text` has.
///
/// # Errors
/// A sentence with the number of the line, and without its text: it may be a secret in the wrong
/// field.
pub fn read(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut variables = Vec::new();
    let mut lines = text.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        let begin = line.trim_start();
        if begin.trim().is_empty() {
            continue;
        }
        let before = begin.split_once('=').map_or(begin, |(name, _)| name);
        let (name, value) = if let Some((name, end)) = before.split_once("<<") {
            let end = end.trim();
            if end.is_empty() || begin.contains('=') {
                return Err(format!(
                    "Line {number}: behind “<<” stands the word that ends the value, such as NAME<<END."
                ));
            }
            let mut value = Vec::new();
            loop {
                match lines.next() {
                    Some((line, _)) if line == end => break,
                    Some((line, _)) => value.push(line),
                    None => {
                        return Err(format!(
                            "The value that begins in line {number} does not end: write the word behind “<<” once more, on a line of its own."
                        ));
                    }
                }
            }
            (name, value.join("\n"))
        } else if let Some((name, value)) = begin.split_once('=') {
            (name, value.trim_end().to_owned())
        } else {
            return Err(format!(
                "Line {number}: write each variable as NAME=value; a value of several lines as NAME<<END, its lines, and END."
            ));
        };
        variables.push((name.trim().to_owned(), value));
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_value_of_several_lines_stands_between_two_words() {
        let text = "A=1=2\r\n\r\n KEY<<END\r\n-----BEGIN\r\n  a<<b=\r\n\r\nEND\r\nB = x ";
        let read = read(text).unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            read,
            [
                pair("A", "1=2"),
                pair("KEY", "-----BEGIN\n  a<<b=\n"),
                pair("B", " x")
            ]
        );
    }

    #[test]
    fn complaints_name_the_line_and_not_the_value() {
        for (text, told) in [
            ("A=1\nverysecret", "Line 2"),
            ("A<<\nverysecret\n", "Line 1"),
            ("A<<B=verysecret\n", "Line 1"),
            ("\nA<<END\nverysecret\nEND ", "begins in line 2"),
        ] {
            let complaint = read(text).unwrap_err();
            assert!(complaint.contains(told), "{complaint}");
            assert!(!complaint.contains("verysecret"), "{complaint}");
        }
    }

    proptest! {
        #![proptest_config(crate::cases::cases(256))]

        #[test]
        fn what_is_written_is_read_again(values in prop::collection::vec("([ -~\t\n]|END|é){0,12}", 0..6)) {
            let names: Vec<String> = (0..values.len()).map(|number| format!("V{number}")).collect();
            let variables: Vec<(String, String)> = names.into_iter().zip(values).collect();
            let text = written(variables.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            prop_assert_eq!(read(&text), Ok(variables));
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            if let Ok(variables) = read(&text) {
                let pairs = variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
                let total: usize = pairs.map(|(name, value)| name.len() + value.len()).sum();
                prop_assert!(total <= text.len());
            }
        }
    }
}
