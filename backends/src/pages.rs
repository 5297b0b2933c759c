//! Bytes that a disk shares with whoever sends them, instead of copying them into a buffer.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// One page: its bytes, or `None` for a page of zeroes that nobody stores.
pub type Page = Option<Arc<[u8]>>;

/// A run of bytes over shared pages that nobody changes while this lives.
///
/// It holds up to [`Pages::INLINE`] pages without allocating. Cloning it copies references.
#[derive(Clone)]
pub struct Pages {
    list: List,
    page_bytes: usize,
    /// Where the run begins in its first page.
    start: usize,
    len: usize,
}

#[derive(Clone)]
enum List {
    Zeroes,
    Few([Page; Pages::INLINE]),
    Many(Vec<Page>),
}

impl Pages {
    /// So many pages cost no allocation.
    pub const INLINE: usize = 2;

    /// `len` zeroes.
    pub fn zeroes(len: usize) -> Self {
        Self { list: List::Zeroes, page_bytes: 0, start: 0, len }
    }

    /// The bytes `run` of one shared allocation.
    ///
    /// # Panics
    /// If `run` does not lie within the bytes.
    pub fn shared(bytes: Arc<[u8]>, run: Range<usize>) -> Self {
        let page_bytes = bytes.len().max(1);
        assert!(run.start <= run.end && run.end <= bytes.len(), "{run:?} of {} bytes", bytes.len());
        Self { list: List::Few([Some(bytes), None]), page_bytes, start: run.start, len: run.len() }
    }

    /// `len` bytes that begin `start` bytes into the first of `pages`, which have `page_bytes` bytes each.
    ///
    /// # Panics
    /// If the run does not begin in the first page, a page is not `page_bytes` long, or there are not
    /// exactly as many pages as the run touches.
    pub fn new(page_bytes: usize, start: usize, len: usize, pages: impl IntoIterator<Item = Page>) -> Self {
        assert!(start < page_bytes, "the run begins in its first page");
        let count = (start + len).div_ceil(page_bytes);
        let mut pages = pages.into_iter().inspect(|page| {
            assert!(page.as_ref().is_none_or(|page| page.len() == page_bytes), "pages of one length");
        });
        let mut next = || pages.next().expect("a page for each part of the run");
        let list = match count {
            0 => List::Zeroes,
            1 => List::Few([next(), None]),
            2 => List::Few([next(), next()]),
            _ => List::Many((0..count).map(|_| next()).collect()),
        };
        assert!(pages.next().is_none(), "no page beyond the run");
        Self { list, page_bytes, start, len }
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when there is no byte.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes from `at` that lie together: at least one where `at` is before the end, else none.
    pub fn piece(&self, at: usize) -> &[u8] {
        if at >= self.len {
            return &[];
        }
        let left = self.len - at;
        let pages = match &self.list {
            List::Zeroes => return zeroes(left),
            List::Few(pages) => pages.as_slice(),
            List::Many(pages) => pages.as_slice(),
        };
        let position = self.start + at;
        let (index, offset) = (position / self.page_bytes, position % self.page_bytes);
        let here = left.min(self.page_bytes - offset);
        match &pages[index] {
            Some(page) => &page[offset..offset + here],
            None => zeroes(here),
        }
    }

    /// The pieces from the beginning to the end.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let piece = self.piece(at);
            at += piece.len();
            (!piece.is_empty()).then_some(piece)
        })
    }

    /// Copies the bytes into `into`, which is as long as the run.
    ///
    /// # Panics
    /// If it is not.
    pub fn copy_to(&self, into: &mut [u8]) {
        assert_eq!(into.len(), self.len, "a copy has the length of its original");
        let mut at = 0;
        for piece in self.pieces() {
            into[at..at + piece.len()].copy_from_slice(piece);
            at += piece.len();
        }
    }

    /// A copy of the bytes.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len];
        self.copy_to(&mut bytes);
        bytes
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("len", &self.len).finish_non_exhaustive()
    }
}

fn zeroes(len: usize) -> &'static [u8] {
    &ZEROES[..len.min(ZEROES.len())]
}

/// What every page of zeroes shows. Large enough that a long run of zeroes is few pieces.
static ZEROES: [u8; 256 << 10] = [0; 256 << 10];

#[cfg(test)]
mod tests {
    use super::*;

    fn page(of: u8) -> Page {
        Some([of; 4].into())
    }

    #[test]
    fn a_run_shows_the_bytes_between_its_ends_whatever_the_number_of_pages() {
        let all = [1, 1, 1, 1, 0, 0, 0, 0, 3, 3, 3, 3, 4, 4, 4, 4];
        for start in 0..4 {
            for len in 0..=all.len() - start {
                let count = (start + len).div_ceil(4);
                let pages = [page(1), None, page(3), page(4)].into_iter().take(count);
                let run = Pages::new(4, start, len, pages);
                assert_eq!(run.to_vec(), all[start..start + len], "{len} bytes at {start}");
                assert_eq!(run.clone().len(), len);
                assert!(run.piece(len).is_empty());
            }
        }
    }

    #[test]
    fn a_piece_begins_wherever_it_is_asked_to() {
        let run = Pages::new(4, 3, 6, [page(1), page(2), page(3)]);
        assert_eq!(run.piece(0), [1]);
        assert_eq!(run.piece(2), [2; 3]);
        assert_eq!(run.piece(5), [3]);
    }

    #[test]
    fn zeroes_longer_than_the_stored_ones_come_in_several_pieces() {
        let run = Pages::zeroes(ZEROES.len() * 2 + 1);
        assert_eq!(run.pieces().map(<[u8]>::len).collect::<Vec<_>>(), [ZEROES.len(), ZEROES.len(), 1]);
        assert_eq!(Pages::zeroes(ZEROES.len()).pieces().count(), 1);
    }

    #[test]
    fn one_allocation_is_shared_in_part() {
        let run = Pages::shared([1, 2, 3, 4].into(), 1..3);
        assert_eq!(run.to_vec(), [2, 3]);
        assert!(Pages::shared([].into(), 0..0).is_empty());
    }

    #[test]
    #[should_panic(expected = "no page beyond")]
    fn a_page_too_many_is_refused() {
        let _ = Pages::new(4, 0, 4, [page(1), page(2)]);
    }

    #[test]
    #[should_panic(expected = "a page for each part")]
    fn a_page_too_few_is_refused() {
        let _ = Pages::new(4, 1, 4, [page(1)]);
    }
}
