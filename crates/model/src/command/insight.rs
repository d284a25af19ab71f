//! The parts of commands about flow logs and Network Insights.

use crate::NetworkInsightsPathId;
use crate::resource::{
    Analysis, AnalysisOptions, ClientToken, FlowLogSettings, FlowLogSubject, PathPackets, Tags,
};

/// `CreateFlowLogs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateFlowLogs {
    /// What to record the packets of: a flow log for each.
    pub of: Vec<FlowLogSubject>,
    /// What to record, and where to.
    pub settings: FlowLogSettings,
    /// The token by which the client may repeat the request.
    pub client_token: Option<ClientToken>,
    /// Tags for each of the flow logs.
    pub tags: Tags,
}

/// `CreateNetworkInsightsPath`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateNetworkInsightsPath {
    /// Which packets the path is about.
    pub packets: PathPackets,
    /// The token by which the client may repeat the request.
    pub client_token: Option<ClientToken>,
    /// Tags for the path.
    pub tags: Tags,
}

/// `StartNetworkInsightsAnalysis`, with what comes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartNetworkInsightsAnalysis {
    /// The path to analyze.
    pub path: NetworkInsightsPathId,
    /// What else is asked for.
    pub options: AnalysisOptions,
    /// What [`crate::analyse`] found.
    pub outcome: Result<Analysis, String>,
    /// The token by which the client may repeat the request.
    pub client_token: Option<ClientToken>,
    /// Tags for the analysis.
    pub tags: Tags,
}
