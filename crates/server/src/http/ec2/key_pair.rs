//! Key pairs.

use aws::xml::Xml;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::{
    Alias, Ec2Command, Key, KeyKind, KeyPair, KeyPairId, NewKeyPair, Reply, Tags, Timestamp, World,
};

use super::describe::{
    Described, Filter, Query, Stored, View, find_all, ids, listed, one, write_tags,
};
use super::input::{self, id_opt, missing_one_of};
use super::key_material::{PublicKey, parse};
use super::request::{Ec2Error, Request};

impl Described for KeyPair {
    type Id = KeyPairId;
    const SET: &'static str = "keySet";
    const PARAM: &'static str = "KeyPairId";
    const MALFORMED: &'static str = <KeyPairId as input::Named>::MALFORMED;
    const NOT_FOUND: (&'static str, &'static str) = ("InvalidKeyPair.NotFound", "key pair ID");
    const FILTERS: &'static [Filter<Self>] = &[
        ("fingerprint", |_, pair| one(&pair.fingerprint)),
        ("key-name", |_, pair| one(&pair.name)),
        ("key-pair-id", |_, pair| one(pair.id)),
    ];

    fn id(&self) -> KeyPairId {
        self.id
    }

    fn created(&self) -> Timestamp {
        self.created
    }

    fn tags<'v>(&'v self, _: &View<'v>) -> Option<&'v Tags> {
        Some(&self.tags)
    }

    fn write(&self, _: &View<'_>, x: &mut Xml) {
        x.el("keyPairId", self.id);
        x.el("keyFingerprint", &self.fingerprint);
        x.el("keyName", &self.name);
        x.el("keyType", self.kind.name());
        write_tags(x, Some(&self.tags));
        x.el("createTime", self.created);
    }
}

impl Stored for KeyPair {
    fn get<'w>(view: &View<'w>, id: KeyPairId) -> Option<&'w Self> {
        view.world
            .key_pair(id)
            .map(|pair| &**pair)
            .filter(|pair| view.owns(pair.account, pair.region))
    }

    fn all<'w>(view: &View<'w>) -> Vec<&'w Self> {
        let mine = view.world.key_pairs_of(Key::Account(view.scope.account));
        mine.map(|pair| &**pair).filter(|pair| view.owns(pair.account, pair.region)).collect()
    }
}

fn named<'w>(view: &View<'w>, name: &str) -> Option<&'w KeyPair> {
    match view.world.find(&Alias::KeyPair(view.scope, name.into()))? {
        Key::KeyPair(id) => KeyPair::get(view, id),
        _ => None,
    }
}

/// `DescribeKeyPairs`.
pub(super) fn describe(world: &World, request: &Request<'_>) -> Result<String, Ec2Error> {
    let params = request.params;
    let with_keys = params.bool("IncludePublicKey")?.unwrap_or_default();
    let view = View::new(world, request);
    let query = Query::parse::<KeyPair>(request)?;
    let wanted = ids::<KeyPair>(params)?;
    let names: Vec<&str> = params.list("KeyName").collect();
    let mut pairs = find_all::<KeyPair, _>(&wanted, |id| KeyPair::get(&view, id))?;
    let unknown: Vec<&str> =
        names.iter().copied().filter(|name| named(&view, name).is_none()).collect();
    if !unknown.is_empty() {
        let shown: Vec<String> =
            unknown.iter().take(16).map(|name| name.chars().take(255).collect()).collect();
        let (noun, does) = if unknown.len() == 1 { ("pair", "does") } else { ("pairs", "do") };
        return Err(Ec2Error::new(
            "InvalidKeyPair.NotFound",
            format_args!("The key {noun} '{}' {does} not exist", shown.join(", ")),
        ));
    }
    pairs.extend(names.iter().filter_map(|name| named(&view, name)));
    pairs.sort_by_key(|pair| pair.id);
    pairs.dedup_by_key(|pair| pair.id);
    if wanted.is_empty() && names.is_empty() {
        pairs = KeyPair::all(&view);
    }
    let (page, _) = query.among(&view, pairs)?;
    if !with_keys {
        return Ok(listed(&view, request, &page, None));
    }
    Ok(request.respond(|x| {
        x.items(KeyPair::SET, &page, |x, pair| {
            pair.write(&view, x);
            x.el("publicKey", &pair.public_key);
        });
    }))
}

