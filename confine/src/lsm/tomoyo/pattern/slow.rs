//! The meaning of patterns in the simplest code, which tests and fuzzing compare the matcher with.

/// The definition, word for word: the name is put into the kernel's notation and split at `/`, and every way to match a
/// wildcard is tried. The time grows exponentially, but the code is easy to check.
pub fn slow(pattern: &str, name: &[u8]) -> bool {
    let name = encode(name);
    let fixed = fixed_part(pattern);
    if fixed == pattern.len() {
        return name == pattern;
    }
    let (Some(name), pattern) = (name.strip_prefix(&pattern[..fixed]), &pattern[fixed..]) else {
        return false;
    };
    let names: Vec<_> = name.split('/').collect();
    let patterns: Vec<_> = pattern.split('/').collect();
    slow_path(&patterns, &names)
}

fn slow_path(patterns: &[&str], names: &[&str]) -> bool {
    let (Some((pattern, patterns)), Some((name, names))) = (patterns.split_first(), names.split_first())
    else {
        return patterns.is_empty() && names.is_empty();
    };
    match pattern.strip_prefix(r"\{").and_then(|p| p.strip_suffix(r"\}")) {
        Some(inner) => {
            let again = [&[*pattern], patterns].concat();
            slow_component(inner, name) && (slow_path(patterns, names) || slow_path(&again, names))
        }
        None => slow_component(pattern, name) && slow_path(patterns, names),
    }
}

fn slow_component(pattern: &str, name: &str) -> bool {
    let mut parts = vec![String::new()];
    let mut rest = units(pattern);
    while let Some(unit) = rest.first().copied() {
        rest.remove(0);
        match unit {
            r"\-" => parts.push(String::new()),
            unit => parts.last_mut().expect("one at least").push_str(unit),
        }
    }
    let name = units(name);
    slow_part(&units(&parts[0]), &name) && !parts[1..].iter().any(|p| slow_part(&units(p), &name))
}

fn slow_part(pattern: &[&str], name: &[&str]) -> bool {
    let Some((first, rest)) = pattern.split_first() else { return name.is_empty() };
    let (fits, least, most): (fn(&str) -> bool, usize, usize) = match *first {
        r"\*" => (|_| true, 0, name.len()),
        r"\@" => (|u| u != ".", 0, name.len()),
        r"\?" => (|_| true, 1, 1),
        r"\$" => (|u| "0123456789".contains(u), 1, name.len()),
        r"\+" => (|u| "0123456789".contains(u), 1, 1),
        r"\X" => (|u| "0123456789abcdefABCDEF".contains(u), 1, name.len()),
        r"\x" => (|u| "0123456789abcdefABCDEF".contains(u), 1, 1),
        r"\A" => (|u| u.len() == 1 && u.chars().all(|c| c.is_ascii_alphabetic()), 1, name.len()),
        r"\a" => (|u| u.len() == 1 && u.chars().all(|c| c.is_ascii_alphabetic()), 1, 1),
        literal => return name.first() == Some(&literal) && slow_part(rest, &name[1..]),
    };
    (least..=most.min(name.len())).any(|n| name[..n].iter().all(|u| fits(u)) && slow_part(rest, &name[n..]))
}

/// The characters and escapes of a text.
fn units(text: &str) -> Vec<&str> {
    let mut units = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let length = match rest.as_bytes() {
            [b'\\', b'0'..=b'3', ..] => 4,
            [b'\\', ..] => 2,
            _ => 1,
        };
        units.push(&rest[..length]);
        rest = &rest[length..];
    }
    units
}

fn fixed_part(pattern: &str) -> usize {
    let literal = |unit: &&str| unit.len() != 2 || *unit == r"\\";
    units(pattern).iter().take_while(|u| literal(u)).map(|u| u.len()).sum()
}

pub fn encode(name: &[u8]) -> String {
    let unit = |b: &u8| match b {
        b'\\' => r"\\".to_owned(),
        b if b.is_ascii_graphic() => char::from(*b).to_string(),
        b => format!("\\{b:03o}"),
    };
    name.iter().map(unit).collect()
}
