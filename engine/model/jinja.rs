//! Jinja templates as transformers renders them, through minijinja, within limits.
//!
//! A template comes with a model folder, which may come from anywhere. It may take `FUEL` instructions, and all texts, lists and output
//! that it makes are paid for from a [`Budget`]. So every template ends soon. Operators that make or compare values are replaced by our own
//! in the compiled code, which needs the pinned `unstable_machinery`. Ours follow Python, and they pay.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use minijinja::machinery::{CodeGenerator, Instruction, Instructions, Token, eval, make_string_output, parse, tokenize};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Rest, Serde, Tuple, ValueKind, ValueOrKwargs};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value, filters, functions};
use minijinja_contrib::pycompat::unknown_method_callback;

use super::python::{self, invalid};

/// The most instructions of a rendering; a message takes about fifty.
const FUEL: usize = 1_000_000;

/// Bytes that any rendering may make, and how many more for each byte of input.
const BYTES: usize = 16 << 20;
const BYTES_EACH: usize = 16;

/// The longest template in bytes; published ones have fewer than 20,000.
const LONGEST: usize = 1 << 20;

/// Stack of the rendering thread: enough for the longest chain of filters that [`FUEL`] allows. Only what is used takes memory.
const STACK: usize = 256 << 20;

/// The bytes that a rendering may still make.
#[derive(Clone)]
pub(super) struct Budget(Arc<AtomicUsize>);

impl Budget {
    /// Pays for this many bytes.
    pub(super) fn spend(&self, bytes: usize) -> Result<(), Error> {
        self.fits(bytes)?;
        self.0.fetch_sub(bytes, Relaxed);
        Ok(())
    }

    /// Fails if this many bytes cannot be paid for.
    pub(super) fn fits(&self, bytes: usize) -> Result<(), Error> {
        if bytes <= self.0.load(Relaxed) { Ok(()) } else { Err(invalid("the template makes too much text")) }
    }
}

