//! Which commands may come next: the command window (RFC 7143 §4.2.2.1)?

use serde::{Deserialize, Serialize};

use crate::serial::Serial;

/// ExpCmdSN and MaxCmdSN of one session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Window {
    /// ExpCmdSN: the next command.
    expected: Serial,
    /// MaxCmdSN as promised; never taken back.
    highest: Serial,
    /// Commands after `expected` that count as received though they never came (RFC 7143 §11.6.1 case b): bit 0 is
    /// the one right after it.
    #[serde(with = "halves")]
    skipped: u128,
}

/// What a command's number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It is the expected one.
    InOrder,
    /// It lies outside the window, or was given up: ignore it silently.
    Outside,
    /// Commands before it are missing.
    Gap,
}

impl Window {
    /// The widest window that the bookkeeping can hold.
    pub(crate) const MAX: u32 = 128;

    /// Starts at the CmdSN of the leading login, with no room yet.
    pub(crate) fn new(first: Serial) -> Self {
        Self { expected: first, highest: first.plus(u32::MAX), skipped: 0 }
    }

    /// ExpCmdSN.
    pub(crate) fn expected(&self) -> Serial {
        self.expected
    }

    /// Promises room for `free` more commands and gives MaxCmdSN.
    pub(crate) fn promise(&mut self, free: u32) -> Serial {
        debug_assert!(free <= Self::MAX);
        let highest = self.expected.plus(free).plus(u32::MAX);
        if highest.ahead_of(self.highest) > 0 {
            self.highest = highest;
        }
        self.highest
    }

    /// A non-immediate command came; when it is in order, the window moves on.
    pub(crate) fn arrive(&mut self, sn: Serial) -> Arrival {
        let ahead = sn.ahead_of(self.expected);
        if ahead < 0 || sn.ahead_of(self.highest) > 0 || self.is_skipped(ahead) {
            return Arrival::Outside;
        }
        if ahead > 0 {
            return Arrival::Gap;
        }
        self.advance();
        Arrival::InOrder
    }

    /// When `sn` lies in the window before `before`, it counts as received from now on (RFC 7143 §11.6.1 case b).
    pub(crate) fn give_up(&mut self, sn: Serial, before: Serial) -> bool {
        let ahead = sn.ahead_of(self.expected);
        if ahead < 0 || sn.ahead_of(self.highest) > 0 || sn.ahead_of(before) >= 0 {
            return false;
        }
        match ahead {
            0 => self.advance(),
            // The window is never wider than the bits, so the shift is in range.
            _ => self.skipped |= 1 << (ahead - 1),
        }
        true
    }

    fn is_skipped(&self, ahead: i32) -> bool {
        ahead > 0 && self.skipped >> (ahead - 1) & 1 == 1
    }

    fn advance(&mut self) {
        loop {
            self.expected = self.expected.plus(1);
            let again = self.skipped & 1 == 1;
            self.skipped >>= 1;
            if !again {
                return;
            }
        }
    }
}

/// 128 bits as two numbers: not every format knows wider ones.
mod halves {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(bits: &u128, to: S) -> Result<S::Ok, S::Error> {
        ((bits >> 64) as u64, *bits as u64).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u128, D::Error> {
        let (high, low) = <(u64, u64)>::deserialize(from)?;
        Ok(u128::from(high) << 64 | u128::from(low))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(first: u32, free: u32) -> Window {
        let mut window = Window::new(Serial(first));
        assert_eq!(window.promise(free), Serial(first.wrapping_add(free).wrapping_sub(1)));
        window
    }

    #[test]
    fn commands_are_taken_in_order_across_the_wrap() {
        let mut window = window(u32::MAX - 1, 4);
        for sn in [u32::MAX - 1, u32::MAX, 0, 1] {
            assert_eq!(window.arrive(Serial(sn)), Arrival::InOrder);
        }
        assert_eq!(window.expected(), Serial(2));
    }

    #[test]
    fn a_command_outside_the_window_is_ignored_at_either_end() {
        let mut window = window(10, 4);
        assert_eq!(window.arrive(Serial(9)), Arrival::Outside);
        assert_eq!(window.arrive(Serial(14)), Arrival::Outside);
        assert_eq!(window.arrive(Serial(13)), Arrival::Gap);
        assert_eq!(window.arrive(Serial(10)), Arrival::InOrder);
        assert_eq!(window.arrive(Serial(10)), Arrival::Outside);
    }

    #[test]
    fn a_closed_window_takes_nothing() {
        let mut window = window(10, 0);
        assert_eq!(window.arrive(Serial(10)), Arrival::Outside);
    }

    #[test]
    fn the_promise_never_moves_back() {
        let mut window = window(10, 4);
        assert_eq!(window.promise(1), Serial(13));
        assert_eq!(window.promise(5), Serial(14));
    }

    #[test]
    fn a_command_that_was_given_up_is_stepped_over_and_ignored_when_it_comes() {
        let mut window = window(10, 128);
        assert!(window.give_up(Serial(11), Serial(20)));
        assert!(window.give_up(Serial(137), Serial(138)), "the last of the window");
        assert_eq!(window.arrive(Serial(11)), Arrival::Outside);
        assert_eq!(window.arrive(Serial(10)), Arrival::InOrder);
        assert_eq!(window.expected(), Serial(12));
        assert!(window.give_up(Serial(12), Serial(20)));
        assert_eq!(window.expected(), Serial(13));
    }

    #[test]
    fn a_window_is_the_same_after_it_was_written_down() {
        let mut window = window(10, 128);
        assert!(window.give_up(Serial(11), Serial(20)) && window.give_up(Serial(137), Serial(138)));
        let text = serde_json::to_string(&window).unwrap();
        assert_eq!(serde_json::from_str::<Window>(&text).unwrap(), window);
    }

    #[test]
    fn only_commands_of_the_window_before_the_request_can_be_given_up() {
        let mut window = window(10, 4);
        assert!(!window.give_up(Serial(9), Serial(12)), "already received");
        assert!(!window.give_up(Serial(12), Serial(12)), "not before the request");
        assert!(!window.give_up(Serial(14), Serial(20)), "outside the window");
    }
}
