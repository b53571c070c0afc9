//! `finemem-engine check` finds mistakes without running a script, and nothing in scripts that are sound.

use std::path::{Path, PathBuf};

fn problems(folder: &Path, text: &str) -> Vec<String> {
    let main = folder.join("main.lua");
    std::fs::write(&main, format!("local fm = require 'finemem'\n{text}")).unwrap();
    finemem_script::check(&main).unwrap().problems
}

/// Each script has the one mistake that stands beside it.
fn found<T: AsRef<str>>(scripts: &[(T, &str)]) {
    let folder = tempfile::tempdir().unwrap();
    for (text, said) in scripts {
        let (text, found) = (text.as_ref(), problems(folder.path(), text.as_ref()));
        assert!(found.iter().any(|problem| problem.contains(said)), "{text}\nsaid {found:?}\nnot {said}");
        assert!(found.len() == 1, "{text}\nsaid more: {found:?}");
    }
}

/// Four lines that make a trainer, with more of its arguments.
fn trainer(more: &str) -> String {
    format!("{TRAINER}\nlocal trainer = fm.grpo.new {{ policy = policy, prompt = prompt, reasoner = reasoner, {more} }}")
}

const TRAINER: &str = "local policy, reasoner = fm.model.load { path = 'x' }, fm.reasoner.extractive {}
local function prompt(input) return input.chunk end
local option = { policy = policy, prompt = prompt, reasoner = reasoner }";

/// Six lines that make a trainer and a batch.
fn rolled(more: &str) -> String {
    format!("{}\nlocal batch = trainer:rollout {{ episodes = {{}} }}\n{more}", trainer("tools = {}"))
}

#[test]
fn mistakes_are_found_without_running() {
    let tool = |more: &str| {
        format!(
            "tools = {{ {{ name = 'a', {more} parameters = {{}}, run = function(memory, given) return memory:insert {{ content = given.x }} end }} }}"
        )
    };
    found(&[
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
        (trainer("tools = {}, view = 'relevent'"), "'view' must be one of recent, relevant or a function, not 'relevent'"),
        (trainer("tools = {}, lr = '1e-4'"), "'lr' must be a number, not '1e-4'"),
        (trainer("tools = {}, dialect = 7"), "'dialect' must be a table of"),
        // Tables inside of tables.
        (trainer(&tool("descripton = 'b',")), "a Tool: unknown key 'descripton'; did you mean 'description'?"),
        (trainer(&tool("")), "a Tool: 'description' is missing"),
        (trainer(&tool("description = 7,")), "a Tool: 'description' must be a string, not 7"),
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
        (format!("{TRAINER}\nprint(policy.lenght)"), "Model has no 'lenght'"),
        (
            format!("{TRAINER}\nfm.grpo.new {{ policy = reasoner, prompt = prompt, reasoner = reasoner, tools = {{}} }}"),
            "'policy' must be a Model, not a Reasoner",
        ),
        (trainer(&tool("description = '',").replace("insert {", "insrt {")), "Memory has no 'insrt'; did you mean 'insert'?"),
        (trainer("tools = {}, view = function(memory) return memory:recnt {} end"), "Memory has no 'recnt'"),
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
        ("answer = 42".into(), ":2: 'answer' is a global, and scripts cannot set globals; write local answer"),
        ("require 'absent'".into(), "no file absent.lua"),
        ("local = 3".into(), ":2: "),
    ]);
    assert!(finemem_script::check(Path::new("absent.lua")).is_err());
}

