//! TOMOYO's patterns for path names.
//!
//! | in a pattern | matches |
//! |---|---|
//! | `\*` | any number of characters other than `/` |
//! | `\@` | any number of characters other than `/` and `.` |
//! | `\?` | one character other than `/` |
//! | `\$` | one or more decimal digits |
//! | `\+` | one decimal digit |
//! | `\X` | one or more hexadecimal digits |
//! | `\x` | one hexadecimal digit |
//! | `\A` | one or more ASCII letters |
//! | `\a` | one ASCII letter |
//! | `\\` | a backslash |
//! | `\ooo` | the byte with that octal number, where it is not printable ASCII |
//! | `\-` | subtraction: what the part before it matches, but none of the parts behind it matches, up to `/` |
//! | `/\{dir\}/` | `dir/` once or more; `dir` is a pattern of one component |
//!
//! Any other character stands for itself. The kernel defines this (security/tomoyo/util.c,
//! tomoyo_path_matches_pattern). As there, the characters before the first wildcard are compared first. Where a
//! component with a subtraction begins with such characters, the subtraction does not see them: `/a\*\-ab` matches
//! `/ab`, and `/\*\-ab` does not.
//!
//! The name comes from a client, so the time must be bounded. While the bytes of the name are read, the matcher keeps
//! the set of all places in the pattern that these bytes can lead to. So the time is at most the length of the name
//! times the length of the pattern. Nothing is allocated.

use crate::lsm::escaped;

/// The longest name of a file, in bytes (NAME_MAX).
const NAME_MAX: usize = 255;
/// The most items in one part of a component: 255 characters, and a `\*` before, between and behind them.
const MAX_ITEMS: usize = 64 * WORDS - 1;
const WORDS: usize = 8;
/// The most components from the first wildcard on. `Pattern::matches` keeps a bit for each, and one for the end.
const MAX_COMPONENTS: usize = 127;

/// A pattern, ready to match names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The text before the first wildcard.
    prefix: Box<[u8]>,
    /// The components from the first wildcard on. The first of them lacks the characters that are in `prefix`. `None`
    /// is a pattern without wildcards, which matches only its own text.
    rest: Option<Box<[Component]>>,
}

/// One component of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Component {
    /// Whether it stands in `\{` and `\}`, so that it matches one or more components in a row.
    repeated: bool,
    /// What the component must match.
    is: Part,
    /// What the component must not match (`\-`).
    is_not: Box<[Part]>,
}

/// The items that a component must consist of, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part(Box<[Item]>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    /// One byte.
    One(Class),
    /// Any number of bytes.
    Any(Class),
}

/// A kind of byte. No kind contains `/`, because components do not hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Byte(u8),
    All,
    NoDot,
    Digit,
    Hex,
    Letter,
}

