//! A source text with its comments and strings blanked out, so that the rest can be searched and
//! its braces counted. Not a parser: enough of Rust's lexing to be right about our own code.

/// A file's text.
pub struct Source {
    /// As it stands in the file.
    pub text: String,
    /// The same with spaces instead of comments and of what strings hold; lines stay lines.
    pub code: String,
}

/// A function with a body.
pub struct Function<'a> {
    pub name: String,
    /// Where it stands, counted from 1.
    pub line: usize,
    /// What it takes and returns.
    pub head: &'a str,
    /// What stands between its braces.
    pub body: &'a str,
}

impl Function<'_> {
    /// How many lines of its body hold code.
    pub fn lines(&self) -> usize {
        self.body.lines().filter(|line| !line.trim().is_empty()).count()
    }
}

impl Source {
    pub fn new(text: String) -> Self {
        let code = blanked(&text);
        Self { text, code }
    }

    /// The code without the `mod tests { … }` at its end.
    pub fn code_without_tests(&self) -> String {
        let mark = "#[cfg(test)]\nmod tests {";
        let end = self.code.find(mark).unwrap_or(self.code.len());
        self.code[..end].to_owned()
    }

    /// Every function that has a body.
    pub fn functions(&self) -> Vec<Function<'_>> {
        let mut functions = Vec::new();
        for (at, _) in self.code.match_indices("fn ") {
            let before = self.code[..at].chars().next_back();
            let rest = &self.code[at + 3..];
            let name: String = rest
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_') || name.is_empty() {
                continue;
            }
            if let Some((head, body)) = head_and_body(rest) {
                let line = self.code[..at].matches('\n').count() + 1;
                functions.push(Function {
                    name,
                    line,
                    head,
                    body,
                });
            }
        }
        functions
    }
}

/// What stands before the braces of a function's body, and between them; `None` when it has none.
fn head_and_body(rest: &str) -> Option<(&str, &str)> {
    let (mut round, mut curly, mut begin) = (0, 0, None);
    for (at, c) in rest.char_indices() {
        match c {
            '(' | '[' => round += 1,
            ')' | ']' => round -= 1,
            ';' if round == 0 && curly == 0 => return None,
            '{' => {
                curly += 1;
                begin = begin.or(Some(at + 1));
            }
            '}' => {
                curly -= 1;
                if curly == 0 {
                    let begin = begin?;
                    return Some((&rest[..begin - 1], &rest[begin..at]));
                }
            }
            _ => {}
        }
    }
    None
}

/// `text` with comments and the insides of strings blanked.
fn blanked(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    let mut word = false;
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => string(rest),
            'r' | 'b' | 'c' if !word => raw_or_prefixed(rest),
            '\'' => character(rest),
            _ => 0,
        };
        if length == 0 {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            code.extend(rest[..length].chars().map(|c| if c == '\n' { c } else { ' ' }));
            rest = &rest[length..];
        }
        word = length == 0 && (c.is_alphanumeric() || c == '_');
    }
    code
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// The length of the string that begins here with its quote.
fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The length of `r"…"`, `r#"…"#`, `b"…"`, `br"…"`, `c"…"`; 0 when it is none of these.
fn raw_or_prefixed(rest: &str) -> usize {
    let prefix = rest.find(|c| !['r', 'b', 'c'].contains(&c)).unwrap_or(0);
    if prefix == 0 || prefix > 2 {
        return 0;
    }
    let hashes = rest[prefix..].chars().take_while(|c| *c == '#').count();
    let quote = prefix + hashes;
    if !rest[quote..].starts_with('"') {
        return 0;
    }
    if !rest[..prefix].contains('r') {
        return if hashes == 0 {
            prefix + string(&rest[prefix..])
        } else {
            0
        };
    }
    let end = format!("\"{}", "#".repeat(hashes));
    rest[quote + 1..]
        .find(&end)
        .map_or(rest.len(), |at| quote + 1 + at + end.len())
}

