//! Tables of commands: the rows of one kind of unit, found in one step.

use super::row::{Row, SERVICE_ACTION, VARIABLE_LENGTH};
use crate::medium::Medium;
use crate::sense::Sense;

/// The service action of `cdb`, if its operation code has such; `None` where it ends before it.
pub(crate) fn action_of(cdb: &[u8]) -> Option<u16> {
    match *cdb.first()? {
        VARIABLE_LENGTH => Some(u16::from_be_bytes([*cdb.get(8)?, *cdb.get(9)?])),
        _ => cdb.get(1).map(|byte| (byte & SERVICE_ACTION).into()),
    }
}

/// 5/24/00 that points at the service action of an operation code.
fn wrong_action(opcode: u8) -> Sense {
    match opcode {
        VARIABLE_LENGTH => Sense::invalid_field(8),
        _ => Sense::invalid_bit(1, 4),
    }
}

/// The commands of one kind of unit, found by operation code in one step.
pub(crate) struct Table {
    rows: &'static [Row],
    /// Row at which an operation code begins, or [`NO_ROW`].
    first: [u8; 256],
    /// What a command without a row is told.
    unknown: Sense,
}

const NO_ROW: u8 = u8::MAX;

impl Table {
    /// A table of `rows`, which are in ascending order of operation code and service action; what is not among
    /// them is answered with `unknown`.
    ///
    /// # Panics
    /// At compile time, when the rows are not in order, or a row with a service action stands beside one without.
    pub(crate) const fn new(rows: &'static [Row], unknown: Sense) -> Table {
        assert!(rows.len() < NO_ROW as usize);
        let mut first = [NO_ROW; 256];
        let mut at = 0;
        while at < rows.len() {
            let row = &rows[at];
            if at > 0 {
                let before = &rows[at - 1];
                match (before.action, row.action) {
                    (Some(lower), Some(higher)) if before.opcode() == row.opcode() => {
                        assert!(lower < higher)
                    }
                    _ => assert!(before.opcode() < row.opcode()),
                }
            }
            if first[row.opcode() as usize] == NO_ROW {
                first[row.opcode() as usize] = at as u8;
            }
            at += 1;
        }
        Table { rows, first, unknown }
    }

    /// All rows, in order.
    pub(crate) fn rows(&self) -> &'static [Row] {
        self.rows
    }

    /// The rows of one operation code: none, one, or one for each of its service actions.
    pub(crate) fn rows_of(&self, opcode: u8) -> &'static [Row] {
        let from = match self.first[usize::from(opcode)] {
            NO_ROW => return &[],
            first => usize::from(first),
        };
        let rows = &self.rows[from..];
        let count = rows.iter().take_while(|row| row.opcode() == opcode).count();
        &rows[..count]
    }

    /// The row that `cdb` means.
    ///
    /// # Errors
    /// What the table has for a command it does not know. An unknown service action is an unknown command, too:
    /// QEMU and libiscsi take 5/20/00 for "not implemented" and 5/24/00 for a mistake of theirs.
    #[inline]
    pub(crate) fn find(&self, cdb: &[u8], medium: &Medium) -> Result<&'static Row, Sense> {
        let opcode = *cdb.first().ok_or(self.unknown)?;
        let place = self.first[usize::from(opcode)];
        if place == NO_ROW {
            return Err(self.unknown);
        }
        let row = &self.rows[usize::from(place)];
        if row.action.is_some() {
            return self.find_action(cdb, opcode, medium);
        }
        if row.is_offered(medium) { Ok(row) } else { Err(self.unknown) }
    }

    fn find_action(&self, cdb: &[u8], opcode: u8, medium: &Medium) -> Result<&'static Row, Sense> {
        let (action, rows) = (action_of(cdb), self.rows_of(opcode));
        let unknown = || if rows.iter().any(|row| row.names_actions) { wrong_action(opcode) } else { self.unknown };
        rows.iter().find(|row| row.action == action && row.is_offered(medium)).ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::row::tests::ROWS;

    static TABLE: Table = Table::new(&ROWS, Sense::INVALID_OPCODE);

    fn medium() -> Medium {
        Medium::new(512, 1).unwrap()
    }

    #[test]
    fn a_command_is_found_by_operation_code_and_service_action() {
        let find = |cdb: &[u8]| TABLE.find(cdb, &medium()).map(|row| row.usage.len());
        assert_eq!(find(&[0x10, 0]), Ok(6));
        assert_eq!(find(&[0x20, 0xE2]), Ok(8));
        assert_eq!(find(&[0x20, 0x03]), Err(Sense::INVALID_OPCODE));
        assert_eq!(find(&[0x20]), Err(Sense::INVALID_OPCODE));
        assert_eq!(find(&[0x11, 0]), Err(Sense::INVALID_OPCODE));
        assert_eq!(find(&[]), Err(Sense::INVALID_OPCODE));
    }

    #[test]
    fn an_operation_code_that_names_its_actions_takes_others_for_mistakes() {
        let find = |cdb: &[u8]| TABLE.find(cdb, &medium()).map(|row| row.usage.len());
        assert_eq!(find(&[0x30, 0x63]), Ok(6));
        assert_eq!(find(&[0x30, 0x02]), Err(Sense::invalid_bit(1, 4)));
        assert_eq!(find(&[0x30]), Err(Sense::invalid_bit(1, 4)));
    }

    #[test]
    fn a_command_of_variable_length_has_its_service_action_in_two_bytes() {
        let cdb = |len, action: [u8; 2], byte| [0x7F, 0, 0, 0, 0, 0, 0, len, action[0], action[1], byte, 0];
        let find = |cdb: &[u8]| TABLE.find(cdb, &medium()).and_then(|row| row.fields(cdb).map(|_| row.action));
        assert_eq!(find(&cdb(4, [0, 9], 0xF0)), Ok(Some(9)));
        assert_eq!(find(&cdb(4, [1, 9], 0)), Ok(Some(0x0109)));
        assert_eq!(find(&cdb(4, [1, 9], 1)), Err(Sense::invalid_bit(10, 0)));
        assert_eq!(find(&cdb(4, [9, 9], 0)), Err(Sense::INVALID_OPCODE));
        assert_eq!(find(&[0x7F, 0, 0, 0, 0, 0, 0, 4, 0]), Err(Sense::INVALID_OPCODE));
        for len in [0, 3, 5, 0x14] {
            assert_eq!(find(&cdb(len, [0, 9], 0)), Err(Sense::invalid_field(7)));
        }
    }

    #[test]
    fn a_command_that_the_medium_does_not_have_is_unknown() {
        assert_eq!(TABLE.find(&[0xFF], &medium()).err(), Some(Sense::INVALID_OPCODE));
    }
}
