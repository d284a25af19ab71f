//! A database that is lost, damaged or older costs no code, no disk and no home.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use support::{Ran, Server, text};

const DATABASE: [&str; 3] = ["causeway.db", "causeway.db-wal", "causeway.db-shm"];

/// Copies the files of the database, and removes those that are not there to be copied.
fn copy_database(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for name in DATABASE {
        let _ = fs::remove_file(to.join(name));
        if from.join(name).exists() {
            fs::copy(from.join(name), to.join(name)).unwrap();
        }
    }
}

/// Every file below a directory, with what is in it.
fn tree(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(tree(&path));
        } else if kind.is_file() {
            found.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    found
}

/// What a start says that is refused.
fn refused(server: &Server, arguments: &[&str]) -> String {
    let said = server.try_start(arguments);
    assert_eq!(said.code, Some(1), "{said:?}");
    said.err
}

/// What was set aside, as both commands say that list it. Something may be set aside between the two.
fn lost(server: &Server) -> Vec<String> {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        let status = server.status();
        let listed = server.causeway(&["lost", "--json"]).json();
        if listed == status["lost"] {
            return listed.as_array().unwrap().iter().map(|entry| text(&entry["id"])).collect();
        }
        assert!(std::time::Instant::now() < deadline, "{listed} and {}", status["lost"]);
    }
}

/// Waits for the warning that something was set aside, which comes after it was.
fn await_warning(server: &Server, id: &str) {
    let words = format!("/lost/{id}: no record names it");
    let is_it = |line: &str| line.contains(" WARN ") && line.contains(&words);
    server.until("it is warned of", |server| server.log().lines().any(is_it));
}

fn deploy(server: &Server, app: &str) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("Procfile"), "web: exec python3 app.py\n").unwrap();
    fs::write(dir.path().join("app.py"), "print('code')\n").unwrap();
    server.causeway(&["deploy", "--app", app, dir.path().to_str().unwrap()])
}

#[test]
fn a_start_without_the_right_database_is_refused_and_costs_nothing() {
    let mut server = Server::none(&[]);
    let data = server.data.path().to_owned();
    server.causeway(&["spaces:create", "one", "--team", "team"]).ok();
    server.until("the space is allocated", |server| {
        server.causeway(&["spaces:info", "one", "--json"]).json()["state"] == "allocated"
    });
    server.causeway(&["apps:create", "shop", "--space", "one"]).ok();
    server.kill();
    let scratch = tempfile::tempdir().unwrap();
    let (older, newest) = (scratch.path().join("older"), scratch.path().join("newest"));
    copy_database(&data, &older);
    server.restart();
    deploy(&server, "shop").ok();
    server.causeway(&["addons:create", "heroku-redis", "--app", "shop"]).ok();
    let addons = server.causeway(&["addons", "--json"]).json();
    let disk = format!("services/{}", text(&addons[0]["id"]));
    server.kill();
    // Where no packets are carried, no service runs that would make it.
    fs::create_dir_all(data.join(&disk)).unwrap();
    fs::write(data.join(&disk).join("dump.rdb"), "the only copy").unwrap();
    copy_database(&data, &newest);
    let kept = || ["slugs", "services", "logs"].map(|name| tree(&data.join(name)));
    let before = kept();
    assert!(before[0].len() >= 2 && before[1].len() == 1 && !before[2].is_empty(), "{before:?}");

    type Harm<'a> = &'a dyn Fn();
    let missing: Harm = &|| DATABASE.iter().for_each(|n| drop(fs::remove_file(data.join(n))));
    let alone: Harm = &|| fs::remove_file(data.join(DATABASE[0])).unwrap();
    let empty: Harm = &|| fs::write(data.join(DATABASE[0]), "").unwrap();
    let no_log: Harm = &|| fs::remove_file(data.join(DATABASE[1])).unwrap();
    let old: Harm = &|| copy_database(&older, &data);
    let garbage: Harm = &|| fs::write(data.join(DATABASE[0]), "garbage ".repeat(4096)).unwrap();
    let harms = [
        ("missing", missing, "--new-database"),
        ("all but its log missing", alone, "--new-database"),
        ("empty", empty, "--new-database"),
        ("without its log", no_log, "together with its -wal file"),
        ("older", old, "--accept-database "),
        ("garbage", garbage, "--new-database"),
    ];
    for (what, harm, remedy) in harms {
        harm();
        let said = refused(&server, &[]);
        assert!(said.contains(remedy) && said.contains("causeway backup"), "{what}: {said}");
        assert!(kept() == before, "{what}: something was touched");
        assert!(!data.join("lost").exists(), "{what}");
        copy_database(&newest, &data);
        server.restart();
        assert!(kept()[..2] == before[..2], "{what}: something was lost");
        assert!(lost(&server).is_empty(), "{what}");
        assert_eq!(server.causeway(&["addons", "--json"]).json()[0]["id"], addons[0]["id"]);
        server.kill();
        copy_database(&data, &newest);
    }

    // To go on with the older one is to say so: what it does not know is kept, and comes back.
    copy_database(&older, &data);
    server.restart_with_older_database();
    let ids = lost(&server);
    assert!(ids.contains(&disk) && ids.iter().any(|id| id.starts_with("slugs/")), "{ids:?}");
    let aside = data.join("lost").join(&disk).join("dump.rdb");
    assert_eq!(fs::read(aside).unwrap(), b"the only copy");
    let shown = server.causeway(&["status"]).out;
    assert!(shown.contains("Lost") && shown.contains(&disk), "{shown}");
    for id in &ids {
        await_warning(&server, id);
    }
    server.kill();
    copy_database(&newest, &data);
    server.restart();
    assert!(kept()[..2] == before[..2], "it came back");
    assert!(lost(&server).is_empty());
    server.kill();

    // To begin anew is to say so as well. What is set aside goes by an order alone.
    garbage();
    server.restart_with(&["--new-database"]);
    let ids = lost(&server);
    assert!(ids.contains(&disk), "{ids:?}");
    assert!(ids.contains(&"databases/causeway.1".to_owned()), "{ids:?}");
    assert!(refused(&server, &["--new-database"]).contains("in use by process"));
    server.causeway(&["lost:delete", &disk, "--confirm", "another"]).refused();
    server.causeway(&["lost:delete", "services/none", "--confirm", "services/none"]).refused();
    assert_eq!(lost(&server), ids);
    server.causeway(&["lost:delete", &disk, "--confirm", &disk]).ok();
    assert_eq!(lost(&server).len(), ids.len() - 1);
    server.kill();
    assert!(refused(&server, &["--new-database"]).contains("start without --new-database"));
    server.restart();
}

