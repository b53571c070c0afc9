//! The command line: one clear message and an exit code for everything that goes wrong.

use std::io::Write;
use std::process::{Command, Output, Stdio};

fn finemem(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_finemem-engine")).args(arguments).output().unwrap()
}

fn fails(arguments: &[&str], code: i32, said: &str) {
    let output = finemem(arguments);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    assert!(text.contains(said) && !text.contains("panicked"), "{arguments:?}\nsaid {text}\nnot {said}");
}

#[test]
fn what_is_wrong_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_string()
    };
    let broken = write("broken.lua", b"local x = = 3");
    let failing = write("failing.lua", b"local function f() error('boom') end\nf()");
    let binary = write("binary.lua", &[0xFF, 0xFE, 0]);
    let misspelt = write("misspelt.lua", b"require 'finemem'.args = 3\nlocal fm = require 'finemem'\nfm.rng.new { sed = 1 }");
    let runless = folder.path().to_str().unwrap().to_string();
    fails(&["run", &broken], 1, "broken.lua:1: ");
    fails(&["run", &failing], 1, "failing.lua:1: boom\nstack traceback:");
    fails(&["run", &binary], 1, "UTF-8");
    fails(&["run", "absent.lua"], 1, "absent.lua: cannot read the script");
    fails(&["run", &runless], 1, "cannot read the script");
    fails(&["run", "--resume", &runless], 1, "cannot be resumed");
    fails(&["run"], 2, "SCRIPT");
    fails(&["run", &broken, "--dvice", "cpu"], 2, "--device");
    fails(&["bench", "model"], 2, "--shape");
    fails(&["bench", "model", "--shape", "qwen3-5b"], 2, "qwen3-4b, llama-3.2-3b");
    fails(&["fetch", "memalfa"], 1, "there are memalpha, memalpha-full");
    fails(&["sing"], 2, "unrecognized subcommand");
    fails(&[], 2, "Usage");
    fails(&["check", &broken], 1, "broken.lua:1: ");
    fails(&["check", &misspelt], 1, "did you mean 'seed'?");
    fails(&["check", "absent.lua"], 1, "absent.lua");
    fails(&["types", "--out", &broken], 1, "broken.lua");
    fails(&["export", "--model", "absent", "--adapter", "absent", "--out", &broken], 1, "exists already");
    fails(&["export", "--model", "absent", "--adapter", "absent", "--out", "new"], 1, "no such model folder");
}

#[test]
fn a_script_ends_itself() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("ends.lua");
    let ends = |text: &str| {
        std::fs::write(&script, format!("local fm = require 'finemem'\n{text}")).unwrap();
        let output = finemem(&["run", script.to_str().unwrap()]);
        let said = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), said(output.stdout), said(output.stderr))
    };
    let quiet = (Some(0), "a\n".to_string(), String::new());
    assert_eq!(ends("print 'a' fm.exit {} print 'b'"), quiet);
    assert_eq!(ends("print 'a' pcall(fm.exit, {}) print 'b'"), quiet);
    assert_eq!(ends("print 'a' coroutine.wrap(function() pcall(fm.exit, {}) end)() while true do end"), quiet);
    let failed = (Some(1), String::new(), "error: no such thing\n".to_string());
    assert_eq!(ends("local function f() fm.exit { error = 'no such thing' } end\nf()"), failed);
    let reward = "{ steps = function() fm.exit { error = 'no such thing' } end }";
    assert_eq!(ends(&format!("pcall(fm.reward.call, {{ batch = {{ rollouts = {{}} }}, reward = {reward} }})")), failed);
}

