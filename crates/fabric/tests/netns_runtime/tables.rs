//! What the kernel has one table of, or one for each user, and what a workload may take of it.

use std::fs::{self, OpenOptions};

use crate::bench::{Bench, intent};

/// Takes whatever it gets of each table, says how much that was, and keeps it.
#[cfg(target_arch = "x86_64")]
const GREEDY: &str = r#"
    $| = 1;
    sub take { my ($what, $most, $try) = @_; my $n = 0; $n++ while $n < $most && $try->($n); print "$what $n\n"; }
    take("terminals", 2000, sub { my $f; open($f, "+<", "/dev/ptmx") && push(@kept, $f) });
    take("inotify", 5000, sub { syscall(294, 0) >= 0 });
    take("queues", 300, sub { my $name = "q$_[0]"; syscall(240, $name, 66, 0600, 0) >= 0 });
    for my $dir ("/run", "/dev/shm") {
        take("files-in-$dir", 40000, sub { open(my $f, ">", "$dir/$_[0]") });
        unlink "$dir/$_" for 0 .. 39999;
    }
    my $context = "\0" x 8;
    $! = 0; syscall(206, 65536, $context); printf "aio %d\n", $!;
    $! = 0; syscall(248, 0, 0, 0, 0, 0); printf "keys %d\n", $!;
    open(my $limits, "<", "/proc/self/limits"); print grep { /^Max/ } <$limits>;
    open(F, ">", "armed"); close F; sleep 1000;
"#;

/// Takes one of each.
#[cfg(target_arch = "x86_64")]
const MODEST: &str = r#"
    open(my $f, "+<", "/dev/ptmx") or print "no terminal: $!\n";
    syscall(294, 0) >= 0 or print "no inotify: $!\n";
    my $name = "q"; syscall(240, $name, 66, 0600, 0) >= 0 or print "no queue: $!\n";
"#;

#[test]
#[cfg(target_arch = "x86_64")]
fn what_one_takes_of_the_kernels_tables_is_bounded_and_leaves_others_theirs() {
    let mut bench = Bench::new(1);
    let (greedy, modest) = (bench.dyno(1), bench.dyno(2));
    bench.apply(greedy, Some(intent(&bench, &["perl", "-e", GREEDY])));
    let pid = bench.running(greedy);
    Bench::file_appears(pid, "armed");
    let log = bench.log(greedy);
    let got = |what: &str| -> u64 {
        let line = log.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {what} in\n{log}")).parse().unwrap()
    };
    let of_host = |path: &str| -> u64 { fs::read_to_string(path).unwrap().trim().parse().unwrap() };
    assert_eq!(got("terminals"), 32, "{log}");
    assert!(got("inotify") <= of_host("/proc/sys/fs/inotify/max_user_instances"), "{log}");
    assert!((1..=20).contains(&got("queues")), "{log}");
    for dir in ["/run", "/dev/shm"] {
        let files = got(&format!("files-in-{dir}"));
        assert!((10_000..=16_384).contains(&files), "{log}");
    }
    assert_eq!((got("aio"), got("keys")), (38, 1), "no such call, and refused: {log}");
    for (name, most) in [
        ("Max processes", 4096),
        ("Max open files", 65_536),
        ("Max locked memory", 64 << 20),
        ("Max pending signals", 32_768),
        ("Max msgqueue size", 819_200),
        ("Max core file size", 0),
    ] {
        let line = log.lines().find_map(|line| line.strip_prefix(name));
        let hard = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        assert!(hard.is_some_and(|hard| hard <= most), "{name}: {hard:?} of {most}");
    }

    // Another one, and the host, still get theirs.
    bench.apply(modest, Some(intent(&bench, &["perl", "-e", MODEST])));
    assert_eq!(bench.ended(modest), (Some(0), None));
    assert_eq!(bench.log(modest), "");
    assert!(OpenOptions::new().read(true).write(true).open("/dev/ptmx").is_ok());
    assert_eq!(bench.exec(greedy, &["true"], ""), (Some(0), String::new()), "it can be looked at");
}
