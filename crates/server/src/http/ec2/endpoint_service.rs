//! The services that VPC endpoints lead to in AWS. Tools look them up; endpoints are not offered here.

use aws::paging::{Paging, page};
use aws::xml::Xml;
use model::{Region, World};
use sha2::{Digest, Sha256};

use super::catalog::{chosen, filtered};
use super::describe::{Values, many, one};
use super::request::{Ec2Error, Request};

/// The services, each by the last part of its name, the first part of its address, and whether that is one
/// for each of its customers.
const INTERFACES: &[(&str, &str, bool)] = &[
    ("acm-pca", "acm-pca", false),
    ("athena", "athena", false),
    ("autoscaling", "autoscaling", false),
    ("backup", "backup", false),
    ("bedrock", "bedrock", false),
    ("bedrock-runtime", "bedrock-runtime", false),
    ("cloudformation", "cloudformation", false),
    ("cloudtrail", "cloudtrail", false),
    ("codebuild", "codebuild", false),
    ("codecommit", "codecommit", false),
    ("codepipeline", "codepipeline", false),
    ("config", "config", false),
    ("dynamodb", "dynamodb", false),
    ("ec2", "ec2", false),
    ("ec2messages", "ec2messages", false),
    ("ecr.api", "api.ecr", false),
    ("ecr.dkr", "dkr.ecr", true),
    ("ecs", "ecs", false),
    ("ecs-agent", "ecs-a", false),
    ("ecs-telemetry", "ecs-t", false),
    ("eks", "eks", false),
    ("eks-auth", "eks-auth", false),
    ("elasticache", "elasticache", false),
    ("elasticfilesystem", "elasticfilesystem", false),
    ("elasticloadbalancing", "elasticloadbalancing", false),
    ("events", "events", false),
    ("execute-api", "execute-api", true),
    ("glue", "glue", false),
    ("guardduty-data", "guardduty-data", false),
    ("kinesis-firehose", "firehose", false),
    ("kinesis-streams", "kinesis", false),
    ("kms", "kms", false),
    ("lambda", "lambda", false),
    ("logs", "logs", false),
    ("monitoring", "monitoring", false),
    ("rds", "rds", false),
    ("rds-data", "rds-data", false),
    ("redshift", "redshift", false),
    ("s3", "s3", true),
    ("sagemaker.api", "api.sagemaker", false),
    ("sagemaker.runtime", "runtime.sagemaker", false),
    ("secretsmanager", "secretsmanager", false),
    ("servicecatalog", "servicecatalog", false),
    ("sns", "sns", false),
    ("sqs", "sqs", false),
    ("ssm", "ssm", false),
    ("ssmmessages", "ssmmessages", false),
    ("states", "states", false),
    ("sts", "sts", false),
    ("transfer", "transfer", false),
    ("xray", "xray", false),
];
/// The services that route tables lead to.
const GATEWAYS: &[&str] = &["dynamodb", "s3"];
/// The filters, without those of tags.
const FILTERS: &[&str] =
    &["owner", "service-name", "service-region", "service-type", "supported-ip-address-types"];
/// Who owns the services.
const OWNER: &str = "amazon";
/// The only addresses that they are reached by.
const ADDRESSES: &str = "ipv4";

/// A service in a region.
struct EndpointService {
    region: Region,
    name: String,
    kind: &'static str,
    /// The name by which everybody knows it.
    public: String,
    /// The name by which it is known behind an endpoint; none for a gateway.
    private: Option<String>,
}

impl EndpointService {
    /// Its id, which follows from its name and kind.
    fn id(&self) -> String {
        let digest = Sha256::digest(format!("{} {}", self.name, self.kind));
        format!("vpce-svc-0{}", hex::encode(&digest[..8]))
    }

    fn values(&self, filter: &str) -> Option<Values<'static>> {
        Some(match filter {
            "owner" => one(OWNER),
            "service-name" => one(&self.name),
            "service-region" => one(self.region),
            "service-type" => one(self.kind),
            "supported-ip-address-types" => one(ADDRESSES),
            _ => return None,
        })
    }

    fn write(&self, x: &mut Xml) {
        x.el("serviceName", &self.name);
        x.el("serviceId", self.id());
        x.items("serviceType", [self.kind], |x, kind| x.el("serviceType", kind));
        x.el("serviceRegion", self.region);
        let zones = self.region.zones();
        x.items("availabilityZoneIdSet", zones, |x, zone| x.text(zone.zone_id()));
        x.items("availabilityZoneSet", self.region.zones(), |x, zone| x.text(zone));
        x.el("owner", OWNER);
        x.items("baseEndpointDnsNameSet", [&self.public], |x, name| x.text(name));
        if let Some(private) = &self.private {
            x.el("privateDnsName", private);
            x.items("privateDnsNameSet", [private], |x, name| x.el("privateDnsName", name));
            x.el("privateDnsNameVerificationState", "verified");
        }
        x.el("vpcEndpointPolicySupported", true);
        x.el("acceptanceRequired", false);
        x.el("managesVpcEndpoints", false);
        x.items("tagSet", [(); 0], |_, ()| {});
        x.items("supportedIpAddressTypeSet", [ADDRESSES], |x, kind| x.text(kind));
    }
}

/// Every service of a region, by name.
fn services(region: Region) -> Vec<EndpointService> {
    let name = |name: &str| format!("com.amazonaws.{region}.{name}");
    let gateways = GATEWAYS.iter().map(|service| EndpointService {
        region,
        name: name(service),
        kind: "Gateway",
        public: format!("{service}.{region}.amazonaws.com"),
        private: None,
    });
    let interfaces = INTERFACES.iter().map(|(service, host, for_each)| EndpointService {
        region,
        name: name(service),
        kind: "Interface",
        public: format!("{host}.{region}.vpce.amazonaws.com"),
        private: Some(match for_each {
            true => format!("*.{host}.{region}.amazonaws.com"),
            false => format!("{host}.{region}.amazonaws.com"),
        }),
    });
    let mut all: Vec<EndpointService> = gateways.chain(interfaces).collect();
    all.sort_by(|a, b| (&a.name, a.kind).cmp(&(&b.name, b.kind)));
    all
}

/// `DescribeVpcEndpointServices`.
pub(super) fn describe(_: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let (params, region) = (request.params, request.scope.region);
    let paging = Paging::parse(params, "DescribeVpcEndpointServices", 1..=1000, None)?;
    let unknown = |name: &str| {
        let message = format!("The Vpc Endpoint Service '{name}' does not exist");
        Ec2Error::new("InvalidServiceName", message)
    };
    let named = |it: &EndpointService, name: &str| it.name == name;
    let all = chosen(params, "ServiceName", services(region), named, unknown)?;
    let regions: Vec<&str> = params.list("ServiceRegion").collect();
    let elsewhere = !regions.is_empty() && !regions.contains(&region.to_string().as_str());
    let here = all.into_iter().filter(|_| !elsewhere);
    let found = filtered(params, FILTERS, |name, it: &EndpointService| it.values(name), here)?;
    let (found, next) = page(found, |it| format!("{} {}", it.name, it.kind), &paging);
    let mut names: Values<'_> = many(found.iter().map(|it| &it.name));
    names.dedup();
    Ok(request.respond(|x| {
        x.items("serviceNameSet", &names, |x, name| x.text(name));
        x.items("serviceDetailSet", &found, |x, it| it.write(x));
        x.opt("nextToken", next);
    }))
}
