//! Lua source as tokens, as far as the static check needs them.

/// One token and the line it begins on. A string keeps its quotes; comments are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    pub(super) line: usize,
}

/// Operators of several characters, longer ones before what they begin with.
const OPERATORS: [&str; 17] = ["...", "..=", "//=", "..", "//", "==", "~=", "<=", ">=", "+=", "-=", "*=", "/=", "%=", "^=", "::", "->"];

/// The tokens of a source text that compiles.
pub(super) fn tokens(source: &str) -> Vec<Token<'_>> {
    let (mut found, mut rest, mut line) = (Vec::new(), source, 1);
    while let Some(first) = rest.chars().next() {
        let comment = rest.starts_with("--");
        let length = if comment {
            long_bracket(&rest[2..]).map_or_else(|| rest.find('\n').unwrap_or(rest.len()), |length| length + 2)
        } else if let Some(length) = number(rest) {
            length
        } else if first.is_alphanumeric() || first == '_' {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
        } else if ['"', '\'', '`'].contains(&first) {
            quoted(rest, first)
        } else if let Some(length) = long_bracket(rest) {
            length
        } else if let Some(operator) = OPERATORS.iter().find(|operator| rest.starts_with(**operator)) {
            operator.len()
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

/// The length of a number at the start of a text.
fn number(text: &str) -> Option<usize> {
    let digits = text.strip_prefix('.').unwrap_or(text);
    digits.starts_with(|c: char| c.is_ascii_digit()).then_some(())?;
    let hexadecimal = text.starts_with("0x") || text.starts_with("0X");
    let (mut end, mut last) = (0, ' ');
    for c in text.chars() {
        let exponent = ['+', '-'].contains(&c) && ['e', 'E'].contains(&last) && !hexadecimal;
        if !(c.is_ascii_alphanumeric() || c == '_' || exponent || c == '.' && !text[end..].starts_with("..")) {
            break;
        }
        (end, last) = (end + c.len_utf8(), c);
    }
    Some(end)
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
        let numbers = tokens("1e-6+0x1F..2 .5 3..4 a.b");
        let texts: Vec<_> = numbers.iter().map(|token| token.text).collect();
        assert_eq!(texts, ["1e-6", "+", "0x1F", "..", "2", ".5", "3", "..", "4", "a", ".", "b"]);
        assert_eq!((found[3].line, found[4].line), (1, 3));
    }
}
