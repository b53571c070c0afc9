//! `finemem-engine check` finds mistakes without running a script, and nothing in scripts that are sound.

use std::path::{Path, PathBuf};


fn problems(folder: &Path, text: &str) -> Vec<String> {
    let main = folder.join("main.lua");
    std::fs::write(&main, format!("local fm = require 'finemem'\n{text}")).unwrap();
    finemem_script::check(&main).unwrap().problems
}

#[test]
fn mistakes_are_found_without_running() {
    let folder = tempfile::tempdir().unwrap();
    let trainer = "local policy, reasoner = fm.model.load { path = 'x' }, fm.reasoner.extractive {}
local function prompt(input) return input.chunk end
local option = { policy = policy, prompt = prompt, reasoner = reasoner }";
    let new =
        |more: &str| format!("{trainer}\nlocal trainer = fm.grpo.new {{ policy = policy, prompt = prompt, reasoner = reasoner, {more} }}");
    let tool = |more: &str| {
        format!(
            "tools = {{ {{ name = 'a', {more} parameters = {{}}, run = function(memory, given) return memory:insert {{ content = given.x }} end }} }}"
        )
    };
    let rolled = |more: &str| format!("{}\nlocal batch = trainer:rollout {{ episodes = {{}} }}\n{more}", new("tools = {}"));
    for (text, said) in [
        // Paths, keys, and what is missing.
        ("fm.rng.knew { seed = 1 }".into(), ":2: there is no fm.rng.knew; did you mean 'rng.new'?"),
        ("local rng = fm.rng\nprint(rng.knew)".into(), ":3: there is no fm.rng.knew"),
        ("fm.rng.new { sead = 1 }".into(), ":2: fm.rng.new: unknown key 'sead'; did you mean 'seed'?"),
        ("fm.rng.new({ sead = 1 })".into(), "unknown key 'sead'"),
        ("fm.write { path = fm.read { pth = 'x' }, text = 'y' }".into(), "fm.read: unknown key 'pth'"),
        ("fm.rng.new {}".into(), "fm.rng.new: 'seed' is missing"),
        ("fm.rng.new()".into(), "fm.rng.new: 'seed' is missing"),
        ("local new = fm.rng.new\nnew { seeds = 1 }".into(), ":3: fm.rng.new: unknown key 'seeds'"),
        // Values that are written out.
        ("fm.rng.new { seed = 'x' }".into(), "fm.rng.new: 'seed' must be a whole number or a list, not 'x'"),
        (new("tools = {}, view = 'relevent'"), "'view' must be one of recent, relevant or a function, not 'relevent'"),
        (new("tools = {}, lr = '1e-4'"), "'lr' must be a number, not '1e-4'"),
        (new("tools = {}, dialect = 7"), "'dialect' must be a table of"),
        // Tables inside of tables.
        (new(&tool("descripton = 'b',")), "a Tool: unknown key 'descripton'; did you mean 'description'?"),
        (new(&tool("")), "a Tool: 'description' is missing"),
        (new(&tool("description = 7,")), "a Tool: 'description' must be a string, not 7"),
        ("fm.model.load { path = 'x', lora = { rnk = 4 } }".into(), "a Lora: unknown key 'rnk'; did you mean 'rank'?"),
        ("fm.page.write { path = 'x', title = 'y', sections = { { titel = 'z' } } }".into(), "a PageSection: unknown key 'titel'"),
        // Objects, wherever they go.
        ("local rng = fm.rng.new { seed = 1 }\nrng:nubmer()".into(), ":3: Rng has no 'nubmer'; did you mean 'number'?"),
        ("local rng = fm.rng.new { seed = 1 }\nrng:integer { hihg = 1 }".into(), ":3: Rng:integer: unknown key 'hihg'"),
        ("fm.rng.new { seed = 1 }:nubmer {}".into(), "Rng has no 'nubmer'"),
        ("local rng\nrng = fm.rng.new { seed = 1 }\nrng = fm.rng.new { seed = 2 }\nrng:nubmer {}".into(), ":5: Rng has no 'nubmer'"),
        (
            "local rng = x and fm.rng.new { seed = 1 } or fm.rng.new { seed = 2 }\nrng:nubmer {}".replace('x', "fm.args[1]"),
            "Rng has no 'nubmer'",
        ),
        ("local function draw(rng) return rng:nubmer {} end\ndraw(fm.rng.new { seed = 1 })".into(), ":2: Rng has no 'nubmer'"),
        ("local function make() return fm.rng.new { seed = 1 } end\nlocal a = make()\na:nubmer {}".into(), ":4: Rng has no 'nubmer'"),
        (
            "local m = {}\nfunction m.go(policy)\n  policy:encod { text = '' }\n  fm.grpo.new { policy = policy, tools = {}, prompt = tostring, reasoner = fm.reasoner.extractive {} }\nend".into(),
            ":4: Model has no 'encod'",
        ),
        (format!("{trainer}\nprint(policy.lenght)"), "Model has no 'lenght'"),
        (
            format!("{trainer}\nfm.grpo.new {{ policy = reasoner, prompt = prompt, reasoner = reasoner, tools = {{}} }}"),
            "'policy' must be a Model, not a Reasoner",
        ),
        (new(&tool("description = '',").replace("insert {", "insrt {")), "Memory has no 'insrt'; did you mean 'insert'?"),
        (new("tools = {}, view = function(memory) return memory:recnt {} end"), "Memory has no 'recnt'"),
        // Records: results and their parts.
        (rolled("print(batch.rollout)"), "Batch has no 'rollout'; did you mean 'rollouts'?"),
        (rolled("print(batch.rollouts[1].answers[1].scor)"), "Asked has no 'scor'; did you mean 'score'?"),
        (rolled("for i, rollout in ipairs(batch.rollouts) do print(i, rollout.memry) end"), "Rollout has no 'memry'"),
        (
            rolled("for _, r in batch.rollouts do for _, step in pairs(r.steps) do print(step.calls[1].vaild) end end"),
            "RolloutCall has no 'vaild'",
        ),
        (
            "local m = {}\nfunction m.steps(batch)\n  print(batch.rollots)\n  return fm.reward.format { batch = batch }\nend".into(),
            ":4: Batch has no 'rollots'",
        ),
        ("local items = fm.memory.new {}:items {}\nprint(items[1].contents)".into(), "Item has no 'contents'"),
        ("print(fm.memory.new {}:get { id = 1 }.contents)".into(), "Item has no 'contents'"),
        // Names.
        ("local count = 1\nprint(cuont)".into(), ":3: there is no variable 'cuont'; did you mean 'count'?"),
        ("do local inner = 1 end\nprint(inner)".into(), ":3: there is no variable 'inner'"),
        ("answer = 42".into(), ":2: 'answer' is a global, and scripts have none; write local answer"),
        ("require 'absent'".into(), "no file absent.lua"),
        ("local = 3".into(), ":2: "),
    ] {
        let found = problems(folder.path(), &text);
        assert!(found.iter().any(|problem| problem.contains(said)), "{text}\nsaid {found:?}\nnot {said}");
        assert!(found.len() == 1, "{text}\nsaid more: {found:?}");
    }
    assert!(finemem_script::check(Path::new("absent.lua")).is_err());
}

