// One token a row: the likeliest (temperature 0), or drawn from softmax(l / temperature) over what top-k, top-p and min-p leave.
// logprob = l[token] / temperature − log Σ exp(l / temperature), before these (temperature 1 for greedy).
//
// Top-k and top-p are thresholds on the logit, found bit by bit from the top over an integer that orders like the float: 32 counts
// or sums of the row each, nothing is sorted. Min-p is one that is known: gap below the largest logit. The random number is a pure function of the row's stream.
// logits l: [M, V]   streams: [M, 6]: key (2), counter words 1 to 3, number of the token = counter word 0
// drawn: [M, 2], the token and the bits of its logprob
// Grid: one workgroup per row. Sums stride over the vocabulary; the draw walks it in order, a segment per invocation.

#import grid
#import reduce
#import philox

struct Params {
    rows: u32,
    vocab: u32,
    temperature: f32,
    top_k: u32,
    top_p: f32,
    gap: f32,
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;         // [M, V]
@group(0) @binding(2) var<storage, read> streams: array<u32>;        // [M, 6]
@group(0) @binding(3) var<storage, read_write> drawn: array<u32>;    // [M, 2]

var<workgroup> segment_mass: array<f32, WG>;
var<workgroup> segment_last: array<u32, WG>; // 1 + the last token kept in the segment, 0 if there is none

// An unsigned integer that orders like the float.
fn ordered(value: f32) -> u32 {
    let bits = bitcast<u32>(value);
    return select(bits | 0x80000000u, ~bits, bits >> 31u == 1u);
}

// Number of logits of the row at or above the threshold.
fn count_from(tid: u32, at: u32, threshold: u32) -> u32 {
    var count = 0u;
    for (var v = tid; v < p.vocab; v += WG) {
        count += select(0u, 1u, ordered(logits[at + v]) >= threshold);
    }
    return u32(workgroup_sum(tid, f32(count))); // exact below 2^24
}

// Σ exp((l − top) / temperature) over the logits of the row at or above the threshold.
fn mass_from(tid: u32, at: u32, threshold: u32, top: f32, inverse: f32) -> f32 {
    var mass = 0.0;
    for (var v = tid; v < p.vocab; v += WG) {
        let l = logits[at + v];
        mass += select(0.0, exp((l - top) * inverse), ordered(l) >= threshold);
    }
    return workgroup_sum(tid, mass);
}

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) tid: u32,
) {
    let row = group_index(wg, grid);
    if row >= p.rows {
        return; // uniform over the workgroup
    }
    let at = row * p.vocab;
    let greedy = p.temperature == 0.0;
    let inverse = 1.0 / select(p.temperature, 1.0, greedy);
    var highest = logits[at];
    for (var v = tid; v < p.vocab; v += WG) {
        highest = max(highest, logits[at + v]);
    }
    let top = workgroup_max(tid, highest);
    let total = mass_from(tid, at, 0u, top, inverse);

    var threshold = 0u;
    var target_mass = 0.0;
    if greedy {
        threshold = ordered(top); // the first token at the top is drawn
    } else {
        var kept = total;
        if p.top_k > 0u {
            for (var bit = 0x80000000u; bit > 0u; bit >>= 1u) {
                if count_from(tid, at, threshold | bit) >= p.top_k {
                    threshold |= bit;
                }
            }
            if threshold > 0u {
                kept = mass_from(tid, at, threshold, top, inverse);
            }
        }
        if p.top_p < 1.0 {
            let wanted = kept * p.top_p;
            var likely = 0u;
            for (var bit = 0x80000000u; bit > 0u; bit >>= 1u) {
                if mass_from(tid, at, max(likely | bit, threshold), top, inverse) >= wanted {
                    likely |= bit;
                }
            }
            threshold = max(threshold, likely);
            kept = mass_from(tid, at, threshold, top, inverse);
        }
        if p.gap < 3.4e38 {
            threshold = max(threshold, ordered(top - p.gap));
            kept = mass_from(tid, at, threshold, top, inverse);
        }
        let s = row * 6u;
        let key = vec2(streams[s], streams[s + 1u]);
        let words = philox4x32(key, vec4(streams[s + 5u], streams[s + 2u], streams[s + 3u], streams[s + 4u]));
        target_mass = f32(words.x >> 8u) / 16777216.0 * kept; // 24 bits: exact in f32, and below 1
    }

    let length = (p.vocab + WG - 1u) / WG;
    let begin = min(tid * length, p.vocab);
    let end = min(begin + length, p.vocab);
    var mass = 0.0;
    var last = 0u;
    for (var v = begin; v < end; v++) {
        let l = logits[at + v];
        if ordered(l) >= threshold {
            mass += exp((l - top) * inverse);
            last = v + 1u;
        }
    }
    segment_mass[tid] = mass;
    segment_last[tid] = last;
    workgroupBarrier();
    if tid == 0u {
        var before = 0.0;
        var chosen = 0u;
        var passed = false;
        for (var i = 0u; i < WG; i++) {
            if segment_last[i] > 0u {
                chosen = i;
                passed = before + segment_mass[i] > target_mass;
                if passed {
                    break;
                }
                before += segment_mass[i];
            }
        }
        // If rounding keeps the sum from passing the target, the last token kept is the one.
        var token = segment_last[chosen] - 1u;
        for (var v = chosen * length; passed && v < token; v++) {
            let l = logits[at + v];
            if ordered(l) >= threshold {
                before += exp((l - top) * inverse);
                if before > target_mass {
                    token = v;
                }
            }
        }
        drawn[2u * row] = token;
        drawn[2u * row + 1u] = bitcast<u32>((logits[at + token] - top) * inverse - log(total));
    }
}
