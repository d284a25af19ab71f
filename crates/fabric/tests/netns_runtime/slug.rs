//! Dynos with a slug.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use causeway_fabric::runtime::{CodeSource, CodeState, Runtime, WorkloadState};
use causeway_fabric::slug;
use model::SlugId;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use os::Waker;

use crate::bench::{Bench, intent, shell};
use crate::service::make_image;

/// Every file below a directory, with what says that nobody touched it.
fn print_of(dir: &Path) -> BTreeMap<String, (u32, u32, i64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap().flatten() {
            let (path, data) = (entry.path(), entry.metadata().unwrap());
            let content = if data.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
            let print = (data.uid(), data.mode(), data.ctime(), content);
            found.insert(path.display().to_string(), print);
            if data.is_dir() {
                dirs.push(path);
            }
        }
    }
    found
}

const FILES: [(&str, &str); 4] = [
    ("Procfile", "web: sh bin/web\n"),
    ("bin/web", "echo serves from $(pwd)\n"),
    ("data/old", "old\n"),
    ("data/deep/er/file", "deep\n"),
];

/// Does to its home whatever an app may do, and says what it sees.
const BUSY: &str = "
    set -e
    sh bin/web
    test $(stat -c %u data/old) = $(id -u)
    echo changed >> data/old
    chmod 700 bin/web
    touch -d 2001-01-01 Procfile
    mv data/deep moved
    rm -r bin
    ln -s moved/er/file link
    cat data/old link
    mkdir tmp
    echo own > tmp/own
    mv tmp other
    ls
";

fn changes_its_home_and_not_the_slug(bench: &mut Bench) {
    let slug = bench.slug(1, &FILES);
    let slugs = bench.root().join("slugs");
    let before = print_of(&slugs);
    let (first, second) = (bench.dyno(1), bench.dyno(2));
    let mut wanted = shell(bench, BUSY);
    wanted.slug = Some(slug);
    bench.apply(first, Some(wanted.clone()));
    assert_eq!(bench.ended(first), (Some(0), None), "{}", bench.log(first));
    let said = "serves from /app\nold\nchanged\ndeep\nProcfile\ndata\nlink\nmoved\nother\n";
    assert_eq!(bench.log(first), said);
    assert_eq!(print_of(&slugs), before);

    // Another sees nothing of it, and neither does the next process of the same dyno.
    bench.apply(second, Some(wanted.clone()));
    assert_eq!(bench.ended(second), (Some(0), None));
    assert_eq!(bench.log(second), said);
    bench.apply(first, Some(wanted));
    assert_eq!(bench.ended(first), (Some(0), None), "{}", bench.log(first));
    assert_eq!(print_of(&slugs), before);
    assert!(!mounts().contains(&bench.root().display().to_string()), "nothing on the host");
}

/// What an app brings along to prepare its environment, in the order that must not matter.
const PROFILES: [(&str, &str); 5] = [
    (".profile.d/b.sh", "export SEEN=\"$SEEN b\"\nset -- clobbered\nfalse\n"),
    (".profile.d/a.sh", "export SEEN=\"a by $DYNO in $(pwd)\"\n"),
    (".profile.d/c.txt", "export SEEN=never\n"),
    (".profile", "export SEEN=\"$SEEN profile\"\nlocal=kept-out\n"),
    ("say", "printf '<%s>' \"$@\"; echo\n"),
];

#[test]
fn commands_run_under_bash_after_what_the_app_prepares() {
    let mut bench = Bench::new(1);
    let slug = bench.slug(1, &PROFILES);
    let id = bench.dyno(1);
    let line = "sh say \"a  b\" 'it'\\''s' \"$DYNO\" '$DYNO' $((1+2)) {x,y}; \
                echo \"$SEEN\" \"$local\" ${BASH_VERSION:+bash}; [[ a == a ]] && exit 3";
    let mut wanted = shell(&bench, "");
    wanted.slug = Some(slug);
    wanted.environment = BTreeMap::from([("DYNO".to_owned(), "run.1".to_owned())]);
    wanted.command = model::dyno_command(line);
    bench.apply(id, Some(wanted));
    assert_eq!(bench.ended(id), (Some(3), None), "{}", bench.log(id));
    let said = "<a  b><it's><run.1><$DYNO><3><x><y>\na by run.1 in /app b profile  bash\n";
    assert_eq!(bench.log(id), said);
}

