//! Playing episodes. All rollouts take each step together, so that their prompts form one batch.

use super::step::{Answer, Memory, step};
use super::{Batch, Draws, Outcome, Rollout, Step, Task, Turn};
use crate::data::Question;
use crate::generate::{self, Completion, Finish, Options, Stream};
use crate::memory::calls::Parsed;
use crate::memory::tools::Tool;
use crate::memory::{Items, Store};
use crate::model::Model;
use crate::model::plain::unmarked;
use crate::random::Rng;
use crate::reason::{Asked, Asking, Reason, Retrieval, ask};
use crate::{Error, Result, progress};

/// A rollout's position: the next step.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    /// The index of the rollout in its batch, from 0.
    pub rollout: usize,
    /// The number of the step, from 0.
    pub step: usize,
    /// The chunk to read.
    pub chunk: &'a str,
    /// The policy's role at this step, in episodes with roles.
    pub role: Option<&'a str>,
}

/// The id that a call wrote, if any, or why the call is not valid.
pub type Carried = Result<Option<u64>, String>;

/// The contract between a policy and its memory: how it is prompted, and what its calls do.
///
/// An error ends the whole batch. A problem with a single call is not an error, but a refusal in [`Carried`].
pub trait Manager {
    /// The part of a memory that a prompt shows.
    type View;
    /// The manager's error type.
    type Error;

    /// Converts an error of the engine.
    fn error(error: Error) -> Self::Error;

    /// Chooses at most `limit` items for a prompt.
    fn view(&mut self, at: &At<'_>, store: &mut Store, limit: usize) -> Result<Self::View, Self::Error>;

    /// Makes the prompt of a step; `last` is the step before it in this rollout.
    fn prompt(&mut self, at: &At<'_>, store: &Store, view: Self::View, last: Option<&Step>) -> Result<String, Self::Error>;

    /// What a teacher answers in the policy's place; `None` if there is no teacher. It gets the step's prompt.
    fn teach(&mut self, _: &At<'_>, _prompt: &str) -> Result<Option<String>, Self::Error> {
        Ok(None)
    }

    /// Reads the calls in an answer; `tools` are the names that calls may use. The thought before the answer is not part of it.
    fn parse(&mut self, answer: &str, tools: &[&str]) -> Result<Parsed, Self::Error>;

    /// Carries out the call `calls[index]` with the tool `tools[tool]` of the request, which its arguments were checked against. `calls`
    /// are all calls of the step, those before `index` with their outcomes. If it refuses, the store is rolled back.
    fn carry_out(&mut self, at: &At<'_>, store: &mut Store, tool: usize, calls: &[Outcome], index: usize) -> Result<Carried, Self::Error>;
}

/// The part of a policy that a rollout needs.
pub trait Sample {
    /// The tokens of a prompt.
    fn encode(&self, text: &str) -> Result<Vec<u32>>;
    /// The tokens of a text that is data, without control tokens.
    fn encode_plain(&self, text: &str) -> Result<Vec<u32>> {
        self.encode(text)
    }
    /// The token that ends an answer, if there is one.
    fn end(&self) -> Option<u32> {
        None
    }
    /// The text of a completion, without its end token.
    fn decode(&self, completion: &Completion) -> Result<String>;
    /// Samples the completions of every request. `turn` counts from 0; the weights do not change between turns.
    fn take_turn(&self, turn: usize, requests: &[generate::Request], options: &Options) -> Result<Vec<Vec<Completion>>>;
}

impl Sample for (&Model, &generate::SharedGenerator) {
    fn encode(&self, text: &str) -> Result<Vec<u32>> {
        self.0.tokenizer.encode(text)
    }
    fn encode_plain(&self, text: &str) -> Result<Vec<u32>> {
        self.0.tokenizer.encode_plain(text)
    }
    fn end(&self) -> Option<u32> {
        self.0.config.eos_token_id.first().copied()
    }
    fn decode(&self, completion: &Completion) -> Result<String> {
        completion.text(self.0)
    }
    fn take_turn(&self, turn: usize, requests: &[generate::Request], options: &Options) -> Result<Vec<Vec<Completion>>> {
        self.1.take_turn(turn, self.0, requests, options)
    }
}

/// What to play, and how.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The episodes.
    pub tasks: &'a [Task],
    /// Rollouts of each episode.
    pub group: usize,
    /// Seed and number of updates so far.
    pub seed: (u64, u64),
    /// A different number gives different samples with the same seed.
    pub salt: u32,
    /// Share of the questions at the end that is drawn, the same questions for all rollouts of an episode. In (0, 1].
    pub question_share: f64,
    /// How completions are sampled.
    pub sampling: &'a Options,
    /// Longest prompt in tokens.
    pub max_prompt: usize,
    /// Most items that a prompt shows; fewer if it would be too long.
    pub view_items: usize,
    /// The tools that calls may name.
    pub tools: &'a [Tool],
    /// Which items a question is answered from.
    pub retrieval: Retrieval,
}

/// A rollout in progress.
struct Live<'a> {
    task: &'a Task,
    /// The random numbers of its first step.
    draws: Draws,
    questions: Vec<&'a Question>,
    memory: Memory,
    rollout: Rollout,
    turns: Vec<Turn>,
}

impl<'a> Live<'a> {
    /// Its position when it reads the chunk at index `t`.
    fn at(&self, rollout: usize, t: usize) -> At<'a> {
        At { rollout, step: self.task.first + t, chunk: &self.task.chunks[t], role: self.task.roles.get(t).map(String::as_str) }
    }
}

