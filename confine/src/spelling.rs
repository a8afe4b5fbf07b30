//! Finds the word that somebody probably meant.

/// The one of `words` that is nearest to `word`. The case of letters does not count. At most two letters may be missing,
/// added, changed, or exchanged with the next one; of a word with less than six letters, one. `None` if no word is so
/// near, or if `word` is one of them.
///
/// ```
/// use confine::spelling::nearest;
///
/// assert_eq!(nearest("landlok", ["selinux", "landlock"]), Some("landlock"));
/// assert_eq!(nearest("landlock", ["selinux", "landlock"]), None);
/// ```
pub fn nearest<'w>(word: &str, words: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    /// With three changes, one short word becomes another.
    const MOST: usize = 2;
    let most = |w: &str| MOST.min(w.len() / 3);
    let near = words.into_iter().filter(|w| w.len().abs_diff(word.len()) <= most(w));
    let changes = near.map(|w| (distance(word, w), w)).filter(|(changes, w)| *changes <= most(w));
    let (changes, nearest) = changes.min_by_key(|(changes, _)| *changes)?;
    (changes > 0).then_some(nearest)
}

/// How many changes lead from one word to the other: the optimal string alignment distance, by bytes.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.to_ascii_lowercase().into_bytes(), b.to_ascii_lowercase().into_bytes());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let other = last[j] + usize::from(a[i] != b[j]);
            let mut least = other.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_counted() {
        for (a, b, changes) in [
            ("", "", 0),
            ("", "ab", 2),
            ("landlok", "landlock", 1),
            ("ladnlock", "landlock", 1),
            ("LandLok", "landlock", 1),
            ("appamour", "apparmor", 2),
            ("se-linux", "selinux", 1),
            ("dog", "landlock", 6),
        ] {
            assert_eq!((distance(a, b), distance(b, a)), (changes, changes), "{a} {b}");
        }
    }

    #[test]
    fn only_what_is_near_and_not_right_has_a_nearest() {
        let nearest = |word| nearest(word, ["selinux", "tomoyo"]);
        assert_eq!(nearest("tomyo"), Some("tomoyo"));
        for word in ["tomoyo", "TOMOYO", "", "x", "staff", "toma", "selinuxes_t"] {
            assert_eq!(nearest(word), None, "{word}");
        }
    }

    #[test]
    fn short_words_are_only_near_to_what_differs_in_one_letter() {
        assert_eq!(super::nearest("gid", ["uid"]), Some("uid"));
        for word in ["u", "dog", "unit", "did it"] {
            assert_eq!(super::nearest(word, ["uid"]), None, "{word}");
        }
    }
}
