//! A small client of the EC2 API that takes the words of an `aws ec2` command: what commands ask with that
//! print the lines of the real one, and the demo where the real one is missing, and while it waits.

use anyhow::{Context, anyhow, bail};
use aws::sigv4::{Credentials, SignedRequest, sha256, sign};
use aws::xml::{Service, error_of, to_json};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

use super::address::authority_of;
use super::http::Http;
use super::signature::Keys;
use super::trust::TrustArgs;

const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// A client of the EC2 API.
pub(crate) struct Ec2 {
    http: Http,
    url: String,
    region: String,
    credentials: Credentials,
}

/// The request that an `aws ec2` command makes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Request {
    action: String,
    params: Vec<(String, String)>,
    query: Option<String>,
    region: Option<String>,
}

impl Ec2 {
    /// Makes a client of the server at an address, with an account's access key.
    pub(super) fn new(url: String, keys: Keys, trust: &TrustArgs) -> anyhow::Result<Self> {
        let (credentials, region) = keys.into_parts();
        Ok(Self { http: Http::new(&url, trust)?, url, region, credentials })
    }

    /// Makes a client from the variables of `causeway env`.
    pub(crate) fn of_variables(variables: &Map<String, Value>) -> anyhow::Result<Self> {
        let of = |name: &str| {
            let value = variables.get(name).and_then(Value::as_str);
            value
                .map(ToOwned::to_owned)
                .ok_or_else(|| anyhow!("`causeway env` does not set {name}"))
        };
        let url = of("AWS_ENDPOINT_URL")?;
        Ok(Self {
            http: Http::new(&url, &TrustArgs::default())?,
            url,
            region: of("AWS_DEFAULT_REGION")?,
            credentials: Credentials {
                access_key: of("AWS_ACCESS_KEY_ID")?,
                secret: of("AWS_SECRET_ACCESS_KEY")?,
                session_token: None,
            },
        })
    }

    /// The region of its requests.
    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    /// Does what the words after `aws` say, and gives what the real command would print of it.
    ///
    /// # Errors
    ///
    /// A refusal, in the words of the real command, and a server that does not answer.
    pub(crate) fn call(&self, words: &[&str]) -> anyhow::Result<Value> {
        let request = Request::read(words)?;
        let answer = self.send(&request)?;
        Ok(match &request.query {
            Some(query) => select(&answer, query),
            None => answer,
        })
    }

    fn send(&self, request: &Request) -> anyhow::Result<Value> {
        let mut fields = vec![("Action", request.action.as_str()), ("Version", "2016-11-15")];
        fields.extend(request.params.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let body = form(&fields);
        let host = authority_of(&self.url);
        let headers = [("host", host), ("content-type", FORM)];
        let bytes = headers.map(|(name, value)| (name, value.as_bytes()));
        let signed = SignedRequest {
            method: "POST",
            path: "/",
            query: "",
            headers: &bytes,
            body_sha256: sha256(body.as_bytes()),
        };
        let now = jiff::Timestamp::now().as_millisecond();
        let region = request.region.as_deref().unwrap_or(&self.region);
        let added = sign(&signed, &self.credentials, region, Service::Ec2.scope(), now)
            .context("the request cannot be signed")?;
        let added = added.iter().map(|(name, value)| (*name, value.as_str()));
        let headers: Vec<(&str, &str)> = headers.into_iter().chain(added).collect();
        let (status, text) = self.http.send("POST", &format!("{}/", self.url), &headers, &body)?;
        if let Some((code, message)) = error_of(&text) {
            let action = &request.action;
            bail!("An error occurred ({code}) when calling the {action} operation: {message}");
        }
        if status != 200 {
            bail!("{} was answered with status {status}: {text}", request.action);
        }
        let mut answer = as_printed(to_json(&text).context("the answer cannot be read")?);
        if let Some(fields) = answer.as_object_mut() {
            fields.remove("RequestId");
        }
        Ok(answer)
    }
}

impl Request {
    fn read(words: &[&str]) -> anyhow::Result<Self> {
        let ["ec2", operation, rest @ ..] = words else {
            bail!("'aws {}' is not an aws ec2 command", words.join(" "))
        };
        let mut request = Self { action: camel(operation), ..Self::default() };
        let acl = operation.contains("network-acl");
        let mut at = 0;
        while let Some(option) = rest.get(at) {
            let name = option.strip_prefix("--").with_context(|| format!("'{option}'?"))?;
            let values: Vec<&str> =
                rest[at + 1..].iter().copied().take_while(|word| !word.starts_with("--")).collect();
            at += 1 + values.len();
            request.option(name, &values, acl)?;
        }
        Ok(request)
    }

