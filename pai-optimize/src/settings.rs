//! `.pai-optimize.toml` beside the memory file: what a schedule would otherwise say on every command line.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use pai_common::units;
use serde::Deserialize;

use crate::cli::{self, Bullets};
use crate::dated::Order;
use crate::file::folder_of;
use crate::memory::Headings;

/// The name of the settings file.
pub(crate) const NAME: &str = ".pai-optimize.toml";

/// What `--help` says of it.
pub(crate) const HELP: &str = "\
Settings, from .pai-optimize.toml beside the memory file (the command line wins):
  window = 7             headings = \"dated\"     date-order = \"dmy\"
  bullets = \"dated\"      notes = \"memory\"
  max-size = \"25k\"       max-lines = 200        roll-up = \"60d\"";

/// The settings of a file. Each has the name and the meaning of an option.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Settings {
    pub window: Option<u32>,
    pub headings: Option<Headings>,
    pub date_order: Option<Order>,
    pub bullets: Option<Bullets>,
    pub notes: Option<PathBuf>,
    #[serde(deserialize_with = "size")]
    #[serde(default)]
    pub max_size: Option<u64>,
    pub max_lines: Option<u64>,
    #[serde(deserialize_with = "span")]
    #[serde(default)]
    pub roll_up: Option<u32>,
}

impl Settings {
    /// Reads the settings file beside `memory`. Without one, nothing is set.
    pub(crate) fn beside(memory: &Path) -> anyhow::Result<Self> {
        let path: PathBuf = folder_of(memory).join(NAME);
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            text => text.with_context(|| format!("could not read {}", path.display()))?,
        };
        let told =
            |error: toml::de::Error| anyhow!("could not read {}: {}", path.display(), brief(&error, &text));
        toml::from_str(&text).map_err(told)
    }
}

/// Returns the line and the cause of an error. The picture that comes with it is for a terminal.
fn brief(error: &toml::de::Error, text: &str) -> String {
    let message = error.message().replace('\n', ", ");
    match error.span() {
        Some(span) => {
            format!("line {}: {message}", text[..span.start.min(text.len())].matches('\n').count() + 1)
        }
        None => message,
    }
}

fn size<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let text = String::deserialize(deserializer)?;
    units::parse_size(&text).map(Some).map_err(serde::de::Error::custom)
}

fn span<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let text = String::deserialize(deserializer)?;
    cli::days(&text).map(Some).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(NAME), text).unwrap();
        Settings::beside(&folder.path().join("memory.md"))
            .map_err(|error| format!("{error:#}").replace(&format!("{}/", folder.path().display()), ""))
    }

    #[test]
    fn every_setting_is_an_option_by_its_name() {
        let settings = read(
            "window = 14\nheadings = \"dated\"\ndate-order = \"dmy\"\nbullets = \"dated\"\nnotes = \"memory\"\nmax-size = \"25k\"\nmax-lines = 200\nroll-up = \"30d\"\n",
        )
        .unwrap();
        let expected = Settings {
            window: Some(14),
            headings: Some(Headings::Dated),
            date_order: Some(Order::Dmy),
            bullets: Some(Bullets::Dated),
            notes: Some("memory".into()),
            max_size: Some(25 << 10),
            max_lines: Some(200),
            roll_up: Some(30),
        };
        assert_eq!(settings, expected);
        assert_eq!(read("# nothing yet\n").unwrap(), Settings::default());
        assert_eq!(Settings::beside(Path::new("/nonexistent/memory.md")).unwrap(), Settings::default());
    }

    #[test]
    fn what_is_misspelt_is_told_with_its_line() {
        for (text, told) in [
            ("window = 7\nwindows = 8\n", "line 2: unknown field `windows`"),
            ("headings = \"all\"\n", "line 1: unknown variant `all`"),
            ("window = -1\n", "line 1: "),
            ("max-size = \"much\"\n", "much"),
            ("window\n", "line 1: "),
        ] {
            let error = read(text).unwrap_err();
            assert!(
                error.starts_with("could not read .pai-optimize.toml: ") && error.contains(told),
                "{error}"
            );
        }
    }
}
