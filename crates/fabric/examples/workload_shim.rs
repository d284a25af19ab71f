//! The two hidden subcommands that workloads need, alone: what the tests of the runtime start in
//! place of `causeway`.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    match args.next().as_deref().and_then(|name| name.to_str()) {
        Some("shim") => match args.next() {
            Some(dir) => causeway_fabric::runtime::shim_main(Path::new(&dir)),
            None => ExitCode::FAILURE,
        },
        Some("init") => causeway_fabric::runtime::init_main(args),
        Some(_) | None => ExitCode::FAILURE,
    }
}
