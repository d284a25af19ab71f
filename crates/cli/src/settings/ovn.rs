//! Where OVN is, for `serve`, `agent` and `doctor`.

use std::path::{Path, PathBuf};

use clap::Args;
use ovn::Database;
use ovsdb::{Endpoint, Tls};
use server::OvnConfig;

use super::values::{Variables, absolute, text};
use crate::usage::usage;

/// The ports on which the databases listen where nobody says otherwise.
const NORTHBOUND: u16 = 6641;
const SOUTHBOUND: u16 = 6642;
/// Where Open vSwitch listens on a host.
const SWITCH: &str = "unix:/var/run/openvswitch/db.sock";

/// Where the databases of OVN are.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct OvnArgs {
    /// Northbound database of OVN for --fabric ovn, as tcp:10.9.0.1:6641, or unix:PATH, or ssl:HOST:PORT;
    /// the servers of a cluster with commas between them
    /// [env: CAUSEWAY_OVN_NB]
    #[arg(long, value_name = "DATABASE")]
    pub(crate) ovn_nb: Option<String>,
    /// Southbound database of OVN; by default beside the northbound one, on port 6642
    /// [env: CAUSEWAY_OVN_SB]
    #[arg(long, value_name = "DATABASE")]
    pub(crate) ovn_sb: Option<String>,
    /// File with the certificates, in PEM, of those who vouch for databases over ssl:; they must vouch for
    /// nothing else [env: CAUSEWAY_OVN_CA]
    #[arg(long, value_name = "FILE")]
    pub(crate) ovn_ca: Option<PathBuf>,
    /// File with the certificate that databases over ssl: are shown, in PEM [env: CAUSEWAY_OVN_CERT]
    #[arg(long, value_name = "FILE")]
    pub(crate) ovn_cert: Option<PathBuf>,
    /// File with its private key, in PEM [env: CAUSEWAY_OVN_KEY]
    #[arg(long, value_name = "FILE")]
    pub(crate) ovn_key: Option<PathBuf>,
}

impl OvnArgs {
    /// What the environment says.
    ///
    /// # Errors
    ///
    /// A variable that is no text.
    pub(crate) fn of(variables: Variables<'_>) -> anyhow::Result<Self> {
        let path = |name| variables(name).map(PathBuf::from);
        Ok(Self {
            ovn_nb: text(variables, "CAUSEWAY_OVN_NB")?,
            ovn_sb: text(variables, "CAUSEWAY_OVN_SB")?,
            ovn_ca: path("CAUSEWAY_OVN_CA"),
            ovn_cert: path("CAUSEWAY_OVN_CERT"),
            ovn_key: path("CAUSEWAY_OVN_KEY"),
        })
    }

    /// These, and what they leave open from others. Databases are named together, as are files of TLS.
    pub(crate) fn or(self, other: Self) -> Self {
        let (ovn_nb, ovn_sb) = match self.ovn_nb.is_some() {
            true => (self.ovn_nb, self.ovn_sb),
            false => (other.ovn_nb, self.ovn_sb.or(other.ovn_sb)),
        };
        Self {
            ovn_nb,
            ovn_sb,
            ovn_ca: self.ovn_ca.or(other.ovn_ca),
            ovn_cert: self.ovn_cert.or(other.ovn_cert),
            ovn_key: self.ovn_key.or(other.ovn_key),
        }
    }

    /// Whether any database is named.
    pub(crate) fn is_named(&self) -> bool {
        self.ovn_nb.is_some() || self.ovn_sb.is_some()
    }

    /// The configuration that they make.
    ///
    /// # Errors
    ///
    /// [`Usage`](crate::usage::Usage): no database, one that cannot be read, or files of TLS that are missing or
    /// cannot be used.
    pub(crate) fn config(self) -> anyhow::Result<OvnConfig> {
        let Some(northbound) = &self.ovn_nb else {
            return Err(usage(
                "--fabric ovn needs --ovn-nb, which says where the northbound database of OVN is, as \
                 tcp:10.9.0.1:6641",
            ));
        };
        let northbound = endpoints("--ovn-nb", northbound)?;
        let southbound = match &self.ovn_sb {
            Some(southbound) => endpoints("--ovn-sb", southbound)?,
            None => northbound.iter().map(beside).collect::<Option<_>>().ok_or_else(|| {
                usage(
                    "where the southbound database of OVN is does not follow from --ovn-nb: give \
                     --ovn-sb",
                )
            })?,
        };
        let secured = |all: &[Endpoint]| all.iter().any(|it| matches!(it, Endpoint::Ssl(..)));
        let tls = match secured(&northbound) || secured(&southbound) {
            true => Some(self.tls()?),
            false => None,
        };
        let database = |endpoints| Database { endpoints, tls: tls.clone() };
        Ok(OvnConfig { northbound: database(northbound), southbound: database(southbound) })
    }

