//! Cases of `ops::attention`.

use finemem::ops::attention::{self, Grads, Heads, Saved};

use crate::common::case::{Case, Contract, Tensors};

/// Sequences of so many keys, the last of which are those of so many queries.
fn packed(lengths: &[[u32; 2]]) -> Vec<u32> {
    let [mut query, mut key] = [0; 2];
    let mut seqs = Vec::new();
    for [queries, keys] in lengths {
        seqs.extend([query, *queries, key, *keys]);
        (query, key) = (query + queries, key + keys);
    }
    seqs
}

fn saved(t: &Tensors) -> Saved<'_> {
    Saved { q: &t["q"], k: &t["k"], v: &t["v"], seqs: &t["seqs"], o: &t["o"], lse: &t["lse"] }
}

/// Whole sequences.
fn training(lengths: &[u32], heads: Heads) -> Case {
    training_behind(&lengths.iter().map(|length| [*length; 2]).collect::<Vec<_>>(), heads)
}

/// Sequences whose first queries are not there.
fn training_behind(lengths: &[[u32; 2]], heads: Heads) -> Case {
    let seqs = packed(lengths);
    let [rows, keys] = [0, 1].map(|of| lengths.iter().map(|length| length[of]).sum::<u32>() as usize);
    let (q, kv) = ([rows, heads.q * heads.dim], [keys, heads.kv * heads.dim]);
    Case::new(format!("attention {lengths:?} {heads:?}"), 2e-5)
        .float("q", &q)
        .float("k", &kv)
        .float("v", &kv)
        .integers("seqs", &[lengths.len(), 4], seqs)
        .float("o", &q)
        .float("lse", &[rows, heads.q])
        .float("stats", &[rows, 2 * heads.q])
        .float("dout", &q)
        .float("dq", &q)
        .float("dk", &kv)
        .float("dv", &kv)
        .forward(move |rec, t| attention::forward(rec, heads, &saved(t)))
        .backward(move |rec, t| {
            let grads = Grads { dout: &t["dout"], stats: &t["stats"], dq: &t["dq"], dk: &t["dk"], dv: &t["dv"] };
            attention::backward(rec, heads, &saved(t), &grads)
        })
        .upstream("o", "dout")
        .gradient("q", "dq", Contract::Replaces)
        .gradient("k", "dk", Contract::Replaces)
        .gradient("v", "dv", Contract::Replaces)
}

/// All cases.
pub fn cases() -> Vec<Case> {
    let heads = |q, kv, dim| Heads { q, kv, dim };
    let mut cases = vec![
        training(&[1], heads(1, 1, 1)),
        training(&[3, 1, 2], heads(2, 1, 5)),
        training(&[33, 7], heads(2, 2, 4)),
        training(&[32, 64, 1], heads(4, 2, 8)),
        training(&[70, 5], heads(6, 2, 34)),
        training(&[45], heads(2, 1, 64)),
        training(&[40, 3], heads(2, 1, 96)),
        training(&[35], heads(1, 1, 128)),
        training(&[5], heads(1, 1, 127)),
        training_behind(&[[3, 8], [5, 5]], heads(2, 1, 5)),
        training_behind(&[[70, 134], [2, 130], [40, 40]], heads(4, 2, 16)),
        training_behind(&[[33, 34], [1, 100]], heads(1, 1, 128)),
    ];
    // Queries after a prefix in a cache, two of them after the same prefix; one sequence of the cache is not read.
    let seqs = vec![0, 3, 10, 40, 3, 35, 10, 45, 38, 1, 100, 1, 39, 2, 60, 37];
    for heads in [heads(2, 1, 6), heads(4, 2, 16), heads(2, 2, 128)] {
        cases.push(
            Case::new(format!("attention to a cache {heads:?}"), 2e-5)
                .float("q", &[41, heads.q * heads.dim])
                .float("k", &[120, heads.kv * heads.dim])
                .float("v", &[120, heads.kv * heads.dim])
                .integers("seqs", &[4, 4], seqs.clone())
                .float("o", &[41, heads.q * heads.dim])
                .float("lse", &[41, heads.q])
                .forward(move |rec, t| attention::forward(rec, heads, &saved(t))),
        );
    }
    for heads in [heads(1, 1, 1), heads(6, 2, 5), heads(4, 2, 16), heads(2, 1, 64), heads(2, 1, 128)] {
        cases.push(
            Case::new(format!("attention_decode {heads:?}"), 2e-5)
                .float("q", &[5, heads.q * heads.dim])
                .float("k", &[300, heads.kv * heads.dim])
                .float("v", &[300, heads.kv * heads.dim])
                .integers("spans", &[5, 4], vec![0, 0, 40, 1, 10, 7, 90, 3, 20, 64, 20, 1, 100, 131, 0, 0, 3, 62, 200, 70])
                .float("o", &[5, heads.q * heads.dim])
                .forward(move |rec, t| attention::decode(rec, heads, &t["q"], [&t["k"], &t["v"]], &t["spans"], &t["o"])),
        );
    }
    cases
}
