//! What passes by in a network namespace, as tcpdump sees it.

use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A capture on every interface of one namespace, from when it is made until it is dropped.
pub struct Capture {
    child: Child,
    lines: Receiver<String>,
    seen: Mutex<Vec<String>>,
    /// In the host's namespace: what it surely sees, and what comes after everything else.
    fence: Option<UdpSocket>,
}

impl Capture {
    /// In the namespace that the tests run in.
    pub fn of_the_host(filter: &str) -> Self {
        let fence = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = fence.local_addr().unwrap().port();
        let filter = format!("({filter}) or (udp and dst host 127.0.0.1 and dst port {port})");
        Self::start(Command::new("tcpdump"), &filter, Some(fence))
    }

    /// In a VPC's router.
    pub fn of_router(vpc: &str, filter: &str) -> Self {
        Self::of_namespace(&format!("cw-{vpc}"), filter)
    }

    /// In a namespace by its name.
    pub fn of_namespace(name: &str, filter: &str) -> Self {
        let mut inside = Command::new("nsenter");
        inside.arg(format!("--net=/run/netns/{name}")).arg("tcpdump");
        Self::start(inside, filter, None)
    }

    fn start(mut tcpdump: Command, filter: &str, fence: Option<UdpSocket>) -> Self {
        let mut child = tcpdump
            .args(["-i", "any", "-n", "-l", "--immediate-mode", filter])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("tcpdump: {e}: run scripts/setup --for test"));
        let mut said = String::new();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        while !said.contains("listening on any") {
            assert!(errors.read_line(&mut said).unwrap() > 0, "tcpdump ended: {said}");
        }
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        // They end with the process.
        std::thread::spawn(move || std::io::copy(&mut errors, &mut std::io::sink()));
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { child, lines, seen: Mutex::default(), fence }
    }

    /// Waits for a packet; its line.
    #[track_caller]
    pub fn until(&self, wanted: impl Fn(&str) -> bool) -> String {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = seen.iter().find(|line| wanted(line)) {
            return line.clone();
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    seen.push(line.clone());
                    if wanted(&line) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("never passed by: {seen:#?}")
                }
            }
        }
    }

    /// Everything that has passed by until now but the fence: in a router, what was waited for.
    #[track_caller]
    pub fn all(&self) -> Vec<String> {
        let fenced = self.fence.as_ref().map(|fence| {
            let address = fence.local_addr().unwrap();
            fence.send_to(b"fence", address).unwrap();
            format!("> 127.0.0.1.{}:", address.port())
        });
        if let Some(mark) = &fenced {
            self.until(|line| line.contains(mark));
        }
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fence = |line: &&String| fenced.as_ref().is_some_and(|mark| line.contains(mark));
        seen.iter().filter(|line| !is_fence(line)).cloned().collect()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
