//! Reasoners with a model as scripts use them: a model in this process, a server, and the scripts that write and drop questions.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{ChildStderr, Command};
use std::rc::Rc;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use crate::common::asked::{Running, chats, model, root, run};
use crate::common::fake::{Act, Fake, ended, ok};
use finemem::data;
use finemem::generate::SharedGenerator;
use finemem::model::{ChatTemplate, Model};
use finemem::reason::{Local, Message, Query, Reason, fit, local};
use finemem_script::{Runtime, RuntimeOptions};
use serde_json::{Value, json};

fn texts(reasoner: &dyn Reason, chats: &[Vec<Message>]) -> Vec<String> {
    reasoner.complete(chats).unwrap().into_iter().map(|reply| reply.text).collect()
}

#[test]
fn a_local_model_answers_alike_alone_and_among_others() {
    for temperature in [0.0, 1.0] {
        let settings = local::Settings { temperature, max_tokens: 12, seed: 3, ..Default::default() };
        let reasoner = Local::new(Rc::new(model()), SharedGenerator::default(), settings).unwrap();
        let all = chats();
        let together = texts(&reasoner, &all);
        assert!(together.iter().collect::<HashSet<_>>().len() > 1, "{together:?}");
        for (chat, text) in all.iter().zip(&together).rev() {
            assert_eq!(&texts(&reasoner, std::slice::from_ref(chat))[0], text);
        }
        // Equal chats are one request.
        let replies = reasoner.complete(&[&all[..], &all[..1]].concat()).unwrap();
        assert_eq!((&replies[4].text, replies[4].usage.cached, replies[0].usage.cached), (&replies[0].text, 1, 0));
        assert_eq!(replies[0].usage.prompt_tokens as usize, reasoner.count(&all[0]).unwrap());
    }
}

#[test]
fn items_that_a_local_model_has_no_room_for_are_left_out() {
    let reasoner = Local::new(Rc::new(model()), SharedGenerator::default(), local::Settings::default()).unwrap();
    let items: Vec<String> = (0..300).map(|i| format!("The tutor of person {i} is Marru Velt.")).collect();
    let mut query = Query::new("Where does Mira live?", items.iter().map(String::as_str));
    let left_out = fit(&reasoner, &mut query, None).unwrap();
    assert!(left_out > 0 && !query.items.is_empty() && query.items.len() + left_out == 300);
    assert!(reasoner.count(&reasoner.chat(&query).unwrap()).unwrap() <= reasoner.room().unwrap());
    reasoner.answer(&[query]).unwrap();
    let none = Local::new(
        Rc::new(Model { chat_template: ChatTemplate::default(), ..model() }),
        SharedGenerator::default(),
        local::Settings::default(),
    );
    assert!(none.err().unwrap().to_string().contains("no chat template"));
}

fn evaluate(text: &str) -> finemem::Result<Value> {
    let options = RuntimeOptions { device: "cpu".into(), ..RuntimeOptions::default() };
    Runtime::new(options)?.evaluate("test.lua", &format!("local fm = require \"finemem\" {text}"))
}

#[test]
fn scripts_share_the_model_and_it_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    model().save(&path, "f32").unwrap();
    let setup = format!(
        "local path = {:?} local chats = {{ {{ {{ role = 'user', content = 'Where does Mira live?' }} }} }}",
        path.to_str().unwrap()
    );
    let changed = evaluate(&format!(
        "{setup}
        local policy = fm.model.load {{ path = path, lora = {{ rank = 4, alpha = 64 }} }}
        local by_path = fm.reasoner.model {{ path = path, max_tokens = 8 }}
        local by_model = fm.reasoner.model {{ model = policy, max_tokens = 8 }}
        local alone = fm.reasoner.model {{ path = path, max_tokens = 8 }}
        local function said(reasoner) return reasoner:complete {{ chats = chats }}[1].text end
        local function prompt() return policy:apply_chat_template {{ messages = chats[1] }} end
        local function sampled() return policy:generate {{ prompts = {{ prompt() }}, max_tokens = 8, temperature = 0 }}[1][1].text end
        local before, own = said(by_path), sampled()
        local trainer = fm.sft.new {{ policy = policy, lr = 0.1 }}
        local tokens = policy:encode {{ text = prompt() .. ' Oska. Oska. Oska.' }}
        local weights = {{}}
        for i = 1, #tokens - 1 do weights[i] = 1 end
        for _ = 1, 5 do trainer:step {{ sequences = {{ {{ tokens = tokens, weights = weights }} }} }} end
        return {{ before, said(by_path), said(by_model), said(alone), own ~= sampled(), tostring(by_path) }}"
    ))
    .unwrap();
    for i in 1..4 {
        assert_eq!(changed[0], changed[i], "{changed}");
    }
    assert_eq!(changed[4], true, "the policy itself did learn");
    assert!(changed[5].as_str().unwrap().starts_with("a frozen Llama model"), "{changed}");
    let trained = evaluate(&format!(
        "{setup}
        local policy = fm.model.load {{ path = path }}
        fm.grpo.new {{ policy = policy, tools = require 'tools.flat', prompt = function() return '' end, reasoner = fm.reasoner.model {{ model = policy }} }}"
    ));
    assert!(trained.as_ref().is_err_and(|e| e.to_string().contains("would change with them")), "{trained:?}");
    let neither = evaluate("fm.reasoner.model {}").unwrap_err().to_string();
    assert!(neither.contains("either 'path' or 'model'"), "{neither}");
}

