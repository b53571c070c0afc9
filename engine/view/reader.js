// The reader: steps through an episode chunk by chunk, to the questions at the end.
//
// The address says what is shown: #episode=2&step=3, counted from 1, or step=end for the questions; &reader=2 on a page with more than one
// reader. A memory is stored as what each step adds and removes; `items` has each version of an item once.

const readers = [];

function reader(section) {
  const number = readers.length + 1;
  const episodes = section.episodes;
  if (!episodes.length) return h("p", { class: "muted" }, "No episode was recorded.");
  const root = h("div", { class: "reader" });
  const view = { number, root, episode: 0, step: 0, only: "all" };
  readers.push(view);

  const place = (episode, step) => {
    const at = step >= list(episodes[episode].steps).length ? "end" : step + 1;
    return `${number > 1 ? `reader=${number}&` : ""}episode=${episode + 1}&step=${at}`;
  };
  // A link to a step of this episode, by its number. Steps before the first of a rollout that continues another one have no link.
  const link = (step) => {
    const at = step - first(episodes[view.episode]);
    return at >= 0 && at < episodes[view.episode].steps.length ? h("a", { href: `#${place(view.episode, at)}` }, `step ${step}`) : `step ${step}`;
  };

  view.show = (episode, step) => {
    view.episode = Math.min(episodes.length - 1, Math.max(0, episode));
    const now = episodes[view.episode];
    view.step = Math.min(now.steps.length, Math.max(0, step));
    draw(now);
  };
  view.go = (by, episodeBy) => {
    const focused = document.activeElement?.dataset?.keep;
    view.show(view.episode + (episodeBy || 0), episodeBy ? 0 : view.step + by);
    try {
      history.replaceState(null, "", `#${place(view.episode, view.step)}`);
    } catch {
      // Some viewers keep addresses fixed; the page then still steps.
    }
    if (focused) root.querySelector(`[data-keep="${focused}"]`)?.focus({ preventScroll: true });
  };

  function draw(now) {
    const end = view.step === now.steps.length;
    root.replaceChildren(bar(now, end), strip(now), end ? questionsPage(now) : stepPage(now, view.step));
    const cells = root.querySelector(".cells");
    const current = cells.querySelector("[aria-current]");
    cells.scrollLeft = current.offsetLeft - cells.offsetLeft - (cells.clientWidth - current.offsetWidth) / 2;
  }

  function bar(now, end) {
    const groups = new Map();
    episodes.forEach((one, i) => {
      const option = h("option", { value: i, selected: i === view.episode }, one.group ? `${one.group}: ${one.title}` : one.title);
      const key = one.group || "";
      groups.set(key, [...(groups.get(key) || []), option]);
    });
    const options = [...groups].map(([name, all]) => (name ? h("optgroup", { label: name }, all) : all));
    const button = (keep, text, label, by, off) =>
      h("button", { type: "button", "data-keep": keep, "aria-label": label, title: label, disabled: off, onclick: () => view.go(by) }, text);
    return h("div", { class: "bar" },
      h("label", {}, h("span", { class: "hide" }, "Episode"),
        h("select", { "data-keep": "episode", onchange: (event) => view.go(0, Number(event.target.value) - view.episode) }, options)),
      h("div", { class: "stepper" },
        button("back", "←", "Previous step (left arrow)", -1, view.step === 0),
        h("output", { "aria-live": "polite" }, end ? "Questions" : `Chunk ${view.step + 1} of ${now.steps.length}`),
        button("next", "→", "Next step (right arrow)", 1, end)));
  }

  // One button for each step. Its bars are the reward by term, or the calls if no reward is known.
  function strip(now) {
    const { names, values, title } = bars(now);
    const largest = Math.max(1e-9, ...values.map((one) => one.reduce((sum, v) => sum + Math.max(0, v), 0)));
    const lowest = Math.max(0, ...values.map((one) => one.reduce((sum, v) => sum - Math.min(0, v), 0)));
    const [up, down] = [36, Math.min(18, Math.ceil((36 * lowest) / largest))];
    const part = (sign) => (v, k) => v * sign > 0 && h("i", { style: `height:${((36 * Math.abs(v)) / largest).toFixed(1)}px;background:var(--c${k % 8})` });
    const every = now.steps.length > 60 ? 10 : now.steps.length > 30 ? 5 : 1;
    const cells = now.steps.map((step, t) => {
      const invalid = step.calls.filter((call) => !call.valid).length;
      const label = `Step ${t + 1}${values[t] ? `: ${names.map((name, k) => `${name} ${shown(values[t][k])}`).join(", ")}` : ""}`;
      return h("button", {
        type: "button", class: "cell", "data-keep": `cell ${t}`, "aria-label": label, title: label,
        "aria-current": t === view.step ? "step" : null, onclick: () => view.go(t - view.step),
      },
      names.length > 0 && h("span", { class: "up", style: `height:${up}px` }, (values[t] || []).map(part(1))),
      down > 0 && h("span", { class: "down", style: `height:${down}px` }, (values[t] || []).map(part(-1))),
      h("span", { class: invalid ? "n invalid" : "n" }, (t + 1) % every === 0 || t === 0 ? t + 1 : "·"));
    });
    const last = h("button", {
      type: "button", class: "cell end", "data-keep": "cell end", "aria-current": view.step === now.steps.length ? "step" : null,
      onclick: () => view.go(now.steps.length - view.step),
    }, h("span", { class: "n" }, "questions"));
    return h("nav", { class: "strip", "aria-label": "Steps" },
      h("div", { class: "cells" }, cells, last),
      names.length > 0 && h("div", { class: "legend" }, h("span", { class: "muted" }, title),
        names.map((name, k) => h("span", {}, h("i", { class: "swatch", style: `background:var(--c${k % 8})` }), name))));
  }

  function stepPage(now, t) {
    const step = now.steps[t];
    const { before, after } = memory(now, t);
    const facts = [
      step.tokens !== undefined && plural(step.tokens, "token"), step.untagged && `${plural(step.untagged, "call")} untagged`,
      step.stray && `${plural(step.stray, "piece")} of stray text`,
    ];
    return h("div", { class: "step" },
      h("div", { class: "columns" },
        h("div", {},
          step.chunk !== undefined && [h("h3", {}, `Chunk ${t + 1}`, first(now) > 1 && `, step ${first(now) + t}`), h("blockquote", {}, step.chunk)],
          !now.unrecorded && !now.uncalled && [h("h3", {}, "Calls ", h("small", {}, facts.filter(Boolean).join(", "))), calls(step)],
          folded("Thought", step.thought), folded("Prompt", step.prompt), folded("Completion", step.completion)),
        h("div", {},
          h("h3", {}, now.unrecorded ? "What the final memory keeps of this chunk " : "Memory ", h("small", {}, changes(now, before, after))),
          now.unrecorded ? kept(now, t) : difference(now, before, after, t),
          rewards(now, t))),
      step.answers.length > 0 && [h("h3", {}, "Questions about this chunk, asked right after it"), answers(now, step.answers)]);
  }

  function calls(step) {
    if (!step.calls.length) return h("p", { class: "muted" }, "No call.");
    return h("ol", { class: "calls" }, step.calls.map((call) => {
      const args = call.arguments && typeof call.arguments === "object" ? Object.entries(call.arguments) : [];
      return h("li", { class: call.valid ? "" : "invalid" },
        h("div", {}, mark(call.valid, call.valid ? "valid" : "not valid"), h("code", {}, call.tool || "unreadable")),
        args.map(([name, value]) => h("div", { class: "argument" }, h("span", { class: "muted" }, name), h("span", {}, typeof value === "string" ? value : JSON.stringify(value)))),
        call.raw && h("pre", {}, call.raw),
        call.reason && h("div", { class: "why" }, call.reason));
    }));
  }

  const changes = (now, before, after) => {
    const [was, is] = [new Set(before), new Set(after)];
    const keys = (all) => new Set(all.map((i) => key(now.items[i])));
    const [old, fresh] = [keys(before), keys(after)];
    const added = after.filter((i) => !was.has(i) && !old.has(key(now.items[i]))).length;
    const rewritten = after.filter((i) => !was.has(i) && old.has(key(now.items[i]))).length;
    const removed = before.filter((i) => !is.has(i) && !fresh.has(key(now.items[i]))).length;
    if (now.unrecorded) return "";
    return `${plural(after.length, "item")}: ${shown(added)} added, ${shown(rewritten)} rewritten, ${shown(removed)} removed`;
  };

  function item(now, i, sign, text, at) {
    const one = now.items[i];
    const others = list(one.writes).filter((step) => step !== one.step);
    return h("li", { class: { "+": "added", "~": "rewritten", "−": "removed" }[sign] || "" },
      h("span", { class: "sign", "aria-label": { "+": "added", "~": "rewritten", "−": "removed" }[sign] }, sign),
      h("span", { class: "content" }, one.section && h("span", { class: "chip" }, one.section), text || one.content, fate(one)),
      h("span", { class: "from" }, one.id !== undefined && `[${one.id}] `, one.step !== undefined && one.step !== at && link(one.step),
        others.length > 0 && [" first by ", link(others[0])]));
  }

  const fate = (one) => [
    one.closed !== undefined && h("span", { class: "chip" }, `closed by step ${one.closed}`),
    one.replaces !== undefined && h("span", { class: "chip" }, `replaces [${one.replaces}]`),
  ];

  // The memory after a step, with the step's changes marked.
  function difference(now, before, after, t) {
    const old = new Map(before.map((i) => [key(now.items[i]), i]));
    const fresh = new Map(after.map((i) => [key(now.items[i]), i]));
    const rows = [];
    for (const k of new Set([...old.keys(), ...fresh.keys()])) {
      const [was, is] = [old.get(k), fresh.get(k)];
      if (was === is) rows.push({ i: is, sign: "" });
      else if (was === undefined) rows.push({ i: is, sign: "+" });
      else if (is === undefined) rows.push({ i: was, sign: "−" });
      else rows.push({ i: is, sign: "~", text: words(now.items[was].content, now.items[is].content) });
    }
    if (!rows.length) return h("p", { class: "muted" }, "The memory is empty.");
    rows.sort((a, b) => order(now.items[a.i], now.items[b.i]));
    const line = (row) => item(now, row.i, row.sign, row.text, first(now) + t);
    const same = rows.filter((row) => !row.sign);
    if (same.length <= 30) return h("ul", { class: "memory" }, rows.map(line));
    return [h("ul", { class: "memory" }, rows.filter((row) => row.sign).map(line)),
      lazily(`${plural(same.length, "item")} that this step left as they were`, () => h("ul", { class: "memory" }, same.map(line)))];
  }

  function kept(now, t) {
    const mine = now.memory.filter((i) => now.items[i].step === first(now) + t);
    if (!mine.length) return h("p", { class: "muted" }, "Nothing.");
    return h("ul", { class: "memory" }, mine.map((i) => item(now, i, "", null, first(now) + t)));
  }

  // What the step got for each term, and the facts behind it.
  function rewards(now, t) {
    if (!now.rewards) return null;
    const { names } = bars(now);
    const why = reasons(now, t);
    const rows = names.map((name, k) => h("tr", {},
      h("th", { scope: "row" }, h("i", { class: "swatch", style: `background:var(--c${k % 8})` }), name),
      h("td", { class: "number" }, shown(now.rewards.terms[name]?.[t], { digits: 3 })), h("td", {}, why[name])));
    return [h("h3", {}, "Reward of this step"),
      h("table", { class: "rewards" }, h("tbody", {}, rows,
        h("tr", { class: "total" }, h("th", { scope: "row" }, "total"), h("td", { class: "number" }, shown(now.rewards.total?.[t], { digits: 3 })), h("td", {}))))];
  }

  function reasons(now, t) {
    const step = now.steps[t];
    const right = (all) => all.filter((one) => one.score >= 0.5).length;
    const used = now.answers.filter((one) => one.evidence.some(([i]) => now.items[i].step === first(now) + t));
    const valid = step.calls.filter((call) => call.valid).length;
    return {
      format: step.calls.length ? `${valid} of ${plural(step.calls.length, "call")} valid${step.untagged ? ", untagged" : ""}` : "no call",
      chunk: step.answers.length ? `${right(step.answers)} of ${plural(step.answers.length, "chunk question")} right` : "the chunk has no questions",
      evidence: used.length ? `what it wrote was retrieved for ${used.length} of ${plural(now.answers.length, "final question")}, ${right(used)} of them right` : "nothing it wrote was retrieved for a final question",
      outcome: `final questions: mean score ${shown(meanScore(now), { digits: 3 })}`,
      compression: now.input_tokens ? `memory of ${plural(now.memory_tokens, "token")} for an input of ${shown(now.input_tokens)}` : "",
    };
  }

  function answers(now, all) {
    return h("ol", { class: "answers" }, all.map((one) => h("li", {},
      h("div", { class: "question" }, one.score !== undefined && mark(one.score >= 0.5, `score ${shown(one.score)}`), h("span", {}, h("b", {}, one.question), one.kind && h("span", { class: "chip" }, one.kind))),
      h("dl", {},
        h("div", {}, h("dt", {}, "answer"), h("dd", {}, one.answer ?? "–")),
        h("div", {}, h("dt", {}, "gold"), h("dd", {}, one.gold.join(" | ") || "–")),
        h("div", {}, h("dt", {}, "score"), h("dd", {}, shown(one.score), one.metric && h("span", { class: "muted" }, ` ${one.metric}`))),
        one.searched.length > 0 && h("div", {}, h("dt", {}, "looked up"), h("dd", {}, one.searched.join(", then "))),
        one.trace.length > 0 && h("div", {}, h("dt", {}, "found by"), h("dd", {}, one.trace.map((at, i) => h("div", {}, `${i + 1}. ${now.items[one.evidence[at - 1][0]].content}`)))),
        one.chunks.length > 0 && h("div", {}, h("dt", {}, "gold evidence"), h("dd", {}, one.chunks.map((chunk, i) => [i > 0 && ", ", h("a", { href: `#${place(view.episode, chunk - 1)}` }, `chunk ${chunk}`)])))),
      one.evidence.length > 0 && lazily(`${plural(one.evidence.length, "item")} of evidence, from ${steps(now, one)}`, () =>
        h("ol", { class: "memory" }, one.evidence.map(([i, score], rank) => h("li", { class: one.used === rank + 1 ? "used" : null },
          h("span", { class: "sign number" }, score === null ? "" : shown(score, { digits: 2 })),
          h("span", { class: "content" }, now.items[i].section && h("span", { class: "chip" }, now.items[i].section), now.items[i].content, fate(now.items[i]), one.used === rank + 1 && h("span", { class: "chip" }, "answered from this")),
          h("span", { class: "from" }, now.items[i].id !== undefined && `[${now.items[i].id}] `, writers(now.items[i])))))))));
  }

  const writers = (one) => list(one.writes).map((step, i) => [i > 0 && ", ", link(step)]);
  const steps = (now, one) => {
    const all = [...new Set(one.evidence.map(([i]) => now.items[i].step).filter((step) => step !== undefined))].sort((a, b) => a - b);
    return all.length ? `step${all.length > 1 ? "s" : ""} ${all.slice(0, 12).join(", ")}${all.length > 12 ? ", …" : ""}` : "unknown steps";
  };

  function questionsPage(now) {
    const right = now.answers.filter((one) => one.score >= 0.5);
    const wrong = now.answers.filter((one) => one.score < 0.5);
    const pick = { all: now.answers, right, wrong };
    const choice = Object.keys(pick).map((name) => h("button", {
      type: "button", "data-keep": name, "aria-pressed": String(view.only === name), title: { right: "a score of at least 0.5", wrong: "a score below 0.5" }[name],
      onclick: () => { view.only = name; view.go(0); },
    }, `${name} ${pick[name].length}`));
    const facts = [`mean score ${shown(meanScore(now), { digits: 3 })}`, now.memory_tokens !== undefined && `memory ${plural(now.memory_tokens, "token")}`,
      now.input_tokens !== undefined && `input ${plural(now.input_tokens, "token")}`];
    return h("div", { class: "step" },
      h("h3", {}, "Questions at the end ", h("small", {}, facts.filter(Boolean).join(", "))),
      now.answers.length ? [h("div", { class: "choice", role: "group", "aria-label": "Which questions" }, choice), answers(now, pick[view.only])] : h("p", { class: "muted" }, "No question was asked."),
      h("h3", {}, "Memory at the end ", h("small", {}, plural(now.memory.length, "item"))),
      now.memory.length > 100 ? lazily("show all", () => whole(now)) : whole(now));
  }

  const whole = (now) => h("ul", { class: "memory" }, now.memory.map((i) => item(now, i, "", null, -1)));

  view.show(0, 0);
  return root;
}

