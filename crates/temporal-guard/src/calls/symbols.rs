//! The functions that stand before those of the C library.
//!
//! The linker takes these for all code of the program, since the program's own symbols go before those of shared libraries.
//! Each notes that it was called, if workflow code is running on this thread, and calls the library's own. None of them
//! unwinds, and none allocates: they may be called from anywhere, as from an allocator.
#![expect(
    unsafe_code,
    reason = "standing before the C library's functions takes symbols and pointers of C"
)]

use super::{WATCHED, note};
use crate::Restricted;
use libc::{c_char, c_int, c_long, c_uint, c_void, mode_t, off64_t, size_t, socklen_t, ssize_t};
use std::ffi::CStr;
use std::fmt::{self, Write};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicPtr, Ordering};

/// Calls the visitor with the addresses on this thread's stack, innermost first, up to where the stack begins.
pub(super) fn walk(bottom: usize, mut visit: impl FnMut(usize) -> ControlFlow<()>) {
    // SAFETY: what has to be synchronized is only so on Windows; the callback does not unwind.
    unsafe {
        backtrace::trace_unsynchronized(|frame| frame.sp().addr() <= bottom && visit(frame.ip().addr()).is_continue());
    }
}

/// Runs code that may change the calling thread's `errno`, which is as before afterwards.
pub(super) fn keeping_errno(code: impl FnOnce()) {
    // SAFETY: the pointer is to a variable of this thread, and valid as long as it runs.
    let before = unsafe { *libc::__errno_location() };
    code();
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = before };
}

/// A function of the C library, once it was looked up.
struct Real {
    name: &'static CStr,
    address: AtomicPtr<c_void>,
}

impl Real {
    /// `name` ends with a NUL byte.
    const fn named(name: &'static str) -> Self {
        match CStr::from_bytes_with_nul(name.as_bytes()) {
            Ok(name) => Self::new(name),
            Err(_) => panic!("the name has a NUL byte"),
        }
    }

    const fn new(name: &'static CStr) -> Self {
        Self {
            name,
            address: AtomicPtr::new(std::ptr::null_mut()),
        }
    }

    /// Its address; null if this system's C library does not have it.
    fn address(&self) -> *mut c_void {
        let known = self.address.load(Ordering::Relaxed);
        if !known.is_null() {
            return known;
        }
        // SAFETY: the name ends with a NUL byte, and RTLD_NEXT is a handle that is always valid.
        let found = unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr()) };
        self.address.store(found, Ordering::Relaxed);
        found
    }
}

/// Looks all functions up: a call may come from where that is not safe, as from a handler of signals or the child of a fork.
extern "C" fn look_up() {
    for real in real::ALL.iter().chain(&[&GETENV, &FORK]) {
        real.address();
    }
}

/// Has it done when the program starts. What is called before looks its own function up.
// SAFETY: the section holds pointers to functions of this type; this one allocates nothing of Rust's and does not unwind.
#[used]
#[unsafe(link_section = ".init_array")]
static AT_START: extern "C" fn() = look_up;

/// What a function gives that the C library does not have: an error.
trait Missing {
    fn missing() -> Self;
}

impl Missing for c_int {
    fn missing() -> Self {
        -1
    }
}

impl Missing for ssize_t {
    fn missing() -> Self {
        -1
    }
}

impl Missing for c_long {
    fn missing() -> Self {
        -1
    }
}

impl Missing for c_uint {
    fn missing() -> Self {
        0
    }
}

impl<T> Missing for *mut T {
    fn missing() -> Self {
        std::ptr::null_mut()
    }
}

fn missing<T: Missing>() -> T {
    // SAFETY: the pointer is to a variable of this thread.
    unsafe { *libc::__errno_location() = libc::ENOSYS };
    T::missing()
}

/// A path or a name, in quotes.
struct Quoted(*const c_char);

