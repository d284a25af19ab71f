//! The actions of STS and IAM by which clients find out who they are before they begin.

use aws::xml::{Service, query_response};
use model::World;

use super::request::{Ec2Error, Request};

/// `GetCallerIdentity`.
pub(super) fn caller(_: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    Ok(query_response(Service::Sts, "GetCallerIdentity", request.request_id, |x| {
        x.el("UserId", request.principal.user_id());
        x.el("Account", request.scope.account);
        x.el("Arn", request.principal.arn());
    }))
}

/// `GetUser`.
pub(super) fn user(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    if let Some(name) = request.params.get("UserName") {
        let name: String = name.chars().take(64).collect();
        return Err(Ec2Error {
            status: 404,
            ..Ec2Error::new(
                "NoSuchEntity",
                format_args!("The user with name {name} cannot be found."),
            )
        });
    }
    if request.principal.role().is_some() {
        return Err(Ec2Error::new(
            "ValidationError",
            "Must specify userName when calling with non-User credentials",
        ));
    }
    let account = world.account(request.scope.account);
    Ok(query_response(Service::Iam, "GetUser", request.request_id, |x| {
        x.nest("User", |x| {
            x.el("Path", "/");
            x.opt("UserName", account.map(|account| account.name.as_str()));
            x.el("UserId", request.scope.account);
            x.el("Arn", request.principal.arn());
            x.el("CreateDate", account.map_or(request.now, |account| account.created));
        });
    }))
}

/// `ListAccountAliases`.
pub(super) fn aliases(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    request.params.integer("MaxItems", 1..=1000)?;
    let name = world.account(request.scope.account).map(|account| account.name.as_str());
    Ok(query_response(Service::Iam, "ListAccountAliases", request.request_id, |x| {
        x.members("AccountAliases", name, |x, name| x.text(name));
        x.el("IsTruncated", false);
    }))
}
