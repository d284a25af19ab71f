//! How much code is kept.

use super::shop::*;
use crate::PlatformCommand as C;
use crate::edge::EdgeEvent;
use crate::*;

const ROOM: CodeRoom = CodeRoom { app: 100, team: 150 };

fn kept(shop: &Shop) -> Vec<SlugId> {
    let slugs = shop.town.bench.world.slugs_of(Key::App(shop.app));
    slugs.map(|slug| slug.id).collect()
}

fn store(shop: &mut Shop, bytes: u64) -> SlugId {
    let slug = shop.announced(&[("web", "serve")]);
    shop.town.bench.ok(Caller::System, stored(slug, bytes, ROOM));
    slug
}

fn release(shop: &mut Shop, slug: SlugId) {
    shop.ok(C::CreateRelease { app: shop.app, slug, description: None });
    shop.start_all();
    // Those of the release before end.
    for dyno in shop.dynos().into_iter().filter(|dyno| dyno.superseded) {
        shop.edge(EdgeEvent::Drained(dyno.id));
        shop.observe(dyno.id, WorkloadReport::Gone);
    }
}

#[test]
fn of_slugs_that_nobody_releases_the_newest_ten_are_kept() {
    let mut shop = Shop::deployed();
    let current = kept(&shop);
    let mut announced = Vec::new();
    for _ in 0..25 {
        announced.push(shop.announced(&[]));
        shop.town.bench.now = shop.town.bench.now + MINUTE;
    }
    let mut expected = current;
    expected.extend(&announced[15..]);
    expected.sort();
    let mut kept = kept(&shop);
    kept.sort();
    assert_eq!(kept, expected);
    let gone = C::CreateRelease { app: shop.app, slug: announced[0], description: None };
    assert_eq!(shop.refused(gone).code, Code::NotFound);
}

#[test]
fn what_an_app_needs_least_makes_room_for_new_code() {
    let mut shop = Shop::new();
    let old = store(&mut shop, 30);
    release(&mut shop, old);
    let current = store(&mut shop, 30);
    release(&mut shop, current);
    let unreleased = store(&mut shop, 30);
    assert_eq!(kept(&shop).len(), 3);
    // Too much by ten: what was never released goes.
    let new = store(&mut shop, 40);
    assert!(!kept(&shop).contains(&unreleased) && kept(&shop).contains(&old));
    // Then old releases, and their records with them.
    let newer = store(&mut shop, 70);
    let mut left = vec![current, newer];
    left.sort();
    let mut found = kept(&shop);
    found.sort();
    assert_eq!(found, left, "{new:?} and {old:?} are gone");
    let world = &shop.town.bench.world;
    assert!(world.releases_of(Key::App(shop.app)).all(|r| r.slug != Some(old)));
    // What runs stays, so there is no room for this.
    let slug = shop.announced(&[]);
    let refused = shop.town.bench.refused(Caller::System, stored(slug, 71, ROOM));
    assert_eq!(refused.code, Code::LimitExceeded);
    assert!(refused.message.contains("this app"), "{refused}");
    assert!(kept(&shop).contains(&newer), "a refusal removes nothing");
}

#[test]
fn a_teams_apps_share_its_room() {
    let mut shop = Shop::new();
    let first = store(&mut shop, 90);
    release(&mut shop, first);
    let other = C::CreateApp { name: None, space: shop.town.space, internal_routing: false };
    let Some(Key::App(other)) = shop.ok(other).main() else { panic!("no app") };
    shop.app = other;
    let slug = shop.announced(&[]);
    let refused = shop.town.bench.refused(Caller::System, stored(slug, 70, ROOM));
    assert_eq!(refused.code, Code::LimitExceeded);
    assert!(refused.message.contains("this team's apps"), "{refused}");
    shop.town.bench.ok(Caller::System, stored(slug, 60, ROOM));
    // The app's own code makes room, and nobody else's.
    let newer = store(&mut shop, 60);
    assert_eq!(kept(&shop), [newer]);
    assert!(shop.town.bench.world.slug(first).is_some());
}
