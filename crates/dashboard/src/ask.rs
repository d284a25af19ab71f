//! The form by which the owner of a VPC asks for a peering, with a check before anything is sent
//! (R8, R10).

use askama::Template;
use model::fit::{Fit, HandedOut, Side};
use model::{AccountId, Cidr, Region, Vpc, VpcId};

use crate::context::Context;
use crate::fits::{free_blocks, reason};
use crate::markup::{Markup, Sign, command, fill, listed, mono, text};
use crate::paths;
use crate::refusal::Refusal;
use crate::shell::Shell;
use crate::viewer::vpc_name;

/// What was typed into the form.
#[derive(Debug, Clone, Copy, Default)]
pub struct Typed<'a> {
    /// `AWS VPC ID`.
    pub vpc: &'a str,
    /// `AWS Account ID`.
    pub account: &'a str,
    /// `AWS Region`; empty for the VPC's own.
    pub region: &'a str,
    /// `AWS VPC CIDR`, which only the check needs.
    pub cidr: &'a str,
    /// `Unavailable CIDRs`, which only the check needs.
    pub unavailable: &'a str,
}

/// Whom a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The VPC that is asked.
    pub vpc: VpcId,
    /// The account that owns it.
    pub account: AccountId,
    /// The region that it is in.
    pub region: Region,
}

/// A field that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// `AWS VPC ID`.
    Vpc,
    /// `AWS Account ID`.
    Account,
    /// `AWS Region`.
    Region,
    /// `AWS VPC CIDR`.
    Cidr,
    /// `Unavailable CIDRs`.
    Unavailable,
}

impl Typed<'_> {
    /// Whom the request is for.
    ///
    /// # Errors
    ///
    /// The first field that cannot be read.
    pub fn read(&self, own: &Vpc) -> Result<Asked, Unreadable> {
        Ok(Asked {
            vpc: self.vpc.trim().parse().map_err(|_| Unreadable::Vpc)?,
            account: self.account.trim().parse().map_err(|_| Unreadable::Account)?,
            region: match self.region.trim() {
                "" => own.region,
                name => Region::find(name).ok_or(Unreadable::Region)?,
            },
        })
    }

    /// What the owner of the space handed out of it, as far as it was typed; `None` without a block.
    fn handed_out(&self, asked: &Asked) -> Result<Option<HandedOut>, Unreadable> {
        let cidr = match self.cidr.trim() {
            "" => return Ok(None),
            text => text.parse().map_err(|_| Unreadable::Cidr)?,
        };
        let parts = self.unavailable.split([',', ' ', '\n', '\r']);
        let unavailable: Result<Vec<Cidr>, _> =
            parts.filter(|part| !part.is_empty()).take(256).map(str::parse).collect();
        Ok(Some(HandedOut {
            vpc: Some(asked.vpc),
            region: asked.region,
            cidr,
            space_cidrs: Vec::new(),
            unavailable: unavailable.map_err(|_| Unreadable::Unavailable)?,
        }))
    }
}

#[derive(Template)]
#[template(path = "ask.html")]
struct Page<'a> {
    shell: Shell<'a>,
    refused: Option<Markup>,
    name: String,
    of: String,
    action: String,
    typed: Typed<'a>,
    unreadable: Option<Unreadable>,
    regions: Vec<(&'static str, bool)>,
    verdict: Option<Verdict>,
    command: Option<Markup>,
}

/// What the check says.
struct Verdict {
    class: &'static str,
    sign: Markup,
    sentence: Markup,
    reasons: Vec<Markup>,
    free: Vec<(Markup, Markup)>,
}

/// The form of a VPC, which the viewer must own. `check` is whether it is to be checked.
pub fn ask<'a>(
    of: &Context<'a>,
    vpc: &Vpc,
    typed: Typed<'a>,
    check: bool,
    refused: Option<&Refusal>,
) -> askama::Result<String> {
    let t = of.texts();
    let mut unreadable = None;
    let (mut verdict, mut same) = (None, None);
    if check {
        match typed.read(vpc) {
            Err(field) => unreadable = Some(field),
            Ok(asked) => {
                same = Some(as_command(of, vpc, asked));
                match side(of, &typed, &asked) {
                    Err(field) => unreadable = Some(field),
                    Ok(other) => verdict = Some(verdict_of(of, vpc, other)),
                }
            }
        }
    }
    let chosen = Region::find(typed.region.trim()).unwrap_or(vpc.region);
    let title = fill(t.ask_title, &[("vpc", text(vpc_name(vpc)))]);
    Page {
        shell: Shell::new(of, title),
        refused: refused.map(|refusal| refusal.of_account(of)),
        name: vpc_name(vpc),
        of: paths::vpc(vpc),
        action: paths::ask(vpc),
        typed,
        unreadable,
        regions: Region::all().map(|region| (region.name(), region == chosen)).collect(),
        verdict,
        command: same,
    }
    .render()
}

/// The other side, as far as the viewer may know it: a space of theirs whole, any other by what was
/// typed.
fn side(of: &Context<'_>, typed: &Typed<'_>, asked: &Asked) -> Result<Option<Side>, Unreadable> {
    let mut spaces = of.viewer.spaces(of.world).into_iter();
    if let Some(space) = spaces.find(|space| space.vpc == asked.vpc) {
        return Ok(Some(Side::of_space(of.world, space)));
    }
    Ok(typed.handed_out(asked)?.map(Side::handed_out))
}

fn verdict_of(of: &Context<'_>, vpc: &Vpc, other: Option<Side>) -> Verdict {
    let t = of.texts();
    let plain = |class, sign: Sign, sentence: Markup| Verdict {
        class,
        sign: sign.icon(),
        sentence,
        reasons: Vec::new(),
        free: Vec::new(),
    };
    let Some(other) = other else { return plain("wait", Sign::Wait, t.check_unknown.into()) };
    let fit = Fit::of(Side::of(of.world, vpc).for_owner(of.world, of.now), other);
    let blocks = || listed(vpc.blocks().map(mono));
    if !fit.fits() {
        return Verdict {
            reasons: fit.misfits.iter().map(|misfit| reason(t, misfit)).collect(),
            free: free_blocks(t, &fit),
            ..plain("bad", Sign::Bad, fill(t.check_does_not_fit, &[("block", blocks())]))
        };
    }
    plain("ok", Sign::Ok, fill(t.check_fits, &[("block", blocks())]))
}

fn as_command(of: &Context<'_>, vpc: &Vpc, asked: Asked) -> Markup {
    command(
        of.texts(),
        &[
            "aws",
            "ec2",
            "create-vpc-peering-connection",
            &format!("--region {}", vpc.region),
            &format!("--vpc-id {}", vpc.id),
            &format!("--peer-vpc-id {}", asked.vpc),
            &format!("--peer-owner-id {}", asked.account),
            &format!("--peer-region {}", asked.region),
        ],
    )
}
