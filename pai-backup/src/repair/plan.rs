//! Where each member of the mended archive comes from, and what is lost.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use pai_common::sha256;
use serde::Serialize;

use super::blueprint::Blueprint;
use super::donors::{self, Donors, Taken};
use super::own::Own;
use crate::Context;
use crate::archive::index::{About, Group};
use crate::archive::member::{MemberInfo, Opener, Sealer};
use crate::archive::open::Archive;
use crate::entry::{Kind, without_dots};
use crate::pack::remake;

/// Where a member comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// It is whole, at this place of the archive.
    Own(u64),
    /// It is taken from another archive.
    Donor(Taken),
    /// It is made anew from files.
    Files,
}

/// What is to be done.
#[derive(Debug)]
pub(super) struct Plan {
    /// What the new archive says of itself.
    pub(super) about: About,
    /// Its groups, with where each of their members comes from.
    pub(super) groups: Vec<(Group, Vec<From>)>,
    /// Index and footer, if they are those that were.
    pub(super) tail: Option<Vec<u8>>,
    /// Files that cannot be brought back, and hard links to them.
    pub(super) lost: Vec<PathBuf>,
    /// Losses that have no name.
    unknown: Vec<String>,
    /// Where files lie.
    pub(super) root: PathBuf,
}

impl Plan {
    /// Looks for all that is damaged. `whole` tells which of the archive's members are, if that is known.
    pub(super) fn make(
        archive: &Archive,
        blueprint: Blueprint,
        whole: Option<Vec<bool>>,
        donors: &Donors,
        run: &Context<'_>,
    ) -> anyhow::Result<Self> {
        let own = Own::of(archive.file(), &blueprint, whole, run)?;
        let found = donors.find(&own.damaged)?;
        let Blueprint { about, groups, tail, unknown, .. } = blueprint;
        let root = match &run.place.workspace.home {
            Some(home) => home.clone(),
            None => PathBuf::from(&about.root),
        };
        let mut tools = Tools { sealer: Sealer::new(about.level.clamp(1, 9)), opener: Opener::default() };
        let mut plan = Self { about, groups: Vec::new(), tail, lost: Vec::new(), unknown, root };
        let mut places = own.places.into_iter();
        for (_, group) in groups {
            let mut from: Vec<From> = Vec::with_capacity(group.members.len());
            for (number, info) in group.members.iter().enumerate() {
                let place = match places.next().flatten() {
                    Some(at) => Some(From::Own(at)),
                    None => plan.elsewhere(&group, number, info, found.get(&info.digest), donors, &mut tools),
                };
                from.extend(place);
            }
            if from.len() == group.members.len() {
                plan.groups.push((group, from));
            } else {
                // Without all of its members the archive cannot have the same index.
                plan.tail = None;
                plan.lost.extend(group.records.into_iter().map(|record| record.entry.path));
            }
        }
        plan.add_lost_links();
        plan.about.incomplete += (plan.lost.len() + plan.unknown.len()) as u64;
        Ok(plan)
    }

    /// A place to take the very same bytes from.
    fn elsewhere(
        &self,
        group: &Group,
        number: usize,
        info: &MemberInfo,
        taken: Option<&Taken>,
        donors: &Donors,
        tools: &mut Tools,
    ) -> Option<From> {
        if let Some(taken) = taken {
            let same = taken.info == *info || tools.seals_alike(donors, taken, info);
            if same {
                return Some(From::Donor(*taken));
            }
        }
        let payload = remake::payload(&self.root, group, number, self.about.xattrs)
            .with_context(|| format!("could not make a member anew from files in {}", self.root.display()))
            .inspect_err(|error| donors.unread().elsewhere(error))
            .ok()?;
        let same =
            sha256::digest(&payload) == info.digest && tools.sealer.seal(&payload, info.digest).1 == *info;
        same.then_some(From::Files)
    }

    /// A hard link to a lost file is nothing.
    fn add_lost_links(&mut self) {
        let mut lost: HashSet<PathBuf> = self.lost.iter().map(|path| without_dots(path)).collect();
        let records = self.groups.iter().flat_map(|(group, _)| &group.records);
        for record in records.filter(|record| record.entry.kind == Kind::HardLink) {
            if lost.contains(&without_dots(&record.entry.link)) && lost.insert(record.entry.path.clone()) {
                self.lost.push(record.entry.path.clone());
            }
        }
        self.lost.sort();
    }

    /// How many members are put in.
    pub(super) fn put_in(&self) -> usize {
        let all = self.groups.iter().flat_map(|(_, from)| from);
        all.filter(|from| !matches!(from, From::Own(_))).count()
    }

    /// Whether the archive becomes, byte for byte, what it was.
    pub(super) fn is_exact(&self) -> bool {
        self.tail.is_some() && self.is_whole()
    }

    /// Whether nothing is lost.
    pub(super) fn is_whole(&self) -> bool {
        self.lost.is_empty() && self.unknown.is_empty()
    }

    /// What is to be told of it.
    pub(super) fn lines<'a>(&'a self, donors: &Donors) -> Vec<Line<'a>> {
        let mut lines = Vec::new();
        for (group, from) in &self.groups {
            let path = group.records.first().map(|record| record.entry.path.to_string_lossy().into_owned());
            for (info, from) in group.members.iter().zip(from) {
                let from = match from {
                    From::Own(_) => continue,
                    From::Donor(taken) => donors.name(taken.donor),
                    From::Files if group.records.is_empty() => "what every archive ends with".to_owned(),
                    From::Files => "the unchanged files".to_owned(),
                };
                lines.push(Line::Member { size: info.size, path: path.clone(), from });
            }
        }
        lines.extend(self.lost.iter().map(|path| Line::Lost { path }));
        lines.extend(self.unknown.iter().map(|what| Line::Unknown { what }));
        lines
    }
}

/// A line of the plan.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Line<'a> {
    /// A damaged member, which begins with this path, and where it is taken from.
    Member {
        size: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        path: Option<String>,
        from: String,
    },
    /// A file that is lost.
    Lost {
        #[serde(serialize_with = "lossily")]
        path: &'a Path,
    },
    /// A loss without a name.
    Unknown { what: &'a str },
}

fn lossily<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

impl Line<'_> {
    /// The line as text.
    pub(super) fn write(&self, text: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Member { size, path, from } => {
                let path = path.as_deref().unwrap_or("the end of the archive");
                writeln!(text, "mend {size} bytes at {path}, from {from}")
            }
            Self::Lost { path } => {
                text.write_all(b"lost ")?;
                text.write_all(path.as_os_str().as_encoded_bytes())?;
                writeln!(text)
            }
            Self::Unknown { what } => writeln!(text, "lost {what}"),
        }
    }
}

#[derive(Debug)]
struct Tools {
    sealer: Sealer,
    opener: Opener,
}

impl Tools {
    /// Whether a payload that another archive compressed otherwise gives the same bytes once compressed as here.
    fn seals_alike(&mut self, donors: &Donors, taken: &Taken, info: &MemberInfo) -> bool {
        let Some(donor) = donors.open(taken.donor) else { return false };
        let read = donors::read(&donor, taken, &mut self.opener);
        let read = read.inspect_err(|error| donors.unread().elsewhere(error));
        let Ok((_, payload)) = read else { return false };
        self.sealer.seal(&payload, info.digest).1 == *info
    }
}
