//! A world with two owners of VPCs, and a client for each that works without HTTP.

use std::time::Duration;

use aws::params::Params;
use aws::xml::{Service, to_json};
use model::{
    Account, Caller, Change, Command, Principal, Scope, Sequence, SystemCommand, Timestamp, World,
};
use sha2::{Digest, Sha256};

use crate::credentials::TemporaryCredentials;
use crate::http::ec2::{ACTIONS, Action, Ec2Error, KeyMaker, Request, find, issued, refuse_unread};

pub(super) const US: &str = "us-east-1";

pub(super) struct Stage {
    pub world: World,
    pub now: Timestamp,
    pub read_only: bool,
    /// Who signs requests; `None` for the account itself.
    pub principal: Option<Principal>,
    ids: Sequence,
    /// The next id of [`Self::draw_smaller_ids`].
    below: u128,
    transcript: String,
}

pub(super) fn scope(account: &str, region: &str) -> Scope {
    Scope { account: account.parse().unwrap(), region: region.parse().unwrap() }
}

/// The account and region that most requests come from.
pub(super) fn alice() -> Scope {
    scope("111111111111", US)
}

/// Another account.
pub(super) fn bob() -> Scope {
    scope("222222222222", US)
}

/// Chance that is the same in every run.
pub(crate) fn fill(bytes: &mut [u8]) {
    static TURN: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    for chunk in bytes.chunks_mut(32) {
        let turn = TURN.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let digest = Sha256::digest(turn.to_be_bytes());
        chunk.copy_from_slice(&digest[..chunk.len()]);
    }
}

impl Stage {
    pub(super) fn new() -> Self {
        let now: Timestamp = "2026-01-31T12:00:00Z".parse().unwrap();
        let mut world = World::default();
        for (scope, name) in [(alice(), "alice"), (bob(), "bob")] {
            let account = Account {
                disabled: None,
                id: scope.account,
                name: name.into(),
                created: now,
                quotas: Default::default(),
            };
            world.apply(&Change::Put(account.into()));
        }
        Self {
            world,
            now,
            read_only: false,
            principal: None,
            ids: Sequence(0),
            below: 1_000_000,
            transcript: String::new(),
        }
    }

    /// Decides on a command of another caller.
    pub(super) fn decide(&mut self, caller: Caller, command: impl Into<Command>) {
        let decided = self.world.decide(caller, &command.into(), self.now, &mut self.ids);
        self.world = decided.unwrap().world;
    }

    pub(super) fn observe(&mut self, observation: model::Observation) {
        self.decide(Caller::System, SystemCommand::Observe(observation));
    }

    /// Makes all later ids sort before the existing ones.
    pub(super) fn draw_smaller_ids(&mut self) {
        self.below -= 1000;
        self.ids = Sequence(self.below);
    }

    pub(super) fn pass(&mut self, hours: u64) {
        self.now = self.now + Duration::from_secs(3600 * hours);
    }

    /// Sends a request.
    pub(super) fn call(&mut self, scope: Scope, form: &str) -> Result<String, Ec2Error> {
        let params = Params::parse(form.as_bytes())?;
        let answer = self.call_params(scope, &params);
        keep(&params, &answer);
        answer
    }

    fn principal(&self, scope: Scope) -> Principal {
        let itself = || Principal::of_key(scope.account, None, self.read_only);
        self.principal.clone().unwrap_or_else(itself)
    }

