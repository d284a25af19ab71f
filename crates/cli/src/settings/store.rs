//! Where the database is, if it is on a server.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use clap::Args;
use store::PostgresUrl;

use super::values::{Variables, text};
use crate::usage::usage;

/// The flag that names a database on a server.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct StoreArgs {
    /// PostgreSQL database (15 or newer) that has the installation instead of a file in the data directory, so
    /// that several servers can share it: postgres://USER@HOST:PORT/DATABASE, with several hosts if one may
    /// take the place of another. Its password belongs into a file (?passfile=FILE, as for psql), the variable
    /// PGPASSWORD or, with the address, the variable CAUSEWAY_STORE or the settings file
    /// [env: CAUSEWAY_STORE]
    #[arg(long, value_name = "URL")]
    pub(crate) store: Option<String>,
}

impl StoreArgs {
    /// The database that the flag names, or else the environment, or else the settings file, which is given
    /// with its path.
    ///
    /// # Errors
    ///
    /// [`Usage`](crate::usage::Usage): an address that is none, a password where others can read it.
    pub(crate) fn url(
        self,
        variables: Variables<'_>,
        file: Option<(String, &Path)>,
    ) -> anyhow::Result<Option<PostgresUrl>> {
        if let Some(flag) = self.store {
            if PostgresUrl::has_password(&flag) {
                return Err(usage(
                    "everybody on this machine can read a password on the command line: put the address \
                     into the variable CAUSEWAY_STORE or into the settings file, or name a file with \
                     ?passfile=FILE",
                ));
            }
            return read(&flag).map(Some);
        }
        if let Some(variable) = text(variables, "CAUSEWAY_STORE")? {
            return read(&variable).map(Some);
        }
        let Some((address, path)) = file else { return Ok(None) };
        if PostgresUrl::has_password(&address) {
            let mode = fs::metadata(path).map_or(0, |file| file.permissions().mode());
            if mode & 0o077 != 0 {
                let path = path.display();
                return Err(usage(format!(
                    "the settings file {path} has a password in it and is open to others: run `chmod 600 {path}`"
                )));
            }
        }
        read(&address).map(Some)
    }
}

fn read(address: &str) -> anyhow::Result<PostgresUrl> {
    PostgresUrl::read(address).map_err(|error| usage(format!("{:#}", anyhow::Error::from(error))))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn url(
        flag: Option<&str>,
        variable: &str,
        file: Option<(&str, &Path)>,
    ) -> Result<String, String> {
        let set = |name: &str| name == "CAUSEWAY_STORE" && !variable.is_empty();
        let variables = |name: &str| set(name).then(|| OsString::from(variable));
        let flag = StoreArgs { store: flag.map(str::to_owned) };
        flag.url(&variables, file.map(|(address, path)| (address.to_owned(), path)))
            .map(|url| url.map(|url| url.to_string()).unwrap_or_default())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_password_is_taken_only_from_where_nobody_else_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("causeway.toml");
        fs::write(&path, "").unwrap();
        let (open, secret) = ("postgres://a@127.0.0.1/b", "postgres://a:hunter2@127.0.0.1/b");
        let shown = "postgres://a@127.0.0.1:5432/b";
        assert_eq!(url(Some(open), secret, None).unwrap(), shown);
        let refused = url(Some(secret), "", None).unwrap_err();
        assert!(refused.contains("CAUSEWAY_STORE") && !refused.contains("hunter2"), "{refused}");
        assert_eq!(url(None, secret, None).unwrap(), shown);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let refused = url(None, "", Some((secret, &path))).unwrap_err();
        assert!(refused.contains("chmod 600") && !refused.contains("hunter2"), "{refused}");
        assert_eq!(url(None, "", Some((open, &path))).unwrap(), shown);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(url(None, "", Some((secret, &path))).unwrap(), shown);
        assert_eq!(url(None, "", None).unwrap(), "");
        let refused = url(Some("mysql://x"), "", None).unwrap_err();
        assert!(refused.contains("postgres://"), "{refused}");
    }
}
