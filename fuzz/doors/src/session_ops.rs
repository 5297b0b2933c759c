//! A whole session: what an initiator and the owner of a target may do, in any order and at any time.

use std::time::Duration;

use ferrite_iscsi::Offer;
use ferrite_iscsi::initiator::{Answer, Completion, Error, Initiator, Keys, Request, Settings, cdb, lun};
use ferrite_iscsi::wire::codes::logout;

use crate::bytes::Bytes;
use crate::owner::{BLOCK, Owner, SLOT_BLOCKS, SLOTS, TARGET, Wire};

/// Steps of one run, at most.
const STEPS_MAX: usize = 512;

/// Reads a program of steps. As long as the initiator keeps to the rules, the target never breaks one (the initiator
/// checks each PDU), never finds a fault, and each slot of the disk holds zeroes or exactly what one write put there.
/// Once the initiator breaks a rule, all that is asked is that nothing panics or hangs.
pub fn session_ops(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let offer = Offer { target_segment: 512 + u32::from(bytes.word()) % 8192, ..Offer::default() };
    let settings = Settings { keys: keys(&mut bytes), ..Settings::normal("iqn.2026-11.org.example:i", TARGET) };
    let wire = Wire::new(Owner::new(offer), bytes.below(64));
    let initiator = Initiator::login(wire.clone(), &settings).expect("a login in order succeeds");
    let mut play = Play { initiator, wire, honest: true, asked: Vec::new(), written: vec![Vec::new(); SLOTS] };
    for _ in 0..STEPS_MAX {
        if bytes.is_empty() || play.wire.owner().is_over() || play.step(&mut bytes).is_err() {
            break;
        }
    }
    play.finish();
}

fn keys(bytes: &mut Bytes<'_>) -> Keys {
    let choice = bytes.byte();
    let bit = |at: u8| choice >> at & 1 == 1;
    let max_burst_length = 512 + u32::from(bytes.word()) % 16_384;
    Keys {
        initial_r2t: bit(0),
        immediate_data: bit(1),
        max_outstanding_r2t: if bit(2) { 1 } else { 5 },
        max_recv_data_segment_length: 512 + u32::from(bytes.word()) % 4096,
        max_burst_length,
        first_burst_length: (512 + u32::from(bytes.word()) % 16_384).min(max_burst_length),
        ..Keys::default()
    }
    .with_digests(bit(3))
}

struct Play {
    initiator: Initiator<Wire>,
    wire: Wire,
    /// The initiator has kept to the rules so far.
    honest: bool,
    /// Reads in flight: task tag, slot, blocks.
    asked: Vec<(u32, usize, usize)>,
    /// What was ever written to each slot, as the fill byte of a write.
    written: Vec<Vec<u8>>,
}

/// The play is over; why was looked at where it happened.
struct Over;

impl Play {
    fn step(&mut self, bytes: &mut Bytes<'_>) -> Result<(), Over> {
        let done = match bytes.byte() % 16 {
            0 | 1 => self.read(bytes),
            2..=4 => self.write(bytes),
            5 => self.initiator.submit(&Request::new(0, &[bytes.byte(); 24]).reading(bytes.word().into())).map(drop),
            6 => {
                let data = bytes.take(40).to_vec();
                self.initiator.submit_ping(&data, bytes.flag()).map(drop)
            }
            7 => self.manage(bytes),
            8 => self.initiator.submit_text(b"SendTargets=\0", true, None).map(drop),
            9 => {
                let mut owner = self.wire.owner_mut();
                owner.holding = bytes.flag();
                Ok(())
            }
            10 => {
                self.wire.owner_mut().release(bytes.below(256), bytes.byte());
                Ok(())
            }
            11 => {
                self.wire.owner_mut().notify(bytes.byte());
                Ok(())
            }
            12 => {
                self.wire.owner_mut().pass(Duration::from_millis(u64::from(bytes.word())));
                Ok(())
            }
            13 => {
                self.wire.owner_mut().restart();
                Ok(())
            }
            14 => {
                self.honest = false;
                let raw = bytes.take(60).to_vec();
                self.initiator.frames().send_bytes(&raw);
                Ok(())
            }
            _ => self.listen(),
        };
        self.judge(done)
    }

