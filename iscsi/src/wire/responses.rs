//! What do the headers of a target's PDUs look like (RFC 7143 §11, opcodes 20h to 3Fh)?

use super::Opcode;
use super::layout::header;

header! {
    /// NOP-In (RFC 7143 §11.19): an answer to a ping, or a ping of the target's own.
    NopIn = Opcode::NopIn, always 0x80;
    flags {}
    bits {}
    fields {
        /// LUN.
        lun: [u8; 8] @ 8,
        /// Initiator Task Tag of the ping that is answered, else FFFFFFFFh.
        itt: u32 @ 16,
        /// Target Transfer Tag when an answer is wanted, else FFFFFFFFh.
        ttt: u32 @ 20,
        /// StatSN.
        stat_sn: u32 @ 24,
        /// ExpCmdSN.
        exp_cmd_sn: u32 @ 28,
        /// MaxCmdSN.
        max_cmd_sn: u32 @ 32,
    }
}

header! {
    /// SCSI Response (RFC 7143 §11.4).
    ScsiResponse = Opcode::ScsiResponse, always 0x80;
    flags {
        /// o: bidirectional read residual overflow.
        bidi_overflow @ 1 & 0x10,
        /// u: bidirectional read residual underflow.
        bidi_underflow @ 1 & 0x08,
        /// O: residual overflow.
        overflow @ 1 & 0x04,
        /// U: residual underflow.
        underflow @ 1 & 0x02,
    }
    bits {}
    fields {
        /// iSCSI service response: 0 command completed at target, 1 target failure.
        response: u8 @ 2,
        /// SCSI status.
        status: u8 @ 3,
        /// Initiator Task Tag.
        itt: u32 @ 16,
        /// SNACK Tag, or zero.
        snack_tag: u32 @ 20,
        /// StatSN.
        stat_sn: u32 @ 24,
        /// ExpCmdSN.
        exp_cmd_sn: u32 @ 28,
        /// MaxCmdSN.
        max_cmd_sn: u32 @ 32,
        /// ExpDataSN: how many Data-In and R2T PDUs were sent for the command.
        exp_data_sn: u32 @ 36,
        /// Bidirectional read residual count.
        bidi_residual: u32 @ 40,
        /// Residual count.
        residual: u32 @ 44,
    }
}

header! {
    /// Task Management Function Response (RFC 7143 §11.6, RFC 7144 §4.2.2).
    TaskResponse = Opcode::TaskResponse, always 0x80;
    flags {}
    bits {}
    fields {
        /// Response: see [`super::codes::task_response`].
        response: u8 @ 2,
        /// Additional Response Information (RFC 7144): what QUERY ASYNCHRONOUS EVENT found.
        additional: [u8; 3] @ 8,
        /// Initiator Task Tag.
        itt: u32 @ 16,
        /// StatSN.
        stat_sn: u32 @ 24,
        /// ExpCmdSN.
        exp_cmd_sn: u32 @ 28,
        /// MaxCmdSN.
        max_cmd_sn: u32 @ 32,
    }
}

header! {
    /// Login Response (RFC 7143 §11.13).
    LoginResponse = Opcode::LoginResponse, always 0x00;
    flags {
        /// T: the transit is granted.
        transit @ 1 & 0x80,
        /// C: the text goes on in the next response.
        more @ 1 & 0x40,
    }
    bits {
        /// CSG: current stage.
        csg @ 1 & 0x0c,
        /// NSG: next stage.
        nsg @ 1 & 0x03,
    }
    fields {
        /// Version-max.
        version_max: u8 @ 2,
        /// Version-active.
        version_active: u8 @ 3,
        /// ISID.
        isid: [u8; 6] @ 8,
        /// TSIH: set in the last response.
        tsih: u16 @ 14,
        /// Initiator Task Tag.
        itt: u32 @ 16,
        /// StatSN.
        stat_sn: u32 @ 24,
        /// ExpCmdSN.
        exp_cmd_sn: u32 @ 28,
        /// MaxCmdSN.
        max_cmd_sn: u32 @ 32,
        /// Status-Class.
        status_class: u8 @ 36,
        /// Status-Detail.
        status_detail: u8 @ 37,
    }
}

header! {
    /// Text Response (RFC 7143 §11.11).
    TextResponse = Opcode::TextResponse, always 0x00;
    flags {
        /// F: the exchange is over.
        fin @ 1 & 0x80,
        /// C: the text goes on in the next response.
        more @ 1 & 0x40,
    }
    bits {}
    fields {
        /// LUN.
        lun: [u8; 8] @ 8,
        /// Initiator Task Tag.
        itt: u32 @ 16,
        /// Target Transfer Tag to go on with, FFFFFFFFh when the exchange is over.
        ttt: u32 @ 20,
        /// StatSN.
        stat_sn: u32 @ 24,
        /// ExpCmdSN.
        exp_cmd_sn: u32 @ 28,
        /// MaxCmdSN.
        max_cmd_sn: u32 @ 32,
    }
}