/// Plays every episode of the request with every member of its group.
///
/// # Errors
/// A prompt that does not fit even without items; any error of manager, policy or reasoner.
pub fn play<M: Manager>(policy: &dyn Sample, manager: &mut M, reasoner: &dyn Reason, request: &Request<'_>) -> Result<Batch, M::Error> {
    let mut lives = begin(policy, request).map_err(M::error)?;
    let _work = progress::begin("rollout", "answers");
    let texts = request.tasks.iter().map(|task| task.chunks.len()).max().unwrap_or(0);
    for t in 0..texts {
        progress::text(t + 1, texts);
        let active: Vec<usize> = (0..lives.len()).filter(|i| t < lives[*i].task.chunks.len()).collect();
        let mut prompts = Vec::with_capacity(active.len());
        let mut requests = Vec::with_capacity(active.len());
        let mut taught = Vec::new();
        for &i in &active {
            let (text, tokens) = prompt(policy, manager, request, &mut lives[i], i, t)?;
            let Draws { episode, member, step } = lives[i].draws;
            let path = [episode as u32 ^ request.salt.rotate_left(16), member as u32, (step + t) as u32];
            if let Some(answer) = manager.teach(&lives[i].at(i, t), &text)? {
                taught.push(vec![completion(policy, &answer, request.sampling.max_tokens).map_err(M::error)?]);
            }
            prompts.push(unmarked(&text).into_owned());
            requests.push(generate::Request { prompt: tokens, streams: vec![Stream::new(request.seed.0, request.seed.1, path)] });
        }
        let completions = if taught.is_empty() { policy.take_turn(t, &requests, request.sampling).map_err(M::error)? } else { taught };
        for (((&i, prompt), asked), completion) in active.iter().zip(prompts).zip(requests).zip(completions.into_iter().flatten()) {
            let live = &mut lives[i];
            let text = policy.decode(&completion).map_err(M::error)?;
            let answer = Answer { prompt, prompt_tokens: &asked.prompt, completion: &completion, text };
            let step = step(manager, request.tools, &live.at(i, t), &mut live.memory, answer)?;
            live.rollout.steps.push(step);
            let (episode, Completion { tokens, logprobs, .. }) = (live.rollout.episode, completion);
            live.turns.push(Turn { rollout: i, episode, step: t, prompt: asked.prompt, completion: tokens, logprobs });
        }
        let questions = |i: usize| lives[i].task.chunk_questions.get(t).into_iter().flatten().map(move |question| (i, question));
        let asked: Vec<(usize, &Question)> = active.iter().flat_map(|i| questions(*i)).collect();
        for (i, answer) in answers(reasoner, request, &lives, &asked).map_err(M::error)? {
            lives[i].rollout.steps[t].chunk_answers.push(answer);
        }
    }
    let asked: Vec<(usize, &Question)> = (0..).zip(&lives).flat_map(|(i, live)| live.questions.iter().map(move |q| (i, *q))).collect();
    for (i, answer) in answers(reasoner, request, &lives, &asked).map_err(M::error)? {
        lives[i].rollout.answers.push(answer);
    }
    let mut batch = Batch { rollouts: Vec::with_capacity(lives.len()), turns: Vec::new(), temperature: request.sampling.temperature };
    for live in lives {
        let Memory { store, items: memory, .. } = live.memory;
        let mut memory_tokens = 0;
        for item in store.items() {
            memory_tokens += policy.encode_plain(&item.content).map_err(M::error)?.len();
        }
        batch.rollouts.push(Rollout { memory, journal: store.journal().to_vec(), memory_tokens, ..live.rollout });
        batch.turns.extend(live.turns);
    }
    Ok(batch)
}

