//! Does the page cache stand between a disk and its file?

/// How the bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Through the page cache.
    PageCache,
    /// Past it, by O_DIRECT.
    Direct,
}