    fn option(&mut self, name: &str, values: &[&str], acl: bool) -> anyhow::Result<()> {
        let value = || values.first().copied().with_context(|| format!("--{name} needs a value"));
        match name {
            "query" => self.query = Some(value()?.to_owned()),
            "output" => {}
            "region" => self.region = Some(value()?.to_owned()),
            "resources" => self.list("ResourceId", values),
            "ip-permissions" => return self.shorthands("IpPermissions", values),
            "tags" => return self.shorthands("Tag", values),
            "tag-specifications" => return self.shorthands("TagSpecification", values),
            "filters" => return self.filters(values),
            "ingress" => self.add("Egress", "false"),
            "egress" => self.add("Egress", "true"),
            "user-data" => {
                let text = BASE64_STANDARD.encode(value()?);
                self.add("UserData", text);
            }
            "protocol" if acl => {
                // EC2 takes numbers alone; the `aws` command knows these names.
                let number = match value()? {
                    "tcp" => "6",
                    "udp" => "17",
                    "icmp" => "1",
                    "all" => "-1",
                    number => number,
                };
                self.add("Protocol", number);
            }
            "protocol" => self.add("IpProtocol", value()?),
            "port" => {
                self.add("FromPort", value()?);
                self.add("ToPort", value()?);
            }
            "port-range" => {
                for pair in value()?.split(',') {
                    let (end, port) = pair.split_once('=').context("--port-range From=1,To=2")?;
                    self.add(&format!("PortRange.{end}"), port);
                }
            }
            "cidr" => self.add("CidrIp", value()?),
            "count" => {
                self.add("MinCount", value()?);
                self.add("MaxCount", value()?);
            }
            list if list.ends_with("-ids") => self.list(&camel(list.trim_end_matches('s')), values),
            name => self.add(&camel(name), value()?),
        }
        Ok(())
    }

    fn list(&mut self, name: &str, values: &[&str]) {
        for (n, value) in values.iter().enumerate() {
            self.add(&format!("{name}.{}", n + 1), *value);
        }
    }

    /// Structures in the short form of the real command, each of them one word.
    fn shorthands(&mut self, name: &str, values: &[&str]) -> anyhow::Result<()> {
        for (n, value) in values.iter().enumerate() {
            self.structure(&format!("{name}.{}", n + 1), value)?;
        }
        Ok(())
    }

    /// Members such as `IpProtocol=tcp,IpRanges=[{CidrIp=10.0.0.0/8}]`.
    fn structure(&mut self, name: &str, text: &str) -> anyhow::Result<()> {
        for member in parts(text) {
            let (key, value) =
                member.split_once('=').with_context(|| format!("'{member}' is not NAME=VALUE"))?;
            let Some(list) = value.strip_prefix('[').and_then(|list| list.strip_suffix(']')) else {
                self.add(&format!("{name}.{key}"), value);
                continue;
            };
            let key = if key == "Tags" { "Tag" } else { key };
            for (n, item) in parts(list).into_iter().enumerate() {
                let item = item.strip_prefix('{').and_then(|item| item.strip_suffix('}'));
                let item = item.with_context(|| format!("'{list}' is no list of structures"))?;
                self.structure(&format!("{name}.{key}.{}", n + 1), item)?;
            }
        }
        Ok(())
    }