/// Renders a template with these variables. `now` is the time in seconds since 1970. Errors are one line.
pub(super) fn render(source: &str, variables: &serde_json::Map<String, serde_json::Value>, now: u64) -> Result<String, String> {
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

fn render_here(source: &str, variables: &serde_json::Map<String, serde_json::Value>, now: u64) -> Result<String, Error> {
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?;
    // Training tools mark the assistant's text with these tags. For rendering they are a block with its own variables.
    let tags = regex::Regex::new(r"\{%([-+]?)\s*(end)?generation\s*([-+]?)%\}").map_err(|e| invalid(e.to_string()))?;
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let source = tags.replace_all(&source, "{%$1 ${2}with $3%}");
    let raw = inspect(&source, &syntax)?;
    let context = Value::from(Serde(variables));
    let input = serde_json::to_string(variables).map_err(|e| invalid(e.to_string()))?.len();
    let budget = Budget(Arc::new(AtomicUsize::new(BYTES + BYTES_EACH * input)));
    let mut env = environment(&budget, now);
    // Text outside of tags is not paid for, so the longer it is, the less often it may be output.
    env.set_fuel(Some(FUEL.min(4 * BYTES / raw.max(1)) as u64));

    let ast = parse(&source, "chat template", syntax)?;
    let mut generator = CodeGenerator::new("chat template", &source);
    generator.compile_stmt(&ast);
    let (mut code, mut blocks) = generator.finish();
    std::iter::once(&mut code).chain(blocks.values_mut()).try_for_each(replace_operators)?;
    let mut text = String::new();
    eval(&env, &code, context, &blocks, &mut make_string_output(&mut text), AutoEscape::None)?;
    Ok(text)
}

/// Replaces operators by our own functions.
fn replace_operators(code: &mut Instructions<'_>) -> Result<(), Error> {
    let mut at = 0;
    while let Some(instruction) = code.get_mut(at) {
        let (name, count) = match instruction {
            Instruction::Add => ("+", 2),
            Instruction::Mul => ("*", 2),
            Instruction::StringConcat => ("~", 2),
            Instruction::Slice => ("[:]", 4),
            Instruction::GetItem => ("[.]", 2),
            Instruction::BuildList(Some(count)) => ("[]", *count),
            Instruction::BuildTuple(Some(count)) => ("()", *count),
            Instruction::BuildMap(count) => ("{}", 2 * *count),
            Instruction::Eq => ("==", 2),
            Instruction::Ne => ("!=", 2),
            Instruction::Lt => ("<", 2),
            Instruction::Lte => ("<=", 2),
            Instruction::Gt => (">", 2),
            Instruction::Gte => (">=", 2),
            Instruction::In => ("in", 2),
            Instruction::CompareAndPreserve(_) => return Err(invalid("comparisons cannot be chained here: write a < b and b < c")),
            _ => ("", 0),
        };
        if !name.is_empty() {
            let count = u16::try_from(count).map_err(|_| invalid("a list of so many items"))?;
            *instruction = Instruction::ApplyFilter(name, Some(count), !0);
        }
        at += 1;
    }
    Ok(())
}

/// The length of the longest text outside of tags. Fails for constants that grow while the template is compiled.
fn inspect(source: &str, syntax: &SyntaxConfig) -> Result<usize, Error> {
    if source.len() > LONGEST {
        return Err(invalid(format!("it has {} bytes; a chat template has at most {LONGEST}", source.len())));
    }
    let (mut raw, mut longest, mut product, mut number, mut times) = (0, 1, 1usize, 1, false);
    for token in tokenize(source, false, syntax.clone()) {
        let (token, _) = token?;
        let int = if let Token::Int(n) = token { usize::try_from(n).unwrap_or(usize::MAX) } else { 1 };
        if times || matches!(token, Token::Mul) {
            product = product.saturating_mul(if times { int.max(1) } else { number.max(1) });
        }
        (number, times) = (int, matches!(token, Token::Mul));
        match &token {
            Token::TemplateData(text) => raw = raw.max(text.len()),
            Token::Str(text) => longest = longest.max(text.len()),
            Token::String(text) => longest = longest.max(text.len()),
            _ => {}
        }
    }
    if product.saturating_mul(longest) > BYTES { Err(invalid("the template makes too much text")) } else { Ok(raw) }
}

/// The environment of a template: the filters, tests, methods and functions of Jinja that chat templates use, and those that transformers
/// adds.
fn environment(budget: &Budget, now: u64) -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Lenient);
    let b = budget.clone();
    env.set_formatter(move |out: &mut Output, _: &mut State, value: &Value| Ok(out.write_str(&python::text(value, &b)?)?));
    operators(&mut env, budget);
    texts(&mut env, budget);
    for name in ["format", "pprint", "batch", "slice", "chain", "zip"] {
        env.remove_filter(name);
    }
    env.remove_global("debug");
    for (name, function) in [("namespace", Value::from_function(functions::namespace)), ("dict", Value::from_function(functions::dict))] {
        let b = budget.clone();
        env.add_function(name, move |state: &mut State, args: Rest<ValueOrKwargs>| {
            let args = args.into_values();
            python::held(&args, &b)?;
            function.call(state, &args)
        });
    }
    for (name, filter) in [
        ("upper", Value::from_function(filters::upper)),
        ("lower", Value::from_function(filters::lower)),
        ("title", Value::from_function(filters::title)),
        ("capitalize", Value::from_function(filters::capitalize)),
        ("trim", Value::from_function(filters::trim)),
        ("list", Value::from_function(filters::list)),
        ("items", Value::from_function(filters::items)),
        ("reverse", Value::from_function(filters::reverse)),
        ("lines", Value::from_function(filters::lines)),
        ("split", Value::from_function(filters::split)),
        ("select", Value::from_function(filters::select)),
        ("reject", Value::from_function(filters::reject)),
        ("selectattr", Value::from_function(filters::selectattr)),
        ("rejectattr", Value::from_function(filters::rejectattr)),
        ("map", Value::from_function(filters::map)),
    ] {
        let b = budget.clone();
        env.add_filter(name, move |state: &mut State, args: Rest<ValueOrKwargs>| paid(filter.call(state, &args.into_values()), &b));
    }
    // These compare values without paying, so the values are checked to be finite first.
    for (name, filter) in [
        ("dictsort", Value::from_function(filters::dictsort)),
        ("groupby", Value::from_function(filters::groupby)),
        ("max", Value::from_function(filters::max)),
        ("min", Value::from_function(filters::min)),
        ("sort", Value::from_function(filters::sort)),
        ("unique", Value::from_function(filters::unique)),
    ] {
        let b = budget.clone();
        env.add_filter(name, move |state: &mut State, args: Rest<ValueOrKwargs>| {
            let args = args.into_values();
            python::held(&args, &b)?;
            paid(filter.call(state, &args), &b)
        });
    }
    let b = budget.clone();
    env.set_unknown_method_callback(move |state: &mut State, value: &Value, method: &str, args: &[Value]| match (method, args) {
        ("join", [items]) if value.as_str().is_some() => join(items, value.as_str().unwrap_or_default(), &b),
        ("replace", [old, new, ..]) if value.as_str().is_some() => replace(value, old, new, args.get(2), &b),
        ("format", _) => Err(Error::from(ErrorKind::UnknownMethod)),
        ("removeprefix" | "removesuffix", [affix]) if value.as_str().is_some() => {
            let (text, affix) = (value.as_str().unwrap_or_default(), affix.as_str().unwrap_or_default());
            let cut = if method == "removeprefix" { text.strip_prefix(affix) } else { text.strip_suffix(affix) };
            paid(Ok(Value::from(cut.unwrap_or(text))), &b)
        }
        _ => {
            python::held(args, &b)?;
            args.iter().filter(|_| method == "get").try_for_each(|arg| python::key(arg).map(|_| ()))?;
            paid(unknown_method_callback(state, value, method, args), &b)
        }
    });
    env.add_function("raise_exception", |message: String| -> Result<Value, Error> { Err(invalid(message)) });
    env.add_function("strftime_now", move |format: &str| python::strftime(format, now));
    // In Python a string is a sequence, so is a mapping, and booleans are numbers.
    env.add_test("iterable", |v: &Value| !v.is_none() && (v.as_str().is_some() || v.try_iter().is_ok()));
    env.add_test("sequence", |v: &Value| matches!(v.kind(), ValueKind::String | ValueKind::Seq | ValueKind::Map | ValueKind::Iterable));
    env.add_test("number", |v: &Value| matches!(v.kind(), ValueKind::Number | ValueKind::Bool));
    env.add_test("callable", |v: &Value| v.kind() == ValueKind::Plain);
    env
}

