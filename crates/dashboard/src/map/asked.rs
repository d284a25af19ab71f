//! What is asked of the map: the query of its address, which says everything that is opened, found
//! and chosen. So each view has an address, and opening and closing are plain links.

use std::collections::BTreeSet;

use model::{AccountId, Region, VpcId};

use super::scene::Sign;
use crate::question::{Protocol, Question};

/// The most things that can be open at a time.
const MOST_OPEN: usize = 64;
/// The most characters of a text that are read.
const MOST_CHARS: usize = 128;

/// VPCs of one account in one region, which stand together where there are many.
pub type GroupId = (Region, AccountId);

/// What is asked of the map.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// The nodes that are opened.
    pub open: BTreeSet<VpcId>,
    /// The groups that are opened.
    pub groups: BTreeSet<GroupId>,
    /// The text that is looked for; empty where nothing is.
    pub query: String,
    /// The state that peerings must have to be shown.
    pub state: Option<Sign>,
    /// One chosen end, as `causeway why` takes it.
    pub from: Option<String>,
    /// The other one.
    pub to: Option<String>,
    /// The protocol that is asked about.
    pub protocol: Protocol,
    /// The port that is asked about.
    pub port: Option<u16>,
    /// For the matrix: whether VPCs begin and spaces answer.
    pub reversed: bool,
    /// For the matrix: whether only what is peered is shown.
    pub peered: bool,
    /// For the matrix: the part of its rows and of its columns that is shown, from 0.
    pub part: (u16, u16),
}

/// The states by which peerings can be asked for, with their names in the query.
pub(super) const STATES: [(Sign, &str); 5] = [
    (Sign::Bad, "stopped"),
    (Sign::Waiting, "pending"),
    (Sign::Moving, "moving"),
    (Sign::Ok, "active"),
    (Sign::Ended, "ended"),
];