    pub(super) fn request<'a>(&self, scope: Scope, params: &'a Params) -> Request<'a> {
        Request {
            scope,
            read_only: self.read_only,
            principal: Box::leak(Box::new(self.principal(scope))),
            credentials: &|of| TemporaryCredentials {
                id: "ASIAAAAAAAAAAAAAAAAA".parse().unwrap(),
                secret: "secret".to_owned(),
                token: serde_json::to_string(of).unwrap(),
            },
            params,
            now: self.now,
            request_id: "00000000-0000-4000-8000-000000000000",
            // It lives as long as the test.
            keys: Box::leak(Box::new(KeyMaker::new(fill))),
            console: &|_| Ok(Some(b"it runs\n".to_vec())),
        }
    }

    fn call_params(&mut self, scope: Scope, params: &Params) -> Result<String, Ec2Error> {
        let request = self.request(scope, params);
        let name = params.required("Action")?;
        let service = service_of(name);
        match find(service, service.version(), name)? {
            Action::Read(read) => {
                let answer = read(&self.world, &request)?;
                refuse_unread(name, params)?;
                Ok(answer)
            }
            Action::Issue(parse) => {
                let command = parse(&self.world, &request)?.into();
                refuse_unread(name, params)?;
                let caller = Caller::Account { scope, read_only: request.principal.read_only };
                let decided = self.world.decide(caller, &command, self.now, &mut self.ids)?;
                assert_eq!(decided.changes, []);
                Ok(issued(&self.world, &self.world, &decided.reply, &request))
            }
            Action::Write { parse, answer } => {
                let command = parse(&self.world, &request)?.into();
                refuse_unread(name, params)?;
                let caller = Caller::Account { scope, read_only: self.read_only };
                let decided = self.world.decide(caller, &command, self.now, &mut self.ids)?;
                let before = std::mem::replace(&mut self.world, decided.world);
                Ok(answer(&before, &self.world, &decided.reply, &request))
            }
        }
    }

    /// Sends a request and adds it to the transcript with its answer.
    pub(super) fn show(&mut self, scope: Scope, form: &str) {
        let answer = match self.call(scope, form) {
            Ok(answer) => pretty(&answer),
            Err(error) => format!("{} {}: {}\n", error.status, error.code, error.message),
        };
        self.transcript.push_str(&format!("> {form}\n{answer}\n"));
    }

    /// The transcript of all shown requests.
    pub(super) fn transcript(&self) -> &str {
        &self.transcript
    }

    /// Sends a request and returns a value of its answer, by JSON pointer.
    pub(super) fn get(&mut self, scope: Scope, form: &str, pointer: &str) -> String {
        let answer = self.call(scope, form).unwrap_or_else(|e| panic!("{form}: {e:?}"));
        let json = to_json(&answer).unwrap();
        let value = json.pointer(pointer).unwrap_or_else(|| panic!("{form}: {json:#}"));
        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
    }

    /// Creates a VPC with one subnet.
    pub(super) fn vpc(&mut self, scope: Scope, block: &str) -> (String, String) {
        let vpc = self.get(scope, &format!("Action=CreateVpc&CidrBlock={block}"), "/vpc/vpcId");
        let form = format!("Action=CreateSubnet&VpcId={vpc}&CidrBlock={}", subnet_of(block));
        let subnet = self.get(scope, &form, "/subnet/subnetId");
        (vpc, subnet)
    }

    /// Requests a peering.
    pub(super) fn ask(&mut self, from: (Scope, &str), to: (Scope, &str)) -> String {
        let form = format!(
            "Action=CreateVpcPeeringConnection&VpcId={}&PeerVpcId={}&PeerOwnerId={}&PeerRegion={}",
            from.1, to.1, to.0.account, to.0.region
        );
        self.get(from.0, &form, "/vpcPeeringConnection/vpcPeeringConnectionId")
    }

    /// Accepts a peering request, and reports that the fabric carries it.
    pub(super) fn accept(&mut self, scope: Scope, pcx: &str) {
        self.call(scope, &accept_form(pcx)).unwrap();
        self.carry(pcx);
    }

    pub(super) fn carry(&mut self, pcx: &str) {
        self.observe(model::Observation {
            carried: [pcx.parse().unwrap()].into(),
            ..Default::default()
        });
    }
}

pub(super) fn accept_form(pcx: &str) -> String {
    format!("Action=AcceptVpcPeeringConnection&VpcPeeringConnectionId={pcx}")
}

/// The service that has an action.
pub(super) fn service_of(action: &str) -> Service {
    let entry = ACTIONS.iter().find(|(_, name, _)| *name == action);
    entry.map_or(Service::Ec2, |(service, ..)| *service)
}

/// Keeps an answer for `tests/tools/ec2-model`, which holds it against botocore's model, in the directory that
/// `CAUSEWAY_TEST_ANSWERS` names; of refusals one for each code.
fn keep(params: &Params, answer: &Result<String, Ec2Error>) {
    let Some(directory) = std::env::var_os("CAUSEWAY_TEST_ANSWERS") else { return };
    let action = params.get("Action").unwrap_or_default();
    let (name, text) = match answer {
        Ok(text) => {
            let digest = u64::from_be_bytes(*Sha256::digest(text).first_chunk().unwrap());
            (format!("{action}-{digest:016x}"), text.clone())
        }
        Err(Ec2Error { code, message, .. }) => {
            let text = aws::xml::error(service_of(action), code, message, "00000000");
            (format!("error-{code}"), text)
        }
    };
    let path = std::path::Path::new(&directory).join(format!("{name}.xml"));
    if !path.exists() {
        std::fs::write(path, text).unwrap();
    }
}

fn subnet_of(block: &str) -> String {
    let base = block.rsplit_once('.').unwrap().0.rsplit_once('.').unwrap().0;
    format!("{base}.1.0/24")
}

/// Formats XML with one element per line.
fn pretty(xml: &str) -> String {
    let mut depth = 0usize;
    let mut text = String::new();
    let body = xml.split_once('\n').map_or(xml, |(_, body)| body);
    let (opened, ends) = (body.replace("><", ">\n<"), |line: &str| line.contains("</"));
    for line in opened.lines() {
        if line.starts_with("</") {
            depth -= 1;
        }
        text.push_str(&format!("{}{line}\n", "  ".repeat(depth)));
        if !ends(line) && !line.ends_with("/>") {
            depth += 1;
        }
    }
    text
}
