//! What the examples have in common: their two options, and the lines that they print when they are ready.

use clap::Parser;
use ringlane::{Config, Cores, Error, Server};

/// The options of every example.
#[derive(Debug, Parser)]
#[command(about, long_about = None)]
pub struct Options {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub addr: String,
    /// The cores to run on: 0, 0-1 or 0,2. Without it RINGLANE_CORES says, or all are used.
    #[arg(long)]
    pub cores: Option<Cores>,
}

/// A server by the command line and the environment, and its configuration for further changes.
///
/// # Errors
///
/// A `RINGLANE_…` variable that cannot be used.
pub fn server(configure: impl FnOnce(&mut Config)) -> Result<Server, Error> {
    server_by(Options::parse(), configure)
}

/// As [`server`], for an example that has parsed its options among others of its own.
///
/// # Errors
///
/// As [`server`].
pub fn server_by(options: Options, configure: impl FnOnce(&mut Config)) -> Result<Server, Error> {
    let mut config = Config::from_env()?;
    configure(&mut config);
    if let Some(cores) = options.cores {
        config.cores = cores;
    }
    Ok(Server::bind(options.addr).config(config).on_ready(|ready| {
        eprintln!("{}", ready.config());
        println!("{ready}");
    }))
}
