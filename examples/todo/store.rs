//! What is kept in SQLite: users, their sessions and their todos. The functions run on the bridge.

use std::path::PathBuf;

use ringlane::Reject;
use ringlane::bridge::Bridge;
use serde::Serialize;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions};
use sqlx::{Result, query, query_as, query_scalar};

/// How many todos a user may have.
const TODOS_MAX: i64 = 1000;
pub const SESSION_DAYS: i64 = 30;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, name TEXT UNIQUE COLLATE NOCASE, password TEXT);
    CREATE TABLE IF NOT EXISTS sessions (key BLOB PRIMARY KEY, user INTEGER REFERENCES users, expires INTEGER);
    CREATE TABLE IF NOT EXISTS todos (
        id INTEGER PRIMARY KEY, user INTEGER REFERENCES users, text TEXT, done INTEGER DEFAULT FALSE);
    CREATE INDEX IF NOT EXISTS todos_of_user ON todos (user);";

#[derive(Serialize)]
pub struct Todo {
    id: i64,
    text: String,
    done: bool,
}

fn todo((id, text, done): (i64, String, bool)) -> Todo {
    Todo { id, text, done }
}

/// What a session is looked up by: a hash, so that who reads the database cannot take sessions over.
pub type Key = [u8; 32];

#[derive(Clone)]
pub struct Store {
    bridge: Bridge,
    pub pool: SqlitePool,
}

impl Store {
    /// Opens a file; without one everything is kept in memory. SQLite writes one thing at a time: one connection will do, and in
    /// memory it must be one, which is never closed.
    pub fn open(bridge: &Bridge, path: Option<PathBuf>) -> Result<Store> {
        let options = SqliteConnectOptions::new().create_if_missing(true);
        let options = match path {
            Some(path) => options.filename(path).journal_mode(SqliteJournalMode::Wal),
            None => options.in_memory(true),
        };
        let pool = SqlitePoolOptions::new().max_connections(1);
        let pool = pool.idle_timeout(None).max_lifetime(None);
        let (bridge, pool) = (bridge.clone(), bridge.block_on(pool.connect_with(options))?);
        bridge.block_on(sqlx::raw_sql(TABLES).execute(&pool))?;
        Ok(Store { bridge, pool })
    }

    /// Has one of the functions below run on the bridge: `store.ask(|pool| todos(pool, user))`.
    pub async fn ask<T, F>(&self, question: impl FnOnce(SqlitePool) -> F) -> std::result::Result<T, Reject>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        Ok(self.bridge.run(question(self.pool.clone())).await??)
    }
}

/// None where the name is taken.
pub async fn add_user(pool: SqlitePool, name: String, password: String) -> Result<Option<i64>> {
    let insert = query_scalar("INSERT INTO users (name, password) VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING id");
    insert.bind(name).bind(password).fetch_optional(&pool).await
}

/// A user and the hash of the password.
pub async fn find_user(pool: SqlitePool, name: String) -> Result<Option<(i64, String)>> {
    let select = query_as("SELECT id, password FROM users WHERE name = ?");
    select.bind(name).fetch_optional(&pool).await
}

pub async fn begin_session(pool: SqlitePool, key: Key, user: i64) -> Result<()> {
    query("DELETE FROM sessions WHERE expires <= unixepoch()")
        .execute(&pool)
        .await?;
    let insert = query("INSERT INTO sessions VALUES (?, ?, unixepoch() + ? * 86400)");
    let insert = insert.bind(key.to_vec()).bind(user).bind(SESSION_DAYS);
    insert.execute(&pool).await.map(drop)
}

pub async fn user_of_session(pool: SqlitePool, key: Key) -> Result<Option<i64>> {
    let select = query_scalar("SELECT user FROM sessions WHERE key = ? AND expires > unixepoch()");
    select.bind(key.to_vec()).fetch_optional(&pool).await
}

pub async fn end_session(pool: SqlitePool, key: Key) -> Result<()> {
    let delete = query("DELETE FROM sessions WHERE key = ?").bind(key.to_vec());
    delete.execute(&pool).await.map(drop)
}

pub async fn todos(pool: SqlitePool, user: i64) -> Result<Vec<Todo>> {
    let select = query_as("SELECT id, text, done FROM todos WHERE user = ? ORDER BY id");
    let rows = select.bind(user).fetch_all(&pool).await?;
    Ok(rows.into_iter().map(todo).collect())
}

/// None where the user has too many.
pub async fn add_todo(pool: SqlitePool, user: i64, text: String) -> Result<Option<Todo>> {
    let insert = "INSERT INTO todos (user, text) SELECT ?1, ?2
        WHERE (SELECT count(*) FROM todos WHERE user = ?1) < ?3 RETURNING id, text, done";
    let insert = query_as(insert).bind(user).bind(text).bind(TODOS_MAX);
    Ok(insert.fetch_optional(&pool).await?.map(todo))
}

/// False where the user has no such todo; so is the next one.
pub async fn set_done(pool: SqlitePool, user: i64, id: i64, done: bool) -> Result<bool> {
    let update = query("UPDATE todos SET done = ? WHERE id = ? AND user = ?");
    let updated = update.bind(done).bind(id).bind(user).execute(&pool).await?;
    Ok(updated.rows_affected() > 0)
}

pub async fn remove_todo(pool: SqlitePool, user: i64, id: i64) -> Result<bool> {
    let delete = query("DELETE FROM todos WHERE id = ? AND user = ?");
    let deleted = delete.bind(id).bind(user).execute(&pool).await?;
    Ok(deleted.rows_affected() > 0)
}
