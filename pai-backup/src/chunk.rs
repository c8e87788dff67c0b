//! Where one chunk ends and the next begins: borders that do not move when a neighbour changes.
//!
//! Small entries are grouped; whether a border falls before an entry depends on that entry alone. Large
//! files are cut by content (`FastCDC`: Xia et al., USENIX ATC 2016, with normalised chunking), so an
//! insertion disturbs only its place.

use crate::archive::header::BLOCK;

/// A file of this size or more is cut by content.
pub(crate) const LARGE: u64 = 256 << 10;
/// Expected size of a chunk of small entries.
const TARGET: u64 = 32 << 10;
/// A chunk of small entries never grows beyond this.
pub(crate) const FORCED: u64 = 1 << 20;
/// The size that the headers of an entry count for: a pax header, its records, and the header proper. Hardly a file has
/// an mtime without a fraction; one that has counts the same, for a border must not move with its times.
const HEADERS: u64 = 3 * BLOCK as u64;

/// No piece of a large file is larger than this.
pub(crate) const LARGEST_PIECE: usize = Cutter::COARSE.most;

/// Groups small entries.
#[derive(Debug, Default)]
pub(crate) struct Grouper {
    filled: u64,
}

impl Grouper {
    /// Whether the chunk ends before the entry at `path`, for which `stored` bytes are stored behind its
    /// headers. The entry counts towards the chunk that then holds it.
    pub(crate) fn border_before(&mut self, path: &[u8], stored: u64) -> bool {
        let size = counted(stored);
        // The chance of a border is the entry's share of the target, so chunks come out at the target
        // whatever the sizes of the files are.
        let chosen = u128::from(hash(path)) * u128::from(TARGET) < u128::from(size) << 64;
        let border = self.filled > 0 && (chosen || self.filled + size > FORCED);
        self.filled = if border { size } else { self.filled + size };
        border
    }

    /// The next entry starts a chunk whatever its name is.
    pub(crate) fn restart(&mut self) {
        self.filled = 0;
    }
}

/// The size that an entry counts for: headers, stored bytes and padding.
pub(crate) fn counted(stored: u64) -> u64 {
    HEADERS + stored.next_multiple_of(BLOCK as u64)
}

/// Cuts the content of one large file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cutter {
    least: usize,
    usual: usize,
    most: usize,
    /// A cut needs these bits to be zero before the usual size, and `late` ones after it: sizes gather around it.
    early: u64,
    late: u64,
}

impl Cutter {
    /// A row that changes in a database costs one piece.
    const FINE: Self = Self::of(16);
    const MEDIUM: Self = Self::of(18);
    const COARSE: Self = Self::of(20);

    /// For a file of so many stored bytes. Every piece takes room in the index, and in memory when it is read: a file of
    /// many gigabytes is cut more coarsely.
    pub(crate) const fn for_size(stored: u64) -> Self {
        match stored >> 30 {
            0 => Self::FINE,
            1..16 => Self::MEDIUM,
            _ => Self::COARSE,
        }
    }

    /// Pieces of usually `2^bits` bytes.
    const fn of(bits: u32) -> Self {
        let usual = 1 << bits;
        Self {
            least: usual / 4,
            usual,
            most: usual * 4,
            early: high_bits(bits + 2),
            late: high_bits(bits - 2),
        }
    }

    /// Length of the first piece of `data`, which holds at least [`LARGEST_PIECE`] bytes unless the file ends in it.
    pub(crate) fn cut(&self, data: &[u8]) -> usize {
        let end = data.len().min(self.most);
        if end <= self.least {
            return end;
        }
        let usual = self.usual.min(end);
        let mut print = 0u64;
        for (range, mask) in [(self.least..usual, self.early), (usual..end, self.late)] {
            for at in range {
                print = (print << 1).wrapping_add(GEAR[usize::from(data[at])]);
                if print & mask == 0 {
                    return at + 1;
                }
            }
        }
        end
    }
}

const fn high_bits(count: u32) -> u64 {
    !(u64::MAX >> count)
}

