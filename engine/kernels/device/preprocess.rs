//! The shader preprocessor: `#import`, `#ifdef`, `#ifndef`, `#else`, `#endif`, `#for … #end` and named constants.
//!
//! * `#import NAME` inserts `shaders/shared/NAME.wgsl`, once per shader.
//! * `#ifdef NAME`, `#ifndef NAME`, `#else`, `#endif` keep or drop lines, depending on whether the variant defines `NAME`.
//! * `#for i in A..B` … `#end` repeats the lines between. `A` and `B` are integer expressions. In these lines `{i}`, or any
//!   integer expression in braces such as `{4*i+1}`, is replaced by its value. `#for x in q, k` repeats the lines for each name and
//!   replaces `{x}` by it. Braces around anything else are kept.
//! * Every other whole word that the variant defines with a value is replaced by that value.
//!
//! An integer expression consists of whole numbers, constants of the variant, loop variables, `+ - * / %` and parentheses.

use crate::error::{Error, Result};

/// What a variant defines. A flag has an empty value.
pub type Defines<'a> = &'a [(&'a str, &'a str)];

/// A preprocessed shader, with the origin of each line.
#[derive(Debug, Default)]
pub struct Source {
    /// WGSL.
    pub text: String,
    lines: Vec<(String, usize)>,
}

impl Source {
    /// The file and line that line `line` of the text (counted from 1) came from.
    pub fn origin(&self, line: usize) -> String {
        match self.lines.get(line.wrapping_sub(1)) {
            Some((file, line)) => format!("{file}:{line}"),
            None => "end of the shader".to_string(),
        }
    }
}

/// Expands `file`. `shared` finds the text of an import.
pub fn expand<'a>(file: &str, text: &'a str, defines: Defines<'_>, shared: &dyn Fn(&str) -> Option<&'a str>) -> Result<Source> {
    let mut expander = Expander { defines, shared, imported: Vec::new(), loops: Vec::new(), out: Source::default() };
    let lines: Vec<(usize, &str)> = text.lines().enumerate().map(|(i, line)| (i + 1, line)).collect();
    expander.block(file, &lines)?;
    Ok(expander.out)
}

struct Expander<'d, 's, 'f> {
    defines: Defines<'d>,
    shared: &'f dyn Fn(&str) -> Option<&'s str>,
    imported: Vec<String>,
    loops: Vec<(String, String)>,
    out: Source,
}

