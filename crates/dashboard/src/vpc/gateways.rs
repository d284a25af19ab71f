//! The addresses of a VPC, and its gateways.

use askama::Template;
use model::{Key, Vpc};

use super::head::{Head, Part};
use crate::context::Context;
use crate::markup::{Markup, Sign, fill, mono, text};
use crate::shell::Shell;
use crate::texts::VpcTexts;

#[derive(Template)]
#[template(path = "vpc/gateways.html")]
struct Page<'a> {
    shell: Shell<'a>,
    v: &'static VpcTexts,
    head: Head,
    blocks: Vec<(Markup, &'static str, String)>,
    facts: Vec<(&'static str, Markup)>,
    gateways: Vec<(String, Markup)>,
}

/// The addresses and gateways of a VPC, which the viewer must see.
pub fn gateways(of: &Context<'_>, vpc: &Vpc) -> askama::Result<String> {
    let t = of.texts();
    let v = t.vpc_pages;
    let head = Head::new(of, vpc, Some(Part::Gateways));
    let title = [("a", text(&head.name)), ("b", v.gateways.into())];
    let blocks = vpc.cidrs.iter().enumerate().map(|(n, block)| {
        let note = if n == 0 { v.block_primary } else { v.block_secondary };
        (mono(block.cidr), note, block.id.to_string())
    });
    let resolver = vpc.primary().nth(2).map_or_else(Markup::default, mono);
    let on_or_off = |is: bool| if is { v.yes } else { v.no };
    let mut gateways: Vec<_> = of
        .world
        .gateways_of(Key::Vpc(vpc.id))
        .map(|gateway| {
            let state = match gateway.vpc == Some(vpc.id) {
                true => Sign::Ok.with(v.attached),
                false => Sign::None.with(v.detached),
            };
            (gateway.id.to_string(), state)
        })
        .collect();
    gateways.sort_by(|one, other| one.0.cmp(&other.0));
    Page {
        shell: Shell::new(of, fill("{a} {b}", &title)),
        v,
        blocks: blocks.collect(),
        facts: vec![
            (
                v.resolver,
                match vpc.dns_support {
                    true => fill(v.resolver_on, &[("address", resolver)]),
                    false => v.resolver_off.into(),
                },
            ),
            (v.dns_names, on_or_off(vpc.dns_hostnames).into()),
            (v.domain_servers, vpc.dhcp_options.map_or_else(|| "default".into(), mono)),
        ],
        gateways,
        head,
    }
    .render()
}
