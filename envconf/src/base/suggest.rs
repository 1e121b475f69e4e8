//! "Did you mean": the most similar of the known names.

use strsim::osa_distance;

/// Longest name that is compared. Longer ones are not typing mistakes.
const LONGEST: usize = 64;
/// Number of candidates of similar length that are compared completely.
const COMPARED: usize = 500;

/// Returns the candidate that is most similar to `name`, unless all of them differ too much.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = normal(name)?;
    let length = name.chars().count();
    let allowed = (length / 3).max(1);
    let letters = letters(&name);
    candidates
        .into_iter()
        .filter_map(|candidate| Some((normal(candidate)?, candidate)))
        // Check the cheap bounds of the distance first: a text may have a million keys.
        .filter(|(normal, _)| normal.chars().count().abs_diff(length) <= allowed)
        .filter(|(normal, _)| difference(&letters, &self::letters(normal)) <= 2 * allowed)
        .take(COMPARED)
        .map(|(normal, candidate)| (osa_distance(&name, &normal), candidate))
        .filter(|(distance, _)| *distance <= allowed && *distance < length.max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Returns the name without case and word separators, which are the most frequent difference.
fn normal(name: &str) -> Option<String> {
    (name.len() <= LONGEST)
        .then(|| name.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect())
}

/// Counts the letters by the last five bits of their codes.
fn letters(name: &str) -> [u8; 32] {
    let mut letters = [0_u8; 32];
    for c in name.chars() {
        let count = &mut letters[c as usize % 32];
        *count = count.saturating_add(1);
    }
    letters
}

/// Returns the number of letters that only one of the two names has. One edit changes this number by at most two.
fn difference(a: &[u8; 32], b: &[u8; 32]) -> usize {
    a.iter().zip(b).map(|(a, b)| usize::from(a.abs_diff(*b))).sum()
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
