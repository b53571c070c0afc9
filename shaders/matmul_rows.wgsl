// y[m, n] = Σ_k a[m, k] · b[n, k] for the few rows of a decoding step: each sum has one order, whatever the other rows are.
//
// a: [M, K]   b: [N, K]   y: [M, N]. Software adapters take the kernels of matmul_nt, which keep the same promise.

#ifdef LANES
#import matmul_lanes
#else
#ifdef REGISTERS
#import matmul_registers
#else
#import matmul_parts
#endif
#endif
