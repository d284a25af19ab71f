//! The pages by their addresses.

use std::sync::Arc;

use axum::http::StatusCode;
use dashboard::map::Asked;
use dashboard::{Came, Context, Fields, Question, Told, Typed, Unanswered, Viewer};
use model::{PcxId, Peering, Space, Timestamp, VpcId, World};

use super::area::Area;
use super::shared::Dashboard;
use super::vpc::VpcPage;

/// A page that somebody who is signed in may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Home,
    Network { space: String },
    Review { space: String, peering: PcxId },
    Destroy { space: String, peering: PcxId },
    Vpc { vpc: VpcId },
    Ask { vpc: VpcId },
    Search { query: String },
    Map { asked: Asked },
    Matrix { asked: Asked },
    Why { question: Question, done: bool },
    Area(Area),
    InVpc { vpc: VpcId, page: VpcPage },
}

impl Place {
    /// Reads an address, with its query where that says what the page shows.
    pub(super) fn of(path: &str, query: &str) -> Option<Self> {
        let rest = path.strip_prefix(dashboard::HOME_PATH)?;
        let parts: Vec<&str> = rest.split('/').skip(1).collect();
        match *parts.as_slice() {
            [] | [""] if rest.is_empty() || rest == "/" => Some(Self::Home),
            ["spaces", space, "network"] => Some(Self::Network { space: space.to_owned() }),
            ["spaces", space, "peerings", peering] => {
                Some(Self::Review { space: space.to_owned(), peering: peering.parse().ok()? })
            }
            ["spaces", space, "peerings", peering, "destroy"] => {
                Some(Self::Destroy { space: space.to_owned(), peering: peering.parse().ok()? })
            }
            ["vpcs", vpc] => Some(Self::Vpc { vpc: vpc.parse().ok()? }),
            ["vpcs", vpc, "ask"] => Some(Self::Ask { vpc: vpc.parse().ok()? }),
            ["vpcs", vpc, ref rest @ ..] => {
                Some(Self::InVpc { vpc: vpc.parse().ok()?, page: VpcPage::of_parts(rest)? })
            }
            ["search"] => {
                let asked = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "q");
                let query = asked.map(|(_, text)| text.into_owned()).unwrap_or_default();
                Some(Self::Search { query })
            }
            ["map"] => Some(Self::Map { asked: Asked::read(query) }),
            ["map", "matrix"] => Some(Self::Matrix { asked: Asked::read(query) }),
            ["why"] => {
                let done = form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "done");
                Some(Self::Why { question: Question::read(query), done })
            }
            ref other => Area::of(other).map(Self::Area),
        }
    }

    /// The page; `None` if what it is about is not there for the viewer.
    pub(super) fn render(
        &self,
        of: &Context<'_>,
        dashboard: &Dashboard,
        told: Option<Told>,
    ) -> Option<Page> {
        let (world, viewer, now) = (of.world, of.viewer, of.now);
        match self {
            Self::Home => Some(dashboard::home(of)),
            Self::Network { space } => {
                let space = viewer.space(world, space)?;
                Some(dashboard::network(of, space, told))
            }
            Self::Review { space, peering } => {
                let (space, peering) = find(world, viewer, space, *peering, now)?;
                Some(dashboard::review(of, space, peering, None))
            }
            Self::Destroy { space, peering } => {
                let (space, peering) = find(world, viewer, space, *peering, now)?;
                Some(dashboard::destroy(of, space, peering, None, ""))
            }
            Self::Area(area) => area.look(of, dashboard),
            Self::Vpc { vpc } => Some(dashboard::vpc(of, viewer.vpc(world, *vpc)?, told)),
            Self::InVpc { vpc, page } => {
                page.render(of, viewer.vpc(world, *vpc)?, Fields::default(), None, "")
            }
            Self::Ask { vpc } => {
                let vpc = viewer.vpc(world, *vpc).filter(|vpc| viewer.may_ask(vpc))?;
                Some(dashboard::ask(of, vpc, Typed::default(), false, None))
            }
            Self::Search { query } => Some(dashboard::search(of, query)),
            Self::Map { asked } => Some(dashboard::map::map(of, asked)),
            Self::Matrix { asked } => Some(dashboard::map::matrix(of, asked)),
            Self::Why { question, done } => {
                let came = if *done { Came::Done } else { Came::Nothing };
                Some(dashboard::why(of, question, came))
            }
        }
    }

    /// Whether the page may take long to make, as it asks about many packets or shows many networks.
    pub(super) const fn takes_time(&self) -> bool {
        matches!(self, Self::Map { .. } | Self::Matrix { .. } | Self::Why { .. })
    }

    /// The status that the page comes with. What is asked of ends that are not there for the viewer
    /// is not found, whether they are another's or nobody's; the page says so beside the form.
    pub(super) fn status(&self, of: &Context<'_>) -> StatusCode {
        let Self::Why { question, .. } = self else { return StatusCode::OK };
        match question.flow(of) {
            Err(Unanswered::From | Unanswered::To | Unanswered::Flow) => StatusCode::NOT_FOUND,
            Ok(_) | Err(Unanswered::NotAsked | Unanswered::Port) => StatusCode::OK,
        }
    }
}

