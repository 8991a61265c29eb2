//! What a request says, as types of one's own: queries, forms, JSON, cookies.
//!
//! ```no_run
//! # #[cfg(all(feature = "form", feature = "json"))] {
//! use ringlane::extract::Json;
//! use ringlane::{Reject, Request, Server};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Deserialize)]
//! struct Page {
//!     #[serde(default)]
//!     from: u64,
//! }
//!
//! #[derive(Deserialize, Serialize)]
//! struct Note {
//!     text: String,
//! }
//!
//! async fn note(request: Request) -> Result<Json<Vec<Note>>, Reject> {
//!     let page: Page = request.query_as()?; // 400
//!     let note: Note = request.json().await?; // 415, 413, 400, 422
//!     println!("from {}: {}", page.from, note.text);
//!     Ok(Json(vec![note]))
//! }
//!
//! Server::bind("127.0.0.1:8080").serve(|_core| note)?;
//! # }
//! # Ok::<(), ringlane::Error>(())
//! ```

#[cfg(any(feature = "form", feature = "json"))]
mod content;
#[cfg(feature = "cookies")]
mod cookies;
#[cfg(feature = "form")]
mod form;
#[cfg(feature = "json")]
mod json;

#[cfg(feature = "cookies")]
pub use cookie;
#[cfg(feature = "cookies")]
pub use cookie::{Cookie, SameSite};

#[cfg(any(feature = "form", feature = "json"))]
pub use content::ContentError;
#[cfg(feature = "cookies")]
pub use cookies::CookieError;
#[cfg(feature = "form")]
pub use form::QueryError;
#[cfg(feature = "json")]
pub use json::Json;
