//! What do the headers of an initiator's PDUs look like (RFC 7143 §11, opcodes 00h to 1Fh)?

use super::Opcode;
use super::layout::header;

header! {
    /// NOP-Out (RFC 7143 §11.18): a ping, an answer to the target's ping, or a bare acknowledgement.
    NopOut = Opcode::NopOut, always 0x80;
    flags {
        /// I: for immediate delivery.
        immediate @ 0 & 0x40,
    }
    bits {}
    fields {
        /// LUN: copied from the NOP-In that is answered.
        lun: [u8; 8] @ 8,
        /// Initiator Task Tag; FFFFFFFFh when no answer is wanted.
        itt: u32 @ 16,
        /// Target Transfer Tag of the NOP-In that is answered, else FFFFFFFFh.
        ttt: u32 @ 20,
        /// CmdSN.
        cmd_sn: u32 @ 24,
        /// ExpStatSN: every status before it has arrived.
        exp_stat_sn: u32 @ 28,
    }
}

header! {
    /// SCSI Command (RFC 7143 §11.3).
    ScsiCommand = Opcode::ScsiCommand, always 0x00;
    flags {
        /// I: for immediate delivery.
        immediate @ 0 & 0x40,
        /// F: no unsolicited Data-Out PDUs follow.
        fin @ 1 & 0x80,
        /// R: data flows to the initiator.
        read @ 1 & 0x40,
        /// W: data flows to the target.
        write @ 1 & 0x20,
    }
    bits {
        /// ATTR: task attribute (0 untagged, 1 simple, 2 ordered, 3 head of queue, 4 ACA).
        attribute @ 1 & 0x07,
    }
    fields {
        /// TotalAHSLength in four-byte words.
        ahs_words: u8 @ 4,
        /// LUN.
        lun: [u8; 8] @ 8,
        /// Initiator Task Tag.
        itt: u32 @ 16,
        /// Expected Data Transfer Length in bytes.
        expected: u32 @ 20,
        /// CmdSN.
        cmd_sn: u32 @ 24,
        /// ExpStatSN.
        exp_stat_sn: u32 @ 28,
        /// The CDB, or its first 16 bytes.
        cdb: [u8; 16] @ 32,
    }
}

header! {
    /// Task Management Function Request (RFC 7143 §11.5, RFC 7144 §4.2.1).
    TaskRequest = Opcode::TaskRequest, always 0x80;
    flags {
        /// I: for immediate delivery.
        immediate @ 0 & 0x40,
    }
    bits {
        /// Function: see [`super::codes::function`].
        function @ 1 & 0x7f,
    }
    fields {
        /// LUN.
        lun: [u8; 8] @ 8,
        /// Initiator Task Tag of this request.
        itt: u32 @ 16,
        /// Referenced Task Tag, or FFFFFFFFh.
        referenced_itt: u32 @ 20,
        /// CmdSN.
        cmd_sn: u32 @ 24,
        /// ExpStatSN.
        exp_stat_sn: u32 @ 28,
        /// RefCmdSN: the CmdSN of the task to abort.
        ref_cmd_sn: u32 @ 32,
        /// ExpDataSN, for TASK REASSIGN.
        exp_data_sn: u32 @ 36,
    }
}

header! {
    /// Login Request (RFC 7143 §11.12).
    LoginRequest = Opcode::LoginRequest, always 0x00;
    flags {
        /// I: always set by the standard's drawing.
        immediate @ 0 & 0x40,
        /// T: ready to transit to the stage in `nsg`.
        transit @ 1 & 0x80,
        /// C: the text goes on in the next request.
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
        /// Version-min.
        version_min: u8 @ 3,
        /// TotalAHSLength in four-byte words; zero here.
        ahs_words: u8 @ 4,
        /// ISID.
        isid: [u8; 6] @ 8,
        /// TSIH: zero for a new session.
        tsih: u16 @ 14,
        /// Initiator Task Tag.
        itt: u32 @ 16,
        /// CID of this connection.
        cid: u16 @ 20,
        /// CmdSN: the first of the session.
        cmd_sn: u32 @ 24,
        /// ExpStatSN.
        exp_stat_sn: u32 @ 28,
    }
}

