//! Reasons in words, and as refusals.

use super::rule::{Fit, Misfit};
use super::side::{Side, SideKind};
use super::taken::Whose;
use crate::{Code, Refused, VpcId};

impl Fit {
    /// A reason in one sentence, with both blocks where two are at odds.
    pub fn message(&self, misfit: &Misfit) -> String {
        let asking = name(self.requester.vpc);
        match misfit {
            Misfit::Gone { vpc } => format!("{} is gone.", capital(&name(*vpc))),
            Misfit::DataServices { vpc } => format!(
                "{} belongs to the platform and cannot be peered with.",
                capital(&name(*vpc))
            ),
            Misfit::Overlap { block, other, whose } => {
                let whose = match whose {
                    Whose::Space => format!("the block of {}", space(&self.accepter)),
                    Whose::Vpc => format!("a block of {}", name(self.accepter.vpc)),
                    Whose::Data => {
                        format!("the block of the data services of {}", space(&self.accepter))
                    }
                    Whose::Reserved => "which is reserved".to_owned(),
                    Whose::Peering { peering, vpc } => {
                        format!("a block of {vpc}, peered as {peering}")
                    }
                    Whose::Unavailable => {
                        format!("one of the Unavailable CIDRs of {}", space(&self.accepter))
                    }
                };
                format!("The block {block} of {asking} overlaps {other}, {whose}.")
            }
            Misfit::Ipv6Overlap { block, other } => format!(
                "The block {block} of {asking} overlaps {other}, a block of {}.",
                name(self.accepter.vpc)
            ),
            Misfit::Peered { peering } => {
                format!("The vpc peering connection identified by {peering} already exists.")
            }
            Misfit::VpcFull { vpc, limit } => format!(
                "{} has {limit} active peerings; it can have no more.",
                capital(&name(*vpc))
            ),
            Misfit::TooManyWait { limit } => format!(
                "{limit} requests of the account wait for an answer already; it can have no more."
            ),
            Misfit::NotPrivate { block } => format!(
                "The block {block} of {asking} lies outside 10.0.0.0/8, 172.16.0.0/12 and \
                 192.168.0.0/16; a VPC that is peered with a space must have its primary block \
                 inside one of them."
            ),
            Misfit::SpaceFull { limit } => format!(
                "{} is peered with {limit} VPCs already, which is its limit. Open a support \
                 ticket; the operator raises it with `causeway spaces:limits:set --space {} \
                 --peerings {}`.",
                capital(&space(&self.accepter)),
                space_argument(&self.accepter),
                limit.saturating_add(1)
            ),
        }
    }

    /// The refusal of an acceptance; `None` if the two fit. It says every reason, and has the code of
    /// the first.
    pub(crate) fn refusal(&self) -> Option<Refused> {
        let code = match self.misfits.first()? {
            Misfit::Gone { .. } | Misfit::DataServices { .. } => Code::OperationNotPermitted,
            Misfit::Overlap { .. } | Misfit::Ipv6Overlap { .. } | Misfit::NotPrivate { .. } => {
                Code::InvalidParameterValue
            }
            Misfit::Peered { .. } => Code::PeeringExists,
            Misfit::VpcFull { .. } => Code::PeeringActiveLimit,
            Misfit::TooManyWait { .. } => Code::PeeringOutstandingLimit,
            Misfit::SpaceFull { .. } => Code::LimitExceeded,
        };
        let reasons: Vec<String> = self.misfits.iter().map(|misfit| self.message(misfit)).collect();
        Some(Refused::new(code, reasons.join(" ")))
    }
}

/// A VPC by its id.
pub(super) fn name(vpc: Option<VpcId>) -> String {
    vpc.map_or_else(|| "the VPC".to_owned(), |vpc| vpc.to_string())
}

/// A space by its name.
pub(super) fn space(side: &Side) -> String {
    match &side.kind {
        SideKind::Space { name: Some(name), .. } => format!("the space {name}"),
        SideKind::Space { name: None, .. } => "the space".to_owned(),
        SideKind::Customer | SideKind::Data | SideKind::Gone => name(side.vpc),
    }
}

/// A space as an argument of a command.
pub(super) fn space_argument(side: &Side) -> &str {
    match &side.kind {
        SideKind::Space { name: Some(name), .. } => name,
        SideKind::Space { name: None, .. }
        | SideKind::Customer
        | SideKind::Data
        | SideKind::Gone => "SPACE",
    }
}

/// The beginning of a sentence. Ids stay as they are.
fn capital(words: &str) -> String {
    match words.strip_prefix("the ") {
        Some(rest) => format!("The {rest}"),
        None => words.to_owned(),
    }
}
