// NN: y[m, n] (+)= Σ_k a[m, k] · b[k, n],   a: [M, K]   b: [K, N]
//
// y: [M, N]; accumulate: 1 adds to y, 0 replaces it. The three families are in shared/: tiles in workgroup memory for GPUs, and for
// software adapters one subgroup that hands a around (LANES) or plain registers (REGISTERS).

#ifdef LANES
#import matmul_lanes
#else
#ifdef REGISTERS
#import matmul_registers
#else
#import matmul_tiled
#endif
#endif
