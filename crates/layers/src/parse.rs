//! What one file of Rust says about modules: which it declares, what it defines, imports and names.
//!
//! This reads tokens, not the grammar: enough to tell items from each other, and to find every path,
//! those in macros too.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, Group, LexError, TokenStream, TokenTree};

/// The last word of an import that brings in every name of a module.
pub(crate) const ALL: &str = "*";

/// What a file, or the body of a module, says.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// The modules that it declares, with their bodies where these are in the same file.
    pub(crate) modules: Vec<(String, Option<Source>)>,
    /// The names of the items that it defines.
    pub(crate) defines: BTreeSet<String>,
    /// Every word in the macros that it defines or calls at its top level: macros define items too.
    pub(crate) in_macros: BTreeSet<String>,
    /// What it imports, at its top level.
    pub(crate) imports: Vec<Import>,
    /// The paths in its code that begin with `crate`, `super`, `self` or a child's name.
    pub(crate) paths: BTreeSet<Vec<String>>,
    /// Every word in its code, imports apart, that is not behind another one in a path.
    pub(crate) words: BTreeSet<String>,
}

/// One name that a `use` brings in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Import {
    /// The path that it leads to; the last word may be [`ALL`].
    pub(crate) path: Vec<String>,
    /// The name under which it is imported.
    pub(crate) name: String,
    /// Whether it gives the name to others as well.
    pub(crate) public: bool,
}

/// Reads a file.
///
/// # Errors
///
/// Its text is not made of Rust's tokens.
pub(crate) fn file(text: &str) -> Result<Source, LexError> {
    Ok(source(text.parse()?))
}

fn source(tokens: TokenStream) -> Source {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut source = Source::default();
    // What is left when declarations of modules, imports and tests are taken out.
    let mut code = Vec::new();
    let mut public = false;
    let mut at = 0;
    while at < tokens.len() {
        let rest = &tokens[at..];
        at += match word(rest.first()).as_deref() {
            Some("pub") => {
                public = true;
                1 + usize::from(group(rest.get(1), Delimiter::Parenthesis).is_some())
            }
            Some("mod") if word(rest.get(1)).is_some() => {
                let body = group(rest.get(2), Delimiter::Brace);
                let name = word(rest.get(1)).unwrap_or_default();
                source.modules.push((name, body.map(|body| self::source(body.stream()))));
                public = false;
                3
            }
            Some("use") => {
                let length = rest.iter().take_while(|token| !is_punct(Some(token), ';')).count();
                read_use(&rest[1..length], &[], public, &mut source.imports);
                public = false;
                length + 1
            }
            _ if is_test(rest) => item_length(rest),
            _ if is_attribute(rest) => 2,
            _ => {
                if is_punct(rest.first(), ';') || group(rest.first(), Delimiter::Brace).is_some() {
                    public = false;
                }
                define(rest, &mut source);
                code.push(rest[0].clone());
                1
            }
        };
    }
    let children = source.modules.iter().map(|(name, _)| (name.clone(), ())).collect();
    read_code(&code, &children, &mut source);
    source
}

/// Notes the item that begins here, if one does.
fn define(rest: &[TokenTree], source: &mut Source) {
    const ITEMS: [&str; 8] = ["struct", "enum", "union", "fn", "const", "static", "type", "trait"];
    let Some(first) = word(rest.first()) else { return };
    let name = word(rest.get(1));
    if ITEMS.contains(&first.as_str()) {
        source.defines.extend(name);
    } else if is_punct(rest.get(1), '!') {
        // `macro_rules! name { … }` or a call.
        let named = word(rest.get(2));
        let body = if named.is_some() { rest.get(3) } else { rest.get(2) };
        source.defines.extend(named);
        if let Some(TokenTree::Group(body)) = body {
            all_words(body.stream(), &mut source.in_macros);
        }
    }
}

/// Reads what stands between `use` and `;`, below a path.
fn read_use(tokens: &[TokenTree], below: &[String], public: bool, imports: &mut Vec<Import>) {
    for tokens in tokens.split(|token| is_punct(Some(token), ',')) {
        // What follows the last comma of a group.
        if tokens.is_empty() {
            continue;
        }
        let mut path = below.to_vec();
        let mut alias = None;
        let mut tokens = tokens.iter();
        let mut grouped = false;
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Group(inner) => {
                    let inner: Vec<_> = inner.stream().into_iter().collect();
                    read_use(&inner, &path, public, imports);
                    grouped = true;
                }
                TokenTree::Ident(word) if word == "as" => {
                    alias = tokens.next().map(ToString::to_string);
                }
                // `use a::{self}` is `use a`.
                TokenTree::Ident(word) if word == "self" && !path.is_empty() => {}
                TokenTree::Ident(word) => path.push(plain(&word.to_string())),
                TokenTree::Punct(punct) if punct.as_char() == '*' => path.push(ALL.to_owned()),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
        if let Some(last) = path.last().filter(|_| !grouped) {
            let name = alias.unwrap_or_else(|| last.clone());
            imports.push(Import { path, name, public });
        }
    }
}

