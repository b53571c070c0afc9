//! How alike two numbers order the same things.

use std::cmp::Ordering;

use super::summary::bootstrap;
use crate::{Error, Result, record};

record! {
    /// A correlation with its 95 % interval.
    #[derive(Copy)]
    pub struct Correlation as "Correlation" {
        /// the correlation, from -1 to 1
        pub value: f64,
        /// the lower end of its 95 % interval
        pub low: f64,
        /// the upper end
        pub high: f64,
        /// how many pairs there are
        pub n: usize,
    }
}

/// Spearman's rank correlation of `a` and `b`; equal numbers share the mean of their ranks. `None` if all of `a` or all of `b` are equal.
///
/// The interval is a 95 % percentile bootstrap interval of 2,000 resamples of units: pairs with the same number in `units` are drawn
/// together. With `groups`, a pair's ranks are those in its group, less the group's mean rank, so that only pairs of one group are compared.
///
/// # Errors
/// Lists of different lengths, a number that is not finite, a group that is in several units.
pub fn rank_correlation(a: &[f64], b: &[f64], units: &[usize], groups: Option<&[usize]>, seed: u64) -> Result<Option<Correlation>> {
    let n = a.len();
    if b.len() != n || units.len() != n || groups.is_some_and(|groups| groups.len() != n) {
        return Err(Error::argument(format!("{n} numbers need as many to compare them with, units and groups")));
    }
    if let Some(value) = a.iter().chain(b).find(|value| !value.is_finite()) {
        return Err(Error::argument(format!("{value} has no rank: numbers must be finite")));
    }
    let sorted = |values: &[f64]| {
        let mut order: Vec<usize> = (0..n).collect();
        let group = |i: usize| groups.map_or(0, |groups| groups[i]);
        order.sort_by(|&i, &j| group(i).cmp(&group(j)).then(values[i].partial_cmp(&values[j]).unwrap_or(Ordering::Equal)));
        order
    };
    let (by_a, by_b) = (sorted(a), sorted(b));
    let count = units.iter().max().map_or(0, |last| last + 1);
    // A group is drawn whole, so its ranks stay.
    let within = match groups {
        Some(groups) if by_a.windows(2).any(|pair| groups[pair[0]] == groups[pair[1]] && units[pair[0]] != units[pair[1]]) => {
            return Err(Error::argument("a group is in several units: units are drawn whole"));
        }
        Some(groups) => Some((centred(&by_a, a, groups), centred(&by_b, b, groups))),
        None => None,
    };
    let correlation = |times: &[f64]| {
        let times: Vec<f64> = units.iter().map(|unit| times[*unit]).collect();
        match &within {
            Some((a, b)) => pearson(a, b, &times),
            None => pearson(&ranks(&by_a, a, &times), &ranks(&by_b, b, &times), &times),
        }
    };
    let value = correlation(&vec![1.0; count]);
    if value.is_nan() {
        return Ok(None);
    }
    let (low, high) = bootstrap(seed, false, |draw| {
        let mut times = vec![0.0; count];
        (0..count).for_each(|_| times[draw(count)] += 1.0);
        correlation(&times)
    });
    Ok(Some(Correlation { value, low, high, n }))
}

/// The rank of each of `values` in `order`, where value i is there `times[i]` times.
fn ranks(order: &[usize], values: &[f64], times: &[f64]) -> Vec<f64> {
    let (mut ranks, mut before) = (vec![0.0; values.len()], 0.0);
    for equal in order.chunk_by(|i, j| values[*i] == values[*j]) {
        let count: f64 = equal.iter().map(|i| times[*i]).sum();
        equal.iter().for_each(|i| ranks[*i] = before + (count + 1.0) / 2.0);
        before += count;
    }
    ranks
}

/// The rank of each of `values` in its group, less the group's mean rank. `order` has one group after the other.
fn centred(order: &[usize], values: &[f64], groups: &[usize]) -> Vec<f64> {
    let mut all = vec![0.0; values.len()];
    for group in order.chunk_by(|i, j| groups[*i] == groups[*j]) {
        let ranks = ranks(group, values, &vec![1.0; values.len()]);
        group.iter().for_each(|i| all[*i] = ranks[*i] - (group.len() + 1) as f64 / 2.0);
    }
    all
}

/// Pearson's correlation of pairs, each counted `times[i]` times; not a number if one side does not vary.
fn pearson(a: &[f64], b: &[f64], times: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().zip(times).map(|(value, times)| value * times).sum::<f64>() / times.iter().sum::<f64>();
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for ((a, b), times) in a.iter().zip(b).zip(times) {
        let (a, b) = (a - mean_a, b - mean_b);
        (ab, aa, bb) = (ab + times * a * b, aa + times * a * a, bb + times * b * b);
    }
    ab / (aa * bb).sqrt()
}
