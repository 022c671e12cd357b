//! The output of scripts as HTML: colours become classes, everything else a terminal would obey
//! is taken out.
//!
//! A log line is hostile until shown otherwise. It is first cleaned: of escape sequences only
//! colour and style survive, other control characters vanish, and the invisible characters that
//! reorder text (which could make a line read differently from what it says) become visible.
//! What is left is cut into runs by `cansi` and escaped run by run; no style attribute is ever
//! written, only the classes `a-…` of `app.css`.

use std::fmt::Write;
use std::iter::Peekable;
use std::str::Chars;

use cansi::v3::{CategorisedSlice, categorise_text};
use cansi::{Color, Intensity};

const ESCAPE: char = '\u{1b}';
/// More numbers in one colour sequence than anybody means: the rest is ignored.
const PARAMETER_LIMIT: usize = 32;

/// The brightness of the six steps in the colour cube of the palette of 256.
const CUBE: [u16; 6] = [0, 95, 135, 175, 215, 255];

/// One line of output as HTML that is safe to put into a page.
pub fn to_html(line: &str) -> String {
    let clean = clean(line);
    let mut html = String::with_capacity(clean.len() + 32);
    for run in categorise_text(&clean) {
        let classes = classes(&run);
        if classes.is_empty() {
            escape(run.text, &mut html);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(html, "<span class=\"{}\">", classes.join(" "));
            escape(run.text, &mut html);
            html.push_str("</span>");
        }
    }
    html
}

/// One line of output as plain text, for downloads and searching.
pub fn to_text(line: &str) -> String {
    let clean = clean(line);
    categorise_text(&clean).iter().map(|run| run.text).collect()
}

fn escape(text: &str, html: &mut String) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            // What could not survive cleaning unless inside a broken sequence.
            c if c.is_control() && c != '\t' => {}
            c => html.push(c),
        }
    }
}

fn classes(run: &CategorisedSlice<'_>) -> Vec<&'static str> {
    let on = |flag: Option<bool>| flag == Some(true);
    let (fg, bg) = if on(run.reversed) {
        (run.bg, run.fg)
    } else {
        (run.fg, run.bg)
    };
    let mut classes = Vec::new();
    classes.extend(fg.map(foreground));
    classes.extend(bg.map(background));
    match run.intensity {
        Some(Intensity::Bold) => classes.push("a-bold"),
        Some(Intensity::Faint) => classes.push("a-faint"),
        _ => {}
    }
    if on(run.reversed) && fg.is_none() && bg.is_none() {
        classes.push("a-reversed");
    }
    if on(run.italic) {
        classes.push("a-italic");
    }
    if on(run.underline) {
        classes.push("a-underline");
    }
    if on(run.strikethrough) {
        classes.push("a-strike");
    }
    classes
}

fn foreground(colour: Color) -> &'static str {
    match colour {
        Color::Black => "a-black",
        Color::Red => "a-red",
        Color::Green => "a-green",
        Color::Yellow => "a-yellow",
        Color::Blue => "a-blue",
        Color::Magenta => "a-magenta",
        Color::Cyan => "a-cyan",
        Color::White => "a-white",
        Color::BrightBlack => "a-grey",
        Color::BrightRed => "a-bright-red",
        Color::BrightGreen => "a-bright-green",
        Color::BrightYellow => "a-bright-yellow",
        Color::BrightBlue => "a-bright-blue",
        Color::BrightMagenta => "a-bright-magenta",
        Color::BrightCyan => "a-bright-cyan",
        Color::BrightWhite => "a-bright-white",
    }
}

fn background(colour: Color) -> &'static str {
    match colour {
        Color::Black | Color::BrightBlack => "a-on-black",
        Color::Red | Color::BrightRed => "a-on-red",
        Color::Green | Color::BrightGreen => "a-on-green",
        Color::Yellow | Color::BrightYellow => "a-on-yellow",
        Color::Blue | Color::BrightBlue => "a-on-blue",
        Color::Magenta | Color::BrightMagenta => "a-on-magenta",
        Color::Cyan | Color::BrightCyan => "a-on-cyan",
        Color::White | Color::BrightWhite => "a-on-white",
    }
}

