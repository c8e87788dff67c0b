//! The power goes before each call that changes something, and once after a run has ended well: what was not synced is
//! gone, every name is kept. That is what a journal leaves: names in their order, bytes only where they were asked for.
//!
//! restore is no scene here: like tar it leaves the syncing to the system, for what it writes is in the archive still.

use pai_tests::scratch;

use crate::calls::{CHANGING, SIZE};
use crate::scenes::ALL;
use crate::shim::{Fault, Shim};
use crate::tally::Tally;

fn the_power_goes_at_every_call(name: &str) {
    let (_, set_up) = ALL.iter().find(|(scene, _)| *scene == name).unwrap();
    let folder = scratch();
    let scene = set_up(folder.path(), SIZE);
    let Some(shim) = Shim::new(folder.path(), &CHANGING) else { return };
    let mut tally = Tally::new("power cut at every call", name);
    for nth in 1.. {
        scene.reset();
        tally.tried += 1;
        let (outcome, report) = shim.run(Fault::PowerCut, nth, &scene.command());
        let verdict = match outcome.status {
            Some(137) => scene.recovers(),
            Some(0) => scene.check_new().map_err(|why| format!("ended with 0, and yet: {why}")),
            status => Err(format!("ended with {status:?}: {}", outcome.stderr)),
        };
        let moment = report.hit.first().map_or("the end", String::as_str);
        tally.take(format_args!("call {nth}, {moment}, gone from {:?}", report.lost), verdict);
        if report.hit.is_empty() {
            break;
        }
    }
    tally.conclude();
}

macro_rules! each {
    ($($test:ident: $scene:literal,)*) => {
        $(#[test]
        fn $test() {
            the_power_goes_at_every_call($scene);
        })*
    };
}

each! {
    an_archive_that_has_its_name_is_whole: "create",
    a_dump_that_has_its_name_is_whole: "capture",
    a_rotation_loses_only_what_was_to_go: "rotate",
    a_log_rotation_loses_no_line: "rotate logs",
    a_copying_log_rotation_loses_no_line: "rotate logs --copytruncate",
    an_optimize_loses_no_section: "optimize",
    a_checksum_list_is_old_or_new: "checksum -o",
    an_updated_checksum_list_is_old_or_new: "checksum --update",
    an_archive_that_a_store_lists_is_whole: "create --store",
    a_prune_takes_no_pack_from_an_archive: "prune",
}
