//! Where a PostgreSQL server is, and how it is reached.

use std::fmt;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use super::tls::Tls;
use crate::{Error, Result, durable};

/// How long one attempt to connect to one address may take.
const TO_CONNECT: Duration = Duration::from_secs(3);

/// What a connection over which nothing comes is given up after.
const SILENT: Duration = Duration::from_secs(10);

/// A database on PostgreSQL, and the servers that may have it.
#[derive(Clone)]
pub struct PostgresUrl {
    /// One for each server, in the order in which they are tried.
    pub(super) servers: Vec<Config>,
    pub(super) tls: Option<Tls>,
    /// The address without a password.
    shown: String,
}

/// What is wrong with the address of a database. Says nothing of a password in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadUrl(String);

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresUrl").field(&self.shown).finish()
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// How a connection is protected.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Protection {
    Plain,
    Verified,
}

impl PostgresUrl {
    /// Whether a text is meant to be such an address.
    pub fn is_one(text: &str) -> bool {
        text.starts_with("postgres://") || text.starts_with("postgresql://")
    }

    /// Reads an address, and the files that it names: `sslrootcert`, `passfile`. Where it has no
    /// password, `PGPASSWORD` has one.
    ///
    /// # Errors
    ///
    /// What is wrong with the address or one of the files.
    pub fn read(text: &str) -> Result<Self> {
        let mut url = Self::parse(text).map_err(|error| Error::Url(error.to_string()))?;
        let parameters = Parameters::of(text);
        if url.tls.is_some() {
            let roots = parameters.get("sslrootcert").filter(|roots| roots != "system");
            url.tls = Some(Tls::new(roots.as_deref().map(Path::new))?);
        }
        if url.servers.iter().any(|server| server.get_password().is_some()) {
            return Ok(url);
        }
        if let Some(path) = parameters.get("passfile") {
            let lines = read_private(Path::new(&path))?;
            for server in &mut url.servers {
                if let Some(password) = password_in(&lines, server) {
                    server.password(password);
                }
            }
        } else if let Some(password) = std::env::var_os("PGPASSWORD") {
            for server in &mut url.servers {
                server.password(password.as_encoded_bytes());
            }
        }
        Ok(url)
    }

    /// Whether the address itself holds a password.
    pub fn has_password(text: &str) -> bool {
        let Some((_, rest)) = text.split_once("://") else { return false };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let user = rest.get(..end).and_then(|authority| authority.rsplit_once('@'));
        user.is_some_and(|(user, _)| user.contains(':'))
            || Parameters::of(text).get("password").is_some()
    }

    fn parse(text: &str) -> std::result::Result<Self, BadUrl> {
        let bad = |what: &str| BadUrl(format!("the address of the database {what}"));
        if !Self::is_one(text) {
            return Err(bad("must begin with postgres://"));
        }
        let mut parameters = Parameters::of(text);
        let mode = parameters.take("sslmode");
        parameters.take("sslrootcert");
        parameters.take("passfile");
        let plain = parameters.rest();
        // Its own error may tell what it did not understand, which may be a password.
        let whole: Config = plain.parse().map_err(|_| {
            bad("is none: it should look like postgres://user@host:5432/database, with what is \
                 special in a name or password as %XX")
        })?;
        if whole.get_hosts().is_empty() {
            return Err(bad("names no host"));
        }
        if whole.get_dbname().is_none_or(str::is_empty) {
            return Err(bad("names no database"));
        }
        let local = whole.get_hosts().iter().all(is_local);
        let protection = match mode.as_deref() {
            None if local => Protection::Plain,
            None | Some("require" | "verify-full") => Protection::Verified,
            Some("disable") => Protection::Plain,
            Some(other) => {
                return Err(bad(&format!(
                    "has sslmode={other}: it may be `verify-full` (also `require`, which is taken \
                     for the same), or `disable`"
                )));
            }
        };
        let servers = servers(&whole, protection);
        let tls = (protection == Protection::Verified).then(Tls::unset);
        Ok(Self { shown: shown(&whole), servers, tls })
    }

    /// Whether connections stay on this machine.
    pub(super) fn stays_here(&self) -> bool {
        self.servers.iter().flat_map(Config::get_hosts).all(is_local)
    }

    /// The host and port of one server.
    pub(super) fn name(&self, server: usize) -> String {
        let config = self.servers.get(server);
        config.map_or_else(String::new, |config| places(config).join(","))
    }

