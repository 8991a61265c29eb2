//! Who takes part: peers.toml, as its header describes it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};

/// What a participant is in the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The server that the comparison is about.
    Ringlane,
    /// The same with more of it in use: shown beside it, and judged by nothing.
    Variant,
    /// Another server.
    Peer,
    /// A bare loop that knows no rules of HTTP.
    Limit,
}

/// One participant.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// As the report calls it.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// What it is written in.
    pub language: String,
    /// Programs that must be on PATH.
    #[serde(default)]
    pub needs: Vec<String>,
    /// How to get them.
    pub get: Option<String>,
    /// The command that builds it.
    #[serde(default)]
    pub build: Vec<String>,
    /// The command that starts it.
    pub start: Vec<String>,
    /// `["lock", CRATE]`, or a command; absent where it is a part of this repository.
    #[serde(default)]
    pub version: Vec<String>,
    /// What makes it fast.
    #[serde(default)]
    pub settings: String,
    #[serde(default)]
    lacks: Lacks,
}

/// Scenarios and reasons, in any of the ways in which TOML lets one write that.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Lacks {
    Reasons(BTreeMap<String, String>),
    Pairs(Vec<[String; 2]>),
    Names(Vec<String>),
}

impl Default for Lacks {
    fn default() -> Lacks {
        Lacks::Names(Vec::new())
    }
}

impl Peer {
    /// What it takes no part in, each with the reason.
    pub fn lacks(&self) -> Vec<(&str, &str)> {
        match &self.lacks {
            Lacks::Reasons(map) => map.iter().map(|(name, why)| (name.as_str(), why.as_str())).collect(),
            Lacks::Pairs(pairs) => pairs.iter().map(|[name, why]| (name.as_str(), why.as_str())).collect(),
            // "pipelined: why not" or the name alone
            Lacks::Names(names) => names
                .iter()
                .map(|entry| entry.split_once(": ").unwrap_or((entry, "peers.toml gives no reason")))
                .collect(),
        }
    }
}

/// The table, and where its commands run.
#[derive(Debug)]
pub struct Table {
    /// In the table's order.
    pub peers: Vec<Peer>,
    /// The directory of the file.
    pub directory: PathBuf,
}

impl Table {
    /// Reads a table.
    ///
    /// # Errors
    ///
    /// Where it is missing or not what its header says.
    pub fn read(file: &Path) -> io::Result<Table> {
        let problem = |error: &dyn std::fmt::Display| io::Error::other(format!("{}: {error}", file.display()));
        let text = fs::read_to_string(file).map_err(|error| problem(&error))?;
        let peers = parse(&text).map_err(|error| problem(&error))?;
        let directory = fs::canonicalize(file)?
            .parent()
            .map_or_else(PathBuf::new, Path::to_path_buf);
        Ok(Table { peers, directory })
    }

    /// Keeps those that are named, where any are.
    ///
    /// # Errors
    ///
    /// Where a name is not in the table.
    pub fn keep_only(&mut self, names: &[String]) -> io::Result<()> {
        for name in names {
            if !self.peers.iter().any(|peer| same(&peer.name, name)) {
                let known: Vec<&str> = self.peers.iter().map(|peer| peer.name.as_str()).collect();
                return Err(io::Error::other(format!(
                    "--only {name:?}: peers.toml has {}",
                    known.join(", ")
                )));
            }
        }
        if !names.is_empty() {
            self.peers
                .retain(|peer| names.iter().any(|name| same(&peer.name, name)));
        }
        Ok(())
    }
}

fn parse(text: &str) -> Result<Vec<Peer>, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        peer: Vec<Peer>,
    }
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    for (number, peer) in file.peer.iter().enumerate() {
        if file.peer[..number]
            .iter()
            .any(|earlier| same(&earlier.name, &peer.name))
        {
            return Err(format!("{} is there twice", peer.name));
        }
        if peer.start.is_empty() {
            return Err(format!("{} has no start", peer.name));
        }
    }
    Ok(file.peer)
}

/// Whether two names mean the same participant.
pub fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

#[cfg(test)]
mod tests {
    use super::{Kind, parse};

    const PEER: &str =
        "[[peer]]\nname = 'a'\nkind = 'limit'\nlanguage = 'C'\nstart = ['a', '{port}']\nversion = ['lock', 'a']\n";

    #[test]
    fn a_peer_needs_little() {
        let peers = parse(PEER).unwrap();
        assert_eq!(peers[0].kind, Kind::Limit);
        assert!(peers[0].lacks().is_empty() && peers[0].build.is_empty());
    }

    #[test]
    fn what_is_lacking_may_be_written_in_several_ways() {
        for lacks in [
            "{ large = 'no files' }",
            "[['large', 'no files']]",
            "['large: no files']",
        ] {
            let peers = parse(&format!("{PEER}lacks = {lacks}\n")).unwrap();
            assert_eq!(peers[0].lacks(), [("large", "no files")], "{lacks}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        assert!(parse(&format!("{PEER}speed = 3\n")).unwrap_err().contains("speed"));
        assert!(parse(&format!("{PEER}{PEER}")).unwrap_err().contains("twice"));
    }
}