/// A teacher's answer as a completion. The policy has not sampled it, so it has no log-probabilities.
fn completion(policy: &dyn Sample, answer: &str, longest: usize) -> Result<Completion> {
    let mut tokens = policy.encode(answer)?;
    tokens.extend(policy.end());
    if tokens.len() > longest {
        return Err(Error::argument(format!("the teacher's answer has {} tokens, and max_tokens is {longest}", tokens.len())));
    }
    Ok(Completion { logprobs: Vec::new(), tokens, finish: Finish::Stop })
}

/// All rollouts before their first step. All rollouts of an episode draw the same questions.
fn begin<'a>(policy: &dyn Sample, request: &Request<'a>) -> Result<Vec<Live<'a>>> {
    let mut lives = Vec::with_capacity(request.tasks.len() * request.group);
    for (episode, task) in request.tasks.iter().enumerate() {
        let mut input_tokens = 0;
        for chunk in &task.chunks {
            input_tokens += policy.encode_plain(chunk)?.len();
        }
        let draws = task.draws.unwrap_or(Draws { episode, member: 0, step: 0 });
        let mut drawn: Vec<usize> = (0..task.questions.len()).collect();
        if request.question_share < 1.0 {
            Rng::new(&[request.seed.0, request.seed.1, u64::from(request.salt), draws.episode as u64]).shuffle(&mut drawn);
            drawn.truncate(((drawn.len() as f64 * request.question_share).ceil() as usize).max(1));
            drawn.sort_unstable();
        }
        for member in 0..request.group {
            lives.push(Live {
                task,
                draws: Draws { member: draws.member + member, ..draws },
                questions: drawn.iter().map(|at| &task.questions[*at]).collect(),
                memory: Memory::new(task.memory.clone()),
                rollout: Rollout {
                    episode,
                    member,
                    first: task.first,
                    state: task.state.clone(),
                    steps: Vec::with_capacity(task.chunks.len()),
                    answers: Vec::new(),
                    memory: Items::default(),
                    journal: Vec::new(),
                    memory_tokens: 0,
                    input_tokens,
                },
                turns: Vec::new(),
            });
        }
    }
    Ok(lives)
}

/// The prompt of a step and its tokens, with as many items as fit.
fn prompt<M: Manager>(
    policy: &dyn Sample,
    manager: &mut M,
    request: &Request<'_>,
    live: &mut Live<'_>,
    rollout: usize,
    t: usize,
) -> Result<(String, Vec<u32>), M::Error> {
    let (at, room) = (live.at(rollout, t), request.max_prompt);
    let mut limit = request.view_items;
    loop {
        let view = manager.view(&at, &mut live.memory.store, limit)?;
        let text = manager.prompt(&at, &live.memory.store, view, live.rollout.steps.last())?;
        let tokens = policy.encode(&text).map_err(M::error)?;
        if tokens.len() <= room {
            return Ok((text, tokens));
        }
        if limit == 0 {
            return Err(M::error(Error::argument(format!(
                "a prompt without any memory item has {} tokens, and there is room for {room} (max_prompt, or the model's longest sequence less max_tokens): use shorter chunks",
                tokens.len()
            ))));
        }
        limit /= 2;
    }
}

/// Answers questions from the memories of rollouts, all in one batch. Returns each answer with its rollout.
fn answers(reasoner: &dyn Reason, request: &Request<'_>, lives: &[Live<'_>], asked: &[(usize, &Question)]) -> Result<Vec<(usize, Asked)>> {
    let asking: Vec<Asking<'_>> = asked.iter().map(|(i, question)| (&lives[*i].memory.store, *question)).collect();
    let answered = ask(reasoner, request.retrieval, &asking)?;
    Ok(asked.iter().map(|(i, _)| *i).zip(answered).collect())
}
