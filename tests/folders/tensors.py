"""Writes tensors.json: tensors that contradict the configuration, or are named otherwise. See common.py."""

from common import ALL, BASES, EMBED, HEAD, KNOWN, dump, listed, outcome, record, run

UP, Q, K = "model.layers.1.mlp.up_proj.weight", "model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.k_proj"
UNTIED = dict(tie_word_embeddings=False)
HEAD_ROW = [HEAD, [61, 12], HEAD, "f32"]


def plus(*rows):
    """Adds tensors, each of a name and a shape, or as a file has them."""
    return lambda tensors: tensors + [row if len(row) == 4 else [*row, row[0], "f32"] for row in map(list, rows)]


def minus(*names):
    return lambda tensors: [row for row in tensors if row[0] not in names]


def named(rename):
    return lambda tensors: [[rename(row[0]), *row[1:]] for row in tensors]


def shaped(name, shape):
    return lambda tensors: [[row[0], shape if row[0] == name else row[1], *row[2:]] for row in tensors]


def typed(kind, ends=""):
    return lambda tensors: [[*row[:3], kind if row[0].endswith(ends) else row[3]] for row in tensors]


def both(*changes):
    def all_of(tensors):
        for change in changes:
            tensors = change(tensors)
        return tensors
    return all_of


def biases(*parts):
    widths = dict(q=48, k=24, v=24, o=12, gate=20, up=20, down=12)
    place = lambda part: "self_attn" if part in "qkvo" else "mlp"
    return plus(*[(f"model.layers.{i}.{place(part)}.{part}_proj.bias", [widths[part]]) for i in range(2) for part in parts])


def rows(count, *parts):
    """Gives the projections of these parts so many outputs."""
    named = lambda row: any(f".{part}_proj." in row[0] for part in parts)
    return lambda tensors: [[row[0], [count, *row[1][1:]] if named(row) else row[1], *row[2:]] for row in tensors]


def columns(count):
    """Gives the output projection so many inputs."""
    return lambda tensors: [[row[0], [12, count] if ".o_proj.weight" in row[0] else row[1], *row[2:]] for row in tensors]


