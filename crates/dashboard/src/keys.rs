//! Tokens and access keys of one's own. No page has a secret but the one that follows its making.

use std::time::Duration;

use askama::Template;
use model::{
    Access, AccessKey, AccessKeyId, Key, Token, TokenBound, TokenId, TokenScopes, UserId, World,
};
use sha2::{Digest, Sha256};

use crate::context::Context;
use crate::markup::{Markup, command, copy_button, fill, mono, strong, strong_mono, text};
use crate::moment;
use crate::paths;
use crate::refusal::Refusal;
use crate::shell::Shell;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// How long a new token may live, by the number of days; the first one that is not `never` is usual.
const LIVES: [u32; 5] = [90, 1, 30, 365, 0];

/// How long a token is to live, by what a form says; `None` if it cannot be read.
pub fn lives(days: &str) -> Option<Option<Duration>> {
    let days = LIVES.into_iter().find(|each| each.to_string() == days)?;
    Some((days > 0).then(|| DAY * days))
}

/// A secret that was just made, which is shown once.
#[derive(Clone, Copy)]
pub enum Made<'a> {
    /// A token.
    Token(&'a str),
    /// An access key.
    Key {
        /// Its public half.
        id: AccessKeyId,
        /// Its secret half.
        secret: &'a str,
    },
}

/// What was done, for the page that follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyTold {
    /// A token was revoked.
    Revoked,
    /// An access key was deleted.
    Deleted,
}

impl KeyTold {
    /// Its form in an address.
    pub const fn query(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Deleted => "deleted",
        }
    }

    /// Reads what [`Self::query`] wrote.
    pub fn read(query: &str) -> Option<Self> {
        [Self::Revoked, Self::Deleted].into_iter().find(|told| told.query() == query)
    }
}

/// What is to end, which the page asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// A token of the viewer's.
    Token(TokenId),
    /// An access key, which only the operator ends.
    Key(AccessKeyId),
}

/// What the page shows beside the world.
#[derive(Clone, Copy, Default)]
pub struct KeysPage<'a> {
    /// The token that the viewer signed in with.
    pub own_token: Option<TokenId>,
    /// The access key that the viewer signed in with.
    pub own_key: Option<AccessKeyId>,
    /// A secret that was just made.
    pub made: Option<Made<'a>>,
    /// What was just done.
    pub told: Option<KeyTold>,
    /// Why something was not done.
    pub refused: Option<&'a Refusal>,
    /// What is asked about.
    pub asked: Option<Named>,
    /// What was typed of what a token is for.
    pub typed: &'a str,
}

#[derive(Template)]
#[template(path = "keys.html")]
struct Page<'a> {
    shell: Shell<'a>,
    made: Option<MadeView>,
    told: Option<&'static str>,
    refused: Option<Markup>,
    question: Option<Question>,
    /// The tokens of the user; `None` for who is none.
    tokens: Option<Tokens>,
    typed: &'a str,
    own_key: Option<KeyRow>,
    /// The keys of all accounts; `None` for who is not the operator.
    all_keys: Option<AllKeys>,
    here: &'static str,
}