/// Writes to its home and goes on.
const WRITER: &str = "#!/bin/sh\necho \"$(hostname) was here\" >> $HOME/note\nexec sleep 1000000\n";

#[test]
fn instances_outlive_a_lost_database_and_their_homes_an_older_one() {
    let mut server = Server::linux();
    let data = server.data.path().to_owned();
    server.kill();
    let scratch = tempfile::tempdir().unwrap();
    let (older, newest) = (scratch.path().join("older"), scratch.path().join("newest"));
    copy_database(&data, &older);
    server.restart();
    let site = support::site(&server, "10.100.0.0/16", "10.100.1.0/24", WRITER);
    let note = |server: &Server| {
        let read = ["exec", &site.instance, "--", "sh", "-c", "cat $HOME/note"];
        server.causeway(&read).out
    };
    server.until("it has written", |server| !note(server).is_empty());
    let pid = |server: &Server| {
        let root = server.data.path().join("workloads").join(&site.instance);
        fs::read_to_string(root.join("bundle/running")).unwrap_or_default()
    };
    let first = pid(&server);
    server.kill();
    copy_database(&data, &newest);
    for name in DATABASE {
        fs::remove_file(data.join(name)).unwrap();
    }
    assert!(refused(&server, &[]).contains("--new-database"));
    assert!(
        Path::new("/proc").join(&first).exists(),
        "it runs on while its database is looked for"
    );
    copy_database(&newest, &data);
    server.restart();
    server.sweep();
    assert_eq!(pid(&server), first, "it is the same process");
    server.kill();
    copy_database(&data, &newest);

    copy_database(&older, &data);
    server.restart_with_older_database();
    let id = format!("workloads/{}", site.instance);
    server.until("it is set aside", |server| lost(server) == [id.clone()]);
    await_warning(&server, &id);
    assert!(!Path::new("/proc").join(&first).exists(), "nobody knows whose it is: it is stopped");
    server.kill();
    copy_database(&newest, &data);
    server.restart();
    server.until("it runs again", |server| note(server).lines().count() == 2);
    assert!(lost(&server).is_empty());
}
