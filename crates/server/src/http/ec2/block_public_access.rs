//! VPC Block Public Access: off everywhere, and so without exclusions.

use aws::filter::Filters;
use aws::paging::Paging;
use model::World;

use super::describe::USUAL_PAGE;
use super::request::{Ec2Error, Request};

/// `DescribeVpcBlockPublicAccessOptions`.
pub(super) fn options(_: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    Ok(request.respond(|x| {
        x.nest("vpcBlockPublicAccessOptions", |x| {
            x.el("awsAccountId", request.scope.account);
            x.el("awsRegion", request.scope.region);
            x.el("state", "default-state");
            x.el("internetGatewayBlockMode", "off");
            x.el("managedBy", "account");
            x.el("exclusionsAllowed", "allowed");
        });
    }))
}

/// `DescribeVpcBlockPublicAccessExclusions`.
pub(super) fn exclusions(_: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let params = request.params;
    let action = "DescribeVpcBlockPublicAccessExclusions";
    Paging::parse(params, action, USUAL_PAGE, Some("ExclusionId"))?;
    Filters::parse(params)?.check_names(|name| {
        ["resource-arn", "internet-gateway-exclusion-mode", "state", "tag-value"].contains(&name)
    })?;
    if let Some(id) = params.list("ExclusionId").next() {
        let id: String = id.chars().take(64).collect();
        return Err(Ec2Error::new(
            "InvalidVpcBlockPublicAccessExclusionId.NotFound",
            format_args!("The VPC Block Public Access exclusion '{id}' does not exist"),
        ));
    }
    Ok(request.respond(|x| x.items("vpcBlockPublicAccessExclusionSet", [(); 0], |_, ()| {})))
}
