//! Looking back: what the archives of a folder or a store held of a file, told by their indexes alone.
//!
//! | file | what it knows |
//! | --- | --- |
//! | `nights` | where archives are, and which there are |
//! | `catalogue` | what all of them hold, each piece of an index read once; `read` fills it, `disk` remembers it |
//! | `line` | a path through all nights: there, not there, not to be told |
//! | `stretch` | from that its versions, deletions and returns: pure |
//! | `moved` | under what name a content was before, or is since |
//! | `chronicle` | all of this for one path, across its names |
//! | `texts` | contents of versions, their differences, words in them |
//! | `history`, `find` | the commands |

pub(crate) mod catalogue;
pub(crate) mod chronicle;
pub(crate) mod find;
pub(crate) mod history;
mod line;
mod moved;
pub(crate) mod nights;
mod stretch;
pub(crate) mod texts;

use std::fmt::Display;

/// What to do about a path that an archive does not have.
pub(crate) fn hint(path: &impl Display) -> String {
    format!("pai-backup history {path} tells which archives have it, and under what name")
}
