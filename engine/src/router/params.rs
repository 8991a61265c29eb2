//! The parameters of a route that has been found, and reading them.

use std::any::type_name;
use std::fmt;
use std::rc::Rc;
use std::str::FromStr;

use http::StatusCode;

use super::path;
use crate::request::Request;
use crate::response::{IntoResponse, Response};

/// A path with the names of its parameters.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) path: String,
    /// The names of its parameters, in their order.
    pub(super) names: Vec<String>,
    /// The status of a parameter that cannot be parsed.
    pub(super) invalid_param: StatusCode,
}

impl Pattern {
    pub(super) fn new(path: &str, invalid_param: StatusCode) -> Pattern {
        // In a valid pattern `{{` and `}}` stand for braces that are text.
        let text = path.replace("{{", "").replace("}}", "");
        let names = text.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
        Pattern {
            path: path.to_owned(),
            names: names.map(|(name, _)| name.trim_start_matches('*').to_owned()).collect(),
            invalid_param,
        }
    }
}

/// The route that a request has taken, and where its parameters are.
#[derive(Default)]
pub(crate) struct Matched {
    pub(super) pattern: Option<Rc<Pattern>>,
    /// The path, where decoding has changed it.
    pub(super) decoded: Option<String>,
    /// Where the values of the pattern's parameters are in the path.
    pub(super) params: Vec<Span>,
}

/// Where a part of a text begins, and where it ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span(u32, u32);

impl Span {
    /// Of `part`, which lies in `whole`; else nothing.
    pub(super) fn of(part: &str, whole: &str) -> Span {
        let start = part.as_ptr().addr().wrapping_sub(whole.as_ptr().addr());
        let end = start.wrapping_add(part.len());
        match (u32::try_from(start), u32::try_from(end)) {
            (Ok(start), Ok(end)) if end as usize <= whole.len() => Span(start, end),
            _ => Span(0, 0),
        }
    }

    fn within(self, whole: &str) -> &str {
        whole.get(self.0 as usize..self.1 as usize).unwrap_or_default()
    }
}

impl Matched {
    #[inline]
    pub(crate) fn clear(&mut self) {
        if self.pattern.is_some() {
            self.pattern = None;
            self.decoded = None;
            self.params.clear();
        }
    }

    /// The request is about to get another path: what was found in this one stays what it is.
    pub(crate) fn keep_path(&mut self, path: String) {
        self.decoded.get_or_insert(path);
    }

    /// Whether a route has been found.
    pub(crate) fn has_route(&self) -> bool {
        self.pattern.is_some()
    }
}

/// What a router has found out about a request.
impl Request {
    /// The path of the route that the request has taken, as it was given to the router, with prefixes; none where none was
    /// found. Made for metrics and logs: there are few of them.
    pub fn route(&self) -> Option<&str> {
        self.extras()
            .matched
            .pattern
            .as_ref()
            .map(|pattern| pattern.path.as_str())
    }

    /// A parameter of the route's path, percent-decoded, as a number or of any other type that is parsed from text.
    ///
    /// # Errors
    ///
    /// [`ParamError`] where it cannot be parsed, which is a response of the status that
    /// [`Methods::invalid_param`](crate::router::Methods::invalid_param) says, 400 in general; and where the route has no
    /// parameter of this name, which is a 500.
    pub fn param<T: FromStr>(&self, name: &str) -> Result<T, ParamError> {
        let matched = &self.extras().matched;
        let missing = || ParamError {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            message: format!("the route has no parameter {name:?}"),
        };
        let pattern = matched.pattern.as_ref().ok_or_else(missing)?;
        let mut params = pattern.names.iter().zip(&matched.params);
        let (_, value) = params.find(|(known, _)| *known == name).ok_or_else(missing)?;
        let path = matched.decoded.as_deref().unwrap_or_else(|| self.path());
        let value = path::decode_param(value.within(path));
        value.parse().map_err(|_| ParamError {
            status: pattern.invalid_param,
            message: format!("the path's {name:?} is no {}: {value:?}", short_name::<T>()),
        })
    }
}

/// The last part of a type's name.
fn short_name<T>() -> &'static str {
    let name = type_name::<T>();
    name.rsplit("::").next().unwrap_or(name)
}

/// A parameter that cannot be parsed as what was asked for, or is not there.
///
/// As a response it has the status that the route says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamError {
    status: StatusCode,
    message: String,
}

impl fmt::Display for ParamError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for ParamError {}

impl IntoResponse for ParamError {
    fn into_response(self) -> Response {
        (self.status, self.message).into_response()
    }
}
