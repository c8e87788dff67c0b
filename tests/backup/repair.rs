//! `repair`: whatever is damaged comes back from what others hold, or is named.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use pai_backup::archive::member::Announced;
use pai_backup::archive::open::Archive;
use pai_backup::entry::Kind;
use pai_tests::{Outcome, command, run};

use crate::craft::{Item, members, write_ours};
use crate::fixtures::{Workspace, archived_tree, assert_same_tree, names_in, noise, set_time, tree};

/// Two nights of one workspace that did not change between them.
struct Scene {
    workspace: Workspace,
    /// The archive that is damaged, and its bytes.
    path: PathBuf,
    good: Vec<u8>,
    /// Every file it holds.
    files: BTreeSet<PathBuf>,
}

/// Where in an archive damage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Region {
    Data,
    Header,
    Index,
    Footer,
}

impl Scene {
    fn new() -> Self {
        let workspace = Workspace::demo();
        for number in 0..60 {
            workspace.write(&format!("projects/{number:02}.md"), &text(number));
        }
        workspace.write("large", &noise(300 << 10, 3));
        fs::hard_link(workspace.home().join("large"), workspace.home().join("second name")).unwrap();
        for path in archived_tree(workspace.home()).keys() {
            set_time(&workspace.home().join(path), 1_700_000_000, 5);
        }
        let path = workspace.back_up(["-q", "--now", "2026-11-01T02:00:00Z"]);
        workspace.back_up(["-q", "--now", "2026-11-02T02:00:00Z"]);
        let good = fs::read(&path).unwrap();
        let files = files_of(&path);
        Self { workspace, path, good, files }
    }

    /// Nobody else has what the archive has.
    fn alone(&self) {
        fs::remove_file(self.neighbour()).unwrap();
        for path in archived_tree(self.workspace.home()).keys().rev() {
            let path = self.workspace.home().join(path);
            let _ = if path.is_dir() && !path.is_symlink() {
                fs::remove_dir(path)
            } else {
                fs::remove_file(path)
            };
        }
    }

    fn neighbour(&self) -> PathBuf {
        self.path.with_file_name("pai-20261102-020000.tar.gz")
    }

    fn repair(&self, damaged: &[u8], more: &[&str]) -> Outcome {
        fs::write(&self.path, damaged).unwrap();
        let _ = fs::remove_file(self.broken());
        let name = self.path.file_name().unwrap().to_str().unwrap();
        let mut command = self.workspace.pai(["repair", name]);
        run(command.args(more).env("XDG_CACHE_HOME", self.workspace.beside("cache")))
    }

    fn broken(&self) -> PathBuf {
        self.path.with_file_name("pai-20261101-020000.tar.gz.broken")
    }

    /// What each member is part of, and where it lies.
    fn regions(&self) -> Vec<(Region, Range<usize>)> {
        let mut offset = 0;
        let mut index_begun = false;
        let place = |(announced, bytes): (Announced, Vec<u8>)| {
            let region = match announced {
                Announced::Data { .. } => Region::Data,
                Announced::Index(_) if !std::mem::replace(&mut index_begun, true) => Region::Header,
                Announced::Index(_) => Region::Index,
                Announced::Footer(_) => Region::Footer,
            };
            let start = offset;
            offset += bytes.len();
            (region, start..offset)
        };
        members(&self.good).into_iter().map(place).collect()
    }

    /// One damaged copy for each way and place.
    fn damages(&self) -> Vec<(String, Region, Vec<u8>)> {
        let mut damages = Vec::new();
        for (region, Range { start: offset, end }) in self.regions() {
            let length = end - offset;
            for at in [0, 12, 20, length / 2, length - 1] {
                let mut damaged = self.good.clone();
                damaged[offset + at] ^= 0x10;
                damages.push((format!("flip at {}", offset + at), region, damaged));
            }
            let mut zeroed = self.good.clone();
            zeroed[offset..end].fill(0);
            damages.push((format!("zeros from {offset} to {end}"), region, zeroed));
        }
        damages
    }

    /// Each cut: at every border of members, and in the middle of each.
    fn cuts(&self) -> Vec<(usize, Region)> {
        let mut cuts = Vec::new();
        for (region, Range { start, end }) in self.regions() {
            cuts.extend([(start, region), (start.midpoint(end), region)]);
        }
        cuts.retain(|(cut, _)| *cut > 0);
        cuts
    }
}

