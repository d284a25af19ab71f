//! A command that believes to be on a terminal, and is asked and answered.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use os::poll::is_readable_within;

/// How long it may take to say what it is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A command on a terminal.
pub struct Terminal {
    child: Child,
    master: File,
    shown: String,
}

impl Terminal {
    /// Starts one.
    pub fn start(command: Command) -> Self {
        Self::sized(command, 80, 24)
    }

    /// Starts one on a terminal of some width and height.
    pub fn sized(mut command: Command, columns: u16, rows: u16) -> Self {
        let size = nix::pty::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = nix::pty::openpty(&size, None).unwrap();
        let end = || Stdio::from(pty.slave.try_clone().unwrap());
        command.stdin(end()).stdout(end()).stderr(end()).env("TERM", "xterm");
        // What it starts itself ends with it.
        command.process_group(0);
        let child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        Self { child, master: File::from(pty.master), shown: String::new() }
    }

    /// Waits until it shows something.
    #[track_caller]
    pub fn expect(&mut self, text: &str) {
        while !self.shown.contains(text) {
            assert!(self.read(), "it ended and never showed {text:?}: {}", self.shown);
        }
    }

    /// What it has shown since the last line was typed.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Types a line.
    pub fn type_line(&mut self, line: &str) {
        // What was shown before is answered.
        self.shown.clear();
        self.master.write_all(line.as_bytes()).unwrap();
        self.master.write_all(b"\r").unwrap();
    }

    /// Types something as it is, such as a control character.
    pub fn type_bytes(&mut self, bytes: &[u8]) {
        self.shown.clear();
        self.master.write_all(bytes).unwrap();
    }

    /// Waits for its end: its status, and what it showed since the last line was typed.
    pub fn end(mut self) -> (Option<i32>, String) {
        while self.read() {}
        (self.child.wait().unwrap().code(), std::mem::take(&mut self.shown))
    }

    /// Reads what it shows; `false` when there will be no more.
    #[track_caller]
    fn read(&mut self) -> bool {
        let ready = is_readable_within(&self.master, PATIENCE).unwrap();
        assert!(ready, "it shows nothing more: {}", self.shown);
        let mut bytes = [0; 4096];
        match self.master.read(&mut bytes) {
            // A terminal whose other end is closed fails so.
            Ok(0) | Err(_) => false,
            Ok(n) => {
                self.shown.push_str(&String::from_utf8_lossy(&bytes[..n]));
                true
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let group = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
            let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }
}
