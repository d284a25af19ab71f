//! Roles and temporary credentials with the real `aws` command and boto3, and quotas.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use serde_json::Value;
use support::{Ran, Server, text};

/// A server with another account, and a role in that which the first account is trusted with.
struct Roles {
    server: Server,
    arn: String,
}

impl Roles {
    fn new() -> Self {
        let server = Server::none(&[]);
        server.causeway(&["accounts:create", "other"]).ok();
        let create = ["roles:create", "peering", "--account", "other", "--trust", "customer"];
        let options = ["--external-id", "7421", "--json"];
        let role = server.causeway(&[&create[..], &options].concat()).json();
        let arn = text(&role["arn"]);
        // The profile of somebody who has one key, and acts in the other account by the role.
        let home = server.data.path().join("home/.aws");
        std::fs::create_dir_all(&home).unwrap();
        let profile = format!(
            "[profile other]\nrole_arn = {arn}\ncredential_source = Environment\n\
             external_id = 7421\nrole_session_name = ci\n"
        );
        std::fs::write(home.join("config"), profile).unwrap();
        Self { server, arn }
    }

    /// The `aws` command in the role.
    fn aws(&self, arguments: &[&str]) -> Ran {
        self.server.aws(&[arguments, &["--profile", "other"]].concat())
    }
}

fn vpc(made: &Ran) -> Value {
    made.json()["Vpc"].clone()
}

