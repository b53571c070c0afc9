//! Cases of `ops::embedding`.

use finemem::device::DType;
use finemem::ops::embedding::{self, Groups};

use crate::common::case::{Case, Contract};
use crate::common::random::Random;

/// All cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (tokens, vocab, cols) in [(1, 1, 1), (5, 3, 7), (130, 20, 64), (9, 1000, 131), (7, 90, 138)] {
        let mut random = Random::new("ids", tokens as u64);
        let ids: Vec<u32> = (0..tokens).map(|_| random.below(vocab) as u32).collect();
        let groups = Groups::new(&ids);
        cases.push(
            Case::new(format!("embedding {tokens} of {vocab}x{cols}"), 2e-6)
                .integers("ids", &[tokens], ids)
                .integers("order", &[tokens], groups.order)
                .integers("tokens", &[groups.tokens.len()], groups.tokens)
                .integers("starts", &[groups.starts.len()], groups.starts)
                .float("table", &[vocab, cols])
                .float("x", &[tokens, cols])
                .float("dx", &[tokens, cols])
                .float("dtable", &[vocab, cols])
                .forward(|rec, t| embedding::forward(rec, &t["ids"], &t["table"], &t["x"]))
                .backward(|rec, t| embedding::backward(rec, &t["dx"], &t["order"], &t["tokens"], &t["starts"], &t["dtable"]))
                .upstream("x", "dx")
                .gradient("table", "dtable", Contract::Adds),
        );
        for dtype in [DType::BF16, DType::F16].into_iter().filter(|_| cols % 2 == 0) {
            let ids = (0..tokens).map(|_| random.below(vocab) as u32).collect();
            cases.push(
                Case::new(format!("embedding {tokens} of {} {vocab}x{cols}", dtype.name()), 0.0)
                    .integers("ids", &[tokens], ids)
                    .packed("table", dtype, &[vocab, cols])
                    .float("x", &[tokens, cols])
                    .forward(|rec, t| embedding::forward(rec, &t["ids"], &t["table"], &t["x"])),
            );
        }
    }
    cases
}
