//! Playing episodes, with a manager and a policy of a few lines in place of scripts and models.

use std::cell::RefCell;
use std::rc::Rc;

use finemem::data::Question;
use finemem::generate::{Completion, Finish, Options, Request as Asked, Stream};
use finemem::memory::calls::{self, Parsed};
use finemem::memory::tools::Tool;
use finemem::memory::{Item, Store};
use finemem::reason::{Extractive, How, Retrieval};
use finemem::rollout::{At, Batch, Carried, Draws, Manager, Name, Outcome, Request, Rollout, Sample, Step, Task, play};
use finemem::schema::{Show, read_json};
use finemem::{Error, Result};
use serde_json::json;

/// A policy that says what it was told to, whatever the prompt. A token is a byte.
struct Says {
    /// What it says at each turn.
    answers: Vec<String>,
    prompts: RefCell<Vec<String>>,
    streams: RefCell<Vec<Stream>>,
}

impl Says {
    fn new(answers: Vec<String>) -> Self {
        Self { answers, prompts: RefCell::default(), streams: RefCell::default() }
    }
}

impl Sample for Says {
    fn encode(&self, text: &str) -> Result<Vec<u32>> {
        Ok(text.bytes().map(u32::from).collect())
    }
    fn decode(&self, completion: &Completion) -> Result<String> {
        Ok(String::from_utf8(completion.tokens.iter().map(|token| *token as u8).collect()).unwrap())
    }
    fn take_turn(&self, turn: usize, requests: &[Asked], _: &Options) -> Result<Vec<Vec<Completion>>> {
        let said = |request: &Asked| {
            let prompt: Vec<u8> = request.prompt.iter().map(|token| *token as u8).collect();
            self.prompts.borrow_mut().push(String::from_utf8(prompt).unwrap());
            self.streams.borrow_mut().extend(&request.streams);
            let tokens = self.encode(&self.answers[turn])?;
            Ok(vec![Completion { logprobs: vec![-0.5; tokens.len()], tokens, finish: Finish::Stop }])
        };
        requests.iter().map(said).collect()
    }
}

/// One tool, `write`, that refuses what is too long after it has written it.
struct Plain {
    seen: Vec<(usize, usize, Option<String>, usize)>,
}

impl Manager for Plain {
    type View = Vec<Item>;
    type Error = Error;

    fn error(error: Error) -> Error {
        error
    }
    fn view(&mut self, _: &At<'_>, store: &mut Store, limit: usize) -> Result<Vec<Item>> {
        Ok(store.view_recent(limit).to_vec())
    }
    fn prompt(&mut self, at: &At<'_>, store: &Store, view: Vec<Item>, last: Option<&Step>) -> Result<String> {
        self.seen.push((at.rollout, at.step, at.role.map(str::to_owned), last.map_or(0, |last| last.calls.len())));
        let items: Vec<&str> = view.iter().map(|item| item.content.as_str()).collect();
        Ok(format!("{} of {}: {}\n{}", view.len(), store.items().len(), items.join("; "), at.chunk))
    }
    fn parse(&mut self, answer: &str, tools: &[&str]) -> Result<Parsed> {
        Ok(calls::parse(answer).or_untagged(answer, tools))
    }
    fn carry_out(&mut self, _: &At<'_>, store: &mut Store, tool: usize, calls: &[Outcome], index: usize) -> Result<Carried> {
        assert_eq!(tool, 0);
        let text = calls[index].arguments.0["text"].as_str().unwrap();
        let id = match store.insert(text) {
            Ok(id) => id,
            Err(error) => return Ok(Err(error.to_string())),
        };
        Ok(if text.len() > 40 { Err("too long".into()) } else { Ok(Some(id)) })
    }
}

fn write(text: &str) -> String {
    format!("<tool_call>{}</tool_call>", json!({ "name": "write", "arguments": { "text": text } }))
}

fn question(question: &str, answer: &str) -> Question {
    Question { question: question.into(), answers: vec![answer.into()], ..Question::default() }
}

fn sampling() -> Options {
    Options { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, max_tokens: 400, stop: Vec::new() }
}

