//! A browser without a script: it keeps cookies, and sends forms with their hidden fields.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws::sigv4::SigningKey;
use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use model::{
    AccountId, Caller, Ec2Command, IdentityCommand, Key, PcxId, PlatformCommand, Region, Scope,
    UserId,
};

use crate::credentials::new_access_key;
use crate::http::dashboard::{Dashboard, router};
use crate::http::platform::tests::fixture::{Fixture, Got};

/// Where the browser believes to be.
pub(super) const HOST: &str = "127.0.0.1:4880";

/// A server with the dashboard alone.
pub(super) async fn server() -> Fixture {
    let server = Fixture::set_up().await;
    let dashboard = Dashboard::new(Arc::clone(&server.state));
    server.behind(router(dashboard))
}

/// The same, with a space of the team of Alice and Bob, and a VPC of an account that asks for a
/// peering.
pub(super) async fn joined() -> (Fixture, PcxId) {
    let server = server().await;
    let world = server.state.world();
    let team = world.team_named("acme").unwrap().id;
    let (name, region, cidr, data_cidr) = ("alpha".to_owned(), None, None, None);
    let space = PlatformCommand::CreateSpace { name, team, region, cidr, data_cidr };
    server.command(Caller::Operator, space).await;
    server.observe().await;
    let peering = request(&server, "10.100.0.0/16").await;
    (server, peering)
}

/// A request for a peering with the space, of a new VPC.
pub(super) async fn request(server: &Fixture, block: &str) -> PcxId {
    let account = account(server).await;
    let scope = Scope { account, region: Region::DEFAULT };
    let caller = Caller::Account { scope, read_only: false };
    let cidr = block.parse().unwrap();
    let vpc = Ec2Command::create_vpc(cidr, Default::default());
    let Key::Vpc(vpc) = server.command(caller, vpc).await else { panic!("no VPC") };
    let world = server.state.world();
    let ask = Ec2Command::CreatePeering {
        vpc,
        peer_vpc: world.space_named("alpha").unwrap().vpc,
        peer_owner: Some(world.settings().unwrap().platform_account),
        peer_region: Some(Region::DEFAULT),
        tags: Default::default(),
    };
    match server.command(caller, ask).await {
        Key::Peering(id) => id,
        other => panic!("{other:?}"),
    }
}

/// The account that asks.
pub(super) async fn account(server: &Fixture) -> AccountId {
    if let Some(account) = server.state.world().account_named("partner") {
        return account.id;
    }
    let create = IdentityCommand::CreateAccount { name: "partner".to_owned() };
    match server.command(Caller::Operator, create).await {
        Key::Account(id) => id,
        other => panic!("{other:?}"),
    }
}

/// A new access key of that account: its id and its secret.
pub(super) async fn access_key(server: &Fixture) -> (String, String) {
    let account = account(server).await;
    let (id, secret, command) =
        new_access_key(&server.state.secret, account, model::Access::Full).unwrap();
    server.command(Caller::Operator, command).await;
    (id.to_string(), secret)
}

/// The user's id.
pub(super) fn user(server: &Fixture, name: &str) -> UserId {
    server.state.world().user_named(&format!("{name}@example.com")).unwrap().id
}

/// A browser without a script.
pub(super) struct Browser<'a> {
    server: &'a Fixture,
    pub(super) cookies: BTreeMap<String, String>,
    /// Headers that are sent with every request.
    pub(super) headers: Vec<(&'static str, String)>,
}

impl<'a> Browser<'a> {
    pub(super) fn new(server: &'a Fixture) -> Self {
        Self { server, cookies: BTreeMap::new(), headers: Vec::new() }
    }

    /// One that is signed in with a token.
    pub(super) async fn signed_in(server: &'a Fixture, token: &str) -> Self {
        let mut browser = Self::new(server);
        let got = browser.sign_in(&[("with", "token"), ("token", token)]).await;
        assert_eq!(got.status, 303, "{}", got.text);
        browser
    }

    fn request(&self, method: &str, path: &str) -> http::request::Builder {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = Request::builder().method(method).uri(path).header("host", HOST);
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        request
    }

    async fn send(&mut self, request: Request<Body>) -> Got {
        let got = self.server.send(request).await;
        for line in got.headers.get_all("set-cookie") {
            let line = line.to_str().unwrap();
            let (pair, attributes) = line.split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        got
    }

    pub(super) async fn get(&mut self, path: &str) -> Got {
        let request = self.request("GET", path).body(Body::empty()).unwrap();
        self.send(request).await
    }

    /// An answer whose body is still to be read.
    pub(super) async fn open(&self, path: &str) -> Response {
        let request = self.request("GET", path).body(Body::empty()).unwrap();
        self.server.open(request).await
    }

    /// Sends a form with these fields, as a page of the same origin.
    pub(super) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Got {
        self.post_from(path, fields, &[("sec-fetch-site", "same-origin")]).await
    }

    pub(super) async fn post_from(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        headers: &[(&'static str, &str)],
    ) -> Got {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut request =
            self.request("POST", path).header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(form)).unwrap()).await
    }

    /// Opens a page and sends its form with its hidden fields, and these.
    pub(super) async fn fill(&mut self, path: &str, fields: &[(&str, &str)]) -> Got {
        let page = self.get(path).await.text;
        let (form, shown) = (hidden(&page, "form").unwrap(), hidden(&page, "shown"));
        let mut all = vec![("form", form.as_str())];
        all.extend(shown.as_deref().map(|shown| ("shown", shown)));
        all.extend(fields);
        self.post(path, &all).await
    }

    /// Opens the page where one signs in and sends its form.
    pub(super) async fn sign_in(&mut self, fields: &[(&str, &str)]) -> Got {
        self.fill("/dashboard/sign-in", fields).await
    }

    /// Signs in with an access key, as the script does it.
    pub(super) async fn sign_in_by_key(&mut self, id: &str, secret: &str) -> Got {
        let page = self.get("/dashboard/sign-in?with=access-key").await.text;
        let of = |name: &str| attribute(&page, name).unwrap();
        let (nonce, date, region) = (of("data-nonce"), of("data-date"), of("data-region"));
        let signature = sign(secret, &date, &region, &nonce);
        let form = hidden(&page, "form").unwrap();
        self.post(
            "/dashboard/sign-in",
            &[
                ("form", form.as_str()),
                ("with", "access-key"),
                ("key", id),
                ("nonce", &nonce),
                ("signature", &signature),
            ],
        )
        .await
    }
}

/// The signature that the page makes.
pub(super) fn sign(secret: &str, date: &str, region: &str, nonce: &str) -> String {
    let key = SigningKey::derive(secret, date, region, "causeway-dashboard");
    hex::encode(key.sign(&format!("causeway-dashboard sign-in\n{nonce}")))
}

/// The value of a hidden field.
pub(super) fn hidden(page: &str, name: &str) -> Option<String> {
    let (_, rest) = page.split_once(&format!("type=\"hidden\" name=\"{name}\" value=\""))?;
    Some(rest.split_once('"')?.0.to_owned())
}

pub(super) fn attribute(page: &str, name: &str) -> Option<String> {
    let (_, rest) = page.split_once(&format!("{name}=\""))?;
    Some(rest.split_once('"')?.0.to_owned())
}
