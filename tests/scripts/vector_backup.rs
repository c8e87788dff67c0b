//! `backup.sh` with vector stores: each is copied in the way that restores, and the service is stopped only where it must be.

use std::fs;
use std::process::{Child, Command, Stdio};

use pai_tests::{Outcome, command, run};

use crate::stack::Stack;
use crate::support::names;
use crate::vector_files::{check, make, task};
use crate::vector_store::sqlite;

/// A program that has Chroma's database open; its number is in the file `pid`.
struct Service(Child);

impl Service {
    fn start(stack: &Stack) -> Self {
        let mut service = command("sleep");
        service
            .arg("300")
            .stdin(Stdio::from(fs::File::open(stack.path("data/chroma/chroma.sqlite3")).unwrap()));
        let service = Self(service.spawn().unwrap());
        stack.write("pid", &service.0.id().to_string());
        service
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn backup(stack: &Stack, stores: &str) -> Command {
    let mut backup = task(stack, "backup.sh");
    backup
        .arg("--data-only")
        .env("DATABASE_SERVICE", "none")
        .env("BACKUP_VOLUMES", "none")
        .env("BACKUP_STORES", stores);
    backup.env("BACKUP_START", "echo started >>events");
    // It is gone, and what it had open is closed, once it is a zombie; only its parent can take that away.
    let stop = "echo stopped >>events; kill $(cat pid); until grep -q '^State:.Z' /proc/$(cat pid)/status; do sleep 0.05; done";
    backup.env("BACKUP_STOP", stop);
    backup
}

fn folder(outcome: &Outcome) -> std::path::PathBuf {
    outcome.stdout.trim().into()
}

#[test]
fn vector_stores_are_in_the_backup_in_a_form_that_restores_and_the_service_runs_again_whatever_happens() {
    let stack = Stack::new();
    fs::create_dir(stack.path("data")).unwrap();
    if !make(&stack.path("data"), 300, &["chroma", "annoy"]) {
        return;
    }
    sqlite(
        &stack.path("data/plain.db"),
        "CREATE TABLE documents (id INTEGER PRIMARY KEY); INSERT INTO documents VALUES (7)",
    );
    let stores = "chroma:data/chroma;annoy:data/annoy?dimensions=32;data/plain.db;postgres:letta";
    let service = Service::start(&stack);

    // In use, and nobody says how to stop it: the backup is not whole, and the others are in it.
    let outcome = run(backup(&stack, stores).env("BACKUP_STOP", "")).expect(1);
    assert!(outcome.stderr.contains("chroma is in use by process"), "{}", outcome.stderr);
    let incomplete = names(&stack.backups()).into_iter().find(|name| name.ends_with(".incomplete")).unwrap();
    assert_eq!(names(&stack.backups().join(&incomplete).join("stores")).len(), 2, "{}", outcome.stderr);
    fs::remove_dir_all(stack.backups().join(incomplete)).unwrap();
    assert!(!stack.path("events").exists(), "what was not stopped is not started");

    let dry = run(backup(&stack, stores).arg("--dry-run")).expect(0);
    assert!(dry.stdout.contains("would copy: chroma:") && !stack.path("events").exists(), "{}", dry.stdout);
    let outcome = run(&mut backup(&stack, stores)).expect(0);
    drop(service);
    assert_eq!(stack.read("events"), "stopped\nstarted\n");
    let made = folder(&outcome);
    let kept = names(&made.join("stores"));
    assert_eq!(kept.len(), 3, "{kept:?}");
    let plan = run(task(&stack, "restore.sh").arg("--dry-run").arg(&made));
    assert_eq!(plan.stdout.matches("left to you: the vector store in stores/").count(), 3, "{}", plan.stderr);
    assert!(names(&made).iter().all(|name| !name.starts_with('.')), "{:?}", names(&made));
    for name in &kept {
        run(command("tar").arg("-xzf").arg(made.join("stores").join(name)).current_dir(stack.home()))
            .expect(0);
    }
    assert_eq!(check(&stack, "chroma:chroma-chroma")["vectors"], 210);
    assert_eq!(check(&stack, "annoy:annoy-annoy?dimensions=32")["vectors"], 300);
    let copy = stack.path("sqlite-plain.db").join(&names(&stack.path("sqlite-plain.db"))[0]);
    assert_eq!(sqlite(&copy, "SELECT id FROM documents"), "7");

    // The service is started again although a copy failed.
    fs::remove_file(stack.path("events")).unwrap();
    let _service = Service::start(&stack);
    let outcome = run(&mut backup(&stack, "annoy:data/none?dimensions=32;chroma:data/chroma")).expect(1);
    assert!(outcome.stderr.contains("could not back up the store annoy:"), "{}", outcome.stderr);
    assert_eq!(stack.read("events"), "stopped\nstarted\n");
}
