//! A manifest brought up to date. Rot is never blessed: a file that rotted keeps the line that proves it.

use std::path::Path;

use anyhow::bail;

use crate::audit::{self, Depth, Survey};
use crate::cli::Args;
use crate::compare::{Comparison, Now, Verdict, compare};
use crate::generate;
use crate::manifest::{Manifest, Recorded};
use crate::talk::Talk;
use pai_common::checksum_line::{Entry, Style};

/// Rewrites the manifest at `path` if anything in it has to change, and prints the differences; false if
/// something rotted.
pub(crate) fn run(args: &Args, path: &Path, talk: &Talk<'_>) -> anyhow::Result<bool> {
    if path == Path::new("-") {
        bail!("could not update standard input: name the file");
    }
    let (manifest, bytes) = audit::read(path)?;
    let survey = audit::survey(args, path, &manifest, Depth::Touched, talk)?;
    let comparison = compare(&manifest.entries, &survey.now, &survey.unlisted);
    let updated = updated(&manifest, &survey, &comparison);
    if updated.entries.is_empty() || updated.to_bytes(args.plain) != bytes {
        generate::write(&updated, path, args.plain)?;
    }
    audit::report(args, &manifest, &survey, &comparison, talk)?;
    Ok(!comparison.verdicts.contains(&Verdict::Rotted))
}

/// The manifest as it should be: lines keep their place, new files come last.
fn updated(manifest: &Manifest, survey: &Survey, comparison: &Comparison) -> Manifest {
    let listed = manifest.entries.iter().zip(&survey.now).zip(&comparison.verdicts);
    let kept = listed.filter_map(|((recorded, now), verdict)| match (verdict, *now) {
        (Verdict::Missing, _) => None,
        (Verdict::Moved(n), _) => {
            let file = &survey.unlisted[*n];
            let entry = Entry { name: file.name.clone(), ..recorded.entry.clone() };
            Some(Recorded { entry, stamp: file.stamp })
        }
        (Verdict::Same | Verdict::Changed, Now::Hashed(digest, stamp)) => {
            Some(Recorded { entry: Entry { digest, ..recorded.entry.clone() }, stamp })
        }
        _ => Some(recorded.clone()),
    });
    let new = comparison.new.iter().map(|&n| {
        let file = &survey.unlisted[n];
        let entry = Entry { digest: file.digest, name: file.name.clone(), style: Style::Text };
        Recorded { entry, stamp: file.stamp }
    });
    Manifest { comments: manifest.comments.clone(), entries: kept.chain(new).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Unlisted;
    use crate::stamp::Stamp;

    fn stamp(mtime: i64) -> Stamp {
        Stamp { size: 1, mtime: (mtime, 0), ctime: (mtime, 0) }
    }

    fn recorded(name: &str, digest: u8, stamp: Stamp) -> Recorded {
        let stamp = Some(stamp);
        Recorded { entry: Entry { digest: [digest; 32], name: name.into(), style: Style::Binary }, stamp }
    }

    #[test]
    fn what_rotted_or_cannot_be_read_keeps_its_line_and_the_rest_follows_the_folder() {
        let manifest = Manifest {
            comments: vec![b"# kept".to_vec()],
            entries: ["same", "touched", "changed", "rotted", "unreadable", "missing", "moved"]
                .into_iter()
                .zip(1..)
                .map(|(name, digest)| recorded(name, digest, stamp(1)))
                .collect(),
        };
        let now = vec![
            Now::Untouched,
            Now::Hashed([2; 32], Some(stamp(2))),
            Now::Hashed([30; 32], Some(stamp(2))),
            Now::Hashed([40; 32], Some(stamp(1))),
            Now::Unreadable,
            Now::Missing,
            Now::Missing,
        ];
        let unlisted = [("new", 8), ("there", 7)].map(|(name, digest)| Unlisted {
            name: name.into(),
            digest: [digest; 32],
            stamp: Some(stamp(3)),
        });
        let survey = Survey { now, unlisted: unlisted.into() };
        let comparison = compare(&manifest.entries, &survey.now, &survey.unlisted);
        let mut new = recorded("new", 8, stamp(3));
        new.entry.style = Style::Text;
        assert_eq!(
            updated(&manifest, &survey, &comparison),
            Manifest {
                comments: vec![b"# kept".to_vec()],
                entries: vec![
                    recorded("same", 1, stamp(1)),
                    recorded("touched", 2, stamp(2)),
                    recorded("changed", 30, stamp(2)),
                    recorded("rotted", 4, stamp(1)),
                    recorded("unreadable", 5, stamp(1)),
                    recorded("there", 7, stamp(3)),
                    new,
                ],
            }
        );
    }
}
