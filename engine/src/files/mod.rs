//! Directories of files.
//!
//! [`Files`] is a service that answers GET and HEAD with the files of a directory: content types, an index file,
//! `ETag` and `Last-Modified` with all conditions of RFC 9110 §13, ranges (§14), and files that lie there compressed.
//!
//! ```no_run
//! use ringlane::Server;
//! use ringlane::files::Files;
//!
//! Server::bind("127.0.0.1:8080").serve(|_core| Files::new("public"))?;
//! # Ok::<(), ringlane::Error>(())
//! ```
//!
//! In a router it is mounted with a parameter that takes all the rest of a path:
//!
//! ```no_run
//! # #[cfg(feature = "router")]
//! # fn main() -> Result<(), ringlane::Error> {
//! use ringlane::files::Files;
//! use ringlane::router::Router;
//! use ringlane::{Request, Server};
//!
//! Server::bind("127.0.0.1:8080").serve(|_core| {
//!     Router::new()
//!         .get("/", async |_: Request| "Hello, World!")
//!         .get("/assets/{*path}", Files::new("public"))
//! })
//! # }
//! # #[cfg(not(feature = "router"))]
//! # fn main() {}
//! ```
//!
//! # What is not served
//!
//! Nothing outside the directory. That is the kernel's work (openat2(2) with `RESOLVE_BENEATH`), so that no way of writing a
//! path gets around it. Symbolic links are refused unless [`Files::symlinks`] says otherwise, names that begin with a dot
//! unless [`Files::hidden`] does; what is no regular file (a FIFO, a device) is never served.
//!
//! # Where the disk is waited for
//!
//! Not on the core's thread. Files are opened and read there only as far as the kernel has what is needed in memory
//! (`RESOLVE_CACHED`, `RWF_NOWAIT`). What it has not is opened by a thread of the executor's blocking pool, and read by the
//! executor's io_uring.

mod answer;
mod conditions;
mod media;
mod place;
mod range;
mod reading;
mod root;

use std::io;
use std::path::Path;

use http::{Method, StatusCode};
use ringlane_protocol::response::FieldLines;

use crate::coding::{Coding, negotiate};
use crate::error::Error;
use crate::request::Request;
use crate::response::Response;
use crate::service::Service;
use answer::{Representation, put, redirect, refuse};
use conditions::Asked;
use place::{Below, Place, below};
use root::{File, Found, Root};

/// Which symbolic links below the root are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Symlinks {
    /// None: a path that goes through one is answered 403.
    #[default]
    Refused,
    /// Those that lead to what lies below the root, by a relative path. All others are answered 403.
    WithinRoot,
}

/// Serves the files of a directory.
///
/// The directory is opened when this is made, once on each core, and what is served lies below that directory, whatever
/// becomes of its name. One that cannot be opened keeps the server from starting ([`Service::check`]).
///
/// How it learns what of a request's path lies below it: where [`Files::below`] has been given a prefix, by that; else where
/// the request has taken a route of a `Router` that ends with a catch-all parameter (`/assets/{*path}`), by what that has taken;
/// else the whole path is meant.
#[derive(Clone)]
pub struct Files {
    /// Or a sentence about why there is none.
    root: Result<Root, String>,
    prefix: Option<String>,
    index: Option<String>,
    symlinks: Symlinks,
    hidden: bool,
    precompressed: Vec<Coding>,
    cache_control: Option<String>,
}

impl Files {
    /// Serves this directory.
    #[must_use]
    pub fn new(root: impl AsRef<Path>) -> Files {
        let path = root.as_ref();
        let root = Root::open(path).map_err(|error| {
            let path = path.display();
            format!(
                "the directory {path} cannot be served ({error}): name one that exists and that the server may enter"
            )
        });
        Files {
            root,
            prefix: None,
            index: Some("index.html".to_owned()),
            symlinks: Symlinks::default(),
            hidden: false,
            precompressed: Vec::new(),
            cache_control: None,
        }
    }

