//! The actions of STS that give out temporary credentials.

use aws::params::Params;
use aws::xml::{Service, Xml, query_response};
use model::{AccountId, AssumeRole, Principal, Reply, StsCommand, World};

use super::request::{Ec2Error, Request};

/// The fewest and the most characters that AWS takes for an ARN.
const SHORTEST_ARN: usize = 20;
const LONGEST_ARN: usize = 2048;

/// `AssumeRole`.
pub(super) fn assume_role(_: &World, request: &Request<'_>) -> Result<StsCommand, Ec2Error> {
    let params = request.params;
    let (account, role) = role_of(params.required("RoleArn")?)?;
    refuse_policies(params)?;
    // They have no effect, but are to be tags.
    for tag in params.structs("Tags") {
        let _ = (tag.required("Key")?, tag.required("Value")?);
    }
    Ok(StsCommand::AssumeRole(AssumeRole {
        by: request.principal.clone(),
        account,
        role,
        session: params.required("RoleSessionName")?.to_owned(),
        external_id: params.get("ExternalId").map(str::to_owned),
        seconds: seconds(params)?,
    }))
}

/// `GetSessionToken`.
pub(super) fn session_token(_: &World, request: &Request<'_>) -> Result<StsCommand, Ec2Error> {
    refuse_policies(request.params)?;
    let seconds = seconds(request.params)?;
    Ok(StsCommand::GetSessionToken { by: request.principal.clone(), seconds })
}

/// The answer of both: the credentials that were given out.
pub(crate) fn issued(_: &World, _: &World, reply: &Reply, request: &Request<'_>) -> String {
    let action = request.params.get("Action").unwrap_or_default();
    query_response(Service::Sts, action, request.request_id, |x| {
        let Reply::Credentials(of) = reply else { return };
        if let Some(role) = of.role().filter(|_| action == "AssumeRole") {
            x.nest("AssumedRoleUser", |x| {
                x.el("AssumedRoleId", format_args!("{}:{}", role.id, role.session));
                x.el("Arn", of.arn());
            });
        }
        credentials(x, of, request);
    })
}

fn credentials(x: &mut Xml, of: &Principal, request: &Request<'_>) {
    let made = (request.credentials)(of);
    x.nest("Credentials", |x| {
        x.el("AccessKeyId", made.id);
        x.el("SecretAccessKey", &made.secret);
        x.el("SessionToken", &made.token);
        x.opt("Expiration", of.expires.map(|end| end.to_seconds_string()));
    });
}

/// The account and the name that the ARN of a role names. The role's path is no part of its name.
fn role_of(arn: &str) -> Result<(AccountId, String), Ec2Error> {
    let shown: String = arn.chars().take(2 * 64).collect();
    let limit = match arn.chars().count() {
        ..SHORTEST_ARN => Some(("greater", SHORTEST_ARN)),
        SHORTEST_ARN..=LONGEST_ARN => None,
        _ => Some(("less", LONGEST_ARN)),
    };
    if let Some((side, limit)) = limit {
        return Err(Ec2Error::new(
            "ValidationError",
            format_args!(
                "1 validation error detected: Value '{shown}' at 'roleArn' failed to satisfy \
                 constraint: Member must have length {side} than or equal to {limit}"
            ),
        ));
    }
    let named = || {
        let rest = arn.strip_prefix("arn:aws:iam::")?;
        let (account, resource) = rest.split_once(':')?;
        let path = resource.strip_prefix("role/")?;
        let name = path.rsplit('/').next().filter(|name| !name.is_empty())?;
        Some((account.parse().ok()?, name.to_owned()))
    };
    named().ok_or_else(|| Ec2Error::new("ValidationError", format_args!("{shown} is invalid")))
}

fn seconds(params: &Params) -> Result<Option<u32>, Ec2Error> {
    let Some(text) = params.get("DurationSeconds") else { return Ok(None) };
    text.parse().map(Some).map_err(|_| {
        let text: String = text.chars().take(64).collect();
        Ec2Error::new(
            "MalformedInput",
            format_args!("DurationSeconds is a number of seconds, not '{text}'"),
        )
    })
}

/// What would narrow credentials, or wants a second factor, is refused where it cannot be carried out:
/// whoever asks for less must not get more.
fn refuse_policies(params: &Params) -> Result<(), Ec2Error> {
    let unsupported =
        ["Policy", "PolicyArns", "ProvidedContexts", "SerialNumber", "SourceIdentity", "TokenCode"];
    match unsupported.into_iter().find(|name| params.contains(name)) {
        Some(name) => Err(Ec2Error::new(
            "UnsupportedOperation",
            format_args!(
                "There are no policies, source identities and second factors here, so {name} cannot \
                 be carried out. A role with --read-only gives credentials that change nothing."
            ),
        )),
        None => Ok(()),
    }
}
