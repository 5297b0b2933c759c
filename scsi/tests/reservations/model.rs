//! The whole beside a plain model: whatever six nexuses ask for, both say the same to each of them.

use crate::hosts::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// The model: maps and loops, nexus by nexus, as the tables of the standard read.
#[derive(Default)]
struct Model {
    keys: BTreeMap<usize, u64>,
    /// Type, and whoever made it.
    held: Option<(u8, usize)>,
    generation: u32,
    aptpl: bool,
    to_hear: [BTreeSet<u8>; NEXUSES],
}

#[derive(Debug, Clone)]
enum Step {
    Out { action: u8, kind: u8, own: Key, other: Key, flags: u8 },
    HandOver { own: Key, key: u64, to: usize, unregister: bool },
    LogInAgain,
    Restart,
}

/// The key a nexus has, whatever it is, or any other.
#[derive(Debug, Clone, Copy)]
enum Key {
    Of(usize),
    Some(u64),
}

/// Three initiator ports at two target ports.
const NEXUSES: usize = 6;

const PREEMPTED: u8 = 3;
const RELEASED: u8 = 4;
const UNREGISTERED: u8 = 5;

impl Model {
    fn holds(&self, nexus: usize) -> bool {
        match self.held {
            None => false,
            Some((7 | 8, _)) => self.keys.contains_key(&nexus),
            Some((_, holder)) => holder == nexus,
        }
    }

    fn shut_out(&self, nexus: usize, write: bool) -> bool {
        let Some((kind, _)) = self.held else { return false };
        let registrants_may = kind >= 5;
        let may = self.holds(nexus) || registrants_may && self.keys.contains_key(&nexus);
        let readable = matches!(kind, 1 | 5 | 7);
        !may && (write || !readable)
    }

    fn tell(&mut self, nexus: usize, qualifier: u8) {
        self.to_hear[nexus].insert(qualifier);
    }

    fn unregister(&mut self, nexus: usize) {
        let was_holder = self.holds(nexus);
        self.keys.remove(&nexus);
        match self.held {
            Some((7 | 8, _)) if self.keys.is_empty() => self.held = None,
            Some((kind @ (1 | 3 | 5 | 6), _)) if was_holder => {
                self.held = None;
                if kind >= 5 {
                    for other in self.keys.clone().into_keys() {
                        self.tell(other, RELEASED);
                    }
                }
            }
            _ => {}
        }
    }

    fn register(&mut self, by: usize, own: Option<u64>, key: u64, aptpl: bool) -> End {
        let registered = self.keys.get(&by).copied();
        match (registered, own) {
            (None, Some(own)) if own != 0 => return End::Conflict,
            (Some(registered), Some(own)) if own != registered => return End::Conflict,
            _ => {}
        }
        if registered.is_none() && key == 0 {
            return GOOD;
        }
        self.generation += 1;
        self.aptpl = aptpl;
        if key == 0 {
            self.unregister(by);
        } else {
            self.keys.insert(by, key);
        }
        GOOD
    }

    fn out(&mut self, by: usize, action: u8, kind: u8, own: u64, other: u64, aptpl: bool) -> End {
        if action == REGISTER {
            return self.register(by, Some(own), other, aptpl);
        }
        if action == REGISTER_AND_IGNORE {
            return self.register(by, None, other, aptpl);
        }
        if self.keys.get(&by) != Some(&own) {
            return End::Conflict;
        }
        let everyone_else: Vec<usize> = self.keys.keys().copied().filter(|&nexus| nexus != by).collect();
        match action {
            RESERVE => match self.held {
                None => self.held = Some((kind, by)),
                Some((held, _)) if self.holds(by) && held == kind => {}
                Some(_) => return End::Conflict,
            },
            RELEASE if self.holds(by) => {
                if self.held.is_some_and(|(held, _)| held != kind) {
                    return End::Check(5, 0x26, 0x04);
                }
                self.held = None;
                if kind >= 5 {
                    everyone_else.into_iter().for_each(|nexus| self.tell(nexus, RELEASED));
                }
            }
            RELEASE => {}
            CLEAR => {
                everyone_else.into_iter().for_each(|nexus| self.tell(nexus, PREEMPTED));
                self.keys.clear();
                self.held = None;
                self.generation += 1;
            }
            PREEMPT | PREEMPT_AND_ABORT => return self.preempt(by, kind, other, action == PREEMPT_AND_ABORT),
            _ => unreachable!(),
        }
        GOOD
    }

