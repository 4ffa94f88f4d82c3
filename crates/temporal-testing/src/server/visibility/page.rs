//! The order of a list and its pages.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

/// Where a row stands: open ones first, then the last to close, then the last to start, then the run id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Nanoseconds since the Unix epoch; `None` for an open run.
    pub close_time: Option<i64>,
    /// Nanoseconds since the Unix epoch.
    pub start_time: i64,
    /// The run's id.
    pub run_id: String,
}

impl Position {
    fn key(&self) -> (Reverse<i64>, Reverse<i64>, &str) {
        (
            Reverse(self.close_time.unwrap_or(i64::MAX)),
            Reverse(self.start_time),
            &self.run_id,
        )
    }
}

impl PartialOrd for Position {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// A smaller position comes earlier in the list.
impl Ord for Position {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// A `next_page_token`: the position of the last row that was handed out.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PageToken {
    close_time: Option<i64>,
    start_time: i64,
    #[serde(rename = "RunID")]
    run_id: String,
}

impl PageToken {
    /// The token that continues after a row.
    pub fn after(position: &Position) -> Vec<u8> {
        let Position {
            close_time,
            start_time,
            run_id,
        } = position.clone();
        // A struct of numbers and a string always serializes.
        serde_json::to_vec(&PageToken {
            close_time,
            start_time,
            run_id,
        })
        .unwrap_or_default()
    }

    /// The position a token stands for; `None` when it is none of ours.
    pub fn read(token: &[u8]) -> Option<Position> {
        let PageToken {
            close_time,
            start_time,
            run_id,
        } = serde_json::from_slice(token).ok()?;
        Some(Position {
            close_time,
            start_time,
            run_id,
        })
    }
}

/// One page out of rows in any order: at most `size` of those after `after`, in list order, and the token for the rest
/// (empty at the end).
pub fn page<T>(
    rows: impl IntoIterator<Item = (Position, T)>,
    after: Option<&Position>,
    size: usize,
) -> (Vec<T>, Vec<u8>) {
    let mut rows: Vec<_> = rows
        .into_iter()
        .filter(|(position, _)| after.is_none_or(|after| position > after))
        .collect();
    rows.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    let more = rows.len() > size;
    rows.truncate(size);
    let token = match rows.last() {
        Some((last, _)) if more => PageToken::after(last),
        _ => Vec::new(),
    };
    (rows.into_iter().map(|(_, row)| row).collect(), token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(close_time: Option<i64>, start_time: i64, run_id: &str) -> Position {
        Position {
            close_time,
            start_time,
            run_id: run_id.to_owned(),
        }
    }

    #[test]
    fn pages_go_through_open_runs_first_and_then_by_close_time() {
        let rows = vec![
            (position(None, 1, "a"), "open, old"),
            (position(Some(50), 5, "b"), "closed first"),
            (position(Some(90), 2, "c"), "closed last"),
            (position(None, 3, "d"), "open, new"),
            (position(None, 3, "e"), "open, new, by id"),
        ];
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let (page, token) = page(rows.clone(), after.as_ref(), 2);
            assert!(page.len() <= 2);
            seen.extend(page);
            if token.is_empty() {
                break;
            }
            after = Some(PageToken::read(&token).unwrap());
        }
        assert_eq!(
            seen,
            [
                "open, new",
                "open, new, by id",
                "open, old",
                "closed last",
                "closed first"
            ]
        );
    }

    #[test]
    fn a_full_last_page_has_no_token() {
        let (page, token) = page(vec![(position(None, 1, "a"), ())], None, 1);
        assert_eq!((page.len(), token.len()), (1, 0));
        assert_eq!(PageToken::read(b"x"), None);
    }
}