// The number of an episode's first step: more than 1 if it continues another rollout.
const first = (now) => now.first || 1;

// The mean over the answers that have a score.
function meanScore(now) {
  const scores = now.answers.map((one) => one.score).filter((score) => typeof score === "number");
  return scores.length ? scores.reduce((sum, score) => sum + score, 0) / scores.length : NaN;
}

const key = (one) => `${one.section || ""}\n${one.id ?? one.content}`;
const order = (a, b) => String(a.section || "").localeCompare(String(b.section || "")) || (a.id ?? 0) - (b.id ?? 0);
const mark = (good, label) => h("span", { class: good ? "mark good" : "mark bad", role: "img", "aria-label": label, title: label }, good ? "✓" : "✗");
const folded = (title, text) => text && h("details", {}, h("summary", {}, title), h("pre", {}, text));

// A <details> whose content is made when it is first opened.
function lazily(title, make) {
  const details = h("details", { ontoggle: () => details.childElementCount === 1 && details.append(...[make()].flat()) }, h("summary", {}, title));
  return details;
}

// The indices of the items before and after a step.
function memory(now, t) {
  let before = [];
  let after = now.start;
  for (let i = 0; i <= t; i++) {
    before = after;
    const gone = new Set(now.steps[i].gone);
    after = before.filter((one) => !gone.has(one)).concat(now.steps[i].add);
  }
  return { before, after };
}

