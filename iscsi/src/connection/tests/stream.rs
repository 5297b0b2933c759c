//! Does a stream tell the same story however it is cut, and does no stream make us panic?

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::fuzz::{Story, admitted, params, run};
use crate::wire::{Assembler, LogoutRequest, R2t, codes::function};

/// One PDU of a stream: what kind, and the numbers it is made with.
#[derive(Clone, Debug)]
struct Step {
    kind: u8,
    itt: u32,
    len: usize,
    flag: bool,
    rule: u8,
}

fn step() -> impl Strategy<Value = Step> {
    let rule = prop_oneof![3 => Just(0u8), 1 => 0u8..8];
    (0u8..12, 0u32..6, 0usize..1000, any::<bool>(), rule).prop_map(|(kind, itt, len, flag, rule)| Step {
        kind,
        itt,
        len,
        flag,
        rule,
    })
}

/// The stream of these steps: each is made with what the connection answered to those before it.
fn stream(steps: &[Step], choice: u8) -> Vec<u8> {
    let (params, discovery) = (params(choice), choice & 0x80 != 0);
    let mut out = Vec::new();
    let mut cmd_sn = fuzz::FIRST_CMD_SN;
    // The last write whose unsolicited data is not finished: its tag and how much was sent.
    let mut open: Option<(u32, u32)> = None;
    let mut served = 0;
    for (at, step) in steps.iter().enumerate() {
        let Step { kind, itt, len, flag, rule } = *step;
        let itt = itt + 10 * at as u32;
        let expected = if flag { len } else { 3 * len } as u32;
        let mut cdb = [0; 16];
        (cdb[1], cdb[2]) = (rule, at as u8);
        let mut data = Vec::new();
        let bhs = match kind {
            0..=1 => {
                ScsiCommand { fin: true, read: true, itt, cmd_sn, cdb, expected: 3 * expected, ..Default::default() }
                    .encode()
            }
            2..=5 => {
                data = bytes(if params.immediate_data { len.min(params.first_burst as usize) } else { 0 });
                let fin = params.initial_r2t || flag;
                open = (!fin).then_some((itt, data.len() as u32));
                ScsiCommand { fin, write: true, itt, cmd_sn, cdb, expected, ..Default::default() }.encode()
            }
            6 => {
                data = bytes(len);
                NopOut { immediate: flag, itt, ttt: NO_TAG, cmd_sn, ..Default::default() }.encode()
            }
            7 => {
                data = format!("SendTargets={}\0X-more=1\0", if discovery { "All" } else { "" }).into_bytes();
                TextRequest { fin: true, itt, ttt: NO_TAG, cmd_sn, ..Default::default() }.encode()
            }
            8 => TaskRequest { immediate: flag, function: function::ABORT_TASK_SET, itt, cmd_sn, ..Default::default() }
                .encode(),
            9 => match open.take() {
                Some((itt, offset)) => {
                    data = bytes(len.min(params.first_burst.saturating_sub(offset) as usize));
                    DataOut { fin: true, itt, ttt: NO_TAG, offset, ..Default::default() }.encode()
                }
                None => continue,
            },
            10 => {
                let Some(r2t) = r2ts(&told(choice, &out, |left| left).sent, params.digests).into_iter().nth(served)
                else {
                    continue;
                };
                served += 1;
                let count = r2t.desired.div_ceil(params.target_segment);
                for sn in 0..count {
                    let from = sn * params.target_segment;
                    let part = bytes((r2t.desired - from).min(params.target_segment) as usize);
                    let pdu = DataOut {
                        fin: sn + 1 == count,
                        itt: r2t.itt,
                        ttt: r2t.ttt,
                        data_sn: sn,
                        offset: r2t.offset + from,
                        data_len: part.len() as u32,
                        ..Default::default()
                    };
                    pdu::append(&mut out, &pdu.encode(), &[], &part, params.digests);
                }
                continue;
            }
            _ if at + 1 == steps.len() => LogoutRequest { itt, cmd_sn, ..Default::default() }.encode(),
            _ => header_of_noise(rule),
        };
        let ordered = (kind <= 8 || kind == 11) && bhs[0] & 0x40 == 0;
        cmd_sn = cmd_sn.wrapping_add(u32::from(ordered));
        let mut bhs = bhs;
        bhs[5..8].copy_from_slice(&(data.len() as u32).to_be_bytes()[1..]);
        pdu::append(&mut out, &bhs, &[], &data, params.digests);
    }
    out
}

/// The R2Ts in what a connection sent.
fn r2ts(mut sent: &[u8], digests: Digests) -> Vec<R2t> {
    let mut assembler = Assembler::new(1 << 20);
    assembler.agree(digests, 1 << 20);
    let mut found = Vec::new();
    while !sent.is_empty() {
        sent = &sent[assembler.feed(sent).unwrap()..];
        let bhs = assembler.pdu().unwrap().bhs;
        found.extend((Opcode::of(bhs) == Some(Opcode::R2t)).then(|| R2t::decode(bhs)));
        assembler.clear();
    }
    found
}

fn header_of_noise(rule: u8) -> Bhs {
    let mut bhs = [0; 48];
    bhs[0] = [0x10, 0x1f, 0x3f, 0x07][usize::from(rule) % 4];
    bhs
}

fn told(choice: u8, bytes: &[u8], cut: impl FnMut(usize) -> usize) -> Story {
    let (session, connection) = admitted(params(choice), choice & 0x80 != 0);
    run(session, connection, bytes, cut)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_segmentation_tells_the_same_story(
        choice: u8,
        steps in vec(step(), 1..12),
        cuts in vec(1usize..400, 1..40),
    ) {
        let bytes = stream(&steps, choice);
        let whole = told(choice, &bytes, |left| left);
        let mut at = 0;
        let pieces = told(choice, &bytes, |_| { at += 1; cuts[at % cuts.len()] });
        prop_assert_eq!(&whole, &pieces);
        let ones = told(choice, &bytes, |_| 1);
        prop_assert_eq!(&whole, &ones);
    }

    #[test]
    fn changed_bytes_never_panic(
        choice: u8,
        steps in vec(step(), 1..12),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = stream(&steps, choice);
        prop_assume!(!bytes.is_empty());
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        told(choice, &bytes, |left| left);
    }

    #[test]
    fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..600)) {
        fuzz::connection(&bytes);
        fuzz::login(&bytes);
        fuzz::pdu(&bytes);
    }
}

#[test]
fn the_streams_of_the_property_reach_every_kind_of_event() {
    // A property over streams that all end at once would prove nothing.
    let steps: Vec<_> = [(0, 10), (2, 60), (2, 900), (9, 10), (10, 0), (6, 30), (7, 0), (8, 0), (11, 0)]
        .into_iter()
        .enumerate()
        .map(|(at, (kind, len))| Step { kind, itt: 1, len, flag: at != 2, rule: 0 })
        .collect();
    let story = told(0x13, &stream(&steps, 0x13), |left| left);
    for kind in ["Command", "DataComplete", "SendTargets", "Manage", "Logout"] {
        assert!(story.events.iter().any(|event| event.starts_with(kind)), "{kind}: {:?}", story.events);
    }
    let solicited = story.landed.values().flatten().any(|&(offset, _)| offset >= 2048);
    assert!(solicited && data_len(story.sent.first_chunk().unwrap()) > 0, "{:?}", story.events);
}
