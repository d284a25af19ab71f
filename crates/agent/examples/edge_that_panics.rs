//! The hidden subcommand that an edge is, with a thread that panics when a test opens the pipe `panic`
//! beside the edge's directory.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    match (args.next().as_deref().and_then(|name| name.to_str()), args.next()) {
        (Some("edge"), Some(dir)) => {
            let pipe = Path::new(&dir).with_file_name("panic");
            std::thread::spawn(move || {
                // Nobody opens one that is not there.
                let Ok(mut pipe) = File::open(pipe) else { return };
                let read = pipe.read(&mut [0]);
                panic!("it was told to: {read:?}");
            });
            edge::process_main(Path::new(&dir))
        }
        (Some(_) | None, _) => ExitCode::FAILURE,
    }
}
