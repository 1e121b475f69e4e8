//! Conflict markers: the lines that git writes into a file that it cannot merge.
//!
//! A sealed file cannot contain conflict markers. So a marker is the cause of every error in the file, even if the
//! parser failed at an earlier line.

/// Git's length of a marker; an attribute can make it longer.
const LENGTH: usize = 7;

/// The hint for a sealed file with conflict markers.
pub(crate) const ADVICE: &str = "a sealed file cannot be merged: take both files of the pair from the same side, with \
     `git checkout --ours -- FILE…` or `--theirs`, and make the other side's changes again with `envconf open` and `seal`";

/// Returns the line number of the first conflict marker, from 1. For sealed files, in which no other line looks like a
/// marker.
pub(crate) fn first(bytes: &[u8]) -> Option<usize> {
    bytes.split(|b| *b == b'\n').position(|line| marker(line).is_some()).map(|at| at + 1)
}

/// Returns the number of the line, from 1, that begins a complete conflict: one that also has a middle and an end. For
/// texts of any kind, in which a single such line may be intended.
pub(crate) fn first_whole(bytes: &[u8]) -> Option<usize> {
    let (mut opened, mut parted) = (None, false);
    for (index, line) in bytes.split(|b| *b == b'\n').enumerate() {
        match marker(line) {
            Some(b'<') => (opened, parted) = (Some(index + 1), false),
            Some(b'=') => parted = opened.is_some(),
            Some(b'>') if parted => return opened,
            _ => {}
        }
    }
    None
}

/// Returns the kind of marker of a line: `<<<<<<< ours`, `||||||| base`, `=======`, `>>>>>>> theirs`.
fn marker(line: &[u8]) -> Option<u8> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let sign = *line.first().filter(|sign| b"<|=>".contains(sign))?;
    let rest = &line[line.iter().take_while(|b| **b == sign).count()..];
    let ends = rest.is_empty() || rest[0] == b' ';
    (line.len() - rest.len() >= LENGTH && ends).then_some(sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_marker_of_git_is_recognized() {
        for line in
            ["<<<<<<< HEAD", "||||||| 1234567", "=======", ">>>>>>> größe", "<<<<<<<<<< x", "=======\r"]
        {
            assert_eq!(first(format!("name: app\n{line}\nenv: prod\n").as_bytes()), Some(2), "{line}");
        }
        for line in ["<<<<<< HEAD", "=======x", "a =======", "AAAA===", "name: <<<<<<<"] {
            assert_eq!(first(format!("name: app\n{line}\nenv: prod\n").as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn a_line_that_only_looks_like_a_marker_is_not_a_conflict() {
        assert_eq!(first_whole(b"a = 1\n<<<<<<< HEAD\nb = 1\n=======\nb = 2\n>>>>>>> other\n"), Some(2));
        for text in ["Heading\n=======\n", "<<<<<<< HEAD\n", "=======\n>>>>>>> x\n", "<<<<<<< a\n>>>>>>> b\n"]
        {
            assert_eq!(first_whole(text.as_bytes()), None, "{text}");
        }
    }
}
