//! Who is asking: names and passwords, and sessions in a cookie.

use std::rc::Rc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use ringlane::bridge::Bridge;
use ringlane::extract::cookie::time::Duration;
use ringlane::extract::{Cookie, SameSite};
use ringlane::{Reject, Request, Response, StatusCode};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::store::{self, Key, SESSION_DAYS};
use crate::{App, refusal};

const COOKIE: &str = "session";
/// A hash takes some 19 MiB and tens of milliseconds: so many are made at once, and so many more wait.
const HASHES_AT_ONCE: usize = 2;
const HASHES_WAITING: usize = 30;

/// Makes and compares hashes on a bridge of its own, so that a flood of logins is told to come back and nothing else is.
#[derive(Clone)]
pub struct Hashing {
    bridge: Bridge,
    /// Compared with where there is no such user, so that it takes as long.
    nobodys: String,
}

impl Hashing {
    pub fn new() -> Result<Hashing, Box<dyn std::error::Error>> {
        let bridge = Bridge::builder().threads(1).blocking_threads_max(HASHES_AT_ONCE);
        let bridge = bridge.in_flight_max(HASHES_AT_ONCE + HASHES_WAITING).build()?;
        let nobodys = hash("nobody's password")?;
        Ok(Hashing { bridge, nobodys })
    }
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

/// The user whose session a request belongs to.
pub async fn user(app: &App, request: &Request) -> Result<i64, Reject> {
    let key = key_of(request);
    let user = app.store.ask(|pool| store::user_of_session(pool, key)).await?;
    user.ok_or_else(|| refusal(StatusCode::UNAUTHORIZED, "log in first\n"))
}

pub async fn sign_up(app: Rc<App>, request: Request) -> Result<Response, Reject> {
    let Credentials { name, password } = request.json().await?;
    let name = name.trim().to_owned();
    if !(1..=32).contains(&name.len()) || !(8..=128).contains(&password.len()) {
        let reason = "a name has 1 to 32 bytes, and a password 8 to 128\n";
        return Err(refusal(StatusCode::UNPROCESSABLE_ENTITY, reason));
    }
    let hashed = app.hashing.bridge.run_blocking(move || hash(&password)).await??;
    let added = app.store.ask(|pool| store::add_user(pool, name, hashed)).await?;
    let user = added.ok_or_else(|| refusal(StatusCode::CONFLICT, "the name is taken\n"))?;
    begin_session(&app, user, StatusCode::CREATED).await
}

pub async fn log_in(app: Rc<App>, request: Request) -> Result<Response, Reject> {
    let Credentials { name, password } = request.json().await?;
    let found = app.store.ask(|pool| store::find_user(pool, name)).await?;
    let (user, hashed) = found.map_or((None, app.hashing.nobodys.clone()), |(user, hash)| (Some(user), hash));
    let compare = move || is_right(&password, &hashed);
    let is_right = app.hashing.bridge.run_blocking(compare).await?;
    let user = user.filter(|_| is_right);
    let user = user.ok_or_else(|| refusal(StatusCode::UNAUTHORIZED, "name or password is wrong\n"))?;
    begin_session(&app, user, StatusCode::NO_CONTENT).await
}

pub async fn log_out(app: Rc<App>, request: Request) -> Result<Response, Reject> {
    let (user, key) = (user(&app, &request).await?, key_of(&request));
    app.store.ask(|pool| store::end_session(pool, key)).await?;
    app.changes.tell(user); // Its pages look, and find that they are not let in any more.
    let response = Response::new(StatusCode::NO_CONTENT);
    Ok(response.without_cookie(Cookie::build(COOKIE).path("/"))?)
}

/// Other sites' pages cannot send the cookie, and no script can read it. A server behind TLS adds `secure(true)`.
async fn begin_session(app: &App, user: i64, status: StatusCode) -> Result<Response, Reject> {
    let mut token = [0; 32];
    getrandom::fill(&mut token)?;
    let token: String = token.iter().map(|byte| format!("{byte:02x}")).collect();
    let key = Sha256::digest(&token).into();
    app.store.ask(|pool| store::begin_session(pool, key, user)).await?;
    let cookie = Cookie::build((COOKIE, token)).path("/").http_only(true);
    let cookie = cookie.same_site(SameSite::Strict).max_age(Duration::days(SESSION_DAYS));
    Ok(Response::new(status).with_cookie(cookie)?)
}

fn key_of(request: &Request) -> Key {
    let cookie = request.cookie(COOKIE);
    Sha256::digest(cookie.as_ref().map_or("", Cookie::value)).into()
}

fn hash(password: &str) -> Result<String, argon2::password_hash::Error> {
    Ok(Argon2::default().hash_password(password.as_bytes())?.to_string())
}

fn is_right(password: &str, hashed: &str) -> bool {
    let verify = |hash| Argon2::default().verify_password(password.as_bytes(), &hash);
    PasswordHash::new(hashed).is_ok_and(|hash| verify(hash).is_ok())
}
