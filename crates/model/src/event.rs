//! Events: what happened, as those whom it concerns are told.
//!
//! An event follows from two worlds and the changes between them, or from the passing of time alone. So
//! it says what is so, whoever brought it about.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::resource::{
    App, Dyno, DynoState, Exit, Host, Peering, PeeringSide, PeeringState, Release, ReleaseStatus,
    Space, SpaceState,
};
use crate::{AccountId, Change, EventKind, Key, Record, TeamId, Timestamp, World};

/// How long before a request for a peering expires that is told.
pub const EXPIRY_NOTICE: Duration = Duration::from_secs(24 * 3600);

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: EventKind,
    /// The id of what it happened to.
    pub resource: String,
    /// What happened, in a sentence that everybody may read who is told of it.
    pub text: String,
    /// The facts, by name, that everybody may know who is told of it.
    pub details: BTreeMap<String, String>,
    /// The name of the space that it is about. Its team and the operator are told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space: Option<String>,
    /// Who is told of it beside the operator.
    #[serde(default)]
    pub audience: Audience,
}

/// Who is told of an event beside the operator.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audience {
    /// These accounts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<AccountId>,
    /// The members of these teams.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teams: Vec<TeamId>,
}

/// What happened by the changes between two worlds, in the order of the changes.
pub fn events_of(before: &World, after: &World, changes: &[Change], now: Timestamp) -> Vec<Event> {
    let mut seen = BTreeSet::new();
    let mut events = Vec::new();
    for key in changes.iter().map(Change::key) {
        let matters = matches!(
            key,
            Key::Peering(_)
                | Key::Dyno(_)
                | Key::Release(_)
                | Key::App(_)
                | Key::Space(_)
                | Key::Host(_)
        );
        if !matters || !seen.insert(key) {
            continue;
        }
        events.extend(match (before.get(key), after.get(key)) {
            (old, Some(Record::Peering(new))) => {
                let old = old.and_then(|old| match old {
                    Record::Peering(old) => Some(old.state),
                    _ => None,
                });
                peering_step(after, old, new, now)
            }
            (old, Some(Record::Dyno(new))) => {
                let crashed_before =
                    matches!(old, Some(Record::Dyno(old)) if old.state == new.state);
                (new.state == DynoState::Crashed && !crashed_before)
                    .then(|| dyno_crashed(after, new, now))
            }
            (old, Some(Record::Release(new))) => {
                let same = matches!(old, Some(Record::Release(old)) if old.status == new.status);
                if same { None } else { released(after, new, now) }
            }
            (None, Some(Record::App(new))) => {
                Some(of_app(after, EventKind::AppCreated, new, now, "was created"))
            }
            (Some(Record::App(old)), None) => {
                Some(of_app(before, EventKind::AppDestroyed, old, now, "was destroyed"))
            }
            (old, Some(Record::Space(new))) => {
                let same = matches!(old, Some(Record::Space(old)) if old.state == new.state);
                (new.state == SpaceState::Allocated && !same)
                    .then(|| of_space(EventKind::SpaceAllocated, new, now, "can be used"))
            }
            (Some(Record::Host(old)), Some(Record::Host(new))) => host_step(old, new, now),
            (Some(Record::Space(old)), None) => {
                Some(of_space(EventKind::SpaceDestroyed, old, now, "was destroyed"))
            }
            _ => None,
        });
    }
    events
}

/// What the passing of time made true by now of requests for peerings: that they will expire, and that
/// they have. Each is true for ever, so whoever asks again is told again.
pub fn events_by_time(world: &World, now: Timestamp) -> Vec<Event> {
    let waiting = world.peerings().filter(|peering| {
        peering.is_customers() && peering.state == PeeringState::PendingAcceptance
    });
    let of = |peering: &Peering| {
        let notice = peering.expires - EXPIRY_NOTICE;
        let expired = now >= peering.expires;
        let expires = expired.then(|| {
            let text = format!("The request {} has expired: nobody accepted it.", peering.id);
            of_peering(world, EventKind::PeeringExpired, peering, peering.expires, text)
        });
        // Who slept through all of the day is told only that it is over.
        let soon = (now >= notice && !expired).then(|| {
            let text = format!(
                "The request {} expires at {} unless it is accepted.",
                peering.id,
                peering.expires.to_seconds_string()
            );
            of_peering(world, EventKind::PeeringExpiring, peering, notice, text)
        });
        [soon, expires].into_iter().flatten()
    };
    waiting.flat_map(|peering| of(peering)).collect()
}

