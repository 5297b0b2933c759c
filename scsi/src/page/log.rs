//! Log pages: what a unit has counted, and how much space its disk has (SPC-4 and SBC-3, log parameters).

use crate::gauges::{Traffic, Usage};
use crate::medium::{Medium, Provisioning};
use crate::plan::Answer;

/// The log pages of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogPage {
    /// 00h SUPPORTED LOG PAGES.
    Supported,
    /// 00h/FFh SUPPORTED LOG PAGES AND SUBPAGES.
    SupportedSubpages,
    /// 0Ch LOGICAL BLOCK PROVISIONING: only the disk knows.
    Provisioning,
    /// 19h GENERAL STATISTICS AND PERFORMANCE.
    Statistics,
}

/// One log parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameter {
    /// PARAMETER CODE.
    pub(crate) code: u16,
    /// FORMAT AND LINKING: 10b for a counter, 11b for a list.
    format: u8,
    value: Vec<u8>,
}

impl LogPage {
    /// The page of a disk with `medium` that the two codes name.
    pub(crate) fn find(medium: &Medium, page: u8, subpage: u8) -> Option<LogPage> {
        LogPage::all(medium).find(|its| its.codes() == (page, subpage))
    }

    /// Those that a disk with `medium` has, in ascending order. How much space there is matters where it can run out.
    fn all(medium: &Medium) -> impl Iterator<Item = LogPage> {
        let thin = medium.unmap.is_some() && medium.provisioning == Provisioning::Thin;
        [LogPage::Supported, LogPage::SupportedSubpages, LogPage::Provisioning, LogPage::Statistics]
            .into_iter()
            .filter(move |page| thin || *page != LogPage::Provisioning)
    }

    /// PAGE CODE and SUBPAGE CODE.
    pub(crate) const fn codes(self) -> (u8, u8) {
        match self {
            LogPage::Supported => (0x00, 0x00),
            LogPage::SupportedSubpages => (0x00, 0xFF),
            LogPage::Provisioning => (0x0C, 0x00),
            LogPage::Statistics => (0x19, 0x00),
        }
    }

    /// The page with `body`, which is its parameters or its list. None of it is saved (DS).
    pub(crate) fn with(self, body: &[u8]) -> Vec<u8> {
        const DS: u8 = 0x80;
        const SPF: u8 = 0x40;
        let (page, subpage) = self.codes();
        let ds = if matches!(self, LogPage::Provisioning | LogPage::Statistics) { DS } else { 0 };
        let spf = if subpage == 0 { 0 } else { SPF };
        let [high, low] = (body.len() as u16).to_be_bytes();
        [&[ds | spf | page, subpage, high, low], body].concat()
    }

    /// What the two pages 00h list.
    pub(crate) fn list(self, medium: &Medium) -> Vec<u8> {
        let codes = LogPage::all(medium).map(LogPage::codes);
        match self {
            LogPage::SupportedSubpages => codes.flat_map(|(page, subpage)| [page, subpage]).collect(),
            _ => codes.filter(|&(_, subpage)| subpage == 0).map(|(page, _)| page).collect(),
        }
    }
}

/// 0Ch: AVAILABLE and USED LBA MAPPING RESOURCE COUNT, in threshold sets; nothing where the disk cannot tell.
pub(crate) fn provisioning(medium: &Medium, answer: &Answer) -> Vec<Parameter> {
    // SCOPE: what is used is used by this unit; what is available may be used by others, too.
    const DEDICATED: u8 = 0x01;
    const SHARED: u8 = 0x02;
    let &Answer::Usage { used, available } = answer else {
        return Vec::new();
    };
    let set = u64::from(medium.block_size) << medium.threshold_exponent();
    let resource = |code, bytes: u64, scope| {
        let count = u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes();
        Parameter { code, format: LIST, value: [&count[..], &[scope, 0, 0, 0]].concat() }
    };
    // Rounded against the initiator: less is there, and more is used.
    vec![resource(0x0001, available / set, SHARED), resource(0x0002, used.div_ceil(set), DEDICATED)]
}

/// 19h: statistics, their unit of time, and those of FUA. IDLE TIME is left out: nobody sees all threads at rest at once.
pub(crate) fn statistics(usage: &Usage) -> Vec<Parameter> {
    let Usage { read, written } = *usage;
    let counters = |values: [u64; 8]| values.iter().flat_map(|value| value.to_be_bytes()).collect();
    // The two weighted counters stay zero: there is no weight.
    let general = |read: Traffic, written: Traffic| {
        [read.commands, written.commands, written.blocks, read.blocks, read.busy_ns, written.busy_ns, 0, 0]
    };
    // FUA_NV has no command of its own, for it is obsolete.
    let fua = |read: Traffic, written: Traffic| {
        [read.fua_commands, written.fua_commands, 0, 0, read.fua_busy_ns, written.fua_busy_ns, 0, 0]
    };
    // One interval is 1 times 10 to the minus 9 seconds.
    let nanosecond = [9u32, 1].iter().flat_map(|value| value.to_be_bytes()).collect();
    vec![
        Parameter { code: 0x0001, format: COUNTER, value: counters(general(read, written)) },
        Parameter { code: 0x0003, format: LIST, value: nanosecond },
        Parameter { code: 0x0004, format: COUNTER, value: counters(fua(read, written)) },
    ]
}

impl Parameter {
    /// Code, control byte, length, and value.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let [high, low] = self.code.to_be_bytes();
        [&[high, low, self.format, self.value.len() as u8], &self.value[..]].concat()
    }
}

const COUNTER: u8 = 0b10;
const LIST: u8 = 0b11;
