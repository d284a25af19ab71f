//! libnftables, loaded when it is first needed: a machine without it can still serve `none`.

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::ptr::NonNull;
use std::sync::{Mutex, OnceLock, PoisonError};

use libloading::Library;

use crate::driver::Error;

const LIBRARY: &str = "libnftables.so.1";

/// Listings without counters and with numbers for all names (`nftables/libnftables.h`).
const STATELESS_NUMERIC: c_uint = (1 << 2) | (1 << 7) | (1 << 8) | (1 << 9) | (1 << 10);

/// The library keeps some tables that all contexts share.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
static API: OnceLock<Result<Api, String>> = OnceLock::new();

type Context = *mut c_void;

struct Api {
    new: extern "C" fn(u32) -> Context,
    free: extern "C" fn(Context),
    buffer_output: extern "C" fn(Context) -> c_int,
    buffer_error: extern "C" fn(Context) -> c_int,
    output: extern "C" fn(Context) -> *const c_char,
    error: extern "C" fn(Context) -> *const c_char,
    set_flags: extern "C" fn(Context, c_uint),
    run: extern "C" fn(Context, *const c_char) -> c_int,
    _library: Library,
}

/// A context of libnftables, which stays in the namespace it was made in.
pub(super) struct Nft {
    context: NonNull<c_void>,
    api: &'static Api,
}

impl Nft {
    /// Makes a context in the namespace of the calling thread.
    pub(super) fn open() -> Result<Self, Error> {
        let api = api()?;
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let context = NonNull::new((api.new)(0))
            .ok_or_else(|| Error::Nftables("no context could be made".into()))?;
        let nft = Self { context, api };
        (api.set_flags)(context.as_ptr(), STATELESS_NUMERIC);
        if (api.buffer_output)(context.as_ptr()) != 0 || (api.buffer_error)(context.as_ptr()) != 0 {
            return Err(Error::Nftables("no buffer could be made".into()));
        }
        Ok(nft)
    }

    /// Runs commands as one transaction and returns what they print.
    pub(super) fn run(&mut self, commands: &str) -> Result<String, Error> {
        let text = CString::new(commands)
            .map_err(|_| Error::Nftables("a command has a zero byte".into()))?;
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let status = (self.api.run)(self.context.as_ptr(), text.as_ptr());
        // Reading a buffer empties it, so both are read whatever the status.
        let output = read((self.api.output)(self.context.as_ptr()));
        let error = read((self.api.error)(self.context.as_ptr()));
        if status != 0 {
            return Err(Error::Nftables(error.trim().to_owned()));
        }
        Ok(output)
    }
}

impl Drop for Nft {
    fn drop(&mut self) {
        (self.api.free)(self.context.as_ptr());
    }
}

/// Copies a buffer of the library, which stays valid until the next command.
fn read(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    #[expect(unsafe_code, reason = "the library returns C strings")]
    // SAFETY: not null, and the library ends its buffers with a zero byte and leaves them alone
    // until the next call with this context, which the caller has exclusively.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_string_lossy().into_owned()
}

fn api() -> Result<&'static Api, Error> {
    API.get_or_init(load).as_ref().map_err(|text| Error::Nftables(text.clone()))
}

#[expect(unsafe_code, reason = "symbols of a shared library have no checked types")]
fn load() -> Result<Api, String> {
    // SAFETY: loading runs the initialisers of the distribution's own libnftables, which have no
    // preconditions. The signatures are those of nftables/libnftables.h, stable since its
    // version 1; the functions stay valid because the library is kept beside them.
    unsafe {
        let library = Library::new(LIBRARY).map_err(|e| e.to_string())?;
        macro_rules! symbol {
            ($name:literal) => {
                *library.get($name).map_err(|e| e.to_string())?
            };
        }
        Ok(Api {
            new: symbol!(b"nft_ctx_new\0"),
            free: symbol!(b"nft_ctx_free\0"),
            buffer_output: symbol!(b"nft_ctx_buffer_output\0"),
            buffer_error: symbol!(b"nft_ctx_buffer_error\0"),
            output: symbol!(b"nft_ctx_get_output_buffer\0"),
            error: symbol!(b"nft_ctx_get_error_buffer\0"),
            set_flags: symbol!(b"nft_ctx_output_set_flags\0"),
            run: symbol!(b"nft_run_cmd_from_buffer\0"),
            _library: library,
        })
    }
}
