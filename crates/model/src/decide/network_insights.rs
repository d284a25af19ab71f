//! Rules of paths of Network Insights and of their analyses.

use std::sync::Arc;

use super::lookup::{absent, missing};
use super::{Decision, Outcome, refuse};
use crate::command::{CreateNetworkInsightsPath, StartNetworkInsightsAnalysis};
use crate::resource::*;
use crate::{
    Code, Key, Kind, NetworkInsightsAnalysisId, NetworkInsightsPathId, PrefixedId, Refused, Scope,
};

/// How many paths an account may have.
const MOST_PATHS: usize = 1000;
/// How many analyses an account may have: they are kept until somebody deletes them.
const MOST_ANALYSES: usize = 1000;

impl Decision<'_> {
    pub(super) fn create_insights_path(
        &mut self,
        scope: Scope,
        new: &CreateNetworkInsightsPath,
    ) -> Outcome {
        let (kind, token) = (Kind::NetworkInsightsPath, new.client_token.as_ref());
        if let Some(made) = self.repeated(scope, kind, token)? {
            return Ok(made.into());
        }
        check_packets(&new.packets)?;
        super::tag::check_tags(&new.tags)?;
        for end in [Some(new.packets.source), new.packets.destination].into_iter().flatten() {
            match end {
                PathEnd::Instance(id) => drop(self.own_instance(scope, id)?),
                PathEnd::Eni(id) => drop(self.own_eni(scope, id)?),
                PathEnd::Gateway(id) => drop(self.own_gateway(scope, id)?),
                PathEnd::Peering(id) => drop(self.seen_peering(scope, id)?),
            }
        }
        self.check_insights_limit(scope, kind, MOST_PATHS)?;
        let id = NetworkInsightsPathId::fresh(self.ids);
        self.put(NetworkInsightsPath {
            id,
            account: scope.account,
            region: scope.region,
            packets: new.packets,
            client_token: token.map(|token| token.of(scope)),
            tags: new.tags.clone(),
            created: self.now,
        });
        Ok(Key::NetworkInsightsPath(id).into())
    }

    fn check_insights_limit(&self, scope: Scope, kind: Kind, most: usize) -> Result<(), Refused> {
        if self.world.naming(Key::Account(scope.account), kind).count() < most {
            return Ok(());
        }
        let what = kind.name();
        refuse(
            Code::LimitExceeded,
            format_args!("You have reached the limit of {most} for the type {what}; delete some."),
        )
    }

    pub(super) fn delete_insights_path(
        &mut self,
        scope: Scope,
        id: NetworkInsightsPathId,
    ) -> Outcome {
        let key = Key::NetworkInsightsPath(self.own_insights_path(scope, id)?.id);
        if self.world.naming(key, Kind::NetworkInsightsAnalysis).next().is_some() {
            return refuse(
                Code::AnalysisExists,
                format_args!("The network insights path '{id}' has analyses; delete them first."),
            );
        }
        self.delete(key);
        Ok(key.into())
    }

    pub(super) fn start_analysis(
        &mut self,
        scope: Scope,
        new: &StartNetworkInsightsAnalysis,
    ) -> Outcome {
        let (kind, token) = (Kind::NetworkInsightsAnalysis, new.client_token.as_ref());
        if let Some(made) = self.repeated(scope, kind, token)? {
            return Ok(made.into());
        }
        let path = self.own_insights_path(scope, new.path)?.id;
        super::tag::check_tags(&new.tags)?;
        self.check_insights_limit(scope, kind, MOST_ANALYSES)?;
        let id = NetworkInsightsAnalysisId::fresh(self.ids);
        self.put(NetworkInsightsAnalysis {
            id,
            account: scope.account,
            region: scope.region,
            path,
            options: new.options.clone(),
            outcome: new.outcome.clone(),
            client_token: token.map(|token| token.of(scope)),
            tags: new.tags.clone(),
            started: self.now,
        });
        Ok(Key::NetworkInsightsAnalysis(id).into())
    }

    pub(super) fn delete_analysis(
        &mut self,
        scope: Scope,
        id: NetworkInsightsAnalysisId,
    ) -> Outcome {
        let key = Key::NetworkInsightsAnalysis(self.own_analysis(scope, id)?.id);
        self.delete(key);
        Ok(key.into())
    }

    pub(super) fn own_insights_path(
        &self,
        scope: Scope,
        id: NetworkInsightsPathId,
    ) -> Result<Arc<NetworkInsightsPath>, Refused> {
        let found = self.world.insights_path(id).filter(|path| path.is_of(scope));
        found
            .cloned()
            .ok_or_else(|| absent(Code::InsightsPathNotFound, "network insights path ID", id))
    }

    pub(super) fn own_analysis(
        &self,
        scope: Scope,
        id: NetworkInsightsAnalysisId,
    ) -> Result<Arc<NetworkInsightsAnalysis>, Refused> {
        let found = self.world.insights_analysis(id).filter(|analysis| analysis.is_of(scope));
        found
            .cloned()
            .ok_or_else(|| absent(Code::AnalysisNotFound, "network insights analysis ID", id))
    }
}

fn check_packets(packets: &PathPackets) -> Result<(), Refused> {
    let both = |one: &str, other: &str| {
        refuse(
            Code::InvalidParameterCombination,
            format_args!("The parameter {one} cannot be used with the parameter {other}"),
        )
    };
    if packets.at_source.is_some() {
        if packets.source_ip.is_some() {
            return both("FilterAtSource", "SourceIp");
        }
        if packets.destination_port.is_some() {
            return both("FilterAtSource", "DestinationPort");
        }
    }
    if packets.at_destination.is_some() && packets.destination_ip.is_some() {
        return both("FilterAtDestination", "DestinationIp");
    }
    let refused = |message: &str| refuse(Code::InvalidParameterValue, message);
    let ranges = [packets.at_source, packets.at_destination].into_iter().flatten();
    let mut ranges = ranges.flat_map(|at| [at.source_ports, at.destination_ports]).flatten();
    if ranges.any(|range| range.from > range.to) {
        return refused("A range of ports ends before it begins.");
    }
    match (packets.source, packets.destination) {
        (PathEnd::Peering(_), _) => refused(
            "A path cannot begin at a VPC peering connection here. Name the instance or the \
             network interface that sends the packets.",
        ),
        (_, None) if packets.destinations().next().is_none() => missing("Destination"),
        (PathEnd::Gateway(_), None | Some(PathEnd::Gateway(_) | PathEnd::Peering(_))) => {
            refused("A path from an internet gateway ends at an instance or a network interface.")
        }
        (source, Some(destination)) if source == destination => {
            refused("The source and the destination of a path must differ.")
        }
        _ => Ok(()),
    }
}