#[test]
fn scripts_ask_with_their_own_prompt_and_retrieval() {
    let fake = Fake::new(|_, body| ok(&body["messages"].to_string()));
    let found = evaluate(&format!(
        "local memory = fm.memory.new {{}}
        memory:insert {{ content = 'Mira lives in Oska' }}
        memory:insert {{ content = 'Rufo is a dog' }}
        local reasoner = fm.reasoner.server {{ url = {:?}, model = 'tiny', retries = 0, prompt = function(input)
            local texts = {{}}
            for i, item in ipairs(input.items) do texts[i] = item.content end
            return {{ {{ role = 'user', content = table.concat(texts, ', ') .. '! ' .. input.question .. (input.instruction or '') }} }}
        end }}
        local questions = {{ {{ question = 'Where is Mira?', answers = {{ 'Oska' }}, instruction = ' Now!', metric = 'substring_exact_match' }} }}
        local asked = reasoner:ask {{ memory = memory, questions = questions, retrieval = 'whole' }}[1]
        local one = reasoner:ask {{ memory = memory, questions = questions, top_k = 1 }}[1]
        local all = reasoner:answer_all {{ queries = {{ {{ question = 'a', items = {{}} }}, {{ question = 'b', items = {{ {{ content = 'c' }} }} }} }} }}
        return {{ asked.answer, asked.score, #asked.evidence, asked.requests, asked.cached, one.answer, all[1].text, all[2].text }}",
        fake.address
    ))
    .unwrap();
    let user = |text: &str| json!([{ "role": "user", "content": text }]).to_string();
    assert_eq!(
        found,
        json!([
            user("Mira lives in Oska, Rufo is a dog! Where is Mira? Now!"),
            1,
            2,
            1,
            0,
            user("Mira lives in Oska! Where is Mira? Now!"),
            user("! a"),
            user("c! b")
        ])
    );
    for (text, said) in [
        ("prompt = function() return {} end", "at least one message"),
        ("prompt = function() return { { role = 'oracle', content = 'x' } } end", "must be one of system, user, assistant"),
        ("prompt = function() error('boom') end", "boom"),
        ("timeout = -1", "'timeout'"),
        ("timout = 1", "did you mean 'timeout'"),
    ] {
        let text = evaluate(&format!(
            "fm.reasoner.server {{ url = {:?}, model = 'tiny', {text} }}:answer {{ question = 'a', items = {{}} }}",
            fake.address
        ));
        assert!(text.as_ref().is_err_and(|e| e.to_string().contains(said)), "{text:?} not {said}");
    }
    let extractive = evaluate("fm.reasoner.extractive {}:complete { chats = {} }").unwrap_err().to_string();
    assert!(extractive.contains("fm.reasoner.server"), "{extractive}");
}

#[test]
fn a_reply_without_an_answer_scores_nothing() {
    let fake = Fake::new(|_, body| {
        let asked = body["messages"][1]["content"].as_str().unwrap();
        let content = if asked.contains("think") { "<think>It is" } else { asked.rsplit_once(' ').unwrap().1 };
        Act::Reply(200, "", ended(json!(content), if asked.contains("cut") { "length" } else { "stop" }))
    });
    let found = evaluate(&format!(
        "local function questions(texts)
            local list = {{}}
            for i, text in ipairs(texts) do list[i] = {{ question = text, answers = {{ 'Oska' }}, metric = 'locomo_f1', kind = '5' }} end
            list[#list + 1] = {{ question = 'think cut', answers = {{ 'Oska' }}, metric = 'judge_memalpha' }}
            list[#list + 1] = {{ question = 'Where? cut Oska', answers = {{ 'Oska' }}, metric = 'token_f1' }}
            return list
        end
        local reasoner = fm.reasoner.server {{ url = {:?}, model = 'tiny' }}
        local memory, list = fm.memory.new {{}}, {{}}
        for i, a in ipairs(reasoner:ask {{ memory = memory, questions = questions {{ 'think cut', 'say unknown', 'Oska cut' }} }}) do
            list[i] = {{ a.answer, a.cut, a.score }}
        end
        local chats = {{ {{ {{ role = 'system', content = 'x' }}, {{ role = 'user', content = 'think cut' }} }} }}
        local reply = reasoner:complete {{ chats = chats }}[1]
        return {{ list, reply.cut, reply.text, reply.requests, reply.seconds > 0, reasoner:answer {{ question = 'think cut', items = {{}} }}.cut }}",
        fake.address
    ))
    .unwrap();
    let answers = json!([["", true, 0], ["unknown", false, 0], ["cut", true, 0], ["", true, 0], ["Oska", true, 1]]);
    assert_eq!(found, json!([answers, true, "", 1, true, true]));
}

#[test]
fn a_local_model_says_that_it_was_cut_off() {
    let reply = |max_tokens| {
        let settings = local::Settings { max_tokens, ..Default::default() };
        Local::new(Rc::new(model()), SharedGenerator::default(), settings).unwrap().complete(&chats()[..1]).unwrap().remove(0)
    };
    assert!(reply(2).usage.cut);
}

#[test]
fn words_make_reasoners_with_settings() {
    let fake = Fake::new(|_, _| Act::Wait(Duration::from_secs(5)));
    let made = |call: &str| {
        evaluate(&format!(
            "local reasoners, word = require 'lib.reasoners', 'tiny@{}'
            local settings = {{ reply_tokens = 512, timeout = 0.2, retries = 1 }}
            {call}",
            fake.address
        ))
        .unwrap_err()
        .to_string()
    };
    let text = made("reasoners.make(word, settings):answer { question = 'a', items = {} }");
    assert!(text.contains("failed after 2 tries: no reply within 0.2 seconds"), "{text}");
    let text = made("settings.context = 100 reasoners.make(word, settings)");
    assert!(text.contains("'context' is 100"), "{text}");
    let text = made("reasoners.make('extractive', settings) reasoners.make('extractive', settings, '--judge')");
    assert!(text.contains("--judge needs a reasoner with a model"), "{text}");
}

/// A script that asks a server questions a, b and c, one at a time, and keeps the replies.
#[cfg(unix)]
fn asking(folder: &Path, fake: &Fake) -> Running {
    let script = folder.join("asks.lua");
    let text = format!(
        "local fm = require 'finemem'
        local chats = {{}}
        for i, text in ipairs {{ 'a', 'b', 'c' }} do chats[i] = {{ {{ role = 'user', content = text }} }} end
        fm.reasoner.server {{ url = {:?}, model = 'tiny', concurrency = 1, cache = {:?} }}:complete {{ chats = chats }}",
        fake.address,
        folder.join("replies.jsonl").to_str().unwrap()
    );
    std::fs::write(&script, text).unwrap();
    let mut running = Running(run(&script, &[]).spawn().unwrap());
    while fake.count() == 0 {
        assert!(running.0.try_wait().unwrap().is_none(), "it ended");
        std::thread::sleep(Duration::from_millis(20));
    }
    running
}

#[cfg(unix)]
fn interrupt(running: &Running) {
    assert!(Command::new("kill").args(["-INT", &running.0.id().to_string()]).status().unwrap().success());
}

/// Waits until the program says that it was interrupted: what it says from then on.
#[cfg(unix)]
fn stopping(running: &mut Running) -> BufReader<ChildStderr> {
    let mut stderr = BufReader::new(running.0.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("press Ctrl-C again to stop at once") {
        assert_ne!(stderr.read_line(&mut said).unwrap(), 0, "{said}");
    }
    stderr
}

#[cfg(unix)]
#[test]
fn the_first_interrupt_keeps_what_is_on_its_way() {
    let (reply, asked_to) = mpsc::channel();
    let asked_to = Mutex::new(asked_to);
    let fake = Fake::new(move |_, _| {
        asked_to.lock().unwrap().recv().unwrap();
        ok("Bem")
    });
    let folder = tempfile::tempdir().unwrap();
    let mut running = asking(folder.path(), &fake);
    interrupt(&running);
    let mut stderr = stopping(&mut running);
    reply.send(()).unwrap();
    assert!(!running.0.wait().unwrap().success());
    let mut said = String::new();
    stderr.read_to_string(&mut said).unwrap();
    assert!(said.contains("stopped by the user") && said.contains("replies.jsonl: run the same command again"), "{said}");
    let kept = std::fs::read_to_string(folder.path().join("replies.jsonl")).unwrap();
    assert_eq!((kept.lines().count(), kept.contains("Bem"), fake.count()), (1, true, 1));
}

#[cfg(unix)]
#[test]
fn the_second_interrupt_ends_at_once() {
    let fake = Fake::new(|_, _| Act::Wait(Duration::from_secs(60)));
    let folder = tempfile::tempdir().unwrap();
    let mut running = asking(folder.path(), &fake);
    interrupt(&running);
    let _stderr = stopping(&mut running);
    assert!(running.0.try_wait().unwrap().is_none(), "it waits for the reply");
    interrupt(&running);
    assert_eq!(running.0.wait().unwrap().code(), Some(130));
}

#[test]
fn a_resumed_run_asks_nothing_twice_and_no_file_has_the_key() {
    const KEY: &str = "sk-test-31415926";
    let fake = Fake::new(|_, body| ok(&body["messages"][1]["content"].to_string()));
    let folder = tempfile::tempdir().unwrap();
    let (script, kept) = (folder.path().join("asks.lua"), folder.path().join("run"));
    let text = format!(
        "local fm = require 'finemem'
        local reasoner = fm.reasoner.server {{ url = {:?}, model = 'tiny', key_env = 'FINEMEM_TEST_KEY', max_tokens = 7 }}
        fm.run.open {{ path = {:?}, arguments = {{ reasoner = tostring(reasoner) }} }}
        print(reasoner:answer {{ question = 'Where?', items = {{}} }}.text)
        fm.log {{ step = 1, stats = {{ a = 1 }} }}",
        fake.address,
        kept.to_str().unwrap()
    );
    std::fs::write(&script, text).unwrap();
    let said = |command: &mut Command| {
        let output = command.env("FINEMEM_TEST_KEY", KEY).output().unwrap();
        assert!(output.status.success() && !String::from_utf8_lossy(&output.stderr).contains(KEY), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let first = said(&mut run(&script, &[]));
    let again = said(Command::new(env!("CARGO_BIN_EXE_finemem-engine")).args(["run", "--resume"]).arg(&kept));
    assert_eq!((first.as_str(), &again, fake.count()), ("\"Where?\"\n", &first, 1));
    assert_eq!(fake.seen.lock().unwrap()[0].body["max_tokens"], 7);
    assert!(kept.join("replies.jsonl").is_file());
    for entry in std::fs::read_dir(&kept).unwrap() {
        let path = entry.unwrap().path();
        assert!(path.is_dir() || !String::from_utf8_lossy(&std::fs::read(&path).unwrap()).contains(KEY), "{path:?}");
    }
}

/// Three episodes of two chunks; the last chunk has questions.
fn episodes(path: &Path) {
    let episode = |i: usize| {
        json!({
            "id": format!("e{i}"), "source": "test", "chunks": [format!("Mira {i} lives in Oska. Rufo {i} is a dog of 7 years."), "Known."],
            "questions": [{ "question": format!("Where does Mira {i} live?"), "answers": ["Oska"] }, { "question": "Is it day?", "answers": ["yes"], "evidence": [1] }],
            "chunk_questions": [[], [{ "question": "Is it known?", "answers": ["Known"] }]],
        })
        .to_string()
    };
    std::fs::write(path, (1..=3).map(|i| episode(i) + "\n").collect::<String>()).unwrap();
}

/// What a generator, a verifier and a closed book say.
fn model_of(body: &Value) -> String {
    let text = |i: usize| body["messages"][i]["content"].as_str().unwrap().to_owned();
    let (system, user) = (text(0), text(1));
    if system.contains("quiz questions") {
        let i = user.split(' ').nth(1).unwrap();
        let pair = |question: &str, answer: Value| json!({ "question": question, "answer": answer });
        let pairs = json!([
            pair(&format!("Where does Mira {i} live?"), json!("Oska")),
            pair(&format!("where does MIRA {i} live"), json!("Oska")),
            pair(&format!("What is Rufo {i}?"), json!("a cat")),
            pair(&format!("Does Mira {i} live in Oska?"), json!("Oska")),
            pair(&format!("How old is Rufo {i}?"), json!(7)),
            pair(&format!("What is wrong with Rufo {i}?"), json!("dog")),
            { "question": 3 },
        ]);
        return format!("<think>[a thought]</think>\nHere are [some]:\n```json\n{pairs}\n```");
    }
    if system.contains("from what you know") {
        return if user.contains("day") { "Yes.".into() } else { "I guess Bem".into() };
    }
    match user.as_str() {
        user if user.contains("live") => "Oska".into(),
        user if user.contains("old") => "7 years".into(),
        _ => "not in memory".into(),
    }
}

#[test]
fn chunk_questions_are_written_verified_and_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("data.jsonl"), folder.path().join("data.questions.jsonl"));
    episodes(&data);
    // In the first run the eighth request gets no reply.
    let fake = Fake::new(|number, body| if number == 7 { Act::Wait(Duration::from_secs(60)) } else { ok(&model_of(body)) });
    let script = root().join("scripts/make/chunk_questions.lua");
    let word = format!("tiny@{}", fake.address);
    let arguments = ["--data", data.to_str().unwrap(), "--generator", &word, "--concurrency", "1"];
    let mut child = Running(run(&script, &arguments).spawn().unwrap());
    while fake.count() < 8 {
        assert!(child.0.try_wait().unwrap().is_none(), "it ended after {} requests", fake.count());
        std::thread::sleep(Duration::from_millis(10));
    }
    child.0.kill().unwrap();
    child.0.wait().unwrap();
    let first = std::fs::read_to_string(&out).unwrap();
    assert_eq!(first.lines().count(), 1, "one episode takes four requests");
    // Cut off as by a power cut.
    std::fs::OpenOptions::new().append(true).open(&out).unwrap().write_all(b"{\"id\": \"e2\", \"chu").unwrap();
    let answered: HashSet<String> = fake.seen.lock().unwrap()[..7].iter().map(|seen| seen.body.to_string()).collect();
    let output = run(&script, &arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 of 3 episodes are done"), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let seen = fake.seen.lock().unwrap().clone();
    assert!(seen[8..].iter().all(|seen| !answered.contains(&seen.body.to_string())), "nothing is asked twice");
    assert_eq!(seen.len() - 8, 12 - 7, "four requests for each of three chunks, seven of them answered before");
    let found = data::read(&out, &data::Options::default()).unwrap().episodes;
    assert_eq!(found.len(), 3);
    for (i, episode) in (1..).zip(&found) {
        let list: Vec<_> =
            episode.chunk_questions[0].iter().map(|q| (q.question.as_str(), q.answers[0].as_str(), q.evidence.clone())).collect();
        let [live, old] = [format!("Where does Mira {i} live?"), format!("How old is Rufo {i}?")];
        assert_eq!(list, [(live.as_str(), "Oska", vec![0]), (old.as_str(), "7", vec![0])]);
        assert_eq!(episode.chunk_questions[1][0].question, "Is it known?");
        assert_eq!((episode.questions.len(), &episode.questions[1].evidence), (2, &vec![1]));
    }
    // Offline from what was kept, to another file.
    let copy = folder.path().join("copy.jsonl");
    std::fs::copy(folder.path().join("data.questions.jsonl.replies"), folder.path().join("copy.jsonl.replies")).unwrap();
    let count = fake.count();
    let offline = [&arguments[..], &["--out", copy.to_str().unwrap(), "--offline", "yes"]].concat();
    assert!(run(&script, &offline).output().unwrap().status.success());
    assert_eq!((std::fs::read(&copy).unwrap(), fake.count()), (std::fs::read(&out).unwrap(), count));
}

#[test]
fn questions_that_need_no_memory_are_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data.jsonl");
    episodes(&data);
    let fake = Fake::new(|_, body| ok(&model_of(body)));
    let word = format!("tiny@{}", fake.address);
    let arguments = ["--data", data.to_str().unwrap(), "--reasoner", &word];
    let output = run(&root().join("scripts/make/open_book_questions.lua"), &arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("3 of 6 questions stay"), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for episode in data::read(folder.path().join("data.open_book.jsonl"), &data::Options::default()).unwrap().episodes {
        assert_eq!((episode.questions.len(), episode.questions[0].answers[0].as_str(), episode.chunk_questions[1].len()), (1, "Oska", 1));
    }
}
