//! Todos of many users: accounts, sessions, a JSON interface, a page, and changes that reach every open page at once.

mod accounts;
mod store;

use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use clap::Parser;
use futures_lite::stream;
use ringlane::bridge::Bridge;
use ringlane::extract::Json;
use ringlane::router::{Router, get, patch, post};
use ringlane::sse::{self, Event};
use ringlane::{IntoResponse, Reject, Request, Response, Service, StatusCode};
use ringlane_examples::Options;
use serde::Deserialize;
use tokio::sync::watch;

use accounts::{Hashing, log_in, log_out, sign_up, user};
use store::{Store, Todo};

/// The longest todo in bytes.
const TEXT_BYTES_MAX: usize = 500;
/// How many pages of one user may wait for changes at once.
const WATCHERS_MAX: usize = 32;
/// Scripts from here only, and nobody may frame the page.
const POLICY: &str = "default-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'";

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    server: Options,
    /// The file of the database; without it, everything is kept in memory.
    #[arg(long)]
    database: Option<PathBuf>,
}

/// Each core's way to what all of them share.
#[derive(Clone)]
struct App {
    store: Store,
    hashing: Hashing,
    changes: Changes,
}

/// Tells pages on all cores that the todos of their user have changed. It keeps nothing for them: they look again.
#[derive(Clone, Default)]
struct Changes(Arc<Mutex<HashMap<i64, watch::Sender<()>>>>);

impl Changes {
    /// None where too many wait already.
    fn subscribe(&self, user: i64) -> Option<watch::Receiver<()>> {
        let mut users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = users.entry(user).or_default();
        (sender.receiver_count() < WATCHERS_MAX).then(|| sender.subscribe())
    }

    fn tell(&self, user: i64) {
        let mut users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if users.get(&user).is_some_and(|sender| sender.send(()).is_err()) {
            users.remove(&user); // Nobody waits any more.
        }
    }
}

fn refusal(status: StatusCode, reason: &'static str) -> Reject {
    Reject::new((status, reason))
}

async fn list(app: Rc<App>, request: Request) -> Result<Json<Vec<Todo>>, Reject> {
    let user = user(&app, &request).await?;
    Ok(Json(app.store.ask(|pool| store::todos(pool, user)).await?))
}

async fn add(app: Rc<App>, request: Request) -> Result<(StatusCode, Json<Todo>), Reject> {
    #[derive(Deserialize)]
    struct New {
        text: String,
    }
    let user = user(&app, &request).await?;
    let New { text } = request.json().await?;
    if text.trim().is_empty() || text.len() > TEXT_BYTES_MAX {
        return Err(refusal(StatusCode::UNPROCESSABLE_ENTITY, "a todo has 1 to 500 bytes\n"));
    }
    let added = app.store.ask(|pool| store::add_todo(pool, user, text)).await?;
    let todo = added.ok_or_else(|| refusal(StatusCode::CONFLICT, "you have enough to do already\n"))?;
    app.changes.tell(user);
    Ok((StatusCode::CREATED, Json(todo)))
}

async fn set_done(app: Rc<App>, request: Request) -> Result<Option<StatusCode>, Reject> {
    #[derive(Deserialize)]
    struct State {
        done: bool,
    }
    let (user, id) = (user(&app, &request).await?, request.param("id")?);
    let State { done } = request.json().await?;
    let is_there = app.store.ask(|pool| store::set_done(pool, user, id, done)).await?;
    app.changes.tell(user);
    Ok(is_there.then_some(StatusCode::NO_CONTENT)) // Or 404.
}

async fn remove(app: Rc<App>, request: Request) -> Result<Option<StatusCode>, Reject> {
    let (user, id) = (user(&app, &request).await?, request.param("id")?);
    let was_there = app.store.ask(|pool| store::remove_todo(pool, user, id)).await?;
    app.changes.tell(user);
    Ok(was_there.then_some(StatusCode::NO_CONTENT)) // Or 404.
}

/// All todos of a user as an event, at once and whenever they have changed; until the session is over.
async fn watch(app: Rc<App>, request: Request) -> Result<Response, Reject> {
    let changes = app.changes.subscribe(user(&app, &request).await?);
    let mut changes = changes.ok_or_else(|| refusal(StatusCode::TOO_MANY_REQUESTS, "too many pages are open\n"))?;
    changes.mark_changed();
    let events = stream::unfold((app, request, changes), async |(app, request, mut changes)| {
        changes.changed().await.ok()?;
        let user = user(&app, &request).await.ok()?;
        let todos = app.store.ask(|pool| store::todos(pool, user)).await.ok()?;
        let event = Event::data(serde_json::to_string(&todos).ok()?);
        Some((event, (app, request, changes)))
    });
    Ok(sse::stream(events))
}

fn page(content_type: &'static str, content: &'static str) -> impl Service {
    async move |_: Request| Response::bytes(content_type, content).header("Content-Security-Policy", POLICY)
}

fn routes(app: App) -> Router {
    let app = Rc::new(app);
    let item = patch(with(&app, set_done)).delete(with(&app, remove));
    Router::new()
        .get("/", page("text/html; charset=utf-8", include_str!("page.html")))
        .get("/page.js", page("text/javascript", include_str!("page.js")))
        .post("/api/users", with(&app, sign_up))
        .route("/api/session", post(with(&app, log_in)).delete(with(&app, log_out)))
        .route("/api/todos", get(with(&app, list)).post(with(&app, add)))
        .route("/api/todos/{id}", item)
        .get("/api/changes", with(&app, watch))
}

/// A service of a function over the core's share.
fn with<F>(app: &Rc<App>, handler: fn(Rc<App>, Request) -> F) -> impl Service + use<F>
where
    F: Future<Output: IntoResponse> + 'static,
{
    let app = Rc::clone(app);
    async move |request: Request| handler(Rc::clone(&app), request).await
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let server = ringlane_examples::server_by(arguments.server, |config| config.body_bytes_max = 16 * 1024)?;
    let bridge = Bridge::new()?;
    let app = App {
        store: Store::open(&bridge, arguments.database)?,
        hashing: Hashing::new()?,
        changes: Changes::default(),
    };
    let served = server.serve(|_core| routes(app.clone()));
    bridge.block_on(app.store.pool.close());
    Ok(served?)
}