    fn preempt(&mut self, by: usize, kind: u8, victim: u64, abort: bool) -> End {
        let of_all = matches!(self.held, Some((7 | 8, _)));
        if victim == 0 && !of_all {
            return End::Check(5, 0x26, 0x00);
        }
        let holder_falls = match self.held {
            None => false,
            Some((7 | 8, _)) => victim == 0,
            Some((_, holder)) => self.keys[&holder] == victim,
        };
        let mut fallen = Vec::new();
        for (nexus, key) in self.keys.clone() {
            if (victim == 0 || key == victim) && !(holder_falls && nexus == by) {
                self.keys.remove(&nexus);
                if nexus != by {
                    self.tell(nexus, UNREGISTERED);
                }
                fallen.push(nexus);
            }
        }
        if fallen.is_empty() && !holder_falls {
            return End::Conflict;
        }
        self.generation += 1;
        if holder_falls {
            if self.held.is_some_and(|(old, _)| old != kind) {
                for nexus in self.keys.clone().into_keys().filter(|&nexus| nexus != by) {
                    self.tell(nexus, RELEASED);
                }
            }
            self.held = Some((kind, by));
        } else if self.keys.is_empty() {
            self.held = None;
        }
        fallen.retain(|&nexus| nexus != by);
        if !abort || fallen.is_empty() {
            return GOOD;
        }
        let mut names: Vec<String> = fallen.into_iter().map(name).collect();
        names.sort_unstable();
        End::Aborted(names)
    }

    fn hand_over(&mut self, by: usize, own: u64, key: u64, to: usize, unregister: bool) -> End {
        let Some(&registered) = self.keys.get(&by) else { return End::Conflict };
        let Some((kind, holder)) = self.held else { return End::Check(5, 0x24, 0x00) };
        if kind >= 7 || holder != by || registered != own {
            return End::Conflict;
        }
        if key == 0 || by / 2 == to / 2 {
            return End::Check(5, 0x26, 0x00);
        }
        self.generation += 1;
        self.aptpl = false;
        self.keys.insert(to, key);
        self.held = Some((kind, to));
        if unregister {
            self.keys.remove(&by);
        }
        GOOD
    }
}

fn host(nexus: usize) -> Host {
    Host::new(nexus as u64 / 2, nexus as u16 % 2 + 1)
}

fn name(nexus: usize) -> String {
    host(nexus).name()
}

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![8 => (0..NEXUSES).prop_map(Key::Of), 1 => (0u64..4).prop_map(Key::Some)]
}

fn own() -> impl Strategy<Value = Key> {
    // By far most commands know their own key.
    prop_oneof![9 => Just(Key::Of(NEXUSES)), 1 => key()]
}

fn kind() -> impl Strategy<Value = u8> {
    prop::sample::select(vec![1u8, 3, 5, 6, 7, 8])
}

fn step() -> impl Strategy<Value = Step> {
    let actions = prop::sample::select(vec![0u8, 1, 1, 2, 2, 3, 4, 4, 5, 5, 6, 6, 6]);
    let other = prop_oneof![2 => key(), 1 => (0u64..4).prop_map(Key::Some)];
    prop_oneof![
        20 => (actions, kind(), own(), other, 0u8..2)
            .prop_map(|(action, kind, own, other, flags)| Step::Out { action, kind, own, other, flags }),
        2 => (own(), 0u64..4, 0..NEXUSES, any::<bool>())
            .prop_map(|(own, key, to, unregister)| Step::HandOver { own, key, to, unregister }),
        2 => Just(Step::LogInAgain),
        1 => Just(Step::Restart),
    ]
}

