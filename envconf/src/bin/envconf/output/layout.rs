//! Formats results for people. If the width of the terminal is known, lines are broken to fit it, between words only:
//! a reference or a path can always be copied as a whole.

/// Formats rows below their heads, in columns as wide as necessary. If they do not fit, each row becomes a paragraph:
/// its first cell, and below it the other cells with their heads.
pub(crate) fn table<const N: usize>(
    heads: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
    width: Option<usize>,
) -> Vec<String> {
    let rows: Vec<[String; N]> = rows.into_iter().collect();
    let widths: [usize; N] = std::array::from_fn(|column| {
        column_width(rows.iter().map(|row| row[column].as_str()).chain([heads[column]]))
    });
    let needed = widths.iter().sum::<usize>() + 2 * N.saturating_sub(1);
    if width.is_some_and(|width| needed > width) {
        return rows.iter().flat_map(|row| block(heads, row, width)).collect();
    }
    let line = |cells: &[String; N]| {
        let cells: Vec<_> = cells.iter().zip(widths).map(|(cell, width)| padded(cell, width)).collect();
        cells.join("  ").trim_end().to_owned()
    };
    std::iter::once(&heads.map(str::to_owned)).chain(&rows).map(line).collect()
}

fn block<const N: usize>(heads: [&str; N], row: &[String; N], width: Option<usize>) -> Vec<String> {
    let widest = heads.iter().skip(1).map(|head| len(head)).max().unwrap_or(0);
    let fields = heads.iter().zip(row).skip(1).filter(|(_, cell)| !cell.is_empty());
    let fields = fields.flat_map(|(head, cell)| {
        let lead = format!("  {}  ", padded(&head.to_lowercase(), widest));
        let indent = " ".repeat(len(&lead));
        let lines = paragraph(len(&lead), cell, width);
        let lead_of = move |at: usize| if at == 0 { lead.clone() } else { indent.clone() };
        lines.into_iter().enumerate().map(move |(at, line)| format!("{}{line}", lead_of(at)))
    });
    row.iter().take(1).cloned().chain(fields).collect()
}

/// Returns the lines of a text that begins after `lead` columns, with its further lines below its beginning.
pub(crate) fn paragraph(lead: usize, text: &str, width: Option<usize>) -> Vec<String> {
    // A narrower rest would be a column of single words.
    const NARROWEST: usize = 20;
    let room = width.map(|width| width.saturating_sub(lead));
    wrapped(text, room.filter(|room| *room >= NARROWEST), 0, 0)
}

/// Returns the lines of `text`, broken between words to fit `width`. The first line is indented by `first` columns,
/// and every other line by `indent` columns. Text between backquotes is not broken, because it is a command.
pub(crate) fn wrapped(text: &str, width: Option<usize>, first: usize, indent: usize) -> Vec<String> {
    let Some(width) = width else { return vec![text.to_owned()] };
    let mut lines = vec![String::new()];
    let mut taken = first;
    for word in words(text) {
        let needed = taken + usize::from(lines.last().is_some_and(|line| !line.is_empty())) + len(word);
        match lines.last_mut() {
            Some(line) if line.is_empty() => {
                line.push_str(word);
                taken += len(word);
            }
            Some(line) if needed <= width => {
                line.push(' ');
                line.push_str(word);
                taken = needed;
            }
            _ => {
                lines.push(word.to_owned());
                taken = indent + len(word);
            }
        }
    }
    lines
}

/// Returns the words of a text. A blank between backquotes does not end a word.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let has_pairs = text.matches('`').count().is_multiple_of(2);
    let mut is_quoted = false;
    text.split(move |c| {
        is_quoted ^= c == '`' && has_pairs;
        c == ' ' && !is_quoted
    })
}

/// Returns the width of a column with `cells`: that of the longest one, up to a limit. A longer cell moves the rest of
/// its own row only.
pub(crate) fn column_width<'a>(cells: impl Iterator<Item = &'a str>) -> usize {
    const WIDEST: usize = 100;
    cells.map(len).max().unwrap_or(0).min(WIDEST)
}

/// Returns `cell` with blanks up to `width` characters. `format!` panics at widths above 65,535.
pub(crate) fn padded(cell: &str, width: usize) -> String {
    format!("{cell}{}", " ".repeat(width.saturating_sub(len(cell))))
}

/// Returns the number of visible characters of `text`: colour codes are not visible.
fn len(text: &str) -> usize {
    let mut is_code = false;
    let mut shows = |c: char| {
        is_code |= c == '\u{1b}';
        let shows = !is_code;
        is_code &= c != 'm';
        shows
    };
    text.chars().filter(|c| shows(*c)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> [[String; 3]; 2] {
        [["tencent:r:1", "app", ""], ["tencent:r:22", "", "on"]].map(|row| row.map(str::to_owned))
    }

    #[test]
    fn columns_are_as_wide_as_they_need_to_be() {
        let lines = ["KEY           ALIAS  ROTATION", "tencent:r:1   app", "tencent:r:22         on"];
        for width in [None, Some(29), Some(200)] {
            assert_eq!(table(["KEY", "ALIAS", "ROTATION"], rows(), width), lines, "{width:?}");
        }
    }

    #[test]
    fn a_table_that_does_not_fit_becomes_paragraphs() {
        let lines = ["tencent:r:1", "  alias     app", "tencent:r:22", "  rotation  on"];
        for width in [28, 10, 1] {
            assert_eq!(table(["KEY", "ALIAS", "ROTATION"], rows(), Some(width)), lines, "{width}");
        }
    }

    #[test]
    fn a_cell_of_any_length_is_printed_and_does_not_widen_the_others() {
        for length in [101, 65_535, 65_536, 1 << 20] {
            let long = "k".repeat(length);
            let lines = table(["KEY", "A"], [[long.clone(), "x".into()], ["short".into(), "y".into()]], None);
            assert_eq!(lines[1], format!("{long}  x"));
            assert_eq!(lines[2].len(), 100 + 2 + 1);
        }
    }

    #[test]
    fn a_text_is_broken_between_words_only() {
        let text = "see https://example.com/a/very/long/address first, then go on";
        assert_eq!(paragraph(4, text, None), [text]);
        assert_eq!(paragraph(4, text, Some(80)), [text]);
        let lines = ["see", "https://example.com/a/very/long/address", "first, then go on"];
        assert_eq!(paragraph(4, text, Some(28)), lines);
        assert_eq!(paragraph(4, text, Some(20)), [text], "too narrow to be worth it");
    }
}
