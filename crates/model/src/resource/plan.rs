//! Plans: kinds of data services, as the operator defines them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A kind of data service, as the operator defines it. Each add-on keeps its own copy: what the
/// operator changes later is for new ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The service: `heroku-postgresql`.
    pub service: String,
    /// The plan of the service: `standard-0`.
    pub plan: String,
    /// A description, for people.
    #[serde(default)]
    pub description: String,
    /// The port that it answers on.
    pub port: u16,
    /// What runs, for a shell. It finds its disk at `data`, and `ADDRESS`, `PORT` and `PASSWORD` in
    /// its environment.
    pub command: String,
    /// A directory of the host that holds a whole root file system: what the command finds instead
    /// of the host's own programs.
    #[serde(default)]
    pub image: Option<String>,
    /// Directories and files of the host that it sees too, read-only, each where it is: an
    /// installation outside `/usr`.
    #[serde(default)]
    pub mounts: Vec<String>,
    /// The directory where the command finds its disk.
    #[serde(default = "Plan::default_data")]
    pub data: String,
    /// More variables of the command's environment.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// The config vars for the app, with `{host}`, `{port}` and `{password}` in their values.
    pub config: BTreeMap<String, String>,
    /// Bytes of memory that it may use.
    #[serde(default)]
    pub memory: Option<u64>,
    /// Bytes that its disk may hold. An add-on that was made before there was a bound has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<u64>,
    /// The command that writes all of the service's data to standard output while it runs, for a
    /// shell beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<String>,
    /// What reads that from standard input and puts it on an empty disk at `/data`, before the
    /// first start there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<String>,
}

impl Plan {
    /// The directory where a service finds its disk unless its plan says otherwise.
    pub const DATA: &str = "/data";
    /// Bytes that a disk may hold where its plan says nothing.
    pub const DISK: u64 = 10 << 30;
    /// Bytes that a disk may hold at least: a file system takes some of them.
    pub const SMALLEST_DISK: u64 = 64 << 20;

    fn default_data() -> String {
        Self::DATA.to_owned()
    }

    /// `service:plan`.
    pub fn name(&self) -> String {
        format!("{}:{}", self.service, self.plan)
    }

    /// The variables by which an attachment of a name gives what [`Self::variables`] has, in the
    /// order of those: `CACHE_URL` for `REDIS_URL`.
    pub(crate) fn attached_as(&self, name: &str) -> Vec<String> {
        let usual = self.usual_attachment();
        let rename = |variable: &String| match variable.strip_prefix(usual) {
            Some(rest) if rest.starts_with('_') => format!("{name}{rest}"),
            Some(_) | None => format!("{name}_{variable}"),
        };
        self.config.keys().map(rename).collect()
    }

    /// The name of an attachment by which its variables are what the plan calls them.
    pub(crate) fn usual_attachment(&self) -> &str {
        first_words(self.config.keys()).unwrap_or("ADDON")
    }

    /// The variables for an app, with what is known of an instance filled in.
    pub fn variables(&self, host: std::net::Ipv4Addr, password: &str) -> BTreeMap<String, String> {
        let fill = |text: &String| {
            text.replace("{host}", &host.to_string())
                .replace("{port}", &self.port.to_string())
                .replace("{password}", password)
        };
        self.config.iter().map(|(name, text)| (name.clone(), fill(text))).collect()
    }
}

/// The words that some names of variables begin with, without the last one of each; of the first
/// alone where they have none in common.
pub(super) fn first_words<'a>(
    names: impl IntoIterator<Item = &'a String, IntoIter: Clone>,
) -> Option<&'a str> {
    let names = names.into_iter();
    let first = names.clone().next()?.as_str();
    let begins = |name: &String, words: &str| {
        name.strip_prefix(words).is_some_and(|rest| rest.starts_with('_'))
    };
    let mut shorter =
        std::iter::successors(first.rsplit_once('_'), |(words, _)| words.rsplit_once('_'))
            .map(|(words, _)| words);
    let common = shorter.find(|words| names.clone().all(|name| begins(name, words)));
    Some(common.unwrap_or_else(|| first.rsplit_once('_').map_or(first, |(words, _)| words)))
}
