//! Has the initiator proved that it knows a secret, and how do we prove that we know ours (RFC 7143 §12.1.3, RFC 1994)?

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use sha3::Sha3_256;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::entropy::Entropy;
use super::keys::list;
use super::terms::Account;
use crate::wire::text;

/// A hash that a response is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Md5,
    Sha1,
    Sha256,
    Sha3,
}

impl Algorithm {
    /// The values of CHAP_A (IANA, "PPP Authentication Algorithms").
    const ALL: [(u32, Self); 4] = [(5, Self::Md5), (6, Self::Sha1), (7, Self::Sha256), (8, Self::Sha3)];

    /// The first of the initiator's list that we have.
    pub(super) fn choose(offered: &str) -> Option<Self> {
        list(offered).find_map(|choice| {
            let code = text::number(choice)?;
            Self::ALL.iter().find(|&&(ours, _)| ours == code).map(|&(_, algorithm)| algorithm)
        })
    }

    /// The value of CHAP_A.
    pub(super) fn code(self) -> u32 {
        Self::ALL[self as usize].0
    }

    /// Bytes of a challenge of ours: as many as the digest has.
    fn challenge_len(self) -> usize {
        [16, 20, 32, 32][self as usize]
    }

    /// The response to a challenge: the hash of identifier, secret and challenge (RFC 1994 §4.1).
    fn response(self, id: u8, secret: &[u8], challenge: &[u8]) -> Vec<u8> {
        fn hash<D: Digest>(parts: [&[u8]; 3]) -> Vec<u8> {
            let mut hash = D::new();
            parts.iter().for_each(|part| hash.update(part));
            hash.finalize().to_vec()
        }
        let parts = [&[id][..], secret, challenge];
        match self {
            Self::Md5 => hash::<Md5>(parts),
            Self::Sha1 => hash::<Sha1>(parts),
            Self::Sha256 => hash::<Sha256>(parts),
            Self::Sha3 => hash::<Sha3_256>(parts),
        }
    }
}

/// A challenge that waits for its response.
#[derive(Debug)]
pub(super) struct Challenge {
    pub(super) algorithm: Algorithm,
    pub(super) id: u8,
    pub(super) bytes: Vec<u8>,
    /// What an unknown name is measured against, so that it costs what a known one costs.
    decoy: [u8; 32],
}

/// What the initiator answered.
#[derive(Debug, Default)]
pub(super) struct Reply<'a> {
    /// CHAP_N.
    pub(super) name: &'a str,
    /// CHAP_R.
    pub(super) response: &'a str,
    /// CHAP_I and CHAP_C, when it wants proof of us.
    pub(super) counter: Option<(&'a str, &'a str)>,
}

/// Our proof: CHAP_N and CHAP_R.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Proof {
    pub(super) name: String,
    pub(super) response: String,
}

impl Challenge {
    pub(super) fn new(algorithm: Algorithm, entropy: &mut Entropy) -> Self {
        let bytes = entropy.block()[..algorithm.challenge_len()].to_vec();
        let decoy = entropy.block();
        Self { algorithm, id: entropy.block()[0], bytes, decoy }
    }