fn played(policy: &Says, manager: &mut Plain, tasks: &[Task], change: impl Fn(&mut Request<'_>)) -> Result<Batch> {
    let schema =
        json!({ "type": "object", "properties": { "text": { "type": "string" } }, "required": ["text"], "additionalProperties": false });
    let tools = [Tool::new("write", "Writes a text.", schema)?];
    let sampling = sampling();
    let mut request = Request {
        tasks,
        group: 2,
        seed: (7, 0),
        salt: 0,
        question_share: 1.0,
        sampling: &sampling,
        max_prompt: 200,
        view_items: 8,
        tools: &tools,
        retrieval: Retrieval { retrieval: How::Bm25, top_k: 4, max_question: None },
    };
    change(&mut request);
    play(policy, manager, &Extractive::default(), &request)
}

fn episode() -> (Says, Task) {
    let answers = vec![
        format!("hm {}{}", write("Mira Tolen lives in Oska."), write("This text is far too long to be kept by the tool.")),
        format!(
            "<think>again</think>{}<tool_call>{{\"name\": \"erase\", \"arguments\": {{}}}}</tool_call>",
            write("Mira Tolen lives in Oska.")
        ),
        String::new(),
    ];
    let task = Task {
        chunks: ["Mira Tolen lives in Oska.", "Nothing new.", "Bye."].map(String::from).into(),
        questions: vec![question("Where does Mira Tolen live?", "Oska"), question("Where does Ida Rao live?", "Bem")],
        chunk_questions: vec![vec![question("Where does Mira Tolen live?", "Oska")]],
        roles: ["reader", "reader", "critic"].map(String::from).into(),
        ..Task::default()
    };
    (Says::new(answers), task)
}

#[test]
fn calls_change_the_memory_or_are_refused_with_a_reason() {
    let (policy, task) = episode();
    let mut manager = Plain { seen: Vec::new() };
    let batch = played(&policy, &mut manager, &[task], |_| {}).unwrap();
    assert_eq!((batch.rollouts.len(), batch.turns.len(), batch.temperature), (2, 6, 1.0));
    for (member, rollout) in batch.rollouts.iter().enumerate() {
        assert_eq!((rollout.episode, rollout.member, rollout.steps.len()), (0, member, 3));
        let calls = |t: usize| rollout.steps[t].calls.iter().map(|call| (call.valid, call.reason.as_deref())).collect::<Vec<_>>();
        assert_eq!(calls(0), [(true, None), (false, Some("too long"))]);
        let said = "item 1 says exactly that already";
        assert_eq!(calls(1), [(false, Some(said)), (false, Some("there is no tool 'erase'; there are write"))]);
        assert_eq!((rollout.steps[0].stray, rollout.steps[0].written.as_slice()), (1, [1].as_slice()));
        assert_eq!(rollout.steps[1].thought.as_deref(), Some("<think>again"));
        assert_eq!(rollout.steps[2].role.as_deref(), Some("critic"));
        // What was refused is undone, and an item that no step changes is one value in all of them.
        assert_eq!(rollout.memory.iter().map(|item| item.content.as_str()).collect::<Vec<_>>(), ["Mira Tolen lives in Oska."]);
        assert!(rollout.steps[0].memory_before.is_empty());
        assert!(Rc::ptr_eq(&rollout.steps[0].memory_after[0], &rollout.steps[2].memory_after[0]));
        assert!(Rc::ptr_eq(&rollout.steps[0].memory_after, &rollout.steps[1].memory_before));
        assert_eq!(rollout.journal.len(), 1);
        assert_eq!(rollout.steps[0].chunk_answers[0].score, Some(1.0));
        assert_eq!(rollout.answers.iter().map(|asked| asked.score).collect::<Vec<_>>(), [Some(1.0), Some(0.0)]);
        assert_eq!(rollout.answers[0].evidence[0].step, 0);
        assert_eq!((rollout.memory_tokens, rollout.input_tokens), (25, 25 + 12 + 4));
    }
    // A prompt knows the step before it, in its own rollout.
    let seen: Vec<_> =
        manager.seen.iter().filter(|seen| seen.0 == 1).map(|(_, step, role, calls)| (*step, role.as_deref(), *calls)).collect();
    assert_eq!(seen, [(0, Some("reader"), 0), (1, Some("reader"), 2), (2, Some("critic"), 2)]);
    let turn = &batch.turns[4];
    assert_eq!((turn.rollout, turn.episode, turn.step), (1, 0, 1));
    assert_eq!(turn.completion.len(), turn.logprobs.len());
    assert_eq!(batch.rollouts[1].steps[1].tokens, turn.completion.len());
}

#[test]
fn calls_without_tags_change_the_memory_and_are_counted() {
    let (_, task) = episode();
    let bare = |text: &str| json!({ "name": "write", "arguments": { "text": text } }).to_string();
    let answers = vec![
        format!("```json\n{}\n{}\n```", bare("Mira Tolen lives in Oska."), bare("This text is far too long to be kept by the tool.")),
        format!("I write {}", bare("Ida Rao lives in Bem.")),
        format!("{}<tool_call>", write("Ida Rao lives in Bem.")),
    ];
    let batch = played(&Says::new(answers), &mut Plain { seen: Vec::new() }, &[task], |_| {}).unwrap();
    let counts = |step: &Step| (step.calls.len(), step.calls.iter().filter(|call| call.valid).count(), step.untagged, step.stray);
    for rollout in &batch.rollouts {
        assert_eq!(rollout.steps.iter().map(counts).collect::<Vec<_>>(), [(2, 1, 2, 0), (1, 0, 0, 0), (2, 1, 0, 0)]);
        let texts: Vec<&str> = rollout.memory.iter().map(|item| item.content.as_str()).collect();
        assert_eq!(texts, ["Mira Tolen lives in Oska.", "Ida Rao lives in Bem."]);
    }
}

#[test]
fn a_rollout_is_its_json() {
    let (policy, task) = episode();
    let task = Task { state: Some(Name::Text("a".into())), first: 4, ..task };
    let batch = played(&policy, &mut Plain { seen: Vec::new() }, &[task], |_| {}).unwrap();
    let json: serde_json::Value = serde_json::from_str(&batch.rollouts[0].show().to_string()).unwrap();
    assert_eq!((&json["episode"], &json["first"], &json["state"]), (&json!(1), &json!(5), &json!("a")));
    assert_eq!(json["steps"][0]["memory_after"][0]["step"], json!(5));
    assert_eq!(read_json::<Rollout>(&json).unwrap(), batch.rollouts[0]);
    let mut broken = json.clone();
    broken["steps"][1]["calls"][0].as_object_mut().unwrap().remove("valid");
    assert_eq!(read_json::<Rollout>(&broken).unwrap_err().to_string(), "'steps[2].calls[1].valid' is missing");
}

#[test]
fn a_prompt_shows_as_many_items_as_fit() {
    let (policy, mut task) = episode();
    for content in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        task.memory.insert(&content.repeat(30)).unwrap();
    }
    played(&policy, &mut Plain { seen: Vec::new() }, std::slice::from_ref(&task), |_| {}).unwrap();
    let prompts = policy.prompts.borrow();
    assert!(prompts[0].starts_with("4 of 8: eee"), "{}", prompts[0]);
    let error = played(&policy, &mut Plain { seen: Vec::new() }, &[task], |request| request.max_prompt = 20).unwrap_err().to_string();
    assert!(error.contains("there is room for 20"), "{error}");
}

