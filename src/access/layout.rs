//! The lines of `policy.csv` with aligned columns. Comments, blank lines and what cannot be read stay.

/// Cells longer than this are not waited for by the lines around them.
const WIDEST: usize = 40;

/// The text with the columns of each kind of line aligned over the whole file.
pub fn aligned(text: &str) -> String {
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut widths: Vec<(&str, Vec<usize>)> = Vec::new();
    for cells in text.lines().filter_map(cells) {
        let Some((&kind, rest)) = cells.split_first() else {
            continue;
        };
        let known = widths
            .iter()
            .position(|(one, of)| *one == kind && of.len() == rest.len());
        let place = known.unwrap_or_else(|| {
            widths.push((kind, vec![0; rest.len()]));
            widths.len() - 1
        });
        for (width, cell) in widths[place].1.iter_mut().zip(rest) {
            let length = cell.chars().count();
            if length <= WIDEST {
                *width = length.max(*width);
            }
        }
    }
    let mut whole = String::new();
    for line in text.lines() {
        match cells(line) {
            None => whole.push_str(line.trim_end()),
            Some(cells) => {
                let rest = cells.len() - 1;
                let own = widths
                    .iter()
                    .find(|(kind, of)| Some(kind) == cells.first() && of.len() == rest);
                whole.push_str(&padded(
                    &cells,
                    own.map_or(&[][..], |(_, widths)| widths.as_slice()),
                ));
            }
        }
        whole.push_str(end);
    }
    whole
}

/// The cells of a line; `None` for a comment, a blank line, and what is no line of a policy.
fn cells(line: &str) -> Option<Vec<&str>> {
    let cells: Vec<&str> = line.split(',').map(str::trim).collect();
    let is_line = matches!(
        (cells.first(), cells.len()),
        (Some(&"p"), 7) | (Some(&"g" | &"g2" | &"g3"), 3)
    );
    is_line.then_some(cells)
}

fn padded(cells: &[&str], widths: &[usize]) -> String {
    let mut line = cells.first().copied().unwrap_or_default().to_owned();
    let mut missing = 0;
    for (cell, width) in cells.iter().skip(1).zip(widths) {
        line.push(',');
        line.extend(std::iter::repeat_n(' ', missing + 1));
        line.push_str(cell);
        missing = width.saturating_sub(cell.chars().count());
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_everything_else_stays() {
        let text = "# Who\np,alice,*,dev,deploy,always,allow\n\n  # why\np, role:x, webshop, beta, view, w, allow with role:y\ng,alice,role:x\nbroken, line\n";
        let shown = "# Who\np, alice,  *,       dev,  deploy, always, allow\n\n  # why\np, role:x, webshop, beta, view,   w,      allow with role:y\ng, alice, role:x\nbroken, line\n";
        assert_eq!(aligned(text), shown);
        assert_eq!(aligned(shown), shown, "twice is once");
        assert_eq!(
            aligned("p,a,b,c,d,e,f\r\n# x \r\n"),
            "p, a, b, c, d, e, f\r\n# x\r\n"
        );
        assert_eq!(aligned(""), "");
        assert_eq!(aligned("g, a, role:b"), "g, a, role:b\n");
    }

    #[test]
    fn a_long_cell_widens_no_other_line() {
        let long = "x".repeat(WIDEST + 1);
        let text = format!("g, {long}, role:a\ng, b, role:a\n");
        assert_eq!(aligned(&text), format!("g, {long}, role:a\ng, b, role:a\n"));
    }

    #[test]
    fn the_shipped_file_is_aligned() {
        let shipped = include_str!("../../policies/policy.csv");
        assert_eq!(aligned(shipped), shipped);
    }
}
