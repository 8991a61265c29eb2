//! Events of a core pass through whatever is around and within a router.
#![cfg(feature = "router")]

mod support;

use std::sync::{Arc, Mutex};

use ringlane::layer::{Layer, Next, layered};
use ringlane::router::Router;
use ringlane::{Event, Request, Response, Service};
use support::TestServer;

type Told = Arc<Mutex<Vec<String>>>;

/// Notes what it is told, with its name, but for the connections.
struct Recorder(&'static str, Told);

impl Recorder {
    fn note(&self, event: &Event<'_>) {
        if matches!(event, Event::HandlerPanicked) {
            self.1.lock().unwrap().push(self.0.to_owned());
        }
    }
}

impl Layer for Recorder {
    async fn call(&self, request: Request, next: &Next) -> Response {
        next.run(request).await
    }

    fn handle_event(&self, event: &Event<'_>) {
        self.note(event);
    }
}

impl Service for Recorder {
    async fn call(&self, _request: Request) -> Response {
        panic!("expected by the test")
    }

    fn handle_event(&self, event: &Event<'_>) {
        self.note(event);
    }
}

#[test]
fn layers_and_routers_are_told_once_each_and_services_of_routes_are_not() {
    let told = Told::default();
    let all = Arc::clone(&told);
    let server = TestServer::start(
        |_| {},
        move |_| {
            let recorder = |name| Recorder(name, Arc::clone(&all));
            let (outer, inner) = (recorder("outer observer"), recorder("inner observer"));
            let within = Router::new()
                .get("/", recorder("route"))
                .fallback(recorder("inner fallback"))
                .layer(recorder("inner layer"))
                .on_event(move |event| inner.note(event));
            let router = Router::new()
                .nest("/within", within)
                .get("/a", recorder("another route"))
                .layer(recorder("outer layer"))
                .on_event(move |event| outer.note(event));
            layered(router).layer(recorder("around"))
        },
    );
    for path in ["/within", "/within/nothing", "/a"] {
        assert_eq!(server.connect().get(path).status, 500, "{path}");
        let mut names = std::mem::take(&mut *told.lock().unwrap());
        names.sort_unstable();
        let expected = [
            "around",
            "inner layer",
            "inner observer",
            "outer layer",
            "outer observer",
        ];
        assert_eq!(names, expected, "{path}");
    }
}

#[test]
fn a_service_within_layers_is_told() {
    let told = Told::default();
    let all = Arc::clone(&told);
    let server = TestServer::start(
        |_| {},
        move |_| {
            let recorder = |name| Recorder(name, Arc::clone(&all));
            layered(recorder("service")).layer(recorder("layer"))
        },
    );
    assert_eq!(server.connect().get("/").status, 500);
    assert_eq!(*told.lock().unwrap(), ["layer", "service"]);
}
