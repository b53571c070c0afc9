// What matrix products have in common: y (+)= scale · a · b, where a and b are as they lie (NN), b is transposed (NT), or a is (TN).
//
// A weight that is too large for one binding is taken in ranges of its rows. Then the rows of y (NT), or those of a (NN, TN), have
// `stride` elements, and the range begins at element `first`; without ranges these are the number of columns and 0.
// With VEC4 a and b are read in vectors of four. With WIDEN b holds words of two numbers, with QUANT words of blocks.

#import widen
#ifdef QUANT
#import quant
#endif

struct Params {
    m: u32,
    n: u32,
    k: u32,
    accumulate: u32,
    scale: f32,
    first: u32,
    stride: u32,
    pad: u32,
}

#ifdef VEC4
alias Element = vec4<f32>;
#else
alias Element = f32;
#endif
#ifdef QUANT
alias Stored = u32;
#else
#ifndef WIDEN
alias Stored = Element;
#else
#ifdef VEC4
alias Stored = vec2<u32>;
#else
alias Stored = u32;
#endif
#endif
#endif

// Element `at` of b, counted in Elements.
fn weight(at: u32) -> Element {
#ifdef QUANT
#ifdef VEC4
    return QUANT(4u * at);
#else
    return QUANT(at / 4u * 4u)[at % 4u];
#endif
#else
#ifndef WIDEN
    return b[at];
#else
#ifdef VEC4
    return vec4(WIDEN(b[at].x), WIDEN(b[at].y));
#else
    return WIDEN(b[at / 2u])[at % 2u];
#endif
#endif
#endif
}

// Where a number of a lies, counted in numbers.
fn a_at(row: u32, col: u32) -> u32 {
#ifdef NT
    return row * p.k + col;
#else
    return row * p.stride + p.first + col;
#endif
}

// Where a number of y lies.
fn y_at(row: u32, col: u32) -> u32 {
#ifdef NT
    return row * p.stride + p.first + col;
#else
    return row * p.n + col;
#endif
}