impl fmt::Display for Quoted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_null() {
            return formatter.write_str("null");
        }
        // SAFETY: callers of the C library's functions give texts that end with a NUL byte.
        let text = unsafe { CStr::from_ptr(self.0) };
        formatter.write_char('"')?;
        for chunk in text.to_bytes().utf8_chunks() {
            formatter.write_str(chunk.valid())?;
            if !chunk.invalid().is_empty() {
                formatter.write_char(char::REPLACEMENT_CHARACTER)?;
            }
        }
        formatter.write_char('"')
    }
}

/// Defines functions that note a call and pass it on. Behind `as` is what to note; the name alone by default. Behind `else` is
/// what to give where the C library does not have the function; what tells of an error in `errno` by default.
macro_rules! stand_before {
    ($($class:ident: $name:ident($($argument:ident: $type:ty),*) -> $result:ty $(, as $text:literal $($shown:ident)*)? $(, else $missing:expr)?;)*) => {
        /// The C library's own.
        #[allow(non_upper_case_globals, reason = "they are called as the functions are")]
        mod real {
            use super::Real;

            $(pub(super) static $name: Real = Real::named(concat!(stringify!($name), "\0"));)*
            pub(super) static ALL: &[&Real] = &[$(&$name),*];
        }

        $(
            // SAFETY: it has the name, the parameters and the effect of the C library's function.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name($($argument: $type),*) -> $result {
                note(Restricted::$class, |text| stand_before!(@text text $name $($text $($shown)*)?));
                let real = real::$name.address();
                if real.is_null() {
                    return stand_before!(@missing $($missing)?);
                }
                // SAFETY: it is the address of the C library's function, which has this type.
                let real: unsafe extern "C" fn($($type),*) -> $result = unsafe { std::mem::transmute(real) };
                // SAFETY: the arguments are the caller's, who called this very function.
                unsafe { real($($argument),*) }
            }
        )*
    };
    (@missing) => { missing() };
    (@missing $missing:expr) => { $missing };
    (@text $to:ident $name:ident) => { $to.write_str(stringify!($name)) };
    (@text $to:ident $name:ident $text:literal) => { $to.write_str($text) };
    (@text $to:ident $name:ident $text:literal $path:ident) => { write!($to, "{}({})", $text, Quoted($path)) };
}