#[test]
fn programs_explain_their_arguments() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let said = |script: &str, arguments: &[&str]| {
        let path = root.join("scripts").join(script);
        let output = finemem(&[&["run", path.to_str().unwrap(), "--"], arguments].concat());
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let make = ["make/policy.lua", "make/conflicts.lua", "make/chunk_questions.lua", "make/open_book_questions.lua"];
    for script in ["train.lua", "train_llm.lua", "compare.lua", "eval.lua", "replay.lua", "audit.lua"].iter().chain(&make) {
        let (code, help, error) = said(script, &["--help"]);
        assert_eq!((code, error.as_str()), (Some(0), ""), "{script}");
        assert!(help.contains(&format!("finemem-engine run scripts/{script} -- ")) && help.contains("\nArguments:\n  --"), "{help}");
    }
    assert!(said("train.lua", &["--help"]).1.contains("\n  --steps NUMBER       training steps [default: 25]\n"));
    for (script, arguments, error) in [
        ("train.lua", &["--stpes", "3"][..], "unknown argument '--stpes'; did you mean --steps?"),
        ("train.lua", &["--steps"], "--steps needs a value: NUMBER"),
        ("train.lua", &["--steps", "1.5"], "--steps needs a whole number, not '1.5'"),
        ("train.lua", &["--lr", "fast"], "--lr needs a number, not 'fast'"),
        ("train.lua", &["--without", "typo"], "--without takes chunk, evidence or chunk,evidence, not 'typo'"),
        (
            "train_llm.lua",
            &["--model", "m", "--data", "d", "--without", "typo"],
            "--without takes chunk, evidence or chunk,evidence, not 'typo'",
        ),
        ("train_llm.lua", &["--model", "m", "--data", "d", "--thinking", "1"], "--thinking is yes or no, not '1'"),
        ("eval.lua", &["--data", "d", "--view", "all"], "--view is one of statements, relevant, recent, not 'all'"),
        ("replay.lua", &[], "--rollouts FILE is needed: failed_step_….jsonl or rollouts.jsonl of a run's folder"),
    ] {
        assert_eq!(said(script, arguments), (Some(1), String::new(), format!("error: {error}\n")), "{script} {arguments:?}");
    }
}

