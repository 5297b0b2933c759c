//! The ROD tokens that are good: what each stands for, for how long, and how many there may be.

use super::rod::{CORRUPT, EXPIRED, MANAGEMENT, REVOKED, Token, UNKNOWN};
use crate::book::Book;
use crate::plan::Extent;
use crate::sense::{Sense, SenseKey};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// All tokens of a device, by COPY MANAGER ROD TOKEN IDENTIFIER.
#[derive(Debug, Default)]
pub(crate) struct Tokens(Mutex<HashMap<[u8; 8], Rod>>);

/// What a token stands for: bytes of a unit, as they are when it is used. A unit that grows is still the same; one that
/// was removed is not, even if another takes its name.
#[derive(Debug, Clone)]
pub(crate) struct Rod {
    pub(crate) token: Arc<Token>,
    /// SCSI initiator port name of who made it.
    pub(crate) maker: Arc<str>,
    /// The unit is the one with this book.
    pub(crate) book: Weak<Book>,
    pub(crate) block_size: u32,
    pub(crate) extents: Arc<[Extent]>,
    /// Unused for so long, it is worth nothing.
    pub(crate) idle_ms: u64,
    /// When it was made or last used.
    pub(crate) used_ms: u64,
}

impl Tokens {
    /// Tokens that are good at a time.
    pub(crate) const MAX: usize = 1024;

    /// Of those, tokens that one initiator port has made.
    pub(crate) const OF_ONE_MAX: usize = 256;

    /// From now on `rod` can be used.
    ///
    /// # Errors
    /// 5/55/0D, where there are too many.
    pub(crate) fn add(&self, rod: Rod) -> Result<(), Sense> {
        let mut rods = self.rods();
        rods.retain(|_, old| old.is_fresh(rod.used_ms) && old.book.strong_count() > 0);
        if rods.len() >= Tokens::MAX || rods.values().filter(|old| old.maker == rod.maker).count() >= Tokens::OF_ONE_MAX
        {
            return Err(NO_ROOM);
        }
        rods.insert(identifier(&rod.token), rod);
        Ok(())
    }

    /// What `token` stands for.
    ///
    /// # Errors
    /// 5/23/04 for one that was never made, 05 for one that was altered, 06 where its unit is gone, 07 when it has been
    /// idle for too long.
    pub(crate) fn find(&self, token: &Token, now_ms: u64) -> Result<(Rod, Arc<Book>), Sense> {
        let (mut rods, identifier) = (self.rods(), identifier(token));
        let rod = rods.get_mut(&identifier).ok_or(UNKNOWN)?;
        if !same(&rod.token, token) {
            return Err(CORRUPT);
        }
        let fresh = rod.is_fresh(now_ms);
        rod.used_ms = now_ms;
        let found = (rod.clone(), rod.book.upgrade());
        let good = match found {
            _ if !fresh => Err(EXPIRED),
            (_, None) => Err(REVOKED),
            (rod, Some(book)) => Ok((rod, book)),
        };
        if good.is_err() {
            rods.remove(&identifier);
        }
        good
    }

    /// `token` is worth nothing any more.
    pub(crate) fn revoke(&self, token: &Token) {
        self.rods().remove(&identifier(token));
    }

    /// ROD management tokens of the units that `here` knows by their books, in no order.
    pub(crate) fn management(&self, here: impl Fn(&Arc<Book>) -> bool, now_ms: u64) -> Vec<[u8; MANAGEMENT]> {
        let rods = self.rods();
        let mine = |rod: &&Rod| rod.is_fresh(now_ms) && rod.book.upgrade().is_some_and(|book| here(&book));
        rods.values().filter(mine).map(|rod| rod.token[..MANAGEMENT].try_into().expect("it is longer")).collect()
    }

    /// Each change is complete before anything in it could panic.
    fn rods(&self) -> MutexGuard<'_, HashMap<[u8; 8], Rod>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rod {
    fn is_fresh(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.used_ms) <= self.idle_ms
    }
}

fn identifier(token: &Token) -> [u8; 8] {
    token[8..16].try_into().expect("eight bytes")
}

