//! Backups with everything in them: what was acknowledged before one began is there after the
//! machine's data is lost, for real servers and real apps.

#![allow(
    clippy::unwrap_used,
    clippy::allow_attributes,
    reason = "a test ends where something is not as it must be"
)]

mod support;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::Value;
use support::{Server, dyno, space, text, web};

/// The operator's own data service: counters in a file that it alone can write consistently.
const PLANS: &str = r#"
[[plan]]
service = "notes"
plan = "basic"
port = 7000
command = "test -e /data/notes || echo first > /data/notes; exec python3 -m http.server -d /data $PORT"
config = { NOTES_URL = "http://{host}:{port}/notes" }
backup = "cat /data/notes"
restore = "cat > /data/notes"

[[plan]]
service = "cache"
plan = "basic"
port = 7000
command = "touch /data/warm; exec python3 -m http.server -d /data $PORT"
config = { CACHE_URL = "http://{host}:{port}/" }
"#;

/// Writes rows and keys without end, and says after each that it was acknowledged.
const WRITER: &str = "exec 2>&1; n=0; while :; do n=$((n + 1))
    psql \"$DATABASE_URL\" -qAtc \"insert into t values ($n)\" || exit 1
    redis-cli -u \"$REDIS_URL\" set \"key-$n\" \"$n\" > /dev/null 2>&1 || exit 1
    echo $n; done";

/// What a command in a dyno prints, where it does what it is asked to.
fn printed(server: &Server, at: &str, command: &str) -> Result<String, String> {
    let ran = server.causeway(&["exec", at, "--", "sh", "-c", command]);
    if ran.code == Some(0) { Ok(ran.out.trim().to_owned()) } else { Err(ran.err) }
}