    /// The address without a password, where errors have the path of a file.
    pub(super) fn place(&self) -> PathBuf {
        PathBuf::from(&self.shown)
    }
}

impl FromStr for PostgresUrl {
    type Err = BadUrl;

    /// Checks the address alone: files that it names are not read, so that it cannot be used.
    fn from_str(text: &str) -> std::result::Result<Self, BadUrl> {
        Self::parse(text)
    }
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|it| it.is_loopback())
        }
    }
}

/// One configuration for each server: which of them is right, is for the caller to find out.
fn servers(whole: &Config, protection: Protection) -> Vec<Config> {
    let ports = whole.get_ports();
    let one = |(place, host): (usize, &Host)| {
        let mut server = Config::new();
        match host {
            Host::Tcp(name) => server.host(name),
            Host::Unix(path) => server.host_path(path),
        };
        server.port(ports.get(place).or(ports.first()).copied().unwrap_or(5432));
        if let Some(address) = whole.get_hostaddrs().get(place) {
            server.hostaddr(*address);
        }
        if let Some(user) = whole.get_user() {
            server.user(user);
        }
        if let Some(password) = whole.get_password() {
            server.password(password);
        }
        if let Some(options) = whole.get_options() {
            server.options(options);
        }
        server
            .dbname(whole.get_dbname().unwrap_or_default())
            .application_name(whole.get_application_name().unwrap_or("causeway"))
            .ssl_mode(match (protection, host) {
                (Protection::Verified, Host::Tcp(_)) => SslMode::Require,
                (Protection::Plain, _) | (_, Host::Unix(_)) => SslMode::Disable,
            })
            .connect_timeout(whole.get_connect_timeout().copied().unwrap_or(TO_CONNECT))
            .tcp_user_timeout(whole.get_tcp_user_timeout().copied().unwrap_or(SILENT))
            .keepalives_idle(SILENT / 2)
            .keepalives_interval(SILENT / 5)
            .keepalives_retries(3);
        server
    };
    whole.get_hosts().iter().enumerate().map(one).collect()
}

fn places(whole: &Config) -> Vec<String> {
    let ports = whole.get_ports();
    let place = |(place, host): (usize, &Host)| {
        let port = ports.get(place).or(ports.first()).copied().unwrap_or(5432);
        match host {
            Host::Tcp(name) if name.contains(':') => format!("[{name}]:{port}"),
            Host::Tcp(name) => format!("{name}:{port}"),
            Host::Unix(path) => format!("{}:{port}", path.display()),
        }
    };
    whole.get_hosts().iter().enumerate().map(place).collect()
}

fn shown(whole: &Config) -> String {
    let places = places(whole);
    let user = whole.get_user().map(|user| format!("{user}@")).unwrap_or_default();
    format!("postgres://{user}{}/{}", places.join(","), whole.get_dbname().unwrap_or_default())
}

/// What an address has after its question mark.
struct Parameters {
    before: String,
    pairs: Vec<String>,
}

impl Parameters {
    fn of(text: &str) -> Self {
        let (before, after) = text.split_once('?').unwrap_or((text, ""));
        let pairs = after.split('&').filter(|pair| !pair.is_empty()).map(str::to_owned).collect();
        Self { before: before.to_owned(), pairs }
    }

    fn get(&self, name: &str) -> Option<String> {
        let value = |pair: &String| Some(unescape(pair.split_once('=').filter(|p| p.0 == name)?.1));
        self.pairs.iter().find_map(value)
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let value = self.get(name);
        self.pairs.retain(|pair| pair.split_once('=').is_none_or(|(key, _)| key != name));
        value
    }

    fn rest(&self) -> String {
        if self.pairs.is_empty() {
            return self.before.clone();
        }
        format!("{}?{}", self.before, self.pairs.join("&"))
    }
}

/// What `%XX` stands for.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after
            .get(..2)
            .filter(|_| first == b'%')
            .and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A file that only its owner reads.
fn read_private(path: &Path) -> Result<String> {
    let metadata = fs::metadata(path).map_err(Error::file("open", path))?;
    durable::check_mode(path, &metadata, 0o077, 0o600)?;
    fs::read_to_string(path).map_err(Error::file("read", path))
}

