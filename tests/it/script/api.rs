//! What scripts can do, what they cannot, and what they are told.

use std::path::Path;
use std::time::Duration;

use finemem::Error;
use finemem_script::{Runtime, RuntimeOptions, types};
use serde_json::{Value, json};

fn evaluate_with(options: RuntimeOptions, text: &str) -> finemem::Result<Value> {
    Runtime::new(options)?.evaluate("test.lua", &format!("local fm = require \"finemem\" {text}"))
}

fn evaluate(text: &str) -> Value {
    evaluate_with(RuntimeOptions::default(), text).unwrap()
}

fn complaint(text: &str) -> String {
    match evaluate_with(RuntimeOptions::default(), text) {
        Err(Error::Script(text)) => text,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn arguments_are_checked() {
    for (text, said) in [
        ("fm.rng.new { sede = 1 }", "test.lua:1: fm.rng.new: unknown key 'sede'; did you mean 'seed'? Its valid keys: seed"),
        ("fm.rng.new {}", "'seed' is missing"),
        ("fm.rng.new()", "'seed' is missing"),
        ("fm.rng.new { seed = 'x' }", "'seed' must be a whole number or a list, not the string \"x\""),
        ("fm.rng.new { seed = { 1, 2.5 } }", "'seed[2]' must be a whole number, not 2.5"),
        ("fm.rng.new { seed = 2^60 }", "'seed' must be a whole number"),
        ("fm.rng.new { seed = { 1, nil, 3 } }", "a list"),
        ("fm.rng.new(7)", "takes one table of named arguments, not 7"),
        ("fm.rng.new({ seed = 1 }, 2)", "takes one table"),
        ("fm.rng.new { 7 }", "unknown key 1: arguments have names"),
        ("fm.rgn.new {}", "fm has no 'rgn'; did you mean 'rng'?"),
        ("fm.rng.knew {}", "fm.rng has no 'knew'; did you mean 'new'?"),
        ("local rng = fm.rng.new { seed = 1 }\nrng:nubmer {}", "test.lua:2: Rng has no 'nubmer'; did you mean 'number'?"),
        ("fm.rng.new { seed = 1 }.number {}", "call it with a colon"),
        ("fm.json.encode { value = 1, pretty = 1 }", "'pretty' must be true or false, not 1"),
        ("local function deep() fm.write { path = 'x' } end\ndeep()", "in function 'deep'"),
    ] {
        let found = complaint(text);
        assert!(found.contains(said), "{text}\nsaid {found}\nnot {said}");
        assert!(found.contains("stack traceback:\n\ttest.lua:"), "{found}");
    }
    assert_eq!(evaluate("local ok, why = pcall(fm.rng.new, {}) return { ok, type(why) }"), json!([false, "string"]));
}

#[test]
fn the_sandbox_holds() {
    for (text, said) in [
        ("io.open('x')", "nil"),
        ("os.exit()", "nil"),
        ("debug.getregistry()", "nil"),
        ("loadstring('return 1')()", "nil"),
        ("getfenv()", "nil"),
        ("string.rep = nil", "readonly"),
        ("table.insert = print", "readonly"),
        ("fm.rng = nil", "readonly"),
        ("fm.rng.new = nil", "readonly"),
        ("getmetatable('').__index = {}", ""),
        ("answer = 42", "write local answer"),
        ("math.random()", "fm.rng.new"),
        ("require '../../etc/passwd'", "not a module's name"),
        ("local function f() return f() + 1 end f()", "stack overflow"),
    ] {
        let found = complaint(text);
        assert!(found.contains(said), "{text}\nsaid {found}\nnot {said}");
    }
    let bytecode = Runtime::new(RuntimeOptions::default()).unwrap().evaluate("x", "\u{6}\u{3}\u{1}");
    assert!(matches!(bytecode, Err(Error::Script(_))));
}

#[test]
fn endless_scripts_are_stopped() {
    for text in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "coroutine.wrap(function() while true do end end)()",
        "string.find(string.rep('a', 1e6), string.rep('.-', 50) .. 'b')",
    ] {
        let result = evaluate_with(RuntimeOptions { time: Some(Duration::from_millis(200)), ..RuntimeOptions::default() }, text);
        assert!(matches!(&result, Err(Error::Script(text)) if text.contains("stopped after 0.2 seconds")), "{result:?}");
    }
}

#[test]
fn memory_is_limited() {
    for text in [
        "return #string.rep('x', 1e9)",
        "local t = {} for i = 1, 1e9 do t[i] = i end",
        "local s = 'x' while true do s = s .. s end",
        "local t = {} while true do t[#t + 1] = fm.json.decode { text = '[1,2,3]' } end",
    ] {
        let result = evaluate_with(RuntimeOptions { memory: 32 << 20, ..RuntimeOptions::default() }, text);
        assert!(matches!(&result, Err(Error::Script(text)) if text.contains("memory")), "{text}: {result:?}");
    }
}

#[test]
fn json_goes_both_ways() {
    let text = r#"{"a":[1,2.5,-3],"b":{"c":null,"d":[]},"e":"\u00e9\n","f":true,"g":{},"h":9007199254740991}"#;
    let again = evaluate(&format!("return fm.json.encode {{ value = fm.json.decode {{ text = [[{text}]] }} }}"));
    let value: Value = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::from_str::<Value>(again.as_str().unwrap()).unwrap(), value);
    assert_eq!(evaluate("return fm.json.encode { value = { b = 1, a = 2, c = { 1 } } }"), "{\"a\":2,\"b\":1,\"c\":[1]}");
    assert_eq!(evaluate("return fm.json.decode { text = '[null]' }[1] == fm.json.null"), true);
    for (text, said) in [
        ("fm.json.encode { value = { a = { 1, x = 2 } } }", "at a: "),
        ("fm.json.encode { value = { a = { print } } }", "at a[1]: JSON has no function"),
        ("fm.json.encode { value = { 0 / 0 } }", "JSON has no number NaN"),
        ("local t = {} t.t = t fm.json.encode { value = t }", "inside itself"),
        ("fm.json.encode { value = { [1] = 1, [3] = 3 } }", "without holes"),
        ("fm.json.decode { text = '{' }", "'text' is not JSON"),
        ("fm.json.decode { text = string.rep('[', 1e5) }", "recursion limit"),
    ] {
        let found = complaint(text);
        assert!(found.contains(said), "{text}\nsaid {found}\nnot {said}");
    }
}

