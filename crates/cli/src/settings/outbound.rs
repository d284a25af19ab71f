//! `serve`'s settings of what is outside.

use std::net::Ipv4Addr;

use anyhow::{Context, bail, ensure};
use model::{Cidr, Outbound, OutboundWay};
use serde::Deserialize;

/// What the settings file says: the way alone, or all that there is to say.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum OutboundFile {
    /// The way, as the flag takes it.
    Way(String),
    /// All of it.
    Table(OutboundTable),
}

/// The table `[outbound]` of the settings file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct OutboundTable {
    /// The way, as the flag takes it.
    via: Option<String>,
    /// The router of the outside; by default that of the machine's default route over the link.
    gateway: Option<Ipv4Addr>,
    /// Blocks that may be reached although they are private.
    #[serde(default)]
    allow: Vec<Cidr>,
    /// Blocks that may not be reached.
    #[serde(default)]
    deny: Vec<Cidr>,
}

/// Puts the flag or variable and the file together.
///
/// # Errors
///
/// A way that is none.
pub(super) fn read(
    way: Option<String>,
    file: Option<OutboundFile>,
) -> anyhow::Result<Option<Outbound>> {
    let table = match file {
        None => OutboundTable::default(),
        Some(OutboundFile::Way(via)) => {
            OutboundTable { via: Some(via), ..OutboundTable::default() }
        }
        Some(OutboundFile::Table(table)) => table,
    };
    let OutboundTable { via, gateway, allow, deny } = table;
    let way = match way.or(via).as_deref() {
        None | Some("none") => return Ok(None),
        Some("host") => OutboundWay::Host,
        Some(text) => parent(text, gateway)?,
    };
    Ok(Some(Outbound { way, allow, deny }))
}

fn parent(text: &str, gateway: Option<Ipv4Addr>) -> anyhow::Result<OutboundWay> {
    let what =
        "--outbound is none, host, or a link and a pool of addresses as eth0:203.0.113.16/28";
    let (link, pool) =
        text.rsplit_once(':').with_context(|| format!("'{text}' has no pool; {what}"))?;
    let pool: Cidr = pool.parse().with_context(|| what)?;
    if link.is_empty() {
        bail!("'{text}' names no link; {what}");
    }
    let sizes = Outbound::POOL_SIZES;
    ensure!(
        sizes.contains(&pool.prefix_len()),
        "the pool {pool} is to be a /{} to a /{}: its first address is the uplink's own",
        sizes.start(),
        sizes.end()
    );
    Ok(OutboundWay::Parent { link: link.to_owned(), pool, gateway })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> OutboundFile {
        #[derive(Deserialize)]
        struct Whole {
            outbound: OutboundFile,
        }
        toml::from_str::<Whole>(text).unwrap().outbound
    }

    #[test]
    fn the_flag_says_the_way_and_the_file_the_rest() {
        assert_eq!(read(None, None).unwrap(), None);
        let host = read(None, Some(file("outbound = \"host\""))).unwrap().unwrap();
        assert_eq!((host.way, host.allow.len()), (OutboundWay::Host, 0));
        let text = "[outbound]\nvia = \"host\"\ngateway = \"203.0.113.1\"\n\
                    allow = [\"10.20.0.0/16\"]\ndeny = [\"198.51.100.0/24\"]\n";
        let way = "eth0.7:203.0.113.16/28".to_owned();
        let both = read(Some(way), Some(file(text))).unwrap().unwrap();
        let OutboundWay::Parent { link, pool, gateway } = both.way else { panic!() };
        assert_eq!((link.as_str(), pool.to_string().as_str()), ("eth0.7", "203.0.113.16/28"));
        assert_eq!(gateway, Some([203, 0, 113, 1].into()));
        assert_eq!((both.allow.len(), both.deny.len()), (1, 1));
        assert_eq!(read(Some("none".to_owned()), Some(file(text))).unwrap(), None);
    }

    #[test]
    fn what_is_no_way_is_refused() {
        for wrong in ["", "eth0", ":203.0.113.16/28", "eth0:203.0.113.17/28", "eth0:10.0.0.0/8"] {
            assert!(read(Some(wrong.to_owned()), None).is_err(), "{wrong}");
        }
    }
}