    /// Where the files are mounted, where the route does not tell: as the fallback of a router nested under `/assets`, say.
    /// Other paths are not found. Default: as [`Files`] says.
    ///
    /// ```no_run
    /// # #[cfg(feature = "router")]
    /// # fn router() -> ringlane::router::Router {
    /// use ringlane::files::Files;
    /// use ringlane::router::Router;
    ///
    /// // Also answers /assets with a redirect to /assets/, and that with the index.
    /// Router::new().nest("/assets", Router::new().fallback(Files::new("public").below("/assets")))
    /// # }
    /// ```
    #[must_use]
    pub fn below(mut self, prefix: &str) -> Files {
        let prefix = prefix.trim_matches('/');
        self.prefix = Some(prefix)
            .filter(|prefix| !prefix.is_empty())
            .map(|prefix| format!("/{prefix}"));
        self
    }

    /// The file that stands for a directory. Default: `index.html`.
    #[must_use]
    pub fn index(mut self, name: &str) -> Files {
        self.index = Some(name.to_owned());
        self
    }

    /// Has directories answered 403.
    #[must_use]
    pub fn without_index(mut self) -> Files {
        self.index = None;
        self
    }

    /// Which symbolic links are followed. Default: none.
    #[must_use]
    pub fn symlinks(mut self, symlinks: Symlinks) -> Files {
        self.symlinks = symlinks;
        self
    }

    /// Whether files and directories whose names begin with a dot are served. Default: no, they are not found.
    #[must_use]
    pub fn hidden(mut self, served: bool) -> Files {
        self.hidden = served;
        self
    }

    /// The codings in which a file may lie beside the plain one, under its name and the coding's
    /// [suffix](Coding::suffix). What the client prefers by `Accept-Encoding` is sent in place of the plain file, which has
    /// to be there, too; among equals the first one here. It has an `ETag` of its own, and all answers say
    /// `Vary: Accept-Encoding`. Default: none.
    #[must_use]
    pub fn precompressed(mut self, encodings: impl IntoIterator<Item = Coding>) -> Files {
        self.precompressed = encodings.into_iter().collect();
        self
    }

    /// The value of `Cache-Control` in answers 200, 206 and 304. Default: none, which leaves it to the client (RFC 9111 §4.2.2).
    #[must_use]
    pub fn cache_control(mut self, value: &str) -> Files {
        self.cache_control = Some(value.to_owned());
        self
    }

    async fn answer(&self, request: &Request) -> Result<Response, StatusCode> {
        let root = self.root.as_ref().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?; // `check` has said why.
        let place = match below(request, self.prefix.as_deref()) {
            Below::Outside => return Err(StatusCode::NOT_FOUND),
            Below::Mount => return Ok(redirect(request.path(), request.query())),
            Below::Path(path) => Place::parse(path, self.hidden)?,
        };
        let (path, file) = if place.is_directory {
            self.find_index(root, &place).await?
        } else {
            match root
                .find(&place.path, self.symlinks)
                .await
                .map_err(|error| status(&error))?
            {
                Found::File(file) => (place.path, file),
                Found::Directory => return Ok(redirect(request.path(), request.query())),
                Found::Other => return Err(StatusCode::NOT_FOUND),
            }
        };
        let asked = Asked::of(request.headers());
        let (file, encoding) = self.choose(root, &path, file, &asked).await;
        let representation = Representation {
            content_type: media::content_type(&path),
            encoding,
            varies: !self.precompressed.is_empty(),
            cache_control: self.cache_control.as_deref(),
        };
        Ok(representation.answer(file, request.method(), &asked).await)
    }

    /// The file that stands for a directory, and its path.
    async fn find_index(&self, root: &Root, directory: &Place) -> Result<(Vec<u8>, File), StatusCode> {
        if let Some(index) = &self.index {
            let path = directory.join(index);
            match root.find(&path, self.symlinks).await {
                Ok(Found::File(file)) => return Ok((path, file)),
                Ok(Found::Directory | Found::Other) => return Err(StatusCode::FORBIDDEN),
                Err(error) => match status(&error) {
                    StatusCode::NOT_FOUND => {}
                    status => return Err(status),
                },
            }
        }
        // No list of the directory is made; but whether there is one makes a difference.
        match root
            .find(&directory.path, self.symlinks)
            .await
            .map_err(|error| status(&error))?
        {
            Found::Directory => Err(StatusCode::FORBIDDEN),
            Found::File(_) | Found::Other => Err(StatusCode::NOT_FOUND),
        }
    }

