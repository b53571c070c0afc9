//! The free rows of a cache.

use std::ops::Range;

/// Hands out runs of rows.
pub struct Rows {
    /// The free runs, in order and not adjacent.
    free: Vec<Range<usize>>,
}

impl Rows {
    /// All of `capacity` rows are free.
    pub fn new(capacity: usize) -> Self {
        Self { free: std::iter::once(0..capacity).collect() }
    }

    /// The first free run of `count` rows; `None` when there is none.
    pub fn take(&mut self, count: usize) -> Option<Range<usize>> {
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

    /// The free runs, in order and not adjacent.
    pub fn free(&self) -> &[Range<usize>] {
        &self.free
    }

    /// Frees a run.
    pub fn give(&mut self, run: Range<usize>) {
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
