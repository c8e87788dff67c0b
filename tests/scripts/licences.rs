//! `scripts/dev/check-licences.sh`: what is on its list passes, everything else is named.

use std::fs;

use pai_tests::{Outcome, has, run, scratch, skip};
use serde_json::json;

use crate::support::script;

/// The verdict on a workspace of crates with these licences.
fn check(licences: &[Option<&str>]) -> Outcome {
    let crates = licences.iter().enumerate();
    let mut packages: Vec<_> = crates
        .map(|(number, licence)| {
            json!({ "id": number.to_string(), "name": format!("crate-{number}"), "version": "1.0.0", "license": licence })
        })
        .collect();
    let built: Vec<_> = (0..licences.len()).map(|number| json!({ "id": number.to_string() })).collect();
    // Crates of other platforms are known, and not built.
    let foreign = json!({ "id": "x", "name": "windows-only", "version": "1.0.0", "license": "GPL-3.0-only" });
    packages.push(foreign);
    let metadata = json!({ "packages": packages, "resolve": { "nodes": built } });
    let folder = scratch();
    let file = folder.path().join("metadata");
    fs::write(&file, metadata.to_string()).unwrap();
    run(script("dev/check-licences.sh").arg(&file))
}

#[test]
fn a_choice_with_a_licence_on_the_list_passes_and_nothing_else() {
    if !has("jq") {
        return skip("no jq");
    }
    for licence in [
        "MIT",
        "MIT OR Apache-2.0",
        "MIT/Apache-2.0",
        "GPL-3.0-only OR MIT",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert_eq!(
            check(&[Some(licence)]).expect(0).stdout,
            "licences: 1 crates checked, 0 refused\n",
            "{licence}"
        );
    }
    for licence in [
        Some("GPL-3.0-only"),
        Some("MIT AND GPL-2.0"),
        Some("(MIT OR Apache-2.0) AND CC-BY-NC-4.0"),
        Some("GPL-2.0 WITH Classpath-exception-2.0"),
        Some("mit"),
        None,
    ] {
        let refused = check(&[Some("MIT"), licence]).expect(1);
        let named = licence.unwrap_or("none named");
        assert_eq!(refused.stderr, format!("crate-1 1.0.0: its licence is not on the list: {named}\n"));
        assert_eq!(refused.stdout, "licences: 2 crates checked, 1 refused\n");
    }
}

#[test]
fn nothing_to_check_is_no_pass() {
    if !has("jq") {
        return skip("no jq");
    }
    check(&[]).expect(2);
    run(script("dev/check-licences.sh").arg("/nowhere")).expect(1);
    run(script("dev/check-licences.sh").arg("--no-such-option")).expect(2);
}
