//! Workloads with a client at their standard input and output.

use std::fs::File;
use std::io::{Read, Write};

use causeway_fabric::runtime::{Ends, Inside, Runtime, WorkloadState, spawn_on_terminal, take};
use model::Stdio;

use super::bench::{Bench, intent, lives, shell};

const TERMINAL: Stdio = Stdio::Terminal { columns: 91, rows: 17 };

/// The side of a workload's terminal where it is typed and shown.
fn terminal(bench: &Bench, id: model::WorkloadId) -> File {
    match take(&bench.runtime.attach_socket(&id).unwrap()).unwrap() {
        Ends::Terminal(master) => master.into(),
        Ends::Pipes { .. } => panic!("pipes"),
    }
}

/// Reads what a terminal shows up to some text.
fn expect(terminal: &mut File, text: &str) -> String {
    let mut shown = String::new();
    let mut bytes = [0; 4096];
    while !shown.contains(text) {
        let read = terminal.read(&mut bytes).unwrap_or_else(|e| panic!("{e}: {shown:?}"));
        shown.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
    shown
}

#[test]
fn a_client_has_a_terminal_with_its_size_and_its_signals() {
    let mut bench = Bench::new(1);
    let id = bench.instance(1);
    // Line editing changes the terminal's mode at each prompt. The kernel keeps what was typed just
    // before such a change from the reader until the next key, so this shell has none.
    let wanted = intent(&bench, &["bash", "--norc", "--noediting", "-i"]);
    bench.apply(id, Some(model::intent::WorkloadIntent { stdio: TERMINAL, ..wanted }));
    bench.running(id);
    let mut terminal = terminal(&bench, id);
    assert!(take(&bench.runtime.attach_socket(&id).unwrap()).is_err(), "there is one client");
    let mut say = |line: &[u8]| terminal.write_all(line).unwrap();
    say(b"stty size; tty\n");
    expect(&mut terminal, "17 91\r\n/dev/pts/0\r\n");
    // Ctrl-C ends what runs in the foreground, and not the shell. The process that is to be interrupted
    // says that it runs: a signal that comes while the shell starts a process may miss that process.
    let line = b"sh -c 'echo at\"\"work; exec sleep 1000'; echo \"status $?\"\n";
    terminal.write_all(line).unwrap();
    expect(&mut terminal, "atwork\r\n");
    terminal.write_all(b"\x03").unwrap();
    // The shell sets the terminal's mode again after what a signal ended, and then asks for more.
    expect(&mut terminal, "$ ");
    terminal.write_all(b"echo \"after $?\"\n").unwrap();
    expect(&mut terminal, "after 130\r\n");
    terminal.write_all(b"exit 7\n").unwrap();
    assert_eq!(bench.ended(id), (Some(7), None));
    assert_eq!(bench.log(id), "", "what a client is shown is not in the log");
}

#[test]
fn a_command_waits_for_its_client() {
    let mut bench = Bench::new(2);
    let id = bench.instance(1);
    let wanted = shell(&bench, "echo done; exit 6");
    bench.apply(id, Some(model::intent::WorkloadIntent { stdio: TERMINAL, ..wanted }));
    bench.running(id);
    let (_, command) = bench.exec(id, &["pgrep", "-f", "exit 6"], "");
    assert_eq!(command.lines().count(), 1, "the first process alone: {command}");
    // Held until the end: a terminal that is let go of hangs up.
    let mut client = terminal(&bench, id);
    expect(&mut client, "done\r\n");
    assert_eq!(bench.ended(id), (Some(6), None));
    // Who is told to end before anybody came does.
    let id = bench.instance(2);
    let wanted = shell(&bench, "echo never");
    let wanted = model::intent::WorkloadIntent { stdio: Stdio::Pipes, ..wanted };
    bench.apply(id, Some(wanted.clone()));
    bench.running(id);
    bench.apply(id, Some(model::intent::WorkloadIntent { run: false, ..wanted }));
    assert_eq!(bench.ended(id), (None, Some(15)));
}

#[test]
fn a_command_without_a_shell_gets_a_typed_signal_once() {
    let mut bench = Bench::new(1);
    let id = bench.instance(1);
    let count = "import signal, time\n\
                 seen = []\n\
                 signal.signal(signal.SIGINT, lambda *_: seen.append(1))\n\
                 print('ready', flush=True)\n\
                 while not seen: signal.pause()\n\
                 signal.sigtimedwait([], 0.3)\n\
                 print('seen', len(seen), flush=True)\n";
    let wanted = intent(&bench, &["python3", "-c", count]);
    bench.apply(id, Some(model::intent::WorkloadIntent { stdio: TERMINAL, ..wanted }));
    bench.running(id);
    let mut terminal = terminal(&bench, id);
    expect(&mut terminal, "ready\r\n");
    terminal.write_all(b"\x03").unwrap();
    expect(&mut terminal, "seen 1\r\n");
}

#[test]
fn a_terminal_that_is_closed_hangs_up() {
    let mut bench = Bench::new(1);
    let id = bench.instance(1);
    let script = "trap 'exit 9' HUP; echo ready; while :; do sleep 0.05; done";
    let wanted = shell(&bench, script);
    bench.apply(id, Some(model::intent::WorkloadIntent { stdio: TERMINAL, ..wanted }));
    bench.running(id);
    let mut terminal = terminal(&bench, id);
    expect(&mut terminal, "ready");
    drop(terminal);
    assert_eq!(bench.ended(id), (Some(9), None));
}

#[test]
fn a_client_without_a_terminal_has_pipes() {
    let mut bench = Bench::new(1);
    let id = bench.instance(1);
    let wanted = shell(&bench, "test -t 0 || echo none; cat; echo err >&2; exit 4");
    bench.apply(id, Some(model::intent::WorkloadIntent { stdio: Stdio::Pipes, ..wanted }));
    bench.running(id);
    let Ends::Pipes { input, output } = take(&bench.runtime.attach_socket(&id).unwrap()).unwrap()
    else {
        panic!("a terminal")
    };
    File::from(input).write_all(b"hello\n").unwrap();
    let mut said = String::new();
    File::from(output).read_to_string(&mut said).unwrap();
    assert_eq!(said, "none\nhello\nerr\n");
    assert_eq!(bench.ended(id), (Some(4), None));
}

#[test]
fn a_session_inside_a_workload_has_a_terminal_and_ends_with_it() {
    let mut bench = Bench::new(1);
    let id = bench.instance(1);
    let mut wanted = intent(&bench, &["sleep", "1000"]);
    wanted.environment =
        [("A".to_owned(), "own".to_owned()), ("B".to_owned(), "b".to_owned())].into();
    bench.apply(id, Some(wanted));
    bench.running(id);
    let script =
        "stty size; echo $A $B $0; read line; echo \"got $line\"; echo pid $$; exec sleep 1000";
    let inside = Inside {
        argv: ["sh", "-c", script, "words of one"].map(str::to_owned).to_vec(),
        environment: [("A".to_owned(), "session's".to_owned())].into(),
        columns: 91,
        rows: 17,
    };
    let session = bench.runtime.session_command(&id, &inside).unwrap();
    let argv = format!("{:?}", session.command);
    assert!(!argv.contains("session's"), "what may be secret is in no list of processes: {argv}");
    let (master, mut child) = spawn_on_terminal(session.command, 91, 17).unwrap();
    let mut terminal = File::from(master);
    expect(&mut terminal, "17 91\r\nsession's b words of one\r\n");
    // What is typed before the OCI runtime takes the terminal over waits for the next key.
    let cooked = nix::sys::termios::LocalFlags::ICANON;
    while nix::sys::termios::tcgetattr(&terminal).unwrap().local_flags.contains(cooked) {
        std::thread::yield_now();
    }
    terminal.write_all(b"tea\n").unwrap();
    expect(&mut terminal, "got tea\r\n");
    let (_, processes) = bench.exec(id, &["sh", "-c", "ls /proc | grep -c '^[0-9]*$'"], "");
    assert!(processes.trim().parse::<u32>().unwrap() >= 3, "{processes}");
    drop(terminal);
    child.wait().unwrap();
    std::fs::remove_file(session.order).unwrap();
    while bench.exec(id, &["pgrep", "-f", "sleep 1000"], "").1.lines().count() > 2 {
        // Signals take their time: the workload's first process and its command are what stays.
        std::thread::yield_now();
    }
    let WorkloadState::Running { pid: Some(pid) } = bench.state(id) else { panic!() };
    assert!(lives(pid), "the workload goes on");
}