/// What the nexus is answered, while the model has something for it to hear: one of these, whichever came first.
fn heard(model: &mut Model, by: usize, end: &End) -> bool {
    match end {
        End::Check(6, 0x2A, qualifier) => model.to_hear[by].remove(qualifier),
        _ => false,
    }
}

fn compare(model: &Model, shared: &mut Shared, hosts: &mut [Host]) {
    let (generation, mut keys) = shared.keys();
    let mut expected: Vec<u64> = model.keys.values().copied().collect();
    keys.sort_unstable();
    expected.sort_unstable();
    assert_eq!((generation, keys), (model.generation, expected));
    let held = model.held.map(|(kind, holder)| (kind, if kind >= 7 { 0 } else { model.keys[&holder] }));
    assert_eq!(shared.reservation(), held);
    for (nexus, host) in hosts.iter_mut().enumerate() {
        for write in [false, true] {
            assert_eq!(host.is_shut_out(shared, write), model.shut_out(nexus, write), "nexus {nexus}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn six_nexuses_find_what_the_model_finds(steps in prop::collection::vec((0..NEXUSES, step()), 1..60)) {
        let (mut model, mut shared) = (Model::default(), Shared::new());
        let mut hosts: Vec<Host> = (0..NEXUSES).map(|nexus| host(nexus).quiet(&shared)).collect();
        for (by, step) in steps {
            let value = |key: &Key| match key {
                Key::Of(NEXUSES) => model.keys.get(&by).copied().unwrap_or(0),
                Key::Of(nexus) => model.keys.get(nexus).copied().unwrap_or(0),
                Key::Some(value) => *value,
            };
            match &step {
                Step::Out { action, kind, own, other, flags } => {
                    let (own, other) = (value(own), value(other));
                    let end = hosts[by].out(&mut shared, *action, *kind, own, other, *flags);
                    if model.to_hear[by].is_empty() {
                        prop_assert_eq!(end, model.out(by, *action, *kind, own, other, *flags == APTPL), "{:?}", step);
                    } else {
                        prop_assert!(heard(&mut model, by, &end), "{:?} was told {:?}", step, end);
                    }
                }
                Step::HandOver { own, key, to, unregister } => {
                    let own = value(own);
                    let to_whom = hosts[*to].id();
                    let end = hosts[by].hand_over(&mut shared, own, *key, &to_whom, *unregister);
                    if model.to_hear[by].is_empty() {
                        prop_assert_eq!(end, model.hand_over(by, own, *key, *to, *unregister), "{:?}", step);
                    } else {
                        prop_assert!(heard(&mut model, by, &end), "{:?} was told {:?}", step, end);
                    }
                }
                Step::LogInAgain => {
                    hosts[by].log_in_again(&shared);
                    hosts[by] = std::mem::replace(&mut hosts[by], host(by)).quiet(&shared);
                    model.to_hear[by].clear();
                }
                Step::Restart => {
                    shared.restart();
                    if !model.aptpl {
                        model.keys.clear();
                        model.held = None;
                        model.aptpl = false;
                    }
                    model.generation = 0;
                    model.to_hear = Default::default();
                    hosts = (0..NEXUSES).map(|nexus| host(nexus).quiet(&shared)).collect();
                }
            }
            compare(&model, &mut shared, &mut hosts);
        }
        // Nothing is left unsaid, and nothing is said that nobody owes.
        for (nexus, host) in hosts.iter_mut().enumerate() {
            let ready = [0x12, 0, 0, 0, 36, 0];
            assert!(matches!(host.send(&mut shared, &ready, &[]), End::Good(_)));
            while !model.to_hear[nexus].is_empty() {
                let end = host.send(&mut shared, &[0x5E, 0, 0, 0, 0, 0, 0, 0, 8, 0], &[]);
                prop_assert!(heard(&mut model, nexus, &end), "nexus {} was told {:?}", nexus, end);
            }
            let end = host.send(&mut shared, &[0x5E, 0, 0, 0, 0, 0, 0, 0, 8, 0], &[]);
            prop_assert!(matches!(end, End::Good(_)), "nexus {} was told {:?}", nexus, end);
        }
    }
}
