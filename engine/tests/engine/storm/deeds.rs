//! What a host of the storm asks for, and what it knows when that has ended.

use std::collections::BTreeSet;

use super::host::{Host, Place};
use super::{CELL_BLOCKS, CELL_BYTES, COMES_AND_GOES, LUNS, STAY, TALLY};
use crate::common::BLOCK;
use crate::copying::copy_list;
use crate::exchanging::exchange;
use crate::tally::one_more;
use ferrite_iscsi::initiator::{Request, ScsiResult, cdb, lun as lun_field};

/// A command under way.
#[derive(Clone, Copy)]
pub(super) enum Deed {
    Read(Place),
    Write(Place, u64),
    /// COMPARE AND WRITE of a whole cell.
    Exchange(Place, u64),
    /// All of a cell.
    Unmap(Place),
    /// From the first cell to the second.
    Copy(Place, Place),
    Flush(u16),
    /// Registers, reserves, preempts, gives up.
    Reserve(u16),
    /// In the tally of LUN 0, or 2.
    Count(usize),
    Look(usize),
}

impl Deed {
    /// The LUN that it went to.
    pub(super) fn lun(self) -> u16 {
        match self {
            Self::Read((lun, _)) | Self::Write((lun, _), _) | Self::Exchange((lun, _), _) | Self::Flush(lun) => lun,
            Self::Unmap((lun, _)) | Self::Copy(_, (lun, _)) | Self::Reserve(lun) => lun,
            Self::Count(tally) | Self::Look(tally) => 2 * tally as u16,
        }
    }
}

impl Host {
    pub(super) fn write(&mut self) {
        let Some(place) = self.pick() else { return };
        let value = self.next_value;
        self.next_value += 1;
        self.cells.get_mut(&place).unwrap().may_be.insert(value);
        let data = value.to_le_bytes().repeat(CELL_BYTES as usize / 8);
        let mut cdb = cdb::write16(self.lba(place.1), CELL_BLOCKS);
        // Some of them with FUA.
        cdb[1] = u8::from(self.dice.below(4) == 0) << 3;
        self.send(&Request::new(place.0, &cdb).writing(data), Deed::Write(place, value));
    }

    /// Of what it holds, if that is known.
    pub(super) fn exchange(&mut self) {
        let Some(place) = self.pick() else { return };
        let value = self.next_value;
        self.next_value += 1;
        let cell = self.cells.get_mut(&place).unwrap();
        let old = *cell.may_be.first().unwrap();
        cell.may_be.insert(value);
        let [old, new] = [old, value].map(|value| value.to_le_bytes().repeat(CELL_BYTES as usize / 8));
        let request = Request { lun: lun_field(place.0), ..exchange(self.lba(place.1), &old, &new) };
        self.send(&request, Deed::Exchange(place, value));
    }

    pub(super) fn count(&mut self) {
        let tally = self.dice.below(2) as usize;
        let lun = 2 * tally as u16;
        let Some(old) = self.counted[tally].take() else {
            return self.send(&Request::new(lun, &cdb::read16(TALLY, 1)).reading(BLOCK), Deed::Look(tally));
        };
        let request = exchange(TALLY, &old, &one_more(&old, self.dice.next()));
        self.send(&Request { lun: lun_field(lun), ..request }, Deed::Count(tally));
    }

    pub(super) fn read(&mut self) {
        if let Some(place) = self.pick() {
            self.send_read(place);
        }
    }

    pub(super) fn read_at(&mut self, place: Place) {
        self.cells.get_mut(&place).unwrap().busy = true;
        self.send_read(place);
    }

    fn send_read(&mut self, place: Place) {
        let cdb = cdb::read16(self.lba(place.1), CELL_BLOCKS);
        self.send(&Request::new(place.0, &cdb).reading(CELL_BYTES), Deed::Read(place));
    }

    pub(super) fn unmap(&mut self) {
        let Some(place) = self.pick() else { return };
        self.cells.get_mut(&place).unwrap().may_be.insert(0);
        let mut list = [0; 24];
        (list[1], list[3]) = (22, 16);
        list[8..16].copy_from_slice(&self.lba(place.1).to_be_bytes());
        list[16..20].copy_from_slice(&CELL_BLOCKS.to_be_bytes());
        let request = Request::new(place.0, &[0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0]).writing(list.to_vec());
        self.send(&request, Deed::Unmap(place));
    }

