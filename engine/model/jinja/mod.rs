//! Jinja templates as transformers renders them, within limits.
//!
//! minijinja parses a template and runs its statements. What a value is, and what operators, filters, tests and methods make of it, is ours
//! and follows Python and Jinja2; [`rewrite`] puts it in the place of minijinja's own.
//!
//! A template comes with a model folder, which may come from anywhere. It may take `FUEL` instructions, and all texts, lists and output
//! that it makes are paid for from a [`Budget`]. So every template ends soon.

mod checks;
mod compare;
mod dates;
mod filters;
mod format;
mod methods;
mod numbers;
mod objects;
mod percent;
mod prose;
mod rewrite;
mod text;
mod unicode;
mod values;
mod write;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use minijinja::machinery::{CodeGenerator, Token, eval, make_string_output, parse, tokenize};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Rest, ValueOrKwargs};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value, functions};
use serde_json::Value as Json;

pub use dates::strftime;
use values::{Args, invalid};

/// The most instructions of a rendering; a message takes about a hundred.
const FUEL: usize = 1_000_000;

/// Bytes that any rendering may make, and how many more for each byte of input.
const BYTES: usize = 16 << 20;
const BYTES_EACH: usize = 16;

/// The longest template in bytes; published ones have fewer than 20,000.
const LONGEST: usize = 1 << 20;

/// Stack of the rendering thread: enough for the longest chain of filters that [`FUEL`] allows. Only what is used takes memory.
const STACK: usize = 256 << 20;

/// The bytes that a rendering may still make.
#[derive(Debug, Clone)]
pub(super) struct Budget(Arc<AtomicUsize>);

impl Budget {
    fn new(bytes: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(bytes)))
    }

    /// Pays for this many bytes.
    fn spend(&self, bytes: usize) -> Result<(), Error> {
        self.fits(bytes)?;
        self.0.fetch_sub(bytes, Relaxed);
        Ok(())
    }

    /// Fails if this many bytes cannot be paid for.
    fn fits(&self, bytes: usize) -> Result<(), Error> {
        if bytes <= self.0.load(Relaxed) { Ok(()) } else { Err(invalid("the template makes too much text")) }
    }
}

/// Renders a template with these variables. `now` is the time in seconds since 1970. Errors are one line.
pub(super) fn render(source: &str, variables: &serde_json::Map<String, Json>, now: u64) -> Result<String, String> {
    let work = || render_here(source, variables, now).map_err(|error| describe(&error));
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("template".into()).stack_size(STACK).spawn_scoped(scope, work);
        let thread = thread.map_err(|error| format!("no thread for it: {error}"))?;
        thread.join().unwrap_or_else(|_| Err("it cannot be rendered (a fault in the template engine)".into()))
    })
}

fn describe(error: &Error) -> String {
    let line = error.line().map_or(String::new(), |line| format!("line {line}: "));
    match (error.kind(), error.detail()) {
        (ErrorKind::OutOfFuel, _) => format!("{line}it does not end, or takes far too many instructions"),
        (ErrorKind::InvalidOperation, Some(detail)) => format!("{line}{detail}"),
        (kind, Some(detail)) => format!("{line}{kind}: {detail}"),
        (kind, None) => format!("{line}{kind}"),
    }
}

fn render_here(source: &str, variables: &serde_json::Map<String, Json>, now: u64) -> Result<String, Error> {
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?;
    // Training tools mark the assistant's text with these tags. For rendering they are a block with its own variables.
    let tags = regex::Regex::new(r"\{%([-+]?)\s*(end)?generation\s*([-+]?)%\}").map_err(|e| invalid(e.to_string()))?;
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let source = tags.replace_all(&source, "{%$1 ${2}with $3%}");
    let raw = inspect(&source, &syntax)?;
    let input = serde_json::to_string(variables).map_err(|e| invalid(e.to_string()))?.len();
    let budget = Budget::new(BYTES + BYTES_EACH * input);
    let context = variables.iter().map(|(name, value)| Ok((name.as_str(), value_of(value)?))).collect::<Result<Vec<_>, Error>>()?;
    let mut env = environment(&budget, now);
    // Text outside of tags is not paid for, so the longer it is, the less often it may be output.
    env.set_fuel(Some(FUEL.min(4 * BYTES / raw.max(1)) as u64));

    let ast = rewrite::template(&parse(&source, "chat template", syntax)?)?;
    let mut generator = CodeGenerator::new("chat template", &source);
    generator.compile_stmt(&ast);
    let (code, blocks) = generator.finish();
    let mut text = String::new();
    eval(&env, &code, Value::from_pairs(context), &blocks, &mut make_string_output(&mut text), AutoEscape::None)?;
    Ok(text)
}

