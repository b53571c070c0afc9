// Parameters of the attention kernels, and the elements that they read at a time.

struct Params {
    rows: u32,
    heads: u32,
    kv_heads: u32,
    dim: u32,
    scale: f32,
    sequences: u32,
    pad0: u32,
    pad1: u32,
}

#ifdef VEC4
alias Element = vec4<f32>;
#else
alias Element = f32;
#endif