    fn read(&mut self, bytes: &mut Bytes<'_>) -> Result<(), Error> {
        let (slot, blocks) = (bytes.below(SLOTS), 1 + bytes.below(SLOT_BLOCKS));
        let mut request = Request::new(0, &cdb::read10((slot * SLOT_BLOCKS) as u32, blocks as u16));
        request = request.reading((blocks * BLOCK) as u32 + u32::from(bytes.byte()));
        request.immediate = bytes.byte().is_multiple_of(16);
        let itt = self.submit(&request)?;
        if let Some(itt) = itt {
            self.asked.push((itt, slot, blocks));
        }
        Ok(())
    }

    fn write(&mut self, bytes: &mut Bytes<'_>) -> Result<(), Error> {
        let (slot, fill) = (bytes.below(SLOTS), bytes.byte());
        let len = SLOT_BLOCKS * BLOCK;
        let mut request = Request::new(0, &cdb::write10((slot * SLOT_BLOCKS) as u32, SLOT_BLOCKS as u16));
        request = request.writing(vec![fill; len + usize::from(bytes.byte() % 8)]);
        if self.submit(&request)?.is_some() {
            self.written[slot].push(fill);
        }
        Ok(())
    }

    /// Sends a command where the window has room; it does not wait for any.
    fn submit(&mut self, request: &Request) -> Result<Option<u32>, Error> {
        if self.initiator.window_left() == 0 && !request.immediate {
            return Ok(None);
        }
        self.initiator.submit(request).map(Some)
    }

    fn manage(&mut self, bytes: &mut Bytes<'_>) -> Result<(), Error> {
        let referenced = 1 + u32::from(bytes.byte());
        self.initiator.submit_manage(1 + bytes.byte() % 8, lun(0), Some(referenced)).map(drop)
    }

    /// Hears what the target has said by now, and looks at what was read.
    fn listen(&mut self) -> Result<(), Error> {
        loop {
            while let Some(Completion { itt, answer }) = self.initiator.poll_completion() {
                self.ended(itt, answer)?;
            }
            match self.initiator.advance() {
                Ok(()) => while self.initiator.poll_notice().is_some() {},
                Err(error) if error.is_quiet() => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn ended(&mut self, itt: u32, answer: Answer) -> Result<(), Error> {
        match answer {
            Answer::Text { fin: false, ttt, .. } => {
                self.initiator.submit_text(&[], true, Some((itt, ttt)))?;
            }
            Answer::Scsi(result) => {
                let Some(at) = self.asked.iter().position(|(asked, ..)| *asked == itt) else { return Ok(()) };
                let (_, slot, blocks) = self.asked.swap_remove(at);
                if self.honest && result.is_good() {
                    assert_eq!(result.data.len(), blocks * BLOCK);
                    self.assert_whole(slot, &result.data);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// One write's bytes, or none's.
    fn assert_whole(&self, slot: usize, data: &[u8]) {
        let fill = data[0];
        assert!(data.iter().all(|byte| *byte == fill), "slot {slot} holds parts of two writes");
        assert!(fill == 0 || self.written[slot].contains(&fill), "slot {slot} holds what nobody wrote");
    }

    fn judge(&mut self, done: Result<(), Error>) -> Result<(), Over> {
        match done {
            Ok(()) => Ok(()),
            Err(error) if error.is_quiet() => Ok(()),
            Err(Error::Protocol { clause, what }) if self.honest => panic!("the target broke {clause}: {what}"),
            // Time may have passed without an answer to the target's ping: the fault is looked at in the end.
            Err(_) => Err(Over),
        }
    }

    fn finish(mut self) {
        let heard = self.listen();
        if self.judge(heard).is_ok() && !self.wire.owner().is_over() && self.honest {
            let left = self.initiator.submit_logout(logout::CLOSE_SESSION, 0).and_then(|_| self.listen());
            match left {
                Err(Error::Closed { inside_pdu: false }) | Ok(()) => {}
                Err(error) => panic!("an orderly logout ended with {error}"),
            }
        }
        if !self.honest {
            return;
        }
        let owner = self.wire.owner();
        for fault in &owner.faults {
            assert_eq!(
                fault.clause, "RFC 7143 §11.19",
                "nothing but silence can be held against the initiator: {fault}"
            );
        }
        for slot in 0..SLOTS {
            let len = SLOT_BLOCKS * BLOCK;
            self.assert_whole(slot, &owner.disk[slot * len..(slot + 1) * len]);
        }
    }
}