fn new(
    request: &Request<'_>,
    key: &PublicKey,
    fingerprint: String,
) -> Result<NewKeyPair, Ec2Error> {
    let params = request.params;
    let name = params.required("KeyName")?;
    let comment = key.comment.as_deref().unwrap_or(name);
    let algorithm = match key.kind {
        KeyKind::Rsa => "ssh-rsa",
        KeyKind::Ed25519 => "ssh-ed25519",
    };
    Ok(NewKeyPair {
        name: name.to_owned(),
        kind: key.kind,
        fingerprint,
        public_key: format!("{algorithm} {} {comment}", STANDARD.encode(&key.blob)),
        tags: input::tag_specifications(params, "key-pair", &[])?,
    })
}

/// `CreateKeyPair`.
pub(super) fn create(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    params.required("KeyName")?;
    let kind = match params.get("KeyType") {
        None | Some("" | "rsa") => KeyKind::Rsa,
        Some("ed25519") => KeyKind::Ed25519,
        Some(other) => {
            return Err(params.invalid("KeyType", other, "Expecting rsa or ed25519.").into());
        }
    };
    if let Some(format) = params.get("KeyFormat").filter(|format| !["", "pem"].contains(format)) {
        let why = "Private keys are given as PEM here; puttygen makes PPK of them.";
        return Err(params.invalid("KeyFormat", format, why).into());
    }
    let made = request.keys.make(kind)?;
    Ok(Ec2Command::CreateKeyPair(new(request, &made.public, made.fingerprint.clone())?))
}

/// The answer to `CreateKeyPair`: the only place where the private half is ever seen.
pub(super) fn created(_: &World, after: &World, reply: &Reply, request: &Request<'_>) -> String {
    answer(after, reply, request, |x| x.opt("keyMaterial", request.keys.private()))
}

/// `ImportKeyPair`.
pub(super) fn import(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let key = parse(request.params.required("PublicKeyMaterial")?)?;
    let fingerprint = key.fingerprint();
    Ok(Ec2Command::ImportKeyPair(new(request, &key, fingerprint)?))
}

/// The answer to `ImportKeyPair`.
pub(super) fn imported(_: &World, after: &World, reply: &Reply, request: &Request<'_>) -> String {
    answer(after, reply, request, |_| {})
}

fn answer(
    world: &World,
    reply: &Reply,
    request: &Request<'_>,
    more: impl FnOnce(&mut Xml),
) -> String {
    let pair = match reply.main() {
        Some(Key::KeyPair(id)) => world.key_pair(id),
        _ => None,
    };
    request.respond(|x| {
        if let Some(pair) = pair {
            x.el("keyPairId", pair.id);
            x.el("keyName", &pair.name);
            x.el("keyFingerprint", &pair.fingerprint);
            more(x);
            write_tags(x, Some(&pair.tags));
        }
    })
}

/// `DeleteKeyPair`.
pub(super) fn delete(_: &World, request: &Request<'_>) -> Result<Ec2Command, Ec2Error> {
    let params = request.params;
    let id = id_opt(params, "KeyPairId")?;
    let name = params.get("KeyName").filter(|name| !name.is_empty()).map(str::to_owned);
    match (id, &name) {
        (None, None) => Err(missing_one_of("KeyName or KeyPairId")),
        (Some(_), Some(_)) => Err(Ec2Error::new(
            "InvalidParameterCombination",
            "The parameters KeyName and KeyPairId cannot be used together",
        )),
        _ => Ok(Ec2Command::DeleteKeyPair { id, name }),
    }
}

/// The answer to `DeleteKeyPair`.
pub(super) fn deleted(_: &World, _: &World, reply: &Reply, request: &Request<'_>) -> String {
    request.respond(|x| {
        x.el("return", true);
        if let Some(Key::KeyPair(id)) = reply.main() {
            x.el("keyPairId", id);
        }
    })
}