/// The functions that the compiled code calls in place of operators.
fn operators(env: &mut Environment<'static>, budget: &Budget) {
    let b = budget.clone();
    env.add_filter("+", move |left: &Value, right: &Value| python::add(left, right, &b));
    let b = budget.clone();
    env.add_filter("*", move |left: &Value, right: &Value| python::multiply(left, right, &b));
    let b = budget.clone();
    env.add_filter("~", move |left: &Value, right: &Value| -> Result<String, Error> {
        let mut text = python::text(left, &b)?;
        text.push_str(&python::text(right, &b)?);
        Ok(text)
    });
    let b = budget.clone();
    env.add_filter("[:]", move |value: &Value, start: &Value, stop: &Value, step: &Value| python::slice(value, [start, stop, step], &b));
    let b = budget.clone();
    env.add_filter("[.]", python::item);
    env.add_filter("[]", move |items: Rest<Value>| python::held(&items, &b).map(|()| Value::from(items.0)));
    let b = budget.clone();
    env.add_filter("()", move |items: Rest<Value>| python::held(&items, &b).map(|()| Value::from(Tuple::from(items.0))));
    let b = budget.clone();
    env.add_filter("{}", move |items: Rest<Value>| {
        python::held(&items, &b)?;
        let pairs = items.chunks_exact(2).map(|pair| Ok((python::key(&pair[0])?.clone(), pair[1].clone())));
        Ok::<_, Error>(Value::from_pairs(pairs.collect::<Result<Vec<_>, Error>>()?))
    });
    type Compare = fn(&Value, &Value, &Budget) -> Result<bool, Error>;
    let comparisons: [(&[&'static str], Compare); 7] = [
        (&["==", "eq", "equalto"], python::equal),
        (&["!=", "ne"], |a, b, budget| Ok(!python::equal(a, b, budget)?)),
        (&["<", "lt", "lessthan"], |a, b, budget| Ok(python::order(a, b, budget)?.is_lt())),
        (&["<=", "le"], |a, b, budget| Ok(python::order(a, b, budget)?.is_le())),
        (&[">", "gt", "greaterthan"], |a, b, budget| Ok(python::order(a, b, budget)?.is_gt())),
        (&[">=", "ge"], |a, b, budget| Ok(python::order(a, b, budget)?.is_ge())),
        (&["in"], python::contains),
    ];
    for (names, compare) in comparisons {
        for name in names {
            let (b, c) = (budget.clone(), budget.clone());
            env.add_test(*name, move |left: &Value, right: &Value| compare(left, right, &b));
            if *name == names[0] {
                env.add_filter(*name, move |left: &Value, right: &Value| compare(left, right, &c));
            }
        }
    }
}

/// Filters that write values, or whose result may be longer than the input.
fn texts(env: &mut Environment<'static>, budget: &Budget) {
    let b = budget.clone();
    env.add_filter("tojson", move |value: &Value, indent: Option<Value>, options: Kwargs| python::json(value, &options, indent, &b));
    let b = budget.clone();
    env.add_filter("string", move |value: &Value| python::text(value, &b));
    let b = budget.clone();
    env.add_filter("join", move |items: &Value, between: Option<&str>| join(items, between.unwrap_or(""), &b));
    let b = budget.clone();
    env.add_filter("replace", move |value: &Value, old: &Value, new: &Value, count: Option<Value>| {
        replace(value, old, new, count.as_ref(), &b)
    });
    let b = budget.clone();
    env.add_filter("indent", move |text: &str, width: Option<Value>, first: Option<bool>, options: Kwargs| {
        let width = width.or(options.get("width")?).unwrap_or_else(|| Value::from(4));
        let first = first.or(options.get("first")?).unwrap_or(false);
        let blank = options.get::<Option<bool>>("blank")?.unwrap_or(false);
        options.assert_all_used()?;
        let width = match width.as_str() {
            Some(text) => text.to_owned(),
            None => " ".repeat(width.as_usize().filter(|n| *n <= 1000).ok_or_else(|| invalid("indent: the width is at most 1000"))?),
        };
        let mut out = String::new();
        for (i, line) in text.split('\n').enumerate() {
            b.spend(line.len() + width.len() + 1)?;
            if i > 0 {
                out.push('\n');
            }
            if if i == 0 { first } else { blank || !line.is_empty() } {
                out.push_str(&width);
            }
            out.push_str(line);
        }
        Ok::<_, Error>(out)
    });
}

/// Pays for the result of a call.
fn paid(result: Result<Value, Error>, budget: &Budget) -> Result<Value, Error> {
    let value = result?;
    let bytes = value.as_str().map_or_else(|| value.len().unwrap_or(0).saturating_mul(size_of::<Value>()), str::len);
    budget.spend(bytes)?;
    Ok(value)
}

fn join(items: &Value, between: &str, budget: &Budget) -> Result<Value, Error> {
    let mut out = String::new();
    for (i, item) in items.try_iter()?.checked().enumerate() {
        if i > 0 {
            budget.spend(between.len())?;
            out.push_str(between);
        }
        out.push_str(&python::text(&item?, budget)?);
    }
    Ok(Value::from(out))
}

fn replace(value: &Value, old: &Value, new: &Value, count: Option<&Value>, budget: &Budget) -> Result<Value, Error> {
    let [text, old, new] = [value, old, new].map(|value| python::text(value, budget));
    let (text, old, new) = (text?, old?, new?);
    let most = count.and_then(Value::as_usize).unwrap_or(usize::MAX);
    budget.spend(text.len().saturating_add(text.matches(&old).count().min(most).saturating_mul(new.len())))?;
    Ok(Value::from(text.replacen(&old, &new, most)))
}
