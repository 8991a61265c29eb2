//! Where a request's path leads below the root: no further than below it.

use std::borrow::Cow;

use http::StatusCode;
use percent_encoding::percent_decode_str;

use crate::request::Request;

/// A path below the root.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Names with a slash between each two; empty for the root itself. No name is empty, `.` or `..`, or has a slash or NUL.
    pub(super) path: Vec<u8>,
    /// It ends with a slash.
    pub(super) is_directory: bool,
}

impl Place {
    /// Decodes what follows the mount point and its slash. Errors are the status of the answer.
    ///
    /// What can name no file is not found: an encoded slash, an empty segment (of which `//host` in a redirect would make an
    /// authority), a dot segment, which a client has to remove itself (RFC 3986 §5.2.4). What is no path (NUL, a percent
    /// sign without its digits) is a bad request.
    pub(super) fn parse(below: &str, hidden: bool) -> Result<Place, StatusCode> {
        let mut path = Vec::with_capacity(below.len());
        let (names, last) = below
            .rsplit_once('/')
            .map_or((None, below), |(names, last)| (Some(names), last));
        let last = Some(last).filter(|last| !last.is_empty());
        for segment in names.into_iter().flat_map(|names| names.split('/')).chain(last) {
            let name = decode(segment)?;
            let is_dots = matches!(&*name, b"." | b"..");
            if name.is_empty() || name.contains(&b'/') || is_dots || name.starts_with(b".") && !hidden {
                return Err(StatusCode::NOT_FOUND);
            }
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(&name);
        }
        Ok(Place {
            path,
            is_directory: last.is_none(),
        })
    }

    /// The path of a file in this directory.
    pub(super) fn join(&self, name: &str) -> Vec<u8> {
        let slash: &[u8] = if self.path.is_empty() { b"" } else { b"/" };
        [&self.path, slash, name.as_bytes()].concat()
    }
}

fn decode(segment: &str) -> Result<Cow<'_, [u8]>, StatusCode> {
    let is_encoded = |rest: &str| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !segment.split('%').skip(1).all(is_encoded) {
        return Err(StatusCode::BAD_REQUEST);
    }
    let name = Cow::from(percent_decode_str(segment));
    if name.contains(&0) {
        return Err(StatusCode::BAD_REQUEST);
    }
    Ok(name)
}

/// What a request's path says to files that are mounted somewhere.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Below<'a> {
    /// What follows the mount point and its slash, as sent.
    Path(&'a str),
    /// The mount point without its slash.
    Mount,
    /// The path does not lead to the mount point.
    Outside,
}

/// What of a request's path lies below the mount point: the prefix where there is one, else what the catch-all parameter of
/// the request's route has taken, else the whole path.
pub(super) fn below<'a>(request: &'a Request, prefix: Option<&str>) -> Below<'a> {
    let path = request.path();
    match (prefix, catch_all_depth(request)) {
        (Some(prefix), _) => below_prefix(path, prefix),
        (None, Some(depth)) => split(path, depth).map_or(Below::Outside, |(_, rest)| Below::Path(rest)),
        (None, None) => Below::Path(path.strip_prefix('/').unwrap_or(path)),
    }
}

/// How many slashes a route has before its catch-all parameter. A path has as many before the parameter's value: neither text
/// nor a parameter of one segment takes a slash.
#[cfg(feature = "router")]
fn catch_all_depth(request: &Request) -> Option<usize> {
    depth(request.route()?)
}

#[cfg(not(feature = "router"))]
fn catch_all_depth(_: &Request) -> Option<usize> {
    None
}

#[cfg(feature = "router")]
fn depth(route: &str) -> Option<usize> {
    let (before, _) = route.rsplit_once("{*").filter(|(_, name)| name.ends_with('}'))?;
    // `{{` is a brace that is text.
    (!before.ends_with('{')).then(|| before.matches('/').count())
}

/// `prefix` begins with a slash and does not end with one; it is compared with the decoded path.
fn below_prefix<'a>(path: &'a str, prefix: &str) -> Below<'a> {
    let depth = prefix.matches('/').count();
    let is_prefix = |head: &str| Cow::from(percent_decode_str(head)) == prefix.as_bytes();
    match split(path, depth + 1) {
        Some((head, rest)) if is_prefix(head) => Below::Path(rest),
        None if is_prefix(path) => Below::Mount,
        _ => Below::Outside,
    }
}

