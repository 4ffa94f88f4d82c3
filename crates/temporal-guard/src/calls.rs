//! Noting the calls that workflow code makes on this thread.

mod stack;
mod symbols;

use crate::{Call, Restricted, Restrictions};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::ControlFlow;

thread_local! {
    /// The classes that are watched on this thread now.
    static WATCHED: Cell<u8> = const { Cell::new(0) };
    static NOTES: RefCell<Option<Box<Notes>>> = const { RefCell::new(None) };
}

/// How many different calls of one poll are looked into.
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

/// Runs workflow code, and gives the first call of one of these classes that it made and that nothing lets through.
///
/// `classes` are bits as of [`Restrictions::mask`].
pub fn watch<T>(classes: u8, restrictions: &Restrictions, code: impl FnOnce() -> T) -> (T, Option<Call>) {
    if classes == 0 {
        return (code(), None);
    }
    let bottom = 0_u8;
    Notes::begin(std::ptr::from_ref(&bottom).addr(), restrictions);
    let result = {
        let _watching = set(classes);
        code()
    };
    (result, Notes::end(restrictions))
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
                    restrictions: 0,
                    passed: BTreeSet::new(),
                    known: BTreeMap::new(),
                })
            });
            notes.bottom = bottom;
            notes.len = 0;
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
        let Some(note) = self.calls.get_mut(self.len) else {
            return;
        };
        note.depth = 0;
        note.hash = 0xcbf2_9ce4_8422_2325;
        symbols::walk(self.bottom, |address| {
            let Some(frame) = note.frames.get_mut(note.depth) else {
                return ControlFlow::Break(());
            };
            *frame = address;
            note.depth += 1;
            note.hash = (note.hash ^ address as u64).wrapping_mul(0x0100_0000_01b3);
            ControlFlow::Continue(())
        });
        let (hash, class_before) = (note.hash, class);
        if self.passed.contains(&(self.restrictions, hash)) {
            return;
        }
        let (earlier, rest) = self.calls.split_at_mut(self.len);
        if earlier
            .iter()
            .any(|earlier| earlier.hash == hash && earlier.class == class_before)
        {
            return;
        }
        if let Some(note) = rest.first_mut() {
            note.class = class;
            note.name = Text::EMPTY;
            let _ = describe(&mut note.name);
            self.len += 1;
        }
    }

    /// The first call that is not let through.
    fn end(restrictions: &Restrictions) -> Option<Call> {
        let noted = NOTES.with_borrow(|notes| notes.as_ref().map_or(0, |notes| notes.len));
        if noted == 0 {
            return None;
        }
        let mut notes = NOTES.take()?;
        let broken = notes.look_into(restrictions);
        NOTES.set(Some(notes));
        broken
    }

    fn look_into(&mut self, restrictions: &Restrictions) -> Option<Call> {
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
