//! "Did you mean": the nearest of the names that are known.

use strsim::osa_distance;

/// Names longer than this are nobody's typing mistake.
const LONGEST: usize = 64;

/// The candidate that is nearest to `name`, unless even that one is far.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = normal(name)?;
    let length = name.chars().count();
    let allowed = (length / 3).max(1);
    candidates
        .into_iter()
        .filter_map(|candidate| Some((osa_distance(&name, &normal(candidate)?), candidate)))
        .filter(|(distance, _)| *distance <= allowed && *distance < length.max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Case and word separators are the most frequent difference, and not counted.
fn normal(name: &str) -> Option<String> {
    (name.len() <= LONGEST)
        .then(|| name.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect())
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