#[test]
fn a_role_of_another_account_accepts_a_peering_and_its_credentials_outlive_a_restart() {
    let mut roles = Roles::new();
    let me = roles.aws(&["sts", "get-caller-identity"]).json();
    let arn = roles.arn.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/");
    assert_eq!(me["Arn"], format!("{arn}/ci"));

    let one = vpc(&roles.server.aws(&["ec2", "create-vpc", "--cidr-block", "10.1.0.0/16"]));
    let two = vpc(&roles.aws(&["ec2", "create-vpc", "--cidr-block", "10.2.0.0/16"]));
    assert_eq!(two["OwnerId"], me["Account"]);
    assert_ne!(one["OwnerId"], two["OwnerId"]);
    let (one, two, owner) = (text(&one["VpcId"]), text(&two["VpcId"]), text(&me["Account"]));
    let request = ["ec2", "create-vpc-peering-connection", "--vpc-id", &one];
    let to = ["--peer-vpc-id", &two, "--peer-owner-id", &owner];
    let asked = roles.server.aws(&[&request[..], &to].concat()).json();
    let pcx = text(&asked["VpcPeeringConnection"]["VpcPeeringConnectionId"]);
    let accept = ["ec2", "accept-vpc-peering-connection", "--vpc-peering-connection-id", &pcx];
    assert!(roles.server.aws(&accept).refused().contains("OperationNotPermitted"));
    roles.aws(&accept).ok();

    // The command keeps its credentials, and nothing is kept of them here: they hold all the same.
    assert!(roles.server.terminate().success());
    roles.server.restart();
    let look = ["ec2", "describe-vpcs", "--query", "Vpcs[].VpcId"];
    assert_eq!(roles.aws(&look).json(), serde_json::json!([two]));
    let audit = roles.server.causeway(&["audit", "--json"]).ok();
    assert!(audit.contains("Sts.AssumeRole"), "{audit}");

    // Once the role is gone they hold no longer, without anybody waiting for their time.
    roles.server.causeway(&["roles:destroy", "peering", "--confirm", "peering"]).ok();
    assert!(roles.aws(&look).refused().contains("AuthFailure"));
    let log = roles.server.log();
    // Whose request was refused is told by the id that it claimed.
    let mut told = log.lines().filter(|line| line.contains("ASIA"));
    assert!(told.all(|line| line.contains("Ec2.Authenticate")), "{log}");
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn boto3_signs_headers_and_addresses_with_a_session_token() {
    let roles = Roles::new();
    let script = format!(
        r#"
import boto3, json, urllib.error, urllib.request
from botocore.exceptions import ClientError

sts = boto3.client("sts")
def code(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]

asked = dict(RoleArn="{arn}", RoleSessionName="script")
denied = code(sts.assume_role, **asked)
given = sts.assume_role(ExternalId="7421", DurationSeconds=900, **asked)
def client(service, kept):
    return boto3.client(
        service, aws_access_key_id=kept["AccessKeyId"],
        aws_secret_access_key=kept["SecretAccessKey"], aws_session_token=kept["SessionToken"])
kept = given["Credentials"]
ec2 = client("ec2", kept)
ec2.create_vpc(CidrBlock="10.9.0.0/16")
address = ec2.generate_presigned_url("describe_vpcs", HttpMethod="GET")
shown = urllib.request.urlopen(address).read().decode()
try:
    urllib.request.urlopen(address.replace("X-Amz-Security-Token=", "X-Amz-Security-Token=A"))
    forged = None
except urllib.error.HTTPError as error:
    forged = error.code
own = sts.get_session_token(DurationSeconds=900)["Credentials"]
print(json.dumps({{
    "denied": denied,
    "user": given["AssumedRoleUser"]["Arn"],
    "lives": (kept["Expiration"] - own["Expiration"]).total_seconds(),
    "shown": "10.9.0.0/16" in shown,
    "forged": forged,
    "me": client("sts", own).get_caller_identity()["Arn"],
    "first": sts.get_caller_identity()["Arn"],
    "again": code(client("sts", own).get_session_token),
    "lost": code(client("sts", dict(own, SessionToken="x")).get_caller_identity),
    "roles": [role["RoleName"] for role in client("iam", kept).list_roles()["Roles"]],
    "trust": client("iam", kept).get_role(RoleName="peering")["Role"]["AssumeRolePolicyDocument"],
    "summary": client("iam", kept).get_account_summary()["SummaryMap"]["Roles"],
    "absent": code(client("iam", kept).list_users),
}}))
"#,
        arn = roles.arn
    );
    let got = roles.server.python(&script).json();
    assert_eq!(got["denied"], "AccessDenied", "{got}");
    assert!(text(&got["user"]).ends_with(":assumed-role/peering/script"), "{got}");
    assert!(got["lives"].as_f64().unwrap().abs() < 60.0, "{got}");
    assert_eq!(got["shown"], true, "{got}");
    assert_eq!(got["forged"], 401, "{got}");
    assert_eq!(got["me"], got["first"], "{got}");
    assert_eq!(got["again"], "AccessDenied", "{got}");
    assert_eq!(got["lost"], "InvalidClientTokenId", "{got}");
    assert_eq!(got["roles"], serde_json::json!(["peering"]), "{got}");
    let statement = &got["trust"]["Statement"][0];
    assert_eq!(statement["Action"], "sts:AssumeRole", "{got}");
    assert_eq!(statement["Condition"]["StringEquals"]["sts:ExternalId"], "7421", "{got}");
    assert_eq!(got["summary"], 1, "{got}");
    assert_eq!(got["absent"], "InvalidAction", "{got}");
}

#[test]
fn accounts_have_as_much_as_the_operator_says_and_like_awss_where_that_is_asked_for() {
    let mut server = Server::none(&[]);
    server.causeway(&["accounts:create", "other"]).ok();
    let create = ["ec2", "create-vpc", "--cidr-block", "10.1.0.0/16"];
    for _ in 0..6 {
        server.aws(&create).ok();
    }
    assert!(server.terminate().success());
    server.restart_with(&["--like-aws"]);
    let refused = server.aws(&create).refused();
    assert!(refused.contains("(VpcLimitExceeded)"), "{refused}");
    let set =
        server.causeway(&["quotas:set", "vpcs-per-region", "7", "--account", "customer"]).ok();
    assert_eq!(set.trim(), "vpcs-per-region is 7 for the account customer");
    server.aws(&create).ok();
    assert!(server.aws(&create).refused().contains("(VpcLimitExceeded)"));
    let limit = |arguments: &[&str]| {
        let all = server.causeway(&[&["quotas", "--json"], arguments].concat()).json();
        let all = all.as_array().unwrap();
        all.iter().find(|quota| quota["name"] == "vpcs-per-region").unwrap().clone()
    };
    assert_eq!(limit(&["--account", "customer"])["limit"], 7);
    assert_eq!(limit(&["--account", "other"])["limit"], 5);
    assert_eq!(limit(&[])["set"], false);
    let wrong = server.causeway(&["quotas:set", "vpcs", "7"]).refused();
    assert!(wrong.contains("`causeway quotas` lists them"), "{wrong}");
    server.causeway(&["quotas:set", "vpcs-per-region", "default", "--account", "customer"]).ok();
    assert_eq!(limit(&["--account", "customer"])["limit"], 5);
    let table = server.causeway(&["quotas"]).ok();
    assert!(table.contains("subnets-per-vpc") && table.contains("SubnetLimitExceeded"), "{table}");
}

#[test]
fn an_emulator_has_every_role() {
    let server = Server::none(&["--emulator"]);
    let me = server.python(
        r#"
import boto3
arn = "arn:aws:iam::210987654321:role/any"
kept = boto3.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
made = boto3.client(
    "ec2", aws_access_key_id=kept["AccessKeyId"], aws_secret_access_key=kept["SecretAccessKey"],
    aws_session_token=kept["SessionToken"]).create_vpc(CidrBlock="10.1.0.0/16")
print(made["Vpc"]["OwnerId"])
"#,
    );
    assert_eq!(me.ok().trim(), "210987654321");
}

#[test]
fn roles_are_listed_shown_and_destroyed_by_name_or_arn() {
    let roles = Roles::new();
    let server = &roles.server;
    let create = ["roles:create", "peering", "--account", "customer", "--trust", "other"];
    server.causeway(&[&create[..], &["--read-only", "--max-duration", "7200"]].concat()).ok();
    let ambiguous = server.causeway(&["roles:info", "peering"]).refused();
    assert!(ambiguous.contains("Several accounts have a role 'peering'"), "{ambiguous}");
    let info = server.causeway(&["roles:info", "peering", "--account", "customer"]).ok();
    assert!(info.contains("read_only") && info.contains("7200 seconds"), "{info}");
    let info = server.causeway(&["roles:info", &roles.arn, "--json"]).json();
    assert_eq!(info["external_id"], "7421", "{info}");
    let list = server.causeway(&["roles"]).ok();
    assert!(list.contains(&roles.arn), "{list}");
    let wrong = server.causeway(&["roles:destroy", &roles.arn, "--confirm", "other"]).refused();
    assert!(wrong.contains("nothing was changed"), "{wrong}");
    server.causeway(&["roles:destroy", &roles.arn, "--confirm", &roles.arn]).ok();
    assert!(server.causeway(&["roles:info", &roles.arn]).refused().contains("`causeway roles`"));
    let nobody = server
        .causeway(&["roles:create", "x", "--account", "other", "--trust", "nobody"])
        .refused();
    assert!(nobody.contains("There is no account 'nobody'"), "{nobody}");
}

#[test]
fn a_signed_address_holds_with_its_own_token_alone() {
    let roles = Roles::new();
    let script = format!(
        r#"
import boto3, json, re, urllib.error, urllib.request
from urllib.parse import quote

def given():
    return boto3.client("sts").assume_role(
        RoleArn="{arn}", RoleSessionName="script", ExternalId="7421")["Credentials"]
kept, other = given(), given()
url = boto3.client(
    "sts", aws_access_key_id=kept["AccessKeyId"], aws_secret_access_key=kept["SecretAccessKey"],
    aws_session_token=kept["SessionToken"]).generate_presigned_url("get_caller_identity", HttpMethod="GET")
token, another = (quote(it["SessionToken"], safe="") for it in (kept, other))
assert token in url and kept["AccessKeyId"] in url
def ask(url, **headers):
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers)).status
    except urllib.error.HTTPError as error:
        return [error.code, re.search("<Code>(.*?)</Code>", error.read().decode())[1]]
print(json.dumps({{
    "itself": ask(url),
    "beside": ask(url, **{{"X-Amz-Security-Token": other["SessionToken"]}}),
    "another": ask(url.replace(token, another)),
    "twice": ask(url + "&X-Amz-Security-Token=" + token),
    "none": ask(url.replace("&X-Amz-Security-Token=" + token, "")),
    "id": ask(url.replace(kept["AccessKeyId"], other["AccessKeyId"])),
    "longer": ask(re.sub("X-Amz-Expires=[0-9]+", "X-Amz-Expires=604800", url)),
    "action": ask(url.replace("GetCallerIdentity", "GetSessionToken")),
    "header": ask(url, Authorization="AWS4-HMAC-SHA256 Credential=x"),
}}))
"#,
        arn = roles.arn
    );
    let got = roles.server.python(&script).json();
    let expected = serde_json::json!({
        "itself": 200,
        // What is in a header that nothing signs says nothing.
        "beside": 200,
        "another": [403, "InvalidClientTokenId"],
        "twice": [400, "IncompleteSignature"],
        "none": [403, "InvalidClientTokenId"],
        "id": [403, "InvalidClientTokenId"],
        "longer": [403, "SignatureDoesNotMatch"],
        "action": [403, "SignatureDoesNotMatch"],
        "header": [400, "IncompleteSignature"],
    });
    assert_eq!(got, expected);
}

