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
