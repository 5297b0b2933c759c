//! Which known word somebody meant who wrote an unknown one.

/// Words of other targets' files, and what they are called here. Compared without case and underscores.
const ELSEWHERE: [(&str, &str); 8] = [
    ("scsisn", "serial"),
    ("type", "backend"),
    ("iomode", "read_only"),
    ("blocks", "size"),
    ("incominguser", "chap"),
    ("outgoinguser", "mutual_chap"),
    ("initiators", "allow"),
    ("threads", "shards"),
];

/// Words longer than this are nobody's slip of a key, and comparing them would cost their length squared.
const WORD_BYTES_MAX: usize = 64;

/// The word of `known` that is nearest to `word`, if one is near: at most a third of it is different.
pub(crate) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    if word.len() > WORD_BYTES_MAX {
        return None;
    }
    let plain = plain(word);
    if let Some((_, here)) = ELSEWHERE.iter().find(|(there, _)| *there == plain)
        && let Some(found) = known.iter().find(|k| *k == here)
    {
        return Some(found);
    }
    let distance = |k: &str| edits(plain.as_bytes(), self::plain(k).as_bytes());
    let (edits, found) = known.iter().map(|k| (distance(k), *k)).min()?;
    (edits * 3 <= plain.len().max(3)).then_some(found)
}

fn plain(word: &str) -> String {
    word.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

/// How many letters have to be changed, added, dropped, or swapped with their neighbour.
fn edits(a: &[u8], b: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let mut least = (last[j] + usize::from(a[i] != b[j])).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 6] = ["backend", "path", "size", "read_only", "serial", "max_recv_data_segment_length"];

    #[test]
    fn a_slip_finds_the_word_that_was_meant() {
        for (word, meant) in [
            ("bakcend", "backend"),
            ("paht", "path"),
            ("readonly", "read_only"),
            ("siez", "size"),
            ("MaxRecvDataSegmentLength", "max_recv_data_segment_length"),
            ("max_recv_datasegment_length", "max_recv_data_segment_length"),
            ("scsi_sn", "serial"),
            ("ScsiSN", "serial"),
            ("Type", "backend"),
        ] {
            assert_eq!(nearest(word, &KNOWN), Some(meant), "{word}");
        }
    }

    #[test]
    fn a_word_far_from_all_finds_none() {
        for word in ["colour", "x", "", &"path".repeat(17), "ää"] {
            assert_eq!(nearest(word, &KNOWN), None, "{word}");
        }
        assert_eq!(nearest("path", &[]), None);
    }

    #[test]
    fn swapped_neighbours_are_one_edit() {
        assert_eq!(edits(b"ab", b"ba"), 1);
        assert_eq!(edits(b"", b"abc"), 3);
        assert_eq!(edits(b"kitten", b"sitting"), 3);
    }
}
