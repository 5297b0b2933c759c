//! How does a recorded sequence of SCSI commands read, and does the target answer it as it should?
//!
//! A script is a text file, so that whoever knows an initiator can read and correct what is said of it:
//!
//! ```text
//! == the datastore is created
//! a: 2a 00 00 00 08 00 00 00 01 00 < aa*512
//! a.1: 28 00 00 00 08 00 00 00 01 00 -> good; 0: aa aa; len 512
//! b: 89 00 ... < @before + @after -> sense E/1D/00
//! a: 12 01 83 00 ff 00 -> good; save page 0 64
//! ```
//!
//! `a`, `b`: sessions, each an I_T nexus of its own, logged in when first named; `.1`: the LUN, 0 unless said. After
//! `<` stands data-out: hex bytes, `XX*COUNT`, `@name`, put together by `+`; after `->` the outcome, `good` unless said
//! (`good`, `conflict`, `busy`, `sense K/AA/QQ`), and behind `;` what data-in has to be: `OFFSET: hex bytes`, `len N`,
//! `save NAME OFFSET LEN`. `@name` may stand in the command block, too. `@cscd0` is the identification descriptor of
//! LUN 0 for an EXTENDED COPY. `logout a` and `hear a` (take what attentions there are) are lines of their own.

mod parse;
mod play;

pub(crate) use play::play;
