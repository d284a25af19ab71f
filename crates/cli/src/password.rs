//! Passwords, typed or piped. They are never arguments: those are seen by everybody on a machine.

use std::io::{BufRead, IsTerminal, Write, stderr, stdin};

use anyhow::{Context, bail};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

/// The first line of standard input.
///
/// # Errors
///
/// Where there is none.
pub fn from_stdin() -> anyhow::Result<String> {
    line(&mut stdin().lock())
}

fn line(input: &mut impl BufRead) -> anyhow::Result<String> {
    let mut line = String::new();
    if input.read_line(&mut line).context("the password cannot be read")? == 0 {
        bail!("no password came from standard input");
    }
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// Asks for one on the terminal, which does not show it. The question goes where errors go, as
/// what is printed may be for a shell.
///
/// # Errors
///
/// Where there is no terminal to ask on.
pub fn ask(question: &str) -> anyhow::Result<String> {
    if !stdin().is_terminal() {
        bail!("there is no terminal to ask for a password on; pipe it in with --password-stdin");
    }
    let hidden = Hidden::new()?;
    write!(stderr(), "{question}: ").context("the terminal is gone")?;
    let typed = from_stdin();
    drop(hidden);
    writeln!(stderr()).context("the terminal is gone")?;
    typed
}

/// Asks for something that may be seen, such as whose password it is.
///
/// # Errors
///
/// Where there is no terminal to ask on, or nothing was typed.
pub fn ask_openly(question: &str) -> anyhow::Result<String> {
    if !stdin().is_terminal() {
        bail!("there is no terminal to ask on; give the user's address: causeway login ADDRESS");
    }
    write!(stderr(), "{question}: ").context("the terminal is gone")?;
    let mut typed = String::new();
    stdin().lock().read_line(&mut typed).context("the answer cannot be read")?;
    match typed.trim() {
        "" => bail!("nothing was typed; give the user's address: causeway login ADDRESS"),
        typed => Ok(typed.to_owned()),
    }
}

/// Asks twice.
///
/// # Errors
///
/// As [`ask`], and where the two differ.
pub fn ask_for_new() -> anyhow::Result<String> {
    let password = ask("New password")?;
    if ask("The same again")? != password {
        bail!("the two passwords differ; nothing was changed");
    }
    Ok(password)
}

/// A terminal that does not show what is typed, until this is dropped.
struct Hidden(Termios);

impl Hidden {
    fn new() -> anyhow::Result<Self> {
        let before = tcgetattr(stdin()).context("the terminal says nothing of itself")?;
        let mut hidden = before.clone();
        hidden.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(stdin(), SetArg::TCSAFLUSH, &hidden).context("the terminal cannot be quiet")?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing either.
        let _ = tcsetattr(stdin(), SetArg::TCSAFLUSH, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_without_its_end() {
        for (text, password) in [("a b\r\nrest", "a b"), ("x", "x"), ("\n", "")] {
            assert_eq!(line(&mut text.as_bytes()).unwrap(), password);
        }
        assert!(line(&mut &b""[..]).is_err());
    }
}
