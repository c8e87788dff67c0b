//! The stores' libraries are installed once on a machine, for every checkout, and found again.

use std::fs;
use std::path::Path;

use pai_tests::{Outcome, command, repository, run};

use crate::stack::Stack;
use crate::support::{names, path_with};

/// A pip that makes a folder for each package, and fails for those in the file `unreachable`.
const PIP: &str = "case \"$*\" in --version) echo \"Python ${VERSION-3.11.2}\"; exit 0 ;; esac
echo \"$*\" >>$CALLS
while [ \"$1\" != --target ]; do shift; done
to=$2; shift 2; status=0
for word; do
  case $word in -*) continue ;; esac
  name=${word%%=*}
  if grep -qxF $name unreachable 2>/dev/null; then status=1; continue; fi
  mkdir -p $to/$(echo $name | sed 's/-cpu//; s/-/_/')
done
exit $status";

fn install(stack: &Stack, checkout: &str, version: &str) -> Outcome {
    let programs = stack.programs(&[("python3", PIP)]);
    let mut bash = command("bash");
    bash.args(["-c", "set -euo pipefail; . \"$0\"; install_vector_stores \"$1\""]);
    bash.arg(repository().join("scripts/dev/lib/packages.sh"))
        .arg(stack.path(checkout).join("target/python"));
    bash.env("PATH", path_with(&[&programs]))
        .env("PAI_LIBRARIES", stack.path("cache"))
        .env("VERSION", version);
    run(bash.current_dir(stack.home())).expect(0)
}

fn kept(stack: &Stack) -> Vec<String> {
    names(&stack.path("cache")).into_iter().filter(|name| !name.ends_with(".lock")).collect()
}

#[test]
fn libraries_are_installed_once_for_all_checkouts_and_what_is_missing_is_tried_again() {
    let stack = Stack::new();
    // No network for one of them: the others can be used, and the folder is not taken for a whole one.
    stack.write("unreachable", "lancedb\n");
    install(&stack, "one", "3.11.2");
    assert!(kept(&stack)[0].ends_with(".part") && stack.path("one/target/python/annoy").is_dir());
    stack.write("unreachable", "");
    let tried = stack.calls().len();
    install(&stack, "one", "3.11.2");
    assert_eq!(stack.calls().len(), tried + 1, "what is there is not installed again: {:?}", stack.calls());
    assert!(kept(&stack).len() == 1 && !kept(&stack)[0].ends_with(".part"), "{:?}", kept(&stack));

    // Another checkout, and one whose target was cleaned.
    fs::remove_file(stack.path("one/target/python")).unwrap();
    for checkout in ["one", "two"] {
        install(&stack, checkout, "3.11.2");
        assert!(stack.path(checkout).join("target/python/lancedb").is_dir());
    }
    assert_eq!(stack.calls().len(), tried + 1, "{:?}", stack.calls());
    // Another Python does not get what was built for this one.
    install(&stack, "two", "3.13.1");
    assert_eq!(kept(&stack).len(), 2);
    // A folder that was there before is used, and completed where it is.
    stack.write("old/target/python/chromadb/there", "");
    install(&stack, "old", "3.11.2");
    assert!(fs::symlink_metadata(stack.path("old/target/python")).unwrap().is_dir());
    assert!(Path::new(&stack.path("old/target/python/lancedb")).is_dir());
}
