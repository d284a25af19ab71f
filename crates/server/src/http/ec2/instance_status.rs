//! What else is told of instances: how they fare, how they use credits, and which roles they have.

use std::sync::Arc;

use aws::paging::Paging;
use aws::xml::Xml;
use model::{
    CpuCredits, Instance, InstanceId, InstanceState, InstanceType, Key, Tags, Timestamp, World,
};

use super::catalog::filtered;
use super::describe::{
    Described, Filter, Query, Stored, USUAL_PAGE, View, find_all, ids, many, nothing, one,
};
use super::instance::write_state;
use super::request::{Ec2Error, Request};

/// How an instance fares.
struct Status(Arc<Instance>);

impl Status {
    /// The state of its checks.
    fn checks(&self) -> &'static str {
        match self.0.state {
            InstanceState::Running => "ok",
            InstanceState::Pending => "initializing",
            _ => "not-applicable",
        }
    }

    fn reachability(&self) -> Option<&'static str> {
        match self.0.state {
            InstanceState::Running => Some("passed"),
            InstanceState::Pending => Some("initializing"),
            _ => None,
        }
    }
}

impl Described for Status {
    type Id = InstanceId;
    const SET: &'static str = "instanceStatusSet";
    const PARAM: &'static str = Instance::PARAM;
    const MALFORMED: &'static str = Instance::MALFORMED;
    const NOT_FOUND: (&'static str, &'static str) = Instance::NOT_FOUND;
    const FILTERS: &'static [Filter<Self>] = &[
        ("application-status.status", |_, _| one("not-applicable")),
        ("attached-ebs-status.status", |_, status| one(status.checks())),
        ("availability-zone", |view, status| {
            many(view.world.subnet(status.0.subnet).map(|subnet| subnet.zone))
        }),
        ("availability-zone-id", |view, status| {
            many(view.world.subnet(status.0.subnet).map(|subnet| subnet.zone.zone_id()))
        }),
        ("event.code", nothing),
        ("event.description", nothing),
        ("event.instance-event-id", nothing),
        ("event.not-after", nothing),
        ("event.not-before", nothing),
        ("event.not-before-deadline", nothing),
        ("instance-state-code", |_, status| one(status.0.state.code())),
        ("instance-state-name", |_, status| one(status.0.state.name())),
        ("instance-status.reachability", |_, status| many(status.reachability())),
        ("instance-status.status", |_, status| one(status.checks())),
        ("operator.managed", |_, _| one(false)),
        ("operator.principal", nothing),
        ("system-status.reachability", |_, status| many(status.reachability())),
        ("system-status.status", |_, status| one(status.checks())),
    ];

    fn id(&self) -> InstanceId {
        self.0.id
    }

    fn created(&self) -> Timestamp {
        self.0.launched
    }

    fn tags<'v>(&'v self, _: &View<'v>) -> Option<&'v Tags> {
        Some(&self.0.tags)
    }

    fn write(&self, view: &View<'_>, x: &mut Xml) {
        x.el("instanceId", self.0.id);
        if let Some(subnet) = view.world.subnet(self.0.subnet) {
            x.el("availabilityZone", subnet.zone);
            x.el("availabilityZoneId", subnet.zone.zone_id());
        }
        x.nest("operator", |x| x.el("managed", false));
        x.nest("instanceState", |x| write_state(self.0.state, x));
        for check in ["systemStatus", "instanceStatus", "attachedEbsStatus"] {
            x.nest(check, |x| {
                x.el("status", self.checks());
                x.items("details", self.reachability(), |x, reachability| {
                    x.el("name", "reachability");
                    x.el("status", reachability);
                });
            });
        }
    }
}

