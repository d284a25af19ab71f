//! The operator's API: what the requests and answers under `/_causeway/` hold; and those answers of the
//! Platform API that the commands of `causeway` go by.
//!
//! The server reads and writes these types, and so do the commands of `causeway`, so that both ends
//! agree by construction. Each type names its endpoint. A request is the JSON object in the body, or
//! the query string where the documentation says so; an answer is a JSON object or array.
//!
//! Members may be added to answers: a client ignores those that it does not know. A member of a
//! request that has a default may be absent.

#![warn(unreachable_pub)]

mod audit;
mod backup;
mod environment;
mod event;
mod flow;
mod flows;
mod host;
mod identity;
mod installation;
mod join;
mod overview;
mod peer;
mod peering;
mod platform;
mod quota;
mod role;
mod subject;
mod webhook;
mod workload;

pub use audit::{AuditPage, AuditQuery, AuditRow};
pub use backup::{
    Backup, BackupFailure, BackupLine, BackupProgress, BackupRequest, Missing, SavedService,
    SavedSlug,
};
pub use environment::{About, Environment, EnvironmentRequest};
pub use event::{Event, EventPage, EventQuery};
pub use flow::{Component, Decision, FlowQuery, Hop, Leg, SourcePorts, Verdict};
pub use flows::{
    FlowDirection, FlowEvent, FlowLogLine, FlowLogPage, FlowLogQuery, FlowReason, FlowRecord,
    FlowsPage, FlowsQuery,
};
pub use host::{
    Host, HostDetails, HostRemoved, HostedWorkload, Hosts, RemoveHost, WaitingWorkload,
};
pub use identity::{
    AccessKey, Account, AccountCreated, CreateAccessKey, CreateAccount, CreateTeam, CreateToken,
    CreateUser, MemberSet, NewAccessKey, PasswordSet, SecondFactorDisabled, SetMember, SetPassword,
    Team, TeamCreated, TeamMember, TokenCreated, User, UserCreated,
};
pub use installation::{
    AdvanceClock, ClockAdvanced, Deleted, Fabric, PeeringLimit, ResetQuery, ServerCertificate,
    ServerEntry, ServerRole, SetAside, SetPeeringLimit, SnapshotLoaded, SpaceSummary, Status,
    TlsCertificate,
};
pub use join::{CreateJoinToken, HostsReady, InitHosts, JoinTokenCreated};
pub use overview::{
    AppRow, InstanceRow, Overview, PeeringEnd, PeeringRow, SpaceRow, Usage, UsageRow, VpcRow,
};
pub use peer::{
    LivePeering, PeerObstacle, PeerPlan, PeerQuery, PeerSide, PeerState, PeerStep, Probe,
    ProbeOutcome, ProbeRequest,
};
pub use peering::{
    BlockOwner, FreeBlocks, NeedKind, PeeringCheck, PeeringCheckQuery, PeeringNeed, PeeringParty,
    PeeringReason, ReasonKind, peering_reasons,
};
pub use platform::{AppRef, Dyno, Release, ReleaseRef, SlugRef, UserRef};
pub use quota::{QuotaLimit, QuotaQuery, SetQuota};
pub use role::{CreateRole, IamRole, RoleQuery};
pub use subject::{
    Dependent, Dependents, DependentsQuery, Measure, SetDisabled, SubjectKind, SubjectState, Token,
    TokenQuery,
};
pub use webhook::{
    CreateWebhook, DeliveryStatus, Webhook, WebhookCreated, WebhookDelivery, WebhookPayload,
};
pub use workload::{ExecCommand, ExecQuery, LogQuery};

use serde::{Deserialize, Serialize};

/// The account that a new installation has, and that is meant where a request names none.
pub const FIRST_ACCOUNT: &str = "customer";
/// The team that a new installation has.
pub const FIRST_TEAM: &str = "team";
/// The email address of the user whom a new installation has: the admin of [`FIRST_TEAM`], and the
/// user who is meant where a request names none.
pub const FIRST_USER: &str = "admin@causeway.local";

/// Why a request was refused: the body of every answer whose status is 400 or more. The Platform
/// API refuses in the same form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The reason as a program reads it, such as `not_found`.
    pub id: String,
    /// The reason in words, with what to do about it.
    pub message: String,
}

/// An object without members: the request or the answer of an endpoint that has nothing to say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// Where a server listens. The server keeps this in the file [`ServerNote::FILE`] of its data
/// directory while it runs, so that commands on the same machine find it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerNote {
    /// The id of the server's process.
    pub pid: u32,
    /// The address of its APIs, such as `http://127.0.0.1:4880`.
    pub url: String,
}

impl ServerNote {
    /// The name of the file in the data directory.
    pub const FILE: &str = "serve.json";
}

/// The operator's bearer token. `derive` derives 32 bytes from the key of the data directory, for
/// the purpose that it is given: whoever can read that key is the operator, and nobody else.
pub fn operator_token(derive: impl FnOnce(&str) -> [u8; 32]) -> String {
    hex::encode(derive("operator-token"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_token_is_the_derived_bytes_in_hexadecimal() {
        let token = operator_token(|purpose| {
            assert_eq!(purpose, "operator-token");
            [0xa7; 32]
        });
        assert_eq!(token, "a7".repeat(32));
    }

    #[test]
    fn members_that_a_client_does_not_know_are_ignored() {
        let newer = r#"{"id": "not_found", "message": "x", "hint": "y"}"#;
        let problem: Problem = serde_json::from_str(newer).unwrap();
        assert_eq!(problem, Problem { id: "not_found".to_owned(), message: "x".to_owned() });
    }
}
