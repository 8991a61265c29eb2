//! The field `Vary`: what of the request a response depends on.

use crate::response::Response;

/// Adds a field's name to `Vary`, unless it is there (RFC 9110 §12.5.5).
pub(super) fn add(response: &mut Response, name: &str) {
    let is_said = response
        .fields()
        .filter(|(field, _)| field.eq_ignore_ascii_case("vary"))
        .flat_map(|(_, value)| value.split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .any(|element| element == b"*" || element.eq_ignore_ascii_case(name.as_bytes()));
    if !is_said {
        let added = response.add_header("Vary", name);
        debug_assert!(added.is_ok(), "names of fields are valid values");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_added_once() {
        for (before, after) in [
            (&[][..], &["Origin"][..]),
            (&["Accept"], &["Accept", "Origin"]),
            (&["accept , ORIGIN"], &["accept , ORIGIN"]),
            (&["Origins", "x-origin"], &["Origins", "x-origin", "Origin"]),
            (&["Accept", "*"], &["Accept", "*"]),
        ] {
            let mut response = Response::text("");
            for value in before {
                response.add_header("vary", value).unwrap();
            }
            add(&mut response, "Origin");
            let fields = response.fields().filter(|(name, _)| name.eq_ignore_ascii_case("vary"));
            let values: Vec<_> = fields.map(|(_, value)| std::str::from_utf8(value).unwrap()).collect();
            assert_eq!(values, after);
        }
    }
}
