// Four neighbours of a quantised weight, which is `b` in words of four bytes. QUANT is the function of its type. How the blocks are laid
// out, and what their numbers are, is in engine/kernels/device/quant.rs.

fn byte_at(at: u32) -> u32 {
    return (b[at / 4u] >> (8u * (at % 4u))) & 0xffu;
}

// Four bytes from an even place on.
fn word_at(at: u32) -> u32 {
    if at % 4u == 0u {
        return b[at / 4u];
    }
    return (b[at / 4u] >> 16u) | (b[at / 4u + 1u] << 16u);
}

// The 16-bit float at an even place.
fn half_at(at: u32) -> f32 {
    return unpack2x16float(b[at / 4u] >> (8u * (at % 4u))).x;
}

// The bytes of a word, and the same with signs.
fn bytes_of(word: u32) -> vec4<f32> {
    return vec4<f32>((vec4(word) >> vec4(0u, 8u, 16u, 24u)) & vec4(0xffu));
}

fn signed_bytes_of(word: u32) -> vec4<f32> {
    return vec4<f32>(bitcast<vec4<i32>>(vec4(word) << vec4(24u, 16u, 8u, 0u)) >> vec4(24u));
}

// Four bits of each of 32 numbers: the low ones of 16 bytes, then the high ones. `j` is the first of four neighbours.
fn nibbles(at: u32, j: u32) -> u32 {
    return (word_at(at + j % 16u) >> (j / 16u * 4u)) & 0x0f0f0f0fu;
}

// The fifth bits of four of 32 numbers, each in a byte.
fn fifth_bits(at: u32, j: u32) -> u32 {
    let bits = word_at(at) >> j;
    return ((bits & 1u) << 4u) | ((bits & 2u) << 11u) | ((bits & 4u) << 18u) | ((bits & 8u) << 25u);
}

fn q4_0(i: u32) -> vec4<f32> {
    let block = i / 32u * 18u;
    return (bytes_of(nibbles(block + 2u, i % 32u)) - 8.0) * half_at(block);
}

fn q4_1(i: u32) -> vec4<f32> {
    let block = i / 32u * 20u;
    return bytes_of(nibbles(block + 4u, i % 32u)) * half_at(block) + half_at(block + 2u);
}

fn q5_0(i: u32) -> vec4<f32> {
    let block = i / 32u * 22u;
    return (bytes_of(nibbles(block + 6u, i % 32u) | fifth_bits(block + 2u, i % 32u)) - 16.0) * half_at(block);
}

fn q5_1(i: u32) -> vec4<f32> {
    let block = i / 32u * 24u;
    return bytes_of(nibbles(block + 8u, i % 32u) | fifth_bits(block + 4u, i % 32u)) * half_at(block) + half_at(block + 2u);
}

fn q8_0(i: u32) -> vec4<f32> {
    let block = i / 32u * 34u;
    return signed_bytes_of(word_at(block + 2u + i % 32u)) * half_at(block);
}

// Scale and offset `j` of the eight of a block that has 16-bit floats for both and 6 bits for each of the eight.
fn six_bits(block: u32, j: u32) -> vec2<f32> {
    let s = block + 4u;
    var scale = byte_at(s + j) & 63u;
    var offset = byte_at(s + j + 4u) & 63u;
    if j >= 4u {
        let low = byte_at(s + j + 4u);
        scale = (low & 15u) | (byte_at(s + j - 4u) >> 6u << 4u);
        offset = (low >> 4u) | (byte_at(s + j) >> 6u << 4u);
    }
    return vec2(half_at(block) * f32(scale), -(half_at(block + 2u) * f32(offset)));
}

fn q4_k(i: u32) -> vec4<f32> {
    let block = i / 256u * 144u;
    let unit = i % 256u / 32u;
    let pair = six_bits(block, unit);
    let word = word_at(block + 16u + unit / 2u * 32u + i % 32u) >> (unit % 2u * 4u);
    return bytes_of(word & 0x0f0f0f0fu) * pair.x + pair.y;
}

fn q5_k(i: u32) -> vec4<f32> {
    let block = i / 256u * 176u;
    let unit = i % 256u / 32u;
    let pair = six_bits(block, unit);
    let word = word_at(block + 48u + unit / 2u * 32u + i % 32u) >> (unit % 2u * 4u);
    let high = (word_at(block + 16u + i % 32u) >> unit) & 0x01010101u;
    return bytes_of((word & 0x0f0f0f0fu) | (high << 4u)) * pair.x + pair.y;
}

fn q6_k(i: u32) -> vec4<f32> {
    let block = i / 256u * 210u;
    let half = i % 256u / 128u;
    let part = i % 128u / 32u;
    let at = i % 32u;
    let low = (word_at(block + 64u * half + part % 2u * 32u + at) >> (part / 2u * 4u)) & 0x0f0f0f0fu;
    let high = (word_at(block + 128u + 32u * half + at) >> (2u * part)) & 0x03030303u;
    let scale = byte_at(block + 192u + 8u * half + 2u * part + at / 16u);
    return (bytes_of(low | (high << 4u)) - 32.0) * (half_at(block + 208u) * f32(bitcast<i32>(scale << 24u) >> 24u));
}
