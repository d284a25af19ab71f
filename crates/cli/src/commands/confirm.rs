//! Making sure that something destructive is meant.

use anyhow::bail;

use crate::output::Out;

/// Makes sure by `--confirm`, or by asking as the `heroku` command does (R18).
///
/// # Errors
///
/// Where something else than `name` was given or typed.
pub(super) fn confirm(
    warning: &str,
    name: &str,
    given: Option<&str>,
    out: &mut Out,
) -> anyhow::Result<()> {
    let typed = match given {
        Some(given) => given.to_owned(),
        None => {
            out.line(" ▸    WARNING: Destructive Action");
            out.line(format_args!(" ▸    {warning}"));
            out.line(format_args!(
                " ▸    To proceed, type {name} or re-run this command with --confirm {name}"
            ));
            out.text("\n> ");
            out.flush();
            let mut line = String::new();
            std::io::stdin().read_line(&mut line)?;
            line.trim().to_owned()
        }
    };
    if typed != name {
        bail!("Confirmation {typed} did not match {name}. Aborted; nothing was changed.");
    }
    Ok(())
}
