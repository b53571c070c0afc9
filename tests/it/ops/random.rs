//! The generator of random numbers.

use finemem::random::{Rng, philox4x32};

#[test]
fn known_answers() {
    assert_eq!(philox4x32([0, 0], [0; 4]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
    assert_eq!(philox4x32([u32::MAX; 2], [u32::MAX; 4]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
    let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
    assert_eq!(philox4x32([0xa409_3822, 0x299f_31d0], pi), [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
}

#[test]
fn seeds_make_streams() {
    let first = |seeds: &[u64]| Rng::new(seeds).next_u64();
    assert_eq!(first(&[7]), first(&[7]));
    let all = [first(&[]), first(&[0]), first(&[7]), first(&[7, 0]), first(&[0, 7]), first(&[7 << 32])];
    for (i, a) in all.iter().enumerate() {
        assert!(all[i + 1..].iter().all(|b| a != b));
    }
}

#[test]
fn below_is_even() {
    let mut rng = Rng::new(&[1]);
    let mut counts = [0usize; 6];
    (0..60_000).for_each(|_| counts[rng.below(6) as usize] += 1);
    assert!(counts.iter().all(|n| (9_500..10_500).contains(n)), "{counts:?}");
    assert!((0..1000).all(|_| (0.0..1.0).contains(&rng.number())));
    assert_eq!(rng.below(1), 0);
}
