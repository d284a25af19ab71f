//! The table of all kinds of resources: what is generated for each kind starts from here.

/// Hands the table to another macro. A row has the type of the resource, the type of its id, and the
/// name of the kind in the store.
macro_rules! with_kinds {
    ($then:ident) => {
        $then! {
            /// The settings of the installation.
            Settings SettingsKey = "settings";
            /// An owner of VPCs.
            Account AccountId = "account";
            /// An access key.
            AccessKey AccessKeyId = "access-key";
            /// A role of an account.
            IamRole RoleId = "iam-role";
            /// A person.
            User UserId = "user";
            /// An API token.
            Token TokenId = "token";
            /// A team.
            Team TeamId = "team";
            /// A user who was destroyed.
            FormerUser UserId = "former-user";
            /// A team that was destroyed.
            FormerTeam TeamId = "former-team";
            /// An account that was destroyed.
            FormerAccount AccountId = "former-account";
            /// A host.
            Host HostId = "host";
            /// A token by which a host joins.
            JoinToken JoinTokenId = "join-token";
            /// A Private Space.
            Space SpaceId = "space";
            /// An app.
            App AppId = "app";
            /// An app's code.
            Slug SlugId = "slug";
            /// A release of an app.
            Release ReleaseId = "release";
            /// A dyno.
            Dyno DynoId = "dyno";
            /// A log drain of an app.
            LogDrain LogDrainId = "log-drain";
            /// A data service.
            Addon AddonId = "addon";
            /// A VPC.
            Vpc VpcId = "vpc";
            /// A subnet.
            Subnet SubnetId = "subnet";
            /// A reservation of addresses in a subnet.
            SubnetReservation SubnetReservationId = "subnet-cidr-reservation";
            /// A route table.
            RouteTable RouteTableId = "route-table";
            /// A security group.
            SecurityGroup SecurityGroupId = "security-group";
            /// A network ACL.
            NetworkAcl AclId = "network-acl";
            /// A managed prefix list.
            PrefixList PrefixListId = "prefix-list";
            /// A network interface.
            Eni EniId = "network-interface";
            /// An instance.
            Instance InstanceId = "instance";
            /// A peering connection.
            Peering PcxId = "vpc-peering-connection";
            /// An internet gateway.
            InternetGateway IgwId = "internet-gateway";
            /// An egress-only internet gateway.
            EgressGateway EgressGatewayId = "egress-only-internet-gateway";
            /// An elastic IP address.
            ElasticIp AllocationId = "elastic-ip";
            /// A NAT gateway.
            NatGateway NatGatewayId = "nat-gateway";
            /// A DHCP option set.
            DhcpOptions DhcpOptionsId = "dhcp-options";
            /// A key pair.
            KeyPair KeyPairId = "key-pair";
            /// A flow log.
            FlowLog FlowLogId = "flow-log";
            /// A path of Network Insights.
            NetworkInsightsPath NetworkInsightsPathId = "network-insights-path";
            /// An analysis of a path of Network Insights.
            NetworkInsightsAnalysis NetworkInsightsAnalysisId = "network-insights-analysis";
            /// A webhook.
            Webhook WebhookId = "webhook";
        }
    };
}

pub(crate) use with_kinds;
