// Philox 4x32-10 of Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3" (2011). The same function as `engine/random.rs`.

// The upper and lower 32 bits of a · b, from products of 16-bit halves.
fn wide_product(a: u32, b: u32) -> vec2<u32> {
    let low = (a & 0xffffu) * (b & 0xffffu);
    let cross = (a >> 16u) * (b & 0xffffu) + (low >> 16u); // at most 2^32 − 1
    let other = (a & 0xffffu) * (b >> 16u) + (cross & 0xffffu);
    return vec2((a >> 16u) * (b >> 16u) + (cross >> 16u) + (other >> 16u), a * b);
}

// Four random words for a key and a counter.
fn philox4x32(key: vec2<u32>, counter: vec4<u32>) -> vec4<u32> {
    var k = key;
    var c = counter;
    for (var round = 0u; round < 10u; round++) {
        if round > 0u {
            k += vec2(0x9e3779b9u, 0xbb67ae85u);
        }
        let p0 = wide_product(c.x, 0xd2511f53u);
        let p1 = wide_product(c.z, 0xcd9e8d57u);
        c = vec4(p1.x ^ c.y ^ k.x, p1.y, p0.x ^ c.w ^ k.y, p0.y);
    }
    return c;
}
