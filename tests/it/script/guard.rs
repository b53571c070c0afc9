//! A reward that fails stops its run well, its rollouts can be tried again, and a changed reward is loaded afresh.

use std::path::Path;
use std::process::{Command, Output};

use finemem_script::{Runtime, RuntimeOptions};
use serde_json::{Value, json};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Two rollouts, of two steps and of one.
const BATCH: &str = "local fm = require 'finemem'
local function step(text) return { chunk = text, calls = {}, chunk_answers = {}, tokens = 2, memory_after = {} } end
local batch = { rollouts = {
  { episode = 1, steps = { step 'a', step 'ü' }, answers = { { score = 1, evidence = {} } }, memory_tokens = 1, input_tokens = 9 },
  { episode = 1, steps = { step 'c' }, answers = { { score = 0, evidence = {} } }, memory_tokens = 0, input_tokens = 9 },
} }
";

/// Runs a script with `mine.lua` as its reward, in a run of its own; gives what it said and the run's folder is `folder/run`.
fn rewarded(folder: &Path, reward: &str, rest: &str) -> Result<(), String> {
    std::fs::remove_dir_all(folder.join("run")).ok();
    std::fs::write(folder.join("mine.lua"), reward).unwrap();
    let run = folder.join("run").display().to_string();
    let text = format!(
        "{BATCH}local run, mine = fm.run.open {{ path = [[{run}]] }}, require 'mine'
local option = {{ w = 0.5, reasoner = fm.reasoner.extractive {{}} }}
local function go() return run:reward {{ step = 3, batch = batch, reward = mine, option = option, seconds = 0.5 }} end
{rest}"
    );
    std::fs::write(folder.join("main.lua"), text).unwrap();
    Runtime::new(RuntimeOptions { device: "cpu".into(), ..RuntimeOptions::default() })
        .unwrap()
        .run(&folder.join("main.lua"))
        .map_err(|e| e.to_string())
}