#[test]
fn mistakes_are_found_behind_the_syntax_of_luau() {
    found(&[
        // Types of variables, of parameters and of what functions return.
        ("local x: number = 1\nfm.rng.knew {}", ":3: there is no fm.rng.knew; did you mean 'rng.new'?"),
        ("local a: number?, b: { string } = 1, {}\nfm.rng.new { sead = 1 }", ":3: fm.rng.new: unknown key 'sead'"),
        ("local rng: any = fm.rng.new { seed = 1 }\nrng:nubmer {}", ":3: Rng has no 'nubmer'; did you mean 'number'?"),
        ("local function draw(rng: any): number return rng:nubmer {} end\ndraw(fm.rng.new { seed = 1 })", ":2: Rng has no 'nubmer'"),
        ("local function make(): any return fm.rng.new { seed = 1 } end\nlocal a = make()\na:nubmer {}", ":4: Rng has no 'nubmer'"),
        ("local function f(go: (number, string) -> ...any, ...: number) go(...) end\nf(print)\nx = 1", ":4: 'x' is a global"),
        ("local f: (number) -> (number, ...string) = nil :: any\nfm.nonsense()\nprint(f)", ":3: there is no fm.nonsense"),
        ("for _: number, name: string in ipairs(fm.args) do print(name, nmae) end", ":2: there is no variable 'nmae'; did you mean 'name'?"),
        (
            "local function outer(rng: any)\n  local function inner(again: any): number\n    return again:nubmer {}\n  end\n  return inner(rng)\nend
outer(fm.rng.new { seed = 1 })",
            ":4: Rng has no 'nubmer'",
        ),
        (
            "local m = {}\nfunction m.go(policy: any): ()\n  policy:encod { text = '' }\n  fm.grpo.new { policy = policy, tools = {}, prompt = tostring, reasoner = fm.reasoner.extractive {} }\nend",
            ":4: Model has no 'encod'",
        ),
        // Types that have names, and generic ones.
        ("type Draw = { rng: any, read count: number }\nfm.rng.new { sead = 1 }", ":3: fm.rng.new: unknown key 'sead'"),
        ("export type Pair<K, V = string> = { key: K, [string]: V } | nil\nfm.rng.new {}", ":3: fm.rng.new: 'seed' is missing"),
        ("type Named = typeof(fm) & { name: 'a' | 'b' }\nlocal count = 1\nprint(cuont)", ":4: there is no variable 'cuont'"),
        ("type function same(t) return t end\nfm.rng.new()", ":3: fm.rng.new: 'seed' is missing"),
        ("local function first<T, R...>(list: { T }, ...: R...): (T?, R...) return list[1], ... end\nfirst({}, x)", ":3: there is no variable 'x'"),
        ("local function same<T>(x: T): T return x end\nsame<<number>>(fm.rgn)", ":3: there is no fm.rgn"),
        ("@native\nlocal function f(x: number): number return x end\nprint(f(1), fm.rgn)", ":4: there is no fm.rgn"),
        ("const function f(rng: any) return rng:nubmer {} end\nf(fm.rng.new { seed = 1 })", ":2: Rng has no 'nubmer'"),
        ("const rng: any = fm.rng.new { seed = 1 }\nrng:nubmer {}", ":3: Rng has no 'nubmer'"),
        // Casts.
        ("local rng = fm.rng.new { seed = 1 } :: any\nrng:nubmer {}", ":3: Rng has no 'nubmer'"),
        ("local key = (fm.args[1] :: string):upper()\nfm.rng.new { seed = key :: any, sead = 2 }", ":3: fm.rng.new: unknown key 'sead'"),
        ("fm.rng.new({ sead = 1 } :: any)", ":2: fm.rng.new: unknown key 'sead'"),
        ("fm.rng.new { seed = ('x' :: any) }", ":2: fm.rng.new: 'seed' must be a whole number or a list, not 'x'"),
        ("local t = { a = 1 } :: { a: number }\nt.a += (t :: any).a :: number\nfm.rng.new { seed = t.a }:nubmer {}", ":4: Rng has no 'nubmer'"),
        // Expressions that choose.
        ("local rng = if fm.args[1] then fm.rng.new { seed = 1 } else nil\nrng:nubmer {}", ":3: Rng has no 'nubmer'"),
        ("fm.rng.new { seed = if fm.args[1] then 1\n  elseif fm.args[2] then 'x'\n  else 2 }", ":3: fm.rng.new: 'seed' must be"),
        ("fm.rng.new(if fm.args[1] then {} else {}, if nonsense then 1 else 2)", ":2: there is no variable 'nonsense'"),
        ("local rng = nil or fm.args[1] and fm.rng.new { seed = 1 }\nrng:nubmer {}", ":3: Rng has no 'nubmer'"),
        ("local text = fm.args[1] .. 'x' == 'y' and 1 + 2 * 3 or fm.rgn", ":2: there is no fm.rgn"),
        // Text with values in it.
        ("print(`{nonsense}`)", ":2: there is no variable 'nonsense'"),
        ("local rng = fm.rng.new { seed = 1 }\nprint(`a {rng:nubmer {}} b {1 + 2}`)", ":3: Rng has no 'nubmer'"),
        ("print(`\\{ { `{fm.rgn}` }`,\n  1)", ":2: there is no fm.rgn"),
        ("fm.rng.new { seed = `{1}{2}` }", ":2: fm.rng.new: 'seed' must be a whole number or a list, not `{1}{2}`"),
        // Assignments that compute.
        ("local n = 1\nn += fm.rng.new { sead = 1 }", ":3: fm.rng.new: unknown key 'sead'"),
        ("local n, s = 1, ''\nn //= 2\ns ..= 'x'\nprint(cuont)", ":5: there is no variable 'cuont'"),
        ("cuont ^= 1", ":2: there is no variable 'cuont'"),
        // Loops that go on.
        ("for i: number = 1, 3 do\n  if i == 2 then continue end\n  fm.rng.knew {}\nend", ":4: there is no fm.rng.knew"),
        ("local continue, type, export = 1, 2, 3\ncontinue, type = type, continue\nprint(export, cuont)", ":4: there is no variable 'cuont'"),
        // What is handed on.
        ("local each = ipairs\nfor _, i in each(fm.memory.new {}:items {}) do print(i.contents) end", ":3: Item has no 'contents'"),
        ("function nonsense.go(self: any) end", ":2: there is no variable 'nonsense'"),
        // What Luau knows and the parser does not: it is said, with line and column.
        ("@[deprecated] local function f() end\nprint(f, fm.rgn)", "main.lua:2:2: the check does not know this syntax, so it skips the file: "),
    ]);
    let batch = rolled("for _: number, r: any in batch.rollouts do print(r.memry) end");
    let lr = trainer("tools = {}, lr = ('1e-4' :: any)");
    let view = trainer("tools = {}, view = if fm.args[1] then 'recent' elseif fm.args[2] then 'relevent' else 'relevant'");
    let run = "run = function(memory: any, given: { [string]: any }): any return memory:insrt { content = given.x } end";
    let tool = trainer(&format!("tools = {{ {{ name = 'a', description = '', parameters = {{}}, {run} }} }}"));
    found(&[
        (batch, ":7: Rollout has no 'memry'"),
        (lr, ":5: fm.grpo.new: 'lr' must be a number, not '1e-4'"),
        (view, ":5: fm.grpo.new: 'view' must be one of recent, relevant or a function, not 'relevent'"),
        (tool, ":5: Memory has no 'insrt'; did you mean 'insert'?"),
    ]);
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
        // Luau's own.
        "type Rng = { number: (self: Rng) -> number }\nlocal function draw<T>(rng: Rng?, ...: T): (number, T?) return if rng then rng:number() else 0, ... end\nprint(draw(fm.rng.new { seed = 1 } :: any))",
        "local f: (number) -> number = nil :: any\nlocal n, t = 0, { n = 1 } :: { [string]: number }\nfor i: number = 1, 3 do if i == 2 then continue end n += t.n t.n *= 2 end\nprint(`{f}{n} \\{ {if n > 1 then `x{n}` else ''}`)",
        "local view = if fm.args[1] then 'recent' else nil\nlocal batch: any = {}\nfm.reward.format { batch = batch }\nbatch.rollouts[1].mark = view\nprint((batch.rollouts[1] :: any).mark)",
        // Of several values only the last may be more than one.
        "local function two(...) return ... end\nlocal a, b = two(1, {})\nlocal function f(x, y) return y.nubmer end\nprint(f(1, fm.rng.new { seed = 1 } and {}), f(two(1, b)), a)",
    ] {
        assert_eq!(problems(folder.path(), text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn deep_nesting_is_read() {
    let folder = tempfile::tempdir().unwrap();
    for (open, inside, close) in
        [("do ", "", " end"), ("print(", "1", ")"), ("if 1 then ", "", " end"), ("print(if 1 then 2 else ", "3", ")")]
    {
        let deep = |depth| format!("{}{inside}{}", open.repeat(depth), close.repeat(depth));
        assert_eq!(problems(folder.path(), &deep(180)), Vec::<String>::new(), "{open}");
    }
    let blocks = format!("{}fm.rgn(){}", "do ".repeat(900), " end".repeat(900));
    assert!(problems(folder.path(), &blocks)[0].contains("there is no fm.rgn"));
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