#[test]
fn what_leaks_is_dropped() {
    let output = finemem(&["run", concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/tests/leaks.lua"), "--device", "cpu"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn scripts_get_their_arguments_and_resumed_ones_their_old() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("echo.lua");
    let run = folder.path().join("run");
    let text = format!(
        "local fm = require 'finemem'\nfm.run.open {{ path = [[{}]] }}\nfm.stopping {{}}\nprint(table.concat(fm.args, ' '))",
        run.display()
    );
    std::fs::write(&script, text).unwrap();
    let output = finemem(&["run", script.to_str().unwrap(), "--", "--steps", "3"]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "--steps 3\n");
    let output = finemem(&["run", "--resume", run.to_str().unwrap(), "--", "--steps", "5"]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "--steps 3 --steps 5\n");
    fails(&["run", script.to_str().unwrap()], 1, "exists already and is not overwritten");
    fails(&["run", "other.lua", "--resume", run.to_str().unwrap()], 1, "cannot be resumed with another script");
}

#[test]
fn types_and_versions() {
    let folder = tempfile::tempdir().unwrap();
    assert!(finemem(&["types", "--out", folder.path().to_str().unwrap()]).status.success());
    assert!(folder.path().join("finemem.d.luau").is_file() && folder.path().join("library/finemem.lua").is_file());
    assert!(finemem(&["--version"]).status.success());
}

#[test]
fn info_says_what_was_found_and_what_is_chosen() {
    let said = |arguments: &[&str]| {
        let output = finemem(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let text = said(&["info"]);
    assert!(text.starts_with(&format!("finemem-engine {}, ", env!("CARGO_PKG_VERSION"))), "{text}");
    assert!(text.contains("\nfound:\n  CPU executor, ") && text.contains(" threads, "), "{text}");
    assert!(text.contains("\nchosen by --device auto: ") && text.contains(", because "), "{text}");
    let adapters = finemem::device::gpu::adapters();
    for caps in &adapters {
        assert!(text.contains(&format!("  {caps}\n    features: {}\n    limits: {}\n", caps.features(), caps.limits())), "{text}");
    }
    assert_eq!(text.contains("Install a Vulkan driver"), adapters.is_empty(), "{text}");
    assert_eq!(text.contains("--device auto: CPU executor"), adapters.iter().all(|caps| caps.software), "{text}");
    assert!(said(&["info", "--device", "cpu"]).contains("\nchosen by --device cpu: CPU executor, "));
    if let Some(caps) = adapters.first() {
        let text = said(&["info", "--device", &caps.name]);
        assert!(text.contains(&format!(": {}", caps.name)), "{text}");
        // Every kernel that has a choice is named once, after the ending of its variant.
        let (_, variants) = text.split_once("\nshader variants").expect("a list of variants");
        for kernel in ["matmul_nt", "matmul_rows", "attention", "attention_decode", "rmsnorm"] {
            let words = variants.split([' ', ',', '\n']).filter(|word| *word == kernel).count();
            assert_eq!(words, 1, "{kernel}: {text}");
        }
    }
    fails(&["info", "--device", "no such card"], 1, "no adapter has 'no such card' in its name");
}

#[cfg(unix)]
#[test]
fn a_script_that_asks_ends_its_loop_itself() {
    use std::io::{BufRead, BufReader};
    let folder = tempfile::tempdir().unwrap();
    let interrupted = |text: &str, times: usize| {
        let script = folder.path().join("loop.lua");
        std::fs::write(&script, text).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_finemem-engine"));
        let mut child = child.arg("run").arg(&script).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        for _ in 0..times {
            assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        (child.wait().unwrap().code(), lines.map(|line| line.unwrap()).collect::<Vec<_>>())
    };
    let asks = "local fm = require 'finemem'\nfm.stopping {}\nprint('ready')\nwhile not fm.stopping {} do end\nprint('saved')";
    assert_eq!(interrupted(asks, 1), (Some(0), vec!["saved".to_string()]));
    let stuck = "local fm = require 'finemem'\nfm.stopping {}\nprint('ready')\nwhile true do end";
    assert_eq!(interrupted(stuck, 2), (Some(130), vec![]));
    assert_eq!(interrupted("print('ready')\nwhile true do end", 1), (Some(130), vec![]));
}

#[test]
fn a_chat_answers_every_line() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        std::fs::copy(root.join("tests/golden/tied").join(name), folder.path().join(name)).unwrap();
    }
    let model = folder.path().to_str().unwrap().to_string();
    fails(&["chat", "--model", &model, "--device", "cpu"], 1, "no chat template");
    std::fs::copy(root.join("tests/template/qwen3.jinja"), folder.path().join("chat_template.jinja")).unwrap();
    fails(&["chat", "--model", &model, "--device", "cpu", "--top-p", "2"], 1, "top_p = 2");
    fails(
        &["chat", "--model", &model, "--device", "cpu", "--dialect", "lama3"],
        1,
        "there is no dialect 'lama3'; there are atommem, hermes",
    );
    let talk = |seed: &str| {
        let arguments = ["chat", "--model", &model, "--device", "cpu", "--max-tokens", "9", "--seed", seed];
        let mut child = Command::new(env!("CARGO_BIN_EXE_finemem-engine"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(b"hello\n\nand you?\n").unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let figures = String::from_utf8(output.stderr).unwrap();
        assert_eq!(figures.matches("[9 tokens, cut at --max-tokens, ").count(), 2, "{figures}");
        assert!(figures.starts_with("calls are read as hermes writes them: its chat template writes a call so\n"), "{figures}");
        String::from_utf8(output.stdout).unwrap()
    };
    let said = talk("1");
    assert_eq!(said.lines().filter(|line| !line.is_empty()).count(), 2, "{said}");
    assert_eq!(said, talk("1"));
    assert_ne!(said, talk("2"));
}

/// Writes the tiny policy with a chat template to a folder.
fn with_template(folder: &str) {
    let (root, folder) = (std::path::Path::new(env!("CARGO_MANIFEST_DIR")), std::path::Path::new(folder));
    std::fs::create_dir(folder).unwrap();
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        std::fs::copy(root.join("models/tiny").join(name), folder.join(name)).unwrap();
    }
    std::fs::copy(root.join("tests/template/qwen3.jinja"), folder.join("chat_template.jinja")).unwrap();
}

#[test]
fn a_warm_up_goes_on_where_it_was() {
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/train_llm.lua");
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let model = path("model");
    with_template(&model);
    let sizes = ["--episodes", "1", "--group", "2", "--held_out", "1", "--lora", "2", "--max_prompt", "1800", "--max_tokens", "240"];
    let form = ["--data", "household", "--design", "beside", "--dialect", "lines", "--checkpoint", "1", "--warm_up_steps", "3"];
    for (run, steps, stages) in [(path("both"), "1", 3), (path("warm"), "0", 2)] {
        let files = ["run", script.to_str().unwrap(), "--device", "cpu", "--", "--model", &model, "--out", &run, "--steps", steps];
        let trained = finemem(&[&files[..], &sizes, &form].concat());
        let said = String::from_utf8_lossy(&trained.stdout).into_owned();
        assert!(trained.status.success(), "{said}{}", String::from_utf8_lossy(&trained.stderr));
        assert!(said.contains("accuracy untrained: ") && said.contains("after the warm-up"), "{said}");
        let read = |file: &str| std::fs::read(std::path::Path::new(&run).join(file)).unwrap();
        let (policy, figures) = (read("policy/adapter_model.safetensors"), read("metrics.jsonl"));
        // The last step is done again: in one run the first after the warm-up, in the other the last of it.
        let last = 3 + steps.parse::<usize>().unwrap();
        std::fs::remove_dir_all(format!("{run}/checkpoints/step-{last:06}")).unwrap();
        std::fs::remove_dir_all(format!("{run}/policy")).unwrap();
        let resumed = finemem(&["run", "--device", "cpu", "--resume", &run]);
        assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
        assert!(!String::from_utf8_lossy(&resumed.stdout).contains("measuring"), "what was measured is measured again");
        assert_eq!(read("metrics.jsonl"), figures);
        assert!(read("policy/adapter_model.safetensors") == policy, "another policy");
        assert_eq!(String::from_utf8(read("stages.jsonl")).unwrap().lines().count(), stages);
    }
}

#[test]
fn a_published_folder_is_planned_trained_and_exported() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let (model, data, run, merged) = (path("model"), path("episodes.jsonl"), path("run"), path("merged"));
    with_template(&model);
    let episode = r#"{"id": "1", "source": "test", "chunks": ["The cat of Ana is Tom."], "questions": [{"question": "What is the cat of Ana?", "answers": ["Tom"]}]}"#;
    std::fs::write(&data, episode).unwrap();
    let sizes = ["--lora", "2", "--group", "2", "--prompt", "1500", "--completion", "8", "--device", "cpu"];
    fails(&[&["plan", "--model", &model][..], &sizes, &["--memory", "0.01"]].concat(), 1, "the run needs");
    let planned = finemem(&[&["plan", "--model", &model][..], &sizes].concat());
    let text = String::from_utf8(planned.stdout).unwrap();
    assert!(planned.status.success() && text.contains("peak, sampling and update take turns") && text.contains("fits: "), "{text}");
    let script = root.join("scripts/train_llm.lua");
    let arguments = ["--max_prompt", "1500", "--max_tokens", "8", "--micro_tokens", "256", "--steps", "1", "--group", "2", "--lora", "2"];
    let files = ["run", script.to_str().unwrap(), "--device", "cpu", "--", "--model", &model, "--data", &data, "--out", &run];
    let trained = finemem(&[&files[..], &arguments].concat());
    assert!(trained.status.success(), "{}", String::from_utf8_lossy(&trained.stderr));
    // The dialect is that of the template, unless an argument names another one. The run knows it.
    let dialect = |run: &str, printed: &[u8]| {
        let description = std::fs::read_to_string(std::path::Path::new(run).join("run.json")).unwrap();
        let settings = serde_json::from_str::<serde_json::Value>(&description).unwrap()["settings"].clone();
        let said = ["dialect", "dialect_why"].map(|key| settings[key].as_str().unwrap().to_owned());
        assert!(String::from_utf8_lossy(printed).contains(&format!("calls are read as {} writes them: {}\n", said[0], said[1])));
        said
    };
    assert_eq!(dialect(&run, &trained.stdout), ["hermes", "its chat template writes a call so"]);
    let figures = std::fs::read_to_string(format!("{run}/metrics.jsonl")).unwrap();
    assert!(figures.contains("\"tools/untagged_rate\":0"), "{figures}");
    let (script, evaluation) = (root.join("scripts/eval.lua"), path("evaluation"));
    let files = ["run", script.to_str().unwrap(), "--device", "cpu", "--", "--policy", &model, "--data", &data, "--out", &evaluation];
    let adapter = format!("{run}/policy");
    let manager = ["--adapter", &adapter, "--design", "beside", "--dialect", "llama3"];
    let evaluated = finemem(&[&files[..], &["--max_tokens", "8", "--baselines", "no_memory"], &manager].concat());
    assert!(evaluated.status.success(), "{}", String::from_utf8_lossy(&evaluated.stderr));
    assert_eq!(dialect(&evaluation, &evaluated.stdout), ["llama3", "--dialect names it"]);
    let table = std::fs::read_to_string(format!("{evaluation}/table.md")).unwrap();
    assert!(table.contains("| untagged | stray text, a chunk |"), "{table}");
    let exported = finemem(&["export", "--model", &model, "--adapter", &adapter, "--out", &merged, "--device", "cpu"]);
    assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    assert!(std::path::Path::new(&merged).join("model.safetensors").is_file());
}

#[test]
fn a_prompt_runs_every_line() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("first.lua");
    std::fs::write(&script, "local fm = require 'finemem' return { version = fm.version, rng = fm.rng.new { seed = 1 } }").unwrap();
    let typed = |arguments: &[&str], lines: &str| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_finemem-engine"));
        let child = child.arg("repl").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().unwrap();
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    for (lines, shown) in [
        ("1 + 1", "2\n"),
        ("x = 20\nx + 1\n_ * 2", "21\n42\n"),
        ("local y = 1\ny", ""),
        ("print('a\\n')\n'a\\n\"\"', nil, true", "a\n\n\"a\\n\\\"\\\"\"\tnil\ttrue\n"),
        ("function twice(n)\n  return 2 * n\nend\ntwice(\n  4)", "8\n"),
        ("text = [[a\nb]]\n#text", "3\n"),
        ("{ 1, { a = 'x', ['b c'] = {}, [7] = fm.json.null } }", "{ 1, { [\"b c\"] = {}, [7] = null, a = \"x\" } }\n"),
        ("t = {} t.t = t\nt", "{ t = {…} }\n"),
        ("{ { { { { 1 } } } } }", "{ { { { {…} } } } }\n"),
        (
            "#fm.rng.new { seed = 1 }:shuffle { list = table.create(30, 1) }\ntable.create(22, 0)",
            "30\n{ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, … 2 more }\n",
        ),
        ("fm.memory.new {}", "a memory of 0 items after 0 operations\n"),
        ("{ string.rep('x', 99), 'y' }", &format!("{{\n  \"{}\",\n  \"y\",\n}}\n", "x".repeat(99))),
        ("function f() end\nf", "function f at prompt:1\n"),
        ("\n\n", ""),
        ("1\nfm.exit {}\n2", "1\n"),
    ] {
        assert_eq!(typed(&[], lines), (Some(0), shown.to_string(), String::new()), "{lines}");
    }
    for (lines, shown, said) in [
        ("1\nerror('boom')\n2", "1\n", "error: prompt:1: boom\n"),
        ("x.y.z", "", "error: prompt:1: attempt to index nil with 'y'\n"),
        ("local function deep() error('boom') end deep()", "", "error: prompt:1: boom\n"),
        ("1 2", "", "error: prompt:1: "),
        ("fm.rgn", "", "did you mean 'rng'?"),
        ("for i = 1, 3 do", "", "error: the input ends inside this statement: for i = 1, 3 do\n"),
        ("policy", "", ""),
        ("1\nfm.exit { error = 'enough' }\n2", "1\n", "error: enough\n"),
    ] {
        let (code, out, err) = typed(&[], lines);
        assert_eq!((code, out.as_str()), (Some(i32::from(!said.is_empty())), shown), "{lines}: {err}");
        assert!(err.contains(said) && !err.contains("panicked"), "{lines}: {err}");
    }
    let (code, out, err) = typed(&[script.to_str().unwrap()], "_.rng:integer { high = 1 }");
    let first = format!("{{ rng = a stream of random numbers, version = \"{}\" }}\n1\n", env!("CARGO_PKG_VERSION"));
    assert_eq!((code, out, err), (Some(0), first, String::new()));
    let model = root.join("tests/golden/tied");
    let (code, out, err) =
        typed(&["--model", model.to_str().unwrap(), "--device", "cpu"], "#policy:encode { text = 'a b' } > 0\ntostring(policy)");
    assert!(code == Some(0) && out.starts_with("true\n\"Qwen3 model") && err.starts_with("device: CPU"), "{out}{err}");
    fails(&["repl", "--model", "absent"], 1, "absent");
    fails(&["repl", "absent.lua"], 1, "absent.lua: cannot read the script");
}

#[cfg(unix)]
#[test]
fn a_signal_ends_the_line_of_a_prompt() {
    use std::io::{BufRead, BufReader};
    let mut child = Command::new(env!("CARGO_BIN_EXE_finemem-engine"));
    let mut child = child.arg("repl").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = b"print('ready') while true do pcall(function() while true do end end) end\nprint('not reached')\n";
    child.stdin.take().unwrap().write_all(lines).unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(out.next().unwrap().unwrap(), "ready");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("error: prompt:1: interrupted") && out.next().is_none(), "{said}");
}
