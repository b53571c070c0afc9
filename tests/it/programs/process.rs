//! Manners of the process: readers that go away, text that is not UTF-8, and limits of memory and threads.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn finemem() -> Command {
    Command::new(env!("CARGO_BIN_EXE_finemem-engine"))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A folder with a script of this text.
fn script(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("script.lua");
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

/// The folder of a small model that can chat.
fn chatting() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        std::fs::copy(root().join("tests/golden/tied").join(name), folder.path().join(name)).unwrap();
    }
    std::fs::copy(root().join("tests/template/qwen3.jinja"), folder.path().join("chat_template.jinja")).unwrap();
    folder
}

/// What a command says on standard error, and whether it ended by itself or by the signal of a pipe without a reader, if the reader of
/// standard output goes after `lines` lines.
#[cfg(unix)]
fn left_after(lines: usize, command: &mut Command, input: &[u8]) -> (Option<i32>, Option<i32>, String) {
    use std::os::unix::process::ExitStatusExt;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A program that has gone reads nothing.
    let _ = stdin.write_all(input);
    drop(stdin);
    let mut out = BufReader::new(child.stdout.take().unwrap());
    for _ in 0..lines {
        out.read_line(&mut String::new()).unwrap();
    }
    drop(out);
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    let status = child.wait().unwrap();
    (status.code(), status.signal(), said)
}

#[cfg(unix)]
#[test]
fn a_program_whose_reader_goes_ends_quietly() {
    let (_folder, endless) = script("while true do print 'x' end");
    let (_folder2, bar) = script("local fm = require 'finemem' for i = 1, 1e9 do print(i, fm.version) end");
    let model = chatting();
    let model = model.path().to_str().unwrap();
    let tiny = root().join("models/tiny");
    let tiny = tiny.to_str().unwrap();
    let types = tempfile::tempdir().unwrap();
    let types = types.path().to_str().unwrap();
    let help = root().join("scripts/train.lua");
    let help = help.to_str().unwrap();
    // Those that print without end are ended by the signal; the others may be done before they notice.
    for (arguments, lines, endless, input) in [
        (&["run", "--device", "cpu", &endless][..], 1, true, &b""[..]),
        (&["run", "--device", "cpu", &bar], 3, true, b""),
        (&["repl"], 1, true, b"while true do print 'x' end"),
        (&["repl"], 0, false, b"1\n2\n3\n"),
        (&["info", "--device", "cpu"], 0, false, b""),
        (&["info", "--device", "cpu"], 1, false, b""),
        (&["plan", "--model", tiny, "--device", "cpu"], 1, false, b""),
        (&["chat", "--model", model, "--device", "cpu", "--max-tokens", "9"], 0, false, b"a\nb\nc\n"),
        (&["check", help], 0, false, b""),
        (&["fetch", "nothing"], 0, false, b""),
        (&["types", "--out", types], 0, false, b""),
        (&["run", help, "--", "--help"], 1, false, b""),
        (&["--help"], 0, false, b""),
        (&["--version"], 0, false, b""),
    ] {
        let (code, signal, said) = left_after(lines, finemem().args(arguments), input);
        assert!(signal.is_none_or(|signal| signal == 13) && code != Some(101), "{arguments:?}: {code:?} {signal:?} {said}");
        assert!(!said.contains("panicked") && !said.contains("failed printing"), "{arguments:?}: {said}");
        assert!(!endless || signal == Some(13), "{arguments:?}: {code:?} {said}");
    }
}

