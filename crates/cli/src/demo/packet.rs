//! A packet that is sent, and what became of it.

use std::fmt;

use serde_json::Value;

/// A program that connects to an address and a port, sends an HTTP request, and prints the result in
/// one line.
pub(crate) const PROBE: &str = "\
import socket, sys
s = socket.socket()
s.settimeout(0.7)
try:
    s.connect((sys.argv[1], int(sys.argv[2])))
    s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')
    print('open', s.recv(64).split(b'\\r\\n')[0].decode('ascii', 'replace'))
except ConnectionRefusedError:
    print('refused')
except OSError as error:
    print('closed', error)
";

/// A program that prints the address from which a dyno or an instance sends.
pub(crate) const ADDRESS: &str = "\
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(('10.255.255.254', 9))
print(s.getsockname()[0])
";

/// A packet from a dyno or an instance to a port of another, and what must become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    /// The dyno or instance that sends it.
    pub(crate) from: String,
    /// The dyno or instance that it goes to, as `why` takes it.
    pub(crate) to: String,
    /// The address of the receiver.
    pub(crate) address: String,
    /// The destination port.
    pub(crate) port: u16,
    /// What must become of the packet.
    pub(crate) expected: Expected,
}

/// What must become of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// The packet is answered.
    Passes,
    /// The packet is dropped on its way.
    Blocked,
}

/// What became of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A web server answered, with this first line.
    Answered(String),
    /// The packet arrived, and nobody listens on the port.
    Refused,
    /// Nothing came back.
    Nothing,
    /// The packet could not be sent, for this reason.
    Untried(String),
}

impl Packet {
    /// The same packet, which must pass.
    pub(crate) fn passes(&self) -> Self {
        Self { expected: Expected::Passes, ..self.clone() }
    }

    /// The same packet, which must be blocked.
    pub(crate) fn blocked(&self) -> Self {
        Self { expected: Expected::Blocked, ..self.clone() }
    }

    /// The same packet to another port.
    pub(crate) fn on(&self, port: u16) -> Self {
        Self { port, ..self.clone() }
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {}:{}", self.from, self.to, self.port)
    }
}

impl Outcome {
    /// Reads what [`PROBE`] printed.
    pub(crate) fn read(stdout: &str, stderr: &str) -> Self {
        let line = stdout.trim();
        match line.split_once(' ').unwrap_or((line, "")) {
            ("open", answer) => Self::Answered(answer.to_owned()),
            ("refused", _) => Self::Refused,
            ("closed", _) => Self::Nothing,
            _ => {
                let text = if stderr.trim().is_empty() { line } else { stderr.trim() };
                Self::Untried(text.lines().last().unwrap_or("no answer").to_owned())
            }
        }
    }

    /// Whether this is what must become of the packet.
    pub(crate) fn is(&self, expected: Expected) -> bool {
        match expected {
            Expected::Passes => matches!(self, Self::Answered(answer) if answer.contains("200")),
            Expected::Blocked => matches!(self, Self::Nothing),
        }
    }

    /// The outcome in words, with what was expected.
    pub(crate) fn in_words(&self, expected: Expected) -> String {
        let must = match (expected, self.is(expected)) {
            (_, true) => "as it must",
            (Expected::Passes, false) => "it must pass",
            (Expected::Blocked, false) => "it must be blocked",
        };
        match (self, expected) {
            (Self::Answered(answer), _) => format!("passes: {answer} ({must})"),
            (Self::Refused, _) => format!("passes, and nobody listens ({must})"),
            (Self::Nothing, Expected::Blocked) => "blocked (as it must be)".to_owned(),
            (Self::Nothing, Expected::Passes) => format!("blocked ({must})"),
            (Self::Untried(why), _) => format!("could not be tried: {why}"),
        }
    }
}

/// What `why` says of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Explained {
    /// Whether `why` says what is expected, and gives a reason.
    pub(crate) agrees: bool,
    /// The verdict in words, with what decides.
    pub(crate) text: String,
    /// What to type so that the packet passes, if there is such a command.
    pub(crate) remedy: Option<String>,
}

/// Reads the verdict of `why` about a packet.
pub(crate) fn explained(verdict: &Value, expected: Expected) -> Explained {
    let said = |agrees, text| Explained { agrees, text, remedy: None };
    let Some(allowed) = verdict["allowed"].as_bool() else {
        return said(false, format!("no verdict: {verdict}"));
    };
    let agrees = allowed == (expected == Expected::Passes);
    let hops = verdict["hops"].as_array().map(Vec::as_slice).unwrap_or_default();
    if allowed {
        return said(agrees, format!("passes, {} hops there and back", hops.len()));
    }
    let Some(blocking) = hops.iter().find(|hop| hop["decision"] != "passed") else {
        return said(false, "blocked, but no hop says why".to_owned());
    };
    let because = blocking["because"].as_str().unwrap_or_default();
    let remedy = blocking["remedy"].as_str().map(ToOwned::to_owned);
    Explained { agrees, text: format!("blocked: {because}"), remedy }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_probe_is_read() {
        let answered = Outcome::read("open HTTP/1.0 200 OK\n", "");
        assert!(answered.is(Expected::Passes) && !answered.is(Expected::Blocked));
        assert_eq!(answered.in_words(Expected::Passes), "passes: HTTP/1.0 200 OK (as it must)");
        let nothing = Outcome::read("closed timed out\n", "");
        assert!(nothing.is(Expected::Blocked) && !nothing.is(Expected::Passes));
        assert_eq!(nothing.in_words(Expected::Blocked), "blocked (as it must be)");
        assert_eq!(nothing.in_words(Expected::Passes), "blocked (it must pass)");
    }

    #[test]
    fn a_refused_connection_got_through() {
        let refused = Outcome::read("refused\n", "");
        assert!(!refused.is(Expected::Blocked) && !refused.is(Expected::Passes));
    }

    #[test]
    fn a_probe_that_did_not_run_is_neither() {
        let untried = Outcome::read("", "Traceback\nError: no python3\n");
        assert_eq!(untried, Outcome::Untried("Error: no python3".to_owned()));
        assert!(!untried.is(Expected::Blocked) && !untried.is(Expected::Passes));
    }

    #[test]
    fn a_verdict_names_what_decides() {
        let verdict = json!({ "allowed": false, "hops": [
            { "where": "a", "decision": "passed", "because": "fine" },
            { "where": "b", "decision": "blocked", "because": "no route", "remedy": "aws ec2 create-route" },
        ]});
        let said = explained(&verdict, Expected::Blocked);
        assert!(said.agrees);
        assert_eq!(said.text, "blocked: no route");
        assert_eq!(said.remedy.as_deref(), Some("aws ec2 create-route"));
        assert!(!explained(&verdict, Expected::Passes).agrees);
        assert!(explained(&json!({ "allowed": true, "hops": [] }), Expected::Passes).agrees);
        assert!(!explained(&json!({ "allowed": false, "hops": [] }), Expected::Blocked).agrees);
        assert!(!explained(&json!({ "message": "x" }), Expected::Blocked).agrees);
    }

    #[test]
    fn a_packet_shows_its_way() {
        let packet = Packet {
            from: "shop/run.1234".to_owned(),
            to: "i-1".to_owned(),
            address: "10.100.1.4".to_owned(),
            port: 8000,
            expected: Expected::Blocked,
        };
        assert_eq!(packet.on(8001).passes().to_string(), "shop/run.1234 → i-1:8001");
        assert_eq!(packet.passes().blocked(), packet);
    }
}