/// Finds words and paths in code, and imports inside of functions.
fn read_code(tokens: &[TokenTree], children: &BTreeMap<String, ()>, source: &mut Source) {
    let mut at = 0;
    while at < tokens.len() {
        let rest = &tokens[at..];
        at += 1;
        match &rest[0] {
            TokenTree::Group(inner) => {
                let inner: Vec<_> = inner.stream().into_iter().collect();
                read_code(&inner, children, source);
            }
            TokenTree::Ident(first) => {
                let first = plain(&first.to_string());
                // In a type, `use<…>` says what it captures.
                if first == "use" && !is_punct(rest.get(1), '<') {
                    let length = rest.iter().take_while(|t| !is_punct(Some(t), ';')).count();
                    let mut imports = Vec::new();
                    read_use(&rest[1..length], &[], false, &mut imports);
                    let paths = imports.into_iter().map(|import| import.path);
                    source.paths.extend(paths.filter(|path| leads_inside(&path[0], children)));
                    at += length.saturating_sub(1);
                    continue;
                }
                let goes_on = at >= 3
                    && is_punct(tokens.get(at - 2), ':')
                    && is_punct(tokens.get(at - 3), ':');
                if goes_on {
                    continue;
                }
                if leads_inside(&first, children) {
                    source.paths.extend(path_at(rest));
                }
                source.words.insert(first);
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// Whether a path that begins so, in a module with these children, stays inside the crate.
pub(crate) fn leads_inside<T>(first: &str, children: &BTreeMap<String, T>) -> bool {
    matches!(first, "crate" | "super" | "self") || children.contains_key(first)
}

/// The path that begins here, if it has more than one word.
fn path_at(tokens: &[TokenTree]) -> Option<Vec<String>> {
    let mut path = vec![word(tokens.first())?];
    let mut rest = &tokens[1..];
    while let [colon, other, next, ..] = rest
        && is_punct(Some(colon), ':')
        && is_punct(Some(other), ':')
        && let Some(next) = word(Some(next))
    {
        path.push(next);
        rest = &rest[3..];
    }
    (path.len() > 1).then_some(path)
}

fn all_words(tokens: TokenStream, words: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Group(inner) => all_words(inner.stream(), words),
            TokenTree::Ident(word) => {
                words.insert(plain(&word.to_string()));
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// Whether an attribute begins here: `#[…]` or `#![…]`.
fn is_attribute(tokens: &[TokenTree]) -> bool {
    is_punct(tokens.first(), '#')
        && (group(tokens.get(1), Delimiter::Bracket).is_some() || is_punct(tokens.get(1), '!'))
}

/// Whether `#[cfg(test)]` begins here, or one with `test` among what `all` needs.
fn is_test(tokens: &[TokenTree]) -> bool {
    let Some(attribute) = group(tokens.get(1), Delimiter::Bracket) else { return false };
    let inside: Vec<TokenTree> = attribute.stream().into_iter().collect();
    let condition = group(inside.get(1), Delimiter::Parenthesis);
    let condition = condition.map(|condition| condition.stream().to_string());
    let needs_test = |text: String| text == "test" || text.starts_with("all (test");
    is_punct(tokens.first(), '#')
        && word(inside.first()).as_deref() == Some("cfg")
        && condition.is_some_and(needs_test)
}

/// How many tokens the item takes that begins here, with its attributes.
fn item_length(tokens: &[TokenTree]) -> usize {
    let is_end = |token: &TokenTree| {
        is_punct(Some(token), ';') || group(Some(token), Delimiter::Brace).is_some()
    };
    tokens.iter().position(is_end).map_or(tokens.len(), |end| end + 1)
}

fn word(token: Option<&TokenTree>) -> Option<String> {
    match token {
        Some(TokenTree::Ident(word)) => Some(plain(&word.to_string())),
        _ => None,
    }
}

/// A word without the `r#` that lets a keyword be a name.
fn plain(word: &str) -> String {
    word.strip_prefix("r#").unwrap_or(word).to_owned()
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

fn group(token: Option<&TokenTree>, delimiter: Delimiter) -> Option<&Group> {
    match token {
        Some(TokenTree::Group(group)) if group.delimiter() == delimiter => Some(group),
        _ => None,
    }
}
