//! Noting the calls that workflow code makes on this thread.

mod stack;
mod symbols;

use crate::{Call, Found, Restricted, Restrictions};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::ControlFlow;

thread_local! {
    /// The classes that are watched on this thread now.
    static WATCHED: Cell<u8> = const { Cell::new(0) };
    static NOTES: RefCell<Option<Box<Notes>>> = const { RefCell::new(None) };
}

/// Calls are noticed here.
pub const WATCHES: bool = true;

/// How many different calls of one poll are looked into. Those that were found to be let through count once for a thread.
const MOST: usize = 32;
/// How many frames of a caller are kept.
const DEPTH: usize = 96;
/// How many bytes of a call's name are kept.
const NAME: usize = 160;

/// What is noted during a poll. Noting does not allocate, since an allocator may be the one that calls.
struct Notes {
    /// The stack of workflow code begins above this address.
    bottom: usize,
    calls: [Note; MOST],
    len: usize,
    /// Whether there were more.
    overflowed: bool,
    /// Which restrictions hold.
    restrictions: u64,
    /// Callers that were found to be let through, with the restrictions that do.
    passed: BTreeSet<(u64, u64)>,
    /// Numbers of restrictions that were met on this thread.
    known: BTreeMap<Vec<String>, u64>,
}

#[derive(Clone, Copy)]
struct Note {
    class: Restricted,
    name: Text,
    frames: [usize; DEPTH],
    depth: usize,
    /// Of the frames.
    hash: u64,
}

impl Note {
    /// Keeps the addresses on the stack.
    fn trace(&mut self, bottom: usize) {
        self.depth = 0;
        self.hash = 0xcbf2_9ce4_8422_2325;
        symbols::walk(bottom, |address| {
            let Some(frame) = self.frames.get_mut(self.depth) else {
                return ControlFlow::Break(());
            };
            *frame = address;
            self.depth += 1;
            self.hash = (self.hash ^ address as u64).wrapping_mul(0x0100_0000_01b3);
            ControlFlow::Continue(())
        });
    }
}

const NOTHING: Note = Note {
    class: Restricted::Clock,
    name: Text::EMPTY,
    frames: [0; DEPTH],
    depth: 0,
    hash: 0,
};

/// A text that is cut off where its room ends.
#[derive(Clone, Copy)]
struct Text {
    bytes: [u8; NAME],
    len: usize,
}

impl Text {
    const EMPTY: Self = Self {
        bytes: [0; NAME],
        len: 0,
    };
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let fits = text.len().min(NAME - self.len);
        self.bytes[self.len..self.len + fits].copy_from_slice(&text.as_bytes()[..fits]);
        self.len += fits;
        Ok(())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&String::from_utf8_lossy(&self.bytes[..self.len]))
    }
}

/// Runs workflow code, and notes the calls of these classes that it makes.
///
/// `classes` are bits as of [`Restrictions::mask`].
pub fn watch<T>(classes: u8, restrictions: &Restrictions, code: impl FnOnce() -> T) -> (T, Noted) {
    if classes == 0 {
        return (code(), Noted { any: false });
    }
    let bottom = 0_u8;
    Notes::begin(std::ptr::from_ref(&bottom).addr(), restrictions);
    let result = {
        let _watching = set(classes);
        code()
    };
    let any = NOTES.with_borrow(|notes| notes.as_ref().is_some_and(|notes| notes.len > 0));
    (result, Noted { any })
}

/// The calls that were noted on this thread, and not looked into yet.
#[derive(Debug)]
#[must_use]
pub struct Noted {
    any: bool,
}

impl Noted {
    /// Finds out who made the calls, and gives the first that these restrictions do not let through.
    ///
    /// It is to be asked on the thread and before anything else is watched there. It reads the program's symbols, which takes
    /// its time at first: let that not count as the workflow's.
    #[must_use]
    pub fn look_into(self, restrictions: &Restrictions) -> Found {
        if !self.any {
            return Found::default();
        }
        let Some(mut notes) = NOTES.take() else {
            return Found::default();
        };
        let found = Found {
            refused: notes.first_refused(restrictions),
            overflowed: notes.overflowed,
        };
        NOTES.set(Some(notes));
        found
    }
}

/// Watches nothing on this thread until the answer is dropped.
pub fn lift() -> Watching {
    set(0)
}

fn set(classes: u8) -> Watching {
    Watching(WATCHED.replace(classes))
}

/// What was watched before, to be watched again.
#[derive(Debug)]
#[must_use]
pub struct Watching(u8);

impl Drop for Watching {
    fn drop(&mut self) {
        WATCHED.set(self.0);
    }
}

/// Notes a call if it is watched.
#[inline]
fn note(class: Restricted, describe: impl FnOnce(&mut dyn fmt::Write) -> fmt::Result) {
    if WATCHED.get() & class.bit() != 0 {
        symbols::keeping_errno(|| note_watched(class, describe));
    }
}

#[cold]
#[inline(never)]
fn note_watched(class: Restricted, describe: impl FnOnce(&mut dyn fmt::Write) -> fmt::Result) {
    let _lifted = lift();
    let _ = NOTES.try_with(|notes| {
        // It is borrowed only by this module, which calls nothing watched.
        if let Ok(mut notes) = notes.try_borrow_mut()
            && let Some(notes) = notes.as_mut()
        {
            notes.add(class, describe);
        }
    });
}

impl Notes {
    fn begin(bottom: usize, restrictions: &Restrictions) {
        NOTES.with_borrow_mut(|notes| {
            let notes = notes.get_or_insert_with(|| {
                Box::new(Self {
                    bottom,
                    calls: [NOTHING; MOST],
                    len: 0,
                    overflowed: false,
                    restrictions: 0,
                    passed: BTreeSet::new(),
                    known: BTreeMap::new(),
                })
            });
            notes.bottom = bottom;
            notes.len = 0;
            notes.overflowed = false;
            let paths = restrictions.passed_through();
            notes.restrictions = if paths.is_empty() {
                0
            } else {
                let next = notes.known.len() as u64 + 1;
                let paths = paths.iter().map(ToString::to_string).collect();
                *notes.known.entry(paths).or_insert(next)
            };
        });
    }

    fn add(&mut self, class: Restricted, describe: impl FnOnce(&mut dyn fmt::Write) -> fmt::Result) {
        // Where there is no room left, a call may still be one that is known.
        let mut spare = NOTHING;
        let (earlier, rest) = self.calls.split_at_mut(self.len);
        let room = rest.first_mut();
        let is_full = room.is_none();
        let note = room.unwrap_or(&mut spare);
        note.trace(self.bottom);
        let is_known = self.passed.contains(&(self.restrictions, note.hash))
            || earlier
                .iter()
                .any(|earlier| earlier.hash == note.hash && earlier.class == class);
        if is_known {
            return;
        }
        if is_full {
            self.overflowed = true;
            return;
        }
        note.class = class;
        note.name = Text::EMPTY;
        let _ = describe(&mut note.name);
        self.len += 1;
    }

    /// The first call that is not let through.
    fn first_refused(&mut self, restrictions: &Restrictions) -> Option<Call> {
        for note in &self.calls[..self.len] {
            let stack = stack::Stack::resolve(&note.frames[..note.depth]);
            if stack.passes(restrictions.passed_through()) {
                self.passed.insert((self.restrictions, note.hash));
                continue;
            }
            return Some(Call {
                what: note.name.to_string(),
                class: note.class,
                callers: stack.callers(),
            });
        }
        None
    }
}