fn lines(path: &Path) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_reward_that_fails_stops_the_run_and_leaves_its_rollouts() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path();
    let batch = Runtime::new(RuntimeOptions::default()).unwrap().evaluate("batch", &format!("{BATCH}return batch.rollouts")).unwrap();
    let total = |total: &str| {
        format!("local mine = {{ name = 'mine' }}\n\nfunction mine.steps()\n  return {{ total = {total} }}\nend\nreturn mine")
    };
    let body = |body: &str| {
        format!(
            "local mine = {{}}\nlocal function deep(x)\n  {body}\nend\nfunction mine.steps() deep()\n  return {{ total = {{ {{ 1, 2 }}, {{ 3 }} }} }} end\nreturn mine"
        )
    };
    for (reward, said) in [
        (body("return x.y"), "mine.lua:3: attempt to index nil with 'y'"),
        (body("error('boom')"), "mine.lua:3: boom"),
        (body("error({})"), "failed: "),
        (body("while true do end"), "mine.lua:3: stopped after 0.5 seconds"),
        (body("while true do pcall(function() while true do end end) end"), "mine.lua:3: stopped after 0.5 seconds"),
        (body("pcall(function() while true do end end)"), "stopped after 0.5 seconds"),
        (body("coroutine.wrap(function() while true do end end)()"), "mine.lua:3: stopped after 0.5 seconds"),
        (body("coroutine.resume(coroutine.create(function() while true do end end))"), "stopped after 0.5 seconds"),
        (body("string.find(string.rep('a', 1e6), string.rep('.-', 50) .. 'b')"), "stopped after 0.5 seconds"),
        (total("{ { 1, 0 / 0 }, { 3 } }"), "mine.lua:3: what 'steps' gives is wrong: 'total[1][2]' must be a number, not NaN"),
        (total("{ { 1, 2 }, { math.huge } }"), "mine.lua:3: what 'steps' gives is wrong: 'total[2][1]' must be a number, not inf"),
        (total("{ { 1, 2 }, { 'x' } }"), "'total[2][1]' must be a number, not the string \"x\""),
        (total("{ { 1, 2 }, {} }"), "'total[2]' has 0 steps, the rollout has 1"),
        (total("{ { 1, 2, 3 }, { 3 } }"), "'total[1]' has 3 steps, the rollout has 2"),
        (total("{ { 1, nil }, { 3 } }"), "'total[1]' has 1 steps, the rollout has 2"),
        (total("{ { 1, 2 } }"), "'total' has 1 rollouts, the batch has 2"),
        (total("{ { 1, 2 }, { 3 }, {} }"), "'total' has 3 rollouts, the batch has 2"),
        (total("{ { 1, 2 }, 3 }"), "'total[2]' must be a list, not 3"),
        (total("nil"), "'total' is missing"),
        (total("{ { 1, 2 }, { 3 } }, terms = { csr = { { 1, 2 }, { 0 / 0 } } }"), "'terms.csr[2][1]' must be a number, not NaN"),
        (total("{ { 1, 2 }, { 3 } }, terms = { csr = { { 1 }, { 0 } } }"), "'terms.csr[1]' has 1 steps, the rollout has 2"),
        (total("{ { 1, 2 }, { 3 } }, advantages = { { 1, 2 }, { 0 / 0 } }"), "'advantages[2][1]' must be a number"),
        (total("{ { 1, 2 }, { 3 } }, weights = { { 1, { 1 } }, { 0 } }"), "'weights[1][2]' has 1 numbers, the step has 2 tokens"),
        (total("{ { 1, 2 }, { 3 } }, groups = { { 1, {} }, { 0 } }"), "'groups[1][2]'"),
        (total("{ { 1, 2 }, { 3 } }, advantage = {}"), "unknown key 'advantage'; did you mean 'advantages'?"),
        (total("{ { 1, 2 }, { 3 } }, grouping = 'stp'"), "'grouping' must be one of step"),
        ("return { steps = function() end }".into(), "mine.lua:1: what 'steps' gives must be a table with 'total', not a nil"),
        ("return { name = 'mine' }".into(), "a reward is a table with the function 'steps'"),
    ] {
        let found = rewarded(folder, &reward, "go()").unwrap_err();
        assert!(found.contains(said), "{reward}\nsaid {found}\nnot {said}");
        assert!(found.contains("the reward of step 3 failed: ") && found.contains("main.lua:10"), "{found}");
        assert_eq!(found.matches("stack traceback:").count(), 1, "{found}");
        let path = folder.join("run/failed_step_3.jsonl");
        assert!(found.contains(&format!("--rollouts {} --rewards ", path.display())) && found.contains("run --resume"), "{found}");
        let kept = lines(&path);
        assert_eq!(kept.len(), 2, "{found}");
        for (i, mut line) in kept.into_iter().enumerate() {
            let line = line.as_object_mut().unwrap();
            assert_eq!((line.shift_remove("step"), line.shift_remove("rollout")), (Some(json!(3)), Some(json!(i + 1))));
            assert_eq!(line.shift_remove("option"), Some(json!({ "w": 0.5 })), "what JSON can hold");
            assert_eq!(Value::from(line.clone()), batch[i], "{reward}");
        }
        let left: Vec<_> = std::fs::read_dir(folder.join("run")).unwrap().flatten().map(|entry| entry.file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().contains("tmp")), "{left:?}");
    }
    // Rollouts that cannot be written leave no file, and the reward's own error is still what is said.
    let spoilt = "return { steps = function(batch) batch.rollouts[2].steps = print error('boom') end }";
    let found = rewarded(folder, spoilt, "go()").unwrap_err();
    assert!(found.contains("mine.lua:1: boom") && found.contains("could not be kept: rollout 2"), "{found}");
    assert!(!folder.join("run/failed_step_3.jsonl").exists());
}

#[test]
fn a_sound_reward_passes_and_a_limit_ends_with_its_call() {
    let folder = tempfile::tempdir().unwrap();
    let reward = "return { extra = 1, steps = function(batch, option)
        return { total = { { 1, 2 }, { option.w } }, weights = { { 1, { 0, 1 } }, { 1 } }, groups = { { 'a', 2 }, { 2 } }, scale_rewards = false }
    end }";
    let rest = "local given = go()
assert(given.total[2][1] == 0.5 and not fm.exists { path = run.path .. '/failed_step_3.jsonl' })
local began = fm.seconds {}
while fm.seconds {} - began < 0.8 do end
local nested = { steps = function()
  pcall(function() fm.reward.call { batch = batch, reward = { steps = function() while true do end end }, seconds = 0.1 } end)
  return given
end }
assert(run:reward { step = 4, batch = batch, reward = nested, seconds = 5 } == given)
assert(not pcall(go, pcall(fm.reward.call, { batch = batch, reward = mine, seconds = -1 })) == false)";
    rewarded(folder.path(), reward, rest).unwrap();
}

fn finemem(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_finemem-engine")).args(arguments).current_dir(folder).output().unwrap()
}