/// The key of the object that stands for an integer of more than 64 bits, which serde_json cannot hold: its digits are the value.
const INTEGER: &str = "\u{fdd1}integer";

/// JSON text, read as Python reads it: integers of more than 64 bits are kept.
pub fn read_json(text: &str) -> serde_json::Result<Json> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['"', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = if rest.starts_with('"') {
            let mut escaped = false;
            let end = rest.bytes().skip(1).position(|byte| {
                let ends = byte == b'"' && !escaped;
                escaped = byte == b'\\' && !escaped;
                ends
            });
            end.map_or(rest.len(), |end| end + 2)
        } else {
            rest.find(|c: char| !matches!(c, '-' | '+' | '.' | 'e' | 'E' | '0'..='9')).unwrap_or(rest.len())
        };
        let (token, after) = rest.split_at(length);
        let digits = token.strip_prefix('-').unwrap_or(token);
        let large = digits.len() > 18 && digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
        match token {
            "-0" => out.push('0'),
            _ if large => out.push_str(&format!("{{\"{INTEGER}\":\"{token}\"}}")),
            _ => out.push_str(token),
        }
        rest = after;
    }
    serde_json::from_str(&(out + rest))
}

/// A JSON value as a template sees it.
fn value_of(json: &Json) -> Result<Value, Error> {
    Ok(match json {
        Json::Null => Value::from(()),
        Json::Bool(flag) => Value::from(*flag),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(n), _) => Value::from(n),
            (_, Some(n)) => Value::from(n),
            _ => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => Value::from(items.iter().map(value_of).collect::<Result<Vec<_>, _>>()?),
        Json::Object(fields) => match fields.get(INTEGER) {
            Some(Json::String(digits)) => match digits.parse::<i128>() {
                Ok(n) => Value::from(n),
                Err(_) => return Err(invalid(format!("the integer {digits} has more than 128 bits, which is not supported"))),
            },
            _ => {
                let pairs = fields.iter().map(|(name, value)| Ok((Value::from(name.as_str()), value_of(value)?)));
                Value::from_pairs(pairs.collect::<Result<Vec<_>, Error>>()?)
            }
        },
    })
}

/// The length of the longest text outside of tags.
fn inspect(source: &str, syntax: &SyntaxConfig) -> Result<usize, Error> {
    if source.len() > LONGEST {
        return Err(invalid(format!("it has {} bytes; a chat template has at most {LONGEST}", source.len())));
    }
    let mut longest = 0;
    for token in tokenize(source, false, syntax.clone()) {
        if let Token::TemplateData(text) = token?.0 {
            longest = longest.max(text.len());
        }
    }
    Ok(longest)
}