/// Cuts a path at its slash of this number, counted from 1.
fn split(path: &str, number: usize) -> Option<(&str, &str)> {
    let (at, _) = path.match_indices('/').nth(number.checked_sub(1)?)?;
    Some((&path[..at], &path[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(below: &str) -> Result<(String, bool), u16> {
        let place = Place::parse(below, false).map_err(|status| status.as_u16())?;
        Ok((place.path.escape_ascii().to_string(), place.is_directory))
    }

    #[test]
    fn paths_are_decoded_once() {
        for (below, path, is_directory) in [
            ("", "", true),
            ("a", "a", false),
            ("a/", "a", true),
            ("a/b.txt", "a/b.txt", false),
            ("a/b/", "a/b", true),
            ("caf%C3%A9", "caf\\xc3\\xa9", false),
            ("%ff%fe", "\\xff\\xfe", false),
            ("%61%2Etxt", "a.txt", false),
            ("100%25", "100%", false),
            ("%252e%252e/x", "%2e%2e/x", false),
            ("%252Fetc", "%2Fetc", false),
            ("a%5Cb", "a\\\\b", false),
            ("..%5C..%5Cx", "", false),
            ("a%20b+c", "a b+c", false),
            ("a..b/c...", "a..b/c...", false),
        ] {
            let expected = if below.starts_with('.') {
                Err(404) // Hidden, as every name that begins with a dot.
            } else {
                Ok((path.to_owned(), is_directory))
            };
            assert_eq!(parse(below), expected, "{below}");
        }
        assert_eq!(Place::parse("..%5Cx", true).unwrap().path, b"..\\x");
    }

    #[test]
    fn what_names_no_file_is_refused() {
        for (status, paths) in [
            (
                404,
                &[
                    "..",
                    "../x",
                    "a/..",
                    "a/../b",
                    "a/../",
                    "%2e%2e/x",
                    "%2E./x",
                    ".%2e",
                    ".",
                    "./a",
                    "a/./b",
                    "%2e",
                    "a%2Fb",
                    "..%2fetc",
                    "%2F",
                    "%2fetc/passwd",
                    "/",
                    "//",
                    "a//b",
                    "/etc/passwd",
                    "a//",
                    ".hidden",
                    "a/.git/config",
                    "%2ehidden",
                ][..],
            ),
            (
                400,
                &[
                    "%00", "a%00.txt", "a/%00", "%", "%2", "a%zz", "%%32%65", "%u002e", "a/%",
                ][..],
            ),
        ] {
            for path in paths {
                assert_eq!(parse(path), Err(status), "{path}");
            }
        }
        for path in ["..", "a/../b", "%2e%2e/x", ".", "a//b", "a%2fb"] {
            assert_eq!(Place::parse(path, true), Err(StatusCode::NOT_FOUND), "{path}");
        }
        assert_eq!(Place::parse(".well-known/x", true).unwrap().path, b".well-known/x");
    }

    #[test]
    fn a_prefix_is_left_out() {
        for (path, prefix, expected) in [
            ("/files/a/b", "/files", Below::Path("a/b")),
            ("/files/", "/files", Below::Path("")),
            ("/files", "/files", Below::Mount),
            ("/%66iles/a", "/files", Below::Path("a")),
            ("/files%2Fa", "/files", Below::Outside),
            ("/filesystem", "/files", Below::Outside),
            ("/files2/a", "/files", Below::Outside),
            ("/", "/files", Below::Outside),
            ("/a/b/c", "/a/b", Below::Path("c")),
            ("/a/b", "/a/b", Below::Mount),
            ("/a", "/a/b", Below::Outside),
            ("//files/a", "/files", Below::Outside),
            ("/files//a", "/files", Below::Path("/a")),
        ] {
            assert_eq!(below_prefix(path, prefix), expected, "{path} below {prefix}");
        }
    }

    #[cfg(feature = "router")]
    #[test]
    fn a_catch_all_parameter_begins_behind_the_slashes_of_its_route() {
        for (route, expected) in [
            ("/files/{*path}", Some(2)),
            ("/{*path}", Some(1)),
            ("/of/{user}/{*rest}", Some(3)),
            ("/files/{name}", None),
            ("/files/", None),
            ("/text{{*}}", None),
        ] {
            assert_eq!(depth(route), expected, "{route}");
        }
        assert_eq!(split("/of/ada/a%2Fb/c", 3), Some(("/of/ada", "a%2Fb/c")));
        assert_eq!(split("/of/ada", 3), None);
    }
}