/// The password for a server in a file as PostgreSQL's own programs read it: lines of
/// `host:port:database:user:password`, of which each but the last may be a star.
fn password_in(lines: &str, server: &Config) -> Option<String> {
    let host = match server.get_hosts().first()? {
        Host::Tcp(name) => name.clone(),
        Host::Unix(_) => "localhost".to_owned(),
    };
    let port = server.get_ports().first()?.to_string();
    let wanted = [&*host, &*port, server.get_dbname()?, server.get_user().unwrap_or_default()];
    lines.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = fields(line);
        let (password, names) = fields.split_last()?;
        let fits = |(name, wanted): (&String, &str)| name == "*" || name == wanted;
        (names.len() == wanted.len() && names.iter().zip(wanted).all(fits))
            .then(|| password.clone())
    })
}

/// The fields of a line; a backslash takes from a colon or a backslash what it means.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ':' if fields.len() < 5 => fields.push(String::new()),
            letter => {
                let letter = if letter == '\\' { letters.next() } else { Some(letter) };
                fields.last_mut().into_iter().for_each(|field| field.extend(letter));
            }
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn parse(text: &str) -> std::result::Result<PostgresUrl, String> {
        text.parse().map_err(|error: BadUrl| error.to_string())
    }

    #[test]
    fn addresses_are_shown_without_their_passwords() {
        let text = "postgres://app:hunter2@db1,db2:5433/ledger?connect_timeout=2&sslmode=disable";
        assert!(PostgresUrl::has_password(text));
        let url = parse(text).unwrap();
        assert_eq!(url.to_string(), "postgres://app@db1:5432,db2:5433/ledger");
        assert!(!format!("{url:?}").contains("hunter2"));
        assert_eq!(url.servers.len(), 2);
        assert_eq!(url.servers[1].get_ports(), [5433]);
        assert_eq!(url.servers[1].get_password(), Some(&b"hunter2"[..]));
        assert_eq!(url.servers[0].get_connect_timeout(), Some(&Duration::from_secs(2)));
        let socket = parse("postgresql:///ledger?host=/run/postgresql&user=app").unwrap();
        assert_eq!(socket.to_string(), "postgres://app@/run/postgresql:5432/ledger");
        assert!(!PostgresUrl::has_password("postgres://app@db/ledger?passfile=/a:b"));
        assert!(PostgresUrl::has_password("postgres://app@db/ledger?password=x"));
    }

    #[test]
    fn what_leaves_the_machine_is_verified_unless_somebody_says_otherwise() {
        let protected = |text: &str| parse(text).unwrap().servers[0].get_ssl_mode();
        for text in ["postgres://db/a", "postgres://db/a?sslmode=require", "postgres://10.0.0.1/a"]
        {
            assert_eq!(protected(text), SslMode::Require, "{text}");
        }
        for text in
            ["postgres://localhost/a", "postgres://[::1]/a", "postgres://db/a?sslmode=disable"]
        {
            assert_eq!(protected(text), SslMode::Disable, "{text}");
        }
        let refused = parse("postgres://db/a?sslmode=prefer").unwrap_err();
        assert!(refused.contains("sslmode=prefer") && refused.contains("verify-full"), "{refused}");
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_repeated() {
        for text in [
            "sqlite:///x",
            "postgres://",
            "postgres:///ledger",
            "postgres://db",
            "postgres://u:hunter2@db:port/ledger",
            "postgres://u:hunter2@db/ledger?what=hunter2",
        ] {
            let refused = parse(text).unwrap_err();
            assert!(!refused.contains("hunter2"), "{refused}");
            assert!(refused.starts_with("the address of the database"), "{refused}");
        }
    }

    #[test]
    fn passwords_come_from_a_file_that_is_the_owner_s_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pass:file");
        fs::write(&file, "# mine\ndb2:5432:*:app:second\n*:*:ledger:app:a\\:b:c\\\\d\n").unwrap();
        let text = format!("postgres://app@127.0.0.1/ledger?passfile={}", file.display());
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let refused = PostgresUrl::read(&text).unwrap_err();
        assert!(matches!(refused, Error::Permissions { .. }), "{refused}");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let url = PostgresUrl::read(&text).unwrap();
        assert_eq!(url.servers[0].get_password(), Some(&b"a:b:c\\d"[..]));
        let other = PostgresUrl::read(&text.replace("/ledger", "/other")).unwrap();
        assert_eq!(other.servers[0].get_password(), None);
        let lines = fs::read_to_string(&file).unwrap();
        let second = parse("postgres://app@db2/ledger").unwrap();
        assert_eq!(password_in(&lines, &second.servers[0]).as_deref(), Some("second"));
    }
}
