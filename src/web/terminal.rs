//! The output of scripts as HTML: colours become classes, and everything else that a terminal would
//! obey is removed.
//!
//! A log line is treated as hostile. Of escape sequences only colour and style survive,
//! other control characters vanish, and the invisible characters that reorder text (which could
//! make a line read differently from what it holds) become visible. No style attribute is ever
//! written, only the classes `a-…` of `app.css`.

use super::escape;
use crate::domain::turns_text;
use crate::terminal::{Part, parts};

/// More numbers in one colour sequence than anybody needs: the rest is ignored.
const PARAMETER_LIMIT: usize = 32;
/// The brightness of the six steps in the colour cube of the palette of 256.
const CUBE: [u16; 6] = [0, 95, 135, 175, 215, 255];
/// The classes of the sixteen colours that have one, as text.
const FOREGROUND: [&str; 16] = [
    "a-black",
    "a-red",
    "a-green",
    "a-yellow",
    "a-blue",
    "a-magenta",
    "a-cyan",
    "a-white",
    "a-grey",
    "a-bright-red",
    "a-bright-green",
    "a-bright-yellow",
    "a-bright-blue",
    "a-bright-magenta",
    "a-bright-cyan",
    "a-bright-white",
];
/// The same behind text, where bright ones would be too loud.
const BACKGROUND: [&str; 8] = [
    "a-on-black",
    "a-on-red",
    "a-on-green",
    "a-on-yellow",
    "a-on-blue",
    "a-on-magenta",
    "a-on-cyan",
    "a-on-white",
];

/// One line of output as HTML that is safe to put into a page.
pub fn to_html(line: &str) -> String {
    let line = last_rewrite(line);
    let mut html = String::with_capacity(line.len() + 32);
    let (mut style, mut open) = (Style::default(), Style::default());
    for (_, part) in parts(line) {
        match part {
            Part::Char(c) => {
                let Some(c) = safe(c) else { continue };
                if style != open {
                    close(open, &mut html);
                    begin(style, &mut html);
                    open = style;
                }
                escape(c, &mut html);
            }
            Part::Control {
                parameters,
                last: Some('m'),
            } => style.apply(parameters),
            _ => {}
        }
    }
    close(open, &mut html);
    html
}

/// One line of output as plain text, for downloads and searching.
pub fn to_text(line: &str) -> String {
    let shown = parts(last_rewrite(line)).filter_map(|(_, part)| match part {
        Part::Char(c) => safe(c),
        _ => None,
    });
    shown.collect()
}

/// What a terminal would be left showing of a line that a progress bar wrote over and over.
fn last_rewrite(line: &str) -> &str {
    let line = line.trim_end_matches(['\r', '\n']);
    line.rsplit('\r').find(|part| !part.is_empty()).unwrap_or(line)
}

/// The character as a page may show it; `None` for control characters.
fn safe(c: char) -> Option<char> {
    match c {
        c if turns_text(c) => Some(escape::MARK),
        c if c.is_control() && c != '\t' => None,
        c => Some(c),
    }
}

fn escape(c: char, html: &mut String) {
    match c {
        '&' => html.push_str("&amp;"),
        '<' => html.push_str("&lt;"),
        '>' => html.push_str("&gt;"),
        '"' => html.push_str("&quot;"),
        '\'' => html.push_str("&#39;"),
        c => html.push(c),
    }
}

fn begin(style: Style, html: &mut String) {
    if style != Style::default() {
        html.push_str("<span class=\"");
        html.push_str(&style.classes().join(" "));
        html.push_str("\">");
    }
}

fn close(style: Style, html: &mut String) {
    if style != Style::default() {
        html.push_str("</span>");
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    Bold,
    Faint,
}

/// How text looks from here on. Colours are numbers from 0 to 15.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Style {
    foreground: Option<u16>,
    background: Option<u16>,
    weight: Option<Weight>,
    reversed: bool,
    italic: bool,
    underline: bool,
    strike: bool,
}

impl Style {
    /// Obeys a colour sequence. What has no class is left as it was.
    fn apply(&mut self, parameters: &str) {
        if parameters.contains(|c: char| !c.is_ascii_digit() && c != ';' && c != ':') {
            return;
        }
        let mut numbers = parameters
            .split([';', ':'])
            .map(|number| number.parse::<u16>().unwrap_or(0))
            .take(PARAMETER_LIMIT);
        while let Some(number) = numbers.next() {
            match number {
                0 => *self = Self::default(),
                1 => self.weight = Some(Weight::Bold),
                2 => self.weight = Some(Weight::Faint),
                3 => self.italic = true,
                4 => self.underline = true,
                7 => self.reversed = true,
                9 => self.strike = true,
                22 => self.weight = None,
                23 => self.italic = false,
                24 => self.underline = false,
                27 => self.reversed = false,
                29 => self.strike = false,
                30..=37 => self.foreground = Some(number - 30),
                38 => self.foreground = extended(&mut numbers).or(self.foreground),
                39 => self.foreground = None,
                40..=47 => self.background = Some(number - 40),
                48 => self.background = extended(&mut numbers).or(self.background),
                49 => self.background = None,
                90..=97 => self.foreground = Some(number - 82),
                100..=107 => self.background = Some(number - 92),
                _ => {}
            }
        }
    }

