//! Python literals: what `repr` writes for lists, tuples, dictionaries, texts, numbers, `None`, `True` and `False`.

use serde_json::{Map, Value};

/// How deep lists and dictionaries may be nested.
const DEPTH: usize = 64;

/// Reads a text that is one literal. Tuples become lists, keys of dictionaries become texts.
pub(super) fn literal(text: &str) -> Result<Value, String> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    reader.space();
    if reader.at < text.len() {
        return Err(reader.wrong("the end"));
    }
    Ok(value)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Skips a text if it comes next.
    fn take(&mut self, what: &str) -> bool {
        self.space();
        let found = self.rest().starts_with(what);
        self.at += if found { what.len() } else { 0 };
        found
    }

    fn wrong(&self, wanted: &str) -> String {
        let shown: String = self.rest().chars().take(20).collect();
        format!("as a Python literal: {wanted} was expected at byte {}, not {shown:?}", self.at)
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if depth > DEPTH {
            return Err(format!("as a Python literal: nested more than {DEPTH} deep at byte {}", self.at));
        }
        self.space();
        match self.peek() {
            Some('[') => self.list("]", depth),
            Some('(') => self.list(")", depth),
            Some('{') => self.dictionary(depth),
            Some(mark @ ('\'' | '"')) => self.string(mark).map(Value::String),
            _ => self.word(),
        }
    }

    fn list(&mut self, close: &str, depth: usize) -> Result<Value, String> {
        self.at += 1;
        let mut items = Vec::new();
        while !self.take(close) {
            items.push(self.value(depth + 1)?);
            if !self.take(",") && !self.rest().starts_with(close) {
                return Err(self.wrong(&format!("',' or '{close}'")));
            }
        }
        Ok(Value::Array(items))
    }

    fn dictionary(&mut self, depth: usize) -> Result<Value, String> {
        self.at += 1;
        let mut fields = Map::new();
        while !self.take("}") {
            let key = match self.value(depth + 1)? {
                Value::String(key) => key,
                key => key.to_string(),
            };
            if !self.take(":") {
                return Err(self.wrong("':'"));
            }
            fields.insert(key, self.value(depth + 1)?);
            if !self.take(",") && !self.rest().starts_with('}') {
                return Err(self.wrong("',' or '}'"));
            }
        }
        Ok(Value::Object(fields))
    }

    fn string(&mut self, mark: char) -> Result<String, String> {
        let start = self.at;
        self.at += 1;
        let mut out = String::new();
        loop {
            let plain = self.rest().find([mark, '\\']);
            let Some(plain) = plain else {
                return Err(format!("as a Python literal: the text that begins at byte {start} has no end"));
            };
            out.push_str(&self.text[self.at..self.at + plain]);
            self.at += plain + 1;
            if self.text[..self.at].ends_with(mark) {
                return Ok(out);
            }
            self.escape(&mut out)?;
        }
    }

    /// What follows a backslash.
    fn escape(&mut self, out: &mut String) -> Result<(), String> {
        let Some(code) = self.peek() else { return Err(self.wrong("an escape")) };
        self.at += code.len_utf8();
        let character = match code {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            '\\' | '\'' | '"' => code,
            '\n' => return Ok(()),
            'x' => self.character(2)?,
            'u' => self.character(4)?,
            'U' => self.character(8)?,
            other => {
                // Python keeps both characters of an unknown escape.
                out.push('\\');
                other
            }
        };
        out.push(character);
        Ok(())
    }

    /// A character by its number, given in that many hexadecimal digits.
    fn character(&mut self, digits: usize) -> Result<char, String> {
        let number = self.rest().get(..digits).and_then(|number| u32::from_str_radix(number, 16).ok());
        let number = number.ok_or_else(|| self.wrong(&format!("{digits} hexadecimal digits")))?;
        self.at += digits;
        // Half of a surrogate pair, which Python allows, is not a character.
        Ok(char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn word(&mut self) -> Result<Value, String> {
        let length = self.rest().find(|c: char| !(c.is_ascii_alphanumeric() || "+-._".contains(c))).unwrap_or(self.rest().len());
        let word = &self.rest()[..length];
        let value = match word {
            "None" | "nan" => Value::Null,
            "True" => true.into(),
            "False" => false.into(),
            number => match (number.parse::<i64>(), number.parse::<f64>()) {
                (Ok(whole), _) => whole.into(),
                (_, Ok(real)) if real.is_finite() => real.into(),
                _ => return Err(self.wrong("a value")),
            },
        };
        self.at += length;
        Ok(value)
    }
}
