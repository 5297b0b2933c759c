//! Negotiation: any text in the operational stage of a login.

use ferrite_iscsi::wire::{LoginRequest, LoginResponse, Opcode, text};
use ferrite_iscsi::{Offer, Params};

use crate::owner::{Owner, TARGET, Wire};

/// Sends bytes as the text of an operational stage. The answer is a text itself and answers no known key twice, the session
/// that may come of it has parameters inside of their ranges, and nothing the initiator says raises what the owner
/// offers.
pub fn keys(bytes: &[u8]) {
    let wire = Wire::new(Owner::new(Offer::default()), bytes.len() % 5);
    let mut frames = ferrite_iscsi::initiator::Frames::new(wire.clone());
    let names = format!("InitiatorName=iqn.2026-11.org.example:i\0TargetName={TARGET}\0SessionType=Normal\0");
    let mut request =
        LoginRequest { immediate: true, csg: 1, isid: [0x80, 0, 0, 0, 0, 1], cmd_sn: 1, ..LoginRequest::default() };
    let mut say = |request: &LoginRequest, text: &[u8]| {
        let request = LoginRequest { data_len: text.len() as u32, ..*request };
        frames.send(&request.encode(), &[], text).expect("the wire takes everything");
        frames.receive()
    };
    let Ok(first) = say(&request, names.as_bytes()) else { panic!("the names are in order") };
    assert_eq!((first.opcode(), first.bhs[36]), (Some(Opcode::LoginResponse), 0));
    request.exp_stat_sn = LoginResponse::decode(&first.bhs).stat_sn.wrapping_add(1);
    (request.transit, request.nsg) = (true, 3);
    let Ok(answer) = say(&request, &bytes[..bytes.len().min(8192)]) else { return };
    assert_eq!(answer.opcode(), Some(Opcode::LoginResponse));
    let response = LoginResponse::decode(&answer.bhs);
    if response.status_class != 0 {
        return;
    }
    let pairs = text::parse(&answer.data).expect("the answer of the target is a text");
    let known: Vec<_> = pairs.iter().filter(|(_, value)| *value != "NotUnderstood").map(|(key, _)| key).collect();
    for (index, key) in known.iter().enumerate() {
        assert!(!known[..index].contains(key), "{key} is answered twice");
    }
    if response.transit {
        check(&wire);
    }
}

fn check(wire: &Wire) {
    let owner = wire.owner();
    let params = owner.session().expect("the last response was sent").params();
    // What was not negotiated has the default of RFC 7143 §13, whatever the owner offers.
    let (offer, default) = (Offer::default(), Params::default());
    let burst_max = offer.max_burst.max(default.max_burst);
    assert!((512..=burst_max).contains(&params.max_burst), "{params:?}");
    let first_max = offer.first_burst.max(default.first_burst).min(params.max_burst);
    assert!((512..=first_max).contains(&params.first_burst), "{params:?}");
    assert!((512..1 << 24).contains(&params.initiator_segment), "{params:?}");
    assert_eq!(params.target_segment, offer.target_segment);
    assert!((1..=offer.max_outstanding_r2t).contains(&params.max_outstanding_r2t), "{params:?}");
    assert_eq!((params.max_connections, params.error_recovery_level), (1, 0), "{params:?}");
    assert!(params.time_to_wait <= 3600 && params.time_to_retain <= default.time_to_retain, "{params:?}");
}
