//! `strftime_now`: the date as the C library writes it, in English and in UTC.

use minijinja::Error;

use super::values::invalid;

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

/// The widest field that a format may ask for.
const WIDEST: usize = 1000;

/// A moment, taken apart.
struct Moment {
    seconds: u64,
    year: u64,
    month: usize,
    day: u64,
    of_year: u64,
    weekday: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

impl Moment {
    fn of(seconds: u64) -> Self {
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let (mut year, mut rest) = (1970, days);
        while rest >= 365 + u64::from(leap(year)) {
            rest -= 365 + u64::from(leap(year));
            year += 1;
        }
        let (of_year, mut month) = (rest, 0);
        for length in [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
            if rest < length {
                break;
            }
            rest -= length;
            month += 1;
        }
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        Self { seconds, year, month, day: rest + 1, of_year, weekday: (days + 4) % 7, hour, minute, second }
    }

    /// The year and week of ISO 8601: a week belongs to the year that has its Thursday.
    fn iso(&self) -> (u64, u64) {
        let monday = (self.weekday + 6) % 7;
        let week = (self.of_year + 10 - monday) / 7;
        let weeks = |year: u64| {
            let last = Self::of(Self::new_year(year + 1) - 86_400);
            // A year has 53 weeks if it ends on a Thursday, or on a Friday of a leap year.
            52 + u64::from(last.weekday == 4 || last.weekday == 5 && last.of_year == 365)
        };
        match week {
            0 => (self.year - 1, weeks(self.year - 1)),
            53 if weeks(self.year) < 53 => (self.year + 1, 1),
            week => (self.year, week),
        }
    }

    /// The second at which a year begins.
    fn new_year(year: u64) -> u64 {
        let before = year - 1;
        let days = before * 365 + before / 4 - before / 100 + before / 400;
        (days - 719_162) * 86_400
    }
}

/// A piece of a date: its text, what fills it up, and how wide it is.
enum Piece {
    Number(u64, char, usize),
    Text(String),
}

/// `datetime.now().strftime(format)`, `seconds` after the start of 1970.
pub fn strftime(format: &str, seconds: u64) -> Result<String, Error> {
    let moment = Moment::of(seconds);
    let mut out = String::new();
    let mut letters = format.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        let mut flags = String::new();
        while let Some(flag) = letters.next_if(|c| matches!(c, '_' | '-' | '0' | '^' | '#')) {
            flags.push(flag);
        }
        let mut width = String::new();
        while let Some(digit) = letters.next_if(char::is_ascii_digit) {
            width.push(digit);
        }
        let width: Option<usize> = if width.is_empty() { None } else { width.parse().ok().filter(|n| *n <= WIDEST) };
        // The alternative forms of other languages are the usual ones in English.
        let changed = letters.next_if(|c| matches!(c, 'E' | 'O'));
        let Some(code) = letters.next() else {
            // As it is, with whatever flags it has.
            return Ok(out + &format[format.rfind('%').unwrap_or(0)..]);
        };
        let code_is = |codes: &str| codes.contains(code);
        if changed.is_some_and(|c| !code_is(if c == 'E' { "cCxXyY" } else { "deHImMSuUVwWy" })) {
            return Err(invalid(format!("strftime_now: %{}{code} is not known", changed.unwrap_or(' '))));
        }
        let piece = piece(&moment, code)?;
        out.push_str(&written(piece, code, &flags, width));
    }
    Ok(out)
}

fn piece(m: &Moment, code: char) -> Result<Piece, Error> {
    let of = |format: &str| strftime(format, m.seconds).map(Piece::Text);
    let number = |value: u64, width: usize| Ok(Piece::Number(value, '0', width));
    let blank = |value: u64, width: usize| Ok(Piece::Number(value, '_', width));
    let text = |text: &str| Ok(Piece::Text(text.to_owned()));
    let twelve = (m.hour + 11) % 12 + 1;
    match code {
        'a' => text(&DAYS[m.weekday as usize][..3]),
        'A' => text(DAYS[m.weekday as usize]),
        'b' | 'h' => text(&MONTHS[m.month][..3]),
        'B' => text(MONTHS[m.month]),
        'c' => of("%a %b %e %H:%M:%S %Y"),
        'C' => number(m.year / 100, 2),
        'd' => number(m.day, 2),
        'D' | 'x' => of("%m/%d/%y"),
        'e' => blank(m.day, 2),
        'F' => of("%Y-%m-%d"),
        'g' => number(m.iso().0 % 100, 2),
        'G' => number(m.iso().0, 1),
        'H' => number(m.hour, 2),
        'I' => number(twelve, 2),
        'j' => number(m.of_year + 1, 3),
        'k' => blank(m.hour, 2),
        'l' => blank(twelve, 2),
        'm' => number(m.month as u64 + 1, 2),
        'M' => number(m.minute, 2),
        'n' => text("\n"),
        'p' => text(if m.hour < 12 { "AM" } else { "PM" }),
        'P' => text(if m.hour < 12 { "am" } else { "pm" }),
        'r' => of("%I:%M:%S %p"),
        'R' => of("%H:%M"),
        's' => number(m.seconds, 1),
        'S' => number(m.second, 2),
        't' => text("\t"),
        'T' | 'X' => of("%H:%M:%S"),
        'u' => number((m.weekday + 6) % 7 + 1, 1),
        'U' => number((m.of_year + 7 - m.weekday) / 7, 2),
        'V' => number(m.iso().1, 2),
        'w' => number(m.weekday, 1),
        'W' => number((m.of_year + 7 - (m.weekday + 6) % 7) / 7, 2),
        'y' => number(m.year % 100, 2),
        'Y' => number(m.year, 1),
        // Python's time of day knows no zone.
        'z' | 'Z' => text(""),
        '%' => text("%"),
        other => Err(invalid(format!("strftime_now: %{other} is not known"))),
    }
}

/// The piece with its flags: `-` without filling, `_` with blanks, `0` with zeros, `^` in capitals, `#` with the case changed.
fn written(piece: Piece, code: char, flags: &str, width: Option<usize>) -> String {
    let fill = flags.chars().rev().find(|c| matches!(c, '_' | '-' | '0'));
    let (text, own, least) = match piece {
        Piece::Number(value, own, width) => (value.to_string(), own, width),
        Piece::Text(text) => (text, '_', 0),
    };
    let text = match (flags.contains('#'), flags.contains('^')) {
        (true, _) if matches!(code, 'p' | 'Z') => text.to_lowercase(),
        (true, _) if matches!(code, 'a' | 'A' | 'b' | 'B' | 'h') => text.to_uppercase(),
        (_, true) if code != 'P' => text.to_uppercase(),
        _ => text,
    };
    let wide = match (width, fill) {
        (Some(width), _) => width,
        (None, Some('-')) => 0,
        (None, _) => least,
    };
    let mark = if fill.unwrap_or(own) == '0' { '0' } else { ' ' };
    let missing = wide.saturating_sub(text.chars().count());
    if fill == Some('-') && width.is_none() { text } else { mark.to_string().repeat(missing) + &text }
}