header! {
    /// SCSI Data-In (RFC 7143 §11.7).
    DataIn = Opcode::DataIn, always 0x00;
    flags {
        /// F: the last PDU of its sequence.
        fin @ 1 & 0x80,
        /// A: an acknowledgement is asked for.
        acknowledge @ 1 & 0x40,
        /// O: residual overflow; valid with `status_here`.
        overflow @ 1 & 0x04,
        /// U: residual underflow; valid with `status_here`.
        underflow @ 1 & 0x02,
        /// S: the status of the command is in this PDU.
        status_here @ 1 & 0x01,
    }
    bits {}
    fields {
        /// SCSI status; valid with `status_here`.
        status: u8 @ 3,
        /// LUN.
        lun: [u8; 8] @ 8,
        /// Initiator Task Tag.
        itt: u32 @ 16,
        /// Target Transfer Tag: FFFFFFFFh unless an acknowledgement is asked for.
        ttt: u32 @ 20,
        /// StatSN; valid with `status_here`.
        stat_sn: u32 @ 24,
        /// ExpCmdSN.
        exp_cmd_sn: u32 @ 28,
        /// MaxCmdSN.
        max_cmd_sn: u32 @ 32,
        /// DataSN.
        data_sn: u32 @ 36,
        /// Buffer Offset in bytes.
        offset: u32 @ 40,
        /// Residual count; valid with `status_here`.
        residual: u32 @ 44,
    }
}

header! {
    /// Logout Response (RFC 7143 §11.15).
    LogoutResponse = Opcode::LogoutResponse, always 0x80;
    flags {}
    bits {}
    fields {
        /// Response: see [`super::codes::logout`].
        response: u8 @ 2,
        /// Initiator Task Tag.
        itt: u32 @ 16,
        /// StatSN.
        stat_sn: u32 @ 24,
        /// ExpCmdSN.
        exp_cmd_sn: u32 @ 28,
        /// MaxCmdSN.
        max_cmd_sn: u32 @ 32,
        /// Time2Wait in seconds.
        time_to_wait: u16 @ 40,
        /// Time2Retain in seconds.
        time_to_retain: u16 @ 42,
    }
}

header! {
    /// Ready To Transfer (RFC 7143 §11.8).
    R2t = Opcode::R2t, always 0x80;
    flags {}
    bits {}
    fields {
        /// LUN.
        lun: [u8; 8] @ 8,
        /// Initiator Task Tag.
        itt: u32 @ 16,
        /// Target Transfer Tag the Data-Out PDUs must carry.
        ttt: u32 @ 20,
        /// StatSN: the next one; not advanced.
        stat_sn: u32 @ 24,
        /// ExpCmdSN.
        exp_cmd_sn: u32 @ 28,
        /// MaxCmdSN.
        max_cmd_sn: u32 @ 32,
        /// R2TSN.
        r2t_sn: u32 @ 36,
        /// Buffer Offset in bytes.
        offset: u32 @ 40,
        /// Desired Data Transfer Length in bytes.
        desired: u32 @ 44,
    }
}

header! {
    /// Asynchronous Message (RFC 7143 §11.9). Its Initiator Task Tag is always FFFFFFFFh.
    AsyncMessage = Opcode::AsyncMessage, always 0x80;
    flags {}
    bits {}
    fields {
        /// LUN.
        lun: [u8; 8] @ 8,
        /// Initiator Task Tag: FFFFFFFFh.
        itt: u32 @ 16,
        /// StatSN.
        stat_sn: u32 @ 24,
        /// ExpCmdSN.
        exp_cmd_sn: u32 @ 28,
        /// MaxCmdSN.
        max_cmd_sn: u32 @ 32,
        /// AsyncEvent: see [`super::codes::async_event`].
        event: u8 @ 36,
        /// AsyncVCode.
        vendor_code: u8 @ 37,
        /// Parameter1.
        parameter1: u16 @ 38,
        /// Parameter2.
        parameter2: u16 @ 40,
        /// Parameter3.
        parameter3: u16 @ 42,
    }
}

header! {
    /// Reject (RFC 7143 §11.17): the header of the refused PDU is the data segment.
    Reject = Opcode::Reject, always 0x80;
    flags {}
    bits {}
    fields {
        /// Reason: see [`super::codes::reject`].
        reason: u8 @ 2,
        /// Initiator Task Tag: FFFFFFFFh.
        itt: u32 @ 16,
        /// StatSN.
        stat_sn: u32 @ 24,
        /// ExpCmdSN.
        exp_cmd_sn: u32 @ 28,
        /// MaxCmdSN.
        max_cmd_sn: u32 @ 32,
        /// DataSN or R2TSN, for SNACK.
        data_sn: u32 @ 36,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_in_with_status_has_the_layout_of_11_7() {
        let data = DataIn {
            fin: true,
            status_here: true,
            underflow: true,
            status: 0,
            itt: 7,
            ttt: u32::MAX,
            stat_sn: 1,
            exp_cmd_sn: 2,
            max_cmd_sn: 3,
            data_sn: 4,
            offset: 5,
            residual: 6,
            data_len: 512,
            ..Default::default()
        };
        let bhs = data.encode();
        assert_eq!(bhs[..8], [0x25, 0x83, 0, 0, 0, 0, 2, 0]);
        assert_eq!(bhs[20..24], [0xff; 4]);
        for (word, at) in (1u8..=6).zip((24..48).step_by(4)) {
            assert_eq!(bhs[at..at + 4], [0, 0, 0, word]);
        }
        assert_eq!(DataIn::decode(&bhs), data);
    }

    #[test]
    fn every_response_carries_the_command_window_at_28_and_32() {
        macro_rules! check {
            ($($type:ident),*) => { $(
                let bhs = $type { exp_cmd_sn: 0x0102_0304, max_cmd_sn: 0x0506_0708, ..Default::default() }.encode();
                assert_eq!(bhs[28..36], [1, 2, 3, 4, 5, 6, 7, 8], stringify!($type));
                assert_eq!(bhs[0], $type::OPCODE as u8);
            )* };
        }
        check!(
            NopIn,
            ScsiResponse,
            TaskResponse,
            LoginResponse,
            TextResponse,
            DataIn,
            LogoutResponse,
            R2t,
            AsyncMessage,
            Reject
        );
    }
}
