//! The workspace: `PAI_HOME` and the folders in it.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use crate::hint::Hinted;

/// An existing workspace folder, as an absolute path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
}

impl Home {
    /// The folder `--home` or `PAI_HOME` names (clap has already let the flag win). It must exist.
    pub fn resolve(named: Option<&Path>) -> anyhow::Result<Self> {
        let Some(named) = named.filter(|path| !path.as_os_str().is_empty()) else {
            return Err(Hinted::new(
                anyhow!("PAI_HOME is not set"),
                "export PAI_HOME=/path/to/workspace, or pass --home DIR",
            )
            .into());
        };
        let root = named
            .canonicalize()
            .with_context(|| format!("could not open the workspace {} (PAI_HOME)", named.display()))?;
        let found = root
            .metadata()
            .with_context(|| format!("could not open the workspace {} (PAI_HOME)", named.display()))?;
        if !found.is_dir() {
            return Err(anyhow!("the workspace {} (PAI_HOME) is not a folder", named.display()));
        }
        Ok(Self { root })
    }

    /// The workspace itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `archive/`, where backups and archived memory live.
    pub fn archive(&self) -> PathBuf {
        self.root.join("archive")
    }

    /// `logs/`, where the job logs live.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }
}

/// Makes `folder` (mode 0700, less what the umask takes) unless it is there.
pub fn ensure_private_folder(folder: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("could not create folder {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unset_or_missing_home_names_pai_home() {
        for named in [None, Some(Path::new("")), Some(Path::new("/nonexistent/pai"))] {
            let error = Home::resolve(named).unwrap_err();
            assert!(format!("{error:#}").contains("PAI_HOME"), "{error:#}");
        }
    }

    #[test]
    fn a_file_is_no_home() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(Home::resolve(Some(file.path())).is_err());
    }
}