#[test]
fn a_command_gets_signals_itself_and_has_time_to_end() {
    let mut bench = Bench::new(2);
    let slug = bench.slug(1, &PROFILES);
    // A program alone, and one that a shell has started and waits for.
    let program = "perl -e '$SIG{TERM} = sub { sleep 1; print \"finished\\n\"; exit 4 }; \
                   open F, \">armed\"; close F; sleep 1000'";
    for (n, line) in [(1, program.to_owned()), (2, format!("true; {program}; echo never"))] {
        let id = bench.dyno(n);
        let mut wanted = shell(&bench, "");
        wanted.slug = Some(slug);
        wanted.command = model::dyno_command(&line);
        bench.apply(id, Some(wanted.clone()));
        bench.running(id);
        bench.exec_until(id, "test -e armed");
        wanted.run = false;
        bench.apply(id, Some(wanted));
        assert_eq!(bench.ended(id), (Some(4), None), "{line}");
        assert_eq!(bench.log(id), "finished\n", "{line}");
    }
}

#[test]
fn where_there_is_no_bash_commands_run_under_sh() {
    let mut bench = Bench::new(1);
    let id = bench.service(1);
    let image = bench.root().join("image");
    make_image(&image, &["/bin/sh"]);
    let mut wanted = shell(&bench, "");
    wanted.image = Some(image.display().to_string());
    wanted.command = model::dyno_command("echo \"under ${BASH_VERSION:-$0}\"; exit 3");
    bench.apply(id, Some(wanted));
    assert_eq!(bench.ended(id), (Some(3), None), "{}", bench.log(id));
    assert_eq!(bench.log(id), "under sh\n");
}

fn mounts() -> String {
    fs::read_to_string("/proc/thread-self/mounts").unwrap()
}

#[test]
fn a_dyno_changes_its_home_and_not_the_slug() {
    changes_its_home_and_not_the_slug(&mut Bench::new(1));
}

/// Code that comes when a test says so.
#[derive(Debug, Default)]
struct Far {
    state: Mutex<Option<CodeState>>,
    used: Mutex<Vec<BTreeSet<SlugId>>>,
    wakers: Mutex<Vec<Waker>>,
    news: AtomicBool,
}

impl Far {
    fn say(&self, state: CodeState) {
        *self.state.lock().unwrap() = Some(state);
        self.news.store(true, Ordering::Release);
        self.wakers.lock().unwrap().iter().for_each(Waker::wake);
    }
}

impl CodeSource for Far {
    fn find(&self, _: SlugId, blob: Option<&str>) -> CodeState {
        assert_eq!(blob, Some("ab"));
        self.state.lock().unwrap().clone().unwrap_or(CodeState::Coming)
    }

    fn keep(&self, used: BTreeSet<SlugId>) {
        self.used.lock().unwrap().push(used);
    }

    fn wake(&self, waker: Waker) {
        self.wakers.lock().unwrap().push(waker);
    }

    fn has_news(&self) -> bool {
        self.news.swap(false, Ordering::AcqRel)
    }
}

#[test]
fn a_dyno_starts_once_its_code_has_come() {
    let mut bench = Bench::new(1);
    let slug = bench.slug(1, &FILES);
    let files = slug::path(&bench.root().join("slugs"), slug);
    let far = Arc::new(Far::default());
    bench.with_code(Arc::<Far>::clone(&far));
    let id = bench.dyno(1);
    let mut wanted = shell(&bench, "sh bin/web");
    (wanted.slug, wanted.blob) = (Some(slug), Some("ab".to_owned()));
    bench.sweep(id, wanted.clone());
    assert_eq!(bench.state(id), WorkloadState::Starting, "that it takes a while is no failure");
    bench.retry();
    assert_eq!(bench.state(id), WorkloadState::Starting);
    far.say(CodeState::Missing("nobody has it".to_owned()));
    bench.failed(id, "nobody has it");
    // Another try sends for it again.
    far.say(CodeState::Coming);
    bench.retry();
    assert_eq!(bench.state(id), WorkloadState::Starting);
    far.say(CodeState::Here(files));
    assert_eq!(bench.ended(id), (Some(0), None), "{}", bench.log(id));
    assert_eq!(bench.log(id), "serves from /app\n");
    assert_eq!(far.used.lock().unwrap().last(), Some(&[slug].into()));
    bench.apply(id, None);
    bench.gone(id);
    bench.runtime.wait(Duration::ZERO);
    assert_eq!(far.used.lock().unwrap().last(), Some(&BTreeSet::new()), "it may go");
    // Nothing that is not wanted any more is started by what comes late.
    far.say(CodeState::Coming);
    bench.apply(id, Some(wanted));
    assert_eq!(bench.state(id), WorkloadState::Starting);
    bench.apply(id, None);
    bench.gone(id);
}

