//! Which kernels this CPU runs best.

use std::mem::size_of;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Block, State, kernels};

/// Names one of [`ENGINES`] instead of the best one: for tests and benchmarks. A name that is unknown, or that
/// this CPU cannot run, changes nothing.
const FORCE: &str = "PAI_SHA256";

/// So many bytes a process hashes before it asks the CPU what it can. In a virtual machine each of some ten questions goes to
/// the hypervisor and takes microseconds: a short file is hashed sooner without them.
const UNASKED: usize = 4 << 10;

/// The engine of this process, once the CPU was asked.
static CURRENT: OnceLock<&Engine> = OnceLock::new();

/// How one stream, and how several, are compressed.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) name: &'static str,
    available: fn() -> bool,
    /// One stream.
    pub(super) alone: fn(&mut State, &[Block]),
    /// Several streams in step, where the CPU has a faster way than one after another.
    pub(super) wide: Option<Wide>,
}

/// A kernel that takes `lanes` blocks of as many streams in one go.
#[derive(Debug)]
pub(super) struct Wide {
    pub(super) lanes: usize,
    /// From how many streams on it beats taking one after another: it costs the same however few are busy.
    pub(super) from: usize,
    /// All slices have the same length; both arguments have `lanes` entries.
    pub(super) compress: fn(&mut [State], &[&[Block]]),
}

/// Best first, and the one that every CPU runs last.
#[cfg(target_arch = "x86_64")]
static ENGINES: [Engine; 5] = [
    Engine {
        name: "avx512-sha",
        available: || has_avx512() && has_sha(),
        alone: sha2::block_api::compress256,
        wide: Some(Wide { lanes: 16, from: 8, compress: kernels::avx512_16 }),
    },
    Engine {
        name: "avx512",
        available: || has_avx512() && has_avx2(),
        alone: kernels::avx2,
        wide: Some(Wide { lanes: 16, from: 3, compress: kernels::avx512_16 }),
    },
    Engine { name: "sha", available: has_sha, alone: sha2::block_api::compress256, wide: None },
    Engine {
        name: "avx2",
        available: has_avx2,
        alone: kernels::avx2,
        wide: Some(Wide { lanes: 8, from: 3, compress: kernels::avx2_8 }),
    },
    Engine { name: "portable", available: || true, alone: kernels::portable, wide: None },
];

/// Elsewhere sha2 knows the CPU's SHA-256 instructions.
#[cfg(not(target_arch = "x86_64"))]
static ENGINES: [Engine; 2] = [
    Engine { name: "sha2", available: || true, alone: sha2::block_api::compress256, wide: None },
    Engine { name: "portable", available: || true, alone: kernels::portable, wide: None },
];

#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") && has_avx2()
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2")
}

/// The CPU features that sha2 requires before it uses the SHA instructions.
#[cfg(target_arch = "x86_64")]
fn has_sha() -> bool {
    is_x86_feature_detected!("sha") && is_x86_feature_detected!("ssse3") && is_x86_feature_detected!("sse4.1")
}

impl Engine {
    /// The best engine, or the one that [`FORCE`] names.
    pub(super) fn current() -> &'static Self {
        CURRENT.get_or_init(|| {
            let forced = std::env::var(FORCE).unwrap_or_default();
            Engine::available().find(|engine| engine.name == forced).unwrap_or_else(|| {
                Engine::available().next().expect("the portable engine is always available")
            })
        })
    }

    /// The engine for `blocks` more blocks of one stream: the first few of a process go to the portable one, unasked.
    pub(super) fn for_blocks(blocks: usize) -> &'static Self {
        static HASHED: AtomicUsize = AtomicUsize::new(0);
        if let Some(current) = CURRENT.get() {
            return current;
        }
        let bytes = blocks * size_of::<Block>();
        let before = HASHED.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes <= UNASKED && std::env::var_os(FORCE).is_none() {
            &ENGINES[ENGINES.len() - 1]
        } else {
            Self::current()
        }
    }

    /// Every engine this CPU can run, best first.
    pub(super) fn available() -> impl Iterator<Item = &'static Self> {
        ENGINES.iter().filter(|engine| (engine.available)())
    }
}
