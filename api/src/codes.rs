//! Which refusals exist: the stable codes, their exit codes, and what each of them means.
//!
//! Codes are never reused and never change their meaning. The hundreds group them: 01 the file and its
//! words, 02 values, 03 disks, 04 the state of things, 05 the engine and the network, 06 access.

/// One row of the table of codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// `F-nnnn`.
    pub code: &'static str,
    /// The process exit code of a command that ends with this refusal.
    pub exit: u8,
    /// What the code means, as one sentence.
    pub means: &'static str,
}

/// Exit code: done, or nothing to do.
pub const EXIT_OK: u8 = 0;
/// Exit code: the operation failed.
pub const EXIT_FAILED: u8 = 1;
/// Exit code: the command line is wrong.
pub const EXIT_USAGE: u8 = 2;
/// Exit code: an object that was named does not exist.
pub const EXIT_NOT_FOUND: u8 = 3;
/// Exit code: it exists already, or something else changed it meanwhile.
pub const EXIT_CONFLICT: u8 = 4;
/// Exit code: refused for safety; the hint names the flag that insists.
pub const EXIT_UNSAFE: u8 = 5;
/// Exit code: the configuration is invalid.
pub const EXIT_CONFIG: u8 = 6;
/// Exit code: timed out, or only partly done.
pub const EXIT_PARTIAL: u8 = 9;