/// The environment of a template: our filters and tests, and the functions of Jinja and transformers.
fn environment(budget: &Budget, now: u64) -> Environment<'static> {
    let mut env = Environment::empty();
    env.set_undefined_behavior(UndefinedBehavior::Lenient);
    let b = budget.clone();
    env.set_formatter(move |out: &mut Output, _: &mut State, value: &Value| Ok(out.write_str(&write::text(value, &b)?)?));
    for name in rewrite::OPERATORS {
        let b = budget.clone();
        env.add_filter(*name, move |state: &mut State, args: Rest<ValueOrKwargs>| operate(name, state, &args.into_values(), &b));
    }
    for name in filters::NAMES {
        let b = budget.clone();
        env.add_filter(*name, move |args: Rest<ValueOrKwargs>| paid(filters::apply(name, Args::of(&args.into_values())?, &b), &b));
    }
    for name in checks::NAMES {
        let b = budget.clone();
        env.add_test(*name, move |args: Rest<ValueOrKwargs>| checks::apply(name, Args::of(&args.into_values())?, &b));
    }
    let b = budget.clone();
    let namespace = Value::from_function(functions::namespace);
    env.add_function("namespace", move |state: &mut State, args: Rest<ValueOrKwargs>| {
        let args = args.into_values();
        write::held(&args, &b)?;
        if let Some((name, _)) = Args::of(&args)?.named.iter().find(|(name, _)| name.starts_with('_')) {
            return Err(invalid(format!("{name} begins with an underscore, which transformers refuses in a namespace")));
        }
        namespace.call(state, &args)
    });
    env.add_global("dict", Value::from_object(objects::Dict(budget.clone())));
    env.add_function("range", |args: Rest<ValueOrKwargs>| objects::Range::of(Args::of(&args.into_values())?));
    env.add_function("cycler", |args: Rest<Value>| match args.0.is_empty() {
        true => Err(invalid("cycler needs at least one item")),
        false => Ok(Value::from_object(objects::Cycler { items: args.0, place: AtomicUsize::new(0) })),
    });
    env.add_function("joiner", |args: Rest<ValueOrKwargs>| {
        let [between] = Args::of(&args.into_values())?.bind("joiner", ["sep"], 0)?;
        let between = between.unwrap_or_else(|| Value::from(", "));
        Ok::<_, Error>(Value::from_object(objects::Joiner { between, used: false.into() }))
    });
    env.add_function("lipsum", |_: Rest<ValueOrKwargs>| -> Result<Value, Error> {
        Err(invalid("lipsum is not supported: a prompt must be the same each time"))
    });
    env.add_function("raise_exception", |message: Value| -> Result<Value, Error> { Err(invalid(message.to_string())) });
    env.add_function("strftime_now", move |format: &str| strftime(format, now));
    env
}

/// What the compiled code calls in the place of operators.
fn operate(name: &str, state: &mut State<'_, '_>, args: &[Value], budget: &Budget) -> Result<Value, Error> {
    match (name, args) {
        ("compare", _) => compare::chain(&Args::of(args)?, budget),
        (".", [value, name]) => methods::attribute(value, name.as_str().unwrap_or_default(), budget),
        (".()", [value, name, rest @ ..]) => methods::invoke(state, value, name.as_str().unwrap_or_default(), rest, budget),
        ("[]", [value, at]) => methods::item(value, at, budget),
        ("[:]", [value, start, stop, step]) => methods::slice(value, [start, stop, step], budget),
        ("~", [left, right]) => Ok(Value::from(write::text(left, budget)? + &write::text(right, budget)?)),
        ("-x", [value]) => numbers::negated(value),
        ("list[]", items) => write::held(items, budget).map(|()| values::list(items.to_vec())),
        ("tuple[]", items) => write::held(items, budget).map(|()| values::tuple(items.to_vec())),
        ("dict[]", items) => {
            write::held(items, budget)?;
            let pairs = items.chunks_exact(2).map(|pair| Ok((values::key(&pair[0])?.clone(), pair[1].clone())));
            Ok(values::dict(pairs.collect::<Result<_, Error>>()?))
        }
        ("for", [value]) => values::items(value, budget).map(values::list),
        (sign, [left, right]) => numbers::arithmetic(sign, left, right, budget),
        (name, _) => Err(invalid(format!("{name} with {} operands", args.len()))),
    }
}

/// Pays for the result of a call.
fn paid(result: Result<Value, Error>, budget: &Budget) -> Result<Value, Error> {
    let value = result?;
    budget.spend(value.as_str().map_or(1, str::len))?;
    Ok(value)
}
