//! The events of one run, kept encoded: compact while idle, and their size is known.

use temporal_protos::api::history::v1::HistoryEvent;
use temporal_protos::prost::Message;

/// No history may have more bytes than this, whatever the limits are: the ends of events are kept as `u32`. It leaves room
/// for what one transaction adds.
pub(super) const MOST_BYTES: i64 = 2 << 30;

/// An append-only list of events with ids from 1.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    bytes: Vec<u8>,
    /// The end of each event in `bytes`.
    ends: Vec<u32>,
    /// The index of each batch's first event; what one transaction wrote is one batch.
    batches: Vec<u32>,
    /// Whether the next event begins a batch.
    batch_closed: bool,
    /// The size of what earlier transactions wrote.
    committed: usize,
}

impl History {
    pub(super) fn new() -> Self {
        History {
            batch_closed: true,
            ..History::default()
        }
    }

    /// The number of events.
    pub(super) fn len(&self) -> i64 {
        i64::try_from(self.ends.len()).unwrap_or(i64::MAX)
    }

    /// The id the next event gets.
    pub(super) fn next_id(&self) -> i64 {
        self.len() + 1
    }

    /// The size of all events, in bytes.
    pub(super) fn size(&self) -> i64 {
        i64::try_from(self.bytes.len()).unwrap_or(i64::MAX)
    }

    /// The size of the events that were there before this transaction, in bytes.
    pub(super) fn committed_size(&self) -> i64 {
        i64::try_from(self.committed).unwrap_or(i64::MAX)
    }

    /// Appends an event, whose id must be [`next_id`](Self::next_id).
    pub(super) fn push(&mut self, event: &HistoryEvent) {
        debug_assert_eq!(event.event_id, self.next_id());
        if self.batch_closed {
            self.batches.push(u32::try_from(self.ends.len()).unwrap_or(u32::MAX));
            self.batch_closed = false;
        }
        // Encoding into a Vec cannot run out of room.
        event.encode_raw_into(&mut self.bytes);
        self.ends.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
    }

    /// Ends the batch: the next event begins another one.
    pub(super) fn close_batch(&mut self) {
        self.batch_closed = true;
        self.committed = self.bytes.len();
    }

    /// Takes the last event back.
    pub(super) fn pop(&mut self) {
        self.ends.pop();
        self.bytes.truncate(self.ends.last().map_or(0, |end| *end as usize));
        self.committed = self.committed.min(self.bytes.len());
        if self
            .batches
            .last()
            .is_some_and(|first| *first as usize >= self.ends.len())
        {
            self.batches.pop();
            self.batch_closed = true;
        }
    }

    fn encoded(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)? as usize;
        let start = if index == 0 {
            0
        } else {
            *self.ends.get(index - 1)? as usize
        };
        self.bytes.get(start..end)
    }

    /// One event by its id.
    pub(super) fn event(&self, id: i64) -> Option<HistoryEvent> {
        let index = usize::try_from(id.checked_sub(1)?).ok()?;
        HistoryEvent::decode(self.encoded(index)?).ok()
    }

    /// The events with ids from `first` to `last`, both included.
    pub(super) fn events(&self, first: i64, last: i64) -> impl Iterator<Item = HistoryEvent> + '_ {
        (first.max(1)..=last.min(self.len())).filter_map(|id| self.event(id))
    }

    /// The events up to `last`, in their batches.
    pub(super) fn batches(&self, last: i64) -> Vec<Vec<HistoryEvent>> {
        let mut batches = Vec::new();
        let mut first = 1;
        while first <= last {
            let end = self.batch_end(first).min(last);
            batches.push(self.events(first, end).collect());
            first = end + 1;
        }
        batches
    }

    /// The id of the last event of the page that begins at `first` and ends with the first whole batch that brings it to
    /// `size` events.
    pub(super) fn page_end(&self, first: i64, size: usize) -> i64 {
        let wanted = first
            .saturating_add(i64::try_from(size.max(1)).unwrap_or(i64::MAX))
            .saturating_sub(1);
        self.batch_end(wanted)
    }

    /// The last event of the batch that `id` belongs to.
    fn batch_end(&self, id: i64) -> i64 {
        let index = u32::try_from(id.saturating_sub(1)).unwrap_or(u32::MAX);
        let next = self.batches.partition_point(|first| *first <= index);
        self.batches.get(next).map_or(self.len(), |first| i64::from(*first))
    }

    /// The first event of the batch that `id` belongs to.
    pub(super) fn batch_start(&self, id: i64) -> i64 {
        let index = u32::try_from(id.saturating_sub(1)).unwrap_or(0);
        let after = self.batches.partition_point(|first| *first <= index);
        after
            .checked_sub(1)
            .and_then(|at| self.batches.get(at))
            .map_or(1, |first| i64::from(*first) + 1)
    }
}

/// `encode` without its error, which a growing buffer cannot give.
trait EncodeInto {
    fn encode_raw_into(&self, bytes: &mut Vec<u8>);
}

impl EncodeInto for HistoryEvent {
    fn encode_raw_into(&self, bytes: &mut Vec<u8>) {
        // Grows by a quarter, not to the double: most runs are short, and most of them wait.
        let needed = self.encoded_len();
        if bytes.capacity() - bytes.len() < needed {
            bytes.reserve_exact(needed.max(bytes.len() / 4));
        }
        let written = self.encode(bytes);
        debug_assert!(written.is_ok(), "a Vec grows");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(batches: &[i64]) -> History {
        let mut history = History::new();
        for size in batches {
            for _ in 0..*size {
                let event = HistoryEvent {
                    event_id: history.next_id(),
                    version: 9,
                    ..HistoryEvent::default()
                };
                history.push(&event);
            }
            history.close_batch();
        }
        history
    }

    #[test]
    fn pages_end_with_whole_batches() {
        let history = history(&[2, 1, 3]);
        assert_eq!(history.page_end(1, 1), 2);
        assert_eq!(history.page_end(1, 3), 3);
        assert_eq!(history.page_end(1, 4), 6);
        assert_eq!(history.page_end(4, 100), 6);
        assert_eq!(history.batch_start(6), 4);
        assert_eq!(history.batch_start(2), 1);
    }

    #[test]
    fn the_last_event_can_be_taken_back() {
        let mut history = history(&[2, 1]);
        let size = history.size();
        history.pop();
        assert_eq!(history.len(), 2);
        assert!(history.event(3).is_none());
        history.push(&HistoryEvent {
            event_id: 3,
            version: 9,
            ..HistoryEvent::default()
        });
        history.close_batch();
        assert_eq!(history.size(), size);
        assert_eq!(history.page_end(1, 1), 2);
        assert_eq!(
            history.events(2, 9).map(|event| event.event_id).collect::<Vec<_>>(),
            [2, 3]
        );
    }
}