fn text(number: u64) -> Vec<u8> {
    let words = noise(3000, number + 10);
    words.iter().map(|byte| b'a' + byte % 26).collect()
}

fn files_of(archive: &Path) -> BTreeSet<PathBuf> {
    let archive = Archive::open(archive).unwrap();
    let groups = archive.index().unwrap().groups().map(|group| group.unwrap().1);
    groups.flat_map(|group| group.records).map(|record| record.entry.path).collect()
}

/// Asserts that an archive verifies, and says what it holds.
#[track_caller]
fn sound(path: &Path, what: &str) -> BTreeSet<PathBuf> {
    let verified = run(pai_tests::command(pai_tests::tool("pai-backup")).arg("verify").arg(path));
    assert_eq!(verified.status, Some(0), "{what}: {}", verified.stdout);
    files_of(path)
}

#[test]
fn every_damage_is_mended_from_a_neighbour_that_holds_the_same() {
    let scene = Scene::new();
    let (mut exact, mut made_anew) = (0, 0);
    for (what, region, damaged) in scene.damages() {
        let told = scene.repair(&damaged, &[]);
        assert_eq!(told.status, Some(0), "{what} {region:?}: {}{}", told.stdout, told.stderr);
        assert!(!scene.broken().exists(), "{what}: mended whole, nothing is kept");
        if fs::read(&scene.path).unwrap() == scene.good {
            exact += 1;
        } else {
            // When the archive was made, and of what, stands in its header alone.
            assert_eq!(region, Region::Header, "{what}: {}", told.stdout);
            assert_eq!(sound(&scene.path, &what), scene.files, "{what}");
            made_anew += 1;
        }
    }
    for (cut, region) in scene.cuts() {
        let told = scene.repair(&scene.good[..cut], &[]);
        match region {
            Region::Index | Region::Footer => {
                assert_eq!(told.status, Some(0), "cut at {cut} {region:?}: {}{}", told.stdout, told.stderr);
                assert_eq!(fs::read(&scene.path).unwrap(), scene.good, "cut at {cut}");
                exact += 1;
            }
            Region::Header => {
                assert!(told.status < Some(2), "cut at {cut}: {}", told.stderr);
                assert_eq!(sound(&scene.path, &format!("cut at {cut}")), scene.files, "cut at {cut}");
                made_anew += 1;
            }
            Region::Data => {}
        }
    }
    println!("repaired: {exact} byte for byte, {made_anew} with a header made anew");
    assert!(exact > 80 && made_anew < 12, "{exact} {made_anew}");
    assert_eq!(names_in(&scene.workspace.home().join("archive")).len(), 2, "nothing is left over");
}

#[test]
fn every_damage_and_every_cut_is_mended_from_the_store_byte_for_byte() {
    let scene = Scene::new();
    let store = scene.workspace.beside("store");
    let cache = scene.workspace.beside("cache");
    let pushed =
        run(scene.workspace.pai(["push", "--all", "--store"]).arg(&store).env("XDG_CACHE_HOME", cache));
    pushed.expect(0);
    scene.alone();
    let store = ["--store", store.to_str().unwrap()];
    let cuts = scene.cuts().into_iter().map(|(cut, _)| (format!("cut at {cut}"), scene.good[..cut].to_vec()));
    let damages = scene.damages().into_iter().map(|(what, _, damaged)| (what, damaged));
    let mut count = 0;
    let all: Vec<(String, Vec<u8>)> = cuts.chain(damages).collect();
    // Whatever the place of the damage is, a third of them tells.
    for (what, damaged) in all.into_iter().step_by(3) {
        let told = scene.repair(&damaged, &store);
        if fs::read(&scene.path).unwrap() != scene.good {
            // Nothing whole is left of it that would tell that it is the same archive.
            assert_eq!(told.status, Some(2), "{what}: {}{}", told.stdout, told.stderr);
            assert_eq!(fs::read(&scene.path).unwrap(), damaged, "{what}: left as it was");
            continue;
        }
        assert_eq!(told.status, Some(0), "{what}: {}", told.stderr);
        count += 1;
    }
    println!("repaired from the store: {count} byte for byte");
    assert!(count > 40, "{count}");
}