#[test]
fn no_log_however_loud_and_no_file_holds_a_token_or_its_secret() {
    let mut roles = Roles::new();
    let loud = roles.server.data.path().join("loud");
    let program = env!("CARGO_BIN_EXE_causeway");
    let script = format!("#!/bin/sh\nexec env CAUSEWAY_LOG=trace {program} \"$@\"\n");
    std::fs::write(&loud, script).unwrap();
    std::fs::set_permissions(&loud, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    assert!(roles.server.terminate().success());
    roles.server.restart_as(loud);
    // It is as loud as it can be: this is not told otherwise.
    let address = roles.server.url.strip_prefix("http://").unwrap();
    let mut stranger = std::net::TcpStream::connect(address).unwrap();
    std::io::Write::write_all(&mut stranger, b"\0\r\n\r\n").unwrap();
    std::io::Read::read_to_end(&mut stranger, &mut Vec::new()).unwrap();
    let script = format!(
        r#"
import boto3, json, urllib.request
from botocore.exceptions import ClientError

sts = boto3.client("sts")
kept = sts.assume_role(
    RoleArn="{arn}", RoleSessionName="script", ExternalId="7421")["Credentials"]
own = sts.get_session_token()["Credentials"]
def client(service, kept, **change):
    kept = dict(kept, **change)
    return boto3.client(
        service, aws_access_key_id=kept["AccessKeyId"],
        aws_secret_access_key=kept["SecretAccessKey"], aws_session_token=kept["SessionToken"])
client("ec2", kept).create_vpc(CidrBlock="10.1.0.0/16")
address = client("sts", own).generate_presigned_url("get_caller_identity", HttpMethod="GET")
urllib.request.urlopen(address)
wrong = [dict(SecretAccessKey=own["SecretAccessKey"]), dict(SessionToken=own["SessionToken"])]
for change in wrong:
    try:
        client("sts", kept, **change).get_caller_identity()
        raise SystemExit("believed")
    except ClientError as error:
        pass
print(json.dumps([it[name] for it in (kept, own) for name in ("SecretAccessKey", "SessionToken")]))
"#,
        arn = roles.arn
    );
    let secrets = roles.server.python(&script).json();
    let mut secrets: Vec<String> = secrets.as_array().unwrap().iter().map(text).collect();
    assert_eq!(secrets.len(), 4);
    // The token as it is in an address.
    secrets.extend(secrets.clone().iter().map(|it| it.replace('/', "%2F").replace('+', "%2B")));
    // Those that do not end, of which the server was asked in the same time.
    let lasting = ["AWS_SECRET_ACCESS_KEY", "HEROKU_API_KEY"];
    let known = roles.server.env(&[]).into_iter();
    secrets.extend(known.filter(|(name, _)| lasting.contains(&&**name)).map(|(_, value)| value));
    assert_eq!(secrets.len(), 10);
    let log = roles.server.log();
    assert!(log.contains("a connection broke off"), "{log}");
    // Each change and each refusal has its line, which says who asked for what.
    for said in ["Sts.AssumeRole", "Ec2.CreateVpc", "Ec2.Authenticate", "SignatureDoesNotMatch"] {
        assert!(log.contains(&format!("\"{said}\"")), "no line of {said}: {log}");
    }

    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("whole.backup");
    roles.server.causeway(&["backup", file.to_str().unwrap()]).ok();
    let mut left = vec![roles.server.data.path().to_owned(), place.path().to_owned()];
    let mut files = 0;
    while let Some(at) = left.pop() {
        // The home of those who use it.
        if at.ends_with("home") {
            continue;
        }
        if at.is_dir() {
            left.extend(std::fs::read_dir(&at).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        if !at.is_file() {
            continue;
        }
        let bytes = std::fs::read(&at).unwrap();
        let plain = String::from_utf8_lossy(&bytes);
        files += 1;
        for secret in &secrets {
            assert!(!plain.contains(secret), "{} holds {secret}", at.display());
        }
    }
    assert!(files > 3, "{files}");
}