#[test]
fn a_text_has_a_name() {
    assert_eq!(evaluate("return fm.sha256 { text = 'abc' }"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[test]
fn memories_are_asked_together() {
    let seen = evaluate(
        "local reasoner, memories = fm.reasoner.extractive {}, {}
        for i, city in ipairs { 'Oska', 'Bem', 'Rin' } do
          memories[i] = fm.memory.new {}
          memories[i]:insert { content = 'Ada lives in the city of ' .. city .. '.' }
        end
        local question = { question = 'Which city does Ada live in?', answers = { 'Bem' } }
        local asked = {
          { memory = memories[1], questions = { question } }, { memory = memories[2], questions = {} }, { memory = memories[3], questions = { question, question } },
          { memory = memories[2], questions = { question } },
        }
        local lists = {}
        for i, list in ipairs(reasoner:ask_all { asked = asked, top_k = 3 }) do
          lists[i] = {}
          for k, answer in ipairs(list) do
            local alone = reasoner:ask { memory = asked[i].memory, questions = { question }, top_k = 3 }[1]
            assert(fm.json.encode { value = alone } == fm.json.encode { value = answer })
            lists[i][k] = answer.answer .. answer.score
          end
        end
        return { lists[1], #lists[2], lists[3], lists[4] }",
    );
    assert_eq!(seen, json!([["Oska0"], 0, ["Rin0", "Rin0"], ["Bem1"]]));
    assert!(
        complaint("fm.reasoner.extractive {}:ask_all { asked = { { memory = 1, questions = {} } } }")
            .contains("'asked[1].memory' must be a Memory")
    );
}

#[test]
fn random_numbers_depend_on_the_seed_alone() {
    let draw = |seed: &str| {
        evaluate(&format!(
            "local rng = fm.rng.new {{ seed = {seed} }}
            local list = rng:shuffle {{ list = {{ 1, 2, 3, 4, 5, 6, 7, 8 }} }}
            return {{ rng:number {{}}, rng:integer {{ low = -5, high = 5 }}, rng:pick {{ list = list }}, list }}"
        ))
    };
    assert_eq!(draw("7"), draw("{ 7 }"));
    assert_ne!(draw("7"), draw("8"));
    assert_ne!(draw("{ 7, 1 }"), draw("{ 7 }"));
    let counts = evaluate(
        "local rng, n = fm.rng.new { seed = 1 }, { 0, 0, 0 } for i = 1, 3000 do local k = rng:integer { high = 3 } n[k] = n[k] + 1 end return n",
    );
    assert!(counts.as_array().unwrap().iter().all(|n| n.as_u64().unwrap() > 900), "{counts}");
    assert!(complaint("fm.rng.new { seed = 1 }:integer { low = 2, high = 1 }").contains("above 'high'"));
    assert!(complaint("fm.rng.new { seed = 1 }:pick { list = {} }").contains("empty"));
}

#[test]
fn modules_are_found_and_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("scripts/tools/flat.lua", "return { name = 'flat' }");
    write("scripts/twice.lua", "return { require 'tools.flat' == require 'tools.flat' }");
    write("scripts/nothing.lua", "local x = 1");
    write("scripts/loop.lua", "return require 'loop'");
    write("scripts/broken.lua", "local = 1");
    write("scripts/failing.lua", "local function f() error('boom') end\nf()");
    write("deep/er/main.lua", "local twice = require 'twice'\nassert(twice[1] and require 'tools.flat'.name == 'flat')");
    let runtime = Runtime::new(RuntimeOptions::default()).unwrap();
    runtime.run(&folder.path().join("deep/er/main.lua")).unwrap();
    let loaded = runtime.loaded();
    let names: Vec<_> = loaded.iter().map(|file| file.path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["main.lua", "twice.lua", "flat.lua"]);
    assert_eq!(loaded[2].sha256, "29b00f657da8a74f72d9b6fc160d4fe9c6e87b081109f1cd13899a4048339c6c");
    for (module, said) in [
        ("nothing", "returns nothing"),
        ("loop", "requires itself"),
        ("broken", "broken.lua:1: "),
        ("failing", "failing.lua:1: boom"),
        ("absent", "no file absent.lua in"),
    ] {
        write("deep/er/main.lua", &format!("local x = require '{module}'"));
        let found = Runtime::new(RuntimeOptions::default()).unwrap().run(&folder.path().join("deep/er/main.lua")).unwrap_err().to_string();
        assert!(found.contains(said), "{module}\nsaid {found}\nnot {said}");
    }
}

#[test]
fn a_run_is_logged_and_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let open = format!("local run = fm.run.open {{ path = [[{}]], seed = 3, arguments = {{ steps = 2 }} }} ", path.display());
    let text = "fm.log { step = 1, stats = { reward = 0.5, kl = 0 / 0 } }
        run:rollouts { step = 1, batch = { rollouts = { { steps = {} }, { steps = {} } } }, count = 1 }
        return { run.path, run.step, tostring(run) }";
    let seen = evaluate(&(open.clone() + text));
    assert_eq!((&seen[0], &seen[1]), (&json!(path), &json!(0)));
    let read = |name: &str| std::fs::read_to_string(path.join(name)).unwrap();
    assert_eq!(read("metrics.jsonl"), "{\"step\":1,\"kl\":null,\"reward\":0.5}\n");
    assert_eq!(read("rollouts.jsonl"), "{\"step\":1,\"rollout\":1,\"steps\":{}}\n");
    let description: Value = serde_json::from_str(&read("run.json")).unwrap();
    assert_eq!((&description["seed"], &description["settings"]["steps"]), (&json!(3), &json!(2)));
    assert!(complaint(&open).contains("--resume"));
    assert!(complaint(&(open.clone() + &open)).contains("exists already"));

    let resume = RuntimeOptions { resume: Some(path.clone()), ..RuntimeOptions::default() };
    evaluate_with(resume, &(open.clone() + "run:log { step = 1, stats = { reward = 1 } } run:progress { step = 1, total = 1 }")).unwrap();
    assert_eq!(read("metrics.jsonl"), "{\"step\":1,\"reward\":1}\n");
    let trainer = evaluate_with(
        RuntimeOptions { resume: Some(path.clone()), ..RuntimeOptions::default() },
        &(open + "run:checkpoint { step = 1, trainer = run }"),
    );
    assert!(trainer.unwrap_err().to_string().contains("not a Run"));
}

#[test]
fn files_are_written_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/result.txt");
    let text = format!("fm.write {{ path = [[{0}]], text = 'a\\0b' }} return #fm.read {{ path = [[{0}]] }}", path.display());
    assert_eq!(evaluate(&text), 3);
    assert!(complaint("fm.read { path = '/no/such/file' }").contains("/no/such/file"));
}

#[test]
fn editor_types_are_fresh() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/types");
    for (path, text) in types() {
        let found = std::fs::read_to_string(folder.join(path)).unwrap_or_default();
        assert!(found == text, "scripts/types/{path} is not what the API table says; run `finemem-engine types`");
        assert!(
            !path.ends_with(".luau") || Runtime::new(RuntimeOptions::default()).unwrap().evaluate(path, &text).is_ok(),
            "{path} is not Luau"
        );
    }
}