impl Asked {
    /// Reads the query of an address. What it does not know, or cannot read, is left out: an
    /// address that somebody kept must go on to show a map.
    pub fn read(query: &str) -> Self {
        let mut asked = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let text: String = value.chars().take(MOST_CHARS).collect();
            let text = text.trim();
            match &*name {
                "open" if asked.open.len() < MOST_OPEN => asked.open.extend(text.parse::<VpcId>()),
                "group" if asked.groups.len() < MOST_OPEN => asked.groups.extend(group(text)),
                "q" => text.clone_into(&mut asked.query),
                "state" => {
                    let known = STATES.iter().find(|(_, name)| *name == text);
                    asked.state = known.map(|(sign, _)| *sign);
                }
                "from" => asked.from = some(text),
                "to" => asked.to = some(text),
                "protocol" => {
                    asked.protocol = Protocol::find(text).unwrap_or_default();
                }
                "port" => asked.port = text.parse().ok(),
                "reversed" => asked.reversed = text == "1",
                "peered" => asked.peered = text == "1",
                "rows" => asked.part.0 = text.parse().unwrap_or(0),
                "columns" => asked.part.1 = text.parse().unwrap_or(0),
                _ => {}
            }
        }
        asked
    }

    /// The query that [`Self::read`] reads as this: the same for the same view, and empty for the
    /// plain map.
    pub fn write(&self) -> String {
        let mut out = form_urlencoded::Serializer::new(String::new());
        for (name, value) in self.fields(&[]) {
            out.append_pair(name, &value);
        }
        out.finish()
    }

    /// The fields of the query, but for some: what a form keeps beside those that it asks for.
    pub(super) fn fields(&self, but: &[&str]) -> Vec<(&'static str, String)> {
        let mut fields = Vec::new();
        let mut put = |name: &'static str, value: Option<String>| {
            fields.extend(value.filter(|_| !but.contains(&name)).map(|value| (name, value)));
        };
        put("q", some(&self.query));
        let state = STATES.iter().find(|(sign, _)| Some(*sign) == self.state);
        put("state", state.map(|(_, name)| (*name).to_owned()));
        for (region, account) in &self.groups {
            put("group", Some(format!("{region}/{account}")));
        }
        for vpc in &self.open {
            put("open", Some(vpc.to_string()));
        }
        put("from", self.from.clone());
        put("to", self.to.clone());
        let protocol = Some(self.protocol).filter(|p| *p != Protocol::default());
        put("protocol", protocol.map(|p| p.name().to_owned()));
        put("port", self.port.map(|port| port.to_string()));
        put("reversed", self.reversed.then(|| "1".to_owned()));
        put("peered", self.peered.then(|| "1".to_owned()));
        let part = |n: u16| (n > 0).then(|| n.to_string());
        put("rows", part(self.part.0));
        put("columns", part(self.part.1));
        fields
    }

    /// The same with a node opened, or closed if it was open.
    pub(super) fn toggling(&self, vpc: VpcId) -> Self {
        let mut asked = self.clone();
        if !asked.open.remove(&vpc) {
            asked.open.insert(vpc);
        }
        asked
    }

    /// The same with a group opened, or closed if it was open.
    pub(super) fn toggling_group(&self, group: GroupId) -> Self {
        let mut asked = self.clone();
        if !asked.groups.remove(&group) {
            asked.groups.insert(group);
        }
        asked
    }

    /// The same with an end chosen: the first one, then the second one; or not any more, if it was.
    pub(super) fn choosing(&self, end: &str) -> Self {
        let mut asked = self.clone();
        let is = |chosen: &Option<String>| chosen.as_deref() == Some(end);
        if is(&asked.from) {
            asked.from = asked.to.take();
        } else if is(&asked.to) {
            asked.to = None;
        } else if asked.from.is_none() {
            asked.from = Some(end.to_owned());
        } else {
            asked.to = Some(end.to_owned());
        }
        asked
    }

    /// What is asked of the two ends; nothing unless both are chosen.
    pub(super) fn question(&self) -> Option<Question> {
        let (from, to) = (self.from.clone()?, self.to.clone()?);
        Some(Question { from, to, protocol: self.protocol, port: self.port })
    }

    /// The same the other way round.
    pub(super) fn swapped(&self) -> Self {
        Self { from: self.to.clone(), to: self.from.clone(), ..self.clone() }
    }

    /// The same without ends.
    pub(super) fn without_ends(&self) -> Self {
        Self { from: None, to: None, ..self.clone() }
    }

    /// The same without what only the matrix is asked.
    pub(super) fn of_map(&self) -> Self {
        Self { reversed: false, peered: false, part: (0, 0), ..self.clone() }
    }

    /// The same without what is looked for.
    pub(super) fn cleared(&self) -> Self {
        Self { query: String::new(), state: None, ..self.clone() }
    }
}

fn some(text: &str) -> Option<String> {
    Some(text).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn group(text: &str) -> Option<GroupId> {
    let (region, account) = text.split_once('/')?;
    Some((region.parse().ok()?, account.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_as_it_was_written() {
        let query = "q=a+%26+b&state=stopped&group=eu-west-1%2F123456789012\
                     &open=vpc-0000000000000000a&from=shop%2Fweb.1&to=i-0000000000000000b\
                     &protocol=udp&port=53&reversed=1&peered=1&rows=2";
        let asked = Asked::read(query);
        assert_eq!(asked.query, "a & b");
        assert_eq!(asked.write(), query);
        assert_eq!(Asked::read("").write(), "");
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        let asked =
            Asked::read("open=nothing&group=x&state=odd&port=99999&protocol=ip&x=%ff&rows=-1");
        assert_eq!(asked, Asked::default());
        let many: String = (0..1000).map(|n| format!("open=vpc-{n:017x}&")).collect();
        assert_eq!(Asked::read(&many).open.len(), MOST_OPEN);
    }

    #[test]
    fn two_ends_are_chosen_one_after_the_other() {
        let asked = Asked::default().choosing("a").choosing("b");
        assert_eq!((asked.from.as_deref(), asked.to.as_deref()), (Some("a"), Some("b")));
        assert_eq!(asked.choosing("c").to.as_deref(), Some("c"));
        assert_eq!(asked.choosing("a").from.as_deref(), Some("b"));
        assert_eq!(asked.choosing("b").to, None);
    }
}