/// Trains for three steps with `rewards.mine` below `folder`.
fn train(folder: &Path, run: &str, steps: &str, more: &[&str]) -> Output {
    let script = format!("{ROOT}/scripts/train.lua");
    let policy = format!("{ROOT}/models/tiny");
    let mut arguments = vec!["run", &script, "--device", "cpu"];
    arguments.extend(more);
    arguments.extend(["--", "--rewards", "own.mine", "--policy", &policy, "--steps", steps, "--episodes", "1", "--group", "2"]);
    arguments.extend(["--held_out", "1", "--checkpoint", "1", "--out", run]);
    finemem(folder, &arguments)
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

const SOUND: &str = "local fm = require 'finemem'
local mine = { name = 'own.mine' }
function mine.steps(batch, option)
  local outcome = fm.reward.outcome { batch = batch }
  return { total = outcome, terms = { outcome = outcome } }
end
return mine";

#[test]
fn a_run_goes_on_after_its_reward_is_mended() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path();
    let mine = folder.join("scripts/own/mine.lua");
    std::fs::create_dir_all(mine.parent().unwrap()).unwrap();
    std::fs::write(&mine, SOUND).unwrap();
    let whole = train(folder, "whole", "3", &[]);
    assert!(whole.status.success(), "{}", said(&whole));

    std::fs::write(&mine, SOUND.replace("  return", "  if option.step == 2 then outcome[1][1] = 0 / 0 end\n  return")).unwrap();
    let failed = train(folder, "run", "3", &[]);
    let text = said(&failed);
    assert_eq!(failed.status.code(), Some(1), "{text}");
    assert!(
        text.contains("scripts/own/mine.lua:3: what 'steps' gives is wrong: '") && text.contains("[1][1]' must be a number, not NaN"),
        "{text}"
    );
    let kept = lines(&folder.join("run/failed_step_2.jsonl"));
    assert_eq!((kept.len(), &kept[0]["step"], &kept[0]["option"]["seed"]), (2, &json!(2), &json!(7)));
    assert_eq!(lines(&folder.join("run/metrics.jsonl")).len(), 1);

    // The command that the error names tries the reward on the file, wrong and mended.
    let line = text.lines().find(|line| line.contains("replay.lua")).unwrap();
    let replay = |reward: &str| {
        std::fs::write(&mine, reward).unwrap();
        let script = format!("{ROOT}/scripts/replay.lua");
        let words: Vec<&str> = line.split_whitespace().skip(3).collect();
        finemem(folder, &[&["run", &script, "--device", "cpu"], &words[..]].concat())
    };
    let wrong = replay(&SOUND.replace("  return", "  outcome[2][1] = 'x'\n  return"));
    assert!(!wrong.status.success() && said(&wrong).contains("[2][1]' must be a number"), "{}", said(&wrong));
    let mended = replay(SOUND);
    let text = said(&mended);
    assert!(mended.status.success() && text.contains("2 rollouts of step 2 from run/failed_step_2.jsonl, rewarded by own.mine"), "{text}");
    assert!(text.contains("\nrollout 2, of episode 1: ") && text.contains("  total      outcome\n"), "{text}");

    let resumed = finemem(folder, &["run", "--resume", "run", "--device", "cpu"]);
    assert!(resumed.status.success(), "{}", said(&resumed));
    assert_eq!(lines(&folder.join("run/metrics.jsonl")), lines(&folder.join("whole/metrics.jsonl")), "the run is what it would have been");
    // What a run writes anyway can be tried too.
    let script = format!("{ROOT}/scripts/replay.lua");
    let kept = finemem(folder, &["run", &script, "--", "--rollouts", "run/rollouts.jsonl", "--rewards", "finemem", "--step", "3"]);
    assert!(kept.status.success() && said(&kept).contains("1 rollouts of step 3"), "{}", said(&kept));
}

#[test]
fn every_reward_gives_the_same_for_rollouts_read_back() {
    let path = Path::new(ROOT).join("scripts/tests/replayed.lua");
    Runtime::new(RuntimeOptions::default()).unwrap().run(&path).unwrap();
}

