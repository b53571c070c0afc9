//! `finemem-engine chat`: a conversation with a model in the terminal. Ctrl-C ends an answer; at the prompt it ends the program.

use std::io::{IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use finemem::generate::{Completion, Finish, Generator, Options, Request, Stream};
use finemem::memory::calls::split_thought;
use finemem::model::{Chat, Model};
use finemem::{Error, Result, stop};
use finemem_script::Calls;
use serde_json::{Value, json};

use crate::device::Where;
use crate::input::Input;

#[derive(Args)]
pub(crate) struct Settings {
    /// A model folder.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    #[command(flatten)]
    place: Where,
    /// System message, which the model reads before the conversation.
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// Longest answer, in tokens.
    #[arg(long, default_value_t = 1024)]
    max_tokens: usize,
    /// Sampling temperature; 0 is greedy [default: the model's generation_config.json, else 1].
    #[arg(long)]
    temperature: Option<f32>,
    /// Sample from this many of the likeliest tokens; 0 means all [default: the model's, else 0].
    #[arg(long)]
    top_k: Option<u32>,
    /// Sample from the likeliest tokens that together have this probability [default: the model's, else 1].
    #[arg(long)]
    top_p: Option<f32>,
    /// Sample from tokens that have at least this share of the likeliest one's probability [default: the model's, else 0].
    #[arg(long)]
    min_p: Option<f32>,
    /// Random seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How the model writes tool calls, a name in scripts/dialects [default: as its chat template shows].
    #[arg(long, value_name = "NAME")]
    dialect: Option<String>,
    /// Let the model think before it answers, if its template supports that.
    #[arg(long)]
    thinking: bool,
}

/// Chats until the input ends.
pub(crate) fn chat(settings: &Settings) -> Result<()> {
    let device = settings.place.open()?;
    let started = Instant::now();
    let model = Model::load_as(&settings.model, &device, None)?;
    let options = options(settings, &model)?;
    let mut messages: Vec<Value> = settings.system.iter().map(|text| json!({ "role": "system", "content": text })).collect();
    // A folder without a chat template fails here, before anything is typed.
    prompt_of(&model, settings, &[messages.clone(), vec![json!({ "role": "user", "content": "" })]].concat())?;
    if settings.system.is_some() && !model.chat_template.carries()?.system {
        eprintln!("The chat template has no place for a system message: its text comes before your first message.");
    }
    let mut generator = Generator::new(&model)?;
    generator.keep_prompts();
    stop::install_quietly()?;
    let calls = match Calls::of(&model.chat_template, settings.dialect.as_deref()) {
        Err(error) if settings.dialect.is_none() => {
            eprintln!("calls in answers are not read: {error}");
            None
        }
        found => Some(found?),
    };
    if let Some(calls) = &calls {
        eprintln!("calls are read as {} writes them: {}", calls.name, calls.why);
    }
    eprintln!("{model}, loaded in {:.1} s. Ctrl-C ends an answer, Ctrl-D the conversation.", started.elapsed().as_secs_f64());
    let (typed, mut input) = (std::io::stdin().is_terminal(), Input::default());
    for turn in 0.. {
        if typed {
            eprint!("> ");
        }
        let line = match input.line() {
            Ok(Some(line)) if line.trim().is_empty() => continue,
            Ok(Some(line)) => line,
            Ok(None) => return Ok(()),
            Err(error @ Error::Format { .. }) => {
                eprintln!("left out: {error}");
                continue;
            }
            Err(error) => return Err(error),
        };
        messages.push(json!({ "role": "user", "content": line }));
        let prompt = prompt_of(&model, settings, &messages)?;
        let text = answer(&model, &mut generator, prompt, &options, Stream::new(settings.seed, 0, [turn, 0, 0]))?;
        if let Some(calls) = &calls {
            report(calls, &text)?;
        }
        messages.push(json!({ "role": "assistant", "content": text }));
    }
    Ok(())
}

/// The command line's settings, and for those left out what the model's publisher recommends.
fn options(settings: &Settings, model: &Model) -> Result<Options> {
    let recommended = model.folder.generation_config();
    let sampled = recommended.get("do_sample").and_then(Value::as_bool).unwrap_or(true);
    let number = |key: &str| recommended.get(key).and_then(Value::as_f64).filter(|_| sampled);
    let options = Options {
        temperature: settings.temperature.unwrap_or_else(|| number("temperature").unwrap_or(if sampled { 1.0 } else { 0.0 }) as f32),
        top_k: settings.top_k.unwrap_or_else(|| number("top_k").unwrap_or(0.0) as u32),
        top_p: settings.top_p.unwrap_or_else(|| number("top_p").unwrap_or(1.0) as f32),
        min_p: settings.min_p.unwrap_or_else(|| number("min_p").unwrap_or(0.0) as f32),
        max_tokens: settings.max_tokens,
        stop: Vec::new(),
    };
    options.check()?;
    Ok(options)
}

fn prompt_of(model: &Model, settings: &Settings, messages: &[Value]) -> Result<Vec<u32>> {
    let chat =
        Chat { messages: messages.to_vec(), add_generation_prompt: true, enable_thinking: Some(settings.thinking), ..Chat::default() };
    model.tokenizer.encode(&model.prompt(&chat)?)
}

/// Says which calls an answer makes.
fn report(calls: &Calls, answer: &str) -> Result<()> {
    for call in calls.read(split_thought("", answer).1)?.calls {
        match call.error {
            None => eprintln!("[calls {}: {}]", call.name.unwrap_or_default(), call.arguments),
            Some(why) => eprintln!("[a call that cannot be read: {why}]"),
        }
    }
    Ok(())
}

/// Prints the answer as it is sampled, then its length and speed.
fn answer(model: &Model, generator: &mut Generator, prompt: Vec<u32>, options: &Options, stream: Stream) -> Result<String> {
    let room = model.config.max_position_embeddings.saturating_sub(prompt.len());
    if room == 0 {
        let longest = model.config.max_position_embeddings;
        return Err(Error::argument(format!(
            "the conversation has {} tokens, but the model's longest sequence is {longest}: start a new conversation",
            prompt.len()
        )));
    }
    let options = Options { max_tokens: options.max_tokens.min(room), ..options.clone() };
    let tokens = prompt.len();
    let (began, mut first) = (Instant::now(), None);
    let mut shown = String::new();
    let mut show = |_: usize, _: usize, completion: &Completion| {
        first.get_or_insert_with(Instant::now);
        let ended = completion.tokens.last().is_some_and(|last| model.config.eos_token_id.contains(last));
        let text = model.tokenizer.decode(&completion.tokens[..completion.tokens.len() - usize::from(ended)]).unwrap_or_default();
        // A character decodes as this sign until all of its bytes are sampled.
        if let Some(new) = text.strip_prefix(shown.as_str()).filter(|new| !new.ends_with('\u{fffd}')) {
            print!("{new}");
            // If it cannot be written, the next print fails.
            let _ = std::io::stdout().flush();
            shown = text;
        }
        if stop::pending() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let request = Request { prompt, streams: vec![stream] };
    let (done, interrupted) = stop::during(|| (generator.stream(model, &[request], &options, &mut show), stop::pending()));
    let done = done?;
    println!();
    let completion = &done[0][0];
    let (count, now) = (completion.tokens.len(), Instant::now());
    let first = first.unwrap_or(now);
    let why = match completion.finish {
        _ if interrupted => ", interrupted",
        Finish::Length => ", cut at --max-tokens",
        Finish::Stop => "",
    };
    eprintln!(
        "[{count} tokens{why}, {:.1} a second; prompt of {tokens} tokens in {:.1} s]",
        (count - 1).max(1) as f64 / (now - first).as_secs_f64().max(1e-9),
        (first - began).as_secs_f64(),
    );
    Ok(shown)
}
