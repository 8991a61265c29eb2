//! Notes in SQLite, by sqlx on a bridge to Tokio.
//!
//! Try `curl -d 'buy milk' localhost:8080/notes` and `curl localhost:8080/notes`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use ringlane::bridge::{Bridge, BridgeError};
use ringlane::router::{ParamError, Router, get};
use ringlane::{BodyError, IntoResponse, Request, Response, StatusCode};
use ringlane_examples::Options;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions};

/// The longest note in bytes.
const NOTE_BYTES_MAX: usize = 64 * 1024;
/// How long a request waits for a connection to the database.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    server: Options,
    /// The file of the database; without it, notes are kept in memory.
    #[arg(long)]
    database: Option<PathBuf>,
}

const NO_NOTE: Failure = Failure::Status(StatusCode::NOT_FOUND, "there is no such note\n");

/// Why a request is not answered as asked.
enum Failure {
    Body(BodyError),
    Bridge(BridgeError),
    Database(sqlx::Error),
    Param(ParamError),
    /// There is no such note, or the text is none.
    Status(StatusCode, &'static str),
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Failure::Body(error) => error.into_response(),
            Failure::Bridge(error) => error.into_response(),
            Failure::Database(sqlx::Error::PoolTimedOut) => BridgeError::Busy.into_response(),
            Failure::Database(error) => {
                eprintln!("the database: {error}"); // For the log; the client gets no details.
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
            Failure::Param(error) => error.into_response(),
            Failure::Status(status, reason) => (status, reason).into_response(),
        }
    }
}

impl From<BodyError> for Failure {
    fn from(error: BodyError) -> Failure {
        Failure::Body(error)
    }
}

impl From<ParamError> for Failure {
    fn from(error: ParamError) -> Failure {
        Failure::Param(error)
    }
}

/// Opens the database, and makes its table where there is none.
async fn open(path: Option<PathBuf>) -> Result<SqlitePool, sqlx::Error> {
    let pool = SqlitePoolOptions::new().acquire_timeout(ACQUIRE_TIMEOUT);
    let options = SqliteConnectOptions::new();
    let pool = match path {
        Some(path) => {
            let options = options.filename(path).create_if_missing(true);
            pool.connect_with(options.journal_mode(SqliteJournalMode::Wal)).await?
        }
        // In memory, each connection would have a database of its own: there is one, which is never closed.
        None => {
            let pool = pool.max_connections(1).idle_timeout(None).max_lifetime(None);
            pool.connect_with(options.in_memory(true)).await?
        }
    };
    let table = "CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)";
    sqlx::query(table).execute(&pool).await?;
    Ok(pool)
}

/// The notes of one core: its way to the database, which all cores share.
#[derive(Clone)]
struct Notes {
    bridge: Bridge,
    pool: SqlitePool,
}

impl Notes {
    /// Has something asked of the database on the bridge. Where the client goes, the question is dropped.
    async fn ask<T, F>(&self, question: impl FnOnce(SqlitePool) -> F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, sqlx::Error>> + Send + 'static,
    {
        let outcome = self.bridge.run(question(self.pool.clone())).await;
        outcome.map_err(Failure::Bridge)?.map_err(Failure::Database)
    }

    async fn list(&self) -> Result<String, Failure> {
        let rows: Vec<(i64, String)> = self
            .ask(|pool| async move {
                let rows = sqlx::query_as("SELECT id, text FROM notes ORDER BY id LIMIT 1000");
                rows.fetch_all(&pool).await
            })
            .await?;
        Ok(rows.iter().map(|(id, text)| format!("{id}: {text}\n")).collect())
    }

    async fn add(&self, request: Request) -> Result<Response, Failure> {
        let text = request.body().bytes(NOTE_BYTES_MAX).await?;
        let text = String::from_utf8(text.to_vec())
            .map_err(|_| Failure::Status(StatusCode::BAD_REQUEST, "the note is not UTF-8\n"))?;
        let added = self
            .ask(|pool| async move {
                let insert = sqlx::query("INSERT INTO notes (text) VALUES (?)").bind(text);
                insert.execute(&pool).await
            })
            .await?;
        let response =
            Response::new(StatusCode::CREATED).header("Location", format!("/notes/{}", added.last_insert_rowid()));
        Ok(response.into_response())
    }

    async fn show(&self, request: Request) -> Result<String, Failure> {
        let id: i64 = request.param("id")?;
        let row: Option<(String,)> = self
            .ask(move |pool| async move {
                let row = sqlx::query_as("SELECT text FROM notes WHERE id = ?").bind(id);
                row.fetch_optional(&pool).await
            })
            .await?;
        row.map(|(text,)| text).ok_or(NO_NOTE)
    }

    async fn remove(&self, request: Request) -> Result<StatusCode, Failure> {
        let id: i64 = request.param("id")?;
        let removed = self
            .ask(move |pool| async move {
                sqlx::query("DELETE FROM notes WHERE id = ?")
                    .bind(id)
                    .execute(&pool)
                    .await
            })
            .await?;
        if removed.rows_affected() == 0 {
            return Err(NO_NOTE);
        }
        Ok(StatusCode::NO_CONTENT)
    }

    fn routes(&self) -> Router {
        let [list, add, show, remove] = std::array::from_fn(|_| self.clone());
        Router::new()
            .route(
                "/notes",
                get(async move |_: Request| list.list().await)
                    .post(async move |request: Request| add.add(request).await),
            )
            .route(
                "/notes/{id}",
                get(async move |request: Request| show.show(request).await)
                    .delete(async move |request: Request| remove.remove(request).await),
            )
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let server = ringlane_examples::server_by(arguments.server, |_| {})?;
    let bridge = Bridge::new()?;
    let pool = bridge.block_on(open(arguments.database))?;
    let notes = Notes {
        bridge: bridge.clone(),
        pool: pool.clone(),
    };
    let served = server.serve(|_core| notes.routes());
    bridge.block_on(pool.close()); // Nothing is under way any more; what was written goes into the one file.
    Ok(served?)
}
