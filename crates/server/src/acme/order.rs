//! One order at an ACME server: from the account to the certificate.

use std::sync::Arc;
use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Error as AcmeError, Identifier, NewAccount,
    NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};

use super::certificates::{Certificates, proof};
use super::client::Client;
use super::failure::Error;
use super::keep::{Account as KeptAccount, Keep, Kept};
use crate::config::AcmeConfig;

/// How long the server may take to look at a proof, or to make a certificate.
const PATIENCE: RetryPolicy =
    RetryPolicy::new().initial_delay(Duration::from_millis(500)).timeout(Duration::from_secs(120));

/// Asks for a certificate, with a key of its own, and proves whose the names are.
pub(super) async fn obtain(certificates: &Certificates) -> Result<Kept, Error> {
    let (config, keep) = (&certificates.config, &certificates.keep);
    let client = Client::new(config.ca.as_deref())?;
    let names: Vec<_> = config.names.iter().cloned().map(Identifier::Dns).collect();
    let wanted = NewOrder::new(&names);
    let kept = keep.account().filter(|kept| kept.directory == config.directory);
    let mut order = match kept {
        Some(kept) => {
            let account = resumed(kept, config, keep, &client).await?;
            match account.new_order(&wanted).await {
                // The server has forgotten it, as one that was set up anew does.
                Err(error) if is_unknown_account(&error) => {
                    registered(config, keep, &client).await?.new_order(&wanted).await?
                }
                order => order?,
            }
        }
        None => registered(config, keep, &client).await?.new_order(&wanted).await?,
    };
    prove(&mut order, certificates).await?;
    let ready = match order.state().status {
        OrderStatus::Pending => order.poll_ready(&PATIENCE).await,
        status => Ok(status),
    };
    match ready {
        Ok(OrderStatus::Invalid) | Err(AcmeError::Api(_)) => {
            let why = refusals(&mut order).await;
            let why =
                if why.is_empty() { ready.err().map(|error| error.to_string()) } else { Some(why) };
            return Err(why
                .unwrap_or_else(|| "the ACME server refused the order".to_owned())
                .into());
        }
        other => drop(other?),
    }
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(config.names.clone())?;
    params.distinguished_name = DistinguishedName::new();
    order.finalize_csr(params.serialize_request(&key)?.der()).await?;
    let chain = order.poll_certificate(&PATIENCE).await?;
    let (directory, names) = (config.directory.clone(), config.names.clone());
    Ok(Kept { directory, names, chain, key: key.serialize_pem() })
}

fn is_unknown_account(error: &AcmeError) -> bool {
    const UNKNOWN: &str = "urn:ietf:params:acme:error:accountDoesNotExist";
    matches!(error, AcmeError::Api(problem) if problem.r#type.as_deref() == Some(UNKNOWN))
}

fn contact(email: Option<&str>) -> Vec<String> {
    email.map(|email| format!("mailto:{email}")).into_iter().collect()
}

/// The account that is kept. The server is told of another address of its owner.
async fn resumed(
    mut kept: KeptAccount,
    config: &AcmeConfig,
    keep: &Keep,
    client: &Client,
) -> Result<Account, Error> {
    let credentials = serde_json::from_value(serde_json::to_value(&kept.credentials)?)?;
    let builder = Account::builder_with_http(Box::new(client.clone()));
    let account = builder.from_credentials(credentials).await?;
    if kept.email != config.email {
        let contact = contact(config.email.as_deref());
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        match account.update_contacts(&contact).await {
            Ok(()) => {
                kept.email.clone_from(&config.email);
                keep.set_account(&kept)?;
            }
            Err(error) if is_unknown_account(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(account)
}

/// A new account, which is kept before anything is done with it.
async fn registered(config: &AcmeConfig, keep: &Keep, client: &Client) -> Result<Account, Error> {
    let contact = contact(config.email.as_deref());
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let wanted = NewAccount {
        contact: &contact,
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let builder = Account::builder_with_http(Box::new(client.clone()));
    let (account, credentials) = builder.create(&wanted, config.directory.clone(), None).await?;
    let (directory, email) = (config.directory.clone(), config.email.clone());
    keep.set_account(&KeptAccount { directory, email, credentials })?;
    Ok(account)
}

/// Shows a proof for each name that the server wants one for, and has it look.
async fn prove(order: &mut Order, certificates: &Certificates) -> Result<(), Error> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status != AuthorizationStatus::Pending {
            continue;
        }
        let name = authorization.identifier().to_string();
        let mut challenge = authorization
            .challenge(ChallengeType::TlsAlpn01)
            .ok_or("the ACME server takes no proof by TLS-ALPN-01")?;
        let digest = challenge.key_authorization().digest().as_ref().try_into()?;
        certificates.prove(&name, Arc::new(proof(&name, &digest)?));
        challenge.set_ready().await?;
    }
    Ok(())
}

/// What the server says of the names that it refused.
async fn refusals(order: &mut Order) -> String {
    let mut said = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let Ok(mut authorization) = authorization else { continue };
        let Ok(state) = authorization.refresh().await else { continue };
        let name = state.identifier().to_string();
        let problems = state.challenges.iter().filter_map(|challenge| challenge.error.as_ref());
        said.extend(problems.map(|problem| format!("{name}: {problem}")));
    }
    said.join("; ")
}
