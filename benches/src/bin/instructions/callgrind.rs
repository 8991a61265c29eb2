//! What callgrind writes: instructions, in all and of each function itself (valgrind's manual, "Callgrind Format").

use std::collections::BTreeMap;

/// The instructions of one run.
pub struct Profile {
    pub total: u64,
    /// Of each function itself, that of its inlined parts included.
    pub functions: BTreeMap<String, u64>,
}

impl Profile {
    /// None where the text is not of that format, with positions by line and the instructions as its only event.
    pub fn parse(text: &str) -> Option<Profile> {
        let mut total = None;
        let mut names = BTreeMap::new();
        let mut functions: BTreeMap<String, u64> = BTreeMap::new();
        let mut current = String::new();
        let mut is_call = false;
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("fn=") {
                current = resolve(&mut names, name)?;
            } else if let Some(name) = line.strip_prefix("cfn=") {
                resolve(&mut names, name)?;
            } else if line.starts_with("calls=") {
                is_call = true; // The next line has the cost of what was called, which counts there.
            } else if let Some(instructions) = line.strip_prefix("totals: ") {
                total = Some(instructions.trim().parse().ok()?);
            } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
                let cost = line
                    .split_whitespace()
                    .nth(1)
                    .map_or(Some(0), |cost| cost.parse().ok())?;
                if !std::mem::take(&mut is_call) {
                    *functions.entry(current.clone()).or_default() += cost;
                }
            }
        }
        Some(Profile {
            total: total?,
            functions,
        })
    }
}

/// A name is written once, behind a number in parentheses, which stands for it from then on.
fn resolve(names: &mut BTreeMap<String, String>, text: &str) -> Option<String> {
    let (number, name) = text.split_once(')')?;
    if !name.is_empty() {
        names.insert(number.to_owned(), clean(name.trim()));
    }
    names.get(number).cloned()
}

/// A function's name without the hash that Rust puts behind it, and without callgrind's mark of a recursion.
fn clean(name: &str) -> String {
    let name = name.split_once('\'').map_or(name, |(name, _)| name);
    match name.rsplit_once("::h") {
        Some((path, hash)) if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => path.to_owned(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::Profile;

    #[test]
    fn a_profile_is_read() {
        let text = "events: Ir\n\nfl=(1) a.rs\nfn=(1) a::b::h0123456789abcdef\n10 3\nfi=(2) c.rs\n+2 4\ncfn=(2) d'2\n\
                    calls=1 5\n* 100\nfn=(2)\n7 100\n\ntotals: 107\n";
        let profile = Profile::parse(text).unwrap();
        assert_eq!(profile.total, 107);
        let functions: Vec<(&str, u64)> = profile
            .functions
            .iter()
            .map(|(name, cost)| (name.as_str(), *cost))
            .collect();
        assert_eq!(functions, [("a::b", 7), ("d", 100)]);
    }

    #[test]
    fn other_text_is_refused() {
        assert!(Profile::parse("").is_none());
        assert!(Profile::parse("totals: x").is_none());
    }
}
