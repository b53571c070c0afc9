// bf16 is the upper half of an f32. Two numbers lie in a word, the first in its lower half.

// The two numbers of a word.
fn widen2(word: u32) -> vec2<f32> {
    return bitcast<vec2<f32>>(vec2(word << 16u, word & 0xffff0000u));
}

// The four numbers of two words.
fn widen4(words: vec2<u32>) -> vec4<f32> {
    return vec4(widen2(words.x), widen2(words.y));
}
