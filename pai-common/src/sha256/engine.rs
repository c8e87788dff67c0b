//! Which kernels this CPU runs best.

use std::sync::LazyLock;

use super::{Block, State, kernels};

/// Names one of [`ENGINES`] instead of the best one: for tests and benchmarks. A name that is unknown, or that
/// this CPU cannot run, changes nothing.
const FORCE: &str = "PAI_SHA256";

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

/// Best first.
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
    /// The engine of this process.
    pub(super) fn current() -> &'static Self {
        static CURRENT: LazyLock<&'static Engine> = LazyLock::new(|| {
            let forced = std::env::var(FORCE).unwrap_or_default();
            Engine::available().find(|engine| engine.name == forced).unwrap_or_else(|| {
                Engine::available().next().expect("the portable engine is always available")
            })
        });
        *CURRENT
    }

    /// Every engine this CPU can run, best first.
    pub(super) fn available() -> impl Iterator<Item = &'static Self> {
        ENGINES.iter().filter(|engine| (engine.available)())
    }
}
