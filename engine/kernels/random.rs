//! Counter-based random numbers: Philox 4x32-10 of Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3" (2011).
//!
//! The same key and counter give the same four words everywhere, so a kernel and the host agree without sharing any state.

/// Four random words for a key and a counter. `shaders/shared/philox.wgsl` is the same function.
pub fn philox4x32(key: [u32; 2], counter: [u32; 4]) -> [u32; 4] {
    let ([mut k0, mut k1], [mut c0, mut c1, mut c2, mut c3]) = (key, counter);
    for round in 0..10 {
        if round > 0 {
            k0 = k0.wrapping_add(0x9E37_79B9);
            k1 = k1.wrapping_add(0xBB67_AE85);
        }
        let p0 = u64::from(c0) * 0xD251_1F53;
        let p1 = u64::from(c2) * 0xCD9E_8D57;
        (c0, c1, c2, c3) = ((p1 >> 32) as u32 ^ c1 ^ k0, p1 as u32, (p0 >> 32) as u32 ^ c3 ^ k1, p0 as u32);
    }
    [c0, c1, c2, c3]
}

/// A stream of random numbers that is a pure function of its seeds.
#[derive(Debug, Clone)]
pub struct Rng {
    key: [u32; 2],
    block: u64,
    words: [u32; 4],
    used: usize,
}

impl Rng {
    /// A stream for a list of seeds, such as `[seed, step, episode]`. Different lists give unrelated streams, even if one starts with the
    /// other.
    pub fn new(seeds: &[u64]) -> Self {
        let mut key = [0x46_4D, seeds.len() as u32];
        for seed in seeds {
            let words = philox4x32([*seed as u32, (*seed >> 32) as u32], [key[0], key[1], 0, 1]);
            key = [words[0], words[1]];
        }
        Self { key, block: 0, words: [0; 4], used: 4 }
    }

    /// The next 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.used == 4 {
            self.words = philox4x32(self.key, [self.block as u32, (self.block >> 32) as u32, 0, 0]);
            self.block += 1;
            self.used = 0;
        }
        self.used += 1;
        self.words[self.used - 1]
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        u64::from(self.next_u32()) | u64::from(self.next_u32()) << 32
    }

    /// Shuffles a list.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for i in (1..list.len()).rev() {
            list.swap(i, self.below(i as u64 + 1) as usize);
        }
    }

    /// A number in `[0, 1)` with 53 random bits.
    pub fn number(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A whole number in `[0, bound)`, every one equally likely. `bound` must not be zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        let rest = (u64::MAX % bound + 1) % bound; // 2^64 modulo the bound: values that would favour small results
        loop {
            let bits = self.next_u64();
            if bits <= u64::MAX - rest {
                return bits % bound;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
