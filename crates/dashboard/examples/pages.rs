//! Writes pages of a world that is always the same into a directory, for their pictures:
//! `cargo run -p causeway-dashboard --example pages DIRECTORY`.

#[path = "../src/map/tests/fixture.rs"]
#[expect(dead_code, reason = "it is made for the tests")]
mod fixture;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use causeway_dashboard::{
    Asset, Came, Challenge, Context, HOME_PATH, Language, MAP_PATH, MATRIX_PATH, Question,
    SEARCH_PATH, SIGN_IN_PATH, SignIn, Typed, Viewer, WHY_PATH, Way, map,
};
use fixture::{NOW, account, id, uuid};
use model::{PcxId, Peering, Role, Team, User, UserId, World};

/// A page: its name, its address, and how it is made.
type Page =
    (&'static str, String, fn(&Context<'_>) -> Result<String, causeway_dashboard::RenderError>);

/// The pages that have pictures. A new one is a line here.
fn pages(world: &World) -> Vec<Page> {
    let space = world.space_named(SPACE).expect("the space is there");
    let vpc = world.vpc(id(fixture::PAYMENTS)).expect("the VPC is there");
    let ledger = world.vpc(id(fixture::LEDGER)).expect("the VPC is there");
    let [active, fits, overlaps] = [1, 2, 3].map(id::<PcxId>);
    vec![
        ("sign-in", SIGN_IN_PATH.to_owned(), sign_in),
        ("home", HOME_PATH.to_owned(), causeway_dashboard::home),
        ("network", causeway_dashboard::network_path(space), |of| {
            causeway_dashboard::network(of, of.world.space_named(SPACE).expect("it is there"), None)
        }),
        ("review", causeway_dashboard::review_path(space, fits), |of| review(of, 2)),
        ("review-overlap", causeway_dashboard::review_path(space, overlaps), |of| review(of, 3)),
        ("destroy", causeway_dashboard::destroy_path(space, active), |of| {
            let space = of.world.space_named(SPACE).expect("it is there");
            causeway_dashboard::destroy(of, space, peering(of.world, 1), None, "")
        }),
        ("vpc", causeway_dashboard::vpc_path(vpc), |of| {
            let vpc = of.world.vpc(id(fixture::PAYMENTS)).expect("it is there");
            causeway_dashboard::vpc(of, vpc, None)
        }),
        ("ask", causeway_dashboard::ask_path(ledger), ask),
        ("map", MAP_PATH.to_owned(), |of| map::map(of, &map::Asked::default())),
        ("matrix", MATRIX_PATH.to_owned(), |of| map::matrix(of, &map::Asked::default())),
        ("why", WHY_PATH.to_owned(), why),
        ("search", SEARCH_PATH.to_owned(), |of| causeway_dashboard::search(of, "10.100")),
    ]
}

const SPACE: &str = "spaces-peering-example";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| ".".to_owned()));
    let mut made = fixture::small();
    let user: UserId = uuid(1);
    made.put(User {
        id: user,
        email: "ada@example.com".to_owned(),
        password: None,
        second_factor: None,
        disabled: None,
        created: NOW,
        updated: NOW,
    });
    made.put(Team {
        id: uuid(1),
        name: "platform".to_owned(),
        members: [(user, Role::Admin)].into(),
        demands_second_factor: false,
        disabled: None,
        quotas: BTreeMap::new(),
        created: NOW,
        updated: NOW,
    });
    let world = made.world;
    // Both sides, as one person may have them.
    let everybody = Viewer { user: Some(user), account: Some(account(1)), ..Viewer::default() };
    for language in Language::ALL {
        for (name, path, make) in pages(&world) {
            let viewer = if path == SIGN_IN_PATH { Viewer::default() } else { everybody };
            let of = Context {
                world: &world,
                viewer,
                language,
                theme: None,
                shortcut: true,
                now: NOW + Duration::from_secs(3 * 3600 + 20 * 60),
                form_token: "0123456789abcdef",
                path: &path,
            };
            let html = make(&of)?;
            write_assets(&directory, &html)?;
            std::fs::write(directory.join(format!("{name}.{}.html", language.code())), html)?;
        }
    }
    Ok(())
}

/// The files that a page names.
fn write_assets(directory: &Path, html: &str) -> std::io::Result<()> {
    for asset in html.split('"').filter_map(Asset::find) {
        let file = directory.join(asset.path().trim_start_matches('/'));
        std::fs::create_dir_all(file.parent().expect("it has a directory"))?;
        std::fs::write(file, asset.bytes)?;
    }
    Ok(())
}

fn peering(world: &World, n: usize) -> &Peering {
    world.peering(id(n)).expect("the peering is there")
}

fn review(of: &Context<'_>, n: usize) -> Result<String, causeway_dashboard::RenderError> {
    let space = of.world.space_named(SPACE).expect("the space is there");
    causeway_dashboard::review(of, space, peering(of.world, n), None)
}

/// A check that says what does not fit, and what would.
fn ask(of: &Context<'_>) -> Result<String, causeway_dashboard::RenderError> {
    let vpc = of.world.vpc(id(fixture::LEDGER)).expect("the VPC is there");
    let space = of.world.space_named(SPACE).expect("the space is there");
    let (peer, owner) = (space.vpc.to_string(), fixture::platform().to_string());
    let typed = Typed { vpc: &peer, account: &owner, ..Typed::default() };
    causeway_dashboard::ask(of, vpc, typed, true, None)
}

fn sign_in(of: &Context<'_>) -> Result<String, causeway_dashboard::RenderError> {
    let challenge = Challenge {
        nonce: "bm9uY2U".to_owned(),
        date: "20260921".to_owned(),
        region: "us-east-1".to_owned(),
    };
    let (way, trouble, name) = (Way::AccessKey, None, "");
    let page = SignIn { way, trouble, name, step: "", challenge: &challenge, back: HOME_PATH };
    causeway_dashboard::sign_in(of, &page)
}

/// A flow that a rule stops, with what lets it pass.
fn why(of: &Context<'_>) -> Result<String, causeway_dashboard::RenderError> {
    let payments: model::VpcId = id(fixture::PAYMENTS);
    let asked = format!("from=spaces/web.1&to={payments}/10.64.0.10&protocol=tcp&port=8000");
    causeway_dashboard::why(of, &Question::read(&asked), Came::Nothing)
}
