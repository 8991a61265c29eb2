//! Tables of conditions, by RFC 9110 §13.

use super::*;

const ETAG: &str = "\"5f5e1000-1a\"";
const BEFORE: &str = "Sun, 13 Sep 2020 12:26:39 GMT";
const EXACT: &str = "Sun, 13 Sep 2020 12:26:40 GMT";
const AFTER: &str = "Sun, 13 Sep 2020 12:26:41 GMT";

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

fn validators() -> Validators {
    let validators = Validators::new(1_600_000_000, 0x1a, None, now());
    assert_eq!(validators.etag, ETAG);
    assert_eq!(validators.last_modified().as_deref(), Some(EXACT));
    validators
}

fn asked<'a>(fields: &'a [(&'a str, &'a str)]) -> Asked<'a> {
    Asked::of(fields.iter().map(|&(name, value)| (name, value.as_bytes())))
}

fn judged(fields: &[(&str, &str)]) -> Verdict {
    judge(&asked(fields), &validators())
}

#[test]
fn tags() {
    let listed = format!("\"a,b\" , W/\"c\",{ETAG}");
    let weak = format!("W/{ETAG}");
    let unquoted = ETAG.trim_matches('"').to_owned();
    let broken = format!("\"open, {ETAG}");
    // The value, whether If-Match holds (strong comparison), and whether If-None-Match finds it (weak comparison).
    for (value, strong, loose) in [
        (ETAG, true, true),
        ("*", true, true),
        (&listed, true, true),
        (&weak, false, true),
        ("\"other\"", false, false),
        ("\"\"", false, false),
        ("", false, false),
        (&unquoted, false, false),
        (&broken, false, false),
        ("\"5F5E1000-1A\"", false, false),
        ("w/\"5f5e1000-1a\"", false, false),
    ] {
        let failed = if strong { Verdict::Proceed } else { Verdict::Failed };
        assert_eq!(judged(&[("If-Match", value)]), failed, "If-Match: {value}");
        let found = if loose { Verdict::NotModified } else { Verdict::Proceed };
        assert_eq!(judged(&[("if-none-match", value)]), found, "If-None-Match: {value}");
    }
}

#[test]
fn lists_over_several_lines_are_one_list() {
    let lines = [("If-None-Match", "\"a\""), ("IF-NONE-MATCH", ETAG)];
    assert_eq!(judged(&lines), Verdict::NotModified);
    assert_eq!(judged(&[("If-Match", "\"a\""), ("If-Match", ETAG)]), Verdict::Proceed);
}

#[test]
fn dates() {
    for (value, modified_since, unmodified_since) in [
        (BEFORE, Verdict::Proceed, Verdict::Failed),
        (EXACT, Verdict::NotModified, Verdict::Proceed),
        (AFTER, Verdict::NotModified, Verdict::Proceed),
        ("Sunday, 13-Sep-20 12:26:40 GMT", Verdict::NotModified, Verdict::Proceed),
        ("Sun Sep 13 12:26:40 2020", Verdict::NotModified, Verdict::Proceed),
        ("Sun Sep 13 12:26:39 2020", Verdict::Proceed, Verdict::Failed),
        ("1600000000", Verdict::Proceed, Verdict::Proceed),
        ("yesterday", Verdict::Proceed, Verdict::Proceed),
        ("", Verdict::Proceed, Verdict::Proceed),
    ] {
        assert_eq!(judged(&[("If-Modified-Since", value)]), modified_since, "{value}");
        assert_eq!(judged(&[("If-Unmodified-Since", value)]), unmodified_since, "{value}");
    }
}

#[test]
fn a_date_that_is_there_twice_is_none() {
    let twice = [("If-Modified-Since", EXACT), ("If-Modified-Since", EXACT)];
    assert_eq!(judged(&twice), Verdict::Proceed);
    let twice = [("If-Unmodified-Since", BEFORE), ("If-Unmodified-Since", BEFORE)];
    assert_eq!(judged(&twice), Verdict::Proceed);
}