    fn filters(&mut self, filters: &[&str]) -> anyhow::Result<()> {
        for (n, filter) in filters.iter().enumerate() {
            let (name, values) = filter
                .strip_prefix("Name=")
                .and_then(|rest| rest.split_once(",Values="))
                .with_context(|| format!("'{filter}' is not Name=…,Values=…"))?;
            self.add(&format!("Filter.{}.Name", n + 1), name);
            for (m, value) in values.split(',').enumerate() {
                self.add(&format!("Filter.{}.Value.{}", n + 1, m + 1), value);
            }
        }
        Ok(())
    }

    fn add(&mut self, name: &str, value: impl Into<String>) {
        self.params.push((name.to_owned(), value.into()));
    }
}

/// The parts of a text between commas that are in no brackets.
fn parts(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let split = text.split(move |letter: char| {
        match letter {
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ',' && depth == 0
    });
    split.filter(|part| !part.is_empty()).collect()
}

/// `create-vpc` as `CreateVpc`.
fn camel(words: &str) -> String {
    words.split('-').map(capital).collect()
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn form(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// The members as the real command names them.
fn as_printed(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields =
                fields.into_iter().map(|(name, value)| (printed(&name), as_printed(value)));
            Value::Object(fields.collect())
        }
        Value::Array(items) => items.into_iter().map(as_printed).collect(),
        leaf => leaf,
    }
}

fn printed(name: &str) -> String {
    match name {
        "instanceState" => "State".to_owned(),
        "securityGroupInfo" => "SecurityGroups".to_owned(),
        name => match capital(name).strip_suffix("Set") {
            Some("Entry") => "Entries".to_owned(),
            Some("CidrBlock") => "CidrBlockSet".to_owned(),
            Some(list) if list.ends_with('s') => list.to_owned(),
            Some(list) => format!("{list}s"),
            None => capital(name),
        },
    }
}

/// A path such as `Instances[0].InstanceId`.
fn select(value: &Value, path: &str) -> Value {
    let mut at = value;
    for step in path.split('.') {
        let (name, index) = match step.strip_suffix(']').and_then(|s| s.split_once('[')) {
            Some((name, index)) => (name, index.parse::<usize>().ok()),
            None => (step, None),
        };
        at = &at[name];
        if let Some(index) = index {
            at = &at[index];
        }
    }
    at.clone()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn params(words: &[&str]) -> String {
        let request = Request::read(words).unwrap();
        let params: Vec<String> =
            request.params.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{} {}", request.action, params.join(" "))
    }

    #[test]
    fn commands_become_parameters() {
        assert_eq!(
            params(&[
                "ec2",
                "create-route",
                "--route-table-id",
                "rtb-1",
                "--destination-cidr-block",
                "10.0.0.0/16",
                "--vpc-peering-connection-id",
                "pcx-1"
            ]),
            "CreateRoute RouteTableId=rtb-1 DestinationCidrBlock=10.0.0.0/16 \
             VpcPeeringConnectionId=pcx-1"
        );
        assert_eq!(
            params(&[
                "ec2",
                "authorize-security-group-ingress",
                "--group-id",
                "sg-1",
                "--protocol",
                "tcp",
                "--port",
                "8000",
                "--cidr",
                "10.0.144.0/20"
            ]),
            "AuthorizeSecurityGroupIngress GroupId=sg-1 IpProtocol=tcp FromPort=8000 ToPort=8000 \
             CidrIp=10.0.144.0/20"
        );
        assert_eq!(
            params(&[
                "ec2",
                "create-network-acl-entry",
                "--network-acl-id",
                "acl-1",
                "--ingress",
                "--rule-number",
                "50",
                "--protocol",
                "tcp",
                "--port-range",
                "From=8000,To=8000",
                "--cidr-block",
                "10.0.0.0/16",
                "--rule-action",
                "deny"
            ]),
            "CreateNetworkAclEntry NetworkAclId=acl-1 Egress=false RuleNumber=50 Protocol=6 \
             PortRange.From=8000 PortRange.To=8000 CidrBlock=10.0.0.0/16 RuleAction=deny"
        );
        assert_eq!(
            params(&[
                "ec2",
                "describe-route-tables",
                "--filters",
                "Name=vpc-id,Values=vpc-1,vpc-2"
            ]),
            "DescribeRouteTables Filter.1.Name=vpc-id Filter.1.Value.1=vpc-1 \
             Filter.1.Value.2=vpc-2"
        );
        assert_eq!(
            params(&[
                "ec2",
                "run-instances",
                "--count",
                "1",
                "--user-data",
                "#!/bin/sh\n",
                "--security-group-ids",
                "sg-1",
                "sg-2"
            ]),
            "RunInstances MinCount=1 MaxCount=1 UserData=IyEvYmluL3NoCg== SecurityGroupId.1=sg-1 \
             SecurityGroupId.2=sg-2"
        );
        assert_eq!(
            params(&[
                "ec2",
                "authorize-security-group-ingress",
                "--group-id",
                "sg-1",
                "--ip-permissions",
                "IpProtocol=tcp,FromPort=80,ToPort=80,IpRanges=[{CidrIp=10.0.0.0/20,Description=x},\
                 {CidrIp=10.1.0.0/20}]"
            ]),
            "AuthorizeSecurityGroupIngress GroupId=sg-1 IpPermissions.1.IpProtocol=tcp \
             IpPermissions.1.FromPort=80 IpPermissions.1.ToPort=80 \
             IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0/20 IpPermissions.1.IpRanges.1.Description=x \
             IpPermissions.1.IpRanges.2.CidrIp=10.1.0.0/20"
        );
        assert_eq!(
            params(&["ec2", "create-tags", "--resources", "a", "b", "--tags", "Key=k,Value=v w"]),
            "CreateTags ResourceId.1=a ResourceId.2=b Tag.1.Key=k Tag.1.Value=v w"
        );
        let tagged = [
            "ec2",
            "create-vpc-peering-connection",
            "--vpc-id",
            "vpc-1",
            "--region",
            "eu-west-1",
            "--tag-specifications",
            "ResourceType=vpc-peering-connection,Tags=[{Key=a:b,Value=c}]",
        ];
        assert_eq!(
            params(&tagged),
            "CreateVpcPeeringConnection VpcId=vpc-1 \
             TagSpecification.1.ResourceType=vpc-peering-connection \
             TagSpecification.1.Tag.1.Key=a:b TagSpecification.1.Tag.1.Value=c"
        );
        assert_eq!(Request::read(&tagged).unwrap().region.as_deref(), Some("eu-west-1"));
        let broken = ["ec2", "x", "--ip-permissions", "IpRanges=[a]"];
        assert!(Request::read(&broken).is_err());
        assert!(Request::read(&["s3", "ls"]).is_err());
        assert!(Request::read(&["ec2", "create-vpc", "--cidr-block"]).is_err());
    }

    #[test]
    fn answers_read_as_the_real_command_prints_them() {
        let answer = as_printed(json!({
            "routeTableSet": [{ "routeTableId": "rtb-1", "routeSet": [{ "state": "blackhole" }] }],
            "instancesSet": [{ "instanceState": { "name": "running" } }],
            "networkAclSet": [{ "entrySet": [] }],
            "securityGroupInfo": [{ "groupId": "sg-1" }],
            "reservationSet": [],
        }));
        assert_eq!(select(&answer, "RouteTables[0].Routes[0].State"), json!("blackhole"));
        assert_eq!(select(&answer, "Instances[0].State.Name"), json!("running"));
        assert_eq!(select(&answer, "NetworkAcls[0].Entries"), json!([]));
        assert_eq!(select(&answer, "SecurityGroups[0].GroupId"), json!("sg-1"));
        assert_eq!(select(&answer, "Reservations[3].No"), Value::Null);
    }

    #[test]
    fn a_form_escapes_its_values() {
        assert_eq!(form(&[("Action", "A"), ("B.1", "x y&=")]), "Action=A&B.1=x+y%26%3D");
    }
}
