//! Both sides of a peering: command lines of `aws` and `heroku`, given through the public APIs.

use anyhow::{Context, bail};
use hyper::Method;
use serde_json::{Value, json};

use super::address::segment;
use super::ec2::Ec2;
use super::request::Client;
use super::signature::Keys;
use super::trust::TrustArgs;

/// Who acts on both sides of a peering.
pub(crate) struct Sides {
    /// Asks as all of them at once.
    pub(crate) viewer: Client,
    url: String,
    trust: TrustArgs,
    user: Option<Client>,
    keys: AccountKeys,
}

/// Where the access key of a VPC's owner comes from.
pub(super) enum AccountKeys {
    /// It is there.
    Given(Keys),
    /// The operator asks for that of each account.
    ByOperator(Box<Client>),
    /// There is none.
    None,
}

impl Sides {
    pub(super) fn new(
        url: String,
        trust: TrustArgs,
        viewer: Client,
        user: Option<Client>,
        keys: AccountKeys,
    ) -> Self {
        Self { viewer, url, trust, user, keys }
    }

    /// Does what a command line says, which is one of `aws ec2` or of `heroku`. `account` is the owner of
    /// the VPC that it is about.
    ///
    /// # Errors
    ///
    /// What failed or was refused.
    pub(crate) fn run(&self, line: &str, account: Option<&str>) -> anyhow::Result<Value> {
        let words = words(line)?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match &words[..] {
            ["aws", command @ ..] => {
                let keys = match &self.keys {
                    AccountKeys::Given(keys) => keys.clone(),
                    AccountKeys::ByOperator(operator) => {
                        keys_of(operator, account.map(ToOwned::to_owned))?
                    }
                    AccountKeys::None => bail!("there is no access key for `{line}`"),
                };
                Ec2::new(self.url.clone(), keys, &self.trust)?.call(command)
            }
            ["heroku", "spaces:peerings:accept", pcx, "--space", space] => {
                let path = format!("/spaces/{}/peerings", segment(space));
                self.user(line)?.post(&path, &json!({ "pcx_id": pcx }))
            }
            ["heroku", "spaces:peerings:destroy", pcx, "--space", space, ..] => {
                let path = format!("/spaces/{}/peerings/{}", segment(space), segment(pcx));
                self.user(line)?.delete(&path)
            }
            _ => bail!("`{line}` is no command that is known here"),
        }
    }

    fn user(&self, line: &str) -> anyhow::Result<&Client> {
        self.user.as_ref().with_context(|| format!("there is no token for `{line}`"))
    }
}

/// The access key that the operator gives out for an account.
pub(super) fn keys_of(operator: &Client, account: Option<String>) -> anyhow::Result<Keys> {
    let request = api::EnvironmentRequest { account, user: None };
    Ok(Keys::of(operator.write(&Method::POST, "/_causeway/env", &request)?))
}

/// The words of a command line, in which single quotes hold words together.
fn words(line: &str) -> anyhow::Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    if quoted {
        bail!("a quote of `{line}` does not end");
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_a_shell_reads_it() {
        for line in [
            "aws ec2 create-tags --resources rtb-1 --tags 'Key=a:b,Value=10.0.0.0/20 10.0.16.0/20'",
            "aws ec2 x --ip-permissions 'IpProtocol=tcp,IpRanges=[{CidrIp=10.0.0.0/8}]'  --a ''",
            "heroku spaces:peerings:accept pcx-1 --space my-space",
        ] {
            assert_eq!(words(line).unwrap(), shlex::split(line).unwrap(), "{line}");
        }
        assert!(words("aws 'ec2").is_err());
    }
}
