//! Turns scores of questions into the figures of a table: means, their intervals, and the two averages.

use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::{Error, Result, record};

record! {
    /// A mean with its 95 % interval.
    #[derive(Copy)]
    pub struct Mean as "Interval" {
        /// the mean of the scores
        pub mean: f64,
        /// the lower end of its 95 % interval
        pub low: f64,
        /// the upper end
        pub high: f64,
        /// how many scores there are
        pub n: usize,
    }

    /// The score of one question; an `Asked` also works.
    pub struct Scored as "Result" {
        /// the source that the question is from
        pub source: String,
        /// the metric that it was scored by
        pub metric: String,
        /// the score
        pub score: f64,
    }

    /// The mean score of a source by a metric.
    pub struct Row as "SummaryRow" {
        /// the source
        pub source: String,
        /// the metric
        pub metric: String,
        ..pub mean: Mean,
    }

    /// The figures of a table.
    pub struct Summary as "Summary" {
        /// a row for each source and metric, in order of first appearance
        pub rows: Vec<Row>,
        /// the mean of the rows' means, also called macro average: each source has the same weight; `n` is the number of rows; absent
        /// without scores
        pub over_sources: Option<Mean>,
        /// the mean of all scores, also called micro average: each question has the same weight; absent without scores
        pub over_questions: Option<Mean>,
    }
}

/// The means per source and metric and their two averages.
///
/// Intervals are 95 % percentile bootstrap intervals of 2,000 resamples of questions; for the average over sources the questions of each
/// row are resampled separately. A source that was scored by two metrics gets two rows, and counts twice in both averages: pass the scores
/// of one protocol at a time.
pub fn summary(results: &[Scored], seed: u64) -> Summary {
    let mut groups: Vec<(&str, &str, Vec<f64>)> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for result in results {
        let at = *places.entry((&result.source, &result.metric)).or_insert(groups.len());
        if at == groups.len() {
            groups.push((&result.source, &result.metric, Vec::new()));
        }
        groups[at].2.push(result.score);
    }
    let all: Vec<f64> = results.iter().map(|result| result.score).collect();
    let mean_of_means = |of: &mut dyn FnMut(&[f64]) -> f64| groups.iter().map(|group| of(&group.2)).sum::<f64>() / groups.len() as f64;
    let over_sources = || {
        let (low, high) = bootstrap(seed, false, |draw| mean_of_means(&mut |scores| resampled(scores, draw)));
        Mean { mean: mean_of_means(&mut average), low, high, n: groups.len() }
    };
    let row = |(source, metric, scores): &(&str, &str, Vec<f64>)| Row {
        source: source.to_string(),
        metric: metric.to_string(),
        mean: mean(scores, seed),
    };
    Summary {
        rows: groups.iter().map(row).collect(),
        over_sources: (!all.is_empty()).then(over_sources),
        over_questions: (!all.is_empty()).then(|| mean(&all, seed)),
    }
}

/// The mean of scores with its interval, see [`bootstrap_interval`].
pub fn mean(scores: &[f64], seed: u64) -> Mean {
    let (low, high) = bootstrap_interval(scores, seed);
    Mean { mean: average(scores), low, high, n: scores.len() }
}

/// The mean of values that are independent and roughly normal, such as one per seed, with its 95 % interval by Student's t distribution;
/// the bootstrap interval is too narrow for a handful of values. A single value has an infinite interval, no values have the mean 0.
pub fn student(values: &[f64]) -> Mean {
    let (mean, n) = (average(values), values.len());
    let half = match StudentsT::new(0.0, 1.0, n as f64 - 1.0) {
        Ok(t) => {
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            t.inverse_cdf(0.975) * (squares / (n as f64 - 1.0) / n as f64).sqrt()
        }
        // No degrees of freedom.
        Err(_) => f64::INFINITY,
    };
    Mean { mean, low: mean - half, high: mean + half, n }
}

/// How much better `a` is than `b` on the same questions: the mean of the differences with its interval. The interval is much narrower than
/// the two separate ones suggest, because questions that are hard for both cancel out.
pub fn paired(a: &[f64], b: &[f64], seed: u64) -> Result<Mean> {
    if a.len() != b.len() {
        return Err(Error::argument(format!("{} scores cannot be paired with {}: they must be for the same questions", a.len(), b.len())));
    }
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    Ok(mean(&differences, seed))
}

/// The 95 % percentile bootstrap interval of the mean, from 2,000 resamples. No scores give (0, 0).
pub fn bootstrap_interval(scores: &[f64], seed: u64) -> (f64, f64) {
    bootstrap(seed, scores.is_empty(), |draw| resampled(scores, draw))
}

/// The interval of a statistic of resampled scores. The statistic gets a function that picks an index below a number; resamples for which it
/// is not a number do not count.
pub(super) fn bootstrap(seed: u64, empty: bool, statistic: impl Fn(&mut dyn FnMut(usize) -> usize) -> f64) -> (f64, f64) {
    const RESAMPLES: usize = 2000;
    if empty {
        return (0.0, 0.0);
    }
    let mut state = seed;
    let mut draw = |count: usize| {
        // SplitMix64: a few multiplications, and good enough to pick indices.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(z ^ (z >> 31)) * count as u128) >> 64) as usize
    };
    let mut values: Vec<f64> = (0..RESAMPLES).map(|_| statistic(&mut draw)).filter(|value| !value.is_nan()).collect();
    values.sort_by(f64::total_cmp);
    let cut = values.len() / 40;
    match values.len() {
        0 => (f64::NEG_INFINITY, f64::INFINITY),
        count => (values[cut], values[count - 1 - cut]),
    }
}

fn resampled(scores: &[f64], draw: &mut dyn FnMut(usize) -> usize) -> f64 {
    (0..scores.len()).map(|_| scores[draw(scores.len())]).sum::<f64>() / scores.len() as f64
}

/// The mean, 0 if there are no scores.
fn average(scores: &[f64]) -> f64 {
    // From +0: the empty sum of f64 is -0.
    scores.iter().fold(0.0, |sum, score| sum + score) / scores.len().max(1) as f64
}
