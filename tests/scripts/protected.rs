//! Protected paths: no way to them is a way in.

use std::fs;
use std::os::unix::fs::symlink;

use pai_tests::rigs::postgres::Postgres;
use pai_tests::{command, has, repository, run, skip};

use crate::stack::Stack;
use crate::support::names;
use crate::vector_store::sqlite;

/// For each path, the entry of `PROTECTED_PATHS` that protects it, or `free`.
fn verdicts(stack: &Stack, list: &str, paths: &[&str]) -> Vec<String> {
    let lib = repository().join("scripts/lib");
    let script = format!(
        "set -euo pipefail; . '{0}/stack.sh'; . '{0}/protected.sh'; for path in \"$@\"; do
         find_protected \"$path\"; echo \"${{protected:-free}}\"; done",
        lib.display()
    );
    let mut bash = command("bash");
    bash.args(["-c", &script, "test"]).args(paths).env("PROTECTED_PATHS", list);
    let outcome = run(bash.env("STACK_HOME", stack.home()).current_dir(stack.home())).expect(0);
    outcome.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn row_3_9_the_documents_drive_is_protected_in_every_spelling_and_its_neighbours_are_not() {
    let stack = Stack::new();
    fs::create_dir_all(stack.path("D:/DATA/vectorstore")).unwrap();
    let inside = [
        "D:/DATA",
        "D:/DATA/",
        "d:/data/vectorstore",
        r"D:\DATA\cache",
        r"d:\Data",
        "D:/DATA/logs/../cache",
        "D:/x/../DATA",
        "/mnt/d/DATA/cache",
        "/mnt/d/data",
        "/cygdrive/d/DATA/x",
        "/d/DATA",
        "D:",
        "/mnt/d",
    ];
    // A folder that a program for Windows made here, whoever asks for it.
    let linux = stack.path("D:/DATA/vectorstore/chroma.sqlite3");
    let inside: Vec<&str> =
        inside.into_iter().chain([linux.to_str().unwrap(), "D:/DATA/../DATA/vectorstore"]).collect();
    for (path, verdict) in inside.iter().zip(verdicts(&stack, "D:/DATA", &inside)) {
        assert_eq!(verdict, "D:/DATA", "{path}");
    }
    let outside =
        ["D:/DATABASE", "D:/DAT", "E:/DATA", "/mnt/e/data", "D:/DATA/../GUI", "/data", "deployment"];
    for (path, verdict) in outside.iter().zip(verdicts(&stack, "D:/DATA", &outside)) {
        assert_eq!(verdict, "free", "{path}");
    }
    // Without a setting it is protected all the same.
    let unset =
        run(stack.script("tasks/purge-documents.sh").args(["-y", r"d:\data\x.db", "t:id", "true"])).expect(2);
    assert!(unset.stderr.contains(r"refused: d:\data\x.db is protected (D:/DATA)"), "{}", unset.stderr);
}

#[test]
fn row_3_9_links_dots_and_what_holds_a_protected_path_are_seen_through() {
    let stack = Stack::new();
    for folder in ["data/sub", "data/logs", "database", "other/deep"] {
        fs::create_dir_all(stack.path(folder)).unwrap();
    }
    symlink(stack.path("data"), stack.path("link")).unwrap();
    symlink("../data/sub", stack.path("other/sub")).unwrap();
    symlink(stack.path("other"), stack.path("data/out")).unwrap();
    let list = "data;!data/logs";
    let cases = [
        ("data", "data"),
        ("data/new file", "data"),
        ("./other/../data/x", "data"),
        ("link/x", "data"),
        ("other/sub", "data"),
        ("other/deep/../sub/x", "data"),
        ("data/out/file", "data"),
        (".", "data"),
        ("..", "data"),
        ("/", "data"),
        ("database", "free"),
        ("dat", "free"),
        ("other/deep", "free"),
        ("data/logs/app.log", "free"),
        ("data/logs", "free"),
        ("data/logs/../x", "data"),
        ("link/logs/x", "free"),
        ("data\nx", "free"),
    ];
    let paths: Vec<&str> = cases.iter().map(|case| case.0).collect();
    for ((path, expected), verdict) in cases.iter().zip(verdicts(&stack, list, &paths)) {
        assert_eq!(verdict, *expected, "{path:?}");
    }
    // The same from the file; comments are none, and a line may end as Windows ends it.
    stack.write("deployment/protected-paths", "# the main database\r\ndata\r\n");
    assert_eq!(verdicts(&stack, "", &["link/x", "database"]), ["data", "free"]);
}

#[test]
fn row_3_9_a_bind_mount_of_a_protected_folder_is_protected() {
    let stack = Stack::new();
    for folder in ["data", "mounted"] {
        fs::create_dir_all(stack.path(folder)).unwrap();
    }
    let lib = repository().join("scripts/lib");
    let line = format!(
        "mount --bind data mounted && . '{0}/stack.sh' && . '{0}/protected.sh' && find_protected mounted/x && echo ${{protected:-free}}",
        lib.display()
    );
    let mut bash = command("unshare");
    bash.args(["--mount", "bash", "-c", &line])
        .env("PROTECTED_PATHS", "data")
        .env("STACK_HOME", stack.home());
    let outcome = run(bash.current_dir(stack.home()));
    if outcome.status != Some(0) {
        return skip("no mount of one's own here (needs root)");
    }
    assert_eq!(outcome.stdout, "data\n");
}

#[test]
fn row_3_9_purge_deletes_from_a_local_store_after_a_copy_and_from_a_protected_one_nothing() {
    if !has("sqlite3") {
        return skip("no sqlite3");
    }
    let stack = Stack::new();
    fs::create_dir(stack.path("data")).unwrap();
    symlink(stack.path("data"), stack.path("link")).unwrap();
    let tables = "CREATE TABLE documents (id INTEGER PRIMARY KEY, text); CREATE TABLE vectors (document, embedding);
        INSERT INTO documents VALUES (1, 'old'), (2, 'old'), (3, 'new'); INSERT INTO vectors VALUES (1, 'a'), (2, 'b'), (3, 'c');";
    let (local, main) = (stack.path("test.db"), stack.path("data/main.db"));
    for file in [&local, &main] {
        sqlite(file, tables);
    }
    stack.settings("PROTECTED_PATHS=D:/DATA;data\n");
    let purge = |file: &str, options: &[&str], condition: &str| {
        let mut script = stack.script("tasks/purge-documents.sh");
        run(script
            .args(options)
            .args([file, "documents:id;vectors:document", condition])
            .current_dir(stack.home()))
    };
    let left =
        "SELECT (SELECT group_concat(id) FROM documents), (SELECT group_concat(document) FROM vectors)";

    for way in ["data/main.db", "link/main.db", "deployment/../data/main.db"] {
        let refused = purge(way, &["--yes"], "text = 'old'").expect(2);
        assert!(
            refused.stderr.contains(&format!("refused: {way} is protected (data)")),
            "{}",
            refused.stderr
        );
    }
    assert_eq!(sqlite(&main, left), "1,2,3|1,2,3");

    let counted = purge("test.db", &[], "text = 'old'").expect(0);
    assert!(
        counted.stdout.contains("2 of 3 documents") && counted.stdout.contains("needs --yes"),
        "{}",
        counted.stdout
    );
    purge("test.db", &["--yes"], "text = 'old'; DROP TABLE documents").expect(2);
    purge("test.db", &["--yes"], "no_such = 1").expect(2);
    purge("test.db", &["--yes"], "true").expect(2);
    // A key that is no column: SQLite would take it for a text that every row equals.
    for tables in ["documents:key", "documents:id;vectors:key", "nothing:id"] {
        let mut script = stack.script("tasks/purge-documents.sh");
        run(script.args(["--yes", "test.db", tables, "text = 'old'"]).current_dir(stack.home())).expect(2);
    }
    assert_eq!(sqlite(&local, left), "1,2,3|1,2,3");
    purge("test.db", &["--yes"], "text = 'old'").expect(0);
    assert_eq!(sqlite(&local, left), "3|3", "the vectors go with their documents");
    let copy = stack.backups().join(&names(&stack.backups())[0]);
    assert_eq!(sqlite(&copy, left), "1,2,3|1,2,3");
}

#[test]
fn row_3_9_every_task_that_deletes_or_rewrites_leaves_protected_paths_alone() {
    if !has("sqlite3") {
        return skip("no sqlite3");
    }
    let stack = Stack::new();
    stack.write("deployment/logs/app.log", "line\n");
    stack.write("deployment/logs/app.log-20200101-000000.gz", "old");
    stack.write("deployment/logs/maintenance-20200101_000000.log", "old");
    run(command("touch").args(["-d", "2020-01-01"]).args(names(&stack.logs())).current_dir(stack.logs()))
        .expect(0);
    for n in 1..=5 {
        stack.write(&format!("deployment/backups/pa-ecosystem-backup-2020010{n}_000000/file"), "old");
    }
    run(command("bash").args(["-c", "touch -d 2020-01-01 *"]).current_dir(stack.backups())).expect(0);
    stack.backup_verified(0);
    let store = stack.path("data/vectors.db");
    fs::create_dir(stack.path("data")).unwrap();
    sqlite(&store, "CREATE TABLE documents (id); INSERT INTO documents VALUES (1)");
    stack.write("access.csv", "document_id\n1\n");
    let (bytes, logs, backups) = (fs::read(&store).unwrap(), names(&stack.logs()), names(&stack.backups()));

    let home = stack.home().display().to_string();
    let everything =
        format!("PROTECTED_PATHS={home}\nVECTOR_STORES=data/vectors.db\nCACHE_LOGS=access.csv\n");
    stack.settings(&format!(
        "{everything}CACHE_SOURCE=data/vectors.db\nCACHE_FILE=data/hot.db\nEMERGENCY_FREE=1000T\n"
    ));
    for (task, status) in [
        ("log-rotation", 1),
        ("comprehensive-cleanup", 1),
        ("defragment", 1),
        ("cache-rebuild", 2),
        ("emergency", 1),
    ] {
        let mut script = stack.script(&format!("tasks/{task}.sh"));
        let outcome = run(script.env("MAINTENANCE_YES", "yes").env("LOG_ROTATE_AGE", "1s")).expect(status);
        assert!(outcome.stderr.contains("is protected ("), "{task}: {}", outcome.stderr);
        assert!(
            logs.iter().all(|name| names(&stack.logs()).contains(name)),
            "{task}: {:?}",
            names(&stack.logs())
        );
        assert_eq!(
            (names(&stack.backups()), fs::read(&store).unwrap()),
            (backups.clone(), bytes.clone()),
            "{task}"
        );
        assert!(!stack.path("data/hot.db").exists(), "{task}");
    }
    assert_eq!(stack.read("deployment/logs/app.log"), "line\n");
}

#[test]
fn row_3_9_a_local_server_whose_data_are_in_a_protected_folder_is_left_alone() {
    let Some(postgres) = Postgres::start() else { return };
    postgres.sql("postgres", "CREATE DATABASE letta");
    let stack = Stack::new();
    let mut script = stack.script("tasks/defragment.sh");
    script.envs(postgres.environment()).env("DATABASE_SERVICE", "local").arg("postgres:*");
    script.env("PROTECTED_PATHS", postgres.host());
    let outcome = run(&mut script).expect(2);
    assert!(outcome.stderr.contains("left alone: the server's"), "{}", outcome.stderr);
}
