//! The commands of a logical unit that is not there (SPC-4, commands to an incorrect logical unit).

use crate::command::{Row, Table};
use crate::primary::{inquiry, luns, request_sense};
use crate::sense::Sense;

/// Whoever asks what is here gets an answer; every other command learns that nothing is.
pub(crate) static TABLE: Table = Table::new(&ROWS, Sense::NO_SUCH_UNIT);

static ROWS: [Row; 3] = [
    Row::new(&[0x03, 0x01, 0x00, 0x00, 0xFF, 0x00], request_sense::of_missing).passes_attention(),
    Row::new(&[0x12, 0x01, 0xFF, 0xFF, 0xFF, 0x00], inquiry::of_missing).passes_attention(),
    Row::new(&[0xA0, 0x00, 0xFF, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00], luns::report)
        .passes_attention(),
];