/// Standard error too.
#[cfg(unix)]
#[test]
fn warnings_that_nobody_reads_end_it_quietly() {
    use std::os::unix::process::ExitStatusExt;
    let model = chatting();
    let mut command = finemem();
    command.args(["chat", "--model", model.path().to_str().unwrap(), "--device", "cpu", "--max-tokens", "3"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    let _ = child.stdin.take().unwrap().write_all(b"a\nb\n");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.signal(), Some(13), "{}", text(&output.stdout));
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_an_error() {
    let (_folder, prints) = script("print 'x'");
    for arguments in [&["info", "--device", "cpu"][..], &["run", "--device", "cpu", &prints]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = finemem().args(arguments).stdout(full).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("error: failed printing to stdout: No space left on device") && !said.contains("panicked"), "{said}");
    }
}

/// The program with this on its standard input.
fn fed(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A program that stops early does not read all.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn utf16(text: &str, big: bool, mark: bool) -> Vec<u8> {
    let units = mark.then_some(0xFEFF).into_iter().chain(text.encode_utf16());
    units.flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
}

#[test]
fn lines_that_are_not_text_are_named() {
    let model = chatting();
    let chat = |input: &[u8]| {
        let model = model.path().to_str().unwrap();
        fed(finemem().args(["chat", "--model", model, "--device", "cpu", "--max-tokens", "3"]), input)
    };
    let output = chat(b"hello\nca\xE9\nand you?\n");
    let said = text(&output.stderr);
    assert!(output.status.success() && said.matches("[3 tokens, cut at --max-tokens").count() == 2, "{said}");
    assert!(said.contains("left out: standard input: line 2 is not UTF-8 text: byte 3 is 0xE9"), "{said}");
    for (big, mark, name) in [(false, true, "UTF-16LE"), (true, true, "UTF-16BE"), (false, false, "UTF-16LE"), (true, false, "UTF-16BE")] {
        let output = chat(&utf16("hello\nand you?\n", big, mark));
        let said = text(&output.stderr);
        assert!(
            output.status.code() == Some(1) && said.contains(&format!("standard input: is {name} text, but only UTF-8 is read")),
            "{said}"
        );
    }
    let output = fed(finemem().arg("repl"), b"1\n'\xE9'\n2\n");
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(1), "1\n"));
    assert!(text(&output.stderr).contains("line 2 is not UTF-8 text"), "{}", text(&output.stderr));
    let output = fed(finemem().arg("repl"), "\u{feff}1 + 1\n".as_bytes());
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(0), "2\n"), "a mark before UTF-8 is no fault");
}

#[test]
fn files_in_other_encodings_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.path().join(name), bytes).unwrap();
        folder.path().join(name).to_str().unwrap().to_owned()
    };
    let episodes = "{\"id\": \"1\", \"source\": \"t\", \"chunks\": [\"The cat is Tom.\"], \"questions\": [{\"question\": \"Who?\", \"answers\": [\"Tom\"]}]}\n";
    let opens = write("open.lua", b"local fm = require 'finemem' print(#fm.data.open { path = fm.args[1] })");
    let reads = write("read.lua", b"local fm = require 'finemem' fm.json.decode { text = fm.read { path = fm.args[1] } }");
    let loads = write("load.lua", b"local fm = require 'finemem' fm.model.load { path = fm.args[1] }");
    let ran = |arguments: &[&str]| {
        let output = finemem().args(["run", "--device", "cpu"]).args(arguments).output().unwrap();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    assert_eq!(ran(&[&opens, "--", &write("marked.jsonl", format!("\u{feff}{episodes}").as_bytes())]).0, Some(0));
    assert_eq!(ran(&[&write("marked.lua", "\u{feff}print 'x'".as_bytes())]).1, "x\n");
    for (big, mark, name) in [(false, true, "UTF-16LE"), (true, true, "UTF-16BE"), (false, false, "UTF-16LE"), (true, false, "UTF-16BE")] {
        let data = write("data.jsonl", &utf16(episodes, big, mark));
        let table = write("table.csv", &utf16("text,category\nhello,greeting\n", big, mark));
        let lua = write("wide.lua", &utf16("print 'x'", big, mark));
        let model = folder.path().join("model");
        std::fs::create_dir_all(&model).unwrap();
        for file in ["tokenizer.json", "model.safetensors"] {
            std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("models/tiny").join(file), model.join(file)).unwrap();
        }
        std::fs::write(model.join("config.json"), utf16("{\"model_type\": \"llama\"}", big, mark)).unwrap();
        let model = model.to_str().unwrap();
        let hint = format!("is {name} text, but only UTF-8 is read: convert it, for example with iconv -f {name} -t UTF-8");
        for arguments in [&[&*opens, "--", &data][..], &[&opens, "--", &table], &[&lua], &[&reads, "--", &data], &[&loads, "--", model]] {
            let (code, _, said) = ran(arguments);
            assert!(code == Some(1) && said.contains(&hint), "{arguments:?}: {said}");
        }
    }
    let (_, _, said) = ran(&[&write("latin.lua", b"-- first\nprint 'caf\xE9'")]);
    assert!(said.contains("latin.lua: is not a script: it is not UTF-8 text: byte 20 (line 2) is 0xE9"), "{said}");
}

