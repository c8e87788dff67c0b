//! Where a store is, as it is named on the command line.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;

use super::backend::Backend;
use super::folder::Folder;
use super::rclone::Rclone;

/// A kind of place, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// A folder.
    Folder(PathBuf),
    /// `BUCKET/PREFIX`.
    S3(String),
    /// `REMOTE:PATH`.
    Rclone(String),
}

impl Address {
    /// Reads `PATH`, `s3://BUCKET/PREFIX` or `rclone:REMOTE:PATH`.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        if let Some(place) = text.strip_prefix("s3://") {
            if place.split('/').next().unwrap_or_default().is_empty() {
                bail!("could not use the store {text}: it names no bucket (s3://BUCKET/PREFIX)");
            }
            return Ok(Self::S3(place.trim_end_matches('/').to_owned()));
        }
        if let Some(remote) = text.strip_prefix("rclone:") {
            if !remote.contains(':') || remote.starts_with('-') {
                bail!("could not use the store {text}: it names no remote (rclone:REMOTE:PATH)");
            }
            return Ok(Self::Rclone(remote.to_owned()));
        }
        if text.is_empty() {
            bail!("could not use the store: its name is empty");
        }
        if let Some((scheme, _)) = text.split_once("://") {
            bail!(
                "could not use the store {text}: {scheme}:// is neither s3:// nor a path; rclone:REMOTE:PATH reaches other places"
            );
        }
        Ok(Self::Folder(std::path::absolute(text)?))
    }

    /// What tells this place from others: the same store has the same text.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Folder(path) => path.to_string_lossy().into_owned(),
            Self::S3(place) => {
                let endpoint = std::env::var("AWS_ENDPOINT_URL").unwrap_or_default();
                format!("s3://{place} {endpoint}").trim_end().to_owned()
            }
            Self::Rclone(remote) => format!("rclone:{remote}"),
        }
    }

    /// Makes ready to send requests there.
    pub(crate) fn connect(&self) -> anyhow::Result<Arc<dyn Backend>> {
        match self {
            Self::Folder(path) => Ok(Arc::new(Folder::new(path.clone()))),
            #[cfg(feature = "s3")]
            Self::S3(place) => Ok(Arc::new(super::s3::S3::open(place)?)),
            #[cfg(not(feature = "s3"))]
            Self::S3(place) => bail!("could not use s3://{place}: built without the feature s3"),
            Self::Rclone(remote) => Ok(Arc::new(Rclone::new(remote))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_place_has_its_form() {
        for (text, address) in [
            ("s3://bucket/a/b/", Address::S3("bucket/a/b".to_owned())),
            ("s3://bucket", Address::S3("bucket".to_owned())),
            ("rclone:box:backups", Address::Rclone("box:backups".to_owned())),
            ("/mnt/disk", Address::Folder("/mnt/disk".into())),
        ] {
            assert_eq!(Address::parse(text).unwrap(), address, "{text}");
        }
        assert!(matches!(Address::parse("disk").unwrap(), Address::Folder(path) if path.is_absolute()));
    }

    #[test]
    fn what_names_no_place_is_refused() {
        for text in ["", "s3://", "s3:///a", "rclone:box", "rclone:-x:", "ftp://host/x"] {
            let error = Address::parse(text).unwrap_err().to_string();
            assert!(error.starts_with("could not use the store"), "{error}");
        }
    }
}
