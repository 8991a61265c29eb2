//! What requests say, as types: a guest book with a query, a form, JSON, a cookie, redirects and typed errors.

use std::cell::RefCell;
use std::fmt::Write;
use std::rc::Rc;

use ringlane::extract::{Cookie, Json, SameSite, cookie::time::Duration};
use ringlane::layer::Next;
use ringlane::router::Router;
use ringlane::{Error, IntoResponse, Reject, Request, Response, StatusCode};
use serde::{Deserialize, Serialize};

/// More entries than these are refused.
const ENTRIES_MAX: usize = 1000;
const FORM_BYTES_MAX: usize = 8 << 10;

#[derive(Clone, Deserialize, Serialize)]
struct Entry {
    name: String,
    text: String,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    from: usize,
    count: Option<usize>,
}

/// Each core has its own.
#[derive(Clone, Default)]
struct Book(Rc<RefCell<Vec<Entry>>>);

/// An error of one's own, with a status of its own.
struct Full;

impl IntoResponse for Full {
    fn into_response(self) -> Response {
        (StatusCode::INSUFFICIENT_STORAGE, "the guest book is full\n").into_response()
    }
}

impl Book {
    fn add(&self, entry: Entry) -> Result<usize, Full> {
        let mut entries = self.0.borrow_mut();
        if entries.len() >= ENTRIES_MAX {
            return Err(Full);
        }
        entries.push(entry);
        Ok(entries.len())
    }

    fn page(&self, page: &Page) -> Vec<Entry> {
        let entries = self.0.borrow();
        let count = page.count.unwrap_or(20).min(100);
        entries.iter().skip(page.from).take(count).cloned().collect()
    }
}

/// The page: the entries, and a form that remembers the name.
async fn show(book: &Book, request: Request) -> Result<Response, Reject> {
    let page: Page = request.query_as()?;
    let mut html = "<!doctype html><meta charset=utf-8><title>Guest book</title><ul>".to_owned();
    for entry in book.page(&page) {
        write!(html, "<li>{}: {}", escaped(&entry.name), escaped(&entry.text))?;
    }
    let name = request.cookie("name").map(|cookie| escaped(cookie.value()));
    write!(
        html,
        "</ul><form method=post><input name=name value=\"{}\"><input name=text><button>Sign</button></form>",
        name.unwrap_or_default()
    )?;
    Ok(Response::bytes("text/html; charset=utf-8", html))
}

/// The form: remembers the name in a cookie and sends the browser back to the page, so that a reload signs nothing again.
async fn sign(book: &Book, request: Request) -> Result<Response, Reject> {
    let entry: Entry = request.form_within(FORM_BYTES_MAX).await?;
    let name = entry.name.clone();
    book.add(entry).map_err(Reject::new)?;
    let response = Response::see_other("/");
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(response); // Not worth an encoding here.
    }
    let cookie = Cookie::build(("name", name)).path("/").http_only(true);
    Ok(response.with_cookie(cookie.same_site(SameSite::Lax).max_age(Duration::days(30)))?)
}

async fn forget(_: Request) -> Result<Response, Reject> {
    Ok(Response::see_other("/").without_cookie(Cookie::build("name").path("/"))?)
}

fn api(book: &Book) -> Router {
    let (listed, added, single) = (book.clone(), book.clone(), book.clone());
    Router::new()
        .get("/", async move |request: Request| {
            Ok::<_, Reject>(Json(listed.page(&request.query_as()?)))
        })
        .post("/", async move |request: Request| {
            let number = added.add(request.json().await?).map_err(Reject::new)?;
            Ok::<_, Reject>((StatusCode::CREATED, Json(number)))
        })
        .get("/{number}", async move |request: Request| {
            let number: usize = request.param("number")?;
            Ok::<_, Reject>(single.0.borrow().get(number).cloned().map(Json)) // None is 404.
        })
        // An error that is nobody's business: 500, and only the log says why.
        .get("/broken", async |_: Request| {
            Ok::<_, Reject>(std::fs::read_to_string("/nonexistent/entries")?)
        })
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

fn main() -> Result<(), Error> {
    ringlane_examples::server(|_| {})?.serve(|_core| {
        let book = Book::default();
        let (shown, signed) = (book.clone(), book.clone());
        Router::new()
            .get("/", async move |request: Request| show(&shown, request).await)
            .post("/", async move |request: Request| sign(&signed, request).await)
            .post("/forget", forget)
            .get("/book", async |_: Request| Response::permanent_redirect("/"))
            .nest("/api", api(&book))
            .layer(async |request: Request, next: &Next| {
                let asked = format!("{} {}", request.method(), request.path());
                let response = next.run(request).await;
                if let Some(error) = response.error() {
                    eprintln!("{asked}: {error}");
                }
                response
            })
    })
}
