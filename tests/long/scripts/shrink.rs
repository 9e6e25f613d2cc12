//! Making a failing input small: leave out what it fails without.

/// The smallest list that still fails of those that arise by leaving out ever smaller pieces. Gives up after `tries`.
pub fn shrink<T: Clone>(input: &[T], mut tries: usize, fails: impl Fn(&[T]) -> bool) -> Vec<T> {
    let mut best = input.to_vec();
    let mut piece = best.len().div_ceil(2);
    while piece > 0 && tries > 0 {
        let mut at = 0;
        while at < best.len() && tries > 0 {
            let end = (at + piece).min(best.len());
            let without = [&best[..at], &best[end..]].concat();
            tries -= 1;
            match fails(&without) {
                true => best = without,
                false => at = end,
            }
        }
        piece /= 2;
    }
    best
}
