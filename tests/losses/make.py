"""Writes golden.json: policy losses of one batch and their gradients by the log-probabilities, from PyTorch's autograd in f64.

    python tests/losses/make.py

Every loss is written from its paper, over padded sequences with a mask, as trainers in Python have them; nothing here follows the engine.
"""

import json
import pathlib

import torch

torch.manual_seed(5)
torch.set_default_dtype(torch.float64)

# Two episodes of two steps, three and four rollouts: a turn is one step of one rollout.
TURNS = [(e, r, t) for e, rollouts in enumerate([range(3), range(3, 7)]) for r in rollouts for t in range(2)]
LENGTHS = [1 + (5 * i * i + 3 * i) % 11 for i in range(len(TURNS))]
LONGEST = 16  # of a completion, as the trainer allows it
EPSILON = 1e-6  # added to deviations


def f32(x):
    return x.to(torch.float32).to(torch.float64)


N, L = len(TURNS), max(LENGTHS)
mask = torch.tensor([[float(j < n) for j in range(L)] for n in LENGTHS])
old = f32(-3 * torch.rand(N, L) - 0.05)
# Log-ratios within and beyond all bounds. Means of turns are small, some within the bounds of GSPO.
noise = 0.5 * torch.randn(N, L)
noise[::5] *= 4
mean = (noise * mask).sum(1, keepdim=True) / mask.sum(1, keepdim=True)
noise[::2] += -mean[::2] + 4e-4 * torch.randn(N, 1)[::2]
logprob = f32(old + noise)
reference = f32(old + 0.3 * torch.randn(N, L))
rewards = f32(torch.rand(N))
rewards[2] = rewards[0]
weights = f32(2 * torch.rand(N, L))
weights[3] = 0
lengths = mask.sum(1)


def groups(grouping):
    keys = {"step": lambda e, r, t: (e, t), "instance": lambda e, r, t: e, "trajectory": lambda e, r, t: e}[grouping]
    return [keys(*turn) for turn in TURNS]


def advantages(rewards, grouping, scale, baseline):
    out = torch.zeros(N)
    keys = groups(grouping)
    for key in sorted(set(keys)):
        members = [i for i in range(N) if keys[i] == key]
        if grouping == "trajectory":
            rollouts = sorted({TURNS[i][1] for i in members})
            values = torch.stack([rewards[[i for i in members if TURNS[i][1] == r]].mean() for r in rollouts])
            owner = [rollouts.index(TURNS[i][1]) for i in members]
        else:
            values, owner = rewards[members], list(range(len(members)))
        if baseline == "mean":
            centred = values - values.mean()
        else:
            centred = torch.stack([v - torch.cat([values[:j], values[j + 1 :]]).mean() for j, v in enumerate(values)])
        if scale:
            centred = centred / (values.std() + EPSILON)
        for i, j in zip(members, owner):
            out[i] = centred[j]
    return out


def estimate(kind, policy, other):
    d = policy - other
    return {"k1": d, "k2": d.square() / 2, "k3": torch.exp(-d) - 1 + d}[kind]


def surrogate(name, lp, adv, low, high, dual):
    """The loss of each token, [N, L]."""
    adv = adv[:, None]
    if name in ("rloo", "reinforce"):
        return -adv * lp
    ratio = torch.exp(lp - old)
    if name == "gspo":
        ratio = torch.exp(((lp - old) * mask).sum(1, keepdim=True) / lengths[:, None]).expand(N, L)
    clipped = ratio.clamp(1 - low, 1 + high)
    if name == "cispo":
        return -clipped.detach() * adv * lp
    loss = -torch.minimum(ratio * adv, clipped * adv)
    if dual:
        loss = torch.where(adv < 0, torch.minimum(loss, -dual * adv), loss)
    return loss


def aggregate(how, tokens):
    sums = (tokens * mask).sum(1)
    if how == "token":
        return sums.sum() / mask.sum()
    if how == "sequence":
        return (sums / lengths).mean()
    return {"constant": sums / LONGEST, "sum": sums}[how].mean()