impl Expander<'_, '_, '_> {
    fn block(&mut self, file: &str, lines: &[(usize, &str)]) -> Result<()> {
        // One entry for each open `#ifdef`: its line, whether its lines are kept, whether `#else` was seen.
        let mut open: Vec<(usize, bool, bool)> = Vec::new();
        let mut at = 0;
        while at < lines.len() {
            let (number, line) = lines[at];
            at += 1;
            let fail = |reason: &str| Err(Error::format(format!("{file}:{number}"), reason));
            let kept = open.iter().all(|(_, kept, _)| *kept);
            let Some(directive) = line.trim_start().strip_prefix('#') else {
                if kept {
                    let text = self.substitute(line);
                    self.push(file, number, &text);
                }
                continue;
            };
            let (word, rest) = directive.split_once(char::is_whitespace).unwrap_or((directive, ""));
            let rest = rest.split("//").next().unwrap_or("").trim();
            match word {
                "ifdef" | "ifndef" if rest.is_empty() => return fail("a name is missing"),
                "ifdef" => open.push((number, self.define(rest).is_some(), false)),
                "ifndef" => open.push((number, self.define(rest).is_none(), false)),
                "else" => match open.last_mut() {
                    Some((_, kept, seen @ false)) => (*kept, *seen) = (!*kept, true),
                    _ => return fail("#else without #ifdef"),
                },
                "endif" => {
                    if open.pop().is_none() {
                        return fail("#endif without #ifdef");
                    }
                }
                "for" => {
                    let Some(length) = loop_length(&lines[at..]) else { return fail("#for without #end") };
                    if kept {
                        self.repeat(file, number, rest, &lines[at..at + length])?;
                    }
                    at += length + 1;
                }
                "end" => return fail("#end without #for"),
                "import" if kept => self.import(file, number, rest)?,
                "import" => {}
                _ => return fail(&format!("#{word} is not a directive (import, ifdef, ifndef, else, endif, for, end)")),
            }
        }
        match open.last() {
            Some((number, ..)) => Err(Error::format(format!("{file}:{number}"), "#ifdef without #endif")),
            None => Ok(()),
        }
    }

    fn import(&mut self, file: &str, number: usize, name: &str) -> Result<()> {
        if self.imported.iter().any(|known| known == name) {
            return Ok(());
        }
        let text = (self.shared)(name)
            .ok_or_else(|| Error::format(format!("{file}:{number}"), format!("there is no shaders/shared/{name}.wgsl to import")))?;
        self.imported.push(name.to_string());
        let lines: Vec<(usize, &str)> = text.lines().enumerate().map(|(i, line)| (i + 1, line)).collect();
        self.block(&format!("shaders/shared/{name}.wgsl"), &lines)
    }

    fn repeat(&mut self, file: &str, number: usize, rest: &str, body: &[(usize, &str)]) -> Result<()> {
        let parsed = rest.split_once(" in ").and_then(|(name, values)| Some((name.trim(), self.values(values)?)));
        let Some((name, values)) = parsed else {
            let wanted = "'<name> in <integer>..<integer>' or '<name> in <name>, <name>'";
            return Err(Error::format(format!("{file}:{number}"), format!("'{rest}' is not {wanted}")));
        };
        for value in values {
            self.loops.push((name.to_string(), value));
            let done = self.block(file, body);
            self.loops.pop();
            done?;
        }
        Ok(())
    }

    /// What a loop runs over: the numbers of a range, or names.
    fn values(&self, text: &str) -> Option<Vec<String>> {
        if let Some((from, to)) = text.split_once("..") {
            return Some((self.integer(from)?..self.integer(to)?).map(|i| i.to_string()).collect());
        }
        let names: Vec<String> = text.split(',').map(|name| name.trim().to_string()).collect();
        let is_name = |name: &String| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        names.iter().all(is_name).then_some(names)
    }

    fn push(&mut self, file: &str, number: usize, text: &str) {
        self.out.text.push_str(text);
        self.out.text.push('\n');
        self.out.lines.push((file.to_string(), number));
    }

    fn define(&self, name: &str) -> Option<&str> {
        self.defines.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// Replaces expressions in braces and constants in one line.
    fn substitute(&self, line: &str) -> String {
        let mut out = String::with_capacity(line.len());
        let mut rest = line;
        while let Some(c) = rest.chars().next() {
            if c == '{'
                && !self.loops.is_empty()
                && let Some(end) = rest.find('}')
                && let Some(value) =
                    self.looped(&rest[1..end]).map(str::to_string).or_else(|| Some(self.integer(&rest[1..end])?.to_string()))
            {
                out.push_str(&value);
                rest = &rest[end + 1..];
            } else if c.is_ascii_alphanumeric() || c == '_' {
                let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
                let word = &rest[..end];
                out.push_str(self.define(word).filter(|value| !value.is_empty()).unwrap_or(word));
                rest = &rest[end..];
            } else {
                out.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
        out
    }

    /// The current value of a loop variable.
    fn looped(&self, name: &str) -> Option<&str> {
        self.loops.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value of an integer expression; `None` if the text is anything else.
    fn integer(&self, text: &str) -> Option<i64> {
        let mut tokens = Vec::new();
        let mut rest = text.trim();
        while let Some(c) = rest.chars().next() {
            let end = match c {
                '+' | '-' | '*' | '/' | '%' | '(' | ')' => 1,
                _ if c.is_ascii_alphanumeric() || c == '_' => {
                    rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len())
                }
                _ => return None,
            };
            tokens.push(&rest[..end]);
            rest = rest[end..].trim_start();
        }
        let mut at = 0;
        let value = self.sum(&tokens, &mut at)?;
        (at == tokens.len()).then_some(value)
    }

    fn sum(&self, tokens: &[&str], at: &mut usize) -> Option<i64> {
        let mut value = self.product(tokens, at)?;
        while let Some(sign @ (&"+" | &"-")) = tokens.get(*at) {
            *at += 1;
            let right = self.product(tokens, at)?;
            value = if *sign == "+" { value.checked_add(right)? } else { value.checked_sub(right)? };
        }
        Some(value)
    }

    fn product(&self, tokens: &[&str], at: &mut usize) -> Option<i64> {
        let mut value = self.atom(tokens, at)?;
        while let Some(sign @ (&"*" | &"/" | &"%")) = tokens.get(*at) {
            *at += 1;
            let right = self.atom(tokens, at)?;
            value = match *sign {
                "*" => value.checked_mul(right)?,
                "/" => value.checked_div(right)?,
                _ => value.checked_rem(right)?,
            };
        }
        Some(value)
    }

    fn atom(&self, tokens: &[&str], at: &mut usize) -> Option<i64> {
        let token = *tokens.get(*at)?;
        *at += 1;
        if token == "(" {
            let value = self.sum(tokens, at)?;
            *at += 1;
            return (tokens.get(*at - 1) == Some(&")")).then_some(value);
        }
        self.looped(token).or_else(|| self.define(token)).unwrap_or(token).parse().ok()
    }
}

/// The number of lines up to the `#end` that closes a `#for`.
fn loop_length(lines: &[(usize, &str)]) -> Option<usize> {
    let mut depth = 0;
    for (i, (_, line)) in lines.iter().enumerate() {
        match line.split_whitespace().next() {
            Some("#for") => depth += 1,
            Some("#end") if depth == 0 => return Some(i),
            Some("#end") => depth -= 1,
            _ => {}
        }
    }
    None
}