/// The instances that a request names, or all that the caller sees.
fn instances<T: Described<Id = InstanceId>>(
    view: &View<'_>,
    request: &Request<'_>,
    of: fn(Arc<Instance>) -> T,
) -> Result<(Vec<T>, bool), Ec2Error> {
    let named = ids::<T>(request.params)?;
    let get = |id| {
        Instance::get(view, id)?;
        view.world.instance(id).cloned().map(of)
    };
    if !named.is_empty() {
        return Ok((find_all::<T, _>(&named, get)?, true));
    }
    let mine = view.world.instances_of(Key::Account(view.scope.account));
    Ok((mine.filter_map(|instance| get(instance.id)).collect(), false))
}

/// `DescribeInstanceStatus`. Only running instances are described, unless all are asked for.
pub(super) fn describe(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    request.params.bool("IncludeManagedResources")?;
    let all = request.params.bool("IncludeAllInstances")? == Some(true);
    let view = View::new(world, request);
    let query = Query::parse::<Status>(request)?;
    let (mut found, _) = instances(&view, request, Status)?;
    found.retain(|status| all || status.0.state == InstanceState::Running);
    let (page, next) = query.among(&view, found.iter().collect())?;
    Ok(super::describe::listed(&view, request, &page, next.as_deref()))
}

/// How an instance uses credits.
struct Credits(Arc<Instance>);

impl Credits {
    /// How it does; `None` where its type has none.
    fn kind(&self) -> Option<CpuCredits> {
        let family = InstanceType::find(&self.0.instance_type)?.family;
        let usual = if family.unlimited { CpuCredits::Unlimited } else { CpuCredits::Standard };
        family.burstable.then(|| self.0.options.credits.unwrap_or(usual))
    }
}

impl Described for Credits {
    type Id = InstanceId;
    const SET: &'static str = "instanceCreditSpecificationSet";
    const PARAM: &'static str = Instance::PARAM;
    const MALFORMED: &'static str = Instance::MALFORMED;
    const NOT_FOUND: (&'static str, &'static str) = Instance::NOT_FOUND;
    const FILTERS: &'static [Filter<Self>] = &[("instance-id", |_, credits| one(credits.0.id))];

    fn id(&self) -> InstanceId {
        self.0.id
    }

    fn created(&self) -> Timestamp {
        self.0.launched
    }

    fn tags<'v>(&'v self, _: &View<'v>) -> Option<&'v Tags> {
        Some(&self.0.tags)
    }

    fn write(&self, _: &View<'_>, x: &mut Xml) {
        x.el("instanceId", self.0.id);
        x.opt("cpuCredits", self.kind().map(CpuCredits::name));
    }
}

/// `DescribeInstanceCreditSpecifications`. Of instances that are not named, those are described
/// which use credits without limit.
pub(super) fn credits(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let view = View::new(world, request);
    let query = Query::parse::<Credits>(request)?;
    let (mut found, named) = instances(&view, request, Credits)?;
    if named {
        if let Some(other) = found.iter().find(|credits| credits.kind().is_none()) {
            return Err(Ec2Error::new(
                "UnsupportedOperation",
                format_args!(
                    "The instance '{}' is of the type {}, which does not use credits.",
                    other.0.id, other.0.instance_type
                ),
            ));
        }
    } else {
        found.retain(|it| it.kind() == Some(CpuCredits::Unlimited) && !it.0.state.ends());
    }
    let (page, next) = query.among(&view, found.iter().collect())?;
    Ok(super::describe::listed(&view, request, &page, next.as_deref()))
}

/// `DescribeIamInstanceProfileAssociations`. There are no roles, so no instance has one.
pub(super) fn profiles(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let params = request.params;
    Paging::parse(params, "DescribeIamInstanceProfileAssociations", USUAL_PAGE, None)?;
    let nothing = |_: &str, (): &()| None;
    filtered(params, &["instance-id", "state"], nothing, [(); 0])?;
    if let Some(id) = params.list("AssociationId").next() {
        let id: String = id.chars().take(64).collect();
        return Err(Ec2Error::new(
            "NoSuchAssociation",
            format_args!("An invalid association-id of '{id}' was given"),
        ));
    }
    let _ = world;
    Ok(request.respond(|x| x.items("iamInstanceProfileAssociationSet", [(); 0], |_, ()| {})))
}
