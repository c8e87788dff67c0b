//! A container, and what the engine says of it.

use serde_json::{Value, json};

/// A container the engine knows.
#[derive(Debug, Clone, Default)]
pub struct Container {
    /// Its name, without the slash.
    pub name: String,
    /// Whether it is up; `docker start` and `docker stop` change it.
    pub running: bool,
    /// Its labels, for example `com.docker.compose.service`.
    pub labels: Vec<(String, String)>,
    /// What commands run in it find in their environment, besides the engine's own.
    pub environment: Vec<(String, String)>,
}

impl Container {
    /// A running container of that name.
    pub fn running(name: &str) -> Self {
        Self { name: name.to_owned(), running: true, ..Self::default() }
    }

    /// The same with these variables for `docker exec`.
    #[must_use]
    pub fn with_environment<'a>(mut self, variables: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        self.environment.extend(variables.into_iter().map(|(name, value)| (name.to_owned(), value)));
        self
    }

    /// The same with a label.
    #[must_use]
    pub fn with_label(mut self, name: &str, value: &str) -> Self {
        self.labels.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn state(&self) -> &'static str {
        if self.running { "running" } else { "exited" }
    }

    /// The engine's ids are 64 hex digits; the same name always gets the same one.
    pub(super) fn id(&self) -> String {
        let number =
            self.name.bytes().fold(0, |sum: u128, byte| sum.wrapping_mul(257).wrapping_add(byte.into()));
        format!("{number:0<64x}")
    }

    pub(super) fn is(&self, reference: &str) -> bool {
        self.name == reference || (reference.len() >= 12 && self.id().starts_with(reference))
    }
}

pub(super) fn inspected(container: &Container) -> Value {
    json!({
        "Id": container.id(), "Name": format!("/{}", container.name), "Image": "sha256:0", "Created": "2026-01-01T00:00:00Z",
        "State": {"Status": container.state(), "Running": container.running, "ExitCode": 0, "StartedAt": "2026-01-01T00:00:00Z"},
        "Config": {"Labels": labels(container), "Image": "test", "Env": [], "Tty": false},
        "HostConfig": {}, "NetworkSettings": {"Networks": {}}, "Mounts": [],
    })
}

pub(super) fn listed_entry(container: &Container) -> Value {
    json!({
        "Id": container.id(), "Names": [format!("/{}", container.name)], "Image": "test", "ImageID": "sha256:0",
        "Command": "test", "Created": 1_767_225_600, "State": container.state(),
        "Status": if container.running { "Up 2 hours" } else { "Exited (0) 2 hours ago" },
        "Labels": labels(container), "Ports": [], "Mounts": [], "NetworkSettings": {"Networks": {}}, "HostConfig": {},
    })
}

fn labels(container: &Container) -> Value {
    container.labels.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect()
}

/// Filters come as `{"label": {"a=b": true}}` or `{"label": ["a=b"]}`.
pub(super) fn passes(container: &Container, filters: &Value) -> bool {
    let wanted = |kind: &str| match &filters[kind] {
        Value::Object(map) => map.keys().cloned().collect(),
        list => strings(list),
    };
    let labelled = |label: &String| match label.split_once('=') {
        Some((name, value)) => container.labels.iter().any(|(n, v)| n == name && v == value),
        None => container.labels.iter().any(|(name, _)| name == label),
    };
    let names = wanted("name");
    wanted("label").iter().all(labelled)
        && (names.is_empty()
            || names.iter().any(|name| container.name.contains(name.trim_matches(['^', '$', '/']))))
        && (filters["status"].is_null() || wanted("status").iter().any(|state| state == container.state()))
}

/// The texts of a list.
pub(super) fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
