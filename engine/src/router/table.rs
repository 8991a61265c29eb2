//! Routes made ready to be searched: each path with what answers its methods, layers around everything.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use http::{Method, StatusCode};

use super::methods::{METHODS, Methods, index};
use super::params::{Pattern, Span};
use super::path;
use crate::erased::AnyService;
use crate::error::Error;
use crate::layer::Wrap;
use crate::request::Request;
use crate::response::{IntoResponse, Response};
use crate::service::Service;

/// A path, and what answers it.
pub(super) struct Route {
    path: String,
    methods: Methods,
    /// Layers of the routers that it was nested in, the innermost first: around its own answers to other methods, too.
    layers: Vec<Wrap>,
}

impl Route {
    pub(super) fn new(path: String, methods: Methods) -> Route {
        Route {
            path,
            methods,
            layers: Vec::new(),
        }
    }

    /// The same route within a router that has these layers and is nested under a prefix.
    pub(super) fn within(mut self, prefix: &str, layers: &[Wrap]) -> Route {
        self.path = match self.path.as_str() {
            "/" if !prefix.is_empty() => prefix.to_owned(),
            path => format!("{prefix}{path}"),
        };
        self.layers.extend_from_slice(layers);
        self
    }

    /// Whether its services, and the layers around them, can be used.
    pub(super) fn check(&self) -> Result<(), Error> {
        let services = self.methods.services.iter().flatten().chain(&self.methods.any);
        for service in services {
            service.check()?;
        }
        self.layers.iter().try_for_each(Wrap::check)
    }
}

/// A path with something for every method.
struct Entry {
    pattern: Rc<Pattern>,
    services: [AnyService; METHODS.len()],
}

pub(super) struct Table {
    entries: matchit::Router<Entry>,
    fallbacks: matchit::Router<AnyService>,
    fallback: AnyService,
    /// For paths that cannot be decoded.
    invalid: AnyService,
    /// For `OPTIONS *`, which asks about the server as a whole (RFC 9110 §9.3.7).
    whole: AnyService,
}

impl Table {
    /// The table of these routes, or a sentence about what is wrong with them.
    pub(super) fn new(routes: &[Route], fallbacks: &[(String, AnyService)], layers: &[Wrap]) -> Result<Table, String> {
        let mut table = Table {
            entries: matchit::Router::new(),
            fallbacks: matchit::Router::new(),
            fallback: around(AnyService::new(not_found), layers),
            invalid: around(AnyService::new(invalid_path), layers),
            whole: around(AnyService::new(async |_: Request| StatusCode::NO_CONTENT), layers),
        };
        for (path, routes) in by_path(routes)? {
            let entry = Entry::new(path, &routes, layers)?;
            table
                .entries
                .insert(path, entry)
                .map_err(|error| describe(path, &error))?;
        }
        for (prefix, service) in fallbacks {
            let service = around(service.clone(), layers);
            if prefix.is_empty() {
                table.fallback = service;
                continue;
            }
            for path in [prefix.clone(), format!("{prefix}/"), format!("{prefix}/{{*rest}}")] {
                let inserted = table.fallbacks.insert(path, service.clone());
                inserted.map_err(|error| describe(&format!("the fallback of {prefix}"), &error))?;
            }
        }
        Ok(table)
    }

    /// What answers a request; what is known of its route is left with it.
    pub(super) fn find(&self, request: &mut Request) -> &AnyService {
        let method = index(request.method());
        let (path, extras) = request.path_and_extras();
        let matched = &mut extras.matched;
        matched.clear();
        let Ok(path) = path::decode(path) else {
            return &self.invalid;
        };
        let Ok(found) = self.entries.at(&path) else {
            return self.unmatched(&path);
        };
        let values = found.params.iter().map(|(_, value)| Span::of(value, &path));
        matched.params.extend(values);
        let entry = found.value;
        matched.pattern = Some(Rc::clone(&entry.pattern));
        if let Cow::Owned(decoded) = path {
            matched.decoded = Some(decoded);
        }
        &entry.services[method]
    }

    /// What would answer a request.
    pub(super) fn look_up(&self, request: &Request) -> &AnyService {
        let Ok(path) = path::decode(request.path()) else {
            return &self.invalid;
        };
        match self.entries.at(&path) {
            Ok(found) => &found.value.services[index(request.method())],
            Err(_) => self.unmatched(&path),
        }
    }