    /// The file beside this one that the client would rather have, and its coding.
    async fn choose(&self, root: &Root, path: &[u8], plain: File, asked: &Asked<'_>) -> (File, Option<Coding>) {
        if self.precompressed.is_empty() {
            return (plain, None);
        }
        let accepted = negotiate(asked.accept_encoding.iter().copied(), &self.precompressed);
        for encoding in accepted.codings() {
            let path = [path, encoding.suffix().as_bytes()].concat();
            if let Ok(Found::File(file)) = root.find(&path, self.symlinks).await {
                return (file, Some(encoding));
            }
        }
        (plain, None)
    }
}

impl Service for Files {
    async fn call(&self, request: Request) -> Response {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            // RFC 9110 §15.5.6.
            let mut response = refuse(StatusCode::METHOD_NOT_ALLOWED);
            put(&mut response, "Allow", "GET, HEAD");
            return response;
        }
        self.answer(&request).await.unwrap_or_else(refuse)
    }

    fn check(&self) -> Result<(), Error> {
        let refused = |problem: String| Err(Error::Service { problem });
        if let Err(problem) = &self.root {
            return refused(problem.clone());
        }
        let is_name = |name: &String| !name.is_empty() && !name.contains(['/', '\0']);
        if let Some(index) = self.index.as_ref().filter(|index| !is_name(index)) {
            return refused(format!("the index {index:?} is no file name: give one without a slash"));
        }
        if let Some(value) = &self.cache_control
            && let Err(error) = FieldLines::new().push("Cache-Control", value.as_bytes())
        {
            return refused(format!("Cache-Control cannot be {value:?}: {error}"));
        }
        Ok(())
    }
}

/// What a failed open is answered with.
fn status(error: &io::Error) -> StatusCode {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR | libc::ENAMETOOLONG | libc::ENXIO | libc::ENODEV) => StatusCode::NOT_FOUND,
        // Not permitted; a symbolic link that is not followed; a way out of the root.
        Some(libc::EACCES | libc::EPERM | libc::ELOOP | libc::EXDEV) => StatusCode::FORBIDDEN,
        Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::EAGAIN) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(files: &Files) -> String {
        files.check().map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn what_cannot_be_served_is_said_before_the_server_starts() {
        let here = || Files::new(".");
        assert_eq!(problem(&here()), "");
        assert_eq!(
            problem(&here().index("start.htm").cache_control("no-cache").below("/a/")),
            ""
        );
        for (files, expected) in [
            (
                Files::new("not/there"),
                "the directory not/there cannot be served (No such file or directory",
            ),
            (
                Files::new("Cargo.toml"),
                "the directory Cargo.toml cannot be served (Not a directory",
            ),
            (Files::new("a\0b"), "the directory a"),
            (here().index("a/b"), "the index \"a/b\" is no file name"),
            (here().index(""), "the index \"\" is no file name"),
            (
                here().cache_control("no-store\r\nX: y"),
                "Cache-Control cannot be \"no-store\\r\\nX: y\"",
            ),
        ] {
            let problem = problem(&files);
            assert!(problem.starts_with(expected), "{problem}");
        }
    }

    #[test]
    fn errors_of_the_system_have_the_status_of_their_cause() {
        for (error, expected) in [
            (libc::ENOENT, 404),
            (libc::ENOTDIR, 404),
            (libc::ENAMETOOLONG, 404),
            (libc::EACCES, 403),
            (libc::ELOOP, 403),
            (libc::EXDEV, 403),
            (libc::EMFILE, 503),
            (libc::EIO, 500),
        ] {
            assert_eq!(status(&io::Error::from_raw_os_error(error)), expected, "{error}");
        }
    }
}