type Page = Result<String, dashboard::RenderError>;

/// A customer's peering of a space, as far as the viewer sees both.
pub(super) fn find<'w>(
    world: &'w World,
    viewer: Viewer,
    space: &str,
    peering: PcxId,
    now: Timestamp,
) -> Option<(&'w Arc<Space>, &'w Arc<Peering>)> {
    let space = viewer.space(world, space)?;
    let mut seen = world.space_peerings(space, now).into_iter();
    let peering = seen.find(|seen| seen.id == peering && seen.is_customers())?;
    Some((space, peering))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_or_lead_nowhere() {
        let id = "pcx-00000000000000001";
        let peering: PcxId = id.parse().unwrap();
        let space = || "a".to_owned();
        let vpc: VpcId = "vpc-00000000000000001".parse().unwrap();
        for (path, place) in [
            ("/dashboard", Some(Place::Home)),
            ("/dashboard/", Some(Place::Home)),
            ("/dashboard/spaces/a/network", Some(Place::Network { space: space() })),
            (
                "/dashboard/spaces/a/peerings/pcx-00000000000000001",
                Some(Place::Review { space: space(), peering }),
            ),
            (
                "/dashboard/spaces/a/peerings/pcx-00000000000000001/destroy",
                Some(Place::Destroy { space: space(), peering }),
            ),
            ("/dashboard/vpcs/vpc-00000000000000001", Some(Place::Vpc { vpc })),
            ("/dashboard/vpcs/vpc-00000000000000001/ask", Some(Place::Ask { vpc })),
            ("/dashboard/search", Some(Place::Search { query: String::new() })),
            ("/dashboard/map", Some(Place::Map { asked: Asked::default() })),
            ("/dashboard/map/matrix", Some(Place::Matrix { asked: Asked::default() })),
            ("/dashboard/why", Some(Place::Why { question: Question::default(), done: false })),
            ("/dashboard/map/", None),
            (
                "/dashboard/vpcs/vpc-00000000000000001/acls",
                Some(Place::InVpc { vpc, page: VpcPage::Acls }),
            ),
            ("/dashboard/vpcs/vpc-00000000000000001/x", None),
            ("/dashboard/vpcs/******", None),
            ("/dashboardx", None),
            ("/dashboard//", None),
            ("/dashboard/spaces", None),
            ("/dashboard/spaces/a/network/", None),
            ("/dashboard/spaces/a/peerings/******", None),
            ("/dashboard/../secret", None),
            ("", None),
        ] {
            assert_eq!(Place::of(path, ""), place, "{path}");
        }
    }
}