    fn classes(self) -> Vec<&'static str> {
        let (text, behind) = if self.reversed {
            (self.background, self.foreground)
        } else {
            (self.foreground, self.background)
        };
        let flags = [
            (self.weight == Some(Weight::Bold), "a-bold"),
            (self.weight == Some(Weight::Faint), "a-faint"),
            (self.reversed && text.is_none() && behind.is_none(), "a-reversed"),
            (self.italic, "a-italic"),
            (self.underline, "a-underline"),
            (self.strike, "a-strike"),
        ];
        let colours = [
            text.and_then(|colour| FOREGROUND.get(usize::from(colour))),
            behind.and_then(|colour| BACKGROUND.get(usize::from(colour % 8))),
        ];
        let flags = flags
            .into_iter()
            .filter(|(is_on, _)| *is_on)
            .map(|(_, class)| class);
        colours.into_iter().flatten().copied().chain(flags).collect()
    }
}

/// The colour that follows 38 or 48, as the nearest of the sixteen.
fn extended(numbers: &mut impl Iterator<Item = u16>) -> Option<u16> {
    match numbers.next()? {
        5 => of_256(numbers.next()?),
        2 => {
            let mut level = || numbers.next().unwrap_or(0);
            Some(nearest([level(), level(), level()]))
        }
        _ => None,
    }
}

fn of_256(colour: u16) -> Option<u16> {
    match colour {
        0..=15 => Some(colour),
        16..=231 => {
            let level = |place: u16| CUBE[usize::from((colour - 16) / place % 6)];
            Some(nearest([level(36), level(6), level(1)]))
        }
        232..=255 => Some(nearest([(colour - 232) * 11; 3])),
        _ => None,
    }
}

/// The colour, out of sixteen, nearest to red, green, blue.
fn nearest(rgb: [u16; 3]) -> u16 {
    let highest = rgb.into_iter().max().unwrap_or(0).min(255);
    if highest < 64 {
        return 8;
    }
    let bits = rgb
        .into_iter()
        .enumerate()
        .filter(|(_, level)| *level > highest / 2)
        .map(|(place, _)| 1_u16 << place)
        .sum::<u16>();
    if highest > 170 { 8 + bits } else { bits }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn colours_become_classes() {
        assert_eq!(
            to_html("\u{1b}[1;31mError:\u{1b}[0m <b>"),
            "<span class=\"a-red a-bold\">Error:</span> &lt;b&gt;"
        );
        assert_eq!(
            to_html("\u{1b}[38;5;208mx\u{1b}[m"),
            "<span class=\"a-bright-yellow\">x</span>"
        );
        assert_eq!(
            to_html("\u{1b}[48;2;10;200;20mx"),
            "<span class=\"a-on-green\">x</span>"
        );
    }

    #[test]
    fn of_a_sequence_without_end_the_first_colours_count() {
        let bold_after = |count: usize| to_html(&format!("\u{1b}[{}1mx", "4;".repeat(count)));
        assert!(bold_after(31).contains("a-bold"));
        assert!(!bold_after(32).contains("a-bold"));
    }

    #[test]
    fn what_a_terminal_would_obey_is_gone() {
        assert_eq!(
            to_html("\u{1b}]0;title\u{7}a\u{1b}[2Jb\u{1b}(Bc\u{8}\u{7f}"),
            "abc"
        );
        assert_eq!(
            to_html("\u{1b}]8;;https://evil.example\u{1b}\\link\u{1b}]8;;\u{1b}\\"),
            "link"
        );
        assert_eq!(to_html("10%\r50%\r100%\r\n"), "100%");
        assert_eq!(to_html("safe\u{202e}txt"), "safe\u{fffd}txt");
        assert_eq!(to_text("\u{1b}[31mred\u{1b}[0m"), "red");
    }

    proptest! {
        #![proptest_config(crate::cases::cases(300))]

        #[test]
        fn no_line_breaks_out_of_its_span(line in "(\\PC|\u{1b}|\\[|;|m|[0-9]|<|>|&|\"|'|\r|\u{9b}){0,80}") {
            let html = to_html(&line);
            let without_spans = html
                .replace("</span>", "")
                .split("<span class=\"")
                .enumerate()
                .map(|(position, part)| if position == 0 {
                    part.to_owned()
                } else {
                    let (classes, rest) = part.split_once("\">").unwrap();
                    assert!(classes.chars().all(|c| c.is_ascii_lowercase() || c == '-' || c == ' '));
                    rest.to_owned()
                })
                .collect::<String>();
            prop_assert!(!without_spans.contains(['<', '>', '"', '\'', '\u{1b}']), "{html}");
            let plain = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
            let plain = plain.iter().fold(without_spans, |text, (from, to)| text.replace(from, to));
            prop_assert_eq!(plain, to_text(&line), "both readings show the same");
            prop_assert!(html.len() <= 40 * line.len() + 40, "{} of {}", html.len(), line.len());
        }
    }
}