macro_rules! codes {
    ($($(#[$meta:meta])* $name:ident = $code:literal, $exit:ident, $means:literal;)*) => {
        $(#[doc = $means] pub const $name: &str = $code;)*
        /// Every code, ascending.
        pub const ALL: &[Code] = &[$(Code { code: $code, exit: $exit, means: $means }),*];
    };
}

codes! {
    FILE_UNREADABLE = "F-0101", EXIT_CONFIG, "The configuration file cannot be read.";
    FILE_TOO_LARGE = "F-0102", EXIT_CONFIG, "The configuration file is larger than the limit.";
    BAD_SYNTAX = "F-0103", EXIT_CONFIG, "The configuration file is not TOML.";
    BAD_SCHEMA = "F-0104", EXIT_CONFIG, "The schema version of the file is missing or not served.";
    UNKNOWN_KEY = "F-0110", EXIT_CONFIG, "A key is not known where it stands; nothing is accepted and ignored.";
    WRONG_TYPE = "F-0111", EXIT_CONFIG, "A value has the wrong type.";
    UNKNOWN_WORD = "F-0112", EXIT_CONFIG, "A value is not one of the words that may stand here.";
    MISSING_KEY = "F-0113", EXIT_CONFIG, "A key that is required is missing.";
    UNFIT_KEY = "F-0114", EXIT_CONFIG, "A key makes no sense beside the others.";
    TOO_MANY = "F-0115", EXIT_CONFIG, "There are more objects than the limit.";
    BAD_NAME = "F-0201", EXIT_CONFIG, "A target name is not an iSCSI name (RFC 7143 4.2.7), nor a short one.";
    BAD_LUN_NUMBER = "F-0202", EXIT_CONFIG, "A LUN number is not in 0 to 16383.";
    BAD_INQUIRY_TEXT = "F-0203", EXIT_CONFIG, "An identity text is too long for its field, or not printable ASCII.";
    DUPLICATE_IDENTITY = "F-0204", EXIT_CONFIG, "Two LUNs show the same identity; initiators would take them for one disk.";
    DUPLICATE_TARGET = "F-0205", EXIT_CONFIG, "Two targets have the same name after normalisation.";
    BAD_SIZE = "F-0206", EXIT_CONFIG, "A size is not a number of bytes with an optional unit.";
    BAD_BLOCK_SIZE = "F-0207", EXIT_CONFIG, "A block size is neither 512 nor 4096, or does not divide the size.";
    BAD_PORTAL = "F-0208", EXIT_CONFIG, "A portal is not an address with or without a port.";
    OUT_OF_RANGE = "F-0209", EXIT_CONFIG, "A number is outside of the range of its key.";
    BAD_TEXT = "F-0210", EXIT_CONFIG, "A text is empty, too long, or has characters that may not stand in it.";
    DISK_TWICE = "F-0211", EXIT_CONFIG, "Two LUNs write to one disk, and neither knows of the other's reservations.";
    DISK_UNAVAILABLE = "F-0301", EXIT_FAILED, "The disk of a LUN cannot be opened or looked at.";
    DISK_UNFIT = "F-0302", EXIT_FAILED, "The disk of a LUN is there, and cannot be served as asked.";
    STATE_UNUSABLE = "F-0303", EXIT_FAILED, "What was kept of a LUN's state, its reservations and saved settings, cannot be used.";
    NO_SUCH_TARGET = "F-0401", EXIT_NOT_FOUND, "There is no target of this name.";
    NO_SUCH_LUN = "F-0402", EXIT_NOT_FOUND, "The target has no LUN of this number.";
    TARGET_EXISTS = "F-0403", EXIT_CONFLICT, "There is a target of this name already.";
    LUN_EXISTS = "F-0404", EXIT_CONFLICT, "The target has a LUN of this number already.";
    IN_USE = "F-0405", EXIT_UNSAFE, "The object is in use.";
    WOULD_SHRINK = "F-0406", EXIT_UNSAFE, "The disk became smaller; data beyond its new end would be gone.";
    DISK_CHANGED = "F-0407", EXIT_UNSAFE, "The disk is not the one that was opened before.";
    NO_SUCH_GROUP = "F-0408", EXIT_NOT_FOUND, "No portal is in this group.";
    NOT_A_DRIVE = "F-0409", EXIT_CONFLICT, "The LUN is a disk, whose medium cannot be changed.";
    IO_UNAVAILABLE = "F-0502", EXIT_FAILED, "The chosen way to do I/O is not available on this system.";
    CANNOT_LISTEN = "F-0503", EXIT_FAILED, "A portal cannot be listened on.";
    CANNOT_START = "F-0504", EXIT_FAILED, "The engine could not be started.";
    STOPPING = "F-0505", EXIT_FAILED, "The engine is stopping and takes no more changes.";
    LIMIT_REACHED = "F-0506", EXIT_FAILED, "The engine serves as many objects as it can.";
    NOT_DRAINED = "F-0507", EXIT_PARTIAL, "The time was over before everything in flight had finished.";
    BAD_RULE = "F-0601", EXIT_CONFIG, "An entry of an allow list is not a rule.";
    BAD_SECRET = "F-0602", EXIT_CONFIG, "A secret cannot be used.";
    SECRET_FILE = "F-0603", EXIT_CONFIG, "A secret file cannot be read, or others may read it too.";
    WEAK_SECRET = "F-0604", EXIT_CONFIG, "A secret is shorter than the 96 bits that RFC 7143 9.2.1 asks for.";
    DUPLICATE_ACCOUNT = "F-0605", EXIT_CONFIG, "A user name stands twice in one list of accounts.";
    LISTS_NOBODY = "F-0606", EXIT_CONFIG, "A target lets nobody in.";
    OPEN_TO_ALL = "F-0607", EXIT_CONFIG, "A list says `any` and more; the rest has no meaning.";
}

/// The row of `code`, None for a code that is not in the table.
pub fn find(code: &str) -> Option<&'static Code> {
    ALL.binary_search_by_key(&code, |row| row.code).ok().map(|at| &ALL[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend_so_that_each_stands_once_and_is_found() {
        assert!(ALL.windows(2).all(|pair| pair[0].code < pair[1].code));
        assert!(ALL.iter().all(|row| find(row.code) == Some(row)));
    }

    #[test]
    fn every_code_has_the_form_f_dash_four_digits_and_a_sentence() {
        for row in ALL {
            let digits = row.code.strip_prefix("F-").expect("prefix");
            assert!(digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit()), "{}", row.code);
            assert!(row.means.ends_with('.'), "{}", row.code);
        }
    }

    #[test]
    fn an_unknown_code_is_not_found() {
        assert_eq!(find("F-0000"), None);
    }
}
