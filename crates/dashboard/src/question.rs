//! What is asked of two ends: whether packets pass between them.

use model::{Endpoint, Flow, IpProtocol};

use crate::context::Context;
use crate::paths;

/// The most characters of an end that are read.
const MOST_CHARS: usize = 128;

/// A protocol that can be asked about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// ICMP's echo.
    Icmp,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Udp, Self::Icmp];

    /// The protocol's name in the page's address.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
        }
    }

    /// Finds a protocol by its name.
    pub(crate) fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.name() == name)
    }

    /// The protocol as packets have it.
    pub(crate) const fn number(self) -> IpProtocol {
        match self {
            Self::Tcp => IpProtocol::TCP,
            Self::Udp => IpProtocol::UDP,
            Self::Icmp => IpProtocol::ICMP,
        }
    }
}

/// Whether packets pass from one end to another: the query of the page that says why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Question {
    /// Where they begin, as `causeway why` takes it.
    pub from: String,
    /// Where they go.
    pub to: String,
    /// The protocol.
    pub protocol: Protocol,
    /// The port, of protocols that have one.
    pub port: Option<u16>,
}

/// Why a question has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    /// Nothing was asked yet.
    NotAsked,
    /// The end that begins is not there for the viewer.
    From,
    /// The other one is not.
    To,
    /// Neither is the viewer's, or one is in what they do not see.
    Flow,
    /// The port is missing.
    Port,
}

impl Question {
    /// Reads the query of an address. What it cannot read is left out.
    pub fn read(query: &str) -> Self {
        let mut question = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let text: String = value.trim().chars().take(MOST_CHARS).collect();
            match &*name {
                "from" => question.from = text,
                "to" => question.to = text,
                "protocol" => question.protocol = Protocol::find(&text).unwrap_or_default(),
                "port" => question.port = text.parse().ok().filter(|port| *port > 0),
                _ => {}
            }
        }
        question
    }

    /// The address of the page that answers it.
    pub fn path(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("from", &self.from).append_pair("to", &self.to);
        query.append_pair("protocol", self.protocol.name());
        if let Some(port) = self.port {
            query.append_pair("port", &port.to_string());
        }
        format!("{}?{}", paths::WHY, query.finish())
    }

    /// The same question the other way round.
    pub(crate) fn swapped(&self) -> Self {
        Self { from: self.to.clone(), to: self.from.clone(), ..self.clone() }
    }

    /// The flow that is asked about.
    ///
    /// # Errors
    ///
    /// It is not for the viewer to ask, or nothing is asked. What is another's and what is not there
    /// are the same.
    pub fn flow(&self, of: &Context<'_>) -> Result<Flow, Unanswered> {
        let (rights, world) = (of.viewer.rights(), of.world);
        if self.from.is_empty() && self.to.is_empty() {
            return Err(Unanswered::NotAsked);
        }
        let named = |end: &str, from| {
            rights.may_name(world, end)?;
            Endpoint::resolve(world, end, from)
        };
        let from = named(&self.from, None).map_err(|_| Unanswered::From)?;
        named(&self.to, Some(from)).map_err(|_| Unanswered::To)?;
        let port = match self.protocol {
            Protocol::Icmp => None,
            Protocol::Tcp | Protocol::Udp => Some(self.port.ok_or(Unanswered::Port)?),
        };
        rights
            .resolve(world, (&self.from, &self.to), self.protocol.name(), port, None)
            .map_err(|_| Unanswered::Flow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_read_as_it_was_written() {
        let path = "/dashboard/why?from=shop%2Fweb.1&to=10.0.0.5&protocol=udp&port=53";
        let question = Question::read(path.split_once('?').unwrap().1);
        assert_eq!((&*question.from, question.port), ("shop/web.1", Some(53)));
        assert_eq!(question.path(), path);
        assert_eq!(Question::read("port=0&protocol=x&from=%20"), Question::default());
        assert!(Question::read(&format!("from={}", "a".repeat(1000))).from.len() <= MOST_CHARS);
    }
}
