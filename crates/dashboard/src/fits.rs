//! Whether a request can be accepted, in the words of a page. `model::fit` decides it.

use model::fit::{Fit, Misfit, Taken, Whose};
use model::{Cidr, RFC1918};

use crate::markup::{Markup, Sign, copy_button, fill, listed, mono, text};
use crate::texts::Texts;

/// A line of the check.
pub(crate) struct Check {
    pub(crate) sign: Markup,
    pub(crate) statement: Markup,
    pub(crate) value: Markup,
}

/// A reason in a sentence.
pub(crate) fn reason(t: &Texts, misfit: &Misfit) -> Markup {
    let vpc = |vpc: &Option<model::VpcId>| vpc.map_or(t.vpc.into(), mono);
    match misfit {
        Misfit::Gone { vpc: id } => fill(t.misfit_gone, &[("vpc", vpc(id))]),
        Misfit::DataServices { vpc: id } => fill(t.misfit_platforms, &[("vpc", vpc(id))]),
        Misfit::Overlap { block, other, whose } => {
            let whose = match whose {
                Whose::Space => t.whose_space.into(),
                Whose::Data => t.whose_data.into(),
                Whose::Reserved => t.whose_reserved.into(),
                Whose::Peering { peering, vpc } => {
                    fill(t.whose_peering, &[("vpc", mono(vpc)), ("pcx", mono(peering))])
                }
                Whose::Vpc | Whose::Unavailable => t.whose_vpc.into(),
            };
            fill(
                t.misfit_overlap,
                &[("block", mono(block)), ("other", mono(other)), ("whose", whose)],
            )
        }
        Misfit::Ipv6Overlap { block, other } => fill(
            t.misfit_overlap,
            &[("block", mono(block)), ("other", mono(other)), ("whose", t.whose_vpc.into())],
        ),
        Misfit::Peered { peering } => fill(t.misfit_peered, &[("pcx", mono(peering))]),
        Misfit::VpcFull { vpc: id, limit } => {
            fill(t.misfit_vpc_full, &[("vpc", vpc(id)), ("n", text(limit))])
        }
        Misfit::TooManyWait { limit } => fill(t.misfit_waiting, &[("n", text(limit))]),
        Misfit::NotPrivate { block } => {
            let ranges = listed(RFC1918.iter().map(mono));
            fill(t.misfit_not_private, &[("block", mono(block)), ("ranges", ranges)])
        }
        Misfit::SpaceFull { limit } => fill(t.misfit_space_full, &[("n", text(limit))]),
    }
}

/// Every line of the check: what is at odds first, then what is not. `beside` are the blocks that the
/// space has beside its own, and `used` how many of its peerings are used, of how many.
pub(crate) fn checks(
    t: &Texts,
    fit: &Fit,
    beside: &[Taken],
    (used, limit): (usize, u16),
) -> Vec<Check> {
    let bad = fit.misfits.iter().map(|misfit| Check {
        sign: Sign::Bad.icon(),
        statement: reason(t, misfit),
        value: Markup::default(),
    });
    let at_odds = |is: fn(&Whose) -> bool| {
        fit.misfits.iter().any(|misfit| match misfit {
            Misfit::Overlap { whose, .. } => is(whose),
            _ => false,
        })
    };
    let taken = |is: fn(&Whose) -> bool| -> Vec<Cidr> {
        beside.iter().filter(|taken| is(&taken.whose)).map(|taken| taken.cidr).collect()
    };
    let not_private = fit.misfits.iter().any(|m| matches!(m, Misfit::NotPrivate { .. }));
    let full = fit.misfits.iter().any(|m| matches!(m, Misfit::SpaceFull { .. }));
    let range = fit.requester.blocks.first().and_then(|block| block.rfc1918());
    let is_space = |whose: &Whose| *whose == Whose::Space;
    let is_data = |whose: &Whose| *whose == Whose::Data;
    let is_reserved = |whose: &Whose| *whose == Whose::Reserved;
    let is_peer = |whose: &Whose| matches!(whose, Whose::Peering { .. });
    let good = [
        (!not_private, t.check_private, range.into_iter().collect()),
        (!at_odds(is_space), t.check_space, fit.accepter.blocks.clone()),
        (!at_odds(is_data), t.check_data, taken(is_data)),
        (!at_odds(is_reserved), t.check_reserved, taken(is_reserved)),
        (!at_odds(is_peer), t.check_peers, taken(is_peer)),
    ];
    let good = good.into_iter().filter(|(holds, ..)| *holds).map(|(_, statement, blocks)| Check {
        sign: Sign::Ok.icon(),
        statement: statement.into(),
        value: listed(blocks.into_iter().map(mono)),
    });
    let room = (!full).then(|| Check {
        sign: Sign::Ok.icon(),
        statement: t.check_room.into(),
        value: fill(t.n_of_m, &[("n", text(used)), ("of", text(limit))]),
    });
    bad.chain(good).chain(room).collect()
}

/// Blocks that would fit in place of the one that does not, each with a button that copies it.
pub(crate) fn free_blocks(t: &Texts, fit: &Fit) -> Vec<(Markup, Markup)> {
    let Some(block) = fit.misfitting_blocks().into_iter().next() else { return Vec::new() };
    let free = fit.free_blocks(block).into_iter();
    free.map(|block| {
        let block = block.to_string();
        (mono(&block), copy_button(t, &block, &block))
    })
    .collect()
}