#[test]
fn without_a_neighbour_the_loss_is_named_exactly_and_the_rest_is_kept() {
    let scene = Scene::new();
    let archive = Archive::open(&scene.path).unwrap();
    let groups: Vec<_> = archive.index().unwrap().groups().map(Result::unwrap).collect();
    let tree_before = archived_tree(scene.workspace.home());
    scene.alone();
    let (mut lost_files, mut cases) = (0, 0);
    for (start, group) in &groups {
        if group.records.is_empty() {
            continue;
        }
        let length: u64 = group.members.iter().map(|info| u64::from(info.size)).sum();
        let mut damaged = scene.good.clone();
        damaged[(start + length - 1) as usize] ^= 1;
        let told = scene.repair(&damaged, &[]);
        if group.records.iter().all(|record| record.entry.kind != Kind::File) {
            // Folders and links are all in the index.
            assert_eq!(fs::read(&scene.path).unwrap(), scene.good, "{}{}", told.stdout, told.stderr);
            continue;
        }
        assert_eq!(told.status, Some(1), "{}{}", told.stdout, told.stderr);
        let mut lost: BTreeSet<PathBuf> =
            group.records.iter().map(|record| record.entry.path.clone()).collect();
        let kept: BTreeSet<PathBuf> = scene.files.difference(&lost).cloned().collect();
        assert_eq!(sound(&scene.path, "the rest"), kept);
        if group.records.iter().any(|record| record.entry.path == Path::new("large")) {
            lost.insert(PathBuf::from("second name"));
        }
        let named: BTreeSet<PathBuf> =
            told.stdout.lines().filter_map(|line| line.strip_prefix("lost ")).map(PathBuf::from).collect();
        assert_eq!(named, lost);
        let listed = run(&mut scene.workspace.pai(["list"])).expect(0);
        assert!(
            listed.stdout.contains(&format!("partial ({} left out or cut)", lost.len())),
            "{}",
            listed.stdout
        );
        assert_eq!(fs::read(scene.broken()).unwrap(), damaged, "the damaged one is kept");
        let target = scene.workspace.beside("target");
        let restored = run(scene.workspace.pai(["restore"]).arg(&scene.path).arg("--target").arg(&target));
        let mut expected = tree_before.clone();
        expected.retain(|path, node| kept.contains(path) && !lost.contains(path) && node.kind != 'd');
        let mut found = tree(&target);
        found.retain(|_, node| node.kind != 'd');
        assert_same_tree(&found, &expected);
        assert!(restored.status < Some(2));
        fs::remove_dir_all(&target).unwrap();
        lost_files += lost.len();
        cases += 1;
    }
    println!("lost without a neighbour: {lost_files} files in {cases} cases, each named");
}

#[test]
fn a_damaged_index_alone_costs_nothing() {
    let scene = Scene::new();
    scene.alone();
    for (what, region, damaged) in scene.damages() {
        if region == Region::Data {
            continue;
        }
        let told = scene.repair(&damaged, &[]);
        assert_eq!(told.status, Some(0), "{what}: {}{}", told.stdout, told.stderr);
        assert_eq!(sound(&scene.path, &what), scene.files, "{what}");
    }
}

#[test]
fn an_archive_cut_short_keeps_what_is_left_and_says_where_it_ends() {
    let scene = Scene::new();
    scene.alone();
    for (cut, region) in scene.cuts().into_iter().step_by(3) {
        let what = format!("cut at {cut}");
        let before = scene.workspace.beside("before");
        fs::write(&scene.path, &scene.good[..cut]).unwrap();
        run(scene.workspace.pai(["restore"]).arg(&scene.path).arg("--target").arg(&before));
        let told = scene.repair(&scene.good[..cut], &[]);
        if region == Region::Data {
            assert!(matches!(told.status, Some(1 | 2)), "{what}: {}", told.stderr);
        } else {
            assert_eq!(told.status, Some(0), "{what}: {}{}", told.stdout, told.stderr);
        }
        if told.status == Some(2) {
            assert_eq!(fs::read(&scene.path).unwrap(), &scene.good[..cut], "{what}: left as it was");
        } else {
            let held = sound(&scene.path, &what);
            let saved: BTreeSet<PathBuf> = tree(&before).into_keys().collect();
            // What the damaged one had beyond this was no whole member.
            let worse: Vec<&PathBuf> = saved.difference(&held).collect();
            assert!(worse.is_empty(), "{what}: {worse:?}");
            let says = told.stdout.contains("which files that were is not known");
            assert_eq!(says, region == Region::Data, "{what}: {}", told.stdout);
        }
        let _ = fs::remove_dir_all(&before);
    }
}

