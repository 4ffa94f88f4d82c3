//! The shapes in which tools write histories.

use super::JsonMessage;
use super::error::{JsonError, ReadResult, Step, Within as _};
use super::lexer::Lexer;
use super::read::Reader;
use crate::api::history::v1::{History, HistoryEvent};
use alloc::vec::Vec;
use bytes::Bytes;
use prost::Message as _;

/// The histories in `text`, whichever way it holds them: an object with `events` (the Temporal CLI and web interface),
/// the same within `history` (a raw response of the server), a bare array of events (older tools), or an array of
/// histories.
///
/// # Errors
/// As [`from_json`](super::from_json).
pub fn histories_from_json(text: &str) -> Result<Vec<History>, JsonError> {
    let mut wires = Vec::new();
    let mut lexer = Lexer::new(text);
    let read = match lexer.peek() {
        Some(b'[') => array(&mut lexer, &mut wires),
        _ => history(&mut lexer, &mut wires),
    };
    read.and_then(|()| lexer.end())
        .map_err(|misread| misread.into_error(text))?;
    let decode = |wire| {
        History::decode(Bytes::from(wire)).map_err(|source| JsonError::Decode {
            name: History::NAME,
            source,
        })
    };
    wires.into_iter().map(decode).collect()
}

fn array(lexer: &mut Lexer<'_>, wires: &mut Vec<Vec<u8>>) -> ReadResult<()> {
    lexer.take(b'[');
    // Bare events together make one history.
    let mut events = Vec::new();
    let mut first = true;
    let mut index = 0;
    while lexer.element(&mut first)? {
        let read = match member(lexer, &["events", "history"])? {
            Some(_) => history(lexer, wires),
            None => event(lexer, &mut events),
        };
        read.within(|| Step::Index(index))?;
        index += 1;
    }
    if !events.is_empty() {
        wires.push(events);
    }
    Ok(())
}

fn history(lexer: &mut Lexer<'_>, wires: &mut Vec<Vec<u8>>) -> ReadResult<()> {
    let mut wire = Vec::new();
    if let Some(mut inner) = member(lexer, &["history"])? {
        read(&mut inner, History::ID, &mut wire).within(|| Step::Field("history"))?;
        lexer.skip(0)?;
    } else {
        read(lexer, History::ID, &mut wire)?;
    }
    wires.push(wire);
    Ok(())
}

/// Appends an event as a member of `History.events`.
fn event(lexer: &mut Lexer<'_>, wire: &mut Vec<u8>) -> ReadResult<()> {
    let mut event = Vec::new();
    read(lexer, HistoryEvent::ID, &mut event)?;
    prost::encoding::encode_key(1, prost::encoding::WireType::LengthDelimited, wire);
    prost::encoding::encode_varint(event.len() as u64, wire);
    wire.append(&mut event);
    Ok(())
}

fn read(lexer: &mut Lexer<'_>, message: u16, wire: &mut Vec<u8>) -> ReadResult<()> {
    let mut reader = Reader::new(lexer.clone());
    reader.message(message, wire)?;
    *lexer = reader.lexer;
    Ok(())
}

/// The place of the value of the first member with one of `names`, if an object with one is next.
fn member<'text>(lexer: &mut Lexer<'text>, names: &[&str]) -> ReadResult<Option<Lexer<'text>>> {
    let mut ahead = lexer.clone();
    if !ahead.take(b'{') {
        return Ok(None);
    }
    let mut first = true;
    while let Some(key) = ahead.key(&mut first)? {
        if names.contains(&&*key) {
            return Ok(Some(ahead));
        }
        ahead.skip(0)?;
    }
    Ok(None)
}