header! {
    /// Text Request (RFC 7143 §11.10).
    TextRequest = Opcode::TextRequest, always 0x00;
    flags {
        /// I: for immediate delivery.
        immediate @ 0 & 0x40,
        /// F: the initiator has said everything.
        fin @ 1 & 0x80,
        /// C: the text goes on in the next request.
        more @ 1 & 0x40,
    }
    bits {}
    fields {
        /// LUN: copied from the Text Response that is continued.
        lun: [u8; 8] @ 8,
        /// Initiator Task Tag.
        itt: u32 @ 16,
        /// Target Transfer Tag of the Text Response that is continued, else FFFFFFFFh.
        ttt: u32 @ 20,
        /// CmdSN.
        cmd_sn: u32 @ 24,
        /// ExpStatSN.
        exp_stat_sn: u32 @ 28,
    }
}

header! {
    /// SCSI Data-Out (RFC 7143 §11.7).
    DataOut = Opcode::DataOut, always 0x00;
    flags {
        /// F: the last PDU of its sequence.
        fin @ 1 & 0x80,
    }
    bits {}
    fields {
        /// LUN: copied from the R2T when solicited.
        lun: [u8; 8] @ 8,
        /// Initiator Task Tag.
        itt: u32 @ 16,
        /// Target Transfer Tag: copied from the R2T, FFFFFFFFh when unsolicited.
        ttt: u32 @ 20,
        /// ExpStatSN.
        exp_stat_sn: u32 @ 28,
        /// DataSN: number of this PDU in its sequence.
        data_sn: u32 @ 36,
        /// Buffer Offset in bytes.
        offset: u32 @ 40,
    }
}

header! {
    /// Logout Request (RFC 7143 §11.14).
    LogoutRequest = Opcode::LogoutRequest, always 0x80;
    flags {
        /// I: for immediate delivery.
        immediate @ 0 & 0x40,
    }
    bits {
        /// Reason: see [`super::codes::logout`].
        reason @ 1 & 0x7f,
    }
    fields {
        /// Initiator Task Tag.
        itt: u32 @ 16,
        /// CID of the connection to close.
        cid: u16 @ 20,
        /// CmdSN.
        cmd_sn: u32 @ 24,
        /// ExpStatSN.
        exp_stat_sn: u32 @ 28,
    }
}

header! {
    /// SNACK Request (RFC 7143 §11.16).
    SnackRequest = Opcode::SnackRequest, always 0x80;
    flags {}
    bits {
        /// Type.
        kind @ 1 & 0x0f,
    }
    fields {
        /// LUN.
        lun: [u8; 8] @ 8,
        /// Initiator Task Tag.
        itt: u32 @ 16,
        /// Target Transfer Tag or SNACK Tag.
        ttt: u32 @ 20,
        /// ExpStatSN.
        exp_stat_sn: u32 @ 28,
        /// BegRun.
        begin: u32 @ 40,
        /// RunLength.
        run: u32 @ 44,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scsi_command_has_the_layout_of_11_3() {
        let command = ScsiCommand {
            immediate: true,
            fin: true,
            read: true,
            write: false,
            attribute: 1,
            ahs_words: 2,
            lun: [0, 1, 0, 0, 0, 0, 0, 0],
            itt: 0x1122_3344,
            expected: 0x5566_7788,
            cmd_sn: 9,
            exp_stat_sn: 10,
            cdb: [0x28; 16],
            data_len: 0x00ab_cdef,
        };
        let bhs = command.encode();
        assert_eq!(bhs[..8], [0x41, 0xc1, 0, 0, 2, 0xab, 0xcd, 0xef]);
        assert_eq!(bhs[8..16], [0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bhs[16..20], [0x11, 0x22, 0x33, 0x44]);
        assert_eq!(bhs[20..24], [0x55, 0x66, 0x77, 0x88]);
        assert_eq!(bhs[24..32], [0, 0, 0, 9, 0, 0, 0, 10]);
        assert_eq!(bhs[32..], [0x28; 16]);
        assert_eq!(ScsiCommand::decode(&bhs), command);
    }

    #[test]
    fn login_stages_sit_in_the_low_nibble_of_byte_1() {
        let login =
            LoginRequest { immediate: true, transit: true, csg: 1, nsg: 3, tsih: 7, cid: 5, ..Default::default() };
        let bhs = login.encode();
        assert_eq!(bhs[..2], [0x43, 0x87]);
        assert_eq!((bhs[15], bhs[21]), (7, 5));
        assert_eq!(LoginRequest::decode(&bhs), login);
    }

    #[test]
    fn reserved_bits_are_ignored_when_read() {
        let clean = DataOut { fin: true, itt: 1, ttt: 2, data_sn: 3, offset: 4, data_len: 5, ..Default::default() };
        let mut bhs = clean.encode();
        bhs[1] |= 0x7f;
        bhs[2] = 0xff;
        bhs[24] = 0xff;
        assert_eq!(DataOut::decode(&bhs), clean);
    }
}
