//! The hidden subcommand that an edge is, alone: what tests start in place of `causeway`.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    match (args.next().as_deref().and_then(|name| name.to_str()), args.next()) {
        (Some("edge"), Some(dir)) => causeway_edge::process_main(Path::new(&dir)),
        (Some(_) | None, _) => ExitCode::FAILURE,
    }
}