#[test]
fn a_changed_reward_is_loaded_afresh_at_the_next_step() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path();
    std::fs::create_dir_all(folder.join("scripts")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.join("scripts").join(name), text).unwrap();
    write("part.lua", "return { value = 1 }");
    write("other.lua", "return { count = {} }");
    write("mine.lua", "return { value = require('part').value, other = require 'other' }");
    // Each entry: what is written where before the step, and what the module then gives.
    let script = format!(
        "local fm = require 'finemem'
local run = fm.run.open {{ path = [[{0}/run]] }}
local first = require 'mine'
local function edit(name, text) fm.write {{ path = [[{0}/scripts/]] .. name .. '.lua', text = text }} end
local given = {{}}
local function step(n)
  given[n] = {{ fm.reload {{ module = 'mine', step = n }}, require('mine').value }}
end
step(1)
edit('mine', 'return {{ value = 10 * require(\"part\").value, other = require \"other\" }}') step(2)
edit('part', 'return {{ value = 2 }}') step(3)
step(4)
edit('mine', 'return {{ value = = 3 }}') step(5) step(6)
edit('part', 'return {{ value = 3 }}') step(7)
edit('mine', 'return {{ value = 100 * require(\"part\").value, other = require \"other\" }}') step(8)
edit('mine', 'error \"boom\"') step(9)
edit('mine', 'local x = 1') step(10)
edit('mine', 'return require \"mine\"') step(11)
edit('mine', 'return {{ value = require(\"new\").value, other = require \"other\" }}') step(12)
edit('new', 'return {{ value = 7 }}') step(13)
edit('new', 'return {{ value = 8 }}') step(14)
assert(require('mine').other == first.other, 'what did not change is not loaded again')
assert(first.value == 1 and not fm.reload {{ module = 'never' }})
return given",
        folder.display()
    );
    let main = folder.join("deep/main.lua");
    let evaluate = |watch: bool| {
        std::fs::remove_dir_all(folder.join("run")).ok();
        write("part.lua", "return { value = 1 }");
        write("mine.lua", "return { value = require('part').value, other = require 'other' }");
        std::fs::remove_file(folder.join("scripts/new.lua")).ok();
        let runtime = Runtime::new(RuntimeOptions { device: "cpu".into(), watch, ..RuntimeOptions::default() }).unwrap();
        runtime.evaluate(main.to_str().unwrap(), &script).unwrap()
    };
    let values: Vec<Value> = [1, 10, 20, 20, 20, 20, 20, 300, 300, 300, 300, 300, 7, 8].map(Value::from).to_vec();
    let afresh = [2, 3, 8, 13, 14];
    let expected: Vec<Value> = (1..).zip(&values).map(|(n, value)| json!([afresh.contains(&n), value])).collect();
    assert_eq!(evaluate(true), json!(expected));
    let description: Value = serde_json::from_slice(&std::fs::read(folder.join("run/run.json")).unwrap()).unwrap();
    let steps: Vec<_> = description["reloaded"].as_array().unwrap().iter().map(|entry| entry["step"].as_u64().unwrap()).collect();
    assert_eq!(steps, afresh);
    let part = folder.join("scripts/part.lua").display().to_string();
    assert!(description["reloaded"][1]["scripts"][&part].is_string(), "{description}");
    assert_eq!(evaluate(false), json!(vec![json!([false, 1]); 14]));
    let description = std::fs::read_to_string(folder.join("run/run.json")).unwrap();
    assert!(!description.contains("reloaded"));
}

#[test]
fn what_was_loaded_afresh_is_said() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path();
    let mine = folder.join("scripts/own/mine.lua");
    std::fs::create_dir_all(mine.parent().unwrap()).unwrap();
    // The reward changes its own file: at step 1 to one that cannot be loaded, at step 2 to one that gives another term.
    let own = |then: &str| SOUND.replace("  return", &format!("  {then}\n  return"));
    let other = SOUND.replace("terms = { outcome", "terms = { renamed");
    let text = own(&format!(
        "local path = [[{0}]]
  if option.step == 1 then fm.write {{ path = path, text = 'local x = = 1' }} end
  if option.step == 2 then fm.write {{ path = path, text = [==[{other}]==] }} end",
        mine.display()
    ));
    std::fs::write(&mine, &text).unwrap();
    let output = train(folder, "run", "4", &["--watch"]);
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("scripts/own/mine.lua cannot be loaded, so the old version stays: scripts/own/mine.lua:1: "), "{said}");
    assert!(said.contains("reloaded scripts/own/mine.lua"), "{said}");
    let metrics = lines(&folder.join("run/metrics.jsonl"));
    let renamed: Vec<bool> = metrics.iter().map(|line| line.get("rewards/renamed/mean").is_some()).collect();
    assert_eq!(renamed, [false, false, true, true]);
}