#[test]
fn the_drawn_questions_are_the_same_for_a_group() {
    let (policy, mut task) = episode();
    task.questions = (0..10).map(|i| question(&format!("Who is {i}?"), "x")).collect();
    let tasks = [task.clone(), task];
    let batch = played(&policy, &mut Plain { seen: Vec::new() }, &tasks, |request| request.question_share = 0.25).unwrap();
    let asked: Vec<Vec<&str>> =
        batch.rollouts.iter().map(|rollout| rollout.answers.iter().map(|asked| asked.question.as_str()).collect()).collect();
    assert!(asked.iter().all(|asked| asked.len() == 3));
    assert!(asked[0] == asked[1] && asked[2] == asked[3] && asked[0] != asked[2], "{asked:?}");
}

#[test]
fn a_rollout_may_draw_what_another_one_drew() {
    let (policy, task) = episode();
    let drawn = |task: &Task, salt: u32| {
        policy.streams.borrow_mut().clear();
        played(&policy, &mut Plain { seen: Vec::new() }, std::slice::from_ref(task), |request| request.salt = salt).unwrap();
        policy.streams.take()
    };
    let path = |path: [u32; 3]| Stream::new(7, 0, path);
    assert_eq!(drawn(&task, 0)[..4], [[0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1]].map(path));
    // It goes on from the third step of rollout 2 of episode 6, in a request with the same salt.
    let task = Task { draws: Some(Draws { episode: 5, member: 1, step: 2 }), ..task };
    assert_eq!(drawn(&task, 3)[..4], [[5 ^ 3 << 16, 1, 2], [5 ^ 3 << 16, 2, 2], [5 ^ 3 << 16, 1, 3], [5 ^ 3 << 16, 2, 3]].map(path));
}
