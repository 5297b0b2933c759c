//! A target in memory that carries copies out: whole sequences, from the bytes of commands to the bytes of disks.

mod extended;
mod model;
mod results;
mod tokens;

use crate::tests::NOW_MS;
use crate::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Units 0 and 1 with 2048 and 1024 blocks of 512 bytes, unit 2 with 64 blocks of 4096, each full of bytes of its own.
pub(super) struct Target {
    pub(super) port: Port,
    pub(super) disks: Vec<Vec<u8>>,
    /// A read or write of this unit fails from this byte of it on.
    pub(super) broken: Option<(u16, u64, Sense)>,
    /// Copies that were answered before they are done.
    pub(super) background: Vec<Copy>,
    clock: Arc<AtomicU64>,
    nexuses: Vec<(u64, u16, Nexus)>,
}

impl Target {
    pub(super) fn new() -> Target {
        let clock = Arc::new(AtomicU64::new(NOW_MS));
        let (now, entropy) = (clock.clone(), AtomicUsize::new(1));
        let random = move |bytes: &mut [u8]| {
            bytes.iter_mut().for_each(|byte| *byte = (entropy.fetch_add(1, Ordering::Relaxed) * 37) as u8)
        };
        let device = Device::new(move || now.load(Ordering::Relaxed), random);
        let mut port = Port::single("iqn.2026-11.com.example:copy", Arc::new(device));
        let shapes = [(512, 2048), (512, 1024), (4096, 64)];
        let unit = |(lun, (block_size, blocks)): (u16, (u32, u64))| {
            let medium = Medium::new(block_size, blocks).unwrap();
            (lun, Arc::new(LogicalUnit::new(Identity::derive(&format!("unit {lun}")), medium, Arc::default())))
        };
        port.units = (0u16..).zip(shapes).map(unit).collect();
        let fill = |(lun, unit): &(u16, Arc<LogicalUnit>)| {
            (0..unit.medium().bytes()).map(|at| (at / 512 * 7 + at + u64::from(*lun) * 101) as u8).collect()
        };
        let disks = port.units.iter().map(fill).collect();
        Target { port, disks, broken: None, background: Vec::new(), clock, nexuses: Vec::new() }
    }

