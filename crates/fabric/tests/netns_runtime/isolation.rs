//! What a dyno that means harm can reach, tried from inside one.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::time::Duration;

use crate::bench::{Bench, intent, shell};
use crate::lab;

/// What a dyno's script writes; it must end well.
fn said(bench: &mut Bench, n: u32, script: &str) -> String {
    let id = bench.dyno(n);
    bench.apply(id, Some(shell(bench, script)));
    let ended = bench.ended(id);
    assert_eq!(ended, (Some(0), None), "{}", bench.log(id));
    bench.log(id)
}

fn words(text: &str) -> BTreeSet<&str> {
    text.split_whitespace().collect()
}

#[test]
fn nothing_of_the_hosts_files_is_there_but_programs() {
    let mut bench = Bench::new(1);
    let neighbour = bench.dyno(9);
    bench.apply(neighbour, Some(shell(&bench, "echo x > found-by-nobody; exec sleep 1000")));
    let pid = bench.running(neighbour);
    Bench::file_appears(pid, "found-by-nobody");
    let secret = tempfile::NamedTempFile::with_prefix("found-by-nobody").unwrap();
    let log = said(&mut bench, 1, "
        echo root $(ls -A /)
        echo etc $(ls -A /etc)
        echo var $(ls -A /var)
        echo secrets $(find / -name 'found-by-nobody*' 2>/dev/null)
        for path in /root /home /var/lib /var/log /opt /srv /boot /mnt /work /etc/shadow /etc/ssh /etc/ssl/private
        do ls -d $path 2>/dev/null && echo there; done
        # All that can be written, below every mount.
        for dir in $(awk '{ print $5 }' /proc/self/mountinfo) /usr/bin /usr/local /etc /.causeway
        do test -d $dir && touch $dir/probe 2>/dev/null && echo writable $dir; done
        exit 0
    ");
    let line = |start: &str| log.lines().find_map(|line| line.strip_prefix(start)).unwrap_or("?");
    let mut root = words(line("root "));
    for optional in ["lib32", "lib64", "libx32"] {
        root.remove(optional);
    }
    let names = ".causeway app bin dev etc lib proc run sbin sys tmp usr var";
    assert_eq!(root, words(names));
    let etc = "alternatives group hostname hosts ld.so.cache nsswitch.conf passwd protocols \
               resolv.conf services ssl";
    assert_eq!(words(line("var ")), words("tmp"));
    assert_eq!(words(line("etc ")), words(etc));
    assert_eq!(line("secrets"), "");
    assert!(!log.contains("there"), "{log}");
    let writable: BTreeSet<_> =
        log.lines().filter_map(|line| line.strip_prefix("writable ")).collect();
    assert_eq!(writable, words("/app /dev/mqueue /dev/shm /run /tmp"), "{log}");
    drop(secret);
}

#[test]
fn other_processes_and_their_memory_are_out_of_sight() {
    let mut bench = Bench::new(1);
    let neighbour = bench.dyno(9);
    let hoard = "use IPC::SysV qw(:all); my $id = shmget(4711, 64, IPC_CREAT | 0666) // die $!;
        shmwrite($id, q(found by nobody), 0, 15); open F, q(>shared); close F; sleep 1000";
    bench.apply(neighbour, Some(intent(&bench, &["perl", "-e", hoard])));
    let pid = bench.running(neighbour);
    Bench::file_appears(pid, "shared");
    let script = format!(
        "
        echo pids $(ls /proc | grep -c '^[0-9]')
        echo first $(head -c 25 /proc/1/cmdline | tr '\\0' ' ')
        for pid in {pid} $(seq 300 400) 70000
        do kill -0 $pid 2>/dev/null && echo found $pid; ls /proc/$pid 2>/dev/null; done
        kill -9 {pid} 2>/dev/null
        echo shared $(ipcs -m | grep -c 0x)
        perl -e 'print syscall(101, 16, {pid}, 0, 0) < 0 ? \"ptrace $!\\n\" : \"ptrace yes\\n\"'
        exit 0
    "
    );
    let log = said(&mut bench, 1, &script);
    assert!(log.contains("first /.causeway/init init --"), "{log}");
    assert!(!log.contains("found"), "{log}");
    assert!(log.contains("shared 0\n") && log.contains("ptrace No such process\n"), "{log}");
    let pids = log.lines().find_map(|line| line.strip_prefix("pids ")).unwrap();
    assert!(pids.parse::<u32>().unwrap() < 10, "{log}");
    assert!(crate::bench::lives(pid), "the neighbour did not notice");
}

#[test]
fn the_kernel_shows_little_and_takes_nothing() {
    let mut bench = Bench::new(1);
    let log = said(
        &mut bench,
        1,
        r"
        echo devices $(ls /dev)
        for file in /proc/sys/kernel/core_pattern /proc/sys/net/ipv4/ip_forward /proc/sysrq-trigger \
            /proc/sys/vm/drop_caches /sys/kernel/uevent_helper /sys/power/state /proc/1/oom_score_adj
        do { echo 0 > $file; } 2>/dev/null && echo wrote $file; done
        for file in /proc/kcore /proc/kmsg /dev/kmsg /dev/mem /proc/keys /proc/sched_debug \
            /proc/timer_list /proc/acpi /sys/firmware /sys/kernel/debug /sys/kernel/security
        do echo read $file $(cat $file 2>/dev/null | head -c 10 | wc -c) $(ls $file 2>/dev/null | grep -vc ^/); done
        mknod /tmp/null c 1 3 2>/dev/null && echo made a device
        mount -t tmpfs none /tmp 2>/dev/null && echo mounted
        mount --bind /tmp /app 2>/dev/null && echo mounted
        umount /sys 2>/dev/null && echo unmounted
        mount -o remount,rw /usr 2>/dev/null && echo remounted
        unshare -r true 2>/dev/null && echo unshared
        unshare -m true 2>/dev/null && echo unshared
        chroot /tmp true 2>/dev/null && echo changed root
        hostname other 2>/dev/null && echo named
        dmesg 2>/dev/null | grep . && echo heard
        exit 0
    ",
    );
    let line = |start: &str| log.lines().find_map(|line| line.strip_prefix(start)).unwrap_or("?");
    let mut devices = words(line("devices "));
    devices.remove("core");
    let names = "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero";
    assert_eq!(devices, words(names));
    for line in log.lines() {
        let fine = line.starts_with("devices ")
            || line.starts_with("wrote /proc/1/oom_score_adj")
            || (line.starts_with("read ") && line.ends_with(" 0 0"));
        assert!(fine, "{line}\n{log}");
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn dangerous_system_calls_are_refused() {
    let mut bench = Bench::new(1);
    let (refused, absent, family) = (1, 38, 97);
    let new_user = 0x1000_0000;
    let cases = [
        ("ptrace-traceme", "101, 0, 0, 0, 0", 0),
        ("syslog", "103, 3, 0, 0", refused),
        ("personality-read-implies-exec", "135, 0x400000", absent),
        ("pivot_root", "155, 0, 0", refused),
        ("chroot", "161, 0", refused),
        ("acct", "163, 0", refused),
        ("mount", "165, 0, 0, 0, 0, 0", refused),
        ("umount2", "166, 0, 0", refused),
        ("swapon", "167, 0, 0", refused),
        ("reboot", "169, 0, 0, 0, 0", refused),
        ("init_module", "175, 0, 0, 0", refused),
        ("quotactl", "179, 0, 0, 0, 0", refused),
        ("io_setup", "206, 1, 0", absent),
        ("clock_settime", "227, 0, 0", refused),
        ("mbind", "237, 0, 0, 0, 0, 0, 0", refused),
        ("kexec_load", "246, 0, 0, 0, 0", refused),
        ("add_key", "248, 0, 0, 0, 0, 0", refused),
        ("request_key", "249, 0, 0, 0, 0", refused),
        ("keyctl", "250, 0, 0, 0, 0, 0", refused),
        ("perf_event_open", "298, 0, 0, 0, 0, 0", refused),
        ("name_to_handle_at", "303, 0, 0, 0, 0, 0", refused),
        ("open_by_handle_at", "304, 0, 0, 0", refused),
        ("setns", "308, 0, 0", refused),
        ("process_vm_readv", "310, 1, 0, 0, 0, 0, 0", refused),
        ("finit_module", "313, 0, 0, 0", refused),
        ("bpf", "321, 0, 0, 0", refused),
        ("userfaultfd", "323, 0", refused),
        ("io_uring_setup", "425, 0, 0", refused),
        ("open_tree", "428, 0, 0, 0", refused),
        ("fsopen", "430, 0, 0", refused),
        ("clone3", "435, 0, 0", absent),
        ("pidfd_getfd", "438, 0, 0, 0", refused),
        ("mount_setattr", "442, 0, 0, 0, 0, 0", refused),
        // What the kernel has that is in no list, and what it has not.
        ("listmount", "458, 0, 0, 0, 0", absent),
        ("of-the-future", "999", absent),
        ("packet-socket", "41, 17, 3, 768", refused),
        ("raw-socket", "41, 2, 3, 1", refused),
        ("alg-socket", "41, 38, 5, 0", family),
        ("vsock-socket", "41, 40, 1, 0", family),
        ("xdp-socket", "41, 44, 3, 0", family),
        ("bluetooth-socket", "41, 31, 3, 1", family),
        ("netfilter", "41, 16, 3, 12", 0),
    ];
    let mut script = String::new();
    for (name, call, _) in cases {
        script +=
            &format!("$! = 0; $r = syscall({call}); printf qq({name} %d\\n), $r < 0 ? $! : 0;\n");
    }
    for flag in [new_user, 0x2_0000, 0x2000_0000, 0x4000_0000] {
        script += &format!(
            "$r = syscall(56, {flag} | 17, 0, 0, 0, 0); exit if $r == 0; \
                            printf qq(clone-{flag:x} %d\\n), $r < 0 ? $! : 0;\n"
        );
        script += &format!(
            "$r = syscall(272, {flag}); printf qq(unshare-{flag:x} %d\\n), $r < 0 ? $! : 0;\n"
        );
    }
    let id = bench.dyno(1);
    bench.apply(id, Some(intent(&bench, &["perl", "-e", &script])));
    assert_eq!(bench.ended(id), (Some(0), None), "{}", bench.log(id));
    let log = bench.log(id);
    for (name, _, errno) in cases {
        assert!(log.contains(&format!("{name} {errno}\n")), "{name} {errno}: {log}");
    }
    for flag in ["10000000", "20000", "20000000", "40000000"] {
        assert!(log.contains(&format!("clone-{flag} 1\nunshare-{flag} 1\n")), "{log}");
    }
    // The other way to make the same call.
    let other = bench.dyno(2);
    let call = "print qq(before\\n); syscall(0x40000000 + 39); print qq(after\\n)";
    bench.apply(other, Some(intent(&bench, &["perl", "-e", &format!("$| = 1; {call}")])));
    assert_eq!(bench.ended(other), (None, Some(31)));
    assert_eq!(bench.log(other), "before\n");
}

#[test]
fn programs_that_give_rights_give_none() {
    let mut bench = Bench::new(1);
    let log = said(
        &mut bench,
        1,
        r"
        cp /bin/sh here; chmod 6755 here; ./here -p -c 'echo copy $(id -u) $(id -g)'
        timeout 5 su -c 'id -u' </dev/null 2>/dev/null
        find /usr/bin /usr/sbin -perm /6000 -type f | while read program
        do timeout 5 perl -e 'exec {$ARGV[0]} @ARGV' $program --version </dev/null >/dev/null 2>&1 &
           while test -d /proc/$!; do grep -s ^Uid /proc/$!/status; break; done; wait; done | sort -u
        perl -e '$> = 0; print qq(euid $>\n); $< = 0; print qq(uid $<\n)'
        perl -e 'print qq(groups $)\n)'
        exit 0
    ",
    );
    let user = log.lines().find_map(|line| line.strip_prefix("euid ")).unwrap();
    assert_ne!(user, "0");
    assert!(log.contains(&format!("copy {user} {user}\n")), "{log}");
    assert!(log.contains("Uid:"), "some were looked at: {log}");
    for line in log.lines() {
        let ids = line.split_whitespace().filter(|word| word.bytes().all(|b| b.is_ascii_digit()));
        assert!(ids.clone().all(|id| id == user), "{line}\n{log}");
    }
}

#[test]
fn its_network_is_its_vpc_and_nothing_of_the_host() {
    let (mut lab, _, a, b) = lab::Lab::peered();
    lab.sweep();
    let mut bench = Bench::with_grace(1, Duration::from_millis(200));
    // Something that listens on every address of the host.
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    listener.set_nonblocking(true).unwrap();
    let hosts = std::process::Command::new("hostname").arg("-I").output().unwrap();
    let hosts = String::from_utf8(hosts.stdout).unwrap();
    let here: Vec<&str> = hosts.split_whitespace().filter(|ip| ip.contains('.')).collect();
    let all: Vec<&str> =
        here.into_iter().chain(["127.0.0.1", "169.254.1.1", "10.1.0.1", "10.1.0.2"]).collect();
    assert!(lab::reaches(a, b, "10.2.0.4", 80), "the peering works");
    let target = lab::udp(b, 5000);
    let script = format!(
        r"
        use IO::Socket::INET;
        for my $peer ((map {{ qq($_:{port}) }} qw({})), '169.254.169.254:80', '169.254.170.2:80') {{
            my $s = IO::Socket::INET->new(PeerAddr => $peer, Timeout => 0.3);
            print $s ? qq(reached $peer\n) : qq(not $peer\n);
        }}
        my $u = IO::Socket::INET->new(Proto => q(udp), PeerAddr => q(10.2.0.4:5000));
        print $u->send(q(true)) ? qq(sent\n) : qq($!\n);
        socket(my $f, PF_INET, SOCK_DGRAM, 0) or die;
        setsockopt($f, 0, 15, pack(q(i), 1)) or die;             # IP_FREEBIND
        bind($f, pack_sockaddr_in(7777, inet_aton(q(10.1.0.77)))) or die;
        send($f, q(forged), 0, pack_sockaddr_in(5000, inet_aton(q(10.2.0.4)))) or print qq(forged nothing\n);
        setsockopt($f, 0, 19, pack(q(i), 1)) and print qq(transparent\n);
        system(q(ip addr add 10.1.0.77/32 dev eth0 2>/dev/null)) or print qq(took an address\n);
        system(q(ip link set eth0 address 02:00:00:00:00:99 2>/dev/null)) or print qq(took a MAC\n);
        system(q(ip neigh replace 169.254.1.1 lladdr 02:00:00:00:00:99 dev eth0 2>/dev/null))
            or print qq(took a neighbour\n);
        system(q(ip route replace default dev eth0 2>/dev/null)) or print qq(took a route\n);
        system(q(nft list ruleset 2>/dev/null | grep .)) or print qq(saw rules\n);
        print qq(links ), join(q( ), sort map {{ s,.*/,,r }} glob(q(/sys/class/net/*))), qq(\n);
        system(q(ping -c1 -W1 10.2.0.4 >/dev/null)) or print qq(pings\n);
    ",
        all.join(" ")
    );
    let id = bench.dyno(1);
    let mut wanted = intent(&bench, &["perl", "-MSocket", "-e", &script]);
    wanted.interface = a;
    bench.apply(id, Some(wanted));
    assert_eq!(bench.ended(id), (Some(0), None), "{}", bench.log(id));
    let log = bench.log(id);
    let mut expected: Vec<String> = all.iter().map(|ip| format!("not {ip}:{port}")).collect();
    let rest = [
        "not 169.254.169.254:80",
        "not 169.254.170.2:80",
        "sent",
        "forged nothing",
        "links eth0 lo",
        "pings",
    ];
    expected.extend(rest.map(str::to_owned));
    assert_eq!(log.lines().collect::<Vec<_>>(), expected);
    assert!(listener.accept().is_err(), "nobody came to the host");
    assert_eq!(heard(&target), ["true"]);
    // Before the interface goes.
    drop(bench);
}

/// What arrived so far.
fn heard(socket: &UdpSocket) -> Vec<String> {
    let mut all = Vec::new();
    let mut buffer = [0; 64];
    while let Ok(length) = socket.recv(&mut buffer) {
        all.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
    }
    all
}

#[test]
fn the_environment_of_the_server_is_not_handed_on() {
    let mut bench = Bench::new(1);
    let log = said(
        &mut bench,
        1,
        "env | cut -d= -f1 | sort; tr '\\0' '\\n' < /proc/1/environ | cut -d= -f1 | sort",
    );
    let names: BTreeSet<_> = log.lines().collect();
    assert!(names.is_subset(&words("HOME LANG PATH PWD USER OLDPWD SHLVL _")), "{names:?}");
    assert!(fs::read("/proc/self/environ").unwrap().len() > 100, "the server has more");
}