/// The fabric differed from what it must be, and was put right. That is for the operator alone.
pub fn drift_repaired(place: &str, what: &str, now: Timestamp) -> Event {
    Event {
        at: now,
        kind: EventKind::DriftRepaired,
        resource: place.to_owned(),
        text: format!("Drift was repaired at {place}: {what}."),
        details: [("what".to_owned(), what.to_owned())].into(),
        space: None,
        audience: Audience::default(),
    }
}

/// A listener's certificate was read anew. That is for the operator alone.
pub fn certificate_renewed(listener: &str, fingerprint: &str, now: Timestamp) -> Event {
    Event {
        at: now,
        kind: EventKind::CertificateRenewed,
        resource: listener.to_owned(),
        text: format!("The certificate of {listener} was replaced."),
        details: [("sha256".to_owned(), fingerprint.to_owned())].into(),
        space: None,
        audience: Audience::default(),
    }
}

fn peering_step(
    world: &World,
    old: Option<PeeringState>,
    new: &Peering,
    now: Timestamp,
) -> Option<Event> {
    if !new.is_customers() || old == Some(new.state) {
        return None;
    }
    let id = new.id;
    let (kind, text) = match new.state {
        PeeringState::PendingAcceptance => {
            let (one, other) = (new.requester.vpc, new.accepter.vpc);
            (EventKind::PeeringRequested, format!("{id} was requested: {one} asks {other}."))
        }
        PeeringState::Provisioning => {
            (EventKind::PeeringAccepted, format!("The request {id} was accepted."))
        }
        PeeringState::Active => {
            (EventKind::PeeringActive, format!("{id} is active: packets can pass."))
        }
        PeeringState::Deleting => return None,
        PeeringState::Deleted => (EventKind::PeeringDeleted, format!("{id} was deleted.")),
        PeeringState::Rejected => {
            (EventKind::PeeringRejected, format!("The request {id} was rejected."))
        }
        PeeringState::Failed => {
            let text = format!("{id} failed: an id is wrong, or blocks overlap.");
            (EventKind::PeeringFailed, text)
        }
    };
    let mut event = of_peering(world, kind, new, now, text);
    if old.is_none() && new.state == PeeringState::Failed {
        // Whom it never reached is not told of it, as EC2 does not either.
        event.audience = audience(world, [&new.requester]);
        event.space = space_of(world, &new.requester);
    }
    Some(event)
}

fn of_peering(
    world: &World,
    kind: EventKind,
    peering: &Peering,
    at: Timestamp,
    text: String,
) -> Event {
    let Peering { requester, accepter, .. } = peering;
    let cidrs = |side: &PeeringSide| {
        side.cidrs.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    };
    let mut details = BTreeMap::new();
    for (name, side) in [("requester", requester), ("accepter", accepter)] {
        details.insert(format!("{name}_account"), side.account.to_string());
        details.insert(format!("{name}_vpc"), side.vpc.to_string());
        details.insert(format!("{name}_region"), side.region.to_string());
        details.insert(format!("{name}_cidrs"), cidrs(side));
    }
    if peering.state == PeeringState::PendingAcceptance {
        details.insert("expires".to_owned(), peering.expires.to_seconds_string());
    }
    if let Some(by) = peering.by {
        details.insert("by".to_owned(), by.to_string());
    }
    Event {
        at,
        kind,
        resource: peering.id.to_string(),
        text,
        details,
        space: space_of(world, accepter).or_else(|| space_of(world, requester)),
        audience: audience(world, [requester, accepter]),
    }
}

fn space_of(world: &World, side: &PeeringSide) -> Option<String> {
    world.space_of_vpc(world.vpc(side.vpc)?).map(|space| space.name.clone())
}

/// The accounts of sides, or the teams where a side is a space's.
fn audience<'s>(world: &World, sides: impl IntoIterator<Item = &'s PeeringSide>) -> Audience {
    let mut audience = Audience::default();
    let platform = world.settings().map(|settings| settings.platform_account);
    for side in sides {
        let space = world.vpc(side.vpc).and_then(|vpc| world.space_of_vpc(vpc));
        match space {
            Some(space) if !audience.teams.contains(&space.team) => audience.teams.push(space.team),
            None if platform != Some(side.account)
                && !audience.accounts.contains(&side.account) =>
            {
                audience.accounts.push(side.account);
            }
            Some(_) | None => {}
        }
    }
    audience
}

