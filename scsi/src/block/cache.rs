//! SYNCHRONIZE CACHE and START STOP UNIT: what must be on stable storage, and when (SBC-3).

use crate::command::Asked;
use crate::plan::Plan;
use crate::sense::Sense;

/// SYNCHRONIZE CACHE (10), (16): these blocks, or all from the address on.
pub(crate) fn synchronize(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    const IMMED: u8 = 0x02;
    let medium = asked.unit.medium();
    let range = asked.addressed().or_the_rest(medium)?;
    let everything = range.at == 0 && range.len == medium.bytes();
    let len = if everything { 0 } else { range.len };
    Ok(Plan::Flush { at: range.at, len, immediate: asked.cdb.flag(1, IMMED) })
}

/// START STOP UNIT. A disk that several initiators share has no spindle that one of them could stop: it stays ready,
/// but what a stop must do first is done, and the cache is on stable storage before the answer.
pub(crate) fn start_stop(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    const IMMED: u8 = 0x01;
    const NO_FLUSH: u8 = 0x04;
    const LOEJ: u8 = 0x02;
    const START: u8 = 0x01;
    let (condition, modifier) = (asked.cdb.u8(4) >> 4, asked.cdb.u8(3));
    // START_VALID is the only power condition there is; with another one, START and LOEJ would mean nothing.
    if condition != 0 {
        return Err(Sense::invalid_bit(4, 7));
    }
    if modifier != 0 {
        return Err(Sense::invalid_bit(3, 3));
    }
    // There is nothing to load or eject.
    if asked.cdb.flag(4, LOEJ) {
        return Err(Sense::invalid_bit(4, 1));
    }
    if asked.cdb.flag(4, START | NO_FLUSH) {
        return Ok(Plan::good());
    }
    Ok(Plan::Flush { at: 0, len: 0, immediate: asked.cdb.flag(1, IMMED) })
}

#[cfg(test)]
mod tests {
    use crate::plan::Plan;
    use crate::sense::Sense;
    use crate::tests::{Bench, good, refused};

    #[test]
    fn some_blocks_or_all_are_flushed() {
        let mut bench = Bench::disk();
        let all = Plan::Flush { at: 0, len: 0, immediate: false };
        assert_eq!(bench.plan(&[0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0]), all);
        assert_eq!(bench.plan(&[0x35, 4, 0, 0, 0, 0, 0, 8, 0, 0]), all);
        assert_eq!(bench.plan(&[0x91, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), all);
        let some = Plan::Flush { at: 512, len: 1024, immediate: true };
        assert_eq!(bench.plan(&[0x35, 2, 0, 0, 0, 1, 0, 0, 2, 0]), some);
        assert_eq!(bench.plan(&[0x91, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0]), some);
        let rest = Plan::Flush { at: 2040 * 512, len: 8 * 512, immediate: false };
        assert_eq!(bench.plan(&[0x35, 0, 0, 0, 7, 0xF8, 0, 0, 0, 0]), rest);
    }

    #[test]
    fn blocks_beyond_the_last_cannot_be_flushed() {
        let beyond = refused(Sense::LBA_OUT_OF_RANGE);
        assert_eq!(Bench::disk().ask(&[0x35, 0, 0, 0, 8, 0, 0, 0, 0, 0]), beyond);
        assert_eq!(Bench::disk().ask(&[0x35, 0, 0, 0, 7, 255, 0, 0, 2, 0]), beyond);
    }

    #[test]
    fn starting_does_nothing_and_stopping_flushes() {
        let mut bench = Bench::disk();
        assert_eq!(bench.ask(&[0x1B, 0, 0, 0, 1, 0]), good(&[]));
        assert_eq!(bench.plan(&[0x1B, 0, 0, 0, 0, 0]), Plan::Flush { at: 0, len: 0, immediate: false });
        assert_eq!(bench.plan(&[0x1B, 1, 0, 0, 0, 0]), Plan::Flush { at: 0, len: 0, immediate: true });
        assert_eq!(bench.ask(&[0x1B, 0, 0, 0, 4, 0]), good(&[]));
        assert_eq!(bench.ask(&[0, 0, 0, 0, 0, 0]), good(&[]));
    }

    #[test]
    fn ejecting_and_power_conditions_are_refused() {
        let mut bench = Bench::disk();
        assert_eq!(bench.ask(&[0x1B, 0, 0, 0, 2, 0]), refused(Sense::invalid_bit(4, 1)));
        assert_eq!(bench.ask(&[0x1B, 0, 0, 0, 0x30, 0]), refused(Sense::invalid_bit(4, 7)));
        assert_eq!(bench.ask(&[0x1B, 0, 0, 1, 0, 0]), refused(Sense::invalid_bit(3, 3)));
    }
}