    fn tls(&self) -> anyhow::Result<Tls> {
        let (Some(authorities), Some(certificate), Some(key)) =
            (&self.ovn_ca, &self.ovn_cert, &self.ovn_key)
        else {
            return Err(usage("databases over ssl: need --ovn-ca, --ovn-cert and --ovn-key"));
        };
        let files: Vec<PathBuf> = [authorities, certificate, key]
            .into_iter()
            .map(|path| absolute(path))
            .collect::<Result<_, _>>()?;
        let [authorities, certificate, key]: [&Path; 3] = [&files[0], &files[1], &files[2]];
        Tls::read(authorities, Some((certificate, key)), None)
            .map_err(|error| usage(format!("TLS with OVN's databases: {error}")))
    }
}

/// The Open vSwitch of this host.
///
/// # Errors
///
/// [`Usage`](crate::usage::Usage): a value that names none.
pub(crate) fn open_vswitch(
    named: Option<String>,
    variables: Variables<'_>,
) -> anyhow::Result<Database> {
    let named = match named {
        Some(named) => Some(named),
        None => text(variables, "CAUSEWAY_OVS")?,
    };
    Ok(Database::at(endpoints("--ovs", named.as_deref().unwrap_or(SWITCH))?))
}

fn endpoints(flag: &str, text: &str) -> anyhow::Result<Vec<Endpoint>> {
    Endpoint::list(text).map_err(|error| usage(format!("{flag}: {error}")))
}

/// Where the southbound database is where the northbound one is here, as OVN's own programs have it.
fn beside(northbound: &Endpoint) -> Option<Endpoint> {
    match northbound {
        Endpoint::Tcp(host, NORTHBOUND) => Some(Endpoint::Tcp(host.clone(), SOUTHBOUND)),
        Endpoint::Ssl(host, NORTHBOUND) => Some(Endpoint::Ssl(host.clone(), SOUTHBOUND)),
        Endpoint::Unix(path) if path.file_name()? == "ovnnb_db.sock" => {
            Some(Endpoint::Unix(path.with_file_name("ovnsb_db.sock")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(northbound: &str, southbound: Option<&str>) -> anyhow::Result<OvnConfig> {
        let text = |text: &str| text.to_owned();
        let (ovn_nb, ovn_sb) = (Some(northbound.to_owned()), southbound.map(text));
        OvnArgs { ovn_nb, ovn_sb, ..OvnArgs::default() }.config()
    }

    #[test]
    fn the_southbound_database_is_beside_the_northbound_one() {
        for (northbound, southbound) in [
            ("tcp:10.9.0.1:6641,tcp:10.9.0.2:6641", "tcp:10.9.0.1:6642,tcp:10.9.0.2:6642"),
            ("unix:/run/ovn/ovnnb_db.sock", "unix:/run/ovn/ovnsb_db.sock"),
        ] {
            let config = named(northbound, None).unwrap();
            assert_eq!(config.southbound.endpoints, Endpoint::list(southbound).unwrap());
        }
        let config = named("tcp:a:1", Some("tcp:a:2")).unwrap();
        assert_eq!(config.southbound.endpoints, [Endpoint::Tcp("a".to_owned(), 2)]);
        for apart in ["tcp:a:1", "unix:/run/db.sock"] {
            let error = named(apart, None).unwrap_err().to_string();
            assert!(error.contains("--ovn-sb"), "{error}");
        }
    }

    #[test]
    fn what_is_missing_is_said() {
        let error = OvnArgs::default().config().unwrap_err().to_string();
        assert!(error.contains("--ovn-nb"), "{error}");
        let error = named("http:a:1", None).unwrap_err().to_string();
        assert!(error.contains("--ovn-nb") && error.contains("http:a:1"), "{error}");
        let error = named("ssl:a:6641", None).unwrap_err().to_string();
        assert!(error.contains("--ovn-ca"), "{error}");
        let none = |_: &str| None;
        let own = open_vswitch(None, &none).unwrap();
        assert_eq!(own.endpoints, [Endpoint::Unix("/var/run/openvswitch/db.sock".into())]);
        assert!(open_vswitch(Some("there".to_owned()), &none).is_err());
    }

    #[test]
    fn what_is_named_first_wins() {
        let of = |nb: &str, sb: &str| {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            OvnArgs { ovn_nb: some(nb), ovn_sb: some(sb), ..OvnArgs::default() }
        };
        let both = of("tcp:flag:6641", "").or(of("tcp:file:1", "tcp:file:2"));
        assert_eq!((both.ovn_nb.as_deref(), both.ovn_sb), (Some("tcp:flag:6641"), None));
        let both = of("", "").or(of("tcp:file:1", "tcp:file:2"));
        assert_eq!(both.ovn_sb.as_deref(), Some("tcp:file:2"));
    }
}