fn restore(file: &Path, data: &Path, arguments: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_causeway"));
    command.env_clear().args(["restore", "--json"]).args(arguments).arg(file);
    let output = command.arg("--data").arg(data).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Writes that go on behind everything else, and how many were acknowledged.
struct Writer {
    child: std::process::Child,
    acknowledged: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
}

impl Writer {
    fn start(server: &Server, dyno: &str) -> Self {
        use std::io::{BufRead, BufReader};
        let mut child = server.causeway_child(&["exec", dyno, "--", "sh", "-c", WRITER]);
        let (acknowledged, ended) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (count, over) = (Arc::clone(&acknowledged), Arc::clone(&ended));
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let number = line.parse().unwrap_or_else(|_| panic!("the writer says: {line}"));
                count.store(number, Ordering::SeqCst);
            }
            over.store(true, Ordering::SeqCst);
        });
        Self { child, acknowledged, ended }
    }

    fn acknowledged(&self) -> u64 {
        assert!(!self.ended.load(Ordering::SeqCst), "it goes on all the while");
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// Waits until so many more were acknowledged; how many there are then.
    fn pass(&self, server: &Server, more: u64) -> u64 {
        let before = self.acknowledged();
        server.until("rows are written", |_| self.acknowledged() >= before + more);
        self.acknowledged()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the app and its services answer: the numbers of rows and of keys up to some number, the
/// largest row, and the operator's own service's note.
fn holds(server: &Server, dyno: &str, upto: u64) -> Result<(u64, u64, u64, String), String> {
    let number =
        |command: &str| printed(server, dyno, command)?.parse().map_err(|_| "no number".to_owned());
    let sql = |what: &str| {
        number(&format!("PGCONNECT_TIMEOUT=3 psql \"$DATABASE_URL\" -qAtc \"select {what}\""))
    };
    let rows = sql(&format!("count(*) from t where n <= {upto}"))?;
    let largest = sql("max(n) from t")?;
    let keys =
        number(&format!("seq -f key-%.0f 1 {upto} | xargs redis-cli -u \"$REDIS_URL\" exists"))?;
    let note =
        "import os,urllib.request as r;print(r.urlopen(os.environ['NOTES_URL']).read().decode())";
    let note = printed(server, dyno, &format!("python3 -c \"{note}\""))?;
    Ok((rows, keys, largest, note))
}

#[test]
fn what_was_acknowledged_before_a_backup_is_there_after_the_loss_of_the_data() {
    let place = tempfile::tempdir().unwrap();
    let (data, file) = (place.path().join("data"), place.path().join("causeway.backup"));
    let plans = place.path().join("plans.toml");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(&plans, PLANS).unwrap();
    let router = web::free_address().to_string();
    let serve = [
        "--fabric",
        "linux",
        "--test-clock",
        "--router",
        &router,
        "--plans",
        plans.to_str().unwrap(),
    ];
    let mut server = Server::on(&data, &serve);
    space(&server, "shop-space", "shop");
    web::deploy(&server, "shop", "web: exec python3 app.py\n");
    for plan in ["heroku-postgresql", "heroku-redis", "notes"] {
        server.heroku(&["addons:create", plan, "--app", "shop"]).ok();
    }
    let client = dyno(&server, "shop", "sleep 100000").target;
    let table = "psql \"$DATABASE_URL\" -qAtc 'create table if not exists t (n int primary key)'";
    server.until("the database answers", |server| printed(server, &client, table).is_ok());
    server.until("Redis answers", |server| {
        printed(server, &client, "redis-cli -u \"$REDIS_URL\" ping").as_deref() == Ok("PONG")
    });
    let env = printed(&server, &client, "echo $DATABASE_URL $REDIS_URL").unwrap();

    let writer = Writer::start(&server, &client);
    let before = writer.pass(&server, 20);
    let report = server.causeway(&["backup", file.to_str().unwrap(), "--json"]).json();
    let after = writer.pass(&server, 20);
    drop(writer);
    assert_eq!(report["slugs"].as_array().unwrap().len(), 1, "{report}");
    assert_eq!(report["services"].as_array().unwrap().len(), 3, "{report}");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert!(!server.data.path().join("backup.partial").exists());
    let left = std::fs::read_dir(place.path()).unwrap().count();
    assert_eq!(left, 3, "the data, the plans and the backup");

    // A copy may run beside it, with the same rows.
    let own = place.path().join("own");
    let restored = restore(&file, &own, &["--new-instance"]);
    assert!(text(&restored["instance"]).starts_with("copy-"), "{restored}");
    {
        let copy = Server::on(&own, &["--fabric", "linux"]);
        let found = until_holds(&copy, "shop", before);
        assert!(found >= before && found < after, "{before} <= {found} < {after}");
    }

    // The data is lost, while all that ran goes on.
    server.kill();
    // Those who write there may make something anew while it is removed.
    while std::fs::remove_dir_all(&data).is_err() && data.exists() {}
    let restored = restore(&file, &data, &[]);
    assert_eq!(restored["revision"], report["revision"]);
    assert_eq!(restored["services"].as_array().unwrap().len(), 3, "{restored}");
    server.restart();
    let found = until_holds(&server, "shop", before);
    assert!(found >= before && found < after, "{before} <= {found} < {after}");
    let client = dyno(&server, "shop", "sleep 100000").target;
    assert_eq!(printed(&server, &client, "echo $DATABASE_URL $REDIS_URL").unwrap(), env);
    let host = web::host(&server, "shop");
    server.until("the app serves from its slug", |_| {
        web::get(router.parse().unwrap(), &host, "/").status == 200
    });

    // What is written now is kept, and not restored over again.
    printed(&server, &client, "psql \"$DATABASE_URL\" -qAtc 'insert into t values (1000000)'")
        .unwrap();
    printed(&server, &client, "redis-cli -u \"$REDIS_URL\" set key-1 changed").unwrap();
    for service in
        server.causeway(&["addons", "--app", "shop", "--json"]).json().as_array().unwrap()
    {
        let name = text(&service["name"]);
        let killed = server.causeway(&["exec", &name, "--", "sh", "-c", "kill -9 -1"]);
        assert!(killed.code.is_some());
    }
    server.kill_and_restart();
    server.until("what came later is there still", |server| {
        let row = "PGCONNECT_TIMEOUT=3 psql \"$DATABASE_URL\" -qAtc 'select max(n) from t'";
        printed(server, &client, row).as_deref() == Ok("1000000")
    });
    server.until("Redis is back", |server| {
        let key = "redis-cli -u \"$REDIS_URL\" get key-1";
        printed(server, &client, key).is_ok_and(|said| said == "changed")
    });
}

/// Waits until a restored installation answers with all that was there; the largest row.
fn until_holds(server: &Server, app: &str, upto: u64) -> u64 {
    let client = dyno(server, app, "sleep 100000").target;
    let mut largest = 0;
    server.until("everything is restored", |server| match holds(server, &client, upto) {
        Ok((rows, keys, most, note)) => {
            assert_eq!((rows, keys, &*note), (upto, upto, "first"));
            largest = most;
            true
        }
        Err(_) => false,
    });
    largest
}

#[test]
fn what_cannot_be_backed_up_is_told_and_never_left_out_in_silence() {
    let place = tempfile::tempdir().unwrap();
    let file = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(file("plans.toml"), PLANS).unwrap();
    let mut server = Server::linux_with(&["--plans", &file("plans.toml")]);
    space(&server, "shop-space", "shop");
    server.heroku(&["addons:create", "cache", "--app", "shop", "--name", "warm-cache"]).ok();
    server.heroku(&["addons:create", "notes", "--app", "shop", "--name", "my-notes"]).ok();
    let runs = |name: &str, path: &str| {
        server.until("it runs", |server| {
            server.causeway(&["exec", name, "--", "test", "-e", path]).code == Some(0)
        });
    };
    runs("warm-cache", "/data/warm");
    runs("my-notes", "/data/notes");
    let said = server.causeway(&["backup", &file("one")]).refused();
    for word in ["warm-cache", "cache:basic", "`backup` and `restore`", "--skip-unavailable"] {
        assert!(said.contains(word), "'{word}' is not in: {said}");
    }
    assert!(!Path::new(&file("one")).exists());
    let ran = server.causeway(&["backup", "--skip-unavailable", &file("one")]);
    assert!(ran.ok().contains("my-notes (notes:basic)"), "{ran:?}");
    assert!(ran.err.contains("warm-cache is NOT in the backup"), "{ran:?}");
    // A plan that says now what it did not say then.
    let plans = PLANS.trim_end().to_owned() + "\nbackup = 'true'\nrestore = 'true'\n";
    std::fs::write(file("plans.toml"), plans).unwrap();
    server.kill_and_restart();
    let report = server.causeway(&["backup", "--json", &file("two")]).json();
    assert_eq!(report["missing"], serde_json::json!([]), "{report}");

    // A service whose command fails is named, with its own words.
    server.causeway(&["exec", "my-notes", "--", "rm", "/data/notes"]).ok();
    let said = server.causeway(&["backup", &file("three")]).refused();
    assert!(said.contains("my-notes") && said.contains("No such file"), "{said}");
    let said = server.causeway(&["backup", &file("two")]).refused();
    assert!(said.contains("exists already"), "{said}");
    // One of a server without processes has what it has.
    let copy = place.path().join("copy");
    let restored = restore(Path::new(&file("one")), &copy, &["--new-instance"]);
    assert_eq!(restored["missing"][0]["name"], "warm-cache");
    let idle = Server::on(&copy, &["--fabric", "none"]);
    let said = idle.causeway(&["backup", &file("four")]).refused();
    assert!(said.contains("my-notes: it does not run"), "{said}");
}

#[test]
fn a_backup_ends_with_who_asked_for_it() {
    const SLOW: &str = r#"
[[plan]]
service = "slow"
plan = "basic"
port = 7000
command = "touch /data/warm; exec sleep 100000"
config = { SLOW_URL = "http://{host}:{port}/" }
backup = "touch /data/begun; while :; do echo more; sleep 0.1; done"
restore = "cat > /data/kept"
"#;
    let place = tempfile::tempdir().unwrap();
    let plans = place.path().join("plans.toml");
    std::fs::write(&plans, SLOW).unwrap();
    let server = Server::linux_with(&["--plans", plans.to_str().unwrap()]);
    space(&server, "shop-space", "shop");
    server.heroku(&["addons:create", "slow", "--app", "shop", "--name", "my-slow"]).ok();
    let has = |server: &Server, path: &str| {
        server.causeway(&["exec", "my-slow", "--", "test", "-e", path]).code == Some(0)
    };
    server.until("it runs", |server| has(server, "/data/warm"));
    let file = place.path().join("backup");
    let left = || std::fs::read_dir(place.path()).unwrap().count();
    let mut asked = server.causeway_child(&["backup", file.to_str().unwrap()]);
    server.until("it is being backed up", |server| has(server, "/data/begun"));
    assert_eq!(left(), 2, "the plans, and what has no name yet");
    let second = place.path().join("second");
    let said = server.causeway(&["backup", second.to_str().unwrap()]).refused();
    assert!(said.contains("another backup is being written"), "{said}");
    asked.kill().unwrap();
    asked.wait().unwrap();
    server.until("nothing of it is left", |_| left() == 1);
    assert!(!server.data.path().join("backup.partial").exists());
}

#[test]
fn a_broken_backup_changes_nothing() {
    let server = Server::none(&[]);
    let place = tempfile::tempdir().unwrap();
    let (file, data) = (place.path().join("backup"), place.path().join("data"));
    server.causeway(&["backup", file.to_str().unwrap()]).ok();
    let whole = std::fs::read(&file).unwrap();
    let refused = |bytes: &[u8], word: &str| {
        std::fs::write(&file, bytes).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_causeway"));
        let output = command.arg("restore").arg(&file).arg("--data").arg(&data).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(word) && said.contains("another backup"), "{said}");
        assert!(!data.exists());
    };
    refused(&whole[..whole.len() / 2], "is cut short");
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    refused(&flipped, "is damaged");
    std::fs::write(&file, whole).unwrap();
    restore(&file, &data, &[]);
}
