//! An account with very much in it.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use anyhow::Context;

use super::client::{Connection, Server};

/// VPCs; each has a group, a route table and an ACL of its own.
pub const VPCS: usize = 10_000;
/// Peerings, each between two of the first VPCs.
pub const PEERINGS: usize = 1_000;
/// Groups with rules, in as many VPCs.
pub const GROUPS: usize = 1_000;
/// Rules of each of those groups.
pub const RULES: usize = 60;
/// Connections that make them.
const WRITERS: usize = 8;

/// What was made, by id.
pub struct Crowd {
    /// The VPCs, in the order of their blocks.
    pub vpcs: Vec<String>,
    /// The peerings.
    pub peerings: Vec<String>,
    /// The groups with rules.
    pub groups: Vec<String>,
}

impl Crowd {
    /// Makes it.
    pub fn make(server: &Server) -> anyhow::Result<Self> {
        let vpcs = all(server, VPCS, |n, client| {
            let (block, name) = (block(n), named("vpc", n));
            client.send(&format!("Action=CreateVpc&CidrBlock={block}&{name}"), "vpcId")
        })?;
        let peerings = all(server, PEERINGS, |n, client| {
            let (own, other) = (&vpcs[n], &vpcs[n + 1]);
            let form = format!("Action=CreateVpcPeeringConnection&VpcId={own}&PeerVpcId={other}");
            let id = client.send(&form, PEERING)?;
            // At once, as few requests may wait for an answer.
            let accept = "Action=AcceptVpcPeeringConnection&VpcPeeringConnectionId";
            client.send(&format!("{accept}={id}"), PEERING)
        })?;
        let groups = all(server, GROUPS, |n, client| {
            let (vpc, name) = (&vpcs[n], named("security-group", n));
            let form = format!(
                "Action=CreateSecurityGroup&GroupName=crowd-{n}&GroupDescription=of+many\
                 &VpcId={vpc}&{name}"
            );
            let id = client.send(&form, "groupId")?;
            client.send(&rules(&id), "groupId")
        })?;
        Ok(Self { vpcs, peerings, groups })
    }
}

/// The element with a peering's id.
const PEERING: &str = "vpcPeeringConnectionId";

/// The request that gives a group its rules.
fn rules(group: &str) -> String {
    let mut form = format!(
        "Action=AuthorizeSecurityGroupIngress&GroupId={group}&IpPermissions.1.IpProtocol=tcp\
         &IpPermissions.1.FromPort=443&IpPermissions.1.ToPort=443"
    );
    for rule in 1..=RULES {
        let at = format!("&IpPermissions.1.IpRanges.{rule}");
        form.push_str(&format!("{at}.CidrIp=192.0.2.{rule}/32"));
        form.push_str(&format!("{at}.Description=client+{rule}"));
    }
    form
}

/// The block of a VPC.
pub fn block(vpc: usize) -> String {
    format!("10.{}.{}.0/24", vpc / 256, vpc % 256)
}

/// The name of something that was made.
pub fn name(at: usize) -> String {
    format!("crowd-{at:05}")
}

fn named(kind: &str, at: usize) -> String {
    format!(
        "TagSpecification.1.ResourceType={kind}&TagSpecification.1.Tag.1.Key=Name\
         &TagSpecification.1.Tag.1.Value={}",
        name(at)
    )
}

/// One of those who make it.
struct Client<'a> {
    server: &'a Server,
    connection: Connection,
    now_ms: i64,
}

impl Client<'_> {
    /// Sends a request, and returns the text of an element of the answer.
    fn send(&mut self, form: &str, element: &str) -> anyhow::Result<String> {
        let request = self.server.request_at(form, self.now_ms)?;
        text_of(&self.connection.exchange(&request)?, element)
    }
}

/// Makes as many of something, several at a time, and returns them in their order.
fn all(
    server: &Server,
    count: usize,
    make: impl Fn(usize, &mut Client<'_>) -> anyhow::Result<String> + Sync,
) -> anyhow::Result<Vec<String>> {
    let (next, now_ms) = (AtomicUsize::new(0), super::client::now_ms()?);
    let work = || {
        let connection = Connection::open(&server.address)?;
        let mut client = Client { server, connection, now_ms };
        let mut made = Vec::new();
        loop {
            let at = next.fetch_add(1, Relaxed);
            if at >= count {
                return anyhow::Ok(made);
            }
            made.push((at, make(at, &mut client)?));
        }
    };
    let mut made = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS).map(|_| scope.spawn(work)).collect();
        let mut all = Vec::with_capacity(count);
        for writer in writers {
            all.extend(writer.join().map_err(|_| anyhow::anyhow!("a writer broke off"))??);
        }
        anyhow::Ok(all)
    })?;
    made.sort_unstable();
    Ok(made.into_iter().map(|(_, text)| text).collect())
}

/// The text of the first element of a name.
fn text_of(answer: &[u8], element: &str) -> anyhow::Result<String> {
    let text = str::from_utf8(answer)?;
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    let found = text.split_once(&open).and_then(|(_, rest)| rest.split_once(&close));
    let (found, _) = found.with_context(|| format!("no {element} in {text}"))?;
    Ok(found.to_owned())
}
