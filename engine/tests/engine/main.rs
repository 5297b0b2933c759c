//! A running engine, asked over TCP by an initiator and in process by an operator.

mod background;
mod changing;
mod common;
mod copying;
mod discard;
mod disks;
mod drives;
mod errands;
mod exchanging;
mod gate;
mod hostile;
mod initiators;
mod late;
mod long;
mod managing;
mod ordering;
mod ports;
mod racing;
mod reserving;
mod script;
mod serving;
mod storm;
mod tally;
