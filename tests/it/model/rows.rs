//! Rows of a cache that are free.

use std::ops::Range;

use finemem::generate::rows::Rows;
use finemem::random::Rng;

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
                assert!(rows.free().iter().all(|free| free.len() < count));
            }
        } else {
            let at = rng.next_u32() as usize % held.len();
            rows.give(held.swap_remove(at));
        }
        let free: usize = rows.free().iter().map(Range::len).sum();
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
