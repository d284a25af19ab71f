//! Data services: a disk that outlives the process, and the real servers upon it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use causeway_fabric::runtime::{Runtime, WorkloadState, await_restore};
use flate2::Compression;
use flate2::read::GzEncoder;
use model::AddonId;
use model::intent::Disk;

use crate::bench::{self, Bench, intent, shell};

fn disk_of(addon: AddonId) -> Disk {
    Disk { addon, at: "/data".to_owned(), bytes: None }
}

#[test]
fn a_disk_outlives_its_service() {
    let mut bench = Bench::new(1);
    let (id, addon) = (bench.service(1), bench.addon(1));
    let disk = bench.root().join("services").join(addon.to_string());
    let mut wanted = shell(&bench, "cat /data/kept; echo $(id -u) >> /data/kept; exec sleep 1000");
    wanted.disk = Some(disk_of(addon));
    bench.apply(id, Some(wanted.clone()));
    bench.running(id);
    bench.exec_until(id, "test -s /data/kept");
    let first = fs::read_to_string(disk.join("kept")).unwrap();
    let data = fs::metadata(&disk).unwrap();
    assert_eq!((format!("{}\n", data.uid()), data.mode() & 0o777), (first.clone(), 0o700));
    assert!(bench.runtime.remove_disk(addon).is_err(), "it is in use");

    // Neither its end, nor its removal, nor another server changes what it kept or whose it is.
    bench.apply(id, None);
    bench.gone(id);
    bench.restart();
    bench.apply(id, Some(wanted.clone()));
    bench.running(id);
    bench.exec_until(id, "test $(wc -l < /data/kept) = 2");
    assert_eq!(fs::read_to_string(disk.join("kept")).unwrap(), first.repeat(2));

    // Another service has another.
    let mut other = shell(&bench, "ls /data; ls -d /data/../services");
    other.disk = Some(disk_of(bench.addon(2)));
    let second = bench.service(2);
    bench.apply(second, Some(other));
    assert_eq!(bench.ended(second), (Some(2), None));

    bench.apply(id, None);
    bench.gone(id);
    assert!(disk.join("kept").exists());
    bench.runtime.remove_disk(addon).unwrap();
    bench.runtime.remove_disk(addon).unwrap();
    assert!(!disk.exists());
    assert_eq!(bench.runtime.purge().unwrap(), 1);
    assert!(fs::read_dir(bench.root().join("services/.gone")).unwrap().next().is_none());
    let kept = bench.root().join("services").join(bench.addon(2).to_string());
    assert!(kept.is_dir(), "a purge removes processes, not data");
}

/// A root file system with some of the host's programs and what these need.
pub fn make_image(root: &Path, programs: &[&str]) {
    let copy = |path: &str| {
        let to = root.join(&path[1..]);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(path, to).unwrap();
    };
    for program in programs {
        copy(program);
        let needs = Command::new("ldd").arg(program).output().unwrap();
        let needs = String::from_utf8(needs.stdout).unwrap();
        needs.split_whitespace().filter(|word| word.starts_with('/')).for_each(copy);
    }
}