#[test]
fn memories_are_kept_with_their_history() {
    let made = "local memory = fm.memory.new { first_id = 5 }
        memory:set_step { step = 2 }
        local id = memory:insert { content = 'Ada lives in Turin' }
        memory:insert { content = 'Bo plays the cello' }
        memory:insert { content = 'Cy paints houses' }
        memory:set_step { step = 3 }
        memory:update { id = id, content = 'Ada lives in Lyon' } ";
    let seen = evaluate(&format!(
        "{made} return {{ memory:items {{}}, memory:retrieve {{ query = 'cello', k = 1 }}, memory:recent {{ k = 1 }}, tostring(memory), #memory:journal {{}}, memory:get {{ id = 8 }} == nil }}"
    ));
    let first = json!({"id": 5, "content": "Ada lives in Lyon", "step": 3, "created": 2, "history": [{"step": 2, "content": "Ada lives in Turin"}], "section": ""});
    assert_eq!((&seen[0][0], &seen[0][1]["history"], &seen[1][0]["id"], &seen[2][0]["id"]), (&first, &json!([]), &json!(6), &json!(7)));
    assert_eq!((&seen[3], &seen[4], &seen[5]), (&json!("a memory of 3 items after 4 operations"), &json!(4), &json!(true)));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory.jsonl");
    let rest = format!(
        "local copy = memory:copy {{}} copy:delete {{ id = 5 }}
        memory:export {{ path = [[{0}]] }}
        local function same(a, b) return fm.json.encode {{ value = a:items {{}} }} == fm.json.encode {{ value = b:items {{}} }} end
        local journal = memory:journal {{}}
        local part = fm.memory.replay {{ journal = journal, last = 2 }}
        local whole = fm.memory.replay {{ journal = {{ journal[4] }}, from = part }}
        return {{ same(memory, copy), same(memory, fm.memory.import {{ path = [[{0}]] }}), same(memory, fm.memory.replay {{ journal = journal }}),
            same(memory, part), same(memory, whole), #part:journal {{}}, #whole:journal {{}} }}",
        path.display()
    );
    assert_eq!(evaluate(&(made.to_string() + &rest)), json!([false, true, true, false, true, 3, 4]));
    for (text, said) in [
        ("memory:insert { content = 'Bo plays the cello' }", "test.lua:7: Memory:insert: "),
        ("memory:update { id = 9, content = 'x' }", "no item has id 9"),
        ("memory:get { id = -1 }", "'id' is -1, which is out of range"),
        ("memory:set_step { step = 0 }", "'step' is 0, but counts from 1"),
        ("fm.memory.replay { journal = { { step = 1, operation = 'burn', id = 1 } } }", "'journal[1]' is not a journal entry"),
        ("fm.memory.import { path = 'absent.jsonl' }", "absent.jsonl"),
    ] {
        let found = complaint(&(made.to_string() + text));
        assert!(found.contains(said), "{text}\nsaid {found}\nnot {said}");
    }
}

#[test]
fn questions_are_answered_and_scored() {
    let seen = evaluate(
        "local memory = fm.memory.new {}
        for _, text in ipairs { 'Mira Tolen lives in Varda.', 'Oren Pask is a baker.', 'The sun was out.' } do memory:insert { content = text } end
        local reasoner = fm.reasoner.extractive {}
        local function ask(question) return reasoner:answer { question = question, items = memory:retrieve { query = question, k = 2 } } end
        local answer, none = ask('Where does Mira Tolen live?'), ask('Where does Ula Brink live?')
        local gold = { 'Lyon', 'The Varda' }
        local interval = fm.metric.interval { scores = { 0, 1, 1, 0 }, seed = 3 }
        return { answer.text, answer.known, answer.item.id, none.known, none.item == nil,
            fm.metric.exact_match { answer = answer.text, gold = gold }, fm.metric.substring_exact_match { answer = 'in Lyon, then', gold = gold },
            fm.metric.token_f1 { answer = 'old Varda', gold = gold }, interval.mean, interval.low < 0.5 and interval.high > 0.5 }",
    );
    assert_eq!(seen, json!(["Varda", true, 1, false, true, 1, 1, 2.0 / 3.0, 0.5, true]));
    assert!(complaint("fm.reasoner.extractive {}:answer { question = 'x', items = { {} } }").contains("'items[1]' has no content"));
}

#[test]
fn metrics_score_judge_and_sum_up() {
    let seen = evaluate(
        "local m = fm.metric
        local function of(name, answer, gold) return m[name] { answer = answer, gold = gold } end
        local chat = m.judge { metric = 'judge_longmemeval', question = 'How long?', answer = '19 days', gold = { '18 days' }, kind = 'temporal-reasoning', id = 'q7' }[1]
        local rubric = m.judge { metric = 'judge_memalpha', question = 'What to eat?', answer = 'soup', gold = { 'likes soup' } }[1]
        local results = {}
        for i = 1, 4 do results[i] = { source = i < 4 and 'large' or 'small', metric = 'token_f1', score = i % 2, id = 'q' .. i } end
        local summary, empty = m.summary { results = results, seed = 2 }, m.summary { results = {} }
        local gain = m.paired_interval { scores = { 1, 1, 0 }, than = { 0, 1, 0 } }
        return { of('rouge_l', 'the runners ran', { 'runner' }), of('keyword_fraction', 'A castle', { 'castle, dragon' }), of('parts_fraction', 'mira', { 'Mira; Oska' }),
            of('boxed_label_strict', 'label: 4', { '4' }), of('boxed_label', 'label: 4', { '4' }), of('edit_distance', 'abc', { 'abd' }), of('all_recalled', 'a and b', { 'a', 'b' }),
            m.locomo_f1 { answer = 'Not mentioned.', gold = {}, kind = '5' }, m.recall_at_k { answer = '1. Up (2009)\\n2. Rad River', gold = { 'Red River' }, titles = { 'Up', 'Red River' }, k = 2 },
            m.score { metric = 'locomo_f1', answer = 'cats', gold = { 'cat, dog' }, kind = 'multi-hop' },
            #chat, chat[1].role, chat[1].content:find('off by one', 1, true) ~= nil, rubric[1].content:find('Rubric: likes soup', 1, true) ~= nil,
            m.substring_match { answer = 'the beatles', gold = { 'The Beatles', 'Oasis' } }, m.lenient { metric = 'exact_match' },
            m.score { metric = m.lenient { metric = 'boxed_label_strict' }, answer = 'The label is 4', gold = { '4' } }, m.lenient { metric = 'rouge_l' } == nil,
            #empty.rows, empty.over_sources == nil, empty.over_questions == nil,
            m.needs_judge { metric = 'judge_memalpha' }, m.needs_judge { metric = 'rouge_l' }, m.verdict { metric = 'judge_memalpha', replies = { 'Yes' }, gold = { 'likes soup' } },
            #summary.rows, summary.rows[1].source, summary.rows[1].n, summary.over_questions.mean, summary.over_sources.n, summary.over_sources.mean, gain.n, gain.mean,
            m.rank_correlation { values = { 1, 2, 5, 1, 2, 5 }, with = { 7, 8, 9, 3, 2, 1 }, units = { 'a', 'a', 'a', 1, 1, 1 }, groups = { 1, 1, 1, 'x', 'x', 'x' } }.value,
            m.rank_correlation { values = { 1, 2, 3 }, with = { 1, 9, 8 } }.value, m.rank_correlation { values = { 1, 1 }, with = { 1, 2 } } == nil }",
    );
    let expected = json!([
        0.5,
        0.5,
        0.5,
        0,
        1,
        1,
        1,
        1,
        1,
        0.5,
        1,
        "user",
        true,
        true,
        1,
        "boxed_label",
        1,
        true,
        0,
        true,
        true,
        true,
        false,
        1,
        2,
        "large",
        3,
        0.5,
        2,
        1.0 / 3.0,
        3,
        1.0 / 3.0,
        0,
        0.5,
        true
    ]);
    for (seen, expected) in seen.as_array().unwrap().iter().zip(expected.as_array().unwrap()) {
        let near = matches!((seen.as_f64(), expected.as_f64()), (Some(a), Some(b)) if (a - b).abs() < 1e-12);
        assert!(near || seen == expected, "{seen} is not {expected}");
    }
    assert_eq!(seen.as_array().unwrap().len(), expected.as_array().unwrap().len());
    for (text, said) in [
        ("score { metric = 'f1', answer = '', gold = {} }", "substring_exact_match"),
        ("score { metric = 'locomo_f1', answer = '', gold = {} }", "needs the question's category"),
        ("locomo_f1 { answer = '', gold = {}, kind = 'poetry' }", "'poetry' is not a LoCoMo category"),
        ("score { metric = 'judge_memalpha', answer = '', gold = {} }", "judge's verdict"),
        ("judge { metric = 'judge_longmemeval', question = '', answer = '', gold = {}, kind = 'chat' }", "of type 'chat'"),
        ("judge { metric = 'judge_summary', question = '', answer = '', gold = {} }", "expert's summary"),
        ("verdict { metric = 'rouge_l', replies = { 'yes' }, gold = {} }", "rouge_l needs no judge"),
        ("summary { results = { { source = 'a', metric = 'b' } } }", "score"),
        ("paired_interval { scores = { 1 }, than = {} }", "1 scores cannot be paired with 0"),
        ("recall_at_k { answer = '', gold = {}, k = -1 }", "'k' is -1"),
        (
            "rank_correlation { values = { 1, 2 }, with = { 1, 2 }, units = { 'a' } }",
            "2 numbers need as many to compare them with, units and groups",
        ),
    ] {
        let found = complaint(&format!("fm.metric.{text}"));
        assert!(found.contains(said), "{text}\nsaid {found}\nnot {said}");
    }
}

#[test]
fn episodes_are_read_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("episodes.jsonl");
    std::fs::write(&path, "{\"id\":\"a\",\"chunks\":[\"one\",\"two\"],\"questions\":[{\"question\":\"q?\",\"answers\":[\"x\"]}]}\n")
        .unwrap();
    let seen = evaluate(&format!("return fm.data.open {{ path = [[{}]] }}", path.display()));
    assert_eq!(
        (&seen[0]["chunks"], &seen[0]["questions"][0]["answers"], &seen[0]["chunk_questions"]),
        (&json!(["one", "two"]), &json!(["x"]), &json!([[], []]))
    );
    let rest = "{\"chunks\":[\"a\"],\"questions\":[{\"question\":\"q?\",\"answers\":[\"x\"],\"metric\":\"nope\"}]}\n{\"chunks\": 3}\n{\"chunks\":[\"b\"],\"questions\":[]}\n";
    std::fs::write(&path, rest).unwrap();
    let call = format!("local skipped = {{ 'before' }} local read = fm.data.open {{ path = [[{}]], skipped = skipped }}", path.display());
    let seen = evaluate(&format!("{call} return {{ #read, skipped }}"));
    assert_eq!((&seen[0], &seen[1][0], seen[1].as_array().unwrap().len()), (&json!(2), &json!("before"), 3), "{seen}");
    assert!(seen[1][1].as_str().unwrap().starts_with("line 1: question 0: 'nope' is not one of exact_match"), "{seen}");
    for (text, said) in [
        ("path = 'absent'", "absent"),
        ("path = 'Cargo.toml'", "Cargo.toml"),
        ("path = 'Cargo.toml', format = 'xml'", "one of memalpha, memoryagentbench, locomo"),
        ("path = 'Cargo.toml', facts_per_chunk = 0", "at least one fact"),
    ] {
        let found = complaint(&format!("fm.data.open {{ {text} }}"));
        assert!(found.contains(said), "{text}\nsaid {found}\nnot {said}");
    }
}

#[test]
fn rewards_are_made_of_parts() {
    // Two steps; two final questions, of which the first is right and was answered from items of both steps.
    let batch = "local function item(step, created, history) return { id = 1, step = step, created = created, content = '', history = history or {} } end
        local batch = { rollouts = { {
            steps = {
                { calls = { { valid = true }, { valid = false } }, chunk_answers = { { score = 1, evidence = {} }, { score = 0.5, evidence = {} } } },
                { calls = {}, chunk_answers = {} },
            },
            answers = {
                { score = 1, evidence = { item(1, 1), item(2, 1, { { step = 1, content = '' } }) } },
                { score = 0, evidence = { item(2, 2) } },
            },
            memory_tokens = 25, input_tokens = 100,
        } } } ";
    let reward = |call: &str| evaluate(&format!("{batch} return fm.reward.{call}[1]"));
    assert_eq!(reward("format { batch = batch }"), json!([0.5, 0]));
    assert_eq!(reward("chunk_step { batch = batch }"), json!([0.75, 0]));
    assert_eq!(reward("compression { batch = batch }"), json!([0.75, 0.75]));
    assert_eq!(reward("outcome { batch = batch }"), json!([0.5, 0.5]));
    assert_eq!(reward("evidence { batch = batch, beta = 0 }"), json!([0.25, 0.25]));
    assert_eq!(reward("evidence { batch = batch, beta = 1 }"), json!([0.25, 0.25]));
    assert_eq!(reward("evidence { batch = batch, beta = 1, update = 'origin' }"), json!([0.5, 0]));
    assert_eq!(reward("evidence { batch = batch, beta = 1, update = 'split' }"), json!([0.375, 0.125]));
    for (text, said) in [
        ("batch.rollouts[1].steps[2].calls[1] = {}", "'batch.rollouts[1].steps[2].calls[1].valid' is missing"),
        ("batch.rollouts[1].answers[2].score = 'x'", "'batch.rollouts[1].answers[2].score' must be a number"),
        (
            "batch.rollouts[1].answers[2].evidence[1].step = 3",
            "question 2 has evidence that was written at step 3 of a rollout with 2 steps",
        ),
        ("batch.rollouts = nil", "'batch.rollouts' is missing"),
    ] {
        let found = complaint(&format!("{batch} {text} fm.reward.evidence {{ batch = batch }}"));
        assert!(found.contains(said), "{text}\nsaid {found}\nnot {said}");
    }
    assert!(complaint(&format!("{batch} fm.reward.evidence {{ batch = batch, beta = 2 }}")).contains("between 0 and 1"));
    assert!(complaint(&format!("{batch} fm.reward.evidence {{ batch = batch, update = 'first' }}")).contains("one of last, origin, split"));
}

#[test]
fn a_script_has_one_run_after_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().display().to_string();
    let seen = evaluate(&format!(
        "local first = fm.run.open {{ path = '{path}/b' }}
        local open, why = pcall(fm.run.open, {{ path = '{path}/a' }})
        first:log {{ step = 1, stats = {{ x = 1 }} }}
        first:close {{}}
        first:close {{}}
        local closed, what = pcall(first.log, first, {{ step = 2, stats = {{}} }})
        local second = fm.run.open {{ path = '{path}/a', resume = true }}
        fm.log {{ step = 1, stats = {{ x = 2 }} }}
        second:close {{}}
        local again, taken = pcall(fm.run.open, {{ path = '{path}/a' }})
        local third = fm.run.open {{ path = '{path}/a', resume = true }}
        return {{ open, why:match 'end it with run:close' ~= nil, closed, what:match 'is closed' ~= nil, tostring(first):match 'closed' ~= nil,
            again, taken:match 'exists already' ~= nil, third.step, fm.list {{ path = '{path}' }}, fm.read {{ path = '{path}/b/metrics.jsonl' }} }}"
    ));
    assert_eq!(seen, json!([false, true, false, true, true, false, true, 0, ["a", "b"], "{\"step\":1,\"x\":1}\n"]));
    assert!(complaint("fm.list { path = 'no/such/folder' }").contains("no/such/folder"));
}
