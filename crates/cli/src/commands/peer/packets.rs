//! Packets that show whether two ends are joined.

use api::{Probe, ProbeOutcome, ProbeRequest, Verdict};
use hyper::{Method, StatusCode};
use serde::Serialize;

use crate::client::{Client, Refusal};

/// A packet and what became of it.
#[derive(Debug, Serialize)]
pub(super) struct Sent {
    #[serde(flatten)]
    pub(super) packet: ProbeRequest,
    /// What became of it; `None` where the server carries no packets, and this is what `why` says.
    pub(super) outcome: Option<ProbeOutcome>,
    pub(super) passed: bool,
    /// Where it was stopped, and why, in words.
    pub(super) because: Option<String>,
}

impl Sent {
    /// Whether it arrived, and its answer.
    pub(super) fn passed(&self) -> bool {
        self.passed
    }
}

/// Has packets sent, one after the other. Where the server carries none, asks `why` about them.
///
/// # Errors
///
/// The server refuses, or does not answer.
pub(super) fn send(client: &Client, packets: &[ProbeRequest]) -> anyhow::Result<Vec<Sent>> {
    packets.iter().map(|packet| send_one(client, packet)).collect()
}

fn send_one(client: &Client, packet: &ProbeRequest) -> anyhow::Result<Sent> {
    let answer = client.write::<Probe>(&Method::POST, "/_causeway/probe", packet);
    let (outcome, passed, verdict) = match answer {
        Ok(probe) => (Some(probe.outcome), probe.passed, probe.verdict),
        Err(error) => {
            let carries_none = error
                .downcast_ref::<Refusal>()
                .is_some_and(|refusal| refusal.status == StatusCode::CONFLICT);
            if !carries_none {
                return Err(error);
            }
            let verdict = ask(client, packet)?;
            (None, verdict.allowed, verdict)
        }
    };
    let because = (!passed).then(|| stopped(&verdict)).flatten();
    Ok(Sent { packet: packet.clone(), outcome, passed, because })
}

fn ask(client: &Client, packet: &ProbeRequest) -> anyhow::Result<Verdict> {
    let query = api::FlowQuery {
        from: packet.from.clone(),
        to: packet.to.clone(),
        port: Some(packet.port),
        proto: None,
        source_port: None,
        lang: None,
    };
    client.read_with("/_causeway/why", &query)
}

/// What stops a packet, as `why` says it.
fn stopped(verdict: &Verdict) -> Option<String> {
    let hop = verdict.hops.iter().find(|hop| hop.decision != api::Decision::Passed)?;
    Some(format!("{}: {}", hop.location, hop.because))
}
