//! What becomes of an edge that panics, with edges that are processes of their own.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use edge::test_support::{GREETING, HOST, free_address, greeting_app};
use model::protocol::{Order, Report};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, mkfifo};

use super::*;
use crate::control_loop::{ControlLoop, Handle, Orders, Pace, Pulse};

/// Long enough for anything that is to happen.
const SOON: Duration = Duration::from_secs(60);
/// Longer than any test.
const NEVER: Duration = Duration::from_secs(1 << 30);

/// Nobody asks whether it turns.
struct Unwatched;

impl Pulse for Unwatched {
    fn turn(&self) {}
    fn idle(&self) {}
}

/// A control loop that does nothing because of the time alone, with the edge that it looks after.
struct Lab {
    dir: tempfile::TempDir,
    router: SocketAddr,
    handle: Handle<EdgeActuator>,
    reports: Receiver<Report<Edge>>,
    thread: std::thread::JoinHandle<()>,
}

impl Lab {
    fn start() -> Self {
        // Edges are nobody's children: their ends are told here.
        set_child_subreaper(true).unwrap();
        let test = std::env::current_exe().unwrap();
        let program = test.parent().unwrap().with_file_name("examples").join("edge_that_panics");
        assert!(program.exists(), "{} is missing", program.display());
        let dir = tempfile::tempdir().unwrap();
        mkfifo(&dir.path().join("panic"), Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        let mut config = edge::Config::new(dir.path().join("edge"));
        let router = free_address();
        config.router = Some(router);
        config.location = edge::Location::Here { http: free_address().port(), https: 1, dns: 1 };
        let names = fabric::linux::Linux::new("test").namespace_names();
        let mut actuator = EdgeActuator::new(program, config, names).unwrap();
        // However long a test takes.
        actuator.steady = NEVER;
        let pace = Pace { sweep: NEVER, retry: NEVER, longest_retry: NEVER, interrupted: NEVER };
        let (told, reports) = channel();
        let tell = Box::new(move |report| drop(told.send(report)));
        let (handle, mut looped) = ControlLoop::new(actuator, pace, None, tell);
        let thread = std::thread::spawn(move || looped.run(&Unwatched));
        handle.give(Order::Sync { intent: greeting_app(), revision: 1 });
        Self { dir, router, handle, reports, thread }
    }

    /// What is said next of the edge.
    fn status(&self) -> EdgeStatus {
        loop {
            if let Some(status) = self.reports.recv_timeout(SOON).unwrap().outcomes {
                return status;
            }
        }
    }

    fn pid(&self) -> Pid {
        let noted = fs::read(self.dir.path().join("edge/edge.pid")).unwrap();
        let noted: serde_json::Value = serde_json::from_slice(&noted).unwrap();
        Pid::from_raw(i32::try_from(noted["pid"].as_i64().unwrap()).unwrap())
    }

    /// Has a thread of the edge panic, and gives the status with which its process ends.
    fn panic(&self) -> WaitStatus {
        let pid = self.pid();
        // Whoever reads is let go on when it is opened.
        drop(OpenOptions::new().write(true).open(self.dir.path().join("panic")).unwrap());
        waitpid(pid, None).unwrap()
    }

    /// Asks until there is an answer: the kernel may not have closed at once what the edge before had.
    fn get(&self) -> String {
        loop {
            let asked = TcpStream::connect(self.router).and_then(|mut stream| {
                stream.set_read_timeout(Some(SOON))?;
                let request =
                    format!("GET / HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n");
                stream.write_all(request.as_bytes())?;
                let mut answer = String::new();
                stream.read_to_string(&mut answer).map(|_| answer)
            });
            match asked {
                Ok(answer) if !answer.is_empty() => return answer,
                Ok(_) | Err(_) => std::thread::yield_now(),
            }
        }
    }
}

#[test]
fn an_edge_that_panics_has_a_successor_at_once_and_requests_go_on() {
    let lab = Lab::start();
    assert_eq!(lab.status(), EdgeStatus::Answers);
    assert!(lab.get().ends_with(GREETING));
    let first = lab.pid();
    assert_eq!(lab.panic(), WaitStatus::Exited(first, os::panics::EXIT_STATUS));
    // No comparison of everything and no other try is due: it is the end itself that is noticed.
    assert_eq!(lab.status(), EdgeStatus::Answers);
    assert_ne!(lab.pid(), first);
    assert!(lab.get().ends_with(GREETING));
    // Were the next one to end as soon, and so on, the machine would start edges and do nothing else.
    let second = lab.pid();
    assert_eq!(lab.panic(), WaitStatus::Exited(second, os::panics::EXIT_STATUS));
    let EdgeStatus::Absent(why) = lab.status() else { panic!("a third one was started at once") };
    assert!(why.starts_with("2 edges ended as soon as they served"), "{why}");
    assert_eq!(lab.pid(), second);
    lab.handle.stop();
    lab.thread.join().unwrap();
}