    pub(super) fn pass(&self, seconds: u64) {
        self.clock.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    /// Unit `lun` has another medium from now on.
    pub(super) fn change(&mut self, lun: u16, change: impl FnOnce(Medium) -> Medium) {
        let old = self.port.units[usize::from(lun)].1.clone();
        let medium = change(old.medium().clone());
        self.disks[usize::from(lun)].resize(medium.bytes() as usize, 0);
        let new = LogicalUnit::new(old.identity().clone(), medium, old.book().clone());
        self.port.units[usize::from(lun)].1 = Arc::new(new);
    }

    /// What session `session` is answered by unit `lun`.
    pub(super) fn send(&mut self, session: u64, lun: u16, cdb: &[u8], list: &[u8]) -> Reply {
        let mut nexus = self.nexus(session, lun);
        let unit = self.port.unit(lun).expect("a unit").clone();
        let data_out = list.len() as u32;
        let command = Command { cdb, attribute: Attribute::Simple, data_out, data_in: u32::MAX };
        let mut plan = unit.plan(&mut nexus, &self.port, &command);
        if let Plan::Gather { len } = plan {
            plan = unit.gathered(&mut nexus, &self.port, &command, &list[..len as usize]);
        }
        if let Plan::Copy(copy) = plan {
            if copy.immediate {
                self.background.push(*copy);
                plan = Plan::good();
            } else {
                let copied = self.carry_out(session, &copy);
                plan = unit.copied(&mut nexus, &self.port, &command, &copy, &copied);
            }
        }
        self.nexuses.push((session, lun, nexus));
        match plan {
            Plan::Reply(reply) => reply,
            other => panic!("{cdb:02x?} is answered with {other:?}"),
        }
    }

    pub(super) fn good(&mut self, session: u64, lun: u16, cdb: &[u8], list: &[u8]) -> Vec<u8> {
        let reply = self.send(session, lun, cdb, list);
        assert_eq!((reply.status, reply.sense), (Status::Good, None), "{cdb:02x?}");
        reply.data
    }

    pub(super) fn refused(&mut self, session: u64, lun: u16, cdb: &[u8], list: &[u8]) -> Sense {
        let reply = self.send(session, lun, cdb, list);
        assert_eq!(reply.status, Status::CheckCondition, "{cdb:02x?}");
        reply.sense.expect("sense")
    }

    /// Carries out what was put off.
    pub(super) fn work(&mut self) {
        for copy in std::mem::take(&mut self.background) {
            let copied = self.carry_out(1, &copy);
            copy.ended(&copied);
        }
    }

    fn nexus(&mut self, session: u64, lun: u16) -> Nexus {
        if let Some(place) = self.nexuses.iter().position(|(its, at, _)| (*its, *at) == (session, lun)) {
            return self.nexuses.swap_remove(place).2;
        }
        let name = format!("iqn.2026-11.com.example:host,i,0x{session:012x}");
        let mut nexus = Nexus::new(NexusId { session, name: name.into(), portal_group: 1 });
        nexus.forget_attentions();
        nexus
    }

    /// One move after the other, a block at a time.
    fn carry_out(&mut self, session: u64, copy: &Copy) -> Copied {
        const STEP: usize = 512;
        let mut bytes = 0;
        for (at, part) in copy.moves.iter().enumerate() {
            let failed = |side, sense| Some(CopyFailure { at, side, sense });
            if copy.is_cancelled() {
                return Copied { bytes, failure: failed(CopySide::Destination, Some(Sense::COPY_CANCELLED)) };
            }
            for (lun, side, write) in ends(part) {
                let unit = self.port.unit(lun).expect("a unit").clone();
                let mut nexus = self.nexus(session, lun);
                if let Some(reply) = unit.refuses(&mut nexus, write) {
                    return Copied { bytes, failure: failed(side, reply.sense) };
                }
            }
            for offset in (0..part.len).step_by(STEP) {
                if let Some((broken, from, sense)) = self.broken {
                    for (lun, side, _) in ends(part) {
                        let place = match (side, part.from) {
                            (CopySide::Source, Source::Unit { at, .. }) => at + offset,
                            _ => part.at + offset,
                        };
                        if lun == broken && place >= from {
                            return Copied { bytes, failure: failed(side, Some(sense)) };
                        }
                    }
                }
                let data = match part.from {
                    Source::Zeroes => vec![0; STEP],
                    Source::Unit { lun, at } => self.disks[usize::from(lun)][(at + offset) as usize..][..STEP].to_vec(),
                };
                self.disks[usize::from(part.to)][(part.at + offset) as usize..][..STEP].copy_from_slice(&data);
                bytes += STEP as u64;
                copy.moved(bytes);
            }
        }
        Copied { bytes, failure: None }
    }
}

/// The units that a move reads and writes.
fn ends(part: &Move) -> Vec<(u16, CopySide, bool)> {
    let source = match part.from {
        Source::Unit { lun, .. } => Some((lun, CopySide::Source, false)),
        Source::Zeroes => None,
    };
    source.into_iter().chain([(part.to, CopySide::Destination, true)]).collect()
}

/// A CDB of THIRD-PARTY COPY OUT for a list of `len` bytes; `id` is for those commands that have it in the CDB.
pub(super) fn out(action: u8, id: u32, len: usize) -> [u8; 16] {
    let mut cdb = [0; 16];
    (cdb[0], cdb[1]) = (0x83, action);
    cdb[6..10].copy_from_slice(&id.to_be_bytes());
    cdb[10..14].copy_from_slice(&(len as u32).to_be_bytes());
    cdb
}

/// A CDB of RECEIVE COPY RESULTS with room for `room` bytes.
pub(super) fn receive(action: u8, id: u32, room: u32) -> [u8; 16] {
    let mut cdb = [0; 16];
    (cdb[0], cdb[1]) = (0x84, action);
    match action {
        0x00 | 0x01 | 0x04 => cdb[2] = id as u8,
        0x05 | 0x07 => cdb[2..6].copy_from_slice(&id.to_be_bytes()),
        _ => {}
    }
    cdb[10..14].copy_from_slice(&room.to_be_bytes());
    cdb
}

/// An identification descriptor of unit `lun`, by its NAA name.
pub(super) fn cscd(lun: u16, block_size: u32) -> Vec<u8> {
    let identity = Identity::derive(&format!("unit {lun}"));
    let name = identity.designators()[0].descriptor();
    let mut cscd = [&[0xE4, 0, 0, 0][..], &name].concat();
    cscd.resize(28, 0);
    [cscd, block_size.to_be_bytes().to_vec()].concat()
}

/// A block to block segment descriptor.
pub(super) fn segment(from: u16, to: u16, blocks: u16, from_lba: u64, to_lba: u64) -> Vec<u8> {
    let numbers = [from, to, 0, blocks].map(u16::to_be_bytes).concat();
    [&[0x02, 0, 0, 24][..], &numbers, &from_lba.to_be_bytes(), &to_lba.to_be_bytes()].concat()
}

/// A parameter list of EXTENDED COPY (LID1), with its results held.
pub(super) fn lid1(id: u8, cscds: &[Vec<u8>], segments: &[Vec<u8>]) -> Vec<u8> {
    let (cscds, segments) = (cscds.concat(), segments.concat());
    let mut list = vec![id, 0, 0, 0, 0, 0, 0, 0];
    list[2..4].copy_from_slice(&(cscds.len() as u16).to_be_bytes());
    list.extend((segments.len() as u32).to_be_bytes());
    [list, vec![0; 4], cscds, segments].concat()
}

/// A parameter list of EXTENDED COPY (LID4) with IMMED.
pub(super) fn lid4_immediate(id: u32, cscds: &[Vec<u8>], segments: &[Vec<u8>]) -> Vec<u8> {
    let (cscds, segments) = (cscds.concat(), segments.concat());
    let mut list = vec![0; 48];
    (list[0], list[3], list[15], list[16]) = (1, 0x20, 1, 0xFF);
    list[20..24].copy_from_slice(&id.to_be_bytes());
    list[42..44].copy_from_slice(&(cscds.len() as u16).to_be_bytes());
    list[44..46].copy_from_slice(&(segments.len() as u16).to_be_bytes());
    [list, cscds, segments].concat()
}
