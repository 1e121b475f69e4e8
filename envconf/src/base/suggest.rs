//! "Did you mean": the nearest of the names that are known.

/// Names longer than this are nobody's typing mistake.
const LONGEST: usize = 64;

/// The candidate that is nearest to `name`, unless even that one is far.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = normal(name)?;
    let allowed = (name.len() / 3).max(1);
    candidates
        .into_iter()
        .filter_map(|candidate| Some((distance(&name, &normal(candidate)?), candidate)))
        .filter(|(distance, _)| *distance <= allowed && *distance < name.len().max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Case and word separators are the most frequent difference, and not counted.
fn normal(name: &str) -> Option<Vec<char>> {
    (name.len() <= LONGEST)
        .then(|| name.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect())
}

/// Insertions, deletions, replacements and swaps of neighbours that lead from `a` to `b`.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before_last[j - 2] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        let known = ["listen", "database", "pool_size"];
        assert_eq!(nearest("listne", known), Some("listen"));
        assert_eq!(nearest("poolSize", known), Some("pool_size"));
        assert_eq!(nearest("databse", known), Some("database"));
        assert_eq!(nearest("Listen", known), Some("listen"));
        assert_eq!(nearest("x", ["a"]), None);
        assert_eq!(nearest("password", known), None);
        assert_eq!(nearest(&"a".repeat(100_000), known), None);
    }
}
