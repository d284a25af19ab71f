//! `man`: manual pages.

use std::io;
use std::path::Path;

use anyhow::Context;
use clap::CommandFactory;
use clap_mangen::Man;
use roff::{Roff, roman};

use crate::arguments::Cli;
use crate::help;
use crate::output::Out;

/// Prints the manual page of the whole, or writes those of all commands into a directory.
///
/// # Errors
///
/// A directory that cannot be written to.
pub(super) fn run(directory: Option<&Path>, out: &mut Out) -> anyhow::Result<()> {
    let Some(directory) = directory else {
        out.text(String::from_utf8_lossy(&overview()?));
        return Ok(());
    };
    let about = || format!("manual pages cannot be written to {}", directory.display());
    std::fs::create_dir_all(directory).with_context(about)?;
    clap_mangen::generate_to(Cli::command(), directory).with_context(about)?;
    std::fs::write(directory.join("causeway.1"), overview()?).with_context(about)?;
    out.line(format_args!("Manual pages are in {}", directory.display()));
    Ok(())
}

/// The page of the whole: all commands, in the groups that the help has.
fn overview() -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    let man = Man::new(Cli::command());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    commands().to_writer(&mut page)?;
    man.render_extra_section(&mut page)?;
    man.render_version_section(&mut page)?;
    Ok(page)
}

fn commands() -> Roff {
    let mut roff = Roff::default();
    roff.control("SH", ["COMMANDS"]);
    for (group, commands) in help::grouped(&Cli::command()) {
        roff.control("SS", [group]);
        for (name, about) in commands {
            roff.control("TP", []);
            roff.text([roman(format!("causeway-{name}(1)"))]);
            roff.text([roman(about)]);
        }
    }
    roff
}