#[test]
fn unchanged_files_mend_an_archive_and_changed_ones_do_not() {
    let scene = Scene::new();
    fs::remove_file(scene.neighbour()).unwrap();
    let mut count = 0;
    for (what, region, damaged) in scene.damages().into_iter().step_by(2) {
        if region == Region::Data && what.starts_with("flip") {
            let told = scene.repair(&damaged, &[]).expect(0);
            assert_eq!(fs::read(&scene.path).unwrap(), scene.good, "{what}: {}", told.stdout);
            assert!(told.stdout.starts_with("mend "), "{what}: {}", told.stdout);
            count += 1;
        }
    }
    assert!(count > 10, "{count}");
    scene.workspace.write("large", &noise(300 << 10, 4));
    set_time(&scene.workspace.home().join("large"), 1_700_000_000, 5);
    let archive = Archive::open(&scene.path).unwrap();
    let of_large = archive.index().unwrap().groups().map(Result::unwrap).find(|(_, group)| {
        group
            .records
            .iter()
            .any(|record| record.entry.path == Path::new("large") && record.entry.kind == Kind::File)
    });
    let (start, group) = of_large.unwrap();
    let mut damaged = scene.good.clone();
    damaged[(start + u64::from(group.members[0].size) + 100) as usize] ^= 1;
    let told = scene.repair(&damaged, &[]).expect(1);
    assert!(told.stdout.contains("lost large\nlost second name\n"), "{}", told.stdout);
}

