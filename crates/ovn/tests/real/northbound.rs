//! A real server of OVSDB with the schema of OVN's northbound database.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use causeway_ovn::{Central, Error, watches};
use ovsdb::{Atom, Client, Config, Database, Datum, Endpoint, Row, Transaction, Uuid};

/// Longer than anything here takes.
pub const LONG: Duration = Duration::from_secs(30);

pub const INSTANCE: &str = "test";

pub struct Northbound {
    dir: tempfile::TempDir,
    child: Child,
}

impl Northbound {
    /// A server whose database was set up as `ovn-nbctl init` does it.
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name);
        std::fs::write(file("schema"), schema()).unwrap();
        let create = ["create".into(), file("db"), file("schema")];
        assert!(Command::new(program("ovsdb-tool")).args(create).status().unwrap().success());
        let option = |name: &str, path: PathBuf| format!("--{name}={}", path.display());
        let child = Command::new(program("ovsdb-server"))
            .arg(format!("--remote=punix:{}", file("socket").display()))
            .args([option("unixctl", file("control")), "--no-chdir".into(), "-vconsole:off".into()])
            .arg(file("db"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { dir, child };
        let mut transaction = Transaction::new();
        transaction.insert("NB_Global", &Row::new());
        server.client().transact(transaction, LONG).unwrap();
        server
    }

    /// A client that watches all that a writer needs.
    pub fn client(&self) -> Client {
        let mut config =
            Config::new("OVN_Northbound", vec![Endpoint::Unix(self.dir.path().join("socket"))]);
        config.pauses = (Duration::from_millis(20), Duration::from_millis(200));
        config.watches = watches(INSTANCE);
        let client = Client::start(config).unwrap();
        assert!(client.wait_until_connected(LONG), "{:?}", client.status());
        client
    }

    pub fn lead(&self, epoch: u64) -> Result<Central, Error> {
        Central::lead(self.client(), INSTANCE, epoch, LONG)
    }
}

impl Drop for Northbound {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// All rows by table and name, with the names of those that they refer to.
pub fn content(database: &Database) -> BTreeMap<(&'static str, String), BTreeMap<String, String>> {
    let tables = [
        "Logical_Switch_Port",
        "Logical_Router_Port",
        "Logical_Router_Static_Route",
        "Logical_Router_Policy",
        "ACL",
        "Address_Set",
        "Port_Group",
        "Logical_Switch",
        "Logical_Router",
    ];
    let name = |row: &Row| row.text_of_key("external_ids", "id").unwrap().to_owned();
    let rows =
        || tables.into_iter().flat_map(|table| database.rows(table).map(move |row| (table, row)));
    let names: BTreeMap<Uuid, String> = rows().map(|(_, (uuid, row))| (uuid, name(row))).collect();
    let text = |datum: &Datum| match datum {
        Datum::Set(atoms) => {
            let atom = |atom: &Atom| match atom {
                Atom::Uuid(uuid) => names.get(uuid).cloned().unwrap(),
                other => format!("{other:?}"),
            };
            let mut texts: Vec<_> = atoms.iter().map(atom).collect();
            texts.sort();
            format!("{texts:?}")
        }
        Datum::Map(pairs) => format!("{pairs:?}"),
    };
    let mut all = BTreeMap::new();
    for (table, (_, row)) in rows() {
        let columns = row.columns().map(|(column, datum)| (column.to_owned(), text(datum)));
        let twice = all.insert((table, name(row)), columns.collect());
        assert_eq!(twice, None, "{table} {} is there twice", name(row));
    }
    all
}

/// The schema that OVN 25.03 has.
fn schema() -> String {
    let tools = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.tools/ovn-trixie");
    let named = std::env::var_os("CAUSEWAY_TEST_OVN").map_or_else(|| tools.into(), PathBuf::from);
    let file = named.join("share/ovn-nb.ovsschema");
    std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{}: {error}: scripts/setup brings it", file.display()))
}

/// Debian has servers where not everybody's `PATH` leads.
fn program(name: &str) -> impl AsRef<OsStr> {
    let places = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];
    let found = places.iter().map(|place| Path::new(place).join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("no {name}: scripts/setup installs it"))
}