INV_FREQ = plus(*[(f"model.layers.{i}.self_attn.rotary_emb.inv_freq", [4]) for i in range(2)])
# (models, name, keys that are set, what becomes of the tensors, words of the error, words of the warnings)
TENSORS = [
    (ALL, "a tied head that is the embedding", {}, plus([HEAD, [61, 12], EMBED, "f32"]), [], []),
    (ALL, "a tied head that is another", {}, plus(HEAD_ROW), [], ["lm_head.weight", "tie_word_embeddings"]),
    (["llama"], "a tied head that is rounded", {}, plus([HEAD, [61, 12], EMBED, "bf16"]), [], ["lm_head.weight"]),
    (["llama"], "a tied head that is rounded as the embedding", {}, both(plus([HEAD, [61, 12], EMBED, "f32"]), typed("bf16")), [], []),
    (["llama"], "a tied head in place of the embedding", {}, both(minus(EMBED), plus([HEAD, [61, 12], EMBED, "f32"])), [], []),
    (["llama"], "a tied head of another shape", {}, plus((HEAD, [60, 12])), ["lm_head.weight", "[60, 12]"], []),
    (["llama"], "a tied model without embedding", {}, minus(EMBED), ["model.embed_tokens.weight", "missing"], []),
    (ALL, "an untied head", UNTIED, plus(HEAD_ROW), [], []),
    (["llama"], "an untied head that is the embedding", UNTIED, plus([HEAD, [61, 12], EMBED, "f32"]), [], []),
    (["llama"], "an untied model without head", UNTIED, lambda t: t, ["lm_head.weight", "missing"], []),
    (["llama"], "an untied model without embedding", UNTIED, both(minus(EMBED), plus(HEAD_ROW)), ["model.embed_tokens.weight", "missing"], []),
    # Leftovers.
    (ALL, "rotary frequencies of every layer", {}, INV_FREQ, [], []),
    (["llama"], "rotary frequencies of the model", {}, plus(("model.rotary_emb.inv_freq", [4])), [], []),
    (["llama"], "rotary frequencies without the prefix", {}, both(INV_FREQ, named(lambda n: n.removeprefix("model."))), [], []),
    (["llama"], "rotary frequencies of another shape", {}, plus(("model.layers.0.self_attn.rotary_emb.inv_freq", [7])), [], []),
    (["llama"], "position_ids", {}, plus(("model.position_ids", [64])), ["position_ids"], []),
    (["llama"], "cosines", {}, plus(("model.layers.0.self_attn.rotary_emb.cos_cached", [64, 8])), ["cos_cached"], []),
    # Names.
    (ALL, "no prefix", {}, named(lambda n: n.removeprefix("model.")), [], []),
    (["llama"], "no prefix, untied", UNTIED, both(plus(HEAD_ROW), named(lambda n: n.removeprefix("model."))), [], []),
    (["llama"], "some without prefix", {}, named(lambda n: n.removeprefix("model.") if "mlp" in n else n), [], []),
    (["llama"], "the prefix twice", {}, named(lambda n: "model." + n), [], []),
    (["llama"], "the prefix before the head", UNTIED, both(plus(HEAD_ROW), named(lambda n: "model." + n if n == HEAD else n)), [], []),
    (["llama"], "with and without prefix", {}, plus(["norm.weight", [12], UP, "f32"]), ["norm.weight", "model.norm.weight"], []),
    (["llama"], "_orig_mod", {}, named(lambda n: "_orig_mod." + n), ["missing", "_orig_mod.model.embed_tokens.weight"], []),
    (["llama"], "module", {}, named(lambda n: "module." + n), ["missing", "module.model.embed_tokens.weight"], []),
    (["llama"], "base_model.model", {}, named(lambda n: "base_model.model." + n), ["missing", "base_model.model.model.embed_tokens.weight"], []),
    (["llama"], "transformer instead of model", {}, named(lambda n: n.replace("model.", "transformer.", 1)),
     ["missing", "model.embed_tokens.weight"], []),
    (["llama"], "the prefix thrice", {}, named(lambda n: "model.model." + n), ["missing", "model.embed_tokens.weight"], []),
    # Biases.
    (["llama", "qwen3"], "biases of attention", dict(attention_bias=True), biases("q", "k", "v", "o"), [], []),
    (["llama", "qwen3"], "biases of attention, not named", {}, biases("q", "k", "v", "o"), ["bias", "does not belong"], []),
    (["llama"], "Qwen2's biases", {}, biases("q", "k", "v"), ["bias", "does not belong"], []),
    (["llama"], "Qwen2's biases, named", dict(attention_bias=True), biases("q", "k", "v"), ["o_proj.bias", "missing"], []),
    (["qwen2"], "a bias of the output", {}, biases("o"), ["o_proj.bias", "does not belong"], []),
    (["qwen2"], "no bias of a key", {}, minus(K + ".bias"), [K + ".bias", "missing"], []),
    (["llama"], "biases of the MLP", dict(mlp_bias=True), biases("gate", "up", "down"), ["mlp_bias"], []),
    (ALL, "biases of the MLP, not named", {}, biases("gate", "up", "down"), ["bias", "does not belong"], []),
    (["llama"], "a bias of the head", UNTIED, plus(HEAD_ROW, ("lm_head.bias", [61])), ["lm_head.bias", "does not belong"], []),
    # Surplus and missing ones.
    (["llama"], "a block more", {}, plus(("model.layers.2.mlp.up_proj.weight", [20, 12])), ["model.layers.2.mlp.up_proj.weight"], []),
    (["llama"], "a value head", {}, plus(("v_head.summary.weight", [1, 12])), ["v_head.summary.weight"], []),
    (["llama"], "a head of classes", {}, plus(("score.weight", [2, 12])), ["score.weight"], []),
    (["llama"], "an adapter's matrix", {}, plus((Q + ".lora_A.weight", [2, 12])), ["lora_A"], []),
    (["llama"], "a scale", {}, plus((Q + ".weight_scale", [1])), ["weight_scale"], []),
    (["llama", "qwen2"], "norms of queries", {}, plus(("model.layers.0.self_attn.q_norm.weight", [8])), ["q_norm.weight"], []),
    (["qwen3"], "no norm of queries", {}, minus("model.layers.0.self_attn.q_norm.weight"), ["q_norm.weight", "missing"], []),
    (["llama"], "no final norm", {}, minus("model.norm.weight"), ["model.norm.weight", "missing"], []),
    (["llama"], "a matrix missing", {}, minus(UP), [UP, "missing"], []),
    (["llama"], "no tensors", {}, lambda t: plus(("model.norm.weight", [12]))([]), ["missing"], []),
    # Shapes and types.
    (["llama"], "a matrix turned", {}, shaped(UP, [12, 20]), [UP, "[12, 20]", "[20, 12]"], []),
    (["llama"], "a flat matrix", {}, shaped(UP, [240]), [UP, "[240]"], []),
    (["llama"], "a matrix with an axis more", {}, shaped(UP, [1, 20, 12]), [UP, "[1, 20, 12]"], []),
    (["llama"], "keys of every head", {}, shaped(K + ".weight", [48, 12]), [K, "[48, 12]", "[24, 12]"], []),
    (["llama"], "rows of the embedding more than tokens", {}, shaped(EMBED, [64, 12]), [EMBED, "[64, 12]"], []),
    (["llama"], "a larger vocabulary", dict(vocab_size=64), shaped(EMBED, [64, 12]), [], []),
    (ALL, "bf16", {}, typed("bf16"), [], []),
    (["llama"], "f16", {}, typed("f16"), [], []),
    (["llama"], "norms in f32", {}, both(typed("bf16"), typed("f32", "norm.weight")), [], []),
    (ALL, "as many keys as queries", dict(num_key_value_heads=None), rows(48, "k", "v"), [], []),
    (["llama"], "heads that share the width", dict(head_dim=None), both(rows(12, "q"), rows(6, "k", "v"), columns(12)), [], []),
    (["llama"], "f64", {}, typed("f64", "norm.weight"), ["F64"], []),
]


def difference(rows, usual):
    """The names that a list of tensors has no more, and the tensors that are new."""
    kept = [row for row in usual if row in rows]
    return dict(without=[row[0] for row in usual if row not in kept], having=[row for row in rows if row not in kept])


def cases():
    for models, name, keys, change, refused, warned in TENSORS:
        for model in models:
            usual = listed(KNOWN[model])
            rows = change(usual)
            found = outcome(lambda: run(BASES[model] | keys, rows))
            case = dict(name=f"{model}: {name}", model=model, keys=keys, tensors=difference(rows, usual))
            yield record(case, found, refused, warned)


if __name__ == "__main__":
    dump("tensors.json", list(cases()))