impl Class {
    fn holds(self, byte: u8) -> bool {
        match self {
            Self::Byte(b) => b == byte,
            Self::All => true,
            Self::NoDot => byte != b'.',
            Self::Digit => byte.is_ascii_digit(),
            Self::Hex => byte.is_ascii_hexdigit(),
            Self::Letter => byte.is_ascii_alphabetic(),
        }
    }
}

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It does not begin with `/`.
    #[error("a pattern begins with /; write the whole path")]
    Relative,
    /// It holds a byte that a pattern can only have as an escape.
    #[error("the byte {0} is no printable ASCII; write it as \\{0:03o}")]
    Unprintable(u8),
    /// A backslash has something unknown behind it.
    #[error(
        "{0} is neither a wildcard nor an escape; there are \\* \\@ \\? \\$ \\+ \\X \\x \\A \\a \\- \\{{ \\}} \\\\ and \
         \\ooo for bytes that are no printable ASCII"
    )]
    Escape(String),
    /// `\{` or `\}` does not enclose a whole component.
    #[error("\\{{ and \\}} embrace one whole component; write /\\{{name\\}}/")]
    Repetition,
    /// A component has more characters than the name of a file can have.
    #[error(
        "a component has {0} characters and wildcards, and names of files have at most 255 bytes; shorten it"
    )]
    Component(usize),
    /// It has more components than the matcher keeps track of.
    #[error("{0} components follow the first wildcard, and at most 127 are supported; shorten the pattern")]
    Components(usize),
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// The text is not a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if !text.starts_with('/') {
            return Err(PatternError::Relative);
        }
        let tokens = tokens(text.as_bytes())?;
        let fixed = tokens.iter().take_while(|t| matches!(t, Token::Byte(_) | Token::Slash)).count();
        let (before, behind) = tokens.split_at(fixed);
        let prefix = before.iter().map(|t| if let Token::Byte(b) = t { *b } else { b'/' }).collect();
        if behind.is_empty() {
            return Ok(Self { prefix, rest: None });
        }
        // The prefix may end within the first component, and `\{` must stand at the start of a component. This is known
        // here, and no longer in the pieces.
        let at_start = matches!(before.last(), Some(Token::Slash));
        let pieces: Vec<_> = behind.split(|t| *t == Token::Slash).collect();
        if pieces.len() > MAX_COMPONENTS {
            return Err(PatternError::Components(pieces.len()));
        }
        let last = pieces.len() - 1;
        let component = |(i, piece): (usize, &&[Token])| component(piece, i > 0 || at_start, i < last);
        let rest = pieces.iter().enumerate().map(component).collect::<Result<_, _>>()?;
        Ok(Self { prefix, rest: Some(rest) })
    }

    /// Whether the pattern matches `path`, the bytes of a file's name.
    pub fn matches(&self, path: &[u8]) -> bool {
        let Some(behind) = path.strip_prefix(&*self.prefix) else { return false };
        let Some(components) = &self.rest else { return behind.is_empty() };
        // Bit i is set if the first i components of the pattern can match the components of the path so far.
        let mut places: u128 = 1;
        for name in behind.split(|b| *b == b'/') {
            let mut next = 0;
            for (i, component) in components.iter().enumerate() {
                if places >> i & 1 == 1 && component.matches(name) {
                    next |= 2 << i;
                    next |= u128::from(component.repeated) << i;
                }
            }
            places = next;
            if places == 0 {
                return false;
            }
        }
        places >> components.len() & 1 == 1
    }
}

impl Component {
    fn matches(&self, name: &[u8]) -> bool {
        self.is.matches(name) && !self.is_not.iter().any(|part| part.matches(name))
    }
}

impl Part {
    /// Whether the items match `name`. Bit i of `places` is set if the first i items can match the bytes so far.
    fn matches(&self, name: &[u8]) -> bool {
        let mut places = [0_u64; WORDS];
        self.reach(&mut places, 0);
        for byte in name {
            let mut next = [0_u64; WORDS];
            let mut alive = false;
            for (word, bits) in places.iter().enumerate() {
                let mut bits = *bits;
                while bits != 0 {
                    let place = 64 * word + bits.trailing_zeros() as usize;
                    bits &= bits - 1;
                    match self.0.get(place) {
                        Some(Item::One(class)) if class.holds(*byte) => self.reach(&mut next, place + 1),
                        Some(Item::Any(class)) if class.holds(*byte) => self.reach(&mut next, place),
                        _ => continue,
                    }
                    alive = true;
                }
            }
            if !alive {
                return false;
            }
            places = next;
        }
        let end = self.0.len();
        places[end / 64] >> (end % 64) & 1 == 1
    }

