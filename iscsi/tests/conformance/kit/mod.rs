//! How do a test's initiator and the protocol meet without a network?
//!
//! [`Kit`] holds a target (the state machine with a RAM disk behind it) and hands out a [`Wire`] to it: a stream that
//! carries bytes in pieces of a chosen size, runs the target when it is read, and says `WouldBlock` when the target has
//! nothing to say. All is one thread, and time passes when a test says so.

pub mod dialogue;
pub mod disk;
pub mod target;
pub mod wire;

use std::cell::{RefCell, RefMut};
use std::rc::Rc;

use ferrite_iscsi::initiator::{Error, Frames, Initiator, Keys, Pdu, Settings};
use ferrite_iscsi::{Offer, wire::Digests};

pub use target::Target;
pub use wire::{Piece, Wire};

/// The initiator of the tests.
pub const INITIATOR: &str = "iqn.2026-11.org.example:initiator";
/// The target of the tests.
pub const TARGET: &str = "iqn.2026-11.org.example:target";
/// Unit 0, as a LUN field.
pub const LUN0: [u8; 8] = [0; 8];
/// Bytes of a block of unit 0.
pub const BLOCK: u32 = disk::BLOCK;

/// A target and the way to it.
pub struct Kit {
    target: Rc<RefCell<Target>>,
}

impl Kit {
    /// A target that asks for no authentication and offers what the library offers by default.
    pub fn new() -> Self {
        Kit { target: Rc::new(RefCell::new(Target::new())) }
    }

    /// A target with its own side of the negotiation.
    pub fn offering(offer: Offer) -> Self {
        let kit = Kit::new();
        kit.target().terms.offer = offer;
        kit
    }

    /// The target, to look at it or to make it do something.
    pub fn target(&self) -> RefMut<'_, Target> {
        self.target.borrow_mut()
    }

    /// A new connection, its bytes in pieces of `piece`. It takes the place of an older one.
    pub fn wire(&self, piece: Piece) -> Wire {
        self.target().connect();
        Wire::new(Rc::clone(&self.target), piece)
    }

    /// A connection without an initiator: PDUs as the test writes them.
    pub fn frames(&self) -> Frames<Wire> {
        Frames::new(self.wire(Piece::Whole))
    }

    /// Logs in with the usual keys.
    pub fn login(&self) -> Initiator<Wire> {
        self.login_with(Keys::default())
    }

    /// Logs in with these keys.
    pub fn login_with(&self, keys: Keys) -> Initiator<Wire> {
        self.try_login(&Settings { keys, ..settings() }).expect("the login succeeds")
    }

    /// Tries to log in.
    pub fn try_login(&self, settings: &Settings) -> Result<Initiator<Wire>, Error> {
        Initiator::login(self.wire(Piece::Whole), settings)
    }
}

/// What the test initiator brings to a normal session.
pub fn settings() -> Settings {
    Settings::normal(INITIATOR, TARGET)
}

/// What it brings to a discovery session.
pub fn discovery() -> Settings {
    Settings::discovery(INITIATOR)
}

/// Keys under which every write is asked for, burst by burst.
pub fn solicited(max_burst_length: u32) -> Keys {
    Keys { initial_r2t: true, immediate_data: false, max_burst_length, first_burst_length: 512, ..Keys::default() }
}

/// Bytes that are different at every place a test could mix up.
pub fn pattern(len: usize, seed: u32) -> Vec<u8> {
    (0..len as u32).map(|at| (at ^ at >> 8 ^ at >> 16).wrapping_mul(31).wrapping_add(seed) as u8).collect()
}

/// Both digests on.
pub const DIGESTS: Digests = Digests { header: true, data: true };

/// The next PDU, which must be there.
pub fn next(initiator: &mut Initiator<Wire>) -> Pdu {
    initiator.receive_pdu().expect("the target has something to say")
}

/// The target has nothing to say, and keeps the connection.
#[track_caller]
pub fn assert_silent(initiator: &mut Initiator<Wire>) {
    match initiator.receive_pdu() {
        Err(error) if error.is_quiet() => {}
        other => panic!("silence was expected, not {other:?}"),
    }
}

/// The target has ended the connection, without another word.
#[track_caller]
pub fn assert_closed(initiator: &mut Initiator<Wire>) {
    match initiator.receive_pdu() {
        Err(Error::Closed { inside_pdu: false }) => {}
        other => panic!("the end of the connection was expected, not {other:?}"),
    }
}
