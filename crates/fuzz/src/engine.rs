//! libFuzzer, run inside a test.

use std::ffi::{CString, OsStr, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

// Links the engine, which this crate calls by its C interface.
use libfuzzer_sys as _;

/// Names libFuzzer's arguments, separated by line ends.
pub(crate) const ARGUMENTS: &str = "CAUSEWAY_FUZZ";

/// How long a target may take for one input. libFuzzer's own limit works in the main thread alone.
const PATIENCE: Duration = Duration::from_secs(20);

/// Since when the input is tried that is tried now.
static BEGUN: Mutex<Option<Instant>> = Mutex::new(None);

type Target = Box<dyn Fn(&[u8]) + Send + Sync>;

static TARGET: OnceLock<Target> = OnceLock::new();

#[expect(unsafe_code, reason = "libFuzzer is written in C++")]
// SAFETY: the signatures are those of libFuzzer's FuzzerInterface.h.
unsafe extern "C" {
    fn LLVMFuzzerRunDriver(
        argc: *mut c_int,
        argv: *mut *mut *mut c_char,
        try_one: unsafe extern "C" fn(*const u8, usize) -> c_int,
    ) -> c_int;
}

/// Lets libFuzzer try a target until its limits are reached or a property does not hold, and ends
/// the process.
pub(crate) fn run(arguments: &OsStr, try_one: impl Fn(&[u8]) + Send + Sync + 'static) -> ! {
    assert!(TARGET.set(Box::new(try_one)).is_ok(), "one process tries one target");
    let usual = std::panic::take_hook();
    // libFuzzer keeps the input when the process aborts.
    std::panic::set_hook(Box::new(move |panic| {
        usual(panic);
        std::process::abort();
    }));
    std::thread::spawn(watch);
    let mut arguments: Vec<*mut c_char> = std::iter::once(&b"fuzz"[..])
        .chain(arguments.as_bytes().split(|byte| *byte == b'\n'))
        .map(|argument| CString::new(argument).expect("no argument has a NUL").into_raw())
        .collect();
    let mut count = c_int::try_from(arguments.len()).expect("they are few");
    arguments.push(std::ptr::null_mut());
    let mut first = arguments.as_mut_ptr();
    #[expect(unsafe_code, reason = "libFuzzer is written in C++")]
    // SAFETY: the list ends with a null pointer, and nothing of it is freed before the process ends.
    let status = unsafe { LLVMFuzzerRunDriver(&raw mut count, &raw mut first, try_bytes) };
    std::process::exit(status);
}

/// What libFuzzer calls with each input.
#[expect(unsafe_code, reason = "libFuzzer is written in C++")]
unsafe extern "C" fn try_bytes(data: *const u8, length: usize) -> c_int {
    let input = match length {
        0 => &[],
        // SAFETY: libFuzzer gives a pointer to so many bytes, which live until this returns.
        _ => unsafe { std::slice::from_raw_parts(data, length) },
    };
    try_input(input)
}

fn try_input(input: &[u8]) -> c_int {
    let begin = |at| *BEGUN.lock().unwrap_or_else(PoisonError::into_inner) = at;
    begin(Some(Instant::now()));
    TARGET.get().expect("it was set before the engine started")(input);
    begin(None);
    0
}

/// Ends the process, whereupon libFuzzer keeps the input, once one takes too long.
fn watch() {
    loop {
        std::thread::park_timeout(Duration::from_secs(1));
        let begun = *BEGUN.lock().unwrap_or_else(PoisonError::into_inner);
        if begun.is_some_and(|begun| begun.elapsed() > PATIENCE) {
            std::process::abort();
        }
    }
}

/// What libFuzzer's own crate calls where a program consists of one target; nothing calls it here.
#[expect(unsafe_code, reason = "the crate names the function that it calls")]
// SAFETY: it is defined once, here.
#[unsafe(no_mangle)]
fn rust_fuzzer_test_input(input: &[u8]) -> i32 {
    try_input(input)
}
