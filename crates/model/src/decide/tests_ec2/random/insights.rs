//! Requests about flow logs and Network Insights.

use super::super::fixture::*;
use super::Player;
use crate::command::*;
use crate::resource::*;
use crate::*;

impl Player<'_> {
    pub(super) fn flow_log_command(&self) -> Ec2Command {
        use Ec2Command as C;
        let enis = self.world.enis().filter(|r| self.mine(r.vpc)).map(|r| r.id);
        if self.dice[5].is_multiple_of(4) {
            let all: Vec<_> = self.world.flow_logs().map(|log| log.id).collect();
            let ids = [1, 2].into_iter().filter_map(|die| self.pick(die, all.iter().copied()));
            return C::DeleteFlowLogs { flow_logs: ids.collect() };
        }
        let subjects = [
            FlowLogSubject::Vpc(self.vpc(1)),
            FlowLogSubject::Subnet(self.subnet(2)),
            FlowLogSubject::Eni(self.pick(3, enis).unwrap_or(EniId::MIN)),
        ];
        let at = usize::from(self.dice[5] / 4 % 3);
        let traffic = [FlowLogTraffic::Accept, FlowLogTraffic::All][usize::from(self.flag(1))];
        let group = format!("group-{}", self.dice[2] % 3);
        C::CreateFlowLogs(CreateFlowLogs {
            of: subjects[at..].to_vec(),
            settings: super::super::flow_log::settings(traffic, &group),
            client_token: self.token(4),
            tags: self.tags(3),
        })
    }

    fn path_end(&self, die: usize) -> PathEnd {
        let gateways = self.world.gateways().map(|r| r.id);
        let enis = self.world.enis().filter(|r| self.mine(r.vpc)).map(|r| r.id);
        match self.dice[die] % 8 {
            0 => PathEnd::Peering(self.pcx(die)),
            1..=2 => PathEnd::Gateway(self.pick(die, gateways).unwrap_or(IgwId::MIN)),
            3..=5 => PathEnd::Eni(self.pick(die, enis).unwrap_or(EniId::MIN)),
            _ => PathEnd::Instance(self.instance(die)),
        }
    }

    pub(super) fn insights_command(&self) -> Ec2Command {
        use Ec2Command as C;
        let paths = self.world.insights_paths().filter(|it| it.is_of(self.scope));
        let path = self.pick(1, paths).map_or(NetworkInsightsPathId::MIN, |path| path.id);
        let (client_token, tags) = (self.token(4), self.tags(3));
        match self.dice[5] % 8 {
            0..=3 => {
                let address = self.block(3).nth(4).filter(|_| self.flag(4));
                let packets = PathPackets {
                    source: self.path_end(1),
                    destination: Some(self.path_end(2)).filter(|_| self.flag(3)),
                    source_ip: None,
                    destination_ip: address,
                    protocol: [IpProtocol::TCP, IpProtocol::UDP][usize::from(self.flag(2))],
                    destination_port: Some(self.dice[3].into()).filter(|_| self.flag(1)),
                    at_source: None,
                    at_destination: None,
                };
                let new = CreateNetworkInsightsPath { packets, client_token, tags };
                C::CreateNetworkInsightsPath(new)
            }
            4..=5 => {
                let options = AnalysisOptions::default();
                let now = NOW;
                let outcome = analyse(self.world, self.scope, path, &options, now);
                let new =
                    StartNetworkInsightsAnalysis { path, options, outcome, client_token, tags };
                C::StartNetworkInsightsAnalysis(new)
            }
            6 => C::DeleteNetworkInsightsPath { path },
            _ => {
                let all = self.world.insights_analyses().map(|it| it.id);
                let analysis = self.pick(1, all).unwrap_or(NetworkInsightsAnalysisId::MIN);
                C::DeleteNetworkInsightsAnalysis { analysis }
            }
        }
    }
}