    /// Sets the bit of a place, and the bits of the places behind it that need no further byte.
    fn reach(&self, places: &mut [u64; WORDS], mut place: usize) {
        loop {
            let bit = 1 << (place % 64);
            // If this bit is set, the bits of the places behind it are set, too.
            if places[place / 64] & bit != 0 {
                return;
            }
            places[place / 64] |= bit;
            match self.0.get(place) {
                Some(Item::Any(_)) => place += 1,
                _ => return,
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Slash,
    Byte(u8),
    /// One byte of this class. `Any` is any number of such bytes, `More` is one or more.
    Once(Class),
    Any(Class),
    More(Class),
    Minus,
    Open,
    Close,
}

fn tokens(text: &[u8]) -> Result<Vec<Token>, PatternError> {
    let mut tokens = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        tokens.push(match byte {
            b'/' => Token::Slash,
            b'\\' => {
                let (token, length) = escape(rest)?;
                rest = &rest[length..];
                token
            }
            b if b.is_ascii_graphic() => Token::Byte(b),
            b => return Err(PatternError::Unprintable(b)),
        });
    }
    Ok(tokens)
}

/// Reads what follows a backslash. Gives the token, and how many bytes it has.
fn escape(rest: &[u8]) -> Result<(Token, usize), PatternError> {
    let token = match rest.first() {
        Some(b'\\') => Token::Byte(b'\\'),
        Some(b'*') => Token::Any(Class::All),
        Some(b'@') => Token::Any(Class::NoDot),
        Some(b'?') => Token::Once(Class::All),
        Some(b'$') => Token::More(Class::Digit),
        Some(b'+') => Token::Once(Class::Digit),
        Some(b'X') => Token::More(Class::Hex),
        Some(b'x') => Token::Once(Class::Hex),
        Some(b'A') => Token::More(Class::Letter),
        Some(b'a') => Token::Once(Class::Letter),
        Some(b'-') => Token::Minus,
        Some(b'{') => Token::Open,
        Some(b'}') => Token::Close,
        _ => {
            if let [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] = *rest {
                let byte = (a - b'0') << 6 | (b - b'0') << 3 | (c - b'0');
                if byte != 0 && !byte.is_ascii_graphic() {
                    return Ok((Token::Byte(byte), 3));
                }
            }
            let shown =
                &rest[..rest.len().min(if rest.first().is_some_and(u8::is_ascii_digit) { 3 } else { 1 })];
            return Err(PatternError::Escape(format!("\\{}", escaped(&String::from_utf8_lossy(shown)))));
        }
    };
    Ok((token, 1))
}

/// Reads one component. `whole` says that the tokens have the start of the component, and `inside` that another
/// component follows.
fn component(tokens: &[Token], whole: bool, inside: bool) -> Result<Component, PatternError> {
    let repeated = tokens.first() == Some(&Token::Open);
    let inner = match tokens {
        [Token::Open, inner @ .., Token::Close] if whole && inside => inner,
        _ => tokens,
    };
    if inner.iter().any(|t| matches!(t, Token::Open | Token::Close)) {
        return Err(PatternError::Repetition);
    }
    let mut parts = inner.split(|t| *t == Token::Minus).map(part);
    // A split gives at least one part.
    let is = parts.next().unwrap_or_else(|| part(&[]))?;
    Ok(Component { repeated, is, is_not: parts.collect::<Result<_, _>>()? })
}

fn part(tokens: &[Token]) -> Result<Part, PatternError> {
    let mut items: Vec<Item> = Vec::with_capacity(tokens.len());
    for token in tokens {
        match *token {
            Token::Byte(b) => items.push(Item::One(Class::Byte(b))),
            Token::Once(class) => items.push(Item::One(class)),
            // Any number of bytes twice is any number of bytes once.
            Token::Any(class) if items.last() == Some(&Item::Any(class)) => {}
            Token::Any(class) => items.push(Item::Any(class)),
            Token::More(class) => items.extend([Item::One(class), Item::Any(class)]),
            Token::Slash | Token::Minus | Token::Open | Token::Close => {}
        }
    }
    let single = items.iter().filter(|i| matches!(i, Item::One(_))).count();
    if single > NAME_MAX || items.len() > MAX_ITEMS {
        return Err(PatternError::Component(items.len()));
    }
    Ok(Part(items.into()))
}

#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod slow;
#[cfg(test)]
mod tests;
