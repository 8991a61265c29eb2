//! A directory of files: `cargo run --example files -- --root DIR`.
//!
//! The same directory is there twice more, each with knobs of its own: under `/assets/` with links within the directory,
//! compressed files and `Cache-Control`, and under `/all/` with hidden files but without an index.

use std::path::PathBuf;

use clap::Parser;
use ringlane::files::{Files, Symlinks};
use ringlane::router::Router;
use ringlane::{Coding, Error};
use ringlane_examples::{Options, server_by};

#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    options: Options,
    /// The directory to serve.
    #[arg(long, default_value = ".")]
    root: PathBuf,
}

fn main() -> Result<(), Error> {
    let Arguments { options, root } = Arguments::parse();
    server_by(options, |_| {})?.serve(move |_core| {
        let assets = Files::new(&root)
            .below("/assets")
            .symlinks(Symlinks::WithinRoot)
            .precompressed([Coding::Zstd, Coding::Br, Coding::Gzip])
            .cache_control("public, max-age=3600");
        Router::new()
            .nest("/assets", Router::new().fallback(assets))
            .get("/all/{*path}", Files::new(&root).hidden(true).without_index())
            .fallback(Files::new(&root))
    })
}