/// The hash that decides on borders: FNV-1a, then `MurmurHash3`'s finaliser: FNV alone leaves the high bits of short names alike.
pub(crate) fn hash(path: &[u8]) -> u64 {
    let fnv = path.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (fnv ^ (fnv >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ (mixed >> 33)
}

/// One random-looking number for each byte value, from `SplitMix64`. Changing it moves every border.
static GEAR: [u64; 256] = gear();

const fn gear() -> [u64; 256] {
    let mut table = [0; 256];
    let mut state = 0u64;
    let mut at = 0;
    while at < 256 {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        table[at] = z ^ (z >> 31);
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(entries: &[(String, u64)]) -> Vec<Vec<&str>> {
        let mut grouper = Grouper::default();
        let mut chunks: Vec<Vec<&str>> = vec![Vec::new()];
        for (path, size) in entries {
            if grouper.border_before(path.as_bytes(), *size) {
                chunks.push(Vec::new());
            }
            chunks.last_mut().unwrap().push(path);
        }
        chunks
    }

    fn entries() -> Vec<(String, u64)> {
        (0..6000u64).map(|n| (format!("projects/{n:05}.md"), 1024 + n % 7 * 3000)).collect()
    }

    fn noise(length: usize, seed: u64) -> Vec<u8> {
        let mut state = seed;
        (0..length)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect()
    }

    fn pieces(mut data: &[u8], cutter: Cutter) -> Vec<&[u8]> {
        let mut pieces = Vec::new();
        while !data.is_empty() {
            let (piece, rest) = data.split_at(cutter.cut(data));
            pieces.push(piece);
            data = rest;
        }
        pieces
    }

    #[test]
    fn chunks_average_the_target_and_never_pass_the_limit() {
        let entries = entries();
        let total: u64 = entries.iter().map(|(_, size)| counted(*size)).sum();
        let chunks = chunks(&entries);
        let average = total / chunks.len() as u64;
        assert!((TARGET / 2..TARGET * 2).contains(&average), "{average}");
        let size = |path: &str| counted(entries.iter().find(|(name, _)| name == path).unwrap().1);
        assert!(chunks.iter().all(|chunk| chunk.iter().map(|path| size(path)).sum::<u64>() <= FORCED));
    }

    #[test]
    fn one_new_entry_disturbs_one_chunk() {
        let before = entries();
        let mut after = before.clone();
        after.insert(3000, ("projects/02999b.md".to_owned(), 5000));
        let (before, after) = (chunks(&before), chunks(&after));
        let changed = after.iter().filter(|chunk| !before.contains(chunk)).count();
        assert!(changed <= 2, "{changed}");
    }

    #[test]
    fn pieces_join_to_the_whole_and_keep_their_bounds() {
        let data = noise(20 << 20, 1);
        for cutter in [Cutter::FINE, Cutter::MEDIUM, Cutter::COARSE] {
            let pieces = pieces(&data, cutter);
            assert_eq!(pieces.concat(), data);
            let (last, others) = pieces.split_last().unwrap();
            assert!(others.iter().all(|piece| (cutter.least..=cutter.most).contains(&piece.len())));
            assert!(last.len() <= cutter.most);
            let expected = data.len() / cutter.usual;
            assert!((expected / 2..expected * 2).contains(&pieces.len()), "{} of {expected}", pieces.len());
        }
    }

    #[test]
    fn an_insertion_moves_no_distant_border() {
        let before = noise(16 << 20, 2);
        let mut after = before.clone();
        after.splice(5_000_000..5_000_000, *b"inserted");
        let (before, after) = (pieces(&before, Cutter::FINE), pieces(&after, Cutter::FINE));
        let changed = after.iter().filter(|piece| !before.contains(piece)).count();
        assert!(changed <= 3, "{changed} of {}", after.len());
    }

    #[test]
    fn larger_files_are_cut_more_coarsely() {
        let usual = |stored: u64| Cutter::for_size(stored).usual;
        assert_eq!([usual(LARGE), usual((1 << 30) - 1)], [64 << 10; 2]);
        assert_eq!([usual(1 << 30), usual((16 << 30) - 1)], [256 << 10; 2]);
        assert_eq!([usual(16 << 30), usual(u64::MAX)], [1 << 20; 2]);
    }

    #[test]
    fn zeros_are_cut_at_the_limit() {
        assert_eq!(Cutter::COARSE.cut(&vec![0; 8 << 20]), LARGEST_PIECE);
        assert_eq!(Cutter::FINE.cut(b"short"), 5);
        assert_eq!(Cutter::FINE.cut(b""), 0);
    }
}
