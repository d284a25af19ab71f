//! `spaces:peering:check` and `vpcs:peering:check`: whether a VPC could be peered with a space, every
//! reason why not, and what to do (R8).

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use hyper::StatusCode;
use serde_json::Value;

use super::print::show;
use crate::arguments::peering_check::{PeeringCheck, SpaceCheck, VpcCheck};
use crate::client::{As, Client, Refusal, query, segment};
use crate::output::Out;
use crate::usage::{NoVerdict, usage};

/// Where the owner of a VPC asks.
const OWNERS_PATH: &str = "/_causeway/peering-check";

/// Prints the verdict. The exit status says it too.
///
/// # Errors
///
/// Blocks that there cannot be, and [`NoVerdict`] where nobody says whether they fit.
pub(super) fn run(command: PeeringCheck, out: &mut Out) -> anyhow::Result<ExitCode> {
    let (check, common, space) = match &command {
        PeeringCheck::SpacesPeeringCheck(asked) => {
            let check = of_space(asked).map_err(no_verdict)?;
            (check, &asked.space.common, Some(asked.space.name()))
        }
        PeeringCheck::VpcsPeeringCheck(asked) => (of_vpc(asked)?, &asked.common, None),
    };
    if common.json {
        out.json(&check);
    } else {
        print(&check, space, out);
    }
    Ok(if check.fits { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a server does not understand is wrong usage; whatever else keeps it from answering has another
/// exit status than an answer.
fn no_verdict(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<Refusal>() {
        Some(refusal) if refusal.status == StatusCode::UNPROCESSABLE_ENTITY => {
            usage(refusal.to_string())
        }
        Some(_) | None => error.context(NoVerdict),
    }
}

/// Asks the space's side.
fn of_space(asked: &SpaceCheck) -> anyhow::Result<api::PeeringCheck> {
    let client = asked.space.common.connection.client(As::User)?;
    let region = asked.region.as_deref();
    let Some(vpc) = &asked.vpc else {
        return ask_space(&client, asked, blocks(&asked.cidr, region));
    };
    let account = asked.account.clone().map(|account| ("account", account));
    let mut pairs = blocks(&[], region);
    pairs.extend([("vpc", vpc.clone())].into_iter().chain(account));
    let answered = ask_space(&client, asked, pairs);
    let Err(error) = answered else { return answered };
    if !is_missing(&error) {
        return Err(error);
    }
    // Perhaps it is the caller's own: then they may tell its blocks.
    let Some(own) = ask_owner(&client, asked, vpc)? else { return Err(error) };
    let cidrs: Vec<String> = own.requester.cidr_blocks.iter().map(ToString::to_string).collect();
    let region = own.requester.aws_region.to_string();
    let there = ask_space(&client, asked, blocks(&cidrs, Some(&region)))?;
    Ok(joined(there, own))
}

fn ask_space(
    client: &Client,
    asked: &SpaceCheck,
    pairs: Vec<(&'static str, String)>,
) -> anyhow::Result<api::PeeringCheck> {
    let space = segment(asked.space.name());
    let answer = client.get(&format!("/spaces/{space}/peering-check?{}", query(&pairs)?))?;
    serde_json::from_value(answer).context("the server answers what this version does not know")
}

/// Asks as the owner of a VPC; nothing if whoever asks is not that.
fn ask_owner(
    client: &Client,
    asked: &SpaceCheck,
    vpc: &str,
) -> anyhow::Result<Option<api::PeeringCheck>> {
    let Ok(info) = client.get(&format!("/spaces/{}/peering-info", segment(asked.space.name())))
    else {
        return Ok(None);
    };
    let query = api::PeeringCheckQuery {
        account: asked.account.clone(),
        region: asked.region.clone(),
        ..Told::of_json(&info).query(vpc)?
    };
    let owner = asked.space.common.connection.client(As::Viewer)?;
    match owner.read_with(OWNERS_PATH, &query) {
        Ok(check) => Ok(Some(check)),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The verdict of a space's side on blocks, with what only the owner of the VPC sees.
fn joined(space: api::PeeringCheck, owner: api::PeeringCheck) -> api::PeeringCheck {
    use api::ReasonKind::{VpcLimit, WaitingLimit};
    let limited = |reason: &api::PeeringReason| matches!(reason.reason, VpcLimit | WaitingLimit);
    let mut reasons = space.reasons;
    reasons.extend(owner.reasons.into_iter().filter(limited));
    api::PeeringCheck { fits: reasons.is_empty(), reasons, accepter: space.accepter, ..owner }
}

fn is_missing(error: &anyhow::Error) -> bool {
    let refusal = error.downcast_ref::<Refusal>();
    refusal.is_some_and(|refusal| refusal.status == StatusCode::NOT_FOUND)
}

fn blocks(cidrs: &[String], region: Option<&str>) -> Vec<(&'static str, String)> {
    let cidrs = cidrs.iter().map(|cidr| ("cidr", cidr.clone()));
    cidrs.chain(region.map(|region| ("region", region.to_owned()))).collect()
}

/// Asks as the owner of a VPC, with what the owner of a space told.
fn of_vpc(asked: &VpcCheck) -> anyhow::Result<api::PeeringCheck> {
    let mut told = match &asked.info {
        None => Told::default(),
        Some(file) => Told::read(&text_of(file)?)
            .map_err(|why| usage(format!("{}: {why}", file.display())))?,
    };
    let list = |blocks: &[String]| (!blocks.is_empty()).then(|| blocks.join(","));
    let given = Told {
        region: asked.peer_region.clone(),
        vpc: asked.peer_vpc.clone(),
        cidr: asked.peer_cidr.clone(),
        space_cidrs: list(&asked.space_cidrs),
        unavailable: list(&asked.unavailable),
    };
    told = given.or(told);
    let query = told.query(&asked.vpc)?;
    let client = asked.common.connection.client(As::Viewer).map_err(no_verdict)?;
    client.read_with(OWNERS_PATH, &query).map_err(no_verdict)
}

fn text_of(file: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = match file.to_str() {
        Some("-") => std::io::stdin().read_to_string(&mut text).map(drop),
        _ => std::fs::read_to_string(file).map(|read| text = read),
    };
    read.map_err(|error| usage(format!("{} cannot be read: {error}", file.display())))?;
    Ok(text)
}

/// What the owner of a space told of it: the lines of `spaces:peering:info`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    region: Option<String>,
    vpc: Option<String>,
    cidr: Option<String>,
    space_cidrs: Option<String>,
    unavailable: Option<String>,
}

impl Told {
    /// Reads what the command prints, in words or as JSON.
    fn read(text: &str) -> Result<Self, String> {
        let told = match text.trim_start().starts_with('{') {
            true => {
                let info = serde_json::from_str(text).map_err(|error| error.to_string())?;
                Self::of_json(&info)
            }
            false => Self::of_lines(text),
        };
        match told.cidr {
            Some(_) => Ok(told),
            None => Err("there is no AWS VPC CIDR in it; it must be what `spaces:peering:info` \
                         prints"
                .to_owned()),
        }
    }

    fn of_json(info: &Value) -> Self {
        let field = |name: &str| Some(show(&info[name])).filter(|text| !text.is_empty());
        Self {
            region: field("aws_region"),
            vpc: field("vpc_id"),
            cidr: field("vpc_cidr"),
            space_cidrs: field("space_cidr_blocks"),
            unavailable: field("unavailable_cidr_blocks"),
        }
    }

    fn of_lines(text: &str) -> Self {
        let mut told = Self::default();
        for line in text.lines() {
            let Some((name, value)) = line.split_once(':') else { continue };
            let field = match name.trim().to_ascii_lowercase().as_str() {
                "aws region" => &mut told.region,
                "aws vpc id" => &mut told.vpc,
                "aws vpc cidr" => &mut told.cidr,
                "space cidrs" => &mut told.space_cidrs,
                "unavailable cidrs" => &mut told.unavailable,
                _ => continue,
            };
            *field = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
        }
        told
    }

    fn or(self, other: Self) -> Self {
        Self {
            region: self.region.or(other.region),
            vpc: self.vpc.or(other.vpc),
            cidr: self.cidr.or(other.cidr),
            space_cidrs: self.space_cidrs.or(other.space_cidrs),
            unavailable: self.unavailable.or(other.unavailable),
        }
    }

    fn query(self, vpc: &str) -> anyhow::Result<api::PeeringCheckQuery> {
        let peer_cidr = self.cidr.ok_or_else(|| usage("the space's AWS VPC CIDR is missing"))?;
        Ok(api::PeeringCheckQuery {
            vpc: vpc.to_owned(),
            account: None,
            region: None,
            peer_cidr,
            peer_vpc: self.vpc,
            peer_region: self.region,
            space_cidrs: self.space_cidrs,
            unavailable: self.unavailable,
        })
    }
}

/// `space` is the space whose own side answered.
fn print(check: &api::PeeringCheck, space: Option<&str>, out: &mut Out) {
    let place = |party: &api::PeeringParty| {
        let blocks: Vec<String> = party.cidr_blocks.iter().map(ToString::to_string).collect();
        format!("({} in {})", blocks.join(", "), party.aws_region)
    };
    let name = |party: &api::PeeringParty| match party.aws_vpc_id {
        Some(vpc) => vpc.to_string(),
        None => "a VPC".to_owned(),
    };
    let verdict = if check.fits { "can be peered" } else { "CANNOT be peered" };
    let with = space.map_or_else(|| "the space".to_owned(), str::to_owned);
    out.line(format_args!(
        "{} {} and {with} {} {verdict}",
        name(&check.requester),
        place(&check.requester),
        place(&check.accepter)
    ));
    print_reasons(&check.reasons, "  ", out);
    if !check.fits {
        return;
    }
    if space.is_none() {
        out.line("  as far as it can be seen from here: only its owner sees whether it has room");
    }
    out.line("What will be needed beside the peering:");
    for need in &check.needs {
        out.line(format_args!("  – {}", need.message));
        need.commands.iter().for_each(|command| out.line(format_args!("      {command}")));
    }
}

/// Prints reasons why two VPCs cannot be peered, with what to do about each.
pub(super) fn print_reasons(reasons: &[api::PeeringReason], margin: &str, out: &mut Out) {
    for reason in reasons {
        let fails = if reason.fails_request { " The request itself fails." } else { "" };
        out.line(format_args!("{margin}✗ {}{fails}", reason.message));
        out.line(format_args!("{margin}    what to do: {}", reason.remedy));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "=== my-space Peering Info\n\nAWS Account ID:    847227832372\n\
        AWS Region:        us-east-1\nAWS VPC ID:        vpc-00000000000000001\n\
        AWS VPC CIDR:      10.0.0.0/16\nSpace CIDRs:       10.0.128.0/20, 10.0.144.0/20\n\
        Unavailable CIDRs: 10.1.0.0/16, 172.17.0.0/16\n";

    #[test]
    fn r6_r8_what_the_owner_of_a_space_hands_out_is_read_in_words_and_as_json() {
        let told = Told {
            region: Some("us-east-1".to_owned()),
            vpc: Some("vpc-00000000000000001".to_owned()),
            cidr: Some("10.0.0.0/16".to_owned()),
            space_cidrs: Some("10.0.128.0/20, 10.0.144.0/20".to_owned()),
            unavailable: Some("10.1.0.0/16, 172.17.0.0/16".to_owned()),
        };
        let json = serde_json::json!({
            "aws_account_id": "847227832372",
            "aws_region": "us-east-1",
            "vpc_id": "vpc-00000000000000001",
            "vpc_cidr": "10.0.0.0/16",
            "space_cidr_blocks": ["10.0.128.0/20", "10.0.144.0/20"],
            "unavailable_cidr_blocks": ["10.1.0.0/16", "172.17.0.0/16"],
        });
        for text in [LINES, &LINES.replace('\n', "\r\n"), &json.to_string()] {
            assert_eq!(Told::read(text).unwrap(), told);
        }
        let flag = Told { cidr: Some("10.4.0.0/16".to_owned()), ..Told::default() };
        assert_eq!(flag.or(told).query("vpc-1").unwrap().peer_cidr, "10.4.0.0/16");
        for nothing in ["", "{}", "{", "AWS VPC CIDR:", "10.0.0.0/16"] {
            assert!(Told::read(nothing).is_err(), "{nothing}");
        }
    }
}
