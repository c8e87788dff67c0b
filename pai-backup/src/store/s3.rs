//! A store in a bucket of any S3-compatible object store. TLS and the async runtime stay in this file.
//!
//! `object_store` rather than `opendal`: the latter asks for a newer compiler than we do. ring is the TLS provider: it
//! needs no more than a C compiler to build.

use std::error::Error as _;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Context;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path;
use object_store::{ClientOptions, Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt, RetryConfig};
use pai_common::clock::Timestamp;
use tokio::runtime::{Builder, Runtime};

use super::backend::{Answer, Backend, Kind, Object, StoreError};
use super::layout;

/// A request that has not ended after this long has failed. A pack must pass in it even over a slow line.
const REQUEST: Duration = Duration::from_secs(300);

/// A prefix of a bucket.
#[derive(Debug)]
pub(crate) struct S3 {
    client: AmazonS3,
    runtime: Runtime,
    prefix: String,
}

impl S3 {
    /// `BUCKET/PREFIX`; credentials, region and endpoint are those of the `AWS_*` variables.
    pub(crate) fn open(place: &str) -> anyhow::Result<Self> {
        static PROVIDER: OnceLock<()> = OnceLock::new();
        PROVIDER.get_or_init(|| {
            // An error means that there is one already.
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let retry = RetryConfig { max_retries: 0, ..RetryConfig::default() };
        let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry);
        let endpoint = builder.get_config_value(&AmazonS3ConfigKey::Endpoint);
        let is_plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
        let options = ClientOptions::new().with_timeout(REQUEST).with_allow_http(is_plain);
        builder = builder.with_client_options(options);
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("could not start the runtime for network requests")?;
        let client = builder
            .build()
            .map_err(|error| anyhow::anyhow!("could not use s3://{place}: {}", causes(&error)))?;
        let prefix = prefix.trim_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Self { client, runtime, prefix })
    }

    /// The library does not tell a listing that is forbidden from one that a busy server did not answer; of a read it does.
    fn list_failed(&self, folder: &str, error: &Error) -> StoreError {
        let listed = failed("list", folder, error);
        match self.get(layout::README, 0, 1) {
            Err(read) if read.kind == Kind::Denied => StoreError::new(Kind::Denied, listed),
            _ => listed,
        }
    }

    fn path(&self, name: &str) -> Path {
        Path::from(format!("{}{name}", self.prefix))
    }
}

/// The error and what caused it, each said once.
fn causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

fn failed(verb: &str, name: &str, error: &Error) -> StoreError {
    let kind = match error {
        Error::NotFound { .. } => Kind::Missing,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => Kind::Denied,
        Error::Generic { .. } | Error::JoinError { .. } => Kind::Passing,
        _ => Kind::Lasting,
    };
    StoreError::new(kind, format_args!("could not {verb} {name}: {}", causes(error)))
}

impl Backend for S3 {
    fn get(&self, name: &str, offset: u64, limit: u64) -> Answer<Vec<u8>> {
        let range = Some(GetRange::Bounded(offset..offset.saturating_add(limit)));
        let options = GetOptions { range, ..GetOptions::default() };
        let read = async {
            let found = self.client.get_opts(&self.path(name), options).await?;
            found.bytes().await
        };
        let bytes = self.runtime.block_on(read).map_err(|error| failed("read", name, &error))?;
        Ok(bytes.into())
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Answer<()> {
        let written = self.runtime.block_on(self.client.put(&self.path(name), bytes.to_vec().into()));
        written.map(drop).map_err(|error| failed("write", name, &error))
    }

    fn list(&self, folder: &str) -> Answer<Vec<Object>> {
        let prefix = format!("{}{folder}/", self.prefix);
        let mut found = Vec::new();
        let mut page_token = None;
        loop {
            let options = PaginatedListOptions { page_token, ..PaginatedListOptions::default() };
            let page = self.runtime.block_on(self.client.list_paginated(Some(&prefix), options));
            let page = page.map_err(|error| self.list_failed(folder, &error))?;
            found.extend(page.result.objects.into_iter().filter_map(|meta| {
                let name = meta.location.as_ref().strip_prefix(&self.prefix)?.to_owned();
                let time = meta.last_modified;
                let modified = Timestamp::new(time.timestamp(), time.timestamp_subsec_nanos());
                Some(Object { name, size: meta.size, modified })
            }));
            page_token = page.page_token;
            if page_token.is_none() {
                found.sort_by(|a, b| a.name.cmp(&b.name));
                return Ok(found);
            }
        }
    }

    fn delete(&self, name: &str) -> Answer<()> {
        match self.runtime.block_on(self.client.delete(&self.path(name))) {
            Err(error) if !matches!(error, Error::NotFound { .. }) => Err(failed("delete", name, &error)),
            _ => Ok(()),
        }
    }
}