struct MadeView {
    words: &'static str,
    /// What is shown of it: a label, the value, and a button that copies it.
    values: Vec<(&'static str, Markup, Markup)>,
}

struct Question {
    title: Markup,
    text: String,
    field: &'static str,
    id: String,
    answer: &'static str,
    button: &'static str,
    busy: &'static str,
}

struct Tokens {
    rows: Vec<TokenRow>,
    shown: String,
    lives: Vec<(u32, &'static str)>,
    command: Markup,
}

struct TokenRow {
    id: String,
    what: String,
    is_own: bool,
    /// What keeps it from all that its user may.
    limits: Vec<Markup>,
    made: Markup,
    ends: Markup,
}

struct AllKeys {
    rows: Vec<KeyRow>,
    shown: String,
    accounts: Vec<(String, String)>,
}

struct KeyRow {
    id: Markup,
    plain: String,
    account: Markup,
    access: &'static str,
    made: Markup,
    disabled: bool,
}

/// The viewer's tokens and keys.
pub fn keys(of: &Context<'_>, page: &KeysPage<'_>) -> askama::Result<String> {
    let t = of.texts();
    let own_key = page.own_key.and_then(|id| of.world.access_key(id));
    let own_key = own_key.filter(|key| of.viewer.account == Some(key.account));
    Page {
        shell: Shell::new(of, t.keys.title.into()),
        made: page.made.map(|made| self::made(of, made)),
        told: page.told.map(|told| match told {
            KeyTold::Revoked => t.keys.told_revoked,
            KeyTold::Deleted => t.keys.told_deleted,
        }),
        refused: page.refused.map(|refusal| refusal.sentence(of)),
        question: page.asked.and_then(|named| question(of, page, named)),
        tokens: of.viewer.user.map(|user| tokens(of, page, user)),
        typed: page.typed,
        own_key: own_key.map(|key| key_row(of, key)),
        all_keys: of.viewer.operator.then(|| all_keys(of)),
        here: paths::KEYS,
    }
    .render()
}

fn made(of: &Context<'_>, made: Made<'_>) -> MadeView {
    let t = of.texts();
    let value = |label: &'static str, value: &str| {
        (label, strong_mono(value), copy_button(t, label, value))
    };
    match made {
        Made::Token(secret) => {
            MadeView { words: t.keys.made_token, values: vec![value(t.token, secret)] }
        }
        Made::Key { id, secret } => MadeView {
            words: t.keys.made_key,
            values: vec![value(t.keys.key_id, &id.to_string()), value(t.keys.secret, secret)],
        },
    }
}

/// The question before something ends; `None` if it is not there for the viewer.
fn question(of: &Context<'_>, page: &KeysPage<'_>, named: Named) -> Option<Question> {
    let t = of.texts();
    Some(match named {
        Named::Token(id) => {
            let token = of.world.token(id)?;
            let is_theirs = of.viewer.user == Some(token.user) && token.is_live(of.now);
            let is_own = page.own_token == Some(id);
            let text = t.keys.revoke_text;
            is_theirs.then(|| Question {
                title: fill(t.keys.revoke_title, &[("token", strong(what(of, token)))]),
                text: match is_own {
                    true => format!("{text} {}", t.keys.revoke_own),
                    false => text.to_owned(),
                },
                field: "token",
                id: id.to_string(),
                answer: "revoke",
                button: t.keys.revoke,
                busy: t.keys.revoking,
            })?
        }
        Named::Key(id) => {
            let key = of.world.access_key(id).filter(|_| of.viewer.operator)?;
            Question {
                title: fill(t.keys.delete_title, &[("key", mono(key.id))]),
                text: t.keys.delete_text.to_owned(),
                field: "key",
                id: id.to_string(),
                answer: "delete-key",
                button: t.keys.delete,
                busy: t.keys.deleting,
            }
        }
    })
}

/// What a token is for.
fn what(of: &Context<'_>, token: &Token) -> String {
    match token.description.is_empty() {
        true => of.texts().keys.no_words.to_owned(),
        false => token.description.clone(),
    }
}

/// What keeps a token from all that its user may: its scopes, what it is bound to, that it is disabled.
fn limits(of: &Context<'_>, token: &Token) -> Vec<Markup> {
    let t = of.texts();
    let mut limits = Vec::new();
    if token.scopes != TokenScopes::default() {
        limits.push(fill(t.keys.scopes, &[("scopes", text(&token.scopes))]));
    }
    let bound = token.bound.map(|bound| match bound {
        TokenBound::App(id) => (t.keys.only_app, of.world.app(id).map(|app| app.name.clone())),
        TokenBound::Space(id) => {
            (t.keys.only_space, of.world.space(id).map(|space| space.name.clone()))
        }
    });
    if let Some((words, name)) = bound {
        limits.push(fill(words, &[("name", text(name.as_deref().unwrap_or(t.none)))]));
    }
    if token.disabled.is_some() {
        limits.push(t.operating.disabled.into());
    }
    limits
}

fn tokens(of: &Context<'_>, page: &KeysPage<'_>, user: UserId) -> Tokens {
    let t = of.texts();
    let mut tokens: Vec<_> = of.world.tokens_of(Key::User(user)).collect();
    tokens.retain(|token| token.is_live(of.now));
    tokens.sort_by_key(|token| (std::cmp::Reverse(token.created), token.id));
    let row = |token: &std::sync::Arc<Token>| TokenRow {
        id: token.id.to_string(),
        what: what(of, token),
        is_own: page.own_token == Some(token.id),
        limits: limits(of, token),
        made: moment::at(t, token.created),
        ends: match token.expires {
            Some(end) => moment::countdown(t, end, of.now),
            None => t.keys.never.into(),
        },
    };
    let words = |days| match days {
        1 => t.keys.day,
        30 => t.keys.month,
        90 => t.keys.quarter,
        365 => t.keys.year,
        _ => t.keys.never,
    };
    Tokens {
        rows: tokens.iter().map(|token| row(token)).collect(),
        shown: tokens_shown(of.world, user),
        lives: LIVES.into_iter().map(|days| (days, words(days))).collect(),
        command: command(t, &["heroku", "authorizations:create", "--description laptop"]),
    }
}

fn all_keys(of: &Context<'_>) -> AllKeys {
    let mut keys: Vec<_> = of.world.access_keys().collect();
    keys.sort_by_key(|key| (key.account, key.created, key.id));
    let platform = of.world.settings().map(|settings| settings.platform_account);
    let mut accounts: Vec<_> = of.world.accounts().collect();
    accounts.retain(|account| Some(account.id) != platform);
    accounts.sort_by(|a, b| a.name.cmp(&b.name));
    AllKeys {
        rows: keys.into_iter().map(|key| key_row(of, key)).collect(),
        shown: keys_shown(of.world),
        accounts: accounts
            .into_iter()
            .map(|account| (account.id.to_string(), account.name.clone()))
            .collect(),
    }
}

fn key_row(of: &Context<'_>, key: &AccessKey) -> KeyRow {
    let t = of.texts();
    let account = of.world.account(key.account).map(|account| text(&account.name));
    let account = account.unwrap_or_default();
    KeyRow {
        id: mono(key.id),
        plain: key.id.to_string(),
        account: fill("{name} {id}", &[("name", account), ("id", mono(key.account))]),
        access: match key.access {
            Access::Full => t.keys.access_full,
            Access::ReadOnly => t.keys.access_read_only,
        },
        made: moment::at(t, key.created),
        disabled: key.disabled.is_some(),
    }
}

/// The tokens of a user that a form was made for: a form sends this back, and is refused if they are
/// others meanwhile. So a form that is sent again makes no second token.
pub fn tokens_shown(world: &World, user: UserId) -> String {
    digest(world.tokens_of(Key::User(user)).map(|token| token.id.to_string()))
}

/// The same of the access keys of all accounts.
pub fn keys_shown(world: &World) -> String {
    digest(world.access_keys().map(|key| key.id.to_string()))
}

fn digest(ids: impl Iterator<Item = String>) -> String {
    let mut ids: Vec<_> = ids.collect();
    ids.sort_unstable();
    hex::encode(&Sha256::digest(ids.join(" "))[..8])
}
