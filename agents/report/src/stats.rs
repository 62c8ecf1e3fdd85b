//! Order statistics.

/// The middle value; the mean of the two middle ones where their number is even.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let sorted = sorted(values);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

/// The smallest value that at least nine tenths of the values do not exceed (nearest rank): a value that
/// was really measured, never one in between.
pub(crate) fn p90(values: &[f64]) -> Option<f64> {
    let sorted = sorted(values);
    let rank = (sorted.len() * 9).div_ceil(10);
    sorted.get(rank.checked_sub(1)?).copied()
}

/// Share in percent; none of nothing.
pub(crate) fn percent(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| 100.0 * part as f64 / whole as f64)
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_statistics_by_hand() {
        assert_eq!((median(&[]), p90(&[])), (None, None));
        assert_eq!((median(&[4.0]), p90(&[4.0])), (Some(4.0), Some(4.0)));
        assert_eq!(median(&[9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(&[9.0, 1.0, 5.0, 2.0]), Some(3.5));
        let ten: Vec<f64> = (1..=10).map(f64::from).collect();
        assert_eq!(p90(&ten), Some(9.0));
        assert_eq!(p90(&[1.0, 2.0, 3.0]), Some(3.0));
        assert_eq!(percent(1, 0), None);
        assert_eq!(percent(1, 8), Some(12.5));
    }
}