    /// Between cells of the LUNs that stay, asked of the one that is written.
    pub(super) fn copy(&mut self) {
        let Some(from) = self.pick() else { return };
        let to = self.pick();
        let stays = |place: Place| place.0 != COMES_AND_GOES;
        let (true, Some(to)) = (stays(from), to.filter(|to| stays(*to))) else {
            for place in [Some(from), to].into_iter().flatten() {
                self.cells.get_mut(&place).unwrap().busy = false;
            }
            return;
        };
        let copied = self.cells[&from].may_be.clone();
        self.cells.get_mut(&to).unwrap().may_be.extend(copied);
        let name = |place: Place| &self.names[usize::from(place.0 / 2)][..];
        let (names, blocks) = ([name(from), name(to)], CELL_BLOCKS as u16);
        let request = copy_list(to.0, names, self.lba(from.1), self.lba(to.1), blocks);
        self.send(&request, Deed::Copy(from, to));
    }

    /// Reads are never shut out, so that what is there can be looked at.
    pub(super) fn reserve(&mut self) {
        const REGISTER_AND_IGNORE: u8 = 6;
        const ACTIONS: [u8; 7] = [REGISTER_AND_IGNORE, REGISTER_AND_IGNORE, 1, 2, 3, 4, 5];
        let lun = STAY[self.dice.below(2) as usize];
        let action = ACTIONS[self.dice.below(ACTIONS.len() as u64) as usize];
        let kind = [1, 5, 7][self.dice.below(3) as usize];
        let own = u64::from(self.port) + 1;
        let (claimed, second) = match action {
            REGISTER_AND_IGNORE => (0, own),
            _ => (own, 1 + self.dice.below(super::HOSTS.into())),
        };
        let mut list = [0; 24];
        list[..8].copy_from_slice(&claimed.to_be_bytes());
        list[8..16].copy_from_slice(&second.to_be_bytes());
        let request = Request::new(lun, &[0x5F, action, kind, 0, 0, 0, 0, 0, 24, 0]).writing(list.to_vec());
        self.send(&request, Deed::Reserve(lun));
    }

    pub(super) fn flush(&mut self) {
        let lun = LUNS[self.dice.below(3) as usize];
        self.send(&Request::new(lun, &cdb::synchronize_cache16(0, 0)), Deed::Flush(lun));
    }

    /// A command has ended: with an answer, or for good without one.
    pub(super) fn ended(&mut self, deed: Deed, result: Option<&ScsiResult>) {
        let good = result.filter(|result| result.is_good());
        match deed {
            Deed::Flush(_) | Deed::Reserve(_) => {}
            Deed::Unmap(place) => {
                // Also where it is GOOD, nothing need have been given back.
                self.cells.get_mut(&place).unwrap().busy = false;
                self.suspects.extend(result.is_none().then_some(place));
            }
            Deed::Copy(from, to) => {
                let source = self.cells.get_mut(&from).unwrap();
                source.busy = false;
                let copied = source.may_be.clone();
                let cell = self.cells.get_mut(&to).unwrap();
                cell.busy = false;
                if good.is_some() {
                    cell.may_be = copied;
                }
                self.suspects.extend(result.is_none().then_some(to));
            }
            Deed::Look(tally) => self.counted[tally] = good.map(|result| result.data.clone()),
            Deed::Count(tally) => drop(self.tallies[tally].ended(result)),
            Deed::Write(place, value) | Deed::Exchange(place, value) => {
                let cell = self.cells.get_mut(&place).unwrap();
                cell.busy = false;
                // That LUN may be another by now.
                if good.is_some() && place.0 != COMES_AND_GOES {
                    cell.may_be = BTreeSet::from([value]);
                }
                if result.is_none() {
                    self.suspects.push(place);
                }
            }
            Deed::Read(place) => {
                let cell = self.cells.get_mut(&place).unwrap();
                cell.busy = false;
                let Some(result) = good else { return };
                let (words, rest) = result.data.as_chunks::<8>();
                assert_eq!((words.len(), rest.len()), (CELL_BYTES as usize / 8, 0));
                let value = u64::from_le_bytes(words[0]);
                assert!(words.iter().all(|word| *word == words[0]), "{place:?} is torn");
                assert!(cell.may_be.contains(&value), "{place:?} holds {value:#x}, not one of {:x?}", cell.may_be);
                if place.0 != COMES_AND_GOES {
                    // Nothing is under way: what it holds now it holds until the next write.
                    cell.may_be = BTreeSet::from([value]);
                }
            }
        }
    }
}
