//! Calls another HTTP service, by reqwest on a bridge to Tokio, and passes its answer on.
//!
//! Try it with a second server behind it: `--upstream http://127.0.0.1:8081`.

use std::time::Duration;

use clap::Parser;
use reqwest::{Client, Url, redirect};
use ringlane::bridge::{Bridge, BridgeError};
use ringlane::{Bytes, IntoResponse, Method, Request, Response, StatusCode};
use ringlane_examples::Options;

/// The longest answer that is passed on, in bytes.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    server: Options,
    /// The service that is called: a scheme and an authority.
    #[arg(long, default_value = "http://127.0.0.1:8081")]
    upstream: Url,
    /// How long an answer may take from beginning to end, in milliseconds.
    #[arg(long, default_value_t = 2000)]
    timeout_ms: u64,
}

/// Why there is no answer to pass on.
enum Failure {
    Bridge(BridgeError),
    Upstream(reqwest::Error),
    TooLong,
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Failure {
        Failure::Upstream(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Failure::Bridge(error) => error.into_response(),
            // RFC 9110 §15.6.5, §15.6.3.
            Failure::Upstream(error) if error.is_timeout() => (
                StatusCode::GATEWAY_TIMEOUT,
                "the service behind this one takes too long\n",
            )
                .into_response(),
            Failure::Upstream(error) => {
                eprintln!("calling upstream: {error}");
                (StatusCode::BAD_GATEWAY, "the service behind this one does not answer\n").into_response()
            }
            Failure::TooLong => (StatusCode::BAD_GATEWAY, "the answer is too long\n").into_response(),
        }
    }
}

/// Calls the service, on the bridge. Where this is dropped, its connection is closed.
async fn fetch(client: Client, url: Url) -> Result<(StatusCode, Bytes), Failure> {
    let mut answer = client.get(url).send().await?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(Failure::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok((answer.status(), body.into()))
}

/// Asks the service for the path and query that this one is asked for.
async fn pass_on(bridge: &Bridge, client: &Client, upstream: &Url, request: Request) -> Result<Response, Failure> {
    let mut url = upstream.clone();
    url.set_path(request.path());
    url.set_query(request.query());
    let answer = bridge.run(fetch(client.clone(), url)).await.map_err(Failure::Bridge)?;
    Ok(answer?.into_response())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let server = ringlane_examples::server_by(arguments.server, |_| {})?;
    let bridge = Bridge::new()?;
    let client = Client::builder()
        .timeout(Duration::from_millis(arguments.timeout_ms))
        .redirect(redirect::Policy::none())
        .no_proxy()
        .build()?;
    server.serve(|_core| {
        let (bridge, client, upstream) = (bridge.clone(), client.clone(), arguments.upstream.clone());
        async move |request: Request| match *request.method() {
            Method::GET => pass_on(&bridge, &client, &upstream, request).await.into_response(),
            _ => StatusCode::NOT_IMPLEMENTED.into_response(), // RFC 9110 §15.6.2.
        }
    })?;
    Ok(())
}
