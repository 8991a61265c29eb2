//! Routing on a whole core: requests in, responses out.

use std::cell::RefCell;
use std::rc::Rc;

use super::*;
use crate::core::harness::{self, Harness};
use crate::layer::{Next, layered};

/// Answers with the route and the parameters of these names.
fn tell(names: &'static [&'static str]) -> impl Service {
    async move |request: Request| {
        let mut text = request.route().unwrap_or("none").to_owned();
        for name in names {
            match request.param::<String>(name) {
                Ok(value) => text.push_str(&format!(" {name}={value}")),
                Err(error) => return error.into_response(),
            }
        }
        Response::text(text)
    }
}

fn number(request: &Request) -> Result<String, ParamError> {
    Ok(request.param::<u8>("n")?.to_string())
}

fn router() -> Router {
    let inner = Router::new()
        .get("/", tell(&[]))
        .get("/{b}", tell(&["a", "b"]))
        .fallback(async |_: Request| (StatusCode::GONE, "inner"));
    Router::new()
        .get("/", tell(&[]))
        .get("/caf\u{e9}", tell(&[]))
        .get("/one/{x}", tell(&["x"]))
        .get("/one/two", tell(&[]))
        .get("/one/{x}/{y}", tell(&["x", "y", "z"]))
        .get("/rest/{*rest}", tell(&["rest"]))
        .route("/number/{n}", get(async |request: Request| number(&request)))
        .route(
            "/strict/{n}",
            get(async |request: Request| number(&request)).invalid_param(StatusCode::NOT_FOUND),
        )
        .route("/many", get(tell(&[])).put(tell(&[])))
        .post("/many", tell(&[]))
        .any("/any", async |request: Request| request.method().to_string())
        .route(
            "/head",
            get(async |_: Request| "get").head(async |_: Request| StatusCode::ACCEPTED),
        )
        .nest("/in/{a}/", inner)
}

/// Status, `Allow` and body of what each request line is answered.
fn ask(service: impl Service, lines: &[&str]) -> Vec<(u16, String, String)> {
    let answers = Rc::new(RefCell::new(Vec::new()));
    let into = Rc::clone(&answers);
    let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    harness::run(async move || {
        let mut harness = Harness::new(service, |_| {});
        for line in lines {
            let request = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            let answer = String::from_utf8(harness.answer(&[request.as_bytes()]).await).unwrap();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            let status = head[9..12].parse().unwrap();
            let allow = head
                .lines()
                .find_map(|line| line.strip_prefix("Allow: "))
                .unwrap_or_default();
            into.borrow_mut().push((status, allow.to_owned(), body.to_owned()));
        }
    });
    answers.take()
}

#[test]
fn requests_take_their_routes() {
    const CASES: &[(&str, u16, &str)] = &[
        ("GET /", 200, "/"),
        ("GET /?a=b", 200, "/"),
        ("GET http://host", 200, "/"),
        ("GET /caf%C3%A9", 200, "/caf\u{e9}"),
        ("GET /%63af%c3%a9", 200, "/caf\u{e9}"),
        ("GET /one/a", 200, "/one/{x} x=a"),
        ("GET /one/two", 200, "/one/two"),
        ("GET /one/tw%6F", 200, "/one/two"),
        ("GET /one/a%2Fb%25", 200, "/one/{x} x=a/b%"),
        ("GET /one/%252F", 200, "/one/{x} x=%2F"),
        ("GET /one/a/b", 500, "the route has no parameter \"z\""),
        ("GET /one/", 404, "not found\n"),
        ("GET /one", 404, "not found\n"),
        ("GET //one/a", 404, "not found\n"),
        ("GET /rest/a/../b//", 200, "/rest/{*rest} rest=a/../b//"),
        ("GET /rest/", 404, "not found\n"),
        ("GET /one/%00", 400, "the path's percent-encoding is no text\n"),
        ("GET /one/%ff", 400, "the path's percent-encoding is no text\n"),
        ("GET /number/255", 200, "255"),
        ("GET /number/256", 400, "the path's \"n\" is no u8: \"256\""),
        ("GET /strict/x", 404, "the path's \"n\" is no u8: \"x\""),
        ("PUT /many", 200, "/many"),
        ("POST /many", 200, "/many"),
        ("PATCH /any", 200, "PATCH"),
        ("OPTIONS /any", 200, "OPTIONS"),
        ("GET /in/7", 200, "/in/{a}"),
        ("GET /in/7/8", 200, "/in/{a}/{b} a=7 b=8"),
        ("GET /in/7/8/9", 410, "inner"),
        ("GET /in", 404, "not found\n"),
        // What is left of a path that was decoded is not the next request's.
        ("GET /%41%41/nowhere", 404, "not found\n"),
        ("GET /one/z", 200, "/one/{x} x=z"),
    ];
    let lines: Vec<&str> = CASES.iter().map(|case| case.0).collect();
    for ((line, status, body), answer) in CASES.iter().zip(ask(router(), &lines)) {
        assert_eq!((answer.0, answer.2.as_str()), (*status, *body), "{line}");
    }
}

/// RFC 9110 §9.3.2, §9.3.7, §15.5.6.
#[test]
fn methods_without_a_service_of_their_own_are_answered_by_the_rules() {
    const CASES: &[(&str, u16, &str)] = &[
        ("DELETE /", 405, "GET, HEAD, OPTIONS"),
        ("DELETE /many", 405, "GET, HEAD, POST, PUT, OPTIONS"),
        ("OPTIONS /many", 204, "GET, HEAD, POST, PUT, OPTIONS"),
        ("TRACE /", 405, "GET, HEAD, OPTIONS"),
        ("HEAD /", 200, ""),
        ("HEAD /head", 202, ""),
        ("GET /head", 200, ""),
        ("OPTIONS *", 204, ""),
        ("DELETE /nowhere", 404, ""),
    ];
    let lines: Vec<&str> = CASES.iter().map(|case| case.0).collect();
    for ((line, status, allow), answer) in CASES.iter().zip(ask(router(), &lines)) {
        assert_eq!((answer.0, answer.1.as_str()), (*status, *allow), "{line}");
        assert!(!line.starts_with("HEAD") || answer.2.is_empty(), "{line}");
    }
}