#[test]
fn precedence() {
    for (fields, expected) in [
        // If-Match stands in for If-Unmodified-Since, and If-None-Match for If-Modified-Since.
        (
            vec![("If-Match", ETAG), ("If-Unmodified-Since", BEFORE)],
            Verdict::Proceed,
        ),
        (
            vec![("If-Match", "\"x\""), ("If-Unmodified-Since", AFTER)],
            Verdict::Failed,
        ),
        (
            vec![("If-None-Match", "\"x\""), ("If-Modified-Since", AFTER)],
            Verdict::Proceed,
        ),
        (
            vec![("If-None-Match", ETAG), ("If-Modified-Since", BEFORE)],
            Verdict::NotModified,
        ),
        // The first pair is judged before the second.
        (vec![("If-None-Match", ETAG), ("If-Match", "\"x\"")], Verdict::Failed),
        (vec![("If-None-Match", ETAG), ("If-Match", ETAG)], Verdict::NotModified),
        (
            vec![("If-None-Match", ETAG), ("If-Unmodified-Since", BEFORE)],
            Verdict::Failed,
        ),
        (
            vec![("If-Match", ETAG), ("If-Modified-Since", EXACT)],
            Verdict::NotModified,
        ),
        (
            vec![("If-Unmodified-Since", EXACT), ("If-Modified-Since", EXACT)],
            Verdict::NotModified,
        ),
        (
            vec![("If-Unmodified-Since", BEFORE), ("If-Modified-Since", EXACT)],
            Verdict::Failed,
        ),
    ] {
        assert_eq!(judged(&fields), expected, "{fields:?}");
    }
}

#[test]
fn if_range_wants_the_strong_validator_itself() {
    let weak = format!("W/{ETAG}");
    let listed = format!("{ETAG}, {ETAG}");
    for (value, expected) in [
        (ETAG, true),
        (EXACT, true),
        ("Sunday, 13-Sep-20 12:26:40 GMT", true),
        (&weak, false),
        (&listed, false),
        ("*", false),
        (BEFORE, false),
        (AFTER, false),
        ("\"x\"", false),
        ("", false),
        ("soon", false),
    ] {
        assert_eq!(
            range_holds(&asked(&[("If-Range", value)]), &validators()),
            expected,
            "{value}"
        );
    }
    assert!(range_holds(&asked(&[]), &validators()));
    assert!(!range_holds(
        &asked(&[("If-Range", ETAG), ("If-Range", ETAG)]),
        &validators()
    ));
}

#[test]
fn no_two_codings_share_a_tag() {
    let of = |coding| Validators::new(1_600_000_000, 0x1a, coding, now()).etag;
    assert_eq!(of(None), "\"5f5e1000-1a\"");
    assert_eq!(of(Some(Coding::Gzip)), "\"5f5e1000-1a-gzip\"");
    assert_eq!(of(Some(Coding::Br)), "\"5f5e1000-1a-br\"");
}

#[test]
fn a_date_within_the_last_second_is_a_weak_validator() {
    let recent = Validators::new(1_699_999_999, 1, None, now());
    let date = recent.last_modified().unwrap();
    assert!(!range_holds(&asked(&[("If-Range", &date)]), &recent));
    assert!(range_holds(&asked(&[("If-Range", &recent.etag)]), &recent));
    let settled = Validators::new(1_699_999_998, 1, None, now());
    let date = settled.last_modified().unwrap();
    assert!(range_holds(&asked(&[("If-Range", &date)]), &settled));
}

#[test]
fn no_date_is_sent_that_is_later_than_now_or_before_1970() {
    let later = Validators::new(1_800_000_000, 1, None, now());
    assert_eq!((later.modified, &*later.etag), (Some(1_700_000_000), "\"6b49d200-1\""));
    let earlier = Validators::new(-1, 1, None, now());
    assert_eq!(
        (earlier.last_modified(), &*earlier.etag),
        (None, "\"ffffffffffffffff-1\"")
    );
    assert_eq!(
        judge(&asked(&[("If-Modified-Since", EXACT)]), &earlier),
        Verdict::Proceed
    );
    let far = UNIX_EPOCH + Duration::from_secs(u64::MAX >> 2);
    assert!(Validators::new(i64::MAX, 1, None, far).last_modified().is_some());
}