#[test]
fn a_plan_changes_nothing_and_verify_tells_of_repair_or_does_it() {
    let scene = Scene::new();
    let mut damaged = scene.good.clone();
    damaged[300] ^= 1;
    let planned = scene.repair(&damaged, &["-n"]).expect(0);
    assert!(planned.stdout.contains(" bytes at "), "{}", planned.stdout);
    assert!(planned.stdout.contains(", from pai-20261102-020000.tar.gz\n"), "{}", planned.stdout);
    assert!(
        planned.stdout.ends_with(": mendable (1 member put in, byte for byte as it was)\n"),
        "{}",
        planned.stdout
    );
    assert_eq!(fs::read(&scene.path).unwrap(), damaged);
    let json = scene.repair(&damaged, &["-n", "--json"]).expect(0);
    assert!(json.stdout.contains(r#""type":"member","size":"#), "{}", json.stdout);
    assert!(
        json.stdout.contains(r#""state":"mendable","members":1,"lost":0,"as_it_was":true}"#),
        "{}",
        json.stdout
    );

    let verified = run(&mut scene.workspace.pai(["verify", "--all"])).expect(1);
    let hint =
        format!("hint: pai-backup repair -n {} shows what other archives can mend\n", scene.path.display());
    assert!(verified.stderr.ends_with(&hint), "{}", verified.stderr);
    let repaired = run(&mut scene.workspace.pai(["verify", "--all", "--repair", "-q"])).expect(1);
    assert!(
        repaired.stdout.ends_with(": mended (1 member put in, byte for byte as it was)\n"),
        "{}",
        repaired.stdout
    );
    assert_eq!(fs::read(&scene.path).unwrap(), scene.good);
    let whole = run(&mut scene.workspace.pai(["verify", "--all", "--repair"])).expect(0);
    assert_eq!((whole.stdout.matches(": OK\n").count(), whole.stderr.as_str()), (2, ""));
    let good = scene.repair(&scene.good, &[]).expect(0);
    assert_eq!(good.stdout, format!("{}: good\n", scene.path.display()));
}

#[test]
fn what_does_not_verify_while_it_is_written_does_not_take_the_name() {
    let scene = Scene::new();
    // Each member is what the index says, and the index says another digest of the file.
    let items = [Item::file("a", b"content")];
    write_ours(&scene.path, &items, |_, records| records[0].digest = Some([9; 32]));
    fs::copy(&scene.path, scene.neighbour()).unwrap();
    let mut damaged = fs::read(&scene.path).unwrap();
    let data = members(&damaged).into_iter().filter(|(is, _)| matches!(is, Announced::Data { .. }));
    let end_of_data: usize = data.map(|(_, bytes)| bytes.len()).sum();
    damaged[end_of_data - 1] ^= 1;
    let told = scene.repair(&damaged, &[]).expect(2);
    let why = "what was put together does not verify, and nothing was replaced: the index disagrees";
    assert!(told.stderr.contains(why), "{}", told.stderr);
    assert_eq!(fs::read(&scene.path).unwrap(), damaged);
    assert_eq!(names_in(scene.path.parent().unwrap()).len(), 2, "nothing is left over");
}

#[test]
fn a_sidecar_goes_with_what_it_became_and_a_kept_one_with_its_archive() {
    let scene = Scene::new();
    scene.alone();
    let sidecar = scene.path.with_file_name("pai-20261101-020000.tar.gz.sha256");
    let line = run(command("sha256sum")
        .arg(scene.path.file_name().unwrap())
        .current_dir(scene.path.parent().unwrap()));
    fs::write(&sidecar, &line.expect(0).stdout).unwrap();
    let mut damaged = scene.good.clone();
    damaged[300] ^= 1;
    scene.repair(&damaged, &[]).expect(1);
    run(command("sha256sum").arg("-c").arg(&sidecar).current_dir(scene.path.parent().unwrap())).expect(0);
    scene.workspace.write("a", b"a");
    run(&mut scene.workspace.pai(["create", "-q", "--allow-shrink", "--now", "2027-01-01T02:00:00Z"]))
        .expect(0);
    assert_eq!(names_in(&scene.workspace.home().join("archive")), ["pai-20270101-020000.tar.gz"]);
}

#[test]
fn what_is_no_archive_of_ours_is_refused() {
    let scene = Scene::new();
    for bytes in [b"".as_slice(), b"no archive", &[1; 5000]] {
        let told = scene.repair(bytes, &[]).expect(2);
        assert!(told.stderr.contains("could not repair "), "{}", told.stderr);
        assert_eq!(fs::read(&scene.path).unwrap(), bytes);
    }
}

#[test]
fn a_par2_file_mends_what_nobody_else_has_and_lives_with_its_archive() {
    if !pai_tests::has("par2") {
        return pai_tests::skip("no par2 (package par2)");
    }
    let scene = Scene::new();
    fs::remove_file(&scene.path).unwrap();
    let made = scene.workspace.back_up(["-q", "--par2", "10%", "--now", "2026-11-01T02:00:00Z"]);
    assert_eq!(made, scene.path);
    let good = fs::read(&made).unwrap();
    let sidecar = made.with_file_name("pai-20261101-020000.tar.gz.par2");
    let recovery = fs::read(&sidecar).unwrap();
    assert!(recovery.len() > good.len() / 20 && recovery.len() < good.len() / 2, "{}", recovery.len());
    scene.alone();
    let middle = good.len() / 2;
    let cut = good.len() - 3000;
    for (what, damaged) in [
        ("flip", {
            let mut bad = good.clone();
            bad[middle] ^= 1;
            bad
        }),
        ("zeros", {
            let mut bad = good.clone();
            bad[middle..middle + 4000].fill(0);
            bad
        }),
        ("cut", good[..cut].to_vec()),
        ("first byte", {
            let mut bad = good.clone();
            bad[0] = 0;
            bad
        }),
    ] {
        let told = scene.repair(&damaged, &[]).expect(0);
        assert_eq!(fs::read(&made).unwrap(), good, "{what}: {}", told.stdout);
        assert!(!scene.broken().exists());
    }
    // One that cannot mend it changes nothing; what else can be done is.
    let mut damaged = good.clone();
    damaged[middle] ^= 1;
    for useless in [recovery[..100].to_vec(), Vec::new()] {
        fs::write(&sidecar, useless).unwrap();
        scene.repair(&damaged, &[]).expect(1);
        sound(&made, "in part");
    }
    let left = names_in(made.parent().unwrap());
    assert!(!left.iter().any(|name| name.starts_with('.')), "{left:?}");
    scene.workspace.write("a", b"a");
    run(&mut scene.workspace.pai(["create", "-q", "--allow-shrink", "--now", "2027-01-01T02:00:00Z"]))
        .expect(0);
    assert_eq!(names_in(made.parent().unwrap()), ["pai-20270101-020000.tar.gz"]);
    let refused = run(&mut scene.workspace.pai(["create", "--par2", "5%", "-o", "-"])).expect(2);
    assert!(refused.stderr.contains("--par2 is for a tar.gz that gets a name"), "{}", refused.stderr);
    let without = run(scene.workspace.pai(["create", "--par2", "5%"]).env("PATH", "/nowhere")).expect(2);
    assert!(without.stderr.contains("hint: install par2 (package par2)"), "{}", without.stderr);
}