/// A command with limits, as `prlimit` sets them; and as a user without rights, for whom that of processes counts.
#[cfg(target_os = "linux")]
fn limited(limits: &str, arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_finemem-engine");
    Command::new("prlimit").arg(limits).arg(program).args(arguments).output().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn memory_that_is_not_given_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let train = root().join("scripts/train.lua");
    let train = |out: &str, limits: &str| {
        let out = folder.path().join(out);
        let arguments =
            ["run", "--device", "cpu", train.to_str().unwrap(), "--", "--steps", "1", "--held_out", "2", "--out", out.to_str().unwrap()];
        let output = limited(limits, &arguments);
        (output.status.code(), text(&output.stderr))
    };
    // Known beforehand: the limit is named, and what fits.
    let (code, said) = train("known", "--as=300000000");
    assert!(
        code == Some(1) && said.contains("the run needs ") && said.contains(" free because of ulimit -v: the run takes less with"),
        "{said}"
    );
    let (code, said) = train("data", "--data=200000000");
    assert!(code == Some(1) && said.contains("because of ulimit -d"), "{said}");
    // Not known beforehand: what the script itself takes.
    let (_folder, takes) = script(
        "local fm = require 'finemem' local kept = {} \
         for i = 1, 10000 do kept[i] = fm.model.load { path = fm.args[1] } end",
    );
    let tiny = root().join("models/tiny");
    let output = limited("--as=250000000", &["run", "--device", "cpu", &takes, "--", tiny.to_str().unwrap()]);
    let said = text(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("memory") && said.contains("error: "), "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn threads_that_cannot_be_started_are_done_without() {
    let tiny = root().join("models/tiny");
    let (_folder, computes) = script(
        "local fm = require 'finemem' local m = fm.model.load { path = fm.args[1] } print(#m:logprobs { tokens = { 1, 2, 3, 4, 5 } })",
    );
    // Every thread takes 2 MiB of the address space for its stack.
    for threads in ["1", "2", "64", "1000"] {
        let mut command = Command::new("prlimit");
        command.arg("--as=400000000").arg(env!("CARGO_BIN_EXE_finemem-engine")).env("RAYON_NUM_THREADS", threads);
        let output = command.args(["run", "--device", "cpu", &computes, "--", tiny.to_str().unwrap()]).output().unwrap();
        assert_eq!(text(&output.stdout), "4\n", "{threads} threads: {}", text(&output.stderr));
    }
    // A limit of processes is one of all processes of a user, so a user is needed who has none.
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("finemem");
    std::fs::copy(env!("CARGO_BIN_EXE_finemem-engine"), &program).unwrap();
    Command::new("chmod").args(["-R", "a+rx"]).arg(folder.path()).status().unwrap();
    let mut last = None;
    for processes in [1, 2, 3, 5, 6, 9, 99] {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=64999", "--regid=64999", "--clear-groups", "prlimit", &format!("--nproc={processes}")]);
        let output = command.arg(&program).args(["repl"]).stdin(Stdio::null()).output();
        let Ok(output) = output.map(|output| (output.status.code(), text(&output.stderr))) else { return };
        if output.1.contains("setpriv: ") {
            let _ = writeln!(std::io::stderr(), "SKIPPED: no right to become another user, so no limit of processes is tried");
            return;
        }
        assert!(!output.1.contains("panicked"), "{processes}: {}", output.1);
        assert!(output.0 == Some(0) || output.1.contains("cannot listen for Ctrl-C: ") && processes == 1, "{processes}: {output:?}");
        last = output.0;
    }
    assert_eq!(last, Some(0));
}
