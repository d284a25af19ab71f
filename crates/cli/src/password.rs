//! Passwords, typed or piped. They are never arguments, as everybody on a machine can see those.

use std::io::{BufRead, IsTerminal, Write, stderr, stdin};

use anyhow::{Context, bail};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

/// Reads the password from the first line of standard input.
///
/// # Errors
///
/// Standard input is empty or cannot be read.
pub(crate) fn from_stdin() -> anyhow::Result<String> {
    line(&mut stdin().lock())
}

fn line(input: &mut impl BufRead) -> anyhow::Result<String> {
    let mut line = String::new();
    if input.read_line(&mut line).context("the password cannot be read")? == 0 {
        bail!("no password came from standard input");
    }
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// Asks for a password on the terminal, which does not show it. The question goes to standard error, as
/// standard output may be read by a shell.
///
/// # Errors
///
/// There is no terminal.
pub(crate) fn ask(question: &str) -> anyhow::Result<String> {
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

/// Asks on the terminal for something that it may show, such as an email address.
///
/// # Errors
///
/// There is no terminal, or nothing was typed.
pub(crate) fn ask_openly(question: &str) -> anyhow::Result<String> {
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

/// Reads a code of a second factor: asks for it on the terminal, or takes the next line of standard input.
///
/// # Errors
///
/// Nothing was typed.
pub(crate) fn code() -> anyhow::Result<String> {
    if stdin().is_terminal() {
        write!(stderr(), "Two-factor code: ").context("the terminal is gone")?;
    }
    let mut typed = String::new();
    stdin().lock().read_line(&mut typed).context("the code cannot be read")?;
    match typed.trim() {
        "" => bail!("no code of the second factor was given; nothing was done"),
        typed => Ok(typed.to_owned()),
    }
}

/// Asks twice for a new password.
///
/// # Errors
///
/// There is no terminal, or the two passwords differ.
pub(crate) fn ask_for_new() -> anyhow::Result<String> {
    let password = ask("New password")?;
    if ask("The same again")? != password {
        bail!("the two passwords differ; nothing was changed");
    }
    Ok(password)
}

/// While this lives, the terminal does not show what is typed.
struct Hidden(Termios);

impl Hidden {
    fn new() -> anyhow::Result<Self> {
        let before = tcgetattr(stdin()).context("the settings of the terminal cannot be read")?;
        let mut hidden = before.clone();
        hidden.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(stdin(), SetArg::TCSAFLUSH, &hidden)
            .context("the terminal cannot be kept from showing what is typed")?;
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