/// The line with nothing in it that a terminal would obey, except colours in their plain form.
fn clean(line: &str) -> String {
    let line = last_rewrite(line);
    let mut clean = String::with_capacity(line.len());
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ESCAPE => sequence(&mut chars, &mut clean),
            // The same as ESC [, in one character.
            '\u{9b}' => control_sequence(&mut chars, &mut clean),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => clean.push('\u{fffd}'),
            c if c.is_control() && c != '\t' => {}
            c => clean.push(c),
        }
    }
    clean
}

/// What a terminal would be left showing of a line that a progress bar wrote over and over.
fn last_rewrite(line: &str) -> &str {
    let line = line.trim_end_matches(['\r', '\n']);
    line.rsplit('\r').find(|part| !part.is_empty()).unwrap_or(line)
}

fn sequence(chars: &mut Peekable<Chars<'_>>, clean: &mut String) {
    match chars.peek() {
        Some('[') => {
            chars.next();
            control_sequence(chars, clean);
        }
        // Strings for the terminal itself (its title, a link) end with BEL or ESC \.
        Some(']' | 'P' | '_' | '^' | 'X') => {
            while let Some(c) = chars.next() {
                if c == '\u{7}' || c == '\u{9c}' {
                    break;
                }
                if c == ESCAPE {
                    chars.next_if_eq(&'\\');
                    break;
                }
            }
        }
        // Two or three characters: a character set, a reset.
        Some(_) => {
            while chars.next_if(|c| (' '..='/').contains(c)).is_some() {}
            chars.next_if(|c| ('0'..='~').contains(c));
        }
        None => {}
    }
}

/// After `ESC [`: keeps colours, swallows the rest.
fn control_sequence(chars: &mut Peekable<Chars<'_>>, clean: &mut String) {
    let mut parameters = String::new();
    while let Some(c) = chars.next_if(|c| (' '..='?').contains(c)) {
        parameters.push(c);
    }
    let last = chars.next_if(|c| ('@'..='~').contains(c));
    if last == Some('m') {
        let plain = plain_colours(&parameters);
        // Writing to a string cannot fail.
        let _ = write!(clean, "{ESCAPE}[{plain}m");
    }
}

/// The parameters of a colour sequence with the 256 and the 16 million colours brought down to
/// the sixteen that have a class, and unknown ones left out.
fn plain_colours(parameters: &str) -> String {
    let mut numbers = parameters
        .split([';', ':'])
        .map(|number| number.parse::<u16>().unwrap_or(0))
        .take(PARAMETER_LIMIT);
    let mut plain = Vec::new();
    while let Some(number) = numbers.next() {
        match number {
            38 | 48 => {
                let colour = match numbers.next() {
                    Some(5) => numbers.next().map(of_256),
                    Some(2) => Some(nearest([
                        numbers.next().unwrap_or(0),
                        numbers.next().unwrap_or(0),
                        numbers.next().unwrap_or(0),
                    ])),
                    _ => None,
                };
                plain.extend(colour.map(|colour| colour + (number - 38)));
            }
            0..=4 | 7 | 9 | 22..=24 | 27 | 29..=37 | 39..=47 | 49 | 90..=97 | 100..=107 => {
                plain.push(number);
            }
            _ => {}
        }
    }
    if plain.is_empty() && !parameters.is_empty() {
        // Nothing known was asked for; an empty list would mean “reset”.
        return "39".to_owned();
    }
    plain.iter().map(u16::to_string).collect::<Vec<_>>().join(";")
}

/// The foreground code for a colour of the palette of 256.
fn of_256(colour: u16) -> u16 {
    match colour {
        0..=7 => 30 + colour,
        8..=15 => 82 + colour,
        16..=231 => {
            let level = |place: u16| CUBE[usize::from((colour - 16) / place % 6)];
            nearest([level(36), level(6), level(1)])
        }
        232..=255 => nearest([(colour - 232) * 11; 3]),
        _ => 39,
    }
}

/// The foreground code, out of sixteen, nearest to red, green, blue.
fn nearest(rgb: [u16; 3]) -> u16 {
    let highest = rgb.into_iter().max().unwrap_or(0).min(255);
    if highest < 64 {
        return 90;
    }
    let bits = rgb
        .into_iter()
        .enumerate()
        .filter(|(_, level)| *level > highest / 2)
        .map(|(place, _)| 1_u16 << place)
        .sum::<u16>();
    if highest > 170 { 90 + bits } else { 30 + bits }
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
        }
    }
}
