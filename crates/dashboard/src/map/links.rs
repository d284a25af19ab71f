//! The addresses that the map leads to.

use model::{PcxId, VpcId};

use super::asked::{Asked, Protocol};
use super::scene::{Kind, Node};

/// Where the pages are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Links {
    /// What every page's path begins with: `/dashboard`.
    pub base: String,
}

impl Links {
    /// The map, with what is asked of it.
    pub fn map(&self, asked: &Asked) -> String {
        self.with_query("map", &asked.of_map())
    }

    /// The matrix, with what is asked of it.
    pub fn matrix(&self, asked: &Asked) -> String {
        self.with_query("map/matrix", asked)
    }

    fn with_query(&self, page: &str, asked: &Asked) -> String {
        let query = asked.write();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}/{page}{mark}{query}", self.base)
    }

    /// The page of a space or a VPC.
    pub fn node(&self, node: &Node) -> String {
        match node.kind {
            Kind::Space => {
                let name: String = form_urlencoded::byte_serialize(node.name.as_bytes()).collect();
                format!("{}/spaces/{name}", self.base)
            }
            Kind::Vpc => self.vpc(node.id),
        }
    }

    /// The page of a VPC.
    pub fn vpc(&self, id: VpcId) -> String {
        format!("{}/vpcs/{id}", self.base)
    }

    /// The page of a peering.
    pub fn peering(&self, id: PcxId) -> String {
        format!("{}/peerings/{id}", self.base)
    }

    /// The page that says why packets pass between two ends, or not.
    pub fn why(&self, from: &str, to: &str, protocol: Protocol, port: Option<u16>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("from", from).append_pair("to", to);
        query.append_pair("protocol", protocol.name());
        if let Some(port) = port {
            query.append_pair("port", &port.to_string());
        }
        format!("{}/why?{}", self.base, query.finish())
    }
}