fn dyno_crashed(world: &World, dyno: &Dyno, now: Timestamp) -> Event {
    let app = world.app(dyno.app);
    let name = app.map_or_else(|| dyno.app.to_string(), |app| app.name.clone());
    let mut details: BTreeMap<String, String> = [
        ("app".to_owned(), name.clone()),
        ("dyno".to_owned(), dyno.name.clone()),
        ("dyno_id".to_owned(), dyno.id.to_string()),
    ]
    .into();
    let why = match &dyno.exit {
        Some(exit) => {
            let exit = in_words(exit);
            let why = format!(" ({exit})");
            details.insert("exit".to_owned(), exit);
            why
        }
        None => String::new(),
    };
    let text = format!("The dyno {name}/{} crashed{why}.", dyno.name);
    Event { text, details, ..in_app(world, app.map(|app| &**app), EventKind::DynoCrashed, now) }
}

fn in_words(exit: &Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit status {code}"),
        Exit::Signal(signal) => format!("signal {signal}"),
        Exit::OutOfMemory => "out of memory".to_owned(),
        Exit::Failed(why) => why.clone(),
    }
}

fn released(world: &World, release: &Release, now: Timestamp) -> Option<Event> {
    let app = world.app(release.app)?;
    let version = format!("v{}", release.version);
    let (kind, text) = match &release.status {
        // An app begins with a release, which is told with it.
        ReleaseStatus::Pending => return None,
        ReleaseStatus::Succeeded if release.version == 1 => return None,
        ReleaseStatus::Succeeded => {
            (EventKind::AppReleased, format!("The app {} is at {version} now.", app.name))
        }
        ReleaseStatus::Failed(why) => {
            let text = format!("The release {version} of the app {} failed: {why}.", app.name);
            (EventKind::AppReleaseFailed, text)
        }
    };
    let details = [
        ("app".to_owned(), app.name.clone()),
        ("release".to_owned(), version),
        ("release_id".to_owned(), release.id.to_string()),
        ("description".to_owned(), release.description.clone()),
    ];
    Some(Event { text, details: details.into(), ..in_app(world, Some(app), kind, now) })
}

fn of_app(world: &World, kind: EventKind, app: &App, now: Timestamp, what: &str) -> Event {
    let text = format!("The app {} {what}.", app.name);
    let details = [("app".to_owned(), app.name.clone())].into();
    Event { text, details, ..in_app(world, Some(app), kind, now) }
}

/// An event of an app, about which there is nothing more to say yet.
fn in_app(world: &World, app: Option<&App>, kind: EventKind, now: Timestamp) -> Event {
    let space = app.and_then(|app| world.space(app.space));
    Event {
        at: now,
        kind,
        resource: app.map(|app| app.id.to_string()).unwrap_or_default(),
        text: String::new(),
        details: BTreeMap::new(),
        space: space.map(|space| space.name.clone()),
        audience: Audience {
            teams: app.map(|app| app.team).into_iter().collect(),
            ..<_>::default()
        },
    }
}

/// A host was lost, or is heard again. That is for the operator alone.
fn host_step(old: &Host, new: &Host, now: Timestamp) -> Option<Event> {
    let name = &new.name;
    let (kind, text) = match (old.lost, new.lost) {
        (None, Some(_)) => {
            (EventKind::HostLost, format!("Nothing is heard of the host {name} any more."))
        }
        (Some(_), None) => (EventKind::HostHeard, format!("The host {name} is heard again.")),
        (None, None) | (Some(_), Some(_)) => return None,
    };
    let details = [
        ("host".to_owned(), name.clone()),
        ("zone".to_owned(), new.zone.clone()),
        ("last_heard".to_owned(), old.last_heard.to_seconds_string()),
    ];
    Some(Event {
        at: now,
        kind,
        resource: new.id.to_string(),
        text,
        details: details.into(),
        space: None,
        audience: Audience::default(),
    })
}

fn of_space(kind: EventKind, space: &Space, now: Timestamp, what: &str) -> Event {
    let details =
        [("vpc".to_owned(), space.vpc.to_string()), ("cidr".to_owned(), space.cidr.to_string())];
    Event {
        at: now,
        kind,
        resource: space.id.to_string(),
        text: format!("The space {} {what}.", space.name),
        details: details.into(),
        space: Some(space.name.clone()),
        audience: Audience { teams: vec![space.team], ..Audience::default() },
    }
}

impl Audience {
    /// Who is told of it, as one text each.
    pub fn parties(&self) -> impl Iterator<Item = String> + '_ {
        let accounts = self.accounts.iter().map(|id| party_of_account(*id));
        accounts.chain(self.teams.iter().map(|id| party_of_team(*id)))
    }
}

/// An account, as [`Audience::parties`] has it.
pub fn party_of_account(id: AccountId) -> String {
    format!("account/{id}")
}

/// A team, as [`Audience::parties`] has it.
pub fn party_of_team(id: TeamId) -> String {
    format!("team/{id}")
}
