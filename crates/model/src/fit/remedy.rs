//! What to do about a reason.

use super::rule::{Fit, Misfit};
use super::taken::Whose;
use super::words::{name, space, space_argument};
use crate::Cidr;

impl Fit {
    /// What to do about a reason, in one sentence for the side that asks or the one that is asked.
    pub fn remedy(&self, misfit: &Misfit) -> String {
        match misfit {
            Misfit::Gone { .. } => "Ask for a peering of VPCs that there are.".to_owned(),
            Misfit::DataServices { .. } => {
                "Ask for a peering with the VPC of the space, as `spaces:peering:info` names it."
                    .to_owned()
            }
            Misfit::Overlap { block, whose, .. } => self.another_block(*block, *whose),
            Misfit::Ipv6Overlap { block, .. } => format!(
                "Take {block} away from the VPC (`aws ec2 disassociate-vpc-cidr-block`), or use \
                 another one."
            ),
            Misfit::Peered { peering } => {
                format!("Use {peering}; there is nothing to ask for.")
            }
            Misfit::VpcFull { vpc, .. } => format!(
                "Delete a peering of {} that is not needed: `aws ec2 \
                 delete-vpc-peering-connection --vpc-peering-connection-id pcx-…`.",
                name(*vpc)
            ),
            Misfit::TooManyWait { .. } => {
                "Wait until one is answered or expires, or take one back that is not needed: `aws ec2 \
                 delete-vpc-peering-connection --vpc-peering-connection-id pcx-…`."
                    .to_owned()
            }
            Misfit::NotPrivate { block } => {
                format!("Use a VPC whose primary block is private{}.", self.such_as(*block))
            }
            Misfit::SpaceFull { limit } => format!(
                "Destroy a peering of {} that is not needed: `heroku spaces:peerings:destroy pcx-… \
                 --space {space_name}`; or have the operator run `causeway spaces:limits:set \
                 --space {space_name} --peerings {}`.",
                space(&self.accepter),
                limit.saturating_add(1),
                space_name = space_argument(&self.accepter),
            ),
        }
    }

    fn another_block(&self, block: Cidr, whose: Whose) -> String {
        let primary = self.requester.primary() == Some(block);
        let mut text = if primary {
            format!("Use a VPC with another primary block{}", self.such_as(block))
        } else {
            // Nothing but the primary block is reached from a space (R20).
            format!(
                "Take {block} away from the VPC (`aws ec2 disassociate-vpc-cidr-block`), or use \
                 another one{}",
                self.such_as(block)
            )
        };
        match whose {
            Whose::Peering { peering, .. } => {
                text += &format!("; or destroy {peering}, if it is not needed");
            }
            Whose::Space | Whose::Data | Whose::Unavailable => {
                if let Some((cidr, data)) = self.blocks_of_another_space() {
                    text += &format!(
                        "; or peer with a space that is made with other blocks: `causeway \
                         spaces:create NAME --team TEAM --cidr {cidr} --data-cidr {data}`"
                    );
                }
            }
            Whose::Vpc | Whose::Reserved => {}
        }
        text + "."
    }

    fn such_as(&self, block: Cidr) -> String {
        let free: Vec<String> = self.free_blocks(block).iter().map(Cidr::to_string).collect();
        match free.as_slice() {
            [] => String::new(),
            [only] => format!(", such as {only}"),
            [first @ .., last] => format!(", such as {} or {last}", first.join(", ")),
        }
    }
}