# What each paper says: bounds, mean, deviation, baseline, KL coefficient, estimator, place.
PAPERS = {
    "verl": dict(low=0.2, high=0.2, dual=3.0, how="token", scale=True),
    "grpo": dict(low=0.2, high=0.2, how="sequence", scale=True, kl=0.04),
    "dr_grpo": dict(low=0.2, high=0.2, how="constant", scale=False),
    "dapo": dict(low=0.2, high=0.28, how="token", scale=True),
    "gspo": dict(low=3e-4, high=4e-4, how="sequence", scale=True),
    "cispo": dict(low=1.0, high=4.0, how="token", scale=True),
    "rloo": dict(how="sum", scale=False, baseline="leave_one_out", kind="k1", place="reward"),
    "reinforce": dict(how="sum", scale=False, kind="k1", place="reward"),
}


def case(name, grouping="step", weighted=False, **changes):
    setting = dict(low=0.0, high=0.0, dual=0.0, baseline="mean", kl=0.0, kind="k3", place="loss") | PAPERS[name] | changes
    r = rewards
    if setting["kl"] and setting["place"] == "reward":
        r = rewards - setting["kl"] * (estimate(setting["kind"], old, reference) * mask).sum(1)
    adv = advantages(r, grouping, setting["scale"], setting["baseline"])
    lp = logprob.clone().requires_grad_()
    tokens = surrogate(name, lp, adv, setting["low"], setting["high"], setting["dual"])
    if setting["kl"] and setting["place"] == "loss":
        tokens = tokens + setting["kl"] * estimate(setting["kind"], lp, reference)
    if weighted:
        tokens = tokens * weights
    loss = aggregate(setting["how"], tokens)
    loss.backward()
    names = {"low": "clip_low", "high": "clip_high", "dual": "dual_clip", "kl": "kl_coef", "kind": "kl_estimator", "place": "kl_in"}
    names |= {"how": "aggregation", "scale": "scale_rewards", "baseline": "baseline"}
    return {
        "name": name,
        "grouping": grouping,
        "weighted": weighted,
        "changes": {names[key]: value for key, value in changes.items()},
        "loss": loss.item(),
        "gradient": ragged(lp.grad),
    }


def ragged(x):
    return [row[:n] for row, n in zip(x.tolist(), LENGTHS)]


cases = [case(name) for name in PAPERS]
cases += [case("verl", kl=0.3, kind=kind) for kind in ("k1", "k2", "k3")]
cases += [case(name, kl=0.2, kind=kind) for name, kind in (("rloo", "k1"), ("rloo", "k2"), ("reinforce", "k3"))]
cases += [case("reinforce", kl=0.2, place="loss", kind="k2"), case("gspo", kl=0.3), case("cispo", kl=0.3, kind="k2")]
cases += [case("verl", grouping="instance"), case("dr_grpo", grouping="trajectory"), case("rloo", grouping="trajectory")]
cases += [case("verl", low=0.05, high=0.4, dual=1.5), case("dapo", high=0.6), case("cispo", low=0.3, high=0.5), case("grpo", kl=0.0, scale=False)]
cases += [case("gspo", low=0.1, high=0.1), case("dr_grpo", how="sum", baseline="leave_one_out"), case("gspo", how="token")]
cases += [case(name, weighted=True) for name in ("verl", "grpo", "dr_grpo", "cispo", "rloo")]
batch = {
    "episode": [e for e, _, _ in TURNS],
    "rollout": [r for _, r, _ in TURNS],
    "step": [t for _, _, t in TURNS],
    "rewards": rewards.tolist(),
    "longest": LONGEST,
    "logprob": ragged(logprob),
    "old": ragged(old),
    "reference": ragged(reference),
    "weights": ragged(weights),
    "cases": cases,
}
path = pathlib.Path(__file__).parent / "golden.json"
path.write_text(json.dumps(batch) + "\n")
print(f"{path}: {len(cases)} cases of {N} turns and {sum(LENGTHS)} tokens, {path.stat().st_size} bytes")
