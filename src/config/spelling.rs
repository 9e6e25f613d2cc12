//! "Did you mean …?": the nearest of the words that would have been right.

/// How a wrong word is mended: the nearest of `words`, or all of them where none is near.
pub(super) fn did_you_mean<'w>(wrong: &str, words: impl IntoIterator<Item = &'w str>) -> String {
    let words: Vec<&str> = words.into_iter().collect();
    match nearest(wrong, &words) {
        Some(word) => format!("did you mean \"{word}\"?"),
        None if words.is_empty() => "there is none to choose from".into(),
        None if words.len() > 12 => {
            format!("write one of the {} that are there, such as {}", words.len(), words[..3].join(", "))
        }
        None => format!("write one of: {}", words.join(", ")),
    }
}

/// The nearest word, where it is near enough to be meant: at most a third of its letters differ.
pub(super) fn nearest<'w>(wrong: &str, words: &[&'w str]) -> Option<&'w str> {
    // 202 is near 201, and nobody means the one by the other.
    if wrong.len() < 5 && wrong.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let wrong = wrong.to_lowercase();
    let (distance, word) = words
        .iter()
        .map(|word| (distance(&wrong, &word.to_lowercase()), *word))
        .min_by_key(|(distance, _)| *distance)?;
    let longest = wrong.chars().count().max(word.chars().count());
    (distance <= (longest / 3).max(1) && distance < longest).then_some(word)
}

/// Letters to insert, remove, change or swap with their neighbour (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = change.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(rows[i - 2][j - 2] + 1);
            }
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_offered_and_a_far_one_is_not() {
        let words = ["name", "members", "strategy", "step", "patience"];
        assert_eq!(nearest("memebrs", &words), Some("members"));
        assert_eq!(nearest("Strategie", &words), Some("strategy"));
        assert_eq!(nearest("setp", &words), Some("step"));
        assert_eq!(nearest("colour", &words), None);
        assert_eq!(nearest("x", &["y"]), None);
        assert_eq!(nearest("202", &["201"]), None);
        assert_eq!(nearest("+4930123456", &["+4930123457"]), Some("+4930123457"));
        assert_eq!(did_you_mean("colour", words), "write one of: name, members, strategy, step, patience");
    }
}
