//! Inode numbers: what is where, told by a number alone, so that nothing has to be remembered for the kernel.

/// What an inode number stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// The mounted folder.
    Root,
    /// The link to the newest archive.
    Latest,
    /// A folder or a version below `by-file`; 0 is `by-file` itself.
    ByFile(u32),
    /// An archive by its row, and a node of its tree; 0 is the archive's folder.
    In(u32, u32),
}

const LATEST: u64 = 2;
const BY_FILE: u64 = 1 << 63;

impl Place {
    pub(super) fn number(self) -> u64 {
        match self {
            Self::Root => fuser::INodeNo::ROOT.0,
            Self::Latest => LATEST,
            Self::ByFile(id) => BY_FILE | u64::from(id),
            Self::In(row, node) => (u64::from(row) + 1) << 32 | u64::from(node),
        }
    }

    /// The place that an inode number stands for, if it stands for one.
    pub(super) fn of(number: u64) -> Option<Self> {
        match number {
            _ if number == fuser::INodeNo::ROOT.0 => Some(Self::Root),
            LATEST => Some(Self::Latest),
            _ if number & BY_FILE != 0 => Some(Self::ByFile(number as u32)),
            _ => Some(Self::In((number >> 32).checked_sub(1)? as u32, number as u32)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_comes_back_from_its_number() {
        for place in [
            Place::Root,
            Place::Latest,
            Place::ByFile(0),
            Place::ByFile(u32::MAX),
            Place::In(0, 0),
            Place::In(99, 43_000),
            Place::In((1 << 31) - 2, u32::MAX),
        ] {
            assert_eq!(Place::of(place.number()), Some(place));
        }
        assert_eq!(Place::of(0), None);
    }
}