#[test]
fn what_is_sound_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("helper.lua"), "return { fm = require('finemem').args }").unwrap();
    for text in [
        "local helper, x = require 'helper', nil
local rng = fm.rng.new { seed = { 7, (function() if x then return { seed = 1 } end end)() } }
local key = 'path'
fm.write { [key] = 'x', text = 'y' }
for _, name in ipairs(fm.args) do print(#name, fm.version:upper(), rng:integer { high = 3 }, fm.json.null, helper) end
local other = { rng = 3, fm = { nonsense = 1 } }
print(other.rng, other.fm.nonsense, error('never run')) -- fm.nothing {}",
        // A name that is something else elsewhere.
        "do local rng = fm.rng.new { seed = 1 } end\nlocal rng = { nubmer = 1 }\nprint(rng.nubmer)",
        "local rng = fm.rng.new { seed = 1 }\nrng = { nubmer = 1 }\nprint(rng.nubmer)",
        "local rng = fm.rng.new { seed = 1 }\nlocal function f(rng) return rng.nubmer end\nprint(f({ nubmer = rng }))",
        "local function f(x) return x.nubmer end\nprint(f(fm.rng.new { seed = 1 }), f({}))",
        "local function f(x) return x.nubmer end\nf(fm.rng.new { seed = 1 })\nreturn { f = f }",
        "local x = fm.args[1] or fm.rng.new { seed = 1 } and {}\nprint(x.nubmer)",
        "local function both(a) if a then return fm.rng.new { seed = 1 } end return {} end\nprint(both(1).nubmer)",
        "local fm = { rgn = 1 }\nprint(fm.rgn)",
        // A function that is called before it is declared, as an argument.
        "local function twice(count) return count(1) + count(2) end\nlocal function go()\n  local function one(x) return x.nubmer or 1 end\n  return twice(one)\nend\nprint(go())",
        // What scripts add, and what they give a key to.
        "local batch = {}\nfm.reward.format { batch = batch }\nfor i, r in ipairs(batch.rollouts) do r.mark = i print(r.mark) end",
        "local marks = { parent = 1 }\nlocal function f(batch) print(batch.rollouts[1].parent) fm.reward.format { batch = batch } end\nf(marks)",
        // The grammar, also where it is odd.
        "local t = { f = function(...) return ... end; [1] = 2, 'x', n = { } }\nt.f'x' t.f{ 1 } t.f(nil)\nt.a, t.b = 1, 2\nt.a += 1 t.b ..= 'x' t.n.m = t",
        "local n = 0 repeat local done = n > 3 n += 1 until done\nwhile n > 0 do n -= 1 if n == 2 then break elseif n == 1 then continue else end end",
        "for i = 10, 1, -1 do for k, v in pairs { a = i } do print(k, v, i ^ 2 // 3 % 4, -i, not v, #k, 'a' .. 1 .. [[b]], 1e-6, .5, 0x1F) end end",
        "local a, b = (function() return 1, 2 end)()\nlocal c = if a then b elseif b then a else `x{a}`\nfunction print2(x) end"
            .replace("function print2(x) end", "print(c)")
            .leak(),
        "local m = { __index = {} }\nfunction m.__index:go(x) self.x = x return self end\nfunction m.new() return setmetatable({}, m) end\nm.new():go(1):go(2)",
        "local s = ('x'):rep(3) local n = #({ 1 }) return s, n, math.huge, string.format('%d', 1), table.concat({}), bit32, utf8, buffer",
        "local f: (number) -> number = nil :: any\nfm.nonsense()".replace("fm.nonsense()", "print(f)").leak(),
    ] {
        assert_eq!(problems(folder.path(), text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn every_script_is_clean() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let (mut folders, mut count, copies) = (vec![root.clone()], 0, tempfile::tempdir().unwrap());
    std::fs::create_dir(copies.path().join("deep")).unwrap();
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        for path in entries.collect::<Vec<PathBuf>>() {
            if path.is_dir() && path != root.join("types") {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "lua") {
                assert_eq!(finemem_script::check(&path).unwrap().problems, Vec::<String>::new(), "{}", path.display());
                // The walk has come to the end of each.
                let text = std::fs::read_to_string(&path).unwrap();
                let returns = text.contains("\nreturn ");
                let end = if returns { format!("{}, nonsense", text.trim_end()) } else { format!("{text}\nprint(nonsense)") };
                let found = problems(&copies.path().join("deep"), &end);
                assert!(found.iter().any(|problem| problem.contains("there is no variable 'nonsense'")), "{}: {found:?}", path.display());
                count += 1;
            }
        }
    }
    assert!(count > 50, "{count} scripts");
}
