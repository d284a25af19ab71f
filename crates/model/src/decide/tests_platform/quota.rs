//! Quotas of teams, reached.

use std::collections::BTreeMap;

use super::shop::{Shop, plan_of, stored};
use crate::PlatformCommand as C;
use crate::*;

fn set(shop: &mut Shop, quota: Quota, most: Option<u32>) {
    let of = QuotaOf::Team(shop.town.team);
    let set = IdentityCommand::SetQuota { of, quota, most };
    shop.town.bench.ok(Caller::Operator, set);
}

/// One more of what a quota counts.
fn one_more(shop: &Shop, quota: Quota) -> C {
    let (app, space, team) = (shop.app, shop.town.space, shop.town.team);
    let scale = |quantity, size: Option<&str>| C::Scale {
        app,
        updates: vec![FormationUpdate {
            process_type: "worker".to_owned(),
            quantity: Some(quantity),
            size: size.map(str::to_owned),
        }],
    };
    match quota {
        Quota::Spaces => C::CreateSpace {
            name: "more".to_owned(),
            team,
            region: None,
            cidr: None,
            data_cidr: None,
        },
        Quota::Apps => C::CreateApp { name: None, space, internal_routing: false },
        Quota::Dynos => scale(Quantity::By(1), None),
        Quota::Memory => scale(Quantity::By(1), Some("private-m")),
        Quota::Addons | Quota::Disk => C::CreateAddon {
            app,
            plan: plan_of("heroku-redis").into(),
            name: None,
            password: "s3cret".to_owned(),
        },
        other => panic!("{other} is not one of these"),
    }
}

#[test]
fn each_is_reached_and_what_is_refused_says_what_to_do() {
    for quota in
        [Quota::Spaces, Quota::Apps, Quota::Dynos, Quota::Memory, Quota::Addons, Quota::Disk]
    {
        let mut shop = Shop::deployed();
        let team = shop.town.team;
        let used = shop.town.bench.world.team_usage(team, quota);
        set(&mut shop, quota, Some(u32::try_from(used).unwrap()));
        let more = one_more(&shop, quota);
        let refused = shop.refused(more.clone());
        assert_eq!((refused.code, refused.code.platform().status()), (Code::LimitExceeded, 422));
        let what_to_do = format!("causeway quotas:set {quota} ");
        assert!(refused.message.contains(&what_to_do), "{refused}");
        // Also for the operator, who sets it: it is the team's.
        assert_eq!(
            shop.town.bench.refused(Caller::Operator, more.clone()).code,
            Code::LimitExceeded
        );
        set(&mut shop, quota, Some(100_000));
        shop.ok(more);
        assert!(shop.town.bench.world.team_usage(team, quota) > used, "{quota}");
    }
}

#[test]
fn one_off_dynos_count_and_what_is_there_goes_on_under_a_lower_quota() {
    let mut shop = Shop::deployed();
    let (app, team) = (shop.app, shop.town.team);
    let run = C::StartDyno {
        app,
        command: "bash".to_owned(),
        size: None,
        environment: BTreeMap::new(),
        stdio: Stdio::Log,
    };
    let used = |shop: &Shop| shop.town.bench.world.team_usage(team, Quota::Dynos);
    assert_eq!(used(&shop), 1);
    shop.ok(run.clone());
    shop.scale("web", Quantity::To(5));
    assert_eq!(used(&shop), 6);
    set(&mut shop, Quota::Dynos, Some(2));
    assert_eq!(shop.refused(run).code, Code::LimitExceeded);
    // Restarting and scaling down are no more of it, though it is over still.
    shop.ok(C::RestartDynos { app, which: DynoSelection::All });
    shop.scale("web", Quantity::To(4));
    assert_eq!(used(&shop), 5);
}

#[test]
fn a_space_is_not_given_to_a_team_that_may_not_have_it() {
    let mut shop = Shop::deployed();
    let ada = shop.town.ada;
    let create = IdentityCommand::CreateTeam { name: "other".to_owned(), admin: ada };
    let Some(Key::Team(team)) = shop.town.bench.ok(Caller::Operator, create).main() else {
        panic!("no team")
    };
    let limit =
        |most| IdentityCommand::SetQuota { of: QuotaOf::Team(team), quota: Quota::Apps, most };
    shop.town.bench.ok(Caller::Operator, limit(Some(0)));
    let give = C::TransferSpace { space: shop.town.space, team };
    let refused = shop.refused(give.clone());
    assert!(refused.message.starts_with("The team other would have 1 apps, and may have 0."));
    shop.town.bench.ok(Caller::Operator, limit(None));
    shop.ok(give);
}

#[test]
fn a_teams_code_is_bounded_by_its_own_quota() {
    let mut shop = Shop::deployed();
    set(&mut shop, Quota::Code, Some(1));
    let slug = shop.announced(&[("web", "serve")]);
    let command = stored(slug, 2 << 20, CodeRoom::default());
    let refused = shop.town.bench.refused(Caller::System, command);
    assert_eq!(refused.code, Code::LimitExceeded);
    set(&mut shop, Quota::Code, Some(4));
    shop.town.bench.ok(Caller::System, stored(slug, 2 << 20, CodeRoom { app: 10 << 20, team: 1 }));
}

#[test]
fn a_quota_is_set_for_those_that_have_such() {
    let mut shop = Shop::new();
    let (team, account) = (shop.town.team, shop.town.bench.platform());
    for (of, quota) in [
        (QuotaOf::Team(team), Quota::Vpcs),
        (QuotaOf::Account(account), Quota::Apps),
        (QuotaOf::Team(team), Quota::Dynos),
    ] {
        let most = if quota == Quota::Dynos { Some(u32::MAX) } else { Some(1) };
        let set = IdentityCommand::SetQuota { of, quota, most };
        let refused = shop.town.bench.refused(Caller::Operator, set);
        assert_eq!(refused.code, Code::InvalidParameterValue);
    }
    let world = |shop: &Shop| shop.town.bench.world.team_quota(team, Quota::Apps);
    assert_eq!(world(&shop), Some(200));
    let of_all = IdentityCommand::SetQuota { of: QuotaOf::All, quota: Quota::Apps, most: Some(3) };
    shop.town.bench.ok(Caller::Operator, of_all);
    assert_eq!(world(&shop), Some(3));
    set(&mut shop, Quota::Apps, Some(2));
    assert_eq!(world(&shop), Some(2));
}