// Not `stat64` and `lstat64`, which a C library before 2.33 has only in its static part: the standard library calls `statx`.
//
// The third or fourth parameter of `open` and its kind is there only with some flags; passing on what is in its register is
// right on the architectures that this is built for.
stand_before! {
    Clock: clock_gettime(clock: c_int, time: *mut c_void) -> c_int;
    Clock: gettimeofday(time: *mut c_void, zone: *mut c_void) -> c_int;
    Clock: time(time: *mut c_void) -> c_long;
    Clock: nanosleep(time: *const c_void, rest: *mut c_void) -> c_int;
    Clock: clock_nanosleep(clock: c_int, flags: c_int, time: *const c_void, rest: *mut c_void) -> c_int, else libc::ENOSYS;
    Clock: usleep(micros: c_uint) -> c_int;
    Clock: sleep(seconds: c_uint) -> c_uint;

    Randomness: getrandom(buffer: *mut c_void, length: size_t, flags: c_uint) -> ssize_t;
    Randomness: getentropy(buffer: *mut c_void, length: size_t) -> c_int;

    Threads: pthread_create(thread: *mut c_void, attributes: *const c_void, start: *mut c_void, argument: *mut c_void) -> c_int, else libc::ENOSYS;

    Files: open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int, as "open" path;
    Files: open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int, as "open" path;
    Files: openat(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int, as "openat" path;
    Files: openat64(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int, as "openat" path;
    Files: creat(path: *const c_char, mode: mode_t) -> c_int, as "creat" path;
    Files: creat64(path: *const c_char, mode: mode_t) -> c_int, as "creat" path;
    Files: fopen(path: *const c_char, mode: *const c_char) -> *mut c_void, as "fopen" path;
    Files: fopen64(path: *const c_char, mode: *const c_char) -> *mut c_void, as "fopen" path;
    Files: opendir(path: *const c_char) -> *mut c_void, as "opendir" path;
    Files: statx(folder: c_int, path: *const c_char, flags: c_int, mask: c_uint, result: *mut c_void) -> c_int, as "statx" path;
    Files: access(path: *const c_char, mode: c_int) -> c_int, as "access" path;
    Files: readlink(path: *const c_char, buffer: *mut c_char, length: size_t) -> ssize_t, as "readlink" path;
    Files: realpath(path: *const c_char, buffer: *mut c_char) -> *mut c_char, as "realpath" path;
    Files: mkdir(path: *const c_char, mode: mode_t) -> c_int, as "mkdir" path;
    Files: rmdir(path: *const c_char) -> c_int, as "rmdir" path;
    Files: unlink(path: *const c_char) -> c_int, as "unlink" path;
    Files: unlinkat(folder: c_int, path: *const c_char, flags: c_int) -> c_int, as "unlinkat" path;
    Files: rename(from: *const c_char, to: *const c_char) -> c_int, as "rename" from;
    Files: link(from: *const c_char, to: *const c_char) -> c_int, as "link" from;
    Files: linkat(a: c_int, from: *const c_char, b: c_int, to: *const c_char, flags: c_int) -> c_int, as "linkat" from;
    Files: symlink(to: *const c_char, path: *const c_char) -> c_int, as "symlink" path;
    Files: chmod(path: *const c_char, mode: mode_t) -> c_int, as "chmod" path;
    Files: read(file: c_int, buffer: *mut c_void, length: size_t) -> ssize_t;
    Files: readv(file: c_int, buffers: *const c_void, count: c_int) -> ssize_t;
    Files: pread64(file: c_int, buffer: *mut c_void, length: size_t, offset: off64_t) -> ssize_t, as "pread";

    Sockets: socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
    Sockets: socketpair(domain: c_int, kind: c_int, protocol: c_int, sockets: *mut c_int) -> c_int;
    Sockets: connect(socket: c_int, address: *const c_void, length: socklen_t) -> c_int;
    Sockets: bind(socket: c_int, address: *const c_void, length: socklen_t) -> c_int;
    Sockets: listen(socket: c_int, backlog: c_int) -> c_int;
    Sockets: accept(socket: c_int, address: *mut c_void, length: *mut socklen_t) -> c_int;
    Sockets: accept4(socket: c_int, address: *mut c_void, length: *mut socklen_t, flags: c_int) -> c_int, as "accept";
    Sockets: send(socket: c_int, buffer: *const c_void, length: size_t, flags: c_int) -> ssize_t;
    Sockets: sendto(socket: c_int, buffer: *const c_void, length: size_t, flags: c_int, address: *const c_void, size: socklen_t) -> ssize_t;
    Sockets: sendmsg(socket: c_int, message: *const c_void, flags: c_int) -> ssize_t;
    Sockets: recv(socket: c_int, buffer: *mut c_void, length: size_t, flags: c_int) -> ssize_t;
    Sockets: recvfrom(socket: c_int, buffer: *mut c_void, length: size_t, flags: c_int, address: *mut c_void, size: *mut socklen_t) -> ssize_t;
    Sockets: recvmsg(socket: c_int, message: *mut c_void, flags: c_int) -> ssize_t;
    Sockets: getaddrinfo(host: *const c_char, service: *const c_char, hints: *const c_void, result: *mut c_void) -> c_int, as "getaddrinfo" host, else libc::EAI_SYSTEM;

    Environment: secure_getenv(name: *const c_char) -> *mut c_char, as "getenv" name;
    Environment: setenv(name: *const c_char, value: *const c_char, overwrite: c_int) -> c_int, as "setenv" name;
    Environment: unsetenv(name: *const c_char) -> c_int, as "unsetenv" name;
    Environment: putenv(text: *mut c_char) -> c_int;
    Environment: getcwd(buffer: *mut c_char, length: size_t) -> *mut c_char;
    Environment: chdir(path: *const c_char) -> c_int, as "chdir" path;
    Environment: gethostname(buffer: *mut c_char, length: size_t) -> c_int;
    Environment: sched_getaffinity(process: c_int, size: size_t, set: *mut c_void) -> c_int;

    Processes: execve(path: *const c_char, arguments: *const c_void, environment: *const c_void) -> c_int, as "execve" path;
    Processes: execv(path: *const c_char, arguments: *const c_void) -> c_int, as "execv" path;
    Processes: execvp(path: *const c_char, arguments: *const c_void) -> c_int, as "execvp" path;
    Processes: posix_spawn(process: *mut c_int, path: *const c_char, actions: *const c_void, attributes: *const c_void, arguments: *const c_void, environment: *const c_void) -> c_int, as "posix_spawn" path, else libc::ENOSYS;
    Processes: posix_spawnp(process: *mut c_int, path: *const c_char, actions: *const c_void, attributes: *const c_void, arguments: *const c_void, environment: *const c_void) -> c_int, as "posix_spawn" path, else libc::ENOSYS;
    Processes: system(command: *const c_char) -> c_int, as "system" command;
    Processes: popen(command: *const c_char, mode: *const c_char) -> *mut c_void, as "popen" command;
    Processes: getpid() -> c_int;
}

/// Variables that the standard library looks at when an error is made, so that it may keep a backtrace.
const OF_BACKTRACES: [&CStr; 2] = [c"RUST_BACKTRACE", c"RUST_LIB_BACKTRACE"];

static GETENV: Real = Real::new(c"getenv");
static FORK: Real = Real::new(c"fork");

// SAFETY: it has the name, the parameters and the effect of the C library's function.
#[unsafe(no_mangle)]
unsafe extern "C" fn getenv(name: *const c_char) -> *mut c_char {
    // SAFETY: callers give a text that ends with a NUL byte.
    let of_backtraces = || !name.is_null() && OF_BACKTRACES.contains(&unsafe { CStr::from_ptr(name) });
    if WATCHED.get() != 0 && !of_backtraces() {
        note(Restricted::Environment, |text| write!(text, "getenv({})", Quoted(name)));
    }
    let real = GETENV.address();
    if real.is_null() {
        return missing();
    }
    // SAFETY: it is the address of the C library's function, which has this type.
    let real: unsafe extern "C" fn(*const c_char) -> *mut c_char = unsafe { std::mem::transmute(real) };
    // SAFETY: the argument is the caller's.
    unsafe { real(name) }
}

// SAFETY: it has the name, the parameters and the effect of the C library's function.
#[unsafe(no_mangle)]
unsafe extern "C" fn fork() -> c_int {
    note(Restricted::Processes, |text| text.write_str("fork"));
    let real = FORK.address();
    if real.is_null() {
        return missing();
    }
    // SAFETY: it is the address of the C library's function, which has this type.
    let real: unsafe extern "C" fn() -> c_int = unsafe { std::mem::transmute(real) };
    // SAFETY: what holds of a child process is the caller's to know.
    let process = unsafe { real() };
    if process == 0 {
        // The child is no worker.
        WATCHED.set(0);
    }
    process
}

#[cfg(test)]
mod tests {
    use super::{FORK, GETENV, real};
    use std::sync::atomic::Ordering;

    /// None is looked up when it is called, which may be where that is not safe; and this system's C library has them all.
    #[test]
    fn all_are_looked_up_when_the_program_starts() {
        for real in real::ALL.iter().chain(&[&GETENV, &FORK]) {
            assert!(!real.address.load(Ordering::Relaxed).is_null(), "{:?}", real.name);
        }
        assert!(real::ALL.len() > 60, "{}", real::ALL.len());
    }
}