    /// Judges a reply: the account's name and, when asked for, our proof. The reason is for our log only; unknown
    /// name and wrong secret take the same work and give the same reason.
    pub(super) fn judge(
        &self,
        reply: &Reply<'_>,
        accounts: &[Account],
        mutual: Option<&Account>,
    ) -> Result<(String, Option<Proof>), &'static str> {
        let given = text::binary(reply.response).ok_or("CHAP_R is malformed")?;
        let mut found = accounts.len() as u32;
        for (at, account) in accounts.iter().enumerate() {
            let same = account.name.as_bytes().ct_eq(reply.name.as_bytes());
            found.conditional_assign(&(at as u32), same);
        }
        let account = accounts.get(found as usize);
        let secret = account.map_or(&self.decoy[..], |account| account.secret.reveal());
        let right = self.algorithm.response(self.id, secret, &self.bytes);
        let known = Choice::from(u8::from(account.is_some()));
        let (true, Some(account)) = (bool::from(right.ct_eq(&given) & known), account) else {
            return Err("CHAP name or secret is wrong");
        };
        let proof = match reply.counter {
            Some((id, challenge)) => Some(self.prove(id, challenge, account, mutual)?),
            None => None,
        };
        Ok((account.name.clone(), proof))
    }

    /// Proves to the initiator that we know our secret.
    fn prove(
        &self,
        id: &str,
        challenge: &str,
        account: &Account,
        mutual: Option<&Account>,
    ) -> Result<Proof, &'static str> {
        let ours = mutual.ok_or("the initiator wants proof of us, and no mutual account is set up")?;
        let id = text::number(id).and_then(|id| u8::try_from(id).ok()).ok_or("CHAP_I is malformed")?;
        let challenge = text::binary(challenge).ok_or("CHAP_C is malformed")?;
        // An attacker would have us answer our own challenge (RFC 7143 §12.1.3, §9.2.1).
        if challenge == self.bytes {
            return Err("the initiator sent our own challenge back");
        }
        if bool::from(ours.secret.reveal().ct_eq(account.secret.reveal())) {
            return Err("the secrets of both directions are the same");
        }
        let response = self.algorithm.response(id, ours.secret.reveal(), &challenge);
        Ok(Proof { name: ours.name.clone(), response: text::to_hex(&response) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str, secret: &str) -> Account {
        Account { name: name.into(), secret: secret.into() }
    }

    fn challenge(algorithm: Algorithm) -> Challenge {
        Challenge::new(algorithm, &mut Entropy::new([3; 32]))
    }

    fn response(challenge: &Challenge, secret: &str) -> String {
        text::to_hex(&challenge.algorithm.response(challenge.id, secret.as_bytes(), &challenge.bytes))
    }

    #[test]
    fn the_first_algorithm_of_the_list_that_we_have_is_chosen() {
        #[rustfmt::skip]
        let table = [
            ("5", Some(Algorithm::Md5)), ("6", Some(Algorithm::Sha1)), ("7", Some(Algorithm::Sha256)),
            ("8", Some(Algorithm::Sha3)), ("8,7,6,5", Some(Algorithm::Sha3)), ("9,7,5", Some(Algorithm::Sha256)),
            ("0x5", Some(Algorithm::Md5)), ("9", None), ("", None), ("x,4", None),
        ];
        for (offered, want) in table {
            assert_eq!(Algorithm::choose(offered), want, "{offered}");
        }
        assert!(Algorithm::ALL.iter().all(|&(code, algorithm)| algorithm.code() == code));
    }

    #[test]
    fn responses_agree_with_published_hashes() {
        // With an empty challenge and id 'a', secret "bc" the response is the hash of "abc" (RFC 1321, FIPS 180, 202).
        #[rustfmt::skip]
        let table = [
            (Algorithm::Md5, "0x900150983cd24fb0d6963f7d28e17f72"),
            (Algorithm::Sha1, "0xa9993e364706816aba3e25717850c26c9cd0d89d"),
            (Algorithm::Sha256, "0xba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (Algorithm::Sha3, "0x3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"),
        ];
        for (algorithm, want) in table {
            assert_eq!(text::to_hex(&algorithm.response(b'a', b"bc", b"")), want);
        }
    }

    #[test]
    fn the_right_secret_is_let_in_with_every_algorithm() {
        for &(_, algorithm) in &Algorithm::ALL {
            let challenge = challenge(algorithm);
            let accounts = [account("bob", "another secret"), account("alice", "wonderland 12")];
            let response = response(&challenge, "wonderland 12");
            let reply = Reply { name: "alice", response: &response, counter: None };
            assert_eq!(challenge.judge(&reply, &accounts, None).unwrap(), ("alice".into(), None));
        }
    }

    #[test]
    fn unknown_name_and_wrong_secret_get_the_same_answer() {
        let challenge = challenge(Algorithm::Md5);
        let accounts = [account("alice", "wonderland 12")];
        let judge = |name, response: &str| {
            challenge.judge(&Reply { name, response, counter: None }, &accounts, None).unwrap_err()
        };
        let (right, wrong) = (response(&challenge, "wonderland 12"), response(&challenge, "wonderland 13"));
        let reasons = [judge("alice", &wrong), judge("mallory", &right), judge("mallory", &wrong), judge("", &right)];
        assert!(reasons.iter().all(|&reason| reason == "CHAP name or secret is wrong"));
        // Not even the decoy opens the door.
        let decoy = text::to_hex(&challenge.algorithm.response(challenge.id, &challenge.decoy, &challenge.bytes));
        assert_eq!(judge("mallory", &decoy), "CHAP name or secret is wrong");
        assert_eq!(judge("alice", "0xzz"), "CHAP_R is malformed");
        assert_eq!(judge("alice", &right[..right.len() - 2]), "CHAP name or secret is wrong");
    }

    #[test]
    fn we_prove_ourselves_when_asked() {
        let challenge = challenge(Algorithm::Sha256);
        let (accounts, mutual) = ([account("alice", "wonderland 12")], account("target", "looking glass"));
        let response = response(&challenge, "wonderland 12");
        let reply = Reply { name: "alice", response: &response, counter: Some(("7", "0x0102")) };
        let (_, proof) = challenge.judge(&reply, &accounts, Some(&mutual)).unwrap();
        let want = text::to_hex(&Algorithm::Sha256.response(7, b"looking glass", &[1, 2]));
        assert_eq!(proof, Some(Proof { name: "target".into(), response: want }));
    }

    #[test]
    fn reflection_and_shared_secrets_are_refused() {
        let challenge = challenge(Algorithm::Md5);
        let accounts = [account("alice", "wonderland 12")];
        let response = response(&challenge, "wonderland 12");
        let own = text::to_hex(&challenge.bytes);
        let judge = |counter, mutual: Option<&Account>| {
            challenge
                .judge(&Reply { name: "alice", response: &response, counter: Some(counter) }, &accounts, mutual)
                .unwrap_err()
        };
        let (other, same) = (account("target", "looking glass"), account("target", "wonderland 12"));
        assert_eq!(judge(("1", &own), Some(&other)), "the initiator sent our own challenge back");
        assert_eq!(judge(("1", "0x01"), Some(&same)), "the secrets of both directions are the same");
        assert!(judge(("1", "0x01"), None).contains("no mutual account"));
        assert_eq!(judge(("256", "0x01"), Some(&other)), "CHAP_I is malformed");
        assert_eq!(judge(("1", "01"), Some(&other)), "CHAP_C is malformed");
    }

    #[test]
    fn challenges_differ_from_login_to_login() {
        let a = Challenge::new(Algorithm::Md5, &mut Entropy::new([1; 32]));
        let b = Challenge::new(Algorithm::Md5, &mut Entropy::new([2; 32]));
        assert_ne!(a.bytes, b.bytes);
        assert_eq!(a.bytes.len(), 16);
    }
}
