//! Every op: the CPU twin in f32 and every GPU against the twin in f64, gradients against finite differences.

mod cases;
mod checks;
mod common;

macro_rules! ops {
    ($($op:ident)*) => {$(
        #[test]
        fn $op() {
            for case in cases::$op::cases() {
                case.check(common::gpus());
            }
        }
    )*};
}

ops! {
    adamw
    attention
    attribution
    bias
    elementwise
    embedding
    logprob
    matmul
    policy_loss
    rmsnorm
    rope
    sample
    swiglu
    zscore
}
