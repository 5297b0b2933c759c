//! A disk, or the file system it is on, is asked where its space is.

use ferrite_backends::{Run, Usage};
use ferrite_scsi::{Answer, Mapped, Mapping, Plan, Question, Sense};

use super::Commission;

pub(super) fn ask(question: Question, commission: &Commission) -> Plan {
    let disk = &commission.lun.disk;
    let answer = match question {
        Question::Mapped { at, len } => disk.map(at, len).map(|runs| runs.map(mapped)),
        Question::Usage => disk.usage().map(|usage| usage.map(used)),
    };
    match answer {
        Ok(answer) => commission.answered(&answer.unwrap_or(Answer::Unknown)),
        Err(error) => {
            tracing::warn!(disk = disk.describe(), ?question, %error, "a disk could not be asked");
            Sense::INTERNAL_FAILURE.into()
        }
    }
}

fn mapped(runs: Vec<Run>) -> Answer {
    let kind = |mapped| if mapped { Mapping::Mapped } else { Mapping::Deallocated };
    Answer::Mapped(runs.into_iter().map(|run| Mapped { len: run.len, mapping: kind(run.mapped) }).collect())
}

fn used(Usage { used, available }: Usage) -> Answer {
    Answer::Usage { used, available }
}
