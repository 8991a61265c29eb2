//! `tracestate`: what tracing systems pass on to each other beside the ids (Trace Context §3.3).

use std::collections::HashSet;

/// Trace Context §3.3.1.1: a list has so many members at the most.
const MEMBERS_MAX: usize = 32;
const KEY_BYTES_MAX: usize = 256;
const TENANT_BYTES_MAX: usize = 241;
const SYSTEM_BYTES_MAX: usize = 14;
const VALUE_BYTES_MAX: usize = 256;

/// The fields of this name as one list, as they came but for empty members. None where there is no member, or where one of
/// them is invalid: then the list is thrown away (Trace Context §3.3.1.5).
pub(super) fn join<'a>(fields: impl Iterator<Item = &'a [u8]>) -> Option<Box<str>> {
    let mut list = String::new();
    let mut keys = HashSet::new();
    for member in fields.flat_map(|field| field.split(|byte| *byte == b',')) {
        let member = member.trim_ascii();
        if member.is_empty() {
            continue;
        }
        let (key, value) = str::from_utf8(member).ok()?.split_once('=')?;
        if !is_key(key) || !is_value(value) || !keys.insert(key) || keys.len() > MEMBERS_MAX {
            return None;
        }
        if !list.is_empty() {
            list.push(',');
        }
        list.push_str(key);
        list.push('=');
        list.push_str(value);
    }
    (!list.is_empty()).then(|| list.into())
}

/// Trace Context §3.3.1.3.1: a name, or a tenant at a system.
fn is_key(key: &str) -> bool {
    let is_part = |part: &str, max: usize| {
        let is_of_key = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/');
        part.len() <= max && part.bytes().all(is_of_key)
    };
    let begins_with_letter = |part: &str| part.starts_with(|first: char| first.is_ascii_lowercase());
    match key.split_once('@') {
        None => begins_with_letter(key) && is_part(key, KEY_BYTES_MAX),
        Some((tenant, system)) => {
            tenant.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
                && is_part(tenant, TENANT_BYTES_MAX)
                && begins_with_letter(system)
                && is_part(system, SYSTEM_BYTES_MAX)
        }
    }
}

/// Trace Context §3.3.1.3.2: printable, without commas and equals signs, and not with a space at its end.
fn is_value(value: &str) -> bool {
    let is_of_value = |byte| matches!(byte, b' '..=b'~') && byte != b',' && byte != b'=';
    (1..=VALUE_BYTES_MAX).contains(&value.len()) && value.bytes().all(is_of_value) && !value.ends_with(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(fields: &[&str]) -> Option<String> {
        join(fields.iter().map(|field| field.as_bytes())).map(String::from)
    }

    #[test]
    fn lists_are_joined_in_order() {
        for (fields, list) in [
            (vec!["foo=1"], "foo=1"),
            (vec!["foo=1", "bar=2"], "foo=1,bar=2"),
            (vec!["foo=1 \t , \t bar=2, \t baz=3"], "foo=1,bar=2,baz=3"),
            (vec!["", "foo=1,,bar=2,", ""], "foo=1,bar=2"),
            (
                vec!["fw529a3039@dt=FfvjAm*:;<>?@[]", "0t@s=x y"],
                "fw529a3039@dt=FfvjAm*:;<>?@[],0t@s=x y",
            ),
            (vec!["a_-*/9=~"], "a_-*/9=~"),
        ] {
            assert_eq!(joined(&fields).as_deref(), Some(list), "{fields:?}");
        }
    }

    #[test]
    fn one_invalid_member_makes_the_list_void() {
        let long = |key: usize, value: usize| format!("{}={}", "k".repeat(key), "v".repeat(value));
        assert!(joined(&[&long(256, 256)]).is_some());
        let (long_key, long_value) = (long(257, 1), long(1, 257));
        let (tenant, system) = (format!("{}@s=1", "t".repeat(242)), format!("t@{}=1", "s".repeat(15)));
        let invalid = [
            "",
            " ",
            ",",
            "foo",
            "=1",
            "foo=",
            "foo=a=b",
            "Foo=1",
            "fo.o=1",
            "foo =1",
            "1foo=1",
            "foo=1,foo=2",
            "@s=1",
            "t@=1",
            "t@1=1",
            "t@s@u=1",
            "foo=\u{e9}",
            "foo=a\tb",
            &long_key,
            &long_value,
            &tenant,
            &system,
        ];
        for field in invalid {
            assert_eq!(joined(&[field]), None, "{field:?}");
        }
        assert_eq!(joined(&["foo=1", "foo=1"]), None);
        assert_eq!(join([&b"foo=\xff"[..]].into_iter()), None);
    }

    #[test]
    fn a_list_has_at_most_32_members() {
        let list = |members: usize| (0..members).map(|at| format!("k{at}=v")).collect::<Vec<_>>().join(",");
        assert_eq!(joined(&[&list(32)]), Some(list(32)));
        assert_eq!(joined(&[&list(33)]), None);
        assert_eq!(joined(&[&list(20), &list(13).replace('k', "l")]), None);
    }
}
