//! The tray of a drive with a removable medium: whether it is open, who keeps it shut, and what happened to the medium.

use crate::sense::Sense;

/// Where a tray stands. A disk's stays as it begins: shut, and nobody cares.
#[derive(Debug, Default)]
pub(super) struct Tray {
    open: bool,
    /// Sessions that prevent the removal of the medium, each once: no more than there are sessions.
    preventing: Vec<u64>,
    /// How many things have happened to the medium, and the last of them.
    events: u64,
    last: MediaEvent,
}

/// MEDIA EVENT CODE (MMC-6, GET EVENT STATUS NOTIFICATION).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum MediaEvent {
    #[default]
    NoChange = 0x0,
    /// An operator wants the medium.
    EjectRequest = 0x1,
    /// The drive has a medium that can be read.
    NewMedia = 0x2,
    /// The medium is no longer there.
    MediaRemoval = 0x3,
}

/// What a nexus may see of a tray.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TrayStatus {
    pub(crate) open: bool,
    pub(crate) prevented: bool,
    pub(crate) events: u64,
    pub(crate) last: MediaEvent,
}

impl Tray {
    pub(super) fn status(&self) -> TrayStatus {
        TrayStatus { open: self.open, prevented: !self.preventing.is_empty(), events: self.events, last: self.last }
    }

    /// What a command that needs the medium is told.
    pub(super) fn hindrance(&self) -> Option<Sense> {
        self.open.then_some(Sense::NO_MEDIUM_TRAY_OPEN)
    }

    pub(super) fn prevent(&mut self, session: u64) {
        if !self.preventing.contains(&session) {
            self.preventing.push(session);
        }
    }

    pub(super) fn allow(&mut self, session: u64) {
        self.preventing.retain(|other| *other != session);
    }

    pub(super) fn allow_all(&mut self) {
        self.preventing.clear();
    }

    pub(super) fn prevented(&self) -> bool {
        !self.preventing.is_empty()
    }

    /// Opens it; `false` when it was open. Nothing is left to be prevented then.
    pub(super) fn open(&mut self) -> bool {
        self.preventing.clear();
        if std::mem::replace(&mut self.open, true) {
            return false;
        }
        self.happened(MediaEvent::MediaRemoval);
        true
    }

    /// Shuts it; `false` when it was shut.
    pub(super) fn shut(&mut self, loaded: bool) -> bool {
        if !std::mem::replace(&mut self.open, false) {
            return false;
        }
        if loaded {
            self.happened(MediaEvent::NewMedia);
        }
        true
    }

    pub(super) fn happened(&mut self, event: MediaEvent) {
        self.events += 1;
        self.last = event;
    }
}
