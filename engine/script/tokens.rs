//! Lua source as tokens, as far as the static check needs them.

/// One token and the line it begins on. A string keeps its quotes; comments are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    pub(super) line: usize,
}

/// The tokens of a source text that compiles. Operators of several characters come as several tokens, except those with an equals sign.
pub(super) fn tokens(source: &str) -> Vec<Token<'_>> {
    let (mut found, mut rest, mut line) = (Vec::new(), source, 1);
    while let Some(first) = rest.chars().next() {
        let comment = rest.starts_with("--");
        let length = if comment {
            long_bracket(&rest[2..]).map_or_else(|| rest.find('\n').unwrap_or(rest.len()), |length| length + 2)
        } else if first.is_alphanumeric() || first == '_' {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
        } else if ['"', '\'', '`'].contains(&first) {
            quoted(rest, first)
        } else if let Some(length) = long_bracket(rest) {
            length
        } else if ["==", "~=", "<=", ">="].iter().any(|operator| rest.starts_with(operator)) {
            2
        } else {
            first.len_utf8()
        };
        let (text, after) = rest.split_at(length);
        if !comment && !first.is_whitespace() {
            found.push(Token { text, line });
        }
        line += text.matches('\n').count();
        rest = after;
    }
    found
}

/// The length of a quoted string with its quotes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of `[[…]]` or `[==[…]==]` at the start of a text.
fn long_bracket(text: &str) -> Option<usize> {
    let level = text.strip_prefix('[')?.chars().take_while(|c| *c == '=').count();
    text[1 + level..].starts_with('[').then_some(())?;
    let close = format!("]{}]", "=".repeat(level));
    Some(text.find(&close).map_or(text.len(), |at| at + close.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits() {
        let source = "local a = 'x\\'y' -- note\n--[[ long\n]] b[1] ~= [==[ ]] ]==]";
        let found = tokens(source);
        let texts: Vec<_> = found.iter().map(|token| token.text).collect();
        assert_eq!(texts, ["local", "a", "=", "'x\\'y'", "b", "[", "1", "]", "~=", "[==[ ]] ]==]"]);
        assert_eq!((found[3].line, found[4].line), (1, 3));
    }
}