#[test]
fn conflicts_are_found_before_the_start_and_name_both_routes() {
    let tell = || tell(&[]);
    for (router, problem) in [
        (
            Router::new().get("/a", tell()).get("/a", tell()),
            "GET /a is routed twice: remove one of the two routes",
        ),
        (
            Router::new()
                .any("/a", tell())
                .nest("/a", Router::new().any("/", tell())),
            "/a is routed twice for any method: remove one of the two routes",
        ),
        (
            Router::new().get("/{a}", tell()).get("/{b}", tell()),
            "the routes /{b} and /{a} take the same paths: remove one of them, or give them different text",
        ),
        (
            Router::new()
                .get("/x/{*a}", tell())
                .nest("/x", Router::new().get("/{*b}", tell())),
            "the routes /x/{*b} and /x/{*a} take the same paths: remove one of them, or give them different text",
        ),
        (
            Router::new().get("a", tell()),
            "the route \"a\" does not begin with a slash: add one",
        ),
    ] {
        assert_eq!(router.check().unwrap_err().to_string(), problem);
        let within = layered(router).layer(async |request: Request, next: &Next| next.run(request).await);
        assert_eq!(within.check().unwrap_err().to_string(), problem);
    }
    assert!(router().check().is_ok());
}

#[test]
fn services_that_cannot_be_used_are_found_before_the_start() {
    struct Unusable;
    impl Service for Unusable {
        async fn call(&self, _: Request) -> Response {
            Response::text("never")
        }

        fn check(&self) -> Result<(), Error> {
            let problem = "it cannot be used".to_owned();
            Err(Error::Service { problem })
        }
    }
    let nested = || Router::new().get("/a", Unusable);
    for router in [
        nested(),
        Router::new().nest("/b", nested()),
        Router::new().fallback(Unusable),
    ] {
        assert_eq!(router.check().unwrap_err().to_string(), "it cannot be used");
    }
}

/// A layer that leaves its name on both ways.
fn named(name: &'static str) -> impl Layer {
    async move |mut request: Request, next: &Next| {
        let path = request.take_value::<String>().unwrap_or_default();
        request.set_value(format!("{path}{name}"));
        let response = next.run(request).await;
        let after = response.body().map(<[u8]>::to_vec).unwrap_or_default();
        response.with_body([&after[..], name.as_bytes()].concat())
    }
}

#[test]
fn layers_are_around_what_they_were_put_around() {
    let show = || async |request: Request| format!("{} ", request.value::<String>().map_or("", String::as_str));
    let inner = Router::new().get("/in", show()).layer(named("i"));
    let router = Router::new()
        .route("/method", get(show()).layer(named("m")).post(show()))
        .nest("/nest", inner)
        .layer(named("1"))
        .get("/after", show())
        .layer(named("2"));
    let lines = [
        "GET /after",
        "GET /method",
        "POST /method",
        "GET /nest/in",
        "GET /none",
        "GET /%00",
    ];
    let bodies: Vec<String> = ask(router, &lines).into_iter().map(|answer| answer.2).collect();
    assert_eq!(
        bodies,
        [
            "21 12",
            "21m m12",
            "21 12",
            "21i i12",
            "not found\n12",
            "the path's percent-encoding is no text\n12"
        ]
    );
}

#[test]
fn values_are_one_of_a_type() {
    let service = async |mut request: Request| {
        assert_eq!(request.value::<u8>(), None);
        assert_eq!(request.set_value(1_u8), None);
        assert_eq!(request.set_value("text"), None);
        assert_eq!(request.set_value(2_u8), Some(1));
        assert_eq!(request.value::<u8>(), Some(&2));
        assert_eq!(
            (request.take_value::<u8>(), request.take_value::<u8>()),
            (Some(2), None)
        );
        assert_eq!(request.value::<&str>(), Some(&"text"));
    };
    // The second request uses the memory of the first one, and must find nothing in it.
    assert!(ask(service, &["GET /", "GET /"]).iter().all(|answer| answer.0 == 200));
}

#[test]
fn a_service_within_says_how_long_bodies_may_be() {
    struct Uploads;
    impl Service for Uploads {
        async fn call(&self, request: Request) -> Response {
            request
                .body()
                .bytes(100)
                .await
                .map_or_else(IntoResponse::into_response, Response::text)
        }

        fn body_bytes_max(&self, _: &Request) -> Option<u64> {
            Some(5)
        }
    }
    let pass = async |request: Request, next: &Next| next.run(request).await;
    let router = Router::new()
        .post("/up/{name}", layered(Uploads).layer(pass))
        .post("/other", async |_: Request| "");
    harness::run(async || {
        let mut harness = Harness::new(router, |_| {});
        for (path, body, status) in [
            ("/up/a", "12345", "200"),
            ("/up/a", "123456", "413"),
            ("/other", "123456", "200"),
        ] {
            let length = body.len();
            let request = format!(
                "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
            let answer = String::from_utf8(harness.answer(&[request.as_bytes()]).await).unwrap();
            assert_eq!(&answer[9..12], status, "{path} {body}");
        }
    });
}