#[test]
fn where_layers_cannot_be_the_slug_is_copied() {
    // Layers cannot be stacked upon layers: a data directory on an overlay has none.
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let private = MsFlags::MS_REC | MsFlags::MS_SLAVE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
    let mut bench = Bench::new(1);
    let base = tempfile::tempdir().unwrap();
    let [low, high, work] = ["low", "high", "work"].map(|name| base.path().join(name));
    for dir in [&low, &high, &work] {
        fs::create_dir(dir).unwrap();
    }
    for name in ["workloads", "slugs"] {
        let (high, work, on) = (high.join(name), work.join(name), bench.root().join(name));
        for dir in [&high, &work, &on] {
            fs::create_dir_all(dir).unwrap();
        }
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            low.display(),
            high.display(),
            work.display()
        );
        let kind = Some("overlay");
        mount(kind, &on, kind, MsFlags::empty(), Some(options.as_str())).unwrap();
    }
    // The runtime looks at its directory anew.
    bench.restart();
    let slug = bench.slug(1, &FILES);
    let id = bench.dyno(1);
    let mut wanted = shell(&bench, BUSY);
    wanted.slug = Some(slug);
    let before = print_of(&bench.root().join("slugs"));
    for _ in 0..2 {
        bench.apply(id, Some(wanted.clone()));
        assert_eq!(bench.ended(id), (Some(0), None), "{}", bench.log(id));
    }
    assert_eq!(print_of(&bench.root().join("slugs")), before);
    bench.runtime.purge().unwrap();
    for name in ["workloads", "slugs"] {
        umount2(&bench.root().join(name), MntFlags::MNT_DETACH).unwrap();
    }
    // What it was given before the mount.
    fs::remove_dir_all(bench.root().join("workloads")).unwrap();
}

#[test]
fn a_running_dyno_is_adopted_with_its_slug() {
    let mut bench = Bench::new(1);
    let id = bench.dyno(1);
    let mut wanted = intent(&bench, &["sleep", "1000"]);
    wanted.slug = Some(bench.slug(1, &FILES));
    bench.apply(id, Some(wanted.clone()));
    let pid = bench.running(id);
    bench.exec_until(id, "echo kept > kept && test $(cat data/old) = old");
    bench.restart();
    bench.sweep(id, wanted.clone());
    assert_eq!(bench.running(id), pid);
    assert_eq!(bench.exec(id, &["cat", "kept"], "").1, "kept\n");
    // Another release is another process, with other files and nothing of the old ones.
    wanted.slug = Some(bench.slug(2, &[("new", "new\n")]));
    bench.apply(id, Some(wanted));
    assert_eq!(bench.ended(id), (None, Some(15)));
    bench.running(id);
    assert_eq!(bench.exec(id, &["ls"], "").1, "new\n");
    bench.apply(id, None);
    bench.gone(id);
    assert!(!bench.dir(id).exists());
}

#[test]
fn what_a_dyno_writes_to_its_home_has_a_limit() {
    let loops = || fs::read_to_string("/proc/self/mountinfo").unwrap().matches("/dev/loop").count();
    let mut bench = Bench::new(1);
    let id = bench.dyno(1);
    let before = loops();
    let script = "fallocate -l 1G fits && ! fallocate -l 3G large && rm -f large && echo $(ls)";
    let mut wanted = shell(&bench, script);
    wanted.slug = Some(bench.slug(1, &FILES));
    for _ in 0..2 {
        bench.apply(id, Some(wanted.clone()));
        assert_eq!(bench.ended(id), (Some(0), None), "{}", bench.log(id));
    }
    assert!(bench.log(id).ends_with("Procfile bin data fits\n"), "{}", bench.log(id));
    // Without code too, and it begins anew as well.
    let other = bench.dyno(2);
    let wanted = shell(&bench, script);
    for _ in 0..2 {
        bench.apply(other, Some(wanted.clone()));
        assert_eq!(bench.ended(other), (Some(0), None), "{}", bench.log(other));
    }
    assert!(bench.log(other).ends_with("fits\n"), "{}", bench.log(other));
    assert_eq!(loops(), before);
    let used = format!("{}", bench.root().display());
    let lent = std::process::Command::new("losetup").arg("-a").output().unwrap();
    assert!(!String::from_utf8_lossy(&lent.stdout).contains(&used), "a device is left");
}

#[test]
fn a_slug_that_is_not_here_is_named() {
    let mut bench = Bench::new(1);
    let id = bench.dyno(1);
    let mut wanted = shell(&bench, "ls");
    wanted.slug = Some("00000000-0000-4000-8000-000000000009".parse().unwrap());
    bench.apply(id, Some(wanted.clone()));
    let state = bench.state(id);
    let named = "slug 00000000-0000-4000-8000-000000000009 are not here";
    assert!(matches!(&state, WorkloadState::Failed(why) if why.contains(named)), "{state:?}");
    // Once it is, the next sweep starts it.
    bench.slug(9, &[("now", "")]);
    bench.sweep(id, wanted);
    assert_eq!(bench.ended(id), (Some(0), None));
    assert_eq!(bench.log(id), "now\n");
}
