//! All layers, in the order in which they are usually put. What is put last sees a request first.
//!
//! Try it: `curl -i --compressed localhost:8080/notes`, and with `-H 'Origin: https://app.example.com'`.

use std::time::Duration;

use glommio::timer::Timer;
use ringlane::layer::{
    AccessLog, BodyLimit, Compression, ConcurrencyLimit, Cors, LogFormat, LogWriter, MapErrors, Next, RequestId,
    SetRequestId, Timeout, layered,
};
use ringlane::router::{Router, post};
use ringlane::{Error, IntoResponse, Method, Request, Response};

async fn take(request: Request) -> Response {
    match request.body().bytes(1 << 20).await {
        Ok(bytes) => format!("{} bytes\n", bytes.len()).into_response(),
        Err(error) => error.into_response(),
    }
}

fn router() -> Router {
    Router::new()
        .get("/notes", async |_: Request| "a note that compresses well\n".repeat(100))
        .post("/notes", take)
        // More than the rest may have, by the layer within.
        .route("/films", post(take).layer(BodyLimit::new(1 << 20)))
        .get("/id", async |request: Request| match request.value::<RequestId>() {
            Some(id) => format!("{}\n", id.as_str()),
            None => "none\n".to_owned(),
        })
        .get("/slow", async |_: Request| {
            Timer::new(Duration::from_secs(3600)).await;
            "nobody waits for this"
        })
}

/// What used to be under /v1 is at the top now. Around the router, so that it changes which route is taken.
async fn without_version(request: Request, next: &Next) -> Response {
    let Some(rest) = request.target().strip_prefix("/v1/") else {
        return next.run(request).await;
    };
    let target = format!("/{rest}");
    match request.with_target(&target) {
        Ok(request) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

fn main() -> Result<(), Error> {
    // Dropped when the server has been stopped: then all its lines are written.
    let log = LogWriter::to_stdout()?;
    ringlane_examples::server(|_| {})?.serve(|_core| {
        let cors = Cors::origins(["https://app.example.com"])
            .methods([Method::GET, Method::POST])
            .headers(["Content-Type"])
            .expose(["X-Request-Id"])
            .max_age(Duration::from_secs(3600));
        layered(router())
            .layer(without_version)
            .layer(Timeout::new(Duration::from_millis(200)))
            .layer(BodyLimit::new(64 << 10))
            .layer(ConcurrencyLimit::new(1000))
            .layer(MapErrors::problem_json())
            .layer(Compression::new())
            .layer(cors)
            .layer(SetRequestId::new().take_over())
            .layer(AccessLog::new(&log, LogFormat::Json))
    })
}