#[test]
fn an_image_takes_the_place_of_the_hosts_programs() {
    let mut bench = Bench::new(1);
    let (id, addon) = (bench.service(1), bench.addon(1));
    let image = bench.root().join("image, with a comma: and a colon");
    make_image(&image, &["/bin/sh", "/bin/cat", "/bin/ls", "/bin/sleep", "/usr/bin/id"]);
    fs::create_dir_all(image.join("srv/kept")).unwrap();
    fs::create_dir_all(image.join("etc")).unwrap();
    fs::write(image.join("etc/service.conf"), "conf\n").unwrap();
    fs::set_permissions(image.join("etc/service.conf"), fs::Permissions::from_mode(0o600)).unwrap();
    let installation = bench.root().join("installation");
    fs::create_dir_all(&installation).unwrap();
    fs::write(installation.join("version"), "7\n").unwrap();

    let script = format!(
        "cat /etc/service.conf {0}/version; cat /etc/hostname; id -un
         ls /usr/bin; ls -d /usr/share
         echo x > /srv/x; echo x > {0}/x; echo kept > /srv/kept/it; exec sleep 1000",
        installation.display()
    );
    let mut wanted = shell(&bench, &script);
    wanted.image = Some(image.display().to_string());
    wanted.mounts = vec![installation.display().to_string()];
    wanted.disk = Some(Disk { addon, at: "/srv/kept".to_owned(), bytes: None });
    bench.apply(id, Some(wanted.clone()));
    bench.running(id);
    bench.exec_until(id, "ls /srv/kept/it");
    let log = bench.log(id);
    let said: Vec<&str> = log.lines().collect();
    // Its own files, the image's, and its user's name; of the host's programs nothing.
    assert_eq!(said[..5], ["conf", "7", &wanted.hostname, "service", "id"], "{log}");
    assert!(said[5].contains("/usr/share") && said.len() == 8, "{log}");
    assert!(said[6..].iter().all(|line| line.contains("Read-only file system")), "{log}");
    let disk = bench.root().join("services").join(addon.to_string());
    assert_eq!(fs::read_to_string(disk.join("it")).unwrap(), "kept\n");

    // A start is refused while the image, or what it is to see, is away.
    bench.apply(id, None);
    bench.gone(id);
    for (from, why) in [(&image, "is no directory here"), (&installation, "is not here")] {
        let aside = bench.root().join("aside");
        fs::rename(from, &aside).unwrap();
        bench.apply(id, Some(wanted.clone()));
        let WorkloadState::Failed(said) = bench.state(id) else { panic!("{:?}", bench.state(id)) };
        assert!(said.contains(why), "{said}");
        fs::rename(&aside, from).unwrap();
        bench.apply(id, None);
        bench.gone(id);
    }
}

#[test]
fn a_disk_with_a_bound_is_full_for_its_service_alone() {
    let devices = || {
        let lent = std::process::Command::new("losetup").arg("-a").output().unwrap();
        String::from_utf8_lossy(&lent.stdout).into_owned()
    };
    let mut bench = Bench::new(1);
    let (id, addon) = (bench.service(1), bench.addon(1));
    let disk = bench.root().join("services").join(addon.to_string());
    let script = "set -e; [ \"$(stat -c %U /data)\" = \"$(id -un)\" ]; echo again >> /data/kept
        fallocate -l 16M /data/fits
        ! head -c 200M /dev/zero > /data/large 2> /tmp/why; grep -q 'No space left' /tmp/why
        rm /data/large; echo $(ls -A /data) $(wc -l < /data/kept)";
    let mut wanted = shell(&bench, script);
    wanted.disk = Some(Disk { bytes: Some(64 << 20), ..disk_of(addon) });
    for count in 1..=2 {
        bench.apply(id, Some(wanted.clone()));
        assert_eq!(bench.ended(id), (Some(0), None), "{}", bench.log(id));
        assert!(bench.log(id).ends_with(&format!("fits kept {count}\n")), "{}", bench.log(id));
        bench.apply(id, None);
        bench.gone(id);
    }
    let image = fs::metadata(disk.join("space.img")).unwrap();
    assert_eq!(image.len(), 64 << 20);
    assert!(!devices().contains(&format!("{}", bench.root().display())), "a device is left");
    assert_eq!(fs::read_dir(disk.join("data")).unwrap().count(), 0, "it is seen inside alone");
    bench.runtime.remove_disk(addon).unwrap();
    assert!(!disk.exists());
}

