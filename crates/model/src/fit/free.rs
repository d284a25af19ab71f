//! Blocks that would fit.

use super::rule::{Fit, Misfit};
use crate::resource::Space;
use crate::{Cidr, RFC1918};

/// How many free blocks are named.
const NAMED: usize = 3;
/// The prefix length of a space's block.
const SPACE_LEN: u8 = 16;

impl Fit {
    /// Blocks of the size of one that does not fit, which would: nothing has an address of them that
    /// one of the two sides has. The lowest ones of RFC 1918; for a block beside a VPC's primary one
    /// those of the same private range, as EC2 adds no other.
    pub fn free_blocks(&self, instead_of: Cidr) -> Vec<Cidr> {
        let primary = self.requester.primary();
        let range = primary.filter(|primary| *primary != instead_of).and_then(Cidr::rfc1918);
        let among = range.map_or_else(|| RFC1918.to_vec(), |range| vec![range]);
        lowest(&among, instead_of.prefix_len(), NAMED, &self.taken_by_all())
    }

    /// Blocks for a space and its data services that the VPC which asks would fit.
    pub(super) fn blocks_of_another_space(&self) -> Option<(Cidr, Cidr)> {
        let mut taken = self.requester.blocks.clone();
        taken.extend(&self.requester.elsewhere);
        taken.push(Space::RESERVED);
        match lowest(&RFC1918, SPACE_LEN, 2, &taken)[..] {
            [cidr, data] => Some((cidr, data)),
            _ => None,
        }
    }

    /// The blocks that do not fit, each once.
    pub fn misfitting_blocks(&self) -> Vec<Cidr> {
        let mut found = Vec::new();
        for misfit in &self.misfits {
            let (Misfit::Overlap { block, .. } | Misfit::NotPrivate { block }) = misfit else {
                continue;
            };
            if !found.contains(block) {
                found.push(*block);
            }
        }
        found
    }

    fn taken_by_all(&self) -> Vec<Cidr> {
        let mut taken: Vec<Cidr> = self.accepter.taken().map(|taken| taken.cidr).collect();
        for side in [&self.requester, &self.accepter] {
            taken.extend(side.blocks.iter().chain(&side.elsewhere));
        }
        // Where nobody told it, it is taken nevertheless.
        taken.push(Space::RESERVED);
        taken
    }
}

/// The lowest blocks of a prefix length in some ranges that overlap nothing that is taken.
fn lowest(ranges: &[Cidr], len: u8, count: usize, taken: &[Cidr]) -> Vec<Cidr> {
    let mut found = Vec::new();
    for range in ranges.iter().filter(|range| range.prefix_len() <= len) {
        let (mut at, end) =
            (u64::from(u32::from(range.base())), u64::from(u32::from(range.last())));
        let size = 1 << (32 - len);
        while found.len() < count && at <= end {
            let block = Cidr::around((at as u32).into(), len);
            let blocker =
                taken.iter().filter(|taken| taken.overlaps(block)).map(|taken| taken.last());
            match blocker.max() {
                None => {
                    found.push(block);
                    at += size;
                }
                // Behind it, at the next place where a block of this size can begin.
                Some(last) => at = (u64::from(u32::from(last)) + 1).next_multiple_of(size),
            }
        }
    }
    found
}