    fn unmatched(&self, path: &str) -> &AnyService {
        match self.fallbacks.at(path) {
            Ok(found) => found.value,
            Err(_) if path == "*" => &self.whole,
            Err(_) => &self.fallback,
        }
    }
}

impl Entry {
    /// Of all routes that have this path.
    fn new(path: &str, routes: &[&Route], layers: &[Wrap]) -> Result<Entry, String> {
        let mut services = [const { None::<AnyService> }; METHODS.len()];
        let mut rest: Option<AnyService> = None;
        for route in routes {
            let place = |service: &AnyService| around(service.clone(), &route.layers);
            for (slot, (service, method)) in services.iter_mut().zip(route.methods.services.iter().zip(&METHODS)) {
                if let Some(service) = service
                    && slot.replace(place(service)).is_some()
                {
                    return Err(format!("{method} {path} is routed twice: remove one of the two routes"));
                }
            }
            if let Some(service) = &route.methods.any
                && rest.replace(place(service)).is_some()
            {
                return Err(format!(
                    "{path} is routed twice for any method: remove one of the two routes"
                ));
            }
        }
        if services[index(&Method::HEAD)].is_none() {
            services[index(&Method::HEAD)] = services[index(&Method::GET)].clone();
        }
        let allow: Rc<str> = allow(&services).into();
        let own_layers = routes.first().map_or(&[][..], |route| &route.layers);
        let rest_of = |place: usize| match &rest {
            Some(rest) => rest.clone(),
            None => {
                let allow = Rc::clone(&allow);
                let own = if place == index(&Method::OPTIONS) {
                    AnyService::new(async move |_: Request| allowed(&allow))
                } else {
                    AnyService::new(async move |_: Request| refused(&allow))
                };
                around(own, own_layers)
            }
        };
        let services = std::array::from_fn(|place| {
            let service = services[place].clone().unwrap_or_else(|| rest_of(place));
            around(service, layers)
        });
        let invalid_param = routes.iter().map(|route| route.methods.invalid_param);
        let invalid_param = invalid_param
            .max_by_key(|status| *status != StatusCode::BAD_REQUEST)
            .unwrap_or(StatusCode::BAD_REQUEST);
        Ok(Entry {
            pattern: Rc::new(Pattern::new(path, invalid_param)),
            services,
        })
    }
}

/// The routes of each path, in their order.
fn by_path(routes: &[Route]) -> Result<BTreeMap<&str, Vec<&Route>>, String> {
    let mut paths = BTreeMap::<_, Vec<_>>::new();
    for route in routes {
        if !route.path.starts_with('/') {
            return Err(format!(
                "the route {:?} does not begin with a slash: add one",
                route.path
            ));
        }
        paths.entry(route.path.as_str()).or_default().push(route);
    }
    Ok(paths)
}

fn around(service: AnyService, layers: &[Wrap]) -> AnyService {
    layers.iter().fold(service, |service, layer| layer.around(service))
}

/// What a conflict is about: both routes.
fn describe(path: &str, error: &matchit::InsertError) -> String {
    match error {
        matchit::InsertError::Conflict { with } => {
            format!("the routes {path} and {with} take the same paths: remove one of them, or give them different text")
        }
        error => format!("the route {path} cannot be understood: {error}"),
    }
}

/// The value of `Allow` (RFC 9110 §10.2.1).
fn allow(services: &[Option<AnyService>]) -> String {
    let has = |place: usize| services[place].is_some() || place == index(&Method::OPTIONS);
    let methods = METHODS.iter().enumerate().filter(|(place, _)| has(*place));
    methods
        .map(|(_, method)| method.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

fn allowed(allow: &str) -> Response {
    Response::new(StatusCode::NO_CONTENT)
        .header("Allow", allow)
        .into_response()
}

/// RFC 9110 §15.5.6.
fn refused(allow: &str) -> Response {
    Response::text("method not allowed\n")
        .with_status(StatusCode::METHOD_NOT_ALLOWED)
        .header("Allow", allow)
        .into_response()
}

async fn not_found(_: Request) -> Response {
    (StatusCode::NOT_FOUND, "not found\n").into_response()
}

async fn invalid_path(_: Request) -> Response {
    let reason = "the path's percent-encoding is no text\n";
    (StatusCode::BAD_REQUEST, reason).into_response()
}