#[test]
fn a_disk_with_a_bound_is_restored_too() {
    let mut bench = Bench::new(1);
    let (id, addon) = (bench.service(1), bench.addon(1));
    let disks = bench.root().join("services");
    let backup = GzEncoder::new(&b"one\n"[..], Compression::fast());
    await_restore(&disks, addon, "cat > /data/kept", backup).unwrap();
    let mut wanted = shell(&bench, "cat /data/kept; ls -A /data");
    wanted.disk = Some(Disk { bytes: Some(64 << 20), ..disk_of(addon) });
    bench.apply(id, Some(wanted));
    assert_eq!(bench.ended(id), (Some(0), None), "{}", bench.log(id));
    assert!(bench.log(id).ends_with("one\nkept\n"), "{}", bench.log(id));
    assert!(!disks.join(addon.to_string()).join(".causeway-restore").exists());
}

#[test]
fn a_disk_is_restored_before_the_first_start_and_not_again() {
    let mut bench = Bench::new(1);
    let (id, addon) = (bench.service(1), bench.addon(1));
    let disks = bench.root().join("services");
    let backup = |text: &'static str| GzEncoder::new(text.as_bytes(), Compression::fast());
    // The first try leaves a half of it, the second one must not find that.
    let command = "test ! -e /data/half || exit 9; id -u > /data/half; read line
        test -n \"$AGAIN\" || exit 7
        { echo \"$line\"; cat; } > /data/kept; rm /data/half";
    await_restore(&disks, addon, command, backup("one\ntwo\n")).unwrap();
    assert!(await_restore(&disks, addon, command, backup("")).is_err(), "there is one already");
    let disk = disks.join(addon.to_string());
    let mut wanted = shell(&bench, "cat /data/kept; ls -A /data; echo more >> /data/kept");
    wanted.disk = Some(disk_of(addon));
    for _ in 0..2 {
        bench.apply(id, Some(wanted.clone()));
        assert_eq!(bench.ended(id), (Some(7), None), "{}", bench.log(id));
        let user = format!("{}\n", fs::metadata(&disk).unwrap().uid());
        assert_eq!(fs::read_to_string(disk.join("half")).unwrap(), user, "as the service");
    }
    wanted.environment.insert("AGAIN".to_owned(), "1".to_owned());
    bench.apply(id, Some(wanted.clone()));
    assert_eq!(bench.ended(id), (Some(0), None), "{}", bench.log(id));
    assert!(bench.log(id).ends_with("is restored\none\ntwo\nkept\n"), "{}", bench.log(id));
    wanted.attempt += 1;
    bench.apply(id, Some(wanted));
    assert_eq!(bench.ended(id), (Some(0), None));
    assert!(bench.log(id).ends_with("kept\none\ntwo\nmore\nkept\n"), "{}", bench.log(id));
}

#[test]
fn a_restore_that_the_host_interrupts_begins_anew() {
    let mut bench = Bench::new(1);
    let (id, addon) = (bench.service(1), bench.addon(1));
    let disks = bench.root().join("services");
    let command = "cat > /data/rows; while ! test -e /data/go; do sleep 0.05; done";
    let backup = GzEncoder::new(&b"rows"[..], Compression::fast());
    await_restore(&disks, addon, command, backup).unwrap();
    let mut wanted = shell(&bench, "cat /data/rows; exec sleep 1000");
    wanted.disk = Some(disk_of(addon));
    bench.apply(id, Some(wanted));
    for n in 1..=2 {
        let init = bench.running(id);
        bench.exec_until(id, "test -s /data/rows");
        bench::signal("-TERM", &[if n == 1 { bench.shim(id) } else { init }]);
        bench.interrupted(id);
        bench.retry();
    }
    bench.running(id);
    bench.exec_until(id, "test -s /data/rows");
    fs::write(disks.join(addon.to_string()).join("go"), "").unwrap();
    bench.exec_until(id, "pgrep -xf 'sleep 1000'");
    let log = bench.log(id);
    assert_eq!(log.matches("is being restored").count(), 3, "{log}");
    assert!(log.ends_with("the disk is restored\nrows"), "{log}");
}

#[test]
fn a_damaged_backup_is_not_taken_for_a_whole_one() {
    use std::io::Read;
    let mut bench = Bench::new(1);
    let (id, addon) = (bench.service(1), bench.addon(1));
    let mut backup = Vec::new();
    GzEncoder::new(&b"something"[..], Compression::fast()).read_to_end(&mut backup).unwrap();
    backup.truncate(backup.len() - 4);
    await_restore(&bench.root().join("services"), addon, "cat > /data/kept", &backup[..]).unwrap();
    let mut wanted = shell(&bench, "echo never");
    wanted.disk = Some(disk_of(addon));
    bench.apply(id, Some(wanted));
    assert_eq!(bench.ended(id), (Some(126), None), "{}", bench.log(id));
    assert!(!bench.log(id).contains("never"), "{}", bench.log(id));
}

#[test]
fn a_real_postgresql_keeps_its_rows() {
    let mut bench = Bench::new(1);
    let (id, addon) = (bench.service(1), bench.addon(1));
    let script = "
        set -e
        PATH=/usr/lib/postgresql/15/bin:$PATH
        test -e /data/pg/PG_VERSION || initdb -D /data/pg -U postgres -A trust >/dev/null
        exec postgres -D /data/pg -k /tmp -c listen_addresses=127.0.0.1
    ";
    let mut wanted = shell(&bench, script);
    wanted.disk = Some(disk_of(addon));
    wanted.memory_limit = Some(256 << 20);
    let sql = |bench: &Bench, host: &str, text: &str| {
        let program = "/usr/lib/postgresql/15/bin/psql";
        bench.exec(id, &[program, "-qAtU", "postgres", "-h", host, "-c", text], "")
    };
    let ready = "/usr/lib/postgresql/15/bin/pg_isready -q -h /tmp";
    bench.apply(id, Some(wanted.clone()));
    bench.running(id);
    bench.exec_until(id, ready);
    let made = "create table t as select generate_series(1, 100000) as n";
    assert_eq!(sql(&bench, "127.0.0.1", made).0, Some(0), "{}", bench.log(id));
    // Workers of one question share memory.
    let parallel = "set max_parallel_workers_per_gather = 2; set parallel_setup_cost = 0; \
                    set min_parallel_table_scan_size = 0; select sum(n) from t";
    assert_eq!(sql(&bench, "/tmp", parallel), (Some(0), "5000050000\n".to_owned()));

    let mut stopped = wanted.clone();
    stopped.run = false;
    bench.apply(id, Some(stopped));
    assert_eq!(bench.ended(id).1, None, "{}", bench.log(id));
    bench.apply(id, None);
    bench.gone(id);
    bench.apply(id, Some(wanted));
    bench.running(id);
    bench.exec_until(id, ready);
    assert_eq!(sql(&bench, "/tmp", "select count(*) from t").1, "100000\n");
}

#[test]
fn a_real_redis_keeps_its_keys() {
    let mut bench = Bench::new(1);
    let (id, addon) = (bench.service(1), bench.addon(1));
    let command = ["redis-server", "--dir", "/data", "--appendonly", "yes", "--bind", "127.0.0.1"];
    let mut wanted = intent(&bench, &command);
    wanted.disk = Some(disk_of(addon));
    wanted.memory_limit = Some(64 << 20);
    for round in 1..=2 {
        bench.apply(id, Some(wanted.clone()));
        bench.running(id);
        bench.exec_until(id, "redis-cli ping | grep PONG");
        assert_eq!(bench.exec(id, &["redis-cli", "incr", "rounds"], "").1, format!("{round}\n"));
        // Saving in the background is a second process.
        assert_eq!(bench.exec(id, &["redis-cli", "bgsave"], "").0, Some(0));
        bench.apply(id, None);
        bench.gone(id);
    }
}