/// The length of a character literal; 0 for a lifetime.
fn character(rest: &str) -> usize {
    let mut inside = rest[1..].char_indices();
    match inside.next() {
        Some((_, '\\')) => rest[3..].find('\'').map_or(0, |at| at + 4),
        Some((_, _)) => inside
            .next()
            .filter(|(_, c)| *c == '\'')
            .map_or(0, |(at, _)| at + 2),
        None => 0,
    }
}

/// What in a template is code or style of its own, which the content security policy forbids.
pub fn inline_code(template: &str) -> Vec<String> {
    let html = without_askama(template).to_lowercase();
    let mut faults = Vec::new();
    for tag in html.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap_or_default();
        let mut words = tag.split_ascii_whitespace();
        let name = words.next().unwrap_or_default();
        let attributes: Vec<&str> = words.map(|word| word.split('=').next().unwrap_or(word)).collect();
        if name == "style" || name == "script" && !attributes.contains(&"src") {
            faults.push(format!("<{tag}>"));
        }
        let is_code = |attribute: &&&str| {
            **attribute == "style"
                || attribute.starts_with("hx-on")
                || attribute.starts_with("on")
                    && attribute.len() > 4
                    && tag.contains(&format!("{attribute}="))
        };
        faults.extend(
            attributes
                .iter()
                .filter(is_code)
                .map(|attribute| format!("<{name} … {attribute}=…>")),
        );
        if tag.contains("javascript:") {
            faults.push(format!("<{name} … javascript:…>"));
        }
    }
    faults
}

/// A template with its expressions taken out; what they print is escaped and cannot be a tag.
fn without_askama(template: &str) -> String {
    let mut text = template.to_owned();
    for (open, close) in [("{#", "#}"), ("{%", "%}"), ("{{", "}}")] {
        while let Some(begin) = text.find(open) {
            let end = text[begin..]
                .find(close)
                .map_or(text.len(), |at| begin + at + close.len());
            text.replace_range(begin..end, " ");
        }
    }
    text
}

#[test]
fn strings_and_comments_are_not_code() {
    let code = |text: &str| {
        Source::new(text.to_owned())
            .code
            .split_whitespace()
            .collect::<String>()
    };
    assert_eq!(code("a // b\nc /* d /* e */ f */ g"), "acg");
    assert_eq!(
        code(r##"x("{\"{", r#"{"{"#, b"{", '{', '\'', '\u{7b}', 'a: &'a str) }"##),
        "x(,,,,,,'a:&'astr)}"
    );
}

#[test]
fn functions_are_counted_by_lines_that_hold_code() {
    let text =
        "fn a(x: [u8; 3]) -> u8 {\n    // why\n\n    if x { 1 } else { 2 }\n}\ntrait T { fn b(&self); }\n";
    let source = Source::new(text.to_owned());
    let functions = source.functions();
    let seen: Vec<_> = functions
        .iter()
        .map(|function| {
            (
                function.name.as_str(),
                function.line,
                function.head,
                function.lines(),
            )
        })
        .collect();
    assert_eq!(seen, [("a", 1, "a(x: [u8; 3]) -> u8 ", 1)]);
}

#[test]
fn code_inside_templates_is_seen() {
    for bad in [
        "<script>x()</script>",
        "<p style=\"x\">",
        "<a\n  onclick='x'>",
        "<a hx-on:click=\"x\">",
        "<style>",
        "<a href=\"javascript:x\">",
    ] {
        assert_eq!(inline_code(bad).len(), 1, "{bad}");
    }
    for good in [
        "<script src=\"{{ url }}\"></script>",
        "<p class=\"style\">only=1 onclick=\"x\"</p>",
        "{% if a < b && onclick=\"x\" %}",
    ] {
        assert!(inline_code(good).is_empty(), "{good}");
    }
}
