//! A connection from its first byte, before anybody is known.

use std::time::Instant;

use ferrite_iscsi::{Account, Auth, Entropy, Login, LoginEvent, LoginLimits, Offer, Terms};

/// Gives a login any bytes. It ends, refuses or waits; who must prove himself does not get in without; and it does not
/// matter how the bytes are cut.
pub fn login(bytes: &[u8]) {
    ferrite_iscsi::fuzz::login(bytes);
    let Some((&choice, stream)) = bytes.split_first() else { return };
    let whole = play(choice, stream, stream.len());
    assert_eq!(whole, play(choice, stream, 1));
    assert_eq!(whole, play(choice, stream, 53));
}

/// What the target says, and how it ends.
fn play(choice: u8, stream: &[u8], piece: usize) -> (Vec<u8>, String) {
    let guarded = choice & 1 == 1;
    let account = |name: &str| Account { name: name.into(), secret: "a secret of the target".into() };
    let auth = match guarded {
        true => Auth::Chap { accounts: vec![account("alice")], mutual: Some(account("target")) },
        false => Auth::None,
    };
    let now = Instant::now();
    let mut login = Login::new(LoginLimits::default(), Entropy::new([choice; 32]), now);
    let mut said = Vec::new();
    for mut piece in stream.chunks(piece.max(1)) {
        while !piece.is_empty() {
            let taken = login.receive(piece, now);
            piece = &piece[taken..];
            let mut told = taken > 0;
            while let Some(event) = login.poll_event() {
                told = true;
                said.extend(login.output());
                match event {
                    LoginEvent::Names(_) => {
                        let auth = auth.clone();
                        let terms = Terms { auth, portal_group: 1, target_alias: None, offer: Offer::default() };
                        login.offer(terms);
                    }
                    LoginEvent::Ready(candidate) => {
                        assert!(!guarded || candidate.user.is_some(), "nobody gets in without proof");
                        return (said, format!("{candidate:?}"));
                    }
                    event @ (LoginEvent::Failed { .. } | LoginEvent::Fault(_)) => return (said, format!("{event:?}")),
                }
            }
            said.extend(login.output());
            assert!(told, "a login that goes on takes bytes");
        }
    }
    (said, "waits".to_owned())
}
