//! Begins commands in the order that their task attributes ask for.

use super::Shard;
use super::key::TaskKey;
use super::lineup::{Lineup, Rank};
use super::session::Member;
use super::task::Task;
use crate::io::Io;

impl<I: Io> Shard<I> {
    /// Whether a command that comes now has to wait for others of its nexus.
    pub(super) fn must_wait(&mut self, session: usize, unit: u64, rank: Rank) -> bool {
        // Nothing is ever under way on a unit that is not there.
        unit != 0
            && match self.members[session].lineup(unit) {
                Some(lineup) => !lineup.admits(rank),
                None => rank == Rank::Ordered && self.begun(session, unit) > 0,
            }
    }

    /// Those that were aborted and are still on the disk count, too: what they write must not come later.
    fn begun(&mut self, session: usize, unit: u64) -> usize {
        self.tasks.iter_mut().filter(|task| task.session == session && task.unit == unit).count()
    }

    /// A task has come that is not SIMPLE, or meets a line-up. `waits` is what [`must_wait`](Self::must_wait) said.
    pub(super) fn line_up(&mut self, key: TaskKey, rank: Rank, waits: bool) {
        let task = self.tasks.live(key);
        let (session, unit) = (task.session, task.unit);
        (task.rank, task.dormant) = (rank, waits);
        if unit != 0 && rank != Rank::Simple && self.members[session].lineup(unit).is_none() {
            let simple = self.begun(session, unit) - 1;
            self.members[session].lineups.push(Lineup::new(unit, simple));
        }
        if let Some(lineup) = self.members[session].lineup(unit) {
            lineup.enter(key, rank, waits);
        }
    }

    /// A task of a session that has line-ups was taken out. Others may begin in this turn.
    pub(super) fn left_lineup(&mut self, key: TaskKey, task: &Task) {
        if let Some(lineup) = self.members[task.session].lineup(task.unit) {
            lineup.leave(key, task.rank);
            self.unblocked.push(task.session);
        }
    }

    /// Begins what may begin now.
    pub(super) fn begin_next(&mut self) {
        while let Some(session) = self.unblocked.pop() {
            let Some(member) = self.members.get_mut(session) else { continue };
            let next = |lineup: &mut Lineup| std::iter::from_fn(|| lineup.next()).collect::<Vec<_>>();
            let begin: Vec<TaskKey> = member.lineups.iter_mut().flat_map(next).collect();
            member.lineups.retain(|lineup| !lineup.is_over());
            for key in begin {
                // One that began just now may have ended others.
                if let Some(task) = self.tasks.get(key) {
                    task.dormant = false;
                    self.begin(key);
                }
            }
        }
    }
}

impl Member {
    fn lineup(&mut self, unit: u64) -> Option<&mut Lineup> {
        self.lineups.iter_mut().find(|lineup| lineup.unit == unit)
    }
}