/// Takes as long for the first wrong byte as for the last.
fn same(one: &Token, other: &Token) -> bool {
    one.iter().zip(other).fold(0, |differs, (one, other)| differs | (one ^ other)) == 0
}

/// INSUFFICIENT RESOURCES TO CREATE ROD TOKEN.
const NO_ROOM: Sense = Sense::new(SenseKey::IllegalRequest, 0x55, 0x0D);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::copy::rod::TOKEN;

    fn rod(number: u64, maker: &str, book: &Arc<Book>) -> Rod {
        let mut token = [0; TOKEN];
        token[8..16].copy_from_slice(&number.to_be_bytes());
        Rod {
            token: Arc::new(token),
            maker: maker.into(),
            book: Arc::downgrade(book),
            block_size: 512,
            extents: Arc::new([]),
            idle_ms: 1000,
            used_ms: 0,
        }
    }

    #[test]
    fn a_token_is_good_until_it_was_idle_for_too_long() {
        let (tokens, book) = (Tokens::default(), Arc::new(Book::new()));
        let mine = rod(1, "a", &book);
        tokens.add(mine.clone()).unwrap();
        assert!(tokens.find(&mine.token, 1000).is_ok());
        assert!(tokens.find(&mine.token, 2000).is_ok(), "using it begins its time anew");
        assert_eq!(tokens.find(&mine.token, 3001).err(), Some(EXPIRED));
        assert_eq!(tokens.find(&mine.token, 3001).err(), Some(UNKNOWN));
    }

    #[test]
    fn a_token_that_was_revoked_is_gone() {
        let (tokens, book) = (Tokens::default(), Arc::new(Book::new()));
        let mine = rod(1, "a", &book);
        tokens.add(mine.clone()).unwrap();
        tokens.revoke(&mine.token);
        assert_eq!(tokens.find(&mine.token, 0).err(), Some(UNKNOWN));
    }

    #[test]
    fn one_wrong_byte_makes_a_token_worthless_and_leaves_the_right_one_good() {
        let (tokens, book) = (Tokens::default(), Arc::new(Book::new()));
        let mine = rod(1, "a", &book);
        tokens.add(mine.clone()).unwrap();
        for at in (0..8).chain(16..TOKEN) {
            let mut forged = *mine.token;
            forged[at] ^= 0x80;
            assert_eq!(tokens.find(&forged, 0).err(), Some(CORRUPT));
        }
        assert!(tokens.find(&mine.token, 0).is_ok());
    }

    #[test]
    fn a_token_ends_with_its_unit() {
        let (tokens, book) = (Tokens::default(), Arc::new(Book::new()));
        let mine = rod(1, "a", &book);
        tokens.add(mine.clone()).unwrap();
        drop(book);
        assert_eq!(tokens.management(|_| true, 0), Vec::<[u8; MANAGEMENT]>::new());
        assert_eq!(tokens.find(&mine.token, 0).err(), Some(REVOKED));
    }

    #[test]
    fn one_initiator_makes_as_many_tokens_as_its_limit_and_leaves_room_for_others() {
        let (tokens, book) = (Tokens::default(), Arc::new(Book::new()));
        for number in 0..Tokens::OF_ONE_MAX as u64 {
            tokens.add(rod(number, "a", &book)).unwrap();
        }
        assert_eq!(tokens.add(rod(5000, "a", &book)), Err(NO_ROOM));
        tokens.add(rod(5000, "b", &book)).unwrap();
    }

    #[test]
    fn there_are_as_many_tokens_as_the_limit_and_idle_ones_make_room() {
        let (tokens, book) = (Tokens::default(), Arc::new(Book::new()));
        for number in 0..Tokens::MAX as u64 {
            tokens.add(rod(number, &format!("{}", number % 8), &book)).unwrap();
        }
        assert_eq!(tokens.add(rod(5000, "b", &book)), Err(NO_ROOM));
        tokens.add(Rod { used_ms: 1001, ..rod(5000, "b", &book) }).unwrap();
        assert_eq!(tokens.management(|_| true, 1001).len(), 1);
    }
}
