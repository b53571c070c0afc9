//! The free rows of a cache.

use std::ops::Range;

/// Hands out runs of rows.
pub(super) struct Rows {
    /// The free runs, in order and not adjacent.
    free: Vec<Range<usize>>,
}

impl Rows {
    /// All of `capacity` rows are free.
    pub(super) fn new(capacity: usize) -> Self {
        Self { free: std::iter::once(0..capacity).collect() }
    }

    /// The first free run of `count` rows; `None` when there is none.
    pub(super) fn take(&mut self, count: usize) -> Option<Range<usize>> {
        if count == 0 {
            return Some(0..0);
        }
        let at = self.free.iter().position(|run| run.len() >= count)?;
        let start = self.free[at].start;
        self.free[at].start += count;
        if self.free[at].is_empty() {
            self.free.remove(at);
        }
        Some(start..start + count)
    }

    /// Frees a run.
    pub(super) fn give(&mut self, run: Range<usize>) {
        if run.is_empty() {
            return;
        }
        let at = self.free.partition_point(|free| free.start < run.start);
        self.free.insert(at, run);
        if at + 1 < self.free.len() && self.free[at].end == self.free[at + 1].start {
            self.free[at].end = self.free.remove(at + 1).end;
        }
        if at > 0 && self.free[at - 1].end == self.free[at].start {
            self.free[at - 1].end = self.free.remove(at).end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Rng;

    #[test]
    fn runs_never_overlap_and_all_come_back() {
        let (mut rows, mut rng, mut held) = (Rows::new(200), Rng::new(&[1]), Vec::<Range<usize>>::new());
        for _ in 0..2000 {
            if rng.next_u32() % 2 == 0 || held.is_empty() {
                let count = 1 + rng.next_u32() as usize % 40;
                if let Some(run) = rows.take(count) {
                    assert!(run.len() == count && run.end <= 200);
                    assert!(held.iter().all(|other| run.end <= other.start || other.end <= run.start), "{run:?} of {held:?}");
                    held.push(run);
                } else {
                    assert!(rows.free.iter().all(|free| free.len() < count));
                }
            } else {
                let at = rng.next_u32() as usize % held.len();
                rows.give(held.swap_remove(at));
            }
            let free: usize = rows.free.iter().map(Range::len).sum();
            assert_eq!(free + held.iter().map(Range::len).sum::<usize>(), 200);
        }
        held.drain(..).for_each(|run| rows.give(run));
        assert_eq!(rows.take(200), Some(0..200));
    }

    #[test]
    fn nothing_is_a_run_too() {
        let mut rows = Rows::new(3);
        let nothing = rows.take(0).unwrap();
        assert_eq!(rows.take(3), Some(0..3));
        rows.give(nothing);
        assert_eq!((rows.take(1), rows.take(0)), (None, Some(0..0)));
    }
}