// What the bars of the strip show: reward by term, or else calls by tool.
function bars(now) {
  if (now.rewards) {
    const names = Object.keys(now.rewards.terms || {}).sort();
    if (names.length) return { names, values: now.steps.map((_, t) => names.map((name) => now.rewards.terms[name][t] || 0)), title: "reward by term" };
    return { names: ["reward"], values: now.steps.map((_, t) => [now.rewards.total?.[t] || 0]), title: "reward" };
  }
  const tools = [...new Set(now.steps.flatMap((step) => step.calls.map((call) => call.tool || "unreadable")))].sort();
  return { names: tools, values: now.steps.map((step) => tools.map((tool) => step.calls.filter((call) => (call.tool || "unreadable") === tool).length)), title: "calls by tool" };
}

// The new text with the old words struck out, word by word.
function words(before, after) {
  const [a, b] = [before.match(/\s+|\S+/g) || [], after.match(/\s+|\S+/g) || []];
  if (a.length * b.length > 250000) return [h("del", {}, before), " ", h("ins", {}, after)];
  const common = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) common[i][j] = a[i] === b[j] ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
  }
  const out = [];
  const put = (kind, word) => (out.length && out[out.length - 1][0] === kind ? (out[out.length - 1][1] += word) : out.push([kind, word]));
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    if (i < a.length && j < b.length && a[i] === b[j]) [put("", a[i]), i++, j++];
    else if (j >= b.length || (i < a.length && common[i + 1][j] >= common[i][j + 1])) put("del", a[i++]);
    else put("ins", b[j++]);
  }
  return out.map(([kind, text]) => (kind ? h(kind, {}, text) : text));
}

// Follows the address; arrow keys change the step.
function follow() {
  const asked = new URLSearchParams(location.hash.slice(1));
  const view = readers[(Number(asked.get("reader")) || 1) - 1];
  if (!view || !asked.has("episode")) return;
  const step = asked.get("step");
  view.show((Number(asked.get("episode")) || 1) - 1, step === "end" ? Infinity : (Number(step) || 1) - 1);
  view.root.scrollIntoView({ block: "start" });
}
addEventListener("hashchange", follow);
addEventListener("DOMContentLoaded", follow);
addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const seen = (view) => view.root.getBoundingClientRect().bottom > 0;
  const view = readers.find((one) => one.root.contains(document.activeElement)) || readers.find(seen) || readers[0];
  if (!by || !view) return;
  event.preventDefault();
  if (event.shiftKey) view.go(0, by);
  else view.go(by);
});
