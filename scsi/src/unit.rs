//! A logical unit: what it is. What it makes of commands is `dispatch`.

use crate::attention::Attention;
use crate::book::Book;
use crate::identity::Identity;
use crate::medium::Medium;
use std::sync::Arc;

/// A disk, a drive for discs, or the place where one is missing. Immutable: a resize makes a new one with the same [`Book`].
#[derive(Debug, Clone)]
pub struct LogicalUnit {
    kind: Kind,
    identity: Identity,
    medium: Medium,
    book: Arc<Book>,
}

/// Whether a unit is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Disk,
    Drive,
    Missing,
}

impl LogicalUnit {
    /// A disk.
    ///
    /// # Panics
    /// When `medium` has a shape that [`Medium::new`] refuses.
    pub fn new(identity: Identity, medium: Medium, book: Arc<Book>) -> Self {
        assert_eq!(medium.shape(), Ok(()), "a medium that is no disk");
        LogicalUnit { kind: Kind::Disk, identity, medium, book }
    }

    /// A drive for optical discs with `disc` in it, if any; the tray is as `book` has it.
    ///
    /// # Panics
    /// When `disc` is not what [`Medium::disc`] gives.
    pub fn drive(identity: Identity, disc: Option<Medium>, book: Arc<Book>) -> Self {
        let medium = disc.unwrap_or_else(|| Medium::disc(0).expect("an empty drive"));
        assert_eq!(medium.block_size, 2048, "a medium that is no disc");
        LogicalUnit { kind: Kind::Drive, identity, medium, book }
    }

    /// The unit behind a number that no disk has. It answers INQUIRY (with qualifier 011b), REPORT LUNS and
    /// REQUEST SENSE, and everything else with LOGICAL UNIT NOT SUPPORTED.
    pub fn missing() -> Self {
        let medium = Medium::new(512, 1).expect("one block is a disk");
        LogicalUnit { kind: Kind::Missing, identity: Identity::derive(""), medium, book: Arc::default() }
    }

    /// Whether it is a drive for discs.
    pub fn is_drive(&self) -> bool {
        self.kind == Kind::Drive
    }

    /// Who it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What it shows of its medium.
    pub fn medium(&self) -> &Medium {
        &self.medium
    }

    /// Its reservations and announcements.
    pub fn book(&self) -> &Arc<Book> {
        &self.book
    }

    /// What an initiator must be told when this unit takes the place of `old`.
    pub fn attentions_since(&self, old: &LogicalUnit) -> impl Iterator<Item = Attention> + use<> {
        let (now, then) = (&self.medium, &old.medium);
        // That the medium of a drive is another is told by its tray.
        let now = if self.kind == Kind::Drive { then } else { now };
        let capacity = (now.blocks, now.block_size) != (then.blocks, then.block_size);
        let mode = (now.read_only, now.write_cache) != (then.read_only, then.write_cache);
        // All else that a medium has is shown in vital product data, and an identity nowhere else.
        let rest = |medium: &Medium| Medium {
            blocks: 1,
            block_size: 512,
            read_only: false,
            write_cache: false,
            ..medium.clone()
        };
        let inquiry = self.identity != old.identity || rest(now) != rest(then);
        [(capacity, Attention::CapacityChanged), (inquiry, Attention::InquiryChanged), (mode, Attention::ModeChanged)]
            .into_iter()
            .filter_map(|(changed, attention)| changed.then_some(attention))
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }
}

impl Kind {
    /// PERIPHERAL QUALIFIER and PERIPHERAL DEVICE TYPE.
    pub(crate) fn peripheral(self) -> u8 {
        match self {
            Kind::Disk => 0x00,
            Kind::Drive => 0x05,
            Kind::Missing => 0x7F,
        }
    }
}
