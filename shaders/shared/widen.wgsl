// Numbers of 16 bits. Two lie in a word, the first in its lower half. WIDEN is the function that widens a word: `widen_bf16`, or the
// builtin `unpack2x16float`, which every adapter has, also one whose shaders cannot compute in f16.

// bf16 is the upper half of an f32.
fn widen_bf16(word: u32) -> vec2<f32> {
    return bitcast<vec2<f32>>(vec2(word << 16u, word & 0xffff0000u));
}
